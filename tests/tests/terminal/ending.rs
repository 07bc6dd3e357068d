//! The end, wanted or not: the terminal is given back as it was found, and what went wrong is said in
//! a line. And screens of absurd sizes.

use crate::people::{in_ops, person, script, shows, status_has};
use hubbub_tests::{Hub, Terminal};
use rustix::process::Signal;

#[test]
fn signals_give_the_terminal_back() {
    let hub = Hub::start();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let bob = person(&hub, "bob");
        bob.types("a draft");
        bob.input_is("› a draft");
        bob.process().signal(signal);
        assert_eq!(bob.exit_code(), 0, "{signal:?}");
        bob.is_restored();
        bob.sees_not("a draft");
    }
}

#[test]
fn a_hub_that_shuts_down_is_told_and_nothing_ends() {
    let mut hub = Hub::with(["--name", "alpha"]);
    let bob = person(&hub, "bob");
    status_has(&bob, "· connected");
    hub.terminate();
    bob.sees("* │ closing: ");
    status_has(&bob, "no connection for ");
    assert!(hub.wait_end().success());
    bob.types("still here");
    bob.input_is("! still here");
    bob.presses("ctrl-c");
    bob.input_is("!");
    bob.presses("ctrl-c");
    assert_eq!(bob.exit_code(), 0);
    bob.is_restored();
}

#[test]
fn without_a_hub_one_line_tells_what_was_tried() {
    let hub = Hub::start();
    let (addr, _) = hub.kill();
    let bob = Terminal::builder().server(addr).start();
    assert_eq!(bob.exit_code(), 3);
    let line = bob.sees("hubbub: ");
    assert!(line.contains(&addr.to_string()), "{line}");
    assert!(!String::from_utf8_lossy(&bob.bytes()).contains("\x1b[?1049h"));
    bob.is_restored();
}

#[test]
fn a_name_that_is_taken_is_told_and_the_terminal_never_taken() {
    let hub = Hub::start();
    let _eve = script(&hub, "eve");
    let bob = Terminal::start(&hub, &["--name", "eve"]);
    assert_eq!(bob.exit_code(), 1);
    bob.sees("hubbub: name-taken: ");
    assert!(!String::from_utf8_lossy(&bob.bytes()).contains("\x1b[?1049h"));
    bob.is_restored();
}

#[test]
fn no_size_is_too_small_or_too_large() {
    let hub = Hub::start();
    let mut eve = script(&hub, "eve");
    for (rows, columns) in [(1, 1), (2, 5), (5, 2), (3, 3), (200, 500)] {
        let bob = in_ops(&hub, "bob").size(rows, columns).start();
        bob.waits("the terminal to be taken", |screen| screen.alternate_screen().then_some(()));
        bob.types("ab");
        for key in ["f1", "ctrl-c", "ctrl-k", "ctrl-c", "ctrl-f", "ctrl-c", "alt-c", "ctrl-c", "page-up"] {
            bob.presses(key);
        }
        eve.ask("publish ops words 漢字 {\"a\": [1, 2, 3]} and more words").ok();
        bob.resize(24, 100);
        shows(&bob, "ops");
        // Whether the page up came before the words or after them.
        bob.presses("ctrl-end");
        bob.sees("and more words");
        bob.resize(rows, columns);
        bob.presses("ctrl-u");
        bob.enters("/quit");
        assert_eq!(bob.exit_code(), 0, "{rows} × {columns}");
        bob.is_restored();
    }
}
