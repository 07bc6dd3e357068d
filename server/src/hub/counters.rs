//! Counters since the start, for `stats`. They are added to once a batch or run, not a message.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one server.
#[derive(Debug, Default)]
#[allow(missing_docs)] // each is described where it is shown: hubbub_shared::reply::StatsReply
pub struct Counters {
    pub clients_total: Counter,
    pub clients_refused: Counter,
    pub messages_in: Counter,
    pub messages_out: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub link_bytes_in: Counter,
    pub link_bytes_out: Counter,
    pub slow_consumers: Counter,
    pub refusals: Counter,
}
