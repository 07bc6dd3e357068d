//! One port, three encodings: which one a connection speaks, the greeting, line ends, chunks,
//! limits, and what happens at bytes that are none of the three.

use hubbub_tests::wire::frame;
use hubbub_tests::{in_every_encoding, Client, Encoding, Hub, Socket};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

in_every_encoding!(
    the_first_byte_decides,
    bytes_may_come_one_by_one,
    many_commands_may_come_at_once,
    what_came_before_the_end_of_the_stream_is_answered,
    a_unit_of_exactly_the_limit_is_taken_and_one_more_byte_is_not,
    bytes_that_are_not_utf8_are_refused_and_the_connection_goes_on,
);

fn the_first_byte_decides(encoding: Encoding) {
    let hub = Hub::start();
    assert_eq!(hub.client(encoding).whoami("encoding"), encoding.as_str());
}

/// Some commands as bytes, as a client of this encoding would write them.
fn bytes(encoding: Encoding, commands: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, line) in commands.iter().enumerate() {
        let mut object = hubbub_tests::wire::to_object(line);
        object["id"] = json!(id);
        match encoding {
            Encoding::Text => out.extend(format!("{line}\r\n").bytes()),
            Encoding::Json => out.extend(format!("{object}\r\n").bytes()),
            Encoding::Frame => out.extend(frame(object.to_string().as_bytes())),
        }
    }
    out
}

/// Everything that the hub answers until it closes, one text each.
fn answers(encoding: Encoding, socket: &mut Socket) -> Vec<String> {
    match encoding {
        Encoding::Text | Encoding::Json => socket.rest_lines(),
        Encoding::Frame => {
            std::iter::from_fn(|| socket.frame()).map(|body| String::from_utf8(body).unwrap()).collect()
        }
    }
}

const CONVERSATION: &[&str] = &["ping", "name bob", "sub ops", "pub ops grüße 日本", "xyzzy", "close"];

/// What differs from one conversation to the next: ids, times, the order of an own message and the
/// answer to its publish.
fn comparable(answers: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = answers
        .into_iter()
        .map(|line| match serde_json::from_str::<Value>(&line) {
            Ok(mut object) => {
                for key in ["at", "origin"] {
                    object.as_object_mut().unwrap().remove(key);
                }
                if let Some(ok) = object.get_mut("ok").and_then(Value::as_object_mut) {
                    ok.retain(|key, _| key != "server_time" && key != "origin");
                }
                object.to_string()
            }
            Err(_) => line,
        })
        .collect();
    lines.sort();
    lines
}

fn converse(encoding: Encoding, chunk: usize) -> Vec<String> {
    let hub = Hub::start();
    let mut socket = hub.socket();
    for piece in bytes(encoding, CONVERSATION).chunks(chunk) {
        socket.send(piece);
    }
    comparable(answers(encoding, &mut socket))
}

fn bytes_may_come_one_by_one(encoding: Encoding) {
    let whole = converse(encoding, usize::MAX);
    assert!(whole.len() >= CONVERSATION.len(), "{whole:?}");
    assert_eq!(converse(encoding, 1), whole);
    assert_eq!(converse(encoding, 7), whole);
}

fn many_commands_may_come_at_once(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for n in 0..2_000 {
        client.say(&format!("reverse {n}!"));
    }
    for n in 0..2_000 {
        let reversed: String = format!("{n}!").chars().rev().collect();
        assert_eq!(client.reply("reverse").ok(), reversed);
    }
}

fn what_came_before_the_end_of_the_stream_is_answered(encoding: Encoding) {
    let hub = Hub::start();
    let mut other = hub.named(Encoding::Json, "other");
    other.ask("subscribe ops").ok();
    let mut socket = hub.socket();
    socket.send(bytes(encoding, &["ping", "pub ops last", "ping"]));
    socket.finish();
    assert_eq!(answers(encoding, &mut socket).len(), 3);
    assert_eq!(other.event().get("data"), "last");
    let reply = other.ask("clients closed");
    assert_eq!(reply.json()["clients"][0]["reason"], "closed by client");
}

fn a_unit_of_exactly_the_limit_is_taken_and_one_more_byte_is_not(encoding: Encoding) {
    let hub = Hub::with(["--max-line", "300", "--max-frame", "400"]);
    let limit = if encoding == Encoding::Text { 300 } else { 400 };
    let unit = |length: usize| {
        let start =
            if encoding == Encoding::Text { "reverse " } else { r#"{"op":"reverse","id":1,"text":""# };
        let end = if encoding == Encoding::Text { "" } else { "\"}" };
        let unit = format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()));
        match encoding {
            Encoding::Frame => frame(unit.as_bytes()),
            _ => format!("{unit}\r\n").into_bytes(),
        }
    };
    let mut client = hub.client(encoding);
    client.ask("ping").ok();
    let bytes = unit(limit);
    client.socket().send(bytes);
    assert!(client.reply("the longest").lines().last().unwrap().starts_with("ok"));
    let bytes = unit(limit + 1);
    client.socket().send(bytes);
    let why = client.closed_with("too-large");
    assert!(why.contains(&limit.to_string()), "{why:?} does not name the limit {limit}");
}

fn bytes_that_are_not_utf8_are_refused_and_the_connection_goes_on(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    client.ask("ping").ok();
    for bad in [&b"\xff\xfe"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe6\x97"] {
        let unit = match encoding {
            Encoding::Text => [b"publish ops ", bad, b"\n"].concat(),
            Encoding::Json => [br#"{"op":"publish","id":1,"channel":"ops","data":""#, bad, b"\"}\n"].concat(),
            Encoding::Frame => frame(&[br#"{"op":"ping","x":""#, bad, b"\"}"].concat()),
        };
        client.socket().send(unit);
        assert_eq!(client.reply("bad UTF-8").code(), "not-utf8", "{bad:?}");
        client.ask("ping").ok();
    }
}

#[test]
fn whoever_says_nothing_is_greeted_and_may_still_speak_json() {
    let hub = Hub::start();
    let mut socket = hub.socket();
    let connected = Instant::now();
    let greeting = socket.must_line();
    assert!(greeting.starts_with("* ") && greeting.contains("anon-"), "{greeting}");
    let waited = connected.elapsed();
    assert!(waited >= Duration::from_millis(250), "greeted after {waited:?}");
    socket.send("{\"op\":\"ping\",\"id\":\"late\"}\n");
    let reply = after_greeting(&mut socket);
    assert!(reply.starts_with(r#"{"re":"late","ok":{"pong":true"#), "{reply}");

    let mut person = hub.socket();
    assert!(person.must_line().starts_with("* "));
    person.send("ping\n");
    assert_eq!(after_greeting(&mut person), "ok pong");
}

/// The first line that belongs to no greeting.
fn after_greeting(socket: &mut Socket) -> String {
    std::iter::repeat_with(|| socket.must_line()).find(|line| !line.starts_with('*')).unwrap()
}

#[test]
fn whoever_speaks_at_once_is_answered_in_his_encoding_first() {
    let hub = Hub::start();
    let mut json = hub.socket();
    json.send("{\"op\":\"ping\",\"id\":1}\n");
    assert!(json.must_line().starts_with(r#"{"re":1,"#));
    let mut framed = hub.socket();
    framed.send(frame(br#"{"op":"ping","id":1}"#));
    assert!(framed.frame().unwrap().starts_with(br#"{"re":1,"#));
    // And nothing follows in the time in which the silent are greeted.
    assert_eq!(framed.frame_within(Duration::from_millis(600)), None);
}

#[test]
fn every_first_byte_gets_an_answer_or_a_refusal_in_its_encoding() {
    let hub = Hub::start();
    for byte in 0..=255u8 {
        let mut socket = hub.socket();
        match byte {
            0..=8 => {
                // A frame whose announced length is over the limit, or a whole small one.
                socket.send([byte, 0, 0, 1, b'x']);
                let body = socket.frame().unwrap_or_else(|| panic!("no answer to first byte {byte}"));
                let answer = String::from_utf8(body).unwrap();
                let code = if byte == 0 { "bad-json" } else { "too-large" };
                assert!(answer.contains(code), "{byte}: {answer}");
            }
            b'{' => {
                socket.send("{\n");
                assert!(socket.must_line().starts_with(r#"{"re":null,"error":{"code":"bad-json""#));
            }
            b'\n' | b' ' | b'\t' => {
                socket.send([byte]);
                socket.send("ping\n");
                assert_eq!(socket.must_line(), "ok pong");
            }
            _ => {
                // Letters are commands, or none; the page breaks may also pass as white space.
                socket.send([byte, b'\n']);
                socket.send("xyzzy\n");
                let line = socket.must_line();
                assert!(line.starts_with("error "), "{byte}: {line}");
            }
        }
    }
}

#[test]
fn line_ends_may_be_lf_or_crlf_and_blank_lines_are_nothing() {
    let hub = Hub::start();
    let mut text = hub.socket();
    text.send("\r\n\n  \nping\r\nreverse abc\nname bob\r\n\n");
    assert_eq!(text.must_line(), "ok pong");
    assert_eq!(text.must_line(), "ok cba");
    assert_eq!(text.must_line(), "ok name bob");
    let mut json = hub.socket();
    json.send("{\"op\":\"ping\",\"id\":1}\r\n\r\n\n \n{\"op\":\"ping\",\"id\":2}\n");
    assert!(json.must_line().starts_with(r#"{"re":1,"#));
    assert!(json.must_line().starts_with(r#"{"re":2,"#));
}

#[test]
fn a_later_frame_may_announce_no_more_than_the_limit() {
    let hub = Hub::start();
    for length in [1u32 << 20 | 1, 1 << 31, u32::MAX] {
        let mut client = hub.client(Encoding::Frame);
        client.ask("ping").ok();
        let before = hub.process().rss();
        client.socket().send(length.to_be_bytes());
        let why = client.closed_with("too-large");
        assert!(why.contains("1048576"), "{why}");
        let grown = hub.process().rss().saturating_sub(before);
        assert!(grown < 1 << 20, "the announcement alone cost {grown} bytes");
    }
    let mut client = hub.client(Encoding::Frame);
    client.ask("ping").ok();
    client.socket().send(frame(b""));
    assert_eq!(client.reply("an empty frame").code(), "bad-json");
    client.ask("ping").ok();
}

#[test]
fn what_others_wrote_reaches_a_terminal_without_control_characters() {
    let hub = Hub::start();
    let mut reader = hub.named(Encoding::Text, "reader");
    let mut writer = hub.named(Encoding::Json, "writer");
    reader.ask("subscribe >").ok();
    let hostile: Vec<char> = (0..0x20)
        .chain(0x7f..0xa0)
        .chain([0x200e, 0x200f, 0x2028, 0x2029])
        .chain(0x202a..=0x202e)
        .chain(0x2066..=0x2069)
        .filter_map(char::from_u32)
        .collect();
    let all: String = hostile.iter().collect();
    let show = |client: &mut Client, object: Value| client.ask_object(object).ok().to_owned();
    show(&mut writer, json!({"op": "publish", "channel": "ops", "data": all}));
    show(&mut writer, json!({"op": "publish", "channel": "ops", "data": {"a": [all], (&*all): 1}}));
    show(&mut writer, json!({"op": "msg", "to": "reader", "data": all}));
    show(&mut writer, json!({"op": "create", "channel": "topical", "topic": all}));
    show(&mut writer, json!({"op": "welcome", "text": all}));
    show(&mut writer, json!({"op": "serve", "service": "odd", "about": all}));
    show(&mut writer, json!({"op": "hello", "client": all}));
    let mut seen: Vec<String> = Vec::new();
    for question in
        ["history ops", "topic topical", "channels", "whois writer", "services", "clients", "who ops"]
    {
        seen.extend(reader.ask(question).lines().iter().cloned());
    }
    seen.extend(reader.events_so_far().into_iter().map(|e| e.line));
    assert!(seen.iter().filter(|l| l.contains("\\x1b") && l.contains('⏎')).count() >= 5, "{seen:?}");
    for line in &seen {
        let raw = line.chars().find(|c| hostile.contains(c) && *c != '\t');
        assert_eq!(raw, None, "a raw {raw:?} in {line:?}");
    }
}
