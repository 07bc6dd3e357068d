//! One message on its way out: what it carries, and whether to wait for the hub's word on it.

use crate::{Client, Error};
use hubbub_shared::reply::PublishedReply;

/// A message that is being put together; see [`Client::publish_with`].
#[derive(Debug)]
#[must_use = "nothing is published before send or forget"]
pub struct PublishBuilder<'a> {
    pub(crate) _client: &'a Client,
}

impl PublishBuilder<'_> {
    /// Adds a header.
    pub fn header(self, _key: &str, _value: &str) -> Self {
        self
    }

    /// Names the channel on which answers are expected.
    pub fn reply(self, _channel: &str) -> Self {
        self
    }

    /// Publishes, and waits for the hub's word: where the message stands, and how many received it.
    pub async fn send(self) -> Result<PublishedReply, Error> {
        unimplemented!()
    }

    /// Publishes without waiting for more than room in the write buffer.
    pub async fn forget(self) -> Result<(), Error> {
        unimplemented!()
    }
}
