//! The process that writes for a test client, as the client sees it: started, listened to, measured,
//! and ended, whatever happens.

use super::folder::Folder;
use super::lines::Lines;
use super::measure::Measured;
use super::plan::Plan;
use super::writer::ACKNOWLEDGED;
use super::{local, Early};
use crate::output::complain;
use async_io::Timer;
use async_process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use futures::future::{select, Either};
use futures::AsyncWriteExt;
use std::path::PathBuf;
use std::time::Duration;

/// How long a writer may take to end by itself, beyond its time too. A guess: a disk's slow moment.
pub const LAST_WRITE: Duration = Duration::from_secs(10);

/// What the writer tells.
pub enum Progress {
    /// A chunk was written in this time.
    Trial(Duration),
    /// So many bytes are written.
    Wrote(u64),
    /// So many files are full.
    Rolled(u64),
    /// It writes no more: its time is over, which was so long.
    Over(Duration),
}

/// The process that writes.
pub struct Writer {
    child: Child,
    /// Where it writes.
    pub folder: PathBuf,
    lines: Lines<ChildStdout>,
    /// Its input; its end is the writer's.
    input: Option<ChildStdin>,
}

impl Writer {
    /// Starts it; it makes its trial at once.
    pub fn start(folder: &Folder, plan: &Plan) -> Result<Writer, Early> {
        let cannot = |error: std::io::Error| local(format!("cannot start the writer: {error}"));
        let mut command = std::process::Command::new(std::env::current_exe().map_err(cannot)?);
        // In a group of its own: a Ctrl-C is this process's to deal with.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut command = Command::from(command);
        command.args(["fleet", "writer"]).arg(folder.path());
        command.args([plan.chunk(), plan.file(), plan.runtime_us()].map(|number| number.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(cannot)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(local("cannot start the writer: it has no pipes"));
        };
        let folder = folder.path().to_owned();
        Ok(Writer { child, folder, lines: Lines::new(output), input: Some(input) })
    }

    /// How long a chunk takes.
    pub async fn trial(&mut self) -> Result<Duration, Early> {
        loop {
            if let Progress::Trial(took) = self.told().await? {
                return Ok(took);
            }
        }
    }

    /// Lets it write, and begins to measure it.
    pub async fn go(&mut self) -> Result<Measured, Early> {
        let measured = Measured::begin(self.child.id())
            .map_err(|error| local(format!("cannot measure the writer: {error}")))?;
        if let Some(input) = &mut self.input {
            let sent = async {
                input.write_all(b"go\n").await?;
                input.flush().await
            };
            sent.await.map_err(|error| local(format!("the writer has ended: {error}")))?;
        }
        Ok(measured)
    }

    /// What it tells next. Its end is a failure: it writes until it is stopped.
    pub async fn told(&mut self) -> Result<Progress, Early> {
        loop {
            let line = self.lines.next().await.map_err(|error| local(format!("the writer: {error}")))?;
            let Some(line) = line else {
                let status = self.child.status().await;
                let how = status.map_or_else(|e| e.to_string(), crate::exec::status_in_words);
                return Err(local(format!("the writer was ended from outside, with {how}")));
            };
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let number = rest.parse().unwrap_or(0);
            match word {
                "trial" => return Ok(Progress::Trial(Duration::from_micros(number))),
                "wrote" => return Ok(Progress::Wrote(number)),
                "roll" => return Ok(Progress::Rolled(number)),
                "over" => return Ok(Progress::Over(Duration::from_micros(number))),
                "failed" => return Err(local(rest)),
                other => complain(&format!("the writer said {other}")),
            }
        }
    }

    /// Lets it write a chunk more, for one that it has written.
    pub async fn acknowledge(&mut self) {
        if let Some(input) = &mut self.input {
            // Where it has ended, that is told by the end of what it says.
            let _ = async {
                input.write_all(&[ACKNOWLEDGED]).await?;
                input.flush().await
            }
            .await;
        }
    }

    /// Ends it by the end of its input, and waits for that: all of its work is done.
    pub async fn finish(&mut self) -> Result<(), Early> {
        self.input = None;
        match self.ended().await? {
            true => Ok(()),
            false => Err(hangs("work")),
        }
    }

    /// Ends it at once.
    pub async fn kill(&mut self) -> Result<(), Early> {
        let _ = self.child.kill();
        match self.ended().await? {
            true => Ok(()),
            false => Err(local(format!(
                "the writer cannot be ended, as where a disk hangs; its folder {} stays",
                self.folder.display()
            ))),
        }
    }

    async fn ended(&mut self) -> Result<bool, Early> {
        let status = self.child.status();
        futures::pin_mut!(status);
        match select(status, Timer::after(LAST_WRITE)).await {
            Either::Left((Ok(_), _)) => Ok(true),
            Either::Left((Err(error), _)) => Err(local(format!("cannot wait for the writer: {error}"))),
            Either::Right(_) => Ok(false),
        }
    }
}

/// It did not end after its time, or after its work.
pub fn hangs(after: &str) -> Early {
    let limit = LAST_WRITE.as_secs();
    local(format!("the writer did not end within {limit} s after its {after}: a disk that hangs?"))
}
