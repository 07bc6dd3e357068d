//! Publishing as fast as the server allows, with a bound on what is in flight: fan-out, 1 → 1, many
//! channels, nobody, the payload sizes and the series. Every delivery is counted, each connection's
//! count is compared with what it should have, and samples are compared byte by byte.

use super::{
    channel, filler, publisher, subscriber, Bench, Sample, Span, Stream, PATIENCE, SETTING_UP, SUBSCRIPTIONS,
};
use crate::count::{Counter, STAMP};
use crate::script::Script;
use anyhow::{ensure, Result};
use std::time::{Duration, Instant};

/// Bytes in flight for each publisher, and so for each subscriber of its channel: two of a server's
/// larger reads.
const WINDOW: usize = 128 << 10;

/// Deliveries and bytes of payload in flight in all, at the most: what the slowest server delivers in
/// ten seconds. Only the fan-out to 10,000 comes near.
const MAX_DELIVERIES: usize = 1 << 20;
const MAX_BYTES: usize = 256 << 20;

/// How long a first lap may take beyond the time of a warm-up.
const WARM_UP: Duration = Duration::from_secs(15);

/// Messages in flight at least, for each publisher.
const MIN_MESSAGES: usize = 4;

/// What a message is taken to have beside its payload, where bytes in flight become messages.
const OVERHEAD: usize = 64;

/// Messages given to a publisher's socket before the others and the replies have their turn.
const TURN: u64 = 4096;

/// Subscribers that a stretch of consecutive publishes goes to, where each channel has one: the same
/// whatever the number of channels, so that only that number differs.
const GROUP: usize = 10;

/// Where the work stands.
struct State {
    scripts: Vec<Script>,
    counters: Vec<Counter>,
    filler: Vec<u8>,
    /// Deliveries of each publish.
    fan: u64,
    /// Deliveries in flight at the most.
    bound: u64,
    received: u64,
    /// Answers to publishes, and to barriers.
    answers: u64,
    barriers: u64,
    /// What a publisher was told last that is neither.
    said: String,
}

impl Stream {
    /// Channels of each subscriber.
    pub fn share(&self) -> usize {
        self.channels.checked_div(self.subscribers).unwrap_or(0)
    }

    /// The channel of the k-th publish of a lap, and whose it is: in turn through the channels of
    /// one group of subscribers, then of the next.
    pub fn target(&self, k: usize) -> (usize, usize) {
        if self.channels == 1 {
            return (0, 0);
        }
        let share = self.share();
        let (group, rest) = (k / (GROUP * share), k % (GROUP * share));
        let subscriber = group * GROUP + rest % GROUP;
        (subscriber * share + rest / GROUP, subscriber)
    }
}

impl Bench<'_> {
    pub fn stream(mut self, work: &Stream) -> Result<Sample> {
        let mut state = self.set_up(work)?;
        // The first lap makes what a server remembers of each channel.
        let lap = state.scripts[0].lap_len() as u64;
        let warm = Duration::from_secs_f64(self.seconds / 5.0);
        self.pump(work, &mut state, warm, if work.channels > 1 { lap } else { 0 })?;
        let before = (state.received, state.issued());
        let span = Span::start(self.field)?;
        self.pump(work, &mut state, Duration::from_secs_f64(self.seconds), 0)?;
        let units = match state.fan {
            0 => state.issued() - before.1,
            _ => state.received - before.0,
        };
        // Across servers, the work is that of a message, however many receive it.
        let (wall, sample) =
            span.end(self.field, if self.field.is_pair() { state.issued() - before.1 } else { units })?;
        state.check(work)?;
        Ok(Sample { value: units as f64 / wall, ..sample })
    }

    fn set_up(&mut self, work: &Stream) -> Result<State> {
        let dialect = self.dialect;
        self.connect(self.here(), work.publishers, SETTING_UP, publisher, |_, _| {})?;
        let share = work.share();
        let shared = work.channels == 1;
        self.connect(self.there(), work.subscribers, SETTING_UP, subscriber, |n, out| {
            let channels = if shared { 0..1 } else { n * share..(n + 1) * share };
            dialect.subscribe(&channels.map(channel).collect::<Vec<_>>(), out);
        })?;
        self.connect(self.there(), work.wildcards / SUBSCRIPTIONS, SETTING_UP, subscriber, |n, out| {
            dialect.subscribe_wild(n * SUBSCRIPTIONS..(n + 1) * SUBSCRIPTIONS, out);
        })?;
        self.meet(false)?;
        let filler = filler(work.payload);
        let script =
            |n| Script::new(dialect, n, &filler, (0..work.channels).map(|k| channel(work.target(k).0)));
        let framing = dialect.framing(&channel(0), work.payload);
        let counter = |_| Counter::new(framing, work.publishers);
        let fan = if shared { work.subscribers as u64 } else { 1 };
        let window = (WINDOW / (work.payload + OVERHEAD)).max(MIN_MESSAGES) * work.publishers;
        let bound = (window as u64 * fan).min(MAX_DELIVERIES.min(MAX_BYTES / work.payload) as u64).max(fan);
        Ok(State {
            scripts: (0..work.publishers).map(script).collect(),
            counters: (0..work.subscribers).map(counter).collect(),
            fan,
            bound,
            filler,
            received: 0,
            answers: 0,
            barriers: 0,
            said: String::new(),
        })
    }

    /// Publishes for so long and at least so many, then waits until everything has arrived.
    fn pump(&mut self, work: &Stream, state: &mut State, time: Duration, least: u64) -> Result<()> {
        let dialect = self.dialect;
        let start = Instant::now();
        let least = state.issued() + least;
        let mut asked = false;
        state.barriers = 0;
        let mut progress = (Instant::now(), 0);
        loop {
            let elapsed = start.elapsed();
            let open = elapsed < time || (state.issued() < least && elapsed < time + WARM_UP);
            let more = state.publish(&mut self.net, open)?;
            if !open && state.scripts.iter().all(Script::is_sent) {
                // Where nobody receives, the server itself says that it is done.
                if state.fan == 0 && !asked {
                    asked = true;
                    let mut barrier = Vec::new();
                    dialect.barrier(&mut barrier);
                    for conn in &mut self.net.conns[..work.publishers] {
                        conn.post(&barrier)?;
                    }
                }
                let answered = !dialect.answers_publish() || state.answers == state.issued();
                let said_so = state.fan > 0 || state.barriers == work.publishers as u64;
                if state.received == state.issued() * state.fan && answered && said_so {
                    return Ok(());
                }
            }
            let seen = state.received + state.answers + state.issued();
            if seen > progress.1 {
                progress = (Instant::now(), seen);
            }
            ensure!(
                progress.0.elapsed() < PATIENCE,
                "{} of {} deliveries arrived, then nothing for {} s; a publisher was told: {:?}",
                state.received,
                state.issued() * state.fan,
                PATIENCE.as_secs(),
                state.said
            );
            self.net.wait(Some(if more { Duration::ZERO } else { Duration::from_millis(50) }))?;
            self.net.take(&mut self.buffer, |index, conn, new| match index.checked_sub(work.publishers) {
                Some(subscriber) => {
                    // Those with wildcards get nothing but a PING now and then.
                    let Some(counter) = state.counters.get_mut(subscriber) else { return Ok(()) };
                    let ended =
                        counter.feed(new, |u| dialect.unit(u), |u| dialect.payload(u), &state.filler)?;
                    state.received += ended;
                    Ok(())
                }
                None => super::units(dialect, conn, new, |_, unit| {
                    if dialect.is_barrier(unit) {
                        state.barriers += 1;
                    } else if dialect.answers_publish() {
                        state.answers += 1;
                    } else {
                        state.said = String::from_utf8_lossy(unit).trim_end().to_owned();
                    }
                    Ok(())
                }),
            })?;
        }
    }
}

impl State {
    fn issued(&self) -> u64 {
        self.scripts.iter().map(|s| s.issued).sum()
    }

    /// Gives the publishers' sockets what may be in flight; whether there would be more at once.
    fn publish(&mut self, net: &mut crate::net::Net, open: bool) -> Result<bool> {
        let flying = self.issued() * self.fan - self.received;
        // Half of the bound at a time, so that writes stay large.
        let budget = match self.fan {
            _ if !open => 0,
            0 => TURN,
            fan if flying <= self.bound / 2 => {
                ((self.bound - flying) / fan / self.scripts.len() as u64).max(1)
            }
            _ => 0,
        };
        let mut more = false;
        for (script, conn) in self.scripts.iter_mut().zip(&mut net.conns) {
            script.send(conn, budget)?;
            more |= self.fan == 0 && open && conn.writable;
        }
        Ok(more)
    }

    /// Compares each connection's count with what was published to its channels.
    fn check(&self, work: &Stream) -> Result<()> {
        let mut expected = vec![0; work.subscribers];
        for script in &self.scripts {
            if work.channels == 1 {
                expected.iter_mut().for_each(|n| *n += script.issued);
                continue;
            }
            let laps = script.issued / work.channels as u64;
            expected.iter_mut().for_each(|n| *n += laps * work.share() as u64);
            for k in 0..(script.issued % work.channels as u64) as usize {
                expected[work.target(k).1] += 1;
            }
        }
        for (n, (counter, expected)) in self.counters.iter().zip(&expected).enumerate() {
            ensure!(
                counter.count == *expected,
                "subscriber {n} has {} of {expected} messages",
                counter.count
            );
            ensure!(counter.samples > 0 || *expected < 100, "no message of subscriber {n} could be sampled");
        }
        debug_assert!(self.filler.len() + STAMP == work.payload);
        Ok(())
    }
}
