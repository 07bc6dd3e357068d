//! No byte that anyone publishes can move the cursor, change the title, ring, or break what stands on
//! the screen: each attack comes as text, in JSON, as a topic, in person and as a welcome.

use crate::attacks::{attacks, cut, foreign, is_hidden};
use crate::people::{configured, in_ops, AtOps};
use hubbub_tests::{wait, Client, Encoding, Hub, Terminal};
use serde_json::{json, Value};
use std::ops::Range;
use std::time::Duration;

/// What is being typed meanwhile. No attack holds it.
const DRAFT: &str = "still typing";
/// Bytes of a topic and of a welcome at the most.
const MAX_TOPIC: usize = 1024;
/// How long to look for a word before it is said again.
const AGAIN: Duration = Duration::from_millis(300);
/// How deep JSON nests: more than any screen shows.
const DEPTH: usize = 30;

/// What must stand whatever comes: lines from top to bottom, and what they are made of.
pub struct Frame {
    /// The columns of the lines.
    pub columns: &'static [u16],
    /// The rows through which they go.
    pub rows: Range<u16>,
    /// What may stand there.
    pub glyphs: &'static str,
    /// Characters that the program may pass on, as it has nothing that they could break.
    pub may: fn(char) -> bool,
}

/// A screen without lines, on which tabs do what they do in any text. What is invisible stays so.
const NO_FRAME: Frame = Frame { columns: &[], rows: 0..0, glyphs: "", may: |c| c == '\t' || is_hidden(c) };

impl Frame {
    /// The first place where something else stands.
    fn broken(&self, screen: &vt100::Screen) -> Option<String> {
        self.rows.clone().flat_map(|row| self.columns.iter().map(move |column| (row, *column))).find_map(
            |(row, column)| {
                let found = screen.cell(row, column).map(vt100::Cell::contents).unwrap_or_default();
                let stands = !found.is_empty() && self.glyphs.contains(found);
                (!stands).then(|| format!("{found:?} stands at row {row}, column {column}"))
            },
        )
    }
}

/// What is wrong with a screen, if anything.
fn wrong(screen: &vt100::Screen, frame: &Frame) -> Option<String> {
    let row = usize::from(screen.cursor_position().0);
    let input = screen.rows(0, screen.size().1).nth(row).unwrap_or_default();
    let lost = (!input.contains(DRAFT)).then(|| format!("the cursor is in {input:?}"));
    frame.broken(screen).or(lost)
}

/// Sends every attack in every way to `bob`, who is in `#ops` and types, and checks after each that
/// nothing has happened to his terminal.
pub fn nothing_that_is_published_changes_the_terminal(hub: &Hub, terminal: &Terminal, frame: &Frame) {
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish ops hello").json()["subscribers"] == 1).then_some(()));
    terminal.sees("hello");
    terminal.types(DRAFT);
    terminal.sees(DRAFT);
    let title = terminal.title();
    let mut checked = 0;
    for (number, (name, text)) in attacks().into_iter().enumerate() {
        send(&mut eve, &text);
        // Her welcome is seen by who looks at her.
        terminal.types(&"\u{7f}".repeat(DRAFT.len()));
        terminal.enters("/whois eve");
        terminal.types(DRAFT);
        // What comes after it on the same way has it before it on the screen. The answer of whois comes
        // on another and may be longer than the screen: then it is said once more.
        let after = format!("after-{number}-");
        wait::until(&format!("{after} after {name}"), || {
            eve.ask(&format!("publish ops {after}")).ok();
            terminal.waits_within(AGAIN, |screen| screen.contents().contains(&after).then_some(()))
        });
        let well = |screen: &vt100::Screen| wrong(screen, frame).is_none().then_some(());
        if terminal.waits_within(wait::PATIENCE, well).is_none() {
            let what = terminal.look(|screen| wrong(screen, frame));
            panic!("{name}: {}\n{}", what.unwrap_or_default(), terminal.framed());
        }
        assert_eq!(terminal.bells(), 0, "{name} has rung");
        assert_eq!(terminal.clipboard(), None, "{name} is on the clipboard");
        let now = terminal.title();
        assert!(now == title || !now.contains("owned"), "{name} has made the title {now:?}");
        assert!(!now.chars().any(char::is_control), "{name} has made the title {now:?}");
        let bytes = terminal.bytes();
        // The last sequence may be half there: it is looked at with what comes next.
        let whole = bytes.iter().rposition(|byte| *byte == b'\x1b').unwrap_or(0).max(checked);
        let found = foreign(&bytes[checked..whole], frame.may);
        assert!(found.is_empty(), "{name}: what only an attack can bring reached the terminal: {found:?}");
        checked = whole;
    }
}

/// One attack in every way in which a word comes from one person to another.
fn send(eve: &mut Client, text: &str) {
    // Refused is as good as harmless; what the hub lets through, the terminal has to bear.
    eve.ask_object(json!({"op": "publish", "channel": "ops", "data": text}));
    eve.ask_object(json!({"op": "publish", "channel": "ops", "data": {"say": text}}));
    let nested = (0..DEPTH).fold(json!(text), |inner, level| match level % 2 {
        0 => json!([inner]),
        _ => Value::Object([(cut(text, 200).to_owned(), inner)].into_iter().collect()),
    });
    eve.ask_object(json!({"op": "publish", "channel": "ops", "data": nested}));
    eve.ask_object(json!({"op": "topic", "channel": "ops", "topic": cut(text, MAX_TOPIC)}));
    eve.ask_object(json!({"op": "welcome", "text": cut(text, MAX_TOPIC)}));
    eve.ask_object(json!({"op": "msg", "to": "bob", "data": text}));
    eve.ask_object(json!({"op": "msg", "to": "bob", "data": {cut(text, 200): [text]}}));
}

#[test]
fn nothing_that_is_published_changes_the_plain_terminal() {
    let hub = Hub::start();
    let terminal = Terminal::builder().hub(&hub).args(["--plain", "--name", "bob", "--join", "ops"]).start();
    nothing_that_is_published_changes_the_terminal(&hub, &terminal, &NO_FRAME);
}

/// The two lines of a screen with 50 rows and 100 columns.
const BOTH_SIDES: Frame = Frame { columns: &[17, 83], rows: 1..48, glyphs: "│", may: |_| false };
/// A screen that is too narrow for lines.
const NO_SIDES: Frame = Frame { columns: &[], rows: 0..0, glyphs: "", may: |_| false };

#[test]
fn nothing_that_is_published_changes_the_full_screen() {
    let (hub, home) = (Hub::start(), configured("bell = 'never'"));
    let terminal = in_ops(&hub, "bob").home(home.path()).size(50, 100).at_ops();
    nothing_that_is_published_changes_the_terminal(&hub, &terminal, &BOTH_SIDES);
}

#[test]
fn nothing_that_is_published_changes_a_narrow_screen() {
    let (hub, home) = (Hub::start(), configured("bell = 'never'"));
    let terminal = in_ops(&hub, "bob").home(home.path()).size(50, 40).at_ops();
    nothing_that_is_published_changes_the_terminal(&hub, &terminal, &NO_SIDES);
}

#[test]
fn a_flood_takes_neither_the_draft_nor_the_keyboard() {
    const FLOOD: usize = 20_000;
    let hub = Hub::start();
    let bob = in_ops(&hub, "bob").forgets().at_ops();
    let mut eve = hub.named(Encoding::Json, "eve");
    eve.ask("publish ops the first of many").ok();
    bob.sees("eve │ the first of many");
    let text = "nothing of this is lost in the flood";
    let mut letters = text.chars();
    for n in 0..FLOOD {
        eve.say(&format!("publish ops message number {n}"));
        if n % (FLOOD / text.len()) == 0 {
            letters.by_ref().take(1).for_each(|letter| bob.types(&letter.to_string()));
        }
    }
    bob.types(letters.as_str());
    bob.input_is(&format!("› {text}"));
    bob.sees(&format!("eve │ message number {}", FLOOD - 1));
    bob.sees("messages skipped, press End");
    bob.presses("end");
    bob.sees_not("skipped");
    bob.input_is(&format!("› {text}"));
    bob.presses("enter");
    bob.sees(&format!("bob │ {text}"));
    for _ in 0..FLOOD {
        eve.reply("publish").ok();
    }
}

#[test]
fn a_broken_frame_a_lost_cursor_and_a_whole_screen_are_told_apart() {
    const FRAME: Frame = Frame { columns: &[3, 9], rows: 0..2, glyphs: "│┤├", may: |_| false };
    let whole = format!("ab │     │ x\r\n漢字│  \r\x1b[2;4H├     ┤\r\n> {DRAFT}");
    let seen = |bytes: &str| {
        let mut parser = vt100::Parser::new(4, 40, 0);
        parser.process(bytes.as_bytes());
        wrong(parser.screen(), &FRAME)
    };
    assert_eq!(seen(&whole), None);
    assert!(seen(&format!("{whole}\x1b[1;10Hx\x1b[3;1H")).unwrap().contains("row 0, column 9"));
    assert!(seen(&format!("{whole}\x1b[1;1H")).unwrap().starts_with("the cursor"));
}
