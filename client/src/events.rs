//! What a client is told beside the messages of its subscriptions.

use futures::Stream;
use hubbub_shared::event::{Closing, Direct, Notice};
use hubbub_shared::Refusal;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Messages of a channel that were published and did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The channel; `>` where losses of more channels than could be told apart are added up.
    pub channel: String,
    /// The run of the server that took them.
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
    /// The hub refused something whose sender did not wait for the answer.
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
    },
    /// Events that this stream lost since nobody read it.
    Lost(u64),
}

/// The stream of a client's events; it ends when the client is closed.
#[derive(Debug)]
pub struct Events {}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Event>> {
        unimplemented!()
    }
}
