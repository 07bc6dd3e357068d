//! Buffers lent by the thread, for the time of one batch (an idle connection holds none), and what may
//! be kept of a large read by reference.

use bytes::Bytes;
use std::cell::RefCell;

/// Bytes asked of a socket at once. Measured: 4 KiB reads cost 3.4 times as much on fan-out.
pub const READ: usize = 64 << 10;
/// Unread bytes of a connection up to which they are copied in front of the next read; a longer
/// unit is collected in a buffer of its own.
pub const HEAD: usize = 4 << 10;
/// Bytes asked of a socket at once for a long unit.
pub const LARGE_READ: usize = 256 << 10;
/// Texts from this size are kept by reference. A guess: copies of less are cheaper than what it takes
/// to go without them.
const SHARE_FROM: usize = 16 << 10;
/// How many times its length a text may keep in memory by being kept by reference.
const MAX_PINNED: usize = 6;
/// Units from which a connection's next read goes to a buffer of its own: a text of less could not be
/// kept by reference.
pub const LONG_UNIT: usize = (LARGE_READ + READ) / MAX_PINNED;
/// Bytes of spare buffers kept by a thread, and the size up to which one is worth keeping. A guess:
/// one turn of some hundred receivers.
const SPARES: usize = 4 << 20;
const SPARE_CAPACITY: usize = 128 << 10;

/// What a connection received in a buffer of its own: parts of it can be kept without a copy.
pub struct Received {
    bytes: Bytes,
    capacity: usize,
}

/// A part of what was received.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The part.
    pub bytes: Bytes,
    /// Memory that is held for it. Where several parts of one buffer are kept, each counts all of it.
    pub pinned: usize,
}

impl Received {
    /// What a buffer holds.
    pub fn new(buffer: Vec<u8>) -> Self {
        Received { capacity: buffer.capacity(), bytes: buffer.into() }
    }

    /// All of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether a text in it may be kept by reference, by its length: it is large, and a good part of the
    /// buffer, all of which it holds in memory.
    #[inline]
    pub fn may_share(&self, length: usize) -> bool {
        length >= SHARE_FROM && length * MAX_PINNED >= self.capacity
    }

    /// A text in it, if it may be kept by reference.
    #[inline]
    pub fn share(&self, text: &str) -> Option<Shared> {
        self.may_share(text.len())
            .then(|| Shared { bytes: self.bytes.slice_ref(text.as_bytes()), pinned: self.capacity })
    }

    /// What is left behind the first `used` bytes, in the same buffer if nothing was kept.
    pub fn into_rest(self, used: usize) -> Vec<u8> {
        match self.bytes.try_into_mut() {
            Ok(buffer) => {
                let mut buffer = Vec::from(buffer);
                buffer.drain(..used);
                buffer
            }
            Err(kept) => kept[used..].to_vec(),
        }
    }
}

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { spares: Vec::new(), bytes: 0 }) };
}

/// Borrows the thread's read buffer: `HEAD + READ` bytes.
pub fn with_read_buffer<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = READ_BUFFER.take();
    buffer.resize(HEAD + READ, 0);
    let result = work(&mut buffer);
    READ_BUFFER.set(buffer);
    result
}

struct Pool {
    spares: Vec<Vec<u8>>,
    bytes: usize,
}

/// An empty buffer, perhaps with capacity from earlier.
pub fn take() -> Vec<u8> {
    POOL.with_borrow_mut(|pool| {
        let buffer = pool.spares.pop().unwrap_or_default();
        pool.bytes -= buffer.capacity();
        buffer
    })
}

/// Gives a buffer back.
pub fn give(mut buffer: Vec<u8>) {
    let capacity = buffer.capacity();
    if capacity == 0 || capacity > SPARE_CAPACITY {
        return;
    }
    buffer.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.bytes + capacity <= SPARES {
            pool.bytes += capacity;
            pool.spares.push(buffer);
        }
    });
}

/// The bytes that a connection has for its conversation.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// In a buffer that is lent.
    Lent(&'a [u8]),
    /// In a buffer of the connection's own, parts of which may be kept.
    Own(&'a Received),
}

impl<'a> Input<'a> {
    /// All of them.
    pub fn unread(self) -> &'a [u8] {
        match self {
            Input::Lent(bytes) => bytes,
            Input::Own(received) => received.bytes(),
        }
    }

    /// Where parts of them may be kept.
    pub fn received(self) -> Option<&'a Received> {
        match self {
            Input::Lent(_) => None,
            Input::Own(received) => Some(received),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_part_of_a_buffer_is_kept_by_reference() {
        let share = |capacity: usize, length: usize| {
            let mut buffer = Vec::with_capacity(capacity);
            buffer.resize(length + 10, b'x');
            let received = Received::new(buffer);
            let text = std::str::from_utf8(&received.bytes()[..length]).expect("a text");
            received.share(text).map(|shared| (shared.bytes.len(), shared.pinned))
        };
        assert_eq!(share(SHARE_FROM + 10, SHARE_FROM), Some((SHARE_FROM, SHARE_FROM + 10)));
        assert_eq!(share(SHARE_FROM + 10, SHARE_FROM - 1), None);
        assert_eq!(share(7 * SHARE_FROM, SHARE_FROM), None);
    }

    #[test]
    fn what_is_left_stays_in_its_buffer_unless_something_was_kept() {
        let buffer = || [vec![b'x'; SHARE_FROM], b"rest".to_vec()].concat();
        let (first, at) = (buffer(), |b: &Vec<u8>| b.as_ptr() as usize);
        let place = at(&first);
        let rest = Received::new(first).into_rest(SHARE_FROM);
        assert_eq!((rest.as_slice(), at(&rest)), (b"rest".as_slice(), place));
        let received = Received::new(buffer());
        let kept = received.share(std::str::from_utf8(&received.bytes()[..SHARE_FROM]).expect("a text"));
        assert_eq!(received.into_rest(SHARE_FROM), b"rest");
        assert_eq!(kept.expect("large enough").bytes.len(), SHARE_FROM);
    }
}
