//! `hubbub fleet demo`: a hub of its own with the door, three clients that differ, and their report.
//! All of it is gone afterwards.

use super::folder::Folder;
use super::plan::Plan;
use super::{local, reports, signals, Early};
use crate::blob::find_program;
use crate::board::{bar, part, Board, REFRESH};
use crate::cli::{some_time, Globals};
use crate::exit::{Exit, Failure};
use crate::output::{aside, complain, Output};
use async_io::Timer;
use async_process::{Child, Command, Stdio};
use async_signal::Signals;
use clap::Args;
use futures::future::{join_all, select, Either};
use futures::{select_biased, AsyncReadExt, FutureExt, StreamExt};
use hubbub_client::{Delivery, Options, Subscription};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::fleet::{Event, Report, EVERYTHING};
use hubbub_shared::run::Serving;
use rustix::process::{kill_process, Pid, Signal};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the hub may take to serve, and beyond their run time the clients to end. A guess: a busy
/// machine's worst.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long what was told to end may take. A guess.
const LAST_WORDS: Duration = Duration::from_secs(8);
/// Parts of the run time, and sizes of chunk and file in MB: three clients that differ.
const CLIENTS: [(f64, u32, u32); 3] = [(0.8, 10, 10), (0.9, 10, 20), (1.0, 20, 20)];

/// Run a coordinator and three clients, and print their report
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub fleet demo
  hubbub fleet demo --runtime 5 --json

The coordinator is a hub of its own on free ports, in a folder that is gone afterwards. The clients \
really write: as fast as the disk takes it, some hundred MB at a time on it. Exit code 1 when a \
client was aborted.")]
pub struct DemoArgs {
    /// How long the longest client writes, in seconds; the others a little less
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = some_time)]
    runtime: Duration,
    /// The hub's program [default: hubbubd beside this one, else in PATH]
    #[arg(long, value_name = "PATH")]
    hubbubd: Option<PathBuf>,
    /// The folder to work in [default: the one for passing files]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// `hubbub fleet demo`
pub async fn run(globals: &Globals, args: DemoArgs) -> Result<(), Early> {
    // The longest client's, before anything is started for it.
    let (_, chunk, file) = CLIENTS[CLIENTS.len() - 1];
    Plan::new(args.runtime, chunk.into(), file.into()).map_err(local)?;
    let mut signals = signals()?;
    let within = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    // The hub works in the folder: what is named from here would be another place there.
    let made = std::path::absolute(&within).and_then(|whole| Folder::make(&whole, "hubbub-fleet-demo"));
    let folder = made.map_err(|error| {
        local(format!("cannot write in {}: {error}; name another folder with --dir", within.display()))
    })?;
    let mut children = Vec::new();
    let shown = show(&args, folder.path(), &mut children, &mut signals).await;
    // Clients first, the latest child first: the hub is there to see them go.
    for child in children.iter_mut().rev() {
        end(child).await;
    }
    drop(folder);
    let report = shown?;
    let mut out = Output::new();
    if globals.json {
        out.text(&(report.to_json() + "\n"))?;
    } else {
        out.text(&reports::for_people(&report))?;
    }
    out.flush()?;
    if report.aborted > 0 {
        return Err(Failure::new(Exit::Refused, "a client was aborted").into());
    }
    if report.clients.len() < CLIENTS.len() {
        return Err(Failure::new(Exit::Refused, "not all clients ran").into());
    }
    Ok(())
}

/// Starts all, watches, and returns the report.
async fn show(
    args: &DemoArgs,
    folder: &Path,
    children: &mut Vec<Child>,
    signals: &mut Signals,
) -> Result<Report, Early> {
    let hub = start_hub(args, folder, children, signals).await?;
    let door = hub.doors.get("fleet").ok_or_else(|| local("this hubbubd has no door fleet"))?.to_string();
    let options = Options::new(hub.client_addr.to_string()).agent("hubbub fleet demo");
    let client = options.reconnect(false).follow(false).connect().await?;
    let events = client.subscribe([EVERYTHING]).await?;
    let at = hub.client_addr;
    aside(&format!("the coordinator listens on {door}; watch it: hubbub -s {at} sub '{EVERYTHING}'"));
    let mut watched = Watched { events, rows: Vec::new(), report: None };
    let mut clients = Vec::new();
    for (share, chunk, file) in CLIENTS {
        let runtime = args.runtime.mul_f64(share);
        let mut command = own("hubbub", std::env::current_exe());
        let command = command.as_mut().map_err(|failure| local(std::mem::take(&mut failure.message)))?;
        command.args(["fleet", "client", "--quiet", "--at", &door]).arg("--dir").arg(folder);
        command.args(["--runtime", &format!("{}ms", runtime.as_millis())]);
        command.args(["--chunk-size", &chunk.to_string(), "--file-size", &file.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| local(format!("cannot start a client: {error}")))?;
        clients.push(child.stderr.take());
        children.push(child);
    }
    let deadline = Instant::now() + args.runtime + PATIENCE;
    let (mut board, mut drawn) = (Board::new(true), None);
    let report = loop {
        let all_ended = children.iter_mut().skip(1).all(|child| matches!(child.try_status(), Ok(Some(_))));
        // Where a client was late or refused there are others than one run of all.
        if let Some(report) =
            watched.report.take_if(|report| all_ended || report.clients.len() == CLIENTS.len())
        {
            break Ok(report);
        }
        if Instant::now() >= deadline {
            break Err(Failure::time_limit("the run has not ended in time").into());
        }
        if all_ended && watched.rows.is_empty() {
            break Err(local("no client ran"));
        }
        if drawn.is_none_or(|drawn: Instant| drawn.elapsed() >= REFRESH) {
            drawn = Some(Instant::now());
            board.draw(&watched.shown(args.runtime));
        }
        select_biased! {
            signal = FutureExt::fuse(signals.next()) => if let Some(Ok(signal)) = signal { break Err(Early::Signal(signal)) },
            heard = watched.hear().fuse() => if let Err(failure) = heard { break Err(failure.into()) },
            _ = FutureExt::fuse(Timer::after(REFRESH)) => {}
        }
    };
    board.clear();
    if !matches!(report, Err(Early::Signal(_))) {
        let said = join_all(clients.into_iter().flatten().map(|mut stderr| async move {
            let mut text = String::new();
            let read = Box::pin(stderr.read_to_string(&mut text));
            let _ = select(read, Timer::after(LAST_WORDS)).await;
            text
        }));
        for line in said.await.iter().flat_map(|text| text.lines()) {
            complain(line.strip_prefix("hubbub: ").unwrap_or(line));
        }
    }
    let _ = client.close().await;
    report
}

/// A program without options from outside, in a process group of its own: Ctrl-C is this process's.
fn own(name: &str, path: std::io::Result<PathBuf>) -> Result<Command, Failure> {
    let path = path.map_err(|error| Failure::local(format!("cannot find {name}: {error}")))?;
    let mut command = std::process::Command::new(path);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("HUBBUB_") {
            command.env_remove(variable);
        }
    }
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    Ok(command)
}

/// Starts a hub with the door on free ports, and waits until it serves.
async fn start_hub(
    args: &DemoArgs,
    folder: &Path,
    children: &mut Vec<Child>,
    signals: &mut Signals,
) -> Result<Serving, Early> {
    let program = find_program(args.hubbubd.as_deref())?;
    let (ready, log) = (folder.join("ready.json"), folder.join("log"));
    let mut command = own("hubbubd", Ok(program.clone()))?;
    let output = || File::options().create(true).append(true).open(&log).map(Stdio::from);
    let cannot = |error: std::io::Error| local(format!("cannot start {}: {error}", program.display()));
    command.args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--door", "fleet=127.0.0.1:0"]);
    command.args(["--name", "demo"]).arg("--run-dir").arg(folder.join("run"));
    command.arg("--data-dir").arg(folder.join("data")).arg("--ready-file").arg(&ready);
    // The pipe ends with this process, however it ends, and with the pipe the hub.
    command.arg("--until-stdin-ends").current_dir(folder).stdin(Stdio::piped());
    command.stdout(output().map_err(cannot)?).stderr(output().map_err(cannot)?);
    let mut child = command.spawn().map_err(cannot)?;
    let deadline = Instant::now() + PATIENCE;
    let serving = loop {
        if let Ok(text) = fs::read_to_string(&ready) {
            let read = serde_json::from_str(&text);
            break read.map_err(|error| local(format!("the hub's ready file is not as usual: {error}")));
        }
        if let Ok(Some(status)) = child.try_status() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            let how = crate::exec::status_in_words(status);
            let last = last.map_or("it said nothing".to_owned(), |line| format!("it said: {}", shown(line)));
            break Err(local(format!("the hub {} ended before it served, {how}; {last}", program.display())));
        }
        if Instant::now() >= deadline {
            break Err(Failure::time_limit("the hub did not serve in time").into());
        }
        // It may have no parent to tell: it is looked for.
        select_biased! {
            signal = FutureExt::fuse(signals.next()) => if let Some(Ok(signal)) = signal { break Err(Early::Signal(signal)) },
            _ = FutureExt::fuse(Timer::after(Duration::from_millis(20))) => {}
        }
    };
    children.push(child);
    serving
}

/// Ends a child: kindly, and then not. The hub is asked by the end of its input, which waiting for it is: a
/// signal beside it would be a second request, and no kind one.
async fn end(child: &mut Child) {
    let by_input = child.stdin.is_some();
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        if !by_input && matches!(child.try_status(), Ok(None)) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
    let ended = {
        let status = child.status();
        futures::pin_mut!(status);
        matches!(select(status, Timer::after(LAST_WORDS)).await, Either::Left(_))
    };
    if !ended {
        let _ = child.kill();
        let _ = child.status().await;
    }
}

/// What is known of the run by its events.
struct Watched {
    events: Subscription,
    rows: Vec<Row>,
    report: Option<Report>,
}

struct Row {
    id: u64,
    chunk: u32,
    file: u32,
    started: Option<Instant>,
    files: u64,
    cpu: Option<f64>,
    ended: Option<&'static str>,
}

impl Watched {
    /// Waits for the next event.
    async fn hear(&mut self) -> Result<(), Failure> {
        match self.events.next().await {
            Some(Delivery::Message(message)) => {
                if let Ok(event) = serde_json::from_str(message.data.get()) {
                    self.happened(event);
                }
                Ok(())
            }
            Some(Delivery::Gap(_) | Delivery::Reconnected) => Ok(()),
            Some(Delivery::Disconnected) | None => {
                Err(Failure::new(Exit::NoConnection, "the coordinator went away"))
            }
        }
    }

    fn happened(&mut self, event: Event) {
        match event {
            Event::Joined { id, .. } => {
                let row = Row { id, chunk: 0, file: 0, started: None, files: 0, cpu: None, ended: None };
                self.rows.push(row);
            }
            Event::FileStats { id, chunk_mb, file_mb } => {
                self.change(id, |row| (row.chunk, row.file) = (chunk_mb as u32, file_mb as u32));
            }
            Event::Started { id } => self.change(id, |row| row.started = Some(Instant::now())),
            Event::Stats { id, cpu_percent, .. } => self.change(id, |row| row.cpu = Some(cpu_percent)),
            Event::FileRoll { id, files } => self.change(id, |row| row.files = files),
            Event::Ended(client) => self.change(client.id, |row| row.ended = Some(client.status.as_str())),
            Event::Report(report) => self.report = Some(report),
            _ => {}
        }
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut Row)) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.id == id) {
            change(row);
        }
    }

    fn shown(&self, runtime: Duration) -> Vec<String> {
        self.rows.iter().map(|row| row.shown(runtime)).collect()
    }
}

impl Row {
    fn shown(&self, runtime: Duration) -> String {
        let share = CLIENTS.iter().find(|(_, chunk, file)| (*chunk, *file) == (self.chunk, self.file));
        let whole = runtime.mul_f64(share.map_or(1.0, |(share, ..)| *share));
        let passed = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        let done = if self.ended.is_some() { 1.0 } else { part(passed, whole).min(0.99) };
        let cpu = self.cpu.map_or_else(String::new, |cpu| format!(", cpu {cpu:.0} %"));
        let state = self.ended.map_or_else(String::new, |status| format!("  {status}"));
        let files = match (self.files, self.file) {
            (_, 0) => String::new(),
            (1, file) => format!("  1 file of {file} MB"),
            (files, file) => format!("  {files} files of {file} MB"),
        };
        format!("{}  {}{files}{cpu}{state}", self.id, bar(done))
    }
}
