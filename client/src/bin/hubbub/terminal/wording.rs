//! What arrives, as lines for the shells that talk line by line. Pure: one thing in, its line out.

use super::inbox::{Arrival, Asked};
use crate::output::{push_json, Form};
use crate::show;
use crate::style::Style;
use hubbub_client::Event;
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::{json, text, Payload};

/// Appends the lines of what arrived.
pub fn push_arrival(arrival: &Arrival, form: Form, style: Style, out: &mut Vec<u8>) {
    match arrival {
        Arrival::Message(message) => show::push_message(message, form, style, out),
        Arrival::Gap(gap) => push_notice("gap", &show::gap(gap), form, style, out),
        Arrival::Event(event) => push_event(event, form, style, out),
        Arrival::Asked(asked) => push_request(asked, form, out),
        Arrival::Parted(pattern) => {
            let words = format!("{pattern} is not subscribed to any more: the hub refused it");
            push_notice("error", &words, form, style, out);
        }
        Arrival::Ended => {}
    }
}

fn push_event(event: &Event, form: Form, style: Style, out: &mut Vec<u8>) {
    if let (Form::Json, Some((code, words))) = (form, show::event_as_notice(event)) {
        return push_notice(code, &words, form, style, out);
    }
    if let Some(line) = show::event(event, style) {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
}

fn push_notice(code: &str, words: &str, form: Form, style: Style, out: &mut Vec<u8>) {
    match form {
        Form::Json => json::push_notice(code, words, out),
        _ => out.extend_from_slice(style.dim(&format!("* {}", shown(words))).as_bytes()),
    }
    out.push(b'\n');
}

fn push_request(asked: &Asked, form: Form, out: &mut Vec<u8>) {
    let payload = Payload::Json(asked.data.get());
    let [id, service, from] = [&asked.request_id, &asked.service, &asked.from].map(|s| shown(s));
    match form {
        Form::Json => {
            let mut object = Vec::new();
            json::push_request(&id, &service, &from, payload, &mut object);
            push_json(&String::from_utf8_lossy(&object), out);
            out.push(b'\n');
        }
        _ => text::push_request(&id, &service, &from, payload, out),
    }
}
