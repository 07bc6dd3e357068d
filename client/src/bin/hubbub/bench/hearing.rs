//! One subscriber's ear: the next message, or why there is none.

use crate::exit::Failure;
use crate::show;
use async_io::Timer;
use futures::{select_biased, FutureExt, StreamExt};
use hubbub_client::{Client, Delivery, Event, Events, Message, Subscription};
use std::time::Duration;

/// A subscription and what is told beside it.
pub struct Ear {
    subscription: Subscription,
    events: Events,
    patience: Duration,
}

/// What an ear hears next.
pub enum Heard {
    Message(Message),
    /// So many messages did not arrive.
    Gap(u64),
    /// Nothing for as long as the patience lasts.
    Silence,
    /// Nothing more, ever.
    End,
}

impl Ear {
    /// Subscribes; what is published after that is heard.
    pub async fn open(client: &Client, patterns: &[String], patience: Duration) -> Result<Ear, Failure> {
        let events = client.events();
        Ok(Ear { subscription: client.subscribe(patterns).await?, events, patience })
    }

    pub async fn next(&mut self) -> Heard {
        // A timer is not set for messages that are there already.
        let delivery = match self.subscription.next().now_or_never() {
            Some(delivery) => delivery,
            None => select_biased! {
                delivery = self.subscription.next().fuse() => delivery,
                _ = FutureExt::fuse(Timer::after(self.patience)) => return Heard::Silence,
            },
        };
        match delivery {
            Some(Delivery::Message(message)) => Heard::Message(message),
            Some(Delivery::Gap(gap)) => Heard::Gap(gap.missed),
            // The connection is not made again: what was missed could not be told from what was lost.
            Some(Delivery::Disconnected | Delivery::Reconnected) | None => Heard::End,
        }
    }

    /// Why it ended, as far as was told.
    pub fn last_words(&mut self) -> String {
        let mut words = None;
        while let Some(Some(event)) = self.events.next().now_or_never() {
            if matches!(event, Event::Closing(_))
                || (words.is_none() && matches!(event, Event::Disconnected { .. }))
            {
                words = show::event_aside(&event);
            }
        }
        words.unwrap_or_else(|| "the connection ended".into())
    }
}
