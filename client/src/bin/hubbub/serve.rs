//! `hubbub serve`: a shell command becomes a service. Requests beyond those that may run at once wait
//! in the library's queue.

use crate::cli::{some_number, Globals};
use crate::connect::Lost;
use crate::exec::{self, status_in_words, Ended, Run};
use crate::exit::{Exit, Failure};
use crate::output::{aside, plain};
use crate::show;
use async_io::Timer;
use async_signal::{Signal, Signals};
use clap::Args;
use futures::future::{pending, select, Either};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use hubbub_client::{Error, IncomingRequest, Requests};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::json;
use hubbub_shared::limits::{Limits, MAX_REQUEST_TIMEOUT};
use serde_json::value::RawValue;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How long the answers that are under way may take after the first signal. A guess: a little less
/// than what service managers grant.
const GRACE: Duration = Duration::from_secs(8);

/// Offer a shell command as a service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub serve upper --exec 'tr a-z A-Z'
  hubbub serve disk --about 'free space' --exec 'df -h'
  hubbub serve sum --json --exec 'jq add' --parallel 8 --timeout 2s

The request's data is the command's standard input, and its standard output (without the last \
line end) the answer; when it exits with another code than 0, the answer is an error with the last \
line of its standard error. With --json both are JSON. In its environment are HUBBUB_SERVICE, \
HUBBUB_FROM, HUBBUB_REQUEST_ID and HUBBUB_DATA (when it is shorter than 64 KiB and without NUL).

A command that runs longer than --timeout is killed, and the caller told. The first Ctrl-C or \
SIGTERM ends the offer and lets running commands finish, the second ends them too.")]
pub struct ServeArgs {
    /// The name of the service
    service: String,
    /// The command, run through sh once a request
    #[arg(long, value_name = "CMD")]
    exec: String,
    /// What the service does, for whoever lists services
    #[arg(long, value_name = "TEXT", default_value = "")]
    about: String,
    /// How many commands may run at once [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = some_number::<NonZeroUsize>)]
    parallel: Option<NonZeroUsize>,
}

/// `hubbub serve`
pub async fn run(globals: &Globals, args: ServeArgs) -> Result<(), Failure> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])
        .map_err(|e| Failure::local(format!("cannot listen to signals: {e}")))?
        .fuse();
    // --timeout is for the command; connecting keeps its default.
    let connecting = Globals { timeout: None, ..globals.clone() };
    let client = connecting.connect(Lost::Reconnect).await?;
    let mut events = client.events().fuse();
    let mut requests = client.serve(&args.service, &args.about).await?;
    aside(&format!("serving {} as {} on {}", args.service, client.name(), client.server().server));

    let processors = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let parallel = args.parallel.unwrap_or(processors).get();
    // Nobody waits longer than the hub lets requests wait.
    let limit = globals.timeout.unwrap_or(MAX_REQUEST_TIMEOUT);
    let mut running = FuturesUnordered::new();
    loop {
        let next =
            if running.len() < parallel { Either::Left(requests.next()) } else { Either::Right(pending()) };
        let request = futures::select_biased! {
            _ = signals.next() => break,
            () = running.select_next_some() => continue,
            event = events.select_next_some() => {
                if let Some(words) = show::event_aside(&event) {
                    aside(&words);
                }
                continue;
            }
            request = next.fuse() => request,
        };
        let Some(request) = request else {
            return Err(Failure::new(Exit::NoConnection, "the connection ended"));
        };
        running.push(answer(request, &args.exec, globals.json, limit));
    }
    let finish = async {
        let unserved = unserve(requests).await;
        while running.next().await.is_some() {}
        unserved
    };
    let impatient = select(signals.next(), Timer::after(GRACE));
    futures::pin_mut!(finish);
    match select(finish, impatient).await {
        Either::Left((unserved, _)) => unserved?,
        Either::Right(_) => return Err(Failure::time_limit("ended with requests unanswered")),
    }
    let _ = client.close().await;
    Ok(())
}

async fn unserve(requests: Requests) -> Result<(), Failure> {
    match requests.unserve().await {
        // Whoever is no longer connected offers nothing any more.
        Ok(()) | Err(Error::Disconnected { .. }) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

async fn answer(request: IncomingRequest, command: &str, json: bool, limit: Duration) {
    let input = if json { json::compact(request.data.get()).into_owned() } else { plain(&request.data) };
    let who = format!("{} for {}", request.service, shown(&request.from));
    let env = vec![
        ("HUBBUB_SERVICE", request.service.clone()),
        ("HUBBUB_FROM", request.from.clone()),
        ("HUBBUB_REQUEST_ID", request.request_id.clone()),
        ("HUBBUB_DATA", input.clone()),
    ];
    let capture = Some(Limits::default().max_frame);
    let run = Run { command, env, input: input.into_bytes(), limit: Some(limit), capture };
    let outcome = exec::run(run).await.map_err(|broken| broken.to_string());
    let sent = match outcome.and_then(|ended| reading(ended, json)) {
        Ok(Answer::Text(text)) => request.respond(text).await,
        Ok(Answer::Json(value)) => request.respond(value).await,
        Err(why) => {
            aside(&format!("{who}: {why}"));
            request.fail(&why).await
        }
    };
    match sent {
        // The caller may have given up, or the connection may be gone: neither is this service's end.
        Ok(()) | Err(Error::Disconnected { .. }) => {}
        Err(e) => aside(&format!("{who}: {e}")),
    }
}

enum Answer {
    Text(String),
    Json(Box<RawValue>),
}

/// What a command's end means to the caller.
fn reading(ended: Ended, json: bool) -> Result<Answer, String> {
    if !ended.status.success() {
        let status = status_in_words(ended.status);
        return Err(ended.complaint.unwrap_or_else(|| format!("the command ended with {status}")));
    }
    let mut text =
        String::from_utf8(ended.stdout).map_err(|_| "the command's answer is not UTF-8".to_owned())?;
    if json {
        return serde_json::from_str(text.trim())
            .map(Answer::Json)
            .map_err(|e| format!("the command's answer is not valid JSON: {e}"));
    }
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(Answer::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn read(code: i32, stdout: &[u8], complaint: Option<&str>, json: bool) -> Result<String, String> {
        let complaint = complaint.map(str::to_owned);
        let ended = Ended { status: ExitStatus::from_raw(code << 8), stdout: stdout.to_vec(), complaint };
        reading(ended, json).map(|answer| match answer {
            Answer::Text(text) => text,
            Answer::Json(value) => value.get().to_owned(),
        })
    }

    #[test]
    fn the_end_of_a_command_is_an_answer_or_an_error() {
        assert_eq!(read(0, b"a\n\n", None, false).as_deref(), Ok("a\n"));
        assert_eq!(read(0, b" {\"a\":1}\n", None, true).as_deref(), Ok("{\"a\":1}"));
        assert_eq!(read(2, b"a", Some("no such file"), false), Err("no such file".into()));
        assert_eq!(read(2, b"a", None, false), Err("the command ended with exit code 2".into()));
        assert!(read(0, b"\xff", None, false).is_err_and(|e| e.contains("UTF-8")));
        assert!(read(0, b"{", None, true).is_err_and(|e| e.contains("JSON")));
    }
}
