//! A client in any encoding, as the suites use it: say a command as a line of text, see the answer
//! and the events as the lines of a text client, with the JSON beside them where there is some.

use crate::socket::Socket;
use crate::wire::{refusal, Frames, Heard, Json, Text, Wire};
use hubbub_shared::{Code, Encoding};
use serde_json::Value;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// A connection that speaks one of the encodings.
pub struct Client {
    encoding: Encoding,
    wire: Box<dyn Wire>,
    socket: Socket,
    events: VecDeque<Event>,
}

/// Something that came unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// As a text client is shown it.
    pub line: String,
    /// The object; null for a text client.
    pub json: Value,
}

/// The answer to one command.
#[derive(Debug)]
pub struct Reply {
    asked: String,
    lines: Vec<String>,
    json: Value,
}

impl Client {
    /// Connects.
    pub fn connect(addr: SocketAddr, encoding: Encoding) -> Client {
        Client::over(Socket::connect(addr), encoding)
    }

    /// Speaks an encoding over a connection that stands already.
    pub fn over(socket: Socket, encoding: Encoding) -> Client {
        let wire: Box<dyn Wire> = match encoding {
            Encoding::Text => Box::new(Text::default()),
            Encoding::Json => Box::new(Json::default()),
            Encoding::Frame => Box::new(Frames::default()),
        };
        Client { encoding, wire, socket, events: VecDeque::new() }
    }

    /// What it speaks.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// The connection below.
    pub fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// Says a command and does not wait.
    pub fn say(&mut self, line: &str) {
        let bytes = self.wire.command(line);
        self.socket.send(bytes);
    }

    /// Says a command that only JSON can express, and does not wait.
    pub fn say_object(&mut self, command: Value) {
        let bytes = self.wire.object(command);
        self.socket.send(bytes);
    }

    /// Says a command and waits for its answer. Events that come before it are kept.
    pub fn ask(&mut self, line: &str) -> Reply {
        self.say(line);
        self.reply(line)
    }

    /// Says a command that only JSON can express, and waits for its answer.
    pub fn ask_object(&mut self, command: Value) -> Reply {
        let asked = command.to_string();
        self.say_object(command);
        self.reply(&asked)
    }

    /// The next answer. Events that come before it are kept.
    pub fn reply(&mut self, asked: &str) -> Reply {
        loop {
            match self.hear() {
                Some(Heard::Reply(lines, json)) => return Reply { asked: asked.to_owned(), lines, json },
                Some(Heard::Event(line, json)) => self.events.push_back(Event { line, json }),
                None => panic!("the hub closed instead of answering {asked:?}; it said {:?}", self.events),
            }
        }
    }

    /// The next event, which must come before any answer.
    pub fn event(&mut self) -> Event {
        self.next_event().expect("the hub closed the connection; an event was due")
    }

    /// The next event; `None` at the end of the stream.
    pub fn next_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        match self.hear()? {
            Heard::Event(line, json) => Some(Event { line, json }),
            Heard::Reply(lines, _) => panic!("an answer came where an event was due: {lines:?}"),
        }
    }

    /// The line of the next event.
    pub fn line(&mut self) -> String {
        self.event().line
    }

    /// Checks that nothing was sent that has not been looked at. What the hub queued for this
    /// client before now comes before the answer to a ping.
    pub fn nothing_more(&mut self) {
        self.ask("ping").ok();
        assert!(self.events.is_empty(), "the hub sent what was not due: {:?}", self.events);
    }

    /// All events that were sent before now.
    pub fn events_so_far(&mut self) -> Vec<Event> {
        self.ask("ping").ok();
        self.events.drain(..).collect()
    }

    /// Checks that the hub says this code in a closing event and then closes. Events before it are
    /// passed over. The message is returned.
    pub fn closed_with(&mut self, code: &str) -> String {
        let start = format!("* closing: {code}: ");
        let mut seen = None;
        loop {
            match self.events.pop_front().map(|e| Heard::Event(e.line, e.json)).or_else(|| self.hear()) {
                Some(Heard::Event(line, _)) if line.starts_with("* closing: ") => {
                    assert!(line.starts_with(&start), "closed with {line:?} and not with {code}");
                    seen = Some(line[start.len()..].to_owned());
                }
                Some(other) => assert!(seen.is_none(), "{other:?} came after the closing event"),
                None => return seen.unwrap_or_else(|| panic!("closed without a closing event {code}")),
            }
        }
    }

    /// What the hub knows of this client: `whoami` as an object, whatever the encoding.
    pub fn whoami(&mut self, key: &str) -> String {
        let reply = self.ask("whoami");
        reply.ok();
        let fields = crate::wire::fields(reply.rows());
        fields.get(key).unwrap_or_else(|| panic!("whoami says no {key}: {fields:?}")).clone()
    }

    /// How long an answer may take from here on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.socket.patience = patience;
    }

    fn hear(&mut self) -> Option<Heard> {
        let patience = self.socket.patience;
        self.wire
            .heard(&mut self.socket, patience)
            .unwrap_or_else(|| panic!("the hub said nothing in {patience:?}"))
    }
}

impl Event {
    /// A part of the object, by its key.
    pub fn get(&self, key: &str) -> &Value {
        self.json.get(key).unwrap_or_else(|| panic!("no {key} in {}", self.json))
    }
}

impl Reply {
    /// What stands after `ok` in the last line. Panics on a refusal.
    #[track_caller]
    pub fn ok(&self) -> &str {
        let last = self.last();
        assert!(last == "ok" || last.starts_with("ok "), "{:?} was answered {last:?}", self.asked);
        last.strip_prefix("ok").unwrap_or_default().trim_start()
    }

    /// The rows before the last line.
    pub fn rows(&self) -> &[String] {
        &self.lines[..self.lines.len() - 1]
    }

    /// All lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The `ok` object of a JSON or frame client.
    #[track_caller]
    pub fn json(&self) -> &Value {
        self.ok();
        self.json.get("ok").unwrap_or_else(|| panic!("{:?} was answered {:?}", self.asked, self.lines))
    }

    /// The whole object of a JSON or frame client.
    pub fn whole(&self) -> &Value {
        &self.json
    }

    /// The code of the refusal. Panics when the command succeeded.
    #[track_caller]
    pub fn code(&self) -> &'static str {
        self.refusal().0
    }

    /// The code and the message of the refusal. Panics when the command succeeded.
    #[track_caller]
    pub fn refusal(&self) -> (&'static str, String) {
        let last = self.last();
        let refusal = refusal(last).unwrap_or_else(|| panic!("{:?} was answered {last:?}", self.asked));
        assert!(Code::ALL.contains(&refusal.code) && !refusal.message.is_empty(), "{last}");
        (refusal.code.as_str(), refusal.message.into_owned())
    }

    fn last(&self) -> &str {
        self.lines.last().expect("an answer has a last line")
    }
}
