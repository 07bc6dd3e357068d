//! How soon a key is visible in the input: at rest, and while a flood arrives in the open channel.

use crate::floor::Floor;
use crate::publisher::{wait_heard, Flood};
use crate::table::Table;
use crate::{millis, stands, Options, Pauses, PATIENCE};
use anyhow::{Context, Result};
use hubbub_tests::{Hub, Terminal};
use std::time::{Duration, Instant};

/// What is typed, key by key.
const DRAFT: &str = "qwjkzxvbfypq";
/// What of it is typed before the first key of which the time is taken: more than stands anywhere else.
const START: usize = 3;
/// The longest pause between two keys.
const GAP: Duration = Duration::from_millis(60);

pub fn measure(options: &Options, hub: &Hub, table: &mut Table) -> Result<()> {
    let terminal = options.terminal(hub);
    wait_heard(hub);
    let mut floor = Floor::start()?;
    type_keys(options, &terminal, &mut floor, "keys: at rest", table)?;
    let flood = Flood::start(hub, options.rate)?;
    let title = format!("keys: at {} messages a second", options.rate);
    type_keys(options, &terminal, &mut floor, &title, table)?;
    table.add("keys: messages a second, in fact", "", flood.stop()?.rate());
    Ok(())
}

fn type_keys(
    options: &Options,
    terminal: &Terminal,
    floor: &mut Floor,
    title: &str,
    table: &mut Table,
) -> Result<()> {
    let mut pauses = Pauses::new(options.samples);
    let never = |what: &str| format!("{title}: {what:?}:\n{}", terminal.framed());
    let beside = format!("{title}: cat, right after each");
    let mut typed = 0;
    while typed < options.samples {
        terminal.types(&DRAFT[..START]);
        let started = |screen: &vt100::Screen| stands(screen, &DRAFT[..START]);
        terminal.waits_within(PATIENCE, started).with_context(|| never(&DRAFT[..START]))?;
        for end in START + 1..=DRAFT.len() {
            pauses.pause(GAP);
            let draft = &DRAFT[..end];
            let since = Instant::now();
            terminal.types(&DRAFT[end - 1..end]);
            terminal.waits_within(PATIENCE, |screen| stands(screen, draft)).with_context(|| never(draft))?;
            table.add(title, "ms", millis(since.elapsed()));
            table.add(&beside, "ms", millis(floor.sample()?));
            typed += 1;
        }
        terminal.types(&"\u{7f}".repeat(DRAFT.len()));
        let gone = |screen: &vt100::Screen| match stands(screen, &DRAFT[..START]) {
            Some(()) => None,
            None => Some(()),
        };
        terminal.waits_within(PATIENCE, gone).with_context(|| never("the draft stays"))?;
    }
    Ok(())
}
