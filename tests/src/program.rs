//! Runs the real `hubbub`: to its end, or beside the test with its output read line by line.

use crate::process::Process;
use crate::{binaries, wait, Hub};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};

/// A program that runs.
pub struct Program {
    child: Child,
    name: String,
    lines: Receiver<String>,
    complaints: Receiver<String>,
    heard: String,
}

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its output.
    pub stdout: String,
    /// Its error output.
    pub stderr: String,
}

/// Runs `hubbub --server ADDR args…` to its end.
pub fn hubbub<S: AsRef<OsStr>>(hub: &Hub, args: impl IntoIterator<Item = S>) -> Finished {
    Program::hubbub(hub, args).finish()
}

impl Program {
    /// Starts `hubbub --server ADDR args…`.
    pub fn hubbub<S: AsRef<OsStr>>(hub: &Hub, args: impl IntoIterator<Item = S>) -> Program {
        let mut command = hubbub_command();
        command.arg("--server").arg(hub.addr().to_string()).args(args);
        Program::start(command)
    }

    /// Starts any program.
    pub fn start(mut command: Command) -> Program {
        let name = format!("{command:?}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("starting {name}: {e}"));
        let stdout = child.stdout.take().expect("its output is a pipe");
        let stderr = child.stderr.take().expect("its error output is a pipe");
        Program { child, name, lines: lines_of(stdout), complaints: lines_of(stderr), heard: String::new() }
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Its input; dropping it is the end of the input.
    pub fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("the input is taken once")
    }

    /// Writes to its input and ends it.
    pub fn feed(&mut self, text: impl AsRef<[u8]>) {
        // A program that has ended reads nothing; its exit code tells the test.
        let _ = self.stdin().write_all(text.as_ref());
    }

    /// The next line of its output without its end; `None` after the last.
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(wait::PATIENCE) {
            Ok(line) => Some(line.trim_end_matches('\n').to_owned()),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("{} has written nothing more", self.name),
        }
    }

    /// A line that is there already.
    pub fn line_now(&mut self) -> Option<String> {
        self.lines.try_recv().ok().map(|line| line.trim_end_matches('\n').to_owned())
    }

    /// The next line, which must come.
    pub fn must_line(&mut self) -> String {
        self.line().unwrap_or_else(|| panic!("{} ended; a line was due", self.name))
    }

    /// Waits for a line of its error output that holds this.
    pub fn says_aside(&mut self, part: &str) -> String {
        loop {
            match self.complaints.recv_timeout(wait::PATIENCE) {
                Ok(line) => {
                    self.heard.push_str(&line);
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(e) => panic!("{} did not say {part:?} ({e}) but {:?}", self.name, self.heard),
            }
        }
    }

    /// Waits for its end; the lines that were not read are in the result.
    pub fn finish(mut self) -> Finished {
        drop(self.child.stdin.take());
        let mut stdout = String::new();
        let status = self.end(&mut stdout);
        let mut stderr = std::mem::take(&mut self.heard);
        while let Ok(line) = self.complaints.recv_timeout(wait::PATIENCE) {
            stderr.push_str(&line);
        }
        Finished { code: status.code(), stdout, stderr }
    }

    fn end(&mut self, stdout: &mut String) -> ExitStatus {
        // The output ends with the process, as it has no children.
        let deadline = std::time::Instant::now() + wait::PATIENCE * 3;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => stdout.push_str(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("{} has not ended; it wrote {stdout:?}", self.name);
                }
            }
        }
        wait::until("the end of a program", || self.child.try_wait().expect("a child can be waited for"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Checks that it succeeded, and returns its output.
    #[track_caller]
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// Checks how it failed, and returns its error output.
    #[track_caller]
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(!self.stderr.trim().is_empty(), "it failed without a word: {self:?}");
        &self.stderr
    }

    /// Its output as JSON values, one a line.
    #[track_caller]
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.ok().lines().map(parse).collect()
    }
}

/// What a pipe brings, line by line, read by a thread of its own.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}

/// `hubbub` without arguments and without options from outside.
pub fn hubbub_command() -> Command {
    let mut command = Command::new(binaries::hubbub());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HUBBUB_") {
            command.env_remove(name);
        }
    }
    command
}
