//! A network in memory with a clock of its own, for simulations: packets are late, lost, doubled and
//! overtaken by a seeded chance, and links can be cut one way. Knows nothing of what it carries.
//! `fleet` puts servers' memberships on it; other simulators may put more.

#![allow(dead_code)] // each test and benchmark uses its part

pub mod fleet;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How the network treats packets.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// The least and the most time that a packet takes: those in between overtake each other.
    pub delay: (Duration, Duration),
    /// How many of 10,000 packets are lost.
    pub lost: u32,
    /// How many of 10,000 packets arrive twice.
    pub doubled: u32,
}

impl Default for Weather {
    fn default() -> Self {
        Weather { delay: (Duration::from_micros(100), Duration::from_millis(2)), lost: 0, doubled: 0 }
    }
}

/// One packet that arrives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivery {
    at: Instant,
    number: u64,
    /// Who sent it.
    pub from: SocketAddr,
    /// Where it arrives.
    pub to: SocketAddr,
    /// What it carries.
    pub packet: Vec<u8>,
}

/// The packets under way, and where none pass.
pub struct Network {
    /// May be changed at any time; holds for packets sent from then on.
    pub weather: Weather,
    chance: fastrand::Rng,
    cut: BTreeSet<(SocketAddr, SocketAddr)>,
    under_way: BinaryHeap<Reverse<Delivery>>,
    number: u64,
}

impl Network {
    /// A network whose chance comes from a seed.
    pub fn new(seed: u64, weather: Weather) -> Network {
        let (cut, under_way) = (BTreeSet::new(), BinaryHeap::new());
        Network { weather, chance: fastrand::Rng::with_seed(seed), cut, under_way, number: 0 }
    }

    /// Takes a packet; it may never arrive.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, packet: Vec<u8>) {
        let Weather { delay: (least, most), lost, doubled } = self.weather;
        if self.cut.contains(&(from, to)) || self.chance.u32(0..10_000) < lost {
            return;
        }
        for _ in 0..1 + usize::from(self.chance.u32(0..10_000) < doubled) {
            let spread = (most - least).as_nanos() as u64;
            let at = now + least + Duration::from_nanos(self.chance.u64(0..=spread));
            self.number += 1;
            let number = self.number;
            self.under_way.push(Reverse(Delivery { at, number, from, to, packet: packet.clone() }));
        }
    }

    /// Loses all packets that are under way.
    pub fn lose_all(&mut self) {
        self.under_way.clear();
    }

    /// When the next packet arrives.
    pub fn next(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(delivery)| delivery.at)
    }

    /// The next packet that has arrived by now.
    pub fn arrived(&mut self, now: Instant) -> Option<Delivery> {
        self.next().filter(|at| *at <= now)?;
        self.under_way.pop().map(|Reverse(delivery)| delivery)
    }

    /// From here on no packet passes from one to the other; the way back is another cut.
    pub fn cut(&mut self, from: SocketAddr, to: SocketAddr) {
        self.cut.insert((from, to));
    }

    /// Cuts both ways between each of some and each of others.
    pub fn part(&mut self, some: &[SocketAddr], others: &[SocketAddr]) {
        for (&a, &b) in some.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
            self.cut.extend([(a, b), (b, a)]);
        }
    }

    /// Whether no packet passes from one to the other.
    pub fn is_cut(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.cut.contains(&(from, to))
    }

    /// Undoes all cuts.
    pub fn heal(&mut self) {
        self.cut.clear();
    }
}
