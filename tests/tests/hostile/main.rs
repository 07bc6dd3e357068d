//! Clients that mean harm, or do harm without meaning it. Each test shows the same three things:
//! the attack is refused by name, a canary beside it loses nothing and never waits long, and the
//! hub's memory stays bounded.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod bytes;
mod churn;
mod computing;
mod connections;
mod descriptors;
mod doors;
mod explosions;
mod pauses;
mod readers;

use hubbub_tests::{wait, Canary, Hub};

/// What the hub may grow by in an attack whose own bound is smaller: buffers, tables, and what the
/// allocator keeps. A debug build with nothing in it occupies 10 to 20 MiB.
const SLACK: u64 = 32 << 20;

/// Runs an attack on a hub and shows that the canary beside it was not harmed, that the hub has not
/// grown by more than `bound` bytes at any time, and that it serves newcomers afterwards.
fn endure<T>(hub: &Hub, bound: u64, attack: impl FnOnce(&Hub) -> T) -> T {
    let canary = Canary::start(hub);
    let before = hub.process().rss();
    let result = attack(hub);
    let grown = hub.process().peak_rss().saturating_sub(before);
    let song = canary.unharmed();
    assert!(grown <= bound, "grew by {} KiB, more than {} KiB", grown >> 10, bound >> 10);
    println!("{song:?}, grew by {} KiB", grown >> 10);
    wait::until("a newcomer to be served", || {
        let mut newcomer = hub.socket();
        newcomer.try_send("ping\n").ok()?;
        (newcomer.line()? == "ok pong").then_some(())
    });
    result
}

/// Lets this process, and the hubs that it starts, hold many connections.
fn many_descriptors() {
    use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 16).min(1 << 16);
    if limit.current.is_some_and(|now| now < most) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).unwrap();
    }
}
