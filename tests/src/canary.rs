//! A healthy client that shares the hub with an attack: it publishes steadily, receives what it
//! published, and notes what it lost and how long each message took.

use crate::hub::Hub;
use hubbub_shared::Encoding;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Messages each second.
const RATE: u32 = 20;
/// What a message may take. On a quiet machine the worst attack costs half a second in a debug build,
/// and ten times less in a release build; this one is for machines that have much else to do.
const BOUND: Duration = Duration::from_secs(5);

/// A canary that sings.
pub struct Canary {
    stop: Arc<AtomicBool>,
    singer: Option<JoinHandle<Vec<Duration>>>,
}

impl Canary {
    /// Connects two clients, and starts to send from one to the other.
    pub fn start(hub: &Hub) -> Canary {
        let mut listener = hub.client(Encoding::Json);
        let mut singer = hub.client(Encoding::Json);
        listener.ask("subscribe canary.song").ok();
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let sing = move || {
            let mut took = Vec::new();
            // However short the attack was, it sings once.
            while took.is_empty() || !until.load(Ordering::Relaxed) {
                let started = Instant::now();
                singer.ask("publish canary.song tweet").ok();
                let event = listener.event();
                assert_eq!(event.get("seq"), took.len() as u64 + 1, "the canary lost a message");
                took.push(started.elapsed());
                std::thread::park_timeout((Duration::from_secs(1) / RATE).saturating_sub(started.elapsed()));
            }
            listener.nothing_more();
            took
        };
        Canary { stop, singer: Some(std::thread::spawn(sing)) }
    }

    /// Stops it, and checks that it lost nothing and never waited long.
    pub fn unharmed(mut self) -> Song {
        let mut took = self.end().unwrap_or_else(|_| panic!("the canary died"));
        took.sort_unstable();
        let worst = *took.last().expect("the canary sang at least once");
        assert!(worst < BOUND, "a message took {worst:?} during the attack");
        Song { messages: took.len(), worst }
    }

    fn end(&mut self) -> std::thread::Result<Vec<Duration>> {
        self.stop.store(true, Ordering::Relaxed);
        self.singer.take().map_or(Ok(Vec::new()), |singer| {
            singer.thread().unpark();
            singer.join()
        })
    }
}

/// What a canary lived through.
#[derive(Debug)]
pub struct Song {
    /// Messages that went through.
    pub messages: usize,
    /// The longest that one took.
    pub worst: Duration,
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = self.end();
    }
}
