//! The providing end of a service: requests in, answers out.

use crate::Error;
use futures::Stream;
use serde::Serialize;
use serde_json::value::RawValue;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The requests to a service that this client offers. Dropping it ends the offer.
#[derive(Debug)]
pub struct Requests {}

impl Requests {
    /// Ends the offer, and waits until the hub has confirmed it.
    pub async fn unserve(self) -> Result<(), Error> {
        unimplemented!()
    }
}

impl Stream for Requests {
    type Item = IncomingRequest;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<IncomingRequest>> {
        unimplemented!()
    }
}

/// One request, to be answered once.
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
}

impl IncomingRequest {
    /// Answers.
    pub async fn respond(self, _data: impl Serialize) -> Result<(), Error> {
        unimplemented!()
    }

    /// Answers that it cannot be done, and why.
    pub async fn fail(self, _error: &str) -> Result<(), Error> {
        unimplemented!()
    }
}
