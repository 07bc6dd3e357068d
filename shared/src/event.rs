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
            return serde_json::from_slice(json).map(|m| Incoming::Event(Event::Message(m)));
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
