//! Colours, and whether to use them: only on a terminal, and not where `NO_COLOR` is set.

use std::io::IsTerminal;

/// Whether one output takes colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// No colours.
    pub const PLAIN: Style = Style { colour: false };

    /// What suits an output, by the habits of no-color.org.
    pub fn of(output: &impl IsTerminal) -> Style {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Style { colour: output.is_terminal() && !refused && !dumb }
    }

    /// Headers and whatever is said beside the matter.
    pub fn dim(self, text: &str) -> String {
        self.wrap("\x1b[2m", text)
    }

    /// Names of channels.
    pub fn channel(self, text: &str) -> String {
        self.wrap("\x1b[36m", text)
    }

    /// Names of clients.
    pub fn name(self, text: &str) -> String {
        self.wrap("\x1b[1m", text)
    }

    /// What went wrong.
    pub fn bad(self, text: &str) -> String {
        self.wrap("\x1b[31m", text)
    }

    fn wrap(self, start: &str, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("{start}{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
