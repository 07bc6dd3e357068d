//! `hubbub blob` and `hubbub points` against small servers that say exactly what the doors say, or
//! something else: their output and their exit codes.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

use rustix::net::{bind, getsockname, socket, AddressFamily, SocketType};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Output};
use std::sync::LazyLock;

/// A server on a free port that does this with each client, each in a thread of its own.
fn server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(client));
        }
    });
    addr
}

/// A server that writes this to everybody and closes when the client has.
fn says(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut client| {
        let mut asked = [0; 4096];
        let _ = client.set_read_timeout(Some(std::time::Duration::from_millis(100)));
        let _ = client.read(&mut asked);
        let _ = client.write_all(&answer);
    })
}

/// A port where nobody listens, ever: it is held for as long as this process lives.
fn nobody() -> SocketAddr {
    static HELD: LazyLock<(OwnedFd, SocketAddr)> = LazyLock::new(|| {
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = getsockname(&held).unwrap().try_into().unwrap();
        (held, addr)
    });
    HELD.1
}

fn run(addr: SocketAddr, words: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
    command.args(words.split(' ')).args(["--at", &addr.to_string()]).env("TZ", "UTC");
    command.output().unwrap()
}

#[track_caller]
fn ok(addr: SocketAddr, words: &str) -> String {
    let output = run(addr, words);
    assert_eq!(output.status.code(), Some(0), "{words}: {output:?}");
    assert!(output.stderr.is_empty(), "{words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn failed(addr: SocketAddr, words: &str, code: i32) -> String {
    let output = run(addr, words);
    assert_eq!(output.status.code(), Some(code), "{words}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn framed(json: &str) -> Vec<u8> {
    [&(json.len() as u32).to_le_bytes()[..], json.as_bytes()].concat()
}

/// The 121212th Fibonacci number, by adding up.
static LONG: LazyLock<String> = LazyLock::new(|| {
    const LIMB: u64 = 1_000_000_000_000_000_000;
    let (mut last, mut next) = (vec![0_u64], vec![1_u64]);
    for _ in 0..121_212 {
        let mut carry = 0;
        last.resize(next.len(), 0);
        for (a, b) in last.iter_mut().zip(&next) {
            let sum = *a + *b + carry;
            carry = u64::from(sum >= LIMB);
            *a = sum - carry * LIMB;
        }
        if carry > 0 {
            last.push(carry);
        }
        std::mem::swap(&mut last, &mut next);
    }
    let (highest, rest) = last.split_last().unwrap();
    let rest: Vec<String> = rest.iter().rev().map(|limb| format!("{limb:018}")).collect();
    format!("{highest}{}", rest.concat())
});

/// The blob server, as far as these tests ask it.
fn answer(request: &str) -> &str {
    match request {
        "{\"factor\": 75}" => "[3, 5, 5]",
        "{\"factor\": 75757575}" => "[3, 5, 5, 73, 101, 137]",
        "{\"factor\": 757575}" => "[3, 3, 5, 5, 7, 13, 37]",
        "{\"palindrome\": \"was it a cat i saw\"}" => "true",
        "{\"fibonacci\": 12}" => "144",
        "{\"fibonacci\": 121212}" => &LONG,
        "{\"factor\": 99999999999999999999999999999999999999999999}" => {
            "{\"error\": \"value too large to process\"}"
        }
        _ => "{\"error\": \"invalid request\"}",
    }
}

fn blob() -> SocketAddr {
    server(|mut client| {
        let mut head = [0; 4];
        client.read_exact(&mut head).unwrap();
        if head[0] != b'{' {
            let mut body = vec![0; u32::from_le_bytes(head) as usize];
            client.read_exact(&mut body).unwrap();
            let _ = client.write_all(&framed(answer(std::str::from_utf8(&body).unwrap())));
            return;
        }
        let mut bare = head.to_vec();
        while !bare.ends_with(b"}") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            bare.push(byte[0]);
        }
        let _ = client.write_all(format!("{}\n", answer(std::str::from_utf8(&bare).unwrap())).as_bytes());
    })
}

#[test]
fn blob_asks_one_thing_and_prints_the_answer_as_it_came() {
    let door = blob();
    for bare in ["", " --bare"] {
        assert_eq!(ok(door, &format!("blob factor 75{bare}")), "[3, 5, 5]\n");
        assert_eq!(ok(door, &format!("blob factor 75 --json{bare}")), "[3,5,5]\n");
        assert_eq!(ok(door, &format!("blob palindrome was it a cat i saw{bare}")), "true\n");
        assert_eq!(ok(door, &format!("blob fibonacci 12{bare}")), "144\n");
        let long = ok(door, &format!("blob fibonacci 121212{bare}"));
        assert_eq!(long.len(), 25_333);
        assert_eq!(failed(door, &format!("blob factor -7{bare}"), 1), "hubbub: invalid request\n");
    }
    let huge = "9".repeat(44);
    assert_eq!(failed(door, &format!("blob factor {huge}"), 1), "hubbub: value too large to process\n");
}

#[test]
fn blob_tells_what_is_no_answer() {
    let told = failed(says([&9_u32.to_le_bytes()[..], b"[3, 5"].concat()), "blob factor 75", 3);
    assert!(told.contains("its answer ends after 5 of 9 bytes"), "{told}");
    let told = failed(says([0xff; 8]), "blob factor 75", 1);
    assert!(told.contains("announces 4294967295 bytes") && told.contains("16777216 are the most"), "{told}");
    let told = failed(says("* welcome to alpha\n"), "blob factor 75 --bare", 1);
    assert!(told.contains("no JSON"), "{told}");
    let told = failed(says(""), "blob factor 75", 3);
    assert!(told.contains("without an answer"), "{told}");
    let closed = nobody();
    let told = failed(closed, "blob factor 75", 3);
    assert!(told.contains(&closed.to_string()), "{told}");
    let silent = server(|mut client| drop(client.read_to_end(&mut Vec::new())));
    let told = failed(silent, "blob factor 75 --timeout 200ms", 4);
    assert!(told.contains("has not answered in 200ms"), "{told}");
}

#[test]
fn the_demo_logs_as_the_old_clients_did() {
    for words in ["blob demo", "blob demo --bare"] {
        let log = ok(blob(), words);
        let lines: Vec<&str> = log.lines().collect();
        let expected = [
            "Sent 14 bytes: {\"factor\": 75}",
            "Received 9 bytes: [3, 5, 5]",
            "Sent 36 bytes: {\"palindrome\": \"was it a cat i saw\"}",
            "Received 4 bytes: true",
            "Sent 17 bytes: {\"fibonacci\": 12}",
            "Received 3 bytes: 144",
        ];
        assert_eq!(lines.len(), expected.len(), "{log}");
        for (line, expected) in lines.iter().zip(expected) {
            let (time, rest) = line.split_at("2026-05-01 09:30:00,123 ".len());
            assert_eq!(rest, expected);
            let pattern: String = time.chars().map(|ch| if ch.is_ascii_digit() { '0' } else { ch }).collect();
            assert_eq!(pattern, "0000-00-00 00:00:00,000 ");
        }
    }
}

#[test]
fn busy_checks_every_answer_and_tells_the_old_figures() {
    let door = blob();
    for words in [
        "blob busy --clients 5 --json",
        "blob busy --clients 3 --processes --json",
        "blob busy --clients 2 --processes --bare --json",
    ] {
        let figures: serde_json::Value = serde_json::from_str(&ok(door, words)).unwrap();
        let clients = figures["clients"].as_u64().unwrap();
        assert_eq!(
            (&figures["requests"], &figures["failed"]),
            (&(4 * clients).into(), &0.into()),
            "{figures}"
        );
        assert!(figures["request_us"]["p99"].as_f64().is_some_and(|us| us > 0.0), "{figures}");
        assert_eq!(figures["old"][0]["seconds"], 24.059);
    }
    let table = ok(door, "blob busy --clients 2");
    assert!(table.contains("the old server optimised") && table.contains("0.059"), "{table}");
}

#[test]
fn busy_fails_with_what_failed() {
    let wrong = server(|mut client| {
        let _ = client.read(&mut [0; 4096]);
        let _ = client.write_all(&framed("[3,5,5]"));
    });
    let told = failed(wrong, "blob busy --clients 2", 1);
    assert!(told.contains("8 of 8 requests failed") && told.contains("[3,5,5] instead of"), "{told}");
    assert!(failed(nobody(), "blob busy --clients 2", 3).contains("8 of 8 requests failed"));
    assert!(failed(nobody(), "blob busy --clients 2 --processes", 3).contains("8 of 8 requests failed"));
}

/// The document's example.
fn points() -> Vec<u8> {
    let numbers = [853_531_890_u32, 3_646_191_456, 2_673_400_256, 1_713_150_221];
    let random: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    [b"You requested some random bytes:\n\n", &random[..], b"  \n\nYou want fries with that?\n\n"].concat()
}

fn points_door(bytes: Vec<u8>) -> SocketAddr {
    server(move |mut client| drop(client.write_all(&bytes)))
}

#[test]
fn points_prints_two_lines() {
    let door = points_door(points());
    assert_eq!(
        ok(door, "points"),
        "First point:  A ( -0.602543241252, 0.697890207567 )\n\
         Second point: B ( 0.244899004988, -0.202252262552 )\n"
    );
    let json: serde_json::Value = serde_json::from_str(&ok(door, "points --json")).unwrap();
    assert!((json["a"][0].as_f64().unwrap() + 0.602_543_241_252).abs() < 1e-12);
    assert_eq!(json["bytes"].as_str().unwrap().len(), 32);
}

#[test]
fn points_tells_what_are_not_the_81_bytes() {
    let told = failed(points_door(points()[..80].to_vec()), "points", 3);
    assert!(told.contains("closed the connection after 80 of 81 bytes"), "{told}");
    let told = failed(points_door([points(), vec![b'x']].concat()), "points", 1);
    assert!(told.contains("more than the 81 bytes"), "{told}");
    let told = failed(points_door(b"* welcome".to_vec()), "points", 1);
    assert!(told.contains("no points door"), "{told}");
    let silent = server(|mut client| drop(client.read_to_end(&mut Vec::new())));
    assert!(failed(silent, "points --timeout 200ms", 4).contains("200ms"));
    failed(nobody(), "points", 3);
}

#[test]
fn the_experiment_puts_two_servers_side_by_side() {
    let door = points_door(points());
    let dir = tempfile::tempdir().unwrap();
    let svg = dir.path().join("points.svg");
    let words = format!("points --clients 50 --at-once 50 --json --svg {}", svg.display());
    let report: serde_json::Value = serde_json::from_str(&ok(door, &words)).unwrap();
    for side in ["door", "blocking"] {
        let side = &report[side];
        assert_eq!((&side["served"], &side["most_at_once"]), (&50.into(), &50.into()), "{report}");
        assert_eq!(side["failed"]["refused"], 0);
    }
    let drawn = std::fs::read_to_string(&svg).unwrap();
    assert!(drawn.starts_with("<svg ") && drawn.contains("50 clients, 50 at once"), "{drawn}");
    let alone = ok(door, "points --clients 20 --at-once 5 --no-comparison");
    assert!(alone.contains("the door at") && !alone.contains("blocking"), "{alone}");
    failed(door, "points --clients 5 --svg /nonexistent/points.svg", 2);
}

#[test]
fn the_experiment_tells_what_failed() {
    let told = failed(points_door(points()[..40].to_vec()), "points --clients 5 --no-comparison", 1);
    assert!(told.contains("5 of 5 clients were not served") && told.contains("40 of 81"), "{told}");
    failed(nobody(), "points --clients 5 --no-comparison", 3);
}

#[test]
fn too_few_descriptors_are_told_before_anything_starts() {
    let script = format!("ulimit -n 200 && exec '{}' points --clients 500", env!("CARGO_BIN_EXE_hubbub"));
    let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("200 (soft limit)") && told.contains("200 (hard limit)"), "{told}");
    assert!(told.contains("ulimit -Hn"), "{told}");
}
