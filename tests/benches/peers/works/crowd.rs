//! Many clients that do nothing but listen to one channel: how long until all are connected and
//! subscribed when they come at once, what memory each holds, and how long one message takes until
//! the last of them has it.

use super::{channel, filler, publisher, subscriber, Bench, Sample, Span, PATIENCE, PAYLOAD};
use crate::count::{write_stamp, STAMP};
use anyhow::{ensure, Result};
use std::time::Instant;

/// Clients that are on their way in at a time: after a restart they all come, and a library that
/// connects in the background has a bound like this. Far more than the backlog of some servers.
const AT_ONCE: usize = 1000;

/// Messages, of which the median is taken.
const MESSAGES: u64 = 20;

impl Bench<'_> {
    pub fn crowd(mut self, clients: usize) -> Result<Vec<Sample>> {
        let dialect = self.dialect;
        self.connect(self.here(), 1, 1, publisher, |_, _| {})?;
        let empty = self.field.first().resident()?;
        let span = Span::start(self.field)?;
        let listen = [channel(0)];
        self.connect(self.there(), clients, AT_ONCE, subscriber, |_, out| dialect.subscribe(&listen, out))?;
        let (wall, connect) = span.end(self.field, clients as u64)?;
        let connect = Sample { value: wall * 1e3, ..connect };
        let held = self.field.first().resident()?.saturating_sub(empty) as f64 / 1024.0;
        let memory = Sample { value: held / clients as f64, cpu_us: None, ..connect };

        let span = Span::start(self.field)?;
        let mut millis = Vec::new();
        for n in 0..MESSAGES {
            millis.push(self.reach(clients, n)?);
        }
        let (_, reach) = span.end(self.field, MESSAGES * clients as u64)?;
        millis.sort_unstable_by(f64::total_cmp);
        let reach = Sample { value: millis[millis.len() / 2], ..reach };
        Ok(vec![connect, memory, reach])
    }

    /// The milliseconds until all clients have the n-th message.
    fn reach(&mut self, clients: usize, n: u64) -> Result<f64> {
        let dialect = self.dialect;
        let mut payload = [&[0; STAMP][..], &filler(PAYLOAD)].concat();
        write_stamp(payload.first_chunk_mut().expect("a payload starts with its stamp"), 0, n);
        let mut bytes = Vec::new();
        dialect.publish(&channel(0), &payload, &mut bytes);
        let arrived = std::cell::Cell::new(0);
        let start = Instant::now();
        self.net.conns[0].post(&bytes)?;
        self.net.until(
            "one message to all",
            PATIENCE,
            &mut self.buffer,
            |_, conn, new| {
                super::units(dialect, conn, new, |_, unit| {
                    let Some(got) = dialect.payload(unit) else { return Ok(()) };
                    ensure!(got == payload, "not the payload sent");
                    arrived.set(arrived.get() + 1);
                    Ok(())
                })
            },
            |_| Ok(arrived.get() == clients),
        )?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    }
}
