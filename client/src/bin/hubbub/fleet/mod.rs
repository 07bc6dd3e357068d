//! `hubbub fleet`: the client of a test fleet, a demonstration with a coordinator and three clients, and
//! the reports of runs. The coordinator itself is the door `fleet` of the hub.

mod client;
mod demo;
mod folder;
mod lines;
mod measure;
mod plan;
mod process;
mod reports;
mod wire;
mod writer;

use crate::cli::Globals;
use crate::door::with_port;
use crate::exit::{Exit, Failure};
use crate::output::complain;
use async_signal::{Signal, Signals};
use clap::{Args, Subcommand};
use hubbub_shared::doors::FLEET;

/// Run test clients that write files, and read what became of them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub fleet client --runtime 15 --chunk-size 10 --file-size 50
  hubbub fleet demo                           a coordinator and three clients
  hubbub sub 'fleet.>'                        everything that happens, live
  hubbub fleet report                         the last run's
  hubbub fleet runs

The coordinator is a hub's door: hubbubd --door fleet. It runs five clients at once; others wait in \
line. A run ends when all its clients have gone.")]
pub struct FleetArgs {
    #[arg(long, value_name = "ADDR", help = coordinator_help("The coordinator's address, for client"))]
    at: Option<String>,
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Client(client::ClientArgs),
    Demo(demo::DemoArgs),
    Report(reports::ReportArgs),
    Runs(reports::RunsArgs),
    #[command(hide = true)]
    Writer(writer::WriterArgs),
}

/// Why a command ends before its aim.
enum Early {
    Failure(Failure),
    /// It was told to stop; all is cleaned up.
    Signal(Signal),
}

impl<T: Into<Failure>> From<T> for Early {
    fn from(failure: T) -> Self {
        Early::Failure(failure.into())
    }
}

/// `hubbub fleet`
pub async fn run(globals: &Globals, args: FleetArgs) -> Result<(), Failure> {
    let instead = match args.kind {
        Kind::Demo(_) => Some("fleet demo starts a coordinator of its own"),
        Kind::Report(_) | Kind::Runs(_) => Some("fleet report and runs ask the hub, which --server names"),
        Kind::Client(_) | Kind::Writer(_) => None,
    };
    if let (Some(instead), Some(_)) = (instead, &args.at) {
        return Err(Failure::local(format!("--at is for fleet client; {instead}")));
    }
    let ended = match args.kind {
        Kind::Client(inner) => client::run(globals, inner.or_at(args.at)).await,
        Kind::Demo(args) => demo::run(globals, args).await,
        Kind::Report(args) => return reports::report(globals, args).await,
        Kind::Runs(args) => return reports::runs(globals, args).await,
        Kind::Writer(args) => return writer::run(&args),
    };
    match ended {
        Ok(()) => Ok(()),
        Err(Early::Failure(failure)) => Err(failure),
        Err(Early::Signal(signal)) => {
            complain(&format!("stopped by {}; all is cleaned up", name_of(signal)));
            // As shells tell of whom a signal ended.
            std::process::exit(128 + signal as i32)
        }
    }
}

/// A signal's name as everybody writes it.
fn name_of(signal: Signal) -> &'static str {
    match signal {
        Signal::Int => "SIGINT",
        Signal::Hup => "SIGHUP",
        // Nothing else is listened to.
        _ => "SIGTERM",
    }
}

/// What asks for an end.
fn signals() -> Result<Signals, Failure> {
    Signals::new([Signal::Int, Signal::Term, Signal::Hup])
        .map_err(|error| Failure::local(format!("cannot listen to signals: {error}")))
}

/// The address of the door: its known port where none was named.
fn door(at: Option<&str>) -> String {
    at.map_or_else(|| FLEET.addr().to_string(), |at| with_port(at, FLEET.port))
}

fn coordinator_help(what: &str) -> String {
    format!("{what} [default: {}]", FLEET.addr())
}

/// The end of a local trouble.
fn local(message: impl Into<String>) -> Early {
    Early::Failure(Failure::new(Exit::Usage, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doors_known_port_need_not_be_named() {
        assert_eq!(door(None), "127.0.0.1:1234");
        assert_eq!(door(Some("fleet.example")), "fleet.example:1234");
        assert_eq!(door(Some("[::1]:9")), "[::1]:9");
    }
}
