//! How a cluster of real `hubbubd` on this machine behaves: how soon those that start at once are one
//! hub, how soon one more is, how soon it is told that one is gone, and what all of it costs at rest.
//!
//! ```text
//! cargo bench -p hubbub-tests --bench cluster -- [OPTIONS]
//! ```
//!
//! Every server has a client that hears of servers and of probes, read by a thread of its own, which
//! notes when each line came. What cannot be heard is asked for every few milliseconds.

use anyhow::{bail, ensure, Context, Result};
use clap::Parser;
use hubbub_tests::hub::{self, Hub};
use serde::Serialize;
use serde_json::{json, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take before it counts as failed. Many times what was ever seen.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often servers are asked whom they know: what the times are exact to.
const EVERY: Duration = Duration::from_millis(5);
/// How often each server is given a probe until everybody has it. Rarer than servers are asked, since
/// each goes to all of them.
const PROBE_EVERY: Duration = Duration::from_millis(20);
/// How long after it has formed a cluster counts as at rest.
const SETTLE: Duration = Duration::from_secs(5);
/// Servers of which one is killed or stopped, again and again.
const WATCHED: usize = 5;

/// Measure how real clusters form, how they notice a loss, and what they cost at rest.
#[derive(Parser)]
#[command(name = "cluster", bin_name = "cargo bench -p hubbub-tests --bench cluster --")]
struct Options {
    /// How often each size is started.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The sizes, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "5,20")]
    servers: Vec<usize>,
    /// How often one of five servers is killed.
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// How often one of five servers is stopped, so that it is silent.
    #[arg(long, default_value_t = 20)]
    stops: usize,
    /// Seconds for which a cluster at rest is watched.
    #[arg(long, default_value_t = 10)]
    rest: u64,
    /// Write everything measured as JSON.
    #[arg(long, value_name = "PATH")]
    json: Option<PathBuf>,
    /// What `cargo bench` says.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    // `cargo test --all-targets` runs benchmarks too, without `--bench`: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench") {
        println!("cluster: run with cargo bench -p hubbub-tests --bench cluster");
        return ExitCode::SUCCESS;
    }
    match measure(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Times of one kind, in milliseconds.
#[derive(Serialize)]
struct Row {
    title: String,
    unit: &'static str,
    values: Vec<f64>,
}

impl Row {
    fn part(&self, part: f64) -> f64 {
        let mut values = self.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        let last = values.len().saturating_sub(1);
        values.get(((values.len() as f64 * part) as usize).min(last)).copied().unwrap_or(f64::NAN)
    }
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn add(&mut self, title: String, unit: &'static str, value: f64) {
        match self.0.iter_mut().find(|row| row.title == title) {
            Some(row) => row.values.push(value),
            None => self.0.push(Row { title, unit, values: vec![value] }),
        }
    }

    fn print(&self) {
        println!("{:<58}{:>7}{:>11}{:>11}{:>11}", "", "values", "median", "p99", "worst");
        for row in &self.0 {
            let (median, p99, worst) = (row.part(0.5), row.part(0.99), row.part(1.0));
            let title = format!("{}, {}", row.title, row.unit);
            println!("{title:<58}{:>7}{median:>11.1}{p99:>11.1}{worst:>11.1}", row.values.len());
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let mut table = Table::default();
    for round in 0..options.rounds {
        for &size in &options.servers {
            eprintln!("round {} of {}: {size} servers", round + 1, options.rounds);
            forming(size, Duration::from_secs(options.rest), &mut table)?;
        }
    }
    losing(options.kills, Loss::Killed, &mut table)?;
    losing(options.stops, Loss::Stopped, &mut table)?;
    table.print();
    if let Some(path) = &options.json {
        let arguments: Vec<_> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
        let command = format!("cargo bench -p hubbub-tests --bench cluster -- {}", arguments.join(" "));
        let all = json!({ "shape": 1, "command": command, "rows": table.0 });
        std::fs::write(path, serde_json::to_string_pretty(&all)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// From the first start until all are one hub; what that costs at rest; and one more server.
fn forming(size: usize, rest: Duration, table: &mut Table) -> Result<()> {
    let start = Instant::now();
    let mut room = Room::start(size)?;
    room.wait_alive(size)?;
    table.add(format!("{size} servers at once: all know all"), "ms", millis(start));
    room.wait_linked()?;
    table.add(format!("{size} servers at once: a message of each reaches all"), "ms", millis(start));
    if !rest.is_zero() {
        std::thread::sleep(SETTLE);
        let before = room.spent()?;
        let since = Instant::now();
        std::thread::sleep(rest);
        let (after, seconds) = (room.spent()?, since.elapsed().as_secs_f64());
        for (before, after) in before.iter().zip(&after) {
            let rate = |of: fn(&Spent) -> f64| (of(after) - of(before)) / seconds;
            table.add(format!("{size} servers at rest: gossip sent by each"), "B/s", rate(|s| s.gossip));
            table.add(format!("{size} servers at rest: sent on links by each"), "B/s", rate(|s| s.links));
            table.add(format!("{size} servers at rest: processor of each"), "ms/s", rate(|s| s.cpu_ms));
        }
    }
    let start = Instant::now();
    room.add(size)?;
    room.wait_alive(size + 1)?;
    table.add(format!("one more beside {size}: all know it, and it all"), "ms", millis(start));
    Ok(())
}

/// How a server is lost.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    /// Its connections end.
    Killed,
    /// It is silent.
    Stopped,
}

/// Takes one server away again and again, and notes when each of the others tells of it.
fn losing(times: usize, loss: Loss, table: &mut Table) -> Result<()> {
    if times == 0 {
        return Ok(());
    }
    let what = if loss == Loss::Killed { "killed" } else { "stopped" };
    let mut room = Room::start(WATCHED)?;
    room.wait_alive(WATCHED)?;
    room.wait_linked()?;
    for time in 0..times {
        eprintln!("{what}: {} of {times}", time + 1);
        let seat = time % WATCHED;
        let name = name(seat);
        let Some(hub) = room.seats.remove(&seat) else { bail!("no server has seat {seat}") };
        room.forget_heard();
        let start = Instant::now();
        let hub = match loss {
            Loss::Killed => {
                hub.kill();
                None
            }
            Loss::Stopped => {
                hub.process().pause();
                Some(hub)
            }
        };
        let mut told = BTreeSet::new();
        while told.len() < WATCHED - 1 {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let heard = room.heard.recv_timeout(left).ok();
            let Some(Heard { at, seat: by, object }) = heard else {
                bail!("{name} was {what}, and only {told:?} told of it in {} s", PATIENCE.as_secs());
            };
            let is_it = object["channel"] == "$sys.server.down" && object["data"]["name"] == *name;
            if is_it && by != seat && told.insert(by) {
                let took = at.saturating_duration_since(start).as_secs_f64() * 1e3;
                table.add(format!("one of {WATCHED} {what}: told by each other"), "ms", took);
            }
        }
        drop(hub);
        room.add(seat)?;
        room.wait_alive(WATCHED)?;
        room.wait_linked()?;
    }
    Ok(())
}

/// Something that a client of one server heard.
struct Heard {
    at: Instant,
    seat: usize,
    object: Value,
}

/// What a server has used up so far.
struct Spent {
    gossip: f64,
    links: f64,
    cpu_ms: f64,
}

/// The servers, by the seats that name them, which share a run folder.
struct Room {
    seats: BTreeMap<usize, Hub>,
    tell: Sender<Heard>,
    heard: Receiver<Heard>,
    run_dir: TempDir,
}

impl Room {
    /// Starts so many at once. They serve when this returns, and need not have met.
    fn start(size: usize) -> Result<Room> {
        let (tell, heard) = channel();
        let run_dir = tempfile::Builder::new().prefix("hubbub-run-").tempdir()?;
        let mut room = Room { seats: BTreeMap::new(), tell, heard, run_dir };
        let starting: Vec<_> = (0..size)
            .map(|seat| {
                let builder = hub::builder().name(&name(seat)).run_dir(room.run_dir.path());
                std::thread::spawn(move || builder.try_start())
            })
            .collect();
        for (seat, started) in starting.into_iter().enumerate() {
            let Ok(started) = started.join() else { bail!("starting server {seat} failed") };
            room.take_in(seat, started.map_err(anyhow::Error::msg)?)?;
        }
        Ok(room)
    }

    /// Starts one more.
    fn add(&mut self, seat: usize) -> Result<()> {
        let builder = hub::builder().name(&name(seat)).run_dir(self.run_dir.path());
        self.take_in(seat, builder.try_start().map_err(anyhow::Error::msg)?)
    }

    fn take_in(&mut self, seat: usize, hub: Hub) -> Result<()> {
        let mut stream = TcpStream::connect(hub.addr())?;
        stream.write_all(b"{\"op\":\"subscribe\",\"channels\":[\"$sys.server.>\",\"probe\"]}\n")?;
        let tell = self.tell.clone();
        // It ends with the server.
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let at = Instant::now();
                let Ok(object) = serde_json::from_str(&line) else { continue };
                if tell.send(Heard { at, seat, object }).is_err() {
                    break;
                }
            }
        });
        self.seats.insert(seat, hub);
        Ok(())
    }

    fn forget_heard(&self) {
        while self.heard.try_recv().is_ok() {}
    }

    /// Waits until each lists so many as alive.
    fn wait_alive(&self, size: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for (seat, hub) in &self.seats {
            let mut asking = Asking::connect(hub.addr())?;
            loop {
                let reply = asking.ask("servers")?;
                let servers = reply["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
                let alive = servers.iter().filter(|server| server["state"] == "alive").count();
                if alive == size {
                    break;
                }
                ensure!(Instant::now() < deadline, "{} knows {alive} of {size} servers", name(*seat));
                std::thread::sleep(EVERY);
            }
        }
        Ok(())
    }

    /// Waits until a message published on each has reached a subscriber on each.
    fn wait_linked(&self) -> Result<()> {
        self.forget_heard();
        let mut publishers = Vec::new();
        for (seat, hub) in &self.seats {
            publishers.push((*seat, TcpStream::connect(hub.addr())?));
        }
        let mut reached = BTreeSet::new();
        let all = publishers.len() * publishers.len();
        let deadline = Instant::now() + PATIENCE;
        while reached.len() < all {
            ensure!(Instant::now() < deadline, "{} of {all} pairs of servers are linked", reached.len());
            for (seat, publisher) in &mut publishers {
                // Only who has not reached all has to go on.
                if self.seats.keys().any(|to| !reached.contains(&(*seat, *to))) {
                    writeln!(publisher, "{{\"op\":\"publish\",\"channel\":\"probe\",\"data\":{seat}}}")?;
                }
            }
            let next = Instant::now() + PROBE_EVERY;
            while let Ok(heard) = self.heard.recv_timeout(next.saturating_duration_since(Instant::now())) {
                let from = heard.object["data"].as_u64().map(|seat| seat as usize);
                if let Some(from) = from.filter(|_| heard.object["channel"] == "probe") {
                    reached.insert((from, heard.seat));
                }
                if reached.len() == all {
                    break;
                }
            }
        }
        Ok(())
    }

    fn spent(&self) -> Result<Vec<Spent>> {
        let spent = |hub: &Hub| {
            let stats = Asking::connect(hub.addr())?.ask("stats")?;
            let cpu_ms = hub.process().cpu_time().as_secs_f64() * 1e3;
            let number = |key: &str| stats[key].as_f64().with_context(|| format!("stats has no {key}"));
            Ok(Spent { gossip: number("gossip_bytes_out")?, links: number("link_bytes_out")?, cpu_ms })
        };
        self.seats.values().map(spent).collect()
    }
}

/// A connection that asks.
struct Asking {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Asking {
    fn connect(addr: SocketAddr) -> Result<Asking> {
        let stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let lines = BufReader::new(stream.try_clone()?);
        Ok(Asking { stream, lines })
    }

    /// The answer to a command without arguments.
    fn ask(&mut self, op: &str) -> Result<Value> {
        writeln!(self.stream, "{{\"op\":\"{op}\",\"id\":1}}")?;
        loop {
            let mut line = String::new();
            ensure!(self.lines.read_line(&mut line)? > 0, "the server ended the connection");
            let mut object: Value = serde_json::from_str(&line)?;
            if object["re"] == 1 {
                return Ok(object["ok"].take());
            }
        }
    }
}

fn name(seat: usize) -> String {
    format!("s{seat:03}")
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}
