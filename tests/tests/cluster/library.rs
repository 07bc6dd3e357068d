//! The client library in a test: its streams as channels that can be waited on with a deadline.

use futures::executor::{block_on, block_on_stream};
use futures::Stream;
use hubbub_client::{Client, Delivery, Event, Options};
use hubbub_tests::wait;
use std::sync::mpsc::{channel, Receiver};
use std::time::Instant;

/// A stream whose items come with the moment when they came.
pub struct Items<T>(Receiver<(Instant, T)>);

impl<T: Send + 'static> Items<T> {
    /// Reads a stream from now on, in a thread that ends with it or with the test.
    pub fn of(stream: impl Stream<Item = T> + Send + Unpin + 'static) -> Items<T> {
        let (send, items) = channel();
        std::thread::spawn(move || {
            for item in block_on_stream(stream) {
                if send.send((Instant::now(), item)).is_err() {
                    return;
                }
            }
        });
        Items(items)
    }

    /// The next one.
    pub fn next(&self) -> (Instant, T) {
        self.0.recv_timeout(wait::PATIENCE).expect("something more was due")
    }

    /// All that have come.
    pub fn so_far(&self) -> Vec<(Instant, T)> {
        self.0.try_iter().collect()
    }
}

/// A client of the library.
pub struct Member {
    pub client: Client,
    pub events: Items<Event>,
}

/// Connects by the library to the first of these addresses.
pub fn member(addrs: &str, name: &str) -> Member {
    let client = block_on(Options::from_servers(addrs).name(name).connect()).expect("the hub is there");
    let events = Items::of(client.events());
    Member { client, events }
}

impl Member {
    /// Subscribes.
    pub fn subscribe(&self, pattern: &str) -> Items<Delivery> {
        Items::of(block_on(self.client.subscribe([pattern])).expect("the hub takes it"))
    }

    /// Waits until it has a connection again: when, and to which server.
    pub fn reconnected(&self) -> (Instant, String) {
        loop {
            if let (at, Event::Reconnected { server, .. }) = self.events.next() {
                return (at, server);
            }
        }
    }
}
