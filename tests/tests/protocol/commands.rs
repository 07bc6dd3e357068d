//! Every verb of the table and each of its aliases, in every encoding, and every error code that
//! one server can answer a command with.

use hubbub_shared::command::{Spoken, VERBS};
use hubbub_tests::transcript::play;
use hubbub_tests::{in_every_encoding, Encoding, Hub};
use serde_json::json;
use std::collections::BTreeSet;

in_every_encoding!(
    every_verb_and_alias_is_understood,
    help_lists_every_verb_and_explains_one,
    the_whole_table_in_one_conversation,
    every_refusal_has_its_code_and_says_what_is_right,
    a_verb_may_be_written_in_any_case_and_with_a_slash,
    reversing_goes_by_grapheme_cluster,
    close_says_goodbye,
    ip_and_connected_are_the_lines_of_whoami_that_they_name,
    stats_count_what_happened,
    servers_lists_this_one,
);

/// Arguments with which each verb succeeds for a client called bob.
fn good_arguments(verb: &str) -> &'static str {
    match verb {
        "name" => "bob",
        "whois" => "bob",
        "create" => "fresh a topic",
        "topic" | "who" | "history" => "ops",
        "subscribe" => "ops a.* group=g",
        "unsubscribe" => "ops",
        "publish" => "ops some text",
        "msg" => "bob a word",
        "request" => "reverse abc",
        "serve" => "echo2 says the same",
        "reverse" => "abc",
        "welcome" => "hello there",
        "quiet" => "off",
        _ => "",
    }
}

fn every_verb_and_alias_is_understood(encoding: Encoding) {
    let hub = Hub::start();
    for verb in VERBS {
        for word in std::iter::once(&verb.name).chain(verb.aliases) {
            // A hub's help is for everyone; some verbs need what another has made.
            let mut bob = hub.client(encoding);
            bob.ask(&format!("name bob-{word}")).ok();
            bob.ask("subscribe ops").ok();
            let line = format!("{word} {}", good_arguments(verb.name)).replace("bob", &format!("bob-{word}"));
            let spoken = match verb.spoken {
                Spoken::Everywhere => true,
                Spoken::TextOnly => encoding == Encoding::Text,
                Spoken::JsonOnly => encoding != Encoding::Text,
            };
            match verb.name {
                _ if !spoken => assert_eq!(bob.ask(line.trim()).code(), "bad-command", "{line}"),
                "operator" => {
                    bob.ask(&format!("operator {}", hub.token())).ok();
                }
                "drain" | "shutdown" => assert_eq!(bob.ask(word).code(), "not-allowed"),
                "respond" => assert_eq!(bob.ask("respond no-such-id text").code(), "bad-argument"),
                "unserve" => {
                    bob.ask("serve mine").ok();
                    bob.ask("unserve mine").ok();
                }
                _ => {
                    bob.ask(line.trim()).ok();
                }
            }
        }
    }
}

fn help_lists_every_verb_and_explains_one(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    let help = client.ask("help");
    let listed: BTreeSet<&str> = help.rows().iter().filter_map(|row| row.split_whitespace().next()).collect();
    for verb in VERBS {
        let here = verb.spoken == Spoken::Everywhere;
        assert!(!here || listed.contains(verb.name), "help does not list {}", verb.name);
    }
    let one = client.ask("help nick").lines().join("\n");
    assert!(one.contains("name [NEW]") && one.contains("nick"), "{one}");
    assert_eq!(client.ask("help xyzzy").code(), "bad-command");
}

fn the_whole_table_in_one_conversation(encoding: Encoding) {
    let script = "
        bob> ping
        bob= ok pong
        bob> name
        bob= ok name bob
        bob> name robert
        bob= ok name robert
        bob> create ops the operations
        bob= ok …
        bob> topic ops
        bob= ok topic of ops: the operations…
        bob> subscribe #ops
        bob= ok subscribed to ops
        eve> join ops a.*
        eve= ok subscribed to ops a.*
        eve> topic ops everything else
        eve= ok topic of ops: everything else (set by eve)
        eve> publish ops Build 512 failed
        eve= ok published ops to 2
        bob< [ops] eve: Build 512 failed
        eve< [ops] eve: Build 512 failed
        eve> pub a.b hi
        eve= ok published a.b to 1
        eve< [a.b] eve: hi
        eve> pub nobody.listens hi
        eve= ok published nobody.listens to 0
        eve> msg robert psst
        eve= ok sent to robert
        bob< <eve> psst
        bob> who ops
        bob= …robert …
        bob= …eve …
        bob= ok 2 clients
        bob> channels
        bob= …a.b subscribers=1 messages=1
        bob= …nobody.listens subscribers=0 messages=1
        bob= …ops subscribers=2 messages=1 — everything else
        bob= ok 3 channels
        bob> history ops
        bob= …[ops] eve: Build 512 failed
        bob= ok 1 message
        bob> part ops
        bob= ok unsubscribed from ops
        eve> pub ops gone
        eve= ok published ops to 1
        eve< [ops] eve: gone
        bob> request reverse stressed
        bob= ok reverse: desserts
        bob> reverse stressed
        bob= ok desserts
        bob> welcome
        bob= ok…
        bob> welcome I am in meetings
        bob= ok I am in meetings
        bob.
        eve.
    ";
    play(&Hub::start(), encoding, script);
}

fn every_refusal_has_its_code_and_says_what_is_right(encoding: Encoding) {
    let hub = Hub::with(["--max-line", "4000"]);
    let mut other = hub.named(Encoding::Json, "taken");
    other.ask("subscribe ops").ok();
    let mut client = hub.named(encoding, "bob");
    let long = "x".repeat(1100);
    let cases = [
        ("xyzzy", "bad-command", "help"),
        ("publish ops", "bad-argument", "data"),
        ("publish", "bad-argument", "channel"),
        ("subscribe", "bad-argument", "channel"),
        ("history ops many", "bad-argument", "number"),
        ("name -bob", "bad-name", "1 to 32"),
        ("name bøb", "bad-name", "1 to 32"),
        ("name TAKEN", "name-taken", "TAKEN"),
        ("publish a..b hi", "bad-channel", "empty"),
        ("publish a.* hi", "bad-channel", "wildcards"),
        ("publish a.> hi", "bad-channel", "wildcards"),
        ("subscribe a*", "bad-channel", "whole tokens"),
        ("subscribe >.a", "bad-channel", "end"),
        ("create ø", "bad-channel", "A-Z"),
        ("channels a..b", "bad-channel", "empty"),
        ("publish $sys.client.opened hi", "not-allowed", "hub"),
        ("create $sys.mine", "not-allowed", "hub"),
        ("whois nobody", "no-such-client", "nobody"),
        ("msg nobody hi", "no-such-client", "nobody"),
        ("who nope", "no-such-channel", "nope"),
        ("history nope", "no-such-channel", "nope"),
        ("topic nope", "no-such-channel", "nope"),
        ("request nope hi", "no-such-service", "nope"),
        ("serve reverse", "not-allowed", "reverse"),
        ("serve echo", "not-allowed", "echo"),
        ("serve uuid", "not-allowed", "uuid"),
        ("unserve nope", "no-such-service", "nope"),
        ("unsubscribe ops", "not-subscribed", "ops"),
        ("drain", "not-allowed", "operator"),
        ("shutdown", "not-allowed", "operator"),
        ("operator wrong", "not-allowed", "operator.token"),
        ("welcome scope=server hi", "not-allowed", "operator"),
        (&format!("create big {long}"), "too-large", "1024"),
        (&format!("topic ops {long}"), "too-large", "1024"),
        (&format!("welcome {long}"), "too-large", "1024"),
        (&format!("serve big {long}"), "too-large", "1024"),
    ];
    let mut wrong = Vec::new();
    for (line, code, hint) in cases {
        let reply = client.ask(line);
        let last = reply.lines().last().unwrap();
        if !last.starts_with(&format!("error {code}: ")) || !last.contains(hint) {
            wrong.push(format!(
                "{}: {last}, not {code} with {hint:?}",
                line.chars().take(40).collect::<String>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    client.nothing_more();
}

fn a_verb_may_be_written_in_any_case_and_with_a_slash(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for line in ["PING", "Ping", "/ping", "/PiNg"] {
        // The slash is a habit of text; in JSON it is dropped before it is sent.
        assert_eq!(client.ask(line).ok(), "pong");
    }
}

fn reversing_goes_by_grapheme_cluster(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for (text, reversed) in [
        ("abc", "cba"),
        ("a b  c", "c  b a"),
        ("grüße", "eßürg"),
        ("noe\u{308}l", "le\u{308}on"),
        ("👩‍👩‍👧‍👦🇩🇪a", "a🇩🇪👩‍👩‍👧‍👦"),
        ("한국어", "어국한"),
    ] {
        assert_eq!(client.ask(&format!("reverse {text}")).ok(), reversed);
        assert_eq!(client.ask(&format!("call reverse {text}")).ok(), format!("reverse: {reversed}"));
    }
}

fn close_says_goodbye(encoding: Encoding) {
    let hub = Hub::start();
    for word in ["close", "quit", "exit", "bye"] {
        let mut client = hub.client(encoding);
        client.ask(word).ok();
        assert_eq!(client.next_event(), None, "the stream ends after {word}");
    }
}

fn ip_and_connected_are_the_lines_of_whoami_that_they_name(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    assert_eq!(client.ask("ip").rows(), ["  ip: 127.0.0.1"]);
    let connected = client.ask("connected");
    let at = client.whoami("connected_at");
    let at = at.split_once(" (").unwrap().0;
    assert!(connected.rows()[0].contains(at), "{connected:?} and {at}");
    let port = client.socket().local_addr().port().to_string();
    assert_eq!(client.whoami("port"), port);
    assert_eq!(client.whoami("ip"), "127.0.0.1");
}

fn stats_count_what_happened(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    client.ask("subscribe ops a.*").ok();
    let before = hubbub_tests::wire::fields(client.ask("stats").rows());
    for _ in 0..5 {
        client.ask("publish ops hi").ok();
    }
    client.ask("whois nobody").code();
    let reply = client.ask("stats");
    let stats = hubbub_tests::wire::fields(reply.rows());
    let number = |key: &str| stats[key].parse::<f64>().unwrap_or_else(|_| panic!("{key} of {stats:?}"));
    for key in ["messages_in", "messages_out"] {
        assert_eq!(number(key) - before[key].parse::<f64>().unwrap(), 5.0, "{key}");
    }
    assert_eq!(number("subscriptions"), 2.0);
    assert_eq!(number("patterns"), 1.0);
    assert_eq!(number("refusals"), 1.0);
    assert_eq!(number("clients"), 1.0);
    assert_eq!(number("pid"), f64::from(hub.process().0));
    assert!(number("bytes_in") > 50.0 && number("uptime_s") > 0.0);
}

fn servers_lists_this_one(encoding: Encoding) {
    let hub = Hub::with(["--name", "alpha"]);
    let mut client = hub.client(encoding);
    let reply = client.ask("servers");
    let row = &reply.rows()[0];
    for part in ["alpha alive", &format!("pid={}", hub.process().0), "clients=1", &hub.addr().to_string()] {
        assert!(row.contains(part), "{part:?} is not in {row:?}");
    }
    assert_eq!(reply.rows().len(), 1);
}

#[test]
fn quiet_leaves_out_the_ok_lines_of_publishes() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Text);
    client.ask("subscribe ops").ok();
    client.ask("quiet on").ok();
    client.say("publish ops hi");
    assert!(client.line().ends_with(": hi"));
    client.nothing_more();
    assert_eq!(client.ask("publish a..b hi").code(), "bad-channel");
    client.ask("quiet off").ok();
    assert_eq!(client.ask("publish ops hi").ok(), "published ops to 1");
    assert_eq!(client.ask("quiet maybe").code(), "bad-argument");
}

#[test]
fn too_many_subscriptions_services_and_headers_are_refused() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    let channels: Vec<String> = (0..1000).map(|n| format!("c.{n}")).collect();
    client.ask_object(json!({"op": "subscribe", "channels": channels})).ok();
    let (code, message) = client.ask("subscribe c.1000").refusal();
    assert!(code == "too-many" && message.contains("1000"), "{code}: {message}");
    client.ask("subscribe c.7").ok(); // it is subscribed to that already
    client.ask("unsubscribe c.7").ok();
    client.ask("subscribe c.1000").ok();
    for n in 0..100 {
        client.ask(&format!("serve s{n}")).ok();
    }
    assert_eq!(client.ask("serve s100").code(), "too-many");
    let headers: serde_json::Map<_, _> = (0..65).map(|n| (format!("h{n}"), json!("v"))).collect();
    let publish = json!({"op": "publish", "channel": "ops", "data": 1, "headers": headers});
    assert_eq!(client.ask_object(publish).code(), "too-many");
}
