//! One log event into one line. Pure: no clock, no output. Whatever an event holds, its line holds no
//! line break and nothing that would move a terminal.

use chrono::{DateTime, SecondsFormat};
use hubbub_shared::encoding::escape::{needs_escape, shown};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::{self, Write};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, message, then `key=value`.
    Text,
    /// For programs: one JSON object with `time`, `level`, `msg`, then the fields.
    Json,
}

/// A format, and whether colour is wanted with it.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// The format.
    pub format: LogFormat,
    /// ANSI colours, for a terminal and in text only.
    pub colour: bool,
}

/// One event as femme writes it: `level` (10 to 50), `time` (milliseconds since 1970), `msg`, fields.
#[derive(Debug, PartialEq)]
pub struct Event {
    time_ms: i64,
    level: Level,
    message: String,
    fields: Vec<(String, Value)>,
}

/// The level of an event.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs)] // the names of the `log` crate
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    /// femme's number, name, ANSI colour.
    const TABLE: [(Level, u64, &'static str, &'static str); 5] = [
        (Level::Trace, 10, "trace", "\x1b[2m"),
        (Level::Debug, 20, "debug", "\x1b[34m"),
        (Level::Info, 30, "info", "\x1b[32m"),
        (Level::Warn, 40, "warn", "\x1b[33m"),
        (Level::Error, 50, "error", "\x1b[31m"),
    ];

    fn of_number(number: u64) -> Option<Level> {
        Self::TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    fn row(self) -> (&'static str, &'static str) {
        let row = Self::TABLE[self as usize];
        (row.2, row.3)
    }
}

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
/// The keys that each event has; a field of the same name gets a `_` behind it.
const OWN_KEYS: [&str; 3] = ["time", "level", "msg"];

impl Event {
    /// An event of the log itself.
    pub fn new(now_ms: i64, level: Level, message: String, fields: Vec<(String, Value)>) -> Event {
        Event { time_ms: now_ms, level, message, fields }
    }

    /// Reads a line of femme. What is none of its lines (something else that was printed) becomes the
    /// message of an event of its own.
    pub fn read(line: &[u8], now_ms: i64) -> Event {
        Self::of_femme(line).unwrap_or_else(|| {
            let message = String::from_utf8_lossy(line).trim_end().to_owned();
            Event { time_ms: now_ms, level: Level::Info, message, fields: Vec::new() }
        })
    }

    fn of_femme(line: &[u8]) -> Option<Event> {
        let Pairs(pairs) = serde_json::from_slice(line).ok()?;
        let mut pairs = pairs.into_iter();
        // In femme's order, so that a field with one of these names is not taken for it.
        let mut own = |key: &str| pairs.next().filter(|(name, _)| name == key).map(|(_, value)| value);
        let level = Level::of_number(own("level")?.as_u64()?)?;
        let time_ms = own("time")?.as_i64()?;
        let Value::String(message) = own("msg")? else { return None };
        Some(Event { time_ms, level, message, fields: pairs.collect() })
    }

    /// The line, with its end.
    pub fn line(&self, style: Style) -> String {
        let mut line = match style.format {
            LogFormat::Json => self.json(),
            LogFormat::Text => self.text(style.colour),
        };
        line.push('\n');
        line
    }

    fn time(&self) -> String {
        let time = DateTime::from_timestamp_millis(self.time_ms).unwrap_or_default();
        time.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    fn text(&self, colour: bool) -> String {
        let (name, ansi) = self.level.row();
        let level = format!("{:<5}", name.to_ascii_uppercase());
        let mut line = if colour {
            format!("{DIM}{}{RESET} {ansi}{level}{RESET} {}", self.time(), shown(&self.message))
        } else {
            format!("{} {level} {}", self.time(), shown(&self.message))
        };
        for (key, value) in &self.fields {
            let value = match value {
                Value::String(text) if is_one_word(text) => Cow::Borrowed(text.as_str()),
                value => Cow::Owned(escaped(&value.to_string())),
            };
            let key = shown(key);
            // Writing to a String does not fail.
            let _ = match colour {
                true => write!(line, " {DIM}{key}={RESET}{value}"),
                false => write!(line, " {key}={value}"),
            };
        }
        line
    }

    fn json(&self) -> String {
        let (level, _) = self.level.row();
        let mut line =
            format!("{{\"time\":\"{}\",\"level\":\"{level}\",\"msg\":{}", self.time(), quoted(&self.message));
        for (key, value) in &self.fields {
            let own = if OWN_KEYS.contains(&key.as_str()) { "_" } else { "" };
            let _ = write!(line, ",{}:{value}", quoted(&format!("{key}{own}")));
        }
        line.push('}');
        escaped(&line)
    }
}

/// Whether a value can stand after `key=` without quotes and still be told from what follows.
fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|ch| needs_escape(ch) || ch.is_whitespace() || "\"=\\".contains(ch))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// JSON in which what serde_json leaves raw (DEL, C1, bidi overrides, line separators) is escaped too.
/// Such characters stand only inside of strings, where `\uNNNN` means the same.
fn escaped(json: &str) -> String {
    if !json.chars().any(needs_escape) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for ch in json.chars() {
        if needs_escape(ch) {
            let _ = write!(out, "\\u{:04x}", ch as u32);
        } else {
            out.push(ch);
        }
    }
    out
}

/// A JSON object in its own order, with repeated keys kept.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const TEXT: Style = Style { format: LogFormat::Text, colour: false };
    const JSON: Style = Style { format: LogFormat::Json, colour: false };
    const COLOUR: Style = Style { format: LogFormat::Text, colour: true };
    /// 2026-05-01T09:30:00.123Z
    const AT: i64 = 1_777_627_800_123;

    fn femme(rest: &str) -> Vec<u8> {
        format!("{{\"level\":30,\"time\":{AT},\"msg\":{rest}}}\n").into_bytes()
    }

    #[test]
    fn an_event_in_each_format() {
        let event = Event::read(
            &femme(
                r#""client closed","client":"bob","reason":"slow consumer","bytes":8388608,"ok":true,"none":null"#,
            ),
            0,
        );
        assert_eq!(
            event.line(TEXT),
            "2026-05-01T09:30:00.123Z INFO  client closed client=bob reason=\"slow consumer\" bytes=8388608 \
             ok=true none=null\n"
        );
        assert_eq!(
            event.line(JSON),
            "{\"time\":\"2026-05-01T09:30:00.123Z\",\"level\":\"info\",\"msg\":\"client closed\",\"client\":\"bob\",\
             \"reason\":\"slow consumer\",\"bytes\":8388608,\"ok\":true,\"none\":null}\n"
        );
        let coloured = event.line(COLOUR);
        assert!(coloured.contains("\x1b[32mINFO \x1b[0m client closed"), "{coloured:?}");
    }

    #[test]
    fn nothing_that_was_logged_forges_a_line_or_moves_a_terminal() {
        let message = r#""a\nb\u001b[2Jc\u009b\u202ed","name":"x\ny z=\"1\" \u007f""#;
        let event = Event::read(&femme(message), 0);
        assert_eq!(
            event.line(TEXT),
            "2026-05-01T09:30:00.123Z INFO  a⏎b\\x1b[2Jc\\u{9b}\\u{202e}d name=\"x\\ny z=\\\"1\\\" \\u007f\"\n"
        );
        assert_eq!(
            event.line(JSON),
            "{\"time\":\"2026-05-01T09:30:00.123Z\",\"level\":\"info\",\"msg\":\"a\\nb\\u001b[2Jc\\u009b\\u202ed\",\
             \"name\":\"x\\ny z=\\\"1\\\" \\u007f\"}\n"
        );
    }

    #[test]
    fn fields_do_not_pass_for_the_events_own_keys() {
        let event = Event::read(&femme(r#""real","msg":"forged","level":"error","time":0"#), 0);
        assert_eq!(
            event.line(JSON),
            "{\"time\":\"2026-05-01T09:30:00.123Z\",\"level\":\"info\",\"msg\":\"real\",\"msg_\":\"forged\",\
             \"level_\":\"error\",\"time_\":0}\n"
        );
    }

    #[test]
    fn what_femme_did_not_write_is_still_one_line() {
        for (line, shown) in [
            ("printed by a library\n", "printed by a library"),
            ("{\"level\":30}\n", "{\"level\":30}"),
            ("{\"level\":31,\"time\":1,\"msg\":\"x\"}", "{\"level\":31,\"time\":1,\"msg\":\"x\"}"),
            ("", ""),
        ] {
            let line = Event::read(line.as_bytes(), AT).line(TEXT);
            assert_eq!(line, format!("2026-05-01T09:30:00.123Z INFO  {shown}\n"));
        }
        let line = Event::read(b"\xff\x1b[2J", AT).line(TEXT);
        assert_eq!(line, "2026-05-01T09:30:00.123Z INFO  \u{fffd}\\x1b[2J\n");
    }

    #[test]
    fn every_level_of_femme_has_its_name() {
        for (number, name) in [(10, "TRACE"), (20, "DEBUG"), (30, "INFO "), (40, "WARN "), (50, "ERROR")] {
            let line = format!("{{\"level\":{number},\"time\":0,\"msg\":\"m\"}}");
            let line = Event::read(line.as_bytes(), 0).line(TEXT);
            assert_eq!(line, format!("1970-01-01T00:00:00.000Z {name} m\n"));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_become_one_safe_line(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in any::<i64>()) {
            for style in [TEXT, JSON] {
                let line = Event::read(&bytes, at).line(style);
                let body = line.strip_suffix('\n').unwrap();
                prop_assert!(!body.chars().any(|ch| ch != '\t' && needs_escape(ch)), "{body:?}");
                if style.format == LogFormat::Json {
                    prop_assert!(serde_json::from_str::<Value>(body).is_ok(), "{body}");
                }
            }
        }

        #[test]
        fn any_event_becomes_one_safe_line(message in any::<String>(), key in any::<String>(), value in any::<String>()) {
            let line = femme(&format!("{},{}:{}", quoted(&message), quoted(&key), quoted(&value)));
            let json = Event::read(&line, 0).line(JSON);
            let read: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read["msg"], &message);
            let text = Event::read(&line, 0).line(TEXT);
            for line in [json, text] {
                prop_assert!(!line.strip_suffix('\n').unwrap().chars().any(|ch| ch != '\t' && needs_escape(ch)));
            }
        }
    }
}
