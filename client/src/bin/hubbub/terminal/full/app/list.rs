//! The list of conversations: which there are, whom each of them means, and how many there may be.

use super::super::conversation::{Conversation, Kind};
use super::super::remember::Remembered;
use super::{App, Mode, Question};
use crate::terminal::line::Target;
use hubbub_shared::names::Pattern;

/// Conversations with persons. Whoever comes beyond that is shown among the hub's words, unless one
/// that was answered long ago and holds nothing can go.
const MAX_PERSONS: usize = 500;
/// Bytes of all conversations together. A guess: a day of a busy team, several times over.
const MAX_BYTES: usize = 128 << 20;

/// `NAME@SERVER` in its parts.
fn parts(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((bare, server)) => (bare, Some(server)),
        None => (name, None),
    }
}

impl App {
    /// Shows the conversation with somebody, if there is one.
    pub fn turn_to(&mut self, target: &Target) {
        match target {
            Target::Channel(name) => {
                if let Some(index) = self.channel(name) {
                    self.go(index);
                }
            }
            Target::Person(name) => {
                let index = self.open_person(name);
                // A name without a server is whoever has it now.
                if parts(name).1.is_none() {
                    self.conversations[index].server = None;
                    self.ask(Question::Where(name.clone()));
                }
                self.conversations[index].kept = true;
                self.go(index);
            }
        }
    }

    /// The conversation of a channel: its own, else the first pattern that covers it.
    pub fn channel(&self, name: &str) -> Option<usize> {
        let is = |conversation: &Conversation| match &conversation.kind {
            Kind::Channel(pattern) => pattern.as_str() == name,
            _ => false,
        };
        // Messages come in runs of one channel.
        if self.conversations.get(self.heard).is_some_and(is) {
            return Some(self.heard);
        }
        let covers = |conversation: &Conversation| match &conversation.kind {
            Kind::Channel(pattern) => pattern.matches(name),
            _ => false,
        };
        let all = || self.conversations.iter();
        all().position(is).or_else(|| all().position(covers))
    }

    /// The conversation with a person: one of that name on that server, or one that is not known to
    /// be on any; for a name alone the one that bears it.
    pub(super) fn person(&self, name: &str) -> Option<usize> {
        let (bare, server) = parts(name);
        let called = |c: &Conversation, name: &str| {
            c.kind.person().is_some_and(|person| person.eq_ignore_ascii_case(name))
        };
        let namesake =
            |c: &Conversation| c.kind.person().is_some_and(|p| parts(p).0.eq_ignore_ascii_case(bare));
        let all = || self.conversations.iter();
        match server {
            None => all().position(|c| called(c, bare)),
            Some(server) => all()
                .position(|c| namesake(c) && c.server.as_deref() == Some(server))
                .or_else(|| all().position(|c| called(c, name)))
                .or_else(|| all().position(|c| called(c, bare) && c.server.is_none())),
        }
    }

    /// The same; a new one if there is none.
    pub(super) fn open_person(&mut self, name: &str) -> usize {
        let (bare, server) = parts(name);
        let index = match self.person(name) {
            Some(index) => index,
            // Somebody else of that name is told apart.
            None if self.person(bare).is_some() => self.add(Kind::Person(name.to_owned())),
            None => self.add(Kind::Person(bare.to_owned())),
        };
        if let Some(server) = server {
            self.conversations[index].server = Some(server.to_owned());
        }
        index
    }

    /// The conversation for what a person wrote from a server. It is never one in which something is
    /// being typed to somebody else. `None` where there are too many.
    pub(super) fn person_who_wrote(&mut self, name: &str, server: Option<&str>) -> Option<usize> {
        let Some(server) = server else {
            return self.person(name).or_else(|| self.room_for_a_person().then(|| self.open_person(name)));
        };
        let full = format!("{name}@{server}");
        if let Some(index) = self.person(&full) {
            let c = &self.conversations[index];
            if c.server.as_deref() == Some(server) || c.draft.is_empty() {
                self.conversations[index].server = Some(server.to_owned());
                return Some(index);
            }
        }
        // Who wrote from a server that is no more comes from another one now.
        if let Some(index) = self.person(name) {
            let c = &self.conversations[index];
            let gone = c.server.as_ref().is_some_and(|before| !self.link.alive.contains(before));
            if gone && c.draft.is_empty() {
                let (now, words) = (self.now, format!("{name} writes from {server} now"));
                self.conversations[index].notice(now, words);
                self.conversations[index].server = Some(server.to_owned());
                return Some(index);
            }
        }
        if !self.room_for_a_person() {
            return None;
        }
        let index = match self.person(name) {
            Some(_) => self.add(Kind::Person(full)),
            None => self.add(Kind::Person(name.to_owned())),
        };
        self.conversations[index].server = Some(server.to_owned());
        Some(index)
    }

    /// Whether there may be one more; the one that was silent longest goes for it, if it holds nothing
    /// that anybody would miss.
    fn room_for_a_person(&mut self) -> bool {
        let person = |c: &Conversation| matches!(c.kind, Kind::Person(_));
        if self.conversations.iter().filter(|c| person(c)).count() < MAX_PERSONS {
            return true;
        }
        let idle = |c: &Conversation| person(c) && c.unread == 0 && c.draft.is_empty() && !c.kept;
        let all = self.conversations.iter().enumerate().filter(|(at, c)| idle(c) && *at != self.current);
        let oldest = all.min_by_key(|(_, c)| c.scrollback.last().map_or(0, |entry| entry.at));
        match oldest.map(|(at, _)| at) {
            Some(at) => self.remove(at),
            None => return false,
        }
        true
    }

    pub(super) fn add(&mut self, kind: Kind) -> usize {
        // Channels stand before persons.
        let channels = self.conversations.iter().take_while(|c| !matches!(c.kind, Kind::Person(_))).count();
        let index = if matches!(kind, Kind::Person(_)) { self.conversations.len() } else { channels };
        self.conversations.insert(index, Conversation::new(kind, self.config.scrollback));
        if index <= self.current {
            self.current += 1;
        }
        self.refresh_switcher();
        index
    }

    pub(super) fn remove(&mut self, index: usize) {
        if index == 0 || index >= self.conversations.len() {
            return;
        }
        let was_shown = index == self.current;
        let gone = self.conversations.remove(index);
        // What was being typed there can be had back.
        self.keep_typed(&gone.draft.text());
        if self.current >= index {
            self.current -= 1;
        }
        if was_shown {
            self.mode = Mode::Typing;
            self.here_mut().look();
        }
    }

    /// Takes in which patterns are subscribed to now. Gives the one that is new, if any is.
    pub fn joined(&mut self, patterns: &[Pattern]) -> Option<usize> {
        let left = |c: &Conversation| match &c.kind {
            Kind::Channel(pattern) => !patterns.contains(pattern),
            _ => false,
        };
        while let Some(index) = self.conversations.iter().position(left) {
            self.remove(index);
        }
        let mut new = None;
        for pattern in patterns {
            let kind = Kind::Channel(pattern.clone());
            if self.conversations.iter().any(|c| c.kind == kind) {
                continue;
            }
            let index = self.add(kind);
            new = Some(index);
            if let Some(channel) = self.conversations[index].channel() {
                self.ask_about(&channel, false);
            }
        }
        new
    }

    /// Closes the conversation with a person.
    pub fn forget(&mut self, person: &str) {
        if let Some(index) = self.person(person) {
            self.remove(index);
        }
    }

    /// Puts back what the last session left: persons, and who is to keep silent.
    pub fn restore(&mut self, left: &Remembered) {
        for name in &left.people {
            let index = self.open_person(name);
            self.conversations[index].kept = true;
            if parts(name).1.is_none() {
                self.ask(Question::Where(name.clone()));
            }
        }
        for conversation in &mut self.conversations {
            let label = conversation.label();
            conversation.muted = left.muted.contains(&label);
        }
    }

    /// What the next session will want to know: of persons those to whom one has talked.
    pub fn to_remember(&self) -> Remembered {
        let all = || self.conversations.iter();
        let channel = |c: &Conversation| match &c.kind {
            Kind::Channel(pattern) => Some(pattern.clone()),
            _ => None,
        };
        let person = |c: &Conversation| match c.target() {
            Some(Target::Person(name)) if c.kept => Some(name),
            _ => None,
        };
        Remembered {
            channels: all().filter_map(channel).collect(),
            people: all().filter_map(person).collect(),
            muted: all().filter(|c| c.muted).map(Conversation::label).collect(),
            current: Some(self.here().label()),
        }
    }

    /// Keeps all conversations together within bounds: the largest ones that are not shown forget.
    pub(super) fn bound(&mut self) {
        let size = |c: &Conversation| c.scrollback.bytes();
        let now = self.now;
        while self.conversations.iter().map(size).sum::<usize>() > MAX_BYTES {
            let others = self.conversations.iter_mut().enumerate().filter(|(at, _)| *at != self.current);
            let Some((_, largest)) = others.max_by_key(|(_, c)| size(c)) else { return };
            match largest.scrollback.len() {
                0 => return,
                1 => largest.clear(),
                _ => largest.scrollback.trim_to(size(largest) / 2),
            }
            largest.notice(now, "older messages were let go: all conversations have 128 MiB together");
        }
    }
}
