//! Servers of the local network, found by multicast: what a beacon says, when one is sent, and the
//! socket for it. Beacons are sealed and opened outside; nothing here believes what a beacon says, it
//! is only an address to try.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

/// Where beacons go: a group of the range for one organisation (RFC 2365, section 6.1). Protocol.
pub const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 74, 11), 7410);
/// Routers that a beacon may pass, itself included: it stays on the local network. Protocol.
const TTL: u32 = 1;
/// Beacons at the start that follow each other fast, so that a lost one costs a second. A guess.
const FAST_BEACONS: u32 = 5;
const FAST: Duration = Duration::from_secs(1);
/// Between the later ones: for servers that start or come back while others run. A guess.
const SLOW: Duration = Duration::from_secs(10);

/// How long to wait after so many beacons before the next one. The first goes at once.
pub fn pause_after(sent: u32) -> Duration {
    match sent {
        0 => Duration::ZERO,
        1..FAST_BEACONS => FAST,
        _ => SLOW,
    }
}

/// The socket for beacons, non-blocking. Several servers of a machine share the port; each hears all
/// beacons, its own too. `interface` is the address of the network card to use; the unspecified one
/// leaves the choice to the system.
pub fn open(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, GROUP.port()).into())?;
    socket.join_multicast_v4(GROUP.ip(), &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    socket.set_multicast_ttl_v4(TTL)?;
    socket.set_multicast_loop_v4(true)?;
    Ok(socket.into())
}

/// The interface for beacons of a server that listens for others on this address: that address, where
/// it is one of IPv4.
pub fn interface_of(peer_addr: SocketAddr) -> Ipv4Addr {
    match peer_addr {
        SocketAddr::V4(addr) => *addr.ip(),
        SocketAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

/// What a beacon says.
pub mod beacon {
    use hubbub_shared::limits::MAX_NAME_BYTES;
    use hubbub_shared::names::ClientName;
    use std::net::{IpAddr, SocketAddr};
    use uuid::Uuid;

    /// What every beacon starts with; the last byte is the version of the rest. Protocol.
    const HEAD: &[u8; 7] = b"hubbub\x01";
    const V4: u8 = 4;
    const V6: u8 = 6;
    /// Bytes of the longest beacon: head, uuid, family, address, port, and the cluster's name.
    pub const MAX_BEACON: usize = HEAD.len() + 16 + 1 + 16 + 2 + MAX_NAME_BYTES;

    /// A server that says where it is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Beacon {
        /// The cluster that it belongs to.
        pub cluster: String,
        /// The uuid of its run.
        pub id: Uuid,
        /// Where it listens for other servers, as it is bound.
        pub peer_addr: SocketAddr,
    }

    impl Beacon {
        /// Where to reach the server whose beacon came from `source`: who listens on all addresses is
        /// reached where the beacon came from.
        pub fn reach(&self, source: IpAddr) -> SocketAddr {
            if self.peer_addr.ip().is_unspecified() {
                SocketAddr::new(source.to_canonical(), self.peer_addr.port())
            } else {
                self.peer_addr
            }
        }
    }

    /// The bytes to seal. The cluster's name has to be a valid one.
    pub fn encode(cluster: &str, id: Uuid, peer_addr: SocketAddr) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAX_BEACON);
        bytes.extend_from_slice(HEAD);
        bytes.extend_from_slice(id.as_bytes());
        match peer_addr.ip() {
            IpAddr::V4(ip) => {
                bytes.push(V4);
                bytes.extend_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.push(V6);
                bytes.extend_from_slice(&ip.octets());
            }
        }
        bytes.extend_from_slice(&peer_addr.port().to_be_bytes());
        bytes.extend_from_slice(cluster.as_bytes());
        bytes
    }

    /// Reads bytes that were opened. Nothing, where they are no beacon of this version.
    pub fn parse(bytes: &[u8]) -> Option<Beacon> {
        let rest = bytes.strip_prefix(HEAD)?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (family, rest) = rest.split_first()?;
        let (ip, rest): (IpAddr, &[u8]) = match *family {
            V4 => rest.split_first_chunk::<4>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
            V6 => rest.split_first_chunk::<16>().map(|(ip, rest)| (IpAddr::from(*ip), rest))?,
            _ => return None,
        };
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let cluster = ClientName::parse(std::str::from_utf8(rest).ok()?).ok()?;
        let port = u16::from_be_bytes(*port);
        (port != 0 && !ip.is_multicast()).then(|| Beacon {
            cluster: cluster.as_str().to_owned(),
            id: Uuid::from_bytes(*id),
            peer_addr: SocketAddr::new(ip, port),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proptest::prelude::*;

        proptest! {
            #[test]
            fn a_beacon_says_what_was_put_in(
                cluster in "[a-z0-9][a-z0-9._-]{0,31}",
                id: u128,
                ip: IpAddr,
                port in 1..=u16::MAX,
            ) {
                prop_assume!(!ip.is_multicast());
                let (id, peer_addr) = (Uuid::from_u128(id), SocketAddr::new(ip, port));
                let bytes = encode(&cluster, id, peer_addr);
                prop_assert!(bytes.len() <= MAX_BEACON);
                prop_assert_eq!(parse(&bytes), Some(Beacon { cluster, id, peer_addr }));
            }

            #[test]
            fn any_bytes_are_survived(bytes: Vec<u8>, tail: Vec<u8>) {
                let _ = parse(&bytes);
                let _ = parse(&[HEAD.as_slice(), &tail].concat());
            }
        }

        #[test]
        fn what_is_no_beacon_is_nothing() {
            let good = encode("hubbub", Uuid::from_u128(7), SocketAddr::from(([192, 0, 2, 7], 7412)));
            assert!(parse(&good).is_some());
            for length in 0..good.len() - "hubbub".len() + 1 {
                assert_eq!(parse(&good[..length]), None, "cut at {length}");
            }
            let with = |at: usize, byte: u8| {
                let mut wrong = good.clone();
                wrong[at] = byte;
                parse(&wrong)
            };
            assert_eq!(with(6, 2), None, "another version");
            assert_eq!(with(23, 5), None, "another family");
            assert_eq!(with(24, 239), None, "a group");
            assert_eq!(with(30, b' '), None, "no cluster's name");
            assert_eq!(parse(&[good, vec![b'x'; MAX_NAME_BYTES]].concat()), None, "too long a name");
            let no_port = encode("hubbub", Uuid::nil(), SocketAddr::from(([192, 0, 2, 7], 0)));
            assert_eq!(parse(&no_port), None);
        }

        #[test]
        fn who_listens_everywhere_is_where_its_beacon_came_from() {
            let reach = |ip: [u8; 4]| {
                let beacon = parse(&encode("hubbub", Uuid::nil(), SocketAddr::from((ip, 7412))));
                beacon.expect("it is one").reach(IpAddr::from([192, 0, 2, 9])).to_string()
            };
            assert_eq!(reach([0, 0, 0, 0]), "192.0.2.9:7412");
            assert_eq!(reach([192, 0, 2, 7]), "192.0.2.7:7412");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn five_beacons_come_fast_and_then_one_every_ten_seconds() {
        let seconds: Vec<u64> = (0..8).map(|sent| pause_after(sent).as_secs()).collect();
        assert_eq!(seconds, [0, 1, 1, 1, 1, 10, 10, 10]);
    }

    #[test]
    fn servers_of_one_machine_hear_each_other() {
        let interface = interface_of("127.0.0.1:7412".parse().unwrap());
        let (Ok(first), Ok(second)) = (open(interface), open(interface)) else {
            eprintln!("not shown here: this machine has no multicast");
            return;
        };
        for socket in [&first, &second] {
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        let id = uuid::Uuid::now_v7();
        let sent = beacon::encode("hubbub", id, "127.0.0.1:7412".parse().unwrap());
        if first.send_to(&sent, GROUP).is_err() {
            eprintln!("not shown here: this machine has no way for multicast");
            return;
        }
        for socket in [&first, &second] {
            let mut bytes = [0; 2048];
            // Others on this machine may send beacons too.
            loop {
                let (length, source) = socket.recv_from(&mut bytes).unwrap();
                if beacon::parse(&bytes[..length]).is_some_and(|beacon| beacon.id == id) {
                    assert!(source.ip().is_loopback());
                    break;
                }
            }
        }
    }
}
