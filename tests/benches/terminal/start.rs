//! How soon the terminal is there: from the start of the program until the screen shows the hub and
//! the channel, so that somebody may type and be heard.

use crate::table::Table;
use crate::{millis, stands, Options, CHANNEL, PATIENCE, SERVER};
use anyhow::{Context, Result};
use hubbub_tests::Hub;
use std::time::Instant;

/// How often it is started in each round.
const STARTS: usize = 20;

pub fn measure(options: &Options, hub: &Hub, table: &mut Table) -> Result<()> {
    for _ in 0..STARTS {
        let since = Instant::now();
        let terminal = options.terminal(hub);
        terminal
            .waits_within(PATIENCE, |screen| stands(screen, SERVER).and(stands(screen, CHANNEL)))
            .with_context(|| format!("no hub and channel on the screen:\n{}", terminal.framed()))?;
        table.add("start: from exec to the first whole screen", "ms", millis(since.elapsed()));
    }
    Ok(())
}
