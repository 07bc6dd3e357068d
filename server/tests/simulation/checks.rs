//! What may never happen, whatever the network does: checked with everything that a client or a server is
//! sent.

use crate::people::Kind;
use crate::world::{trace, World};
use hubbub_server::cluster::frame::Run;
use hubbub_shared::encoding::Payload;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

/// What one client has seen.
#[derive(Default)]
pub struct Seen {
    /// The last count, by origin and channel.
    last: HashMap<(String, String), u64>,
    /// The last number of a publisher's own, by publisher and channel.
    order: HashMap<(u64, String), u64>,
    /// What a watcher knows of clients: whether each is connected.
    pub open: BTreeMap<Uuid, bool>,
    /// Messages that it has missed, as their counts tell.
    pub holes: u64,
}

/// What all have seen together.
#[derive(Default)]
pub struct Checks {
    pub people_by_id: HashMap<Uuid, usize>,
    /// What was given to a group: its name, origin, channel, count.
    groups: HashSet<(&'static str, String, String, u64)>,
    direct: HashSet<u64>,
    pub last_direct: u64,
    /// How much was seen, so that a simulation in which nothing happens is noticed.
    pub messages: u64,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl World {
    /// A server was sent messages by another: they are of clients of that one alone.
    pub fn check_run(&self, run: &Run<'_>, from_boot: u64) {
        assert!(!run.channel.starts_with('$'), "{} is told between servers", run.channel);
        for item in &run.items {
            let (Payload::Json(raw) | Payload::Text(raw)) = item.payload;
            let data: Value = serde_json::from_str(raw).expect("what was published");
            let publisher = data["p"].as_u64().expect("a publisher") as usize;
            let boot = self.people[publisher].boot;
            assert_eq!(boot, from_boot, "run {from_boot} sent what run {boot} took: {raw}");
        }
    }

    /// A client received a message.
    pub fn received(&mut self, person: usize, said: Value) {
        let (channel, origin) = (text(&said["channel"]), text(&said["origin"]));
        let seq = said["seq"].as_u64().expect("a count");
        let data = &said["data"];
        self.checks.messages += 1;
        let who = &mut self.people[person];
        assert!(
            who.ever.iter().any(|pattern| pattern.matches(&channel)),
            "client {person} was never subscribed to {channel}"
        );
        let last = who.seen.last.insert((origin.clone(), channel.clone()), seq);
        assert!(
            last.is_none_or(|last| last < seq),
            "client {person} got {seq} after {last:?} of {origin} {channel}"
        );
        who.seen.holes += last.map_or(0, |last| seq - last - 1);
        if channel.starts_with("$sys") {
            return self.told_of(person, &channel, data);
        }
        let (publisher, n) =
            (data["p"].as_u64().expect("a publisher"), data["n"].as_u64().expect("a number"));
        trace!(self, "client {person} receives {channel} {seq} of {origin}: {publisher} {n}");
        let who = &mut self.people[person];
        let last = who.seen.order.insert((publisher, channel.clone()), n);
        assert!(last.is_none_or(|last| last < n), "client {person} got {n} of {publisher} after {last:?}");
        if let Kind::Member(group) = who.kind {
            let is_first = self.checks.groups.insert((group, origin.clone(), channel.clone(), seq));
            assert!(is_first, "{group} got {origin} {channel} {seq} twice");
        }
        if self.is_calm {
            self.people[person].probes.push(said);
        }
    }

    /// A watcher is told of a client.
    fn told_of(&mut self, person: usize, channel: &str, data: &Value) {
        let Some(id) = data["client_id"].as_str().and_then(|id| Uuid::parse_str(id).ok()) else { return };
        let whom = self.checks.people_by_id.get(&id).copied();
        trace!(self, "watcher {person} hears {channel} of {whom:?}: {}", data["reason"]);
        let is_open = channel == "$sys.client.opened";
        let whom = whom.map_or("a client that is just coming".to_owned(), |n| format!("client {n}"));
        let was_open = self.people[person].seen.open.insert(id, is_open);
        assert!(was_open != Some(is_open), "watcher {person} was told twice in a row: {channel} of {whom}");
        assert!(
            is_open || was_open.is_some(),
            "watcher {person} was told that {whom} closed, and not that it came"
        );
    }

    pub fn received_direct(&mut self, person: usize, said: &Value) {
        let number = said["data"]["d"].as_u64().expect("a number");
        trace!(self, "client {person} receives direct message {number}");
        assert!(self.checks.direct.insert(number), "direct message {number} came twice");
    }
}
