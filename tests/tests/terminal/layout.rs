//! What stands where: the same conversation on screens of many sizes, what opens above it, colours, and
//! the picture that the documents show.

use crate::people::{in_ops, line, listened, lists, script, shows, status_has, top_has, AtOps};
use hubbub_tests::{assert_screen, Client, Encoding, Hub, Terminal};
use serde_json::{json, Value};
use std::path::Path;

/// What somebody says in `#ops`, as text or as JSON.
fn say(from: &mut Client, data: Value) {
    from.ask_object(json!({"op": "publish", "channel": "ops", "data": data})).ok();
}

/// Bob in `#ops`, where something of every kind was said, with a draft of a few words.
fn bob_in_a_conversation(hub: &Hub) -> Terminal {
    let mut people = ["ann", "eve", "kenji"].map(|name| hub.named(Encoding::Json, name));
    for person in &mut people {
        person.ask("subscribe ops").ok();
    }
    let [ann, eve, kenji] = &mut people;
    ann.ask("topic ops Release 4.2 goes out today").ok();
    let joins = ["--join", "dev", "--join", "noise"];
    let bob = in_ops(hub, "bob").args(joins).size(24, 80).start();
    shows(&bob, "noise");
    bob.enters("/mute");
    status_has(&bob, "noise is silent now");
    bob.presses("escape");
    status_has(&bob, " ms · connected");
    bob.presses("alt-2");
    shows(&bob, "ops");
    listened(hub, "ops", 4);
    top_has(&bob, "Release 4.2");
    say(ann, json!("good morning"));
    say(kenji, json!("おはようございます、リリースの準備ができました。"));
    let long = "a sentence that is longer than a line of most screens, so that it goes on in the next one";
    say(eve, json!(format!("{long}, and a word without a blank: {}", "x".repeat(120))));
    say(ann, json!({"build": 512, "branch": "release-4.2", "passed": true, "failed": [], "took_s": 81.4}));
    say(eve, json!("bob: is that yours?"));
    bob.enters("/me looks");
    bob.sees("bob looks");
    bob.enters("/reverse abc");
    bob.sees("cba");
    say(ann, json!("two lines\nin one message"));
    bob.sees("in one message");
    for channel in ["dev", "noise", "noise"] {
        eve.ask(&format!("publish {channel} hello")).ok();
    }
    lists(&bob, 4, "noise 2");
    eve.ask("msg bob psst").ok();
    lists(&bob, 5, "@eve 1!");
    bob.types("half a sentence");
    bob.input_is("› half a sentence");
    // Nothing passes away any more.
    status_has(&bob, " ms · connected · 1 server");
    for name in ["ann", "eve", "kenji"] {
        // The list of people is the last that stays the same.
        bob.resize(24, 100);
        bob.sees(&format!("│ {name}"));
    }
    bob.resize(24, 80);
    bob
}

#[test]
fn one_conversation_on_screens_of_many_sizes() {
    let hub = Hub::with(["--name", "alpha"]);
    let bob = bob_in_a_conversation(&hub);
    for (columns, rows) in [(40, 10), (60, 15), (80, 24), (100, 30), (160, 50)] {
        bob.resize(rows, columns);
        assert_screen(&bob, &format!("conversation-{columns}x{rows}"));
    }
}

#[test]
fn what_opens_above_a_conversation() {
    let hub = Hub::with(["--name", "alpha"]);
    let bob = bob_in_a_conversation(&hub);
    for (name, open, text) in
        [("help", "f1", ""), ("switcher", "ctrl-k", "o"), ("search", "ctrl-f", "line"), ("copy", "alt-c", "")]
    {
        bob.presses(open);
        bob.types(text);
        assert_screen(&bob, name);
        bob.presses("escape");
        // The list at the left tells that the help and copy mode have gone.
        lists(&bob, 5, "@eve 1!");
        status_has(&bob, " ms · connected");
        bob.input_is("› half a sentence");
    }
    bob.presses("ctrl-u");
    bob.types("/s");
    bob.presses("tab");
    assert_screen(&bob, "completion");
    bob.presses("escape");
    bob.input_is("› /s");
    bob.presses("ctrl-u");
    bob.pastes("1\n2\n3\n4\n5\n6\n7\n8\n9");
    bob.presses("enter");
    assert_screen(&bob, "question");
}

#[test]
fn a_new_size_keeps_the_draft_the_cursor_and_the_place() {
    let hub = Hub::with(["--name", "alpha"]);
    let bob = in_ops(&hub, "bob").at_ops();
    let mut eve = script(&hub, "eve");
    for n in 0..60 {
        eve.ask(&format!("publish ops line {n} {}", "and more of it ".repeat(n % 11))).ok();
    }
    bob.sees("line 59");
    bob.types("a draft that is longer than what a small screen has room for in one of its lines");
    (0..20).for_each(|_| bob.presses("left"));
    bob.presses("page-up");
    bob.presses("page-up");
    bob.sees("newer messages, press End");
    status_has(&bob, " ms · connected");
    bob.sees("1 person");
    let shot = |screen: &vt100::Screen| {
        // All but the line of state, which tells of other things.
        let lines: Vec<String> = (0..24).filter(|row| *row != 22).map(|row| line(screen, row)).collect();
        (lines, screen.cursor_position())
    };
    let before = bob.look(shot);
    for (rows, columns) in [(10, 40), (50, 160), (3, 20), (24, 64)] {
        bob.resize(rows, columns);
        bob.waits("the cursor in the draft", |screen| {
            let drawn = screen.contents().contains("newer") || rows == 3;
            let (row, column) = screen.cursor_position();
            let left = column.checked_sub(1).and_then(|c| screen.cell(row, c)).map(vt100::Cell::contents);
            (drawn && left.is_some_and(|c| !c.is_empty())).then_some(())
        });
        bob.resize(24, 100);
        bob.waits("the screen as it was", |screen| (shot(screen) == before).then_some(()));
    }
    bob.types("X");
    bob.sees("room forX in");
}

/// All colours that are on the screen.
fn colours(terminal: &Terminal) -> Vec<vt100::Color> {
    let (rows, columns) = terminal.size();
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let both = cells.map(|(row, column)| terminal.cell(row, column)).flat_map(|c| [c.fgcolor(), c.bgcolor()]);
    both.filter(|colour| *colour != vt100::Color::Default).collect()
}

/// The colour in which a name stands before what was said.
fn colour_of(terminal: &Terminal, name: &str, words: &str) -> vt100::Color {
    let row = terminal.row_of(&format!("{name} │ {words}"));
    let found = (0..terminal.size().1).find(|column| {
        let letters = (0..3).map(|n| terminal.cell(row, column + n).contents().to_owned());
        letters.collect::<String>() == name
    });
    terminal.cell(row, found.expect("the name stands there")).fgcolor()
}

#[test]
fn colours_are_the_same_for_all_and_there_are_none_where_nobody_wants_them() {
    let hub = Hub::with(["--name", "alpha"]);
    let bob = in_ops(&hub, "bob").colours().at_ops();
    let dan = in_ops(&hub, "dan").colours().at_ops();
    let light = in_ops(&hub, "liz").colours().env("COLORFGBG", "0;15").at_ops();
    let plain = in_ops(&hub, "pat").at_ops();
    let mut eve = hub.named(Encoding::Json, "eve");
    let mut ann = hub.named(Encoding::Json, "ann");
    say(&mut eve, json!("hello all"));
    say(&mut ann, json!("hello bob, and dan, and liz, and pat"));
    say(&mut ann, json!({"number": 7, "text": "x", "yes": true}));
    for terminal in [&bob, &dan, &light, &plain] {
        terminal.sees("number");
    }
    for (name, words) in [("eve", "hello all"), ("ann", "hello bob")] {
        let colour = colour_of(&bob, name, words);
        assert_ne!(colour, vt100::Color::Default);
        assert_eq!(colour, colour_of(&dan, name, words));
        assert_ne!(colour, colour_of(&light, name, words));
    }
    assert_ne!(colour_of(&bob, "eve", "hello all"), colour_of(&bob, "ann", "hello bob"));
    assert!(!colours(&bob).is_empty());
    for key in ["f1", "escape", "ctrl-k"] {
        plain.presses(key);
        plain.settles(std::time::Duration::from_millis(50));
        assert_eq!(colours(&plain), []);
    }
}

#[test]
fn the_documents_show_a_screen_as_it_is() {
    let hub = Hub::with(["--name", "alpha"]);
    let mut all = ["ann", "carol", "build"].map(|name| hub.named(Encoding::Json, name));
    let [ann, carol, build] = &mut all;
    for person in [&mut *ann, &mut *carol, &mut *build] {
        person.ask("subscribe ops").ok();
    }
    ann.ask("topic ops Release 4.2 goes out today; on call: carol").ok();
    let bob = in_ops(&hub, "bob").args(["--join", "dev", "--join", "alerts"]).start();
    shows(&bob, "alerts");
    bob.enters("/mute");
    status_has(&bob, "alerts is silent now");
    bob.presses("escape");
    status_has(&bob, " ms · connected");
    bob.presses("alt-2");
    shows(&bob, "ops");
    top_has(&bob, "Release 4.2");
    say(ann, json!("4.2 is tagged, the build is running"));
    say(build, json!({"build": 512, "branch": "release-4.2", "passed": true, "tests": 4031, "took_s": 81.4}));
    say(carol, json!("staging has run it for an hour, and the error rate is where it was. Go ahead"));
    bob.sees("Go ahead");
    bob.enters("eu-1 first then. Starting now");
    bob.sees("Starting now");
    say(build, json!("eu-1: 8 of 8 machines run 4.2"));
    say(ann, json!("bob: p99 on eu-1 fell by a quarter, nice"));
    say(carol, json!("/me prepares the announcement"));
    bob.sees("announcement");
    for (channel, words) in [("dev", "who reviews 1187?"), ("dev", "I do"), ("alerts", "disk 81 %")] {
        carol.ask(&format!("publish {channel} {words}")).ok();
    }
    carol.ask("msg bob shall I tell the customers now, or after us-1?").ok();
    lists(&bob, 5, "@carol 1!");
    bob.sees("│ 4 people");
    bob.types("us-1 is next, tell them when it is d");
    status_has(&bob, " ms · connected · 1 server");
    assert_screen(&bob, "tour");
    for document in ["docs/terminal.md", "README.md"] {
        holds_the_tour(document);
    }
}

/// Checks that a document holds the screen `tour.txt`, or writes it there.
fn holds_the_tour(document: &str) {
    const START: &str = "<!-- screen -->\n";
    const END: &str = "<!-- /screen -->";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut screen = std::fs::read_to_string(root.join("tests/terminal/screens/tour.txt")).unwrap();
    // What was taken out since each run has another is some time again.
    screen = screen.replace("Www dd Mmm yyyy", "Fri 20 Nov 2026").replace("   N ms", " 0.4 ms");
    for minute in 2.. {
        if !screen.contains("hh:mm") {
            break;
        }
        screen = screen.replacen("hh:mm", &format!("14:{:02}", minute * 3 / 2), 1);
    }
    let path = root.join("..").join(document);
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(START).unwrap_or_else(|| panic!("{document} has no {START}"));
    let (now, after) = rest.split_once(END).unwrap_or_else(|| panic!("{document} has no {END}"));
    let wanted = format!("```text\n{screen}```\n");
    if now == wanted {
        return;
    }
    let update = std::env::var_os("UPDATE_SCREENS").is_some_and(|value| value != "0");
    assert!(update, "{document} shows an old screen; UPDATE_SCREENS=1 renews it:\n{wanted}");
    std::fs::write(&path, format!("{before}{START}{wanted}{END}{after}")).unwrap();
}
