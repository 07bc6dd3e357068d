//! How long a message takes at a fixed rate, open loop: messages are due at even times whatever the
//! server does, and a message's clock starts when it was due, not when it was sent. The generator
//! does not sleep meanwhile, so its own share is as small as can be (and its core fully used). The same
//! while clients come and go, at a fixed rate too.

use super::churn::Arrivals;
use super::{channel, filler, publisher, subscriber, Bench, Sample, Span, PATIENCE, PAYLOAD};
use crate::count::{read_stamp, write_stamp, STAMP};
use crate::peers::Dialect;
use anyhow::{ensure, Context, Result};
use std::time::{Duration, Instant};

pub const EVERY: Duration = Duration::from_micros(500);

/// The percentiles of the rows, in their order.
const PERCENTILES: [f64; 3] = [0.50, 0.99, 0.999];

impl Bench<'_> {
    pub fn latency(mut self) -> Result<Vec<Sample>> {
        let dialect = self.dialect;
        let first = self.warm_up(dialect)?;
        // Longer than the other works: a percentile needs many messages.
        let count = (self.seconds * 2.5 / EVERY.as_secs_f64()) as u64;
        let span = Span::start(self.field)?;
        let mut micros = self.paced(count, first, None)?;
        let (_, sample) = span.end(self.field, count)?;
        Ok(PERCENTILES.map(|p| Sample { value: percentile(&mut micros, p), ..sample }).to_vec())
    }

    /// Connects a publisher and a subscriber, and sends the first messages; how many those were.
    pub fn warm_up(&mut self, dialect: &dyn Dialect) -> Result<u64> {
        self.connect(self.here(), 1, 1, publisher, |_, _| {})?;
        self.connect(self.there(), 1, 1, subscriber, |_, out| dialect.subscribe(&[channel(0)], out))?;
        self.meet(false)?;
        let count = (self.seconds * 200.0) as u64;
        self.paced(count, 0, None)?;
        Ok(count)
    }

    /// Sends so many messages at their times, and lets clients come and go at theirs; the microseconds
    /// that each message took.
    pub fn paced(&mut self, count: u64, first: u64, mut arrivals: Option<&mut Arrivals>) -> Result<Vec<f64>> {
        let dialect = self.dialect;
        let mut payload = [&[0; STAMP][..], &filler(PAYLOAD)].concat();
        let mut micros = Vec::with_capacity(count as usize);
        let mut bytes = Vec::new();
        let start = Instant::now();
        let due = |n: u64| start + EVERY * (n as u32);
        let mut sent = 0;
        while (micros.len() as u64) < count || arrivals.as_ref().is_some_and(|a| a.missing() > 0) {
            let now = Instant::now();
            if let Some(arrivals) = &mut arrivals {
                arrivals.come_and_go(&mut self.net, self.field.first().addr, dialect, now)?;
            }
            if sent < count && now >= due(sent) {
                let stamp = payload.first_chunk_mut().expect("a payload starts with its stamp");
                write_stamp(stamp, 0, first + sent);
                bytes.clear();
                dialect.publish(&channel(0), &payload, &mut bytes);
                self.net.conns[0].post(&bytes)?;
                sent += 1;
            }
            let missing = arrivals.as_ref().map_or(0, |a| a.missing());
            ensure!(
                now < due(count) + PATIENCE,
                "{} of {count} messages arrived, {missing} clients are not in",
                micros.len()
            );
            self.net.wait(Some(Duration::ZERO))?;
            self.net.take(&mut self.buffer, |index, conn, new| {
                let now = Instant::now();
                super::units(dialect, conn, new, |_, unit| {
                    if let Some(arrivals) = arrivals.as_mut().filter(|a| a.is_one(index)) {
                        arrivals.is_told(index, dialect.is_barrier(unit), now);
                        return Ok(());
                    }
                    let Some(payload) = dialect.payload(unit) else { return Ok(()) };
                    let stamp = payload.first_chunk().and_then(read_stamp);
                    let (_, seq) = stamp.context("a message without its stamp")?;
                    ensure!(seq == first + micros.len() as u64, "message {seq} is not the next one");
                    micros.push((now - due(seq - first)).as_secs_f64() * 1e6);
                    Ok(())
                })
            })?;
        }
        Ok(micros)
    }
}

/// The value that such a part of all does not exceed.
pub fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[((values.len() as f64 * part) as usize).min(values.len() - 1)]
}
