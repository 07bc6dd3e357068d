//! What the hub tells about itself, on channels of its own.

use serde::Serialize;
use std::net::IpAddr;
use uuid::Uuid;

/// An event of the hub; its fields are the payload.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)] // the fields are described in docs/protocol.md
pub enum SysEvent<'a> {
    ClientOpened {
        client_id: Uuid,
        name: &'a str,
        ip: IpAddr,
        port: u16,
        server: &'a str,
    },
    ClientNamed {
        client_id: Uuid,
        old: &'a str,
        name: &'a str,
    },
    ClientClosed {
        client_id: Uuid,
        name: &'a str,
        ip: IpAddr,
        port: u16,
        server: &'a str,
        duration_s: f64,
        reason: &'a str,
        messages_in: Option<u64>,
        messages_out: Option<u64>,
    },
    ServerJoined {
        name: &'a str,
        origin: &'a str,
    },
    ServerLeft {
        name: &'a str,
        origin: &'a str,
    },
    ServerDown {
        name: &'a str,
        origin: &'a str,
    },
}

impl SysEvent<'_> {
    /// The channel that it is told on.
    pub fn channel(&self) -> &'static str {
        match self {
            SysEvent::ClientOpened { .. } => "$sys.client.opened",
            SysEvent::ClientNamed { .. } => "$sys.client.named",
            SysEvent::ClientClosed { .. } => "$sys.client.closed",
            SysEvent::ServerJoined { .. } => "$sys.server.joined",
            SysEvent::ServerLeft { .. } => "$sys.server.left",
            SysEvent::ServerDown { .. } => "$sys.server.down",
        }
    }
}
