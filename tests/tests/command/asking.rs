//! The subcommands that ask for one thing or a list, in words and as JSON.

use hubbub_tests::{hubbub, Client, Encoding, Hub};
use serde_json::{json, Value};

/// A hub with bob, who listens to ops and serves upper, and some messages.
fn furnished() -> (Hub, Client) {
    let hub = Hub::with(["--name", "alpha"]);
    let mut bob = hub.named(Encoding::Json, "bob");
    bob.ask("create ops the\u{a0}operations").ok();
    bob.ask("subscribe ops a.*").ok();
    bob.ask("serve upper makes it loud").ok();
    bob.ask("welcome I am Bob").ok();
    for n in 1..=3 {
        bob.ask(&format!("publish ops message {n}")).ok();
    }
    bob.events_so_far();
    (hub, bob)
}

/// `hubbub --json …`: the one object that it prints, which is what the hub replies.
fn json(hub: &Hub, args: &[&str]) -> Value {
    let mut values = hubbub(hub, [args, &["--json"]].concat()).json();
    assert_eq!(values.len(), 1, "{args:?}");
    values.remove(0)
}

#[test]
fn lists_are_tables_for_people() {
    let (hub, _bob) = furnished();
    let table = |args: &[&str], heads: &[&str], row: &[&str]| {
        let out = hubbub(&hub, args).ok().to_owned();
        let head = out.lines().next().unwrap_or_else(|| panic!("{args:?} printed nothing"));
        for part in heads {
            assert!(head.contains(part), "{args:?}: no {part} in {head:?}");
        }
        let found = out.lines().skip(1).find(|l| row.iter().all(|part| l.contains(part)));
        assert!(found.is_some(), "{args:?}: no row with {row:?} in\n{out}");
        assert!(!out.contains('\u{1b}'), "no colour where there is no terminal");
    };
    table(&["clients"], &["NAME", "FROM", "SPEAKS"], &["bob@alpha", "127.0.0.1:", "json", "ops a.*"]);
    table(&["servers"], &["NAME", "STATE", "CLIENTS"], &["alpha*", "alive", &hub.addr().to_string()]);
    table(&["channels"], &["NAME", "SUBSCRIBERS", "TOPIC"], &["ops", "1", "3", "operations"]);
    table(&["who", "ops"], &["NAME"], &["bob@alpha"]);
    table(&["services"], &["NAME", "PROVIDERS", "ABOUT"], &["upper", "1", "makes it loud"]);
    hub.named(Encoding::Text, "gone").ask("close").ok();
    table(&["clients", "closed", "gone"], &["NAME", "CLOSED"], &["gone@alpha", "closed by client"]);
}

#[test]
fn json_is_the_hubs_own_reply() {
    let (hub, mut bob) = furnished();
    for (args, asked, list) in [
        (&["clients", "bob*"][..], "clients bob*", "clients"),
        (&["servers"], "servers", "servers"),
        (&["channels", "*"], "channels *", "channels"),
        (&["who", "ops"], "who ops", "clients"),
        (&["services"], "services", "services"),
        (&["history", "ops"], "history ops", "messages"),
    ] {
        let printed = json(&hub, args);
        let replied = bob.ask(asked).json().clone();
        let without_times = |list: &Value| -> Vec<Value> {
            let mut rows = list.as_array().unwrap().clone();
            for row in rows.iter_mut().filter_map(Value::as_object_mut) {
                row.retain(|key, _| !["duration_s", "uptime_s", "load", "clients"].contains(&key.as_str()));
            }
            rows
        };
        assert_eq!(without_times(&printed[list]), without_times(&replied[list]), "{args:?}");
    }
    assert_eq!(json(&hub, &["whois", "bob"])["welcome"], "I am Bob");
    assert_eq!(json(&hub, &["whois", "bob@alpha"])["server"], "alpha");
    assert_eq!(json(&hub, &["whois", "--name", "me"])["name"], "me");
    assert_eq!(json(&hub, &["stats"])["pid"], hub.process().0);
    assert_eq!(json(&hub, &["topic", "ops"])["set_by"], "bob");
    assert_eq!(json(&hub, &["reverse", "abc"]), json!({"text": "cba"}));
    assert_eq!(json(&hub, &["create", "fresh"]), json!({}));
    assert_eq!(json(&hub, &["ping", "--count", "1"])["n"], 1);
    assert_eq!(json(&hub, &["request", "echo", "[1, 2]"]), json!([1, 2]));
}

#[test]
fn facts_are_lines() {
    let (hub, _bob) = furnished();
    let whois = hubbub(&hub, ["whois", "bob"]).ok().to_owned();
    for part in ["name: ", "bob", "server: ", "alpha", "encoding: ", "json", "ops a.*", "I am Bob"] {
        assert!(whois.contains(part), "no {part} in\n{whois}");
    }
    assert!(hubbub(&hub, ["stats"]).ok().contains("messages_in:"));
    assert_eq!(hubbub(&hub, ["reverse", "Grüße,", "Welt"]).ok(), "tleW ,eßürG\n");
    assert_eq!(hubbub(&hub, ["create", "fresh", "a", "topic"]).ok(), "created fresh\n");
    assert!(hubbub(&hub, ["topic", "fresh"]).ok().starts_with("a topic"));
    assert!(hubbub(&hub, ["topic", "fresh", "another"]).ok().starts_with("another"));
    let pings = hubbub(&hub, ["ping", "--count", "3", "--interval", "1ms"]).ok().to_owned();
    assert_eq!(pings.lines().filter(|l| l.starts_with("pong from alpha: ")).count(), 3, "{pings}");
}

#[test]
fn history_is_printed_oldest_first() {
    let (hub, _bob) = furnished();
    let lines: Vec<String> = hubbub(&hub, ["history", "ops"]).ok().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].ends_with("[ops] bob: message 1") && lines[0].contains("Z "), "{lines:?}");
    assert_eq!(hubbub(&hub, ["history", "ops", "2", "--raw"]).ok(), "message 2\nmessage 3\n");
    assert_eq!(hubbub(&hub, ["history", "ops", "--since", "2", "--raw"]).ok(), "message 3\n");
}

#[test]
fn requests_print_the_answer() {
    let hub = Hub::start();
    assert_eq!(hubbub(&hub, ["request", "reverse", "stressed"]).ok(), "desserts\n");
    assert_eq!(hubbub(&hub, ["call", "echo", "two", "words"]).ok(), "two words\n");
    assert!(hubbub(&hub, ["request", "uuid", "a book"]).ok().contains("a book"));
    assert_eq!(hubbub(&hub, ["request", "echo", "a\u{1b}b"]).ok(), "a\\x1bb\n");
    assert_eq!(hubbub(&hub, ["request", "echo", "--raw", "a\u{1b}b"]).ok(), "a\u{1b}b\n");
}

#[test]
fn the_hubs_own_services_are_asked_as_people_type() {
    let hub = Hub::start();
    let told = |args: &[&str]| hubbub(&hub, [&["request"], args].concat()).ok().trim_end().to_owned();
    assert_eq!(told(&["factor", "75757575"]), "[3,5,5,73,101,137]");
    assert_eq!(told(&["fibonacci", "12"]), "144");
    assert_eq!(told(&["palindrome", "was it a cat i saw"]), "true");
    assert_eq!(told(&["normalize", "DR. MÜLLER,  anna"]), "Anna Müller");
    assert!(told(&["points"]).starts_with("{\"bytes\":\""));
    // Longer than any number that a JSON library keeps.
    for form in [&["fibonacci", "121212"][..], &["fibonacci", "121212", "--json"]] {
        assert_eq!(told(form).len(), 25_332, "{form:?}");
    }
    let refused = hubbub(&hub, ["request", "factor", "a dozen"]);
    assert!(refused.failed(1).starts_with("hubbub: bad-argument: "), "{refused:?}");
}

#[test]
fn a_number_beyond_all_floats_is_refused_at_once() {
    let hub = Hub::start();
    let nines = "9".repeat(400);
    let failed = hubbub(&hub, ["--json", "--timeout", "1h", "request", "factor", &nines]);
    assert!(failed.failed(1).contains("too-large"), "{failed:?}");
}
