//! The terminal of a person: a line editor at the bottom, everything that arrives above it.
//!
//! One loop reads keys, does lines and shows batches. What arrives is read by the library's own task
//! all the while, so that neither a slow terminal nor a slow command makes a slow consumer of us.

use super::history::{is_secret, History};
use super::line::Marked;
use super::session::{Outcome, Session, Started};
use super::TerminalArgs;
use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::{Exit, Failure};
use crate::style::Style;
use async_signal::{Signal, Signals};
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use hubbub_shared::encoding::escape::shown;
use rustyline_async::{Readline, ReadlineError, ReadlineEvent, SharedWriter};
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

/// Messages that the library keeps while the terminal is behind. Ten times its default: a person
/// scrolls back.
const QUEUE: usize = 1_000_000;

/// Within what time a second Ctrl-C belongs to the first. A guess.
const TWICE: Duration = Duration::from_secs(2);

/// A future that says whether other lines wait for it.
type Doing = LocalBoxFuture<'static, (bool, Outcome)>;

/// Talks until the person ends it.
pub async fn run(globals: &Globals, args: TerminalArgs) -> Result<Exit, Failure> {
    let client = globals.connect_with(Lost::Reconnect, |o| o.queue(QUEUE)).await?;
    let server = client.server();
    let style = Style::of(&std::io::stdout());
    let mut session = Session::new(client, globals, Marked::BySlash, style);
    let mut signals = Signals::new([Signal::Term, Signal::Hup])
        .map_err(|e| Failure::local(format!("cannot listen to signals: {e}")))?
        .fuse();
    let (mut history, earlier) = History::open();
    let mut prompt = session.prompt();
    let (mut readline, writer) = Readline::new(prompt.clone()).map_err(unusable)?;
    readline.set_history_entries(earlier);
    // A line that is given up goes; one that is sent stays, since its echo is not shown.
    readline.should_print_line_on(true, false);
    let mut screen = Screen { writer };
    let greeting = format!("* {} {}; /help lists the commands, Ctrl-D quits", server.server, server.version);
    screen.line(&style.dim(&shown(&greeting)));

    let mut lines: VecDeque<String> = VecDeque::new();
    let mut doing: FuturesUnordered<Doing> = FuturesUnordered::new();
    let mut alone = !args.join.is_empty();
    if alone {
        doing.push(session.join(&args.join).map(|outcome| (true, outcome)).boxed_local());
    }
    let mut interrupted: Option<Instant> = None;
    let exit = 'talk: loop {
        while !alone {
            let Some(line) = lines.pop_front() else { break };
            match session.start(&line) {
                Started::Quit => break 'talk Exit::Done,
                Started::Beside(future) => doing.push(future.map(|outcome| (false, outcome)).boxed_local()),
                Started::Alone(future) => {
                    alone = true;
                    doing.push(future.map(|outcome| (true, outcome)).boxed_local());
                }
            }
        }
        if session.inbox.is_ended() {
            screen.line(&style.bad("the connection ended"));
            break Exit::NoConnection;
        }
        let now = session.prompt();
        if now != prompt {
            readline.update_prompt(&now).map_err(unusable)?;
            prompt = now;
        }
        futures::select_biased! {
            _ = signals.next() => break Exit::Done,
            key = readline.readline().fuse() => match key {
                Ok(ReadlineEvent::Line(line)) => {
                    interrupted = None;
                    if !is_secret(&line) {
                        readline.add_history_entry(line.clone());
                    }
                    history.add(&line);
                    lines.push_back(line);
                }
                Ok(ReadlineEvent::Interrupted) if interrupted.is_none_or(|at| at.elapsed() >= TWICE) => {
                    interrupted = Some(Instant::now());
                    screen.line(&style.dim("* Ctrl-C once more quits"));
                }
                Ok(ReadlineEvent::Interrupted | ReadlineEvent::Eof) => break Exit::Done,
                Err(e) => return Err(unusable(e)),
            },
            (was_alone, mut outcome) = doing.select_next_some() => {
                alone &= !was_alone;
                session.apply(&mut outcome);
                screen.outcome(&outcome, style);
            }
            batch = session.next_lines().fuse() => screen.show(&batch),
        }
    };
    let _ = readline.flush();
    drop(readline);
    session.close().await;
    Ok(exit)
}

fn unusable(error: ReadlineError) -> Failure {
    Failure::local(format!("the terminal cannot be used: {error}"))
}

/// What is above the line that is being typed.
struct Screen {
    writer: SharedWriter,
}

impl Screen {
    /// Shows whole lines. They are one write: the line below is drawn anew once, not once for each.
    fn show(&mut self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        match self.writer.write_all(lines) {
            // The writer has taken the bytes and hands them over with those that come next.
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            // The editor is gone: then so is the loop.
            _ => {}
        }
    }

    fn line(&mut self, text: &str) {
        self.show(format!("{text}\n").as_bytes());
    }

    fn outcome(&mut self, outcome: &Outcome, style: Style) {
        self.show(&outcome.lines);
        for failure in &outcome.failures {
            self.line(&style.bad(&format!("error {}", failure.message)));
        }
    }
}
