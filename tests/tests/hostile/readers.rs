//! Readers that stop: what waits for them is bounded, they are cut with a reason, and nobody else
//! notices.

use crate::{endure, many_descriptors, SLACK};
use hubbub_tests::{hub, wait, Encoding, Hub, Socket};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

/// A client that subscribes, and then reads nothing more.
fn stalled(hub: &Hub, pattern: &str) -> Socket {
    let mut socket = hub.socket();
    socket.shrink_receive_buffer();
    socket.send(json!({"op": "subscribe", "channels": [pattern], "id": 1}).to_string() + "\n");
    assert!(socket.must_line().contains("\"ok\""));
    socket
}

#[test]
fn a_reader_that_stops_is_cut_at_the_limit_of_its_queue() {
    let hub = hub::builder().args(["--max-queue", "1MiB"]).start();
    endure(&hub, SLACK, |hub| {
        let mut slow = stalled(hub, "flood");
        let mut healthy = hub.client(Encoding::Json);
        healthy.ask("subscribe flood").ok();
        let mut writer = hub.client(Encoding::Json);
        let load = "x".repeat(4000);
        let mut sent = 0;
        let deadline = Instant::now() + Duration::from_secs(30);
        while hub.stat("slow_consumers") == 0 {
            assert!(Instant::now() < deadline, "not cut after {sent} messages of 4 kB");
            for _ in 0..50 {
                writer.ask(&format!("publish flood {load}")).ok();
                sent += 1;
                assert_eq!(healthy.event().get("seq"), sent, "the neighbour lost something");
            }
        }
        assert!(sent * 4000 > 1 << 20, "cut after {sent} messages, before its limit");
        let closed = healthy.ask("clients closed");
        let rows = closed.json()["clients"].as_array().unwrap().clone();
        let told = |row: &Value| row["reason"].as_str().is_some_and(|r| r.contains("slow-consumer"));
        assert_eq!(rows.iter().filter(|row| told(row)).count(), 1, "{rows:?}");
        // It reads again: what it gets is without a hole, and then the reason.
        let lines = slow.rest_lines();
        let last: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!((&last["event"], &last["code"]), (&json!("closing"), &json!("slow-consumer")), "{last}");
        for (n, line) in lines[..lines.len() - 1].iter().enumerate() {
            let message: Value = serde_json::from_str(line).unwrap();
            assert_eq!(message["seq"], n as u64 + 1);
        }
    });
}

#[test]
fn a_reader_without_progress_is_cut_after_the_time_limit() {
    let hub = hub::builder().args(["--stall-timeout", "1s"]).start();
    endure(&hub, SLACK, |hub| {
        let slow = stalled(hub, "flood");
        let mut writer = hub.client(Encoding::Json);
        let load = "x".repeat(50_000);
        // More than the kernel takes, less than the queue's limit.
        for _ in 0..120 {
            writer.ask(&format!("publish flood {load}")).ok();
        }
        let started = Instant::now();
        wait::until("the slow consumer to be cut", || (hub.stat("slow_consumers") == 1).then_some(()));
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        drop(slow);
    });
}

#[test]
fn a_slow_reader_that_goes_on_reading_is_not_cut() {
    let hub = hub::builder().args(["--stall-timeout", "2s"]).start();
    let mut slow = stalled(&hub, "flood");
    let mut writer = hub.client(Encoding::Json);
    let load = "x".repeat(20_000);
    for _ in 0..150 {
        writer.ask(&format!("publish flood {load}")).ok();
    }
    // 3 MB in about 5 s: longer than the limit, and never still for as long.
    for n in 1..=150 {
        let message: Value = serde_json::from_str(&slow.must_line()).unwrap();
        assert_eq!(message["seq"], n);
        std::thread::sleep(Duration::from_millis(35));
    }
    assert_eq!(hub.stat("slow_consumers"), 0);
}

#[test]
fn a_thousand_stalled_readers_stay_within_the_sum_of_their_limits() {
    many_descriptors();
    const READERS: u64 = 1000;
    const QUEUE: u64 = 64 << 10;
    let hub = hub::builder().args(["--max-queue", "64KiB", "--max-clients", "2000"]).start();
    let bound = READERS * QUEUE + READERS * QUEUE / 10 + SLACK;
    endure(&hub, bound, |hub| {
        let readers: Vec<Socket> = (0..READERS).map(|_| stalled(hub, "flood")).collect();
        let mut writer = hub.client(Encoding::Json);
        let load = "x".repeat(2000);
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut sent = 0;
        while hub.stat("slow_consumers") < READERS {
            assert!(Instant::now() < deadline, "{} cut after {sent} messages", hub.stat("slow_consumers"));
            for _ in 0..10 {
                writer.ask(&format!("publish flood {load}")).ok();
                sent += 1;
            }
        }
        drop(readers);
    });
}

#[test]
fn who_asks_for_much_at_once_holds_nobody_up() {
    many_descriptors();
    let hub = Hub::start();
    let _crowd: Vec<_> = (0..900).map(|n| hub.named(Encoding::Json, &format!("somebody-{n}"))).collect();
    // 72 KB of questions, about 350 MB of answers.
    endure(&hub, SLACK, |hub| {
        let mut greedy = hub.socket();
        greedy.send("clients all\n".repeat(6_000));
        wait::until("the greedy one to be cut", || (hub.stat("slow_consumers") == 1).then_some(()));
    });
}

#[test]
fn who_asks_and_does_not_read_the_answers_is_cut() {
    let hub = hub::builder().args(["--max-queue", "1MiB", "--stall-timeout", "2s"]).start();
    let mut others = Vec::new();
    for n in 0..100 {
        others.push(hub.named(Encoding::Json, &format!("somebody-{n}")));
    }
    endure(&hub, SLACK, |hub| {
        for question in ["clients all", "help", "history big", "echo"] {
            let before = hub.stat("slow_consumers");
            let load = "x".repeat(60_000);
            hub.client(Encoding::Text).ask(&format!("publish big {}", &load[..2000])).ok();
            let line = match question {
                "echo" => format!("request echo {load}\n"),
                _ => format!("{question}\n"),
            };
            let mut socket = hub.socket();
            socket.shrink_receive_buffer();
            socket.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
            let many = line.repeat(1 + 20_000 / line.len());
            let deadline = Instant::now() + Duration::from_secs(25);
            // A hub may also stop to read from who does not read; then it is the time that cuts.
            while hub.stat("slow_consumers") == before {
                assert!(Instant::now() < deadline, "{question}: never cut");
                let _ = socket.try_send(&many);
            }
        }
    });
}
