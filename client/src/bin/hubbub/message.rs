//! `hubbub msg` and `hubbub request`: something to one client, or to whoever offers a service.

use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::Failure;
use crate::output::Output;
use crate::publish::{not_json, payload};
use crate::show;
use clap::Args;
use hubbub_shared::encoding::escape::shown;
use std::io::Read;
use std::time::Duration;

/// Send a message to one client
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub msg bob 'Lunch?'
  hubbub msg bob@alpha --json '{\"lunch\":true}'
  uptime | hubbub msg bob -")]
pub struct MsgArgs {
    /// The client; NAME@SERVER is exact in a cluster
    to: String,
    /// The message; `-` takes all of standard input
    #[arg(required = true)]
    text: Vec<String>,
}

/// `hubbub msg`
pub async fn msg(globals: &Globals, args: MsgArgs) -> Result<(), Failure> {
    let text = text(&args.text)?;
    let data = payload(&text, globals.json).map_err(|e| not_json("the message", &e))?;
    let client = globals.connect_with(Lost::End, |options| options.follow(true)).await?;
    let reply = client.message(&args.to, data).await?;
    let mut out = Output::new();
    if globals.json {
        out.text(&format!("{}\n", serde_json::json!(reply)))?;
    } else {
        let clients = show::count(reply.delivered_to.len() as u64, "client");
        out.text(&format!("sent to {} ({clients})\n", shown(&args.to)))?;
    }
    out.flush()?;
    let _ = client.close().await;
    Ok(())
}

/// Ask a service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub request upper hello
  hubbub request resize --json '{\"width\":80}' --timeout 30s
  hubbub request format --raw - < main.c > formatted.c

--timeout is how long to wait for the answer, 5s unless given; with --json the question and the \
answer are JSON.")]
pub struct RequestArgs {
    /// The service
    service: String,
    /// The question; `-` takes all of standard input
    text: Vec<String>,
    /// Print the answer as it is, without escapes
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// `hubbub request`
pub async fn request(globals: &Globals, args: RequestArgs) -> Result<(), Failure> {
    /// What the hub waits when nothing else is said; said all the same, since the library's clock
    /// must run a little longer than the hub's.
    const PATIENCE: Duration = hubbub_shared::limits::DEFAULT_REQUEST_TIMEOUT;
    let text = text(&args.text)?;
    // No question at all is null, so that `hubbub request time --json` works.
    let text = if globals.json && args.text.is_empty() { "null".to_owned() } else { text };
    let data = payload(&text, globals.json).map_err(|e| not_json("the question", &e))?;
    let client = globals.connect_with(Lost::End, |options| options.follow(true)).await?;
    let limit = globals.timeout.unwrap_or(PATIENCE);
    let answer = client.request_timeout(&args.service, data, limit).await?;
    let mut out = Output::new();
    out.payload(&answer, globals.form(args.raw))?;
    out.flush()?;
    let _ = client.close().await;
    Ok(())
}

/// The words of a text, or for `-` all of standard input without its last line end.
fn text(words: &[String]) -> Result<String, Failure> {
    if words != ["-"] {
        return Ok(words.join(" "));
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut text);
    read.map_err(|e| Failure::local(format!("standard input cannot be sent: {e}")))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}
