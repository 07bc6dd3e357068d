//! Standard output of one command: buffered, flushed when there is nothing more to say for the
//! moment, coloured only on a terminal. Standard error: one line a trouble.

use crate::exit::Failure;
use crate::style::Style;
use hubbub_shared::encoding::escape::{is_plain, needs_escape, push_shown, shown};
use hubbub_shared::encoding::{json, text, Payload};
use serde_json::value::RawValue;
use std::io::{self, BufWriter, StdoutLock, Write};

/// How payloads and replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people: escaped, aligned, perhaps coloured.
    People,
    /// As the hub wrote it: one JSON value a line.
    Json,
    /// Payloads as they are, one a line.
    Raw,
}

/// Standard output.
pub struct Output {
    to: BufWriter<StdoutLock<'static>>,
    /// Its colours.
    pub style: Style,
}

impl Output {
    /// Takes standard output for the rest of the run.
    pub fn new() -> Self {
        let stdout = io::stdout();
        let style = Style::of(&stdout);
        Output { to: BufWriter::with_capacity(64 << 10, stdout.lock()), style }
    }

    /// Writes a text as it is.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.to.write_all(bytes)?)
    }

    /// Writes one line of JSON.
    pub fn json(&mut self, value: &RawValue) -> Result<(), Failure> {
        let mut line = Vec::with_capacity(value.get().len() + 1);
        push_json(value.get(), &mut line);
        line.push(b'\n');
        self.bytes(&line)
    }

    /// Writes one line that a payload is.
    pub fn payload(&mut self, data: &RawValue, form: Form) -> Result<(), Failure> {
        let mut line = Vec::with_capacity(data.get().len() + 1);
        push_payload(data, form, &mut line);
        line.push(b'\n');
        self.bytes(&line)
    }

    /// Hands everything on.
    pub fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.to.flush()?)
    }
}

/// Appends a payload in one of the forms, without a line end.
pub fn push_payload(data: &RawValue, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::People => text::push_payload(Payload::Json(data.get()), out),
        Form::Json => push_json(data.get(), out),
        Form::Raw => match json::string(data.get()) {
            Some(text) => out.extend_from_slice(text.as_bytes()),
            None => out.extend_from_slice(json::compact(data.get()).as_bytes()),
        },
    }
}

/// Appends valid JSON on one line, in which characters that could move a terminal's cursor are
/// written as escapes: it stays the same JSON, since they stand in strings only.
pub fn push_json(raw: &str, out: &mut Vec<u8>) {
    let compact = json::compact(raw);
    if is_plain(compact.as_bytes()) {
        return out.extend_from_slice(compact.as_bytes());
    }
    let mut utf8 = [0; 4];
    for ch in compact.chars() {
        if needs_escape(ch) {
            out.extend_from_slice(format!("\\u{:04x}", ch as u32).as_bytes());
        } else {
            out.extend_from_slice(ch.encode_utf8(&mut utf8).as_bytes());
        }
    }
}

/// The payload as a command gets it on its standard input: a text as it is, other JSON compact.
pub fn plain(data: &RawValue) -> String {
    let mut out = Vec::new();
    push_payload(data, Form::Raw, &mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// A line for people about something that came from the hub: escaped, with `*` before it.
pub fn notice(message: &str) -> Vec<u8> {
    let mut line = b"* ".to_vec();
    push_shown(message, &mut line);
    line.push(b'\n');
    line
}

/// Tells standard error, in one line, what happened without being the end.
pub fn aside(message: &str) {
    let line = notice(message);
    let _ = io::stderr().write_all(&line);
}

/// Tells standard error why the command ends.
pub fn complain(message: &str) {
    let style = Style::of(&io::stderr());
    let _ = writeln!(io::stderr(), "{} {}", style.bad("hubbub:"), shown(message));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(data: &str, form: Form) -> String {
        let data = RawValue::from_string(data.to_owned()).expect("JSON");
        let mut out = Vec::new();
        push_payload(&data, form, &mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn only_raw_lets_control_characters_through() {
        let data = r#""a\u001b[2J\nb""#;
        assert_eq!(pushed(data, Form::People), "a\\x1b[2J⏎b");
        assert_eq!(pushed(data, Form::Raw), "a\x1b[2J\nb");
        assert_eq!(pushed(data, Form::Json), data);
    }

    #[test]
    fn json_stays_the_same_json_and_harms_no_terminal() {
        let data = "[\"ü\u{9b}2J\u{202e}\", {\"\u{7f}\": 1}]";
        let printed = pushed(data, Form::Json);
        assert_eq!(printed, r#"["ü\u009b2J\u202e",{"\u007f":1}]"#);
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(read(&printed), read(data));
    }

    #[test]
    fn json_is_compact_in_every_form() {
        for form in [Form::People, Form::Json, Form::Raw] {
            assert_eq!(pushed("{ \"a\" : [1, 2] }", form), r#"{"a":[1,2]}"#);
        }
    }
}
