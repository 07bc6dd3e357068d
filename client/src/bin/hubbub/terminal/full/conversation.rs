//! One conversation: the hub's own words, a channel, or a person; what was said there, what of it is
//! unread, and what is being typed. Pure.

use super::super::line::Target;
use super::draft::Draft;
use super::entry::{Missing, Said, What};
use super::place::Place;
use super::scrollback::Scrollback;
use hubbub_shared::names::Pattern;

/// What the hub's own conversation is called: as no channel or person can be.
pub const HUB: &str = "(hub)";

/// What a conversation is with.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// The hub: notices, requests, and answers to what was asked there.
    Hub,
    /// A channel, or all channels of a pattern.
    Channel(Pattern),
    /// One person.
    Person(String),
}

/// Somebody in a channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Person {
    /// The name, in the case that it is sorted by.
    sorted: String,
    /// The name.
    pub name: String,
    /// The server that the person is connected to.
    pub server: String,
}

impl Person {
    /// Somebody.
    pub fn new(name: &str, server: &str) -> Self {
        Person { sorted: name.to_lowercase(), name: name.to_owned(), server: server.to_owned() }
    }
}

/// One conversation.
#[derive(Debug)]
pub struct Conversation {
    /// What it is with.
    pub kind: Kind,
    /// What was said.
    pub scrollback: Scrollback,
    /// Which part of it is seen.
    pub place: Place,
    /// Messages since it was looked at last.
    pub unread: u64,
    /// Those of them that name whoever reads it; in a conversation with one person all.
    pub mentions: u64,
    /// Whether it keeps silent.
    pub muted: bool,
    /// What the channel is about.
    pub topic: String,
    /// Who is in the channel, by name.
    pub people: Vec<Person>,
    /// When they were asked for last.
    pub people_at: i64,
    /// When the topic was asked for last.
    pub topic_at: i64,
    /// What is being typed.
    pub draft: Draft,
    /// The last entry that was there when it was left.
    pub read: Option<u64>,
    /// Messages that came and went too fast to be seen.
    pub skipped: u64,
    /// Messages that arrived since it was drawn last.
    pub fresh: u64,
    /// The server that the person is on, as far as it is known.
    pub server: Option<String>,
    /// Whether one has talked to the person: the next session opens it again.
    pub kept: bool,
}

impl Conversation {
    /// A new one, for so many lines.
    pub fn new(kind: Kind, lines: usize) -> Self {
        Conversation {
            kind,
            scrollback: Scrollback::new(lines),
            place: Place::Newest,
            unread: 0,
            mentions: 0,
            muted: false,
            topic: String::new(),
            people: Vec::new(),
            people_at: 0,
            topic_at: 0,
            draft: Draft::default(),
            read: None,
            skipped: 0,
            fresh: 0,
            server: None,
            kept: false,
        }
    }

    /// What it is called in the list.
    pub fn name(&self) -> &str {
        match &self.kind {
            Kind::Hub => HUB,
            Kind::Channel(pattern) => pattern.as_str(),
            Kind::Person(name) => name,
        }
    }

    /// A name that no other conversation has: a person may be called as a channel is.
    pub fn label(&self) -> String {
        match &self.kind {
            Kind::Person(name) => format!("@{name}"),
            _ => self.name().to_owned(),
        }
    }

    /// The one channel that it is, if it is one.
    pub fn channel(&self) -> Option<String> {
        match &self.kind {
            Kind::Channel(pattern) => pattern.to_channel().map(|channel| channel.as_str().to_owned()),
            _ => None,
        }
    }

    /// Whom plain lines go to.
    pub fn target(&self) -> Option<Target> {
        match &self.kind {
            Kind::Hub => None,
            Kind::Channel(_) => self.channel().map(Target::Channel),
            // Whoever wrote from another server is answered there: a bare name means this server's first.
            Kind::Person(name) => Some(Target::Person(match &self.server {
                Some(server) if !name.contains('@') => format!("{name}@{server}"),
                _ => name.clone(),
            })),
        }
    }

    /// Takes in what somebody said. `seen`: whether it is being looked at.
    pub fn said(&mut self, at: i64, said: Said, seen: bool) {
        let (own, mention) = (said.own, said.mention);
        if !self.scrollback.hear(at, said) {
            return;
        }
        self.fresh += 1;
        if !seen && !own {
            self.unread += 1;
            self.mentions += u64::from(mention);
        }
    }

    /// Takes in a notice.
    pub fn notice(&mut self, at: i64, text: impl Into<Box<str>>) {
        self.scrollback.push(at, What::Notice(text.into()));
    }

    /// Takes in that messages are missing.
    pub fn missed(&mut self, at: i64, origin: &str, missed: u64) -> bool {
        self.scrollback.miss(at, Missing { origin: origin.into(), missed, fetched: 0, words: None })
    }

    /// Takes in that nobody knows what was missed between two moments.
    pub fn cut_off(&mut self, at: i64, words: String) {
        let missing = Missing { origin: "".into(), missed: 0, fetched: 0, words: Some(words.into()) };
        self.scrollback.push(at, What::Gap(missing));
    }

    /// It is looked at: nothing is unread.
    pub fn look(&mut self) {
        self.unread = 0;
        self.mentions = 0;
    }

    /// It is left: what comes from now on is new.
    pub fn leave(&mut self) {
        self.read = self.scrollback.last().map(|entry| entry.id);
        self.skipped = 0;
    }

    /// Goes to the newest message.
    pub fn follow(&mut self) {
        self.place = Place::Newest;
        self.skipped = 0;
        self.look();
    }

    /// Forgets what was said.
    pub fn clear(&mut self) {
        self.scrollback.clear();
        self.follow();
    }

    /// Counts what was never on the screen, after a draw that showed this many messages.
    pub fn was_drawn(&mut self, messages: usize) {
        let fresh = std::mem::take(&mut self.fresh);
        if self.place.follows() {
            self.skipped += fresh.saturating_sub(messages as u64);
        }
    }
}

impl Kind {
    /// The name by which a person is known here.
    pub fn person(&self) -> Option<&str> {
        match self {
            Kind::Person(name) => Some(name),
            _ => None,
        }
    }
}
