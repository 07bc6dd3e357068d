//! Which subscription a message belongs to, and whether one was missed before it. Pure: the session
//! asks, queues take.
//!
//! The hub sends one copy of a message to a client however many of its patterns match, so it is
//! handed to every subscription here that covers the channel. What is found for a channel is kept
//! until the subscriptions change.

use crate::gaps::{Origins, Seen};
use crate::queue::Queue;
use crate::{Delivery, Gap};
use hubbub_shared::event::Message;
use hubbub_shared::names::Pattern;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Channels remembered at a time; over it all are forgotten, and the next message of each sets its
/// base anew. The hub's own default bound: a client that sees more has a wildcard over everything.
const MAX_CHANNELS: usize = 1 << 20;
/// Counts remembered, one for each channel and origin; over it each channel keeps the origin that it heard
/// last, and the next message of another sets its base anew. Every restart of a server is a new origin:
/// room for one more in each of the most channels, before those of servers that are gone have to go.
const MAX_COUNTS: usize = 2 * MAX_CHANNELS;
/// Gaps of different channels side by side in a full queue; over it they are added up. A guess.
const MAX_GAPS: usize = 64;

/// A subscription's number.
pub(crate) type Id = u64;

#[derive(Debug)]
pub(crate) struct Routes {
    subscriptions: HashMap<Id, Sub>,
    channels: HashMap<Box<str>, Channel>,
    /// Counts that were begun since they were last counted over, and those that there were then: never
    /// less than there are.
    counts: usize,
    max_counts: usize,
    /// Off for clients that do not get their own messages back: those are holes, too.
    find_gaps: bool,
}

#[derive(Debug)]
struct Sub {
    patterns: Vec<Pattern>,
    group: Option<String>,
    queue: Arc<Queue<Delivery>>,
    /// Whether the hub has confirmed it. Before that, a message may be left over from an earlier
    /// subscription, and would set a wrong base.
    confirmed: bool,
}

#[derive(Debug, Default)]
struct Channel {
    to: Vec<(Id, Arc<Queue<Delivery>>)>,
    /// How many of these are no members of a group. Members see holes by design.
    whole: usize,
    origins: Origins,
}

impl Routes {
    pub(crate) fn new(find_gaps: bool) -> Self {
        let (subscriptions, channels) = (HashMap::new(), HashMap::new());
        Routes { subscriptions, channels, counts: 0, max_counts: MAX_COUNTS, find_gaps }
    }

    /// Notes a subscription. It receives nothing before it is confirmed.
    pub(crate) fn add(
        &mut self,
        id: Id,
        patterns: Vec<Pattern>,
        group: Option<String>,
        queue: Arc<Queue<Delivery>>,
    ) {
        self.subscriptions.insert(id, Sub { patterns, group, queue, confirmed: false });
    }

    /// The hub has confirmed a subscription, for the first time or on a new connection.
    pub(crate) fn confirm(&mut self, id: Id) {
        let Some(sub) = self.subscriptions.get_mut(&id) else { return };
        sub.confirmed = true;
        // Channels without an entry find their subscriptions with their next message.
        for_each(&mut self.channels, &sub.patterns, |channel| channel.add(id, sub));
    }

    /// Ends a subscription, and returns the patterns that nobody else here holds.
    pub(crate) fn remove(&mut self, id: Id) -> Vec<Pattern> {
        let Some(sub) = self.subscriptions.remove(&id) else { return Vec::new() };
        sub.queue.end();
        for_each(&mut self.channels, &sub.patterns, |channel| channel.remove(id, &sub));
        if sub.patterns.iter().any(Pattern::is_wild) {
            self.channels.retain(|_, channel| !channel.to.is_empty());
        } else {
            for pattern in &sub.patterns {
                if self.channels.get(pattern.as_str()).is_some_and(|channel| channel.to.is_empty()) {
                    self.channels.remove(pattern.as_str());
                }
            }
        }
        sub.patterns.into_iter().filter(|p| self.holder(p).is_none()).collect()
    }

    /// The group under which a pattern is held already: the hub keeps one subscription for each.
    pub(crate) fn holder(&self, pattern: &Pattern) -> Option<Option<&str>> {
        let mut subs = self.subscriptions.values();
        subs.find(|sub| sub.patterns.contains(pattern)).map(|sub| sub.group.as_deref())
    }

    /// Every subscription with its patterns and group, to be asked for again on a new connection.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Id, &[Pattern], Option<&str>)> {
        self.subscriptions.iter().map(|(id, sub)| (*id, sub.patterns.as_slice(), sub.group.as_deref()))
    }

    /// Hands a message to whom it belongs, and returns the gap before it, if there is one.
    pub(crate) fn deliver(&mut self, message: Message) -> Option<Gap> {
        if self.counts >= self.max_counts {
            self.bound_counts();
        }
        if !self.channels.contains_key(message.channel.as_str()) {
            let mut channel = Channel::default();
            for (id, sub) in &self.subscriptions {
                if sub.confirmed && sub.patterns.iter().any(|p| p.matches(&message.channel)) {
                    channel.add(*id, sub);
                }
            }
            if channel.to.is_empty() {
                // Still under way when the subscription ended, or not confirmed yet.
                return None;
            }
            if self.channels.len() >= MAX_CHANNELS {
                self.channels.clear();
            }
            self.channels.insert(message.channel.as_str().into(), channel);
        }
        let channel = self.channels.get_mut(message.channel.as_str()).expect("inserted above");
        let before = channel.origins.len();
        let seen = match channel.whole {
            0 => Seen::Next,
            _ => channel.origins.see(&message.origin, message.seq),
        };
        self.counts += channel.origins.len() - before;
        let gap = match seen {
            Seen::Again => return None,
            Seen::After(missed) if self.find_gaps => Some(gap_before(&message, missed)),
            Seen::Next | Seen::After(_) => None,
        };
        let (last, others) = channel.to.split_last().expect("channels nobody wants have no entry");
        if let Some(gap) = &gap {
            for (id, queue) in &channel.to {
                if self.subscriptions.get(id).is_some_and(|sub| sub.group.is_none()) {
                    push_gap(queue, gap.clone());
                }
            }
        }
        for (_, queue) in others {
            push(queue, message.clone());
        }
        push(&last.1, message);
        gap
    }

    /// Counts what is remembered, and if it really is too much, forgets all origins but each channel's last.
    /// At least half of the room is free then, so that this costs next to nothing for each message.
    fn bound_counts(&mut self) {
        let origins = || self.channels.values().map(|channel| channel.origins.len());
        self.counts = origins().sum();
        if self.counts > self.max_counts / 2 {
            self.channels.values_mut().for_each(|channel| channel.origins.keep_last());
            self.counts = self.channels.len();
        }
    }

    /// Tells every subscription what became of the connection.
    pub(crate) fn mark(&self, connected: bool) {
        for sub in self.subscriptions.values() {
            sub.queue.mark(|items| mark(items, connected));
        }
    }

    /// Ends every subscription.
    pub(crate) fn end(&mut self) {
        for (_, sub) in self.subscriptions.drain() {
            sub.queue.end();
        }
        self.channels.clear();
    }
}

impl Channel {
    fn add(&mut self, id: Id, sub: &Sub) {
        if !self.to.iter().any(|(known, _)| *known == id) {
            self.to.push((id, sub.queue.clone()));
            self.whole += usize::from(sub.group.is_none());
        }
    }

    fn remove(&mut self, id: Id, sub: &Sub) {
        let before = self.to.len();
        self.to.retain(|(known, _)| *known != id);
        if self.to.len() < before && sub.group.is_none() {
            self.whole -= 1;
            if self.whole == 0 {
                self.origins.clear();
            }
        }
    }
}

/// Calls `change` for every known channel that one of the patterns covers.
fn for_each(
    channels: &mut HashMap<Box<str>, Channel>,
    patterns: &[Pattern],
    mut change: impl FnMut(&mut Channel),
) {
    for pattern in patterns {
        if pattern.is_wild() {
            channels.iter_mut().filter(|(name, _)| pattern.matches(name)).for_each(|(_, c)| change(c));
        } else if let Some(channel) = channels.get_mut(pattern.as_str()) {
            change(channel);
        }
    }
}

fn gap_before(message: &Message, missed: u64) -> Gap {
    Gap { channel: message.channel.clone(), origin: message.origin.clone(), missed }
}

fn push(queue: &Queue<Delivery>, message: Message) {
    if let Err(Delivery::Message(message)) = queue.push(Delivery::Message(message)) {
        push_gap(queue, gap_before(&message, 1));
    }
}

/// Puts a gap at the end of a queue, however full it is, joined with one that is there already.
fn push_gap(queue: &Queue<Delivery>, gap: Gap) {
    queue.mark(|items| {
        let mut gaps = 0;
        for item in items.iter_mut().rev().take(MAX_GAPS) {
            match item {
                Delivery::Gap(there) if there.channel == gap.channel && there.origin == gap.origin => {
                    there.missed += gap.missed;
                    return;
                }
                Delivery::Gap(_) => gaps += 1,
                _ => break,
            }
        }
        match items.back_mut() {
            Some(Delivery::Gap(there)) if gaps == MAX_GAPS => {
                let missed = there.missed + gap.missed;
                *there = Gap { channel: ">".into(), origin: String::new(), missed };
            }
            _ => items.push_back(Delivery::Gap(gap)),
        }
    });
}

/// Notes a loss or a return of the connection; outages that nobody has looked at yet become one, so
/// that a reader that is away does not collect them.
fn mark(items: &mut VecDeque<Delivery>, connected: bool) {
    let mut tail = items.iter().rev();
    match (connected, tail.next(), tail.next()) {
        (false, Some(Delivery::Disconnected), _) => {}
        (false, Some(Delivery::Reconnected), Some(Delivery::Disconnected)) => {
            items.pop_back();
        }
        (false, ..) => items.push_back(Delivery::Disconnected),
        (true, ..) => items.push_back(Delivery::Reconnected),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::queue::{queue, Receiver};
    use futures::{FutureExt, StreamExt};

    fn message(channel: &str, origin: &str, seq: u64) -> Message {
        let json = format!(
            r#"{{"channel":"{channel}","from":"bob","seq":{seq},"origin":"{origin}","at":"now","data":1}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn subscribe(routes: &mut Routes, id: Id, patterns: &[&str], group: Option<&str>) -> Receiver<Delivery> {
        let (sender, receiver) = queue(6, 1 << 20);
        let patterns: Vec<_> = patterns.iter().map(|p| Pattern::parse(p).unwrap()).collect();
        routes.add(id, patterns, group.map(str::to_owned), sender);
        routes.confirm(id);
        receiver
    }

    /// What has arrived, such as `ops 3`, `gap ops 2`, `off`, `on`.
    fn told(receiver: &mut Receiver<Delivery>) -> Vec<String> {
        std::iter::from_fn(|| receiver.next().now_or_never().flatten())
            .map(|delivery| match delivery {
                Delivery::Message(m) => format!("{} {}", m.channel, m.seq),
                Delivery::Gap(g) => format!("gap {} {}", g.channel, g.missed),
                Delivery::Disconnected => "off".into(),
                Delivery::Reconnected => "on".into(),
            })
            .collect()
    }

    #[test]
    fn one_copy_reaches_every_subscription_that_covers_it() {
        let mut routes = Routes::new(true);
        let mut exact = subscribe(&mut routes, 1, &["ops.eu"], None);
        let mut wild = subscribe(&mut routes, 2, &["ops.*", "ops.>"], None);
        let mut other = subscribe(&mut routes, 3, &["deploys"], None);
        routes.deliver(message("ops.eu", "a", 1));
        routes.deliver(message("ops.us", "a", 1));
        assert_eq!(told(&mut exact), ["ops.eu 1"]);
        assert_eq!(told(&mut wild), ["ops.eu 1", "ops.us 1"]);
        assert!(told(&mut other).is_empty());
    }

    #[test]
    fn holes_are_told_and_what_was_there_before_is_passed_over() {
        let mut routes = Routes::new(true);
        let mut sub = subscribe(&mut routes, 1, &[">"], None);
        assert_eq!(routes.deliver(message("ops", "a", 5)), None);
        let gap = routes.deliver(message("ops", "a", 8)).unwrap();
        assert_eq!((gap.channel.as_str(), gap.origin.as_str(), gap.missed), ("ops", "a", 2));
        routes.deliver(message("ops", "a", 8));
        assert_eq!(told(&mut sub), ["ops 5", "gap ops 2", "ops 8"]);
    }

    #[test]
    fn an_outage_is_a_gap_only_where_something_was_missed() {
        let mut routes = Routes::new(true);
        let mut sub = subscribe(&mut routes, 1, &["ops"], None);
        routes.deliver(message("ops", "a", 1));
        routes.mark(false);
        routes.mark(true);
        routes.deliver(message("ops", "a", 4));
        assert_eq!(told(&mut sub), ["ops 1", "off", "on", "gap ops 2", "ops 4"]);
        routes.deliver(message("ops", "a-restarted", 1));
        assert_eq!(told(&mut sub), ["ops 1"]);
        for connected in [false, true, false, true, false] {
            routes.mark(connected);
        }
        assert_eq!(told(&mut sub), ["off"], "outages that nobody looked at are one");
    }

    #[test]
    fn an_origin_counts_on_wherever_the_client_is_connected() {
        let mut routes = Routes::new(true);
        let (mut one, mut two) =
            (subscribe(&mut routes, 1, &["ops"], None), subscribe(&mut routes, 2, &[">"], None));
        for (origin, seq) in [("alpha", 1), ("beta", 7)] {
            routes.deliver(message("ops", origin, seq));
        }
        assert_eq!((told(&mut one).len(), told(&mut two).len()), (2, 2));
        routes.mark(false);
        routes.mark(true);
        for (origin, seq) in [("beta", 7), ("beta", 8), ("alpha", 4)] {
            routes.deliver(message("ops", origin, seq));
        }
        for sub in [&mut one, &mut two] {
            assert_eq!(told(sub), ["off", "on", "ops 8", "gap ops 2", "ops 4"]);
        }
    }

    #[test]
    fn origins_of_servers_that_are_gone_do_not_pile_up() {
        let mut routes = Routes::new(true);
        let mut sub = subscribe(&mut routes, 1, &[">"], None);
        routes.max_counts = 100;
        for run in 0..50 {
            for channel in 0..10 {
                routes.deliver(message(&format!("c{channel}"), &format!("alpha-{run}"), 1));
            }
            let counts: usize = routes.channels.values().map(|channel| channel.origins.len()).sum();
            assert!(counts <= 100 && counts <= routes.counts, "{counts} of {}", routes.counts);
        }
        told(&mut sub);
        routes.deliver(message("c3", "alpha-49", 3));
        assert_eq!(told(&mut sub), ["gap c3 1", "c3 3"], "what lives counts on");
    }

    #[test]
    fn members_of_a_group_see_holes_by_design() {
        let mut routes = Routes::new(true);
        let mut member = subscribe(&mut routes, 1, &["jobs"], Some("workers"));
        assert_eq!(routes.deliver(message("jobs", "a", 1)), None);
        assert_eq!(routes.deliver(message("jobs", "a", 9)), None);
        assert_eq!(told(&mut member), ["jobs 1", "jobs 9"]);
        let mut whole = subscribe(&mut routes, 2, &["jobs"], None);
        routes.deliver(message("jobs", "a", 20));
        routes.deliver(message("jobs", "a", 22));
        assert_eq!(told(&mut whole), ["jobs 20", "gap jobs 1", "jobs 22"]);
        assert_eq!(told(&mut member), ["jobs 20", "jobs 22"]);
    }

    #[test]
    fn a_new_subscription_starts_afresh_even_while_old_messages_are_under_way() {
        let mut routes = Routes::new(true);
        drop(subscribe(&mut routes, 1, &["ops"], None));
        routes.deliver(message("ops", "a", 1));
        assert_eq!(routes.remove(1), [Pattern::parse("ops").unwrap()]);
        assert!(routes.channels.is_empty());
        let (sender, mut receiver) = queue(4, 1 << 20);
        routes.add(2, vec![Pattern::parse("ops").unwrap()], None, sender);
        routes.deliver(message("ops", "a", 2));
        routes.confirm(2);
        routes.deliver(message("ops", "a", 7));
        assert_eq!(told(&mut receiver), ["ops 7"]);
    }

    #[test]
    fn a_pattern_is_given_up_with_its_last_holder() {
        let mut routes = Routes::new(true);
        let _first = subscribe(&mut routes, 1, &["ops", "deploys"], None);
        let _second = subscribe(&mut routes, 2, &["ops"], None);
        assert_eq!(routes.remove(1), [Pattern::parse("deploys").unwrap()]);
        assert_eq!(routes.remove(2), [Pattern::parse("ops").unwrap()]);
        assert!(routes.remove(2).is_empty());
    }

    #[test]
    fn a_reader_that_is_behind_is_told_what_it_lost() {
        let mut routes = Routes::new(true);
        let mut sub = subscribe(&mut routes, 1, &[">"], None);
        for seq in 1..=10 {
            routes.deliver(message("ops", "a", seq));
        }
        assert_eq!(told(&mut sub), ["ops 1", "ops 2", "ops 3", "ops 4", "ops 5", "ops 6", "gap ops 4"]);
        routes.deliver(message("ops", "a", 11));
        assert_eq!(told(&mut sub), ["ops 11"]);
        for n in 0..500 {
            routes.deliver(message(&format!("c{n}"), "a", 1));
        }
        let told = told(&mut sub);
        assert_eq!(told.len(), 6 + MAX_GAPS);
        assert_eq!(told.last().unwrap(), &format!("gap > {}", 494 - (MAX_GAPS - 1)));
    }

    #[test]
    fn without_an_echo_holes_mean_nothing() {
        let mut routes = Routes::new(false);
        let mut sub = subscribe(&mut routes, 1, &["ops"], None);
        routes.deliver(message("ops", "a", 1));
        assert_eq!(routes.deliver(message("ops", "a", 3)), None);
        routes.deliver(message("ops", "a", 3));
        assert_eq!(told(&mut sub), ["ops 1", "ops 3"]);
    }
}
