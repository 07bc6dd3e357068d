//! `hubbub --plain` in a terminal: line by line, in a real pseudo-terminal.

use hubbub_tests::terminal::Builder;
use hubbub_tests::{hub, wait, Encoding, Hub, Program, Terminal};
use serde_json::json;
use std::path::Path;

/// A terminal with `hubbub --plain` in it.
fn plain(hub: &Hub, args: &[&str]) -> Terminal {
    builder(hub, args).start()
}

fn at_home(hub: &Hub, args: &[&str], home: &Path) -> Terminal {
    builder(hub, args).home(home).start()
}

fn builder(hub: &Hub, args: &[&str]) -> Builder {
    Terminal::builder().hub(hub).args(["--plain"]).args(args.iter().copied())
}

#[test]
fn a_person_joins_talks_listens_and_leaves() {
    let hub = Hub::with(["--name", "alpha"]);
    let mut eve = hub.named(Encoding::Text, "eve");
    eve.ask("subscribe ops").ok();
    let terminal = plain(&hub, &["--name", "bob"]);
    terminal.sees("* alpha ");
    terminal.enters("/join ops");
    terminal.sees("ops");
    wait::until("bob to listen", || (eve.ask("who ops").rows().len() == 2).then_some(()));
    terminal.enters("hello from the terminal");
    assert_eq!(eve.line(), "[ops] bob: hello from the terminal");
    eve.ask("publish ops hello bob").ok();
    terminal.sees("[ops] eve: hello bob");
    eve.ask("msg bob psst").ok();
    terminal.sees("<eve> psst");
    terminal.enters("/who ops");
    terminal.sees("eve");
    terminal.enters("/msg eve hush");
    let told = std::iter::repeat_with(|| eve.line()).find(|l| l.starts_with('<')).unwrap();
    assert_eq!(told, "<bob> hush");
    terminal.enters("/whois nobody");
    terminal.sees("no-such-client");
    terminal.enters("/nonsense");
    terminal.sees("bad-command");
    terminal.types("\x04");
    assert_eq!(terminal.exit_code(), 0);
    wait::until("bob to be gone", || (eve.ask("who ops").rows().len() == 1).then_some(()));
}

#[test]
fn what_is_being_typed_survives_what_arrives() {
    let hub = Hub::start();
    let terminal = plain(&hub, &["--name", "bob", "--join", "ops"]);
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish ops first").json()["subscribers"] == 1).then_some(()));
    terminal.sees("[ops] eve: first");
    terminal.types("half a sen");
    let prompt = terminal.sees("half a sen").split("half").next().unwrap().to_owned();
    assert!(prompt.contains("ops"), "the prompt tells where one talks: {prompt:?}");
    for n in 0..200 {
        eve.ask(&format!("publish ops number {n}")).ok();
    }
    terminal.sees("[ops] eve: number 199");
    terminal.input_is(&format!("{prompt}half a sen"));
    terminal.enters("tence");
    eve.ask("subscribe ops").ok();
    let history = wait::until("the sentence", || {
        let history = eve.ask("history ops 1").json()["messages"][0].clone();
        (history["from"] == "bob").then_some(history)
    });
    assert_eq!(history["data"], "half a sentence");
    terminal.input_is(prompt.trim_end());
}

#[test]
fn nobody_else_moves_the_cursor_or_changes_the_screen() {
    let hub = Hub::start();
    let terminal = plain(&hub, &["--name", "bob", "--join", "ops"]);
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish ops before").json()["subscribers"] == 1).then_some(()));
    terminal.sees("eve: before");
    let attacks = [
        "\u{1b}[2J\u{1b}[H",
        "\u{1b}]0;owned\u{7}",
        "\u{9b}2J",
        "\u{1b}c",
        "\r\nforged: line",
        "\u{202e}reversed",
        "\u{8}\u{8}\u{8}",
        "\u{1b}[6n",
        "\u{1b}P$q\"p\u{1b}\\",
    ];
    for data in attacks {
        eve.ask_object(json!({"op": "publish", "channel": "ops", "data": data})).ok();
        eve.ask_object(json!({"op": "publish", "channel": "ops", "data": {data: [data]}})).ok();
        eve.ask_object(json!({"op": "msg", "to": "bob", "data": data})).ok();
        eve.ask_object(json!({"op": "topic", "channel": "ops", "topic": data})).ok();
    }
    let before = terminal.written();
    terminal.enters("/topic ops");
    terminal.enters("/channels");
    terminal.enters("/history ops 5");
    eve.ask("publish ops after").ok();
    terminal.sees("eve: after");
    assert!(terminal.written() > before);
    let text = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    for forbidden in ["\u{1b}[2J", "\u{1b}]0;", "\u{9b}", "\u{1b}c", "\u{202e}", "\u{8}\u{8}", "\u{1b}P"] {
        assert!(!text.contains(forbidden), "{forbidden:?} reached the terminal");
    }
    assert!(!text.lines().any(|l| l.starts_with("forged")), "a message made a line of its own");
}

#[test]
fn ctrl_c_warns_once_and_quits_twice() {
    let hub = Hub::start();
    let terminal = plain(&hub, &["--name", "bob"]);
    terminal.sees("/help");
    terminal.types("not to be sent\x03");
    terminal.sees("once more");
    terminal.types("\x03");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn the_terminal_is_left_as_it_was_found() {
    let hub = Hub::start();
    for quit in ["/quit\r", "\x04", "\x03\x03"] {
        let terminal = plain(&hub, &[]);
        terminal.sees("/help");
        terminal.types(quit);
        assert_eq!(terminal.exit_code(), 0);
        terminal.is_restored();
    }
    // And when the process is told to end.
    let terminal = plain(&hub, &[]);
    terminal.sees("/help");
    terminal.process().signal(rustix::process::Signal::TERM);
    terminal.exit_code();
    terminal.is_restored();
}

#[test]
fn earlier_lines_come_back_with_the_arrow_and_after_a_restart_and_secrets_do_not() {
    let hub = Hub::start();
    let home = tempfile::tempdir().unwrap();
    let terminal = at_home(&hub, &["--join", "ops"], home.path());
    terminal.sees("/help");
    terminal.enters("/topic ops a memorable line");
    terminal.sees("a memorable line");
    terminal.enters(&format!("/operator {}", hub.token()));
    terminal.enters("/ping");
    terminal.sees("pong");
    terminal.types("\x04");
    assert_eq!(terminal.exit_code(), 0);
    let token = hub.token();
    let kept =
        walk(home.path()).iter().map(|p| std::fs::read_to_string(p).unwrap_or_default()).collect::<String>();
    assert!(kept.contains("a memorable line") && !kept.contains(&token), "{kept}");
    let again = at_home(&hub, &[], home.path());
    again.sees("/help");
    again.types("\x1b[A");
    again.sees("/ping");
    again.types("\x1b[A");
    again.sees("/topic ops a memorable line");
}

/// All files below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn a_person_sees_the_hub_go_and_come_back() {
    let data = tempfile::tempdir().unwrap();
    let hub = hub::builder().data_dir(data.path()).start();
    let terminal = plain(&hub, &["--name", "bob", "--join", "ops"]);
    terminal.sees("/help");
    let mut eve = hub.client(Encoding::Json);
    wait::until("bob to listen", || (eve.ask("publish ops hi").json()["subscribers"] == 1).then_some(()));
    let (addr, _) = hub.kill();
    terminal.sees("disconnected");
    let hub = hub::builder().data_dir(data.path()).listen(addr).start();
    terminal.sees("connected again");
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen again", || {
        (eve.ask("publish ops welcome back").json()["subscribers"] == 1).then_some(())
    });
    terminal.sees("eve: welcome back");
    terminal.enters("thank you");
    wait::until("his word", || {
        (eve.ask("history ops 1").json()["messages"][0]["data"] == "thank you").then_some(())
    });
}

#[test]
fn a_flood_does_not_take_the_keyboard_away() {
    let hub = Hub::start();
    let terminal = plain(&hub, &["--name", "bob", "--join", "flood"]);
    let mut eve = hub.named(Encoding::Json, "eve");
    wait::until("bob to listen", || (eve.ask("publish flood hi").json()["subscribers"] == 1).then_some(()));
    for n in 0..5_000 {
        eve.say(&format!("publish flood message number {n}"));
    }
    terminal.enters("/name robert");
    for _ in 0..5_000 {
        eve.reply("publish").ok();
    }
    wait::until("the new name", || {
        eve.ask("whois robert").lines().last().unwrap().starts_with("ok").then_some(())
    });
    terminal.sees("eve: message number 4999");
    terminal.types("\x04");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn with_pipes_plain_changes_nothing_and_beside_a_command_it_is_refused() {
    let hub = Hub::start();
    for args in [&["--name", "bob"][..], &["--name", "bob", "--plain"]] {
        let mut script = Program::hubbub(&hub, args);
        script.feed("whoami\n");
        assert!(script.finish().ok().contains("bob"), "{args:?}");
    }
    let refused = hubbub_tests::hubbub(&hub, ["--plain", "ping"]);
    assert!(refused.failed(2).contains("--plain"), "{refused:?}");
}
