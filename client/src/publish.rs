//! One message on its way out: what it carries, and whether to wait for the hub's word on it.

use crate::line::Line;
use crate::{Client, Error};
use hubbub_shared::names::channel_str;
use hubbub_shared::reply::PublishedReply;
use serde::Serialize;
use std::collections::BTreeMap;

/// A message that is being put together; see [`Client::publish_with`].
///
/// ```
/// use hubbub_client::Client;
/// use serde_json::json;
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// let client = Client::connect(addr).await?;
/// let message = client.publish_with("builds", json!({"number": 512, "passed": false}));
/// let published = message.header("kind", "ci").reply("builds.answers").send().await?;
/// println!("message {} of {}", published.seq, published.origin);
///
/// // Many messages at full speed: no answer each, one for all at the end.
/// for number in 513..1000 {
///     client.publish_with("builds", json!({"number": number})).forget().await?;
/// }
/// client.flush().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
#[must_use = "nothing is published before send or forget"]
pub struct PublishBuilder<'a> {
    client: &'a Client,
    /// The command so far, or what is wrong with it.
    line: Result<Line, Error>,
    headers: BTreeMap<String, String>,
}

impl<'a> PublishBuilder<'a> {
    pub(crate) fn new(client: &'a Client, channel: &str, data: impl Serialize) -> Self {
        let line =
            channel_str(channel).map_err(Error::Refused).and_then(|channel| Line::publish(channel, data));
        PublishBuilder { client, line, headers: BTreeMap::new() }
    }

    /// Adds a header. The same key again replaces its value.
    pub fn header(mut self, key: &str, value: &str) -> Self {
        self.headers.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Names the channel on which answers are expected.
    pub fn reply(mut self, channel: &str) -> Self {
        self.line = self.line.and_then(|line| Ok(line.text("reply", channel_str(channel)?)));
        self
    }

    /// Publishes, and waits for the hub's word: where the message stands, and how many receive it.
    ///
    /// # Errors
    /// [`Error::Refused`] when the hub does not take it; after [`Error::Timeout`] and
    /// [`Error::Disconnected`] it is not known whether it has.
    pub async fn send(self) -> Result<PublishedReply, Error> {
        let (client, line) = self.finish()?;
        client.asked("publish", line).await
    }

    /// Publishes without waiting for more than room in the write buffer. A refusal comes as
    /// [`crate::Event::Refused`], and from the next [`Client::flush`], which also tells when a
    /// connection was lost with such messages under way.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the connection does not come back or take it within the client's
    /// usual time limit; [`Error::Refused`] for what the hub would not take by its grammar and limits.
    pub async fn forget(self) -> Result<(), Error> {
        let (client, line) = self.finish()?;
        client.send_unanswered(line.finish(None)).await
    }

    fn finish(self) -> Result<(&'a Client, Line), Error> {
        let line = match self.headers.is_empty() {
            true => self.line?,
            false => self.line?.value("headers", &self.headers)?,
        };
        Ok((self.client, line))
    }
}
