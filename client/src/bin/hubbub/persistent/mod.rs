//! `hubbub persistent`: a client of the persistent dialect, plain or as jsonpickle writes it. How it
//! connects is here, and what asks once; `bench` measures.

mod bench;

use crate::cli::{duration, some_number, Globals};
use crate::exit::Failure;
use crate::output::Output;
use crate::ping::{self, short};
use async_io::Timer;
use clap::{Args, Subcommand, ValueEnum};
use hubbub_client::persistent::{Connection, Error, Options};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::json as raw_json;
use serde_json::value::RawValue;
use serde_json::{json, Value};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Speak the persistent dialect: small requests over one connection
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub persistent ping
  hubbub persistent uuid 'Build 512' --pickle
  hubbub persistent normalize 'DR. MÜLLER,  Anna' --at hub.example:7411
  hubbub persistent bench --msgs 100k

It is spoken on the hub's own client port.")]
pub struct PersistentArgs {
    #[command(subcommand)]
    kind: Kind,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum Kind {
    Ping(PingArgs),
    Uuid(UuidArgs),
    Normalize(NormalizeArgs),
    Bench(bench::BenchArgs),
    Shutdown(ShutdownArgs),
}

/// What all of them take.
#[derive(Debug, Args)]
struct How {
    /// Where it is spoken [default: --server]
    #[arg(long, global = true, value_name = "ADDR")]
    at: Option<String>,
    /// Speak as jsonpickle does, with classes in place of names
    #[arg(long, global = true)]
    pickle: bool,
}

/// Measure round trips over one open connection
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub persistent ping
  hubbub persistent ping --count 1 --timeout 1s && echo alive
  hubbub persistent ping --json --count 100 --interval 0 | jq .rtt_us")]
struct PingArgs {
    /// How many round trips
    #[arg(long, short = 'c', value_name = "N", default_value = "4", value_parser = some_number::<NonZeroU64>)]
    count: NonZeroU64,
    /// Wait so long between them
    #[arg(long, short = 'i', value_name = "DURATION", default_value = "250ms", value_parser = duration)]
    interval: Duration,
}

/// Ask for a fresh uuid
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub persistent uuid
  hubbub persistent uuid 'Build 512' --json")]
struct UuidArgs {
    /// What it is for; the answer repeats it
    title: Vec<String>,
}

/// Ask for the canonical form of names
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub persistent normalize 'DR. MÜLLER,  Anna'
  hubbub persistent normalize 'acme  gmbh' 'Smith Ltd.' --kind organisation")]
struct NormalizeArgs {
    /// The names, each an argument of its own
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Whose names they are, where that is known
    #[arg(long)]
    kind: Option<NameKind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NameKind {
    Person,
    Organisation,
}

/// Ask the server to stop
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub persistent shutdown
  hubbub persistent shutdown --data-dir ~/.local/share/hubbub

A server allows this to operators, who show its token (--token, or --data-dir with the server's data \
folder), and where it runs with --allow-shutdown to any client on its loopback.")]
struct ShutdownArgs {}

/// `hubbub persistent`
pub async fn run(globals: &Globals, args: PersistentArgs) -> Result<(), Failure> {
    let how = args.how;
    match args.kind {
        Kind::Ping(args) => ping(globals, &how, args).await,
        Kind::Uuid(args) => uuid(globals, &how, args).await,
        Kind::Normalize(args) => normalize(globals, &how, args).await,
        Kind::Bench(args) => bench::run(globals, &how, args).await,
        Kind::Shutdown(_) => shutdown(globals, &how).await,
    }
}

impl How {
    /// Opens a connection; of several addresses, to the first that answers.
    async fn open(&self, globals: &Globals) -> Result<Connection, Failure> {
        let addrs = globals.addresses(self.at.as_deref());
        let mut last = None;
        for addr in addrs {
            let mut options = Options::new(addr);
            if self.pickle {
                options = options.pickle();
            }
            if let Some(limit) = globals.timeout {
                options = options.connect_timeout(limit).request_timeout(limit);
            }
            match options.connect().await {
                Ok(connection) => return Ok(connection),
                Err(refused @ Error::Refused { .. }) => return Err(refused.into()),
                Err(why) => last = Some(why.into()),
            }
        }
        Err(last.unwrap_or_else(|| Failure::local("name at least one address with --at")))
    }
}

async fn ping(globals: &Globals, how: &How, args: PingArgs) -> Result<(), Failure> {
    let connection = how.open(globals).await?;
    let mut out = Output::new();
    let mut times = Vec::new();
    for n in 1..=args.count.get() {
        let before = Instant::now();
        connection.ping().await?;
        let time = before.elapsed();
        let process = connection.process_id();
        // A person watches: each line is handed on at once.
        if globals.json {
            let line = json!({ "n": n, "process_id": process, "rtt_us": time.as_micros() as u64 });
            out.text(&format!("{line}\n"))?;
        } else {
            out.text(&format!("pong from process {process}: {}\n", short(time)))?;
        }
        out.flush()?;
        times.push(time);
        if n < args.count.get() {
            Timer::after(args.interval).await;
        }
    }
    if !globals.json && times.len() > 1 {
        out.text(&out.style.dim(&ping::summary(times)))?;
        out.text("\n")?;
        out.flush()?;
    }
    let _ = connection.close().await;
    Ok(())
}

async fn uuid(globals: &Globals, how: &How, args: UuidArgs) -> Result<(), Failure> {
    let connection = how.open(globals).await?;
    let data = match args.title.as_slice() {
        [] => Value::Null,
        words => json!({ "title": words.join(" ") }),
    };
    let answer = connection.request("uuid", data).await?;
    let mut out = Output::new();
    show(&answer, "uuid", globals, &mut out)?;
    out.flush()?;
    let _ = connection.close().await;
    Ok(())
}

async fn normalize(globals: &Globals, how: &How, args: NormalizeArgs) -> Result<(), Failure> {
    let connection = how.open(globals).await?;
    let mut out = Output::new();
    for name in &args.names {
        let data = match args.kind {
            None => json!({ "name": name }),
            Some(NameKind::Person) => json!({ "name": name, "kind": "person" }),
            Some(NameKind::Organisation) => json!({ "name": name, "kind": "organisation" }),
        };
        let answer = connection.request("normalize", data).await?;
        show(&answer, "normalized", globals, &mut out)?;
    }
    out.flush()?;
    let _ = connection.close().await;
    Ok(())
}

async fn shutdown(globals: &Globals, how: &How) -> Result<(), Failure> {
    let connection = how.open(globals).await?;
    match globals.given_token()? {
        Some(token) => connection.shutdown_as_operator(&token).await?,
        None => connection.shutdown().await?,
    }
    let process = connection.process_id();
    let mut out = Output::new();
    match globals.json {
        true => out.text(&format!("{}\n", json!({ "process_id": process })))?,
        false => out.text(&format!("process {process} at {} is stopping\n", shown(connection.addr())))?,
    }
    out.flush()
}

/// For people, the one member that was asked for, where the answer has it: services can be replaced.
fn show(answer: &RawValue, member: &str, globals: &Globals, out: &mut Output) -> Result<(), Failure> {
    if globals.json {
        return out.json(answer);
    }
    let whole: Value = serde_json::from_str(answer.get()).unwrap_or_default();
    match whole.get(member).and_then(Value::as_str).or(whole.as_str()) {
        Some(text) => out.text(&format!("{}\n", shown(text))),
        None => out.text(&format!("{}\n", shown(&raw_json::compact(answer.get())))),
    }
}
