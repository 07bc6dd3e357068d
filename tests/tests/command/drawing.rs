//! How far a run is, drawn over again in a terminal that is narrow, and made narrower.

use hubbub_tests::terminal::Builder;
use hubbub_tests::{binaries, hub, wait, Terminal};
use std::path::Path;

/// `hubbub` with these words, in a terminal with so many columns.
fn narrow(columns: u16, words: &[&str]) -> Terminal {
    Builder::default().args(words.iter().copied()).size(20, columns).start()
}

/// The rows that are drawn.
fn bars(screen: &vt100::Screen) -> usize {
    screen.contents().lines().filter(|line| line.contains("[#") || line.contains("[.")).count()
}

/// So many times something new is drawn, and never are there more rows than these.
fn draws(terminal: &Terminal, times: u32, rows: usize) {
    let mut before = terminal.written();
    for _ in 0..times {
        let found = terminal.views_within(wait::PATIENCE, |view| {
            let found = bars(view.screen());
            (found > rows || view.written() > before && found > 0).then_some((view.written(), found))
        });
        let (written, found) = found.unwrap_or_else(|| panic!("nothing is drawn:\n{}", terminal.framed()));
        assert!(found <= rows, "{}", terminal.screen());
        before = written;
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_row_that_is_drawn_over_leaves_nothing_behind() {
    let hub = hub::builder().args(["--door", "fleet=127.0.0.1:0"]).start();
    let place = tempfile::tempdir().unwrap();
    let at = hub.door_addr("fleet").to_string();
    let sizes = ["--runtime", "8", "--chunk-size", "10", "--file-size", "10"];
    let words = [&["fleet", "client", "--at", &at, "--dir", text(place.path())], &sizes[..]].concat();
    let terminal = narrow(40, &words);
    terminal.waits("the row", |screen| screen.contents().contains("%  ").then_some(()));
    draws(&terminal, 5, 1);
    terminal.resize(20, 25);
    terminal.settles(std::time::Duration::from_millis(50));
    draws(&terminal, 5, 1);
    assert_eq!(terminal.exit_code(), 0, "{}", terminal.screen());
    assert_eq!(terminal.look(bars), 0, "{}", terminal.screen());
}

#[test]
fn rows_that_are_drawn_over_leave_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let hubbubd = binaries::hubbubd();
    let place = ["--dir", text(place.path()), "--hubbubd", text(&hubbubd)];
    let terminal = narrow(25, &[&["fleet", "demo", "--runtime", "8"], &place[..]].concat());
    terminal.waits("three rows", |screen| (bars(screen) == 3).then_some(()));
    draws(&terminal, 10, 3);
    terminal.presses("ctrl-c");
    assert_eq!(terminal.exit_code(), 130, "{}", terminal.screen());
    assert_eq!(terminal.look(bars), 0, "{}", terminal.screen());
}
