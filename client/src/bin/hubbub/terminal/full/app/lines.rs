//! What was typed, on its way to the hub, and what came of it.

use super::super::conversation::Kind;
use super::super::entry::{payload, What};
use super::super::safe::safe_line;
use super::{App, Confirm, Effect, Mode, Search, MAX_TYPED};
use crate::terminal::history::is_secret;
use crate::terminal::line::Target;
use crate::terminal::local::{Local, LocalOp};
use hubbub_shared::command::{Op, Verb};

/// What came of a line.
#[derive(Debug, Default)]
pub struct Came {
    /// The words of the hub's answer.
    pub lines: String,
    /// Why it was not done.
    pub failures: Vec<String>,
    /// Whether it may have been done all the same: there was no answer in time.
    pub perhaps: bool,
    /// To whom something was said, and what.
    pub told: Option<(String, String)>,
}

/// The word after the slash of a line, and the rest.
fn command_of(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix('/').filter(|rest| !rest.starts_with('/'))?;
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    Some((&rest[..end], rest[end..].trim()))
}

/// The hub's command that a line gives.
fn verb_of(line: &str) -> Option<Op> {
    Verb::find(command_of(line)?.0).map(|verb| verb.op)
}

impl App {
    /// Sends what is being typed, or asks first.
    pub(super) fn send_draft(&mut self) {
        let text = self.here().draft.text();
        if text.trim().is_empty() {
            self.here_mut().draft.take();
            return;
        }
        let lines = self.here().draft.lines().len();
        if lines > self.config.paste_lines {
            self.mode = Mode::Confirming(Confirm { text, lines });
            return;
        }
        self.send(text);
    }

    /// Sends what was asked about.
    pub(super) fn send_confirmed(&mut self) {
        if let Mode::Confirming(confirm) = std::mem::replace(&mut self.mode, Mode::Typing) {
            self.send(confirm.text);
        }
    }

    fn send(&mut self, line: String) {
        self.here_mut().draft.take();
        self.remember_line(&line);
        self.here_mut().follow();
        // What needs no hub waits for none.
        let local = command_of(&line).and_then(|(word, rest)| Some((Local::find(word)?, rest)));
        if let Some((row, rest)) =
            local.filter(|(row, rest)| row.full && !(row.needs_words() && rest.is_empty()))
        {
            return self.local(row.op, rest);
        }
        let line = self.about_here(line);
        let here = self.here();
        let (target, from) = (here.target(), here.kind.clone());
        if let Some(Target::Person(_)) = target {
            self.here_mut().kept = true;
        }
        self.effect(Effect::Line { line, target, from });
    }

    /// Says in full what is short for those who see the conversations: `/part` in one of a pattern, and
    /// `/msg NAME` for whom a conversation is with.
    fn about_here(&self, line: String) -> String {
        let Some((word, rest)) = command_of(&line) else { return line };
        match (verb_of(&line), &self.here().kind) {
            (Some(Op::Unsubscribe), Kind::Channel(pattern)) if rest.is_empty() => {
                format!("/{word} {pattern}")
            }
            (Some(Op::Msg), _) => {
                let (name, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let known = self.person(name).and_then(|index| self.conversations[index].target());
                match known {
                    Some(Target::Person(full)) if !text.is_empty() => format!("/{word} {full} {text}"),
                    _ => line,
                }
            }
            _ => line,
        }
    }

    fn remember_line(&mut self, line: &str) {
        if is_secret(line) {
            return;
        }
        if self.typed.last().is_none_or(|last| last != line) {
            self.typed.push(line.to_owned());
        }
        if self.typed.len() > MAX_TYPED {
            self.typed.remove(0);
        }
        // The file holds a line a line.
        if !line.contains('\n') {
            self.effect(Effect::Typed(line.to_owned()));
        }
    }

    /// Keeps a text that was typed and not sent, to be had back by the arrow keys.
    pub(super) fn keep_typed(&mut self, text: &str) {
        if !text.trim().is_empty() && !is_secret(text) && !self.typed.iter().any(|typed| typed == text) {
            self.typed.push(text.to_owned());
        }
    }

    /// Takes in what came of a line.
    pub fn came(&mut self, from: &Kind, line: &str, came: Came) {
        let there = self.conversations.iter().position(|c| c.kind == *from);
        // What was asked in a conversation that is closed is told among the hub's words.
        let index = there.unwrap_or(0);
        let now = self.now;
        if let Some(op) = verb_of(line) {
            if op == Op::Topic {
                self.topics_changed();
            }
            if matches!(op, Op::Who | Op::Subscribe | Op::Name) {
                self.conversations[index].people_at = 0;
            }
        }
        if let Some((to, text)) = &came.told {
            self.told(to, payload(text));
        }
        let lines = came.lines.trim_end_matches('\n');
        // The last line says `ok` and how many there are, as the hub's text does. Here it is read first.
        let (rows, last) = lines.rsplit_once('\n').map_or(("", lines), |(rows, last)| (rows, last));
        let last = last.strip_prefix("ok ").unwrap_or(last);
        let last = if last == "ok" { "" } else { last };
        if !rows.is_empty() {
            let text = format!("{last}\n{rows}");
            self.conversations[index].scrollback.push(now, What::Reply(text.into()));
        } else if !last.is_empty() {
            self.conversations[index].notice(now, last);
        }
        let plain = !line.starts_with('/') || line.starts_with("//");
        for failure in &came.failures {
            let words = match (plain, came.perhaps) {
                (true, true) => format!("{failure}: perhaps it was sent, perhaps not: {line}"),
                (true, false) => format!("{failure}; not sent: {line}"),
                (false, _) => failure.clone(),
            };
            self.conversations[index].scrollback.push(now, What::Error(words.into()));
        }
        if !plain || came.failures.is_empty() {
            return;
        }
        self.keep_typed(line);
        // What may have been sent is not put where one more Enter sends it again.
        if there.is_some() && !came.perhaps && self.conversations[index].draft.is_empty() {
            self.conversations[index].draft.set(line);
        }
    }

    /// Does what only the full screen knows how to do.
    pub fn local(&mut self, op: LocalOp, rest: &str) {
        match op {
            // These two are words for the hub in the end.
            LocalOp::Me | LocalOp::Query => {}
            LocalOp::Go => self.go_to(rest),
            LocalOp::Mute => self.mute(rest),
            LocalOp::Away => match (self.away.is_some(), rest.is_empty()) {
                (true, true) => self.be_back(),
                (_, true) => self.go_away("away".to_owned()),
                (_, false) => {
                    self.be_back();
                    self.go_away(rest.to_owned());
                }
            },
            LocalOp::Clear => self.here_mut().clear(),
            LocalOp::Search => {
                self.start_search();
                if let Mode::Searching(search) = &mut self.mode {
                    search.text = rest.to_owned();
                }
                self.search_further(true);
            }
            LocalOp::Keys => self.mode = Mode::Helping(0),
        }
    }

    /// A conversation by its name, or by its number in the list.
    fn named(&self, name: &str) -> Option<usize> {
        let name = name.trim_start_matches('#');
        let number = name.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let all = || self.conversations.iter();
        let exact = all().position(|c| c.label() == name || c.name() == name);
        let number = number.filter(|n| *n < self.conversations.len());
        exact.or_else(|| all().position(|c| c.name().eq_ignore_ascii_case(name))).or(number)
    }

    fn go_to(&mut self, name: &str) {
        match self.named(name) {
            Some(index) => self.go(index),
            None => {
                let words = format!(
                    "there is no conversation {}; /join a channel or /query a person",
                    safe_line(name)
                );
                let now = self.now;
                self.here_mut().scrollback.push(now, What::Error(words.into()));
            }
        }
    }

    /// Lets a conversation be silent, or no longer.
    pub(super) fn mute(&mut self, name: &str) {
        let index = if name.is_empty() { Some(self.current) } else { self.named(name) };
        let Some(index) = index else { return self.go_to(name) };
        let conversation = &mut self.conversations[index];
        conversation.muted = !conversation.muted;
        let words = if conversation.muted { "is silent now" } else { "may ring again" };
        let words = format!("{} {words}", conversation.name());
        self.flash(words);
    }

    pub(super) fn start_search(&mut self) {
        let before = self.here().place;
        self.mode = Mode::Searching(Search { before, ..Search::default() });
    }
}
