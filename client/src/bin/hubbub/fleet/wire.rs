//! The connection of a test client to its coordinator: one line after the other, and what it means when
//! there are no more.

use super::lines::Lines;
use super::Early;
use crate::exit::{Exit, Failure};
use async_io::Timer;
use async_signal::Signals;
use async_std::net::TcpStream;
use futures::future::{select, Either};
use futures::{AsyncWriteExt, StreamExt};
use std::future::Future;
use std::time::Duration;

/// The connection to the door.
pub struct Coordinator {
    /// Where it is.
    pub at: String,
    to: TcpStream,
    /// What it says.
    pub lines: Lines<TcpStream>,
}

impl Coordinator {
    /// Connects.
    pub async fn connect(at: &str, patience: Duration) -> Result<Coordinator, Failure> {
        let cannot = |why: String| {
            let hint = "start one with: hubbubd --door fleet";
            Failure::new(Exit::NoConnection, format!("no coordinator at {at}: {why}; {hint}"))
        };
        let connecting = TcpStream::connect(at);
        futures::pin_mut!(connecting);
        let to = match select(connecting, Timer::after(patience)).await {
            Either::Left((stream, _)) => stream.map_err(|error| cannot(error.to_string()))?,
            Either::Right(_) => return Err(cannot("it does not answer".to_owned())),
        };
        // Heartbeats are to be sent when they are due.
        let _ = to.set_nodelay(true);
        Ok(Coordinator { at: at.to_owned(), lines: Lines::new(to.clone()), to })
    }

    /// Says one line.
    pub async fn say(&mut self, line: &str) -> Result<(), Early> {
        let sent = self.to.write_all(format!("{line}\n").as_bytes()).await;
        sent.map_err(|error| gone(&error.to_string()))
    }

    /// The next line that it says.
    pub async fn answer(&mut self, signals: &mut Signals) -> Result<String, Early> {
        match unless_stopped(signals, self.lines.next()).await? {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(gone("it closed the connection")),
            Err(error) => Err(gone(&error.to_string())),
        }
    }
}

fn gone(why: &str) -> Early {
    let message = format!("the coordinator went away ({why}); the writing was stopped and its files removed");
    Failure::new(Exit::NoConnection, message).into()
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
