//! `hubbubd shutdown`: asks the running hub to end and waits until it has.

use super::find::{self, Target};
use super::pid_file::{self, Found, Holder};
use super::Serving;
use crate::config::Finding;
use anyhow::{bail, Context};
use hubbub_shared::run::RunFile;
use rustix::process::{geteuid, kill_process, Pid, Signal};
use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Exit code: the hub has ended.
const GONE: u8 = 0;
/// Exit code: none was running.
const NONE_RAN: u8 = 1;
/// Exit code: it is still there at the time limit.
const STILL_THERE: u8 = 4;
/// How often the progress line on a terminal is renewed.
const PROGRESS: Duration = Duration::from_millis(250);

/// Ends the hub that is meant and waits for its end; the value is the exit code. Several are none: it
/// is not guessed which.
pub fn shutdown(wanted: &Finding, limit: Duration, out: &mut impl Write) -> anyhow::Result<u8> {
    match find::find(wanted)? {
        Target::PidFile(pid_file) => shutdown_by(&pid_file, limit, out),
        Target::Several(running) => bail!(which(&running, wanted)),
    }
}

/// What to say where more than one could be meant.
fn which(running: &[RunFile], wanted: &Finding) -> String {
    let names: Vec<String> = running
        .iter()
        .map(|run| {
            let Serving { name, pid, client_addr, .. } = &run.serving;
            format!("{name} of the cluster {} (pid {pid}, {client_addr})", run.cluster)
        })
        .collect();
    let option = if wanted.name.is_some() { "--cluster" } else { "--name" };
    format!("{} servers run: {}; say with {option} which one is to end", running.len(), names.join(", "))
}

/// Sends SIGTERM to the hub of a pid file and waits for its end.
fn shutdown_by(pid_file: &Path, limit: Duration, out: &mut impl Write) -> anyhow::Result<u8> {
    let holder = match pid_file::look(pid_file)? {
        Found::Running(holder) => holder,
        Found::Nobody { .. } => {
            writeln!(out, "no hub runs with the pid file {}", pid_file.display())?;
            return Ok(NONE_RAN);
        }
    };
    let pid = holder.pid;
    signal(&holder, pid_file)?;

    let started = Instant::now();
    let on_terminal = std::io::stderr().is_terminal();
    let gone = holder.wait_gone(limit, PROGRESS, || {
        if on_terminal {
            eprint!("\rhubbubd (pid {pid}) is ending… {} s", started.elapsed().as_secs());
        }
    })?;
    if on_terminal && started.elapsed() >= PROGRESS {
        eprintln!();
    }
    if gone {
        writeln!(out, "hubbubd (pid {pid}) has ended")?;
        return Ok(GONE);
    }
    let limit = humantime::format_duration(limit);
    writeln!(out, "hubbubd (pid {pid}) is still there after {limit}; `kill -KILL {pid}` ends it by force")?;
    Ok(STILL_THERE)
}

fn signal(holder: &Holder, pid_file: &Path) -> anyhow::Result<()> {
    let process = fs::metadata(format!("/proc/{}", holder.pid)).map(|process| process.uid()).ok();
    if !is_trusted(holder.owner, geteuid().as_raw(), process) {
        bail!("the pid file {} belongs to another user than the process in it", pid_file.display());
    }
    let pid = i32::try_from(holder.pid).ok().and_then(Pid::from_raw);
    let pid = pid.context("the pid file holds no process id")?;
    match kill_process(pid, Signal::TERM) {
        // It ended between the look and the signal.
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal the hub, pid {}", holder.pid)),
    }
}

/// Whether a pid file's owner may say which process gets the caller's signal: whoever writes the
/// file chooses it. Only the system, the caller, or the one whose process it is.
fn is_trusted(owner: u32, caller: u32, process: Option<u32>) -> bool {
    owner == 0 || owner == caller || Some(owner) == process
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::{Child, Command, Stdio};

    /// A process that holds the lock on its own pid file, as a hub does, and ends as told.
    fn holder(pid_file: &Path, before: &str) -> Child {
        // The shell's own `read` waits without a child that would inherit the lock.
        let script = format!("{before} exec 9>{}; flock 9; echo $$ >&9; read line", pid_file.display());
        let child = Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !matches!(pid_file::look(pid_file), Ok(Found::Running(_))) {
            assert!(Instant::now() < deadline, "the holder did not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    fn told(pid_file: &Path, limit: Duration) -> (u8, String) {
        let mut out = Vec::new();
        let code = shutdown_by(pid_file, limit, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_pid_file_of_a_stranger_is_not_believed() {
        let (root, own, stranger) = (0, 1000, 1001);
        assert!(is_trusted(root, own, Some(own)) && is_trusted(own, own, None));
        assert!(is_trusted(own, root, Some(own)), "root may end a user's hub");
        assert!(!is_trusted(stranger, own, Some(own)) && !is_trusted(stranger, root, Some(own)));
        assert!(!is_trusted(stranger, own, None));
    }

    #[test]
    fn a_hub_that_ends_one_that_does_not_and_none() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("hubbubd.pid");
        assert_eq!(told(&pid_file, Duration::from_secs(1)).0, NONE_RAN);

        let mut child = holder(&pid_file, "");
        let (code, text) = told(&pid_file, Duration::from_secs(10));
        assert_eq!((code, text), (GONE, format!("hubbubd (pid {}) has ended\n", child.id())));
        child.wait().unwrap();

        let mut child = holder(&pid_file, "trap '' TERM;");
        let (code, text) = told(&pid_file, Duration::from_millis(50));
        assert_eq!(code, STILL_THERE);
        assert!(text.contains("still there after 50ms"), "{text}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(told(&pid_file, Duration::from_secs(1)).0, NONE_RAN, "a stale file is not signalled");
    }
}
