//! What the membership costs and how fast it is, by the number of servers, on a simulated network
//! with 1 % loss: gossip sent by each server while nothing changes, without and with a load from
//! each every five seconds; until all know a new server; until all know that one died.
//! `cargo bench -p hubbub-server --bench gossip [-- --json PATH]`.

#[path = "../tests/network/mod.rs"]
mod network;

use hubbub_server::cluster::Load;
use network::fleet::{addr, Fleet};
use network::Weather;
use std::time::{Duration, Instant};

/// Bytes of an Ethernet frame, IP and UDP around a packet are not counted; these would be 46.
struct Row {
    servers: usize,
    quiet: (f64, f64),
    loads: (f64, f64),
    join_s: Vec<f64>,
    detect_s: Vec<f64>,
    wall_s: f64,
}

fn weather() -> Weather {
    Weather { delay: (Duration::from_micros(50), Duration::from_millis(5)), lost: 100, doubled: 0 }
}

/// Bytes and packets that each server sends in a second.
fn rate(fleet: &mut Fleet, seconds: u64, loads: bool) -> (f64, f64) {
    let sum = |fleet: &Fleet| {
        let traffic = fleet.living().into_iter().map(|s| fleet.at(s).traffic());
        traffic.fold((0, 0), |(bytes, packets), t| (bytes + t.bytes_out, packets + t.packets_out))
    };
    let before = sum(fleet);
    let servers = fleet.living();
    for tick in 0..seconds * 10 {
        // Each server tells its load every five seconds, and not all at the same time.
        for server in servers.iter().filter(|s| loads && (**s as u64 + tick).is_multiple_of(50)) {
            fleet.with(*server, |m, now| m.set_load(now, Load { clients: tick as u32, ..Load::default() }));
        }
        fleet.run(Duration::from_millis(100));
    }
    let after = sum(fleet);
    let of = |n: u64| n as f64 / servers.len() as f64 / seconds as f64;
    (of(after.0 - before.0), of(after.1 - before.1))
}

fn measure(servers: usize, seconds: u64, settle: u64, tries: u64) -> Row {
    let begin = Instant::now();
    let mut fleet = Fleet::acquainted(1, servers, weather());
    fleet.run(Duration::from_secs(settle));
    let quiet = rate(&mut fleet, seconds, false);
    let loads = rate(&mut fleet, seconds, true);
    let (mut join_s, mut detect_s) = (Vec::new(), Vec::new());
    let limit = Duration::from_secs(120);
    for attempt in 0..tries {
        if attempt > 0 {
            fleet = Fleet::acquainted(1 + attempt, servers, weather());
            fleet.run(Duration::from_secs(settle) + Duration::from_millis(attempt * 67));
        }
        let last = servers - 1;
        fleet.kill(last);
        let gone = |fleet: &Fleet| fleet.living().iter().all(|s| !fleet.view(*s).contains(&addr(last)));
        detect_s.push(fleet.until(limit, gone).map_or(f64::INFINITY, |t| t.as_secs_f64()));
        fleet.boot(last, &[0]);
        let known = |fleet: &Fleet| (0..last).all(|s| fleet.view(s).contains(&addr(last)));
        join_s.push(fleet.until(limit, known).map_or(f64::INFINITY, |t| t.as_secs_f64()));
    }
    join_s.sort_by(f64::total_cmp);
    detect_s.sort_by(f64::total_cmp);
    Row { servers, quiet, loads, join_s, detect_s, wall_s: begin.elapsed().as_secs_f64() }
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--json").skip(1);
    let json = args.next();
    println!("servers  quiet B/s (packets/s)  with loads B/s (packets/s)  join s p50/max  detect s p50/p99/max  took s");
    let mut rows = Vec::new();
    for (servers, seconds, settle, tries) in
        [(5, 60, 5, 200), (20, 30, 5, 20), (100, 20, 5, 3), (1000, 3, 2, 1)]
    {
        let row = measure(servers, seconds, settle, tries);
        println!(
            "{:7}  {:9.0} ({:9.1})  {:14.0} ({:9.1})  {:6.2}/{:6.2}  {:7.2}/{:5.2}/{:5.2}  {:6.1}",
            row.servers,
            row.quiet.0,
            row.quiet.1,
            row.loads.0,
            row.loads.1,
            quantile(&row.join_s, 0.5),
            quantile(&row.join_s, 1.0),
            quantile(&row.detect_s, 0.5),
            quantile(&row.detect_s, 0.99),
            quantile(&row.detect_s, 1.0),
            row.wall_s,
        );
        rows.push(serde_json::json!({
            "servers": row.servers,
            "quiet_bytes_per_s": row.quiet.0,
            "quiet_packets_per_s": row.quiet.1,
            "loads_bytes_per_s": row.loads.0,
            "loads_packets_per_s": row.loads.1,
            "join_s": row.join_s,
            "detect_s": row.detect_s,
        }));
    }
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&rows).expect("numbers are JSON");
        if let Err(error) = std::fs::write(&path, text) {
            eprintln!("cannot write {path}: {error}");
            std::process::exit(1);
        }
    }
}
