//! What the terminal does under a flood: what it writes, what it costs, whether it keeps up, and how
//! soon after the end the last message is there.

use crate::publisher::{wait_heard, Flood};
use crate::table::Table;
use crate::{millis, stands, Options, PATIENCE};
use anyhow::{ensure, Context, Result};
use hubbub_tests::Hub;
use std::time::{Duration, Instant};

/// When the memory of a flood is what it should stay at.
const SETTLED: Duration = Duration::from_secs(2);
const MIB: f64 = (1u64 << 20) as f64;

pub fn measure(options: &Options, hub: &Hub, table: &mut Table) -> Result<()> {
    let terminal = options.terminal(hub);
    wait_heard(hub);
    let process = terminal.process();
    let output =
        || terminal.views_within(PATIENCE, |view| Some((view.written(), view.updates(), view.bursts())));
    let rest = process.rss();
    let (cpu, before, since) = (process.cpu_time(), output().unwrap_or_default(), Instant::now());
    let flood = Flood::start(hub, options.rate)?;
    std::thread::sleep(SETTLED);
    let settled = process.rss();
    std::thread::sleep(Duration::from_secs(options.seconds).saturating_sub(since.elapsed()));
    let (cpu, after, seconds) =
        (process.cpu_time() - cpu, output().unwrap_or_default(), since.elapsed().as_secs_f64());
    let at_end = process.rss();
    let sent = flood.stop()?;
    let last = sent.last();
    let shown = terminal.waits_within(PATIENCE, |screen| stands(screen, &last));
    let behind = sent.ended.elapsed();
    ensure!(terminal.is_running(), "hubbub has ended:\n{}", terminal.framed());
    shown.with_context(|| format!("the last message {last} was never shown:\n{}", terminal.framed()))?;

    let a_second = |count: u64| count as f64 / seconds;
    table.add("flood: messages a second, in fact", "", sent.rate());
    table.add("flood: marked frames a second", "", a_second(after.1 - before.1));
    table.add("flood: bursts a second, 1 ms and more apart", "", a_second(after.2 - before.2));
    table.add("flood: written to the terminal", "KiB/s", a_second(after.0 - before.0) / 1024.0);
    table.add("flood: processor, all threads", "%", cpu.as_secs_f64() / seconds * 100.0);
    table.add("flood: memory before", "MiB", rest as f64 / MIB);
    table.add("flood: most memory", "MiB", process.peak_rss() as f64 / MIB);
    table.add("flood: growth from second 2 to the end", "MiB", (at_end as f64 - settled as f64) / MIB);
    table.add("flood: closed as a slow consumer", "times", hub.stat("slow_consumers") as f64);
    table.add("flood: the last message on the screen after", "ms", millis(behind));
    Ok(())
}
