//! The servers that behave as one hub, as this one sees them: itself, those that gossip tells of, and
//! those to which there is a link. The hub asks here; [`super::node`] and [`super::link`] keep it true.

use super::balance::{Balance, Place, Sister};
use super::frame::Told;
use super::member::{origin, Load, Member};
use super::membership::{State, Traffic};
use super::peers::{send, Peers};
use super::questions::{Asked, Finish, Question, DEADLINE, SYNC_DEADLINE};
use crate::clock::Now;
use crate::hub::{seconds, Batch, Client, Hub};
use hubbub_shared::reply::ServerInfo;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A linked server that was not heard for longer is not waited for where that can be helped. Two of
/// its signs of life.
const SILENT: Duration = Duration::from_millis(2_500);

/// What gossip tells of another server.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Who it is.
    pub member: Member,
    /// Whether it is there.
    pub state: State,
    /// How it is.
    pub load: Load,
    /// When that was told.
    pub told: Now,
}

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
    /// The linked servers.
    pub peers: Peers,
    addrs: Mutex<Addrs>,
    seen: Mutex<Vec<Seen>>,
    balance: Mutex<Balance>,
    /// How this one was at the last beat.
    load: Mutex<Load>,
    /// Bytes of gossip that came and went.
    gossip: [AtomicU64; 2],
}

#[derive(Default, Clone, Copy)]
struct Addrs {
    client: Option<SocketAddr>,
    peer: Option<SocketAddr>,
}

impl ServerManager {
    /// A server that is about to start.
    pub fn new(name: &str, id: Uuid, started: Now) -> Self {
        ServerManager {
            name: name.to_owned(),
            id,
            origin: origin(name, id),
            started,
            peers: Peers::default(),
            addrs: Mutex::default(),
            seen: Mutex::default(),
            balance: Mutex::new(Balance::new(id)),
            load: Mutex::default(),
            gossip: Default::default(),
        }
    }

    /// It listens now.
    pub fn serves_at(&self, client: SocketAddr, peer: Option<SocketAddr>) {
        *self.addrs.lock() = Addrs { client: Some(client), peer };
    }

    /// Where clients reach it.
    pub fn client_addr(&self) -> Option<SocketAddr> {
        self.addrs.lock().client
    }

    /// What gossip tells of the others.
    pub fn see(&self, seen: Vec<Seen>) {
        *self.seen.lock() = seen;
    }

    /// How much gossip came and went since the start.
    pub fn set_gossip(&self, traffic: Traffic) {
        let [came, went] = &self.gossip;
        came.store(traffic.bytes_in, Ordering::Relaxed);
        went.store(traffic.bytes_out, Ordering::Relaxed);
    }

    /// Bytes of gossip that came and that went.
    pub fn gossip_bytes(&self) -> (u64, u64) {
        let [came, went] = &self.gossip;
        (came.load(Ordering::Relaxed), went.load(Ordering::Relaxed))
    }

    /// How this server is.
    pub fn set_load(&self, load: Load) {
        *self.load.lock() = load;
    }

    /// Where a new client is to go that can follow; `None` where it stays.
    pub fn place(&self, clients: usize) -> Option<Vec<String>> {
        let sisters = self.sisters();
        if sisters.is_empty() {
            return None;
        }
        let own = Load { clients: clients as u32, ..*self.load.lock() };
        match self.balance.lock().place(&own, &sisters) {
            Place::Stay => None,
            Place::Go(addrs) => Some(addrs),
        }
    }

    /// Where one of the clients of this server is to go, which stops.
    pub fn away(&self) -> Vec<String> {
        self.balance.lock().away(&self.sisters())
    }

    fn sisters(&self) -> Vec<Sister> {
        let seen = self.seen.lock();
        let own = self.addrs.lock().peer;
        let alive = seen.iter().filter(|s| s.state == State::Alive && is_reachable(&s.member, own));
        alive.map(|s| Sister { id: s.member.id, addr: s.member.client_addr, load: s.load }).collect()
    }

    /// Microseconds since the start: the clock that comes back with signs of life.
    pub fn clock_us(&self, now: Now) -> u64 {
        now.instant.saturating_duration_since(self.started.instant).as_micros() as u64
    }

    /// Where clients of the cluster's servers connect, this one's first.
    pub fn client_addrs(&self) -> Vec<String> {
        let others = self.sisters().into_iter().filter(|s| !s.load.draining).map(|s| s.addr);
        self.client_addr().into_iter().chain(others).map(|addr| addr.to_string()).collect()
    }

    /// Everyone who is linked or should be: for questions to the whole cluster.
    pub fn everyone(&self) -> Asked {
        let peers = self.peers.all();
        let seen = self.seen.lock();
        let there = seen.iter().filter(|s| s.state.is_there());
        let missing = there.filter(|s| !peers.iter().any(|p| p.member.id == s.member.id));
        Asked { missing: missing.map(|s| s.member.name.clone()).collect(), peers }
    }

    /// Those that were heard a moment ago.
    pub fn those_that_answer(&self, now: Now) -> Asked {
        let now_ms = self.clock_us(now) / 1000;
        let heard = |ms: u64| now_ms.saturating_sub(ms) < SILENT.as_millis() as u64;
        let mut peers = self.peers.all();
        peers.retain(|peer| heard(peer.heard_ms.load(Ordering::Relaxed)));
        Asked { peers, missing: Vec::new() }
    }

    /// The linked server of a name.
    pub fn linked(&self, name: &str) -> Option<Asked> {
        let peers: Vec<_> =
            self.peers.all().into_iter().filter(|peer| peer.name.eq_ignore_ascii_case(name)).collect();
        (!peers.is_empty()).then_some(Asked { peers, missing: Vec::new() })
    }

    /// Asks linked servers on behalf of a client; the reply comes when all have answered, or late.
    pub fn ask(
        &self,
        client: &Arc<Client>,
        re: Option<&str>,
        question: Question,
        to: Asked,
        finish: Finish,
        batch: &mut Batch,
    ) {
        let within = if matches!(question, Question::Sync) { SYNC_DEADLINE } else { DEADLINE };
        let id = self.peers.questions.enter(client, re, &to, batch.now.instant + within, finish);
        for peer in &to.peers {
            send(peer, &Told::Ask { id, question: question.clone() }, batch);
        }
    }

    /// Seconds since the start.
    pub fn uptime_s(&self, now: Now) -> f64 {
        seconds(now.instant.saturating_duration_since(self.started.instant))
    }

    /// What `servers` shows: this one first.
    pub fn list(&self, hub: &Hub, now: Now) -> Vec<ServerInfo> {
        let clients = hub.clients.count() as u64;
        let addrs = *self.addrs.lock();
        let me = ServerInfo {
            id: self.id.to_string(),
            name: self.name.clone(),
            pid: std::process::id(),
            client_addr: addrs.client.map(|a| a.to_string()).unwrap_or_default(),
            peer_addr: addrs.peer.map(|a| a.to_string()),
            state: if hub.is_draining() { State::Left } else { State::Alive }.as_str().to_owned(),
            clients,
            channels: hub.channels.count() as u64,
            load: share(clients, hub.limits.max_clients as u64),
            uptime_s: self.uptime_s(now),
            is_self: true,
        };
        let other = |seen: &Seen| {
            let Load { clients, max_clients, channels, uptime_s, .. } = seen.load;
            let since = seconds(now.instant.saturating_duration_since(seen.told.instant));
            ServerInfo {
                id: seen.member.id.to_string(),
                name: seen.member.name.clone(),
                pid: seen.member.pid,
                client_addr: seen.member.client_addr.to_string(),
                peer_addr: Some(seen.member.peer_addr.to_string()),
                state: seen.state.as_str().to_owned(),
                clients: u64::from(clients),
                channels: u64::from(channels),
                load: share(u64::from(clients), u64::from(max_clients)),
                uptime_s: f64::from(uptime_s) + if seen.state.is_there() { since } else { 0.0 },
                is_self: false,
            }
        };
        let mut all = vec![me];
        let mut others: Vec<_> = self.seen.lock().iter().map(other).collect();
        others.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        all.extend(others);
        all
    }
}

/// Whether clients of this server can reach another one where it says: loopback is this machine's.
fn is_reachable(member: &Member, own: Option<SocketAddr>) -> bool {
    let is_here =
        member.peer_addr.ip().is_loopback() || own.is_some_and(|own| own.ip() == member.peer_addr.ip());
    is_here || !member.client_addr.ip().to_canonical().is_loopback()
}

/// Clients as a share of the most that a server accepts, to four places.
fn share(clients: u64, most: u64) -> f64 {
    (clients as f64 / most.max(1) as f64 * 1e4).round() / 1e4
}
