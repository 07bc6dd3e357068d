//! One channel: its count, topic, subscribers and last messages, behind its own lock.
//!
//! The lock is the channel's sequencer: counting, encoding and queueing of one run of messages
//! happen inside it, because receivers must see every origin's counts in order. Nothing is written
//! to a socket under it, and the only locks taken inside it are those of patterns and outboxes.

use super::batch::Batch;
use super::client::Client;
use super::history::{History, Record};
use super::matcher::{Matcher, PatternNode};
use super::subscribers::{pick, Share, Subscribers};
use crate::block::Encoded;
use crate::buffers::Received;
use hubbub_shared::encoding::{MessageRef, Out, Payload};
use hubbub_shared::names::is_inbox;
use hubbub_shared::Encoding;
use indexmap::IndexMap;
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Patterns that a channel remembers to be covered by; where there are more they are looked up for
/// each run, so that channels times patterns cannot fill the memory. A guess.
const MAX_MATCHED: usize = 256;

/// Work of passing over a receiver, in the batch's measure.
const PASSED_OVER: usize = 64;

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
        let head = MessageRef {
            channel: &self.name,
            from: publisher.name,
            seq: first_seq,
            origin,
            at: stamp.as_str(),
            payload: Payload::Json("null"),
            via: None,
            headers: None,
            reply: None,
        };
        let mut fan_out = FanOut { head, items, publisher, batch, receivers: 0 };
        let exact = state.subscribers.as_deref();
        if nodes.is_empty() {
            if let Some(exact) = exact {
                fan_out.lanes(exact, None, |_| true);
                fan_out.groups(&[(exact, None)]);
            }
        } else {
            fan_out.overlapping(exact, nodes);
        }
        let receivers = fan_out.receivers;
        let history_grew = state.remember(publisher, items, keep, batch.now.unix_ms);
        Ok(Published { first_seq, receivers, history_grew })
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
            state.topic = (!topic.text.is_empty()).then(|| Box::new(topic));
        }
        Ok(is_new || described)
    }

    /// The topic.
    pub fn topic(&self) -> Option<Topic> {
        self.state.lock().topic.as_deref().cloned()
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

/// The n-th message of a run.
#[inline]
fn message<'a>(first: &MessageRef<'a>, n: usize, item: &'a Item<'_>, via: Option<&'a str>) -> MessageRef<'a> {
    MessageRef {
        seq: first.seq + n as u64,
        payload: item.payload,
        headers: item.headers,
        reply: item.reply.as_deref(),
        via,
        ..*first
    }
}

/// One run of messages on its way to its receivers.
struct FanOut<'a, 'b> {
    head: MessageRef<'a>,
    items: &'a [Item<'a>],
    publisher: &'a Publisher<'a>,
    batch: &'b mut Batch,
    receivers: u64,
}

impl FanOut<'_, '_> {
    fn is_left_out(&self, client: &Client) -> bool {
        !self.publisher.echo && self.publisher.client.is_some_and(|p| p.key == client.key)
    }

    /// Encodes some of the messages; large payloads by reference, where they are written as they came.
    fn encode(&mut self, encoding: Encoding, via: Option<&str>, range: Range<usize>) -> Encoded {
        let mut block = self.batch.block();
        for n in range {
            let message = message(&self.head, n, &self.items[n], via);
            // Its length first: whether it is written as it came is work to find out.
            let received = self.publisher.received.filter(|r| r.may_share(message.payload.raw().len()));
            let verbatim = received.and_then(|received| {
                let payload = encoding.verbatim(message.payload)?;
                Some((payload, received.share(payload)?))
            });
            match verbatim {
                Some((payload, shared)) => {
                    let at = encoding.push_around(&message, payload, block.out());
                    block.insert(at, shared.bytes);
                }
                None => encoding.push(&Out::Message(message), block.out()),
            }
        }
        Encoded::new(block)
    }

    /// Queues the run to its only receiver of a lane, encoded where it is queued.
    fn deliver_alone(&mut self, client: &Arc<Client>, encoding: Encoding, via: Option<&str>) {
        let (head, items) = (self.head, self.items);
        let queued = self.batch.write(client, items.len() as u64, |out| {
            for (n, item) in items.iter().enumerate() {
                encoding.push(&Out::Message(message(&head, n, item, via)), out);
            }
        });
        self.receivers += u64::from(queued);
    }

    /// Encodes the run once for each encoding that somebody speaks, and queues it to all of them
    /// for whom `first` says that they do not have it yet.
    fn lanes(
        &mut self,
        subscribers: &Subscribers,
        via: Option<&str>,
        mut first: impl FnMut(&Client) -> bool,
    ) {
        for encoding in Encoding::ALL {
            let lane = subscribers.lane(encoding);
            // Made for the first who needs it: of overlapping patterns most have nobody left.
            let mut block: Option<Encoded> = None;
            for client in lane.values() {
                if self.is_left_out(client) || !first(client) {
                    self.batch.worked(PASSED_OVER);
                } else if lane.len() == 1 && self.publisher.received.is_none() {
                    self.deliver_alone(client, encoding, via);
                } else {
                    let block = block.get_or_insert_with(|| self.encode(encoding, via, 0..self.items.len()));
                    let queued = self.batch.deliver(client, block, self.items.len() as u64);
                    self.receivers += u64::from(queued);
                }
            }
            if let Some(block) = block {
                self.batch.reuse(block);
            }
        }
    }

    /// The general case: a client receives one copy, however many of its patterns cover the
    /// channel; the channel's own subscribers come first, and without `via`.
    fn overlapping(&mut self, exact: Option<&Subscribers>, nodes: &[Arc<PatternNode>]) {
        let mut seen: HashSet<u64, foldhash::fast::RandomState> = HashSet::default();
        if let Some(exact) = exact {
            self.lanes(exact, None, |_| true);
        }
        let guards: Vec<_> = nodes.iter().map(|node| node.subscribers.read()).collect();
        for (node, subscribers) in nodes.iter().zip(&guards) {
            let first = |client: &Client| {
                !exact.is_some_and(|e| e.has(client)) && (nodes.len() == 1 || seen.insert(client.key))
            };
            self.lanes(subscribers, Some(node.pattern.as_str()), first);
        }
        let wild = nodes.iter().zip(&guards).map(|(node, guard)| (&**guard, Some(node.pattern.as_str())));
        let all: Vec<_> = exact.map(|exact| (exact, None)).into_iter().chain(wild).collect();
        self.groups(&all);
    }

    /// Gives each message to one member of each group. Groups of one name are one group, whatever
    /// pattern their members came by; who receives everything anyway is not given a share.
    fn groups(&mut self, sources: &[(&Subscribers, Option<&str>)]) {
        if sources.iter().all(|(subscribers, _)| subscribers.groups().is_empty()) {
            return;
        }
        let mut by_name: IndexMap<&str, Vec<Share<'_>>, foldhash::fast::RandomState> = IndexMap::default();
        for (subscribers, via) in sources {
            for group in subscribers.groups() {
                by_name.entry(&group.name).or_default().push((group, *via));
            }
        }
        for same in by_name.values() {
            let mut served = false;
            for n in 0..self.items.len() {
                let skip = |client: &Client| {
                    self.is_left_out(client)
                        || !client.outbox.is_open()
                        || sources.iter().any(|(s, _)| s.has(client))
                };
                let Some((member, via)) = pick(same, skip) else { break };
                let block = self.encode(member.encoding(), via, n..n + 1);
                served |= self.batch.deliver(member, &block, 1);
                self.batch.reuse(block);
            }
            self.receivers += u64::from(served);
        }
    }
}
