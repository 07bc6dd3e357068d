//! Which links there are to be: every server dials every other, and of all the links that come of it
//! one a pair carries traffic. Pure: the shell of the links tells what happened and when, and does
//! what [`Settlement::poll`] says. Owns neither sockets nor members; whom to be linked with is the
//! membership's word ([`Settlement::wanted`]).
//!
//! Of two servers **the one with the lower run id decides**. It dials at once and adopts a link as
//! soon as its handshake is done; the first frame on a link that it adopts says so. The other one
//! uses a link only when it has read that frame, and then closes any other. It dials too, once it
//! has been without a link for [`PATIENCE`]: its network may reach where the other's does not. And
//! [`AFTER_LOSS`], since a dial tells whether the other's process is there.
//!
//! What the shell owes: each [`Action::Dial`] ends in `handshaken` or `dial_failed` (within a few
//! seconds); a link whose peer is silent is `lost` after a few heartbeats, at both ends; a link of
//! which a [`Action::Close`] was polled needs no `lost`. A handshake with a member that the
//! membership has not heard of yet makes it known there first, so that it is wanted.

use super::handshake::Code;
use super::Member;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the higher id waits for the lower one's link before it dials itself: several round trips
/// around the world, and less than people wait.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// How long it waits after a link in use was lost: the lower one dials at once if it is there, and if
/// its process is dead, a dial tells. A few round trips.
pub const AFTER_LOSS: Duration = Duration::from_millis(500);
/// A link adopted more recently stays when the peer dials: both dialed at the same time. Less than
/// [`PATIENCE`], after which the peer dials because it has lost the link.
pub const YOUNG: Duration = Duration::from_secs(2);
/// How long a link may wait to be adopted. The frame follows the handshake, so a round trip is due.
pub const ADOPTION: Duration = Duration::from_secs(5);
/// A link that lasted so long says that the peer is well: it is dialed again at once.
pub const LASTING: Duration = Duration::from_secs(10);
/// The pause after a first failure, which doubles with each further one.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause; also the one after a refusal that people have to resolve.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many links of one peer may wait to be adopted. It opens one at a time, and none before it has
/// lost the last; a further one closes the oldest.
pub const MAX_WAITING: usize = 4;

/// Why a dial came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nobody listens there (ECONNREFUSED).
    ConnectionRefused,
    /// The peer has proven itself and turned us away.
    TurnedAway(Code, String),
    /// Anything else: no route, no answer in time, a handshake that failed.
    Unreachable,
}

/// Why a link is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The peer is no member any more, or not yet.
    Unwanted,
    /// There is a link that is as good.
    Spare,
    /// A newer link took its place.
    Replaced,
    /// The peer did not adopt it in time.
    NotAdopted,
    /// The peer adopted a link that it is not for it to adopt.
    OutOfTurn,
}

/// What the shell is to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to a peer and shake hands.
    Dial {
        /// Its run.
        peer: Uuid,
        /// Where it accepts links.
        addr: SocketAddr,
    },
    /// Send the frame that adopts a link; [`Action::Use`] follows.
    Adopt {
        /// The link.
        link: u64,
    },
    /// Traffic with a peer flows on this link now. There is none in use with it at this moment.
    Use {
        /// The link.
        link: u64,
        /// Its run.
        peer: Uuid,
    },
    /// Close a link.
    Close {
        /// The link.
        link: u64,
        /// Why.
        why: Why,
    },
    /// The link in use with a peer is gone. Comes before another one takes its place, too: what was
    /// under way on the old one may be lost.
    Lost {
        /// The peer's run.
        peer: Uuid,
    },
    /// The peer's process is gone: nobody, or another run, answers at its address. Once a loss.
    Gone {
        /// The peer's run.
        peer: Uuid,
    },
    /// The peer may be gone. Once a loss.
    Suspect {
        /// The peer's run.
        peer: Uuid,
    },
    /// The peer does not take us, and people have to resolve it. Once, and when its answer changes.
    Conflict {
        /// The peer's run.
        peer: Uuid,
        /// Why.
        code: Code,
        /// Why, for people.
        message: String,
    },
}

/// When a peer is dialed next.
#[derive(Debug, Clone, Copy)]
enum Next {
    At(Instant),
    /// After a pause of which chance has to draw a part, and not before a moment.
    Draw {
        since: Instant,
        pause: Duration,
        floor: Instant,
    },
}

#[derive(Debug)]
struct Peer {
    addr: SocketAddr,
    /// It is not while only a dial that is under way keeps the entry.
    is_wanted: bool,
    is_dialing: bool,
    /// The link in use, and since when.
    used: Option<(u64, Instant)>,
    /// Links that the peer has to adopt, and since when they wait. Oldest first.
    waiting: Vec<(u64, Instant)>,
    /// From when on the higher id dials.
    dial_from: Instant,
    next: Next,
    /// Failures since a link lasted.
    failures: u32,
    told_gone: bool,
    told_suspect: bool,
    told_conflict: Option<(Code, String)>,
}

/// See the file.
#[derive(Debug)]
pub struct Settlement {
    me: Uuid,
    peers: BTreeMap<Uuid, Peer>,
    /// Links that were not closed or lost, and whose they are.
    links: BTreeMap<u64, Uuid>,
    actions: VecDeque<Action>,
}

impl Settlement {
    /// A server without links.
    pub fn new(me: Uuid) -> Self {
        Settlement { me, peers: BTreeMap::new(), links: BTreeMap::new(), actions: VecDeque::new() }
    }

    /// Whether we are the one that adopts links with `peer`.
    fn decides(&self, peer: Uuid) -> bool {
        self.me < peer
    }

    /// A member is there, or has another address.
    pub fn wanted(&mut self, now: Instant, member: &Member) {
        let id = member.id;
        if id == self.me {
            return;
        }
        let first = if self.decides(id) { now } else { now + PATIENCE };
        let fresh = |is_dialing| Peer {
            addr: member.peer_addr,
            is_wanted: true,
            is_dialing,
            used: None,
            waiting: Vec::new(),
            dial_from: now + PATIENCE,
            next: Next::At(first),
            failures: 0,
            told_gone: false,
            told_suspect: false,
            told_conflict: None,
        };
        let peer = self.peers.entry(id).or_insert_with(|| fresh(false));
        if peer.is_wanted {
            peer.addr = member.peer_addr;
        } else {
            *peer = fresh(peer.is_dialing);
        }
        self.consider(now, id);
    }

    /// A member is gone: its links are closed, and it is not dialed any more.
    pub fn unwanted(&mut self, _now: Instant, id: Uuid) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.is_wanted = false;
        if let Some((link, _)) = peer.used.take() {
            self.links.remove(&link);
            self.actions.extend([Action::Lost { peer: id }, Action::Close { link, why: Why::Unwanted }]);
        }
        for (link, _) in std::mem::take(&mut peer.waiting) {
            self.links.remove(&link);
            self.actions.push_back(Action::Close { link, why: Why::Unwanted });
        }
        if !peer.is_dialing {
            self.peers.remove(&id);
        }
    }

    /// The handshake of a new link is done. `link` is a number that no other link of this run has.
    pub fn handshaken(&mut self, now: Instant, link: u64, id: Uuid, dialed_by_us: bool) {
        if self.links.contains_key(&link) {
            return;
        }
        let decides = self.decides(id);
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_wanted) else {
            self.actions.push_back(Action::Close { link, why: Why::Unwanted });
            if dialed_by_us {
                self.peers.remove(&id);
            }
            return;
        };
        peer.is_dialing &= !dialed_by_us;
        if decides {
            match peer.used {
                // A dial of ours began when there was no link: one that is in use came since, from a
                // peer that missed it. One that the peer dialed tells that it has lost the old one,
                // unless that is so young that the two have crossed.
                Some((_, since)) if dialed_by_us || now.saturating_duration_since(since) < YOUNG => {
                    self.actions.push_back(Action::Close { link, why: Why::Spare });
                }
                _ => {
                    self.links.insert(link, id);
                    self.take_up(now, link, id);
                }
            }
        } else {
            peer.waiting.push((link, now));
            self.links.insert(link, id);
            if peer.waiting.len() > MAX_WAITING {
                let (oldest, _) = peer.waiting.remove(0);
                self.links.remove(&oldest);
                self.actions.push_back(Action::Close { link: oldest, why: Why::NotAdopted });
            }
        }
    }

    /// The peer's frame that adopts a link came.
    pub fn adopted(&mut self, now: Instant, link: u64) {
        let Some(&id) = self.links.get(&link) else { return };
        if self.decides(id) {
            self.lost(now, link);
            self.actions.push_back(Action::Close { link, why: Why::OutOfTurn });
        } else if self.peers.get(&id).is_some_and(|peer| peer.used.is_none_or(|(used, _)| used != link)) {
            self.take_up(now, link, id);
        }
    }

    /// Uses a link with a peer, and closes its others.
    fn take_up(&mut self, now: Instant, link: u64, id: Uuid) {
        let decides = self.decides(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let old = peer.used.replace((link, now));
        if old.is_some() {
            self.actions.push_back(Action::Lost { peer: id });
        }
        let others = old.into_iter().chain(std::mem::take(&mut peer.waiting));
        for (other, _) in others.filter(|(other, _)| *other != link) {
            self.links.remove(&other);
            self.actions.push_back(Action::Close { link: other, why: Why::Replaced });
        }
        (peer.told_gone, peer.told_suspect, peer.told_conflict) = (false, false, None);
        if decides {
            self.actions.push_back(Action::Adopt { link });
        }
        self.actions.push_back(Action::Use { link, peer: id });
    }

    /// A dial came to nothing.
    pub fn dial_failed(&mut self, now: Instant, id: Uuid, failure: Failure) {
        let floor = self.floor(now, id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.is_dialing = false;
        if !peer.is_wanted {
            self.peers.remove(&id);
            return;
        }
        peer.fail(now, floor);
        // With a link that came meanwhile there is nothing to tell.
        if peer.used.is_some() || !peer.waiting.is_empty() {
            return;
        }
        match failure {
            Failure::ConnectionRefused | Failure::TurnedAway(Code::NotMe, _) => {
                if !std::mem::replace(&mut peer.told_gone, true) {
                    self.actions.push_back(Action::Gone { peer: id });
                }
            }
            Failure::Unreachable | Failure::TurnedAway(Code::Draining, _) => self.suspect(id),
            Failure::TurnedAway(code, message) => {
                peer.next = Next::At(now + LONGEST_PAUSE);
                let told = peer.told_conflict.replace((code, message.clone()));
                if told.is_none_or(|(was, text)| was != code || text != message) {
                    self.actions.push_back(Action::Conflict { peer: id, code, message });
                }
            }
        }
    }

    /// A link broke, or the peer closed it.
    pub fn lost(&mut self, now: Instant, link: u64) {
        let Some(id) = self.links.remove(&link) else { return };
        let patience = if self.decides(id) { Duration::ZERO } else { AFTER_LOSS };
        let floor = self.floor(now, id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.used.take_if(|(used, _)| *used == link) {
            Some((_, since)) => {
                peer.dial_from = now + patience;
                if now.saturating_duration_since(since) >= LASTING {
                    peer.failures = 0;
                    peer.next = Next::At(now + patience);
                } else {
                    peer.fail(now, now + patience);
                }
                self.actions.push_back(Action::Lost { peer: id });
                self.suspect(id);
            }
            None => {
                peer.waiting.retain(|(waiting, _)| *waiting != link);
                peer.fail(now, floor);
            }
        }
        self.consider(now, id);
    }

    /// When the peer may be dialed at the earliest, by what it is to us.
    fn floor(&self, now: Instant, id: Uuid) -> Instant {
        match self.peers.get(&id) {
            Some(peer) if !self.decides(id) => peer.dial_from,
            _ => now,
        }
    }

    fn suspect(&mut self, id: Uuid) {
        if let Some(peer) = self.peers.get_mut(&id) {
            if !std::mem::replace(&mut peer.told_suspect, true) {
                self.actions.push_back(Action::Suspect { peer: id });
            }
        }
    }

    /// Whether a link with a peer is in use.
    pub fn is_linked(&self, id: Uuid) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.used.is_some())
    }

    /// When [`Settlement::on_time`] is due; at once if that has passed.
    pub fn deadline(&self) -> Option<Instant> {
        self.peers.values().filter_map(Peer::deadline).min()
    }

    /// Time has passed. `chance` (0 to 1) spreads the pauses, so that servers that failed together do
    /// not try together.
    pub fn on_time(&mut self, now: Instant, chance: f64) {
        let due: Vec<Uuid> = self
            .peers
            .iter()
            .filter(|(_, p)| p.deadline().is_some_and(|d| d <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let floor = self.floor(now, id);
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let stale = peer.waiting.iter().take_while(|(_, since)| *since + ADOPTION <= now).count();
            for (link, _) in peer.waiting.drain(..stale) {
                self.links.remove(&link);
                self.actions.push_back(Action::Close { link, why: Why::NotAdopted });
            }
            if stale > 0 {
                peer.fail(now, floor);
            }
            peer.draw(id, chance);
            self.consider(now, id);
        }
    }

    /// Dials a peer if it is time.
    fn consider(&mut self, now: Instant, id: Uuid) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.is_to_dial() && matches!(peer.next, Next::At(at) if at <= now) {
            peer.is_dialing = true;
            self.actions.push_back(Action::Dial { peer: id, addr: peer.addr });
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
}

impl Peer {
    fn is_to_dial(&self) -> bool {
        self.is_wanted && !self.is_dialing && self.used.is_none() && self.waiting.is_empty()
    }

    /// One more failure: the next dial comes after a pause.
    fn fail(&mut self, now: Instant, floor: Instant) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.next = Next::Draw { since: now, pause, floor };
    }

    /// Half of a pause is certain, the other half is by chance, and not alike for peers that failed
    /// together.
    fn draw(&mut self, id: Uuid, chance: f64) {
        if let Next::Draw { since, pause, floor } = self.next {
            let own = (id.as_u128() % 1009) as f64 / 1009.0;
            let part = (chance + own).rem_euclid(1.0);
            let part = if part.is_finite() { part } else { 0.5 };
            self.next = Next::At(floor.max(since + pause.mul_f64(0.5 + part / 2.0)));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let dial = self.is_to_dial().then_some(match self.next {
            Next::At(at) => at,
            Next::Draw { since, .. } => since,
        });
        let adoption = self.waiting.first().map(|(_, since)| *since + ADOPTION);
        dial.into_iter().chain(adoption).min()
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
