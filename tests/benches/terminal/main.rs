//! How soon the terminal of `hubbub` shows what arrives and what is typed, what it does under a flood,
//! and how soon it is there.
//!
//! ```text
//! cargo bench -p hubbub-tests --bench terminal -- [OPTIONS]
//! ```
//!
//! The real `hubbub` runs in a real pseudo-terminal; a time ends when the text stands on the screen
//! that is made of its output. So reading and parsing that output is in every time: the rows `cat`
//! say what that and the pseudo-terminal cost alone, with a program that only gives back what it reads,
//! at the same moments: where they are long, the machine was busy with something else.
//! The parser has a thread of its own and takes some tens of megabytes a second. Hub, publisher, parser
//! and `hubbub` share the machine: with fewer than four cores, a flood measures how they share it too.
//!
//! `hubbub` is the one in `target/release`: after a change `cargo build --release` comes first.

mod arrival;
mod flood;
mod floor;
mod keys;
mod publisher;
mod start;
mod table;

use anyhow::{ensure, Error, Result};
use clap::Parser;
use hubbub_tests::hub::{self, Hub};
use hubbub_tests::Terminal;
use std::process::ExitCode;
use std::time::Duration;
use table::Table;

/// The channel in which everything happens.
const CHANNEL: &str = "rapids";
/// The name of the hub, as it stands on the screen once it is connected.
const SERVER: &str = "quayside";
/// A window on half of a large display.
const ROWS: u16 = 50;
/// The same.
const COLUMNS: u16 = 120;
/// How long a text may take to stand on the screen before it counts as never shown.
const PATIENCE: Duration = Duration::from_secs(60);

/// Measure the terminal.
#[derive(Parser)]
#[command(name = "terminal", bin_name = "cargo bench -p hubbub-tests --bench terminal --")]
struct Options {
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Messages a second of a flood, of 100 bytes each.
    #[arg(long, default_value_t = 50_000)]
    rate: u32,
    /// Seconds of a flood.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Messages and keys of which the times are taken, in each round.
    #[arg(long, default_value_t = 300)]
    samples: usize,
    /// Measure the terminal that talks line by line.
    #[arg(long)]
    plain: bool,
    /// Rows of which the name contains this: start, arrival, keys, flood.
    #[arg(long, default_value = "")]
    only: String,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// A terminal with `hubbub` in it that has the channel open.
    fn terminal(&self, hub: &Hub) -> Terminal {
        let plain = self.plain.then_some("--plain");
        let args = ["--name", "reader", "--join", CHANNEL].into_iter().chain(plain);
        Terminal::builder().hub(hub).args(args).size(ROWS, COLUMNS).forgets().start()
    }
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks too, without `--bench`: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("terminal: run with cargo bench -p hubbub-tests --bench terminal");
        return ExitCode::SUCCESS;
    }
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("terminal: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is measured, by name.
type Part = (&'static str, fn(&Options, &Hub, &mut Table) -> Result<()>);

const PARTS: &[Part] = &[
    ("start", start::measure),
    ("arrival", arrival::measure),
    ("keys", keys::measure),
    ("flood", flood::measure),
];

fn measure(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0 && options.samples > 0, "--rounds and --samples are at least 1");
    ensure!(options.seconds > 2, "--seconds is at least 3: the growth of memory is taken from the second on");
    let mut table = Table::default();
    for round in 0..options.rounds {
        for (name, part) in PARTS.iter().filter(|(name, _)| name.contains(&options.only)) {
            eprintln!("round {} of {}: {name}", round + 1, options.rounds);
            // Each its own, so that none finds what another has left.
            let hub = hub::builder().name(SERVER).try_start().map_err(Error::msg)?;
            part(options, &hub, &mut table)?;
        }
    }
    table.print();
    Ok(())
}

/// Whether a text stands anywhere on the screen.
fn stands(screen: &vt100::Screen, text: &str) -> Option<()> {
    let (_, columns) = screen.size();
    screen.rows(0, columns).any(|row| row.contains(text)).then_some(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Pauses of no pattern that are the same in every run.
struct Pauses(std::vec::IntoIter<u8>);

impl Pauses {
    fn new(count: usize) -> Pauses {
        Pauses(hubbub_tests::noise(7, count).into_iter())
    }

    /// Sleeps for up to a part of this.
    fn pause(&mut self, longest: Duration) {
        let part = self.0.next().unwrap_or(128);
        std::thread::sleep(longest * u32::from(part) / 256);
    }
}
