//! A shortcut for publishers: whoever publishes to one channel again and again sends the same bytes
//! before each payload. Those bytes are remembered; a unit that starts with them is known to be a
//! publish to that channel, and only its payload is read.

use super::scan::Scanner;
use super::{Encoding, Payload};
use crate::command::{Command, Op, Value};

/// Bytes that are worth remembering. A guess: a verb, a long channel name and some spaces.
const MAX_HEAD: usize = 300;

/// The bytes of the last publish, up to its payload.
#[derive(Debug, Default)]
pub struct Head {
    bytes: Vec<u8>,
}

impl Head {
    /// Remembers the head of a command that was read from a unit, if it is a publish in which the
    /// payload comes last and nothing is asked for beside it; else forgets what it knew.
    pub fn learn(&mut self, unit: &[u8], command: &Command<'_>) {
        self.bytes.clear();
        let [Some(_), Some(data), None, None, ..] = command.values else { return };
        if command.verb.op != Op::Publish || command.id.is_some() {
            return;
        }
        let (data, after) = match data {
            Value::Text(text) => (text, 0),
            Value::Json(raw) => (raw, 1),
        };
        // Where the payload stands in the unit, of which it is a part.
        let at = (data.as_ptr() as usize).wrapping_sub(unit.as_ptr() as usize);
        if at <= MAX_HEAD && at.checked_add(data.len() + after) == Some(unit.len()) {
            self.bytes.extend_from_slice(&unit[..at]);
        }
    }

    /// Forgets what it knew: the publish that it was learnt from was refused.
    pub fn forget(&mut self) {
        self.bytes.clear();
    }

    /// The payload of a unit that starts with the head. `None` says nothing about the unit: it is
    /// to be read from its start.
    #[inline]
    pub fn payload<'a>(&self, encoding: Encoding, unit: &'a [u8]) -> Option<Payload<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        let rest = simdutf8::basic::from_utf8(unit.strip_prefix(self.bytes.as_slice())?).ok()?;
        match encoding {
            Encoding::Text if rest.is_empty() => None,
            Encoding::Text => Some(Payload::Text(rest)),
            Encoding::Json | Encoding::Frame => Scanner::new(rest).last_member().ok().map(Payload::Json),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(encoding: Encoding, first: &str, second: &str) -> bool {
        let mut head = Head::default();
        let Some(Ok(command)) = encoding.parse(first.as_bytes()) else { return false };
        head.learn(first.as_bytes(), &command);
        let Some(payload) = head.payload(encoding, second.as_bytes()) else { return false };
        let Some(Ok(full)) = encoding.parse(second.as_bytes()) else {
            panic!("{second:?} is no command");
        };
        let data = match payload {
            Payload::Text(text) => Value::Text(text),
            Payload::Json(raw) => Value::Json(raw),
        };
        assert_eq!(full.verb.op, Op::Publish);
        assert_eq!(full.id, None);
        assert_eq!(full.values[0], command.values[0]);
        assert_eq!(&full.values[1..], &[Some(data), None, None, None, None]);
        true
    }

    #[test]
    fn the_next_publish_to_the_same_channel_is_known_by_its_start() {
        let json = |data: &str| format!(r#"{{"op":"publish","channel":"a","data":{data}}}"#);
        assert!(check(Encoding::Text, "publish ops one", "publish ops  two"));
        assert!(check(Encoding::Json, &json("1"), &json(r#"{"x":[1,2]}"#)));
        assert!(check(Encoding::Frame, &json("1"), &json("\"a\\\"}\"")));
        for other in ["publish op one", "publish ops", "publish ops "] {
            assert!(!check(Encoding::Text, "publish ops one", other));
        }
        assert!(!check(Encoding::Json, &json("1"), &json(r#"1,"id":2"#)));
        assert!(!check(Encoding::Json, &json("1"), &json("[1")));
        let misleading = r#"{"op":"publish","data":1,"channel":"a","x":1}"#;
        assert!(!check(Encoding::Json, misleading, misleading));
    }

    proptest! {
        /// Whatever the shortcut says, reading the whole unit says the same.
        #[test]
        fn agrees_with_the_parser(
            start in r#"(publish|pub|/PUB|ping) {1,2}[#a-c]{1,2} {0,2}"#,
            tails in prop::array::uniform2("[ a-c]{0,4}"),
            keys in r#"\{"op":"(publish|ping)",("id":1,)?"channel":"a",("x":1,)?"#,
            values in prop::array::uniform2(r#"("data":)?(1|"a"|\[1|\{"a":1\}|"\\""),?("reply":"r")?\}? ?"#),
        ) {
            check(Encoding::Text, &format!("{start}{}", tails[0]), &format!("{start}{}", tails[1]));
            check(Encoding::Json, &format!("{keys}{}", values[0]), &format!("{keys}{}", values[1]));
        }
    }
}
