//! The shell around [`Node`]: what happens outside is told to it, and what it decides is done, in its
//! order. Nothing is decided here. [`tasks`] read the peer port's sockets and the clock, [`health`] beats.

mod health;
mod tasks;

use super::frame;
use super::handshake::{Code, SeenHellos};
use super::link;
use super::member::{Load, Member};
use super::membership::{self, Settings};
use super::node::{Effect, Node};
use super::peer::Peer;
use super::sealed::{KeyRing, Refused};
use super::server_manager::Seen;
use super::settlement::Failure;
use crate::block::{Block, Encoded};
use crate::clock::Now;
use crate::hub::{Batch, Hub, SysEvent};
use crate::rt::{self, Acceptor, Packets};
use crate::writer::{flush, hand_over, Turn};
use event_listener::Event;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The longest packet. UDP over any network that is in use.
const MAX_PACKET: usize = 1_400;
/// Servers of which it is remembered that their links were lost; most of them never come back, since a
/// restart is another run. A guess.
const MAX_PARTED: usize = 256;
/// The longest pause between two looks for a server that is not there. A guess: what an operator
/// waits for at most after it has come back.
const MAX_SEEK: Duration = Duration::from_secs(10);
const FIRST_SEEK: Duration = Duration::from_millis(250);
/// Looks at an address to join before the log says that nobody answers: about two seconds.
const SEEKS_BEFORE_WARNING: u32 = 4;
/// Between two warnings of packets that cannot be opened, whoever sends them: they must not fill the log.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// How this server takes part in a cluster.
pub struct Setup {
    /// Who it is.
    pub me: Member,
    /// The cluster's name.
    pub cluster: String,
    /// The cluster's keys.
    pub keys: KeyRing,
    /// The peer port: links.
    pub tcp: TcpListener,
    /// The peer port: gossip.
    pub udp: UdpSocket,
}

/// This server's part in the cluster.
pub struct Shell {
    /// What the links lead to.
    pub hub: Arc<Hub>,
    /// The cluster's keys.
    pub keys: KeyRing,
    /// The cluster's name.
    pub cluster: String,
    /// First messages of handshakes that were seen.
    pub seen_hellos: Mutex<SeenHellos>,
    node: Mutex<Node>,
    udp: Packets,
    links: Mutex<BTreeMap<u64, Arc<Peer>>>,
    last_link: AtomicU64,
    handshakes: AtomicUsize,
    /// When links were lost that may come back.
    parted: Mutex<HashMap<Uuid, Instant>>,
    leaving: AtomicBool,
    warned: Mutex<Option<Instant>>,
    /// Told when the node may want to be called earlier.
    sooner: Event,
    /// Told when a link has ended.
    unlinked: Event,
    conflict: Mutex<Option<String>>,
    /// Told when this server has to end, since it has another's name.
    conflicted: Event,
}

impl Shell {
    /// Starts to take part.
    pub fn start(hub: &Arc<Hub>, setup: Setup, now: Now) -> io::Result<Arc<Shell>> {
        let Setup { me, cluster, keys, tcp, udp } = setup;
        let settings = Settings { seed: None, keys: keys.clone(), max_packet: MAX_PACKET };
        let shell = Arc::new(Shell {
            hub: hub.clone(),
            keys,
            cluster,
            seen_hellos: Mutex::default(),
            node: Mutex::new(Node::new(me, settings, now)),
            udp: Packets::new(udp)?,
            links: Mutex::default(),
            last_link: AtomicU64::new(0),
            handshakes: AtomicUsize::new(0),
            parted: Mutex::default(),
            leaving: AtomicBool::new(false),
            warned: Mutex::default(),
            sooner: Event::new(),
            unlinked: Event::new(),
            conflict: Mutex::default(),
            conflicted: Event::new(),
        });
        // From the first moment: a server whose load is not known is sent nobody, and one that does not
        // know its own room sends everybody away.
        let load = health::load(hub, 0, now);
        hub.servers.set_load(load);
        shell.with_node(|node, now| node.set_load(now, load));
        rt::spawn(tasks::accept(shell.clone(), Acceptor::new(tcp)?));
        rt::spawn(tasks::receive(shell.clone()));
        rt::spawn(tasks::keep_time(shell.clone()));
        rt::spawn(health::beat(shell.clone()));
        Ok(shell)
    }

    /// Looks for a server at a host and port, for ever: its name is resolved again each time.
    pub fn seek(self: &Arc<Self>, host_and_port: String) {
        let shell = self.clone();
        rt::spawn(async move {
            let (mut pause, mut looked) = (FIRST_SEEK, 0_u32);
            loop {
                looked = looked.saturating_add(1);
                if looked == SEEKS_BEFORE_WARNING + 1 && shell.is_alone() {
                    log::warn!(
                        join = host_and_port.as_str(), cluster = shell.cluster.as_str();
                        "no server of this cluster has answered there yet: does one run, with the same --cluster \
                         and the same secret? This one looks on"
                    );
                }
                match rt::resolve(host_and_port.clone()).await {
                    Ok(addrs) => addrs.into_iter().for_each(|addr| shell.look_at(addr)),
                    Err(e) => log::warn!(join = host_and_port.as_str(), error:% = e; "cannot resolve"),
                }
                rt::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
                pause = (pause * 2).min(MAX_SEEK);
            }
        });
    }

    /// There may be a server at this address.
    pub fn look_at(self: &Arc<Self>, addr: SocketAddr) {
        self.with_node(|node, now| node.seek(now, addr));
    }

    fn is_alone(&self) -> bool {
        let node = self.node.lock();
        let is_alone = !node.members().any(|known| known.state.is_there());
        is_alone
    }

    /// This server, as the others know it.
    pub fn me(&self) -> Member {
        self.node.lock().me().clone()
    }

    /// Milliseconds of the server's own clock.
    pub fn clock_ms(&self) -> u64 {
        self.hub.servers.clock_us(Now::read()) / 1000
    }

    /// A number for a link.
    pub fn next_link(&self) -> u64 {
        self.last_link.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a server that has proven itself may have a link.
    pub fn admit(self: &Arc<Self>, member: &Member) -> Result<(), (Code, String)> {
        if self.leaving.load(Ordering::Acquire) {
            return Err((Code::Draining, format!("{} is about to stop", self.hub.name())));
        }
        let mut admitted = Ok(());
        self.with_node(|node, now| admitted = node.admit(now, member));
        admitted
    }

    /// A dial came to nothing.
    pub fn dial_failed(self: &Arc<Self>, peer: Uuid, failure: Failure) {
        self.with_node(|node, now| node.dial_failed(now, peer, failure));
    }

    /// Both ends of a link are proven.
    pub async fn handshaken(self: &Arc<Self>, peer: &Arc<Peer>, dialed_by_us: bool) {
        self.links.lock().insert(peer.link(), peer.clone());
        if self.leaving.load(Ordering::Acquire) {
            return close(peer);
        }
        let member = &peer.member;
        let turn = self.turn_of_node(|node, now| node.handshaken(now, peer.link(), member, dialed_by_us));
        turn.written(&self.hub).await;
    }

    /// The other end has taken a link into use.
    pub async fn adopted(self: &Arc<Self>, peer: &Arc<Peer>) {
        self.turn_of_node(|node, now| node.adopted(now, peer.link())).written(&self.hub).await;
    }

    /// A link has ended.
    pub async fn link_lost(self: &Arc<Self>, peer: &Arc<Peer>) {
        self.links.lock().remove(&peer.link());
        self.turn_of_node(|node, now| node.lost(now, peer.link())).written(&self.hub).await;
        self.unlinked.notify(usize::MAX);
    }

    /// Waits until this server has to end, since it has another's name; why.
    pub async fn conflict(&self) -> String {
        loop {
            let told = self.conflicted.listen();
            if let Some(message) = self.conflict.lock().clone() {
                return message;
            }
            told.await;
        }
    }

    /// Tells the others that this server is about to stop: it is sent no more clients.
    pub fn drain(self: &Arc<Self>) {
        let load = Load { draining: true, ..health::load(&self.hub, 0, Now::read()) };
        self.with_node(|node, now| node.set_load(now, load));
    }

    /// Ends the links after all that waits on them is sent and read, and goes.
    pub async fn leave(self: &Arc<Self>, deadline: Instant) {
        self.leaving.store(true, Ordering::Release);
        let mut batch = Batch::new(Now::read());
        self.hub.servers.peers.tell_leaving(&mut batch);
        hand_over(&self.hub, batch).written(&self.hub).await;
        let links: Vec<_> = self.links.lock().values().cloned().collect();
        for peer in links {
            if peer.outbox.close(false, |_| {}) == crate::outbox::Push::Flush {
                flush(&self.hub, &peer);
            }
        }
        loop {
            let unlinked = self.unlinked.listen();
            if self.links.lock().is_empty() {
                break;
            }
            if rt::before(deadline, unlinked).await.is_none() {
                log::warn!(left = self.links.lock().len(); "the deadline is over before all links had ended");
                break;
            }
        }
        self.with_node(|node, now| node.leave(now));
    }

    /// Lets the node handle something, and does what it decides.
    fn with_node(self: &Arc<Self>, handle: impl FnOnce(&mut Node, Now)) {
        // Nobody waits until it is written.
        let _ = self.turn_of_node(handle);
    }

    /// The same, for whoever waits until what it led to is written.
    fn turn_of_node(self: &Arc<Self>, handle: impl FnOnce(&mut Node, Now)) -> Turn {
        let now = Now::read();
        let mut batch = Batch::new(now);
        let mut node = self.node.lock();
        let before = node.deadline();
        handle(&mut node, now);
        let mut changed = false;
        while let Some(effect) = node.poll() {
            changed |= matches!(effect, Effect::Up(_) | Effect::Down { .. });
            self.perform(effect, now, &mut batch);
        }
        self.hub.servers.set_gossip(node.traffic());
        if changed {
            self.hub.servers.see(seen(&node, now));
        }
        if node.deadline().is_some_and(|deadline| before.is_none_or(|before| deadline < before)) {
            self.sooner.notify(1);
        }
        drop(node);
        hand_over(&self.hub, batch)
    }

    /// Refused packets are an outsider's business, except where a server may have been set up wrongly.
    fn refused(&self, from: SocketAddr, why: &Refused, now: Now) {
        let told = match why {
            Refused::Stale => "a server was not let in: its clock and this one differ by more than a minute",
            Refused::Forged => {
                "a packet cannot be opened: its sender has another --cluster name or secret, or is no server"
            }
            _ => return log::debug!(from:% = from, why:% = why; "a packet was refused"),
        };
        let mut warned = self.warned.lock();
        if warned.is_none_or(|last| now.instant.saturating_duration_since(last) >= BETWEEN_WARNINGS) {
            *warned = Some(now.instant);
            let further = BETWEEN_WARNINGS.as_secs();
            log::warn!(from:% = from; "{told}; further ones are told at level debug for {further} s");
        } else {
            log::debug!(from:% = from, why:% = why; "a packet was refused");
        }
    }

    /// Does one thing that the node has decided, with the node held: in the order of its decisions.
    fn perform(self: &Arc<Self>, effect: Effect, now: Now, batch: &mut Batch) {
        let (hub, peers) = (&self.hub, &self.hub.servers.peers);
        match effect {
            Effect::Send { to, packet } => {
                // What a full socket does not take is lost, as in the network.
                if let Err(e) = self.udp.get_ref().send_to(&packet, to) {
                    log::debug!(to:% = to, error:% = e; "a packet was not sent");
                }
            }
            // Who is about to stop makes no links any more.
            Effect::Dial { .. } if self.leaving.load(Ordering::Acquire) => {}
            Effect::Dial { peer, addr } => rt::spawn(link::dial(self.clone(), peer, addr)),
            Effect::Adopt { link } => {
                let mut bytes = Vec::new();
                frame::push_adopt(&mut bytes);
                if let Some(peer) = self.link(link) {
                    batch.send(&peer, &Encoded::new(Block::from(bytes)));
                }
            }
            Effect::Use { link } => {
                let Some(peer) = self.link(link) else { return };
                log::info!(server = &*peer.name, addr:% = peer.member.peer_addr; "linked");
                peers.joined(hub, &peer, batch);
                if self.parted.lock().remove(&peer.member.id).is_some() {
                    let why = format!("the link to {} was lost, and is back", peer.name);
                    peers.tell_gap(hub, &peer.name, &why, batch);
                }
            }
            Effect::Close { link, why } => {
                let Some(peer) = self.link(link) else { return };
                log::debug!(server = &*peer.name, link, why:? = why; "a link is closed");
                close(&peer);
            }
            Effect::Parted { peer: id } => {
                let Some(peer) = peers.of(id) else { return };
                log::info!(server = &*peer.name; "the link is lost");
                self.note_parted(id, now.instant);
                peers.parted(hub, &peer, batch);
            }
            Effect::Up(member) => {
                let (name, origin) = (member.name.as_str(), member.origin());
                log::info!(server = name, addr:% = member.peer_addr, pid = member.pid; "a server joined");
                hub.announce_of(Some(name), &SysEvent::ServerJoined { name, origin: &origin }, batch);
            }
            Effect::Down { member, left } => {
                let (name, origin) = (member.name.as_str(), member.origin());
                let (event, reason) = if left {
                    log::info!(server = name; "a server left");
                    self.parted.lock().remove(&member.id);
                    (SysEvent::ServerLeft { name, origin: &origin }, "server-left")
                } else {
                    log::warn!(server = name; "a server is down");
                    peers.tell_gap(hub, name, &format!("{name} is down"), batch);
                    (SysEvent::ServerDown { name, origin: &origin }, "server-lost")
                };
                peers.server_gone(hub, member.id, name, reason, batch);
                hub.announce_of(Some(name), &event, batch);
            }
            Effect::Rejoined => log::warn!("the others had taken this server for dead; it has come back"),
            Effect::Conflict { message, fatal } => {
                log::error!("{message}");
                if fatal {
                    *self.conflict.lock() = Some(message);
                    self.conflicted.notify(usize::MAX);
                }
            }
        }
    }

    fn note_parted(&self, id: Uuid, when: Instant) {
        let mut parted = self.parted.lock();
        if parted.len() >= MAX_PARTED {
            if let Some(oldest) = parted.iter().min_by_key(|(_, when)| **when).map(|(id, _)| *id) {
                parted.remove(&oldest);
            }
        }
        parted.insert(id, when);
    }

    fn link(&self, link: u64) -> Option<Arc<Peer>> {
        self.links.lock().get(&link).cloned()
    }
}

/// Ends a link; its task does the rest.
fn close(peer: &Peer) {
    peer.outbox.fail();
    peer.task.wake();
    if let Some(socket) = peer.socket() {
        let _ = socket.get_ref().shutdown(Shutdown::Both);
    }
}

fn seen(node: &Node, now: Now) -> Vec<Seen> {
    let seen = |known: membership::Known<'_>| Seen {
        member: known.member.clone(),
        state: known.state,
        load: known.load,
        told: now,
    };
    node.members().map(seen).collect()
}
