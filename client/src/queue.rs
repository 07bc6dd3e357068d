//! A bounded queue from the connection's task to one reader. The task never waits: what does not fit
//! comes back to it, to be told as a loss. The reader takes many items at a time, so that the two do
//! not meet at the lock for every message.

use futures::Stream;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Items and bytes that a reader takes at a time; both guesses: enough to make the lock cheap, little
/// beside the queue's own bounds.
const BATCH_ITEMS: usize = 256;
const BATCH_BYTES: usize = 1 << 20;

/// Something that can stand in a queue.
pub(crate) trait Item {
    /// Bytes that it holds, about. Marks that must never be lost count nothing.
    fn cost(&self) -> usize;
}

/// The sending end, kept in the session.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    max_items: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    bytes: usize,
    waker: Option<Waker>,
    /// Nothing more will come; the reader sees the end after what is there.
    ended: bool,
    /// The reader is gone.
    abandoned: bool,
}

/// The receiving end, a stream.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    queue: Arc<Queue<T>>,
    batch: VecDeque<T>,
}

/// A queue of at most so many items and bytes.
pub(crate) fn queue<T: Item>(max_items: usize, max_bytes: usize) -> (Arc<Queue<T>>, Receiver<T>) {
    let state = State { items: VecDeque::new(), bytes: 0, waker: None, ended: false, abandoned: false };
    let queue = Arc::new(Queue { state: Mutex::new(state), max_items, max_bytes });
    (queue.clone(), Receiver { queue, batch: VecDeque::new() })
}

impl<T: Item> Queue<T> {
    /// Adds an item, or gives it back when the queue is full.
    pub(crate) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.state.lock();
        if state.ended || state.abandoned {
            return Ok(());
        }
        let bytes = state.bytes + item.cost();
        // One item always fits, however large.
        if !state.items.is_empty() && (state.items.len() >= self.max_items || bytes > self.max_bytes) {
            return Err(item);
        }
        state.bytes = bytes;
        state.items.push_back(item);
        wake(state);
        Ok(())
    }

    /// Changes what stands in the queue, for marks that must get in whatever the bounds say. Only
    /// items that cost nothing may be added or removed.
    pub(crate) fn mark(&self, change: impl FnOnce(&mut VecDeque<T>)) {
        let mut state = self.state.lock();
        if !state.ended && !state.abandoned {
            change(&mut state.items);
            wake(state);
        }
    }

    /// Lets the reader see the end after what is there.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        wake(state);
    }

    /// Whether nobody will read any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }
}

/// Wakes the reader after the lock is given back.
fn wake<T>(mut state: parking_lot::MutexGuard<'_, State<T>>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T: Item + Unpin> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(item) = self.batch.pop_front() {
            return Poll::Ready(Some(item));
        }
        let this = &mut *self;
        let mut state = this.queue.state.lock();
        let mut taken = 0;
        while this.batch.len() < BATCH_ITEMS && taken < BATCH_BYTES {
            let Some(item) = state.items.pop_front() else { break };
            taken += item.cost();
            this.batch.push_back(item);
        }
        state.bytes -= taken;
        match this.batch.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if state.ended => Poll::Ready(None),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Receiver<T> {
    /// Takes everything that is there.
    pub(crate) fn drain(&mut self) -> VecDeque<T> {
        let mut all = std::mem::take(&mut self.batch);
        let mut state = self.queue.state.lock();
        state.bytes = 0;
        all.append(&mut state.items);
        all
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.abandoned = true;
        let left = (std::mem::take(&mut state.items), state.waker.take());
        // What these do when they are dropped is their business, not the lock's.
        drop(state);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::{FutureExt, StreamExt};

    impl Item for Vec<u8> {
        fn cost(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn both_bounds_hold_and_room_comes_back() {
        let (queue, mut receiver) = queue::<Vec<u8>>(3, 10);
        assert!(queue.push(vec![0; 50]).is_ok(), "one item always fits");
        assert!(queue.push(vec![1]).is_err(), "the bytes are used up");
        assert_eq!(receiver.next().now_or_never().unwrap().unwrap().len(), 50);
        for n in 1..=3 {
            assert!(queue.push(vec![n]).is_ok());
        }
        assert_eq!(queue.push(vec![4]), Err(vec![4]), "the items are used up");
        queue.mark(|items| items.push_back(Vec::new()));
        queue.end();
        let rest: Vec<_> = receiver.collect().now_or_never().unwrap();
        assert_eq!(rest, [vec![1], vec![2], vec![3], vec![]]);
    }

    #[test]
    fn a_reader_that_is_gone_costs_nothing() {
        let (queue, receiver) = queue::<Vec<u8>>(1, 10);
        drop(receiver);
        assert!(queue.is_abandoned());
        for _ in 0..5 {
            assert!(queue.push(vec![1]).is_ok());
        }
        assert!(queue.state.lock().items.is_empty());
    }
}
