//! Tab: what the word at the cursor may become. It owns the rules by which commands, their
//! arguments, and names in running text are completed, and the state of the popup while one goes
//! through the candidates. Pure: the lists of names are given; it asks nobody.

use crate::terminal::local::{Local, LOCALS};
use hubbub_shared::command::{Arg, Kind, Op, Spoken, Verb, VERBS};

/// Candidates at the most. A popup shows a dozen; who sees fifty types another letter.
pub const MAX_CANDIDATES: usize = 50;

/// Letters from which on a match inside a word counts.
const MIN_INSIDE: usize = 2;

/// What an argument is the name of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A command, without its slash.
    Command,
    /// A channel.
    Channel,
    /// A client.
    Person,
    /// A service.
    Service,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Running text, up to the end of the line: people, `@people` and `#channels` by the way.
    Text,
    /// Something that cannot be known.
    Nothing,
}

/// One command, as completion sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its name, without the slash.
    pub name: &'a str,
    /// Other names, offered where they are typed.
    pub aliases: &'a [&'static str],
    /// What is written behind the name; empty for a command without arguments.
    pub usage: &'a str,
    /// One line of help.
    pub about: &'a str,
    /// What its arguments are, in order. [`Wanted::Text`] stands for all that follow.
    pub wants: Vec<Wanted>,
    /// Whether the last argument may be given many times.
    pub repeats: bool,
    /// Names of `name=VALUE` arguments, which are not counted among the others.
    pub flags: Vec<&'a str>,
}

impl Row<'static> {
    /// The row of a command of the hub.
    pub fn of(verb: &'static Verb) -> Self {
        Row {
            name: verb.name,
            aliases: verb.aliases,
            usage: verb.usage,
            about: verb.about,
            wants: (0..positional(verb).count()).map(|argument| wanted(verb, argument)).collect(),
            repeats: positional(verb).last().is_some_and(|arg| arg.kind == Kind::Words),
            flags: verb.args.iter().filter(|arg| arg.kind == Kind::Flag).map(|arg| arg.name).collect(),
        }
    }

    /// The row of a command of the terminal.
    fn local(local: &'static Local) -> Self {
        Row {
            name: local.name,
            aliases: local.aliases,
            usage: local.usage,
            about: local.about,
            wants: local.wants.to_vec(),
            ..Row::default()
        }
    }

    /// The rows of all commands that can be typed.
    pub fn table() -> Vec<Self> {
        let hub = VERBS.iter().filter(|verb| verb.spoken != Spoken::JsonOnly).map(Row::of);
        hub.chain(LOCALS.iter().map(Row::local)).collect()
    }
}

impl Row<'_> {
    fn is_called(&self, word: &str) -> bool {
        self.name.eq_ignore_ascii_case(word) || self.aliases.iter().any(|a| a.eq_ignore_ascii_case(word))
    }

    fn wanted(&self, argument: usize) -> Wanted {
        match (self.wants.get(argument), self.wants.last()) {
            (Some(wanted), _) => *wanted,
            (None, Some(Wanted::Text)) => Wanted::Text,
            (None, Some(last)) if self.repeats => *last,
            _ => Wanted::Nothing,
        }
    }

    fn is_flag(&self, word: &str) -> bool {
        word.split_once('=').is_some_and(|(name, _)| self.flags.iter().any(|f| f.eq_ignore_ascii_case(name)))
    }
}

/// The arguments that are told apart by their place.
fn positional(verb: &Verb) -> impl Iterator<Item = &Arg> {
    verb.args.iter().filter(|arg| !matches!(arg.kind, Kind::Flag | Kind::JsonOnly))
}

/// What the n-th argument of a command of the hub is, from 0, by the table.
pub fn wanted(verb: &Verb, argument: usize) -> Wanted {
    let repeated =
        positional(verb).last().filter(|arg| matches!(arg.kind, Kind::Words | Kind::Rest | Kind::Data));
    let Some(arg) = positional(verb).nth(argument).or(repeated) else { return Wanted::Nothing };
    match (arg.kind, arg.name, verb.op) {
        (Kind::Choice(choices), ..) => Wanted::Choice(choices),
        (Kind::Rest | Kind::Data, ..) => Wanted::Text,
        (_, "channel" | "channels", _) => Wanted::Channel,
        (_, "service", _) => Wanted::Service,
        (_, "to", _) | (_, "name", Op::Whois) => Wanted::Person,
        (_, "verb", Op::Help) => Wanted::Command,
        _ => Wanted::Nothing,
    }
}

/// What can be completed to. The names stand in the order in which they were last of use.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// All commands.
    pub commands: &'a [Row<'a>],
    /// Channels, without `#`.
    pub channels: &'a [String],
    /// Clients.
    pub people: &'a [String],
    /// Services.
    pub services: &'a [String],
}

/// One thing that the word may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is put in the place of the word.
    pub text: String,
    /// What stands beside it in the popup.
    pub about: String,
}

/// What the word at the cursor may become; there is at least one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The first byte of the line that is replaced.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
    /// The best first.
    pub candidates: Vec<Candidate>,
}

/// The word at the cursor, and what it is a part of.
struct Place<'a> {
    start: usize,
    end: usize,
    /// What was typed of the word before the cursor.
    typed: &'a str,
    asked: Asked,
}

enum Asked {
    /// `/wh`
    Slash,
    Argument(Wanted),
    Text,
}

impl<'a> Place<'a> {
    fn of(line: &'a str, cursor: usize, commands: &[Row<'_>]) -> Self {
        let cursor = line.floor_char_boundary(cursor);
        let (before, behind) = line.split_at(cursor);
        let start = before
            .char_indices()
            .rev()
            .find(|(_, c)| c.is_whitespace())
            .map_or(0, |(at, c)| at + c.len_utf8());
        let end = behind.find(char::is_whitespace).map_or(line.len(), |at| cursor + at);
        let is_command = line.starts_with('/') && !line.starts_with("//");
        let asked = match () {
            () if !is_command => Asked::Text,
            () if start == 0 => Asked::Slash,
            () => match argument(&line[..start], commands) {
                Wanted::Text => Asked::Text,
                wanted => Asked::Argument(wanted),
            },
        };
        Place { start, end, typed: &before[start..], asked }
    }
}

/// What the argument behind these words of a command is.
fn argument(before: &str, commands: &[Row<'_>]) -> Wanted {
    let mut words = before[1..].split_whitespace();
    // `/ name` is no command.
    let name = words.next().filter(|name| before[1..].starts_with(name));
    let Some(row) = name.and_then(|name| commands.iter().find(|row| row.is_called(name))) else {
        return Wanted::Nothing;
    };
    row.wanted(words.filter(|word| !row.is_flag(word)).count())
}

/// Which list the word at the cursor is completed from, for those who fetch it first.
/// [`Wanted::Text`] is never the answer: in running text it is a person or a channel, by how the word begins.
pub fn wants(line: &str, cursor: usize, commands: &[Row<'_>]) -> Wanted {
    let place = Place::of(line, cursor, commands);
    match place.asked {
        Asked::Slash => Wanted::Command,
        Asked::Argument(wanted) => wanted,
        Asked::Text if place.typed.starts_with('#') => Wanted::Channel,
        Asked::Text if place.typed.is_empty() => Wanted::Nothing,
        Asked::Text => Wanted::Person,
    }
}

/// What the word at the cursor may become; none if nothing is known that fits. What stands before
/// the cursor is looked for, and the whole word is replaced. A cursor that is no place in the line
/// counts as the nearest before it.
pub fn complete(line: &str, cursor: usize, known: &Known<'_>) -> Option<Completion> {
    let Place { start, mut end, typed, asked } = Place::of(line, cursor, known.commands);
    let mut candidates = match asked {
        Asked::Slash => commands(typed.strip_prefix('/').unwrap_or(typed), known.commands, "/"),
        Asked::Argument(wanted) => arguments(wanted, typed, known),
        Asked::Text => in_text(typed, line[..start].trim().is_empty(), known),
    };
    // The word is whole already: what is left to do is the space behind it.
    if let [only] = &mut candidates[..] {
        if only.text == line[start..end] {
            only.text.push(' ');
        }
    }
    // The space that is there already does for the one that is put in.
    if line[end..].starts_with(' ') && candidates.iter().all(|c| c.text.ends_with(' ')) {
        end += 1;
    }
    (!candidates.is_empty()).then_some(Completion { start, end, candidates })
}

fn arguments(wanted: Wanted, typed: &str, known: &Known<'_>) -> Vec<Candidate> {
    // People write the sign before a name where the hub wants the name alone.
    let name = typed.trim_start_matches(match wanted {
        Wanted::Channel => '#',
        Wanted::Person => '@',
        _ => '/',
    });
    match wanted {
        Wanted::Command => commands(name, known.commands, ""),
        Wanted::Channel => names(name, known.channels, "", " "),
        Wanted::Person => names(name, known.people, "", " "),
        Wanted::Service => names(typed, known.services, "", " "),
        Wanted::Choice(choices) => names(typed, choices, "", " "),
        Wanted::Text | Wanted::Nothing => Vec::new(),
    }
}

fn in_text(typed: &str, first: bool, known: &Known<'_>) -> Vec<Candidate> {
    match (typed.chars().next(), first) {
        (None, _) => Vec::new(),
        (Some('@'), _) => names(&typed[1..], known.people, "@", ""),
        (Some('#'), _) => names(&typed[1..], known.channels, "#", ""),
        // `eve:` was completed before, or typed by somebody who knows.
        (_, true) => names(typed.trim_end_matches([':', ',']), known.people, "", ": "),
        (_, false) => names(typed, known.people, "", " "),
    }
}

fn names(typed: &str, list: &[impl AsRef<str>], before: &str, behind: &str) -> Vec<Candidate> {
    let mut ranked: Vec<&str> = ranked(list.iter().map(AsRef::as_ref), |name| rank(typed, name));
    // What is whole already comes before what begins with it.
    ranked.sort_by_key(|name| !name.eq_ignore_ascii_case(typed));
    ranked
        .into_iter()
        .map(|name| Candidate { text: format!("{before}{name}{behind}"), about: String::new() })
        .collect()
}

/// Commands by their names, then by other names where those alone begin like what was typed.
fn commands(typed: &str, rows: &[Row<'_>], before: &str) -> Vec<Candidate> {
    let alias = |row: &Row<'_>| {
        let fits = row.aliases.iter().copied().filter(|alias| rank(typed, alias) == Some(0));
        fits.min_by_key(|alias| alias.len())
    };
    let mut found = ranked(rows.iter(), |row| match (rank(typed, row.name), alias(row)) {
        (Some(0), _) => Some(0),
        (_, Some(_)) => Some(1),
        (Some(other), None) => Some(other + 1),
        (None, None) => None,
    });
    found.sort_by_key(|row| !row.is_called(typed));
    let mut candidates = Vec::with_capacity(found.len());
    for row in found {
        let other = alias(row).filter(|_| rank(typed, row.name) != Some(0));
        let space = if row.usage.is_empty() { "" } else { " " };
        let text = format!("{before}{}{space}", other.unwrap_or(row.name));
        let usage = match other {
            Some(_) => format!("= {}{space}{}", row.name, row.usage),
            None => row.usage.to_string(),
        };
        let about =
            if usage.is_empty() { row.about.to_string() } else { format!("{usage} · {}", row.about) };
        candidates.push(Candidate { text, about });
    }
    candidates
}

/// Classes of [`rank`], and the one that the other names of commands stand in.
const CLASSES: usize = 4;

/// The best of a list, class by class, each in the order of the list; what stands twice comes once.
fn ranked<T: PartialEq + Copy>(list: impl Iterator<Item = T>, rank: impl Fn(T) -> Option<usize>) -> Vec<T> {
    let mut classes: [Vec<T>; CLASSES] = Default::default();
    for item in list {
        let Some(class) = rank(item).and_then(|class| classes.get_mut(class)) else { continue };
        if class.len() < MAX_CANDIDATES && !class.contains(&item) {
            class.push(item);
        }
    }
    let mut best = classes.concat();
    best.truncate(MAX_CANDIDATES);
    best
}

/// How well a name fits what was typed: 0 begins with it, 1 has a part that does (`ops.db` and
/// `db`), 2 holds it somewhere. The case of ASCII letters does not count.
fn rank(typed: &str, name: &str) -> Option<usize> {
    let (typed, name) = (typed.as_bytes(), name.as_bytes());
    if typed.is_empty() {
        return Some(0);
    }
    let mut inside = None;
    for (at, part) in name.windows(typed.len()).enumerate() {
        if !part.eq_ignore_ascii_case(typed) {
            continue;
        }
        match at.checked_sub(1).map(|before| name[before]) {
            None => return Some(0),
            Some(border) if border.is_ascii() && !border.is_ascii_alphanumeric() => return Some(1),
            Some(_) if typed.len() >= MIN_INSIDE => inside = Some(2),
            Some(_) => {}
        }
    }
    inside
}

/// The popup while it is open: a completion, the text that it was asked for, and where one is in it.
#[derive(Debug, Clone)]
pub struct Cycle {
    line: String,
    cursor: usize,
    completion: Completion,
    /// None: the text is as it was typed.
    at: Option<usize>,
}

impl Cycle {
    /// Opens a popup; nothing is chosen yet.
    pub fn new(line: &str, cursor: usize, completion: Completion) -> Self {
        Cycle { line: line.to_string(), cursor: line.floor_char_boundary(cursor), completion, at: None }
    }

    /// All candidates, for the popup.
    pub fn candidates(&self) -> &[Candidate] {
        &self.completion.candidates
    }

    /// Which one is chosen.
    pub fn index(&self) -> Option<usize> {
        self.at
    }

    /// The one that is chosen.
    pub fn current(&self) -> Option<&Candidate> {
        self.completion.candidates.get(self.at?)
    }

    /// Chooses the next; behind the last comes the first.
    pub fn next(&mut self) -> Option<&Candidate> {
        let count = self.candidates().len();
        self.at = self.at.map_or(0, |at| at + 1).checked_rem(count);
        self.current()
    }

    /// Chooses the one before; before the first comes the last.
    pub fn previous(&mut self) -> Option<&Candidate> {
        let count = self.candidates().len();
        self.at = self.at.filter(|at| *at > 0).unwrap_or(count).checked_sub(1);
        self.current()
    }

    /// The text with the chosen candidate in it, and the cursor behind that; the text as it was
    /// where none is chosen.
    pub fn apply(&self) -> (String, usize) {
        let Completion { start, end, .. } = self.completion;
        match (self.current(), self.line.get(..start), self.line.get(end..)) {
            (Some(candidate), Some(before), Some(behind)) => {
                (format!("{before}{}{behind}", candidate.text), start + candidate.text.len())
            }
            _ => (self.line.clone(), self.cursor),
        }
    }

    /// Gives the choice up: the text and the cursor as they were.
    pub fn revert(&mut self) -> (String, usize) {
        self.at = None;
        self.apply()
    }
}

#[cfg(test)]
mod tests;
