//! The connection of a test client to its coordinator: one line after the other, and what it means when
//! there are no more.

use super::lines::Lines;
use super::Early;
use crate::door::resolve;
use crate::exit::{Exit, Failure};
use async_io::Timer;
use async_signal::Signals;
use async_std::net::TcpStream;
use futures::future::{select, Either};
use futures::{AsyncWriteExt, StreamExt};
use hubbub_shared::encoding::escape::shown;
use std::future::Future;
use std::time::Duration;

/// Behind what says that there is no coordinator.
const HINT: &str = "one is started with: hubbubd --door fleet";

/// How far a run is, for what it means that the coordinator goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was asked for an id, and has said nothing.
    Asked,
    /// The client waits in line for its id.
    Waiting,
    /// The client has an id, and nothing is written.
    Named,
    /// The writer writes.
    Writing,
}

/// The connection to the door.
pub struct Coordinator {
    /// Where it is.
    pub at: String,
    to: TcpStream,
    /// How far the run is.
    pub stage: Stage,
    /// What it says.
    pub lines: Lines<TcpStream>,
}

impl Coordinator {
    /// Connects.
    pub async fn connect(at: &str, patience: Duration) -> Result<Coordinator, Failure> {
        let cannot =
            |why: String| Failure::new(Exit::NoConnection, format!("no coordinator at {at}: {why}; {HINT}"));
        let addrs = resolve(at, patience).await?;
        let connecting = TcpStream::connect(&*addrs);
        futures::pin_mut!(connecting);
        let to = match select(connecting, Timer::after(patience)).await {
            Either::Left((stream, _)) => stream.map_err(|error| cannot(error.to_string()))?,
            Either::Right(_) => return Err(cannot("it does not answer".to_owned())),
        };
        // Heartbeats are to be sent when they are due.
        let _ = to.set_nodelay(true);
        Ok(Coordinator { at: at.to_owned(), lines: Lines::new(to.clone()), to, stage: Stage::Asked })
    }

    /// Says one line.
    pub async fn say(&mut self, line: &str) -> Result<(), Early> {
        let sent = self.to.write_all(format!("{line}\n").as_bytes()).await;
        sent.map_err(|error| self.gone(&error.to_string()))
    }

    /// The next line that it says.
    pub async fn answer(&mut self, signals: &mut Signals) -> Result<String, Early> {
        match unless_stopped(signals, self.lines.next()).await? {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(self.gone("it closed the connection")),
            Err(error) => Err(self.gone(&error.to_string())),
        }
    }

    /// It said what no coordinator says to who asks for an id.
    pub fn is_none(&self, said: &str) -> Early {
        let message = format!("no coordinator at {}: it said {}; {HINT}", self.at, shown(said));
        Failure::new(Exit::NoConnection, message).into()
    }

    fn gone(&self, why: &str) -> Early {
        let at = &self.at;
        let message = match self.stage {
            Stage::Asked => format!(
                "no id from {at} ({why}), so nothing was written: it is no coordinator, or its line is full; {HINT}"
            ),
            Stage::Waiting => {
                format!("the coordinator went away while this client waited in line ({why}); nothing was written")
            }
            Stage::Named => format!("the coordinator went away before the start ({why}); nothing was written"),
            Stage::Writing => {
                format!("the coordinator went away ({why}); the writing was stopped and its files removed")
            }
        };
        Failure::new(Exit::NoConnection, message).into()
    }
}

/// Awaits something, unless a signal comes first.
pub async fn unless_stopped<T>(signals: &mut Signals, work: impl Future<Output = T>) -> Result<T, Early> {
    futures::pin_mut!(work);
    match select(signals.next(), work).await {
        Either::Left((Some(Ok(signal)), _)) => Err(Early::Signal(signal)),
        Either::Left((_, work)) => Ok(work.await),
        Either::Right((done, _)) => Ok(done),
    }
}
