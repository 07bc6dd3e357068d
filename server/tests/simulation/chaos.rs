//! The time of chaos: clients do what clients do, and everything that can happen to machines happens.

use crate::network::Weather;
use crate::people::Kind;
use crate::place::Place;
use crate::world::{trace, Time, World, MS, SEC};
use hubbub_shared::names::Pattern;
use std::net::SocketAddr;
use std::time::Duration;

pub const CHANNELS: [&str; 5] = ["ops", "web", "a.b", "a.c", "x.1"];
const PATTERNS: [&str; 8] = ["ops", "web", "a.b", "a.*", "a.>", ">", "*", "x.*"];
pub const GROUPS: [&str; 2] = ["red", "blue"];
const SERVICES: [&str; 3] = ["upper", "lower", "count"];
const NAMES: [&str; 4] = ["ann", "bob", "cyd", "dan"];
/// Clients of one server, beside those that watch.
const MAX_CLIENTS: usize = 6;

fn addr(place: usize, moves: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, moves, place as u8 + 1], 7412))
}

impl World {
    fn pick<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.chance.usize(0..all.len())])
    }

    /// The servers start, some at once and some later.
    pub fn begin(&mut self) {
        let places = self.chance.usize(3..6);
        for number in 0..places {
            self.places.push(Place {
                name: ["alpha", "beta", "gamma", "delta", "omega"][number].to_owned(),
                addr: addr(number, 0),
                moves: 0,
                process: None,
                refuses: true,
                clock_off_ms: self.chance.i64(-300..300),
            });
        }
        for place in 0..places {
            let seeds = self.addrs();
            self.boot(place, &seeds);
            let time = self.chance.u64(0..400 * MS);
            self.run(time);
        }
        self.run(2 * SEC);
    }

    /// Whoever starts is told where all are at the time.
    fn addrs(&self) -> Vec<SocketAddr> {
        self.places.iter().map(|place| place.addr).collect()
    }

    /// Some seconds of everything at once.
    pub fn rage(&mut self) {
        let end = self.time + self.chance.u64(8..16) * SEC;
        let (busy, rough) = (self.chance.u64(30..200) * MS, self.chance.u64(400..2_500) * MS);
        let (mut next_act, mut next_fault) = (self.time, self.time + rough);
        while self.time < end {
            let next = next_act.min(next_fault).min(end);
            self.run(next - self.time);
            if self.time >= next_act {
                self.act();
                next_act = self.time + self.chance.u64(1..2 * busy);
            }
            if self.time >= next_fault {
                self.fault();
                next_fault = self.time + self.chance.u64(1..2 * rough);
            }
        }
    }

    fn someone(&mut self, kind: impl Fn(&Kind) -> bool) -> Option<usize> {
        let people: Vec<usize> = (0..self.people.len())
            .filter(|p| !self.people[*p].is_gone && kind(&self.people[*p].kind))
            .collect();
        self.pick(&people)
    }

    /// A client does something.
    fn act(&mut self) {
        let plain = |kind: &Kind| *kind == Kind::Plain;
        let anyone = |kind: &Kind| matches!(kind, Kind::Plain | Kind::Member(_));
        match self.chance.u32(0..100) {
            0..12 => self.come(),
            12..16 => {
                if let Some(person) = self.someone(anyone) {
                    self.leave(person);
                }
            }
            16..19 => self.command(plain, |w| {
                let name = w.pick(&NAMES).unwrap_or("eve");
                format!(r#""op":"name","name":"{name}""#)
            }),
            19..29 => {
                if let Some(person) = self.someone(anyone) {
                    self.subscribe(person);
                }
            }
            29..33 => {
                if let Some(person) = self.someone(anyone) {
                    let all = self.people[person].client.subscriptions();
                    if !all.is_empty() {
                        let pattern = all[self.chance.usize(0..all.len())].pattern.clone();
                        self.ask(person, &format!(r#""op":"unsubscribe","channel":"{pattern}""#));
                    }
                }
            }
            33..73 => {
                if let Some(person) = self.someone(anyone) {
                    let channel = self.pick(&CHANNELS).unwrap_or("ops");
                    let messages = self.chance.u64(1..4);
                    self.publish(person, channel, messages);
                }
            }
            73..77 => {
                self.checks.last_direct += 1;
                let number = self.checks.last_direct;
                self.command(plain, |w| {
                    let name = w.pick(&NAMES).unwrap_or("eve");
                    let at = w.chance.usize(0..w.places.len());
                    let server =
                        if w.chance.bool() { format!("@{}", w.places[at].name) } else { String::new() };
                    format!(r#""op":"msg","to":"{name}{server}","data":{{"d":{number}}}"#)
                });
            }
            77..80 => self.offer(),
            80..82 => {
                if let Some(person) = self.someone(plain) {
                    if let Some(service) = self.people[person].services.pop_first() {
                        self.ask(person, &format!(r#""op":"unserve","service":"{service}""#));
                    }
                }
            }
            82..90 => self.command(plain, |w| {
                let (service, q) = (w.pick(&SERVICES).unwrap_or("upper"), w.chance.u32(..));
                let ms = w.chance.u64(200..3_000);
                format!(r#""op":"request","service":"{service}","timeout_ms":{ms},"data":{{"q":{q}}}"#)
            }),
            90..92 => self.command(plain, |w| {
                let channel = w.pick(&CHANNELS).unwrap_or("ops");
                let topic = w.chance.u32(..);
                format!(r#""op":"create","channel":"{channel}","topic":"about {topic}""#)
            }),
            _ => self.command(plain, |w| {
                let channel = w.pick(&CHANNELS).unwrap_or("ops");
                match w.chance.u32(0..6) {
                    0 => r#""op":"clients","state":"all""#.to_owned(),
                    1 => r#""op":"channels""#.to_owned(),
                    2 => r#""op":"services""#.to_owned(),
                    3 => format!(r#""op":"who","channel":"{channel}""#),
                    4 => format!(r#""op":"history","channel":"{channel}""#),
                    _ => r#""op":"whois","name":"ann""#.to_owned(),
                }
            }),
        }
    }

    fn command(&mut self, kind: impl Fn(&Kind) -> bool, command: impl FnOnce(&mut World) -> String) {
        if let Some(person) = self.someone(kind) {
            let command = command(self);
            self.ask(person, &command);
        }
    }

    fn come(&mut self) {
        let mut places = self.living();
        places.retain(|p| self.process(*p).is_some_and(|p| p.clients.len() < MAX_CLIENTS && !p.stands_still));
        let Some(place) = self.pick(&places) else { return };
        let kind = match self.chance.u32(0..3) {
            0 => Kind::Member(self.pick(&GROUPS).unwrap_or("red")),
            _ => Kind::Plain,
        };
        let person = self.connect(place, kind);
        self.subscribe(person);
    }

    fn subscribe(&mut self, person: usize) {
        let pattern = self.pick(&PATTERNS).unwrap_or("ops");
        let group = match self.people[person].kind {
            Kind::Member(group) => format!(r#","group":"{group}""#),
            _ => String::new(),
        };
        self.people[person].ever.push(Pattern::parse(pattern).expect("a pattern"));
        self.ask(person, &format!(r#""op":"subscribe","channel":"{pattern}"{group}"#));
    }

    fn offer(&mut self) {
        let Some(person) = self.someone(|kind| *kind == Kind::Plain) else { return };
        let service = self.pick(&SERVICES).unwrap_or("upper");
        self.people[person].services.insert(service.to_owned());
        self.ask(person, &format!(r#""op":"serve","service":"{service}","about":"what it says""#));
    }

    /// Something happens to a machine, a process, or the network.
    fn fault(&mut self) {
        let living = self.living();
        match self.chance.u32(0..100) {
            0..20 => {
                let (a, b) =
                    (self.chance.usize(0..self.places.len()), self.chance.usize(0..self.places.len()));
                let (a, b) = (self.places[a].addr, self.places[b].addr);
                let both = self.chance.bool();
                trace!(self, "nothing passes from {a} to {b}, and back: {both}");
                self.network.cut(a, b);
                if both {
                    self.network.cut(b, a);
                }
            }
            20..30 => {
                let mut sides = [Vec::new(), Vec::new()];
                for place in &self.places {
                    sides[usize::from(self.chance.bool())].push(place.addr);
                }
                trace!(self, "the network is in two: {sides:?}");
                self.network.part(&sides[0], &sides[1]);
            }
            30..52 => {
                trace!(self, "the network is whole");
                self.network.heal();
            }
            52..62 => {
                let most = Duration::from_millis(self.chance.u64(1..200));
                let (lost, doubled) = (self.chance.u32(0..3_000), self.chance.u32(0..1_000));
                self.network.weather = Weather { delay: (Duration::from_micros(100), most), lost, doubled };
            }
            62..70 if living.len() > 1 => {
                let (place, machine_too) = (self.pick(&living), self.chance.bool());
                place.into_iter().for_each(|place| self.kill(place, machine_too));
            }
            70..73 if living.len() > 1 => {
                let place = self.pick(&living);
                place
                    .filter(|p| self.process(*p).is_some_and(|p| !p.stands_still))
                    .into_iter()
                    .for_each(|p| self.drain(p));
            }
            73..83 => {
                let time: Time = self.chance.u64(100..8_000) * MS;
                self.pick(&living).into_iter().for_each(|place| self.stop(place, time));
            }
            83..92 => self.restart_one(),
            _ => {
                let wires: Vec<u64> = self.wires.keys().rev().take(10).copied().collect();
                self.pick(&wires).into_iter().for_each(|wire| self.break_wire(wire));
            }
        }
    }

    /// A server that is dead comes back, here or at another address.
    fn restart_one(&mut self) {
        let dead: Vec<usize> = (0..self.places.len()).filter(|p| self.process(*p).is_none()).collect();
        let Some(place) = self.pick(&dead) else { return };
        if self.chance.u32(0..4) == 0 {
            self.places[place].moves += 1;
            self.places[place].addr = addr(place, self.places[place].moves);
        }
        self.places[place].refuses = true;
        let seeds = self.addrs();
        self.boot(place, &seeds);
    }

    /// Everything that can be mended is.
    pub fn heal(&mut self) {
        trace!(self, "everything heals");
        self.is_calm = true;
        self.network.heal();
        self.network.weather = Weather::default();
        for place in 0..self.places.len() {
            if self.process(place).is_some_and(|process| process.leaving) {
                self.kill(place, false);
            }
            self.go_on(place);
            self.places[place].refuses |= self.process(place).is_some();
        }
        for _ in 0..self.places.len() {
            if self.chance.bool() || self.living().len() < 2 {
                self.restart_one();
            }
        }
    }
}
