//! Commands about services: asking, offering, answering.

use super::{ask_all, done, payload, when_known, Call, Outcome, Result};
use crate::cluster::questions::{self, Question};
use crate::lists;
use crate::services::{reversed, Answer, Request};
use hubbub_shared::command::Command;
use hubbub_shared::encoding::Payload;
use hubbub_shared::limits::{DEFAULT_REQUEST_TIMEOUT, MAX_REQUEST_TIMEOUT};
use hubbub_shared::names::channel_str;
use hubbub_shared::refusal::Refusal;
use hubbub_shared::reply::{Done, Reply, TextReply};
use std::time::Duration;

pub(super) fn request(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let service = command.required("service")?;
    let nothing = if command.id.is_none() { Payload::Text("") } else { Payload::Json("null") };
    let payload = payload(command, "data").unwrap_or(nothing);
    let within = match command.number("timeout_ms")? {
        None => DEFAULT_REQUEST_TIMEOUT,
        Some(ms) => Some(Duration::from_millis(ms))
            .filter(|within| *within <= MAX_REQUEST_TIMEOUT && !within.is_zero())
            .ok_or_else(|| {
                let most = MAX_REQUEST_TIMEOUT.as_millis();
                Refusal::bad_argument(format!("timeout_ms must be from 1 to {most}, not {ms}"))
            })?,
    };
    let Call { hub, session, batch } = call;
    let request = Request { service: &service, payload, within, re: command.id };
    hub.services.request(hub, &session.client, &request, batch)?;
    Ok(Outcome::Later)
}

pub(super) fn serve(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let service = command.required("service")?;
    let about = command.text("about")?.unwrap_or_default();
    call.hub.services.offer(&call.session.client, &service, about.trim())?;
    let said = format!("serving {}", channel_str(&service)?);
    when_known(call, command, Reply::Done(Done { said }))
}

pub(super) fn unserve(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let service = command.required("service")?;
    call.hub.services.withdraw(&call.session.client, &service)?;
    done(format!("serving {} no longer", channel_str(&service)?))
}

pub(super) fn respond(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let request_id = command.required("request_id")?;
    let error = command.text("error")?;
    let answer = match (&error, payload(command, "data")) {
        (Some(text), None) => Answer::Error(text),
        (None, Some(payload)) => Answer::Data(payload),
        (None, None) => return Err(command.missing("data or error")),
        (Some(_), Some(_)) => return Err(Refusal::bad_argument("respond takes data or error, not both")),
    };
    let Call { hub, session, batch } = call;
    hub.services.respond(&session.client, &request_id, answer, hub, batch)?;
    done(format!("responded to {request_id}"))
}

pub(super) fn services(call: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let here = lists::services(call.hub, call.batch);
    let read = |answer| match answer {
        questions::Answer::Services(list) => Some(list),
        _ => None,
    };
    ask_all(call, command, || Question::Services, here, usize::MAX, read, |list| Ok(Reply::Services(list)))
}

pub(super) fn reverse(_: Call<'_>, command: &Command<'_>) -> Result<Outcome> {
    let text = reversed(&command.required("text")?);
    Ok(Outcome::Reply(Reply::Text(TextReply { text })))
}
