//! Transcripts of a person at the screen: keys, arrivals and answers in, effects and state out.

#![allow(clippy::unwrap_used)]

mod persons;
mod typing;

use super::super::config::{parse, Config};
use super::super::conversation::Kind;
use super::super::entry::What;
use super::super::keys::parse_key;
use super::super::theme::Theme;
use super::{Answer, App, Came, Effect, Me, Mode, Question};
use crate::terminal::inbox::Arrival;
use crate::terminal::line::Target;
use chrono::DateTime;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use hubbub_client::{Event, Gap};
use hubbub_shared::names::Pattern;
use ratatui::layout::Rect;
use serde_json::json;

/// A Thursday, 12:00 UTC.
pub const NOON: i64 = 1_777_550_400_000;

/// The state of bob on alpha, with a screen of 60 × 10 for messages.
pub fn bob(config: &str) -> App {
    let config: Config = parse(config).unwrap();
    let theme = Theme::new(super::super::theme::Choice::None, |_| None);
    let me = Me { name: "bob".into(), server: "alpha".into(), origin: "alpha-0000aa".into() };
    let mut app = App::new(config, theme, me, NOON);
    app.clock = |at| DateTime::from_timestamp_millis(at).unwrap().naive_utc();
    app.screen.messages = Rect::new(0, 0, 60, 10);
    app
}

pub fn join(app: &mut App, channels: &[&str]) {
    let patterns: Vec<Pattern> = channels.iter().map(|c| Pattern::parse(c).unwrap()).collect();
    app.joined(&patterns);
}

/// Bob in `ops` and `dev`, looking at `ops`.
fn bob_in_ops() -> App {
    let mut app = bob("");
    join(&mut app, &["ops", "dev"]);
    app.go(1);
    app.effects();
    app
}

pub fn press(app: &mut App, keys: &str) {
    for key in keys.split(' ') {
        let (code, held) = parse_key(key).unwrap();
        app.pressed(&KeyEvent::new(code, held));
    }
}

pub fn types(app: &mut App, text: &str) {
    for c in text.chars() {
        app.pressed(&KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
}

pub fn hear(app: &mut App, channel: &str, from: &str, data: serde_json::Value) {
    let seq = app.now() - NOON + 1;
    hear_as(app, channel, from, "beta-0000bb", seq.unsigned_abs(), data);
}

fn hear_as(app: &mut App, channel: &str, from: &str, origin: &str, seq: u64, data: serde_json::Value) {
    let at = DateTime::from_timestamp_millis(app.now()).unwrap().to_rfc3339();
    let message = json!({
        "channel": channel, "from": from, "seq": seq, "origin": origin, "at": at, "data": data,
    });
    app.arrived(Arrival::Message(serde_json::from_value(message).unwrap()));
}

fn direct(app: &mut App, from: &str, origin: &str, text: &str) {
    let at = DateTime::from_timestamp_millis(app.now()).unwrap().to_rfc3339();
    let direct = json!({ "from": from, "origin": origin, "at": at, "data": text });
    app.arrived(Arrival::Event(Event::Direct(serde_json::from_value(direct).unwrap())));
}

/// The lines that were given to be done, each with whom it goes to.
fn lines(app: &mut App) -> Vec<(String, Option<Target>)> {
    let line = |effect| match effect {
        Effect::Line { line, target, .. } => Some((line, target)),
        _ => None,
    };
    app.effects().into_iter().filter_map(line).collect()
}

fn channel(name: &str) -> Option<Target> {
    Some(Target::Channel(name.into()))
}

fn person(name: &str) -> Option<Target> {
    Some(Target::Person(name.into()))
}

fn shown(app: &App) -> Vec<String> {
    app.here().scrollback.iter().map(|entry| entry.plain().into_owned()).collect()
}

fn names(app: &App) -> Vec<&str> {
    app.conversations.iter().map(|c| c.name()).collect()
}

fn counts(app: &App, name: &str) -> (u64, u64) {
    let c = app.conversations.iter().find(|c| c.name() == name).unwrap();
    (c.unread, c.mentions)
}

fn wait(app: &mut App, ms: i64) {
    app.at(app.now() + ms);
    app.tick();
}

/// The hub's word on which servers are alive.
fn alive(app: &mut App, servers: &[&str]) {
    app.answered(Answer::Servers(servers.iter().map(|name| name.to_string()).collect()));
}

#[test]
fn every_conversation_keeps_its_draft_and_its_place() {
    let mut app = bob_in_ops();
    for n in 0..100 {
        hear(&mut app, "ops", "eve", json!(format!("line {n}")));
    }
    types(&mut app, "half a sen");
    press(&mut app, "page-up");
    let place = app.here().place;
    assert!(!place.follows());
    press(&mut app, "alt-down");
    types(&mut app, "for dev");
    press(&mut app, "alt-up");
    assert_eq!((app.here().draft.text().as_str(), app.here().place), ("half a sen", place));
    hear(&mut app, "ops", "eve", json!("one more"));
    assert_eq!(app.here().place, place, "what arrives moves nothing");
    app.screen.messages = Rect::new(0, 0, 30, 5);
    press(&mut app, "shift-up shift-down");
    press(&mut app, "end");
    assert!(app.here().place.follows());
    press(&mut app, "alt-down");
    assert_eq!(app.here().draft.text(), "for dev");
}

#[test]
fn unread_and_mentions_are_counted_until_one_looks() {
    let mut app = bob_in_ops();
    hear(&mut app, "ops", "eve", json!("seen"));
    hear(&mut app, "dev", "eve", json!("one"));
    hear(&mut app, "dev", "eve", json!("two, Bob?"));
    hear(&mut app, "dev", "eve", json!({"user": "bob"}));
    assert_eq!((counts(&app, "ops"), counts(&app, "dev")), ((0, 0), (3, 1)));
    assert_eq!(app.title(), "(1) ops · hubbub");
    press(&mut app, "alt-a");
    assert_eq!((app.here().name(), counts(&app, "dev")), ("dev", (0, 0)));
    assert_eq!(app.title(), "dev · hubbub");
    press(&mut app, "alt-a");
    assert_eq!(app.flash.as_ref().unwrap().0, "nothing is unread");
}

#[test]
fn what_went_by_too_fast_is_counted_and_end_has_seen_it() {
    let mut app = bob_in_ops();
    hear(&mut app, "ops", "eve", json!("one"));
    app.here_mut().was_drawn(1);
    for n in 0..500 {
        hear(&mut app, "ops", "eve", json!(n));
    }
    app.here_mut().was_drawn(10);
    assert_eq!(app.here().skipped, 490);
    press(&mut app, "end");
    assert_eq!(app.here().skipped, 0);
    types(&mut app, "ab");
    press(&mut app, "home end");
    types(&mut app, "c");
    assert_eq!(app.here().draft.text(), "abc", "where nothing was missed it is the end of the line");
}

#[test]
fn a_scrollback_is_bounded_and_a_view_of_what_went_shows_the_oldest() {
    let mut app = bob("scrollback = 100");
    join(&mut app, &["ops"]);
    app.go(1);
    for n in 0..100 {
        hear(&mut app, "ops", "eve", json!(n));
    }
    press(&mut app, "ctrl-home");
    for n in 0..150 {
        hear(&mut app, "ops", "eve", json!(n));
    }
    assert_eq!(app.here().scrollback.len(), 100);
    let view = app.here().place.view(&app.here().scrollback, &app.lay(60), 10);
    assert!(!view.is_empty());
    press(&mut app, "page-down page-up ctrl-end");
    assert!(app.here().place.follows());
}

#[test]
fn it_rings_for_names_and_persons_unless_one_looks_or_said_no() {
    let rings = |app: &mut App| app.effects().contains(&Effect::Bell);
    let mut app = bob_in_ops();
    hear(&mut app, "dev", "eve", json!("nothing of note"));
    assert!(!rings(&mut app));
    hear(&mut app, "dev", "eve", json!("bob!"));
    assert!(rings(&mut app));
    direct(&mut app, "eve", "beta-1234ab", "psst");
    assert!(!rings(&mut app), "it rang just now");
    wait(&mut app, 2_000);
    direct(&mut app, "eve", "beta-1234ab", "psst");
    assert!(rings(&mut app));
    wait(&mut app, 2_000);
    types(&mut app, "x");
    hear(&mut app, "ops", "eve", json!("bob, here"));
    assert!(!rings(&mut app), "it is being looked at");
    app.focus(false);
    hear(&mut app, "ops", "eve", json!("bob, are you there?"));
    assert!(rings(&mut app), "nobody looks");
    assert_eq!(counts(&app, "ops"), (1, 1));
    app.focus(true);
    assert_eq!(counts(&app, "ops"), (0, 0));
    wait(&mut app, 2_000);
    press(&mut app, "alt-3 alt-m alt-2");
    hear(&mut app, "dev", "eve", json!("bob!"));
    assert!(!rings(&mut app), "dev is silent");
    assert_eq!((counts(&app, "dev"), app.title().as_str()), ((1, 1), "(2) ops · hubbub"), "eve's two count");

    let mut all = bob("bell = \"all\"");
    join(&mut all, &["ops"]);
    hear(&mut all, "ops", "eve", json!("anything"));
    assert!(rings(&mut all));
    let mut never = bob("bell = \"never\"\nhighlight = [\"outage\"]");
    join(&mut never, &["ops"]);
    hear(&mut never, "ops", "eve", json!("bob: an Outage!"));
    assert!(!rings(&mut never));
    assert_eq!(counts(&never, "ops"), (1, 1));
}

#[test]
fn a_lost_connection_is_shown_and_what_was_missed_is_told() {
    let mut app = bob_in_ops();
    direct(&mut app, "eve", "beta-1234ab", "psst");
    hear_as(&mut app, "ops", "eve", "beta-0000bb", 1, json!("one"));
    types(&mut app, "half");
    app.arrived(Arrival::Event(Event::Disconnected { why: "it went away".into() }));
    app.effects();
    wait(&mut app, 2_500);
    assert_eq!((app.link.lost_at, app.effects()), (Some(NOON), vec![]), "nobody is asked meanwhile");
    app.arrived(Arrival::Event(Event::Reconnected {
        name: "bob".into(),
        server: "gamma".into(),
        addr: "127.0.0.1:7413".into(),
        before: "alpha".into(),
    }));
    let past = |channel: &str| Effect::Ask(Question::Past { channel: channel.into(), again: true });
    let asked = app.effects();
    assert!(asked.contains(&past("ops")) && asked.contains(&past("dev")), "{asked:?}");
    app.arrived(Arrival::Gap(Gap { channel: "ops".into(), origin: "beta-0000bb".into(), missed: 2 }));
    hear_as(&mut app, "ops", "eve", "beta-0000bb", 4, json!("four"));
    let messages = json!([
        {"channel": "ops", "from": "eve", "seq": 2, "origin": "beta-0000bb", "at": "2026-04-30T12:00:01Z", "data": "two"},
        {"channel": "ops", "from": "eve", "seq": 4, "origin": "beta-0000bb", "at": "2026-04-30T12:00:02Z", "data": "four"},
    ]);
    let messages = serde_json::from_value(messages).unwrap();
    app.answered(Answer::Past { channel: "ops".into(), again: true, messages });
    assert_eq!(
        shown(&app),
        [
            "eve: one",
            "eve: two",
            "* disconnected: it went away",
            "* no connection for 2.5 s, messages may be missing",
            "* connected to gamma at 127.0.0.1:7413 as bob",
            "* 2 messages missed, 1 fetched since",
            "eve: four",
        ]
    );
    assert_eq!(app.here().draft.text(), "half");
    app.turn_to(&Target::Person("eve".into()));
    assert_eq!(shown(&app)[1], "* no connection for 2.5 s, what was written is lost");
}

#[test]
fn who_is_idle_is_away_and_the_old_welcome_comes_back() {
    let mut app = bob("away-after = \"10m\"");
    wait(&mut app, 599_000);
    assert!(app.away.is_none());
    wait(&mut app, 2_000);
    let words = "away since 12:00".to_owned();
    assert!(app.effects().contains(&Effect::Ask(Question::Away(words.clone()))));
    app.answered(Answer::Away { words, before: "hi, I am bob".into() });
    types(&mut app, "x");
    assert_eq!(app.effects(), [Effect::Ask(Question::Welcome("hi, I am bob".into()))]);
    assert!(app.away.is_none());
    // Back before the hub had answered.
    app.local(crate::terminal::local::LocalOp::Away, "at lunch");
    types(&mut app, "x");
    app.effects();
    app.answered(Answer::Away { words: "at lunch".into(), before: "hi, I am bob".into() });
    assert_eq!(app.effects(), [Effect::Ask(Question::Welcome("hi, I am bob".into()))]);
}

#[test]
fn a_pattern_is_one_conversation_and_a_channel_of_its_own_comes_first() {
    let mut app = bob("");
    join(&mut app, &["ops.>", "ops.db"]);
    hear(&mut app, "ops.db", "eve", json!("to the channel"));
    hear(&mut app, "ops.web", "eve", json!("to the pattern"));
    assert_eq!((counts(&app, "ops.db"), counts(&app, "ops.>")), ((1, 0), (1, 0)));
    app.go(1);
    let entry = app.here().scrollback.last().unwrap();
    assert!(matches!(&entry.what, What::Said(said) if said.channel.as_deref() == Some("ops.web")));
    types(&mut app, "hi");
    press(&mut app, "enter");
    assert_eq!(lines(&mut app), [("hi".into(), None)], "a pattern cannot be talked to");
    types(&mut app, "/part");
    press(&mut app, "enter");
    assert_eq!(lines(&mut app)[0].0, "/part ops.>");
    join(&mut app, &["ops.db"]);
    assert_eq!(names(&app), ["(hub)", "ops.db"]);
}

#[test]
fn the_next_session_finds_what_this_one_left() {
    let mut app = bob_in_ops();
    direct(&mut app, "eve", "beta-1234ab", "psst");
    direct(&mut app, "mallory", "beta-1234ab", "never answered");
    app.turn_to(&Target::Person("eve@beta".into()));
    press(&mut app, "alt-3 alt-m");
    let left = app.to_remember();
    let mut again = bob("");
    join(&mut again, &["ops", "dev"]);
    again.restore(&left);
    again.begin(&[left.current.clone().unwrap()]);
    assert_eq!(names(&again), ["(hub)", "ops", "dev", "eve"]);
    assert_eq!(again.conversations[3].target(), person("eve@beta"), "the one on that server");
    assert_eq!((again.here().name(), again.here().muted), ("dev", true));
    assert!(matches!(again.here().kind, Kind::Channel(_)));
}
