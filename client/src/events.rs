//! What a client is told beside the messages of its subscriptions, and the streams that carry it.

use crate::queue::{queue, Item, Queue, Receiver};
use futures::Stream;
use hubbub_shared::event::{Closing, Direct, Notice};
use hubbub_shared::Refusal;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Events and bytes that wait for a listener; over either the newest are counted as
/// [`Event::Lost`]. Guesses: a burst of direct messages, and the hub's bound for one client.
const MAX_EVENTS: usize = 10_000;
const MAX_BYTES: usize = 8 << 20;

/// Messages of a channel that were published and did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The channel; `>` where losses of more channels than could be told apart are added up.
    pub channel: String,
    /// The run of the server that took them; empty where losses are added up.
    pub origin: String,
    /// How many.
    pub missed: u64,
}

/// Something that a client is told beside the messages of its subscriptions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A message to this client alone.
    Direct(Direct),
    /// Something to know: `welcome`, `rename`, `drain`.
    Notice(Notice),
    /// A hole in what arrived; the subscription is told as well.
    Gap(Gap),
    /// The hub refused something whose sender did not wait for the answer, or does not give a
    /// subscription or a service back after reconnecting: then its stream has ended.
    Refused(Refusal),
    /// The hub's last words on a connection.
    Closing(Closing),
    /// The connection is lost.
    Disconnected {
        /// Why, as far as is known.
        why: String,
    },
    /// There is a connection again, and everything is subscribed and served again.
    Reconnected {
        /// The name that the client has now.
        name: String,
        /// The server that it is connected to now.
        server: String,
        /// Its address, as it was tried.
        addr: String,
        /// The server that it was connected to before.
        before: String,
    },
    /// Events that this stream lost since nobody read it.
    Lost(u64),
}

impl Item for Event {
    fn cost(&self) -> usize {
        const FIXED: usize = 256;
        match self {
            Event::Direct(direct) => FIXED + direct.data.get().len(),
            Event::Notice(notice) => FIXED + notice.message.len(),
            // What becomes of the connection is told however full it is.
            Event::Lost(_) | Event::Disconnected { .. } | Event::Reconnected { .. } => 0,
            _ => FIXED,
        }
    }
}

/// The stream of a client's events; it ends when the client is closed. It does not keep the
/// connection open.
///
/// ```
/// use futures::StreamExt;
/// use hubbub_client::{Client, Event};
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// let client = Client::connect(addr).await?;
/// let mut events = client.events();
/// # hub.drop_connections();
/// while let Some(event) = events.next().await {
///     match event {
///         Event::Direct(direct) => println!("<{}> {}", direct.from, direct.data),
///         Event::Disconnected { why } => println!("offline: {why}"),
///         Event::Reconnected { name, server, .. } => {
///             println!("{name} is on {server}");
///             # break;
///         }
///         _ => {}
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Events(pub(crate) Receiver<Event>);

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        Pin::new(&mut self.0).poll_next(cx)
    }
}

/// A new listener's two ends.
pub(crate) fn listener() -> (Arc<Queue<Event>>, Receiver<Event>) {
    queue(MAX_EVENTS, MAX_BYTES)
}

/// Tells a listener, or notes that it lost something.
pub(crate) fn push(listener: &Queue<Event>, event: Event) {
    if matches!(event, Event::Disconnected { .. } | Event::Reconnected { .. }) {
        return listener.mark(|items| items.push_back(event));
    }
    if listener.push(event).is_err() {
        listener.mark(|items| match items.back_mut() {
            Some(Event::Lost(count)) => *count += 1,
            _ => items.push_back(Event::Lost(1)),
        });
    }
}
