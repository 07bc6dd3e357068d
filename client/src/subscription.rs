//! The receiving end of a subscription.

use crate::{Error, Gap, Message};
use futures::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a subscription yields.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A message.
    Message(Message),
    /// Messages that were published and did not arrive here.
    Gap(Gap),
    /// The connection is lost; what is published until [`Delivery::Reconnected`] is missed.
    Disconnected,
    /// There is a connection again, and this subscription is in force again.
    Reconnected,
}

/// A subscription: a stream of [`Delivery`]. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {}

impl Subscription {
    /// Ends the subscription, and waits until the hub has confirmed it.
    pub async fn unsubscribe(self) -> Result<(), Error> {
        unimplemented!()
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        unimplemented!()
    }
}
