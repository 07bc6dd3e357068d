//! The state, drawn on a screen in memory: what stands where, at sizes from nothing to large.

#![allow(clippy::unwrap_used)]

use super::super::app::tests::{bob, hear, join, press, types};
use super::super::app::{Answer, App};
use super::super::conversation::Person;
use super::draw;
use crate::terminal::inbox::Arrival;
use hubbub_client::{Event, Gap};
use proptest::prelude::*;
use ratatui::backend::TestBackend;
use ratatui::Terminal;
use serde_json::json;

/// The rows of a screen, without what is blank at their ends.
fn screen(app: &mut App, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let mut places = None;
    terminal.draw(|frame| places = Some(draw(app, frame))).unwrap();
    app.screen = places.unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..columns).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..rows).map(|y| row(y).trim_end().to_owned()).collect()
}

fn talk() -> App {
    let mut app = bob("");
    join(&mut app, &["ops", "dev"]);
    app.go(1);
    let topic = json!({"topic": "deploys and builds", "set_by": null, "set_at": null});
    app.answered(Answer::Topic("ops".into(), serde_json::from_value(topic).unwrap()));
    let people = vec![Person::new("eve", "beta"), Person::new("bob", "alpha")];
    app.answered(Answer::People("ops".into(), people));
    hear(&mut app, "ops", "eve", json!("Build 512 failed, see the log of the third step"));
    hear(&mut app, "dev", "eve", json!("bob?"));
    app
}

#[test]
fn a_wide_screen_has_both_sides() {
    let mut app = talk();
    types(&mut app, "on it");
    assert_eq!(
        screen(&mut app, 90, 8),
        [
            " ops deploys and builds",
            "1 (hub)          │                                                       │ 2 people",
            "2 ops            │                                                       │ bob",
            "3 dev          1!│─── Thu 30 Apr 2026 ───────────────────────────────────│ eve beta",
            "                 │12:00 eve Build 512 failed, see the log of the third   │",
            "                 │  step                                                 │",
            " bob@alpha · connected · 1 server [3:dev 1!]",
            "› on it",
        ]
    );
}

#[test]
fn a_narrow_screen_has_the_conversation_alone() {
    let mut app = talk();
    app.arrived(Arrival::Event(Event::Disconnected { why: "gone".into() }));
    assert_eq!(
        screen(&mut app, 40, 10),
        [
            " ops deploys and builds",
            "",
            "",
            "",
            "─── Thu 30 Apr 2026 ────────────────────",
            "12:00 eve Build 512 failed, see the log",
            "  of the third step",
            "12:00 * disconnected: gone",
            " bob@alpha · no connection for 0 s, tryi",
            "!",
        ]
    );
}

#[test]
fn the_draft_grows_and_leaves_room() {
    let mut app = talk();
    for n in 0..20 {
        types(&mut app, &format!("line {n}"));
        press(&mut app, "alt-enter");
    }
    let rows = screen(&mut app, 40, 12);
    let typed = rows.iter().filter(|row| row.contains("line")).count();
    assert!(typed == 3 && rows[10].ends_with("line 19"), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains("bob@alpha")));
}

#[test]
fn what_is_above_everything_fits_any_screen() {
    let mut app = talk();
    for (keys, words) in
        [("f1", "Keys:"), ("ctrl-k", "go to:"), ("ctrl-r", "typed before:"), ("ctrl-f", "search:")]
    {
        press(&mut app, keys);
        assert!(screen(&mut app, 100, 30).iter().any(|row| row.contains(words)), "{words}");
        for size in [(40, 10), (10, 3), (1, 1), (3, 2)] {
            screen(&mut app, size.0, size.1);
        }
        press(&mut app, "esc");
    }
}

/// Things that can happen, in any order.
#[derive(Debug, Clone)]
enum Happens {
    Keys(&'static str),
    Typed(String),
    Pasted(String),
    Heard(&'static str, String),
    Json(String),
    Lost,
    Back,
    Missed(u64),
    Size(u16, u16),
    Parted,
    Joined,
}

fn happens() -> impl Strategy<Value = Happens> {
    const KEYS: &[&str] = &[
        "enter",
        "esc",
        "tab",
        "shift-tab",
        "up",
        "down",
        "left",
        "right",
        "home",
        "end",
        "page-up",
        "page-down",
        "ctrl-home",
        "ctrl-end",
        "alt-up",
        "alt-down",
        "alt-1",
        "alt-2",
        "alt-9",
        "alt-a",
        "alt-b",
        "alt-p",
        "alt-e",
        "alt-m",
        "alt-c",
        "ctrl-f",
        "ctrl-k",
        "ctrl-r",
        "f1",
        "backspace",
        "delete",
        "ctrl-w",
        "ctrl-u",
        "alt-enter",
        "space",
        "ctrl-c",
        "ctrl-p",
        "ctrl-n",
        "shift-up",
        "g",
        "j",
        "k",
        "y",
    ];
    prop_oneof![
        8 => prop::sample::select(KEYS).prop_map(Happens::Keys),
        2 => "[/#@a-z日é\u{301}👍 ]{0,8}".prop_map(Happens::Typed),
        1 => "\\PC{0,30}(\n\\PC{0,10}){0,8}".prop_map(Happens::Pasted),
        3 => (prop::sample::select(&["ops", "dev", "nowhere"][..]), any::<String>())
            .prop_map(|(channel, text)| Happens::Heard(channel, text)),
        1 => any::<String>().prop_map(Happens::Json),
        1 => Just(Happens::Lost),
        1 => Just(Happens::Back),
        1 => (0u64..5).prop_map(Happens::Missed),
        3 => (1u16..130, 1u16..40).prop_map(|(columns, rows)| Happens::Size(columns, rows)),
        1 => Just(Happens::Parted),
        1 => Just(Happens::Joined),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whatever happens, there is a screen; its borders stand where they belong, and no cell holds
    /// what would move a cursor.
    #[test]
    fn there_is_always_a_screen(all in prop::collection::vec(happens(), 0..80)) {
        let mut app = bob("scrollback = 100");
        join(&mut app, &["ops", "dev"]);
        app.go(1);
        let mut size = (100, 24);
        for one in all {
            app.at(app.now() + 40);
            match one {
                Happens::Keys(keys) => press(&mut app, keys),
                Happens::Typed(text) => types(&mut app, &text),
                Happens::Pasted(text) => app.pasted(&text),
                Happens::Heard(channel, text) => hear(&mut app, channel, "eve", json!(text)),
                Happens::Json(text) => hear(&mut app, "ops", "eve", json!({ text.clone(): [text, 1, null] })),
                Happens::Lost => app.arrived(Arrival::Event(Event::Disconnected { why: "x".into() })),
                Happens::Back => app.arrived(Arrival::Event(Event::Reconnected {
                    name: "bob".into(), server: "beta".into(), addr: "b:1".into(), before: "alpha".into(),
                })),
                Happens::Missed(missed) => app.arrived(Arrival::Gap(Gap {
                    channel: "ops".into(), origin: "a-1".into(), missed,
                })),
                Happens::Size(columns, rows) => size = (columns, rows),
                Happens::Parted => join(&mut app, &["ops"]),
                Happens::Joined => join(&mut app, &["ops", "dev", "more.>"]),
            }
            app.tick();
            app.effects();
            let rows = screen(&mut app, size.0, size.1);
            prop_assert!(rows.iter().all(|row| !row.chars().any(char::is_control)), "{rows:#?}");
            prop_assert!(app.current < app.conversations.len());
        }
    }
}
