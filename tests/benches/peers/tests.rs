//! The tests of the benchmark's pure parts: what finds messages in bytes, counts and checks them, and
//! what compares. A benchmark without a test harness cannot hold tests, so they stand here together.
#![allow(dead_code, clippy::unwrap_used)]

mod count;
mod net;
mod peers;
mod report;
mod script;
mod server;
mod svg;
mod works;

use count::{write_stamp, Counter, Framing, STAMP};
use peers::{Calls, Dialect, Peer, PEERS};
use report::{median, Cell, Machine, Report};
use std::collections::BTreeMap;
use works::{Sample, Stream, Work, WORKS};

fn peer(key: &str) -> &'static Peer {
    PEERS.iter().find(|p| p.key == key).unwrap()
}

fn dialect(key: &str) -> &'static dyn Dialect {
    peer(key).dialect
}

fn work(key: &str) -> &'static Work {
    WORKS.iter().find(|w| w.key == key).unwrap()
}

/// A delivery as the server writes it, of channel `c000001` and publisher `p000`.
fn delivery(key: &str, seq: u64, payload: &[u8]) -> Vec<u8> {
    let (text, length) = (String::from_utf8(payload.to_vec()).unwrap(), payload.len());
    let object = format!(
        r#"{{"event":"message","channel":"c000001","from":"p000","seq":{seq},"origin":"a-1","at":"now","data":"{text}"}}"#
    );
    match key {
        "hubbub-json" => format!("{object}\n").into_bytes(),
        "hubbub-frame" => [&(object.len() as u32).to_be_bytes()[..], object.as_bytes()].concat(),
        "nats" => format!("MSG c000001 7 {length}\r\n{text}\r\n").into_bytes(),
        "redis" => format!("*3\r\n$7\r\nmessage\r\n$7\r\nc000001\r\n${length}\r\n{text}\r\n").into_bytes(),
        "mosquitto" => {
            let mut out = Vec::new();
            dialect(key).publish("c000001", payload, &mut out);
            out
        }
        _ => format!("[c000001] p000: {text}\n").into_bytes(),
    }
}

fn payload(seq: u64, filler: &[u8]) -> Vec<u8> {
    let mut stamp = [0; STAMP];
    write_stamp(&mut stamp, 0, seq);
    [&stamp[..], filler].concat()
}

fn feed(counter: &mut Counter, key: &str, bytes: &[u8], filler: &[u8]) -> Result<u64, String> {
    let dialect = dialect(key);
    let fed = counter.feed(bytes, |u| dialect.unit(u), |u| dialect.payload(u), filler);
    fed.map_err(|error| format!("{error:#}"))
}

#[test]
fn a_delivery_is_one_unit_and_holds_its_payload() {
    for key in PEERS.iter().map(|p| p.key) {
        for size in [STAMP, 100, 4096, 65_536] {
            let sent = payload(9, &vec![b'x'; size - STAMP]);
            let unit = delivery(key, 9, &sent);
            assert_eq!(dialect(key).unit(&unit), Some(unit.len()), "{key} {size}");
            assert_eq!(dialect(key).unit(&unit[..unit.len() - 1]), None, "{key} {size}");
            assert_eq!(dialect(key).payload(&unit), Some(&sent[..]), "{key} {size}");
            if let Framing::Fixed(length) = dialect(key).framing("c000001", size) {
                assert_eq!(length, unit.len(), "{key} {size}");
            }
        }
    }
}

#[test]
fn barriers_are_neither_messages_nor_parts_of_them() {
    let frame = br#"{"re":"barrier","ok":{"pong":true}}"#;
    let cases: [(&str, &[u8]); 8] = [
        ("hubbub-text", b"ok pong\n"),
        ("hubbub-json", b"{\"re\":\"barrier\",\"ok\":{\"pong\":true}}\n"),
        ("hubbub-frame", &[&[0, 0, 0, frame.len() as u8], &frame[..]].concat()),
        ("nats", b"PONG\r\n"),
        ("redis", b"$7\r\nbarrier\r\n"),
        ("redis", b"*2\r\n$4\r\npong\r\n$7\r\nbarrier\r\n"),
        ("mosquitto", &[0xd0, 0]),
        ("kernel", peers::KERNEL_BARRIER),
    ];
    for (key, unit) in cases {
        assert_eq!(dialect(key).unit(unit), Some(unit.len()), "{key}");
        assert!(dialect(key).is_barrier(unit) && dialect(key).payload(unit).is_none(), "{key}");
    }
    assert_eq!(dialect("redis").unit(b":1\r\n:2\r\n"), Some(4));
    assert_eq!(dialect("redis").payload(b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"), None);
    assert_eq!(dialect("hubbub-text").payload(b"* welcome: to the hub\n"), None);
}

#[test]
fn a_request_is_answered_with_its_payload() {
    fn calls(key: &str) -> &'static dyn Calls {
        dialect(key).calls().unwrap()
    }
    let cases: [(&str, &str, &str, &str); 3] = [
        ("hubbub-text", "<p001> bench 42: abc\n", "respond 42 abc\n", "ok bench: abc\n"),
        (
            "hubbub-json",
            "{\"event\":\"request\",\"request_id\":\"42\",\"service\":\"bench\",\"from\":\"p001\",\"data\":\"abc\"}\n",
            "{\"op\":\"respond\",\"request_id\":\"42\",\"data\":\"abc\"}\n",
            "{\"re\":7,\"ok\":{\"data\":\"abc\"}}\n",
        ),
        (
            "nats",
            "MSG bench 0 _INBOX.bench.42 3\r\nabc\r\n",
            "PUB _INBOX.bench.42 3\r\nabc\r\n",
            "MSG _INBOX.bench.42 0 3\r\nabc\r\n",
        ),
    ];
    for (key, request, response, answer) in cases {
        let mut out = Vec::new();
        assert!(calls(key).answer(request.as_bytes(), &mut out), "{key}");
        assert_eq!(String::from_utf8(out).unwrap(), response);
        assert_eq!(calls(key).answered(answer.as_bytes()), Some(&b"abc"[..]), "{key}");
    }
    assert!(dialect("redis").calls().is_none() && dialect("mosquitto").calls().is_none());
}

#[test]
fn counts_are_the_same_however_the_bytes_are_cut() {
    for key in PEERS.iter().map(|p| p.key) {
        for size in [0, 5, 300] {
            let filler = vec![b'x'; size];
            let bytes: Vec<u8> = (0..40).flat_map(|n| delivery(key, n, &payload(n, &filler))).collect();
            let framing = dialect(key).framing("c000001", STAMP + size);
            for step in [1, 2, 3, 7, 19, 20, 21, 64, 1000, bytes.len()] {
                let mut counter = Counter::new(framing, 1);
                let ended: u64 =
                    bytes.chunks(step).map(|piece| feed(&mut counter, key, piece, &filler).unwrap()).sum();
                assert_eq!((counter.count, ended), (40, 40), "{key} {size} {step}");
                assert!(counter.samples > 0, "{key} {size} {step}: {} samples", counter.samples);
            }
        }
    }
}

#[test]
fn wrong_content_and_wrong_order_are_noticed() {
    for key in PEERS.iter().map(|p| p.key) {
        let after = |second: &[u8]| {
            let mut counter = Counter::new(dialect(key).framing("c000001", STAMP + 4), 1);
            feed(&mut counter, key, &delivery(key, 7, &payload(7, b"xxxx")), b"xxxx").unwrap();
            feed(&mut counter, key, &delivery(key, 8, second), b"xxxx")
        };
        assert_eq!(after(&payload(8, b"xxxx")), Ok(1), "{key}");
        assert!(after(&payload(7, b"xxxx")).unwrap_err().contains("out of order"), "{key}");
        assert!(after(&payload(9, b"xxxy")).unwrap_err().contains("not the payload"), "{key}");
        assert!(after(b"001 000000000009xxxx").unwrap_err().contains("not the payload"), "{key}");
    }
}

#[test]
fn something_else_between_messages_is_only_passed_over_where_it_belongs() {
    let mut bytes = delivery("nats", 0, &payload(0, b""));
    bytes.extend_from_slice(b"PING\r\n");
    bytes.extend_from_slice(&delivery("nats", 1, &payload(1, b"")));
    let mut counter = Counter::new(Framing::Units, 1);
    assert_eq!(feed(&mut counter, "nats", &bytes, b""), Ok(2));
    let mut counter = Counter::new(dialect("hubbub-text").framing("c000001", STAMP), 1);
    assert!(feed(&mut counter, "hubbub-text", &[b'*'; 200], b"").unwrap_err().contains("not a message"));
}

#[test]
fn a_lap_visits_every_channel_once_and_ten_subscribers_at_a_time() {
    for (channels, subscribers) in [(10, 10), (1_000, 10), (100, 100), (100_000, 100)] {
        let work = Stream { publishers: 1, channels, subscribers, payload: 128, wildcards: 0 };
        let targets: Vec<_> = (0..channels).map(|k| work.target(k)).collect();
        let mut seen: Vec<_> = targets.iter().map(|t| t.0).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..channels).collect::<Vec<_>>());
        assert!(targets.iter().all(|(channel, subscriber)| channel / work.share() == *subscriber));
        assert!(targets.chunks(10).all(|ten| ten.iter().all(|t| t.1 / 10 == ten[0].1 / 10)));
    }
}

fn report(values: &[(&str, f64, f64)], work: &'static Work) -> Report {
    let peers: Vec<_> = values.iter().map(|v| peer(v.0)).collect();
    let machine = Machine::here(1, 1.0, BTreeMap::new(), Vec::new());
    let mut report = Report::new(machine, &[work], &peers);
    for ((_, value, cpu), peer) in values.iter().zip(peers) {
        let sample =
            Sample { value: *value, cpu_us: Some(*cpu), sides_us: None, load_busy: 1.0, server_busy: 0.5 };
        report.add(work, peer, Cell::Measured(vec![sample; work.rows.len()]));
    }
    report
}

#[test]
fn ratios_are_to_the_best_peer_and_over_one_is_better() {
    let values =
        [("hubbub-text", 30.0, 1.0), ("nats", 10.0, 4.0), ("redis", 15.0, 5.0), ("kernel", 60.0, 0.5)];
    let rate = report(&values, work("one"));
    let ratios = rate.ratios(rate.rows[0], &rate.median("one", peer("hubbub-text")).unwrap());
    assert_eq!((ratios.value_to_best_peer, ratios.value_to_kernel), (Some(2.0), Some(0.5)));
    assert_eq!((ratios.cpu_to_best_peer, ratios.cpu_to_kernel), (Some(4.0), Some(0.5)));
    assert!(rate.table().contains("/s*"), "the generator was the limit, and the table says so");

    let time = report(&values, work("latency"));
    let ratios = time.ratios(time.rows[0], &time.median("latency-p50", peer("hubbub-text")).unwrap());
    assert_eq!((ratios.value_to_best_peer, ratios.value_to_kernel), (Some(1.0 / 3.0), Some(2.0)));
}

#[test]
fn medians_and_failures_are_told() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
    assert_eq!(median(vec![]), None);
    let mut report = report(&[("nats", 1.0, 1.0)], work("one"));
    report.add(work("one"), peer("nats"), Cell::Failed("it went away".into()));
    assert!(report.has_failures() && report.table().contains("it went away"));
    assert!(report.json().unwrap().contains("it went away"));
}

#[test]
fn the_plot_has_a_line_for_each_server_that_was_measured() {
    let plot = svg::plot(&report(&[("nats", 1e6, 1.0), ("redis", 2e6, 0.5)], work("fan-100")));
    assert_eq!(plot.matches("<polyline").count(), 4);
    assert_eq!(plot.matches("not measured").count(), 2);
}
