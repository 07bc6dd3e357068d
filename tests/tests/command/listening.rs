//! `hubbub sub`: what it prints, when it ends, groups, and commands for each message.

use hubbub_tests::{Encoding, Hub, Program};
use serde_json::{json, Value};

/// Starts `hubbub sub …` and waits until it is subscribed.
fn sub(hub: &Hub, args: &[&str]) -> Program {
    let mut program = Program::hubbub(hub, [&["sub"], args].concat());
    program.says_aside("subscribed to ");
    program
}

#[test]
fn messages_are_printed_in_words_raw_and_as_json() {
    let hub = Hub::start();
    let mut words = sub(&hub, &["ops.>", "--count", "3"]);
    let mut raw = sub(&hub, &["ops.*", "--raw", "--count", "3"]);
    let mut json = sub(&hub, &["ops.a", "--json", "--count", "3"]);
    let mut bob = hub.named(Encoding::Json, "bob");
    for data in [json!("plain\u{1b}[2J\ntext"), json!({"b": [1]}), json!(7)] {
        bob.ask_object(json!({"op": "publish", "channel": "ops.a", "data": data})).ok();
    }
    assert_eq!(words.must_line(), "[ops.a] bob: plain\\x1b[2J⏎text");
    assert_eq!(words.must_line(), "[ops.a] bob: {\"b\":[1]}");
    assert_eq!(words.must_line(), "[ops.a] bob: 7");
    assert_eq!([raw.must_line(), raw.must_line()], ["plain\u{1b}[2J", "text"]);
    assert_eq!([raw.must_line(), raw.must_line()], ["{\"b\":[1]}", "7"]);
    for (n, data) in [json!("plain\u{1b}[2J\ntext"), json!({"b": [1]}), json!(7)].iter().enumerate() {
        let line = json.must_line();
        assert!(line.starts_with(r#"{"event":"message","channel":"ops.a","from":"bob","seq":"#), "{line}");
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&event["data"], &event["seq"]), (data, &json!(n + 1)));
    }
    for program in [words, raw, json] {
        assert_eq!(program.finish().ok(), "");
    }
}

#[test]
fn each_line_is_there_at_once() {
    let hub = Hub::start();
    let mut program = sub(&hub, &["ops"]);
    let mut bob = hub.named(Encoding::Json, "bob");
    for n in 0..5 {
        bob.ask(&format!("publish ops {n}")).ok();
        assert_eq!(program.must_line(), format!("[ops] bob: {n}"));
    }
    program.process().signal(rustix::process::Signal::TERM);
    let ended = program.finish();
    assert!(ended.code.is_none() || ended.code == Some(0) || ended.code == Some(130), "{ended:?}");
}

#[test]
fn a_count_is_reached_before_the_time_limit() {
    let hub = Hub::start();
    let program = sub(&hub, &["ops", "--count", "1", "--timeout", "20s"]);
    hub.client(Encoding::Json).ask("publish ops hi").ok();
    program.finish().ok();
}

#[test]
fn members_of_a_group_share() {
    let hub = Hub::start();
    let mut members: Vec<Program> =
        (0..2).map(|_| sub(&hub, &["jobs", "--group", "workers", "--raw"])).collect();
    let mut bob = hub.client(Encoding::Json);
    for n in 0..20 {
        assert_eq!(bob.ask(&format!("publish jobs {n}")).json()["subscribers"], 1);
    }
    bob.ask("subscribe jobs").ok();
    // A last message to each tells that everything before it was printed.
    let members_of = bob.ask("who jobs");
    assert_eq!(members_of.json()["clients"].as_array().unwrap().len(), 3);
    let mut seen: Vec<u32> = Vec::new();
    for member in &mut members {
        seen.push(member.must_line().parse().unwrap());
    }
    while seen.len() < 20 {
        // Round robin or random: whoever has more is asked until all are there.
        for member in &mut members {
            while let Some(line) = member.line_now() {
                seen.push(line.parse().unwrap());
            }
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..20).collect::<Vec<u32>>());
}

#[test]
fn a_command_runs_for_each_message() {
    let hub = Hub::start();
    let script = "read line; echo \"$HUBBUB_CHANNEL $HUBBUB_FROM $HUBBUB_SEQ $HUBBUB_DATA $line\"";
    let mut program = sub(&hub, &["ops.*", "--exec", script, "--count", "3"]);
    let mut bob = hub.named(Encoding::Json, "bob");
    for n in 1..=3 {
        bob.ask(&format!("publish ops.a m{n}")).ok();
    }
    for n in 1..=3 {
        assert_eq!(program.must_line(), format!("ops.a bob {n} m{n} m{n}"));
    }
    program.finish().ok();
}

#[test]
fn what_a_message_holds_is_no_shell() {
    let hub = Hub::start();
    let dir = tempfile::tempdir().unwrap();
    let trap = dir.path().join("trapped");
    let mut program = sub(&hub, &["ops", "--exec", "cat; echo", "--count", "1"]);
    let data = format!("$(touch {0}); `touch {0}`; touch {0} \" ' \\", trap.display());
    hub.client(Encoding::Json).ask_object(json!({"op": "publish", "channel": "ops", "data": data})).ok();
    assert_eq!(program.must_line(), data);
    program.finish().ok();
    assert!(!trap.exists());
}
