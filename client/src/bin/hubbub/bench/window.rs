//! Keeps publishers from running further ahead of the slowest subscriber of the same run than the hub
//! and this process would hold for it: without it, full speed would only show when queues overflow.

use event_listener::Event;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far every subscriber has come with every publisher.
#[derive(Debug)]
pub struct Window {
    /// One row a subscriber, one column a publisher.
    positions: Vec<Vec<AtomicU64>>,
    /// Messages of one publisher that may be under way.
    size: u64,
    moved: Event,
}

impl Window {
    pub fn new(publishers: u64, subscribers: u64, size: u64) -> Self {
        let row = || (0..publishers).map(|_| AtomicU64::new(0)).collect();
        Window {
            positions: (0..subscribers).map(|_| row()).collect(),
            size: size.max(1),
            moved: Event::new(),
        }
    }

    /// A subscriber has everything of a publisher up to this count.
    pub fn advance(&self, subscriber: usize, publisher: usize, position: u64) {
        let before = self.positions[subscriber][publisher].swap(position, Ordering::Release);
        // Whoever waits is a whole window ahead: it is enough to wake them some times within one.
        let step = (self.size / 4).max(1);
        if before / step != position / step {
            self.moved.notify(usize::MAX);
        }
    }

    /// A subscriber receives nothing more: nobody waits for it.
    pub fn leave(&self, subscriber: usize) {
        for position in &self.positions[subscriber] {
            position.store(u64::MAX, Ordering::Release);
        }
        self.moved.notify(usize::MAX);
    }

    /// Waits until this publisher may send the message of this number. `limit` is what it was told the
    /// last time; the new one is returned: all numbers below it may be sent.
    pub async fn room(&self, publisher: usize, number: u64, limit: u64) -> u64 {
        if number < limit {
            return limit;
        }
        loop {
            let limit = self.limit(publisher);
            if number < limit {
                return limit;
            }
            let moved = self.moved.listen();
            let limit = self.limit(publisher);
            if number < limit {
                return limit;
            }
            moved.await;
        }
    }

    fn limit(&self, publisher: usize) -> u64 {
        let positions = self.positions.iter().map(|row| row[publisher].load(Ordering::Acquire));
        positions.min().unwrap_or(u64::MAX).saturating_add(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn the_slowest_subscriber_sets_the_pace_until_it_leaves() {
        let window = Window::new(2, 2, 10);
        assert_eq!(window.room(0, 9, 0).now_or_never(), Some(10));
        let mut waiting = Box::pin(window.room(0, 10, 10));
        assert!(waiting.as_mut().now_or_never().is_none());
        window.advance(0, 0, 8);
        assert!(waiting.as_mut().now_or_never().is_none(), "the other has nothing yet");
        window.advance(1, 0, 5);
        assert_eq!(waiting.now_or_never(), Some(15));
        assert!(window.room(1, 10, 10).now_or_never().is_none(), "publishers are counted alone");
        window.leave(1);
        assert_eq!(window.room(0, 15, 15).now_or_never(), Some(18));
        window.leave(0);
        assert_eq!(window.room(0, u64::MAX - 1, 18).now_or_never(), Some(u64::MAX));
    }
}
