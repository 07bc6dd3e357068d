//! The state of the full screen: conversations, what is being typed, what is asked and what is known.
//! Pure: keys, arrivals, answers and the time go in, effects come out. `press.rs` has the keys,
//! `arrivals.rs` what the hub sends, `lines.rs` what was typed, `asking.rs` what is asked unasked.

mod arrivals;
mod asking;
mod completing;
mod lines;
mod list;
mod press;
#[cfg(test)]
pub mod tests;

use super::completion::Cycle;
use super::config::Config;
use super::conversation::{Conversation, Kind};
use super::keys::{Keymap, Press};
use super::lay::{local_clock, Lay};
use super::picker::Picker;
use super::place::Place;
use super::theme::Theme;
use crate::terminal::line::Target;
pub use asking::{Answer, Known, Question};
pub use lines::Came;
use ratatui::layout::Rect;

/// Lines that were typed, kept for the arrow keys.
const MAX_TYPED: usize = 1_000;
/// How long a short word stays in the line below, in milliseconds.
const FLASH: i64 = 4_000;
/// Within what time a second Ctrl-C belongs to the first, in milliseconds. A guess.
const TWICE: i64 = 2_000;

/// What the shell around the state has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Do what a line says, to this target, and tell this conversation.
    Line {
        /// What was typed.
        line: String,
        /// Whom plain text goes to.
        target: Option<Target>,
        /// Where it was typed.
        from: Kind,
    },
    /// Ask the hub something.
    Ask(Question),
    /// Forget what was to be asked: there is no connection.
    AskNothing,
    /// Ring.
    Bell,
    /// Put a text on the clipboard.
    Copy(String),
    /// Keep a line that was typed.
    Typed(String),
    /// Let the mouse go, or take it.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Stop until the shell says `fg`.
    Suspend,
    /// End.
    Quit,
}

/// Who one is, and where.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Me {
    /// One's name.
    pub name: String,
    /// The server that one is connected to.
    pub server: String,
    /// Its run.
    pub origin: String,
}

/// The connection as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Since when there is none.
    pub lost_at: Option<i64>,
    /// The last round trip to the hub, in microseconds.
    pub latency_us: Option<u64>,
    /// The names of the cluster's servers that are alive.
    pub alive: Vec<String>,
    /// Since when a sign of life is waited for.
    pub waits_since: Option<i64>,
}

/// What keys mean at the moment.
#[derive(Debug)]
pub enum Mode {
    /// They are typed.
    Typing,
    /// A completion is chosen.
    Completing(Cycle),
    /// A line that was typed before is looked for.
    Recalling(Picker),
    /// A conversation is chosen.
    Switching(Picker),
    /// A text is looked for.
    Searching(Search),
    /// Messages are chosen to be copied.
    Copying(Copying),
    /// The keys are shown, from a row on.
    Helping(usize),
    /// A question waits for its answer.
    Confirming(Confirm),
}

/// A search in a conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// What is looked for.
    pub text: String,
    /// Where it was found.
    pub at: Option<u64>,
    /// Whether there was nothing further.
    pub end: bool,
    /// Where one was before.
    pub before: Place,
}

/// Messages that are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Copying {
    /// The one under the cursor.
    pub at: u64,
    /// The other end, once it is set.
    pub mark: Option<u64>,
}

/// Something that is asked before it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// What is going to be sent.
    pub text: String,
    /// How many lines it has.
    pub lines: usize,
}

/// Where things stand on the screen, as it was drawn last.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// The messages.
    pub messages: Rect,
    /// The entries of the rows of messages.
    pub rows: Vec<Option<u64>>,
    /// The rows of the list at the left, and which conversations they are.
    pub list: Vec<(Rect, usize)>,
}

/// The state.
pub struct App {
    /// How it is to be.
    pub config: Config,
    /// Colours.
    pub theme: Theme,
    /// What keys do.
    pub keymap: Keymap,
    /// Who one is.
    pub me: Me,
    /// The connection.
    pub link: Link,
    /// The conversations, in the order of the list. The first is the hub's.
    pub conversations: Vec<Conversation>,
    /// Which of them is shown.
    pub current: usize,
    /// What keys mean.
    pub mode: Mode,
    /// Whether the list at the left is shown.
    pub show_list: bool,
    /// Whether the people at the right are.
    pub show_people: bool,
    /// Lines that were typed, the oldest first.
    pub typed: Vec<String>,
    /// What can be completed.
    pub known: Known,
    /// A short word in the line below, and until when.
    pub flash: Option<(String, i64)>,
    /// Whether one is away: since when, and one's welcome from before.
    pub away: Option<Away>,
    /// Where things stand.
    pub screen: Screen,
    /// Whether the connection has ended for good.
    pub ended: bool,
    /// Since when a line waits for the hub, and all others for it.
    pub sending: Option<i64>,
    /// How the clock of the place is read.
    pub clock: fn(i64) -> chrono::NaiveDateTime,
    now: i64,
    pressed_at: i64,
    interrupted_at: Option<i64>,
    rang_at: i64,
    /// The conversation that the last message went to.
    heard: usize,
    focused: bool,
    mouse_is_free: bool,
    asked: asking::Asked,
    effects: Vec<Effect>,
}

/// Being away.
#[derive(Debug, Clone, PartialEq)]
pub struct Away {
    /// The words that the hub tells.
    pub words: String,
    /// One's own welcome, which comes back; unknown until the hub has answered.
    pub before: Option<String>,
}

impl App {
    /// The state at the start.
    pub fn new(config: Config, theme: Theme, me: Me, now: i64) -> Self {
        let hub = Conversation::new(Kind::Hub, config.scrollback);
        let alive = vec![me.server.clone()];
        App {
            keymap: config.keys.clone(),
            show_list: config.conversations,
            show_people: config.people,
            config,
            theme,
            me,
            link: Link { lost_at: None, latency_us: None, alive, waits_since: None },
            conversations: vec![hub],
            current: 0,
            mode: Mode::Typing,
            typed: Vec::new(),
            known: Known::default(),
            flash: None,
            away: None,
            screen: Screen::default(),
            ended: false,
            sending: None,
            clock: local_clock,
            now,
            pressed_at: now,
            interrupted_at: None,
            rang_at: 0,
            heard: 0,
            focused: true,
            mouse_is_free: false,
            asked: asking::Asked::default(),
            effects: Vec::new(),
        }
    }

    /// A line asked for another conversation: it is shown, unless the person has gone on meanwhile.
    pub fn turn_from(&mut self, from: &Kind, wanted: Option<&Target>, new: Option<usize>) {
        if self.here().kind != *from || !self.here().draft.is_empty() {
            if let Some(index) = new {
                self.flash(format!("{} is joined", self.conversations[index].name()));
            }
            return;
        }
        match (wanted, new) {
            (Some(Target::Person(_)), None) | (None, None) => {}
            (Some(target @ Target::Channel(_)), _) => self.turn_to(target),
            (_, Some(index)) => self.go(index),
        }
    }

    /// What has to be done.
    pub fn effects(&mut self) -> Vec<Effect> {
        // In copy mode the mouse is the terminal's, however that mode was entered or left.
        let copying = matches!(self.mode, Mode::Copying(_));
        if std::mem::replace(&mut self.mouse_is_free, copying) != copying {
            self.effects.push(Effect::Mouse(!copying));
        }
        std::mem::take(&mut self.effects)
    }

    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Lets time pass: milliseconds of UTC.
    pub fn at(&mut self, now: i64) {
        self.now = now;
    }

    /// The time.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// The conversation that is shown.
    pub fn here(&self) -> &Conversation {
        &self.conversations[self.current]
    }

    /// The same, to be changed.
    pub fn here_mut(&mut self) -> &mut Conversation {
        &mut self.conversations[self.current]
    }

    /// How entries are laid at present.
    pub fn lay(&self, width: usize) -> Lay<'_> {
        let found = match &self.mode {
            Mode::Searching(search) => Some(search.text.as_str()),
            _ => None,
        };
        Lay {
            width: width.max(1),
            theme: &self.theme,
            time: &self.config.time,
            clock: self.clock,
            found,
            expand: self.key_of(Press::Expand),
        }
    }

    /// The key of an action, as people like to see it.
    pub fn key_of(&self, press: Press) -> String {
        self.keymap.keys_of(press).into_iter().next().unwrap_or_else(|| "no key".to_owned())
    }

    /// Tells something in the line below for a moment.
    pub fn flash(&mut self, words: impl Into<String>) {
        self.flash = Some((words.into(), self.now + FLASH));
    }

    /// Shows a conversation.
    pub fn go(&mut self, index: usize) {
        if index >= self.conversations.len() || index == self.current {
            return;
        }
        self.here_mut().leave();
        self.current = index;
        self.mode = Mode::Typing;
        self.here_mut().look();
        self.here_mut().fresh = 0;
    }

    /// Says hello.
    pub fn greet(&mut self, version: &str) {
        let (server, now) = (self.me.server.clone(), self.now);
        let (keys, leave) = (self.key_of(Press::Help), self.key_of(Press::Interrupt));
        let words =
            format!("{server} {version}; /help lists the commands, {keys} the keys, {leave} twice leaves");
        self.conversations[0].notice(now, words);
    }

    /// Shows the first of these conversations that there is. What was typed until then was meant for it:
    /// nobody talks to the hub.
    pub fn begin(&mut self, labels: &[String]) {
        let place = |label: &String| self.conversations.iter().position(|c| c.label() == *label);
        let Some(index) = labels.iter().find_map(place).filter(|index| *index != self.current) else {
            return;
        };
        let typed = self.here_mut().draft.take();
        self.go(index);
        self.here_mut().draft.set(&typed);
    }

    /// What the terminal's title says.
    pub fn title(&self) -> String {
        let mentions: u64 = self.conversations.iter().filter(|c| !c.muted).map(|c| c.mentions).sum();
        match mentions {
            0 => format!("{} · hubbub", self.here().name()),
            n => format!("({n}) {} · hubbub", self.here().name()),
        }
    }

    /// Rings, unless it rang just now.
    fn ring(&mut self) {
        if self.now - self.rang_at >= 1_000 {
            self.rang_at = self.now;
            self.effect(Effect::Bell);
        }
    }
}
