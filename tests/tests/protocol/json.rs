//! What is particular to JSON lines and frames: ids, commands without one, keys, depth, numbers.

use hubbub_tests::{Encoding, Hub};
use serde_json::{json, Value};

/// Sends one line and returns the answer as it was written.
fn raw(hub: &Hub, line: &str) -> String {
    let mut socket = hub.socket();
    socket.send("{\"op\":\"ping\"}\n"); // decides the encoding, and is not answered
    socket.send(format!("{line}\n"));
    socket.must_line()
}

fn error_code(answer: &str) -> String {
    let value: Value = serde_json::from_str(answer).unwrap();
    value["error"]["code"].as_str().unwrap_or_else(|| panic!("no refusal: {answer}")).to_owned()
}

#[test]
fn an_id_comes_back_as_it_was_written() {
    let hub = Hub::start();
    for id in
        ["1", "-0", "1e3", "1.50", "\"a\"", "\"\"", "\"\\u0041\\n\"", "\"日本\"", "18446744073709551616"]
    {
        let answer = raw(&hub, &format!(r#"{{"op":"ping","id":{id}}}"#));
        assert!(answer.starts_with(&format!(r#"{{"re":{id},"ok":{{"#)), "{id}: {answer}");
    }
}

#[test]
fn an_id_is_a_string_or_a_number_of_bounded_length() {
    let hub = Hub::start();
    for id in ["true", "[1]", "{}", &format!("\"{}\"", "x".repeat(300))] {
        let answer = raw(&hub, &format!(r#"{{"op":"ping","id":{id}}}"#));
        assert!(answer.starts_with(r#"{"re":null,"error":{"code":"bad-argument""#), "{id}: {answer}");
    }
}

#[test]
fn a_command_without_an_id_is_answered_only_when_it_fails() {
    let hub = Hub::start();
    let mut socket = hub.socket();
    socket
        .send("{\"op\":\"name\",\"name\":\"quiet\"}\n{\"op\":\"publish\",\"channel\":\"ops\",\"data\":1}\n");
    socket.send("{\"op\":\"whois\",\"name\":\"nobody\"}\n{\"op\":\"whoami\",\"id\":null}\n{\"op\":\"whoami\",\"id\":7}\n");
    let error = socket.must_line();
    assert!(error.starts_with(r#"{"re":null,"error":{"code":"no-such-client","message":"#), "{error}");
    let answer = socket.must_line();
    assert!(answer.starts_with(r#"{"re":7,"ok":{"#) && answer.contains(r#""name":"quiet""#), "{answer}");
}

#[test]
fn what_is_not_a_command_object_is_refused_by_name_and_the_connection_goes_on() {
    let hub = Hub::start();
    let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
    let cases = [
        ("{", "bad-json"),
        ("{}", "bad-command"),
        (r#"{"op":"ping"}}"#, "bad-json"),
        (r#"{"op":"ping"} {"op":"ping"}"#, "bad-json"),
        ("[]", "bad-json"),
        ("\"ping\"", "bad-json"),
        ("nul", "bad-json"),
        (r#"{"op":7}"#, "bad-command"),
        (r#"{"op":"ping",}"#, "bad-json"),
        (r#"{'op':'ping'}"#, "bad-json"),
        (r#"{"op":"ping","op":"ping"}"#, "bad-json"),
        (r#"{"op":"ping","x":1,"x":2}"#, "bad-json"),
        (r#"{"\u006fp":"ping"}"#, "bad-json"),
        (r#"{"op":"publish","channel":"a","data":01}"#, "bad-json"),
        (r#"{"op":"publish","channel":"a","data":1e999}"#, "too-large"),
        (r#"{"op":"publish","channel":"a","data":-}"#, "bad-json"),
        (r#"{"op":"publish","channel":"a","data":NaN}"#, "bad-json"),
        (r#"{"op":"publish","channel":"a","data":"\ud800"}"#, "bad-json"),
        (r#"{"op":"publish","channel":"a","data":"\x41"}"#, "bad-json"),
        ("{\"op\":\"publish\",\"channel\":\"a\",\"data\":\"a\tb\"}", "bad-json"),
        (&format!(r#"{{"op":"publish","channel":"a","data":{}}}"#, deep(32)), "too-deep"),
        (&format!(r#"{{"op":"publish","channel":"a","data":{}}}"#, deep(100_000)), "too-deep"),
        (&format!(r#"{{"op":"ping","x":{}}}"#, "[".repeat(100_000)), "too-deep"),
    ];
    let mut socket = hub.socket();
    socket.send("{\"op\":\"ping\"}\n");
    for (line, code) in cases {
        socket.send(format!("{line}\n"));
        let answer = socket.must_line();
        assert_eq!(error_code(&answer), code, "{}: {answer}", &line[..line.len().min(80)]);
        socket.send("{\"op\":\"ping\",\"id\":1}\n");
        assert!(socket.must_line().starts_with(r#"{"re":1,"ok""#));
    }
    let answer = raw(&hub, &format!(r#"{{"op":"publish","id":1,"channel":"a","data":{}}}"#, deep(31)));
    assert!(answer.starts_with(r#"{"re":1,"ok""#), "31 and the command itself are 32: {answer}");
}

#[test]
fn a_refused_command_is_answered_under_its_id_where_it_could_be_read() {
    let hub = Hub::start();
    let cases = [
        (r#"{"id":1,"op":"nonsense"}"#, "1", "bad-command"),
        (r#"{"op":"publish","id":"p","channel":"ops"}"#, "\"p\"", "bad-argument"),
        (r#"{"op":"ping","op":"ping","id":3}"#, "3", "bad-json"),
        (r#"{"op":"quiet","state":"on","id":4}"#, "4", "bad-command"),
        (r#"{"op":"subscribe","id":5}"#, "5", "bad-argument"),
        (r#"{"op":"publish","id":6,"channel":7,"data":1}"#, "6", "bad-argument"),
        (r#"{"op":"history","id":7,"channel":"ops","limit":-1}"#, "7", "bad-argument"),
        (r#"{"op":"subscribe","id":8,"channels":["a",1]}"#, "8", "bad-argument"),
        (r#"{"op":"clients","id":9,"state":"asleep"}"#, "9", "bad-argument"),
    ];
    for (line, id, code) in cases {
        let answer = raw(&hub, line);
        assert!(
            answer.starts_with(&format!(r#"{{"re":{id},"error":{{"code":"{code}","#)),
            "{line}: {answer}"
        );
    }
}

#[test]
fn keys_that_the_hub_does_not_know_are_passed_over_in_any_order() {
    let hub = Hub::start();
    let answer = raw(&hub, r#" { "later" : [ {} ] , "text" : "abc" , "id" : 5 , "op" : "REVERSE" } "#);
    assert_eq!(answer, r#"{"re":5,"ok":{"text":"cba"}}"#);
}

#[test]
fn payloads_of_every_shape_arrive_as_they_were_written() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe shapes").ok();
    let mut writer = hub.socket();
    for data in [
        "null",
        "true",
        "0",
        "-0",
        "1.0",
        "1e3",
        "123456789012345678901234567890",
        "\"\"",
        "\"\\u0041\\/\"",
        "[]",
        "{}",
        r#"{"b":1,"a":2,"b":3}"#,
        r#"["日本","\ud83d\ude00"]"#,
    ] {
        writer.send(format!("{{\"op\":\"publish\",\"channel\":\"shapes\",\"data\":{data}}}\n"));
        let line = reader.socket().must_line();
        assert!(line.contains(&format!("\"data\":{data}")), "{data}: {line}");
    }
}

#[test]
fn hello_introduces_and_tells_the_limits() {
    let hub = Hub::with(["--name", "alpha", "--max-frame", "100000", "--max-queue", "200000"]);
    let mut both = [hub.client(Encoding::Json), hub.client(Encoding::Frame)];
    for client in &mut both {
        let name = format!("bob-{}", client.encoding().as_str());
        let reply = client.ask_object(json!({"op": "hello", "name": name, "client": "test/1"}));
        let ok = reply.json();
        assert_eq!((&ok["name"], &ok["server"]), (&json!(name), &json!("alpha")));
        assert!(!ok["version"].as_str().unwrap().is_empty());
        assert_eq!(ok["limits"]["max_frame"], 100_000);
        assert_eq!(ok["limits"]["max_queue"], 200_000);
        assert_eq!(ok["client_id"], client.whoami("client_id"));
        let whois = client.ask(&format!("whois {name}"));
        assert_eq!(whois.json()["client"], "test/1");
    }
    let mut client = hub.client(Encoding::Json);
    let taken = client.ask_object(json!({"op": "hello", "name": "BOB-json"}));
    assert_eq!(taken.code(), "name-taken");
    assert!(client.whoami("name").starts_with("anon-"));
}

#[test]
fn whoever_asked_for_heartbeats_and_does_not_answer_is_closed() {
    let hub = Hub::start();
    let mut silent = hub.client(Encoding::Json);
    silent.ask_object(json!({"op": "hello", "heartbeat": 1})).ok();
    let mut alive = hub.client(Encoding::Json);
    alive.ask_object(json!({"op": "hello", "heartbeat": 1})).ok();
    let mut pings = 0;
    for _ in 0..5 {
        assert_eq!(alive.event().json, json!({"event": "ping"}));
        alive.ask("ping").ok();
    }
    loop {
        let event = silent.event();
        if event.json == json!({"event": "ping"}) {
            pings += 1;
        } else {
            assert_eq!(event.get("event"), "closing");
            assert_eq!(event.get("code"), "timeout");
            break;
        }
    }
    assert_eq!(pings, 3, "closed after three heartbeats without a byte");
    assert_eq!(silent.next_event(), None);
}
