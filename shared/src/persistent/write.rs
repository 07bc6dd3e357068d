//! Messages of the dialect, written as frames. The plain form is compact, as the hub writes everything;
//! the pickled one has a space after each comma and colon, as the old server wrote it.

use super::classes::{data_class, request_class, stem_of};
use super::read::without_class;
use super::{Form, OPEN};
use crate::encoding::escape::push_json_string;
use crate::encoding::{json, set_frame_length, Payload};
use crate::names::quote;
use std::convert::Infallible;
use std::fmt;

/// The name of errors.
pub const ERROR: &str = "error";
/// The class of errors.
pub const ERROR_CLASS: &str = "pc_protocol.error.ErrorResponse";

/// Appends the frame of an answer, whose name or class is given.
pub fn push_answer(form: Form, title: &str, payload: Payload<'_>, out: &mut Vec<u8>) {
    let Ok(()) = push_message::<Infallible>(form, title, out, |out| {
        match (form, payload) {
            (Form::Pickle, Payload::Json(raw)) => {
                json::push_spaced(&without_class(raw), out);
            }
            _ => json::push_payload(payload, out),
        }
        Ok(())
    });
}

/// Appends the frame of an error.
pub fn push_error(form: Form, number: u16, description: &str, out: &mut Vec<u8>) {
    let (title, colon, comma) = match form {
        Form::Plain => (ERROR, ":", ","),
        Form::Pickle => (ERROR_CLASS, ": ", ", "),
    };
    let Ok(()) = push_message::<Infallible>(form, title, out, |out| {
        out.extend_from_slice(format!("{{\"code\"{colon}{number}{comma}\"description\"{colon}").as_bytes());
        push_json_string(description, out);
        out.push(b'}');
        Ok(())
    });
}

/// Appends the frame of a request for `name` (`ping`, `uuid`), whose data the closure appends as JSON;
/// nothing where that fails. `modules` is what stands before `requests` in a class.
///
/// # Errors
/// `Unwritable::Name` where no class stands for the name, `Unwritable::Data` with what the closure
/// failed with.
pub fn push_request<E>(
    form: Form,
    modules: &str,
    name: &str,
    out: &mut Vec<u8>,
    data: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), Unwritable<E>> {
    let start = out.len();
    let title = match form {
        Form::Plain => format!("{name}-req"),
        Form::Pickle => {
            let stem = stem_of(name).ok_or_else(|| Unwritable::Name(name.to_owned()))?;
            request_class(modules, &stem)
        }
    };
    push_message(form, &title, out, data).map_err(|why| {
        out.truncate(start);
        Unwritable::Data(why)
    })
}

/// Why a request could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwritable<E> {
    /// No class stands for its name.
    Name(String),
    /// Its data.
    Data(E),
}

impl<E: fmt::Display> fmt::Display for Unwritable<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unwritable::Name(name) => write!(
                f,
                "no class stands for {}: a name has words of two letters or more, such as {OPEN} or big-thing",
                quote(name)
            ),
            Unwritable::Data(why) => write!(f, "not to be written as JSON: {why}"),
        }
    }
}

fn push_message<E>(
    form: Form,
    title: &str,
    out: &mut Vec<u8>,
    data: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    match form {
        Form::Plain => {
            out.extend_from_slice(br#"{"name":"#);
            push_json_string(title, out);
            out.extend_from_slice(br#","data":"#);
            data(out)?;
        }
        Form::Pickle => {
            out.extend_from_slice(br#"{"py/object": "#);
            push_json_string(title, out);
            out.extend_from_slice(br#", "data": "#);
            push_with_class(title, out, data)?;
        }
    }
    out.push(b'}');
    set_frame_length(out, at, 0);
    Ok(())
}

/// Appends data with its class as the first member. What is no object has no place for one, and stands
/// as it is.
fn push_with_class<E>(
    title: &str,
    out: &mut Vec<u8>,
    data: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(br#"{"py/object": "#);
    push_json_string(&data_class(title), out);
    out.push(b',');
    // The data is written where it belongs: its opening brace makes the space after the comma.
    let at = out.len();
    data(out)?;
    match out[at..].trim_ascii() {
        [b'{', inner @ .., b'}'] if inner.trim_ascii().is_empty() => {
            out.truncate(at - 1);
            out.push(b'}');
        }
        [b'{', ..] => {
            let brace = at + memchr::memchr(b'{', &out[at..]).unwrap_or_default();
            out[brace] = b' ';
        }
        _ => drop(out.drain(start..at)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::classes::MODULES;
    use super::super::{Message, PING};
    use super::*;
    use proptest::prelude::*;

    fn body(frame: &[u8]) -> &str {
        let (length, body) = frame.split_first_chunk::<4>().expect("a frame has a length");
        assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
        std::str::from_utf8(body).expect("frames are UTF-8")
    }

    fn answer(form: Form, title: &str, payload: Payload<'_>) -> String {
        let mut out = Vec::new();
        push_answer(form, title, payload, &mut out);
        body(&out).to_owned()
    }

    #[test]
    fn answers_are_as_the_old_clients_know_them() {
        let data = Payload::Json(r#"{"status":"OK","process_id":5}"#);
        assert_eq!(
            answer(Form::Plain, "open-res", data),
            r#"{"name":"open-res","data":{"status":"OK","process_id":5}}"#
        );
        assert_eq!(
            answer(Form::Pickle, "pc_protocol.mresponses.OpenResponse", data),
            r#"{"py/object": "pc_protocol.mresponses.OpenResponse", "data": {"py/object": "pc_protocol.mresponses.OpenResponse.OpenData", "status": "OK", "process_id": 5}}"#
        );
        let class = "pc_protocol.mresponses.XResponse";
        for (payload, data) in [
            (Payload::Json("null"), "null"),
            (Payload::Json("[3,5,5]"), "[3, 5, 5]"),
            (Payload::Text("{\"a\"}"), r#""{\"a\"}""#),
            (Payload::Json("{ }"), r#"{"py/object": "pc_protocol.mresponses.XResponse.XData"}"#),
            (
                Payload::Json(r#" {"py/object":"evil.Class","a":{}}"#),
                r#"{"py/object": "pc_protocol.mresponses.XResponse.XData", "a": {}}"#,
            ),
        ] {
            let expected = format!(r#"{{"py/object": "{class}", "data": {data}}}"#);
            assert_eq!(answer(Form::Pickle, class, payload), expected);
        }
    }

    #[test]
    fn errors_have_a_number_and_a_sentence() {
        let error = |form| {
            let mut out = Vec::new();
            push_error(form, 400, "say \"open\"", &mut out);
            body(&out).to_owned()
        };
        assert_eq!(
            error(Form::Plain),
            r#"{"name":"error","data":{"code":400,"description":"say \"open\""}}"#
        );
        assert_eq!(
            error(Form::Pickle),
            r#"{"py/object": "pc_protocol.error.ErrorResponse", "data": {"py/object": "pc_protocol.error.ErrorResponse.ErrorData", "code": 400, "description": "say \"open\""}}"#
        );
    }

    #[test]
    fn requests_are_written_or_not_at_all() {
        let mut out = Vec::new();
        let null = |out: &mut Vec<u8>| {
            out.extend_from_slice(b"null");
            Ok::<(), &str>(())
        };
        push_request(Form::Plain, MODULES, PING, &mut out, null).expect("a request");
        assert_eq!(body(&out), r#"{"name":"ping-req","data":null}"#);
        out.clear();
        push_request(Form::Pickle, MODULES, "uuid", &mut out, null).expect("a request");
        assert_eq!(body(&out), r#"{"py/object": "pc_protocol.mrequests.UUIDRequest", "data": null}"#);
        let before = out.len();
        let failed = push_request(Form::Plain, MODULES, "x", &mut out, |_| Err("no")).expect_err("no data");
        assert_eq!((failed, out.len()), (Unwritable::Data("no"), before));
        let failed = push_request(Form::Pickle, MODULES, "a-b", &mut out, null).expect_err("no class");
        assert!(failed.to_string().contains("a-b") && out.len() == before);
    }

    proptest! {
        /// What is written in either form is read back as it was.
        #[test]
        fn data_survives_both_forms(pairs in prop::collection::btree_map("\\PC{0,6}", any::<i32>(), 0..5), text in "\\PC{0,9}") {
            let object = serde_json::to_string(&pairs).expect("a map of texts is JSON");
            for form in [Form::Plain, Form::Pickle] {
                let mut out = Vec::new();
                push_request(form, MODULES, "some-thing", &mut out, |out| {
                    out.extend_from_slice(object.as_bytes());
                    Ok::<(), ()>(())
                }).expect("a request");
                let message = Message::read(body(&out), form).expect("a message");
                let asks = message.asks();
                prop_assert_eq!(asks.as_deref(), Some("some-thing"));
                let back: std::collections::BTreeMap<String, i32> =
                    serde_json::from_str(&message.payload()).expect("an object");
                prop_assert_eq!(&back, &pairs);
                let title = message.answer().expect("a request is answered");
                let said = answer(form, &title, Payload::Text(&text));
                let said = Message::read(&said, form).expect("a message");
                prop_assert_eq!(serde_json::from_str::<String>(said.data).ok(), Some(text.clone()));
            }
        }
    }
}
