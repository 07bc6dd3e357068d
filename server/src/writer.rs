//! The writing half of the connections. One task writes, straight from the outboxes and at the end
//! of each turn, to all who were queued to; a task of a receiver's own takes over only what its
//! socket does not take at once, and ends when the queue is empty.

use crate::clock::Now;
use crate::cluster::Peer;
use crate::hub::{Batch, Client, Dirty, Farewell, Hub};
use crate::outbox::{Chunk, Next, Outbox};
use crate::rt::{self, Socket};
use futures::task::AtomicWaker;
use hubbub_shared::refusal::{Code, Refusal};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Receivers written to before everything else that is ready gets its turn: bounds how long one
/// fan-out holds up other clients (a write of 64 KiB takes some 20 µs).
const SLICE: usize = 128;

/// Receivers that are to be written to at the end of the turn in which they were queued to, so that
/// what several publishers have for one receiver is one write.
#[derive(Default)]
pub struct EndOfTurn {
    queue: Mutex<Queue>,
    writer: AtomicWaker,
}

#[derive(Default)]
struct Queue {
    dirty: Dirty,
    /// Who waits for the turn that is being gathered, and for the one that is being written.
    waiting: [Vec<Waker>; 2],
    /// Counts the turns that are written.
    written: u64,
    is_writing: bool,
}

/// The turn at whose end a batch's receivers are written to.
#[must_use]
pub struct Turn(Option<u64>);

impl EndOfTurn {
    fn add(&self, dirty: Dirty) -> Turn {
        if dirty.is_empty() {
            return Turn(None);
        }
        let mut queue = self.queue.lock();
        let is_first = queue.dirty.is_empty();
        if is_first {
            queue.dirty = dirty;
        } else {
            queue.dirty.clients.extend(dirty.clients);
            queue.dirty.peers.extend(dirty.peers);
        }
        if is_first {
            self.writer.wake();
        }
        Turn(Some(queue.written + 1 + u64::from(queue.is_writing)))
    }

    fn poll_take(&self, context: &Context<'_>) -> Poll<Dirty> {
        self.writer.register(context.waker());
        let mut queue = self.queue.lock();
        if queue.dirty.is_empty() {
            return Poll::Pending;
        }
        queue.is_writing = true;
        queue.waiting.swap(0, 1);
        Poll::Ready(std::mem::take(&mut queue.dirty))
    }

    fn taken_are_written(&self) {
        let mut queue = self.queue.lock();
        queue.is_writing = false;
        queue.written += 1;
        queue.waiting[1].drain(..).for_each(Waker::wake);
    }

    fn poll_written(&self, turn: u64, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.written >= turn {
            return Poll::Ready(());
        }
        let gathered = queue.written + 1 + u64::from(queue.is_writing);
        queue.waiting[usize::from(turn < gathered)].push(context.waker().clone());
        Poll::Pending
    }
}

impl Turn {
    /// Waits until the receivers are written to: nobody makes work faster than it is done.
    pub async fn written(self, hub: &Hub) {
        if let Some(turn) = self.0 {
            poll_fn(|context| hub.end_of_turn.poll_written(turn, context)).await;
        }
    }
}

/// Writes at the end of each turn, for ever. The executor runs tasks in the order in which they
/// were woken, and so this one after all that were ready when the first batch woke it.
pub async fn write_at_end_of_turn(hub: Arc<Hub>) {
    loop {
        let Dirty { clients, peers } = poll_fn(|context| hub.end_of_turn.poll_take(context)).await;
        // First: what they pass on has the longer way.
        peers.iter().for_each(|peer| flush(&hub, peer));
        for (n, client) in clients.iter().enumerate() {
            if n % SLICE == SLICE - 1 {
                rt::breathe().await;
            }
            flush(&hub, client);
        }
        hub.end_of_turn.taken_are_written();
    }
}

/// Ends a batch: closes who did not keep up, and leaves the receivers to the end of the turn.
pub fn hand_over(hub: &Hub, mut batch: Batch) -> Turn {
    hub.settle(&mut batch);
    hub.end_of_turn.add(batch.into_dirty())
}

enum Written {
    All,
    Blocked,
    Broken,
}

/// What has an outbox and a socket: a client, or another server.
pub trait Wired: Send + Sync + 'static {
    /// What waits to be sent to it.
    fn outbox(&self) -> &Outbox;
    /// Its connection; none in tests.
    fn socket(&self) -> Option<&Socket>;
    /// Wakes the task that reads from it.
    fn wake(&self);
    /// What goes over the wire for a chunk.
    fn prepare(&self, chunk: Chunk) -> Chunk {
        chunk
    }
    /// Counts bytes that were written to it, beside those that are written to all.
    fn wrote(&self, _hub: &Hub, _bytes: u64) {}
    /// It took nothing for too long.
    fn stalled(self: &Arc<Self>, hub: &Arc<Hub>, message: String);
}

impl Wired for Client {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn socket(&self) -> Option<&Socket> {
        Client::socket(self)
    }

    fn wake(&self) {
        self.task.wake();
    }

    /// Takes a client out of the hub that makes no progress, and tells the others.
    fn stalled(self: &Arc<Self>, hub: &Arc<Hub>, message: String) {
        let mut batch = Batch::new(Now::read());
        hub.close(self, Farewell::Sent(Refusal::new(Code::SlowConsumer, message)), &mut batch);
        hub.settle(&mut batch);
        let Dirty { clients, peers } = batch.into_dirty();
        clients.iter().for_each(|client| flush(hub, client));
        peers.iter().for_each(|peer| flush(hub, peer));
    }
}

impl Wired for Peer {
    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn socket(&self) -> Option<&Socket> {
        Peer::socket(self)
    }

    fn wake(&self) {
        self.task.wake();
    }

    fn prepare(&self, chunk: Chunk) -> Chunk {
        self.sealed(chunk)
    }

    fn wrote(&self, hub: &Hub, bytes: u64) {
        hub.counters.link_bytes_out.add(bytes);
    }

    /// The link's task does the rest.
    fn stalled(self: &Arc<Self>, _: &Arc<Hub>, message: String) {
        log::warn!(server = &*self.name; "{message}");
    }
}

/// Writes what is queued to a receiver, as far as its socket takes it now. For whoever was told
/// [`crate::outbox::Push::Flush`].
pub fn flush<R: Wired>(hub: &Arc<Hub>, receiver: &Arc<R>) {
    let mut spent = Chunk::default();
    loop {
        match receiver.outbox().next(spent) {
            Next::Nothing => return,
            Next::Ended => return ended(&**receiver),
            Next::Chunk(chunk) => {
                let mut chunk = receiver.prepare(chunk);
                match write_now(hub, &**receiver, &mut chunk) {
                    Written::All => spent = chunk,
                    Written::Blocked => return rt::spawn(drain(hub.clone(), receiver.clone(), chunk)),
                    Written::Broken => return broken(&**receiver),
                }
            }
        }
    }
}

/// Writes on as the socket takes more, until the queue is empty, the client makes no progress, or
/// the connection breaks.
async fn drain<R: Wired>(hub: Arc<Hub>, receiver: Arc<R>, mut chunk: Chunk) {
    let stall = Duration::from_secs(hub.limits.stall_timeout_s);
    let mut last_words: Option<Instant> = None;
    loop {
        let Some(socket) = receiver.socket() else { return };
        // A client that is being closed has the same time in all, however slowly it reads.
        let deadline = last_words.unwrap_or_else(|| Instant::now() + stall);
        let in_time = rt::before(deadline, socket.writable()).await.is_some();
        // Written also when the time is over: a socket is told to be writable only when a good part
        // of its buffer is free, and who reads slowly reads all the same.
        let left = chunk.left();
        match write_now(&hub, &*receiver, &mut chunk) {
            Written::Broken => return broken(&*receiver),
            Written::Blocked if !in_time && (last_words.is_some() || chunk.left() == left) => {
                if receiver.outbox().is_open() {
                    let message = format!("nothing was read of what was sent for {} s", stall.as_secs());
                    receiver.stalled(&hub, message);
                }
                return broken(&*receiver);
            }
            Written::Blocked => {}
            Written::All => match receiver.outbox().next(chunk) {
                Next::Chunk(more) => chunk = receiver.prepare(more),
                Next::Nothing => return,
                Next::Ended => return ended(&*receiver),
            },
        }
        if last_words.is_none() && !receiver.outbox().is_open() {
            last_words = Some(Instant::now() + stall);
        }
    }
}

fn write_now(hub: &Hub, receiver: &impl Wired, chunk: &mut Chunk) -> Written {
    let Some(socket) = receiver.socket() else { return Written::Broken };
    while chunk.left() > 0 {
        let (slices, offered) = chunk.slices();
        let result = match slices.as_slice() {
            [one] => socket.get_ref().write(one),
            several => socket.get_ref().write_vectored(several),
        };
        drop(slices);
        match result {
            Ok(0) => return Written::Broken,
            Ok(n) => {
                chunk.wrote(n);
                hub.counters.bytes_out.add(n as u64);
                receiver.wrote(hub, n as u64);
                // A short write says that the socket's buffer is full.
                if n < offered {
                    return Written::Blocked;
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Written::Blocked,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Written::Broken,
        }
    }
    Written::All
}

/// The last words are written: the stream ends, and the reader waits for the other end.
fn ended(receiver: &impl Wired) {
    if let Some(socket) = receiver.socket() {
        let _ = socket.get_ref().shutdown(Shutdown::Write);
    }
}

/// The reader learns of it by the shutdown.
fn broken(receiver: &impl Wired) {
    receiver.outbox().fail();
    receiver.wake();
    if let Some(socket) = receiver.socket() {
        let _ = socket.get_ref().shutdown(Shutdown::Both);
    }
}
