//! Runs one shell command for one message or request: data on its standard input, facts about it in
//! its environment. Each run is a process group of its own, so that a time limit or the end of
//! `hubbub` ends the whole pipeline and not only its shell.

use crate::exit::Failure;
use async_io::Timer;
use async_process::{Child, Command, Stdio};
use futures::future::{select, Either};
use futures::{try_join, AsyncRead, AsyncReadExt, AsyncWriteExt};
use rustix::process::{kill_process_group, Pid, Signal};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::ExitStatus;
use std::time::Duration;

/// The longest value that goes into the environment; Linux refuses 128 KiB. Whoever needs longer
/// data reads standard input, where it always is.
const MAX_ENV_VALUE: usize = 64 << 10;
/// How much of the end of standard error is kept for the last line. A guess: a long line.
const STDERR_TAIL: usize = 8 << 10;

/// What to run.
pub struct Run<'a> {
    /// For `sh -c`.
    pub command: &'a str,
    /// Variables; values that no environment can hold are left out.
    pub env: Vec<(&'static str, String)>,
    /// For standard input.
    pub input: Vec<u8>,
    /// When to kill it.
    pub limit: Option<Duration>,
    /// How many bytes of standard output to take; `None` lets it go to our own.
    pub capture: Option<usize>,
}

/// How it ended.
pub struct Ended {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// What it wrote, when captured.
    pub stdout: Vec<u8>,
    /// The last line of standard error that is not blank, when captured.
    pub complaint: Option<String>,
}

/// Why there is no end to report.
pub enum Broken {
    /// It could not be started or waited for.
    Io(std::io::Error),
    /// It was killed at the time limit.
    Timeout(Duration),
    /// It was killed for writing more than was asked for.
    TooLong(usize),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Broken::Io(e) => write!(f, "cannot run the command: {e}"),
            Broken::Timeout(limit) => {
                write!(f, "the command ran longer than {} and was killed", humantime::format_duration(*limit))
            }
            Broken::TooLong(bytes) => write!(f, "the command wrote more than {bytes} bytes and was killed"),
        }
    }
}

/// Runs a command to its end.
pub async fn run(run: Run<'_>) -> Result<Ended, Broken> {
    let mut command = std::process::Command::new("/bin/sh");
    command.arg("-c").arg(run.command).process_group(0);
    for (key, value) in run.env {
        if value.len() <= MAX_ENV_VALUE && !value.contains('\0') {
            command.env(key, value);
        }
    }
    let mut command = Command::from(command);
    command.stdin(Stdio::piped());
    let output = || if run.capture.is_some() { Stdio::piped() } else { Stdio::inherit() };
    command.stdout(output()).stderr(output());
    let mut child = command.spawn().map_err(Broken::Io)?;
    let group = Group::of(&child);
    let work = Box::pin(attend(&mut child, &run.input, run.capture));
    let ended = match run.limit {
        None => work.await,
        Some(limit) => match select(work, Timer::after(limit)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(Broken::Timeout(limit)),
        },
    };
    if ended.is_ok() {
        group.ended();
    }
    ended
}

/// Feeds a child, listens to it, and waits for it.
async fn attend(child: &mut Child, input: &[u8], capture: Option<usize>) -> Result<Ended, Broken> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // Whether it reads its input is the command's own affair.
            let _ = stdin.write_all(input).await;
            let _ = stdin.close().await;
        }
        Ok(())
    };
    let complaint = async { Ok(read_tail(stderr).await) };
    let status = async { child.status().await.map_err(Broken::Io) };
    let ((), stdout, complaint, status) =
        try_join!(feed, read_up_to(stdout, capture.unwrap_or(0)), complaint, status)?;
    Ok(Ended { status, stdout, complaint })
}

async fn read_up_to(from: Option<impl AsyncRead + Unpin>, limit: usize) -> Result<Vec<u8>, Broken> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(limit as u64 + 1).read_to_end(&mut bytes).await.map_err(Broken::Io)?;
    }
    if bytes.len() > limit {
        return Err(Broken::TooLong(limit));
    }
    Ok(bytes)
}

/// Passes standard error on as it comes, and keeps its end.
async fn read_tail(from: Option<impl AsyncRead + Unpin>) -> Option<String> {
    let mut from = from?;
    let mut tail = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let _ = std::io::stderr().write_all(&buffer[..n]);
        tail.extend_from_slice(&buffer[..n]);
        let surplus = tail.len().saturating_sub(STDERR_TAIL);
        tail.drain(..surplus);
    }
    last_line(&tail)
}

fn last_line(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

/// A status in words: `exit code 3`, `signal 9`.
pub fn status_in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Kills a process group unless it ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Group(i32::try_from(child.id()).ok().and_then(Pid::from_raw))
    }

    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Failure::local(broken.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn sh(command: &str, input: &str, limit: Option<Duration>) -> Result<Ended, Broken> {
        let env = vec![("HUBBUB_FROM", "bob".to_owned()), ("HUBBUB_DATA", "x\0y".to_owned())];
        let input = input.as_bytes().to_vec();
        async_io::block_on(run(Run { command, env, input, limit, capture: Some(100) }))
    }

    #[test]
    fn input_environment_output_and_status_pass_through() {
        let ended = sh("read x; echo $x $HUBBUB_FROM ${HUBBUB_DATA-none}; exit 3", "hi\n", None);
        let ended = ended.unwrap_or_else(|b| panic!("{b}"));
        assert_eq!(ended.stdout, b"hi bob none\n");
        assert_eq!(status_in_words(ended.status), "exit code 3");
    }

    #[test]
    fn a_command_that_reads_nothing_is_no_error() {
        let big = "x".repeat(1 << 20);
        assert!(sh("exec true", &big, None).is_ok_and(|ended| ended.status.success()));
    }

    #[test]
    fn the_time_limit_ends_the_whole_pipeline() {
        let before = Instant::now();
        let ended = sh("sleep 60 | cat", "", Some(Duration::from_millis(50)));
        assert!(matches!(ended, Err(Broken::Timeout(_))));
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn endless_output_is_cut() {
        assert!(matches!(sh("yes", "", Some(Duration::from_secs(30))), Err(Broken::TooLong(100))));
    }

    #[test]
    fn the_last_line_is_found() {
        assert_eq!(last_line(b"one\ntwo \n\n").as_deref(), Some("two"));
        assert_eq!(last_line(b"\n"), None);
    }
}
