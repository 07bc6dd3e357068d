//! `hubbub blob busy`: many clients at once, each with the four requests of the headline on one
//! connection each, every answer checked; beside it what the old systems took for ten clients.

use super::expected::{headline, Expected};
use super::wire::{Door, Framing};
use super::{At, PATIENCE};
use crate::bench::report::{a_second, grouped, round, Delays};
use crate::bench::watch;
use crate::cli::Globals;
use crate::door::make_room;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::style::Style;
use crate::table::{Side, Table};
use async_process::{Command, Stdio};
use clap::Args;
use futures::stream::{FuturesUnordered, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// More clients than this are a slip of the finger.
const MAX_CLIENTS: u64 = 10_000;
/// The same for clients that are processes: each has its memory.
const MAX_PROCESSES: u64 = 1_000;
/// Descriptors of a client that is a process: its output, its error output, what tells of its end.
const DESCRIPTORS_OF_A_PROCESS: u64 = 4;
/// What ten clients took with the old servers, their start included: at first, and when optimised.
const OLD: [(&str, f64); 2] = [("the old server at first", 24.059), ("the old server optimised", 0.059)];
/// How many clients those were.
const OLD_CLIENTS: u64 = 10;
/// Requests of a client.
const REQUESTS: u64 = 4;

/// Many clients at once, each with the four requests of the old headline
///
/// Each client asks for the factors of 75757575, a palindrome, the Fibonacci number of 121212 and the
/// factors of 757575, on a connection each, and checks the answers. With --processes each client is a
/// process, whose start counts: so it was with the old figures, which stand beside.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob busy --clients 100
  hubbub blob busy --clients 10 --processes   the work of the old headline
  hubbub blob busy --json | jq .request_us.p99

Each client has one connection at a time. The hub takes as many at once as its --max-clients says, those of its other clients included: the limit of file descriptors less 64, unless it was told otherwise (960 where that limit is 1024). One beyond is closed without an answer, and counts as failed.")]
pub struct BusyArgs {
    /// Clients, all at once
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    clients: u64,
    /// A process for each client
    #[arg(long)]
    processes: bool,
    #[command(flatten)]
    pub(super) at: At,
}

/// One client of `busy --processes`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob busy-client")]
pub struct ClientArgs {
    #[command(flatten)]
    at: At,
}

/// Requests with their right answers.
type Work = [(String, Expected); 4];

/// What one client found.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Findings {
    /// Microseconds that each right answer took, from connecting on.
    took_us: Vec<f64>,
    /// What went wrong with the others, and the exit codes of that.
    wrong: Vec<(u8, String)>,
}

/// The figures of a run.
struct Figures {
    clients: u64,
    processes: bool,
    time: Duration,
    requests: Delays,
    each_client: Delays,
    /// Right answers.
    right: u64,
    wrong: Vec<(u8, String)>,
}

/// `hubbub blob busy`
pub async fn run(globals: &Globals, args: BusyArgs) -> Result<(), Failure> {
    if args.processes && args.clients > MAX_PROCESSES {
        return Err(Failure::local(format!("{MAX_PROCESSES} clients are the most with --processes")));
    }
    let each = if args.processes { DESCRIPTORS_OF_A_PROCESS } else { 1 };
    make_room(args.clients * each)?;
    let door = args.at.door(globals, PATIENCE).await?;
    let work = work();
    let done = AtomicU64::new(0);
    let start = Instant::now();
    let run = async {
        let (mut requests, mut each_client) = (Delays::new(), Delays::new());
        let (mut right, mut wrong) = (0, Vec::new());
        let mut clients: FuturesUnordered<_> = (0..args.clients)
            .map(|_| async {
                match args.processes {
                    true => process(&door).await,
                    false => one_client(&door, &work).await,
                }
            })
            .collect();
        while let Some(findings) = clients.next().await {
            each_client.record(start.elapsed());
            right += findings.took_us.len() as u64;
            for us in findings.took_us {
                requests.record(Duration::try_from_secs_f64(us / 1e6).unwrap_or_default());
            }
            wrong.extend(findings.wrong);
            done.fetch_add(1, Ordering::Relaxed);
        }
        (requests, each_client, right, wrong)
    };
    let (requests, each_client, right, wrong) =
        watch(run, args.clients, || done.load(Ordering::Relaxed)).await;
    let (clients, processes) = (args.clients, args.processes);
    let figures = Figures { clients, processes, time: start.elapsed(), requests, each_client, right, wrong };
    let mut out = Output::new();
    match globals.json {
        true => out.text(&format!("{}\n", figures.json()))?,
        false => out.text(&figures.text(out.style))?,
    }
    out.flush()?;
    figures.trouble().map_or(Ok(()), Err)
}

/// `hubbub blob busy-client`: for `busy --processes`, which reads its one line.
pub async fn client(globals: &Globals, args: ClientArgs) -> Result<(), Failure> {
    let findings = one_client(&args.at.door(globals, PATIENCE).await?, &work()).await;
    let mut out = Output::new();
    out.text(&format!("{}\n", serde_json::to_string(&findings).expect("numbers and texts become JSON")))?;
    out.flush()
}

/// The headline's, found before any time is taken.
fn work() -> Work {
    headline().map(|request| (request.json(), Expected::of(&request)))
}

/// The four requests, one after the other.
async fn one_client(door: &Door, work: &Work) -> Findings {
    let mut findings = Findings::default();
    for (text, expected) in work {
        let before = Instant::now();
        let answer = door.ask(text).await.map_err(|broken| broken.at(door.addr));
        let took = before.elapsed();
        let checked = answer.and_then(|answer| {
            expected.check(&answer).map_err(|why| Failure::new(Exit::Refused, format!("{text}: {why}")))
        });
        match checked {
            Ok(()) => findings.took_us.push(took.as_nanos() as f64 / 1e3),
            Err(failure) => findings.wrong.push((failure.exit as u8, failure.message)),
        }
    }
    findings
}

/// One client in a process of its own; its end is waited for.
async fn process(door: &Door) -> Findings {
    run_process(door).await.unwrap_or_else(|why| {
        let wrong = (Exit::Usage as u8, format!("a client's process: {why}"));
        Findings { took_us: Vec::new(), wrong: vec![wrong; REQUESTS as usize] }
    })
}

async fn run_process(door: &Door) -> Result<Findings, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["blob", "busy-client", "--at", &door.addr.to_string()]);
    command.args(["--timeout", &format!("{}ms", door.limit.as_millis().max(1))]);
    if door.framing == Framing::Bare {
        command.arg("--bare");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().await.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// P50, P90, P99 and the longest.
fn figures(delays: &Delays) -> [Duration; 4] {
    [delays.at(50.0), delays.at(90.0), delays.at(99.0), delays.max()]
}

impl Figures {
    fn failed(&self) -> u64 {
        (self.clients * REQUESTS).saturating_sub(self.right)
    }

    fn text(&self, style: Style) -> String {
        let mut table = Table::new(&[
            ("", Side::Left),
            ("CLIENTS", Side::Right),
            ("REQUESTS", Side::Right),
            ("FAILED", Side::Right),
            ("SECONDS", Side::Right),
            ("REQUESTS/S", Side::Right),
        ]);
        let rate = |requests: u64, seconds: f64| {
            let rate = a_second(requests, Duration::try_from_secs_f64(seconds).unwrap_or_default());
            rate.map_or("-".into(), |rate| grouped(rate.round() as u64))
        };
        let seconds = self.time.as_secs_f64();
        table.row([
            format!("this run, {}", if self.processes { "a process each" } else { "in one process" }),
            grouped(self.clients),
            grouped(self.clients * REQUESTS),
            grouped(self.failed()),
            format!("{seconds:.3}"),
            rate(self.right, seconds),
        ]);
        for (what, seconds) in OLD {
            let requests = OLD_CLIENTS * REQUESTS;
            table.row([
                what.into(),
                grouped(OLD_CLIENTS),
                grouped(requests),
                "0".into(),
                format!("{seconds:.3}"),
                rate(requests, seconds),
            ]);
        }
        let mut text = table.render(style);
        let mut table = Table::new(&[
            ("DELAYS", Side::Left),
            ("P50", Side::Right),
            ("P90", Side::Right),
            ("P99", Side::Right),
            ("MAX", Side::Right),
        ]);
        for (what, delays) in
            [("a request, from connecting", &self.requests), (self.since(), &self.each_client)]
        {
            let [p50, p90, p99, max] = figures(delays).map(|delay| delays.told(delay));
            table.row([what.into(), p50, p90, p99, max]);
        }
        text.push('\n');
        text.push_str(&table.render(style));
        text
    }

    fn since(&self) -> &'static str {
        match self.processes {
            true => "a client's end, from the start of all, its own included",
            false => "a client's end, from the start of all",
        }
    }

    fn json(&self) -> Value {
        let us = |delays: &Delays| {
            let [p50, p90, p99, max] = figures(delays).map(|delay| round(delay.as_nanos() as f64 / 1e3, 1));
            json!({ "p50": p50, "p90": p90, "p99": p99, "max": max })
        };
        let old = OLD.map(|(what, seconds)| {
            json!({ "what": what, "clients": OLD_CLIENTS, "requests": OLD_CLIENTS * REQUESTS, "seconds": seconds })
        });
        json!({
            "clients": self.clients,
            "processes": self.processes,
            "requests": self.clients * REQUESTS,
            "failed": self.failed(),
            "seconds": round(self.time.as_secs_f64(), 6),
            "requests_per_s": a_second(self.right, self.time).map(|rate| round(rate, 1)),
            "request_us": us(&self.requests),
            "client_us": us(&self.each_client),
            "first_failure": self.wrong.first().map(|(_, why)| why),
            "old": old,
        })
    }

    /// What failed makes the command fail: as the first failure did, where nothing was answered at all.
    fn trouble(&self) -> Option<Failure> {
        let (code, why) = self.wrong.first()?;
        let message = format!(
            "{} of {} requests failed; the first: {why}",
            grouped(self.failed()),
            grouped(self.clients * REQUESTS)
        );
        let exits = [Exit::Usage, Exit::NoConnection, Exit::TimeLimit];
        let exit = exits.into_iter().find(|exit| self.right == 0 && *exit as u8 == *code);
        Some(Failure::new(exit.unwrap_or(Exit::Refused), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(right: u64, wrong: Vec<(u8, String)>) -> Figures {
        let mut requests = Delays::new();
        (1..=100).for_each(|ms| requests.record(Duration::from_millis(ms)));
        let time = Duration::from_millis(500);
        Figures {
            clients: 100,
            processes: false,
            time,
            each_client: requests.clone(),
            requests,
            right,
            wrong,
        }
    }

    #[test]
    fn the_old_figures_stand_beside() {
        assert_eq!(
            run_of(400, Vec::new()).text(Style::PLAIN),
            "                          CLIENTS  REQUESTS  FAILED  SECONDS  REQUESTS/S\n\
             this run, in one process      100       400       0    0.500         800\n\
             the old server at first        10        40       0   24.059           2\n\
             the old server optimised       10        40       0    0.059         678\n\
             \n\
             DELAYS                                     P50      P90      P99     MAX\n\
             a request, from connecting             50.0 ms  90.0 ms  99.0 ms  100 ms\n\
             a client's end, from the start of all  50.0 ms  90.0 ms  99.0 ms  100 ms\n"
        );
        let json = run_of(400, Vec::new()).json();
        assert_eq!((&json["failed"], &json["requests_per_s"]), (&0.into(), &800.0.into()));
        assert_eq!(json["old"][1]["seconds"], 0.059);
    }

    #[test]
    fn a_failure_is_told_and_nothing_at_all_is_no_connection() {
        let wrong = |code: Exit| vec![(code as u8, "it is gone".to_owned())];
        assert!(run_of(400, Vec::new()).trouble().is_none());
        let some = run_of(399, wrong(Exit::NoConnection)).trouble().expect("a failure");
        assert_eq!(some.exit, Exit::Refused);
        assert_eq!(some.message, "1 of 400 requests failed; the first: it is gone");
        let all = run_of(0, wrong(Exit::NoConnection)).trouble().expect("a failure");
        assert_eq!(all.exit, Exit::NoConnection);
    }
}
