//! JSON, as JSON lines and frames carry it: objects in, commands out; replies and events in,
//! objects out. What surrounds an object (line end or length) is the business of
//! [`super::Encoding`].

use super::escape::push_json_string;
use super::scan::Scanner;
use super::{Direct, MessageRef, Payload};
use crate::command::{Command, Spoken, Value, Verb, MAX_ARGS};
use crate::limits::{MAX_COMMAND_KEYS, MAX_ID_BYTES};
use crate::names::quote;
use crate::refusal::{Code, Refusal};
use crate::reply::Reply;
use std::borrow::Cow;

/// A command that could not be understood, and the id to which the refusal answers, if one was
/// found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread<'a> {
    /// What is wrong.
    pub refusal: Refusal,
    /// The command's `id`, as it was written.
    pub id: Option<&'a str>,
}

/// Reads one command object.
pub fn parse(text: &str) -> Result<Command<'_>, Misread<'_>> {
    let mut members = [("", ""); MAX_COMMAND_KEYS];
    let mut count = 0;
    let mut refusal = None;
    let scanned = Scanner::new(text).object(|key, value| {
        if key.contains('\\') {
            refusal.get_or_insert(Refusal::new(Code::BadJson, "write the keys of a command without escapes"));
        } else if members[..count].iter().any(|(k, _)| *k == key) {
            refusal.get_or_insert(Refusal::new(
                Code::BadJson,
                format!("the key {} stands twice; name each key once", quote(key)),
            ));
        } else if count == MAX_COMMAND_KEYS {
            refusal.get_or_insert(Refusal::new(
                Code::BadJson,
                format!("a command has {MAX_COMMAND_KEYS} keys at the most"),
            ));
        } else {
            members[count] = (key, value);
            count += 1;
        }
        Ok(())
    });
    let members = &members[..count];
    let find = |name: &str| members.iter().find(|(k, _)| *k == name).map(|(_, v)| *v);
    let id = find("id").filter(|raw| *raw != "null");
    let good_id = id.filter(|raw| raw.len() <= MAX_ID_BYTES && !raw.starts_with(['{', '[', 't', 'f']));
    let misread = |refusal| Misread { refusal, id: good_id };
    scanned.map_err(|error| misread(error.refusal()))?;
    if let Some(refusal) = refusal {
        return Err(misread(refusal));
    }
    if id.is_some() && good_id.is_none() {
        let message = format!("id must be a string or a number of at most {MAX_ID_BYTES} bytes");
        return Err(misread(Refusal::bad_argument(message)));
    }
    let op = find("op").ok_or_else(|| {
        misread(Refusal::new(
            Code::BadCommand,
            r#"a command is an object with a key "op", such as {"op":"help"}"#,
        ))
    })?;
    let op = string(op).ok_or_else(|| misread(Refusal::new(Code::BadCommand, "op must be a string")))?;
    let verb = Verb::find(&op).ok_or_else(|| misread(Verb::unknown(&op)))?;
    if verb.spoken == Spoken::TextOnly {
        let message = format!("{} is for text clients; leave out the id to get no reply", verb.name);
        return Err(misread(Refusal::new(Code::BadCommand, message)));
    }
    let mut values = [None; MAX_ARGS];
    for (slot, arg) in values.iter_mut().zip(verb.args) {
        *slot = find(arg.name).map(Value::Json);
    }
    let command = Command { verb, id, values };
    if let Some(arg) =
        verb.args.iter().zip(&values).find_map(|(a, v)| (a.required && v.is_none()).then_some(a))
    {
        let keys: Vec<_> = verb.args.iter().map(|a| a.name).collect();
        let message = format!("{} needs {}; it takes {}", verb.name, quote(arg.name), keys.join(", "));
        return Err(misread(Refusal::bad_argument(message)));
    }
    Ok(command)
}

/// The text of a JSON string that the scanner has accepted; `None` when it is something else.
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A JSON string, or an array of strings, as a list.
pub fn strings(raw: &str) -> Option<Vec<Cow<'_, str>>> {
    if let Some(one) = string(raw) {
        return Some(vec![one]);
    }
    let many: Vec<Cow<'_, str>> = serde_json::from_str(raw).ok()?;
    Some(many)
}

/// Where strings are in a JSON text that is gone through byte by byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Strings {
    is_within: bool,
    is_escaped: bool,
}

impl Strings {
    /// Whether the next byte is part of a string, its quotes included.
    pub fn take(&mut self, byte: u8) -> bool {
        if !self.is_within {
            self.is_within = byte == b'"';
            return self.is_within;
        }
        self.is_within = self.is_escaped || byte != b'"';
        self.is_escaped = byte == b'\\' && !self.is_escaped;
        true
    }
}

/// A valid JSON text without the white space between its tokens.
pub fn compact(raw: &str) -> Cow<'_, str> {
    let mut strings = Strings::default();
    if !raw.bytes().any(|byte| !strings.take(byte) && is_space(byte)) {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    push_set(raw, b",", b":", &mut out);
    Cow::Owned(String::from_utf8(out).expect("only ASCII was left out"))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Appends a valid JSON text without the white space between its tokens, but with these behind the commas
/// and the colons.
fn push_set(raw: &str, comma: &[u8], colon: &[u8], out: &mut Vec<u8>) {
    let mut strings = Strings::default();
    for &byte in raw.as_bytes() {
        match byte {
            _ if strings.take(byte) => out.push(byte),
            _ if is_space(byte) => {}
            b',' => out.extend_from_slice(comma),
            b':' => out.extend_from_slice(colon),
            _ => out.push(byte),
        }
    }
}

/// Appends a valid JSON text with a space after each comma and colon, as Python writes it, and no other
/// white space between its tokens.
pub fn push_spaced(raw: &str, out: &mut Vec<u8>) {
    push_set(raw, b", ", b": ", out);
}

/// Appends a payload as a JSON value on one line.
pub fn push_payload(payload: Payload<'_>, out: &mut Vec<u8>) {
    match payload {
        Payload::Text(text) => push_json_string(text, out),
        // In valid JSON a line break is white space between tokens; only frames hold any.
        Payload::Json(raw) if !raw.starts_with('"') && has_line_feed(raw) => {
            push_set(raw, b",", b":", out);
        }
        Payload::Json(raw) => out.extend_from_slice(raw.as_bytes()),
    }
}

/// Appends the object of a channel's message.
pub fn push_message(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    push_before_payload(message, out);
    push_payload(message.payload, out);
    push_after_payload(message, out);
}

/// The object of a remembered message: the event without its first key.
pub fn push_remembered(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"channel":""#);
    push_keys(message, out);
    push_payload(message.payload, out);
    push_after_payload(message, out);
}

/// A payload as [`push_payload`] writes it, where that is what it is.
pub fn verbatim(payload: Payload<'_>) -> Option<&str> {
    match payload {
        // No string holds a line feed as it is.
        Payload::Json(raw) if raw.starts_with('"') || !has_line_feed(raw) => Some(raw),
        _ => None,
    }
}

fn has_line_feed(raw: &str) -> bool {
    memchr::memchr(b'\n', raw.as_bytes()).is_some()
}

/// What stands before the payload in [`push_message`].
pub(super) fn push_before_payload(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event":"message","channel":""#);
    push_keys(message, out);
}

fn push_keys(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(message.channel.as_bytes());
    out.extend_from_slice(br#"","from":""#);
    out.extend_from_slice(message.from.as_bytes());
    out.extend_from_slice(br#"","seq":"#);
    out.extend_from_slice(itoa::Buffer::new().format(message.seq).as_bytes());
    out.extend_from_slice(br#","origin":""#);
    out.extend_from_slice(message.origin.as_bytes());
    out.extend_from_slice(br#"","at":""#);
    out.extend_from_slice(message.at.as_bytes());
    out.extend_from_slice(br#"","data":"#);
}

/// What stands behind the payload in [`push_message`].
pub(super) fn push_after_payload(message: &MessageRef<'_>, out: &mut Vec<u8>) {
    if let Some(via) = message.via {
        out.extend_from_slice(br#","via":""#);
        out.extend_from_slice(via.as_bytes());
        out.push(b'"');
    }
    if let Some(headers) = message.headers {
        out.extend_from_slice(br#","headers":"#);
        push_payload(Payload::Json(headers), out);
    }
    if let Some(reply) = message.reply {
        out.extend_from_slice(br#","reply":""#);
        out.extend_from_slice(reply.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

/// Appends the object of a direct message.
pub fn push_direct(direct: &Direct<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event":"direct","from":""#);
    out.extend_from_slice(direct.from.as_bytes());
    out.extend_from_slice(br#"","origin":""#);
    out.extend_from_slice(direct.origin.as_bytes());
    out.extend_from_slice(br#"","at":""#);
    out.extend_from_slice(direct.at.as_bytes());
    out.extend_from_slice(br#"","data":"#);
    push_payload(direct.payload, out);
    out.push(b'}');
}

/// Appends the object of a request to a provider.
pub fn push_request(request_id: &str, service: &str, from: &str, payload: Payload<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event":"request","request_id":""#);
    out.extend_from_slice(request_id.as_bytes());
    out.extend_from_slice(br#"","service":""#);
    out.extend_from_slice(service.as_bytes());
    out.extend_from_slice(br#"","from":""#);
    out.extend_from_slice(from.as_bytes());
    out.extend_from_slice(br#"","data":"#);
    push_payload(payload, out);
    out.push(b'}');
}

/// Appends the object of a notice.
pub fn push_notice(code: &str, message: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event":"notice","code":"#);
    push_json_string(code, out);
    out.extend_from_slice(br#","message":"#);
    push_json_string(message, out);
    out.push(b'}');
}

/// Appends the object of the hub's last words.
pub fn push_closing(why: &Refusal, retry_ms: u64, elsewhere: &[String], out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"event":"closing","code":"#);
    push_json_string(why.code.as_str(), out);
    out.extend_from_slice(br#","message":"#);
    push_json_string(&why.message, out);
    out.extend_from_slice(br#","retry_ms":"#);
    out.extend_from_slice(itoa::Buffer::new().format(retry_ms).as_bytes());
    out.extend_from_slice(br#","try":["#);
    for (n, addr) in elsewhere.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        push_json_string(addr, out);
    }
    out.extend_from_slice(b"]}");
}

/// Appends the reply object of a publish: the one reply that the hot path writes, without serde.
pub fn push_published(id: &str, origin: &str, seq: u64, subscribers: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"re":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","ok":{"origin":""#);
    out.extend_from_slice(origin.as_bytes());
    out.extend_from_slice(br#"","seq":"#);
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(seq).as_bytes());
    out.extend_from_slice(br#","subscribers":"#);
    out.extend_from_slice(digits.format(subscribers).as_bytes());
    out.extend_from_slice(b"}}");
}

/// Appends the reply object of a request that was answered.
pub fn push_answered(id: &str, answer: Payload<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"re":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","ok":{"data":"#);
    push_payload(answer, out);
    out.extend_from_slice(b"}}");
}

/// Appends the reply object of any other command that succeeded.
pub fn push_ok(id: &str, reply: &Reply, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"re":"#);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(br#","ok":"#);
    serde_json::to_writer(&mut *out, reply).expect("replies hold no maps with odd keys");
    out.push(b'}');
}

/// Appends the reply object of a command that was refused; `re` is null when it had no id.
pub fn push_error(id: Option<&str>, refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"re":"#);
    out.extend_from_slice(id.unwrap_or("null").as_bytes());
    out.extend_from_slice(br#","error":{"code":"#);
    push_json_string(refusal.code.as_str(), out);
    out.extend_from_slice(br#","message":"#);
    push_json_string(&refusal.message, out);
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Op;

    fn refused(text: &str) -> (Code, Option<&str>) {
        let misread = parse(text).expect_err(text);
        (misread.refusal.code, misread.id)
    }

    #[test]
    fn a_command_keeps_its_arguments_in_place() {
        let command =
            parse(r#" {"id":7,"channel":"ops","op":"PUB","data":{"a":[1, 2]}} "#).expect("a command");
        assert_eq!((command.verb.op, command.id), (Op::Publish, Some("7")));
        assert_eq!(command.value("data"), Some(Value::Json(r#"{"a":[1, 2]}"#)));
        assert_eq!(command.text("channel").expect("a string").as_deref(), Some("ops"));
        assert_eq!(command.value("reply"), None);
    }

    #[test]
    fn every_misreading_has_its_code_and_keeps_the_id() {
        assert_eq!(refused("{"), (Code::BadJson, None));
        assert_eq!(refused("[]"), (Code::BadJson, None));
        assert_eq!(refused(r#"{"op":"ping","op":"ping","id":1}"#), (Code::BadJson, Some("1")));
        assert_eq!(refused(r#"{"id":"x","op":"nonsense"}"#), (Code::BadCommand, Some("\"x\"")));
        assert_eq!(refused(r#"{"id":1}"#), (Code::BadCommand, Some("1")));
        assert_eq!(refused(r#"{"id":1,"op":"publish","channel":"a"}"#), (Code::BadArgument, Some("1")));
        assert_eq!(refused(r#"{"id":[1],"op":"ping"}"#), (Code::BadArgument, None));
        assert_eq!(refused(r#"{"op":"quiet","state":"on"}"#), (Code::BadCommand, None));
        assert_eq!(refused(&format!(r#"{{"op":"ping","x":{}}}"#, "[".repeat(50))), (Code::TooDeep, None));
    }

    #[test]
    fn payloads_become_one_line() {
        let mut out = Vec::new();
        push_payload(Payload::Json("{\n \"a b\" : [ 1,\t\"x \\\" y\" ]\r\n}"), &mut out);
        assert_eq!(out, br#"{"a b":[1,"x \" y"]}"#);
    }
}
