//! Servers, each with its [`Settlement`], on a network that delays, resets, splits, and reaches one
//! way only, while they restart. A seed is a history: it plays alike each time. After each history
//! the network is well, and every two servers have to agree on one link.

use super::*;
use fastrand::Rng;
use std::collections::BTreeSet;

/// How long things go wrong, and when the servers have to have settled and to stay so, in ms.
const CHAOS: u64 = 20_000;
const SETTLED: u64 = CHAOS + 10_000;
const END: u64 = SETTLED + 10_000;
/// How long a dial may take, and how long an end may take to see that a link is dead.
const DIAL_MS: u64 = 3_000;
const HEARTBEAT_MS: u64 = 2_000;

#[derive(Debug, Clone)]
enum Event {
    Wake { server: usize, run: Uuid },
    Known { server: usize, run: Uuid, is_there: bool },
    Syn { link: usize },
    DialEnds { link: usize, failure: Failure },
    Shaken { link: usize, end: usize },
    Adopted { link: usize, end: usize },
    Lost { link: usize, end: usize },
    Trouble,
}

/// A TCP connection: the dialer is end 0.
struct Link {
    ends: [(usize, Uuid); 2],
    is_open: [bool; 2],
    is_broken: bool,
    /// When the last bytes arrive at an end: none overtake.
    arrives: [u64; 2],
}

struct Server {
    member: Member,
    settlement: Settlement,
    used: BTreeMap<Uuid, u64>,
    dialing: BTreeSet<Uuid>,
    told: BTreeSet<(Uuid, &'static str)>,
    wakes_at: Option<u64>,
}

struct World {
    start: Instant,
    now: u64,
    rng: Rng,
    events: BTreeMap<(u64, u64), Event>,
    counter: u64,
    servers: Vec<Server>,
    runs: BTreeMap<Uuid, usize>,
    links: Vec<Link>,
    /// Pairs that cannot reach each other now, and pairs of which one never can dial the other.
    split: BTreeSet<(usize, usize)>,
    one_way: BTreeSet<(usize, usize)>,
    trace: Vec<(u64, usize, Action)>,
}

impl World {
    fn new(seed: u64, count: usize) -> Self {
        let mut world = World {
            start: Instant::now(),
            now: 0,
            rng: Rng::with_seed(seed),
            events: BTreeMap::new(),
            counter: 0,
            servers: Vec::new(),
            runs: BTreeMap::new(),
            links: Vec::new(),
            split: BTreeSet::new(),
            one_way: BTreeSet::new(),
            trace: Vec::new(),
        };
        for server in 0..count {
            let member = world.run_of(server);
            world.runs.insert(member.id, server);
            world.servers.push(Server::new(member));
            for other in 0..server {
                match world.rng.u8(..6) {
                    0 => world.one_way.insert((server, other)),
                    1 => world.one_way.insert((other, server)),
                    _ => false,
                };
            }
        }
        (0..count).for_each(|server| world.meet(server));
        world.after(0, 1_000, Event::Trouble);
        world
    }

    fn run_of(&mut self, server: usize) -> Member {
        let id = Uuid::from_u128((u128::from(self.now) << 80) | (self.rng.u128(..) >> 60));
        Member {
            id,
            generation: 0,
            name: format!("s{server}"),
            pid: 1,
            client_addr: SocketAddr::from(([10, 0, 0, 1], 7000 + server as u16)),
            peer_addr: SocketAddr::from(([10, 0, 0, 1], 8000 + server as u16)),
            version: "1".to_owned(),
        }
    }

    /// A server that has started hears of the others, and they of it.
    fn meet(&mut self, server: usize) {
        let run = self.servers[server].member.id;
        for other in (0..self.servers.len()).filter(|other| *other != server) {
            let there = self.servers[other].member.id;
            self.after(0, 1_000, Event::Known { server, run: there, is_there: true });
            self.after(0, 1_000, Event::Known { server: other, run, is_there: true });
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.counter += 1;
        self.events.insert((time, self.counter), event);
    }

    fn after(&mut self, least: u64, most: u64, event: Event) {
        let time = self.now + self.rng.u64(least..=most);
        self.at(time, event);
    }

    /// Sends something over a link, to arrive at an end after what was sent before.
    fn send(&mut self, link: usize, end: usize, event: Event) {
        let time = (self.now + self.rng.u64(1..=100)).max(self.links[link].arrives[end] + 1);
        self.links[link].arrives[end] = time;
        self.at(time, event);
    }

    fn is_calm(&self) -> bool {
        self.now >= CHAOS
    }

    fn is_split(&self, a: usize, b: usize) -> bool {
        self.split.contains(&(a.min(b), a.max(b)))
    }

    fn is_running(&self, (server, run): (usize, Uuid)) -> bool {
        self.servers[server].member.id == run
    }

    /// The connection dies; each end sees it in its own time.
    fn cut(&mut self, link: usize) {
        self.links[link].is_broken = true;
        for end in 0..2 {
            self.after(0, HEARTBEAT_MS, Event::Lost { link, end });
        }
    }

    fn trouble(&mut self) {
        if self.is_calm() {
            self.split.clear();
            return;
        }
        let count = self.servers.len();
        let (a, b) = (self.rng.usize(..count), self.rng.usize(..count));
        match self.rng.u8(..8) {
            0 => self.restart(a),
            1 | 2 if a != b => {
                if !self.split.remove(&(a.min(b), a.max(b))) {
                    self.split.insert((a.min(b), a.max(b)));
                    let between = |l: &Link| !l.is_broken && l.ends.iter().all(|(s, _)| *s == a || *s == b);
                    let dead: Vec<_> = (0..self.links.len()).filter(|l| between(&self.links[*l])).collect();
                    dead.into_iter().for_each(|link| self.cut(link));
                }
            }
            _ => {
                let live: Vec<_> = (0..self.links.len()).filter(|l| !self.links[*l].is_broken).collect();
                if let Some(link) = self.rng.choice(live) {
                    self.cut(link);
                }
            }
        }
        let time = self.now + self.rng.u64(1..1_500);
        self.at(time.min(CHAOS), Event::Trouble);
    }

    fn restart(&mut self, server: usize) {
        let member = self.run_of(server);
        let old = std::mem::replace(&mut self.servers[server], Server::new(member)).member.id;
        self.runs.insert(self.servers[server].member.id, server);
        let live: Vec<_> = (0..self.links.len()).filter(|l| !self.links[*l].is_broken).collect();
        for link in live {
            if self.links[link].ends.contains(&(server, old)) {
                self.cut(link);
            }
        }
        for other in (0..self.servers.len()).filter(|other| *other != server) {
            self.after(0, 3_000, Event::Known { server: other, run: old, is_there: false });
        }
        self.meet(server);
    }

    fn dial(&mut self, server: usize, peer: Uuid) {
        let to = self.runs[&peer];
        let link = self.links.len();
        let ends = [(server, self.servers[server].member.id), (to, peer)];
        self.links.push(Link { ends, is_open: [false; 2], is_broken: false, arrives: [0; 2] });
        let conflict = Failure::TurnedAway(Code::NameTaken, "taken".to_owned());
        match self.rng.u8(..20) {
            0 if !self.is_calm() => {
                self.after(1, DIAL_MS, Event::DialEnds { link, failure: Failure::Unreachable })
            }
            1 if !self.is_calm() => self.after(1, 200, Event::DialEnds { link, failure: conflict }),
            _ => self.send(link, 1, Event::Syn { link }),
        }
    }

    fn handle(&mut self, event: Event) {
        let now = self.start + Duration::from_millis(self.now);
        let server = match event {
            Event::Wake { server, run } => {
                if !self.is_running((server, run)) || self.servers[server].wakes_at != Some(self.now) {
                    return;
                }
                self.servers[server].wakes_at = None;
                let chance = self.rng.f64();
                self.servers[server].settlement.on_time(now, chance);
                server
            }
            Event::Known { server, run, is_there } => {
                let of = &self.servers[self.runs[&run]].member;
                let (is_current, of) = (of.id == run, of.clone());
                let settlement = &mut self.servers[server].settlement;
                match (is_there, is_current) {
                    (true, true) => settlement.wanted(now, &of),
                    (true, false) => (),
                    (false, _) => settlement.unwanted(now, run),
                }
                server
            }
            Event::Syn { link } => {
                let [(a, _), there] = self.links[link].ends;
                if self.is_split(a, there.0) || self.one_way.contains(&(a, there.0)) {
                    self.after(DIAL_MS, DIAL_MS, Event::DialEnds { link, failure: Failure::Unreachable });
                } else if !self.is_running(there) {
                    let other = Failure::TurnedAway(Code::NotMe, "another".to_owned());
                    let failure = if self.rng.bool() { Failure::ConnectionRefused } else { other };
                    self.send(link, 0, Event::DialEnds { link, failure });
                } else {
                    self.send(link, 0, Event::Shaken { link, end: 0 });
                }
                return;
            }
            Event::DialEnds { link, failure } => {
                let [here, (_, peer)] = self.links[link].ends;
                if !self.is_running(here) {
                    return;
                }
                assert!(self.servers[here.0].dialing.remove(&peer));
                self.servers[here.0].settlement.dial_failed(now, peer, failure);
                here.0
            }
            Event::Shaken { link, end } => {
                let (here, (there, peer)) = (self.links[link].ends[end], self.links[link].ends[1 - end]);
                if !self.is_running(here) {
                    return;
                }
                if self.links[link].is_broken {
                    if end == 0 {
                        let failure = Failure::Unreachable;
                        self.after(0, HEARTBEAT_MS, Event::DialEnds { link, failure });
                    }
                    return;
                }
                self.links[link].is_open[end] = true;
                if end == 0 {
                    assert!(self.servers[here.0].dialing.remove(&peer));
                    self.send(link, 1, Event::Shaken { link, end: 1 });
                } else if self.is_running((there, peer)) {
                    let of = self.servers[there].member.clone();
                    self.servers[here.0].settlement.wanted(now, &of);
                }
                self.servers[here.0].settlement.handshaken(now, link as u64, peer, end == 0);
                here.0
            }
            Event::Adopted { link, end } => {
                if self.links[link].is_broken || !self.links[link].is_open[end] {
                    return;
                }
                let server = self.links[link].ends[end].0;
                self.servers[server].settlement.adopted(now, link as u64);
                server
            }
            Event::Lost { link, end } => {
                let here = self.links[link].ends[end];
                if !std::mem::take(&mut self.links[link].is_open[end]) || !self.is_running(here) {
                    return;
                }
                self.servers[here.0].settlement.lost(now, link as u64);
                here.0
            }
            Event::Trouble => return self.trouble(),
        };
        self.obey(server);
    }

    /// Does what a settlement says, and checks that it makes sense.
    fn obey(&mut self, server: usize) {
        let run = self.servers[server].member.id;
        while let Some(action) = self.servers[server].settlement.poll() {
            self.trace.push((self.now, server, action.clone()));
            let this = &mut self.servers[server];
            match action {
                Action::Dial { peer, .. } => {
                    assert!(this.dialing.insert(peer), "two dials to {peer}");
                    self.dial(server, peer);
                }
                Action::Adopt { link } => {
                    let link = link as usize;
                    let end = usize::from(self.links[link].ends[1] == (server, run));
                    assert!(run < self.links[link].ends[1 - end].1, "the higher one adopts");
                    self.send(link, 1 - end, Event::Adopted { link, end: 1 - end });
                }
                Action::Use { link, peer } => {
                    assert_eq!(this.used.insert(peer, link), None, "two links in use with {peer}");
                    this.told.retain(|(of, _)| *of != peer);
                    let of = &self.links[link as usize];
                    let end = usize::from(of.ends[1] == (server, run));
                    assert!(of.is_open[end] && of.ends[1 - end].1 == peer, "a link that is not there");
                }
                Action::Close { link, .. } => {
                    assert!(this.used.values().all(|used| *used != link), "in use and closed");
                    let link = link as usize;
                    let end = usize::from(self.links[link].ends[1] == (server, run));
                    self.links[link].is_open[end] = false;
                    if !self.links[link].is_broken {
                        self.send(link, 1 - end, Event::Lost { link, end: 1 - end });
                    }
                }
                Action::Lost { peer } => assert!(this.used.remove(&peer).is_some(), "nothing was in use"),
                Action::Gone { peer } => assert!(this.told.insert((peer, "gone")), "told twice"),
                Action::Suspect { peer } => assert!(this.told.insert((peer, "suspect")), "told twice"),
                Action::Conflict { .. } => (),
            }
        }
        let deadline = self.servers[server].settlement.deadline();
        let deadline = deadline.map(|d| d.saturating_duration_since(self.start));
        // A timer fires late rather than early.
        let wake = deadline.map(|d| self.now.max(d.as_nanos().div_ceil(1_000_000) as u64));
        if wake.is_some() && wake != self.servers[server].wakes_at {
            self.at(wake.unwrap_or_default(), Event::Wake { server, run });
        }
        self.servers[server].wakes_at = wake;
    }

    fn play(&mut self, until: u64) {
        while let Some(next) = self.events.first_entry().filter(|next| next.key().0 <= until) {
            self.now = next.key().0;
            let event = next.remove();
            self.handle(event);
        }
    }

    /// For each two servers the link that they have; fails if they do not have one.
    fn settled(&self) -> Vec<u64> {
        let mut links = Vec::new();
        for a in &self.servers {
            for b in self.servers.iter().filter(|b| b.member.id > a.member.id) {
                let (here, there) = (a.used.get(&b.member.id), b.used.get(&a.member.id));
                assert_eq!(here, there, "{} and {} use two links", a.member.name, b.member.name);
                links.push(*here.unwrap_or_else(|| panic!("{} and {}: none", a.member.name, b.member.name)));
            }
            assert_eq!(a.used.len(), self.servers.len() - 1, "a link with a run that is gone");
        }
        links
    }
}

impl Server {
    fn new(member: Member) -> Self {
        Server {
            settlement: Settlement::new(member.id),
            member,
            used: BTreeMap::new(),
            dialing: BTreeSet::new(),
            told: BTreeSet::new(),
            wakes_at: None,
        }
    }
}

/// Says which history failed.
struct Seed(u64, usize);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the history that failed: seed {}, {} servers", self.0, self.1);
        }
    }
}

fn history(seed: u64, count: usize) -> Vec<(u64, usize, Action)> {
    let _seed = Seed(seed, count);
    let mut world = World::new(seed, count);
    world.play(SETTLED);
    let links = world.settled();
    world.play(END);
    assert_eq!(world.settled(), links, "they change links in quiet times");
    world.trace
}

fn histories(seeds: std::ops::Range<u64>, count: usize) {
    for seed in seeds {
        let trace = history(seed, count);
        let _seed = Seed(seed, count);
        assert!(trace == history(seed, count), "it plays another way the second time");
    }
}

#[test]
fn two_servers_settle_on_one_link_after_whatever_happened() {
    histories(0..1_000, 2);
}

#[test]
fn five_servers_settle_on_one_link_a_pair_after_whatever_happened() {
    histories(0..1_000, 5);
}
