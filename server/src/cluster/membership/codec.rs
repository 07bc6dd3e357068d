//! How members are written in packets: compact, by hand, and bounded. Owns the bytes only. What
//! comes in is checked here once: names, addresses and lengths; a bad packet is an error, whole.
//!
//! Whom a packet is for, and third parties of indirect probes, are written as a short key (run,
//! generation, address): only the sender and the members that are told of are written in full.

use crate::cluster::Member;
use bytes::{Buf, BufMut};
use foca::{Header, Message, State};
use hubbub_shared::limits::MAX_NAME_BYTES;
use hubbub_shared::names::ClientName;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use uuid::Uuid;

/// The longest version that is told: `10.20.30-release.4+build` has room.
pub(super) const MAX_VERSION_BYTES: usize = 32;

/// A member as foca sees it. Runs, generations and addresses tell members apart; the rest is only told.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) member: Arc<Member>,
    /// The same as the member's, at hand: foca compares addresses all the time.
    pub(super) addr: SocketAddr,
    /// In news that it is down: that it said so itself.
    pub(super) left: bool,
}

impl Identity {
    pub(super) fn new(mut member: Member) -> Identity {
        member.peer_addr = plain(member.peer_addr);
        member.client_addr = plain(member.client_addr);
        Identity { addr: member.peer_addr, member: Arc::new(member), left: false }
    }

    /// Whoever is at an address, to ask it.
    pub(super) fn somebody(addr: SocketAddr) -> Identity {
        Self::key(Uuid::nil(), 0, plain(addr))
    }

    fn key(id: Uuid, generation: u16, addr: SocketAddr) -> Identity {
        let (name, version) = (String::new(), String::new());
        let member = Member { id, generation, name, pid: 0, client_addr: addr, peer_addr: addr, version };
        Identity { member: Arc::new(member), addr, left: false }
    }

    fn order(&self) -> (Uuid, u16) {
        (self.member.id, self.member.generation)
    }
}

/// An address without what is only true on one machine.
fn plain(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.addr == other.addr && self.order() == other.order()
    }
}

impl Eq for Identity {}

impl foca::Identity for Identity {
    type Addr = SocketAddr;

    fn renew(&self) -> Option<Self> {
        let generation = self.member.generation.checked_add(1)?;
        Some(Identity::new(Member { generation, ..(*self.member).clone() }))
    }

    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.order() > adversary.order()
    }
}

/// What is wrong with a packet, or with a member that does not fit into one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Bad(&'static str);

/// Writes and reads. See the module.
pub(super) struct Codec {
    /// Our own address: a packet for whoever is there is for us.
    pub(super) me: SocketAddr,
    /// Our own run.
    pub(super) run: Uuid,
    /// Whether members elsewhere than on this machine are refused.
    pub(super) loopback_only: bool,
    /// Whether news that we are down means that we leave.
    pub(super) leaving: Arc<AtomicBool>,
}

const V6_PEER: u8 = 1;
const V6_CLIENT: u8 = 2;
const ONE_IP: u8 = 4;
const LEFT: u8 = 3;

fn need(buf: &impl Buf, bytes: usize) -> Result<(), Bad> {
    if buf.remaining() < bytes {
        return Err(Bad("it ends too early"));
    }
    Ok(())
}

fn put_ip(buf: &mut impl BufMut, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => buf.put_slice(&ip.octets()),
        IpAddr::V6(ip) => buf.put_slice(&ip.octets()),
    }
}

fn get_ip(buf: &mut impl Buf, v6: bool) -> Result<IpAddr, Bad> {
    need(buf, if v6 { 16 } else { 4 })?;
    let ip = if v6 {
        Ipv6Addr::from_bits(buf.get_u128()).into()
    } else {
        Ipv4Addr::from_bits(buf.get_u32()).into()
    };
    Ok(IpAddr::to_canonical(&ip))
}

fn get_port(buf: &mut impl Buf) -> Result<u16, Bad> {
    need(buf, 2)?;
    Ok(buf.get_u16())
}

fn get_text(buf: &mut impl Buf, most: usize) -> Result<String, Bad> {
    need(buf, 1)?;
    let length = usize::from(buf.get_u8());
    if length > most {
        return Err(Bad("a text is too long"));
    }
    need(buf, length)?;
    let mut text = vec![0; length];
    buf.copy_to_slice(&mut text);
    String::from_utf8(text).map_err(|_| Bad("a text is not UTF-8"))
}

impl Codec {
    /// The most bytes of a member in full without its texts, and of a key.
    const FULL: usize = 1 + 16 + 2 + 4 + 2 * 18 + 2;
    const KEY: usize = 1 + 16 + 2 + 18;

    fn put_full(&self, id: &Identity, buf: &mut impl BufMut) -> Result<(), Bad> {
        let m = &*id.member;
        let version = m.version.get(..m.version.len().min(MAX_VERSION_BYTES)).unwrap_or_default();
        if m.name.len() > MAX_NAME_BYTES {
            return Err(Bad("a name is too long"));
        }
        if buf.remaining_mut() < Self::FULL + m.name.len() + version.len() {
            return Err(Bad("the packet is full"));
        }
        let one_ip = m.client_addr.ip() == m.peer_addr.ip();
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        buf.put_u8(
            flag(m.peer_addr.is_ipv6(), V6_PEER)
                | flag(m.client_addr.is_ipv6(), V6_CLIENT)
                | flag(one_ip, ONE_IP),
        );
        buf.put_slice(m.id.as_bytes());
        buf.put_u16(m.generation);
        buf.put_u32(m.pid);
        put_ip(buf, m.peer_addr.ip());
        buf.put_u16(m.peer_addr.port());
        if !one_ip {
            put_ip(buf, m.client_addr.ip());
        }
        buf.put_u16(m.client_addr.port());
        for text in [&m.name, version] {
            buf.put_u8(text.len() as u8);
            buf.put_slice(text.as_bytes());
        }
        Ok(())
    }

    fn get_full(&self, buf: &mut impl Buf) -> Result<Identity, Bad> {
        need(buf, 1 + 16 + 2 + 4)?;
        let flags = buf.get_u8();
        let (id, generation, pid) = (Uuid::from_u128(buf.get_u128()), buf.get_u16(), buf.get_u32());
        let peer_ip = get_ip(buf, flags & V6_PEER != 0)?;
        let peer_addr = SocketAddr::new(peer_ip, get_port(buf)?);
        let client_ip = if flags & ONE_IP != 0 { peer_ip } else { get_ip(buf, flags & V6_CLIENT != 0)? };
        let client_addr = SocketAddr::new(client_ip, get_port(buf)?);
        let (name, version) = (get_text(buf, MAX_NAME_BYTES)?, get_text(buf, MAX_VERSION_BYTES)?);
        self.check(peer_addr)?;
        if id.is_nil() || ClientName::parse(&name).is_err() {
            return Err(Bad("a name is not one that servers may have"));
        }
        if !version.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Bad("a version is not printable"));
        }
        Ok(Identity::new(Member { id, generation, name, pid, client_addr, peer_addr, version }))
    }

    fn put_key(id: &Identity, buf: &mut impl BufMut) -> Result<(), Bad> {
        if buf.remaining_mut() < Self::KEY {
            return Err(Bad("the packet is full"));
        }
        buf.put_slice(id.member.id.as_bytes());
        if !id.member.id.is_nil() {
            buf.put_u16(id.member.generation);
            buf.put_u8(u8::from(id.addr.is_ipv6()));
            put_ip(buf, id.addr.ip());
            buf.put_u16(id.addr.port());
        }
        Ok(())
    }

    fn get_key(&self, buf: &mut impl Buf) -> Result<Identity, Bad> {
        need(buf, 16)?;
        let id = Uuid::from_u128(buf.get_u128());
        if id.is_nil() {
            return Ok(Identity::somebody(self.me));
        }
        need(buf, 3)?;
        let (generation, v6) = (buf.get_u16(), buf.get_u8() != 0);
        let addr = SocketAddr::new(get_ip(buf, v6)?, get_port(buf)?);
        self.check(addr)?;
        Ok(Identity::key(id, generation, addr))
    }

    fn check(&self, addr: SocketAddr) -> Result<(), Bad> {
        if addr.port() == 0 || addr.ip().is_unspecified() || addr.ip().is_multicast() {
            return Err(Bad("an address is not one server's"));
        }
        if self.loopback_only && !addr.ip().is_loopback() {
            return Err(Bad("a member is not on this machine"));
        }
        Ok(())
    }
}

impl foca::Codec<Identity> for Codec {
    type Error = Bad;

    fn encode_header(&mut self, header: &Header<Identity>, mut buf: impl BufMut) -> Result<(), Bad> {
        self.put_full(&header.src, &mut buf)?;
        if buf.remaining_mut() < 2 + 2 * Self::KEY + 2 {
            return Err(Bad("the packet is full"));
        }
        buf.put_u16(header.src_incarnation);
        Self::put_key(&header.dst, &mut buf)?;
        let (kind, third, number) = match &header.message {
            Message::Ping(number) => (0, None, *number),
            Message::Ack(number) => (1, None, *number),
            Message::PingReq { target, probe_number } => (2, Some(target), *probe_number),
            Message::IndirectPing { origin, probe_number } => (3, Some(origin), *probe_number),
            Message::IndirectAck { target, probe_number } => (4, Some(target), *probe_number),
            Message::ForwardedAck { origin, probe_number } => (5, Some(origin), *probe_number),
            Message::Announce => (6, None, 0),
            Message::Feed => (7, None, 0),
            Message::Gossip => (8, None, 0),
            Message::Broadcast => (9, None, 0),
            Message::TurnUndead => (10, None, 0),
        };
        buf.put_u8(kind);
        buf.put_u8(number);
        third.map_or(Ok(()), |id| Self::put_key(id, &mut buf))
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<Identity>, Bad> {
        let src = self.get_full(&mut buf)?;
        need(&buf, 2)?;
        let src_incarnation = buf.get_u16();
        let dst = self.get_key(&mut buf)?;
        need(&buf, 2)?;
        let (kind, probe_number) = (buf.get_u8(), buf.get_u8());
        let mut third = || self.get_key(&mut buf);
        let message = match kind {
            0 => Message::Ping(probe_number),
            1 => Message::Ack(probe_number),
            2 => Message::PingReq { target: third()?, probe_number },
            3 => Message::IndirectPing { origin: third()?, probe_number },
            4 => Message::IndirectAck { target: third()?, probe_number },
            5 => Message::ForwardedAck { origin: third()?, probe_number },
            6 => Message::Announce,
            7 => Message::Feed,
            8 => Message::Gossip,
            9 => Message::Broadcast,
            10 => Message::TurnUndead,
            _ => return Err(Bad("the kind of message is unknown")),
        };
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(&mut self, member: &foca::Member<Identity>, mut buf: impl BufMut) -> Result<(), Bad> {
        let id = member.id();
        if buf.remaining_mut() < 3 {
            return Err(Bad("the packet is full"));
        }
        let we_leave = || id.member.id == self.run && self.leaving.load(Ordering::Relaxed);
        buf.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down if id.left || we_leave() => LEFT,
            State::Down => 2,
        });
        buf.put_u16(member.incarnation());
        self.put_full(id, &mut buf)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<foca::Member<Identity>, Bad> {
        need(&buf, 3)?;
        let (kind, incarnation) = (buf.get_u8(), buf.get_u16());
        let state = match kind {
            0 => State::Alive,
            1 => State::Suspect,
            2 | LEFT => State::Down,
            _ => return Err(Bad("the state of a member is unknown")),
        };
        let mut id = self.get_full(&mut buf)?;
        id.left = kind == LEFT;
        Ok(foca::Member::new(id, incarnation, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foca::Codec as _;
    use proptest::prelude::*;

    fn codec() -> Codec {
        let me = SocketAddr::from(([10, 0, 0, 1], 7001));
        Codec { me, run: Uuid::from_u128(1), loopback_only: false, leaving: Arc::default() }
    }

    fn member(name: &str, peer: &str, client: &str) -> Identity {
        let (peer_addr, client_addr) =
            (peer.parse().expect("an address"), client.parse().expect("an address"));
        let (id, version) = (Uuid::from_u128(7), "0.1.0".to_owned());
        let name = name.to_owned();
        Identity::new(Member { id, generation: 3, name, pid: 4, client_addr, peer_addr, version })
    }

    #[test]
    fn a_member_is_read_as_it_was_written() {
        for (peer, client) in [
            ("10.0.0.2:7001", "10.0.0.2:7000"),
            ("10.0.0.2:7001", "[2001:db8::1]:7000"),
            ("[2001:db8::2]:7001", "10.0.0.2:7000"),
            ("[2001:db8::2]:7001", "[2001:db8::2]:7000"),
        ] {
            let mut id = member("web-1", peer, client);
            id.left = true;
            let mut bytes = Vec::new();
            let told = foca::Member::new(id.clone(), 9, State::Down);
            codec().encode_member(&told, &mut bytes).expect("there is room");
            let read = codec().decode_member(&bytes[..]).expect("it is a good one");
            assert_eq!((read.incarnation(), read.state(), read.id().left), (9, State::Down, true));
            assert_eq!(*read.id().member, *id.member);
            for cut in 0..bytes.len() {
                assert!(codec().decode_member(&bytes[..cut]).is_err());
                let mut small = Vec::new().limit(cut);
                assert!(codec().encode_member(&told, &mut small).is_err());
            }
        }
    }

    #[test]
    fn members_that_cannot_be_are_refused() {
        for (name, peer) in [
            ("no blanks", "10.0.0.2:1"),
            ("", "10.0.0.2:1"),
            ("web", "0.0.0.0:1"),
            ("web", "10.0.0.2:0"),
            ("web", "224.0.0.1:1"),
            ("web", "[::]:1"),
        ] {
            let mut bytes = Vec::new();
            let told = foca::Member::alive(member(name, peer, "10.0.0.2:7000"));
            codec().encode_member(&told, &mut bytes).expect("there is room");
            assert!(codec().decode_member(&bytes[..]).is_err(), "{name} {peer}");
        }
        let long = foca::Member::alive(member(&"x".repeat(33), "10.0.0.2:1", "10.0.0.2:7000"));
        assert!(codec().encode_member(&long, Vec::new()).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = codec().decode_header(&bytes[..]);
            let _ = codec().decode_member(&bytes[..]);
        }
    }
}
