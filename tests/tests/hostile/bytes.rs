//! Bytes that no client should send: endless lines, lengths that are never honoured, deep and wide
//! JSON, noise.

use crate::{endure, SLACK};
use hubbub_tests::wire::frame;
use hubbub_tests::{hub, Encoding, Hub, Socket};
use std::time::{Duration, Instant};

/// Writes until the hub has closed, and returns all that the hub said. Writing and reading go on
/// at once, as the hub may close while there is still something under way.
fn pour(mut socket: Socket, piece: &[u8], pieces: usize) -> String {
    for _ in 0..pieces {
        if socket.try_send(piece).is_err() {
            break;
        }
    }
    String::from_utf8_lossy(&socket.rest()).into_owned()
}

#[test]
fn a_line_without_an_end_is_cut_at_the_limit() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        let said = pour(hub.socket(), &[b'x'; 8192], 2_000);
        assert!(said.contains("* closing: too-large: ") && said.contains("65536"), "{said}");
        let mut json = hub.socket();
        json.send(b"{\"op\":\"publish\",\"channel\":\"ops\",\"data\":\"");
        let said = pour(json, &[b'x'; 8192], 2_000);
        assert!(said.contains("\"too-large\"") && said.contains("1048576"), "{said}");
    });
}

#[test]
fn a_length_that_is_announced_is_not_a_length_that_is_allocated() {
    crate::many_descriptors();
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        // 400 × 1 MiB, if it were believed.
        let sockets: Vec<Socket> = (0..400)
            .map(|_| {
                let mut socket = hub.socket();
                socket.send((1u32 << 20).to_be_bytes());
                socket.send(b"{\"op\":");
                socket
            })
            .collect();
        for length in [(8u32 << 24) | 1, 0x0800_0000, (1 << 20) + 1] {
            let mut socket = hub.socket();
            socket.send(length.to_be_bytes());
            let said: Vec<Vec<u8>> = std::iter::from_fn(|| socket.frame()).collect();
            let said = String::from_utf8(said.concat()).unwrap();
            assert!(said.contains("\"closing\"") && said.contains("\"too-large\""), "{said}");
            assert!(said.contains(&length.to_string()), "{said}");
        }
        drop(sockets);
    });
}

#[test]
fn what_many_leave_unfinished_costs_no_more_than_they_sent() {
    crate::many_descriptors();
    let hub = Hub::start();
    const EACH: u64 = 60_000;
    const CLIENTS: u64 = 300;
    endure(&hub, SLACK + 2 * EACH * CLIENTS, |hub| {
        let sockets: Vec<Socket> = (0..CLIENTS)
            .map(|_| {
                let mut socket = hub.socket();
                socket.send(vec![b'x'; EACH as usize]);
                socket
            })
            .collect();
        drop(sockets);
    });
}

#[test]
fn json_of_every_bad_shape_is_refused_and_the_connection_goes_on() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        let wide =
            format!("{{{}}}", (0..2000).map(|n| format!("\"k{n}\":{n}")).collect::<Vec<_>>().join(","));
        let cases = [
            (format!("{{\"op\":\"ping\",\"x\":{}}}", "[".repeat(100_000)), "too-deep"),
            (format!("{{\"op\":\"ping\",\"x\":{}}}", "{\"a\":".repeat(100_000)), "too-deep"),
            (wide, "bad-json"),
            (format!("{{\"op\":\"ping\",{}\"x\":1}}", "\"x\":1,".repeat(1000)), "bad-json"),
            (
                format!("{{\"op\":\"publish\",\"channel\":\"a\",\"data\":{}}}", "9".repeat(100_000)),
                "too-large",
            ),
            (
                format!("{{\"op\":\"publish\",\"channel\":\"a\",\"data\":1e{}}}", "9".repeat(1000)),
                "too-large",
            ),
            (format!("{{\"op\":\"{}\"}}", "x".repeat(100_000)), "bad-command"),
            (
                format!("{{\"op\":\"publish\",\"channel\":\"{}\",\"data\":1}}", "a".repeat(100_000)),
                "bad-channel",
            ),
            (format!("{{\"op\":\"name\",\"name\":\"{}\"}}", "a".repeat(100_000)), "bad-name"),
        ];
        let mut client = hub.client(Encoding::Frame);
        for _ in 0..20 {
            for (body, code) in &cases {
                client.socket().send(frame(body.as_bytes()));
                let reply = client.reply("bad JSON");
                let (said, message) = reply.refusal();
                assert_eq!(said, *code, "{}", &body[..60]);
                assert!(
                    message.len() < 300,
                    "a refusal does not carry the attack back: {} bytes",
                    message.len()
                );
            }
        }
        client.ask("ping").ok();
    });
}

#[test]
fn noise_is_answered_or_cut_and_never_hangs() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        // A small generator with a fixed start: the same noise each time.
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..300 {
            let length = 1 + next() as usize % 3000;
            let mut noise: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            match round % 3 {
                0 => {}
                1 => noise[0] = b'{',
                _ => noise[..4.min(length)].copy_from_slice(&[0, 0, 0, 9][..4.min(length)]),
            }
            let mut socket = hub.socket();
            let _ = socket.try_send(&noise);
            let _ = socket.stream().shutdown(std::net::Shutdown::Write);
            socket.rest(); // ends, or the test does
        }
    });
    assert_eq!(hub.stat("clients"), 1);
}

#[test]
fn a_flood_of_refused_commands_is_a_flood_of_refusals() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        let mut socket = hub.socket();
        let reader = socket.stream().try_clone().unwrap();
        let counted = std::thread::spawn(move || {
            use std::io::BufRead;
            std::io::BufReader::new(reader)
                .lines()
                .map_while(Result::ok)
                .filter(|l| l.starts_with("error "))
                .count()
        });
        for _ in 0..200 {
            socket.send("xyzzy\npublish\nname -\n\u{7f}\nsubscribe a..b\n".repeat(20));
        }
        socket.finish();
        assert_eq!(counted.join().unwrap(), 20_000);
    });
}

#[test]
fn who_stays_silent_before_the_first_command_is_cut() {
    let hub = hub::builder().args(["--idle-timeout", "1s"]).start();
    endure(&hub, SLACK, |hub| {
        let silent: Vec<Socket> = (0..20).map(|_| hub.socket()).collect();
        // A byte now and then is no command either.
        let mut dripping = hub.socket();
        let started = Instant::now();
        dripping.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        while started.elapsed() < Duration::from_secs(10) {
            if dripping.try_send("x").is_err()
                || dripping
                    .line_within(Duration::from_millis(100))
                    .is_some_and(|l| l.is_none_or(|l| l.starts_with("* closing")))
            {
                break;
            }
        }
        let took = started.elapsed();
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(5), "cut after {took:?}");
        for mut socket in silent {
            let said = socket.rest_lines();
            assert!(said.last().is_some_and(|l| l.starts_with("* closing: timeout: ")), "{said:?}");
        }
        let mut quiet = hub.client(Encoding::Json);
        quiet.ask("subscribe ops").ok();
        let mut late = hub.client(Encoding::Frame);
        late.ask("ping").ok();
        // Whoever has said one command may listen for ever: look again after twice the limit.
        assert_eq!(quiet.socket().line_within(Duration::from_millis(2200)), None);
        late.ask("publish ops hi").ok();
        assert_eq!(quiet.event().get("data"), "hi");
    });
}
