//! How long a message takes at a fixed rate, open loop: messages are due at even times whatever the
//! server does, and a message's clock starts when it was due, not when it was sent. The generator
//! does not sleep meanwhile, so its own share is as small as can be (and its core fully used).

use super::{channel, filler, publisher, subscriber, Bench, Sample, Span, PATIENCE, PAYLOAD};
use crate::count::{read_stamp, write_stamp, STAMP};
use anyhow::{ensure, Context, Result};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_micros(500);

/// The percentiles of the rows, in their order.
const PERCENTILES: [f64; 3] = [0.50, 0.99, 0.999];

impl Bench<'_> {
    pub fn latency(mut self) -> Result<Vec<Sample>> {
        let dialect = self.dialect;
        self.connect(1, 1, publisher, |_, _| {})?;
        self.connect(1, 1, subscriber, |_, out| dialect.subscribe(&[channel(0)], out))?;
        let seconds = self.seconds;
        self.paced((seconds * 200.0) as u64, 0)?;
        // Longer than the other works: a percentile needs many messages.
        let count = (seconds * 2.5 / EVERY.as_secs_f64()) as u64;
        let span = Span::start(self.server)?;
        let mut micros = self.paced(count, (seconds * 200.0) as u64)?;
        let (_, sample) = span.end(self.server, count)?;
        micros.sort_unstable_by(f64::total_cmp);
        let at = |p: f64| micros[((micros.len() as f64 * p) as usize).min(micros.len() - 1)];
        Ok(PERCENTILES.map(|p| Sample { value: at(p), ..sample }).to_vec())
    }

    /// Sends so many messages at their times; the microseconds that each took.
    fn paced(&mut self, count: u64, first: u64) -> Result<Vec<f64>> {
        let dialect = self.dialect;
        let mut payload = [&[0; STAMP][..], &filler(PAYLOAD)].concat();
        let mut micros = Vec::with_capacity(count as usize);
        let mut bytes = Vec::new();
        let start = Instant::now();
        let due = |n: u64| start + EVERY * (n as u32);
        let mut sent = 0;
        while (micros.len() as u64) < count {
            let now = Instant::now();
            if sent < count && now >= due(sent) {
                let stamp = payload.first_chunk_mut().expect("a payload starts with its stamp");
                write_stamp(stamp, 0, first + sent);
                bytes.clear();
                dialect.publish(&channel(0), &payload, &mut bytes);
                self.net.conns[0].post(&bytes)?;
                sent += 1;
            }
            ensure!(now < due(count) + PATIENCE, "{} of {count} messages arrived", micros.len());
            self.net.wait(Some(Duration::ZERO))?;
            self.net.take(&mut self.buffer, |_, conn, new| {
                let now = Instant::now();
                super::units(dialect, conn, new, |_, unit| {
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
