//! The lines that a client sends, as bytes. A command is built open-ended, so that its `id` can be
//! added at the moment of sending. Pure.

use crate::Error;
use hubbub_shared::encoding::escape::push_json_string;
use hubbub_shared::names::Pattern;
use serde::Serialize;
use std::io::Write as _;

/// A command line that is not closed yet.
#[derive(Debug)]
pub(crate) struct Line(Vec<u8>);

impl Line {
    /// Starts a command without arguments.
    pub(crate) fn new(op: &str) -> Self {
        let mut line = Vec::with_capacity(256);
        line.extend_from_slice(br#"{"op":"#);
        push_json_string(op, &mut line);
        Line(line)
    }

    /// Publishes to a channel whose name is checked: the one command that must cost next to nothing.
    pub(crate) fn publish(channel: &str, data: impl Serialize) -> Result<Self, Error> {
        let mut line = Line(Vec::with_capacity(256));
        line.0.extend_from_slice(br#"{"op":"publish","channel":""#);
        line.0.extend_from_slice(channel.as_bytes());
        line.0.extend_from_slice(br#"","data":"#);
        line.push_value(data)?;
        Ok(line)
    }

    /// Starts a command with the members of an object as arguments; `()` is none.
    pub(crate) fn with_args(op: &str, args: impl Serialize) -> Result<Self, Error> {
        let mut line = Line::new(op);
        let start = line.0.len();
        line.push_value(args)?;
        match line.0[start..].trim_ascii() {
            b"null" | b"{}" => line.0.truncate(start),
            [b'{', .., b'}'] => {
                let inner = line.0[start..].trim_ascii_end().len() - 1;
                line.0.truncate(start + inner);
                line.0[start] = b',';
            }
            _ => return Err(Error::BadArgument(format!("the arguments of {op} must be an object"))),
        }
        Ok(line)
    }

    /// Asks for the messages of channels.
    pub(crate) fn subscribe(patterns: &[Pattern], group: Option<&str>) -> Self {
        let line = channels("subscribe", patterns);
        match group {
            Some(group) => line.text("group", group),
            None => line,
        }
    }

    /// Offers a service.
    pub(crate) fn serve(service: &str, about: &str) -> Self {
        let line = Line::new("serve").text("service", service);
        match about {
            "" => line,
            about => line.text("about", about),
        }
    }

    /// Adds a text.
    pub(crate) fn text(mut self, key: &str, value: &str) -> Self {
        self.push_key(key);
        push_json_string(value, &mut self.0);
        self
    }

    /// Adds a number.
    pub(crate) fn number(mut self, key: &str, value: u64) -> Self {
        self.push_key(key);
        write!(self.0, "{value}").expect("a vector takes all");
        self
    }

    /// Adds a yes or a no.
    fn flag(mut self, key: &str, value: bool) -> Self {
        self.push_key(key);
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// Adds whatever the caller gave.
    pub(crate) fn value(mut self, key: &str, value: impl Serialize) -> Result<Self, Error> {
        self.push_key(key);
        self.push_value(value)?;
        Ok(self)
    }

    /// Closes the command.
    pub(crate) fn finish(mut self, id: Option<u64>) -> Vec<u8> {
        if let Some(id) = id {
            self = self.number("id", id);
        }
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn push_key(&mut self, key: &str) {
        self.0.push(b',');
        push_json_string(key, &mut self.0);
        self.0.push(b':');
    }

    fn push_value(&mut self, value: impl Serialize) -> Result<(), Error> {
        let start = self.0.len();
        serde_json::to_writer(&mut self.0, &value)
            .map_err(|why| Error::BadArgument(format!("not to be written as JSON: {why}")))?;
        // Raw JSON is written as it is. A line break in it can only stand between tokens.
        let mut from = start;
        while let Some(at) = memchr::memchr(b'\n', &self.0[from..]) {
            from += at;
            self.0[from] = b' ';
        }
        Ok(())
    }
}

/// The first line of a connection.
pub(crate) fn hello(
    name: Option<&str>,
    agent: &str,
    echo: bool,
    heartbeat: Option<u64>,
    follow: bool,
) -> Vec<u8> {
    let mut line = Line::new("hello").text("client", agent);
    if let Some(name) = name {
        line = line.text("name", name);
    }
    if !echo {
        line = line.flag("echo", false);
    }
    if let Some(seconds) = heartbeat {
        line = line.number("heartbeat", seconds);
    }
    line.flag("follow", follow).finish(Some(0))
}

pub(crate) fn unsubscribe(patterns: &[Pattern], id: u64) -> Vec<u8> {
    channels("unsubscribe", patterns).finish(Some(id))
}

fn channels(op: &str, patterns: &[Pattern]) -> Line {
    let mut line = Line::new(op);
    line.push_key("channels");
    for (n, pattern) in patterns.iter().enumerate() {
        line.0.push(if n == 0 { b'[' } else { b',' });
        push_json_string(pattern.as_str(), &mut line.0);
    }
    line.0.push(b']');
    line
}

pub(crate) fn unserve(service: &str, id: u64) -> Vec<u8> {
    Line::new("unserve").text("service", service).finish(Some(id))
}

/// The answer that a request could not be done.
pub(crate) fn respond_error(request_id: &str, error: &str, id: u64) -> Vec<u8> {
    Line::new("respond").text("request_id", request_id).text("error", error).finish(Some(id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn arguments_are_the_members_of_an_object() {
        let with = |args: serde_json::Value| Line::with_args("whois", args).map(|l| text(l.finish(Some(7))));
        assert_eq!(with(json!({"name": "bob"})).unwrap(), "{\"op\":\"whois\",\"name\":\"bob\",\"id\":7}\n");
        assert_eq!(with(json!({})).unwrap(), "{\"op\":\"whois\",\"id\":7}\n");
        assert_eq!(with(json!(null)).unwrap(), "{\"op\":\"whois\",\"id\":7}\n");
        for bad in [json!([1]), json!("bob"), json!(7)] {
            assert!(matches!(with(bad), Err(Error::BadArgument(_))));
        }
        let raw = RawValue::from_string(" {\"a\" : 1\n}".trim().into()).unwrap();
        let line = Line::with_args("ping", raw).unwrap().finish(None);
        assert_eq!(text(line), "{\"op\":\"ping\",\"a\" : 1 }\n");
    }

    #[test]
    fn whatever_is_sent_stays_one_line() {
        let raw = RawValue::from_string("{\n  \"a\\nb\": [\n1]}".into()).unwrap();
        let line = Line::new("publish").text("channel", "a\nb").value("data", raw).unwrap().finish(None);
        assert_eq!(text(line), "{\"op\":\"publish\",\"channel\":\"a\\nb\",\"data\":{   \"a\\nb\": [ 1]}}\n");
    }

    #[test]
    fn the_session_says_what_it_needs() {
        let patterns = ["ops", "deploys.>"].map(|p| Pattern::parse(p).unwrap());
        assert_eq!(
            text(Line::subscribe(&patterns, Some("workers")).finish(Some(3))),
            "{\"op\":\"subscribe\",\"channels\":[\"ops\",\"deploys.>\"],\"group\":\"workers\",\"id\":3}\n"
        );
        assert_eq!(
            text(hello(Some("bob"), "test", false, Some(30), true)),
            "{\"op\":\"hello\",\"client\":\"test\",\"name\":\"bob\",\"echo\":false,\"heartbeat\":30,\"follow\":true,\"id\":0}\n"
        );
        assert_eq!(
            text(Line::serve("add", "").finish(Some(1))),
            "{\"op\":\"serve\",\"service\":\"add\",\"id\":1}\n"
        );
    }
}
