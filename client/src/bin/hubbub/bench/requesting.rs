//! `hubbub bench request`: callers of a service, and with `--serve` its provider, an echo.

use super::report::{grouped, Delays, Report, Role};
use super::schedule::Schedule;
use super::stamp::{self, Stamp};
use super::{amount, connect, size, spawn, until, watch, MAX_CLIENTS, PATIENCE};
use crate::cli::Globals;
use crate::exit::Failure;
use clap::Args;
use futures::future::try_join_all;
use futures::StreamExt;
use hubbub_client::{Client, Error, Requests};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many failures end the run: it would only show how long failing takes. A guess.
const MAX_FAILURES: u64 = 100;
/// Requests under way at once with --serve: what the library keeps for one provider.
const MAX_SERVED: u64 = 1_000;

/// Ask a service many times
///
/// Each caller keeps --in-flight requests under way on one connection. With --rate requests are due at
/// even distances, and a delay counts from the moment at which its request was due. A request that is
/// not answered in --timeout (5s unless given), or with an error, has failed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub bench request echo                       the hub's own, one by one
  hubbub bench request parrot --serve             to this process and back
  hubbub bench request parrot --serve --callers 4 --in-flight 16
  hubbub bench request upper --msgs 1k --rate 200 somebody else's service
  hubbub bench request echo --json | jq .answered_us.p99")]
pub struct RequestArgs {
    /// The service
    service: String,
    /// Requests, of all callers together
    #[arg(long, value_name = "N", default_value = "10k", value_parser = amount)]
    msgs: u64,
    /// Bytes of a question's text
    #[arg(long, value_name = "B", default_value = "128", value_parser = size)]
    size: usize,
    /// Callers, each with a connection of its own
    #[arg(long, value_name = "C", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    callers: u64,
    /// Requests that each caller has under way at once
    #[arg(long, value_name = "F", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    in_flight: u64,
    /// Requests a second, of all callers together, instead of as fast as can be
    #[arg(long, value_name = "R", value_parser = amount)]
    rate: Option<u64>,
    /// Offer the service from this process, too: it answers with the question
    #[arg(long)]
    serve: bool,
}

/// What all workers of a run share.
struct Run {
    args: RequestArgs,
    schedule: Schedule,
    limit: Duration,
    /// The request that is asked next.
    next: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    /// The first failure in words.
    why: Mutex<Option<String>>,
}

/// `hubbub bench request`
pub async fn run(globals: &Globals, args: RequestArgs) -> Result<(), Failure> {
    if args.serve && args.callers.saturating_mul(args.in_flight) > MAX_SERVED {
        let message =
            format!("--serve answers {MAX_SERVED} requests at once: take fewer --callers or --in-flight");
        return Err(Failure::local(message));
    }
    let provider = match args.serve {
        true => Some(connect(globals, "provider", 1).await?),
        false => None,
    };
    if let Some(provider) = &provider {
        let requests = provider.serve(&args.service, "hubbub bench: answers with the question").await?;
        // It ends with the connection.
        drop(spawn(echo(requests)));
    }
    let limit = globals.timeout.unwrap_or(PATIENCE);
    let mut callers = Vec::new();
    for number in 0..args.callers {
        let client = connect(globals, "caller", number + 1).await?;
        // Whether the service is there at all is found out before anything is measured.
        client.request_timeout(&args.service, stamp::blank(args.size), limit).await?;
        callers.push(client);
    }
    let start = Instant::now();
    let run = Arc::new(Run {
        schedule: Schedule::new(start, args.rate),
        limit,
        next: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        why: Mutex::new(None),
        args,
    });
    let lanes = callers.iter().flat_map(|client| (0..run.args.in_flight).map(move |_| client));
    let lanes: Vec<_> = lanes.map(|client| spawn(ask(run.clone(), client.clone()))).collect();
    let delays = watch(try_join_all(lanes), run.args.msgs, || run.answered.load(Ordering::Relaxed)).await?;
    let took = start.elapsed();
    for client in callers.into_iter().chain(provider) {
        let _ = client.close().await;
    }
    report(&run, &delays, took).finish(globals.json)
}

/// Answers with the question, as many at a time as come.
async fn echo(requests: Requests) {
    let answer = |request: hubbub_client::IncomingRequest| async move {
        let data = request.data.clone();
        // A caller that is gone, or gave up, counts the failure itself.
        let _ = request.respond(data).await;
    };
    requests.for_each_concurrent(None, answer).await;
}

/// Asks one request after the other until all are asked.
async fn ask(run: Arc<Run>, client: Client) -> Result<Delays, Failure> {
    let mut delays = Delays::new();
    let mut text = stamp::blank(run.args.size);
    loop {
        let number = run.next.fetch_add(1, Ordering::Relaxed);
        if number >= run.args.msgs || run.failed.load(Ordering::Relaxed) >= MAX_FAILURES {
            return Ok(delays);
        }
        let moment = match run.schedule.due(number) {
            Some(due) => {
                until(due).await;
                due
            }
            None => Instant::now(),
        };
        Stamp { at: Duration::ZERO, number }.write(&mut text);
        let why = match client.request_timeout(&run.args.service, &text, run.limit).await {
            Ok(answer) if run.args.serve && answer.get().trim_matches('"') != text => {
                "an answer was not the question: somebody else offers the service, too".to_owned()
            }
            Ok(_) => {
                delays.record(moment.elapsed());
                run.answered.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            Err(why @ Error::Disconnected { .. }) => return Err(why.into()),
            Err(why) => why.to_string(),
        };
        run.failed.fetch_add(1, Ordering::Relaxed);
        run.why.lock().get_or_insert(why);
    }
}

fn report(run: &Run, delays: &[Delays], time: Duration) -> Report {
    let args = &run.args;
    let messages = run.answered.load(Ordering::Relaxed);
    let mut all = Delays::new();
    delays.iter().for_each(|delays| all.add(delays));
    let bytes = messages * args.size as u64;
    let failed = run.failed.load(Ordering::Relaxed);
    let lost = args.msgs - messages;
    let trouble = match run.why.lock().take() {
        None => String::new(),
        Some(why) => format!(
            "of {} requests {} failed and {} were not asked any more; the first: {why}",
            grouped(args.msgs),
            grouped(failed),
            grouped(lost - failed)
        ),
    };
    Report {
        kind: "request",
        target: args.service.clone(),
        roles: vec![Role { name: "callers", clients: args.callers, messages, bytes, time }],
        delays: vec![("answered", all)],
        since: if args.rate.is_some() { "due" } else { "sending" },
        rate: args.rate,
        counts: vec![("lost", lost), ("failed", failed)],
        trouble,
    }
}
