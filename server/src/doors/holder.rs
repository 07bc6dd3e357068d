//! Who has a port that is wanted, as far as this machine tells: for one clear word at the start.

use procfs::net::{tcp, tcp6, TcpNetEntry, TcpState};
use procfs::process::{all_processes, FDTarget, Process};
use std::net::SocketAddr;

/// The program that listens where an address is wanted. None where the system does not say, such as
/// for programs of other users.
pub fn holder(wanted: SocketAddr) -> Option<String> {
    let listening =
        |entry: &TcpNetEntry| entry.state == TcpState::Listen && clash(entry.local_address, wanted);
    let entries = tcp().into_iter().chain(tcp6()).flatten();
    let sockets: Vec<u64> = entries.filter(listening).map(|entry| entry.inode).collect();
    let has_it = |process: &Process| {
        let files = process.fd().into_iter().flatten().flatten();
        files
            .into_iter()
            .any(|file| matches!(file.target, FDTarget::Socket(inode) if sockets.contains(&inode)))
    };
    let process = all_processes().ok()?.flatten().filter(|_| !sockets.is_empty()).find(has_it)?;
    if process.pid.unsigned_abs() == std::process::id() {
        return Some("this server itself, by --listen, --peer-listen or another door,".to_owned());
    }
    let name = process.stat().ok()?.comm;
    Some(format!("{} (pid {})", hubbub_shared::encoding::escape::shown(&name), process.pid))
}

/// Whether two sockets cannot both listen.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn who_listens_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = taken.local_addr().expect("bound");
        let told = holder(addr).expect("this very process");
        assert!(told.starts_with("this server itself"), "{told}");
        drop(taken);
        assert_eq!(holder(addr), None);
    }

    #[test]
    fn a_socket_for_all_addresses_is_in_the_way_of_each() {
        let clashes = |a: &str, b: &str| clash(a.parse().expect(a), b.parse().expect(b));
        assert!(clashes("0.0.0.0:7", "127.0.0.1:7") && clashes("127.0.0.1:7", "[::]:7"));
        assert!(!clashes("127.0.0.1:7", "127.0.0.2:7") && !clashes("127.0.0.1:7", "127.0.0.1:8"));
    }
}
