//! The bounded queue of bytes to one client, and what happens at its bound. Pure: it decides who
//! writes and what; [`crate::writer`] has the socket.
//!
//! At any time at most one writer is under way: whoever is told [`Push::Flush`] writes, or hands
//! over to someone who will, until [`Outbox::next`] has nothing more.

use crate::block::{Block, Encoded};
use crate::buffers;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::io::IoSlice;
use std::sync::Arc;

/// Blocks from this size are queued by reference also behind bytes of the client's own, which become a
/// block for that. A guess, as [`crate::block::SHARE_FROM`].
const SEAL_FROM: usize = 16 << 10;

/// Slices of one write. The system takes 1,024; a guess at what fills a socket.
const MAX_SLICES: usize = 64;

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

impl Push {
    /// Whether the bytes will be written.
    #[inline]
    pub fn is_queued(self) -> bool {
        matches!(self, Push::Queued | Push::Flush)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Nothing to write.
    Idle,
    /// Somebody was told to write, or is writing.
    Busy,
}

/// Shared blocks, of which nearly always there are few.
type Blocks = SmallVec<[Arc<Block>; 2]>;

/// What is to be written next: shared blocks, then bytes of the client's own.
#[derive(Debug, Default)]
pub struct Chunk {
    blocks: Blocks,
    /// Blocks that are written.
    done: usize,
    tail: Vec<u8>,
    /// Bytes that are written of the first block that is not done, or of the tail.
    written: usize,
    left: usize,
}

impl Chunk {
    /// Bytes not yet written.
    pub fn left(&self) -> usize {
        self.left
    }

    /// Bytes that were made of another chunk.
    pub fn of(bytes: Vec<u8>) -> Chunk {
        Chunk { left: bytes.len(), tail: bytes, ..Chunk::default() }
    }

    /// All of it, before any of it is written.
    pub fn all(&self) -> Vec<&[u8]> {
        self.blocks.iter().flat_map(|block| block.slices()).chain([self.tail.as_slice()]).collect()
    }

    /// The beginning of what is not yet written, and how many bytes those are.
    pub fn slices(&self) -> (SmallVec<[IoSlice<'_>; 4]>, usize) {
        let (mut slices, mut length, mut skip) = (SmallVec::new(), 0, self.written);
        let blocks = self.blocks[self.done..].iter().flat_map(|block| block.slices());
        for slice in blocks.chain([self.tail.as_slice()]) {
            let skipped = skip.min(slice.len());
            skip -= skipped;
            if skipped < slice.len() {
                slices.push(IoSlice::new(&slice[skipped..]));
                length += slice.len() - skipped;
            }
            if slices.len() == MAX_SLICES {
                break;
            }
        }
        (slices, length)
    }

    /// Takes note of bytes that were written.
    pub fn wrote(&mut self, bytes: usize) {
        self.left -= bytes;
        self.written += bytes;
        while let Some(block) = self.blocks.get(self.done).filter(|block| block.len() <= self.written) {
            self.written -= block.len();
            self.done += 1;
        }
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
    blocks: Blocks,
    /// What follows the blocks.
    tail: Vec<u8>,
    /// Bytes of both.
    length: usize,
    /// Bytes that a writer holds.
    in_flight: usize,
    writer: Writer,
    open: bool,
    /// Whether it was closed for its bound.
    overflowed: bool,
    messages: u64,
    /// Bytes that it holds at the most.
    max: usize,
}

/// The queue to one client.
#[derive(Debug)]
pub struct Outbox {
    queue: Mutex<Queue>,
}

impl Outbox {
    /// An empty queue that holds `max` bytes.
    pub fn new(max: usize) -> Self {
        let queue = Queue {
            blocks: Blocks::new(),
            tail: Vec::new(),
            length: 0,
            in_flight: 0,
            writer: Writer::Idle,
            open: true,
            overflowed: false,
            messages: 0,
            max,
        };
        Outbox { queue: Mutex::new(queue) }
    }

    /// Holds so many bytes from now on.
    pub fn set_max(&self, max: usize) {
        self.queue.lock().max = max;
    }

    /// Queues encoded messages. `pressed` is set when the queue is more than half full.
    #[inline]
    pub fn push(&self, encoded: &Encoded, messages: u64, pressed: &mut bool) -> Push {
        let mut queue = self.queue.lock();
        let push = queue.admit(encoded.len(), messages, pressed);
        match encoded {
            _ if !push.is_queued() => {}
            Encoded::Shared(block) if queue.tail.is_empty() || block.len() >= SEAL_FROM => {
                queue.seal();
                queue.blocks.push(block.clone());
            }
            _ => encoded.append_to(queue.own()),
        }
        push
    }

    /// Queues bytes that a closure appends. `messages` counts what of it are messages; `pressed` is set
    /// when the queue is more than half full.
    #[inline]
    pub fn push_with(&self, messages: u64, pressed: &mut bool, write: impl FnOnce(&mut Vec<u8>)) -> Push {
        let mut queue = self.queue.lock();
        if !queue.open {
            return Push::Closed;
        }
        let before = queue.tail.len();
        write(queue.own());
        let added = queue.tail.len() - before;
        if added == 0 {
            if before == 0 {
                buffers::give(std::mem::take(&mut queue.tail));
            }
            return Push::Queued;
        }
        let push = queue.admit(added, messages, pressed);
        if !push.is_queued() {
            queue.tail.truncate(before);
        }
        push
    }

    /// Closes the queue after some last bytes. What no writer holds yet is dropped first when
    /// `drop_queued`: it starts at the beginning of a message, so the last words stay readable.
    pub fn close(&self, drop_queued: bool, last: impl FnOnce(&mut Vec<u8>)) -> Push {
        let mut queue = self.queue.lock();
        if drop_queued {
            queue.empty();
        }
        queue.open = false;
        let before = queue.tail.len();
        last(&mut queue.tail);
        queue.length += queue.tail.len() - before;
        queue.schedule()
    }

    /// What is to be written now, for the writer alone: after [`Push::Flush`], and again after
    /// each chunk, until there is nothing more; then the writer's turn has ended.
    pub fn next(&self, spent: Chunk) -> Next {
        if spent.tail.capacity() > 0 {
            buffers::give(spent.tail);
        }
        let mut queue = self.queue.lock();
        if queue.length == 0 {
            queue.in_flight = 0;
            queue.writer = Writer::Idle;
            return if queue.open { Next::Nothing } else { Next::Ended };
        }
        let (blocks, tail) = (std::mem::take(&mut queue.blocks), std::mem::take(&mut queue.tail));
        queue.in_flight = std::mem::take(&mut queue.length);
        Next::Chunk(Chunk { blocks, done: 0, tail, written: 0, left: queue.in_flight })
    }

    /// The writer's connection is broken: everything is dropped, and nothing more is taken.
    pub fn fail(&self) {
        let mut queue = self.queue.lock();
        queue.empty();
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
    pub fn queued(&self) -> usize {
        let queue = self.queue.lock();
        queue.length + queue.in_flight
    }
}

impl Queue {
    /// Decides about so many bytes more, and counts them if they are taken.
    #[inline]
    fn admit(&mut self, more: usize, messages: u64, pressed: &mut bool) -> Push {
        if !self.open {
            return Push::Closed;
        }
        let total = self.length + self.in_flight + more;
        if total > self.max {
            self.open = false;
            self.overflowed = true;
            return Push::Overflow;
        }
        *pressed |= total > self.max / 2;
        self.messages += messages;
        self.length += more;
        self.schedule()
    }

    fn schedule(&mut self) -> Push {
        match std::mem::replace(&mut self.writer, Writer::Busy) {
            Writer::Idle => Push::Flush,
            Writer::Busy => Push::Queued,
        }
    }

    /// Where bytes of the client's own go.
    #[inline]
    fn own(&mut self) -> &mut Vec<u8> {
        if self.tail.capacity() == 0 {
            self.tail = buffers::take();
        }
        &mut self.tail
    }

    /// Makes a block of the bytes of the client's own, so that another may follow.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.blocks.push(Block::from(std::mem::take(&mut self.tail)).share());
        }
    }

    fn empty(&mut self) {
        self.blocks = Blocks::new();
        self.tail = Vec::new();
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::SHARE_FROM;

    fn block(bytes: usize) -> Encoded {
        Encoded::new(Block::from(vec![b'x'; bytes]))
    }

    fn next(outbox: &Outbox, spent: Chunk) -> Option<Chunk> {
        match outbox.next(spent) {
            Next::Chunk(chunk) => Some(chunk),
            Next::Nothing | Next::Ended => None,
        }
    }

    fn text(chunk: &Chunk) -> Vec<u8> {
        chunk.slices().0.iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn one_writer_at_a_time_and_order_is_kept() {
        let (outbox, mut pressed) = (Outbox::new(100_000), false);
        assert_eq!(outbox.push(&block(SHARE_FROM), 1, &mut pressed), Push::Flush);
        assert_eq!(outbox.push_with(1, &mut pressed, |out| out.extend(b"own")), Push::Queued);
        let mut chunk = next(&outbox, Chunk::default()).expect("something to write");
        assert_eq!(outbox.push(&block(3), 2, &mut pressed), Push::Queued);
        assert_eq!(text(&chunk), [vec![b'x'; SHARE_FROM], b"own".to_vec()].concat());
        chunk.wrote(SHARE_FROM + 1);
        assert_eq!(text(&chunk), b"wn");
        let chunk = next(&outbox, chunk).expect("what came meanwhile");
        assert_eq!(text(&chunk), b"xxx");
        assert!(next(&outbox, chunk).is_none());
        assert_eq!((outbox.messages(), outbox.queued(), pressed), (4, 0, false));
        assert_eq!(outbox.push_with(0, &mut pressed, |out| out.push(b'a')), Push::Flush);
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
    fn large_blocks_are_queued_by_reference_wherever_they_come() {
        let (outbox, mut pressed) = (Outbox::new(1 << 20), false);
        outbox.push(&block(SHARE_FROM), 1, &mut pressed);
        outbox.push(&block(SHARE_FROM), 1, &mut pressed);
        outbox.push_with(0, &mut pressed, |out| out.extend(b"own"));
        outbox.push(&block(SHARE_FROM), 1, &mut pressed);
        outbox.push(&block(SEAL_FROM), 1, &mut pressed);
        outbox.push_with(0, &mut pressed, |out| out.extend(b"more"));
        let mut chunk = next(&outbox, Chunk::default()).expect("something to write");
        let lengths: Vec<_> = chunk.slices().0.iter().map(|slice| slice.len()).collect();
        assert_eq!(lengths, [SHARE_FROM, SHARE_FROM, 3 + SHARE_FROM, SEAL_FROM, 4]);
        // However the writes are cut, all of it is written once and in order.
        let (whole, mut written) = (text(&chunk), Vec::new());
        for step in (1..).map(|n| n * 777) {
            let now: Vec<u8> = text(&chunk).into_iter().take(step).collect();
            chunk.wrote(now.len());
            written.extend(now);
            assert_eq!(chunk.left(), whole.len() - written.len());
            if chunk.left() == 0 {
                break;
            }
        }
        assert!(written == whole && next(&outbox, chunk).is_none());
    }

    #[test]
    fn a_reply_that_is_nothing_schedules_nothing() {
        let (outbox, mut pressed) = (Outbox::new(10), false);
        assert_eq!(outbox.push_with(0, &mut pressed, |_| {}), Push::Queued);
        assert_eq!(outbox.push_with(0, &mut pressed, |out| out.extend([0; 11])), Push::Overflow);
        assert_eq!(outbox.queued(), 0);
    }
}
