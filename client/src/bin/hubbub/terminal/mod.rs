//! `hubbub` without a subcommand: a person at a terminal, or a script that pipes the same commands
//! in. `line.rs` says what a line means, `session.rs` does it, `inbox.rs` gathers what arrives;
//! `screen.rs` and `piped.rs` are the two shells around them.

mod history;
mod inbox;
mod line;
mod piped;
mod reply;
mod screen;
mod session;
#[cfg(test)]
mod tests;

use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use clap::Args;
use std::io::IsTerminal;

/// Options of the terminal.
#[derive(Debug, Args)]
pub struct TerminalArgs {
    /// Subscribe to this channel at the start; may be given several times
    #[arg(long, short = 'j', value_name = "CHANNEL")]
    pub join: Vec<String>,
}

/// Talks until the person or the input ends it.
pub async fn run(globals: &Globals, args: TerminalArgs) -> Result<Exit, Failure> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        screen::run(globals, args).await
    } else {
        piped::run(globals, args).await
    }
}
