//! Connections as a weapon: floods, resets, more than the hub takes, and peers that vanish.

use crate::{endure, many_descriptors, SLACK};
use hubbub_tests::{hub, wait, Encoding, Hub, Socket};
use std::time::{Duration, Instant};

#[test]
fn a_flood_of_connections_passes() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        // A local port may be missing for a moment; the flood goes on.
                        drop(Socket::try_connect(hub.addr()));
                    }
                });
            }
        });
        wait::until("the flood to be over", || (hub.stat("clients") <= 3).then_some(()));
    });
}

#[test]
fn a_storm_of_resets_passes() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        let mut writer = hub.client(Encoding::Json);
        for n in 0..500 {
            let mut socket = hub.socket();
            match n % 4 {
                0 => {}
                1 => socket.send("subscribe storm\n"),
                2 => socket.send("{\"op\":\"subscribe\",\"channel\":\"storm\"}\n{\"op\":\"pub"),
                _ => socket.send("subscribe storm\nclients all\nhelp\nhelp\n"),
            }
            socket.reset();
            writer.ask("publish storm boom").ok();
        }
        wait::until("the storm to be over", || (hub.stat("clients") <= 4).then_some(()));
        assert_eq!(writer.ask("who storm").rows().len(), 0);
    });
}

#[test]
fn whoever_is_one_too_many_is_told_and_the_others_stay() {
    let hub = hub::builder().args(["--max-clients", "20"]).start();
    let mut clients: Vec<_> = (0..20).map(|_| hub.client(Encoding::Json)).collect();
    for client in &mut clients {
        client.ask("ping").ok();
    }
    for _ in 0..50 {
        let mut refused = hub.socket();
        let said = refused.rest_lines().join("\n");
        assert!(said.contains("too-many") && said.contains("20"), "{said:?}");
    }
    for client in &mut clients {
        client.ask("ping").ok();
    }
    let mut last = clients.pop().unwrap();
    last.ask("close").ok();
    assert_eq!(last.next_event(), None);
    let mut next = wait::until("the room that was left", || {
        let mut socket = hub.socket();
        socket.send("ping\n");
        (socket.must_line() == "ok pong").then_some(socket)
    });
    next.send("stats\n");
    let refused =
        std::iter::repeat_with(|| next.must_line()).find(|l| l.contains("clients_refused")).unwrap();
    let count: u64 = refused.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(count >= 50, "{refused}");
}

#[test]
fn a_flood_beyond_the_most_clients_does_not_keep_the_canary_from_singing() {
    many_descriptors();
    let hub = hub::builder().args(["--max-clients", "50"]).start();
    endure(&hub, SLACK, |hub| {
        let deadline = Instant::now() + Duration::from_secs(3);
        let mut held = Vec::new();
        while Instant::now() < deadline {
            held.extend((0..100).filter_map(|_| Socket::try_connect(hub.addr()).ok()));
            held.drain(..held.len().saturating_sub(300));
        }
        drop(held);
        wait::until("room again", || {
            let mut socket = Socket::try_connect(hub.addr()).ok()?;
            socket.try_send("ping\n").ok()?;
            (socket.line()? == "ok pong").then_some(())
        });
    });
}

#[test]
fn peers_that_vanish_are_looked_after_by_the_kernel() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    client.ask("ping").ok();
    // Nobody can pull a cable here; that the timer runs, and how long, stands in /proc/net/tcp.
    let local = hex(hub.addr());
    let remote = hex(client.socket().local_addr());
    let keepalive = wait::until("the connection's keep-alive timer", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let row = table.lines().find(|l| l.contains(&format!("{local} {remote}")))?;
        let timer = row.split_whitespace().nth(5)?.to_owned();
        timer.starts_with("02:").then_some(timer)
    });
    let ticks = u64::from_str_radix(&keepalive[3..], 16).unwrap();
    let seconds = ticks / rustix::param::clock_ticks_per_second();
    assert!(seconds <= 60, "a silent peer is first asked after {seconds} s");
}

/// An address as /proc/net/tcp writes it.
fn hex(addr: std::net::SocketAddr) -> String {
    let std::net::IpAddr::V4(ip) = addr.ip() else { panic!("{addr} is not IPv4") };
    format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), addr.port())
}
