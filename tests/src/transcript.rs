//! Conversations written down: who says what, what the answer is, and what others are shown.
//!
//! ```text
//! bob> subscribe ops          bob says a command
//! bob= ok subscribed to ops   the answer, whole, line by line
//! bob< [ops] eve: hi          an event that bob is shown
//! bob.                        nothing else was sent to bob
//! ```
//! `…` stands for any characters. A name that appears for the first time connects and takes that
//! name; in JSON and frames the same conversation is held in objects.

use crate::client::Client;
use crate::hub::Hub;
use hubbub_shared::Encoding;
use std::collections::{HashMap, VecDeque};

/// Holds a conversation with a hub, everyone speaking one encoding.
#[track_caller]
pub fn play(hub: &Hub, encoding: Encoding, script: &str) {
    let mut people: HashMap<String, (Client, VecDeque<String>)> = HashMap::new();
    for step in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let at = step.find(['>', '=', '<', '.']).unwrap_or_else(|| panic!("no step of a transcript: {step}"));
        let (who, what) = (&step[..at], step[at + 1..].trim_start());
        let (client, answer) =
            people.entry(who.to_owned()).or_insert_with(|| (hub.named(encoding, who), VecDeque::new()));
        match &step[at..=at] {
            ">" => {
                assert!(answer.is_empty(), "before {step:?}: the answer went on with {answer:?}");
                answer.extend(client.ask(what).lines().iter().cloned());
            }
            "=" => {
                let line = answer.pop_front().unwrap_or_else(|| panic!("the answer ended before {step:?}"));
                // What only text says after ok is not in the object.
                let silent = encoding != Encoding::Text && line == "ok" && what.starts_with("ok ");
                assert!(
                    silent || matches(what, &line),
                    "expected {step:?}, and got {line:?} in {encoding:?}"
                );
            }
            "<" => {
                let line = client.line();
                assert!(matches(what, &line), "expected {step:?}, and got {line:?} in {encoding:?}");
            }
            _ => client.nothing_more(),
        }
    }
    for (who, (_, answer)) in people {
        assert!(answer.is_empty(), "the last answer to {who} went on with {answer:?}");
    }
}

/// Whether a text is as it was expected; `…` stands for any characters.
pub fn matches(expected: &str, text: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
        assert!(matches("ok", "ok") && !matches("ok", "ok 1") && !matches("ok 1", "ok"));
        assert!(matches("a…c", "abc") && matches("a…c", "ac") && !matches("a…c", "acd"));
        assert!(matches("…b…d", "abcd") && !matches("…b…d", "dcb") && matches("…", ""));
    }
}
