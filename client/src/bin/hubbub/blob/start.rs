//! `hubbub blob start`: a `hubbubd` of its own for the blob door, in the background, in a session of its
//! own, so that it outlives this command and its terminal. One such server runs at a time.

use super::life::{servers, Server, BLOB};
use super::place;
use crate::cli::Globals;
use crate::connect::data_folder;
use crate::door::{within, Broken};
use crate::exit::{Exit, Failure};
use crate::output::{aside, Output};
use async_io::Timer;
use async_process::{Child, Command, Stdio};
use clap::Args;
use futures::{pin_mut, select_biased, FutureExt};
use hubbub_shared::doors as known;
use hubbub_shared::run::Serving;
use nix::fcntl::{fcntl, FcntlArg, FdFlag};
use rustix::fs::{flock, FlockOperation};
use rustix::io::Errno;
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The server's program.
const PROGRAM: &str = "hubbubd";
/// What it writes, in its data folder; the log of the run before has `.old` behind its name.
const LOG: &str = "hubbubd.log";
/// What a start holds, in the data folder of the server: two at the same moment are one after the other.
const LOCK: &str = "start.lock";
/// The file that appears when it serves, in its data folder.
const READY: &str = "ready.json";
/// How long it may take to serve, unless `--timeout` says otherwise. It takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks whether it serves.
const LOOK: Duration = Duration::from_millis(10);
/// What is told of the end of its log: so many bytes at most, and so many lines.
const TAIL_BYTES: u64 = 8 << 10;
const TAIL_LINES: usize = 12;
/// Variables that say which server or cluster one is, what it opens or when it ends: this server is another.
const NOT_FOR_IT: &[&str] = &[
    "HUBBUB_CONFIG",
    "HUBBUB_JOIN",
    "HUBBUB_LAN",
    "HUBBUB_CLUSTER_SECRET",
    "HUBBUB_CLUSTER_SECRET_FILE",
    "HUBBUB_DOOR",
    "HUBBUB_DOORS",
    "HUBBUB_PID_FILE",
    // Its input is empty: it would end as soon as it serves.
    "HUBBUB_UNTIL_STDIN_ENDS",
];

/// Start a server for the blob door, in the background
///
/// It is a hubbubd with the name and the cluster `blob`, on ports of its own, with its data and its
/// log in --data-dir [default: blob in $XDG_DATA_HOME/hubbub or ~/.local/share/hubbub]. One runs at a
/// time: when a hub with a blob door runs already, that is told, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob start
  hubbub blob start --at 127.0.0.1:9501
  hubbub blob start --at localhost:0          a free port; --at 9501 is one, too
  hubbub blob start --hubbubd ./target/release/hubbubd --data-dir /tmp/blob")]
pub struct StartArgs {
    #[arg(long, value_name = "ADDR", value_parser = place)]
    #[arg(help = format!("Where the door listens [default: {}]; port 0 takes a free one", known::BLOB.addr()))]
    pub(super) at: Option<SocketAddr>,
    /// The server's program [default: beside this one, else in PATH]
    #[arg(long, value_name = "PATH")]
    pub(super) hubbubd: Option<PathBuf>,
}

/// Become a program in a session of its own
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob in-session -- hubbubd --version")]
pub struct SessionArgs {
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    program: Vec<OsString>,
}

/// `hubbub blob start`
pub async fn run(globals: &Globals, at: Option<SocketAddr>, hubbubd: Option<&Path>) -> Result<(), Failure> {
    if let Some(server) = servers(globals).first() {
        return Err(already(server));
    }
    let limit = globals.timeout.unwrap_or(PATIENCE);
    let program = find_program(hubbubd)?;
    let data_dir = match &globals.data_dir {
        Some(given) => given.clone(),
        None => data_folder(|key| std::env::var_os(key)).map(|usual| usual.join(BLOB)).ok_or_else(|| {
            Failure::local("neither XDG_DATA_HOME nor HOME is set: name the server's folder with --data-dir")
        })?,
    };
    let data_dir = std::path::absolute(&data_dir).map_err(|error| cannot(&data_dir, error))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data_dir)
        .map_err(|error| cannot(&data_dir, error))?;
    let _alone = alone(&data_dir.join(LOCK), limit).await?;
    if let Some(server) = servers(globals).first() {
        return Err(already(server));
    }
    let (ready, log_path) = (data_dir.join(READY), data_dir.join(LOG));
    match fs::remove_file(&ready) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cannot(&ready, error)),
        _ => {}
    }
    let log = new_log(&log_path).map_err(|error| cannot(&log_path, error))?;
    let mut command = in_background(&program, log).map_err(|error| cannot(&log_path, error))?;
    let door = at.map_or(BLOB.to_owned(), |addr| format!("{BLOB}={addr}"));
    command.args(["--name", BLOB, "--cluster", BLOB, "--door", &door]);
    command.args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--log-format", "text"]);
    // Each connection is a line of the level info, and nobody turns this log over.
    if std::env::var_os("HUBBUB_LOG_LEVEL").is_none() {
        command.args(["--log-level", "warn"]);
    }
    command.arg("--ready-file").arg(&ready).arg("--data-dir").arg(&data_dir);
    if let Some(run_dir) = &globals.run_dir {
        let run_dir = std::path::absolute(run_dir).map_err(|error| cannot(run_dir, error))?;
        command.arg("--run-dir").arg(run_dir);
    }
    command.current_dir(&data_dir);
    let child = command.spawn().map_err(|error| cannot(&program, error))?;
    let serving = match wait(child, &ready, limit).await {
        Ok(serving) => serving,
        // Somebody else may have started one at the same moment.
        Err(why) => match servers(globals).first() {
            Some(server) => return Err(already(server)),
            None => return Err(tell_log(why, &log_path)),
        },
    };
    let Some(addr) = serving.doors.get(BLOB) else {
        let why = format!("{} serves without a door `blob`: it is too old", program.display());
        return Err(Failure::new(Exit::Refused, why));
    };
    let mut out = Output::new();
    match globals.json {
        true => {
            out.text(&format!("{}\n", json!({ "pid": serving.pid, "address": addr, "log": log_path })))?
        }
        false => out.text(&format!("blob server started: pid {}, {addr}\n", serving.pid))?,
    }
    out.flush()
}

/// `hubbub blob in-session`: what `start` runs so that the server has a session of its own. It returns
/// only when that failed.
pub fn in_session(args: SessionArgs) -> Failure {
    // Where it is a leader of processes already, the session stays: it is no terminal's at any rate.
    let _ = rustix::process::setsid();
    if let Err(error) = keep_from_children() {
        return Failure::local(format!("cannot look at the descriptors of this process: {error}"));
    }
    let mut words = args.program.iter();
    let program = words.next().map_or(OsStr::new(PROGRAM), OsString::as_os_str);
    let error = std::process::Command::new(program).args(words).exec();
    Failure::local(format!("cannot run {}: {error}", program.display()))
}

/// Keeps all descriptors but the first three from the program that this process becomes: whoever asked for
/// the server may have handed on a lock, or a pipe that somebody reads to its end.
fn keep_from_children() -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    for name in names.collect::<io::Result<Vec<_>>>()? {
        let Some(fd) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()).filter(|fd| *fd > 2) else {
            continue;
        };
        match fcntl(fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
            // The one that read the folder is closed again.
            Ok(_) | Err(nix::errno::Errno::EBADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn already(server: &Server) -> Failure {
    let place = server.place();
    let whose = match server.is_own() {
        true => String::new(),
        false => format!(" (the hub {})", server.run.serving.name),
    };
    Failure::new(Exit::Refused, format!("already running: {place}{whose}"))
}

/// Waits until nobody else is about to start a server with this folder. It lasts as long as the file is
/// open.
async fn alone(path: &Path, limit: Duration) -> Result<File, Failure> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = opened.map_err(|error| cannot(path, error))?;
    let lock = async_std::task::spawn_blocking(move || loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Err(Errno::INTR) => {}
            answer => break answer.map(|()| file),
        }
    });
    within(limit, async { lock.await.map_err(|errno| Broken::Io(errno.into())) }).await.map_err(|broken| {
        match broken {
            Broken::TimeLimit(limit) => Failure::time_limit(format!(
                "another `hubbub blob start` holds {} since {}",
                path.display(),
                humantime::format_duration(limit)
            )),
            broken => broken.at(path.display()),
        }
    })
}

/// The command up to the server's own arguments: this program, which becomes the server.
fn in_background(program: &Path, log: File) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["blob", "in-session", "--"]).arg(program);
    for variable in NOT_FOR_IT {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(command)
}

/// A new log; the one of the run before is kept beside it.
fn new_log(path: &Path) -> io::Result<File> {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    match fs::rename(path, &old) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Waits until the server serves; it is ended when it does not in time.
async fn wait(mut child: Child, ready: &Path, limit: Duration) -> Result<Serving, Failure> {
    let pid = child.id();
    let deadline = Instant::now() + limit;
    let outcome = {
        let ended = child.status().fuse();
        pin_mut!(ended);
        loop {
            let serving = fs::read(ready).ok().and_then(|json| serde_json::from_slice::<Serving>(&json).ok());
            if let Some(serving) = serving.filter(|serving| serving.pid == pid) {
                return Ok(serving);
            }
            if Instant::now() >= deadline {
                let limit = humantime::format_duration(limit);
                break Failure::time_limit(format!("{PROGRAM} does not serve after {limit} and was ended"));
            }
            select_biased! {
                status = ended => break match status {
                    Ok(status) => Failure::new(
                        Exit::Refused,
                        format!("{PROGRAM} ended before it served, {}", crate::exec::status_in_words(status)),
                    ),
                    Err(error) => Failure::local(format!("cannot wait for {PROGRAM}: {error}")),
                },
                _ = FutureExt::fuse(Timer::after(LOOK)) => {}
            }
        }
    };
    let _ = child.kill();
    // Until it has ended it would pass for a server that runs.
    let _ = child.status().await;
    Err(outcome)
}

/// Tells what the server wrote last, and puts the log's place behind what is wrong.
fn tell_log(why: Failure, log: &Path) -> Failure {
    let lines = tail(log).unwrap_or_default();
    lines.iter().for_each(|line| aside(line));
    let what = if lines.is_empty() { "it wrote nothing to" } else { "above is the end of" };
    Failure { message: format!("{}; {what} {}", why.message, log.display()), ..why }
}

fn tail(log: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(log)?;
    let start = file.metadata()?.size().saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| (*line).to_owned()).collect())
}

/// The hub's program: the given one, else the one beside this program, else one in `PATH`.
pub fn find_program(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        let whole = std::path::absolute(given).map_err(|error| cannot(given, error))?;
        return match is_program(&whole) {
            true => Ok(whole),
            false => Err(Failure::local(format!("{} is no program", given.display()))),
        };
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(PROGRAM));
    let found = beside.into_iter().chain(in_path).find(|path| path.is_absolute() && is_program(path));
    found.ok_or_else(|| {
        Failure::local(format!(
            "{PROGRAM} is neither beside this program nor in PATH: name it with --hubbubd"
        ))
    })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

fn cannot(path: &Path, error: io::Error) -> Failure {
    Failure::local(format!("cannot use {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_end_of_the_log_is_told_and_the_log_before_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG);
        drop(new_log(&path).unwrap());
        assert!(tail(&path).unwrap().is_empty());
        let lines: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
        fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(tail(&path).unwrap(), &lines[lines.len() - TAIL_LINES..]);
        drop(new_log(&path).unwrap());
        assert!(tail(&path).unwrap().is_empty());
        assert!(dir.path().join("hubbubd.log.old").exists());
    }

    #[test]
    fn what_is_no_program_is_told() {
        let failure = find_program(Some(Path::new("/nonexistent/hubbubd"))).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(find_program(Some(file.path())).is_err(), "it may not be executed");
    }
}
