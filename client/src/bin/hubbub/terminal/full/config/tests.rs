//! What a file may say, and what is said about one that is wrong.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::terminal::full::documents::check_part;
use crate::terminal::full::keys::Press;
use proptest::prelude::*;

#[test]
fn an_empty_file_and_the_example_are_the_defaults() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(parse(EXAMPLE), Ok(Config::default()));
    // A setting is commented out without a space, so that prose stays a comment.
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let line = |line: &str| if setting(line) { line[1..].to_owned() } else { line.to_owned() };
    let in_force = EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n");
    assert_eq!(parse(&in_force), Ok(Config::default()), "{in_force}");
    for (name, _) in OPTIONS.iter().filter(|(name, _)| *name != "name" && *name != "keys") {
        assert!(in_force.contains(&format!("\n{name} = ")), "{name} is in the example");
    }
}

#[test]
fn the_document_holds_the_example() {
    check_part("config", &format!("```toml\n{EXAMPLE}```"));
}

#[test]
fn every_setting_is_taken() {
    let config = parse(
        "name = 'bob'\ntheme = 'Light'\njoin = ['#ops', 'build.>']\nrejoin = false\npeople = false\n\
         conversations = false\nmouse = false\nscrollback = 0x100\nhistory = 0\npaste-lines = 1\n\
         time = '%d.%m. %H:%M'\nhighlight = [' deploy ', 'ø']\naway-after = '1h 30m'\nbell = 'all'\n\
         title = false\nframes = 1_00\n[keys]\nundo = []\nswitcher = 'ctrl-g'\nnew-line = ['alt-n', 'f5']\n",
    )
    .unwrap();
    assert_eq!(config.name.as_deref(), Some("bob"));
    assert_eq!((config.theme, config.bell), (theme::Choice::Light, Bell::All));
    assert_eq!(config.join.iter().map(Pattern::as_str).collect::<Vec<_>>(), ["ops", "build.>"]);
    assert!(!config.rejoin && !config.people && !config.conversations && !config.mouse && !config.title);
    assert_eq!((config.scrollback, config.history, config.paste_lines, config.frames), (256, 0, 1, 100));
    assert_eq!((config.time.as_str(), config.highlight.join(",")), ("%d.%m. %H:%M", "deploy,ø".into()));
    assert_eq!(config.away_after, Some(Duration::from_secs(5400)));
    assert_eq!(config.keys.keys_of(Press::NewLine), ["Alt-N", "F5"]);
    assert_eq!(config.keys.keys_of(Press::Switcher), ["Ctrl-G"]);
    assert!(config.keys.keys_of(Press::Undo).is_empty());
    assert_eq!(parse("away-after = 'never'").unwrap().away_after, None);
    assert_eq!(parse("time = ''").unwrap().time, "");
}

#[test]
fn mistakes_are_told_with_line_and_key_and_what_would_have_been_right() {
    for (text, told) in [
        ("nmae = 'bob'", "line 1, column 1: there is no \"nmae\"; is name meant?"),
        ("\npaste_lines = 5", "line 2, column 1: there is no \"paste_lines\"; is paste-lines meant?"),
        ("zebra = 1", "line 1, column 1: there is no \"zebra\"; there are name, theme, join"),
        ("[colours]\nx = 1", "line 1, column 2: there is no \"colours\"; there are name"),
        ("name = 'b b'", "line 1, column 8: name: \"b b\": a name is 1 to 32 of"),
        ("name = 7", "line 1, column 8: name: 7 is not a name in quotes"),
        (
            "theme = 'drak'",
            "line 1, column 9: theme: \"drak\" is not one of auto, dark, light, none; is dark meant?",
        ),
        ("theme = 'blue'", "line 1, column 9: theme: \"blue\" is not one of auto, dark, light, none"),
        (
            "join = 'ops'",
            "line 1, column 8: join: \"ops\" is not a list of channels, such as [\"ops\", \"build.>\"]",
        ),
        ("join = ['ops',\n 'a b']", "line 2, column 2: join: \"a b\": a channel name is tokens"),
        ("join = ['ops', 7]", "line 1, column 16: join: 7 is not a text in quotes"),
        ("rejoin = 'yes'", "line 1, column 10: rejoin: \"yes\" is not true or false"),
        ("scrollback = 99", "line 1, column 14: scrollback: 99 is not a whole number from 100 to 1000000"),
        ("scrollback = 1e3", "line 1, column 14: scrollback: 1e3 is not a whole number"),
        ("history = -1", "line 1, column 11: history: -1 is not a whole number from 0 to 1000"),
        ("history = 99999999999999999999999", "line 1, column 11: history: 99999999999999999999999 is not"),
        ("frames = 9", "line 1, column 10: frames: 9 is not a whole number from 10 to 240"),
        ("frames = 65546", "line 1, column 10: frames: 65546 is not a whole number from 10 to 240"),
        ("time = '%Q'", "line 1, column 8: time: \"%Q\" is no format of times: %H hour, %M minute"),
        ("time = '%'", "line 1, column 8: time: \"%\" is no format of times"),
        ("time = '%A %H:%M'", "line 1, column 8: time: \"%A %H:%M\" takes up to 15 columns: at most 12"),
        ("time = '%B %d. %y'", "line 1, column 8: time: \"%B %d. %y\" takes up to 16 columns: at most 12"),
        ("time = '%c'", "line 1, column 8: time: \"%c\" takes up to "),
        ("time = '漢漢漢漢漢漢漢'", "line 1, column 8: time: \"漢漢漢漢漢漢漢\" takes up to 14 columns"),
        ("time = '%H%n%M'", "line 1, column 8: time: \"%H%n%M\" has characters that are no text"),
        ("time = \"\\u001b[2J\"", "line 1, column 8: time: \"\\u{1b}[2J\" has characters that are no text"),
        ("time = 12:30:00", "line 1, column 8: time: a date is not a format of times, such as \"%H:%M\""),
        ("highlight = ['a', ' ']", "line 1, column 19: highlight: an empty word would mark every message"),
        ("highlight = [\"\\u202e\"]", "line 1, column 14: highlight: \"\\u{202e}\" has characters"),
        ("away-after = '9s'", "line 1, column 14: away-after: \"9s\" is not a time such as \"15m\" or"),
        ("away-after = '8days'", "line 1, column 14: away-after: \"8days\" is not a time such as"),
        ("away-after = 15", "line 1, column 14: away-after: 15 is not a time such as \"15m\""),
        ("bell = true", "line 1, column 8: bell: true is not one of mentions, all, never"),
        ("keys = 1", "line 1, column 8: keys: 1 is not a section: [keys]"),
        (
            "[keys]\nswicher = 'f2'",
            "line 2, column 1: keys: swicher: there is no such action; is switcher meant?",
        ),
        ("[keys]\nundo = 'ctrl+z'", "line 2, column 1: keys: undo: \"ctrl+z\" is no key: keys look like"),
        ("[keys]\nundo = 7", "line 2, column 8: keys: undo: 7 is not a key such as \"ctrl-k\", or a list"),
        ("[keys]\nhelp = 'f3'\nundo = 'f3'", "line 3, column 1: keys: undo: f3 is a key of help as well"),
        ("[keys]\n'a b' = 'f3'", "line 2, column 1: keys: \"a b\": there is no such action"),
        ("name = 'bob", "line 1, column 12: "),
        ("name 'bob'", "line 1, column "),
        ("title = true\ntitle = false", "line 2, column 1: "),
    ] {
        let got = parse(text).expect_err(text);
        assert!(got.starts_with(told), "{text}\n  told {got}\n  not  {told}");
        assert!(!got.contains('\n') && got.len() > told.len() - 1, "{got}");
    }
    let many = format!("highlight = [{}]", "'x',".repeat(101));
    assert!(parse(&many).unwrap_err().contains("101 are too many: at most 100"));
    let long = format!("time = '{}'", "%".repeat(100));
    assert!(parse(&long).unwrap_err().contains("is too long"));
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let told = parse("title = 1\nbell = 'loud'\nabsent = 2\n").unwrap_err();
    let lines: Vec<_> = told.lines().map(|line| line.split(": ").nth(1).unwrap()).collect();
    assert_eq!(lines, ["title", "bell", "there is no \"absent\"; there are name, theme, join, rejoin, people, \
        conversations, mouse, scrollback, history, paste-lines, time, highlight, away-after, bell, title, frames, keys"]);
}

#[test]
fn a_given_file_has_to_be_there_and_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("terminal.toml");
    let told = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        load(Some(&path)).map_err(|failure| failure.message.replace(path.to_str().unwrap(), "FILE"))
    };
    let absent = load(Some(&folder.path().join("absent.toml"))).unwrap_err();
    assert_eq!(absent.exit, crate::exit::Exit::Usage);
    assert!(absent.message.contains("absent.toml: No such file"), "{}", absent.message);
    assert!(load(Some(folder.path())).is_err(), "a folder");
    assert_eq!(told(b"frames = 60").unwrap().frames, 60);
    assert_eq!(
        told(b"\nframes = 1").unwrap_err(),
        "FILE:2:10: frames: 1 is not a whole number from 10 to 240"
    );
    assert_eq!(told(b"# ok\nname = 'h\xf6rn'").unwrap_err(), "cannot read FILE: line 2 is not UTF-8");
    assert!(told(&vec![b'#'; MAX_FILE as usize + 1]).unwrap_err().contains("over 1 MiB"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,80}|(time|away-after|name|theme) = '\\PC{0,20}'|time = '(%[ -~]{1,3}){0,4}'") {
        if let Ok(config) = parse(&text) {
            // What was accepted can be written without a panic.
            let _ = chrono::Local::now().format(&config.time).to_string();
        }
    }
}
