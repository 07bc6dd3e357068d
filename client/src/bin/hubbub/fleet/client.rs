//! `hubbub fleet client`: one client of a test fleet. A process of its own really writes; this one
//! speaks with the coordinator and is never kept from it by the disk.

use super::folder::{self, Folder};
use super::measure::{Measured, Sample};
use super::plan::{Plan, MB};
use super::process::{hangs, Progress, Writer, LAST_WRITE};
use super::wire::{unless_stopped, Coordinator, Stage};
use super::{coordinator_help, door, local, signals, Early};
use crate::board::{bar, part, Board, REFRESH};
use crate::cli::{some_time, Globals};
use crate::exit::Failure;
use crate::output::{aside, complain, Output};
use async_io::Timer;
use async_signal::Signals;
use clap::Args;
use futures::future::{select, Either};
use futures::{select_biased, FutureExt};
use hubbub_shared::encoding::escape::shown;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Between two heartbeats. The protocol's.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Between two looks at the writer. The protocol's.
const STATS: Duration = Duration::from_secs(10);
/// How long connecting may take, and the coordinator to close after `done`, unless `--timeout` says
/// otherwise: the client library's own limit.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this time without an id the client says that it waits. A guess: beyond any network.
const SAYS_IT_WAITS: Duration = Duration::from_millis(700);

/// Run one test client
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub fleet client
  hubbub fleet client --runtime 15 --chunk-size 10 --file-size 50
  hubbub fleet client --at fleet.example:1234 --dir /mnt/disk --runtime 2m

It writes files of FILE MB in chunks of CHUNK MB, each chunk to the disk, into a folder of its own \
that is gone afterwards; two files are there at the most. A MB is 1,000,000 bytes. When five clients \
run already it waits in line. Exit code 2: the parameters, the folder or the disk; 3: there is no \
coordinator, or it went away, and the writing was stopped; 128 and the signal's number when a signal \
ended it, after it has cleaned up.")]
pub struct ClientArgs {
    /// How long to write, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = some_time)]
    runtime: Duration,
    /// Size of a chunk in MB, 10 at least
    #[arg(long, value_name = "MB", default_value = "10", value_parser = megabytes)]
    chunk_size: f64,
    /// Size of a file in MB
    #[arg(long, value_name = "MB", default_value = "50", value_parser = megabytes)]
    file_size: f64,
    #[arg(long, value_name = "ADDR", help = coordinator_help("The coordinator's address"))]
    at: Option<String>,
    /// The folder to write in [default: the one for passing files]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Say nothing but the outcome
    #[arg(long, short = 'q')]
    quiet: bool,
}

fn megabytes(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "try a number of MB, such as 10 or 12.5".to_owned())
}

impl ClientArgs {
    /// With the address that was said before the subcommand.
    pub fn or_at(self, outer: Option<String>) -> ClientArgs {
        ClientArgs { at: self.at.or(outer), ..self }
    }
}

/// `hubbub fleet client`
pub async fn run(globals: &Globals, args: ClientArgs) -> Result<(), Early> {
    let plan = Plan::new(args.runtime, args.chunk_size, args.file_size).map_err(local)?;
    let mut signals = signals()?;
    let within = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = own_folder(&within, &plan)?;
    let mut writer = Writer::start(&folder, &plan)?;
    let ended = work(globals, &args, &plan, &mut writer, &mut signals).await;
    // Whatever happened: nobody writes any more when the folder goes.
    match writer.kill().await {
        Ok(()) => drop(folder),
        Err(why) => {
            folder.leave();
            if let Early::Failure(why) = why {
                complain(&why.message);
            }
        }
    }
    let outcome = ended?;
    let mut out = Output::new();
    if globals.json {
        out.text(&format!("{}\n", outcome.json()))?;
    } else {
        out.text(&outcome.words(&plan))?;
    }
    Ok(out.flush()?)
}

/// A folder in which there is room for two files.
fn own_folder(within: &std::path::Path, plan: &Plan) -> Result<Folder, Early> {
    let cannot = |error: std::io::Error| {
        local(format!("cannot write in {}: {error}; name another folder with --dir", within.display()))
    };
    let folder = Folder::make(within, folder::PREFIX).map_err(cannot)?;
    let free = folder::free(folder.path()).map_err(cannot)?;
    if free < plan.space() {
        return Err(local(format!(
            "the disk has not enough room: two files need {:.1} MB, and {:.1} MB are free in {}; lower --file-size \
             or name another folder with --dir",
            plan.space() as f64 / MB,
            free as f64 / MB,
            within.display()
        )));
    }
    Ok(folder)
}

/// What a client did.
struct Outcome {
    id: String,
    ran: Duration,
    files: u64,
    bytes: u64,
    /// Of the whole run: processor time by run time.
    cpu: f64,
    /// At each look.
    memory: Vec<f64>,
}

impl Outcome {
    fn memory(&self) -> f64 {
        self.memory.iter().sum::<f64>() / self.memory.len().max(1) as f64
    }

    fn words(&self, plan: &Plan) -> String {
        let (cpu, memory) = (self.cpu, self.memory());
        format!(
            "client {} done: {:.1} s, {} files of {} MB, {:.0} MB in all, cpu {cpu:.1} %, memory {memory:.2} %\n",
            shown(&self.id),
            self.ran.as_secs_f64(),
            self.files,
            plan.file_mb,
            self.bytes as f64 / MB,
        )
    }

    fn json(&self) -> serde_json::Value {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        // A number, as it is everywhere; another coordinator may have others.
        let id = self.id.parse::<u64>().map_or_else(|_| self.id.clone().into(), serde_json::Value::from);
        serde_json::json!({
            "id": id, "ran_s": round(self.ran.as_secs_f64()), "files": self.files, "bytes": self.bytes,
            "cpu_percent": round(self.cpu), "memory_percent": round(self.memory()),
        })
    }
}

/// From the trial to `done`.
async fn work(
    globals: &Globals,
    args: &ClientArgs,
    plan: &Plan,
    writer: &mut Writer,
    signals: &mut Signals,
) -> Result<Outcome, Early> {
    let took = unless_stopped(signals, writer.trial()).await??;
    plan.fits(took).map_err(local)?;
    let patience = globals.timeout.unwrap_or(PATIENCE);
    let at = door(args.at.as_deref());
    let coordinator = unless_stopped(signals, Coordinator::connect(&at, patience)).await??;
    let mut run = Run {
        plan,
        quiet: args.quiet,
        coordinator,
        board: Board::new(!args.quiet),
        next_heartbeat: Instant::now() + HEARTBEAT,
        files: 0,
        bytes: 0,
        memory: Vec::new(),
    };
    let ended = run.whole(writer, signals, patience, globals.timeout).await;
    run.board.clear();
    ended
}

struct Run<'a> {
    plan: &'a Plan,
    quiet: bool,
    coordinator: Coordinator,
    board: Board,
    next_heartbeat: Instant,
    files: u64,
    bytes: u64,
    memory: Vec<f64>,
}

impl Run<'_> {
    async fn whole(
        &mut self,
        writer: &mut Writer,
        signals: &mut Signals,
        patience: Duration,
        limit: Option<Duration>,
    ) -> Result<Outcome, Early> {
        let id = self.get_id(signals, limit).await?;
        self.tell(&format!("id {} from {}", shown(&id), self.coordinator.at));
        let sizes = format!("file_stats:{}:{}", self.plan.chunk_mb, self.plan.file_mb);
        self.coordinator.say(&sizes).await?;
        self.coordinator.say("ready").await?;
        self.next_heartbeat = Instant::now() + HEARTBEAT;
        self.run_tests(signals, patience).await?;
        self.coordinator.say("start").await?;
        self.coordinator.stage = Stage::Writing;
        let mut measured = writer.go().await?;
        let began = Instant::now();
        let (writes, runs) = (writer.folder.display(), humantime::format_duration(self.plan.runtime));
        self.tell(&format!("started: writing into {writes} for {runs}"));
        let ran = self.write(writer, signals, &mut measured, began).await?;
        // A run shorter than the time between two looks has one too. The coordinator takes all for equal: a
        // short rest is told to nobody.
        if self.memory.is_empty() || measured.since_last() >= STATS / 2 {
            self.send_stats(&mut measured, began).await?;
        }
        let cpu = measured.whole_cpu(ran).map_err(unmeasured)?;
        unless_stopped(signals, writer.finish()).await??;
        self.coordinator.say("done").await?;
        self.closed(signals, patience).await?;
        self.tell("done");
        let memory = std::mem::take(&mut self.memory);
        Ok(Outcome { id, ran, files: self.files, bytes: self.bytes, cpu, memory })
    }

    fn tell(&mut self, what: &str) {
        if !self.quiet {
            self.board.clear();
            aside(what);
        }
    }

    /// Asks for an id. Where five run already that takes until one of them has gone.
    async fn get_id(&mut self, signals: &mut Signals, limit: Option<Duration>) -> Result<String, Early> {
        self.coordinator.say("get_cid").await?;
        let until = limit.map(|limit| Instant::now() + limit);
        let mut says_at = Some(Instant::now() + SAYS_IT_WAITS);
        loop {
            let due = [until, says_at].into_iter().flatten().min();
            let answer = match due {
                None => Some(self.coordinator.answer(signals).await?),
                Some(due) => {
                    let answer = self.coordinator.answer(signals);
                    futures::pin_mut!(answer);
                    match select(answer, Timer::at(due)).await {
                        Either::Left((answer, _)) => Some(answer?),
                        Either::Right(_) => None,
                    }
                }
            };
            match answer.as_deref().map(|line| (line, line.strip_prefix("set_cid:"))) {
                Some((_, Some(id))) => {
                    self.coordinator.stage = Stage::Named;
                    return Ok(id.to_owned());
                }
                Some((other, None)) => return Err(self.coordinator.is_none(other)),
                None if until.is_some_and(|until| Instant::now() >= until) => {
                    let message = "the time limit is over, and no place was free";
                    return Err(Failure::time_limit(message).into());
                }
                None => {
                    says_at = None;
                    self.coordinator.stage = Stage::Waiting;
                    self.tell("waiting in line: as many run already as may run at once");
                }
            }
        }
    }

    /// Waits until it is told to run.
    async fn run_tests(&mut self, signals: &mut Signals, patience: Duration) -> Result<(), Early> {
        let told = async {
            loop {
                let line = self.answer(signals).await?;
                if line == "run_tests" {
                    return Ok(());
                }
                self.tell(&unknown(&line));
            }
        };
        futures::pin_mut!(told);
        match select(told, Timer::after(patience)).await {
            Either::Left((told, _)) => told,
            Either::Right(_) => {
                Err(Failure::time_limit("the coordinator gave an id, and did not say run_tests").into())
            }
        }
    }

    /// The coordinator's next line, with heartbeats while it does not come.
    async fn answer(&mut self, signals: &mut Signals) -> Result<String, Early> {
        loop {
            {
                let answer = self.coordinator.answer(signals);
                futures::pin_mut!(answer);
                if let Either::Left((answer, _)) = select(answer, Timer::at(self.next_heartbeat)).await {
                    return answer;
                }
            }
            self.heartbeat_if_due().await?;
        }
    }

    async fn heartbeat_if_due(&mut self) -> Result<(), Early> {
        let now = Instant::now();
        if now >= self.next_heartbeat {
            // From the last due moment, not from now: they do not drift apart.
            self.next_heartbeat = (self.next_heartbeat + HEARTBEAT).max(now);
            self.coordinator.say("hb").await?;
            self.tell("heartbeat");
        }
        Ok(())
    }

    /// Until the writer says that its time is over, and how long it was: what it tells is passed on, and
    /// heartbeats and stats are sent when they are due.
    async fn write(
        &mut self,
        writer: &mut Writer,
        signals: &mut Signals,
        measured: &mut Measured,
        began: Instant,
    ) -> Result<Duration, Early> {
        let limit = began + self.plan.runtime + LAST_WRITE;
        let mut next_stats = began + STATS;
        let mut next_look = began;
        loop {
            let now = Instant::now();
            self.heartbeat_if_due().await?;
            if now >= next_stats {
                // From the last due moment, unless this one was missed, too.
                next_stats = Some(next_stats + STATS).filter(|next| *next > now).unwrap_or(now + STATS);
                self.send_stats(measured, began).await?;
            }
            if now >= next_look {
                next_look = now + REFRESH;
                self.show(now - began);
            }
            let due = limit.min(self.next_heartbeat).min(next_stats).min(next_look);
            let told = {
                select_biased! {
                    line = self.coordinator.answer(signals).fuse() => Told::Coordinator(line?),
                    line = writer.told().fuse() => Told::Writer(line?),
                    // Only when the writer has nothing to say: who stood still reads all that it said before.
                    _ = FutureExt::fuse(Timer::at(due)) => Told::Nothing,
                }
            };
            match told {
                Told::Nothing if Instant::now() >= limit => {
                    return Err(hangs("time"));
                }
                Told::Nothing => {}
                Told::Coordinator(line) => self.tell(&unknown(&line)),
                Told::Writer(Progress::Over(ran)) => return Ok(ran),
                Told::Writer(Progress::Wrote(bytes)) => {
                    writer.acknowledge().await;
                    self.bytes = bytes;
                }
                Told::Writer(Progress::Rolled(files)) => {
                    self.files = files;
                    self.coordinator.say("file_roll").await?;
                    self.tell(&format!("file {files} is full"));
                }
                Told::Writer(Progress::Trial(_)) => {}
            }
        }
    }

    async fn send_stats(&mut self, measured: &mut Measured, began: Instant) -> Result<(), Early> {
        let Sample { cpu, memory } = measured.sample().map_err(unmeasured)?;
        self.memory.push(memory);
        self.coordinator.say(&format!("send_stats:{cpu:.2}:{memory:.3}")).await?;
        let seconds = began.elapsed().as_secs_f64().round();
        self.tell(&format!("after {seconds} s: cpu {cpu:.1} %, memory {memory:.2} %"));
        Ok(())
    }

    fn show(&mut self, passed: Duration) {
        let row = format!(
            "{}  {} of {} s, {} files, {:.0} MB",
            bar(part(passed, self.plan.runtime)),
            passed.as_secs(),
            self.plan.runtime.as_secs(),
            self.files,
            self.bytes as f64 / MB
        );
        self.board.draw(&[row]);
    }

    /// Waits for the coordinator to close, as it does after `done`.
    async fn closed(&mut self, signals: &mut Signals, patience: Duration) -> Result<(), Early> {
        let until = Instant::now() + patience;
        loop {
            let line = {
                let line = self.coordinator.lines.next();
                futures::pin_mut!(line);
                match unless_stopped(signals, select(line, Timer::at(until))).await? {
                    Either::Left((line, _)) => line,
                    Either::Right(_) => {
                        let message = "the coordinator did not close the connection after done";
                        return Err(Failure::time_limit(message).into());
                    }
                }
            };
            match line {
                Ok(Some(line)) => self.tell(&unknown(&line)),
                // A reset comes after all was said.
                Ok(None) | Err(_) => return Ok(()),
            }
        }
    }
}

enum Told {
    Nothing,
    Coordinator(String),
    Writer(Progress),
}

fn unmeasured(error: std::io::Error) -> Early {
    local(format!("cannot measure the writer: {error}"))
}

fn unknown(line: &str) -> String {
    format!("the coordinator said what makes no sense here: {line}")
}
