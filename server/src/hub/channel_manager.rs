//! All channels and wild patterns: who is subscribed to what, and what goes when there are too
//! many channels or too much is remembered.

use super::batch::Batch;
use super::channel::{Channel, Dead, Item, Keep, Published, Publisher, Run, Topic, Wanted};
use super::client::{Client, Subscription};
use super::matcher::Matcher;
use super::remote::{self, RemoteShares};
use crate::clock::Now;
use crate::cluster::tables::{self, Share};
use crate::cluster::Peer;
use dashmap::DashMap;
use hubbub_shared::limits::{Limits, MAX_GROUPS, MAX_KEPT_CHANNELS};
use hubbub_shared::names::{channel_str, is_hubs_own, is_inbox, Pattern};
use hubbub_shared::refusal::{Code, Refusal};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

/// Channels looked at when room is needed: bounds the time that one command may take. A guess.
const MAX_STEPS: usize = 4_096;

/// The patterns that somebody subscribed to or left since other servers were told. Nothing is written
/// down while nobody wants to know.
#[derive(Default)]
pub struct InterestLog {
    is_kept: AtomicBool,
    changed: Mutex<BTreeSet<Pattern>>,
}

impl InterestLog {
    /// Other servers want to know from now on.
    pub fn keep(&self) {
        self.is_kept.store(true, Ordering::Release);
    }

    /// Nobody wants to know any more.
    pub fn stop(&self) {
        self.is_kept.store(false, Ordering::Release);
        self.changed.lock().clear();
    }

    fn changed(&self, pattern: &Pattern) {
        if self.is_kept.load(Ordering::Acquire) && !is_servers_own(pattern.as_str()) {
            self.changed.lock().insert(pattern.clone());
        }
    }

    /// What changed since the last time.
    pub fn take(&self) -> BTreeSet<Pattern> {
        if !self.is_kept.load(Ordering::Acquire) {
            return BTreeSet::new();
        }
        std::mem::take(&mut *self.changed.lock())
    }
}

/// Whether each server has a channel of its own by that name, with what it tells its clients.
pub fn is_servers_own(name: &str) -> bool {
    is_hubs_own(name) && !is_inbox(name)
}

/// The channels and patterns of one server.
pub struct ChannelManager {
    by_name: DashMap<Arc<str>, Arc<Channel>, foldhash::fast::RandomState>,
    /// The wild patterns.
    pub matcher: Matcher,
    /// Every channel in the order in which it is asked whether it is still of use (a clock with a
    /// second chance).
    clock: Mutex<VecDeque<Arc<Channel>>>,
    history_bytes: AtomicIsize,
    /// The highest last count of a channel that is gone, and of an inbox: of these many go.
    last_seq: AtomicU64,
    last_inbox_seq: AtomicU64,
    subscriptions: AtomicU64,
    /// Who is subscribed on other servers, by channel: also to those that do not exist here.
    remote: DashMap<Arc<str>, RemoteShares, foldhash::fast::RandomState>,
    /// What changed here since other servers were told.
    pub interest: InterestLog,
    /// Channels that are kept for good: they stay.
    kept: AtomicUsize,
    max_channels: usize,
    max_history: isize,
    keep: Keep,
}

impl ChannelManager {
    /// No channels yet.
    pub fn new(limits: &Limits) -> Self {
        ChannelManager {
            by_name: DashMap::default(),
            matcher: Matcher::default(),
            clock: Mutex::default(),
            history_bytes: AtomicIsize::new(0),
            last_seq: AtomicU64::new(0),
            last_inbox_seq: AtomicU64::new(0),
            subscriptions: AtomicU64::new(0),
            remote: DashMap::default(),
            interest: InterestLog::default(),
            kept: AtomicUsize::new(0),
            max_channels: limits.max_channels,
            max_history: isize::try_from(limits.history_total_bytes).unwrap_or(isize::MAX),
            keep: Keep { messages: limits.history_messages, bytes: limits.history_bytes },
        }
    }

    /// The channel of a name, if it exists.
    pub fn find(&self, name: &str) -> Option<Arc<Channel>> {
        self.by_name.get(name.strip_prefix('#').unwrap_or(name)).map(|c| c.clone())
    }

    /// The channel of a name, which comes to be if it did not exist.
    pub fn open(&self, name: &str, now: Now) -> Result<Arc<Channel>, Refusal> {
        // What exists has a valid name: the grammar is checked only for what does not.
        if let Some(channel) = self.find(name) {
            return Ok(channel);
        }
        let name = channel_str(name)?;
        while self.by_name.len() >= self.max_channels {
            if !self.make_room() {
                return Err(Refusal::new(
                    Code::TooMany,
                    format!("this server has {} channels in use, and that is the most", self.max_channels),
                ));
            }
        }
        let name: Arc<str> = name.into();
        // Known from the start, and looked at again below: it may change meanwhile.
        let remote = self.remote.get(&name).map(|shares| shares.clone()).unwrap_or_default();
        let mut is_new = false;
        let entry = self.by_name.entry(name.clone()).or_insert_with(|| {
            is_new = true;
            let base = self.last_seq(&name).load(Ordering::Acquire);
            let channel = Channel::new(name, now.unix_ms, base);
            channel.set_remote(remote);
            Arc::new(channel)
        });
        let channel = entry.clone();
        drop(entry);
        if is_new {
            let mut clock = self.clock.lock();
            // Channels that went by themselves are still in line; they leave when they are many.
            if clock.len() > 2 * self.by_name.len() + MAX_STEPS {
                clock.retain(|c| !c.is_dead());
            }
            clock.push_back(channel.clone());
            drop(clock);
            if let Some(shares) = self.remote.get(&channel.name) {
                // Under the entry's lock, as in `set_remote`: the last one to set it has the latest.
                channel.set_remote(shares.clone());
            }
        }
        Ok(channel)
    }

    /// Publishes a run of messages to a channel; looks it up again if it has just gone.
    pub fn publish(
        &self,
        channel: &Arc<Channel>,
        publisher: &Publisher<'_>,
        items: &[Item<'_>],
        origin: &str,
        batch: &mut Batch,
    ) -> Result<Published, Refusal> {
        let keep = if is_inbox(&channel.name) { Keep { messages: 0, bytes: 0 } } else { self.keep };
        let mut channel = channel.clone();
        loop {
            match channel.publish(publisher, items, origin, &self.matcher, keep, batch) {
                Ok(published) => {
                    let grew = published.history_grew;
                    if grew != 0
                        && self.history_bytes.fetch_add(grew, Ordering::Relaxed) + grew > self.max_history
                    {
                        self.trim_history();
                    }
                    return Ok(published);
                }
                Err(Dead) => channel = self.reopen(&channel, batch.now)?,
            }
        }
    }

    /// Queues a run that another server took to the subscribers here; how many those are.
    pub fn deliver(&self, run: &Run<'_>, wanted: Wanted<'_>, batch: &mut Batch) -> Result<u64, Refusal> {
        let mut channel = self.open(run.channel, batch.now)?;
        loop {
            match channel.deliver(run, wanted, &self.matcher, batch) {
                Ok(receivers) => return Ok(receivers),
                Err(Dead) => channel = self.reopen(&channel, batch.now)?,
            }
        }
    }

    /// What another server wants of a channel or pattern.
    pub fn set_remote(&self, pattern: &Pattern, peer: &Arc<Peer>, share: Option<Share>) {
        if pattern.is_wild() {
            return self.matcher.set_remote(pattern, peer, share);
        }
        let name: Arc<str> = pattern.as_str().into();
        let mut entry = self.remote.entry(name.clone()).or_default();
        remote::set(&mut entry, peer, share);
        if let Some(channel) = self.find(&name) {
            channel.set_remote(entry.clone());
        }
        let is_empty = entry.is_empty();
        drop(entry);
        if is_empty {
            self.remote.remove_if(&name, |_, shares| shares.is_empty());
        }
    }

    /// How many are subscribed to a channel or pattern here.
    pub fn share(&self, pattern: &Pattern) -> Share {
        if pattern.is_wild() {
            return self.matcher.share(pattern);
        }
        self.find(pattern.as_str()).map(|channel| channel.share()).unwrap_or_default()
    }

    /// Everyone here who would receive a message of a channel now, whether or not it exists here; `None`
    /// where it does not and nobody would.
    pub fn receivers(&self, name: &str) -> Option<Vec<Arc<Client>>> {
        if let Some(channel) = self.find(name) {
            return Some(channel.receivers(&self.matcher));
        }
        let mut by_key = BTreeMap::new();
        for node in self.matcher.matching(name).1 {
            by_key.extend(node.subscribers.read().everyone().map(|client| (client.key, client.clone())));
        }
        (!by_key.is_empty()).then(|| by_key.into_values().collect())
    }

    /// Everything that anybody may be subscribed to here, and that other servers are to know.
    pub fn patterns(&self) -> Vec<Pattern> {
        let channels = self.by_name.iter().filter(|c| !c.share().is_empty());
        let mut patterns: Vec<_> = channels.filter_map(|c| Pattern::parse(&c.name).ok()).collect();
        patterns.extend(self.matcher.all());
        patterns.retain(|pattern| !is_servers_own(pattern.as_str()));
        patterns
    }

    /// Channels that are kept for good, with their topics.
    pub fn kept(&self) -> Vec<(Arc<str>, Option<Topic>)> {
        self.by_name.iter().filter_map(|c| Some((c.name.clone(), c.kept()?))).collect()
    }

    /// Keeps a channel for good, with a topic where one is given; whether that changed anything.
    pub fn keep(&self, name: &str, topic: Option<&Topic>, now: Now) -> Result<bool, Refusal> {
        let mut channel = self.open(name, now)?;
        let is_new = channel.kept().is_none();
        if is_new && self.kept.load(Ordering::Relaxed) >= MAX_KEPT_CHANNELS {
            let message = format!("{MAX_KEPT_CHANNELS} channels are kept for good, and that is the most");
            return Err(Refusal::new(Code::TooMany, message));
        }
        loop {
            match channel.keep(topic.cloned()) {
                Ok(changed) => {
                    self.kept.fetch_add(usize::from(is_new), Ordering::Relaxed);
                    return Ok(changed);
                }
                Err(Dead) => channel = self.reopen(&channel, now)?,
            }
        }
    }

    /// Another server tells that a channel is kept, with its topic: the latest counts, and of two of
    /// one moment the greater text, so that all servers choose alike. Returns whether it was news.
    pub fn keep_latest(&self, name: &str, told: tables::Topic, now: Now) -> bool {
        let known = self.find(name).and_then(|channel| channel.kept()).flatten();
        let known = known.as_ref().map_or((0, ""), |topic| (topic.at_ms, topic.text.as_str()));
        let is_later = (told.at_ms, told.text.as_str()) > known;
        let tables::Topic { text, by, at_ms } = told;
        let topic = is_later.then_some(Topic { text, by, at_ms });
        self.keep(name, topic.as_ref(), now).unwrap_or_else(|refusal| {
            log::debug!(channel = name; "a channel of another server cannot be kept here: {refusal}");
            false
        })
    }

    /// Subscribes a client; an earlier subscription to the same is replaced.
    pub fn subscribe(
        &self,
        client: &Arc<Client>,
        pattern: Pattern,
        group: Option<Arc<str>>,
        max: usize,
        now: Now,
    ) -> Result<(), Refusal> {
        let full = || {
            let message = format!("a client has {max} subscriptions at the most; unsubscribe from one first");
            Refusal::new(Code::TooMany, message)
        };
        if !client.has_room_for(&pattern, max) {
            return Err(full());
        }
        if let Some(group) = &group {
            let groups = self.share(&pattern).groups;
            if groups.len() >= MAX_GROUPS && !groups.contains_key(&**group) {
                let message = format!("{pattern} has {MAX_GROUPS} groups, and that is the most");
                return Err(Refusal::new(Code::TooMany, message));
            }
        }
        // Opened before the client's own lock is taken, since it may have to make room.
        let literal = pattern.to_channel();
        let mut channel = literal.as_ref().map(|name| self.open(name.as_str(), now)).transpose()?;
        let new = Subscription { pattern: pattern.clone(), group: group.clone() };
        let mut failed = None;
        let entered = client.subscribe(new, max, |old| {
            match old {
                Some(old) => self.detach(client, old),
                None => {
                    self.subscriptions.fetch_add(1, Ordering::Relaxed);
                }
            }
            while let Some(opened) = &channel {
                if opened.subscribe(client, group.as_ref()).is_ok() {
                    return;
                }
                match self.reopen(opened, now) {
                    Ok(again) => channel = Some(again),
                    Err(refusal) => return failed = Some(refusal),
                }
            }
            self.matcher.subscribe(&pattern, client, group.as_ref());
        });
        if let Some(refusal) = failed {
            self.unsubscribe(client, &pattern);
            return Err(refusal);
        }
        self.interest.changed(&pattern);
        entered.map_err(|_| full())
    }

    /// Ends a subscription; whether there was one.
    pub fn unsubscribe(&self, client: &Client, pattern: &Pattern) -> bool {
        match client.unsubscribe(pattern) {
            Some(subscription) => {
                self.leave(client, &subscription);
                true
            }
            None => false,
        }
    }

    /// Takes a client out of what it was subscribed to, after its own record of it is gone.
    pub fn leave(&self, client: &Client, subscription: &Subscription) {
        self.subscriptions.fetch_sub(1, Ordering::Relaxed);
        self.detach(client, subscription);
        self.interest.changed(&subscription.pattern);
    }

    fn detach(&self, client: &Client, subscription: &Subscription) {
        let Subscription { pattern, group } = subscription;
        if pattern.is_wild() {
            self.matcher.unsubscribe(pattern, client, group.as_ref());
        } else if let Some(channel) = self.find(pattern.as_str()) {
            if channel.unsubscribe(client, group.as_ref(), self.last_seq(&channel.name)) {
                self.remove(&channel);
            }
        }
    }

    /// The channels of which a name is wanted, in the order of the alphabet, `most` at the most;
    /// and whether there are more.
    pub fn list(&self, most: usize, wanted: impl Fn(&str) -> bool) -> (Vec<Arc<Channel>>, bool) {
        let mut channels: Vec<_> =
            self.by_name.iter().filter(|c| wanted(&c.name)).map(|c| c.clone()).collect();
        let truncated = channels.len() > most;
        if truncated {
            channels.select_nth_unstable_by(most, |a, b| a.name.cmp(&b.name));
            channels.truncate(most);
        }
        channels.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        (channels, truncated)
    }

    /// Channels now.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Subscriptions now.
    pub fn subscriptions(&self) -> u64 {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// Memory of remembered messages now, in bytes.
    pub fn history_bytes(&self) -> u64 {
        self.history_bytes.load(Ordering::Relaxed).max(0) as u64
    }

    /// Where the last counts of channels of a kind are noted.
    fn last_seq(&self, name: &str) -> &AtomicU64 {
        if is_inbox(name) {
            &self.last_inbox_seq
        } else {
            &self.last_seq
        }
    }

    fn remove(&self, channel: &Arc<Channel>) {
        self.by_name.remove_if(&channel.name, |_, c| Arc::ptr_eq(c, channel));
    }

    fn reopen(&self, dead: &Arc<Channel>, now: Now) -> Result<Arc<Channel>, Refusal> {
        self.remove(dead);
        self.open(&dead.name, now)
    }

    /// Retires the channel that was unused for the longest; whether one was found.
    fn make_room(&self) -> bool {
        let mut clock = self.clock.lock();
        for _ in 0..MAX_STEPS.min(2 * clock.len()) {
            let Some(channel) = clock.pop_front() else { return false };
            match channel.retire(self.last_seq(&channel.name)) {
                Some(freed) => {
                    self.history_bytes.fetch_sub(freed as isize, Ordering::Relaxed);
                    self.remove(&channel);
                    return true;
                }
                None => clock.push_back(channel),
            }
        }
        false
    }

    /// Forgets the past of the channels that were unused for the longest.
    fn trim_history(&self) {
        let mut clock = self.clock.lock();
        for _ in 0..MAX_STEPS.min(2 * clock.len()) {
            let Some(channel) = clock.pop_front() else { return };
            let freed = channel.forget_past();
            if !channel.is_dead() {
                clock.push_back(channel);
            }
            if self.history_bytes.fetch_sub(freed as isize, Ordering::Relaxed) - freed as isize
                <= self.max_history
            {
                return;
            }
        }
    }
}
