//! The hub beside what a user would pick instead: the same work for `hubbubd` in its three encodings,
//! nats-server, redis-server, mosquitto and a bare relay that shows what the kernel allows.
//!
//! ```text
//! cargo bench -p hubbub-tests --bench peers -- [OPTIONS]
//! ```
//!
//! One thread speaks raw protocol bytes to every server, without a client library. Each server is
//! started fresh for each run on a free port, alone on core 0; the generator is alone on core 1.
//! Rounds alternate between the servers, and the table shows medians. README.md says how to read it.

mod count;
mod net;
mod peers;
mod relay;
mod report;
mod script;
mod server;
mod svg;
mod works;

use anyhow::{bail, ensure, Context, Result};
use clap::Parser;
use peers::{Peer, PEERS};
use report::{Cell, Machine, Report};
use server::Field;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use works::{Work, WORKS};

/// Run the same work against hubbubd, nats-server, redis-server and mosquitto, and compare.
#[derive(Parser)]
#[command(name = "peers", bin_name = "cargo bench -p hubbub-tests --bench peers --")]
struct Options {
    /// Only these works, comma-separated, as --list names them; a name that ends in * takes all
    /// that start so.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    rows: Vec<String>,
    /// Only these servers, in the same way.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Vec<String>,
    /// Rounds, of which the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each run. Processor time is counted in ticks of 10 ms: below 1 it is coarse.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// One round of 0.3 s, without the slow works: shows that it works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Name the works and the servers, and end.
    #[arg(long)]
    list: bool,
    /// Write everything measured as JSON.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// Draw rate and processor time against subscribers and channels.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
    /// Serve as the bare relay: the benchmark starts itself so.
    #[arg(long, hide = true, value_name = "PORT")]
    relay_port: Option<u16>,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds, such as 2 or 0.5".to_owned())?;
    if (0.05..=600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("0.05 to 600 seconds".into())
    }
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks too, without `--bench` and with a test harness's
    // options: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench" || arg == "--relay-port") {
        println!("peers: run with cargo bench -p hubbub-tests --bench peers");
        return ExitCode::SUCCESS;
    }
    let options = Options::parse();
    let done = match options.relay_port {
        Some(port) => relay::run(port).map(|()| true),
        None if options.list => {
            list();
            Ok(true)
        }
        None => compare(options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    println!("works:");
    for work in WORKS {
        let titles: Vec<_> = work.rows.iter().map(|row| row.title).collect();
        println!("  {:<14} {}", work.key, titles.join("; "));
    }
    println!("servers:");
    for peer in PEERS {
        println!("  {:<14} {}", peer.key, peer.title);
    }
}

/// Whether everything that was started could be measured.
fn compare(mut options: Options) -> Result<bool> {
    if options.quick {
        (options.rounds, options.seconds) = (1, 0.3);
    }
    let mut works = pick("work", WORKS, |w| w.key, &options.rows)?;
    if options.quick && options.rows.is_empty() {
        works.retain(|work| !work.slow);
    }
    ensure!(server::has_two_cores(), "this needs core 0 for the servers and core 1 for the load");
    server::raise_file_limit(works.iter().map(|w| w.files(options.seconds)).max().unwrap_or(0))?;

    let mut present = Vec::new();
    let mut missing = Vec::new();
    for peer in pick("server", PEERS, |p| p.key, &options.peers)? {
        match server::find(peer) {
            Ok(program) => present.push((peer, program)),
            Err(why) => missing.push(format!("{}: {why}", peer.title)),
        }
    }
    missing.iter().for_each(|line| eprintln!("missing: {line}"));
    ensure!(!present.is_empty(), "there is no server to measure");
    server::pin(server::LOAD_CORE)?;

    let versions = present.iter().map(|(p, program)| (p.key, server::version(p, program))).collect();
    let machine = Machine::here(options.rounds, options.seconds, versions, missing);
    let mut report = Report::new(machine, &works, &present.iter().map(|(p, _)| *p).collect::<Vec<_>>());
    let others = server::Others::watch()?;
    for round in 0..options.rounds {
        for work in &works {
            for turn in 0..present.len() {
                // Each round starts with another server.
                let at = (turn + round as usize) % present.len();
                let (peer, program) = &present[at];
                eprint!("\r\x1b[Kround {} of {}: {} {}", round + 1, options.rounds, work.key, peer.key);
                let cell = measure(work, peer, program, options.seconds);
                if let Cell::Failed(why) = &cell {
                    eprintln!("\r\x1b[K{} {}: {why}", work.key, peer.key);
                }
                report.add(work, peer, cell);
            }
        }
    }
    eprint!("\r\x1b[K");
    report.machine.others_busy = others.busy()?;
    print!("{}", report.table());
    if let Some(path) = &options.json {
        std::fs::write(path, report.json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        std::fs::write(path, svg::plot(&report))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(!report.has_failures())
}

fn measure(work: &Work, peer: &Peer, program: &Path, seconds: f64) -> Cell {
    if work.across && !peer.clusters {
        return Cell::NotThere;
    }
    let field = match Field::start(peer, program, work.across) {
        Ok(field) => field,
        Err(error) => return Cell::Failed(format!("{error:#}")),
    };
    match work.run(&field, peer.dialect, seconds) {
        Ok(Some(samples)) => Cell::Measured(samples),
        Ok(None) => Cell::NotThere,
        Err(error) => Cell::Failed(format!("{error:#}; {}", field.log_tail())),
    }
}

/// Those of a table that are named, or all.
fn pick<T>(
    what: &str,
    table: &'static [T],
    key: fn(&T) -> &str,
    names: &[String],
) -> Result<Vec<&'static T>> {
    let is = |name: &String, item: &T| match name.strip_suffix('*') {
        Some(start) => key(item).starts_with(start),
        None => key(item) == name,
    };
    if let Some(name) = names.iter().find(|name| !table.iter().any(|item| is(name, item))) {
        bail!("no {what} is called {name}; --list names them");
    }
    Ok(table.iter().filter(|item| names.is_empty() || names.iter().any(|name| is(name, item))).collect())
}
