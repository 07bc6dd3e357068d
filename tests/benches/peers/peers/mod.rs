//! What the generator knows of each server: how to start it, and the bytes that its protocol has
//! for the few things a benchmark does. A dialect is pure: it appends bytes and looks at bytes, and
//! never touches a socket or a process. Called by the works; a new peer is one file and one row.

mod hubbub;
mod kernel;
mod mosquitto;
mod nats;
mod redis;

use crate::count::Framing;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// What the relay looks for.
pub use kernel::BARRIER as KERNEL_BARRIER;

/// One server, as one protocol speaks to it.
pub struct Peer {
    /// What `--peers` and the JSON output call it.
    pub key: &'static str,
    /// What the table calls it.
    pub title: &'static str,
    /// Its part in the ratios.
    pub role: Role,
    /// The program, looked up in `PATH`; what to do where it is missing.
    pub program: &'static str,
    /// How to get it.
    pub install: &'static str,
    /// The arguments that print the version.
    pub version: &'static [&'static str],
    /// Completes the command.
    pub configure: fn(&mut Command, &Place<'_>) -> std::io::Result<()>,
    /// Whether two of its servers can behave as one.
    pub clusters: bool,
    /// Its protocol.
    pub dialect: &'static dyn Dialect,
}

/// Where one server is to live.
pub struct Place<'a> {
    /// Empty, and its own.
    pub dir: &'a Path,
    /// A free port, for clients.
    pub port: u16,
    /// Where it is one of two that behave as one.
    pub pair: Option<Pair<'a>>,
}

/// What one of two servers knows of the other.
pub struct Pair<'a> {
    /// A folder of both.
    pub shared: &'a Path,
    /// Its name.
    pub name: &'a str,
    /// A free port, for the other server.
    pub port: u16,
    /// The other's port for this one, once it runs.
    pub other: Option<u16>,
}

/// A server's part in the ratios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What is being judged.
    Hub,
    /// What it is judged against.
    Rival,
    /// What the kernel allows.
    Kernel,
}

/// All of them, in the order of the table.
pub const PEERS: &[Peer] = &[
    hubbub::TEXT_PEER,
    hubbub::JSON_PEER,
    hubbub::FRAME_PEER,
    nats::PEER,
    redis::PEER,
    mosquitto::PEER,
    kernel::PEER,
];

/// The bytes of one protocol. A unit is what the server sends as one piece: a message or a reply.
pub trait Dialect {
    /// What a connection says first. Names are four bytes.
    fn hello(&self, name: &str, out: &mut Vec<u8>);

    /// Subscribes to literal channels.
    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>);

    /// Subscribes to wildcards that match nothing of what is published: one for each number.
    fn subscribe_wild(&self, numbers: Range<usize>, out: &mut Vec<u8>) {
        self.subscribe(&numbers.map(|n| format!("w.{n:06}.*")).collect::<Vec<_>>(), out);
    }

    /// Asks for a unit that the server sends when it is done with everything said before.
    fn barrier(&self, out: &mut Vec<u8>);

    /// Whether a unit is the answer to [`Dialect::barrier`].
    fn is_barrier(&self, unit: &[u8]) -> bool;

    /// Bytes of the first unit of what is unread; `None` while it is not whole.
    fn unit(&self, unread: &[u8]) -> Option<usize>;

    /// Publishes a payload of printable ASCII.
    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>);

    /// How messages of this size follow each other on a subscriber's connection.
    fn framing(&self, channel: &str, payload: usize) -> Framing;

    /// The payload of a message; `None` for any other unit.
    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]>;

    /// Whether a publish is answered with a line of its own that has to be read.
    fn answers_publish(&self) -> bool {
        false
    }

    /// Requests and replies, where the protocol has them.
    fn calls(&self) -> Option<&dyn Calls> {
        None
    }
}

/// The bytes of requests and replies.
pub trait Calls {
    /// Offers the service.
    fn serve(&self, out: &mut Vec<u8>);

    /// What a caller says once, before its first request.
    fn prepare(&self, out: &mut Vec<u8>);

    /// Asks the service.
    fn request(&self, seq: u64, payload: &[u8], out: &mut Vec<u8>);

    /// Answers a request with its own payload; whether the unit was one.
    fn answer(&self, unit: &[u8], out: &mut Vec<u8>) -> bool;

    /// The payload of an answer; `None` for any other unit.
    fn answered<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]>;
}

/// The service of the request row.
pub const SERVICE: &str = "bench";

/// A line with its line end.
fn line(unread: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', unread).map(|at| at + 1)
}

/// The number that some ASCII digits are.
fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
