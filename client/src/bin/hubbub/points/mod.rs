//! `hubbub points`: the client side of the points door, and with `--clients` the old experiment, whether
//! ten thousand clients that start at once are all served. Here are the arguments and the one client;
//! the experiment is in [`experiment`].

mod answer;
mod blocking;
mod crowd;
mod experiment;
mod outcome;
mod plot;

use crate::cli::Globals;
use crate::door::{self, within, Broken, Connection};
use crate::exit::Failure;
use crate::output::Output;
use answer::Points;
use clap::Args;
use hubbub_shared::doors::POINTS;
use hubbub_shared::points::{LENGTH, RANDOM};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long one client waits for its bytes, unless `--timeout` says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// More clients than this are a slip of the finger.
const MAX_CLIENTS: u64 = 1_000_000;

/// Ask the points door for two random points, or try how many clients it serves at once
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub points
  hubbub points --json | jq .a
  hubbub points --clients 10000 --at-once 10000
  hubbub points --clients 10000 --svg points.svg --no-comparison

With --clients the experiment is made: so many clients, --at-once of them at the same time, all started \
together; first against the door, then against a server in this process that serves one client after \
the other and blocks meanwhile. A client is served when it has the whole answer and the close, and has \
failed after --timeout (30s unless given).")]
pub struct PointsArgs {
    #[arg(long, value_name = "ADDR", help = door::at_help(&POINTS))]
    at: Option<String>,
    /// Make the experiment with so many clients
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    clients: Option<u64>,
    /// How many of them are connected at the same time [default: all]
    #[arg(long, value_name = "N", requires = "clients", value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    at_once: Option<u64>,
    /// Write a plot of the clients served over time to this file
    #[arg(long, value_name = "FILE", requires = "clients")]
    svg: Option<PathBuf>,
    /// Leave out the blocking server
    #[arg(long, requires = "clients")]
    no_comparison: bool,
}

/// `hubbub points`
pub async fn run(globals: &Globals, args: PointsArgs) -> Result<(), Failure> {
    if let Some(clients) = args.clients {
        return experiment::run(globals, &args, clients).await;
    }
    let limit = globals.timeout.unwrap_or(PATIENCE);
    let addr = door::find(args.at.as_deref(), &POINTS, limit).await?;
    let (points, random) = ask(addr, limit).await.map_err(|broken| broken.at(addr))?;
    let mut out = Output::new();
    match globals.json {
        true => {
            let bytes: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            out.text(&format!("{}\n", json!({ "a": points.a, "b": points.b, "bytes": bytes })))?;
        }
        false => out.text(&points.to_string())?,
    }
    out.flush()
}

/// Connects and reads to the end, which must come after the right bytes.
async fn ask(addr: SocketAddr, limit: Duration) -> Result<(Points, [u8; RANDOM]), Broken> {
    within(limit, async { receive(Connection::open(addr).await?).await }).await
}

/// What an open connection brings.
async fn receive(mut connection: Connection) -> Result<(Points, [u8; RANDOM]), Broken> {
    // One byte more than is right: so much is read of whatever this is.
    let mut bytes = [0; LENGTH + 1];
    let mut have = 0;
    while have < bytes.len() {
        match connection.read(&mut bytes[have..]).await? {
            0 => break,
            read => have += read,
        }
    }
    let points = answer::read(&bytes[..have])?;
    Ok((points, answer::random(&bytes)))
}
