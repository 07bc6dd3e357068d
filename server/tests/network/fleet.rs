//! Memberships of many servers on one network: servers start, stand still, die and restart, and
//! what they saw is kept with the time at which they saw it.

use super::{Network, Weather};
use hubbub_server::clock::Now;
use hubbub_server::cluster::membership::{Effect, Event, Membership, Settings, State};
use hubbub_server::cluster::sealed::KeyRing;
use hubbub_server::cluster::Member;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// When simulations begin, in milliseconds since 1970.
pub const EPOCH_MS: i64 = 1_777_627_800_000;

/// One place for a server, with the run that is there.
pub struct Server {
    /// The membership, unless it died.
    pub membership: Option<Membership>,
    /// Its address, whichever run is there.
    pub addr: SocketAddr,
    /// What it saw, and when since the beginning.
    pub events: Vec<(Duration, Event)>,
    /// How far its wall clock is off, in milliseconds.
    pub clock_off_ms: i64,
    stands_still: bool,
    socket: Vec<(SocketAddr, Vec<u8>)>,
    deadline: Option<Instant>,
}

/// Servers on a network.
pub struct Fleet {
    /// The network between them.
    pub network: Network,
    /// Each by its number.
    pub servers: Vec<Server>,
    /// Packets that were sent, the last ones, where wanted: `(from, to, packet)`.
    pub captured: Option<Vec<(SocketAddr, SocketAddr, Vec<u8>)>>,
    seed: u64,
    runs: u64,
    begin: Instant,
    time: Duration,
    deadlines: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// The address of a server by its number.
pub fn addr(server: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, (server / 250) as u8, (server % 250) as u8 + 1], 7001))
}

/// The keys that all of them have.
pub fn keys() -> KeyRing {
    KeyRing::new("lab", &["a secret".to_owned()])
}

impl Fleet {
    /// So many servers, each of which asks server 0.
    pub fn start(seed: u64, servers: usize, weather: Weather) -> Fleet {
        let mut fleet = Fleet {
            network: Network::new(seed, weather),
            servers: Vec::new(),
            captured: None,
            seed,
            runs: 0,
            begin: Instant::now(),
            time: Duration::ZERO,
            deadlines: BinaryHeap::new(),
        };
        for number in 0..servers {
            fleet.servers.push(Server {
                membership: None,
                addr: addr(number),
                events: Vec::new(),
                clock_off_ms: 0,
                stands_still: false,
                socket: Vec::new(),
                deadline: None,
            });
            fleet.boot(number, &[0]);
        }
        fleet
    }

    /// So many servers that know each other already.
    pub fn acquainted(seed: u64, servers: usize, weather: Weather) -> Fleet {
        let mut fleet = Fleet::start(seed, servers, weather);
        let members: Vec<Member> = (0..servers).map(|s| fleet.at(s).me().clone()).collect();
        for server in 0..servers {
            let others = members.iter().filter(|m| m.peer_addr != addr(server)).cloned();
            fleet.with(server, |membership, now| membership.introduce(now, others));
        }
        fleet
    }

    /// Starts a new run of a server, which asks others.
    pub fn boot(&mut self, server: usize, seeds: &[usize]) {
        self.runs += 1;
        let now = self.now(server);
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&self.runs.to_be_bytes());
        let member = Member {
            id: uuid::Builder::from_unix_timestamp_millis(now.unix_ms as u64, &tail).into_uuid(),
            generation: 0,
            name: format!("server-{server}"),
            pid: 1000 + self.runs as u32,
            client_addr: SocketAddr::new(addr(server).ip(), 7000),
            peer_addr: addr(server),
            version: "0.1.0".to_owned(),
        };
        let seed = Some(self.seed ^ (self.runs << 20));
        let membership = Membership::new(member, Settings { seed, keys: keys(), max_packet: 1400 }, now);
        let place = &mut self.servers[server];
        (place.membership, place.stands_still) = (Some(membership), false);
        place.socket.clear();
        for seed in seeds.iter().filter(|seed| **seed != server) {
            self.with(server, |membership, now| membership.announce(now, addr(*seed)));
        }
        self.settle(server);
    }

    /// The server dies without a word.
    pub fn kill(&mut self, server: usize) {
        self.servers[server].membership = None;
        self.servers[server].deadline = None;
    }

    /// The process stands still, as after SIGSTOP; its socket collects.
    pub fn stop(&mut self, server: usize) {
        self.servers[server].stands_still = true;
    }

    /// The process goes on: told the time first, or given what its socket collected first.
    pub fn go_on(&mut self, server: usize, time_first: bool) {
        self.servers[server].stands_still = false;
        if time_first {
            self.with(server, |membership, now| membership.on_time(now));
        }
        for (from, packet) in std::mem::take(&mut self.servers[server].socket) {
            self.with(server, |membership, now| {
                let _ = membership.receive(now, from, &packet);
            });
        }
        self.with(server, |membership, now| membership.on_time(now));
    }

    /// Calls a membership and carries out what it wants.
    pub fn with<R>(&mut self, server: usize, call: impl FnOnce(&mut Membership, Now) -> R) -> R {
        let now = self.now(server);
        let result = call(self.servers[server].membership.as_mut().expect("it lives"), now);
        self.settle(server);
        result
    }

    fn settle(&mut self, server: usize) {
        let (now, time) = (self.begin + self.time, self.time);
        let place = &mut self.servers[server];
        let Some(membership) = &mut place.membership else { return };
        while let Some(effect) = membership.poll() {
            match effect {
                Effect::Send { to, packet } => {
                    if let Some(captured) = &mut self.captured {
                        captured.push((place.addr, to, packet.clone()));
                    }
                    self.network.send(now, place.addr, to, packet);
                }
                Effect::Event(event) => place.events.push((time, event)),
            }
        }
        let deadline = membership.deadline();
        if deadline != place.deadline {
            place.deadline = deadline;
            self.deadlines.extend(deadline.map(|at| Reverse((at, server))));
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.begin + self.time + time;
        loop {
            let timer = self.deadlines.peek().map(|Reverse((at, _))| *at);
            let next = [timer, self.network.next()].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.time = self.time.max(next - self.begin);
            while let Some(delivery) = self.network.arrived(next) {
                self.deliver(delivery.from, delivery.to, &delivery.packet);
            }
            while let Some(Reverse((at, server))) = self.deadlines.peek().copied().filter(|d| d.0 .0 <= next)
            {
                self.deadlines.pop();
                let place = &mut self.servers[server];
                if place.deadline == Some(at) {
                    place.deadline = None;
                    if !place.stands_still && place.membership.is_some() {
                        self.with(server, |membership, now| membership.on_time(now));
                    }
                }
            }
        }
        self.time = end - self.begin;
    }

    /// A packet arrives, whoever sent it.
    pub fn deliver(&mut self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        let octets = match to {
            SocketAddr::V4(to) => to.ip().octets(),
            SocketAddr::V6(_) => return,
        };
        let server = usize::from(octets[2]) * 250 + usize::from(octets[3]) - 1;
        if server >= self.servers.len() {
            return;
        }
        let place = &mut self.servers[server];
        if place.stands_still {
            if place.socket.len() < 1000 {
                place.socket.push((from, packet.to_vec()));
            }
        } else if place.membership.is_some() {
            self.with(server, |membership, now| {
                let _ = membership.receive(now, from, packet);
            });
        }
    }

    /// Lets time pass, 50 ms at a time, until something holds; how long it took, or `None` at the limit.
    pub fn until(&mut self, limit: Duration, holds: impl Fn(&Fleet) -> bool) -> Option<Duration> {
        let begin = self.time;
        while !holds(self) {
            if self.time - begin >= limit {
                return None;
            }
            self.run(Duration::from_millis(50));
        }
        Some(self.time - begin)
    }

    /// A membership that lives.
    pub fn at(&self, server: usize) -> &Membership {
        self.servers[server].membership.as_ref().expect("it lives")
    }

    /// The run of a server that lives.
    pub fn id(&self, server: usize) -> Uuid {
        self.at(server).me().id
    }

    /// How one sees the run at another's place: the one that is there, or the last one.
    pub fn sees(&self, who: usize, whom: usize) -> Option<State> {
        let of = |m: &&hubbub_server::cluster::membership::Known<'_>| m.member.peer_addr == addr(whom);
        let known: Vec<_> = self.at(who).members().collect();
        known.iter().filter(of).max_by_key(|m| (m.member.id, m.member.generation)).map(|m| m.state)
    }

    /// The addresses of the members that one takes for living ones.
    pub fn view(&self, server: usize) -> BTreeSet<SocketAddr> {
        let lives = |state| matches!(state, State::Alive | State::Suspect);
        self.at(server).members().filter(|m| lives(m.state)).map(|m| m.member.peer_addr).collect()
    }

    /// Whether all that live see exactly each other.
    pub fn agree(&self) -> bool {
        let living = self.living();
        let all: BTreeSet<_> = living.iter().map(|server| addr(*server)).collect();
        living.iter().all(|server| {
            let mut view = self.view(*server);
            view.insert(addr(*server));
            view == all
        })
    }

    /// The servers that live and do not stand still.
    pub fn living(&self) -> Vec<usize> {
        let lives = |s: &usize| self.servers[*s].membership.is_some() && !self.servers[*s].stands_still;
        (0..self.servers.len()).filter(lives).collect()
    }

    /// Who was seen to go, by whom, since the beginning.
    pub fn downs(&self) -> usize {
        let down = |e: &&(Duration, Event)| matches!(e.1, Event::Down { .. });
        self.servers.iter().map(|place| place.events.iter().filter(down).count()).sum()
    }

    /// Forgets what was seen.
    pub fn forget_events(&mut self) {
        self.servers.iter_mut().for_each(|place| place.events.clear());
    }

    /// The time since the beginning.
    pub fn time(&self) -> Duration {
        self.time
    }

    /// Both clocks as a server sees them.
    pub fn now(&self, server: usize) -> Now {
        let off = self.servers.get(server).map_or(0, |place| place.clock_off_ms);
        Now { instant: self.begin + self.time, unix_ms: EPOCH_MS + self.time.as_millis() as i64 + off }
    }
}
