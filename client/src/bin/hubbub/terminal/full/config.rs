//! The configuration of the full-screen terminal: `hubbub/terminal.toml` in the user's folder for
//! configurations, read once at the start into checked values. All mistakes are told at once, each with
//! its line, its key, what was found and what would have been right. It decides nothing about flags:
//! the assembly puts `--name` and `--join` above this. `config/example.toml` is a whole file.

mod values;

use crate::connect::config_folder;
use crate::exit::Failure;
use crate::terminal::full::keys::Keymap;
use crate::terminal::full::theme;
use hubbub_shared::names::{quote, Pattern};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};
use toml::Spanned;

pub use values::nearest;

/// A whole file with every default, commented out.
#[cfg(test)]
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// Bytes of a file. A guess: far more than any configuration, and little to read by mistake.
const MAX_FILE: u64 = 1 << 20;

/// What the terminal runs with. `config/example.toml` tells the same to users.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The name to take, unless the command line gives one. Default: none, the hub gives a guest's name.
    pub name: Option<String>,
    /// The colours. Default: auto.
    pub theme: theme::Choice,
    /// Channels to join at the start, besides those of the last session. Default: none. Each costs its
    /// history and its messages.
    pub join: Vec<Pattern>,
    /// Whether the last session's channels are joined again. Default: true.
    pub rejoin: bool,
    /// Whether the people of the channel are shown at the right, where there is room. Default: true.
    pub people: bool,
    /// Whether the list of conversations is shown at the left, where there is room. Default: true.
    pub conversations: bool,
    /// Whether the wheel scrolls and clicks choose. Default: true. The terminal's own selection then
    /// needs Shift.
    pub mouse: bool,
    /// Lines that are kept of a conversation, 100 to 1,000,000. Default: 10,000. Few: what was said an
    /// hour ago is gone. Many: memory, some hundred bytes a line and conversation.
    pub scrollback: usize,
    /// Messages that are fetched when a channel is joined, 0 to 1,000. Default: 50. Many: joining many
    /// channels is slow.
    pub history: u32,
    /// Lines of a message from which on sending asks first, 0 to 1,000: more lines than this ask.
    /// Default: 5. 0 asks always; 1,000 lets a slip of the mouse flood a channel.
    pub paste_lines: usize,
    /// How the time of a message is written, as strftime has it, at most 12 columns wide. Default:
    /// `%H:%M`. Empty shows none.
    pub time: String,
    /// Words that count as a mention, besides one's name: at most 100. Default: none.
    pub highlight: Vec<String>,
    /// After which time without a key one is away, 10 s to 7 days; none is never. Default: 15 min.
    /// Short: everybody sees one come and go.
    pub away_after: Option<Duration>,
    /// What rings. Default: mentions.
    pub bell: Bell,
    /// Whether the terminal's title tells what is unread. Default: true.
    pub title: bool,
    /// Frames a second at the most, 10 to 240. Default: 100. Few: what one types appears late (one frame:
    /// 1 s / frames). Many: a flood costs more of the processor, here and in the terminal.
    pub frames: u16,
    /// The keys.
    pub keys: Keymap,
}

/// What rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// Mentions and direct messages.
    Mentions,
    /// Every message that is not shown or not one's own.
    All,
    /// Nothing.
    Never,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            name: None,
            theme: theme::Choice::Auto,
            join: Vec::new(),
            rejoin: true,
            people: true,
            conversations: true,
            mouse: true,
            scrollback: 10_000,
            history: 50,
            paste_lines: 5,
            time: "%H:%M".into(),
            highlight: Vec::new(),
            away_after: Some(Duration::from_secs(15 * 60)),
            bell: Bell::Mentions,
            title: true,
            frames: 100,
            keys: Keymap::default(),
        }
    }
}

/// The value of a key in the file.
type Value<'a> = &'a Spanned<DeValue<'a>>;
/// Takes a value into the configuration.
type Set = fn(&mut Config, Value<'_>) -> Result<(), Mistake>;

/// Every key of the file. `[keys]` is one of them.
const OPTIONS: &[(&str, Set)] = &[
    ("name", |config, value| values::name(value).map(|name| config.name = name)),
    ("theme", |config, value| values::one_of(value, theme::CHOICES).map(|theme| config.theme = theme)),
    ("join", |config, value| values::patterns(value).map(|join| config.join = join)),
    ("rejoin", |config, value| values::yes_no(value).map(|rejoin| config.rejoin = rejoin)),
    ("people", |config, value| values::yes_no(value).map(|people| config.people = people)),
    ("conversations", |config, value| values::yes_no(value).map(|shown| config.conversations = shown)),
    ("mouse", |config, value| values::yes_no(value).map(|mouse| config.mouse = mouse)),
    ("scrollback", |config, value| values::count(value, 100..=1_000_000).map(|n| config.scrollback = n)),
    ("history", |config, value| values::count(value, 0..=1000).map(|n| config.history = n)),
    ("paste-lines", |config, value| values::count(value, 0..=1000).map(|n| config.paste_lines = n)),
    ("time", |config, value| values::time(value).map(|time| config.time = time)),
    ("highlight", |config, value| values::words(value).map(|words| config.highlight = words)),
    ("away-after", |config, value| values::away_after(value).map(|time| config.away_after = time)),
    ("bell", |config, value| values::one_of(value, BELLS).map(|bell| config.bell = bell)),
    ("title", |config, value| values::yes_no(value).map(|title| config.title = title)),
    ("frames", |config, value| values::count(value, 10..=240).map(|n| config.frames = n)),
    ("keys", |config, value| values::keys(value).map(|keys| config.keys = keys)),
];

const BELLS: &[(&str, Bell)] = &[("mentions", Bell::Mentions), ("all", Bell::All), ("never", Bell::Never)];

/// What is wrong, where in the text, and under which key, where that is not the option itself.
#[derive(Debug)]
struct Mistake {
    at: Range<usize>,
    why: String,
    key: Option<String>,
}

impl Mistake {
    fn new(at: Range<usize>, why: impl Into<String>) -> Self {
        Mistake { at, why: why.into(), key: None }
    }
}

/// Reads the given file, or the user's: without one the defaults count. A given file has to be there.
pub fn load(given: Option<&Path>) -> Result<Config, Failure> {
    let Some(path) = given.map(Path::to_owned).or_else(file) else {
        return Ok(Config::default());
    };
    let cannot = |why: String| Failure::local(format!("cannot read {}: {why}", path.display()));
    let mut bytes = Vec::new();
    match File::open(&path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)) {
        Err(e) if e.kind() == ErrorKind::NotFound && given.is_none() => return Ok(Config::default()),
        Err(e) => return Err(cannot(e.to_string())),
        Ok(_) if bytes.len() as u64 > MAX_FILE => {
            return Err(cannot("it is over 1 MiB, so it is no configuration of a terminal".into()));
        }
        Ok(_) => {}
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        let line = e.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count() + 1;
        cannot(format!("line {line} is not UTF-8"))
    })?;
    let place = |line, column| format!("{}:{line}:{column}", path.display());
    read(&text, place).map_err(Failure::local)
}

/// The user's file, where it is looked for when none is given.
pub fn file() -> Option<PathBuf> {
    config_folder().map(|folder| folder.join("terminal.toml"))
}

/// Reads a file's text. Everything that is wrong is told, a line each.
#[cfg(test)]
pub fn parse(text: &str) -> Result<Config, String> {
    read(text, |line, column| format!("line {line}, column {column}"))
}

fn read(text: &str, place: impl Fn(usize, usize) -> String) -> Result<Config, String> {
    let mut told = Vec::new();
    let mut tell = |at: usize, why: String| {
        let (line, column) = position(text, at);
        told.push((at, format!("{}: {why}", place(line, column))));
    };
    let mut config = Config::default();
    match DeTable::parse(text) {
        Err(error) => {
            // The parser speaks over several lines at times; a mistake is one.
            let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            tell(error.span().unwrap_or_default().start, message);
        }
        Ok(table) => {
            for (key, value) in table.get_ref().iter() {
                let Some((name, set)) = OPTIONS.iter().find(|(name, _)| *name == key.get_ref().as_ref())
                else {
                    tell(key.span().start, unknown(key.get_ref()));
                    continue;
                };
                if let Err(Mistake { at, why, key }) = set(&mut config, value) {
                    tell(at.start, format!("{}: {why}", key.as_deref().unwrap_or(name)));
                }
            }
        }
    }
    if told.is_empty() {
        return Ok(config);
    }
    told.sort();
    Err(told.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n"))
}

fn unknown(key: &str) -> String {
    let names = || OPTIONS.iter().map(|(name, _)| *name);
    match nearest(key, names()) {
        Some(meant) => format!("there is no {}; is {meant} meant?", quote(key)),
        None => {
            let all = names().collect::<Vec<_>>().join(", ");
            format!("there is no {}; there are {all}", quote(key))
        }
    }
}

/// Line and column of a byte, both from 1, the column in characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests;
