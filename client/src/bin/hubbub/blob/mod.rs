//! `hubbub blob`: the client side of the blob door, and the commands that its old server had. Here are
//! the table of its commands and the three that ask one thing; the others are in a file each.

mod busy;
mod demo;
mod expected;
mod life;
mod start;
mod wire;

pub use start::find_program;

use crate::cli::Globals;
use crate::door;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use clap::{Args, Subcommand};
use hubbub_shared::doors::BLOB;
use hubbub_shared::encoding::escape::shown;
use serde_json::value::RawValue;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;
use wire::{whole_number, Door, Framing, Request};

/// How long each step of a request may take, unless `--timeout` says otherwise. A guess: the longest
/// permitted request takes far less, and many may be in front of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ask the blob door: JSON in, JSON out, one request a connection
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob start                           a server of its own for the door
  hubbub blob factor 75                       [3, 5, 5]
  hubbub blob palindrome was it a cat i saw   true
  hubbub blob fibonacci 12                    144
  hubbub blob demo                            one client for each, with a log
  hubbub blob busy --clients 100              a hundred clients at once
  hubbub blob status && hubbub blob shutdown")]
pub struct BlobArgs {
    #[arg(long, value_name = "ADDR", help = door::at_help(&BLOB))]
    at: Option<String>,
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Find a number's prime factors
    #[command(after_help = "\
Examples:
  hubbub blob factor 75
  hubbub blob factor 18446744073709551557 --at 127.0.0.1:9500")]
    Factor {
        /// The number
        #[arg(value_parser = whole_number, allow_negative_numbers = true)]
        number: String,
        #[command(flatten)]
        at: At,
    },
    /// Tell whether a text reads the same from both ends; white space does not count
    #[command(after_help = "\
Examples:
  hubbub blob palindrome was it a cat i saw
  hubbub blob palindrome --bare 'was it a cat i saw'")]
    Palindrome {
        /// The text; its words are joined by spaces
        #[arg(required = true)]
        text: Vec<String>,
        #[command(flatten)]
        at: At,
    },
    /// Find a Fibonacci number by its index, exactly
    #[command(after_help = "\
Examples:
  hubbub blob fibonacci 12
  hubbub blob fibonacci 121212 | wc -c")]
    Fibonacci {
        /// The index; the numbers of 0 and 1 are 0 and 1
        #[arg(value_parser = whole_number, allow_negative_numbers = true)]
        index: String,
        #[command(flatten)]
        at: At,
    },
    Demo(demo::DemoArgs),
    Busy(busy::BusyArgs),
    Start(start::StartArgs),
    Status(life::StatusArgs),
    Shutdown(life::ShutdownArgs),
    #[command(hide = true)]
    BusyClient(busy::ClientArgs),
    #[command(hide = true)]
    InSession(start::SessionArgs),
}

/// Where the door is, and how to talk to it.
#[derive(Debug, Clone, Args)]
struct At {
    #[arg(long, value_name = "ADDR", help = door::at_help(&BLOB))]
    at: Option<String>,
    /// Send JSON alone, without a length before it
    #[arg(long)]
    bare: bool,
}

impl At {
    /// With what was said before the subcommand.
    fn or(self, outer: Option<String>) -> At {
        At { at: self.at.or(outer), ..self }
    }

    async fn door(&self, globals: &Globals, usual: Duration) -> Result<Door, Failure> {
        let limit = globals.timeout.unwrap_or(usual);
        let framing = if self.bare { Framing::Bare } else { Framing::Length };
        Ok(Door { addr: door::find(self.at.as_deref(), &BLOB, limit).await?, framing, limit })
    }
}

/// `hubbub blob`
pub async fn run(globals: &Globals, args: BlobArgs) -> Result<Exit, Failure> {
    let outer = args.at;
    // For those that look at addresses and connect to none.
    let place = |inner: Option<SocketAddr>| match (inner, &outer) {
        (None, Some(outer)) => place(outer).map(Some).map_err(|why| Failure::local(format!("--at: {why}"))),
        (inner, _) => Ok(inner),
    };
    match args.kind {
        Kind::Factor { number, at } => one(globals, &at.or(outer), Request::Factor(number)).await,
        Kind::Palindrome { text, at } => {
            one(globals, &at.or(outer), Request::Palindrome(text.join(" "))).await
        }
        Kind::Fibonacci { index, at } => one(globals, &at.or(outer), Request::Fibonacci(index)).await,
        Kind::Demo(args) => demo::run(globals, &args.at.or(outer)).await,
        Kind::Busy(mut args) => {
            args.at = args.at.or(outer);
            busy::run(globals, args).await
        }
        Kind::Start(args) => start::run(globals, place(args.at)?, args.hubbubd.as_deref()).await,
        Kind::Status(args) => return life::status(globals, place(args.at)?),
        Kind::Shutdown(args) => life::shutdown(globals, place(args.at)?).await,
        Kind::BusyClient(args) => busy::client(globals, args).await,
        Kind::InSession(args) => Err(start::in_session(args)),
    }?;
    Ok(Exit::Done)
}

/// An address as numbers, of what a server takes for its door; the known port where none was named. Of
/// several the first of IPv4, in which the known one is.
fn place(at: &str) -> Result<SocketAddr, String> {
    let whole = door::with_port(at, BLOB.port);
    let found: Vec<SocketAddr> = whole.to_socket_addrs().map_or_else(|_| Vec::new(), Iterator::collect);
    let first = found.iter().find(|addr| addr.is_ipv4()).or(found.first()).copied();
    let port = BLOB.port;
    first.ok_or_else(|| {
        format!("{} is no address such as {}, localhost:{port} or {port}", shown(at), BLOB.addr())
    })
}

/// Asks one thing and prints the answer as it came; with `--json` without its spaces.
async fn one(globals: &Globals, at: &At, request: Request) -> Result<(), Failure> {
    let door = at.door(globals, PATIENCE).await?;
    let answer = door.ask(&request.json()).await.map_err(|broken| broken.at(door.addr))?;
    if let Some(refused) = wire::refusal(&answer) {
        return Err(refused);
    }
    let mut out = Output::new();
    match globals.json {
        true => out.json(&RawValue::from_string(answer).expect("an answer was read as JSON"))?,
        false => out.text(&format!("{}\n", shown(&answer)))?,
    }
    out.flush()
}
