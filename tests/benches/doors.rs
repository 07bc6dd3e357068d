//! The headlines of the older systems, measured on the real `hubbubd` with the clients of `hubbub`:
//! what their authors measured, in the way they did, beside their figures.
//!
//! ```text
//! cargo bench -p hubbub-tests --bench doors -- [OPTIONS]
//! ```
//!
//! Times of the blob clients include the start of a process for each, as the old ones did. The figures of
//! the old systems were measured on other machines, years ago; the blocking server of the points was
//! started beside the door, in the same run.

use anyhow::{ensure, Context, Result};
use clap::Parser;
use hubbub_tests::hub::{self, Hub};
use hubbub_tests::program::hubbub_command;
use hubbub_tests::wait;
use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use std::process::ExitCode;

/// Measure the headlines of the older systems.
#[derive(Parser)]
#[command(name = "doors", bin_name = "cargo bench -p hubbub-tests --bench doors --")]
struct Options {
    /// How often everything is measured; the median and the worst are told.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Headlines of which the name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A headline: a command of `hubbub`, what of its answer is told, and what the old system had there.
struct Headline {
    name: &'static str,
    door: &'static str,
    command: &'static [&'static str],
    /// Whether the hub's workers have all that they can do meanwhile.
    saturated: bool,
    figures: &'static [Figure],
}

/// One figure: what it is called, where it stands in the answer, its unit, and the old one.
struct Figure {
    name: &'static str,
    at: &'static str,
    unit: &'static str,
    then: &'static str,
}

const fn figure(name: &'static str, at: &'static str, unit: &'static str, then: &'static str) -> Figure {
    Figure { name, at, unit, then }
}

const HEADLINES: &[Headline] = &[
    Headline {
        name: "ten blob clients at once, the four requests each",
        door: "blob",
        command: &["blob", "busy", "--clients", "10", "--processes"],
        saturated: false,
        figures: &[
            figure("all answered after", "/seconds", "s", "24.059 at first, 0.059 optimised"),
            figure("a request, p99", "/request_us/p99", "µs", ""),
            figure("failed", "/failed", "", "0"),
        ],
    },
    Headline {
        name: "100 blob clients at once",
        door: "blob",
        command: &["blob", "busy", "--clients", "100", "--processes"],
        saturated: false,
        figures: &[
            figure("all answered after", "/seconds", "s", ""),
            figure("requests a second", "/requests_per_s", "", ""),
            figure("a request, p99", "/request_us/p99", "µs", ""),
            figure("failed", "/failed", "", "0"),
        ],
    },
    Headline {
        name: "10,000 points clients at once",
        door: "points",
        command: &["points", "--clients", "10000", "--at-once", "10000"],
        saturated: false,
        figures: &[
            figure("served by the door", "/door/served", "", "the question: are all served?"),
            figure("all served after", "/door/seconds", "s", ""),
            figure("a client, p99", "/door/delay_us/p99", "µs", ""),
            figure("served by the blocking server", "/blocking/served", "", ""),
            figure("all served after", "/blocking/seconds", "s", ""),
            figure("a client, p99", "/blocking/delay_us/p99", "µs", ""),
        ],
    },
    Headline {
        name: "small requests on an open connection",
        door: "",
        command: &["persistent", "bench"],
        saturated: false,
        figures: &[
            figure("requests a second", "/requests_per_s", "", ""),
            figure("p50", "/answered_us/p50", "µs", ""),
            figure("p99", "/answered_us/p99", "µs", ""),
            figure("longest", "/answered_us/max", "µs", ""),
            figure("of 40 ms or more", "/at_least_40_ms", "", "each (delayed acknowledgements)"),
        ],
    },
    Headline {
        name: "the same while the workers factor the hardest numbers",
        door: "",
        command: &["persistent", "bench"],
        saturated: true,
        figures: &[
            figure("requests a second", "/requests_per_s", "", ""),
            figure("p50", "/answered_us/p50", "µs", ""),
            figure("p99", "/answered_us/p99", "µs", ""),
            figure("longest", "/answered_us/max", "µs", ""),
        ],
    },
];

/// Two primes of 64 bits, multiplied: no number takes longer to factor.
const HARDEST: u128 = 18_446_744_073_709_551_557 * 18_446_744_073_709_551_533;
/// Who asks for that, and how often each: some tens of milliseconds a piece.
const ATTACKERS: usize = 4;
const ATTACKS: usize = 300;

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks too, without `--bench`: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("doors: run with cargo bench -p hubbub-tests --bench doors");
        return ExitCode::SUCCESS;
    }
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("doors: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    ensure!(options.rounds > 0, "--rounds is at least 1");
    let doors = ["--door", "blob=127.0.0.1:0", "--door", "points=127.0.0.1:0"];
    let hub = hub::builder().args(doors).try_start().map_err(anyhow::Error::msg)?;
    println!("{:<34}{:>14}{:>14}  then", "", "median", "worst");
    for headline in HEADLINES.iter().filter(|headline| headline.name.contains(&options.only)) {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            rounds.push(headline.run(&hub)?);
            wait::until("the hub to be at rest", || (hub.stat("requests_open") == 0).then_some(()));
        }
        println!("{}: hubbub {}", headline.name, headline.command.join(" "));
        for figure in headline.figures {
            figure.print(&rounds)?;
        }
    }
    println!("typed messages beside plain JSON: cargo bench -p hubbub-client --bench typed_message");
    Ok(())
}

impl Headline {
    fn run(&self, hub: &Hub) -> Result<Value> {
        let at = if self.door.is_empty() { hub.addr() } else { hub.door_addr(self.door) };
        let _attackers = if self.saturated { saturate(hub)? } else { Vec::new() };
        let mut command = hubbub_command();
        command.args(self.command).args(["--json", "--at", &at.to_string()]);
        let output = command.output().context("hubbub cannot be run")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).with_context(|| {
            format!("hubbub {}: {}", self.command.join(" "), String::from_utf8_lossy(&output.stderr))
        })
    }
}

/// Gives the workers more than they can do, until the connections are dropped.
fn saturate(hub: &Hub) -> Result<Vec<TcpStream>> {
    let request = format!(
        "{{\"op\":\"request\",\"id\":1,\"service\":\"factor\",\"data\":{HARDEST},\"timeout_ms\":600000}}\n"
    );
    let mut attackers = Vec::new();
    for _ in 0..ATTACKERS {
        let mut attacker = TcpStream::connect(hub.addr())?;
        attacker.write_all(request.repeat(ATTACKS).as_bytes())?;
        attackers.push(attacker);
    }
    let waiting = || (hub.stat("requests_open") > (ATTACKERS * ATTACKS / 2) as u64).then_some(());
    wait::until("the workers to have enough", waiting);
    Ok(attackers)
}

impl Figure {
    fn print(&self, rounds: &[Value]) -> Result<()> {
        let value = |round: &Value| round.pointer(self.at).and_then(Value::as_f64);
        let values: Option<Vec<f64>> = rounds.iter().map(value).collect();
        let mut values = values.with_context(|| format!("no number at {} in {}", self.at, rounds[0]))?;
        values.sort_unstable_by(f64::total_cmp);
        let Figure { name, unit, then, .. } = self;
        // Of what should be many, the worst is the least.
        let is_good = name.contains("a second") || name.starts_with("served");
        let worst = if is_good { values.first() } else { values.last() }.copied().unwrap_or(f64::NAN);
        let show = |value: f64| match *unit {
            "s" => format!("{value:.3} s"),
            "" => format!("{value:.0}"),
            unit => format!("{value:.0} {unit}"),
        };
        println!("  {name:<32}{:>14}{:>14}  {then}", show(values[values.len() / 2]), show(worst));
        Ok(())
    }
}
