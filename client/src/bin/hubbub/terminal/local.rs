//! The commands that the terminal has beside the hub's: one table, of the same shape as the hub's,
//! from which the parser, the help and the completion come.

use super::full::completion::Wanted;

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalOp {
    /// Say what one does.
    Me,
    /// Talk to one person.
    Query,
    /// Go to a conversation.
    Go,
    /// Let a conversation be silent, or not.
    Mute,
    /// Be away, or back.
    Away,
    /// Forget what a conversation shows.
    Clear,
    /// Look for a text in what was said.
    Search,
    /// Show the keys.
    Keys,
}

/// One row of the table.
#[derive(Debug)]
pub struct Local {
    /// Which command it is.
    pub op: LocalOp,
    /// Its name.
    pub name: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// How it is written, after the name.
    pub usage: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// What its words are, for completion.
    pub wants: &'static [Wanted],
    /// Whether it needs the whole screen.
    pub full: bool,
}

const fn row(
    op: LocalOp,
    name: &'static str,
    aliases: &'static [&'static str],
    usage: &'static str,
    about: &'static str,
    wants: &'static [Wanted],
    full: bool,
) -> Local {
    Local { op, name, aliases, usage, about, wants, full }
}

/// Every command of the terminal itself.
#[rustfmt::skip]
pub const LOCALS: &[Local] = &[
    row(LocalOp::Me, "me", &["action"], "TEXT…", "say what you do: /me waves", &[Wanted::Text], false),
    row(LocalOp::Query, "query", &["dm"], "NAME [TEXT…]", "talk to one person from now on", &[Wanted::Person, Wanted::Text], false),
    row(LocalOp::Go, "go", &["window", "buffer"], "NAME", "go to a conversation", &[Wanted::Channel], true),
    row(LocalOp::Mute, "mute", &["unmute"], "[NAME]", "let a conversation be silent, or no longer", &[Wanted::Channel], true),
    row(LocalOp::Away, "away", &["back"], "[TEXT…]", "be away until you type again; whois and who messages you first are told", &[Wanted::Text], true),
    row(LocalOp::Clear, "clear", &[], "", "forget what this conversation shows", &[], true),
    row(LocalOp::Search, "search", &["find"], "TEXT…", "look for a text in what was said", &[], true),
    row(LocalOp::Keys, "keys", &["bindings"], "", "show the keys", &[], true),
];

impl Local {
    /// Finds a command by its name or an alias, in any case.
    pub fn find(word: &str) -> Option<&'static Local> {
        let is = |name: &&str| name.eq_ignore_ascii_case(word);
        LOCALS.iter().find(|local| is(&local.name) || local.aliases.iter().any(is))
    }

    /// Whether it says nothing without words after it.
    pub fn needs_words(&self) -> bool {
        self.usage.starts_with(|c: char| c.is_ascii_uppercase())
    }

    /// How it is written.
    pub fn usage_line(&self) -> String {
        format!("{} {}", self.name, self.usage).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::full::check_part;
    use super::*;
    use hubbub_shared::command::Verb;

    #[test]
    fn the_document_has_every_command() {
        let row = |local: &Local| {
            let also: Vec<String> = local.aliases.iter().map(|alias| format!("`/{alias}`")).collect();
            format!("| `/{}` | {} | {} |\n", local.usage_line(), also.join(", "), local.about)
        };
        let rows: String = LOCALS.iter().map(row).collect();
        check_part("commands", format!("| Command | Also | Does |\n|---|---|---|\n{rows}").trim_end());
    }

    #[test]
    fn no_command_of_the_terminal_hides_one_of_the_hub() {
        for local in LOCALS {
            for name in std::iter::once(&local.name).chain(local.aliases) {
                assert!(Verb::find(name).is_none(), "{name} is the hub's");
                assert_eq!(Local::find(&name.to_uppercase()).map(|l| l.op), Some(local.op));
            }
        }
    }
}
