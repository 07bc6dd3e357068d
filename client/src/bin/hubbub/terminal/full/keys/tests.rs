//! Keys as they are written, as they arrive, and as they are changed.
#![allow(clippy::unwrap_used)]

use super::chord::{normal, pretty_key};
use super::*;
use crate::terminal::full::documents::check_part;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

fn event(code: KeyCode, held: KeyModifiers) -> KeyEvent {
    KeyEvent::new(code, held)
}

/// `"list-up = ctrl-y alt-y; undo ="` as the configuration gives it.
fn changed(changes: &str) -> Result<Keymap, String> {
    let row = |row: &str| {
        let (action, keys) = row.split_once('=').unwrap();
        (action.trim().to_owned(), keys.split_whitespace().map(str::to_owned).collect())
    };
    let changes: BTreeMap<String, Vec<String>> = changes.split(';').map(row).collect();
    Keymap::with(&changes).map_err(|wrong| format!("{}: {}", wrong.action, wrong.why))
}

#[test]
fn the_table_is_sound() {
    let names: HashSet<_> = KEYS.iter().map(|row| row.name).collect();
    let presses: HashSet<_> = KEYS.iter().map(|row| row.press).collect();
    assert_eq!((names.len(), presses.len()), (KEYS.len(), KEYS.len()), "one row an action");
    assert!(Keymap::with(&BTreeMap::new()).is_ok());
    for row in KEYS {
        assert!(
            row.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
            "{row:?}"
        );
        assert!(!row.keys.is_empty() && !row.about.is_empty() && !row.about.ends_with('.'), "{row:?}");
        for key in row.keys {
            assert_eq!(show_key(parse_key(key).unwrap()), *key, "written as it is shown");
            let (code, held) = parse_key(key).unwrap();
            assert_eq!(Keymap::default().find(row.place, &event(code, held)), Some(row.press), "{key}");
            // The same keys given in the configuration are allowed.
            assert!(changed(&format!("{} = {}", row.name, row.keys.join(" "))).is_ok(), "{row:?}");
        }
    }
}

#[test]
fn keys_are_read_and_shown() {
    let (none, ctrl, alt, shift) =
        (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT, KeyModifiers::SHIFT);
    for (text, code, held, shown) in [
        ("ctrl-k", KeyCode::Char('k'), ctrl, "Ctrl-K"),
        ("Ctrl-K", KeyCode::Char('k'), ctrl, "Ctrl-K"),
        ("alt-1", KeyCode::Char('1'), alt, "Alt-1"),
        ("alt-up", KeyCode::Up, alt, "Alt-Up"),
        ("F1", KeyCode::F(1), none, "F1"),
        ("page-up", KeyCode::PageUp, none, "Page-Up"),
        ("PageUp", KeyCode::PageUp, none, "Page-Up"),
        ("shift-tab", KeyCode::Tab, shift, "Shift-Tab"),
        ("enter", KeyCode::Enter, none, "Enter"),
        ("escape", KeyCode::Esc, none, "Esc"),
        ("space", KeyCode::Char(' '), none, "Space"),
        ("ctrl-home", KeyCode::Home, ctrl, "Ctrl-Home"),
        ("shift-g", KeyCode::Char('g'), shift, "Shift-G"),
        ("G", KeyCode::Char('g'), shift, "Shift-G"),
        ("g", KeyCode::Char('g'), none, "g"),
        ("shift-alt-ctrl-x", KeyCode::Char('x'), ctrl | alt | shift, "Ctrl-Alt-Shift-X"),
        ("-", KeyCode::Char('-'), none, "-"),
        ("ctrl--", KeyCode::Char('-'), ctrl, "Ctrl--"),
        ("ctrl-/", KeyCode::Char('_'), ctrl, "Ctrl-_"),
        ("ctrl-i", KeyCode::Tab, none, "Tab"),
        ("ä", KeyCode::Char('ä'), none, "ä"),
    ] {
        assert_eq!(parse_key(text), Ok((code, held)), "{text}");
        assert_eq!(pretty_key((code, held)), shown, "{text}");
        assert_eq!(parse_key(shown), Ok((code, held)), "{shown}");
    }
    for text in
        ["", "ctrl", "ctrl-", "hyper-k", "ctrl-ctrl-k", "kk", "f0", "f25", "f01", "f+1", "ctrl+k", "^K"]
    {
        assert!(parse_key(text).unwrap_err().contains("keys look like ctrl-k, alt-1"), "{text}");
    }
    assert!(parse_key("shift-1").unwrap_err().contains("the character that Shift makes"));
}

#[test]
fn whatever_the_terminal_sends_for_a_key_is_that_key() {
    let keymap = Keymap::default();
    let (none, ctrl, alt, shift) =
        (KeyModifiers::NONE, KeyModifiers::CONTROL, KeyModifiers::ALT, KeyModifiers::SHIFT);
    for (place, code, held, press) in [
        (Place::Copy, KeyCode::Char('G'), none, Some(Press::CopyBottom)),
        (Place::Copy, KeyCode::Char('G'), shift, Some(Press::CopyBottom)),
        (Place::Copy, KeyCode::Char('g'), shift, Some(Press::CopyBottom)),
        (Place::Copy, KeyCode::Char('g'), none, Some(Press::CopyTop)),
        (Place::Copy, KeyCode::Char(' '), shift, Some(Press::CopyMark)),
        (Place::Typing, KeyCode::BackTab, none, Some(Press::CompleteBack)),
        (Place::Typing, KeyCode::BackTab, shift, Some(Press::CompleteBack)),
        (Place::Typing, KeyCode::Tab, shift, Some(Press::CompleteBack)),
        (Place::Typing, KeyCode::Char('K'), ctrl, Some(Press::Switcher)),
        (Place::Typing, KeyCode::Char('k'), ctrl | shift, None),
        (Place::Typing, KeyCode::Char('A'), alt | shift, Some(Press::NextUnread)),
        (Place::Typing, KeyCode::Char('7'), ctrl, Some(Press::Undo)),
        (Place::Typing, KeyCode::Char('_'), ctrl | shift, Some(Press::Undo)),
        (Place::Typing, KeyCode::Char('3'), alt, Some(Press::Conversation(3))),
        (Place::Typing, KeyCode::Char('m'), ctrl, Some(Press::Send)),
        (Place::Typing, KeyCode::Char('j'), ctrl, Some(Press::NewLine)),
        (Place::Typing, KeyCode::Char('a'), none, None),
        (Place::Typing, KeyCode::Char('A'), shift, None),
        (Place::List, KeyCode::Char('p'), ctrl, Some(Press::ListUp)),
        (Place::Typing, KeyCode::Char('p'), ctrl, Some(Press::HistoryEarlier)),
        (Place::Copy, KeyCode::PageUp, none, Some(Press::PageUp)),
        (Place::Anywhere, KeyCode::F(1), none, Some(Press::Help)),
        (Place::Anywhere, KeyCode::Enter, none, None),
    ] {
        assert_eq!(keymap.find(place, &event(code, held)), press, "{place:?} {code:?} {held:?}");
    }
    let mut key = event(KeyCode::Enter, none);
    key.kind = KeyEventKind::Repeat;
    assert_eq!(keymap.find(Place::Typing, &key), Some(Press::Send));
    key.kind = KeyEventKind::Release;
    assert_eq!(keymap.find(Place::Typing, &key), None, "a key that is let go");
}

#[test]
fn keys_can_be_changed_and_taken_away() {
    let keymap = changed("switcher = alt-g ctrl-g Ctrl-G; undo =").unwrap();
    let find = |key: &str| {
        let (code, held) = parse_key(key).unwrap();
        keymap.find(Place::Typing, &event(code, held))
    };
    assert_eq!((find("alt-g"), find("ctrl-g")), (Some(Press::Switcher), Some(Press::Switcher)));
    assert_eq!((find("ctrl-k"), find("alt-z"), find("ctrl-_")), (None, None, None));
    assert_eq!(keymap.keys_of(Press::Switcher), ["Alt-G", "Ctrl-G"]);
    assert!(keymap.keys_of(Press::Undo).is_empty());
    assert!(keymap.help(Place::Typing).iter().all(|line| line.name != "undo"));
    // A key that one action gave away is free for another.
    assert!(changed("switcher = ctrl-f; search = ctrl-k").is_ok());
    assert!(changed("copy-mark = x").is_ok());
}

#[test]
fn mistakes_in_keys_say_what_would_have_been_right() {
    for (changes, told) in [
        ("swicher = ctrl-k", "swicher: there is no such action; is switcher meant?"),
        ("zzz = ctrl-k", "zzz: there is no such action; F1 in the terminal lists them"),
        ("undo = ctrl+z", "undo: \"ctrl+z\" is no key: keys look like ctrl-k"),
        ("undo = ctrl-w", "undo: ctrl-w is a key of delete-word as well"),
        ("delete-word = ctrl-_", "delete-word: ctrl-/"),
        ("undo = ctrl-z", "undo: ctrl-z is a key of suspend as well"),
        ("help = esc", "help: esc is a key of cancel as well"),
        ("help = x", "help: \"x\" could no longer be typed; add ctrl- or alt-"),
        ("list-up = X", "list-up: \"X\" could no longer be typed"),
        ("send = space", "send: \"space\" could no longer be typed"),
        ("copy-up = y", "copy-up: y is a key of copy-take as well"),
    ] {
        let got = changed(changes).unwrap_err();
        let told = told.replace("ctrl-/", "ctrl-_ is a key of undo as well");
        assert!(got.starts_with(&told), "{changes}: {got}");
    }
}

#[test]
fn the_help_folds_the_nine_conversations_until_one_is_changed() {
    let line = |keymap: &Keymap, name: &str| {
        keymap.help(Place::Anywhere).into_iter().find(|line| line.name == name).map(|line| line.keys)
    };
    assert_eq!(line(&Keymap::default(), "conversation-1…9").unwrap(), ["Alt-1…9"]);
    assert_eq!(line(&Keymap::default(), "conversation-2"), None);
    let keymap = changed("conversation-2 = f2").unwrap();
    assert_eq!(line(&keymap, "conversation-2").unwrap(), ["F2"]);
    assert_eq!(line(&keymap, "conversation-3").unwrap(), ["Alt-3"]);
}

#[test]
fn the_document_holds_the_table() {
    check_part("keys", &markdown());
}

static KEYMAP: LazyLock<Keymap> = LazyLock::new(Keymap::default);

proptest! {
    #[test]
    fn no_text_panics_and_a_key_that_is_read_is_shown_as_itself(
        text in "((ctrl|Alt|shift)-){0,3}(\\PC|page-up|f[0-9]{1,2}|Enter|[a-zA-Z]{1,6})|\\PC{0,12}"
    ) {
        if let Ok(chord) = parse_key(&text) {
            prop_assert_eq!(parse_key(&show_key(chord)), Ok(chord));
            prop_assert_eq!(parse_key(&pretty_key(chord)), Ok(chord));
            prop_assert_eq!(normal(chord.0, chord.1), chord, "the normal form is its own");
        }
    }

    #[test]
    fn no_event_panics(c in any::<char>(), bits in any::<u8>()) {
        let held = KeyModifiers::from_bits_truncate(bits);
        let (code, held) = normal(KeyCode::Char(c), held);
        prop_assert_eq!(normal(code, held), (code, held));
        KEYMAP.find(Place::Copy, &event(code, held));
    }
}
