//! What a terminal sends when somebody presses a key or uses the mouse, as xterm does. It knows
//! names and bytes; it sends nothing.

/// Keys that xterm sends as `ESC [ letter`.
const LETTERS: &[(&str, char)] =
    &[("up", 'A'), ("down", 'B'), ("right", 'C'), ("left", 'D'), ("end", 'F'), ("home", 'H')];
/// Keys that xterm sends as `ESC O letter`, and with a modifier as `ESC [ 1 ; modifier letter`.
const FIRST_FUNCTIONS: &[(&str, char)] = &[("f1", 'P'), ("f2", 'Q'), ("f3", 'R'), ("f4", 'S')];
/// Keys that xterm sends as `ESC [ number ~`.
const NUMBERS: &[(&str, u8)] = &[
    ("insert", 2),
    ("delete", 3),
    ("page-up", 5),
    ("page-down", 6),
    ("f5", 15),
    ("f6", 17),
    ("f7", 18),
    ("f8", 19),
    ("f9", 20),
    ("f10", 21),
    ("f11", 23),
    ("f12", 24),
];
/// Keys that are one byte.
const BYTES: &[(&str, char)] =
    &[("enter", '\r'), ("tab", '\t'), ("backspace", '\u{7f}'), ("escape", '\u{1b}'), ("space", ' ')];

/// The bytes of a key: a name of the tables above or one character, after any of `ctrl-`, `alt-` and
/// `shift-`. None for what is no key, or has no bytes of its own (`ctrl-enter` is `enter`).
pub fn bytes(key: &str) -> Option<String> {
    let (mut name, mut shift, mut alt, mut ctrl) = (key, false, false, false);
    loop {
        let (held, rest) = match name.split_once('-') {
            Some(("shift", rest)) => (&mut shift, rest),
            Some(("alt", rest)) => (&mut alt, rest),
            Some(("ctrl", rest)) => (&mut ctrl, rest),
            _ => break,
        };
        if std::mem::replace(held, true) {
            return None;
        }
        name = rest;
    }
    let modifier = 1 + u8::from(shift) + 2 * u8::from(alt) + 4 * u8::from(ctrl);
    if let Some(letter) = find(LETTERS, name) {
        return Some(match modifier {
            1 => format!("\x1b[{letter}"),
            _ => format!("\x1b[1;{modifier}{letter}"),
        });
    }
    if let Some(letter) = find(FIRST_FUNCTIONS, name) {
        return Some(match modifier {
            1 => format!("\x1bO{letter}"),
            _ => format!("\x1b[1;{modifier}{letter}"),
        });
    }
    if let Some(number) = find(NUMBERS, name) {
        return Some(match modifier {
            1 => format!("\x1b[{number}~"),
            _ => format!("\x1b[{number};{modifier}~"),
        });
    }
    if name == "tab" && shift && !alt && !ctrl {
        return Some("\x1b[Z".into());
    }
    let plain = match find(BYTES, name) {
        Some(_) if shift || (ctrl && name != "space") => return None,
        Some(_) if ctrl => '\0',
        Some(byte) => byte,
        None => one_character(name, shift, ctrl)?,
    };
    Some(if alt { format!("\x1b{plain}") } else { plain.to_string() })
}

fn one_character(name: &str, shift: bool, ctrl: bool) -> Option<char> {
    let mut characters = name.chars();
    let (Some(character), None) = (characters.next(), characters.next()) else { return None };
    match (ctrl, shift) {
        (false, false) => Some(character),
        (false, true) => character.is_lowercase().then(|| character.to_uppercase().next()).flatten(),
        // Control characters are the letters (and @[\]^_) less 64; with shift they are the same.
        (true, false) => {
            let upper = character.to_ascii_uppercase();
            ('@'..='_').contains(&upper).then(|| char::from(upper as u8 & 0x1f))
        }
        (true, true) => None,
    }
}

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The mouse buttons of an SGR report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// The left one.
    Left,
    /// The wheel, away from the person.
    WheelUp,
    /// The wheel, towards the person.
    WheelDown,
}

/// An SGR mouse report. Rows and columns count from 0, as on the screen of the tests.
pub fn mouse(button: Button, pressed: bool, row: u16, column: u16) -> String {
    let number = match button {
        Button::Left => 0,
        Button::WheelUp => 64,
        Button::WheelDown => 65,
    };
    let end = if pressed { 'M' } else { 'm' };
    format!("\x1b[<{number};{};{}{end}", column + 1, row + 1)
}

/// What a terminal sends for a paste while the program has asked for brackets around it.
pub fn paste(text: &str) -> String {
    // A terminal turns the line ends of what it pastes into what the key Enter sends.
    format!("\x1b[200~{}\x1b[201~", text.replace("\r\n", "\r").replace('\n', "\r"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_the_bytes_of_xterm() {
        for (key, expected) in [
            ("a", "a"),
            ("A", "A"),
            ("shift-a", "A"),
            ("-", "-"),
            ("alt--", "\x1b-"),
            ("alt-1", "\x1b1"),
            ("alt-up", "\x1b[1;3A"),
            ("ctrl-k", "\x0b"),
            ("ctrl-c", "\x03"),
            ("ctrl-space", "\0"),
            ("ctrl-_", "\x1f"),
            ("ctrl-alt-k", "\x1b\x0b"),
            ("up", "\x1b[A"),
            ("shift-left", "\x1b[1;2D"),
            ("home", "\x1b[H"),
            ("f1", "\x1bOP"),
            ("shift-f1", "\x1b[1;2P"),
            ("f5", "\x1b[15~"),
            ("page-up", "\x1b[5~"),
            ("ctrl-page-down", "\x1b[6;5~"),
            ("delete", "\x1b[3~"),
            ("enter", "\r"),
            ("alt-enter", "\x1b\r"),
            ("tab", "\t"),
            ("shift-tab", "\x1b[Z"),
            ("backspace", "\u{7f}"),
            ("escape", "\x1b"),
            ("é", "é"),
        ] {
            assert_eq!(bytes(key).as_deref(), Some(expected), "{key}");
        }
    }

    #[test]
    fn what_is_no_key_has_no_bytes() {
        for key in ["", "ctrl-", "nonsense", "ctrl-enter", "shift-shift-a", "ctrl-1", "shift-enter"] {
            assert_eq!(bytes(key), None, "{key}");
        }
    }

    #[test]
    fn the_mouse_counts_from_one_and_pasted_lines_end_like_typed_ones() {
        assert_eq!(mouse(Button::WheelUp, true, 0, 4), "\x1b[<64;5;1M");
        assert_eq!(mouse(Button::Left, false, 23, 99), "\x1b[<0;100;24m");
        assert_eq!(paste("a\r\nb\nc"), "\x1b[200~a\rb\rc\x1b[201~");
    }
}
