//! The providing end of a service: requests in, answers out.

use crate::client::Client;
use crate::line::{self, Line};
use crate::queue::{Item, Receiver};
use crate::Error;
use futures::Stream;
use hubbub_shared::event::Request;
use serde::Serialize;
use serde_json::value::RawValue;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Requests and bytes that wait to be taken; what comes above that is answered with an error at once.
/// A guess: a provider that is a thousand requests behind will not be in time.
pub(crate) const MAX_REQUESTS: usize = 1_000;
pub(crate) const MAX_BYTES: usize = 16 << 20;

impl Item for Request {
    fn cost(&self) -> usize {
        256 + self.data.get().len()
    }
}

/// The requests to a service that this client offers: a stream of [`IncomingRequest`]. Dropping it
/// ends the offer.
///
/// ```
/// use futures::StreamExt;
/// use hubbub_client::Client;
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// let client = Client::connect(addr).await?;
/// let mut requests = client.serve("double", "doubles a number").await?;
/// # let caller = client.clone();
/// # let caller = async_std::task::spawn(async move { caller.request("double", 21).await });
/// while let Some(request) = requests.next().await {
///     match serde_json::from_str::<i64>(request.data.get()) {
///         Ok(number) => request.respond(number * 2).await?,
///         Err(why) => request.fail(&why.to_string()).await?,
///     }
///     # break;
/// }
/// # assert_eq!(caller.await?.get(), "42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Requests {
    pub(crate) client: Client,
    pub(crate) service: String,
    pub(crate) receiver: Receiver<Request>,
}

impl Requests {
    /// Ends the offer, and waits until the hub has processed that. Requests that were not taken are
    /// answered with an error.
    ///
    /// # Errors
    /// [`Error::Timeout`] and [`Error::Disconnected`]; the offer has ended all the same.
    pub async fn unserve(self) -> Result<(), Error> {
        let client = self.client.clone();
        drop(self);
        client.ping().await
    }
}

impl Stream for Requests {
    type Item = IncomingRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<IncomingRequest>> {
        let request = Pin::new(&mut self.receiver).poll_next(cx);
        request.map(|request| request.map(|request| IncomingRequest::new(request, &self.client)))
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.client.end_service(&self.service);
        for request in self.receiver.drain() {
            drop(IncomingRequest::new(request, &self.client));
        }
    }
}

/// One request, to be answered once. Dropping it without an answer answers with an error, so that
/// nobody waits for nothing.
#[derive(Debug)]
pub struct IncomingRequest {
    /// The service that is asked.
    pub service: String,
    /// The name of the client that asks.
    pub from: String,
    /// What it asks, as it was written.
    pub data: Box<RawValue>,
    /// The hub's name for the request.
    pub request_id: String,
    owed: Owed,
}

/// The answer that is still to be given.
#[derive(Debug)]
struct Owed {
    client: Client,
    /// Empty once it is given.
    request_id: String,
}

impl IncomingRequest {
    fn new(request: Request, client: &Client) -> Self {
        let Request { request_id, service, from, data } = request;
        let owed = Owed { client: client.clone(), request_id: request_id.clone() };
        IncomingRequest { service, from, data, request_id, owed }
    }

    /// Answers, and waits for the hub's word that the answer was in time.
    ///
    /// # Errors
    /// [`Error::Refused`] when the request is no longer open: it is too late, or the caller or the
    /// connection that brought the request is gone.
    pub async fn respond(self, data: impl Serialize) -> Result<(), Error> {
        let line = Line::new("respond").text("request_id", &self.request_id).value("data", data)?;
        self.owed.give(line).await
    }

    /// Answers that it cannot be done, and why.
    ///
    /// # Errors
    /// The same as those of [`Self::respond`].
    pub async fn fail(self, error: &str) -> Result<(), Error> {
        let line = Line::new("respond").text("request_id", &self.request_id).text("error", error);
        self.owed.give(line).await
    }
}

impl Owed {
    async fn give(mut self, line: Line) -> Result<(), Error> {
        let client = self.client.clone();
        // From here on the hub has the answer, or the connection that brought the request is gone.
        self.request_id.clear();
        client.ask("respond", line).await.map(drop)
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.request_id.is_empty() {
            let why = "the provider gave the request up";
            self.client.send_now(|session| line::respond_error(&self.request_id, why, session.next_id()));
        }
    }
}
