//! Requests and replies: one caller keeps so many requests open, one provider answers each with its
//! own payload. Both are this generator, which looks at every request and every answer.

use super::{filler, publisher, Bench, Sample, Span, PATIENCE, PAYLOAD};
use crate::count::{read_stamp, write_stamp, STAMP};
use crate::peers::Calls;
use anyhow::{ensure, Context, Result};
use std::time::{Duration, Instant};

const PROVIDER: usize = 0;
const CALLER: usize = 1;

impl Bench<'_> {
    pub fn calls(mut self, calls: &dyn Calls, open: u64) -> Result<Sample> {
        self.connect(self.there(), 1, 1, publisher, |_, out| calls.serve(out))?;
        self.connect(self.here(), 1, 1, |_| publisher(1), |_, out| calls.prepare(out))?;
        self.meet(true)?;
        let mut counts = (0, 0);
        self.call(calls, open, &mut counts, Duration::from_secs_f64(self.seconds / 5.0))?;
        let before = counts.1;
        let span = Span::start(self.field)?;
        self.call(calls, open, &mut counts, Duration::from_secs_f64(self.seconds))?;
        let (wall, sample) = span.end(self.field, counts.1 - before)?;
        Ok(Sample { value: (counts.1 - before) as f64 / wall, ..sample })
    }

    /// Asks for so long, then waits for the last answers. Counts what was asked and answered.
    fn call(
        &mut self,
        calls: &dyn Calls,
        open: u64,
        (asked, answered): &mut (u64, u64),
        time: Duration,
    ) -> Result<()> {
        let dialect = self.dialect;
        let filler = filler(PAYLOAD);
        let mut payload = [&[0; STAMP][..], &filler].concat();
        let (mut requests, mut responses) = (Vec::new(), Vec::new());
        let mut other = String::new();
        let start = Instant::now();
        loop {
            let elapsed = start.elapsed();
            if elapsed < time {
                requests.clear();
                while *asked - *answered < open {
                    let stamp = payload.first_chunk_mut().expect("a payload starts with its stamp");
                    write_stamp(stamp, 0, *asked);
                    calls.request(*asked, &payload, &mut requests);
                    *asked += 1;
                }
                self.net.conns[CALLER].post(&requests)?;
            } else if asked == answered {
                return Ok(());
            }
            ensure!(
                elapsed < time + PATIENCE,
                "{answered} of {asked} requests were answered, then none; the caller was told: {other:?}"
            );
            self.net.wait(Some(Duration::from_millis(50)))?;
            responses.clear();
            self.net.take(&mut self.buffer, |index, conn, new| {
                super::units(dialect, conn, new, |_, unit| {
                    if index == PROVIDER {
                        calls.answer(unit, &mut responses);
                    } else if let Some(payload) = calls.answered(unit) {
                        let stamp = payload.first_chunk().and_then(read_stamp);
                        let (_, seq) = stamp.context("an answer without its stamp")?;
                        ensure!(
                            seq < *asked && payload[STAMP..] == *filler,
                            "not what was asked: {payload:?}"
                        );
                        *answered += 1;
                    } else {
                        other = String::from_utf8_lossy(unit).trim_end().to_owned();
                    }
                    Ok(())
                })
            })?;
            self.net.conns[PROVIDER].post(&responses)?;
        }
    }
}
