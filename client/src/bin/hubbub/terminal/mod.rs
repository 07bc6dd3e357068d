//! `hubbub` without a subcommand: a person at a terminal, or a script that pipes the same commands
//! in. `line.rs` says what a line means, by the hub's table of commands and that of `local.rs`;
//! `session.rs` does it, `inbox.rs` gathers what arrives. Around them are three shells: `full/` has
//! the whole screen, `plain.rs` and `piped.rs` talk line by line (`wording.rs`).

mod full;
mod history;
mod inbox;
mod line;
mod local;
mod piped;
mod plain;
mod reply;
mod session;
#[cfg(test)]
mod tests;
mod wording;

use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Options of the terminal.
#[derive(Debug, Args)]
pub struct TerminalArgs {
    /// Subscribe to this channel at the start; may be given several times
    #[arg(long, short = 'j', value_name = "CHANNEL")]
    pub join: Vec<String>,
    /// Talk line by line, without taking the whole screen
    #[arg(long)]
    pub plain: bool,
    /// The file that says how the full screen is to be [default: $XDG_CONFIG_HOME/hubbub/terminal.toml
    /// or ~/.config/hubbub/terminal.toml]
    #[arg(long, value_name = "PATH", env = "HUBBUB_TERMINAL_CONFIG", hide_env_values = true)]
    #[arg(hide_short_help = true)]
    pub config: Option<PathBuf>,
}

/// Talks until the person or the input ends it.
pub async fn run(globals: &Globals, args: TerminalArgs) -> Result<Exit, Failure> {
    let on_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    match (on_terminal, args.plain || globals.json) {
        (false, _) => piped::run(globals, args).await,
        (true, true) => plain::run(globals, args).await,
        (true, false) => full::run(globals, args).await,
    }
}
