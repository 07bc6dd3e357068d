//! Signs of life: this server's to the others every second with how it is, and whether a link is dead.

use super::{close, seen, Shell};
use crate::clock::Now;
use crate::cluster::Load;
use crate::hub::{Batch, Hub};
use crate::rt;
use crate::writer::hand_over;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a server gives a sign of life on its links, and tells how it is.
const BEAT: Duration = Duration::from_secs(1);
/// A link on which nothing was heard for so long is taken for dead. Five signs of life.
const SILENT: Duration = Duration::from_secs(5);
/// A beat that comes so late says that this process was stopped for a while: nobody else was silent.
const PAUSED: Duration = Duration::from_millis(2_500);

/// Every second: a sign of life to all, how this server is, and whether a link is dead.
pub(super) async fn beat(shell: Arc<Shell>) {
    let (mut last, mut cpu) = (Instant::now(), cpu_time());
    loop {
        rt::sleep(BEAT).await;
        let now = Now::read();
        let elapsed = now.instant.saturating_duration_since(last);
        let used = cpu_time();
        let per_mille = (used.saturating_sub(cpu)).as_secs_f64() / elapsed.as_secs_f64().max(1e-3) * 1e3;
        (last, cpu) = (now.instant, used);
        let now_ms = shell.clock_ms();
        for peer in shell.hub.servers.peers.all() {
            if elapsed > PAUSED {
                peer.heard_ms.store(now_ms, Ordering::Relaxed);
            } else if now_ms.saturating_sub(peer.heard_ms.load(Ordering::Relaxed)) > SILENT.as_millis() as u64
            {
                log::warn!(server = &*peer.name; "nothing was heard for {} s: the link is made anew", SILENT.as_secs());
                close(&peer);
            }
        }
        let mut batch = Batch::new(now);
        shell.hub.servers.peers.beat(shell.hub.servers.clock_us(now), &mut batch);
        hand_over(&shell.hub, batch).written(&shell.hub).await;
        let load = load(&shell.hub, per_mille as u16, now);
        shell.hub.servers.set_load(load);
        shell.with_node(|node, now| {
            node.set_load(now, load);
            shell.hub.servers.see(seen(node, now));
        });
    }
}

/// Processor time of this process so far, in the kernel's ticks of 10 ms (proc(5), fields 14 and 15).
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

pub(super) fn load(hub: &Hub, cpu: u16, now: Now) -> Load {
    let clients = hub.clients.all();
    Load {
        at: 0, // counted where it is spread
        clients: clients.len() as u32,
        max_clients: u32::try_from(hub.limits.max_clients).unwrap_or(u32::MAX),
        channels: hub.channels.count() as u32,
        queued: clients.iter().map(|client| client.outbox.queued() as u64).sum(),
        cpu,
        uptime_s: hub.servers.uptime_s(now) as u32,
        draining: hub.is_draining() || hub.drain_asked().is_some(),
    }
}
