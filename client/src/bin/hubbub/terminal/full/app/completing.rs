//! Completion, the switcher, the search in what was typed, and the search in what was said.

use super::super::completion::{complete, wants, Cycle, Known as Words, Row};
use super::super::conversation::Kind;
use super::super::mention::find;
use super::super::picker::Picker;
use super::super::place::Place;
use super::{App, Mode};

impl App {
    /// Opens the popup, or completes the one thing that it can be.
    pub(super) fn complete(&mut self) {
        let rows = Row::table();
        let (line, at) = self.here().draft.line();
        let (line, at) = (line.to_owned(), at);
        self.ask_for_completion(wants(&line, at, &rows));
        let cycle = self.cycle(&line, at, &rows);
        self.known.pending = Some((line, at)).filter(|_| cycle.is_none() && self.is_asking());
        if let Some(mut cycle) = cycle {
            cycle.next();
            let (text, cursor) = cycle.apply();
            self.here_mut().draft.set_line(&text, cursor);
            // One candidate is no choice, unless more are being asked for.
            if cycle.candidates().len() > 1 || self.is_asking() {
                self.mode = Mode::Completing(cycle);
            }
        }
    }

    fn cycle(&self, line: &str, at: usize, rows: &[Row]) -> Option<Cycle> {
        let (channels, people) = (self.channel_names(), self.people_names());
        let known =
            Words { commands: rows, channels: &channels, people: &people, services: &self.known.services };
        complete(line, at, &known).map(|completion| Cycle::new(line, at, completion))
    }

    /// The answer to what was asked for a completion may add to it.
    pub(super) fn refresh_completion(&mut self) {
        let Mode::Completing(cycle) = &self.mode else {
            // Who has pressed the key and typed nothing since still wants it.
            let pending = self.known.pending.take();
            let (line, at) = self.here().draft.line();
            if matches!(self.mode, Mode::Typing) && pending.is_some_and(|p| (p.0.as_str(), p.1) == (line, at))
            {
                self.complete();
            }
            return;
        };
        let (chosen, (line, at)) = (cycle.current().cloned(), cycle.clone().revert());
        let Some(mut cycle) = self.cycle(&line, at, &Row::table()) else { return };
        for _ in 0..cycle.candidates().len() {
            cycle.next();
            if chosen.as_ref().is_none_or(|chosen| cycle.current().is_some_and(|c| c.text == chosen.text)) {
                break;
            }
        }
        self.mode = Mode::Completing(cycle);
    }

    /// Goes on in the popup.
    pub(super) fn cycle_on(&mut self, forwards: bool) {
        if let Mode::Completing(cycle) = &mut self.mode {
            if forwards {
                cycle.next();
            } else {
                cycle.previous();
            }
            let (text, cursor) = cycle.apply();
            self.here_mut().draft.set_line(&text, cursor);
        }
    }

    /// Closes the popup; what was typed comes back if it is not `taken`.
    pub(super) fn close_completion(&mut self, taken: bool) {
        if let Mode::Completing(mut cycle) = std::mem::replace(&mut self.mode, Mode::Typing) {
            if !taken {
                let (line, at) = cycle.revert();
                self.here_mut().draft.set_line(&line, at);
            }
        }
    }

    /// Channels that are joined, the present one first, then all others that are known.
    fn channel_names(&self) -> Vec<String> {
        let here = self.here().channel();
        let joined = self.conversations.iter().filter(|c| matches!(c.kind, Kind::Channel(_)));
        let joined = joined.map(|c| c.name().to_owned());
        unique(here.into_iter().chain(joined).chain(self.known.channels.iter().cloned()))
    }

    /// Who spoke here lately, who is here, whom one talks to, and who is known to be connected.
    fn people_names(&self) -> Vec<String> {
        let here = self.here();
        let spoke = here.scrollback.iter().rev().take(500).filter_map(|entry| match &entry.what {
            super::super::entry::What::Said(said) if !said.own => Some(said.from.to_string()),
            _ => None,
        });
        let there = here.people.iter().map(|person| person.name.clone());
        let persons = self.conversations.iter().filter_map(|c| c.kind.person()).map(str::to_owned);
        let known = self.known.people.iter().cloned();
        let others = spoke.chain(persons).chain(there).chain(known).filter(|name| *name != self.me.name);
        unique(others)
    }

    /// Opens the switcher: the one with the most to say first.
    pub(super) fn open_switcher(&mut self) {
        self.mode = Mode::Switching(Picker::new(self.switcher_names()));
    }

    /// The switcher's names while it is open: a conversation may have begun.
    pub(super) fn refresh_switcher(&mut self) {
        let names = self.switcher_names();
        if let Mode::Switching(picker) = &mut self.mode {
            picker.renew(names);
        }
    }

    fn switcher_names(&self) -> Vec<String> {
        let mut order: Vec<usize> = (0..self.conversations.len()).filter(|i| *i != self.current).collect();
        order.sort_by_key(|&index| {
            let c = &self.conversations[index];
            (std::cmp::Reverse((c.mentions > 0, c.unread > 0)), index)
        });
        order.push(self.current);
        order.iter().map(|&index| self.conversations[index].label()).collect()
    }

    /// Opens the search in what was typed.
    pub(super) fn open_recall(&mut self) {
        let lines = unique(self.typed.iter().rev().cloned());
        self.mode = Mode::Recalling(Picker::new(lines));
    }

    /// Takes what is chosen in a list.
    pub(super) fn take_picked(&mut self) {
        match std::mem::replace(&mut self.mode, Mode::Typing) {
            Mode::Switching(picker) => {
                if let Some(label) = picker.item() {
                    let index = self.conversations.iter().position(|c| c.label() == label);
                    self.go(index.unwrap_or(self.current));
                }
            }
            Mode::Recalling(picker) => {
                if let Some(line) = picker.item() {
                    let (line, before) = (line.to_owned(), self.here().draft.text());
                    self.keep_typed(&before);
                    self.here_mut().draft.set(&line);
                }
            }
            other => self.mode = other,
        }
    }

    /// Finds what is looked for further up, or further down.
    pub(super) fn search_further(&mut self, older: bool) {
        let (height, width) = (usize::from(self.screen.messages.height), self.screen.messages.width);
        let Mode::Searching(search) = &self.mode else { return };
        let (text, at) = (search.text.clone(), search.at);
        if text.is_empty() {
            return;
        }
        let scrollback = &self.here().scrollback;
        let from = at.and_then(|id| scrollback.index_of(id));
        let is_hit = |index: &usize| {
            scrollback.get(*index).is_some_and(|entry| find(&entry.plain(), &text, 0).is_some())
        };
        let hit = match (older, from) {
            (true, from) => (0..from.unwrap_or(scrollback.len())).rev().find(is_hit),
            (false, Some(from)) => (from + 1..scrollback.len()).find(is_hit),
            (false, None) => None,
        };
        let id = hit.and_then(|index| scrollback.get(index)).map(|entry| entry.id);
        if let Mode::Searching(search) = &mut self.mode {
            search.end = id.is_none();
            search.at = id.or(search.at);
        }
        if let Some(id) = id {
            let lay = self.lay(usize::from(width));
            let place = Place::showing(id, &self.here().scrollback, &lay, height);
            self.here_mut().place = place;
        }
    }

    /// What is looked for has changed: it is looked for from the newest on.
    pub(super) fn search_anew(&mut self, change: impl FnOnce(&mut String)) {
        let Mode::Searching(search) = &mut self.mode else { return };
        change(&mut search.text);
        search.at = None;
        search.end = false;
        let before = search.before;
        if search.text.is_empty() {
            self.here_mut().place = before;
        }
        self.search_further(true);
    }
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.filter(|name| seen.insert(name.clone())).collect()
}
