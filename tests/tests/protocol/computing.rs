//! The hub's own services that compute: what they take and answer in every encoding, their bounds, and
//! that heavy ones end with whoever asked.

use hubbub_tests::{hub, in_every_encoding, wait, Client, Encoding, Hub, Reply};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

in_every_encoding!(
    every_service_answers,
    wrong_arguments_are_told_what_is_right,
    what_is_beyond_a_bound_is_too_large,
    heavy_answers_come_whole,
);

/// Two primes of 64 bits: no number takes longer.
const P: u128 = 18_446_744_073_709_551_557;
const Q: u128 = 18_446_744_073_709_551_533;

/// How long an answer may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks with a JSON value, or with its text where there is no JSON.
fn request(client: &mut Client, service: &str, data: &str) -> Reply {
    match client.encoding() {
        Encoding::Text => client.ask(&format!("request {service} {}", data.trim_matches('"'))),
        Encoding::Json | Encoding::Frame => {
            let data: Value = serde_json::from_str(data).unwrap();
            client.ask_object(json!({"op": "request", "service": service, "data": data}))
        }
    }
}

fn every_service_answers(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for (service, data, answer) in [
        ("factor", "75", "[3,5,5]"),
        ("factor", "1", "[]"),
        ("factor", "75757575", "[3,5,5,73,101,137]"),
        ("factor", "18446744073709551615", "[3,5,17,257,641,65537,6700417]"),
        ("factor", "18446744073709551557", "[18446744073709551557]"),
        ("fibonacci", "0", "0"),
        ("fibonacci", "12", "144"),
        ("palindrome", "\"was it a cat i saw\"", "true"),
        ("palindrome", "\"was it a dog i saw\"", "false"),
    ] {
        let reply = request(&mut client, service, data);
        assert_eq!(reply.ok(), format!("{service}: {answer}"));
        if encoding != Encoding::Text {
            assert_eq!(reply.json()["data"], serde_json::from_str::<Value>(answer).unwrap());
        }
    }
    let points = client.ask("request points").ok().strip_prefix("points: ").unwrap().to_owned();
    let points: Value = serde_json::from_str(&points).unwrap();
    assert_eq!(points["bytes"].as_str().unwrap().len(), 32);
    for coordinate in ["/a/0", "/a/1", "/b/0", "/b/1"] {
        let coordinate = points.pointer(coordinate).and_then(Value::as_f64).unwrap();
        assert!((-1.0..=1.0).contains(&coordinate), "{points}");
    }
}

fn wrong_arguments_are_told_what_is_right(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for (service, data, right) in [
        ("factor", "-75", "75757575"),
        ("factor", "7.5", "75757575"),
        ("factor", "0", "1 and more"),
        ("fibonacci", "-1", "12"),
        ("fibonacci", "null", "12"),
        ("points", "7", "nothing"),
    ] {
        let (code, message) = request(&mut client, service, data).refusal();
        assert!(code == "bad-argument" && message.contains(right), "{service} {data}: {code}: {message}");
    }
    if encoding != Encoding::Text {
        for (service, data) in [("factor", "\"a dozen\""), ("fibonacci", "[12]"), ("palindrome", "12321")] {
            assert_eq!(request(&mut client, service, data).code(), "bad-argument", "{service} {data}");
        }
    }
}

fn what_is_beyond_a_bound_is_too_large(encoding: Encoding) {
    let hub = hub::builder().args(["--max-factor-bits", "32", "--max-fibonacci", "100"]).start();
    let mut client = hub.client(encoding);
    request(&mut client, "factor", "4294967295").ok();
    request(&mut client, "fibonacci", "100").ok();
    for (service, data, bound) in [("factor", "4294967296", "4294967295"), ("fibonacci", "101", "100")] {
        let (code, message) = request(&mut client, service, data).refusal();
        assert!(code == "too-large" && message.contains(bound), "{service} {data}: {code}: {message}");
    }
    if encoding != Encoding::Text {
        let limits = client.ask_object(json!({"op": "hello"})).json()["limits"].clone();
        assert_eq!((&limits["max_factor_bits"], &limits["max_fibonacci"]), (&json!(32), &json!(100)));
    }
}

fn heavy_answers_come_whole(encoding: Encoding) {
    let hub = Hub::start();
    let mut socket = hub.socket();
    socket.patience = PATIENCE;
    for (n, digits) in [(2_000, 418), (20_000, 4_180), (121_212, 25_332)] {
        if encoding == Encoding::Text && n > 20_000 {
            continue; // a text request cannot say that it has more time than usual
        }
        let command =
            format!(r#"{{"op":"request","id":"x","service":"fibonacci","data":{n},"timeout_ms":60000}}"#);
        let (asked, around) = match encoding {
            Encoding::Text => (format!("request fibonacci {n}\n").into_bytes(), "ok fibonacci: "),
            Encoding::Json => (format!("{command}\n").into_bytes(), r#"{"re":"x","ok":{"data":}}"#),
            Encoding::Frame => {
                let length = (command.len() as u32).to_be_bytes();
                ([&length[..], command.as_bytes()].concat(), r#"{"re":"x","ok":{"data":}}"#)
            }
        };
        socket.send(asked);
        let answer = match encoding {
            Encoding::Frame => socket.frame().unwrap(),
            Encoding::Text | Encoding::Json => socket.must_line().into_bytes(),
        };
        assert_eq!(answer.len(), digits + around.len(), "{:.60}", String::from_utf8_lossy(&answer));
        assert_eq!(answer.iter().filter(|b| b.is_ascii_digit()).count(), digits);
    }
}

#[test]
fn numbers_of_any_length_are_numbers() {
    let hub = hub::builder().args(["--max-factor-bits", "64"]).start();
    let mut socket = hub.socket();
    let largest = u128::MAX;
    for (n, code) in
        [(largest.to_string(), "too-large"), ("9".repeat(300), "too-large"), ("1.0".into(), "bad-argument")]
    {
        socket.send(format!("{{\"op\":\"request\",\"service\":\"factor\",\"data\":{n}}}\n"));
        let line = socket.must_line();
        assert!(line.contains(&format!(r#""code":"{code}""#)), "{line}");
    }
}

/// A request that keeps a worker busy as long as it is let.
fn busy(client: &mut Client, timeout_ms: u64) {
    // Many, since each takes some seconds at the most.
    for _ in 0..100 {
        client.socket().send(format!(
            "{{\"op\":\"request\",\"id\":\"x\",\"service\":\"factor\",\"data\":{},\"timeout_ms\":{timeout_ms}}}\n",
            P * Q
        ));
    }
}

/// Somebody else has something worked out, long before what keeps the worker busy would be done.
fn assert_is_served(hub: &Hub) {
    let mut socket = hub.socket();
    socket.patience = PATIENCE;
    socket.send("request fibonacci 5000\n");
    let answer = socket.must_line();
    assert!(answer.starts_with("ok fibonacci: 3878968454"), "{answer:.60}");
}

#[test]
fn heavy_work_ends_when_its_caller_goes() {
    let hub = hub::builder().args(["--workers", "1"]).start();
    let mut caller = hub.client(Encoding::Json);
    busy(&mut caller, 3_600_000);
    wait::until("the requests to wait", || (hub.stat("requests_open") > 90).then_some(()));
    drop(caller);
    wait::until("the requests to be forgotten", || (hub.stat("requests_open") == 0).then_some(()));
    assert_is_served(&hub);
}

#[test]
fn heavy_work_ends_at_its_time_limit() {
    let hub = hub::builder().args(["--workers", "1"]).start();
    let mut caller = hub.client(Encoding::Json);
    let started = Instant::now();
    busy(&mut caller, 50);
    // The first few may be done in time; nothing else may happen to them.
    let lines: Vec<String> = (0..100).map(|_| caller.socket().must_line()).collect();
    let ends = [r#""code":"timeout""#, r#""code":"too-many","message":"factor had no turn within"#];
    let late = lines.iter().filter(|line| ends.iter().any(|end| line.contains(end))).count();
    assert!(late >= 90, "{late} were late, after {:?}", started.elapsed());
    assert_is_served(&hub);
}

#[test]
fn one_who_asks_much_does_not_starve_others() {
    let hub = hub::builder().args(["--workers", "1"]).start();
    let mut greedy = hub.client(Encoding::Json);
    busy(&mut greedy, 3_600_000);
    wait::until("the requests to wait", || (hub.stat("requests_open") > 50).then_some(()));
    (0..3).for_each(|_| assert_is_served(&hub));
    assert!(hub.stat("requests_open") > 50, "the other's still wait");
}
