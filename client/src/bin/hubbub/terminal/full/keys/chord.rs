//! How a key is written (`ctrl-k`, `alt-up`, `shift-g`, `f1`) and which of the many events that
//! terminals make of one key is meant: pure, a table of names and one normal form.

use crossterm::event::{KeyCode, KeyModifiers};
use hubbub_shared::names::quote;

/// A key with what is held down, in the normal form.
pub type Chord = (KeyCode, KeyModifiers);

/// The function keys that terminals know of.
const MOST_FUNCTION_KEYS: u8 = 24;

const MODIFIERS: &[(&str, KeyModifiers)] =
    &[("ctrl", KeyModifiers::CONTROL), ("alt", KeyModifiers::ALT), ("shift", KeyModifiers::SHIFT)];

/// Named keys. The first name of a key is the one that is shown.
const NAMES: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("return", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("escape", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("del", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("page-up", KeyCode::PageUp),
    ("pageup", KeyCode::PageUp),
    ("page-down", KeyCode::PageDown),
    ("pagedown", KeyCode::PageDown),
];

/// One form for all the events that a key may arrive as.
pub fn normal(code: KeyCode, held: KeyModifiers) -> Chord {
    let ctrl = held.contains(KeyModifiers::CONTROL);
    match code {
        KeyCode::BackTab => (KeyCode::Tab, held | KeyModifiers::SHIFT),
        KeyCode::Char(c) if ctrl => match c {
            // Terminals have one byte for each of these pairs, and crossterm reads 1C to 1F as digits.
            'i' | 'I' => (KeyCode::Tab, held - KeyModifiers::CONTROL),
            'm' | 'M' => (KeyCode::Enter, held - KeyModifiers::CONTROL),
            '[' => (KeyCode::Esc, held - KeyModifiers::CONTROL),
            '4' => (KeyCode::Char('\\'), held - KeyModifiers::SHIFT),
            '5' => (KeyCode::Char(']'), held - KeyModifiers::SHIFT),
            '6' => (KeyCode::Char('^'), held - KeyModifiers::SHIFT),
            '7' | '/' => (KeyCode::Char('_'), held - KeyModifiers::SHIFT),
            // Shift is told only where it can be: with Ctrl, an uppercase letter may be the lock's doing.
            c => match lower(c) {
                Some(small) => (KeyCode::Char(small), held),
                None => symbol(c, held),
            },
        },
        KeyCode::Char(c) => match lower(c) {
            Some(small) => (KeyCode::Char(small), held | KeyModifiers::SHIFT),
            None => symbol(c, held),
        },
        code => (code, held),
    }
}

/// A character that is no uppercase letter: Shift stays with small letters only, elsewhere it made the
/// character what it is.
fn symbol(c: char, held: KeyModifiers) -> Chord {
    let keeps = upper(c).is_some();
    (KeyCode::Char(c), if keeps { held } else { held - KeyModifiers::SHIFT })
}

/// The small letter, where there is exactly one and it leads back.
fn lower(c: char) -> Option<char> {
    let small = only(c.to_lowercase())?;
    (small != c && only(small.to_uppercase()) == Some(c)).then_some(small)
}

fn upper(c: char) -> Option<char> {
    let large = only(c.to_uppercase())?;
    (large != c && only(large.to_lowercase()) == Some(c)).then_some(large)
}

fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
    chars.next().filter(|_| chars.next().is_none())
}

/// Reads a key: `ctrl-k`, `alt-1`, `shift-tab`, `page-up`, `f1`. Case does not matter, but that a
/// letter alone may be written large instead of with `shift-`.
pub fn parse_key(text: &str) -> Result<Chord, String> {
    let wrong = || {
        format!(
            "{} is no key: keys look like ctrl-k, alt-1, alt-up, shift-tab, shift-g, page-up, f1, enter, esc \
             or space",
            quote(text)
        )
    };
    let (mut rest, mut held) = (text, KeyModifiers::NONE);
    while let Some((modifier, behind)) = modifier(rest) {
        if held.contains(modifier) {
            return Err(wrong());
        }
        held |= modifier;
        rest = behind;
    }
    let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(rest)).map(|(_, code)| *code);
    if let Some(code) = named {
        return Ok(normal(code, held));
    }
    if let Some(c) = only(rest.chars()) {
        if c.is_control() || c.is_whitespace() {
            return Err(wrong());
        }
        // `Ctrl-K` is how people write ctrl-k.
        let c = if held.is_empty() { c } else { lower(c).unwrap_or(c) };
        let shifted = if held == KeyModifiers::SHIFT { upper(c) } else { None };
        // `shift-1` would never arrive: what does depends on the keyboard.
        if held.contains(KeyModifiers::SHIFT) && upper(c).is_none() {
            return Err(format!("{}: write the character that Shift makes of this key", quote(text)));
        }
        return Ok(normal(KeyCode::Char(shifted.unwrap_or(c)), held));
    }
    let number = rest.strip_prefix(['f', 'F']).filter(|digits| !digits.starts_with(['0', '+']));
    match number.and_then(|digits| digits.parse().ok()) {
        Some(number) if (1..=MOST_FUNCTION_KEYS).contains(&number) => Ok(normal(KeyCode::F(number), held)),
        _ => Err(wrong()),
    }
}

/// A modifier in front of something, and that something.
fn modifier(text: &str) -> Option<(KeyModifiers, &str)> {
    MODIFIERS.iter().find_map(|(name, modifier)| {
        let front = text.get(..name.len()).filter(|front| front.eq_ignore_ascii_case(name))?;
        let behind = text[front.len()..].strip_prefix('-').filter(|behind| !behind.is_empty())?;
        Some((*modifier, behind))
    })
}

/// A key as [`parse_key`] reads it.
pub fn show_key((code, held): Chord) -> String {
    let mut out = String::new();
    for (name, modifier) in MODIFIERS {
        if held.contains(*modifier) {
            out.push_str(name);
            out.push('-');
        }
    }
    match (NAMES.iter().find(|(_, named)| *named == code), code) {
        (Some((name, _)), _) => out.push_str(name),
        (None, KeyCode::Char(c)) => out.push(c),
        (None, KeyCode::F(number)) => out.push_str(&format!("f{number}")),
        // Nothing else is ever bound.
        (None, other) => out.push_str(&format!("{other:?}").to_ascii_lowercase()),
    }
    out
}

/// A key as people like to see it: `Ctrl-K`, `Page-Up`, `k`. [`parse_key`] reads that too.
pub fn pretty_key(chord: Chord) -> String {
    let text = show_key(chord);
    if only(text.chars()).is_some() {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut first = true;
    for c in text.chars() {
        out.extend(if first { upper(c) } else { None }.or(Some(c)));
        first = c == '-';
    }
    out
}
