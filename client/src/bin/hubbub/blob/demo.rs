//! `hubbub blob demo`: one client for each kind of request, one after the other, with the log of the
//! old ones: date and time, and what was sent and received.

use super::wire::{self, Door, Request};
use super::{At, PATIENCE};
use crate::cli::Globals;
use crate::exit::Failure;
use crate::output::Output;
use chrono::{DateTime, Local};
use clap::Args;
use hubbub_shared::encoding::escape::shown;
use serde_json::json;
use serde_json::value::RawValue;

/// Send one request of each kind, and log what is sent and received
///
/// Three clients, one after the other, each with a connection of its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob demo
  hubbub blob demo --bare --at 127.0.0.1:9500
  hubbub blob demo --json | jq .bytes")]
pub struct DemoArgs {
    #[command(flatten)]
    pub(super) at: At,
}

/// `hubbub blob demo`
pub async fn run(globals: &Globals, at: &At) -> Result<(), Failure> {
    let door = at.door(globals, PATIENCE).await?;
    let mut out = Output::new();
    let mut refused = None;
    for request in [
        Request::Factor("75".into()),
        Request::Palindrome("was it a cat i saw".into()),
        Request::Fibonacci("12".into()),
    ] {
        let answer = client(&door, &request.json(), globals.json, &mut out).await?;
        refused = refused.or(wire::refusal(&answer));
    }
    refused.map_or(Ok(()), Err)
}

async fn client(door: &Door, request: &str, json: bool, out: &mut Output) -> Result<String, Failure> {
    let broken = |broken: crate::door::Broken| broken.at(door.addr);
    let mut talk = door.open().await.map_err(broken)?;
    talk.send(request).await.map_err(broken)?;
    // A person watches: each line is handed on at once.
    out.text(&line("Sent", request, Local::now(), json))?;
    out.flush()?;
    let answer = talk.receive().await.map_err(broken)?;
    out.text(&line("Received", &answer, Local::now(), json))?;
    out.flush()?;
    Ok(answer)
}

fn line(what: &str, text: &str, at: DateTime<Local>, as_json: bool) -> String {
    if as_json {
        let value: Option<&RawValue> = serde_json::from_str(text).ok();
        let line = json!({ "time": at.to_rfc3339(), "what": what, "bytes": text.len(), "json": value });
        return format!("{line}\n");
    }
    format!("{} {what} {} bytes: {}\n", at.format("%Y-%m-%d %H:%M:%S,%3f"), text.len(), shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;

    #[test]
    fn the_log_is_that_of_the_old_clients() {
        let at = Local.with_ymd_and_hms(2026, 5, 1, 9, 30, 0).single().expect("a moment");
        let at = at + chrono::TimeDelta::milliseconds(123);
        assert_eq!(
            line("Sent", "{\"factor\": 75}", at, false),
            "2026-05-01 09:30:00,123 Sent 14 bytes: {\"factor\": 75}\n"
        );
        assert_eq!(
            line("Received", "[3, 5, 5]", at, false),
            "2026-05-01 09:30:00,123 Received 9 bytes: [3, 5, 5]\n"
        );
        let json: serde_json::Value = serde_json::from_str(&line("Received", "144", at, true)).expect("JSON");
        assert_eq!(
            (&json["what"], &json["bytes"], &json["json"]),
            (&"Received".into(), &3.into(), &144.into())
        );
    }
}
