//! Several real servers that behave as one hub: how they find each other, what clients see of it, and
//! what is left of it when servers die, hang, restart, or cannot reach each other.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod discovery;
mod secrets;

use hubbub_tests::{wait, Client, Hub};
use std::time::Duration;

/// Waits until a hub has written this to its log.
fn wait_logged(hub: &Hub, part: &str) {
    let found = wait::within(wait::PATIENCE, || hub.log().contains(part).then_some(()));
    assert!(found.is_some(), "{part:?} was not logged:\n{}", hub.log());
}

/// The events that a watcher of `$sys` channels was sent so far, as `channel name`.
fn told(watcher: &mut Client) -> Vec<String> {
    let shown = |event: hubbub_tests::Event| {
        let channel = event.get("channel").as_str().unwrap().to_owned();
        format!("{channel} {}", event.get("data")["name"].as_str().unwrap())
    };
    watcher.events_so_far().into_iter().map(shown).collect()
}

/// Prints how long something took; `cargo test -- --nocapture` shows it.
fn took(what: &str, time: Duration) {
    println!("{what}: {time:?}");
}
