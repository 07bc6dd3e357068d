//! Which key does what: the usual keys with the configuration's changes, as a map that is asked for
//! every key pressed. The event loop and the help hold one; it is made once and never changes.

use super::chord::{normal, parse_key, pretty_key, show_key, Chord};
use super::{Place, Press, Row, KEYS};
use crate::terminal::full::config::nearest;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use hubbub_shared::names::quote;
use std::collections::{BTreeMap, HashMap};

/// The keys in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    /// The keys of each row of [`KEYS`], in its order.
    rows: Vec<Vec<Chord>>,
    found: HashMap<(Place, KeyCode, KeyModifiers), Press>,
}

/// A mistake in the configured keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The action under which it stands, as it was written.
    pub action: String,
    /// What is wrong and what would have been right.
    pub why: String,
}

/// A line of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelpLine {
    /// The keys, as people like to see them.
    pub keys: Vec<String>,
    /// What they do.
    pub about: &'static str,
    /// The action's name in the configuration.
    pub name: &'static str,
}

impl Default for Keymap {
    fn default() -> Self {
        Keymap::with(&BTreeMap::new()).expect("the usual keys are right, as a test shows")
    }
}

impl Keymap {
    /// The usual keys, but for some actions others. An action without keys has none.
    pub fn with(changes: &BTreeMap<String, Vec<String>>) -> Result<Keymap, Wrong> {
        for action in changes.keys() {
            if !KEYS.iter().any(|row| row.name == action) {
                let why = match nearest(action, KEYS.iter().map(|row| row.name)) {
                    Some(meant) => format!("there is no such action; is {meant} meant?"),
                    None => "there is no such action; F1 in the terminal lists them".to_owned(),
                };
                return Err(Wrong { action: action.clone(), why });
            }
        }
        let rows: Result<Vec<_>, _> = KEYS.iter().map(|row| chords(row, changes.get(row.name))).collect();
        let rows = rows?;
        for (second, row) in KEYS.iter().enumerate() {
            for (first, other) in KEYS.iter().enumerate().take(second) {
                let both = rows[second].iter().find(|chord| rows[first].contains(chord));
                if let Some(both) = both.filter(|_| row.place.meets(other.place)) {
                    // Said where somebody wrote it.
                    let (said, beside) =
                        if changes.contains_key(row.name) { (row, other) } else { (other, row) };
                    let why = format!(
                        "{} is a key of {} as well; give one of the two another",
                        show_key(*both),
                        beside.name
                    );
                    return Err(Wrong { action: said.name.to_owned(), why });
                }
            }
        }
        let mut found = HashMap::new();
        for (row, chords) in KEYS.iter().zip(&rows) {
            found.extend(chords.iter().map(|(code, held)| ((row.place, *code, *held), row.press)));
        }
        Ok(Keymap { rows, found })
    }

    /// What a key does in a place, if anything. A key that is let go does nothing.
    pub fn find(&self, place: Place, key: &KeyEvent) -> Option<Press> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let (code, held) = normal(key.code, key.modifiers);
        let there = |held| {
            let own = self.found.get(&(place, code, held));
            own.or_else(|| self.found.get(&(Place::Anywhere, code, held))).copied()
        };
        // With Alt, a large letter is more often the lock than Shift.
        let locked = held.contains(KeyModifiers::ALT) && matches!(code, KeyCode::Char(_));
        there(held).or_else(|| locked.then(|| there(held - KeyModifiers::SHIFT)).flatten())
    }

    /// The keys of an action, as people like to see them.
    pub fn keys_of(&self, press: Press) -> Vec<String> {
        let rows = KEYS.iter().zip(&self.rows).filter(|(row, _)| row.press == press);
        rows.flat_map(|(_, chords)| chords).map(|chord| pretty_key(*chord)).collect()
    }

    /// The help for a place, in the table's order. Actions without a key are left out, and the nine
    /// conversations are one line as long as nobody changed their keys.
    pub fn help(&self, place: Place) -> Vec<HelpLine> {
        let nine = |row: &Row| matches!(row.press, Press::Conversation(_));
        let usual = |(row, chords): (&Row, &Vec<Chord>)| chords_of(row).as_ref() == Ok(chords);
        let folded = KEYS.iter().zip(&self.rows).filter(|(row, _)| nine(row)).all(usual);
        let mut lines = Vec::new();
        for (row, chords) in KEYS.iter().zip(&self.rows).filter(|(row, _)| row.place == place) {
            let mut keys: Vec<String> = chords.iter().map(|chord| pretty_key(*chord)).collect();
            let mut name = row.name;
            if folded && nine(row) {
                if row.press != Press::Conversation(1) {
                    continue;
                }
                keys = vec!["Alt-1…9".to_owned()];
                name = "conversation-1…9";
            }
            if !keys.is_empty() {
                lines.push(HelpLine { keys, about: row.about, name });
            }
        }
        lines
    }
}

fn chords_of(row: &Row) -> Result<Vec<Chord>, String> {
    row.keys.iter().map(|key| parse_key(key)).collect()
}

/// The keys of an action, the configured ones or the usual ones.
fn chords(row: &Row, changed: Option<&Vec<String>>) -> Result<Vec<Chord>, Wrong> {
    let wrong = |why: String| Wrong { action: row.name.to_owned(), why };
    let Some(keys) = changed else {
        return chords_of(row).map_err(wrong);
    };
    let mut chords = Vec::with_capacity(keys.len());
    for key in keys {
        let chord = parse_key(key).map_err(wrong)?;
        let plain = matches!(chord.0, KeyCode::Char(_)) && (chord.1 - KeyModifiers::SHIFT).is_empty();
        if plain && row.place.takes_text() {
            let why = format!("{} could no longer be typed; add ctrl- or alt-", quote(key));
            return Err(wrong(why));
        }
        if !chords.contains(&chord) {
            chords.push(chord);
        }
    }
    Ok(chords)
}
