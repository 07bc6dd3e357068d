//! Talk to a Hubbub hub from Rust: connect, publish, subscribe, ask services and offer them.
//!
//! A [`Client`] is a cheap handle to one connection. The connection is kept up behind it: when it is
//! lost, the library reconnects with growing, jittered delays, takes its name again, subscribes and
//! serves again, and says so. Nothing is repeated that may already have happened: a command that was
//! under way fails with [`Error::Disconnected`].

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
mod publish;
mod queue;
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
