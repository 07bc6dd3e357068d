//! What rings and what the window's title tells, as configured; whether one looks, and being away.

use crate::people::{configured, in_ops, lists, script, shows, status_has};
use hubbub_tests::{wait, Hub, Terminal};
use std::time::Duration;

/// Bob, configured so, in `#ops` and `#dev`, who looks at `#ops`.
fn bob(hub: &Hub, home: &tempfile::TempDir) -> Terminal {
    let bob = in_ops(hub, "bob").args(["--join", "dev"]).home(home.path()).start();
    shows(&bob, "dev");
    bob.presses("alt-2");
    shows(&bob, "ops");
    bob
}

/// Waits until the bell has rung so often.
#[track_caller]
fn rings(terminal: &Terminal, times: usize) {
    wait::until(&format!("{times} rings of {}", terminal.bells()), || {
        (terminal.bells() == times).then_some(())
    });
}

/// Waits for a title of the window.
#[track_caller]
fn title_is(terminal: &Terminal, title: &str) {
    let seen = wait::within(wait::PATIENCE, || (terminal.title() == title).then_some(()));
    assert!(seen.is_some(), "the title is {:?} and not {title:?}", terminal.title());
}

#[test]
fn mentions_ring_and_are_told_in_the_title() {
    let (hub, home) = (Hub::start(), configured("highlight = ['outage']"));
    let bob = bob(&hub, &home);
    let mut eve = script(&hub, "eve");
    title_is(&bob, "ops · hubbub");
    eve.ask("publish dev nothing of note").ok();
    lists(&bob, 3, "dev 1");
    assert_eq!(bob.bells(), 0);
    eve.ask("publish dev Bob?").ok();
    rings(&bob, 1);
    title_is(&bob, "(1) ops · hubbub");
    eve.ask("publish dev an OUTAGE").ok();
    lists(&bob, 3, "dev 3 2!");
    title_is(&bob, "(2) ops · hubbub");
    bob.presses("alt-3");
    title_is(&bob, "dev · hubbub");
    eve.ask("msg bob psst").ok();
    title_is(&bob, "(1) dev · hubbub");
    bob.enters("/quit");
    assert_eq!(bob.exit_code(), 0);
    assert_eq!(bob.title(), "", "the title is what it was");
}

#[test]
fn all_rings_for_everything_and_never_for_nothing() {
    let hub = Hub::start();
    let (loud_home, silent_home) = (configured("bell = 'all'"), configured("bell = 'never'\ntitle = false"));
    let loud = in_ops(&hub, "loud").args(["--join", "dev"]).home(loud_home.path()).start();
    let silent = in_ops(&hub, "silent").args(["--join", "dev"]).home(silent_home.path()).start();
    for terminal in [&loud, &silent] {
        shows(terminal, "dev");
        terminal.presses("alt-2");
        shows(terminal, "ops");
    }
    let mut eve = script(&hub, "eve");
    eve.ask("publish dev nothing of note, silent").ok();
    rings(&loud, 1);
    lists(&silent, 3, "dev 1!");
    eve.ask("msg silent psst").ok();
    lists(&silent, 4, "@eve 1!");
    assert_eq!((silent.bells(), silent.title().as_str()), (0, ""));
}

#[test]
fn it_rings_when_nobody_looks_and_not_where_it_is_silent() {
    let (hub, home) = (Hub::start(), configured(""));
    let bob = bob(&hub, &home);
    let mut eve = script(&hub, "eve");
    assert!(bob.modes().focus);
    bob.types("x");
    bob.input_is("› x");
    eve.ask("publish ops bob, this is seen").ok();
    bob.sees("this is seen");
    assert_eq!(bob.bells(), 0);
    // The window goes to the back; what was typed tells that this was noticed.
    bob.sends(b"\x1b[O");
    wait::until("a ring", || {
        eve.ask("publish ops bob, is this seen?").ok();
        (bob.bells() > 0).then_some(())
    });
    bob.sends(b"\x1b[I");
    bob.types("y");
    bob.input_is("› xy");
    let rung = bob.bells();
    eve.ask("publish ops bob, now?").ok();
    bob.sees("bob, now?");
    assert_eq!(bob.bells(), rung);
    bob.presses("alt-3");
    shows(&bob, "dev");
    bob.presses("alt-m");
    status_has(&bob, "dev is silent now");
    bob.presses("alt-2");
    shows(&bob, "ops");
    eve.ask("publish dev bob, in a silent place").ok();
    lists(&bob, 3, "dev 1");
    assert_eq!((bob.bells(), bob.title().as_str()), (rung, "ops · hubbub"));
}

#[test]
fn who_is_away_tells_it_until_the_next_key() {
    let (hub, home) = (Hub::start(), configured(""));
    let bob = bob(&hub, &home);
    let mut eve = script(&hub, "eve");
    let mut welcome = |words: &str| {
        wait::until(&format!("the welcome {words:?}"), || {
            eve.ask("whois bob").rows().iter().any(|row| row.trim() == words).then_some(())
        });
    };
    bob.enters("/welcome ask me anything");
    welcome("welcome: ask me anything");
    bob.enters("/away at lunch");
    welcome("welcome: at lunch");
    status_has(&bob, " · at lunch");
    bob.settles(Duration::from_millis(20));
    bob.types("b");
    welcome("welcome: ask me anything");
    bob.waits("the state without it", |screen| {
        (!crate::people::status(screen).contains("at lunch")).then_some(())
    });
    bob.input_is("› b");
}
