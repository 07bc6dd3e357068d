//! `hubbub persistent bench`: many small requests over one open connection, one after the other, and
//! how long each takes.

use super::How;
use crate::bench::amount;
use crate::bench::report::{grouped, round, Delays};
use crate::cli::Globals;
use crate::exit::Failure;
use crate::output::Output;
use crate::ping::short;
use clap::Args;
use hubbub_shared::encoding::escape::shown;
use serde::de::IgnoredAny;
use serde_json::json;
use std::time::{Duration, Instant};

/// What a request takes when an acknowledgement is delayed and the next packet waits for it: the
/// shortest delay of Linux.
const STALL: Duration = Duration::from_millis(40);
/// Percentiles that are told, with their keys in JSON.
const PERCENTILES: [(f64, &str); 3] = [(50.0, "p50"), (90.0, "p90"), (99.0, "p99")];
/// Bytes of the longest question.
const MAX_SIZE: u64 = 1 << 20;

/// Measure small requests over one open connection
///
/// They are asked one after the other: each waits for the answer to the one before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub persistent bench
  hubbub persistent bench --pickle --msgs 100k --size 1000
  hubbub persistent bench --service uuid --json | jq .answered_us.p99")]
pub struct BenchArgs {
    /// Requests
    #[arg(long, value_name = "N", default_value = "10k", value_parser = amount)]
    msgs: u64,
    /// The service that is asked; its question is {"title":TEXT}
    #[arg(long, value_name = "NAME", default_value = "echo")]
    service: String,
    /// Bytes of that text
    #[arg(long, value_name = "B", default_value = "32", value_parser = clap::value_parser!(u64).range(0..=MAX_SIZE))]
    size: u64,
}

/// `hubbub persistent bench`
pub(super) async fn run(globals: &Globals, how: &How, args: BenchArgs) -> Result<(), Failure> {
    let connection = how.open(globals).await?;
    let question = json!({ "title": "x".repeat(args.size as usize) });
    let (mut delays, mut stalls) = (Delays::new(), 0_u64);
    let start = Instant::now();
    for _ in 0..args.msgs {
        let before = Instant::now();
        let _: IgnoredAny = connection.call(&args.service, &question).await?;
        let delay = before.elapsed();
        delays.record(delay);
        stalls += u64::from(delay >= STALL);
    }
    let time = start.elapsed();
    let rate = args.msgs as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE);
    let _ = connection.close().await;
    let mut out = Output::new();
    if globals.json {
        let us = |delay: Duration| round(delay.as_nanos() as f64 / 1e3, 1);
        let mut answered: serde_json::Map<_, _> =
            PERCENTILES.iter().map(|(at, key)| ((*key).to_owned(), us(delays.at(*at)).into())).collect();
        answered.insert("max".into(), us(delays.max()).into());
        let line = json!({
            "bench": "persistent",
            "target": args.service,
            "requests": args.msgs,
            "seconds": round(time.as_secs_f64(), 6),
            "requests_per_s": round(rate, 1),
            "answered_us": answered,
            "at_least_40_ms": stalls,
        });
        out.text(&format!("{line}\n"))?;
    } else {
        out.text(&format!(
            "{} requests to {} over one connection in {:.3} s: {} a second\n",
            grouped(args.msgs),
            shown(&args.service),
            time.as_secs_f64(),
            grouped(rate.round() as u64)
        ))?;
        let told = PERCENTILES.iter().map(|(at, key)| format!("{key} {}", short(delays.at(*at))));
        let told: Vec<String> = told.chain([format!("max {}", short(delays.max()))]).collect();
        out.text(&format!("{}\n", told.join("  ")))?;
        out.text(&match stalls {
            0 => "none took 40 ms or more\n".to_owned(),
            some => format!("{} took 40 ms or more\n", grouped(some)),
        })?;
    }
    out.flush()
}
