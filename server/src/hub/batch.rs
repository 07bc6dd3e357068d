//! What one batch of commands leaves to be done when it ends: who has something to be written, who
//! did not keep up. Receivers are noted once, however many messages the batch held for them.

use super::client::Client;
use crate::block::{Block, Encoded};
use crate::clock::{Now, Stamp};
use crate::cluster::Peer;
use crate::outbox::Push;
use std::sync::Arc;

/// Work after which a batch ends and others have their turn, though there is more to do. A guess at
/// a millisecond: a thousand receivers, or some hundred kilobytes of replies.
const MAX_WORK: usize = 256 << 10;
/// Work of queueing to one receiver, or of one small reply, beside its bytes.
const STEP: usize = 256;

/// The largest buffer that is worth keeping for what is encoded next. A guess.
const SPARE_CAPACITY: usize = 1 << 20;

/// Who has something to be written.
#[derive(Default)]
pub struct Dirty {
    /// Clients.
    pub clients: Vec<Arc<Client>>,
    /// Other servers, of which there are few.
    pub peers: Vec<Arc<Peer>>,
}

impl Dirty {
    /// Whether nobody has.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.peers.is_empty()
    }
}

/// The work of one batch.
pub struct Batch {
    /// The moment of the batch: the clocks are read once for it.
    pub now: Now,
    /// The same as text.
    pub stamp: Stamp,
    /// Whether a receiver's queue is more than half full.
    pub pressed: bool,
    /// What was done so far, in about the time that it takes to write a byte of a reply.
    work: usize,
    dirty: Dirty,
    overflowed: Vec<Arc<Client>>,
    spare: Vec<u8>,
    /// Messages that clients published, not yet counted in `stats`.
    pub messages_in: u64,
    /// Messages that were queued, not yet counted in `stats`.
    pub messages_out: u64,
}

impl Batch {
    /// An empty batch.
    pub fn new(now: Now) -> Self {
        Batch {
            now,
            stamp: now.stamp(),
            pressed: false,
            work: 0,
            dirty: Dirty::default(),
            overflowed: Vec::new(),
            spare: Vec::new(),
            messages_in: 0,
            messages_out: 0,
        }
    }

    /// Counts work that is more than what it leaves in outboxes.
    pub fn worked(&mut self, work: usize) {
        self.work = self.work.saturating_add(work);
    }

    /// Whether others should have their turn now.
    pub fn is_long(&self) -> bool {
        self.work > MAX_WORK
    }

    /// Takes note of what an append to a client's outbox led to; whether it was queued.
    #[inline]
    pub fn pushed(&mut self, client: &Arc<Client>, push: Push) -> bool {
        match push {
            Push::Queued | Push::Closed => {}
            Push::Flush => self.dirty.clients.push(client.clone()),
            Push::Overflow => self.overflowed.push(client.clone()),
        }
        push.is_queued()
    }

    /// Queues encoded messages to a client; whether they were queued.
    #[inline]
    pub fn deliver(&mut self, client: &Arc<Client>, encoded: &Encoded, messages: u64) -> bool {
        let push = client.outbox.push(encoded, messages, &mut self.pressed);
        self.work += STEP;
        self.pushed(client, push)
    }

    /// Queues what a closure appends; whether it was queued.
    #[inline]
    pub fn write(&mut self, client: &Arc<Client>, messages: u64, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut length = 0;
        let push = client.outbox.push_with(messages, &mut self.pressed, |out| {
            let before = out.len();
            write(out);
            length = out.len() - before;
        });
        self.work += STEP + length;
        self.pushed(client, push)
    }

    /// Queues something to another server. A link that is over its bound ends: its task sees that.
    pub fn send(&mut self, peer: &Arc<Peer>, encoded: &Encoded) {
        let push = peer.outbox.push(encoded, 0, &mut self.pressed);
        self.sent(peer, push);
    }

    /// Queues what a closure appends to another server.
    pub fn write_to(&mut self, peer: &Arc<Peer>, write: impl FnOnce(&mut Vec<u8>)) {
        let push = peer.outbox.push_with(0, &mut self.pressed, write);
        self.sent(peer, push);
    }

    fn sent(&mut self, peer: &Arc<Peer>, push: Push) {
        self.work += STEP;
        match push {
            Push::Queued | Push::Closed => {}
            Push::Flush => self.dirty.peers.push(peer.clone()),
            Push::Overflow => peer.task.wake(),
        }
    }

    /// An empty block, in the buffer of the last one where nobody holds that any more.
    #[inline]
    pub fn block(&mut self) -> Block {
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.clear();
        Block::from(bytes)
    }

    /// Gives the buffer back after all receivers have what is in it.
    #[inline]
    pub fn reuse(&mut self, encoded: Encoded) {
        if let Some(bytes) = encoded.into_buffer().filter(|b| b.capacity() <= SPARE_CAPACITY) {
            self.spare = bytes;
        }
    }

    /// Clients that did not keep up, to be closed before the batch ends.
    pub fn take_overflowed(&mut self) -> Vec<Arc<Client>> {
        std::mem::take(&mut self.overflowed)
    }

    /// Who has something to be written.
    pub fn into_dirty(self) -> Dirty {
        debug_assert!(self.overflowed.is_empty(), "a batch is settled before it is handed over");
        self.dirty
    }
}
