//! What servers know of each other: who one is, which never changes during its run, and how it is,
//! which changes all the time.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use uuid::Uuid;

/// One run of a server. A restart is a new run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Member {
    /// The uuid of the run (v7: later runs are greater).
    pub id: Uuid,
    /// How often it has come back after the others had taken it for dead.
    pub generation: u16,
    /// The server's name, unique in its cluster without regard to case.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Where clients reach it.
    pub client_addr: SocketAddr,
    /// Where other servers reach it: gossip over UDP, links over TCP.
    pub peer_addr: SocketAddr,
    /// Its version, such as `0.1.0`.
    pub version: String,
}

impl Member {
    /// Names the run in messages: the name and the last six hex digits of the uuid (the first ones
    /// of a v7 uuid are a clock, and alike for sisters).
    pub fn origin(&self) -> String {
        origin(&self.name, self.id)
    }
}

/// See [`Member::origin`].
pub fn origin(name: &str, id: Uuid) -> String {
    let digits = id.simple().to_string();
    format!("{name}-{}", &digits[digits.len() - 6..])
}

/// How a server is. Gossiped every few seconds; the newest by `at` counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Counts the reports of one run.
    pub at: u32,
    /// Clients connected.
    pub clients: u32,
    /// The most clients that it accepts.
    pub max_clients: u32,
    /// Channels that exist.
    pub channels: u32,
    /// Bytes that wait in the queues to its clients.
    pub queued: u64,
    /// The share of one core that its process used lately, in per mille.
    pub cpu: u16,
    /// Seconds since it started.
    pub uptime_s: u32,
    /// Whether it is about to stop, and takes no more clients.
    pub draining: bool,
}
