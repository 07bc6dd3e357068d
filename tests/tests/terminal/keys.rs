//! Every key that people have in their fingers, typed at real screens.

use crate::people::{configured, in_ops, lists, person, script, shows, status_has, AtOps};
use hubbub_tests::terminal::Button;
use hubbub_tests::{wait, Client, Encoding, Hub, Terminal};
use rustix::process::Signal;

/// Says so many lines into a channel.
fn says(from: &mut Client, channel: &str, words: &str, count: usize) {
    (0..count).for_each(|n| {
        from.ask(&format!("publish {channel} {words} {n}")).ok();
    });
}

#[test]
fn tab_completes_commands_channels_names_and_services() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut eve = script(&hub, "eve");
    eve.ask("subscribe ops dev.web dev.db").ok();
    eve.ask("name mallory").ok();
    bob.types("/who");
    bob.presses("tab");
    bob.input_is("› /who");
    bob.sees("list who receives a channel's messages");
    bob.presses("tab");
    bob.input_is("› /whoami");
    bob.presses("down");
    bob.input_is("› /whois");
    bob.presses("shift-tab");
    bob.input_is("› /whoami");
    bob.presses("escape");
    bob.input_is("› /who");
    bob.sees_not("list who receives");
    bob.presses("ctrl-u");
    bob.types("/join dev.");
    bob.presses("tab");
    bob.waits("both channels", |screen| {
        let text = screen.contents();
        (text.contains(" dev.db ") && text.contains(" dev.web ")).then_some(())
    });
    bob.input_is("› /join dev.db");
    bob.presses("tab");
    bob.input_is("› /join dev.web");
    // The first takes it, the second sends it.
    bob.presses("enter");
    bob.presses("enter");
    shows(&bob, "dev.web");
    bob.types("/whois mal");
    bob.presses("tab");
    bob.input_is("› /whois mallory");
    bob.presses("enter");
    bob.sees("name: mallory");
    bob.types("/call fib");
    bob.presses("tab");
    bob.input_is("› /call fibonacci");
    bob.presses("ctrl-u");
    eve.ask("publish dev.web hi").ok();
    bob.sees("mallory │ hi");
    bob.types("mal");
    bob.presses("tab");
    bob.input_is("› mallory:");
}

#[test]
fn what_was_typed_comes_back_in_the_next_session_and_secrets_do_not() {
    let (hub, home) = (Hub::start(), configured(""));
    let bob = in_ops(&hub, "bob").home(home.path()).at_ops();
    bob.enters("the first line");
    bob.sees("bob │ the first line");
    bob.enters(&format!("/operator {}", hub.token()));
    bob.sees("you are an operator");
    bob.enters("/nick robert");
    status_has(&bob, " robert@");
    bob.enters("/quit");
    assert_eq!(bob.exit_code(), 0);
    let kept = std::fs::read_to_string(home.path().join("state/hubbub/history")).unwrap();
    assert_eq!(kept, "the first line\n/nick robert\n/quit\n");
    let bob = in_ops(&hub, "bob").home(home.path()).at_ops();
    bob.types("begun");
    for (key, shown) in [
        ("up", "› /quit"),
        ("up", "› /nick robert"),
        ("up", "› the first line"),
        ("up", "› the first line"),
        ("down", "› /nick robert"),
        ("down", "› /quit"),
        ("down", "› begun"),
    ] {
        bob.presses(key);
        bob.input_is(shown);
    }
    bob.presses("ctrl-r");
    bob.sees("typed before: ");
    bob.types("first");
    bob.sees("typed before: first  1");
    bob.presses("enter");
    bob.input_is("› the first line");
    assert!(!bob.screen().contains(&hub.token()));
}

#[test]
fn conversations_are_walked_by_number_arrow_and_letters() {
    let hub = Hub::start();
    let bob = in_ops(&hub, "bob").args(["--join", "dev", "--join", "web"]).start();
    shows(&bob, "web");
    bob.types("a draft");
    for (key, shown) in [
        ("alt-1", "(hub)"),
        ("alt-2", "ops"),
        ("alt-3", "dev"),
        ("alt-9", "dev"),
        ("alt-down", "web"),
        ("alt-down", "(hub)"),
        ("alt-up", "web"),
        ("alt-left", "dev"),
        ("alt-right", "web"),
    ] {
        bob.presses(key);
        shows(&bob, shown);
    }
    bob.input_is("› a draft");
    bob.presses("ctrl-k");
    bob.sees("go to:");
    bob.types("op");
    bob.presses("enter");
    shows(&bob, "ops");
    let row = bob.row_of("3 dev");
    bob.clicks(row, 4);
    shows(&bob, "dev");
    bob.enters("/go web");
    shows(&bob, "web");
}

#[test]
fn older_messages_are_seen_by_page_wheel_and_whole() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut eve = script(&hub, "eve");
    says(&mut eve, "ops", "line number", 100);
    bob.sees("line number 99");
    bob.presses("page-up");
    bob.sees("newer messages, press End");
    bob.sees_not("line number 99");
    bob.presses("page-down");
    bob.sees("line number 99");
    bob.sees_not("press End");
    bob.wheel(Button::WheelUp, 5, 40);
    bob.sees("3 newer messages, press End");
    // What arrives moves nothing.
    eve.ask("publish ops one more").ok();
    bob.sees("4 newer messages, press End");
    bob.wheel(Button::WheelDown, 5, 40);
    bob.sees("1 newer message, press End");
    bob.presses("ctrl-home");
    bob.sees("line number 0");
    bob.presses("ctrl-end");
    bob.sees("one more");
    bob.sees_not("press End");
    bob.presses("shift-up");
    bob.sees("1 newer message, press End");
    bob.presses("end");
    bob.sees_not("press End");
}

#[test]
fn folded_messages_open_by_click_and_key() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut build = hub.named(Encoding::Json, "build");
    let steps: Vec<_> = (0..30).map(|n| serde_json::json!({"step": n, "well": true})).collect();
    build.ask_object(serde_json::json!({"op": "publish", "channel": "ops", "data": {"steps": steps}})).ok();
    let row = bob.row_of("build │ {steps: [");
    bob.sees_not("\"step\": 29");
    bob.clicks(row, 60);
    bob.sees("\"step\": 29");
    bob.presses("alt-e");
    bob.row_of("build │ {steps: [");
    bob.presses("alt-e");
    bob.sees("\"step\": 29");
}

#[test]
fn a_search_goes_from_match_to_match() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut eve = script(&hub, "eve");
    for word in ["a needle here", "hay", "the second Needle"] {
        eve.ask(&format!("publish ops {word}")).ok();
        says(&mut eve, "ops", "hay", 40);
    }
    bob.sees("hay 39");
    bob.types("a draft");
    bob.presses("ctrl-f");
    bob.sees("search:");
    bob.types("needle");
    bob.sees("the second Needle");
    bob.presses("enter");
    bob.sees("a needle here");
    bob.presses("enter");
    bob.sees("no more; Esc leaves");
    bob.presses("down");
    bob.sees("the second Needle");
    bob.presses("escape");
    bob.input_is("› a draft");
    bob.presses("end");
    bob.sees("hay 39");
}

#[test]
fn copy_mode_copies_to_the_clipboard() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut eve = script(&hub, "eve");
    says(&mut eve, "ops", "line", 3);
    bob.sees("line 2");
    bob.presses("alt-c");
    status_has(&bob, "copy: arrows move");
    assert!(!bob.modes().mouse, "the terminal's own selection works meanwhile");
    for key in ["up", "space", "up"] {
        bob.presses(key);
    }
    status_has(&bob, "Space unmarks");
    bob.presses("enter");
    status_has(&bob, "copied 2 messages");
    assert_eq!(bob.clipboard().as_deref(), Some("eve: line 0\neve: line 1"));
    assert!(bob.modes().mouse);
}

#[test]
fn a_paste_of_some_lines_is_sent_and_of_many_asks() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut eve = hub.named(Encoding::Json, "eve");
    eve.ask("subscribe ops").ok();
    bob.pastes("one\ntwo\nthree");
    bob.sees("three");
    bob.presses("enter");
    assert_eq!(eve.event().get("data"), "one\ntwo\nthree");
    let many = (0..20).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    bob.pastes(&many);
    bob.sees("line 19");
    bob.presses("enter");
    bob.sees("Send 20 lines to ops as one message?");
    bob.presses("escape");
    bob.sees_not("Send 20 lines");
    bob.sees("line 19");
    bob.presses("enter");
    bob.sees("Send 20 lines");
    bob.presses("y");
    assert_eq!(eve.event().get("data"), many.as_str());
    bob.input_is("›");
    eve.nothing_more();
}

#[test]
fn ctrl_c_asks_once_gives_a_draft_back_and_leaves_twice() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    bob.types("not to be sent");
    bob.presses("ctrl-c");
    status_has(&bob, "Ctrl-C once more leaves");
    bob.input_is("›");
    bob.presses("up");
    bob.input_is("› not to be sent");
    // On a draft it deletes; it never ends a conversation.
    for key in ["home", "ctrl-d", "ctrl-d", "ctrl-d", "ctrl-d"] {
        bob.presses(key);
    }
    bob.input_is("› to be sent");
    bob.presses("end");
    bob.presses("ctrl-u");
    // As in a shell, where nothing is typed.
    bob.presses("ctrl-d");
    status_has(&bob, "Ctrl-C once more leaves");
    bob.presses("ctrl-c");
    assert_eq!(bob.exit_code(), 0);
    bob.is_restored();
}

#[test]
fn both_sides_go_and_come_and_a_conversation_falls_silent() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    bob.sees("│ 1 person");
    bob.presses("alt-p");
    bob.sees_not("1 person");
    bob.presses("alt-b");
    bob.sees_not("2 ops");
    bob.presses("alt-p");
    bob.presses("alt-b");
    bob.sees("│ 1 person");
    lists(&bob, 2, "ops");
    bob.presses("alt-m");
    status_has(&bob, "ops is silent now");
    bob.sees(" ops (silent)");
    bob.presses("alt-1");
    bob.sees("what the hub says");
    let mut eve = script(&hub, "eve");
    eve.ask("publish ops bob, are you there?").ok();
    lists(&bob, 2, "ops 1");
    let row = bob.row_of("2 ops");
    assert!(bob.cell(row, 2).dim(), "what is silent is dim");
    assert_eq!(bob.bells(), 0);
}

#[test]
fn the_screen_is_drawn_anew_when_something_has_spoilt_it() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    bob.sees("1 person");
    let before = bob.bytes().len();
    bob.presses("ctrl-l");
    wait::until("a whole frame", || {
        let bytes = bob.bytes();
        let new = String::from_utf8_lossy(&bytes[before..]).into_owned();
        (new.contains("\x1b[2J") && new.contains("1 person")).then_some(())
    });
}

#[test]
fn ctrl_z_goes_back_to_the_shell_and_fg_returns() {
    let hub = Hub::with(["--name", "alpha"]);
    let script = "set -m; \"$0\" --server \"$1\" --name bob --join ops; echo in the shell again; \
                  read -r line; echo \"read $line\"; fg >/dev/null; echo \"ended with $?\"";
    let hubbub = hubbub_tests::binaries::hubbub();
    let args = ["-c".into(), script.into(), hubbub.into_os_string(), hub.addr().to_string().into()];
    let shell = Terminal::builder().program("bash").args::<std::ffi::OsString>(args).start();
    shows(&shell, "ops");
    shell.types("a draft");
    shell.input_is("› a draft");
    shell.presses("ctrl-z");
    shell.sees("in the shell again");
    shell.is_restored();
    let stopped = child_of(shell.pid());
    assert_eq!(state_of(stopped), "T");
    shell.enters("meanwhile");
    wait::until("the shell to have read it", || {
        String::from_utf8_lossy(&shell.bytes()).contains("read meanwhile").then_some(())
    });
    shows(&shell, "ops");
    shell.input_is("› a draft");
    assert!(shell.modes().alternate_screen && !shell.line_flags().contains("ICANON"));
    hubbub_tests::process::Process(stopped).signal(Signal::TERM);
    shell.sees("ended with ");
    assert_eq!(shell.exit_code(), 0);
    shell.is_restored();
}

/// The one child of a process.
fn child_of(parent: u32) -> u32 {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.trim().parse().unwrap_or_else(|_| panic!("one child of {parent}: {children:?}"))
}

/// The letter of a process's state.
fn state_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1[..1].to_owned()
}

#[test]
fn much_that_is_typed_at_once_arrives_whole() {
    let hub = Hub::start();
    let bob = person(&hub, "bob");
    let mut eve = hub.named(Encoding::Json, "eve");
    eve.ask("subscribe ops").ok();
    let words = |n| format!("line {n} of what a hand typed ahead");
    bob.types(&(0..60).map(|n| words(n) + "\r").collect::<String>());
    for n in 0..60 {
        assert_eq!(eve.event().get("data"), words(n).as_str());
    }
    // And what is typed while the window changes its size.
    for n in 0..20 {
        bob.resize(24, 100 - n);
        bob.enters(&format!("line {n}"));
        assert_eq!(eve.event().get("data"), format!("line {n}").as_str());
    }
}
