//! The door `points`: whoever connects is sent two random points between words that never change, and
//! the close. Nothing is read.

use super::{Dialect, Opener, Place};
use crate::buffers::Input;
use crate::connection::{self, Talk};
use crate::hub::{Batch, Client, Farewell, Hub};
use crate::services::Request;
use hubbub_shared::encoding::{Out, Payload};
use hubbub_shared::limits::DEFAULT_REQUEST_TIMEOUT;
use hubbub_shared::points::{frame, RANDOM};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Instant;

/// Opens the door.
pub fn open(_: Place<'_>) -> Opener {
    Box::new(|hub, socket, addr| connection::start(hub, socket, addr, Points::serve))
}

/// One connection: over when it has begun.
struct Points {
    client: Arc<Client>,
}

impl Points {
    /// Serves a connection.
    fn serve(client: Arc<Client>, hub: &Hub, batch: &mut Batch) -> Points {
        client.set_dialect(Dialect::Points);
        hub.count(batch);
        let request = Request {
            service: "points",
            payload: Payload::Json("null"),
            within: DEFAULT_REQUEST_TIMEOUT,
            re: None,
        };
        let reason = match hub.services.request(hub, &client, &request, batch) {
            Ok(()) => "answered",
            Err(refusal) => {
                log::warn!(error = refusal.message.as_ref(); "no points for a client of the door");
                "no points to send"
            }
        };
        hub.close(&client, Farewell::Left(reason), batch);
        Points { client }
    }
}

impl Talk for Points {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn handle(&mut self, _: &Hub, _: &mut Batch, input: Input<'_>) -> usize {
        input.unread().len()
    }

    fn is_over(&self) -> bool {
        true
    }

    fn deadline(&self, _: &Hub) -> Option<Instant> {
        None
    }

    fn on_time(&mut self, _: &Hub, _: &mut Batch) {}

    fn cut_off(&mut self, _: &[u8], _: &Hub, _: &mut Batch) {}

    fn left(&mut self, _: &'static str, _: &Hub, _: &mut Batch) {}
}

/// The part of the service's answer that is sent.
#[derive(Deserialize)]
struct Answer<'a> {
    bytes: &'a str,
}

/// Appends the answer. Where there is none, there is nothing to say.
pub fn push(what: &Out<'_>, out: &mut Vec<u8>) {
    let Out::Answered(_, _, answer) = what else { return };
    let Some(bytes) = random_bytes(answer.raw()) else { return };
    out.extend_from_slice(&frame(&bytes));
}

/// The random bytes, which the service tells in hexadecimal digits.
fn random_bytes(answer: &str) -> Option<[u8; RANDOM]> {
    let answer: Answer<'_> = serde_json::from_str(answer).ok()?;
    Some(
        u128::from_str_radix(answer.bytes, 16)
            .ok()
            .filter(|_| answer.bytes.len() == 2 * RANDOM)?
            .to_be_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_81_bytes_with_the_random_ones_from_the_34th() {
        let mut out = Vec::new();
        let json = r#"{"bytes":"000102030405060708090a0b0c0d0eff","a":[0.0,0.0],"b":[0.0,0.0]}"#;
        push(&Out::Answered(None, "points", Payload::Json(json)), &mut out);
        assert_eq!(out.len(), 81);
        assert_eq!(out[34..50], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        for odd in ["{}", r#"{"bytes":"00"}"#, r#"{"bytes":"+00102030405060708090a0b0c0d0ef"}"#] {
            assert_eq!(random_bytes(odd), None, "{odd}");
        }
    }
}
