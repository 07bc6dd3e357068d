//! The doors by which older systems' clients come in: what each is called, and the port that it is known
//! by. The server opens them, `hubbub` looks for them; `docs/doors.md` tells what is said there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A door as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What it is called.
    pub name: &'static str,
    /// Its port, unless an operator says otherwise. Protocol: the older systems' own.
    pub port: u16,
}

/// One JSON request a connection.
pub const BLOB: Known = Known { name: "blob", port: 9500 };
/// Test clients that write files and report on themselves.
pub const FLEET: Known = Known { name: "fleet", port: 1234 };
/// Two random points.
pub const POINTS: Known = Known { name: "points", port: 5000 };

impl Known {
    /// Where it is when nothing else was said.
    pub const fn addr(&self) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_are_those_that_old_clients_have_in_them() {
        let known = [BLOB, FLEET, POINTS].map(|door| format!("{}={}", door.name, door.addr()));
        assert_eq!(known, ["blob=127.0.0.1:9500", "fleet=127.0.0.1:1234", "points=127.0.0.1:5000"]);
    }
}
