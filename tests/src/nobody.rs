//! An address at which nobody listens, and will not: a port that is let go may be another test's at once.

use rustix::net::{bind, getsockname, ipproto, socket, AddressFamily, SocketType};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Holds a port without listening: who connects to it is refused.
pub struct Nobody {
    _held: OwnedFd,
    addr: SocketAddr,
}

impl Nobody {
    /// Takes a free port.
    pub fn hold() -> Nobody {
        let held = socket(AddressFamily::INET, SocketType::STREAM, Some(ipproto::TCP)).expect("a socket");
        bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let addr = getsockname(&held).ok().and_then(|addr| SocketAddr::try_from(addr).ok());
        Nobody { _held: held, addr: addr.expect("a bound socket has an address") }
    }

    /// Where nobody is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}
