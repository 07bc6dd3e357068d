//! The servers that behave as one hub. On its own a server knows itself; the second socket, on
//! which sisters find each other, is not open yet.

use crate::clock::Now;
use crate::hub::{seconds, Hub};
use hubbub_shared::reply::ServerInfo;
use parking_lot::Mutex;
use std::net::SocketAddr;
use uuid::Uuid;

/// This server, and those that it knows of.
pub struct ServerManager {
    /// This server's name.
    pub name: String,
    /// The uuid of this run.
    pub id: Uuid,
    /// Names this run in messages: the name and six hex digits of the uuid.
    pub origin: String,
    /// When it started.
    pub started: Now,
    client_addr: Mutex<Option<SocketAddr>>,
    peer_addr: Mutex<Option<SocketAddr>>,
}

impl ServerManager {
    /// A server that is about to start.
    pub fn new(name: &str, started: Now) -> Self {
        let id = Uuid::now_v7();
        let origin = super::member::origin(name, id);
        ServerManager {
            name: name.to_owned(),
            id,
            origin,
            started,
            client_addr: Mutex::default(),
            peer_addr: Mutex::default(),
        }
    }

    /// It listens now.
    pub fn serves_at(&self, addr: SocketAddr) {
        *self.client_addr.lock() = Some(addr);
    }

    /// Other servers reach it there.
    pub fn peers_at(&self, addr: SocketAddr) {
        *self.peer_addr.lock() = Some(addr);
    }

    /// Where clients of the cluster's servers connect, this one's first.
    pub fn client_addrs(&self) -> Vec<String> {
        self.client_addr.lock().iter().map(SocketAddr::to_string).collect()
    }

    /// Seconds since the start.
    pub fn uptime_s(&self, now: Now) -> f64 {
        seconds(now.instant.saturating_duration_since(self.started.instant))
    }

    /// What `servers` shows.
    pub fn list(&self, hub: &Hub, now: Now) -> Vec<ServerInfo> {
        let clients = hub.clients.count() as u64;
        vec![ServerInfo {
            id: self.id.to_string(),
            name: self.name.clone(),
            pid: std::process::id(),
            client_addr: self.client_addr.lock().map(|a| a.to_string()).unwrap_or_default(),
            peer_addr: self.peer_addr.lock().map(|a| a.to_string()),
            state: if hub.is_draining() { "left" } else { "alive" }.to_owned(),
            clients,
            channels: hub.channels.count() as u64,
            load: (clients as f64 / hub.limits.max_clients.max(1) as f64 * 1e4).round() / 1e4,
            uptime_s: self.uptime_s(now),
            is_self: true,
        }]
    }
}
