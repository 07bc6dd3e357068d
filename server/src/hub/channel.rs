//! One channel: its count, topic, subscribers and last messages, behind its own lock.
//!
//! The lock is the channel's sequencer: counting, encoding and queueing of one run of messages
//! happen inside it, because receivers must see every origin's counts in order. Nothing is written
//! to a socket under it, and the only locks taken inside it are those of patterns and outboxes.

use super::batch::Batch;
use super::client::Client;
use super::fan_out::FanOut;
use super::history::{History, Record};
use super::matcher::{Matcher, PatternNode};
use super::remote::{self, RemoteShare, RemoteShares};
use super::subscribers::Subscribers;
use crate::buffers::Received;
use crate::cluster::tables::{self, Share};
use hubbub_shared::encoding::Payload;
use hubbub_shared::names::is_inbox;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Patterns that a channel remembers to be covered by; where there are more they are looked up for
/// each run, so that channels times patterns cannot fill the memory. A guess.
const MAX_MATCHED: usize = 256;

/// A channel.
pub struct Channel {
    /// Its name.
    pub name: Arc<str>,
    /// When it came to be, in milliseconds since 1970.
    pub created_ms: i64,
    /// What it counts from: over the last count of any channel that was retired, since this may be
    /// that channel again, and a count must not name two messages.
    base: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seq: u64,
    kept: bool,
    topic: Option<Box<Topic>>,
    subscribers: Option<Box<Subscribers>>,
    /// Who is subscribed on other servers, to just this channel.
    remote: Option<Box<RemoteShares>>,
    history: History,
    matched_at: Option<u64>,
    matched: Box<[Arc<PatternNode>]>,
    touched: bool,
    dead: bool,
}

/// What a channel is about.
#[derive(Debug, Clone)]
pub struct Topic {
    /// The text.
    pub text: String,
    /// Who set it.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

impl From<Topic> for tables::Topic {
    fn from(Topic { text, by, at_ms }: Topic) -> Self {
        tables::Topic { text, by, at_ms }
    }
}

/// One message on its way into a channel.
pub struct Item<'a> {
    /// The payload.
    pub payload: Payload<'a>,
    /// Headers, as JSON.
    pub headers: Option<&'a str>,
    /// The channel to answer on.
    pub reply: Option<Cow<'a, str>>,
    /// The command's id, for the reply to the publisher.
    pub id: Option<&'a str>,
}

/// Who publishes.
pub struct Publisher<'a> {
    /// The client, unless it is the hub itself.
    pub client: Option<&'a Arc<Client>>,
    /// The name that receivers see.
    pub name: &'a str,
    /// Whether it receives its own messages.
    pub echo: bool,
    /// What the payloads are parts of, where large ones may be kept by reference.
    pub received: Option<&'a Received>,
    /// For whom it is.
    pub reach: Reach,
}

/// How far a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the subscribers of this server: what each server tells its own.
    Server,
    /// To all subscribers.
    Cluster,
}

/// Consecutive messages of one publisher in one channel.
pub struct Run<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The count of the first message.
    pub first_seq: u64,
    /// The run of the server that took them.
    pub origin: &'a str,
    /// When.
    pub at: &'a str,
    /// Who published them.
    pub publisher: &'a Publisher<'a>,
    /// The messages.
    pub items: &'a [Item<'a>],
}

/// For whom a run is that another server took.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether for all who are plainly subscribed.
    pub plain: bool,
    /// The groups of which one member gets each message.
    pub groups: &'a [&'a str],
}

/// How much of the past is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Messages of a channel.
    pub messages: usize,
    /// Bytes of a channel.
    pub bytes: usize,
}

/// What became of a run of messages.
pub struct Published {
    /// The count of the first one.
    pub first_seq: u64,
    /// How many clients each was queued to.
    pub receivers: u64,
    /// How the memory of the channel's past changed, in bytes.
    pub history_grew: isize,
}

/// The channel was removed from the hub's table at this moment; look it up again.
#[derive(Debug)]
pub struct Dead;

impl Channel {
    /// A new channel.
    pub fn new(name: Arc<str>, created_ms: i64, base: u64) -> Self {
        let state = State { seq: base, ..State::default() };
        Channel { name, created_ms, base, state: Mutex::new(state) }
    }

    /// Counts, encodes and queues a run of messages of one publisher.
    pub fn publish(
        &self,
        publisher: &Publisher<'_>,
        items: &[Item<'_>],
        origin: &str,
        matcher: &Matcher,
        keep: Keep,
        batch: &mut Batch,
    ) -> Result<Published, Dead> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(Dead);
        }
        let first_seq = state.seq + 1;
        state.seq += items.len() as u64;
        state.touched = true;

        let looked_up = state.refresh_matched(&self.name, matcher);
        let state = &mut *state;
        let nodes: &[Arc<PatternNode>] = looked_up.as_deref().unwrap_or(&state.matched);
        let stamp = batch.stamp;
        let run = Run { channel: &self.name, first_seq, origin, at: stamp.as_str(), publisher, items };
        let mut fan_out = FanOut::new(&run, None, batch);
        let served = fan_out.local(state.subscribers.as_deref(), nodes);
        let mut receivers = fan_out.receivers;
        let exact: &[RemoteShare] = state.remote.as_deref().map_or(&[], Vec::as_slice);
        if publisher.reach == Reach::Cluster && (!exact.is_empty() || !nodes.is_empty()) {
            receivers += remote::send(&run, exact, nodes, |group| served.contains(group), batch);
        }
        let history_grew = state.remember(publisher, items, keep, batch.now.unix_ms);
        Ok(Published { first_seq, receivers, history_grew })
    }

    /// Queues a run that another server took to the subscribers here. It is counted and remembered
    /// where it was taken; and there is no way from here to another server.
    pub fn deliver(
        &self,
        run: &Run<'_>,
        wanted: Wanted<'_>,
        matcher: &Matcher,
        batch: &mut Batch,
    ) -> Result<u64, Dead> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(Dead);
        }
        state.touched = true;
        let looked_up = state.refresh_matched(&self.name, matcher);
        let nodes: &[Arc<PatternNode>] = looked_up.as_deref().unwrap_or(&state.matched);
        let mut fan_out = FanOut::new(run, Some(wanted), batch);
        fan_out.local(state.subscribers.as_deref(), nodes);
        Ok(fan_out.receivers)
    }

    /// Who is subscribed on other servers, from now on.
    pub fn set_remote(&self, shares: RemoteShares) {
        self.state.lock().remote = (!shares.is_empty()).then(|| Box::new(shares));
    }

    /// How many are subscribed to just this channel.
    pub fn share(&self) -> Share {
        self.state.lock().subscribers.as_deref().map(Subscribers::share).unwrap_or_default()
    }

    /// The topic and when it was set or taken away, if the channel is kept for good.
    pub fn kept(&self) -> Option<Option<Topic>> {
        let state = self.state.lock();
        state.kept.then(|| state.topic.as_deref().cloned())
    }

    /// Adds a subscriber.
    pub fn subscribe(&self, client: &Arc<Client>, group: Option<&Arc<str>>) -> Result<(), Dead> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(Dead);
        }
        state.subscribers.get_or_insert_default().add(client, group);
        Ok(())
    }

    /// Removes a subscriber. Returns whether the channel is of no use to anybody any more: never
    /// published to (or an inbox), created or described, and without subscribers. It is dead then,
    /// and its last count is noted.
    pub fn unsubscribe(&self, client: &Client, group: Option<&Arc<str>>, last_seq: &AtomicU64) -> bool {
        let mut state = self.state.lock();
        if let Some(subscribers) = state.subscribers.as_mut() {
            subscribers.remove(client, group);
            if subscribers.is_empty() {
                state.subscribers = None;
            }
        }
        let transient = state.seq == self.base || is_inbox(&self.name);
        if transient && state.is_idle() {
            last_seq.fetch_max(state.seq, Ordering::AcqRel);
            state.dead = true;
        }
        state.dead
    }

    /// Keeps the channel for good, with a topic where one is given. `Ok(false)` when it was kept
    /// before and no topic is given.
    pub fn keep(&self, topic: Option<Topic>) -> Result<bool, Dead> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(Dead);
        }
        let is_new = !std::mem::replace(&mut state.kept, true);
        let described = topic.is_some();
        if let Some(topic) = topic {
            // An empty one too: it is later than what other servers may still tell.
            state.topic = Some(Box::new(topic));
        }
        Ok(is_new || described)
    }

    /// The topic, if there is one.
    pub fn topic(&self) -> Option<Topic> {
        self.state.lock().topic.as_deref().filter(|topic| !topic.text.is_empty()).cloned()
    }

    /// Messages published since it came to be.
    pub fn messages(&self) -> u64 {
        self.state.lock().seq - self.base
    }

    /// Everyone who would receive a message now, once each.
    pub fn receivers(&self, matcher: &Matcher) -> Vec<Arc<Client>> {
        let nodes = matcher.matching(&self.name).1;
        let mut all: Vec<Arc<Client>> = Vec::new();
        if let Some(exact) = self.state.lock().subscribers.as_deref() {
            all.extend(exact.everyone().cloned());
        }
        for node in nodes {
            all.extend(node.subscribers.read().everyone().cloned());
        }
        all.sort_unstable_by_key(|c| c.key);
        all.dedup_by_key(|c| c.key);
        all
    }

    /// Shows the remembered messages, the oldest first, to a closure: count and record.
    pub fn past(&self, mut show: impl FnMut(u64, &Record<'_>)) {
        let state = self.state.lock();
        let oldest = state.seq + 1 - state.history.len() as u64;
        for (seq, record) in (oldest..).zip(state.history.iter()) {
            show(seq, &record);
        }
    }

    /// Takes the channel out of use if nobody needs it and nothing has happened to it since the
    /// last time it was asked. Returns the bytes given back. Its last count is noted before anybody
    /// can see that it is gone.
    pub fn retire(&self, last_seq: &AtomicU64) -> Option<usize> {
        let mut state = self.state.lock();
        if !state.dead && (std::mem::take(&mut state.touched) || !state.is_idle()) {
            return None;
        }
        last_seq.fetch_max(state.seq, Ordering::AcqRel);
        state.dead = true;
        let freed = state.history.memory();
        state.history.clear();
        Some(freed)
    }

    /// Forgets its past if nothing has happened to it since the last time it was asked. Returns the
    /// bytes given back.
    pub fn forget_past(&self) -> usize {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.touched) {
            return 0;
        }
        let freed = state.history.memory();
        state.history.clear();
        freed
    }

    /// Whether it is out of use.
    pub fn is_dead(&self) -> bool {
        self.state.lock().dead
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.subscribers.is_none() && !self.kept && self.topic.is_none()
    }

    /// Sees to it that `matched` holds the patterns that cover the channel, or returns them when
    /// they are too many to be remembered.
    fn refresh_matched(&mut self, name: &str, matcher: &Matcher) -> Option<Vec<Arc<PatternNode>>> {
        if self.matched_at == Some(matcher.version()) {
            return None;
        }
        let (version, nodes) = matcher.matching(name);
        if nodes.len() > MAX_MATCHED {
            (self.matched_at, self.matched) = (None, Box::default());
            return Some(nodes);
        }
        (self.matched_at, self.matched) = (Some(version), nodes.into_boxed_slice());
        None
    }

    /// Returns by how many bytes the memory grew.
    fn remember(&mut self, publisher: &Publisher<'_>, items: &[Item<'_>], keep: Keep, at_ms: i64) -> isize {
        let before = self.history.memory();
        for item in &items[items.len().saturating_sub(keep.messages)..] {
            let Item { payload, headers, .. } = *item;
            let shared = publisher.received.and_then(|received| received.share(payload.raw()));
            let record =
                Record { at_ms, from: publisher.name, payload, headers, reply: item.reply.as_deref() };
            self.history.push(&record, shared, keep.messages, keep.bytes);
        }
        self.history.memory() as isize - before as isize
    }
}
