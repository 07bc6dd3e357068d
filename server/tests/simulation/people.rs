//! The clients: real sessions without sockets. What each is told is read line by line, and checked against
//! all that it was told before.

use crate::checks::Seen;
use crate::world::{trace, Event, World, MS};
use hubbub_server::buffers::Input;
use hubbub_server::connection::Talk;
use hubbub_server::hub::{Batch, Client};
use hubbub_server::outbox::{Chunk, Next};
use hubbub_server::session::Session;
use hubbub_shared::names::Pattern;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

/// What a client is there for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// It subscribes plainly, publishes, asks and offers.
    Plain,
    /// It subscribes as a member of a group alone.
    Member(&'static str),
    /// It watches what servers tell of clients.
    Watcher,
    /// It asks and publishes when all is healed.
    Prober,
}

/// One client.
pub struct Person {
    pub place: usize,
    pub boot: u64,
    pub kind: Kind,
    pub client: Arc<Client>,
    pub is_gone: bool,
    /// What it was ever subscribed to.
    pub ever: Vec<Pattern>,
    pub services: BTreeSet<String>,
    /// Commands that wait for their reply, with what was sent.
    pub waiting: BTreeMap<u64, String>,
    /// Replies, once it keeps them.
    pub replies: BTreeMap<u64, Value>,
    pub keeps_replies: bool,
    /// Messages of the last probe that it was sent.
    pub probes: Vec<Value>,
    pub seen: Seen,
    session: Session,
    last_id: u64,
    /// How many it published, by channel.
    published: BTreeMap<&'static str, u64>,
}

impl World {
    /// A client connects.
    pub fn connect(&mut self, place: usize, kind: Kind) -> usize {
        let now = self.now(place);
        let hub = self.hub(place).expect("it lives");
        let number = self.people.len();
        let addr = SocketAddr::from(([192, 0, 2, place as u8], 10_000 + (number % 50_000) as u16));
        let mut batch = Batch::new(now);
        let client = hub.open(addr, None, &mut batch);
        let process = self.process_mut(place).expect("it lives");
        process.clients.insert(client.key, number);
        let boot = process.boot;
        self.people.push(Person {
            place,
            boot,
            kind: kind.clone(),
            client: client.clone(),
            is_gone: false,
            ever: Vec::new(),
            services: BTreeSet::new(),
            waiting: BTreeMap::new(),
            replies: BTreeMap::new(),
            keeps_replies: false,
            probes: Vec::new(),
            seen: Seen::default(),
            session: Session::new(client.clone(), now),
            last_id: 0,
            published: BTreeMap::new(),
        });
        self.checks.people_by_id.insert(client.id, number);
        trace!(self, "client {number} connects to {} as {:?}", hub.name(), kind);
        self.hand_over(place, batch);
        number
    }

    /// What a new server's own watcher does first, before there are links.
    pub fn watch(&mut self, place: usize) {
        let watcher = self.connect(place, Kind::Watcher);
        let channels = r#"["$sys.client.opened","$sys.client.closed","$sys.server.down"]"#;
        self.ask(watcher, &format!(r#""op":"subscribe","channels":{channels}"#));
        for channel in ["$sys.client.opened", "$sys.client.closed", "$sys.server.down"] {
            self.people[watcher].ever.push(Pattern::parse(channel).expect("a channel"));
        }
    }

    /// A client sends a command with an id; the id.
    pub fn ask(&mut self, person: usize, command: &str) -> u64 {
        let who = &mut self.people[person];
        who.last_id += 1;
        let id = who.last_id;
        who.waiting.insert(id, command.to_owned());
        self.say(person, &format!("{{{command},\"id\":{id}}}\n"));
        id
    }

    /// A client sends some lines.
    pub fn say(&mut self, person: usize, lines: &str) {
        let place = self.people[person].place;
        let now = self.now(place);
        let who = &self.people[person];
        if who.is_gone || who.client.is_gone() {
            return;
        }
        let Some(process) = self.places[place].process.as_mut() else { return };
        if process.stands_still {
            return process.held.push(Event::Say(person, lines.to_owned()));
        }
        let hub = process.hub.clone();
        trace!(self, "client {person} says {}", lines.trim_end());
        let (mut batch, who) = (Batch::new(now), &mut self.people[person]);
        let used = who.session.handle(&hub, &mut batch, Input::Lent(lines.as_bytes()));
        assert_eq!(used, lines.len(), "a batch of a few lines ended early");
        self.hand_over(place, batch);
    }

    /// A client goes.
    pub fn leave(&mut self, person: usize) {
        let who = &mut self.people[person];
        who.is_gone = true;
        let place = who.place;
        let now = self.now(place);
        let Some(hub) = self.hub(place) else { return };
        trace!(self, "client {person} goes");
        let mut batch = Batch::new(now);
        self.people[person].session.left("closed by client", &hub, &mut batch);
        let key = self.people[person].client.key;
        self.hand_over(place, batch);
        if let Some(process) = self.process_mut(place) {
            process.clients.remove(&key);
        }
    }

    /// A client publishes some messages at once.
    pub fn publish(&mut self, person: usize, channel: &'static str, messages: u64) {
        let who = &mut self.people[person];
        let mut lines = String::new();
        for _ in 0..messages {
            let n = who.published.entry(channel).or_default();
            *n += 1;
            lines.push_str(&format!(
                "{{\"op\":\"publish\",\"channel\":\"{channel}\",\"data\":{{\"p\":{person},\"n\":{n}}}}}\n"
            ));
        }
        self.say(person, &lines);
    }

    /// Reads what a client was sent.
    pub fn show(&mut self, place: usize, client: &Arc<Client>) {
        let person = self.process(place).and_then(|process| process.clients.get(&client.key)).copied();
        let (mut bytes, mut spent) = (Vec::new(), Chunk::default());
        let is_over = loop {
            match client.outbox.next(spent) {
                Next::Nothing => break false,
                Next::Ended => break true,
                Next::Chunk(chunk) => {
                    chunk.all().iter().for_each(|slice| bytes.extend_from_slice(slice));
                    spent = chunk;
                }
            }
        };
        let Some(person) = person else { return };
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let said: Value = serde_json::from_slice(line).unwrap_or_else(|e| {
                panic!("client {person} was sent {}: {e}", String::from_utf8_lossy(line))
            });
            self.told(person, said);
        }
        if is_over {
            self.people[person].is_gone = true;
        }
    }

    fn told(&mut self, person: usize, said: Value) {
        if let Some(re) = said.get("re") {
            return self.replied(person, re.as_u64(), &said);
        }
        match said["event"].as_str().unwrap_or_default() {
            "message" => self.received(person, said),
            "direct" => self.received_direct(person, &said),
            "request" => self.requested(person, &said),
            event => trace!(self, "client {person} is told {event}: {}", said["message"]),
        }
    }

    fn replied(&mut self, person: usize, re: Option<u64>, said: &Value) {
        let outcome = match said.get("error") {
            None => "ok".to_owned(),
            Some(error) => format!("{} {}", error["code"], error["message"]),
        };
        let who = &mut self.people[person];
        // What is published without an id has no reply unless it fails.
        let id = re.unwrap_or_else(|| panic!("client {person} was refused: {outcome}"));
        if id == 0 {
            return trace!(self, "client {person} has responded: {outcome}");
        }
        let Some(command) = who.waiting.remove(&id) else {
            panic!("client {person} got a second reply to {id}: {said}");
        };
        if who.keeps_replies {
            who.replies.insert(id, said.clone());
        }
        let again = said["ok"]["data"]["q"].as_u64();
        assert!(again.is_none_or(|q| command.contains(&format!("\"q\":{q}}}"))), "{command} got {said}");
        trace!(self, "client {person} has reply {id}: {outcome}");
    }

    /// A provider is asked; it answers after a while, or never.
    fn requested(&mut self, person: usize, said: &Value) {
        trace!(self, "client {person} is asked {}", said["data"]);
        let answers = self.is_calm || self.chance.u32(0..5) > 0;
        if answers {
            let (id, data) = (&said["request_id"], &said["data"]);
            let after = self.chance.u64(0..300 * MS);
            let line = format!("{{\"op\":\"respond\",\"request_id\":{id},\"data\":{data},\"id\":0}}\n");
            let place = self.people[person].place;
            self.later(place, after, Event::Say(person, line));
        }
    }
}
