//! What is asked of the hub without being typed: who is in a channel, what it is about, what was said
//! before, how far the hub is, how many servers there are, what can be completed. And being away.

use super::super::completion::Wanted;
use super::super::conversation::{Kind, Person};
use super::super::entry::{millis, Looks, Said, What};
use super::{App, Away};
use hubbub_client::reply::{MessageInfo, TopicReply};

/// How often the round trip is measured and the servers are counted, in milliseconds. A guess: what
/// the eye takes for the present.
const EVERY: i64 = 5_000;
/// How often the people of the channel that is shown are asked for; of crowds ten times more rarely,
/// since the answer names all of them.
const PEOPLE_EVERY: i64 = 5_000;
/// How often the topic of the channel that is shown is asked for: nobody tells that it has changed.
const TOPIC_EVERY: i64 = 5_000;
/// From how many people on a channel is a crowd.
const CROWD: usize = 500;
/// How old a list may be from which something is completed.
const FRESH: i64 = 3_000;
/// Names that are kept for completion.
const MAX_KNOWN: usize = 10_000;

/// A question to the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// How long a round trip takes.
    Ping,
    /// Which servers there are.
    Servers,
    /// Which server a person is on.
    Where(String),
    /// Who is in a channel.
    People(String),
    /// What a channel is about.
    Topic(String),
    /// What was said in a channel; `again` after the connection was lost.
    Past {
        /// The channel.
        channel: String,
        /// Whether it fills gaps.
        again: bool,
    },
    /// Which channels there are.
    Channels,
    /// Who is connected.
    Clients,
    /// Which services there are.
    Services,
    /// Become away, with these words; the answer tells one's own welcome.
    Away(String),
    /// Set one's own welcome.
    Welcome(String),
}

impl Question {
    /// Whether it is about one channel, of which there may be many.
    pub fn may_wait(&self) -> bool {
        matches!(self, Question::Past { .. } | Question::Topic(_))
    }
}

/// An answer.
#[derive(Debug)]
#[allow(missing_docs)] // each is named after its question
pub enum Answer {
    Ping(u64),
    Servers(Vec<String>),
    Where(String, Option<String>),
    People(String, Vec<Person>),
    Topic(String, TopicReply),
    Past {
        channel: String,
        again: bool,
        messages: Vec<MessageInfo>,
    },
    Channels(Vec<String>),
    Clients(Vec<String>),
    Services(Vec<String>),
    Away {
        words: String,
        before: String,
    },
    /// Done, or not answered.
    Nothing(Question),
}

/// What can be completed, and when it was asked for.
#[derive(Debug, Default)]
pub struct Known {
    /// Channels.
    pub channels: Vec<String>,
    /// Persons.
    pub people: Vec<String>,
    /// Services.
    pub services: Vec<String>,
    /// The line and the place in it for which nothing was known when it was to be completed.
    pub(super) pending: Option<(String, usize)>,
    asked_at: [i64; 3],
    /// Which of the three lists are being asked for.
    waiting: [bool; 3],
}

/// When what is asked again and again was asked last.
#[derive(Debug, Default)]
pub struct Asked {
    ping: i64,
    pub(super) servers: i64,
}

impl App {
    pub(super) fn ask(&mut self, question: Question) {
        self.effect(super::Effect::Ask(question));
    }

    /// Asks what a channel is about, and what was said there.
    pub(super) fn ask_about(&mut self, channel: &str, again: bool) {
        self.ask(Question::Topic(channel.to_owned()));
        if self.config.history > 0 {
            self.ask(Question::Past { channel: channel.to_owned(), again });
        }
    }

    /// Asks what has not been asked for long. To be called some times a second.
    pub fn tick(&mut self) {
        let now = self.now;
        self.flash.take_if(|(_, until)| *until < now);
        self.bound();
        if let Some(idle) = self.config.away_after {
            let idle = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
            if self.away.is_none() && now - self.pressed_at >= idle && self.link.lost_at.is_none() {
                let since = (self.clock)(self.pressed_at).format("%H:%M");
                self.go_away(format!("away since {since}"));
            }
        }
        if self.link.lost_at.is_some() {
            return;
        }
        if now - self.asked.ping >= EVERY {
            self.asked.ping = now;
            self.link.waits_since = self.link.waits_since.or(Some(now));
            self.ask(Question::Ping);
        }
        if now - self.asked.servers >= EVERY {
            self.asked.servers = now;
            self.ask(Question::Servers);
        }
        let here = self.here();
        let every = if here.people.len() < CROWD { PEOPLE_EVERY } else { 10 * PEOPLE_EVERY };
        let due = now - here.people_at >= every && self.show_people && self.away.is_none();
        if let Some(channel) = here.channel().filter(|_| due) {
            self.here_mut().people_at = now;
            self.ask(Question::People(channel));
        }
        let due = now - self.here().topic_at >= TOPIC_EVERY && self.away.is_none();
        if let Some(channel) = self.here().channel().filter(|_| due) {
            self.here_mut().topic_at = now;
            self.ask(Question::Topic(channel));
        }
    }

    /// Asks for all topics that are shown from now on: one of them was changed from here.
    pub(super) fn topics_changed(&mut self) {
        self.conversations.iter_mut().for_each(|conversation| conversation.topic_at = 0);
    }

    /// Takes in an answer.
    pub fn answered(&mut self, answer: Answer) {
        let list = match answer {
            Answer::Channels(_) | Answer::Nothing(Question::Channels) => Some(0),
            Answer::Clients(_) | Answer::Nothing(Question::Clients) => Some(1),
            Answer::Services(_) | Answer::Nothing(Question::Services) => Some(2),
            _ => None,
        };
        if let Some(list) = list {
            self.known.waiting[list] = false;
        }
        match answer {
            Answer::Ping(us) => {
                self.link.latency_us = Some(us);
                self.link.waits_since = None;
            }
            Answer::Servers(alive) => self.link.alive = alive,
            Answer::Where(name, server) => self.found(&name, server),
            Answer::People(channel, mut people) => {
                people.sort();
                self.in_channel(&channel, |conversation| conversation.people = people);
            }
            Answer::Topic(channel, topic) => {
                self.in_channel(&channel, |conversation| conversation.topic = topic.topic);
            }
            Answer::Past { channel, again, messages } => self.past(&channel, again, messages),
            Answer::Channels(names) => self.known.channels = bounded(names),
            Answer::Clients(names) => self.known.people = bounded(names),
            Answer::Services(names) => self.known.services = bounded(names),
            Answer::Away { words, before } => {
                // Somebody may have come back meanwhile.
                match &mut self.away {
                    Some(away) => *away = Away { words, before: Some(before) },
                    None => self.ask(Question::Welcome(before)),
                }
            }
            Answer::Nothing(_) => {}
        }
        if list.is_some() {
            self.refresh_completion();
        }
    }

    /// It is known where a person is whom one wants to talk to: who has that name elsewhere is somebody
    /// else.
    fn found(&mut self, name: &str, server: Option<String>) {
        let Some(index) = self.person(name) else { return };
        let (now, conversation) = (self.now, &mut self.conversations[index]);
        match server {
            Some(server) if conversation.server.is_none() => conversation.server = Some(server),
            None if conversation.server.is_none() => {
                conversation.notice(now, format!("nobody is called {name} at present"));
            }
            _ => {}
        }
    }

    fn in_channel(&mut self, channel: &str, change: impl FnOnce(&mut super::Conversation)) {
        let is = |c: &super::Conversation| c.name() == channel && matches!(c.kind, Kind::Channel(_));
        if let Some(index) = self.conversations.iter().position(is) {
            change(&mut self.conversations[index]);
        }
    }

    fn past(&mut self, channel: &str, again: bool, messages: Vec<MessageInfo>) {
        let me = self.me.clone();
        let said = |message: MessageInfo| {
            let own = message.from == me.name && message.origin == me.origin;
            let said = Said {
                mention: !own && self.is_mention(message.data.get()),
                from: message.from.into(),
                data: message.data,
                channel: None,
                stamp: Some((message.origin.into(), message.seq)),
                own,
                looks: Looks::default(),
            };
            (millis(&message.at), What::Said(said))
        };
        let past: Vec<(i64, What)> = messages.into_iter().map(said).collect();
        self.in_channel(channel, |conversation| {
            conversation.scrollback.fetch(past, again);
        });
    }

    /// Asks for what is going to be completed, unless it is known.
    pub(super) fn ask_for_completion(&mut self, wanted: Wanted) {
        let (slot, question) = match wanted {
            Wanted::Channel => (0, Question::Channels),
            Wanted::Person => (1, Question::Clients),
            Wanted::Service => (2, Question::Services),
            _ => return,
        };
        if self.now - self.known.asked_at[slot] >= FRESH && self.link.lost_at.is_none() {
            self.known.asked_at[slot] = self.now;
            self.known.waiting[slot] = true;
            self.ask(question);
        }
    }

    /// Whether something that can be completed is being asked for.
    pub(super) fn is_asking(&self) -> bool {
        self.known.waiting.contains(&true)
    }

    /// There is no connection: what was to be asked is forgotten, and nothing is waited for.
    pub(super) fn ask_nothing(&mut self) {
        self.link.waits_since = None;
        self.known.waiting = [false; 3];
        self.effect(super::Effect::AskNothing);
    }

    /// Becomes away: the hub tells it to whoever looks or writes.
    pub(super) fn go_away(&mut self, words: String) {
        if self.away.is_none() {
            self.away = Some(Away { words: words.clone(), before: None });
            self.ask(Question::Away(words));
        }
    }

    /// Is there again.
    pub(super) fn be_back(&mut self) {
        // Where the hub has not answered yet, its answer brings the old welcome back.
        if let Some(before) = self.away.take().and_then(|away| away.before) {
            self.ask(Question::Welcome(before));
        }
    }
}

fn bounded(mut names: Vec<String>) -> Vec<String> {
    names.truncate(MAX_KNOWN);
    names
}
