//! The writing half of a connection. A batch writes straight to the sockets of its receivers; a
//! task takes over only what a socket does not take at once, and ends when the queue is empty.

use crate::clock::Now;
use crate::hub::{Batch, Client, Farewell, Hub};
use crate::outbox::Chunk;
use crate::rt;
use hubbub_shared::refusal::{Code, Refusal};
use std::io::{ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

enum Written {
    All,
    Blocked,
    Broken,
}

/// Writes what is queued to a client, as far as its socket takes it now. For whoever was told
/// [`crate::outbox::Push::Flush`].
pub fn flush(hub: &Arc<Hub>, client: &Arc<Client>) {
    let mut spent = Chunk::default();
    while let Some(mut chunk) = client.outbox.next(spent) {
        match write_now(hub, client, &mut chunk) {
            Written::All => spent = chunk,
            Written::Blocked => return rt::spawn(drain(hub.clone(), client.clone(), chunk)),
            Written::Broken => return broken(client),
        }
    }
    emptied(client);
}

/// Writes on as the socket takes more, until the queue is empty, the client makes no progress, or
/// the connection breaks.
async fn drain(hub: Arc<Hub>, client: Arc<Client>, mut chunk: Chunk) {
    let stall = Duration::from_secs(hub.limits.stall_timeout_s);
    let mut last_words: Option<Instant> = None;
    loop {
        let Some(socket) = client.socket() else { return };
        // A client that is being closed has the same time in all, however slowly it reads.
        let deadline = match last_words {
            Some(deadline) => deadline,
            None => Instant::now() + stall,
        };
        if rt::before(deadline, socket.writable()).await.is_none() {
            if client.outbox.is_open() {
                let message = format!("nothing was read of what was sent for {} s", stall.as_secs());
                close_stalled(&hub, &client, Refusal::new(Code::SlowConsumer, message));
            }
            return broken(&client);
        }
        match write_now(&hub, &client, &mut chunk) {
            Written::Blocked => {}
            Written::Broken => return broken(&client),
            Written::All => match client.outbox.next(chunk) {
                Some(more) => chunk = more,
                None => return emptied(&client),
            },
        }
        if last_words.is_none() && !client.outbox.is_open() {
            last_words = Some(Instant::now() + stall);
        }
    }
}

/// Takes a client out of the hub that makes no progress, and tells the others.
fn close_stalled(hub: &Arc<Hub>, client: &Arc<Client>, refusal: Refusal) {
    let mut batch = Batch::new(Now::read());
    hub.close(client, Farewell::Sent(refusal, 0), &mut batch);
    hub.settle(&mut batch);
    batch.into_dirty().iter().for_each(|other| flush(hub, other));
}

fn write_now(hub: &Hub, client: &Client, chunk: &mut Chunk) -> Written {
    let Some(socket) = client.socket() else { return Written::Broken };
    while chunk.left() > 0 {
        let [lead, tail] = chunk.slices();
        let result = match (lead, tail) {
            ([], one) | (one, []) => socket.get_ref().write(one),
            (lead, tail) => socket.get_ref().write_vectored(&[IoSlice::new(lead), IoSlice::new(tail)]),
        };
        match result {
            Ok(0) => return Written::Broken,
            Ok(n) => {
                chunk.written += n;
                hub.counters.bytes_out.add(n as u64);
                // A short write says that the socket's buffer is full.
                if chunk.left() > 0 {
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

/// All is written: a closed queue ends the stream, and the reader waits for the client's end.
fn emptied(client: &Client) {
    if !client.outbox.is_open() {
        if let Some(socket) = client.socket() {
            let _ = socket.get_ref().shutdown(Shutdown::Write);
        }
    }
}

/// The reader learns of it by the shutdown.
fn broken(client: &Client) {
    client.outbox.fail();
    if let Some(socket) = client.socket() {
        let _ = socket.get_ref().shutdown(Shutdown::Both);
    }
}
