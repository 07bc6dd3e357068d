//! What the commands that speak to a door share: where it is, a connection to it, its bytes up to a
//! bound and within a time limit, and what went wrong in words. They know nothing of what a door says:
//! that is with each of them.

use crate::exit::{Exit, Failure};
use async_io::{Async, Timer};
use futures::{pin_mut, select_biased, AsyncReadExt, AsyncWriteExt, FutureExt};
use hubbub_shared::doors::Known;
use hubbub_shared::encoding::escape::shown;
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Descriptors of a process beside its connections: outputs, files, the runtime's, and some to spare.
const OTHER_DESCRIPTORS: u64 = 64;

/// What a connection did that is [`Broken::Closed`].
pub const CLOSED: &str = "closed the connection without a byte";

/// One connection to a door.
pub struct Connection {
    stream: Async<TcpStream>,
}

/// Why a connection did not bring what it should.
#[derive(Debug)]
pub enum Broken {
    /// It did not come about, or broke.
    Io(io::Error),
    /// The time limit was reached.
    TimeLimit(Duration),
    /// It ended without a byte.
    Closed,
    /// It ended before its answer did.
    Cut(String),
    /// What came is not what this door says.
    Wrong(String),
}

impl Broken {
    /// The end of a command, with the door that it is about.
    pub fn at(self, addr: impl std::fmt::Display) -> Failure {
        match self {
            Broken::Io(error) => Failure::new(Exit::NoConnection, format!("{addr}: {error}")),
            Broken::TimeLimit(limit) => Failure::time_limit(format!(
                "{addr} has not answered in {}",
                humantime::format_duration(limit)
            )),
            Broken::Closed => Failure::new(
                Exit::NoConnection,
                format!("{addr}: it {CLOSED}, as a server that is full does"),
            ),
            Broken::Cut(what) => Failure::new(Exit::NoConnection, format!("{addr}: {what}")),
            Broken::Wrong(what) => Failure::new(Exit::Refused, format!("{addr}: {what}")),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Broken::Io(error)
    }
}

impl Connection {
    /// Connects.
    pub async fn open(addr: SocketAddr) -> io::Result<Connection> {
        Ok(Connection { stream: Async::<TcpStream>::connect(addr).await? })
    }

    /// Sends all of these bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads into a buffer; nothing read is the end.
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer).await
    }
}

/// What a future yields, or that the time is up.
pub async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, Broken>>) -> Result<T, Broken> {
    let work = work.fuse();
    pin_mut!(work);
    select_biased! {
        done = work => done,
        _ = FutureExt::fuse(Timer::after(limit)) => Err(Broken::TimeLimit(limit)),
    }
}

/// What `--help` says of `--at`.
pub fn at_help(door: &Known) -> String {
    format!("The door's address [default: {}]", door.addr())
}

/// The address behind what [`with_port`] takes, or the known one; where a name has several, the first that
/// takes a connection.
pub async fn find(at: Option<&str>, door: &Known, limit: Duration) -> Result<SocketAddr, Failure> {
    let Some(at) = at else { return Ok(door.addr()) };
    let at = with_port(at, door.port);
    let found = resolve(&at, limit).await?;
    if let [only] = found.as_slice() {
        return Ok(*only);
    }
    let mut last = no_address(&at, "it has none");
    for addr in found {
        match within(limit, async { Ok(Connection::open(addr).await?) }).await {
            Ok(_) => return Ok(addr),
            Err(broken) => last = broken.at(addr),
        }
    }
    Err(last)
}

/// All addresses of `HOST:PORT`.
pub async fn resolve(at: &str, limit: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let wanted = at.to_owned();
    // The standard library's: it says why there is none without words around it.
    let found = async_std::task::spawn_blocking(move || wanted.to_socket_addrs());
    within(limit, async { Ok(found.await?.collect()) }).await.map_err(|broken| match broken {
        Broken::Io(error) => no_address(at, &error.to_string()),
        broken => broken.at(shown(at)),
    })
}

fn no_address(at: &str, why: &str) -> Failure {
    let right = "try HOST, HOST:PORT or a port of this machine, such as 127.0.0.1:9500 or 9500";
    Failure::new(Exit::NoConnection, format!("no address is known for {}: {why}; {right}", shown(at)))
}

/// Whether this is a port alone: then it is one of this machine, as where a server opens a door.
pub fn is_port(at: &str) -> bool {
    !at.is_empty() && at.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address with a port: the usual one where none was named, and this machine where only a port was.
pub fn with_port(at: &str, usual: u16) -> String {
    match at.rsplit_once(':') {
        None if is_port(at) => format!("127.0.0.1:{at}"),
        // An address of IPv6 has its port behind a bracket.
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => at.to_owned(),
        Some(_) if !at.starts_with('[') => format!("[{at}]:{usual}"),
        _ => format!("{at}:{usual}"),
    }
}

/// Lets this process hold as many descriptors as it may, and checks that so many connections fit.
pub fn make_room(connections: u64) -> Result<(), Failure> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let most = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let needed = connections.saturating_add(OTHER_DESCRIPTORS);
    match most {
        Some(most) if most < needed => Err(Failure::local(too_few(connections, needed, limit))),
        _ => Ok(()),
    }
}

fn too_few(connections: u64, needed: u64, limit: Rlimit) -> String {
    let shown = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
    format!(
        "{connections} connections at once need {needed} file descriptors, and this process may have {} (soft \
         limit) and raise that to {} (hard limit): raise the hard limit (`ulimit -Hn {needed}` as root, \
         nofile in /etc/security/limits.conf, LimitNOFILE= of a unit), or take fewer at once",
        shown(limit.current),
        shown(limit.maximum)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubbub_shared::doors::BLOB;

    #[test]
    fn the_usual_port_need_not_be_named() {
        for (typed, meant) in [
            ("alpha", "alpha:9500"),
            ("alpha:1", "alpha:1"),
            ("21050", "127.0.0.1:21050"),
            ("70000", "127.0.0.1:70000"),
            ("127.0.0.1", "127.0.0.1:9500"),
            ("::1", "[::1]:9500"),
            ("[::1]", "[::1]:9500"),
            ("[::1]:7", "[::1]:7"),
        ] {
            assert_eq!(with_port(typed, 9500), meant);
        }
    }

    #[test]
    fn too_few_descriptors_are_told_with_both_limits_and_a_way_out() {
        let told = too_few(10_000, 10_064, Rlimit { current: Some(1024), maximum: Some(4096) });
        for part in ["10000", "10064", "1024 (soft limit)", "4096 (hard limit)", "ulimit -Hn 10064"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        let limit = Duration::from_secs(20);
        let failure = async_io::block_on(find(Some("no such host"), &BLOB, limit)).expect_err("no address");
        assert_eq!(failure.exit, Exit::NoConnection);
        assert!(failure.message.contains("no such host"), "{}", failure.message);
        assert!(failure.message.contains("such as 127.0.0.1:9500"), "{}", failure.message);
        let failure = async_io::block_on(find(Some("70000"), &BLOB, limit)).expect_err("no port");
        assert!(failure.message.contains("127.0.0.1:70000"), "{}", failure.message);
        for at in [None, Some("127.0.0.1"), Some("127.0.0.1:9500")] {
            assert_eq!(async_io::block_on(find(at, &BLOB, limit)).expect("an address"), BLOB.addr());
        }
    }
}
