//! One thing that a conversation shows: what somebody said, a notice, the answer to a command, a gap.
//! Pure values; `lay.rs` makes rows of them.

use super::json::{self, Marked};
use hubbub_shared::encoding::json as wire;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

/// From this size on the looks of a JSON payload are kept: to find them takes longer than to draw them.
const LARGE: usize = 2 << 10;

/// Bytes that an entry takes beside its texts, about.
const FIXED: usize = size_of::<Entry>() + 48;

/// One thing in a scrollback.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which one it is, in its scrollback; later ones have larger numbers unless they were fetched.
    pub id: u64,
    /// When it was taken by the hub, or happened: milliseconds of UTC.
    pub at: i64,
    /// What it is.
    pub what: What,
    /// Whether all of it is shown, however long.
    pub expanded: bool,
}

/// What an entry is.
#[derive(Debug, Clone)]
pub enum What {
    /// Somebody said something.
    Said(Said),
    /// Something to know.
    Notice(Box<str>),
    /// Something that went wrong.
    Error(Box<str>),
    /// The answer to a command, with its line breaks.
    Reply(Box<str>),
    /// Messages that are missing here.
    Gap(Missing),
}

/// What somebody said.
#[derive(Debug, Clone)]
pub struct Said {
    /// The sender's name.
    pub from: Box<str>,
    /// The payload, as it was written.
    pub data: Box<RawValue>,
    /// The channel, in conversations that show several.
    pub channel: Option<Box<str>>,
    /// Which message it is: the run of a server, and its count of the channel.
    pub stamp: Option<(Box<str>, u64)>,
    /// Whether it is one's own.
    pub own: bool,
    /// Whether it names whoever reads it.
    pub mention: bool,
    /// How a large payload of JSON looks, expanded or not, once it was shown.
    pub looks: Looks,
}

/// The looks of a payload, if they were kept.
pub type Looks = RefCell<Option<(bool, Rc<Marked>)>>;

/// A hole in what was said.
#[derive(Debug, Clone)]
pub struct Missing {
    /// The run of the server that took the messages; empty where losses of several are added up.
    pub origin: Box<str>,
    /// How many.
    pub missed: u64,
    /// How many of them were fetched since.
    pub fetched: u64,
    /// In words, for gaps that no number is known of.
    pub words: Option<Box<str>>,
}

impl Entry {
    /// Bytes that it holds, about.
    pub fn cost(&self) -> usize {
        FIXED
            + match &self.what {
                What::Said(said) => said.from.len() + said.data.get().len(),
                What::Notice(text) | What::Error(text) | What::Reply(text) => text.len(),
                What::Gap(missing) => missing.origin.len(),
            }
    }

    /// What is looked through by a search, and what is copied: the text without its looks.
    pub fn plain(&self) -> Cow<'_, str> {
        match &self.what {
            What::Said(said) => {
                let text = said.text();
                match text.strip_prefix(ME) {
                    Some(done) => Cow::Owned(format!("* {} {done}", said.from)),
                    None => Cow::Owned(format!("{}: {text}", said.from)),
                }
            }
            What::Notice(text) => Cow::Owned(format!("* {text}")),
            What::Error(text) => Cow::Owned(format!("! {text}")),
            What::Reply(text) => Cow::Borrowed(text),
            What::Gap(missing) => Cow::Owned(format!("* {}", missing.words())),
        }
    }
}

/// With what a text begins that tells what its sender does (XEP-0245).
pub const ME: &str = "/me ";

impl Said {
    /// The looks of a payload that is an object or an array.
    pub fn marked(&self, expanded: bool) -> Rc<Marked> {
        let raw = self.data.get();
        if let Some((_, marked)) = self.looks.borrow().as_ref().filter(|(kept, _)| *kept == expanded) {
            return marked.clone();
        }
        let marked = Rc::new(if expanded { json::expanded(raw) } else { json::folded(raw) });
        if raw.len() >= LARGE {
            *self.looks.borrow_mut() = Some((expanded, marked.clone()));
        }
        marked
    }

    /// The payload as text: a string without its quotes, other JSON as it was written.
    pub fn text(&self) -> Cow<'_, str> {
        wire::string(self.data.get()).unwrap_or(Cow::Borrowed(self.data.get()))
    }
}

impl Missing {
    /// How many are still missing.
    pub fn left(&self) -> u64 {
        self.missed.saturating_sub(self.fetched)
    }

    /// The gap in words.
    pub fn words(&self) -> String {
        let messages = |n: u64| format!("{n} message{}", if n == 1 { "" } else { "s" });
        match (&self.words, self.fetched) {
            (Some(words), _) => words.to_string(),
            (None, 0) => format!("{} missed", messages(self.missed)),
            (None, _) if self.left() == 0 => format!("{} missed, and fetched since", messages(self.missed)),
            (None, n) => format!("{} missed, {n} fetched since", messages(self.missed)),
        }
    }
}

/// A payload of a plain text, for what is said from here.
pub fn payload(text: &str) -> Box<RawValue> {
    let mut raw = Vec::with_capacity(text.len() + 2);
    hubbub_shared::encoding::escape::push_json_string(text, &mut raw);
    let raw = String::from_utf8(raw).expect("quoting keeps UTF-8");
    RawValue::from_string(raw).expect("a quoted text is JSON")
}

/// Reads the hub's time; what cannot be read is the beginning of time.
pub fn millis(at: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(at).map(|at| at.timestamp_millis()).unwrap_or_default()
}
