//! The ports of a server: the peer port, which is one number for TCP (links) and UDP (gossip), the
//! search for a free port where the usual one is taken, and the address by which others reach what
//! listens on all of them. Nothing is sent or accepted here.

use crate::config::Choice;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// Links that the kernel completes before they are accepted: a cluster that comes back at once. A
/// guess, ten times the largest cluster that is expected.
const BACKLOG: i32 = 128;
/// Ports that are tried where the usual one is taken. A guess: far more servers than a machine has
/// cores.
const MOST_TRIES: u16 = 64;
/// From one usual port to the next: clients have the odd ones, peers the even ones. Protocol.
const STEP: u16 = 2;
/// Free ports of TCP that are tried until one is free for UDP as well. Either is taken rarely.
const MOST_PAIRS: usize = 64;

/// The bound sockets of the peer port, both non-blocking.
#[derive(Debug)]
pub struct PeerPort {
    /// Where links are accepted.
    pub tcp: TcpListener,
    /// Where gossip comes and goes.
    pub udp: UdpSocket,
    /// What both are bound to; the IP address may stand for all ([`advertised`]).
    pub addr: SocketAddr,
}

impl PeerPort {
    /// Binds both; port 0 takes a number that is free for both.
    pub fn bind(addr: SocketAddr) -> io::Result<PeerPort> {
        let mut tries = if addr.port() == 0 { MOST_PAIRS } else { 1 };
        loop {
            let tcp = bind(addr, Type::STREAM, Protocol::TCP)?;
            tcp.listen(BACKLOG)?;
            let tcp = TcpListener::from(tcp);
            let bound = tcp.local_addr()?;
            tries -= 1;
            match bind(bound, Type::DGRAM, Protocol::UDP) {
                Ok(udp) => return Ok(PeerPort { tcp, udp: udp.into(), addr: bound }),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn bind(addr: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    // For TCP only: a server that comes back need not wait for its old connections to be forgotten.
    // For UDP it would let two servers share a port.
    if protocol == Protocol::TCP {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Binds what was given exactly, and what is a default there or at the next free port after it. Taken
/// ports of the way are told as the second value.
pub fn bind_choice<T>(
    choice: &Choice<SocketAddr>,
    bind: impl Fn(SocketAddr) -> io::Result<T>,
) -> io::Result<(T, Vec<u16>)> {
    let mut taken = Vec::new();
    let mut addr = choice.value;
    loop {
        match bind(addr) {
            Ok(bound) => return Ok((bound, taken)),
            Err(error) if error.kind() != io::ErrorKind::AddrInUse || !choice.is_default => {
                return Err(error)
            }
            Err(error) => {
                taken.push(addr.port());
                let next = addr.port().checked_add(STEP).filter(|_| taken.len() < MOST_TRIES.into());
                addr.set_port(next.ok_or(error)?);
            }
        }
    }
}

/// The address by which others reach a bound one. Where it stands for all addresses, the one from which
/// the system would send `towards` them; without that, or without a way there, this machine's own.
pub fn advertised(bound: SocketAddr, towards: Option<SocketAddr>) -> SocketAddr {
    if !bound.ip().is_unspecified() {
        return bound;
    }
    let local = towards.and_then(|towards| source_towards(bound.ip(), towards).ok());
    match local.filter(|ip| !ip.is_unspecified()) {
        Some(ip) => SocketAddr::new(ip, bound.port()),
        None => on_loopback(bound),
    }
}

/// Where to connect, on this machine, to reach what may listen on all addresses.
pub fn on_loopback(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

/// A connected UDP socket knows its own address, although nothing was sent.
fn source_towards(any: IpAddr, towards: SocketAddr) -> io::Result<IpAddr> {
    // What listens on all addresses of IPv6 is reached by IPv4 as well.
    let any = match towards {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => any,
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(towards)?;
    Ok(socket.local_addr()?.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_protocols_have_one_number() {
        let port = PeerPort::bind(addr("127.0.0.1:0")).unwrap();
        assert_ne!(port.addr.port(), 0);
        assert_eq!(port.tcp.local_addr().unwrap(), port.addr);
        assert_eq!(port.udp.local_addr().unwrap(), port.addr);
        // Neither waits.
        assert_eq!(port.tcp.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(port.udp.recv(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_number_that_one_protocol_has_taken_is_taken() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let error = PeerPort::bind(udp.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let first = PeerPort::bind(addr("127.0.0.1:0")).unwrap();
        assert_eq!(PeerPort::bind(first.addr).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_default_gives_way_and_what_was_given_does_not() {
        let free = |taken: &'static [u16]| {
            move |addr: SocketAddr| match taken.contains(&addr.port()) {
                true => Err(io::ErrorKind::AddrInUse.into()),
                false => Ok(addr.port()),
            }
        };
        let choice = |is_default| Choice { value: addr("127.0.0.1:7411"), is_default };
        assert_eq!(bind_choice(&choice(true), free(&[])).unwrap(), (7411, vec![]));
        assert_eq!(bind_choice(&choice(true), free(&[7411, 7413])).unwrap(), (7415, vec![7411, 7413]));
        let given = bind_choice(&choice(false), free(&[7411])).unwrap_err();
        assert_eq!(given.kind(), io::ErrorKind::AddrInUse);

        let tries = std::cell::Cell::new(0);
        let never = |_| -> io::Result<()> {
            tries.set(tries.get() + 1);
            Err(io::ErrorKind::AddrInUse.into())
        };
        assert!(bind_choice(&choice(true), never).is_err());
        assert_eq!(tries.get(), MOST_TRIES);
        let other = |_| -> io::Result<()> { Err(io::ErrorKind::AddrNotAvailable.into()) };
        assert_eq!(
            bind_choice(&choice(true), other).unwrap_err().kind(),
            io::ErrorKind::AddrNotAvailable,
            "only a taken port is passed over"
        );
    }

    #[test]
    fn what_listens_everywhere_is_told_as_something_that_can_be_reached() {
        assert_eq!(advertised(addr("192.0.2.1:7"), Some(addr("127.0.0.1:1"))), addr("192.0.2.1:7"));
        assert_eq!(advertised(addr("0.0.0.0:7"), None), addr("127.0.0.1:7"));
        assert_eq!(advertised(addr("[::]:7"), None), addr("[::1]:7"));
        assert_eq!(advertised(addr("0.0.0.0:7"), Some(addr("127.0.0.9:1"))), addr("127.0.0.1:7"));
        assert_eq!(advertised(addr("[::]:7"), Some(addr("127.0.0.9:1"))), addr("127.0.0.1:7"));
    }

    #[test]
    fn on_this_machine_loopback_reaches_what_listens_everywhere() {
        let on = |text: &str| on_loopback(addr(text)).to_string();
        assert_eq!(on("0.0.0.0:7"), "127.0.0.1:7");
        assert_eq!(on("[::]:7"), "[::1]:7");
        assert_eq!(on("192.0.2.1:7"), "192.0.2.1:7");
    }
}
