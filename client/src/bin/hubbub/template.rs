//! Placeholders in the text of `pub`: `{{Count}}`, `{{Time}}` and the like. Pure: the clock and the
//! count come in as arguments. What is no known placeholder stays as it was typed.

use chrono::{DateTime, Local, SecondsFormat, Utc};

/// What `--help` says about placeholders, in the order of [`value`].
pub const HELP: &str = "\
Placeholders in TEXT and in header values:
  {{Count}}          1 for the first message, 2 for the second, …
  {{Time}}           the local time of day, such as 09:30:00
  {{TimeStamp}}      the time, UTC, such as 2026-05-01T09:30:00.123Z
  {{Unix}}           seconds since 1970; {{UnixNano}} nanoseconds
  {{ID}}             a new uuid
  {{Random MIN MAX}} MIN to MAX random letters and digits";

/// The longest random text, so that a slip of the finger does not fill the memory. A guess.
const MAX_RANDOM: usize = 1 << 20;

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    /// Which message this is, from 1.
    pub count: u64,
    /// Now.
    pub now: DateTime<Utc>,
}

/// Whether a text holds anything that might be a placeholder.
pub fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// Fills in the placeholders of a text.
pub fn expand(text: &str, scene: &Scene) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(length) = from.find("}}") else {
            rest = from;
            break;
        };
        match value(&from[2..length], scene) {
            Some(value) => {
                out.push_str(&value);
                rest = &from[length + 2..];
            }
            None => {
                // Not ours. Go on behind its first brace: `{{{Count}}` holds one all the same.
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn value(inside: &str, scene: &Scene) -> Option<String> {
    let mut words = inside.split_ascii_whitespace();
    let name = words.next()?;
    let numbers: Vec<&str> = words.collect();
    let value = match (name, numbers.as_slice()) {
        ("Count", []) => scene.count.to_string(),
        ("Time", []) => scene.now.with_timezone(&Local).format("%H:%M:%S").to_string(),
        ("TimeStamp", []) => scene.now.to_rfc3339_opts(SecondsFormat::Millis, true),
        ("Unix", []) => scene.now.timestamp().to_string(),
        ("UnixNano", []) => scene.now.timestamp_nanos_opt()?.to_string(),
        ("ID", []) => uuid::Uuid::now_v7().to_string(),
        ("Random", [min, max]) => {
            let (min, max): (usize, usize) = (min.parse().ok()?, max.parse().ok()?);
            if min > max || max > MAX_RANDOM {
                return None;
            }
            let length = fastrand::usize(min..=max);
            std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
        }
        _ => return None,
    };
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let now = DateTime::parse_from_rfc3339("2026-05-01T09:30:00.123456789Z").expect("a time");
        expand(text, &Scene { count: 7, now: now.to_utc() })
    }

    #[test]
    fn known_placeholders_are_filled_in() {
        assert_eq!(filled("{{Count}} of {{ Count }}!"), "7 of 7!");
        assert_eq!(filled("{{TimeStamp}}"), "2026-05-01T09:30:00.123Z");
        assert_eq!(filled("{{Unix}} {{UnixNano}}"), "1777627800 1777627800123456789");
        assert_eq!(filled("{{Time}}").len(), "09:30:00".len());
        assert_eq!(filled("{{ID}}").len(), 36);
        assert_eq!(filled("{{Random 5 5}}").len(), 5);
    }

    #[test]
    fn everything_else_stays_as_it_was_typed() {
        for text in [
            "",
            "{{",
            "}}{{",
            "{{Counter}}",
            "{{Count 1}}",
            "{{Random 5 1}}",
            "{{Random 1 99999999}}",
            "{{}}",
        ] {
            assert_eq!(filled(text), text);
        }
        assert_eq!(filled("{{{Count}}}"), "{7}");
        assert_eq!(filled("{{grüße {{Count}}"), "{{grüße 7");
    }
}
