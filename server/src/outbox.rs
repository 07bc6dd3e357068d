//! The bounded queue of bytes to one client, and what happens at its bound. Pure: it decides who
//! writes and what; [`crate::writer`] has the socket.
//!
//! At any time at most one writer is under way: whoever is told [`Push::Flush`] writes, or hands
//! over to someone who will, until [`Outbox::next`] has nothing more.

use crate::buffers;
use parking_lot::Mutex;
use std::sync::Arc;

/// Encoded messages that several receivers share.
pub type Block = Arc<Vec<u8>>;

/// Blocks from this size are queued by reference, smaller ones copied. A guess: about where a copy
/// begins to cost more than the reference count of a block and a second slice to write.
pub const SHARE_FROM: usize = 1 << 10;

/// Encoded messages on their way to their receivers.
#[derive(Debug)]
pub enum Encoded {
    /// Few bytes: each receiver gets a copy.
    Small(Vec<u8>),
    /// A block that is queued by reference where it comes first.
    Shared(Block),
}

impl Encoded {
    /// Decides by the length.
    pub fn new(bytes: Vec<u8>) -> Self {
        if bytes.len() < SHARE_FROM {
            Encoded::Small(bytes)
        } else {
            Encoded::Shared(Arc::new(bytes))
        }
    }

    /// The bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Encoded::Small(bytes) => bytes,
            Encoded::Shared(block) => block,
        }
    }

    /// The buffer back, unless a receiver still holds the block.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Encoded::Small(bytes) => Some(bytes),
            Encoded::Shared(block) => Arc::try_unwrap(block).ok(),
        }
    }
}

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// Queued; somebody will write it.
    Queued,
    /// Queued; the caller must see to it that it is written.
    Flush,
    /// The bound is passed: nothing was queued, and nothing more will be. Told once.
    Overflow,
    /// The queue takes nothing more.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Nothing to write.
    Idle,
    /// Somebody was told to write, or is writing.
    Busy,
}

/// What is to be written next: a shared block, then bytes of the client's own.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The shared block, and how much of it is written.
    pub lead: Option<Block>,
    /// What follows the block.
    pub tail: Vec<u8>,
    /// Bytes of both that are written.
    pub written: usize,
}

impl Chunk {
    /// Bytes not yet written.
    pub fn left(&self) -> usize {
        self.lead.as_ref().map_or(0, |b| b.len()) + self.tail.len() - self.written
    }

    /// What is not yet written, as two slices.
    pub fn slices(&self) -> [&[u8]; 2] {
        let lead: &[u8] = self.lead.as_ref().map_or(&[], |b| b.as_slice());
        let in_lead = self.written.min(lead.len());
        [&lead[in_lead..], &self.tail[self.written - in_lead..]]
    }
}

/// What the writer does next.
#[derive(Debug)]
pub enum Next {
    /// Write this.
    Chunk(Chunk),
    /// Its turn has ended: all is written.
    Nothing,
    /// The same, and there will never be more: the stream ends.
    Ended,
}

#[derive(Debug)]
struct Queue {
    lead: Option<Block>,
    tail: Vec<u8>,
    /// Bytes that a writer holds.
    in_flight: usize,
    writer: Writer,
    open: bool,
    /// Whether it was closed for its bound.
    overflowed: bool,
    messages: u64,
}

/// The queue to one client.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
    max: usize,
}

impl Outbox {
    /// An empty queue that holds `max` bytes.
    pub fn new(max: usize) -> Self {
        let queue = Queue {
            lead: None,
            tail: Vec::new(),
            in_flight: 0,
            writer: Writer::Idle,
            open: true,
            overflowed: false,
            messages: 0,
        };
        Outbox { queue: Mutex::new(queue), max }
    }

    /// Queues encoded messages. `pressed` is set when the queue is more than half full.
    #[inline]
    pub fn push(&self, encoded: &Encoded, messages: u64, pressed: &mut bool) -> Push {
        let mut queue = self.queue.lock();
        let push = queue.admit(encoded.bytes().len(), self.max, pressed);
        if matches!(push, Push::Queued | Push::Flush) {
            queue.messages += messages;
            match encoded {
                Encoded::Shared(block) if queue.lead.is_none() && queue.tail.is_empty() => {
                    queue.lead = Some(block.clone());
                }
                _ => queue.append(encoded.bytes()),
            }
        }
        push
    }

    /// Queues bytes that a closure appends. `messages` counts what of it are messages.
    pub fn push_with(&self, messages: u64, write: impl FnOnce(&mut Vec<u8>)) -> Push {
        let mut queue = self.queue.lock();
        if !queue.open {
            return Push::Closed;
        }
        if queue.tail.capacity() == 0 {
            queue.tail = buffers::take();
        }
        let before = queue.tail.len();
        write(&mut queue.tail);
        let added = queue.tail.len() - before;
        if added == 0 {
            if before == 0 {
                buffers::give(std::mem::take(&mut queue.tail));
            }
            return Push::Queued;
        }
        if queue.len() > self.max {
            queue.tail.truncate(before);
            return queue.overflow();
        }
        queue.messages += messages;
        queue.schedule()
    }

    /// Closes the queue after some last bytes. What no writer holds yet is dropped first when
    /// `drop_queued`: it starts at the beginning of a message, so the last words stay readable.
    pub fn close(&self, drop_queued: bool, last: impl FnOnce(&mut Vec<u8>)) -> Push {
        let mut queue = self.queue.lock();
        if drop_queued {
            queue.lead = None;
            queue.tail = Vec::new();
        }
        queue.open = false;
        last(&mut queue.tail);
        queue.schedule()
    }

    /// What is to be written now, for the writer alone: after [`Push::Flush`], and again after
    /// each chunk, until there is nothing more; then the writer's turn has ended.
    pub fn next(&self, spent: Chunk) -> Next {
        if spent.tail.capacity() > 0 {
            buffers::give(spent.tail);
        }
        let mut queue = self.queue.lock();
        if queue.lead.is_none() && queue.tail.is_empty() {
            queue.in_flight = 0;
            queue.writer = Writer::Idle;
            return if queue.open { Next::Nothing } else { Next::Ended };
        }
        let chunk = Chunk { lead: queue.lead.take(), tail: std::mem::take(&mut queue.tail), written: 0 };
        queue.in_flight = chunk.left();
        Next::Chunk(chunk)
    }

    /// The writer's connection is broken: everything is dropped, and nothing more is taken.
    pub fn fail(&self) {
        let mut queue = self.queue.lock();
        queue.lead = None;
        queue.tail = Vec::new();
        queue.in_flight = 0;
        queue.open = false;
        queue.writer = Writer::Idle;
    }

    /// Whether the queue takes more.
    pub fn is_open(&self) -> bool {
        self.queue.lock().open
    }

    /// Whether it was closed for its bound: whoever was told so ends the connection with that reason.
    pub fn is_overflowed(&self) -> bool {
        self.queue.lock().overflowed
    }

    /// Messages ever queued.
    pub fn messages(&self) -> u64 {
        self.queue.lock().messages
    }

    /// Bytes queued and not known to be written.
    #[cfg(test)]
    pub fn queued(&self) -> usize {
        self.queue.lock().len()
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.lead.as_ref().map_or(0, |b| b.len()) + self.tail.len() + self.in_flight
    }

    fn admit(&mut self, more: usize, max: usize, pressed: &mut bool) -> Push {
        if !self.open {
            return Push::Closed;
        }
        let total = self.len() + more;
        if total > max {
            return self.overflow();
        }
        *pressed |= total > max / 2;
        self.schedule()
    }

    fn overflow(&mut self) -> Push {
        self.open = false;
        self.overflowed = true;
        Push::Overflow
    }

    fn schedule(&mut self) -> Push {
        match std::mem::replace(&mut self.writer, Writer::Busy) {
            Writer::Idle => Push::Flush,
            Writer::Busy => Push::Queued,
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.tail.capacity() == 0 {
            self.tail = buffers::take();
        }
        self.tail.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: usize) -> Encoded {
        Encoded::new(vec![b'x'; bytes])
    }

    fn next(outbox: &Outbox, spent: Chunk) -> Option<Chunk> {
        match outbox.next(spent) {
            Next::Chunk(chunk) => Some(chunk),
            Next::Nothing | Next::Ended => None,
        }
    }

    fn text(chunk: &Chunk) -> Vec<u8> {
        chunk.slices().concat()
    }

    #[test]
    fn one_writer_at_a_time_and_order_is_kept() {
        let (outbox, mut pressed) = (Outbox::new(100_000), false);
        assert_eq!(outbox.push(&block(SHARE_FROM), 1, &mut pressed), Push::Flush);
        assert_eq!(outbox.push_with(1, |out| out.extend(b"own")), Push::Queued);
        let mut chunk = next(&outbox, Chunk::default()).expect("something to write");
        assert_eq!(outbox.push(&block(3), 2, &mut pressed), Push::Queued);
        assert_eq!(text(&chunk), [vec![b'x'; SHARE_FROM], b"own".to_vec()].concat());
        chunk.written = SHARE_FROM + 1;
        assert_eq!(text(&chunk), b"wn");
        let chunk = next(&outbox, chunk).expect("what came meanwhile");
        assert_eq!(text(&chunk), b"xxx");
        assert!(next(&outbox, chunk).is_none());
        assert_eq!((outbox.messages(), outbox.queued(), pressed), (4, 0, false));
        assert_eq!(outbox.push_with(0, |out| out.push(b'a')), Push::Flush);
    }

    #[test]
    fn the_bound_counts_what_is_in_flight_and_is_told_once() {
        let (outbox, mut pressed) = (Outbox::new(10_000), false);
        outbox.push(&block(4_000), 1, &mut pressed);
        let chunk = next(&outbox, Chunk::default()).expect("something to write");
        assert!(!pressed);
        outbox.push(&block(4_000), 1, &mut pressed);
        assert!(pressed);
        assert_eq!(outbox.push(&block(4_000), 1, &mut pressed), Push::Overflow);
        assert_eq!(outbox.push(&block(1), 1, &mut pressed), Push::Closed);
        assert_eq!(outbox.close(true, |out| out.extend(b"bye")), Push::Queued);
        let chunk = next(&outbox, chunk).expect("the last words");
        assert_eq!(text(&chunk), b"bye");
        assert!(matches!(outbox.next(chunk), Next::Ended) && outbox.is_overflowed());
        assert_eq!(outbox.messages(), 2);
    }

    #[test]
    fn a_reply_that_is_nothing_schedules_nothing() {
        let outbox = Outbox::new(10);
        assert_eq!(outbox.push_with(0, |_| {}), Push::Queued);
        assert_eq!(outbox.push_with(0, |out| out.extend([0; 11])), Push::Overflow);
        assert_eq!(outbox.queued(), 0);
    }
}
