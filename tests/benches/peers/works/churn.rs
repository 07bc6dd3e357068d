//! Clients that come and go at a fixed rate while messages flow: whether all of them get in, how long
//! each waits until it is subscribed, and what the others feel of it. Open loop, as the latency.

use super::latency::{percentile, EVERY};
use super::{channel, subscriber, Bench, Sample, Span, CHURN_SECONDS};
use crate::net::Net;
use crate::peers::Dialect;
use anyhow::Result;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a client stays.
const STAY: Duration = Duration::from_secs(1);

/// The percentile of the rows that tell one.
const PART: f64 = 0.99;

/// Clients that come and go.
pub struct Arrivals {
    start: Instant,
    every: Duration,
    /// The index of the first one's connection.
    first: usize,
    wanted: usize,
    dialled: usize,
    gone: usize,
    /// When each was told that it is subscribed.
    told: Vec<Option<Instant>>,
    are_in: usize,
}

impl Arrivals {
    fn new(first: usize, wanted: usize, every: Duration) -> Self {
        let start = Instant::now();
        Arrivals { start, every, first, wanted, dialled: 0, gone: 0, told: vec![None; wanted], are_in: 0 }
    }

    fn due(&self, n: usize) -> Instant {
        self.start + self.every * n as u32
    }

    /// Whether the connection is one of theirs.
    pub fn is_one(&self, index: usize) -> bool {
        index >= self.first
    }

    /// How many are not subscribed yet.
    pub fn missing(&self) -> usize {
        self.wanted - self.are_in
    }

    /// Takes note of an answer.
    pub fn is_told(&mut self, index: usize, is_barrier: bool, now: Instant) {
        let told = &mut self.told[index - self.first];
        if is_barrier && told.is_none() {
            *told = Some(now);
            self.are_in += 1;
        }
    }

    /// Lets those come whose time it is, and those go who stayed long enough.
    pub fn come_and_go(
        &mut self,
        net: &mut Net,
        server: SocketAddr,
        dialect: &dyn Dialect,
        now: Instant,
    ) -> Result<()> {
        while self.dialled < self.wanted && now >= self.due(self.dialled) {
            let index = net.dial(server)?;
            let mut bytes = Vec::new();
            dialect.hello(&subscriber(self.dialled), &mut bytes);
            dialect.subscribe(&[channel(1)], &mut bytes);
            dialect.barrier(&mut bytes);
            net.conns[index].post(&bytes)?;
            self.dialled += 1;
        }
        while self.gone < self.dialled && self.told[self.gone].is_some_and(|told| now >= told + STAY) {
            net.hang_up(self.first + self.gone)?;
            self.gone += 1;
        }
        Ok(())
    }
}

impl Bench<'_> {
    pub fn churn(mut self, per_second: u32) -> Result<Vec<Sample>> {
        let dialect = self.dialect;
        let first = self.warm_up(dialect)?;
        let seconds = self.seconds * CHURN_SECONDS;
        let clients = (seconds * f64::from(per_second)) as usize;
        let mut arrivals = Arrivals::new(self.net.conns.len(), clients, Duration::from_secs(1) / per_second);
        let span = Span::start(self.field)?;
        let count = (seconds / EVERY.as_secs_f64()) as u64;
        let mut messages = self.paced(count, first, Some(&mut arrivals))?;
        let (_, sample) = span.end(self.field, clients as u64)?;
        let told = arrivals.told.iter().enumerate();
        let waits = told.map(|(n, told)| told.map_or(f64::MAX, |at| (at - arrivals.due(n)).as_secs_f64()));
        let mut waits: Vec<f64> = waits.map(|seconds| seconds * 1e6).collect();
        let last =
            arrivals.told.iter().flatten().max().map_or(f64::MAX, |at| (*at - arrivals.start).as_secs_f64());
        let alone = Sample { cpu_us: None, ..sample };
        Ok(vec![
            Sample { value: clients as f64 / last, ..sample },
            Sample { value: percentile(&mut waits, PART), ..alone },
            Sample { value: percentile(&mut messages, PART), ..alone },
        ])
    }
}
