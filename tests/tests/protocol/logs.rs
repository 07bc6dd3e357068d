//! The log: one line an event, for machines and for people, and what it never holds.

use hubbub_tests::{binaries, hub, wait, Encoding, Hub};
use serde_json::{json, Value};
use std::process::Command;

/// Something that would be a line of its own, a colour and a reversal, if it were let through.
const FORGED: &str = "x\n{\"level\":\"info\",\"msg\":\"forged\"}\n2026 info forged\u{1b}[31m\u{202e}";

/// A hub in whose log somebody tries to write, after its end.
fn attacked(format: &str) -> (Hub, String) {
    let mut hub = hub::builder().args(["--log-level", "trace", "--log-format", format]).start();
    let mut client = hub.client(Encoding::Json);
    client.ask_object(json!({"op": "hello", "client": FORGED})).ok();
    client.ask_object(json!({"op": "name", "name": FORGED})).code();
    client.ask_object(json!({"op": "create", "channel": "c", "topic": FORGED})).ok();
    client.ask_object(json!({"op": "serve", "service": "s", "about": FORGED})).ok();
    client.ask_object(json!({"op": "publish", "channel": FORGED, "data": FORGED})).code();
    client.ask_object(json!({"op": FORGED})).code();
    client.ask("close").ok();
    assert_eq!(client.next_event(), None);
    let mut text = hub.client(Encoding::Text);
    text.ask("\u{1b}[31m\u{7}\u{202e}forged").code();
    drop(text);
    hub.terminate();
    hub.wait_end();
    let log = hub.stdout();
    assert!(log.lines().count() >= 3, "{log}");
    assert_eq!(hub.stderr(), "", "a healthy run complains of nothing");
    let hostile = |c: char| (c < ' ' && c != '\n') || c == '\u{7f}' || ('\u{202a}'..='\u{202e}').contains(&c);
    assert_eq!(log.chars().find(|c| hostile(*c)), None, "{log:?}");
    (hub, log)
}

#[test]
fn a_line_for_machines_is_one_object() {
    let (hub, log) = attacked("json");
    for line in log.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
        assert_ne!(object["msg"], "forged");
        for key in ["time", "level", "msg"] {
            assert!(object[key].is_string(), "no {key} in {line}");
        }
    }
    let closed = log.lines().find(|l| l.contains("client closed")).unwrap();
    for part in ["closed by client", "127.0.0.1:", "\"messages_in\":0"] {
        assert!(closed.contains(part), "no {part} in {closed}");
    }
    assert!(log.contains(&hub.addr().to_string()), "the first line tells where it serves: {log}");
}

#[test]
fn a_line_for_people_is_one_line() {
    let (_, log) = attacked("text");
    assert!(
        !log.lines().any(|l| l.trim_start().starts_with('{') || l.starts_with("2026 info forged")),
        "{log}"
    );
}

#[test]
fn the_level_decides_how_much_is_told() {
    let count = |level: &str| {
        let mut hub = hub::builder().args(["--log-level", level]).start();
        hub.named(Encoding::Text, "bob").ask("close").ok();
        hub.terminate();
        hub.wait_end();
        hub.log().lines().count()
    };
    assert_eq!(count("off"), 0);
    assert_eq!(count("error"), 0);
    let (info, trace) = (count("info"), count("trace"));
    assert!(info >= 3 && trace >= info, "info {info}, trace {trace}");
}

#[test]
fn a_log_whose_reader_is_gone_does_not_stop_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let mut command = Command::new("sh");
    let script = format!(
        "'{}' --listen 127.0.0.1:0 --peer-listen 127.0.0.1:0 --data-dir '{}' --run-dir '{}' --ready-file '{}' \
         --log-level debug | head -n 1 >/dev/null",
        binaries::hubbubd().display(),
        dir.path().join("data").display(),
        dir.path().join("run").display(),
        ready.display()
    );
    let mut shell = command.arg("-c").arg(script).spawn().unwrap();
    let told: Value =
        wait::until("the hub", || serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).ok());
    let addr = told["client_addr"].as_str().unwrap().parse().unwrap();
    for _ in 0..20 {
        let mut client = hubbub_tests::Client::connect(addr, Encoding::Text);
        client.ask("name bob").ok();
        client.ask("close").ok();
    }
    let data = dir.path().join("data");
    assert_eq!(crate::options::run(&["shutdown", "--data-dir", data.to_str().unwrap()]).0, Some(0));
    shell.wait().unwrap();
}
