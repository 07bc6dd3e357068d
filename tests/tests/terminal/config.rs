//! The file that says how the terminal is to be, and what a session leaves for the next one.

use crate::people::{configured, in_ops, listened, lists, shows, status_has, AtOps};
use hubbub_tests::{Hub, Terminal};

/// A terminal in this home, without anything to join.
fn at_home(hub: &Hub, home: &tempfile::TempDir) -> Terminal {
    Terminal::builder().hub(hub).args(["--name", "bob"]).home(home.path()).start()
}

#[test]
fn the_file_of_the_user_counts_and_that_of_the_flag_more() {
    let hub = Hub::with(["--name", "alpha"]);
    let home = configured(
        "name = 'robert'\njoin = ['ops', 'dev']\npeople = false\ntime = ''\n[keys]\nswitcher = 'ctrl-g'",
    );
    let bob = Terminal::builder().hub(&hub).home(home.path()).start();
    shows(&bob, "ops");
    status_has(&bob, " robert@alpha");
    bob.sees_not("1 person");
    bob.enters("hello");
    bob.sees("│       robert │ hello");
    bob.presses("ctrl-k");
    bob.presses("ctrl-g");
    bob.sees("go to:");
    bob.presses("escape");
    bob.input_is("›");
    bob.presses("f1");
    bob.sees("Ctrl-G  ");
    let other = home.path().join("other.toml");
    std::fs::write(&other, "join = ['web']\nrejoin = false").unwrap();
    let args = ["--name", "ann", "--config", other.to_str().unwrap()];
    let ann = Terminal::builder().hub(&hub).home(home.path()).args(args).start();
    shows(&ann, "web");
    status_has(&ann, " ann@alpha");
    ann.sees_not("dev");
}

#[test]
fn mistakes_are_told_with_their_lines_before_the_terminal_is_taken() {
    let hub = Hub::start();
    let home =
        configured("bel = 'never'\nscrollback = 7\n[keys]\nswitcher = 'ctrl-kk'\nswicher = 'ctrl-g'\n");
    let bob = at_home(&hub, &home);
    assert_eq!(bob.exit_code(), 2);
    for words in
        ["terminal.toml:1:1: there is no \"bel\"; is bell meant?", "terminal.toml:2:14: scrollback: "]
    {
        bob.waits(words, |screen| unwrapped(screen).contains(words).then_some(()));
    }
    never_taken(&bob);
    let home = configured("[keys]\nswicher = 'ctrl-g'\n");
    let bob = at_home(&hub, &home);
    assert_eq!(bob.exit_code(), 2);
    bob.waits("what is meant", |screen| unwrapped(screen).contains("is switcher meant?").then_some(()));
    let bob = Terminal::start(&hub, &["--config", "nowhere.toml"]);
    assert_eq!(bob.exit_code(), 2);
    bob.sees("cannot read nowhere.toml: ");
    never_taken(&bob);
}

/// All that is on the screen as one line: what is longer than a line is cut anywhere.
fn unwrapped(screen: &vt100::Screen) -> String {
    screen.rows(0, screen.size().1).collect()
}

/// Checks that the program has never switched anything on.
fn never_taken(terminal: &Terminal) {
    let bytes = terminal.bytes();
    assert!(!String::from_utf8_lossy(&bytes).contains("\x1b[?1049h"), "the terminal was taken");
    terminal.is_restored();
}

#[test]
fn the_last_session_comes_back_as_it_was() {
    let (hub, home) = (Hub::start(), configured(""));
    let bob = at_home(&hub, &home);
    shows(&bob, "(hub)");
    bob.enters("/join web ops noise");
    shows(&bob, "noise");
    bob.enters("/mute");
    status_has(&bob, "noise is silent now");
    bob.enters("/query eve");
    shows(&bob, "eve");
    bob.presses("alt-3");
    shows(&bob, "ops");
    bob.enters("/quit");
    assert_eq!(bob.exit_code(), 0);
    let bob = at_home(&hub, &home);
    shows(&bob, "ops");
    lists(&bob, 2, "web");
    lists(&bob, 4, "noise");
    lists(&bob, 5, "@eve");
    bob.presses("alt-4");
    shows(&bob, "noise (silent)");
    listened(&hub, "web", 1);
    // Whoever joins another at the start sees that one.
    let web = in_ops(&hub, "bob2").args(["--join", "dev"]).home(home.path()).start();
    shows(&web, "dev");
    lists(&web, 2, "web");
}

#[test]
fn who_does_not_want_it_begins_anew_and_a_damaged_file_harms_nobody() {
    let (hub, home) = (Hub::start(), configured("rejoin = false"));
    let bob = in_ops(&hub, "bob").home(home.path()).at_ops();
    bob.enters("/quit");
    assert_eq!(bob.exit_code(), 0);
    let state = home.path().join("state/hubbub/terminal.json");
    assert!(std::fs::read_to_string(&state).unwrap().contains("\"ops\""));
    let bob = at_home(&hub, &home);
    shows(&bob, "(hub)");
    bob.sees("/help lists the commands");
    bob.sees_not("2 ops");
    bob.enters("/quit");
    assert_eq!(bob.exit_code(), 0);
    std::fs::write(&state, "{\"servers\": [{\u{1b}[2J").unwrap();
    let bob = in_ops(&hub, "bob").home(home.path()).at_ops();
    bob.enters("hello");
    bob.sees("bob │ hello");
    bob.enters("/quit");
    assert_eq!(bob.exit_code(), 0);
    assert!(std::fs::read_to_string(&state).unwrap().contains("\"ops\""));
}
