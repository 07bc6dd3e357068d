//! `hubbub`: what a person or a script at a prompt does with a hub. Parse, run, exit code: the doing
//! is in one file a subcommand, the exit codes are in `exit.rs`.

mod bench;
mod blob;
mod board;
mod cli;
mod connect;
mod docs;
mod door;
mod drain;
mod exec;
mod exit;
mod facts;
mod fleet;
mod lines;
mod lists;
mod message;
mod output;
mod persistent;
mod ping;
mod points;
mod publish;
mod running;
mod serve;
mod show;
mod style;
mod subscribe;
mod table;
mod template;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    let exit = match cli::parse().and_then(|cli| async_io::block_on(cli::run(cli))) {
        Ok(exit) => exit,
        Err(failure) => {
            if !failure.message.is_empty() {
                output::complain(&failure.message);
            }
            failure.exit
        }
    };
    ExitCode::from(exit as u8)
}
