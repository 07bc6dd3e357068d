//! The terminal of a script: the same commands from standard input, one a line and one after the
//! other. Replies and messages go to standard output, errors to standard error, and the exit code is
//! that of the worst line.

use super::line::Marked;
use super::session::{Outcome, Session, Started};
use super::TerminalArgs;
use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::{Exit, Failure};
use crate::lines;
use crate::output::{complain, Output};
use futures::future::LocalBoxFuture;
use futures::FutureExt;

/// Does what standard input says, until it ends.
pub async fn run(globals: &Globals, args: TerminalArgs) -> Result<Exit, Failure> {
    let client = globals.connect(Lost::End).await?;
    let out = Output::new();
    let session = Session::new(client, globals, Marked::ByVerb, out.style);
    let mut script = Script { session, out, worst: Exit::Done };
    if !args.join.is_empty() {
        let joining = script.session.join(&args.join);
        script.attend(joining).await?;
    }
    script.read().await?;
    script.session.close().await;
    Ok(script.worst)
}

struct Script {
    session: Session,
    out: Output,
    worst: Exit,
}

impl Script {
    async fn read(&mut self) -> Result<(), Failure> {
        let input = lines::of_stdin();
        loop {
            let batch = futures::select_biased! {
                batch = input.recv().fuse() => batch,
                arrived = self.session.next_lines().fuse() => {
                    self.show(&arrived)?;
                    continue;
                }
            };
            let Ok(batch) = batch else { break };
            for line in batch? {
                match self.session.start(&line) {
                    Started::Quit => return self.finish().await,
                    Started::Alone(doing) | Started::Beside(doing) => self.attend(doing).await?,
                }
            }
        }
        self.finish().await
    }

    /// Waits for a line to be done, and shows what arrives meanwhile.
    async fn attend(&mut self, mut doing: LocalBoxFuture<'static, Outcome>) -> Result<(), Failure> {
        let mut outcome = loop {
            futures::select_biased! {
                outcome = (&mut doing).fuse() => break outcome,
                arrived = self.session.next_lines().fuse() => self.show(&arrived)?,
            }
        };
        self.session.apply(&mut outcome);
        self.worst = self.worst.max(outcome.exit());
        self.out.bytes(&outcome.lines)?;
        self.out.flush()?;
        for failure in &outcome.failures {
            complain(&failure.message);
        }
        Ok(())
    }

    /// Shows what the hub sent until it has answered to the last word.
    async fn finish(&mut self) -> Result<(), Failure> {
        match self.session.flush().await {
            // It was asked to.
            Err(_) if self.session.is_draining() => {}
            flushed => flushed?,
        }
        loop {
            let arrived = self.session.lines_now();
            if arrived.is_empty() {
                return Ok(());
            }
            self.show(&arrived)?;
        }
    }

    fn show(&mut self, arrived: &[u8]) -> Result<(), Failure> {
        self.out.bytes(arrived)?;
        self.out.flush()?;
        if self.session.inbox.is_ended() && !self.session.is_draining() {
            return Err(Failure::new(Exit::NoConnection, "the connection ended"));
        }
        Ok(())
    }
}
