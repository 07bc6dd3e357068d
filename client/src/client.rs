//! The handle that users hold: every command of the protocol that needs no connection to explain.

use crate::{Error, Events, Options, PublishBuilder, Requests, Subscription};
use hubbub_shared::reply::{HelloReply, MsgReply, PublishedReply};
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::value::RawValue;
use std::time::Duration;

/// A connection to a hub. Clones are handles to the same connection, which ends with the last of
/// them (subscriptions and services included).
#[derive(Debug, Clone)]
pub struct Client {}

impl Client {
    /// Connects to `HOST:PORT` with all settings at their defaults; see [`Options`] for others.
    pub async fn connect(addr: &str) -> Result<Client, Error> {
        Options::new(addr).connect().await
    }

    pub(crate) async fn open(_options: Options) -> Result<Client, Error> {
        unimplemented!()
    }

    /// The uuid of the present connection.
    pub fn client_id(&self) -> String {
        self.server().client_id
    }

    /// The name that this client has now.
    pub fn name(&self) -> String {
        unimplemented!()
    }

    /// The hub's last answer to `hello`: which server this is, and its limits.
    pub fn server(&self) -> HelloReply {
        unimplemented!()
    }

    /// Gives any command whose state is not kept here. `args` becomes a JSON object of arguments;
    /// `()` is none. The types of the answers are in [`crate::reply`].
    pub async fn command<T: DeserializeOwned>(&self, _op: &str, _args: impl Serialize) -> Result<T, Error> {
        unimplemented!()
    }

    /// Publishes, and waits for the hub's word on it.
    pub async fn publish(&self, channel: &str, data: impl Serialize) -> Result<PublishedReply, Error> {
        self.publish_with(channel, data).send().await
    }

    /// Starts a message that may carry headers or need no acknowledgement.
    pub fn publish_with(&self, _channel: &str, _data: impl Serialize) -> PublishBuilder<'_> {
        PublishBuilder { _client: self }
    }

    /// Waits until the hub has processed everything that was sent before.
    pub async fn flush(&self) -> Result<(), Error> {
        unimplemented!()
    }

    /// Receives the messages of channels; `*` in a pattern stands for one token, `>` for all that
    /// follow.
    pub async fn subscribe<P>(&self, patterns: P) -> Result<Subscription, Error>
    where
        P: IntoIterator,
        P::Item: AsRef<str>,
    {
        self.subscribe_inner(patterns.into_iter().map(|p| p.as_ref().to_owned()).collect(), None).await
    }

    /// The same as a member of a group: each message goes to one member.
    pub async fn subscribe_group<P>(&self, group: &str, patterns: P) -> Result<Subscription, Error>
    where
        P: IntoIterator,
        P::Item: AsRef<str>,
    {
        self.subscribe_inner(patterns.into_iter().map(|p| p.as_ref().to_owned()).collect(), Some(group)).await
    }

    async fn subscribe_inner(&self, _: Vec<String>, _: Option<&str>) -> Result<Subscription, Error> {
        unimplemented!()
    }

    /// Sends a message to one client.
    pub async fn message(&self, _to: &str, _data: impl Serialize) -> Result<MsgReply, Error> {
        unimplemented!()
    }

    /// Asks a service, with the client's usual time limit.
    pub async fn request(&self, service: &str, data: impl Serialize) -> Result<Box<RawValue>, Error> {
        self.request_timeout(service, data, Duration::from_secs(5)).await
    }

    /// Asks a service, with a time limit of its own.
    pub async fn request_timeout(
        &self,
        _service: &str,
        _data: impl Serialize,
        _limit: Duration,
    ) -> Result<Box<RawValue>, Error> {
        unimplemented!()
    }

    /// Offers a service: its requests come in the stream that is returned. `about` may be empty.
    pub async fn serve(&self, _service: &str, _about: &str) -> Result<Requests, Error> {
        unimplemented!()
    }

    /// Everything that is no message of a subscription: direct messages, notices, gaps, and what
    /// becomes of the connection. The first stream starts with what happened since connecting,
    /// later ones with what happens from now on.
    pub fn events(&self) -> Events {
        unimplemented!()
    }

    /// Says goodbye after everything that was sent before has been processed. Other handles to the
    /// same connection end too.
    pub async fn close(self) -> Result<(), Error> {
        unimplemented!()
    }
}
