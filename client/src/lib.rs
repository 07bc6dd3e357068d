//! Talk to a Hubbub hub from Rust: connect, publish, subscribe, ask services and offer them.
//!
//! ```
//! use futures::StreamExt;
//! use hubbub_client::{Client, Delivery};
//!
//! # async_std::task::block_on(async {
//! # let hub = hubbub_client::testing::Hub::start().await?;
//! # let addr = hub.addr();
//! let client = Client::connect(addr).await?;
//! let mut builds = client.subscribe(["builds.>"]).await?;
//!
//! let published = client.publish("builds.main", "512 failed").await?;
//! assert_eq!(published.subscribers, 1);
//!
//! if let Some(Delivery::Message(message)) = builds.next().await {
//!     assert_eq!(message.channel, "builds.main");
//!     assert_eq!(message.data.get(), r#""512 failed""#); // the payload is JSON, as it was written
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! A [`Client`] is a cheap handle to one connection. The connection is kept up behind it: when it is
//! lost, the library reconnects with growing, jittered delays ([`Backoff`]) to the addresses that it
//! knows, those that the hub told of its sisters included, takes its name again, subscribes and serves again, and says so ([`Event::Reconnected`],
//! [`Delivery::Reconnected`]). Nothing is repeated that may already have happened: a command that was
//! under way fails with [`Error::Disconnected`], and one given meanwhile waits for the connection until
//! its time limit. What is not restored: the rights of an operator, and a welcome text.
//!
//! Live delivery is at most once, and what was lost is always told: every origin counts the messages
//! of each channel, and a hole in that count is a [`Gap`].
//!
//! It runs on async-std's global executor, and its streams and futures can be awaited on any. With the
//! feature `testing` there is a small hub for the tests of programs that use it.

mod addresses;
mod backoff;
mod client;
mod connection;
mod error;
mod events;
mod gaps;
mod keeper;
mod line;
mod options;
mod outgoing;
pub mod persistent;
mod publish;
mod queue;
mod race;
mod routes;
mod rt;
mod service;
mod session;
mod subscription;
#[cfg(feature = "testing")]
pub mod testing;

pub use backoff::Backoff;
pub use client::Client;
pub use error::Error;
pub use events::{Event, Events, Gap};
pub use hubbub_shared::event::{Closing, Direct, Message, Notice};
pub use hubbub_shared::{reply, Code, Refusal};
pub use options::Options;
pub use publish::PublishBuilder;
pub use service::{IncomingRequest, Requests};
pub use subscription::{Delivery, Subscription};
