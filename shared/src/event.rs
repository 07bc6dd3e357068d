//! What a client is told unasked, as the client library reads it. The server writes these shapes
//! through [`crate::encoding`], without building these types.

use crate::refusal::Refusal;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Whatever the hub sends a JSON or frame client: the reply to a command, or an event.
#[derive(Debug)]
pub enum Incoming {
    /// A reply.
    Reply {
        /// The command's `id` as it was written; `None` for the error of a command without one.
        re: Option<Box<RawValue>>,
        /// The `ok` object, or the refusal.
        result: Result<Box<RawValue>, Refusal>,
    },
    /// An event.
    Event(Event),
}

/// An event: its first key `event` says which.
#[derive(Debug)]
pub enum Event {
    /// A message of a channel.
    Message(Message),
    /// A message to this client alone.
    Direct(Direct),
    /// A request to a service that this client offers.
    Request(Request),
    /// Something to know.
    Notice(Notice),
    /// The hub is about to close the connection.
    Closing(Closing),
    /// A heartbeat; any byte answers it.
    Ping,
    /// An event of a later release, by its name; to be passed over.
    Unknown(String),
}

impl Incoming {
    /// Reads one JSON object that the hub sent, without its line end or length.
    pub fn parse(json: &[u8]) -> Result<Incoming, serde_json::Error> {
        #[derive(Deserialize)]
        struct Outline {
            re: Option<Box<RawValue>>,
            ok: Option<Box<RawValue>>,
            error: Option<Refusal>,
            event: Option<String>,
        }
        // Nearly everything that arrives is a message: it is known by its first key, and read once.
        if json.starts_with(br#"{"event":"message""#) {
            let message = simdutf8::basic::from_utf8(json).ok().and_then(Message::as_written);
            let message = message.map_or_else(|| serde_json::from_slice(json), Ok);
            return message.map(|message| Incoming::Event(Event::Message(message)));
        }
        let outline: Outline = serde_json::from_slice(json)?;
        let Some(event) = outline.event else {
            let result = match (outline.ok, outline.error) {
                (Some(ok), None) => Ok(ok),
                (_, Some(refusal)) => Err(refusal),
                (None, None) => return Err(serde::de::Error::custom("neither a reply nor an event")),
            };
            return Ok(Incoming::Reply { re: outline.re, result });
        };
        Ok(Incoming::Event(match event.as_str() {
            "message" => Event::Message(serde_json::from_slice(json)?),
            "direct" => Event::Direct(serde_json::from_slice(json)?),
            "request" => Event::Request(serde_json::from_slice(json)?),
            "notice" => Event::Notice(serde_json::from_slice(json)?),
            "closing" => Event::Closing(serde_json::from_slice(json)?),
            "ping" => Event::Ping,
            _ => Event::Unknown(event),
        }))
    }
}

/// A message of a channel. `channel`, `origin` and `seq` name it everywhere.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// The channel.
    pub channel: String,
    /// The publisher's name.
    pub from: String,
    /// The origin's count of this channel's messages, from 1, without holes.
    pub seq: u64,
    /// The run of the server that took the message.
    pub origin: String,
    /// When it was taken, UTC with milliseconds.
    pub at: String,
    /// The payload, as it was written.
    pub data: Box<RawValue>,
    /// The pattern, when a wildcard matched.
    #[serde(default)]
    pub via: Option<String>,
    /// Headers.
    #[serde(default)]
    pub headers: Option<BTreeMap<String, String>>,
    /// The channel to answer on.
    #[serde(default)]
    pub reply: Option<String>,
}

impl Message {
    /// Reads a message that looks as the hub writes it: the keys in their order, no spaces before the
    /// payload, no escapes in names. `None` for any other, which is no fault: it is read by the general
    /// rules then, which cost twice as much.
    fn as_written(json: &str) -> Option<Message> {
        let mut rest = json.strip_prefix(r#"{"event":"message","channel":""#)?;
        let channel = take_name(&mut rest, r#"","from":""#)?;
        let from = take_name(&mut rest, r#"","seq":"#)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (seq, after) = rest.split_at(digits);
        // The general rules know no leading zeros.
        let seq = seq.parse().ok().filter(|n: &u64| *n > 0 && !seq.starts_with('0'))?;
        rest = after.strip_prefix(r#","origin":""#)?;
        let origin = take_name(&mut rest, r#"","at":""#)?;
        let at = take_name(&mut rest, r#"","data":"#)?;
        let mut data = serde_json::Deserializer::from_str(rest).into_iter::<Box<RawValue>>();
        let (value, end) = (data.next()?.ok()?, data.byte_offset());
        rest = &rest[end..];
        let tail = match rest.strip_prefix(',') {
            Some(more) => serde_json::from_str(&format!("{{{more}")).ok()?,
            None if rest == "}" => Tail::default(),
            None => return None,
        };
        let Tail { via, headers, reply } = tail;
        Some(Message { channel, from, seq, origin, at, data: value, via, headers, reply })
    }
}

/// What may follow the payload.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Tail {
    via: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    reply: Option<String>,
}

/// Takes a text without escapes, and the quote and what else follows it.
fn take_name(rest: &mut &str, then: &str) -> Option<String> {
    let (name, after) = rest.split_at(memchr::memchr2(b'"', b'\\', rest.as_bytes())?);
    *rest = after.strip_prefix(then)?;
    name.bytes().all(|b| b >= b' ').then(|| name.to_owned())
}

/// A message to one client.
#[derive(Debug, Clone, Deserialize)]
pub struct Direct {
    /// The sender's name.
    pub from: String,
    /// The run of the server that took the message.
    pub origin: String,
    /// When it was taken, UTC with milliseconds.
    pub at: String,
    /// The payload, as it was written.
    pub data: Box<RawValue>,
}

/// A request to a service.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    /// To be named in `respond`.
    pub request_id: String,
    /// The service.
    pub service: String,
    /// The caller's name.
    pub from: String,
    /// What is asked.
    pub data: Box<RawValue>,
}

/// Something to know: `welcome`, `rename`, `gap`, `drain`.
#[derive(Debug, Clone, Deserialize)]
pub struct Notice {
    /// What kind.
    pub code: String,
    /// For people.
    pub message: String,
}

/// The last words of the hub.
#[derive(Debug, Clone, Deserialize)]
pub struct Closing {
    /// Why, and in words.
    #[serde(flatten)]
    pub why: Refusal,
    /// When to come back at the earliest, in milliseconds.
    #[serde(default)]
    pub retry_ms: u64,
    /// Where else to connect.
    #[serde(default, rename = "try")]
    pub elsewhere: Vec<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn line(change: (&str, &str)) -> String {
        concat!(
            r#"{"event":"message","channel":"ops.builds","from":"bob","seq":17,"origin":"alpha-1","#,
            r#""at":"2026-05-01T09:30:00.123Z","data":{"n":[1, "x"]},"via":"ops.*"}"#
        )
        .replace(change.0, change.1)
    }

    #[test]
    fn what_the_hub_writes_is_read_the_short_way() {
        let without_via = line((r#","via":"ops.*""#, ""));
        let with_more = line((r#","via":"ops.*""#, r#","headers":{"a":"b\n"},"reply":"r""#));
        for data in [r#"{"n":[1, "x"]}"#, r#""a\"b\u00fc ü""#, "17", "null", "-1.5e3", r#""""#] {
            for written in [&line(("", "")), &without_via, &with_more] {
                let written = written.replace(r#"{"n":[1, "x"]}"#, data);
                let message = Message::as_written(&written).expect(&written);
                assert_eq!(
                    format!("{message:?}"),
                    format!("{:?}", serde_json::from_str::<Message>(&written).unwrap())
                );
                assert_eq!(message.data.get(), data);
            }
        }
    }

    #[test]
    fn everything_else_is_left_to_the_general_rules() {
        for change in [
            (r#""bob""#, r#""b\u006fb""#),
            (r#""bob""#, "\"b\tb\""),
            ("17", "017"),
            ("17", "-17"),
            ("17", "99999999999999999999"),
            (r#","at""#, r#", "at""#),
            (r#","via":"ops.*""#, r#","seq":18"#),
            (r#","via":"ops.*""#, r#","later":true"#),
            (r#","via":"ops.*""#, r#","via":"ops.*",""#),
            (r#"[1, "x"]"#, "[1, "),
            (r#""ops.*"}"#, r#""ops.*"}}"#),
            (r#""ops.*"}"#, r#""ops.*""#),
        ] {
            assert!(Message::as_written(&line(change)).is_none(), "{change:?}");
        }
        let later = line((r#","via":"ops.*""#, r#","later":true"#));
        assert!(matches!(Incoming::parse(later.as_bytes()), Ok(Incoming::Event(Event::Message(_)))));
    }

    proptest! {
        /// Whatever is damaged: the short way never reads what the general rules do not, and nothing
        /// else.
        #[test]
        fn both_ways_agree(at in 0usize..200, put in "[\\PC\t]{0,3}", drop in 0usize..4) {
            let line = line(("", ""));
            let cut = |at: usize| (at.min(line.len())..=line.len()).find(|at| line.is_char_boundary(*at)).unwrap();
            let damaged = format!("{}{put}{}", &line[..cut(at)], &line[cut(at + drop)..]);
            if let Some(message) = Message::as_written(&damaged) {
                let general = serde_json::from_str::<Message>(&damaged);
                prop_assert_eq!(format!("{message:?}"), format!("{:?}", general.unwrap()));
            }
        }
    }
}
