//! Transcripts of a person at the screen: keys, arrivals and answers in, effects and state out.

#![allow(clippy::unwrap_used)]

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

#[test]
fn what_is_typed_goes_to_the_conversation_that_is_shown() {
    let mut app = bob_in_ops();
    types(&mut app, "hello");
    press(&mut app, "enter");
    press(&mut app, "alt-3");
    types(&mut app, "/who");
    press(&mut app, "enter");
    press(&mut app, "alt-1");
    types(&mut app, "/list");
    press(&mut app, "enter");
    assert_eq!(
        lines(&mut app),
        [("hello".into(), channel("ops")), ("/who".into(), channel("dev")), ("/list".into(), None)]
    );
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

/// The hub's word on which servers are alive.
fn alive(app: &mut App, servers: &[&str]) {
    app.answered(Answer::Servers(servers.iter().map(|name| name.to_string()).collect()));
}

#[test]
fn one_person_is_a_conversation_of_its_own() {
    let mut app = bob_in_ops();
    alive(&mut app, &["alpha", "beta", "gamma"]);
    direct(&mut app, "eve", "beta-1234ab", "psst");
    assert_eq!(names(&app), ["(hub)", "ops", "dev", "eve"]);
    assert_eq!(counts(&app, "eve"), (1, 1));
    press(&mut app, "alt-a");
    types(&mut app, "yes?");
    press(&mut app, "enter");
    assert_eq!(lines(&mut app), [("yes?".into(), person("eve@beta"))], "answered where she wrote from");
    let told = Some(("eve@beta".into(), "yes?".into()));
    let from = app.here().kind.clone();
    app.came(&from, "yes?", Came { told, ..Came::default() });
    alive(&mut app, &["alpha", "gamma"]);
    direct(&mut app, "eve", "gamma-5678cd", "I moved");
    assert_eq!(shown(&app), ["eve: psst", "bob: yes?", "* eve writes from gamma now", "eve: I moved"]);
    assert_eq!(app.here().target(), person("eve@gamma"));
    types(&mut app, "/msg eve hi");
    press(&mut app, "enter");
    assert_eq!(lines(&mut app)[0].0, "/msg eve@gamma hi", "the one whom one talks to");
    app.forget("eve");
    assert_eq!(names(&app), ["(hub)", "ops", "dev"]);
}

#[test]
fn nobody_gets_what_is_typed_to_somebody_else_of_that_name() {
    let mut app = bob_in_ops();
    alive(&mut app, &["alpha", "beta", "gamma"]);
    direct(&mut app, "eve", "beta-1234ab", "I am eve");
    app.turn_to(&Target::Person("eve@beta".into()));
    types(&mut app, "my secret is");
    direct(&mut app, "Eve", "gamma-1234ab", "so am I");
    assert_eq!(names(&app), ["(hub)", "ops", "dev", "eve", "Eve@gamma"]);
    // Not even when her server is gone: something is being typed to her.
    alive(&mut app, &["alpha", "gamma", "delta"]);
    direct(&mut app, "eve", "delta-1234ab", "me too");
    press(&mut app, "enter");
    assert_eq!(lines(&mut app), [("my secret is".into(), person("eve@beta"))]);
    assert_eq!(names(&app)[3..], ["eve", "Eve@gamma", "eve@delta"]);
    direct(&mut app, "eve", "gamma-1234ab", "hm");
    assert_eq!(counts(&app, "Eve@gamma"), (2, 2));
}

#[test]
fn who_is_not_there_any_more_is_told_and_nothing_goes_elsewhere() {
    let mut app = bob_in_ops();
    direct(&mut app, "eve", "beta-1234ab", "psst");
    app.turn_to(&Target::Person("eve@beta".into()));
    types(&mut app, "still there?");
    press(&mut app, "enter");
    app.effects();
    let failures = vec!["no-such-client: nobody is called eve@beta".to_owned()];
    let from = app.here().kind.clone();
    app.came(&from, "still there?", Came { failures, ..Came::default() });
    assert_eq!(lines(&mut app), []);
    assert_eq!(shown(&app)[1..], ["! no-such-client: nobody is called eve@beta; not sent: still there?"]);
    assert_eq!(app.here().draft.text(), "still there?", "nothing that was typed is lost");
    // A name alone is whoever has it now.
    app.turn_to(&Target::Person("eve".into()));
    assert!(app.effects().contains(&Effect::Ask(Question::Where("eve".into()))));
    app.answered(Answer::Where("eve".into(), Some("gamma".into())));
    assert_eq!(app.here().target(), person("eve@gamma"));
}

#[test]
fn a_crowd_of_strangers_takes_no_conversation_away() {
    let mut app = bob_in_ops();
    direct(&mut app, "boss", "beta-1234ab", "call me");
    app.turn_to(&Target::Person("boss@beta".into()));
    types(&mut app, "half a sen");
    press(&mut app, "alt-2");
    for n in 0..600 {
        direct(&mut app, &format!("p{n}"), "beta-1234ab", "buy");
    }
    assert_eq!(app.conversations.len(), 3 + 500);
    let boss = app.person("boss@beta").unwrap();
    assert_eq!(app.conversations[boss].draft.text(), "half a sen");
    assert!(app.conversations[0].mentions >= 100, "the others are among the hub's words");
    assert_eq!(app.to_remember().people, ["boss@beta"], "the next session knows whom one has talked to");
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
fn many_persons_with_much_to_say_fill_no_memory() {
    let mut app = bob_in_ops();
    hear(&mut app, "ops", "eve", json!("what one looks at stays"));
    let text = "x".repeat(1 << 20);
    for n in 0..600 {
        direct(&mut app, &format!("p{n}"), "beta-1234ab", &text);
        if n % 20 == 0 {
            app.tick();
        }
    }
    app.tick();
    let held: usize = app.conversations.iter().map(|c| c.scrollback.bytes()).sum();
    assert!(held <= 128 << 20 && app.conversations.len() <= 3 + 500, "{held} {}", app.conversations.len());
    assert_eq!(shown(&app), ["eve: what one looks at stays"]);
}

#[test]
fn many_lines_are_asked_about_and_a_few_are_not() {
    let mut app = bob_in_ops();
    app.pasted("one\r\ntwo\nthree");
    press(&mut app, "enter");
    assert_eq!(lines(&mut app), [("one\ntwo\nthree".into(), channel("ops"))]);
    app.pasted("1\n2\n3\n4\n5\n6");
    press(&mut app, "enter");
    let Mode::Confirming(confirm) = &app.mode else { panic!("it is asked first") };
    assert_eq!(confirm.lines, 6);
    press(&mut app, "esc");
    assert_eq!((lines(&mut app), app.here().draft.lines().len()), (vec![], 6));
    press(&mut app, "enter enter");
    assert_eq!(lines(&mut app), [("1\n2\n3\n4\n5\n6".into(), channel("ops"))]);
    app.pasted(&"x".repeat(600_000));
    assert!(app.here().draft.is_empty() && app.flash.as_ref().unwrap().0.starts_with("too long: 600000"));
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
fn ctrl_c_asks_once_and_leaves_twice() {
    let mut app = bob_in_ops();
    types(&mut app, "not to be sent");
    press(&mut app, "ctrl-c");
    assert_eq!(app.flash.as_ref().unwrap().0, "Ctrl-C once more leaves");
    assert!(app.here().draft.is_empty() && !app.effects().contains(&Effect::Quit));
    press(&mut app, "up");
    assert_eq!(app.here().draft.text(), "not to be sent", "it can be had back");
    press(&mut app, "ctrl-c");
    assert!(!app.effects().contains(&Effect::Quit), "something else was pressed between");
    press(&mut app, "ctrl-c");
    assert!(app.effects().contains(&Effect::Quit));
}

#[test]
fn lines_come_back_by_arrows_and_by_search() {
    let mut app = bob_in_ops();
    app.typed = ["/join ops", "deploy starts", "/whois eve"].map(str::to_owned).into();
    press(&mut app, "up up");
    assert_eq!(app.here().draft.text(), "deploy starts");
    press(&mut app, "down down");
    assert!(app.here().draft.is_empty());
    press(&mut app, "ctrl-r");
    types(&mut app, "depl");
    press(&mut app, "enter");
    assert_eq!((app.here().draft.text().as_str(), lines(&mut app)), ("deploy starts", vec![]));
    press(&mut app, "ctrl-u");
    types(&mut app, "/operator s3cret");
    press(&mut app, "enter");
    assert!(!app.typed.iter().any(|line| line.contains("s3cret")));
    assert!(!app.effects().iter().any(|e| matches!(e, Effect::Typed(line) if line.contains("s3cret"))));
}

#[test]
fn the_switcher_goes_to_a_conversation_by_some_letters() {
    let mut app = bob("");
    join(&mut app, &["ops.deploy", "ops.db", "dev"]);
    hear(&mut app, "dev", "eve", json!("bob?"));
    press(&mut app, "ctrl-k");
    let Mode::Switching(picker) = &app.mode else { panic!("a choice") };
    assert_eq!(picker.item(), Some("dev"), "whoever names one comes first");
    types(&mut app, "odb");
    press(&mut app, "enter");
    assert_eq!(app.here().name(), "ops.db");
    press(&mut app, "ctrl-k esc");
    assert_eq!(app.here().name(), "ops.db");
}

#[test]
fn tab_completes_and_the_hub_is_asked_for_what_may_be_new() {
    let mut app = bob_in_ops();
    wait(&mut app, 10_000);
    app.effects();
    types(&mut app, "/query e");
    press(&mut app, "tab");
    assert!(app.effects().contains(&Effect::Ask(Question::Clients)));
    assert_eq!(app.here().draft.text(), "/query e", "nobody is known yet");
    app.answered(Answer::Clients(vec!["eve".into(), "bob".into(), "erin".into()]));
    assert_eq!(app.here().draft.text(), "/query eve ", "the key was pressed for this");
    press(&mut app, "tab");
    assert_eq!(app.here().draft.text(), "/query erin ");
    press(&mut app, "esc");
    assert_eq!(app.here().draft.text(), "/query e");
    press(&mut app, "ctrl-u");
    types(&mut app, "/to");
    press(&mut app, "tab");
    types(&mut app, "de");
    press(&mut app, "tab");
    assert_eq!(app.here().draft.text(), "/topic dev ");
    press(&mut app, "ctrl-u");
    hear(&mut app, "ops", "mallory", json!("hi"));
    types(&mut app, "mal");
    press(&mut app, "tab");
    assert_eq!(app.here().draft.text(), "mallory: ");
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
fn a_line_that_could_not_be_sent_comes_back() {
    let mut app = bob_in_ops();
    types(&mut app, "precious words");
    press(&mut app, "enter");
    let from = app.here().kind.clone();
    let failures = vec!["no answer to publish within 5s".to_owned()];
    app.came(&from, "precious words", Came { failures, ..Came::default() });
    assert_eq!(app.here().draft.text(), "precious words");
    assert_eq!(shown(&app), ["! no answer to publish within 5s; not sent: precious words"]);
    app.here_mut().draft.take();
    let failures = vec!["publish took longer than 5s".to_owned()];
    app.came(&from, "perhaps", Came { failures, perhaps: true, ..Came::default() });
    assert!(app.here().draft.is_empty(), "one more Enter would say it twice");
    assert!(shown(&app)[1].ends_with("perhaps it was sent, perhaps not: perhaps"));
    press(&mut app, "up");
    assert_eq!(app.here().draft.text(), "perhaps");
}

#[test]
fn answers_stand_where_they_were_asked_for_with_their_count_first() {
    let mut app = bob_in_ops();
    let came = |lines: &str| Came { lines: lines.into(), ..Came::default() };
    let ops = app.here().kind.clone();
    press(&mut app, "alt-3");
    app.came(&ops, "/who", came("  bob\n  eve\nok 2 clients\n"));
    app.came(&ops, "/create x", came("ok created x\n"));
    app.came(&ops, "/msg eve x", came(""));
    press(&mut app, "alt-2");
    assert_eq!(shown(&app), ["2 clients\n  bob\n  eve", "* created x"]);
}

#[test]
fn a_text_is_found_further_and_further_up() {
    let mut app = bob_in_ops();
    for n in 0..200 {
        let text = if n % 50 == 10 { format!("Needle {n}") } else { format!("hay {n}") };
        hear(&mut app, "ops", "eve", json!(text));
    }
    press(&mut app, "ctrl-f");
    types(&mut app, "needle");
    let at = |app: &App| match &app.mode {
        Mode::Searching(search) => {
            let scrollback = &app.here().scrollback;
            search
                .at
                .and_then(|id| scrollback.index_of(id))
                .map(|n| scrollback.get(n).unwrap().plain().into_owned())
        }
        _ => None,
    };
    assert_eq!(at(&app).as_deref(), Some("eve: Needle 160"));
    press(&mut app, "enter enter");
    assert_eq!(at(&app).as_deref(), Some("eve: Needle 60"));
    press(&mut app, "down");
    assert_eq!(at(&app).as_deref(), Some("eve: Needle 110"));
    let rows = app.here().place.view(&app.here().scrollback, &app.lay(60), 10);
    let text: Vec<String> = rows.iter().map(|r| r.pieces.iter().map(|(t, _)| t.as_str()).collect()).collect();
    assert!(text.iter().any(|row| row.contains("Needle 110")), "{text:?}");
    types(&mut app, "x");
    assert!(matches!(&app.mode, Mode::Searching(search) if search.end && search.at.is_none()));
    press(&mut app, "esc end");
    assert!(app.here().place.follows());
}

#[test]
fn messages_are_copied_without_their_looks() {
    let mut app = bob_in_ops();
    for text in ["one", "two", "three"] {
        hear(&mut app, "ops", "eve", json!(text));
    }
    hear(&mut app, "ops", "eve", json!({"a": 1}));
    press(&mut app, "alt-c up space up enter");
    let effects = app.effects();
    assert!(effects.contains(&Effect::Copy("eve: two\neve: three".into())), "{effects:?}");
    press(&mut app, "alt-c enter");
    assert!(app.effects().contains(&Effect::Copy("eve: {\"a\":1}".into())));
}

#[test]
fn json_is_folded_until_a_key_unfolds_it() {
    let mut app = bob_in_ops();
    hear(&mut app, "ops", "eve", json!({"state": "failed", "steps": [1, 2]}));
    let rows = |app: &App| {
        let rows = app.here().place.view(&app.here().scrollback, &app.lay(60), 10);
        let text = |r: &super::super::lay::Row| r.pieces.iter().map(|(t, _)| t.as_str()).collect::<String>();
        rows.iter()
            .skip(1)
            .map(|r| text(r).split('│').nth(1).unwrap().trim_end().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(&app), [" {state: \"failed\", steps: [1, 2]}"]);
    press(&mut app, "alt-e");
    assert_eq!(rows(&app)[..3], [" {", "   \"state\": \"failed\",", "   \"steps\": ["]);
    press(&mut app, "alt-e");
    assert_eq!(rows(&app).len(), 1);
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

#[test]
fn a_slow_answer_takes_nobody_away_from_what_is_being_typed() {
    let mut app = bob_in_ops();
    let from = app.here().kind.clone();
    types(&mut app, "to ops");
    app.turn_from(&from, channel("dev").as_ref(), None);
    assert_eq!(app.here().name(), "ops");
    press(&mut app, "ctrl-u alt-1");
    app.turn_from(&from, channel("dev").as_ref(), Some(2));
    assert_eq!((app.here().name(), app.flash.as_ref().unwrap().0.as_str()), ("(hub)", "dev is joined"));
    press(&mut app, "alt-2");
    app.turn_from(&from, channel("dev").as_ref(), None);
    assert_eq!(app.here().name(), "dev");
}

#[test]
fn copy_mode_holds_still_and_gives_the_mouse_back_however_it_ends() {
    let mut app = bob("scrollback = 100");
    join(&mut app, &["ops", "dev"]);
    app.go(1);
    hear(&mut app, "ops", "eve", json!("to be copied"));
    press(&mut app, "alt-c");
    assert!(app.effects().contains(&Effect::Mouse(false)) && !app.here().place.follows());
    for n in 0..150 {
        hear(&mut app, "ops", "eve", json!(n));
    }
    press(&mut app, "enter");
    let effects = app.effects();
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Copy(_))), "it is gone: {effects:?}");
    assert!(effects.contains(&Effect::Mouse(true)));
    press(&mut app, "alt-c alt-3");
    app.effects();
    press(&mut app, "alt-2 alt-c f1 esc");
    assert!(app.effects().contains(&Effect::Mouse(true)) || matches!(app.mode, Mode::Typing));
}

#[test]
fn local_commands_do_what_they_say() {
    use crate::terminal::local::LocalOp;
    let mut app = bob_in_ops();
    hear(&mut app, "ops", "eve", json!("a needle"));
    app.local(LocalOp::Go, "#DEV");
    assert_eq!(app.here().name(), "dev");
    app.local(LocalOp::Go, "2");
    assert_eq!(app.here().name(), "ops");
    app.local(LocalOp::Go, "nowhere");
    assert!(shown(&app)[1].starts_with("! there is no conversation nowhere"));
    app.local(LocalOp::Mute, "dev");
    assert!(app.conversations[2].muted);
    app.local(LocalOp::Search, "needle");
    assert!(matches!(&app.mode, Mode::Searching(search) if search.at.is_some()));
    press(&mut app, "esc");
    app.local(LocalOp::Keys, "");
    assert!(matches!(app.mode, Mode::Helping(0)));
    press(&mut app, "down down up esc");
    assert!(matches!(app.mode, Mode::Typing));
    app.local(LocalOp::Clear, "");
    assert_eq!(shown(&app), [] as [&str; 0]);
}
