//! Conversations with one person, and with those of the same name.

use super::*;

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
