//! What keys do: lines, completion, searching, copying, commands of the terminal itself.

use super::*;

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
        let text = |r: &crate::terminal::full::lay::Row| {
            r.pieces.iter().map(|(t, _)| t.as_str()).collect::<String>()
        };
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

#[test]
fn nothing_is_waited_for_that_a_lost_connection_took_away() {
    let mut app = bob_in_ops();
    wait(&mut app, 10_000);
    types(&mut app, "/query e");
    press(&mut app, "tab");
    app.arrived(Arrival::Event(Event::Disconnected { why: "it went away".into() }));
    assert!(app.effects().contains(&Effect::AskNothing) && !app.is_asking());
    // An answer that was under way comes all the same.
    app.answered(Answer::Clients(vec!["eve".into()]));
    assert_eq!(app.here().draft.text(), "/query eve ");
    assert!(matches!(app.mode, Mode::Typing), "one candidate is no choice");
}
