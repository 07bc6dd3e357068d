//! A shortcut for publishers: who publishes again and again sends the same bytes before and after the
//! name of the channel. They are remembered; a unit that has them is known to be a publish, and only
//! the name and the payload are read.

use super::scan::Scanner;
use super::{Encoding, Payload};
use crate::command::{Command, Op, Value};
use std::ops::Range;

/// Bytes that are worth remembering. A guess: a verb, a long channel name and some spaces.
const MAX_HEAD: usize = 300;

/// The bytes of a publish, up to its payload.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
    /// Where in them the channel is named. Small numbers: every connection has them.
    name: (u16, u16),
}

impl Head {
    /// Remembers the head of a command that was read from a unit, if it is a publish in which the
    /// payload comes last and nothing is asked for beside it; else forgets what it knew.
    pub fn learn(&mut self, unit: &[u8], command: &Command<'_>) {
        self.bytes.clear();
        let [Some(channel), Some(data), None, None, ..] = command.values else { return };
        if command.verb.op != Op::Publish || command.id.is_some() {
            return;
        }
        // In JSON the name is between quotes, and one brace closes the object.
        let (quotes, name) = match channel {
            Value::Text(text) => (0, text),
            Value::Json(raw) => (1, raw),
        };
        let (Value::Text(payload) | Value::Json(payload)) = data;
        let (name, payload) = (part(unit, name), part(unit, payload));
        if payload.start <= MAX_HEAD && name.end <= payload.start && payload.end + quotes == unit.len() {
            self.bytes.extend_from_slice(&unit[..payload.start]);
            // Both are below the largest head.
            self.name = ((name.start + quotes) as u16, (name.end - quotes) as u16);
        }
    }

    /// Forgets what it knew.
    pub fn forget(&mut self) {
        self.bytes.clear();
    }

    /// From now on it is the head of publishes to a channel of this name.
    pub fn rename(&mut self, name: &str) {
        let (start, end) = (usize::from(self.name.0), usize::from(self.name.1));
        match u16::try_from(start + name.len()) {
            Ok(new_end) => {
                self.bytes.splice(start..end, name.bytes());
                self.name.1 = new_end;
            }
            Err(_) => self.forget(),
        }
    }

    /// The payload of a unit that publishes to the same channel. `None` says nothing about the unit:
    /// it is to be read from its start.
    #[inline]
    pub fn payload<'a>(&self, encoding: Encoding, unit: &'a [u8]) -> Option<Payload<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        let rest = simdutf8::basic::from_utf8(unit.strip_prefix(self.bytes.as_slice())?).ok()?;
        last_payload(encoding, rest)
    }

    /// The payload of a unit that differs only in the channel, and what `find` finds by that name. Only
    /// a name that a channel has may be found: what is written otherwise says nothing about the unit.
    #[inline]
    pub fn payload_elsewhere<'a, T>(
        &self,
        encoding: Encoding,
        unit: &'a [u8],
        find: impl FnOnce(&'a str) -> Option<T>,
    ) -> Option<(Payload<'a>, T)> {
        if self.bytes.is_empty() {
            return None;
        }
        let (start, end) = (usize::from(self.name.0), usize::from(self.name.1));
        let (before, after) = (&self.bytes[..start], &self.bytes[end..]);
        let rest = simdutf8::basic::from_utf8(unit.strip_prefix(before)?).ok()?;
        let end = memchr::memchr(*after.first()?, rest.as_bytes())?;
        let (name, rest) = (rest.get(..end)?, rest.get(end + after.len()..)?);
        (unit[before.len() + end..].starts_with(after)).then_some(())?;
        let found = find(name)?;
        Some((last_payload(encoding, rest)?, found))
    }
}

/// Where a text stands in the unit that it is a part of.
fn part(unit: &[u8], text: &str) -> Range<usize> {
    let start = (text.as_ptr() as usize).wrapping_sub(unit.as_ptr() as usize);
    start..start.saturating_add(text.len())
}

#[inline]
fn last_payload(encoding: Encoding, rest: &str) -> Option<Payload<'_>> {
    match encoding {
        Encoding::Text if rest.is_empty() => None,
        Encoding::Text => Some(Payload::Text(rest)),
        Encoding::Json | Encoding::Frame => Scanner::new(rest).last_member().ok().map(Payload::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::channel_str;
    use proptest::prelude::*;

    /// Whether the second unit is known by the head of the first: to be to the same channel, and to be
    /// to some channel. What is known is what reading the whole unit says.
    fn known(encoding: Encoding, first: &str, second: &str) -> (bool, bool) {
        let mut head = Head::default();
        let Some(Ok(command)) = encoding.parse(first.as_bytes()) else { return (false, false) };
        head.learn(first.as_bytes(), &command);
        let same = head.payload(encoding, second.as_bytes());
        if let Some(payload) = same {
            let name = command.text("channel").expect("a text").expect("an argument");
            agrees(encoding, second, &name, payload);
        }
        // No channel is named so that the name ends elsewhere, or is written in another way.
        let find = |name| channel_str(name).is_ok().then_some(name);
        let any = head.payload_elsewhere(encoding, second.as_bytes(), find);
        if let Some((payload, name)) = any {
            agrees(encoding, second, name, payload);
            head.rename(name);
            assert_eq!(head.payload(encoding, second.as_bytes()), Some(payload));
        }
        (same.is_some(), any.is_some())
    }

    fn agrees(encoding: Encoding, unit: &str, name: &str, payload: Payload<'_>) {
        let Some(Ok(full)) = encoding.parse(unit.as_bytes()) else { panic!("{unit:?} is no command") };
        let data = match payload {
            Payload::Text(text) => Value::Text(text),
            Payload::Json(raw) => Value::Json(raw),
        };
        assert_eq!((full.verb.op, full.id), (Op::Publish, None));
        assert_eq!(full.text("channel").expect("a text").as_deref(), Some(name));
        assert_eq!(&full.values[1..], &[Some(data), None, None, None, None]);
    }

    #[test]
    fn the_next_publish_is_known_by_its_start() {
        let json =
            |channel: &str, data: &str| format!(r#"{{"op":"publish","channel":"{channel}","data":{data}}}"#);
        let (same, other, neither) = ((true, true), (false, true), (false, false));
        assert_eq!(known(Encoding::Text, "publish ops one", "publish ops  two"), same);
        assert_eq!(known(Encoding::Text, "publish ops one", "publish op two"), other);
        for encoding in [Encoding::Json, Encoding::Frame] {
            let known = |second: &str| known(encoding, &json("a", "1"), second);
            assert_eq!(known(&json("a", r#"{"x":[1,2]}"#)), same);
            assert_eq!(known(&json("b.c", r#""a\"}""#)), other);
            for data in [r#"1,"id":2"#, "[1"] {
                assert_eq!((known(&json("a", data)), known(&json("b", data))), (neither, neither));
            }
            assert_eq!(known(&json(r#"a\","data":"b"#, "1")), neither);
        }
        for second in ["publish ops", "publish ops ", "publish  ops two", "publish", "ping"] {
            assert_eq!(known(Encoding::Text, "publish ops one", second), neither);
        }
        let misleading = r#"{"op":"publish","data":1,"channel":"a","x":1}"#;
        assert_eq!(known(Encoding::Json, misleading, misleading), neither);
    }

    proptest! {
        /// Whatever the shortcut says, reading the whole unit says the same.
        #[test]
        fn agrees_with_the_parser(
            start in r#"(publish|pub|/PUB|ping)[ \t]{1,2}"#,
            names in prop::array::uniform2("[#a-c]{1,2}[ \t]{0,2}"),
            tails in prop::array::uniform2("[ a-c]{0,4}"),
            keys in r#"\{"op":"(publish|ping)",("id":1,)?"channel":""#,
            json_names in prop::array::uniform2(r##"[a\\"#]{1,2}"##),
            more in r#"",("x":1,)?"#,
            values in prop::array::uniform2(r#"("data":)?(1|"a"|\[1|\{"a":1\}|"\\""),?("reply":"r")?\}? ?"#),
        ) {
            let text = |n: usize| format!("{start}{}{}", names[n], tails[n]);
            let json = |n: usize| format!("{keys}{}{more}{}", json_names[n], values[n]);
            known(Encoding::Text, &text(0), &text(1));
            known(Encoding::Json, &json(0), &json(1));
        }
    }
}
