//! The key table: every action of the full-screen terminal, its name in the configuration, its usual
//! keys, and one line of help. The help, `docs/terminal.md` and the configuration's `[keys]` all come
//! from [`KEYS`]. [`chord`] knows how a key is written, [`keymap`] finds what a key does. Nothing here
//! does anything: the assembly matches on [`Press`].

mod chord;
mod keymap;

#[allow(unused_imports)] // the whole of what this table offers, whoever asks for it
pub use chord::{parse_key, pretty_key, show_key, Chord};
#[allow(unused_imports)]
pub use keymap::{HelpLine, Keymap, Wrong};

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // `KEYS` says what each one does
pub enum Press {
    // Anywhere
    Help,
    Switcher,
    /// The conversation at this place of the list, from 1.
    Conversation(u8),
    PreviousConversation,
    NextConversation,
    NextUnread,
    PageUp,
    PageDown,
    ScrollUp,
    ScrollDown,
    Oldest,
    Newest,
    People,
    Conversations,
    Search,
    CopyMode,
    Expand,
    Mute,
    Redraw,
    Suspend,
    Interrupt,
    // Typing
    Send,
    NewLine,
    Complete,
    CompleteBack,
    Up,
    Down,
    HistoryEarlier,
    HistoryLater,
    HistorySearch,
    Left,
    Right,
    WordLeft,
    WordRight,
    LineStart,
    LineEnd,
    DeleteBack,
    DeleteForward,
    DeleteWord,
    DeleteToStart,
    DeleteToEnd,
    Undo,
    Cancel,
    // List
    ListUp,
    ListDown,
    ListTake,
    ListErase,
    ListEraseAll,
    ListClose,
    // Search
    SearchOlder,
    SearchNewer,
    SearchErase,
    SearchEraseAll,
    SearchClose,
    // Copy
    CopyUp,
    CopyDown,
    CopyTop,
    CopyBottom,
    CopyMark,
    CopyTake,
    CopyExpand,
    CopyClose,
}

/// Where the keyboard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In every other place as well.
    Anywhere,
    /// In the box in which one types.
    Typing,
    /// In a list that one chooses from: the switcher, completions, the search in the lines typed.
    List,
    /// In the search of a conversation.
    Search,
    /// In copy mode, where keys move over the messages.
    Copy,
}

impl Place {
    /// All places, in the order of the help.
    pub const ALL: [Place; 5] = [Place::Anywhere, Place::Typing, Place::List, Place::Search, Place::Copy];

    /// What stands above this place's keys in the help.
    pub fn heading(self) -> &'static str {
        match self {
            Place::Anywhere => "Anywhere",
            Place::Typing => "While typing",
            Place::List => "In the switcher, completions and the search in what was typed",
            Place::Search => "In the search of a conversation",
            Place::Copy => "In copy mode",
        }
    }

    /// Whether plain characters are text here, and so cannot be keys.
    pub fn takes_text(self) -> bool {
        self != Place::Copy
    }

    /// Whether a key cannot mean one thing here and another there.
    fn meets(self, other: Place) -> bool {
        self == other || self == Place::Anywhere || other == Place::Anywhere
    }
}

/// An action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What is done.
    pub press: Press,
    /// The action's name in the configuration.
    pub name: &'static str,
    /// Where its keys count.
    pub place: Place,
    /// Its usual keys, as [`parse_key`] reads them.
    pub keys: &'static [&'static str],
    /// One line for the help.
    pub about: &'static str,
}

const fn row(
    place: Place,
    press: Press,
    name: &'static str,
    keys: &'static [&'static str],
    about: &'static str,
) -> Row {
    Row { press, name, place, keys, about }
}

const fn conversation(number: u8, name: &'static str, keys: &'static [&'static str]) -> Row {
    row(Place::Anywhere, Press::Conversation(number), name, keys, "Go to the conversation at this place")
}

/// Every action, in the order of the help.
#[rustfmt::skip] // a table is read by its columns
pub const KEYS: &[Row] = {
    use Place::{Anywhere, Copy, List, Search, Typing};
    &[
        row(Anywhere, Press::Help, "help", &["f1"], "Show this help, or hide it"),
        row(Anywhere, Press::Switcher, "switcher", &["ctrl-k"], "Choose a conversation by a few letters of its name"),
        conversation(1, "conversation-1", &["alt-1"]),
        conversation(2, "conversation-2", &["alt-2"]),
        conversation(3, "conversation-3", &["alt-3"]),
        conversation(4, "conversation-4", &["alt-4"]),
        conversation(5, "conversation-5", &["alt-5"]),
        conversation(6, "conversation-6", &["alt-6"]),
        conversation(7, "conversation-7", &["alt-7"]),
        conversation(8, "conversation-8", &["alt-8"]),
        conversation(9, "conversation-9", &["alt-9"]),
        row(Anywhere, Press::PreviousConversation, "previous-conversation", &["alt-up", "alt-left"], "Go to the conversation above"),
        row(Anywhere, Press::NextConversation, "next-conversation", &["alt-down", "alt-right"], "Go to the conversation below"),
        row(Anywhere, Press::NextUnread, "next-unread", &["alt-a"], "Go to the next conversation with something unread, mentions first"),
        row(Anywhere, Press::PageUp, "page-up", &["page-up"], "Show older messages, a page"),
        row(Anywhere, Press::PageDown, "page-down", &["page-down"], "Show newer messages, a page"),
        row(Anywhere, Press::ScrollUp, "scroll-up", &["shift-up", "ctrl-up"], "Show older messages, a line"),
        row(Anywhere, Press::ScrollDown, "scroll-down", &["shift-down", "ctrl-down"], "Show newer messages, a line"),
        row(Anywhere, Press::Oldest, "oldest", &["ctrl-home"], "Go to the oldest message that is kept"),
        row(Anywhere, Press::Newest, "newest", &["ctrl-end"], "Go to the newest message"),
        row(Anywhere, Press::People, "people", &["alt-p"], "Show who is in the channel, or hide it"),
        row(Anywhere, Press::Conversations, "conversations", &["alt-b"], "Show the list of conversations, or hide it"),
        row(Anywhere, Press::Search, "search", &["ctrl-f"], "Search in the conversation"),
        row(Anywhere, Press::CopyMode, "copy-mode", &["alt-c"], "Start copy mode, or end it"),
        row(Anywhere, Press::Expand, "expand", &["alt-e"], "Unfold JSON and long messages, or fold them"),
        row(Anywhere, Press::Mute, "mute", &["alt-m"], "Let the conversation no longer ring or count, or let it again"),
        row(Anywhere, Press::Redraw, "redraw", &["ctrl-l"], "Draw the screen anew"),
        row(Anywhere, Press::Suspend, "suspend", &["ctrl-z"], "Go back to the shell for a while; fg returns"),
        row(Anywhere, Press::Interrupt, "interrupt", &["ctrl-c"], "Leave: once asks, twice leaves"),

        row(Typing, Press::Send, "send", &["enter"], "Send what was typed"),
        row(Typing, Press::NewLine, "new-line", &["alt-enter", "shift-enter", "ctrl-j"], "Start another line of the same message"),
        row(Typing, Press::Complete, "complete", &["tab"], "Complete a command, channel, name or service"),
        row(Typing, Press::CompleteBack, "complete-back", &["shift-tab"], "The same, from the end of the list"),
        row(Typing, Press::Up, "up", &["up"], "Go a line up; on the first line, to what was typed earlier"),
        row(Typing, Press::Down, "down", &["down"], "Go a line down; on the last line, to what was typed later"),
        row(Typing, Press::HistoryEarlier, "history-earlier", &["ctrl-p"], "Take what was typed earlier"),
        row(Typing, Press::HistoryLater, "history-later", &["ctrl-n"], "Take what was typed later"),
        row(Typing, Press::HistorySearch, "history-search", &["ctrl-r"], "Search in what was typed"),
        row(Typing, Press::Left, "left", &["left"], "Go a character to the left"),
        row(Typing, Press::Right, "right", &["right"], "Go a character to the right"),
        row(Typing, Press::WordLeft, "word-left", &["ctrl-left"], "Go a word to the left"),
        row(Typing, Press::WordRight, "word-right", &["ctrl-right"], "Go a word to the right"),
        row(Typing, Press::LineStart, "line-start", &["home", "ctrl-a"], "Go to the start of the line"),
        row(Typing, Press::LineEnd, "line-end", &["end", "ctrl-e"], "Go to the end of the line; first to the newest message, if older ones are shown"),
        row(Typing, Press::DeleteBack, "delete-back", &["backspace", "ctrl-h"], "Delete the character before the cursor"),
        row(Typing, Press::DeleteForward, "delete-forward", &["delete", "ctrl-d"], "Delete the character under the cursor; Ctrl-D where nothing is typed asks to leave"),
        row(Typing, Press::DeleteWord, "delete-word", &["ctrl-w", "alt-backspace"], "Delete the word before the cursor"),
        row(Typing, Press::DeleteToStart, "delete-to-start", &["ctrl-u"], "Delete all before the cursor in the line"),
        row(Typing, Press::DeleteToEnd, "delete-to-end", &["alt-k"], "Delete all after the cursor in the line"),
        row(Typing, Press::Undo, "undo", &["ctrl-_", "alt-z"], "Take the last change back"),
        row(Typing, Press::Cancel, "cancel", &["esc"], "Close what is open, or take a question back"),

        row(List, Press::ListUp, "list-up", &["up", "ctrl-p", "shift-tab"], "Go up"),
        row(List, Press::ListDown, "list-down", &["down", "ctrl-n", "ctrl-r"], "Go down"),
        row(List, Press::ListTake, "list-take", &["enter", "tab"], "Take what is selected"),
        row(List, Press::ListErase, "list-erase", &["backspace", "ctrl-h"], "Delete the last character typed"),
        row(List, Press::ListEraseAll, "list-erase-all", &["ctrl-u", "ctrl-w"], "Delete all that was typed"),
        row(List, Press::ListClose, "list-close", &["esc"], "Close the list"),

        row(Search, Press::SearchOlder, "search-older", &["enter", "up", "ctrl-p"], "Go to the match before"),
        row(Search, Press::SearchNewer, "search-newer", &["down", "shift-enter", "ctrl-n"], "Go to the match after"),
        row(Search, Press::SearchErase, "search-erase", &["backspace", "ctrl-h"], "Delete the last character typed"),
        row(Search, Press::SearchEraseAll, "search-erase-all", &["ctrl-u", "ctrl-w"], "Delete all that was typed"),
        row(Search, Press::SearchClose, "search-close", &["esc"], "End the search"),

        row(Copy, Press::CopyUp, "copy-up", &["up", "k"], "Go to the message above"),
        row(Copy, Press::CopyDown, "copy-down", &["down", "j"], "Go to the message below"),
        row(Copy, Press::CopyTop, "copy-top", &["g", "home"], "Go to the oldest message"),
        row(Copy, Press::CopyBottom, "copy-bottom", &["shift-g", "end"], "Go to the newest message"),
        row(Copy, Press::CopyMark, "copy-mark", &["space"], "Mark the message, or unmark it"),
        row(Copy, Press::CopyTake, "copy-take", &["enter", "y"], "Copy what is marked, or the message, and end copy mode"),
        row(Copy, Press::CopyExpand, "copy-expand", &["e"], "Unfold the message, or fold it"),
        row(Copy, Press::CopyClose, "copy-close", &["esc", "q"], "End copy mode"),
    ]
};

/// The usual keys as Markdown: a table a place. `docs/terminal.md` holds it.
#[cfg(test)]
pub fn markdown() -> String {
    let usual = Keymap::default();
    let mut out = String::new();
    for place in Place::ALL {
        out.push_str(&format!("### {}\n\n| Keys | Does | Name |\n|---|---|---|\n", place.heading()));
        for line in usual.help(place) {
            let keys: Vec<String> = line.keys.iter().map(|key| format!("`{key}`")).collect();
            out.push_str(&format!("| {} | {} | `{}` |\n", keys.join(", "), line.about, line.name));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests;
