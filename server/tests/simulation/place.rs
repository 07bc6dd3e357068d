//! One place of the cluster and the process that runs there: what [`hubbub_server::cluster::shell`] does
//! with real sockets is done here with simulated ones, in the same order.

use crate::world::{trace, Event, Time, World, MS, SEC};
use hubbub_server::block::{Block, Encoded};
use hubbub_server::clock::Now;
use hubbub_server::cluster::membership::{Settings, State};
use hubbub_server::cluster::node::{Effect, Node};
use hubbub_server::cluster::server_manager::{Seen, ServerManager};
use hubbub_server::cluster::{frame, Load, Member, Peer};
use hubbub_server::hub::{Batch, Hub, SysEvent};
use hubbub_server::operator::Token;
use hubbub_shared::limits::Limits;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const SILENT_MS: u64 = 5_000;
const PAUSED: Time = 2_500 * MS;

/// Where a server lives, and lives again.
pub struct Place {
    pub name: String,
    pub addr: SocketAddr,
    /// How often its address changed.
    pub moves: u8,
    pub process: Option<Process>,
    /// Whether the machine answers though nobody listens.
    pub refuses: bool,
    pub clock_off_ms: i64,
}

/// One run of a server.
pub struct Process {
    /// Names it.
    pub boot: u64,
    pub hub: Arc<Hub>,
    pub node: Node,
    /// Links whose handshake is done: the peer, the wire and the side of it.
    pub links: BTreeMap<u64, (Arc<Peer>, u64, usize)>,
    /// The clients here, by key.
    pub clients: HashMap<u64, usize>,
    pub stands_still: bool,
    /// What came due while it stood still.
    pub held: Vec<Event>,
    pub leaving: bool,
    last_link: u64,
    last_beat: Time,
    parted: HashMap<Uuid, Time>,
    /// Packets that came while it stood still.
    socket: Vec<(SocketAddr, Vec<u8>)>,
    deadline: Option<Time>,
}

impl Process {
    pub fn id(&self) -> Uuid {
        self.hub.servers.id
    }

    pub fn next_link(&mut self) -> u64 {
        self.last_link += 1;
        self.last_link
    }
}

impl Place {
    /// When something in its process is due.
    pub fn deadline(&self) -> Option<Time> {
        self.process.as_ref().filter(|process| !process.stands_still)?.deadline
    }
}

fn seen(node: &Node, now: Now) -> Vec<Seen> {
    let seen = node.members().map(|known| Seen {
        member: known.member.clone(),
        state: known.state,
        load: known.load,
        told: now,
    });
    seen.collect()
}

impl World {
    /// Starts a new run at a place, which looks for others at these addresses.
    pub fn boot(&mut self, place: usize, seeds: &[SocketAddr]) {
        self.boots += 1;
        let (boot, now) = (self.boots, self.now(place));
        let mut tail = [0; 10];
        self.chance.fill(&mut tail);
        let id = uuid::Builder::from_unix_timestamp_millis(now.unix_ms as u64, &tail).into_uuid();
        let Place { name, addr, .. } = &self.places[place];
        let (name, addr) = (name.clone(), *addr);
        trace!(self, "{name} starts as run {boot} at {addr}");
        let client_addr = SocketAddr::new(addr.ip(), 7411);
        let me = Member {
            id,
            generation: 0,
            name: name.clone(),
            pid: boot as u32,
            client_addr,
            peer_addr: addr,
            version: "0.1.0".into(),
        };
        let servers = ServerManager::new(&name, id, now);
        servers.serves_at(client_addr, Some(addr));
        let token = Token::untold().expect("chance");
        let settings = Settings {
            seed: Some(self.chance.u64(..)),
            keys: crate::network::fleet::keys(),
            max_packet: 1_400,
        };
        let process = Process {
            boot,
            hub: Arc::new(Hub::new(Limits::default(), servers, token)),
            node: Node::new(me, settings, now),
            links: BTreeMap::new(),
            clients: HashMap::new(),
            stands_still: false,
            held: Vec::new(),
            leaving: false,
            last_link: 0,
            last_beat: self.time,
            parted: HashMap::new(),
            socket: Vec::new(),
            deadline: None,
        };
        self.places[place].process = Some(process);
        self.watch(place);
        self.later(place, SEC, Event::Beat);
        for seed in seeds.iter().filter(|seed| **seed != addr) {
            self.seek(place, *seed, 250);
        }
        self.hand_over(place, Batch::new(now));
    }

    /// A server looks for another one.
    pub fn seek(&mut self, place: usize, addr: SocketAddr, pause_ms: u64) {
        self.with_node(place, |node, now| node.seek(now, addr));
        let pause = pause_ms * MS * self.chance.u64(750..1250) / 1000;
        self.later(place, pause, Event::Seek(addr, (pause_ms * 2).min(10_000)));
    }

    /// A packet arrives at an address.
    pub fn packet(&mut self, from: SocketAddr, to: SocketAddr, packet: Vec<u8>) {
        let Some(place) = self.places.iter().position(|place| place.addr == to) else { return };
        let Some(process) = self.process_mut(place) else { return };
        if process.stands_still {
            if process.socket.len() < 300 {
                process.socket.push((from, packet));
            }
            return;
        }
        self.with_node(place, |node, now| {
            let _ = node.receive(now, from, &packet);
        });
    }

    /// Something in a process is due.
    pub fn timer(&mut self, place: usize) {
        let now = self.now(place);
        let Some(process) = self.process(place) else { return };
        let hub = process.hub.clone();
        let is_due = |at: Option<std::time::Instant>| at.is_some_and(|at| at <= now.instant);
        let (node, asks) =
            (is_due(process.node.deadline()), is_due(hub.servers.peers.questions.next_deadline()));
        if node {
            let chance = self.chance.f64();
            self.with_node(place, |node, now| node.on_time(now, chance));
        }
        if asks {
            let mut batch = Batch::new(now);
            hub.servers.peers.questions.expire(&hub, &mut batch);
            self.hand_over(place, batch);
        }
        if is_due(hub.services.next_deadline()) {
            let mut batch = Batch::new(now);
            hub.services.expire(&hub, &mut batch);
            self.hand_over(place, batch);
        }
        self.set_deadline(place);
    }

    fn set_deadline(&mut self, place: usize) {
        let Some(process) = self.process(place) else { return };
        let (peers, services) = (&process.hub.servers.peers, &process.hub.services);
        let all = [process.node.deadline(), peers.questions.next_deadline(), services.next_deadline()];
        let deadline = all.into_iter().flatten().min().map(|at| self.time_of(at));
        if let Some(process) = self.process_mut(place) {
            process.deadline = deadline;
        }
    }

    /// Lets a node handle something, and does what it decides.
    pub fn with_node(&mut self, place: usize, handle: impl FnOnce(&mut Node, Now)) {
        let now = self.now(place);
        let Some(process) = self.process_mut(place) else { return };
        handle(&mut process.node, now);
        let mut effects = Vec::new();
        while let Some(effect) = process.node.poll() {
            effects.push(effect);
        }
        let changed = effects.iter().any(|e| matches!(e, Effect::Up(_) | Effect::Down { .. }));
        let mut batch = Batch::new(now);
        for effect in effects {
            self.perform(place, effect, now, &mut batch);
        }
        if let Some(process) = self.process(place).filter(|_| changed) {
            process.hub.servers.see(seen(&process.node, now));
        }
        self.hand_over(place, batch);
    }

    fn perform(&mut self, place: usize, effect: Effect, now: Now, batch: &mut Batch) {
        let Some(process) = self.process(place) else { return };
        let hub = process.hub.clone();
        let (peers, name) = (&hub.servers.peers, hub.name());
        let link_of =
            |link: u64| process.links.get(&link).map(|(peer, wire, side)| (peer.clone(), *wire, *side));
        match effect {
            Effect::Send { to, packet } => {
                let from = self.places[place].addr;
                self.network.send(now.instant, from, to, packet);
            }
            Effect::Dial { peer, addr } => self.dial(place, peer, addr),
            Effect::Adopt { link } => {
                let mut bytes = Vec::new();
                frame::push_adopt(&mut bytes);
                if let Some((peer, ..)) = link_of(link) {
                    batch.send(&peer, &Encoded::new(Block::from(bytes)));
                }
            }
            Effect::Use { link } => {
                let Some((peer, ..)) = link_of(link) else { panic!("{name} uses a link that is not there") };
                trace!(self, "{name} uses link {link} to {}", peer.name);
                assert!(peers.of(peer.member.id).is_none(), "{name} uses two links to {}", peer.name);
                peers.joined(&hub, &peer, batch);
                let parted = self.process_mut(place).and_then(|p| p.parted.remove(&peer.member.id));
                if let Some(since) = parted {
                    let away = Duration::from_micros(self.time - since);
                    let why = format!("{away:?}");
                    peers.tell_gap(&hub, &peer.name, &why, batch);
                }
            }
            Effect::Close { link, why } => {
                let Some((peer, wire, side)) = link_of(link) else { return };
                trace!(self, "{name} closes link {link} to {}: {why:?}", peer.name);
                self.close_end(wire, side);
            }
            Effect::Parted { peer: id } => {
                let Some(peer) = peers.of(id) else { return };
                trace!(self, "{name} has lost its link to {}", peer.name);
                let time = self.time;
                if let Some(process) = self.process_mut(place) {
                    process.parted.insert(id, time);
                }
                peers.parted(&hub, &peer, batch);
            }
            Effect::Up(member) => {
                trace!(self, "{name} sees {} come, run {}", member.name, member.pid);
                let (name, origin) = (member.name.as_str(), member.origin());
                hub.announce_of(Some(name), &SysEvent::ServerJoined { name, origin: &origin }, batch);
            }
            Effect::Down { member, left } => {
                trace!(self, "{name} sees {} go, run {}, left: {left}", member.name, member.pid);
                if let Some(process) = self.process_mut(place) {
                    process.parted.remove(&member.id);
                }
                let (name, origin) = (member.name.as_str(), member.origin());
                let (event, reason) = if left {
                    (SysEvent::ServerLeft { name, origin: &origin }, "server-left")
                } else {
                    (SysEvent::ServerDown { name, origin: &origin }, "server-lost")
                };
                peers.server_gone(&hub, member.id, name, reason, batch);
                hub.announce_of(Some(name), &event, batch);
            }
            Effect::Rejoined => trace!(self, "{name} was taken for dead and has come back"),
            Effect::Conflict { message, .. } => panic!("{name} is in conflict: {message}"),
        }
    }

    /// Ends a batch: what it left in outboxes goes out.
    pub fn hand_over(&mut self, place: usize, mut batch: Batch) {
        let Some(hub) = self.hub(place) else { return };
        hub.settle(&mut batch);
        let dirty = batch.into_dirty();
        dirty.peers.iter().for_each(|peer| self.flush(place, peer));
        dirty.clients.iter().for_each(|client| self.show(place, client));
        self.set_deadline(place);
    }

    /// Every second: a sign of life, how the server is, and whether a link is dead.
    pub fn beat(&mut self, place: usize) {
        let (now, time) = (self.now(place), self.time);
        let Some(process) = self.process_mut(place) else { return };
        let elapsed = time - std::mem::replace(&mut process.last_beat, time);
        let hub = process.hub.clone();
        let now_ms = hub.servers.clock_us(now) / 1000;
        let mut silent = Vec::new();
        for peer in hub.servers.peers.all() {
            if elapsed > PAUSED {
                peer.heard_ms.store(now_ms, Ordering::Relaxed);
            } else if now_ms.saturating_sub(peer.heard_ms.load(Ordering::Relaxed)) > SILENT_MS {
                silent.extend(process.links.get(&peer.link()).map(|(_, wire, side)| (*wire, *side)));
            }
        }
        let draining = hub.is_draining() || process.leaving;
        for (wire, side) in silent {
            trace!(self, "{} has not heard of wire {wire} for long", hub.name());
            self.close_end(wire, side);
        }
        let mut batch = Batch::new(now);
        hub.servers.peers.beat(hub.servers.clock_us(now), &mut batch);
        self.hand_over(place, batch);
        let load =
            Load { clients: hub.clients.count() as u32, max_clients: 1000, draining, ..Load::default() };
        self.with_node(place, |node, now| {
            node.set_load(now, load);
            hub.servers.see(seen(node, now));
        });
        self.later(place, SEC, Event::Beat);
    }

    /// A process stands still, as after SIGSTOP.
    pub fn stop(&mut self, place: usize, time: Time) {
        if let Some(process) = self.process_mut(place) {
            process.stands_still = true;
            trace!(self, "{} stands still for {} ms", self.places[place].name, time / MS);
            self.later(place, time, Event::GoOn);
        }
    }

    /// It goes on: told the time first, or given what its socket collected.
    pub fn go_on(&mut self, place: usize) {
        let time_first = self.chance.bool();
        let Some(process) = self.process_mut(place).filter(|process| process.stands_still) else { return };
        process.stands_still = false;
        let (socket, held) = (std::mem::take(&mut process.socket), std::mem::take(&mut process.held));
        held.into_iter().for_each(|event| self.later(place, 0, event));
        trace!(self, "{} goes on", self.places[place].name);
        if time_first {
            self.timer(place);
        }
        for (from, packet) in socket {
            let to = self.places[place].addr;
            self.packet(from, to, packet);
        }
    }

    /// A process dies without a word: the machine tells its peers, or is dead itself.
    pub fn kill(&mut self, place: usize, machine_too: bool) {
        let Some(process) = self.places[place].process.take() else { return };
        trace!(self, "{} dies, machine too: {machine_too}", self.places[place].name);
        self.places[place].refuses = !machine_too;
        self.cut_off_wires(place, process.boot, machine_too);
        for person in process.clients.into_values() {
            self.people[person].is_gone = true;
        }
    }

    /// A server is told to stop.
    pub fn drain(&mut self, place: usize) {
        let now = self.now(place);
        let Some(process) = self.process_mut(place).filter(|process| !process.leaving) else { return };
        process.leaving = true;
        let hub = process.hub.clone();
        trace!(self, "{} drains", hub.name());
        self.with_node(place, |node, now| node.set_load(now, Load { draining: true, ..Load::default() }));
        let batch = hub.drain(false, now);
        self.hand_over(place, batch);
        let mut batch = Batch::new(now);
        hub.servers.peers.tell_leaving(&mut batch);
        self.hand_over(place, batch);
        let links: Vec<Arc<Peer>> = self
            .process(place)
            .map_or(Vec::new(), |p| p.links.values().map(|(peer, ..)| peer.clone()).collect());
        for peer in links {
            if peer.outbox.close(false, |_| {}) == hubbub_server::outbox::Push::Flush {
                self.flush(place, &peer);
            }
        }
        self.later(place, 3 * SEC, Event::LeaveNow);
        self.left_if_unlinked(place);
    }

    pub fn left_if_unlinked(&mut self, place: usize) {
        if self.process(place).is_some_and(|process| process.leaving && process.links.is_empty()) {
            self.left(place);
        }
    }

    /// It has ended its links, or waited long enough: it goes.
    pub fn left(&mut self, place: usize) {
        self.with_node(place, |node, now| node.leave(now));
        self.kill(place, false);
    }

    /// How a place sees a run: alive or not.
    pub fn sees(&self, place: usize, id: Uuid) -> bool {
        let there = |state| matches!(state, State::Alive | State::Suspect);
        self.process(place).is_some_and(|p| p.node.members().any(|m| m.member.id == id && there(m.state)))
    }
}
