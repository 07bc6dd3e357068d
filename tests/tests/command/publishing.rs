//! `hubbub pub` and `hubbub msg`.

use hubbub_tests::{hubbub, Encoding, Hub, Program};
use serde_json::json;

#[test]
fn one_message_is_told_with_its_place() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let done = hubbub(&hub, ["--name", "bob", "pub", "ops", "Build", "512", "failed"]);
    assert_eq!(done.ok(), "published to ops, 1 subscriber (seq 1)\n");
    assert_eq!(done.stderr, "");
    let event = reader.event();
    assert_eq!(event.line, "[ops] bob: Build 512 failed");
    let json = hubbub(
        &hub,
        ["--json", "pub", "ops", "{\"n\": [1, 2]}", "-H", "a=b", "--header", "c=d=e", "--reply", "r"],
    );
    assert_eq!(json.json()[0]["seq"], 2);
    assert_eq!(json.json()[0]["subscribers"], 1);
    let event = reader.event();
    assert_eq!(event.get("data"), &json!({"n": [1, 2]}));
    assert_eq!(event.get("headers"), &json!({"a": "b", "c": "d=e"}));
    assert_eq!(event.get("reply"), "r");
    assert_eq!(hubbub(&hub, ["pub", "-q", "ops", "hush"]).ok(), "");
}

#[test]
fn lines_of_standard_input_are_messages_of_their_own() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut program = Program::hubbub(&hub, ["pub", "ops", "-"]);
    program.feed("one\r\n\ntwo  words\nlast without an end");
    assert_eq!(program.finish().ok(), "published 4 messages to ops\n");
    for line in ["one", "", "two  words", "last without an end"] {
        assert_eq!(reader.event().get("data"), line);
    }
    let mut program = Program::hubbub(&hub, ["pub", "ops", "-", "--json"]);
    program.feed("{\"a\":1}\n\n2\n");
    assert_eq!(program.finish().json(), [json!({"published": 2})]);
    assert_eq!(reader.event().get("data"), &json!({"a": 1}));
    assert_eq!(reader.event().get("data"), &json!(2));
}

#[test]
fn lines_arrive_as_they_are_written() {
    use std::io::Write;
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut program = Program::hubbub(&hub, ["pub", "ops", "-"]);
    let mut stdin = program.stdin();
    for n in 0..5 {
        writeln!(stdin, "{n}").unwrap();
        // The next line is written only after this one has arrived.
        assert_eq!(reader.event().get("data"), &json!(n.to_string()));
    }
    drop(stdin);
    program.finish().ok();
}

#[test]
fn all_of_standard_input_is_one_message() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut program = Program::hubbub(&hub, ["pub", "ops"]);
    program.feed("one\ntwo\n");
    program.finish().ok();
    assert_eq!(reader.event().get("data"), "one\ntwo");
    hubbub(&hub, ["pub", "ops"]).failed(2);
}

#[test]
fn a_wrong_line_is_named_and_those_before_it_are_published() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut program = Program::hubbub(&hub, ["pub", "ops", "-"]);
    program.feed(b"one\ntwo\n\xff\xfe\nfour\n");
    let failed = program.finish();
    assert!(failed.failed(2).contains("line 3") && failed.stderr.contains("2 messages"), "{failed:?}");
    assert_eq!(reader.events_so_far().len(), 2);
    let mut program = Program::hubbub(&hub, ["pub", "ops", "-", "--json"]);
    program.feed("1\n{\n3\n");
    assert!(program.finish().failed(2).contains("line 2"));
    let mut program = Program::hubbub(&hub, ["pub", "a..b", "-"]);
    program.feed("1\n2\n");
    assert!(program.finish().failed(1).contains("bad-channel"));
}

#[test]
fn a_text_may_be_repeated_with_placeholders() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let args = ["pub", "ops", "beat {{Count}} {{Random 4 4}}", "--count", "3", "--interval", "10ms"];
    assert_eq!(hubbub(&hub, args).ok(), "published 3 messages to ops\n");
    for n in 1..=3 {
        let text = reader.event().get("data").as_str().unwrap().to_owned();
        assert!(text.starts_with(&format!("beat {n} ")) && text.len() == 11, "{text}");
    }
    hubbub(&hub, ["pub", "ops", "beat {{Count}}", "--no-templates"]).ok();
    assert_eq!(reader.event().get("data"), "beat {{Count}}");
}

#[test]
fn msg_goes_to_one_client() {
    let hub = Hub::start();
    let mut bob = hub.named(Encoding::Text, "bob");
    let done = hubbub(&hub, ["--name", "eve", "msg", "bob", "Lunch?"]);
    assert_eq!(done.ok(), "sent to bob (1 client)\n");
    assert_eq!(bob.line(), "<eve> Lunch?");
    let mut program = Program::hubbub(&hub, ["-n", "eve", "msg", "bob", "--json", "-"]);
    program.feed("{\"lunch\":true}\n");
    assert!(program.finish().json()[0]["delivered_to"].is_array());
    assert_eq!(bob.line(), "<eve> {\"lunch\":true}");
}
