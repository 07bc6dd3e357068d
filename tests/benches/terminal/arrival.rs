//! How soon a message stands on the screen: from when another client of the hub has it back on its
//! socket, while somebody types. The hub writes to one after the other: where the screen was first,
//! the time is nothing.

use crate::floor::Floor;
use crate::publisher::{wait_heard, Echo};
use crate::table::Table;
use crate::{millis, stands, Options, Pauses, PATIENCE};
use anyhow::{Context, Result};
use hubbub_tests::terminal::Hands;
use hubbub_tests::Hub;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One frame of a display.
const TARGET_MS: f64 = 16.0;
/// The longest pause between two messages: some frames, and no multiple of one.
const GAP: Duration = Duration::from_millis(90);
/// How often somebody types: as fast as people do.
const TYPES_EVERY: Duration = Duration::from_millis(100);
/// How much is typed before it is taken back.
const DRAFT: usize = 30;

pub fn measure(options: &Options, hub: &Hub, table: &mut Table) -> Result<()> {
    let terminal = options.terminal(hub);
    wait_heard(hub);
    let mut echo = Echo::new(hub);
    let mut floor = Floor::start()?;
    let mut pauses = Pauses::new(options.samples);
    let done = AtomicBool::new(false);
    let hands = terminal.hands();
    std::thread::scope(|scope| {
        scope.spawn(|| type_on(&hands, &done));
        let result = (0..options.samples).try_for_each(|number| {
            pauses.pause(GAP);
            let text = format!("arrival-{number:06}-");
            // The screen is watched from before the message is sent: it may be there first.
            let shown = std::thread::scope(|scope| {
                let watch = scope.spawn(|| {
                    let shown = terminal.waits_within(PATIENCE, |screen| stands(screen, &text));
                    shown.map(|()| Instant::now())
                });
                let arrived = echo.publish(&text);
                let shown = watch.join().ok().flatten();
                arrived.map(|arrived| shown.map(|shown| shown.saturating_duration_since(arrived)))
            });
            let took = shown?.with_context(|| format!("{text} was never shown:\n{}", terminal.framed()))?;
            let title = "arrival: from a socket to the screen, while typing";
            table.add_with_target(title, "ms", millis(took), TARGET_MS);
            table.add("arrival: cat, right after each", "ms", millis(floor.sample()?));
            Ok(())
        });
        done.store(true, Ordering::Relaxed);
        result
    })
}

/// Types a draft and takes it back, again and again.
fn type_on(hands: &Hands, done: &AtomicBool) {
    for stroke in 0.. {
        let key = if (stroke / DRAFT).is_multiple_of(2) { "z" } else { "\u{7f}" };
        if done.load(Ordering::Relaxed) || !hands.types(key) {
            return;
        }
        std::thread::sleep(TYPES_EVERY);
    }
}
