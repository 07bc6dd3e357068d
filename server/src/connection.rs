//! The connection handler: one task for each client, which reads its socket and runs its conversation
//! ([`Talk`]: the native session, or a door's), and serves the receivers of what it said. An idle
//! connection is a suspended read and no buffer.

use crate::buffers::{self, Input, Received, HEAD, LARGE_READ, READ};
use crate::clock::Now;
use crate::hub::{Batch, Client, Hub};
use crate::rt::{self, Socket};
use crate::writer::{hand_over, Turn};
use rustix::buffer::spare_capacity;
use std::future::poll_fn;
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a publisher waits before its next read when a receiver's queue is more than half full:
/// slows down who is faster than its listeners, and costs little when one of them has stopped (64
/// reads until its queue is full). NATS stalls its publishers by as much.
const BREAK: Duration = Duration::from_millis(10);
/// How long a connection that the hub closed is still read, so that the last words are not lost
/// to a reset. A guess: some round trips on a bad line.
const LINGER: Duration = Duration::from_secs(2);
/// The same while the server stops and is waited for.
const SHORT_LINGER: Duration = Duration::from_millis(500);

/// How often a client that has closed its side is told that its requests still wait: where it is gone,
/// that ends the connection, and with it the work on them. A guess.
const SHOW_LIFE: Duration = Duration::from_secs(1);

const CLOSED_BY_CLIENT: &str = "closed by client";

/// One client's conversation, without I/O: it is fed bytes and moments, and leaves in the batch what is
/// to be written.
pub trait Talk: Send + Sync + 'static {
    /// The client.
    fn client(&self) -> &Arc<Client>;

    /// Reads what is unread, does it, and returns how many bytes were used.
    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize;

    /// Whether nothing more is to be read.
    fn is_over(&self) -> bool;

    /// Whether nothing is to be read until an answer has woken the task.
    fn waits(&self) -> bool {
        false
    }

    /// Whether there is something to do without more to read, since an answer has come.
    fn is_due(&self) -> bool {
        false
    }

    /// Whether units are long enough for parts of them to be kept by reference.
    fn sends_long_units(&self) -> bool {
        false
    }

    /// Whether the client may hold back the rest of a unit until its beginning is acknowledged, as clients
    /// do that write a length and what it is the length of in two writes: systems delay that by 40 ms.
    fn hurries(&self) -> bool {
        false
    }

    /// How long a client that has closed its side is still taken for one that waits for its answers. One
    /// that is gone looks the same, as long as nothing is sent to it.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// Tells such a client that it is still served.
    fn show_life(&mut self, _hub: &Hub, _batch: &mut Batch) {}

    /// When [`Talk::on_time`] wants to be called, if nothing is read before.
    fn deadline(&self, hub: &Hub) -> Option<Instant>;

    /// Nothing was read until the deadline.
    fn on_time(&mut self, hub: &Hub, batch: &mut Batch);

    /// The client closed its side, perhaps in the middle of something.
    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch);

    /// The client is gone, or the connection broke.
    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch);
}

/// How a read ended.
enum Progress {
    Going,
    Ended(&'static str),
}

/// Why a connection goes on.
enum Ready {
    ToRead,
    /// With commands that were read before.
    ToGoOn,
    OutOfTime,
}

struct Connection<T> {
    hub: Arc<Hub>,
    talk: T,
    /// The beginning of a unit whose end has not come.
    unread: Vec<u8>,
    /// Whether there may be whole units in what is unread.
    paused: bool,
}

/// Takes in a client and serves it from its first to its last byte.
pub fn start<T: Talk>(
    hub: &Arc<Hub>,
    socket: Socket,
    addr: SocketAddr,
    begin: impl FnOnce(Arc<Client>, &Hub, &mut Batch) -> T,
) {
    let mut batch = Batch::new(Now::read());
    let client = hub.open(addr, Some(socket), &mut batch);
    let talk = begin(client, hub, &mut batch);
    let turn = hand_over(hub, batch);
    let connection = Connection { hub: hub.clone(), talk, unread: Vec::new(), paused: false };
    rt::spawn(connection.serve(turn));
}

impl<T: Talk> Connection<T> {
    /// The task of one client. Whatever is awaited here is part of what an idle connection costs,
    /// so that all but the plain wait for bytes is put aside in a box while it lasts.
    async fn serve(mut self, turn: Turn) {
        turn.written(&self.hub).await;
        let client = self.talk.client().clone();
        self.run(&client).await;
        let linger_for = if self.hub.is_draining() { SHORT_LINGER } else { LINGER };
        drop(self);
        Box::pin(linger(&client, Instant::now() + linger_for)).await;
    }

    async fn run(&mut self, client: &Arc<Client>) {
        let Some(socket) = client.socket() else { return };
        while !self.talk.is_over() && client.outbox.is_open() {
            let ready = if self.talk.waits() {
                Box::pin(answered(client, || !self.talk.waits())).await;
                Ready::ToGoOn
            } else if self.paused {
                Box::pin(rt::breathe()).await;
                Ready::ToGoOn
            } else {
                let talk = &self.talk;
                let in_time = match talk.deadline(&self.hub) {
                    None => {
                        readable(client, socket, talk).await;
                        true
                    }
                    Some(deadline) => {
                        Box::pin(rt::before(deadline, readable(client, socket, talk))).await.is_some()
                    }
                };
                match in_time {
                    _ if talk.is_due() => Ready::ToGoOn,
                    true => Ready::ToRead,
                    false => Ready::OutOfTime,
                }
            };
            if !client.outbox.is_open() {
                break;
            }
            let (progress, pressed, turn) = self.batch(socket, ready);
            turn.written(&self.hub).await;
            if let Progress::Ended(reason) = progress {
                return Box::pin(self.ended(client, reason)).await;
            }
            if pressed {
                Box::pin(rt::sleep(BREAK)).await;
            }
        }
        // Where the writer found the connection broken, nobody has told the hub yet.
        Box::pin(self.leave("connection reset")).await;
    }

    /// One batch of commands: how it ended, whether a receiver is behind, and the turn at whose end
    /// the receivers are written to.
    fn batch(&mut self, socket: &Socket, ready: Ready) -> (Progress, bool, Turn) {
        let mut batch = Batch::new(Now::read());
        let mut read_bytes = 0;
        let progress = match ready {
            Ready::ToRead => self.read(socket, &mut batch, &mut read_bytes),
            Ready::ToGoOn => self.go_on(&mut batch),
            Ready::OutOfTime => {
                self.talk.on_time(&self.hub, &mut batch);
                Progress::Going
            }
        };
        self.paused = batch.is_long() || self.talk.waits();
        // Only who sends much at once is slowed down: it is their reads that fill a queue.
        let pressed = batch.pressed && (self.paused || read_bytes >= READ / 2);
        (progress, pressed, hand_over(&self.hub, batch))
    }

    /// The commands that were read before others had their turn.
    fn go_on(&mut self, batch: &mut Batch) -> Progress {
        let received = Received::new(std::mem::take(&mut self.unread));
        let used = self.talk.handle(&self.hub, batch, Input::Own(&received));
        self.keep_unread(received.into_rest(used));
        Progress::Going
    }

    /// One read, and the commands in it.
    fn read(&mut self, socket: &Socket, batch: &mut Batch, read_bytes: &mut usize) -> Progress {
        let had = self.unread.len();
        let (result, unread) = if had <= HEAD && !self.talk.sends_long_units() {
            buffers::with_read_buffer(|buffer| {
                buffer[..had].copy_from_slice(&self.unread);
                let result = socket.get_ref().read(&mut buffer[had..]);
                let filled = had + *result.as_ref().unwrap_or(&0);
                let used = self.run_commands(batch, Input::Lent(&buffer[..filled]), filled - had);
                (result, buffer[used..filled].to_vec())
            })
        } else {
            // A long unit is collected where it is, so that it is not copied with each read.
            let mut buffer = std::mem::take(&mut self.unread);
            if buffer.capacity() - had < READ {
                buffer.reserve(LARGE_READ);
            }
            let result = rustix::io::read(socket, spare_capacity(&mut buffer)).map_err(std::io::Error::from);
            let read = buffer.len() - had;
            let received = Received::new(buffer);
            let used = self.run_commands(batch, Input::Own(&received), read);
            (result, received.into_rest(used))
        };
        if !unread.is_empty() && self.talk.hurries() {
            acknowledge(socket);
        }
        self.keep_unread(unread);
        *read_bytes = *result.as_ref().unwrap_or(&0);
        match result {
            Ok(0) => Progress::Ended(CLOSED_BY_CLIENT),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Progress::Going,
            Err(e) if e.kind() == ErrorKind::TimedOut => Progress::Ended("connection timed out"),
            Err(_) => Progress::Ended("connection reset"),
            Ok(_) => Progress::Going,
        }
    }

    fn run_commands(&mut self, batch: &mut Batch, input: Input<'_>, read: usize) -> usize {
        if read == 0 {
            return 0;
        }
        self.hub.counters.bytes_in.add(read as u64);
        self.talk.handle(&self.hub, batch, input)
    }

    /// Keeps the beginning of a unit, and no much larger buffer than it needs: it may have to wait.
    fn keep_unread(&mut self, mut unread: Vec<u8>) {
        if unread.len() <= unread.capacity() / 4 {
            unread.shrink_to_fit();
        }
        self.unread = unread;
    }

    /// The client will say no more. What it asked for and waits for is still sent to it.
    async fn ended(&mut self, client: &Client, reason: &'static str) {
        if reason == CLOSED_BY_CLIENT {
            let mut batch = Batch::new(Now::read());
            self.talk.cut_off(&self.unread, &self.hub, &mut batch);
            hand_over(&self.hub, batch).written(&self.hub).await;
            let nothing_waits = || {
                client.open_requests.load(Ordering::Acquire) == 0 && client.waits.load(Ordering::Acquire) == 0
            };
            let (ended, patience) = (Instant::now(), self.talk.patience());
            while client.outbox.is_open() && !nothing_waits() && ended.elapsed() < patience {
                let again = Instant::now() + SHOW_LIFE.min(patience);
                if rt::before(again, answered(client, nothing_waits)).await.is_none() {
                    let mut batch = Batch::new(Now::read());
                    self.talk.show_life(&self.hub, &mut batch);
                    hand_over(&self.hub, batch).written(&self.hub).await;
                }
            }
        }
        self.leave(reason).await;
    }

    async fn leave(&mut self, reason: &'static str) {
        let mut batch = Batch::new(Now::read());
        // The batch that was too much for it may not be at its end, and this task the first to tell why.
        if self.talk.client().outbox.is_overflowed() {
            self.hub.close_overflowed(self.talk.client(), &mut batch);
        }
        self.talk.left(reason, &self.hub, &mut batch);
        hand_over(&self.hub, batch).written(&self.hub).await;
    }
}

/// Has the system acknowledge now what it has received. Where it does not, the client waits a little.
fn acknowledge(socket: &Socket) {
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(socket.get_ref()).set_tcp_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = socket;
}

/// Waits until the answers are there that a client waits for, or the hub has ended the connection.
async fn answered(client: &Client, is_there: impl Fn() -> bool) {
    poll_fn(|context| {
        client.task.register(context.waker());
        if is_there() || !client.outbox.is_open() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Waits until there is something to read, an error included, or to do, or the hub has ended the
/// connection.
async fn readable(client: &Client, socket: &Socket, talk: &impl Talk) {
    poll_fn(|context| {
        client.task.register(context.waker());
        if talk.is_due() || !client.outbox.is_open() {
            return Poll::Ready(());
        }
        socket.poll_readable(context).map(|_| ())
    })
    .await;
}

/// Reads on without listening, until the client has seen the end of what it was sent: a socket that
/// is closed with unread input resets the connection, and the last words are lost.
async fn linger(client: &Client, deadline: Instant) {
    let Some(socket) = client.socket() else { return };
    while rt::before(deadline, socket.readable()).await.is_some() {
        let read = buffers::with_read_buffer(|buffer| socket.get_ref().read(buffer));
        match read {
            Ok(0) => return,
            Err(e) if !matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Conversation;

    #[test]
    fn an_idle_connection_is_a_small_task() {
        fn future_size<F: std::future::Future, A, B>(_: fn(A, B) -> F) -> usize {
            size_of::<F>()
        }
        let (task, client) = (future_size(Connection::<Conversation>::serve), size_of::<Client>());
        assert!(task <= 496 && client <= 336, "the task has {task} bytes, the client {client}");
    }
}
