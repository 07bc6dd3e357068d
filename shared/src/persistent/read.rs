//! Messages of the dialect, read in place: which they are, what they carry, and what they ask. A frame
//! is scanned once, and its data stays where it was written.

use super::classes::RequestClass;
use super::{Form, CLOSE, ERROR, ERROR_CLASS, MAX_TITLE_BYTES, OPEN};
use crate::encoding::json::string;
use crate::encoding::scan::{ScanError, Scanner};
use crate::names::quote;
use crate::refusal::{Code, Refusal};
use serde::Deserialize;
use std::borrow::Cow;

/// One message: a request, or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<'a> {
    /// Whether it has a name or a class.
    pub form: Form,
    /// The name, or the class.
    pub title: Cow<'a, str>,
    /// What it carries, as it was written; `null` where it carries nothing.
    pub data: &'a str,
}

/// The members that matter, as they were written.
#[derive(Default)]
struct Members<'a> {
    op: Option<&'a str>,
    name: Option<&'a str>,
    class: Option<&'a str>,
    data: Option<&'a str>,
    /// What jsonpickle writes where a class says itself how it is to be kept.
    state: Option<&'a str>,
    twice: Option<&'a str>,
}

impl<'a> Members<'a> {
    /// As many as there are, and what ended it.
    fn of(text: &'a str) -> (Self, Result<(), ScanError>) {
        let mut found = Members::default();
        let scanned = Scanner::new(text).object(|key, value| {
            let place = match key {
                "op" => &mut found.op,
                "name" => &mut found.name,
                "py/object" => &mut found.class,
                "data" => &mut found.data,
                "py/state" => &mut found.state,
                _ => return Ok(()),
            };
            if place.replace(value).is_some() {
                found.twice = Some(key);
            }
            Ok(())
        });
        (found, scanned)
    }

    fn form(&self) -> Option<Form> {
        match (self.op, self.class, self.name) {
            (Some(_), ..) | (None, None, None) => None,
            (None, Some(_), _) => Some(Form::Pickle),
            (None, None, Some(_)) => Some(Form::Plain),
        }
    }
}

/// What a first frame is: also one that turns out to be wrong behind its name.
pub(super) fn form_of(text: &str) -> Option<Form> {
    Members::of(text).0.form()
}

impl<'a> Message<'a> {
    /// Reads a message of a connection of that form.
    pub fn read(text: &'a str, form: Form) -> Result<Self, Refusal> {
        let (members, scanned) = Members::of(text);
        scanned.map_err(ScanError::refusal)?;
        if let Some(key) = members.twice {
            let message = format!("the key {} stands twice; name each key once", quote(key));
            return Err(Refusal::new(Code::BadJson, message));
        }
        if members.op.is_some() {
            let message = "op is for the hub's own commands, and the first frame of this connection had \
                           none; open another connection for them";
            return Err(Refusal::new(Code::BadCommand, message));
        }
        let title = match form {
            Form::Plain => members.name.filter(|_| members.class.is_none()),
            Form::Pickle => members.class,
        };
        let Some(raw) = title else {
            let key = form.key();
            let message = format!("a message on this connection has a key {}, as its first had", quote(key));
            return Err(Refusal::new(Code::BadCommand, message));
        };
        let bounded = Some(raw).filter(|raw| raw.len() <= MAX_TITLE_BYTES);
        let Some(title) = bounded.and_then(string) else {
            let message = format!("{} is a text of {MAX_TITLE_BYTES} bytes at the most", form.key());
            return Err(Refusal::bad_argument(message));
        };
        let data = members.data.unwrap_or("null");
        if form == Form::Pickle && (members.state.is_some() || is_elsewhere(data)) {
            let message = "the data of this message is not in it (py/id, py/state or py/reduce), and here \
                           no objects are made; send it as plain members";
            return Err(Refusal::bad_argument(message));
        }
        Ok(Message { form, title, data })
    }

    /// Reads an answer as this side writes and expects it, without checking its data: whoever reads that
    /// does. `None` where it is written in another way, and [`Message::read`] is needed.
    pub fn expect(text: &'a str, form: Form) -> Option<Self> {
        let (key, title, rest) = Scanner::new(text).first_member().ok()?;
        let data = rest.strip_prefix(',')?.trim_ascii_start().strip_prefix("\"data\"")?;
        let data = data.trim_ascii_start().strip_prefix(':')?.trim_ascii_end().strip_suffix('}')?;
        let title = string(title).filter(|_| key == form.key())?;
        Some(Message { form, title, data: data.trim_ascii() })
    }

    /// What it asks: `ping`, `uuid`; `None` where that is no request's name or class.
    pub fn asks(&self) -> Option<Cow<'_, str>> {
        match self.form {
            Form::Plain if self.title == OPEN => Some(Cow::Borrowed(OPEN)),
            Form::Plain => self.title.strip_suffix("-req").filter(|name| !name.is_empty()).map(Cow::Borrowed),
            Form::Pickle => RequestClass::parse(&self.title).map(|class| Cow::Owned(class.name())),
        }
    }

    /// The title of the answer to it; `None` as with [`Message::asks`].
    pub fn answer(&self) -> Option<String> {
        match self.form {
            Form::Plain => self.asks().map(|name| format!("{name}-res")),
            Form::Pickle => RequestClass::parse(&self.title).map(|class| class.answer()),
        }
    }

    /// Whether it ends the connection: the answer to a close, asked for or not.
    pub fn is_close(&self) -> bool {
        match self.form {
            Form::Plain => self.title.strip_suffix("-res") == Some(CLOSE),
            Form::Pickle => self.title.ends_with("responses.CloseResponse"),
        }
    }

    /// The number and the words of an error; `None` where it is none.
    pub fn error(&self) -> Option<(u16, String)> {
        #[derive(Deserialize)]
        struct Told {
            #[serde(default)]
            code: u16,
            #[serde(default)]
            description: String,
        }
        let error = match self.form {
            Form::Plain => ERROR,
            Form::Pickle => ERROR_CLASS,
        };
        if self.title != error {
            return None;
        }
        let told = serde_json::from_str::<Told>(self.data).ok();
        Some(told.map_or_else(|| (0, self.data.to_owned()), |told| (told.code, told.description)))
    }

    /// What it carries, without the member that names its class.
    pub fn payload(&self) -> Cow<'a, str> {
        match self.form {
            Form::Plain => Cow::Borrowed(self.data),
            Form::Pickle => without_class(self.data),
        }
    }
}

/// Whether a value stands for one that jsonpickle would look for or make elsewhere.
fn is_elsewhere(raw: &str) -> bool {
    const KEYS: [&str; 3] = ["py/id", "py/state", "py/reduce"];
    let mut found = false;
    if memchr::memmem::find(raw.as_bytes(), b"\"py/").is_some() {
        // Anything but an object has no such keys.
        let _ = Scanner::new(raw).object(|key, _| {
            found |= KEYS.contains(&key);
            Ok(())
        });
    }
    found
}

/// A JSON value without the `py/object` of its own. Those of what is in it stay: they are data. What is
/// left is as it was written.
pub(super) fn without_class(raw: &str) -> Cow<'_, str> {
    const KEY: &str = "py/object";
    if memchr::memmem::find(raw.as_bytes(), b"\"py/object\"").is_none() {
        return Cow::Borrowed(raw);
    }
    let place = |part: &str| part.as_ptr() as usize - raw.as_ptr() as usize;
    let (mut kept, mut found, mut end) = (String::from("{"), false, None);
    let scanned = Scanner::new(raw).object(|key, value| {
        // With the quote before the key.
        let start = place(key) - 1;
        let comma = end.map_or("", |end| &raw[end..start]);
        end = Some(place(value) + value.len());
        if key == KEY {
            found = true;
        } else {
            let comma = if kept.len() > 1 { comma } else { "" };
            kept.extend([comma, &raw[start..place(value) + value.len()]]);
        }
        Ok(())
    });
    match end {
        Some(end) if found && scanned.is_ok() => {
            kept.push_str(raw[end..].trim_end());
            Cow::Owned(kept)
        }
        _ => Cow::Borrowed(raw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str) -> Result<Message<'_>, Code> {
        Message::read(text, Form::Plain).map_err(|refusal| refusal.code)
    }

    fn pickle(text: &str) -> Result<Message<'_>, Code> {
        Message::read(text, Form::Pickle).map_err(|refusal| refusal.code)
    }

    #[test]
    fn data_that_is_elsewhere_is_not_taken_for_none() {
        for data in [r#"{"py/id": 1}"#, r#"{"py/object": "a.B", "py/state": {"a": 1}}"#] {
            let text = format!(r#"{{"py/object": "a.XRequest", "data": {data}}}"#);
            assert_eq!(pickle(&text), Err(Code::BadArgument), "{text}");
        }
        let state = r#"{"py/object": "a.XRequest", "py/state": {"data": {"title": "x"}}}"#;
        assert_eq!(pickle(state), Err(Code::BadArgument));
        // What is within the data is data.
        let inner = r#"{"py/object": "a.XRequest", "data": {"title": {"py/id": 1}}}"#;
        assert!(pickle(inner).is_ok());
        assert!(plain(r#"{"name": "x-req", "data": {"py/id": 1}}"#).is_ok());
    }

    #[test]
    fn the_first_frame_tells_the_form() {
        for (frame, form) in [
            (r#"{"name":"open-req","data":null}"#, Some(Form::Plain)),
            (r#" {"data": null, "py/object": "a.B", "name": 5} "#, Some(Form::Pickle)),
            (r#"{"name":7}"#, Some(Form::Plain)),
            (r#"{"op":"name","name":"bob"}"#, None),
            (r#"{"data":1}"#, None),
            ("[]", None),
            ("{", None),
            ("", None),
            (r#"{"name":"open-req","data":[nonsense"#, Some(Form::Plain)),
        ] {
            assert_eq!(Form::of_first(frame.as_bytes()), form, "{frame}");
        }
        assert_eq!(Form::of_first(b"{\"name\":\"\xff\"}"), None);
    }

    #[test]
    fn a_message_says_what_it_asks() {
        let ask = |text| plain(text).expect(text).asks().map(Cow::into_owned);
        assert_eq!(ask(r#"{"name":"open"}"#).as_deref(), Some("open"));
        assert_eq!(ask(r#"{"name":"open-req"}"#).as_deref(), Some("open"));
        assert_eq!(ask(r#"{"name":"big-thing-req","x":1}"#).as_deref(), Some("big-thing"));
        assert_eq!(ask(r#"{"name":"-req"}"#), None);
        assert_eq!(ask(r#"{"name":"ping"}"#), None);
        let message = plain(r#"{"data": {"a": 1} ,"name":"p\u0069ng-req"}"#).expect("a message");
        assert_eq!((message.data, message.answer().as_deref()), (r#"{"a": 1}"#, Some("ping-res")));
        let message = pickle(r#"{"py/object":"pc_protocol.mrequests.UUIDRequest"}"#).expect("a message");
        assert_eq!(message.asks().as_deref(), Some("uuid"));
        assert_eq!(message.answer().as_deref(), Some("pc_protocol.mresponses.UUIDResponse"));
        assert_eq!(message.data, "null");
        assert_eq!(pickle(r#"{"py/object":"os.system"}"#).expect("a message").answer(), None);
    }

    #[test]
    fn what_is_no_message_has_its_code() {
        assert_eq!(plain("[]"), Err(Code::BadJson));
        assert_eq!(plain(r#"{"name":"a","name":"b"}"#), Err(Code::BadJson));
        assert_eq!(plain(r#"{"op":"ping","name":"a"}"#), Err(Code::BadCommand));
        assert_eq!(plain(r#"{"py/object":"a","name":"a"}"#), Err(Code::BadCommand));
        assert_eq!(pickle(r#"{"name":"a"}"#), Err(Code::BadCommand));
        assert_eq!(plain(r#"{"name":7}"#), Err(Code::BadArgument));
        assert_eq!(plain(&format!(r#"{{"name":"{}"}}"#, "x".repeat(400))), Err(Code::BadArgument));
        assert_eq!(plain(&format!(r#"{{"name":"a","data":{}}}"#, "[".repeat(50))), Err(Code::TooDeep));
    }

    #[test]
    fn the_class_of_data_is_taken_out_and_nothing_else() {
        for (with, without) in [
            (r#"{"py/object": "a.B", "t": 1}"#, r#"{"t": 1}"#),
            (r#"{"py/object":"a.B"}"#, "{}"),
            (
                r#"{ "t" : {"py/object":"a.C"}, "py/object":"a.B", "u":[ ] }"#,
                r#"{"t" : {"py/object":"a.C"}, "u":[ ] }"#,
            ),
            (r#"{"py/object":"a","v":1, "py/object":"os.X", "w": 2,"py/object":"b"}"#, r#"{"v":1, "w": 2}"#),
            (r#"{"t":{"py/object":"a.C"}}"#, r#"{"t":{"py/object":"a.C"}}"#),
            (r#"["py/object"]"#, r#"["py/object"]"#),
            ("null", "null"),
            ("{}", "{}"),
        ] {
            assert_eq!(without_class(with), without);
        }
    }

    #[test]
    fn an_expected_answer_is_read_without_a_look_at_its_data() {
        let answer = Message::expect(r#"{"name":"uuid-res","data":{"a":1} }"#, Form::Plain);
        assert_eq!(answer.map(|a| (a.title, a.data)), Some(("uuid-res".into(), r#"{"a":1}"#)));
        let answer = Message::expect(r#"{"py/object": "a.B", "data": null}"#, Form::Pickle);
        assert_eq!(answer.map(|a| (a.title, a.data)), Some(("a.B".into(), "null")));
        for other in [r#"{"data":1,"name":"x"}"#, r#"{"name":"x"}"#, r#"{"name":7,"data":1}"#, "{}", "[", ""]
        {
            assert_eq!(Message::expect(other, Form::Plain), None, "{other}");
        }
    }

    #[test]
    fn errors_are_told_from_answers() {
        let error = |text| plain(text).expect("a message").error();
        let told = error(r#"{"name":"error","data":{"code":404,"description":"no"}}"#);
        assert_eq!(told, Some((404, "no".to_owned())));
        assert_eq!(error(r#"{"name":"error","data":"gone"}"#), Some((0, "\"gone\"".to_owned())));
        assert_eq!(error(r#"{"name":"ping-res"}"#), None);
    }

    proptest! {
        /// Whatever the bytes are, reading them is an answer or a refusal.
        #[test]
        fn hostile_messages_harm_nobody(text in r#"\{?("(name|py/object|data|op)":("[a-z.\\u]{0,9}"|null|\{("py/object":)?|[0-9]),?){0,4}\}?"#) {
            for form in [Form::Plain, Form::Pickle] {
                if let Ok(message) = Message::read(&text, form) {
                    let payload = message.payload();
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok(), "{payload}");
                }
                let _ = Message::expect(&text, form);
            }
            let _ = Form::of_first(text.as_bytes());
        }

        /// What is expected and what is read are the same.
        #[test]
        fn both_ways_of_reading_agree(name in "[a-z-]{1,9}", data in "[0-9]{1,3}|\"[a-z},:]{0,9}\"|[{]\"a\":[0-9][}]") {
            prop_assume!(!data.starts_with('0') || data.len() == 1);
            let text = format!(r#"{{"name":"{name}","data":{data}}}"#);
            prop_assert_eq!(Message::expect(&text, Form::Plain), Message::read(&text, Form::Plain).ok());
        }
    }
}
