//! Buffers lent by the thread, for the time of one batch: an idle connection holds none.

use std::cell::RefCell;

/// Bytes asked of a socket at once. Measured: 4 KiB reads cost 3.4 times as much on fan-out.
pub const READ: usize = 64 << 10;
/// Unread bytes of a connection up to which they are copied in front of the next read; a longer
/// unit is collected in a buffer of its own.
pub const HEAD: usize = 4 << 10;
/// Bytes asked of a socket at once for a long unit.
pub const LARGE_READ: usize = 256 << 10;
/// Spare buffers kept by a thread, and the size up to which one is worth keeping. A guess: one
/// batch touches few receivers with small blocks, and large blocks are shared instead.
const SPARES: usize = 64;
const SPARE_CAPACITY: usize = 128 << 10;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Borrows the thread's read buffer: `HEAD + READ` bytes.
pub fn with_read_buffer<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = READ_BUFFER.take();
    buffer.resize(HEAD + READ, 0);
    let result = work(&mut buffer);
    READ_BUFFER.set(buffer);
    result
}

/// An empty buffer, perhaps with capacity from earlier.
pub fn take() -> Vec<u8> {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Gives a buffer back.
pub fn give(mut buffer: Vec<u8>) {
    if buffer.capacity() == 0 || buffer.capacity() > SPARE_CAPACITY {
        return;
    }
    buffer.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < SPARES {
            pool.push(buffer);
        }
    });
}
