//! How one encoding puts a command into bytes and finds the hub's replies and events in its bytes.
//! Whatever the encoding, a suite says a command as a line of text and sees the answer as the lines
//! that a text client would be sent: one suite runs through all three.

use crate::socket::Socket;
use hubbub_shared::command::{Kind, Value as Arg, Verb};
use hubbub_shared::encoding::{text, Direct, MessageRef, Payload};
use hubbub_shared::event::{self, Incoming};
use hubbub_shared::refusal::Refusal;
use hubbub_shared::reply::{self, Reply};
use serde_json::{json, Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Something that the hub sent.
#[derive(Debug)]
pub enum Heard {
    /// The answer to a command: its lines, and the JSON object where there is one.
    Reply(Vec<String>, Value),
    /// An event: its line, and the JSON object where there is one.
    Event(String, Value),
}

/// One of the three encodings, from the client's side.
pub trait Wire: Send {
    /// The bytes of a command that is written as text.
    fn command(&mut self, line: &str) -> Vec<u8>;
    /// The bytes of a command that is given as a JSON object, which lacks only its `id`.
    fn object(&mut self, command: Value) -> Vec<u8>;
    /// The next whole thing that the hub sends: outer `None` when the time is over, inner `None`
    /// at the end of the stream.
    fn heard(&mut self, socket: &mut Socket, limit: Duration) -> Option<Option<Heard>>;
}

/// Text lines.
#[derive(Default)]
pub struct Text {
    rows: Vec<String>,
}

impl Wire for Text {
    fn command(&mut self, line: &str) -> Vec<u8> {
        format!("{line}\n").into_bytes()
    }

    fn object(&mut self, command: Value) -> Vec<u8> {
        panic!("text cannot say {command}")
    }

    fn heard(&mut self, socket: &mut Socket, limit: Duration) -> Option<Option<Heard>> {
        loop {
            let Some(line) = socket.line_within(limit)? else { return Some(None) };
            if line.starts_with("  ") {
                self.rows.push(line);
            } else if line.starts_with("ok") || line.starts_with("error ") {
                let mut lines = std::mem::take(&mut self.rows);
                lines.push(line);
                return Some(Some(Heard::Reply(lines, Value::Null)));
            } else {
                assert!(self.rows.is_empty(), "{line:?} came between the rows of a list");
                assert!(line.starts_with(['[', '<', '*']), "no line of the text encoding: {line:?}");
                return Some(Some(Heard::Event(line, Value::Null)));
            }
        }
    }
}

/// JSON lines.
#[derive(Default)]
pub struct Json {
    objects: Objects,
}

impl Wire for Json {
    fn command(&mut self, line: &str) -> Vec<u8> {
        let command = to_object(line);
        self.object(command)
    }

    fn object(&mut self, command: Value) -> Vec<u8> {
        format!("{}\n", self.objects.number(command)).into_bytes()
    }

    fn heard(&mut self, socket: &mut Socket, limit: Duration) -> Option<Option<Heard>> {
        loop {
            let Some(line) = socket.line_within(limit)? else { return Some(None) };
            // A greeting may come before anything else on a slow connection.
            if !line.starts_with('*') {
                return Some(Some(self.objects.understand(line.as_bytes())));
            }
        }
    }
}

/// Frames.
#[derive(Default)]
pub struct Frames {
    objects: Objects,
}

impl Wire for Frames {
    fn command(&mut self, line: &str) -> Vec<u8> {
        let command = to_object(line);
        self.object(command)
    }

    fn object(&mut self, command: Value) -> Vec<u8> {
        frame(self.objects.number(command).as_bytes())
    }

    fn heard(&mut self, socket: &mut Socket, limit: Duration) -> Option<Option<Heard>> {
        Some(socket.frame_within(limit)?.map(|body| self.objects.understand(&body)))
    }
}

/// One frame with this body.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a test's frame is short");
    [&length.to_be_bytes(), body].concat()
}

/// What JSON lines and frames share: the commands that are under way, by their ids.
#[derive(Default)]
struct Objects {
    last_id: u64,
    under_way: VecDeque<(u64, Value)>,
}

impl Objects {
    fn number(&mut self, mut command: Value) -> String {
        self.last_id += 1;
        self.under_way.push_back((self.last_id, command.clone()));
        command["id"] = json!(self.last_id);
        command.to_string()
    }

    fn understand(&mut self, bytes: &[u8]) -> Heard {
        let shown = String::from_utf8_lossy(bytes);
        let object: Value = serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("{e}: {shown}"));
        match Incoming::parse(bytes).unwrap_or_else(|e| panic!("{e}: {shown}")) {
            Incoming::Reply { re, result } => {
                assert!(shown.starts_with("{\"re\":"), "re is not the first key: {shown}");
                let re = re.and_then(|raw| raw.get().parse::<u64>().ok());
                // Answers to requests may overtake; an error without an id belongs to no command.
                let at = self.under_way.iter().position(|(id, _)| Some(*id) == re);
                let command = at.and_then(|at| self.under_way.remove(at)).map(|(_, c)| c).unwrap_or_default();
                let lines = match result {
                    Ok(_) => shown_ok(&command, &object["ok"]),
                    Err(refusal) => {
                        let mut out = Vec::new();
                        text::push_error(&refusal, &mut out);
                        lines(out)
                    }
                };
                Heard::Reply(lines, object)
            }
            Incoming::Event(event) => {
                assert!(shown.starts_with("{\"event\":"), "event is not the first key: {shown}");
                Heard::Event(shown_event(&event), object)
            }
        }
    }
}

/// A command that is written as text, as the JSON object that means the same.
pub fn to_object(line: &str) -> Value {
    let word = line.trim_start().trim_start_matches('/');
    let word = word.split([' ', '\t']).next().unwrap_or_default();
    let mut object = Map::new();
    object.insert("op".into(), json!(word));
    // A line that text would refuse is left to the hub to refuse.
    if let Ok(command) = text::parse(line) {
        for (arg, value) in command.verb.args.iter().zip(command.values) {
            let Some(Arg::Text(value)) = value else { continue };
            let value = match (arg.kind, arg.name) {
                (Kind::Words, _) => json!(value.split_ascii_whitespace().collect::<Vec<_>>()),
                (_, "limit" | "since" | "deadline_ms") => {
                    value.parse::<u64>().map_or(json!(value), |n| json!(n))
                }
                _ => json!(value),
            };
            object.insert(arg.name.into(), value);
        }
    }
    Value::Object(object)
}

/// An `ok` object as the lines that a text client would be sent. What only text says (`created ops`)
/// is left out, as the object does not hold it.
fn shown_ok(command: &Value, ok: &Value) -> Vec<String> {
    let op = command["op"].as_str().and_then(Verb::find).map(|v| v.name).unwrap_or_default();
    if command.is_null() {
        return vec!["ok".into()]; // the answer to bytes that the test wrote itself
    }
    let named = |key: &str| command[key].as_str().unwrap_or_default().to_owned();
    let reply = match op {
        "publish" => {
            let mut out = Vec::new();
            let channel = named("channel");
            let receivers = ok["subscribers"].as_u64().unwrap_or_else(|| panic!("no subscribers in {ok}"));
            text::push_published(channel.trim_start_matches('#'), receivers, &mut out);
            return lines(out);
        }
        "help" => Reply::Help(read(ok)),
        "hello" => Reply::Hello(Box::new(read(ok))),
        "name" => Reply::Name(read(ok)),
        "whoami" | "whois" => Reply::Whoami(Box::new(read(ok))),
        "ip" => Reply::Ip(read(ok)),
        "connected" => Reply::Connected(read(ok)),
        "clients" | "who" => Reply::Clients(read(ok)),
        "servers" => Reply::Servers(read(ok)),
        "channels" => Reply::Channels(read(ok)),
        "topic" => Reply::Topic(reply::TopicReply {
            channel: named("channel").trim_start_matches('#').to_owned(),
            topic: read(&ok["topic"]),
            set_by: read(&ok["set_by"]),
            set_at: read(&ok["set_at"]),
        }),
        "subscribe" | "unsubscribe" => Reply::Subscribed(reply::SubscribedReply {
            channels: read(&ok["channels"]),
            said: if op == "subscribe" { "subscribed to" } else { "unsubscribed from" },
        }),
        "msg" => Reply::Msg(reply::MsgReply { delivered_to: read(&ok["delivered_to"]), to: named("to") }),
        "history" => Reply::History(read(ok)),
        "request" => {
            Reply::Request(reply::RequestReply { service: named("service"), data: read(&ok["data"]) })
        }
        "services" => Reply::Services(read(ok)),
        "reverse" | "welcome" => Reply::Text(read(ok)),
        "ping" => Reply::Pong(read(ok)),
        "stats" => Reply::Stats(Box::new(read(ok))),
        _ => {
            assert_eq!(ok, &json!({}), "the reply to {op:?} has a shape that no test knows");
            Reply::Done(reply::Done { said: String::new() })
        }
    };
    let mut out = Vec::new();
    text::push_ok(&reply, &mut out);
    lines(out)
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    // Through the text: raw values can be read from nothing else.
    serde_json::from_str(&value.to_string()).unwrap_or_else(|e| panic!("{e} in {value}"))
}

fn shown_event(event: &event::Event) -> String {
    let mut out = Vec::new();
    match event {
        event::Event::Message(m) => text::push_message(
            &MessageRef {
                channel: &m.channel,
                from: &m.from,
                seq: m.seq,
                origin: &m.origin,
                at: &m.at,
                payload: Payload::Json(m.data.get()),
                via: m.via.as_deref(),
                headers: None,
                reply: m.reply.as_deref(),
            },
            &mut out,
        ),
        event::Event::Direct(d) => text::push_direct(
            &Direct { from: &d.from, origin: &d.origin, at: &d.at, payload: Payload::Json(d.data.get()) },
            &mut out,
        ),
        event::Event::Request(r) => {
            text::push_request(&r.request_id, &r.service, &r.from, Payload::Json(r.data.get()), &mut out)
        }
        event::Event::Notice(n) => text::push_notice(&n.message, &mut out),
        event::Event::Closing(c) => text::push_closing(&c.why, &mut out),
        event::Event::Ping => text::push_notice("ping", &mut out),
        event::Event::Unknown(name) => panic!("an event that no test knows: {name}"),
    }
    lines(out).remove(0)
}

fn lines(bytes: Vec<u8>) -> Vec<String> {
    String::from_utf8(bytes).expect("text is UTF-8").lines().map(str::to_owned).collect()
}

/// The rows of a list that are written as `key: value`, as a map.
pub fn fields(rows: &[String]) -> BTreeMap<String, String> {
    rows.iter()
        .filter_map(|row| row.trim_start().split_once(": "))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The refusal in a line `error code: message`.
pub fn refusal(line: &str) -> Option<Refusal> {
    let (code, message) = line.strip_prefix("error ")?.split_once(": ")?;
    serde_json::from_value(json!({"code": code, "message": message})).ok()
}
