//! What clients ask: lists, people and channels are the same from every server.

use crate::wait_known;
use hubbub_tests::cluster::NAMES;
use hubbub_tests::{in_every_encoding, wait, Client, Cluster, Encoding};
use serde_json::{json, Value};

in_every_encoding!(a_direct_message_finds_its_receiver_on_any_server, a_welcome_is_shown_once_across_servers);

fn a_direct_message_finds_its_receiver_on_any_server(encoding: Encoding) {
    let cluster = Cluster::joined(3);
    let mut ann = cluster.named(0, encoding, "ann");
    let mut bob = cluster.named(1, encoding, "bob");
    let mut carls = [cluster.named(1, encoding, "carl"), cluster.named(2, encoding, "Carl")];
    for name in ["ann@alpha", "bob@beta", "carl@beta", "Carl@gamma"] {
        wait_known(&cluster, name);
    }
    ann.ask("msg bob by the bare name").ok();
    assert_eq!(bob.line(), "<ann> by the bare name");
    ann.ask("msg BOB@Beta exactly").ok();
    assert_eq!(bob.line(), "<ann> exactly");
    bob.ask("msg ann back").ok();
    assert_eq!(ann.line(), "<bob> back");
    let (code, message) = ann.ask("msg carl which one?").refusal();
    assert_eq!(code, "ambiguous");
    assert!(message.contains("carl@beta") && message.contains("carl@gamma"), "{message}");
    ann.ask("msg carl@gamma you").ok();
    assert_eq!(carls[1].line(), "<ann> you");
    bob.ask("msg carl the one of this server").ok();
    assert_eq!(carls[0].line(), "<bob> the one of this server");
    for nobody in ["dora", "dora@beta", "ann@beta", "bob@nowhere"] {
        assert_eq!(ann.ask(&format!("msg {nobody} hello")).code(), "no-such-client", "{nobody}");
    }
    for client in [&mut ann, &mut bob].into_iter().chain(&mut carls) {
        client.nothing_more();
    }
    drop(bob);
    wait::until("the others to know that bob is gone", || {
        (ann.ask("whois bob").lines()[0].starts_with("error no-such-client")).then_some(())
    });
}

fn a_welcome_is_shown_once_across_servers(encoding: Encoding) {
    let cluster = Cluster::joined(2);
    let mut ann = cluster.named(0, encoding, "ann");
    let mut eve = cluster.named(0, encoding, "eve");
    let mut bob = cluster.named(1, encoding, "bob");
    bob.ask("welcome back at noon").ok();
    wait_known(&cluster, "bob@beta");
    for client in [&mut ann, &mut eve] {
        client.ask("msg bob one").ok();
        assert_eq!(client.line(), "* bob: back at noon");
        client.ask("msg bob@beta two").ok();
        client.nothing_more();
    }
    for line in ["<ann> one", "<ann> two", "<eve> one", "<eve> two"] {
        assert_eq!(bob.line(), line);
    }
}

/// A list without what differs from moment to moment, sorted.
fn steady(reply: &Value, key: &str) -> Vec<Value> {
    assert!(reply.get("missing").is_none(), "{reply}");
    let mut rows = reply[key].as_array().unwrap_or_else(|| panic!("no {key} in {reply}")).clone();
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        ["duration_s", "p50_us", "p99_us"].iter().for_each(|key| drop(row.remove(*key)));
    }
    // Those who have looked for others may not be gone yet.
    rows.retain(|row| !row["name"].as_str().is_some_and(|name| name.starts_with("anon-")));
    rows.sort_by_key(Value::to_string);
    rows
}

#[test]
fn every_server_gives_the_same_answers() {
    let cluster = Cluster::joined(3);
    let mut askers: Vec<Client> =
        (0..3).map(|at| cluster.named(at, Encoding::Json, &format!("asker{at}"))).collect();
    let mut ann = cluster.client(0, Encoding::Json);
    ann.ask_object(json!({"op": "hello", "name": "ann", "client": "editor/1"})).ok();
    ann.ask("welcome hello there").ok();
    ann.ask("subscribe ops.> chat").ok();
    let mut bob = cluster.named(1, Encoding::Text, "bob");
    bob.ask("subscribe ops.deploy").ok();
    bob.ask("create plans what is to be done").ok();
    let mut eve = cluster.named(2, Encoding::Frame, "eve");
    eve.ask("subscribe chat group=g").ok();
    eve.ask("topic chat about everything").ok();
    for n in 0..4 {
        for client in [&mut ann, &mut bob, &mut eve] {
            client.ask(&format!("publish ops.deploy {n}")).ok();
            client.ask(&format!("publish chat {n}")).ok();
        }
    }
    for name in ["ann@alpha", "bob@beta", "eve@gamma", "asker0@alpha", "asker1@beta", "asker2@gamma"] {
        wait_known(&cluster, name);
    }
    let mut same = |command: &str, key: &str| -> Vec<Value> {
        let mut answers = askers.iter_mut().map(|asker| steady(asker.ask(command).json(), key));
        let first = answers.next().unwrap();
        for (at, answer) in answers.enumerate() {
            assert_eq!(answer, first, "{command} on {} and on {}", NAMES[at + 1], NAMES[0]);
        }
        first
    };
    let names = |rows: &[Value]| {
        let mut names: Vec<String> =
            rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let clients = same("clients", "clients");
    assert_eq!(names(&clients), ["ann", "asker0", "asker1", "asker2", "bob", "eve"]);
    let row = clients.iter().find(|row| row["name"] == "ann").unwrap();
    assert_eq!(
        (&row["server"], &row["client"], &row["welcome"]),
        (&json!("alpha"), &json!("editor/1"), &json!("hello there"))
    );
    assert_eq!(names(&same("clients *e*", "clients")), ["asker0", "asker1", "asker2", "eve"]);
    assert_eq!(names(&same("who ops.deploy", "clients")), ["ann", "bob"]);
    assert_eq!(names(&same("who chat", "clients")), ["ann", "eve"]);
    let channels = same("channels", "channels");
    assert_eq!(names(&channels), ["chat", "ops.deploy", "plans"]);
    let chat = channels.iter().find(|row| row["name"] == "chat").unwrap();
    assert_eq!((&chat["subscribers"], &chat["messages"]), (&json!(2), &json!(12)));
    assert_eq!(chat["topic"], "about everything");
    let history = same("history chat", "messages");
    assert_eq!(history.len(), 12);
    assert_eq!(same("history chat 5", "messages").len(), 5);
    for asker in &mut askers {
        let whois = asker.ask("whois ann");
        assert_eq!(whois.json()["server"], "alpha");
        assert_eq!(whois.json()["channels"], json!(["ops.>", "chat"]));
        assert_eq!(asker.ask("topic chat").json()["topic"], "about everything");
        assert_eq!(asker.ask("topic chat").json()["set_by"], "eve");
        assert_eq!(asker.ask("topic plans").json()["topic"], "what is to be done");
        let here = asker.ask_object(json!({"op": "clients", "scope": "server"}));
        assert_eq!(here.json()["clients"].as_array().unwrap().len(), 2, "one asker and one other");
    }
}

#[test]
fn history_keeps_the_order_of_each_origin_and_of_time() {
    let cluster = Cluster::joined(3);
    let mut clients: Vec<Client> = (0..3).map(|at| cluster.client(at, Encoding::Json)).collect();
    for n in 0..30 {
        clients[n % 3].ask(&format!("publish log {n}")).ok();
    }
    for client in &mut clients {
        let history = client.ask("history log").json()["messages"].clone();
        let history = history.as_array().unwrap();
        let data: Vec<i64> = history.iter().map(|m| m["data"].as_str().unwrap().parse().unwrap()).collect();
        let at: Vec<&str> = history.iter().map(|m| m["at"].as_str().unwrap()).collect();
        assert!(at.is_sorted(), "{at:?}");
        for origin in 0..3 {
            let own: Vec<i64> = data.iter().copied().filter(|n| n % 3 == origin).collect();
            assert!(own.is_sorted() && own.len() == 10, "{data:?}");
        }
    }
}

#[test]
fn commands_of_one_write_are_answered_in_order_and_completely() {
    let cluster = Cluster::joined(3);
    let mut people: Vec<Client> =
        (0..3).map(|at| cluster.named(at, Encoding::Json, &format!("p{at}"))).collect();
    for client in &mut people {
        client.ask("subscribe ops").ok();
    }
    for (at, server) in NAMES[..3].iter().enumerate() {
        wait_known(&cluster, &format!("p{at}@{server}"));
    }
    for round in 0..30 {
        let mut socket = cluster.hub(round % 3).socket();
        socket.send(
            "clients p*\nwho ops\nwhois p1\nsubscribe ops\nping\npublish ops hi\nhistory ops 1\nquit\n",
        );
        let lines = socket.rest_lines();
        // What each answer ends with, and how many rows come before that.
        let mut answers: Vec<(&str, usize)> = Vec::new();
        let mut rows = 0;
        for line in &lines {
            if line.starts_with("ok") || line.starts_with("error") {
                answers.push((line, std::mem::take(&mut rows)));
            } else if line.starts_with("  ") {
                rows += 1;
            } else {
                assert!(line.ends_with(": hi"), "its own message, and nothing else: {lines:#?}");
            }
        }
        let (ends, rows): (Vec<&str>, Vec<usize>) = answers.into_iter().unzip();
        assert!(ends.len() == 8 && ends.iter().all(|end| end.starts_with("ok")), "{lines:#?}");
        assert_eq!((ends[4], ends[5]), ("ok pong", "ok published ops to 4"), "{lines:#?}");
        assert!(rows[..2] == [3, 3] && rows[2] > 5 && rows[3..] == [0, 0, 0, 1, 0], "{rows:?} {lines:#?}");
        for person in &mut people {
            assert!(person.line().ends_with(": hi"));
        }
    }
}
