//! `hubbub drain`: ask the server to send its clients away and to stop.

use crate::cli::{duration, Globals};
use crate::connect::Lost;
use crate::exit::Failure;
use clap::Args;
use hubbub_shared::encoding::escape::shown;
use serde_json::{json, Value};
use std::time::Duration;

/// Send all clients away, then stop the server
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub drain
  hubbub drain --deadline 30s
  hubbub drain --data-dir /var/lib/hubbub

On the server's own machine the operator token is read from its data folder; elsewhere it is given \
with --token or HUBBUB_TOKEN.")]
pub struct DrainArgs {
    /// When to close the clients that are still there
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    deadline: Option<Duration>,
}

/// `hubbub drain`
pub async fn run(globals: &Globals, args: DrainArgs) -> Result<(), Failure> {
    let client = globals.connect(Lost::End).await?;
    globals.become_operator(&client).await?;
    let said = format!("{} is draining\n", shown(&client.server().server));
    let asked = args.deadline.map_or(json!({}), |d| json!({ "deadline_ms": d.as_millis() as u64 }));
    globals.ask_on(client, "drain", asked, |_: &Value, out| out.text(&said)).await
}
