//! Whole servers on a simulated network: each a real hub and a real node, with a clock, sockets and
//! clients that are simulated. A seed decides everything: who comes and goes, what is said, what is lost,
//! who dies and who stands still. What may never happen is checked at every step; then everything heals,
//! and what must be true again is checked.
//!
//! `HUBBUB_SEED=17 cargo test -p hubbub-server --test simulation` runs one seed and tells what happens;
//! `HUBBUB_SEEDS=20000` runs more of them.

#![allow(clippy::unwrap_used)]

mod chaos;
mod checks;
mod healed;
#[path = "../network/mod.rs"]
mod network;
mod people;
mod place;
mod wires;
mod world;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use world::World;

/// Seeds of an ordinary test run.
const SEEDS: u64 = 1_000;
/// Seeds are shared out to so many threads.
const THREADS: usize = 2;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One life of a cluster; the hash of all that happened.
fn live(seed: u64, is_told: bool) -> u64 {
    let mut world = World::new(seed, is_told);
    world.begin();
    world.rage();
    world.heal();
    world.check_healed();
    world.trace.hash()
}

/// Twice, since a seed that does not decide everything is of no use to whoever looks for a bug.
fn run(seed: u64) -> Result<(), String> {
    let once = |is_told| {
        let life = catch_unwind(AssertUnwindSafe(|| live(seed, is_told)));
        life.map_err(|e| match (e.downcast_ref::<String>(), e.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (_, Some(text)) => (*text).to_owned(),
            _ => "it panicked".to_owned(),
        })
    };
    let (first, second) = (once(false)?, once(false)?);
    if first != second {
        return Err(format!("two lives of one seed differ: {first:x} and {second:x}"));
    }
    Ok(())
}

#[test]
fn whatever_happens_to_servers_nothing_is_sent_twice_and_all_agree_again_when_it_is_over() {
    if let Some(seed) = number("HUBBUB_SEED") {
        println!("hash {:x}", live(seed, true));
        return;
    }
    let seeds = number("HUBBUB_SEEDS").unwrap_or(SEEDS);
    let (next, begin) = (AtomicU64::new(number("HUBBUB_FIRST_SEED").unwrap_or(0)), Instant::now());
    let end = next.load(Ordering::Relaxed) + seeds;
    let failed: Vec<String> = std::thread::scope(|scope| {
        let work = || {
            let mut failed = Vec::new();
            while failed.len() < 5 {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= end {
                    break;
                }
                if let Err(why) = run(seed) {
                    failed.push(format!(
                        "seed {seed}: {why}\n  again: HUBBUB_SEED={seed} cargo test -p hubbub-server --test simulation -- --nocapture"
                    ));
                }
            }
            failed
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("failures are caught")).collect()
    });
    println!("{seeds} seeds in {:.1} s", begin.elapsed().as_secs_f64());
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn a_server_that_is_left_alone_does_not_write_down_changes_for_nobody() {
    let mut world = World::new(1, false);
    world.begin();
    for place in world.living().into_iter().skip(1) {
        world.kill(place, false);
    }
    world.run(20 * world::SEC);
    let client = world.connect(0, people::Kind::Plain);
    world.subscribe_to(client, "some.pattern.*", None);
    world.ask(client, r#""op":"serve","service":"upper""#);
    let hub = world.hub(0).expect("it lives");
    assert!(!hub.servers.peers.any());
    assert!(hub.channels.interest.take().is_empty() && hub.services.take_log().is_empty());
}
