//! The receiving end of a subscription.

use crate::client::Client;
use crate::queue::{Item, Receiver};
use crate::routes::Id;
use crate::{Error, Gap, Message};
use futures::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What a subscription yields.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// A message.
    Message(Message),
    /// Messages that were published and did not arrive here: the network or the hub lost them while
    /// the connection was away, or they did not fit into the queue since this stream was not read.
    /// Members of a group are told of the latter only.
    Gap(Gap),
    /// The connection is lost; what is published until [`Delivery::Reconnected`] is missed.
    Disconnected,
    /// There is a connection again, and this subscription is in force again.
    Reconnected,
}

impl Item for Delivery {
    fn cost(&self) -> usize {
        match self {
            Delivery::Message(message) => {
                let headers = message.headers.iter().flatten();
                let headers: usize = headers.map(|(k, v)| k.len() + v.len() + 64).sum();
                size_of::<Delivery>() + message.data.get().len() + message.channel.len() + 128 + headers
            }
            _ => 0,
        }
    }
}

/// A subscription: a stream of [`Delivery`]. It ends when it or the client is closed, or when the hub
/// refuses it after reconnecting ([`crate::Event::Refused`] says why). Dropping it unsubscribes.
///
/// ```
/// use futures::StreamExt;
/// use hubbub_client::{Client, Delivery};
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// let client = Client::connect(addr).await?;
/// let mut prices = client.subscribe(["prices.*"]).await?;
/// # hub.publish("prices.eur", "1.08");
/// # hub.lose("prices.eur", 2);
/// # hub.publish("prices.eur", "1.09");
/// # let mut told = 0;
/// while let Some(delivery) = prices.next().await {
///     match delivery {
///         Delivery::Message(message) => println!("{}: {}", message.channel, message.data),
///         Delivery::Gap(gap) => println!("{} messages of {} are missing", gap.missed, gap.channel),
///         Delivery::Disconnected => println!("the prices are from before"),
///         Delivery::Reconnected => println!("the prices are current again"),
///     }
///     # told += 1;
///     # if told == 3 { break } // a message, the gap, a message
/// }
/// prices.unsubscribe().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Subscription {
    pub(crate) client: Client,
    pub(crate) id: Id,
    pub(crate) receiver: Receiver<Delivery>,
}

impl Subscription {
    /// Ends the subscription, and waits until the hub has processed that.
    ///
    /// # Errors
    /// [`Error::Timeout`] and [`Error::Disconnected`]; the subscription has ended all the same.
    pub async fn unsubscribe(self) -> Result<(), Error> {
        let client = self.client.clone();
        drop(self);
        client.ping().await
    }
}

impl Stream for Subscription {
    type Item = Delivery;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        Pin::new(&mut self.receiver).poll_next(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.client.end_subscription(self.id);
    }
}
