//! What this server answers when another one asks.

use super::peer::Peer;
use super::questions::{Answer, Question};
use crate::clock::Stamp;
use crate::hub::{Batch, Hub};
use crate::lists;
use hubbub_shared::encoding::scan::Scanner;
use hubbub_shared::encoding::{Direct, Payload};
use hubbub_shared::names::{client_str, Pattern};
use hubbub_shared::refusal::{Code, Refusal};

/// Answers a question of another server from what this one has.
pub fn answer(hub: &Hub, peer: &Peer, question: Question, batch: &mut Batch) -> Answer {
    match question {
        Question::Clients { state, matching, limit } => {
            Answer::Clients(lists::clients(hub, &state, matching.as_deref(), limit, batch))
        }
        Question::Channels { matching } => {
            let pattern = matching.as_deref().map(Pattern::parse).transpose();
            match pattern {
                Ok(pattern) => Answer::Channels(lists::channels(hub, pattern.as_ref(), batch)),
                Err(refusal) => Answer::Refused(refusal),
            }
        }
        Question::Who { channel } => Answer::Clients(lists::who(hub, &channel, batch).unwrap_or_default()),
        Question::Whois { name } => match hub.clients.find(&name) {
            Some(client) => Answer::Whois(Box::new(client.info(hub.name(), batch.now))),
            None => Answer::Refused(nobody(hub, &name)),
        },
        Question::History { channel, limit, since } => {
            Answer::History(lists::history(hub, &channel, limit, since, batch).unwrap_or_default())
        }
        Question::Direct { to, from, from_id, at_ms, payload, is_json } => {
            let Some(client) = hub.clients.find(&to) else { return Answer::Refused(nobody(hub, &to)) };
            let is_valid = client_str(&from).is_ok() && (!is_json || Scanner::new(&payload).value().is_ok());
            if !is_valid {
                return Answer::Refused(Refusal::new(Code::BadArgument, "the message is not valid"));
            }
            let at = Stamp::of(at_ms);
            let payload = if is_json { Payload::Json(&payload) } else { Payload::Text(&payload) };
            let direct = Direct { from: &from, origin: &peer.origin, at: at.as_str(), payload };
            if let Err(refusal) = hub.direct(&client, direct, batch) {
                return Answer::Refused(refusal);
            }
            let welcome = client.welcome().filter(|_| client.is_met_by(&from_id));
            Answer::Delivered { client_id: client.id.to_string(), name: client.name().to_string(), welcome }
        }
        Question::Services => Answer::Services(lists::services(hub, batch)),
        Question::Sync => Answer::Synced,
    }
}

fn nobody(hub: &Hub, name: &str) -> Refusal {
    let server = hub.name();
    Refusal::new(
        Code::NoSuchClient,
        format!("nobody called {name} is connected to {server}; clients lists who is"),
    )
}
