//! Who is there, for the outside: runs that came and went. Owns the entries and decides which of
//! foca's notices are events; foca knows only addresses and generations.

use super::codec::Identity;
use super::{Event, State};
use crate::cluster::Member;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Those that went remain listed this long.
pub(super) const REMEMBERED: Duration = Duration::from_secs(3600);
/// At most so many of them: a cluster that restarts all of a large site.
const MAX_PAST: usize = 256;

pub(super) struct Entry {
    pub(super) member: Arc<Member>,
    pub(super) state: State,
    pub(super) since: Instant,
}

/// The entries: those who are there by address, as foca has them, and those who were.
#[derive(Default)]
pub(super) struct Roster {
    here: BTreeMap<SocketAddr, Entry>,
    past: VecDeque<Entry>,
}

impl Roster {
    /// A member is there. An event unless only its generation is new.
    pub(super) fn up(&mut self, id: &Identity, now: Instant) -> Option<Event> {
        if let Some(entry) = self.here.get_mut(&id.addr) {
            if entry.member.id == id.member.id {
                entry.member = id.member.clone();
                return None;
            }
        }
        self.past.retain(|entry| entry.member.id != id.member.id);
        let entry = Entry { member: id.member.clone(), state: State::Alive, since: now };
        self.here.insert(id.addr, entry);
        Some(Event::Up((*id.member).clone()))
    }

    /// Whoever was at an address is gone. The second result is a run to be forgotten.
    pub(super) fn down(
        &mut self,
        addr: SocketAddr,
        left: bool,
        now: Instant,
    ) -> (Option<Event>, Option<Uuid>) {
        let Some(mut entry) = self.here.remove(&addr) else { return (None, None) };
        let member = (*entry.member).clone();
        entry.state = if left { State::Left } else { State::Down };
        entry.since = now;
        self.past.push_back(entry);
        let forgotten = if self.past.len() > MAX_PAST { self.past.pop_front() } else { None };
        (Some(Event::Down { member, left }), forgotten.map(|entry| entry.member.id))
    }

    /// Forgets one that went long ago.
    pub(super) fn forget(&mut self, now: Instant) -> Option<Uuid> {
        let old = self.past.front().is_some_and(|entry| now >= entry.since + REMEMBERED);
        if old { self.past.pop_front() } else { None }.map(|entry| entry.member.id)
    }

    pub(super) fn at(&self, addr: SocketAddr) -> Option<&Entry> {
        self.here.get(&addr)
    }

    pub(super) fn has(&self, run: Uuid) -> bool {
        self.iter().any(|entry| entry.member.id == run)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.here.values().chain(&self.past)
    }
}
