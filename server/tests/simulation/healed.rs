//! What must be true again when everything is healed.

use crate::chaos::{CHANNELS, GROUPS};
use crate::people::Kind;
use crate::world::{trace, World, SEC};
use hubbub_server::cluster::tables::{ClientRow, Share, Table};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// How long all may take to agree again.
const AGREE: u64 = 10 * SEC;

impl World {
    /// Who is alive, which links there are, and what each knows of the others.
    fn agree(&self) -> Result<(), String> {
        let living = self.living();
        let id = |place: usize| self.process(place).map_or(Uuid::nil(), |process| process.id());
        let all: BTreeSet<Uuid> = living.iter().map(|place| id(*place)).collect();
        for &place in &living {
            let Some(process) = self.process(place) else { continue };
            let name = &self.places[place].name;
            let others = process.node.members().filter(|m| self.sees(place, m.member.id));
            let mut seen: BTreeSet<Uuid> = others.map(|m| m.member.id).collect();
            seen.insert(process.id());
            if seen != all {
                let shown: Vec<_> =
                    process.node.members().map(|m| (&m.member.name, m.member.pid, m.state)).collect();
                return Err(format!("{name} sees {shown:?}"));
            }
            let links: BTreeSet<Uuid> = process.hub.servers.peers.all().iter().map(|p| p.member.id).collect();
            if links.len() + 1 != all.len() || process.hub.servers.peers.all().len() != links.len() {
                return Err(format!("{name} has {} links, of {} others", links.len(), all.len() - 1));
            }
            for &other in living.iter().filter(|other| **other != place) {
                self.same_link(place, other)?;
                self.knows(place, other)?;
            }
        }
        Ok(())
    }

    fn wire(&self, place: usize, to: usize) -> Option<u64> {
        let (process, other) = (self.process(place)?, self.process(to)?);
        let peer = process.hub.servers.peers.of(other.id())?;
        process.links.get(&peer.link()).map(|(_, wire, _)| *wire)
    }

    fn same_link(&self, a: usize, b: usize) -> Result<(), String> {
        let wires = (self.wire(a, b), self.wire(b, a));
        match wires {
            (Some(here), Some(there)) if here == there => Ok(()),
            _ => Err(format!("{} and {} use wires {wires:?}", self.places[a].name, self.places[b].name)),
        }
    }

    /// What one knows of another is what is true there.
    fn knows(&self, place: usize, of: usize) -> Result<(), String> {
        let (Some(process), Some(other)) = (self.process(place), self.process(of)) else { return Ok(()) };
        let Some(peer) = process.hub.servers.peers.of(other.id()) else { return Err("no link".into()) };
        let what = format!("{} of {}", self.places[place].name, self.places[of].name);
        let copies = peer.copies.lock();
        let known: BTreeMap<String, Share> =
            copies.interest.sorted().into_iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        let patterns = other.hub.channels.patterns();
        let true_ones: BTreeMap<String, Share> = patterns
            .iter()
            .map(|pattern| (pattern.to_string(), other.hub.channels.share(pattern)))
            .filter(|(_, share)| !share.is_empty())
            .collect();
        if known != true_ones {
            return Err(format!("the interest that {what} knows is {known:?}, and true is {true_ones:?}"));
        }
        let known: BTreeSet<String> =
            copies.services.sorted().into_iter().map(|(k, v)| format!("{k} {v:?}")).collect();
        let true_ones: BTreeSet<String> =
            other.hub.services.offers().into_iter().map(|(k, v)| format!("{k} {v:?}")).collect();
        if known != true_ones {
            return Err(format!("the services that {what} knows are {known:?}, and true is {true_ones:?}"));
        }
        let mut clients: Table<ClientRow> = Table::default();
        for client in other.hub.clients.all() {
            let (ip, port) = (client.addr.ip(), client.addr.port());
            let row =
                ClientRow { name: client.name().to_string(), ip, port, since_ms: client.connected.unix_ms };
            clients.set(&client.id.to_string(), Some(row));
        }
        if process.hub.servers.peers.directory().digest(other.id()) != clients.digest() {
            return Err(format!("the clients that {what} knows are not those that there are"));
        }
        Ok(())
    }

    /// Everything at once: agreement, and then that what clients rely on holds again.
    pub fn check_healed(&mut self) {
        let took =
            self.until(AGREE, World::agree).unwrap_or_else(|why| panic!("no agreement in 10 s: {why}"));
        trace!(self, "all agree after {took}");
        self.run(SEC);
        self.agree().unwrap_or_else(|why| panic!("they agreed, and now: {why}"));
        self.check_watchers();
        self.check_topics();
        let probers: Vec<usize> =
            self.living().into_iter().map(|place| self.connect(place, Kind::Prober)).collect();
        for prober in &probers {
            self.people[*prober].keeps_replies = true;
        }
        self.run(SEC);
        self.check_probes(&probers);
        self.check_lists(&probers);
        self.check_services(&probers);
        self.run(SEC * 7 / 2);
        self.check_ledgers();
        assert!(self.checks.messages > 0, "nothing happened");
    }

    /// Every watcher knows who is connected: whoever is gone was told closed.
    fn check_watchers(&self) {
        let living = self.living();
        let open: BTreeSet<Uuid> = living
            .iter()
            .filter_map(|p| self.hub(*p))
            .flat_map(|hub| hub.clients.all())
            .map(|c| c.id)
            .collect();
        let named = |id: &Uuid| self.checks.people_by_id.get(id).copied();
        for place in living {
            let Some(process) = self.process(place) else { continue };
            for person in process.clients.values().filter(|p| self.people[**p].kind == Kind::Watcher) {
                let seen = &self.people[*person].seen.open;
                let told: BTreeSet<Uuid> =
                    seen.iter().filter(|(_, open)| **open).map(|(id, _)| *id).collect();
                // A watcher subscribes after it has come itself.
                let own = BTreeSet::from([self.people[*person].client.id]);
                let ghosts: Vec<_> = told.difference(&open).map(named).collect();
                let unseen: Vec<_> =
                    open.difference(&told).filter(|id| !own.contains(id)).map(named).collect();
                let name = &self.places[place].name;
                assert!(ghosts.is_empty(), "{name} was not told that clients {ghosts:?} are gone");
                assert!(unseen.is_empty(), "{name} was not told that clients {unseen:?} are there");
            }
        }
    }

    /// What channels are about is the same everywhere.
    fn check_topics(&self) {
        let topics = |place: usize| -> BTreeMap<String, Option<String>> {
            let kept = self.hub(place).map(|hub| hub.channels.kept()).unwrap_or_default();
            kept.into_iter().map(|(name, topic)| (name.to_string(), topic.map(|topic| topic.text))).collect()
        };
        for pair in self.living().windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|place| &self.places[place].name);
            assert_eq!(topics(pair[0]), topics(pair[1]), "topics of {a} and {b}");
        }
    }

    /// One message in each channel from each server reaches whom it should, once.
    fn check_probes(&mut self, probers: &[usize]) {
        for channel in CHANNELS {
            for &prober in probers {
                self.people.iter_mut().for_each(|person| person.probes.clear());
                let asked = self.ask(
                    prober,
                    &format!(
                        r#""op":"publish","channel":"{channel}","data":{{"p":{prober},"n":{}}}"#,
                        self.time
                    ),
                );
                self.run(SEC / 10);
                let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
                let mut expected = 0;
                for (number, person) in self.people.iter().enumerate().filter(|(_, p)| !p.is_gone) {
                    let subscriptions = person.client.subscriptions();
                    let is_subscribed = subscriptions.iter().any(|s| s.pattern.matches(channel));
                    let got = person.probes.len();
                    if let Kind::Member(group) = person.kind {
                        let group = groups.entry(group).or_default();
                        *group = (group.0 + usize::from(is_subscribed), group.1 + got);
                        continue;
                    }
                    expected += usize::from(is_subscribed);
                    assert_eq!(
                        got,
                        usize::from(is_subscribed),
                        "client {number} got {got} of one probe of {prober} in {channel}"
                    );
                }
                for group in GROUPS {
                    let (members, got) = groups.get(group).copied().unwrap_or_default();
                    assert_eq!(
                        got,
                        members.min(1),
                        "{group} has {members} members for {channel} and got {got}"
                    );
                    expected += members.min(1);
                }
                let reply = self.people[prober].replies.get(&asked).expect("a reply to the publish");
                let told = reply["ok"]["subscribers"].as_u64().expect("a number");
                // A client that is subscribed elsewhere by several patterns counts for each.
                assert!(told >= expected as u64, "{told} subscribers of {channel}, and there are {expected}");
            }
        }
    }

    fn ok(&self, person: usize, id: u64) -> &Value {
        let reply =
            self.people[person].replies.get(&id).unwrap_or_else(|| panic!("no reply {id} for {person}"));
        reply.get("ok").unwrap_or_else(|| panic!("client {person} was refused: {reply}"))
    }

    /// Lists show everything, once, on every server.
    fn check_lists(&mut self, probers: &[usize]) {
        let hubs: Vec<_> = self.living().into_iter().filter_map(|place| self.hub(place)).collect();
        for &prober in probers {
            let clients = self.ask(prober, r#""op":"clients""#);
            let whos: Vec<_> = CHANNELS
                .iter()
                .map(|c| (*c, self.ask(prober, &format!(r#""op":"who","channel":"{c}""#))))
                .collect();
            self.run(SEC / 4);
            let list = self.ok(prober, clients);
            assert!(
                list.get("missing").is_none_or(|m| m.as_array().is_some_and(Vec::is_empty)),
                "{}",
                list["missing"]
            );
            let rows = list["clients"].as_array().expect("rows");
            let mut ids: Vec<String> = rows.iter().map(|row| row["client_id"].to_string()).collect();
            ids.sort();
            let mut all: Vec<String> =
                hubs.iter().flat_map(|hub| hub.clients.all()).map(|c| format!("\"{}\"", c.id)).collect();
            all.sort();
            assert_eq!(ids.len(), all.len(), "clients lists another number than there is");
            assert!(ids == all, "clients lists others than there are");
            for (channel, who) in whos {
                let rows = self.ok(prober, who)["clients"].as_array().expect("rows").len();
                let is_in = |p: &&crate::people::Person| {
                    !p.is_gone && p.client.subscriptions().iter().any(|s| s.pattern.matches(channel))
                };
                assert_eq!(rows, self.people.iter().filter(is_in).count(), "who {channel}");
            }
        }
    }

    /// Whatever is offered anywhere answers, whoever asks.
    fn check_services(&mut self, probers: &[usize]) {
        let hubs: Vec<_> = self.living().into_iter().filter_map(|place| self.hub(place)).collect();
        let offered: BTreeSet<String> =
            hubs.iter().flat_map(|hub| hub.services.offers()).map(|(name, _)| name.to_string()).collect();
        for &prober in probers {
            let asked: Vec<u64> = offered
                .iter()
                .map(|service| {
                    let q = self.chance.u32(..);
                    self.ask(
                        prober,
                        &format!(
                            r#""op":"request","service":"{service}","timeout_ms":2000,"data":{{"q":{q}}}"#
                        ),
                    )
                })
                .collect();
            self.run(SEC / 2);
            for id in asked {
                self.ok(prober, id);
            }
        }
    }

    /// Nothing waits for ever.
    fn check_ledgers(&self) {
        for place in self.living() {
            let Some(hub) = self.hub(place) else { continue };
            assert_eq!(hub.services.counts().1, 0, "requests wait on {} for ever", hub.name());
            assert!(
                hub.servers.peers.questions.next_deadline().is_none(),
                "a question waits on {}",
                hub.name()
            );
        }
        for (number, person) in self.people.iter().enumerate().filter(|(_, person)| !person.is_gone) {
            assert!(person.waiting.is_empty(), "client {number} still waits: {:?}", person.waiting);
        }
    }
}
