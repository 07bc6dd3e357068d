//! Another server to which there is a link in use: what waits to be sent to it, and what it told of
//! its subscribers and services. A link that is made again is another peer.

use super::member::Member;
use super::tables::{Offer, Share, Table};
use crate::outbox::{Chunk, Outbox};
use crate::rt::Socket;
use futures::task::AtomicWaker;
use hubbub_shared::limits::MAX_LINK_QUEUE;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

/// Set in the key of every peer, so that peers and clients have keys of one kind.
const PEER: u64 = 1 << 63;

/// Turns bytes into what goes over the wire.
pub type Sealer = Box<dyn FnMut(&[&[u8]], &mut Vec<u8>) + Send>;

/// A linked server.
pub struct Peer {
    /// Names the link.
    pub key: u64,
    /// Who it is.
    pub member: Member,
    /// Its name.
    pub name: Arc<str>,
    /// The `origin` of its messages.
    pub origin: Arc<str>,
    /// What waits to be sent to it.
    pub outbox: Outbox,
    /// Wakes the link's task.
    pub task: AtomicWaker,
    /// The time of a frame to it and back, in microseconds; the greatest number before it is known.
    pub rtt_us: AtomicU32,
    /// When it was heard last, in milliseconds of the server's own clock.
    pub heard_ms: AtomicU64,
    /// What it told.
    pub copies: Mutex<Copies>,
    /// Whether the link is in use. Held while something that came over it is taken in, so that nothing
    /// of it is left when its end is known.
    pub in_use: Mutex<bool>,
    wire: Option<Wire>,
}

/// The socket of a link, and what seals what goes through it.
pub struct Wire {
    /// The connection.
    pub socket: Socket,
    /// None between addresses of this machine.
    pub sealer: Option<Mutex<Sealer>>,
}

/// The tables of another server, as it told them over this link.
#[derive(Default)]
pub struct Copies {
    /// Who is subscribed to what there.
    pub interest: Table<Share>,
    /// What is offered there.
    pub services: Table<Offer>,
    /// While all rows are being told anew: those that were.
    pub anew: Option<HashSet<(Kind, String)>>,
    /// Whether all rows were told once.
    pub is_whole: bool,
}

/// Which table a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Subscriptions.
    Interest,
    /// Services.
    Services,
}

impl Peer {
    /// A peer over a link whose ends are proven. Without a wire, nothing is ever written (tests).
    pub fn new(link: u64, member: Member, wire: Option<Wire>) -> Peer {
        Peer {
            key: PEER | link,
            name: member.name.as_str().into(),
            origin: member.origin().into(),
            member,
            outbox: Outbox::new(MAX_LINK_QUEUE),
            task: AtomicWaker::new(),
            rtt_us: AtomicU32::new(u32::MAX),
            heard_ms: AtomicU64::new(0),
            copies: Mutex::default(),
            in_use: Mutex::new(false),
            wire,
        }
    }

    /// The link's number.
    pub fn link(&self) -> u64 {
        self.key & !PEER
    }

    /// Its connection.
    pub fn socket(&self) -> Option<&Socket> {
        self.wire.as_ref().map(|wire| &wire.socket)
    }

    /// Seals what is about to be written.
    pub fn sealed(&self, chunk: Chunk) -> Chunk {
        let Some(sealer) = self.wire.as_ref().and_then(|wire| wire.sealer.as_ref()) else { return chunk };
        let mut out = Vec::with_capacity(chunk.left() + chunk.left() / 256 + 64);
        let all = chunk.all();
        sealer.lock()(&all, &mut out);
        Chunk::of(out)
    }

    /// The round trip to it.
    pub fn distance(&self) -> u32 {
        self.rtt_us.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Peer({} {})", self.name, self.member.peer_addr)
    }
}
