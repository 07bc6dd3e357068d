//! Servers that are killed, and servers that hang: what the others and the clients make of it.

use crate::library::member;
use crate::{is_message, message, took, wait_known, Heard};
use hubbub_client::Delivery;
use hubbub_tests::cluster::{missing, view, NAMES};
use hubbub_tests::{wait, Client, Cluster, Encoding, Program};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A client is back within two seconds; this is for machines that have much else to do.
const BACK: Duration = Duration::from_secs(4);
/// Views agree again so long after everything is well.
const AGREED: Duration = Duration::from_secs(10);

/// Waits until a watcher was told of a server's end and of the end of these clients; each once.
fn told_lost(watcher: &mut Client, server: &str, clients: &[&str]) {
    let mut left: BTreeSet<&str> = clients.iter().copied().collect();
    let mut is_down = false;
    while !is_down || !left.is_empty() {
        let event = message(watcher);
        let data = event.get("data");
        match event.get("channel").as_str().unwrap() {
            "$sys.server.down" => {
                assert_eq!(data["name"], server);
                assert!(!std::mem::replace(&mut is_down, true), "told twice that {server} is down");
            }
            "$sys.client.closed" if data["reason"] == "server-lost" => {
                let name = data["name"].as_str().unwrap();
                assert_eq!(data["server"], server);
                assert!(left.remove(name), "told twice, or of a stranger: {data}");
            }
            "$sys.client.closed" => {} // those who looked whether the servers have met
            other => panic!("{other}: {data}"),
        }
    }
}

#[test]
fn a_killed_server_is_missed_once_and_its_clients_are_back_elsewhere() {
    let mut cluster = Cluster::joined(3);
    let mut watchers: Vec<Client> =
        [1, 1, 2].into_iter().map(|at| cluster.client(at, Encoding::Json)).collect();
    for watcher in &mut watchers {
        watcher.ask("subscribe $sys.server.* $sys.client.closed").ok();
    }
    let lib = member(&cluster.addrs(0), "lib");
    let deliveries = lib.subscribe("room");
    let mut sub = Program::hubbub(cluster.hub(0), ["--name", "sub", "sub", "room"]);
    sub.says_aside("subscribed");
    let mut kim = cluster.named(0, Encoding::Text, "kim");
    let _lou = cluster.named(0, Encoding::Frame, "lou");
    for name in ["lib@alpha", "sub@alpha", "kim@alpha", "lou@alpha"] {
        wait_known(&cluster, name);
    }

    cluster.kill(0);
    let killed = Instant::now();
    let (at, server) = lib.reconnected();
    let away = at - killed;
    took("the library's client is back after", away);
    assert!(away < BACK && server != "alpha", "{away:?} to {server}");
    sub.says_aside("connected to ");
    took("hubbub sub is back after", killed.elapsed());
    assert!(killed.elapsed() < BACK, "{:?}", killed.elapsed());
    for watcher in &mut watchers {
        told_lost(watcher, "alpha", &["lib", "sub", "kim", "lou"]);
    }
    assert_eq!(kim.socket().line_or_end(), None);

    let mut bob = cluster.named(1, Encoding::Json, "bob");
    assert_eq!(bob.ask("publish room hello").json()["subscribers"], 2, "both are subscribed again");
    assert_eq!(sub.must_line(), "[room] bob: hello");
    let arrives = |wanted: &str| loop {
        if let (_, Delivery::Message(message)) = deliveries.next() {
            assert_eq!(message.data.get(), format!("{wanted:?}"));
            return;
        }
    };
    arrives("hello");
    for at in [1, 2] {
        let names = cluster.client(at, Encoding::Json).ask("clients [ls]*b");
        assert!(missing(&names.json()["missing"]).is_empty());
        assert!(names.json()["clients"].as_array().unwrap().iter().all(|c| c["server"] != "alpha"));
    }

    // It comes back as another run, on other ports, and later on the same ones.
    let mut anns: Vec<Client> = Vec::new();
    for again in 0..2 {
        if again == 0 {
            cluster.restart(0);
        } else {
            wait_known(&cluster, "ann@alpha");
            cluster.kill(0);
            watchers.iter_mut().for_each(|watcher| told_lost(watcher, "alpha", &["ann"]));
            cluster.restart_in_place(0);
        }
        took("the restarted server belongs to the hub after", cluster.wait_joined_within(AGREED));
        for watcher in &mut watchers {
            let events = watcher.events_so_far();
            let servers: Vec<_> =
                events.iter().filter(|e| is_message(e) && e.get("channel") != "$sys.client.closed").collect();
            assert_eq!(servers.len(), 1, "{servers:?}");
            assert_eq!(servers[0].get("channel"), "$sys.server.joined");
            let lost = events.iter().filter(|e| is_message(e) && e.get("data")["reason"] == "server-lost");
            assert_eq!(lost.count(), 0);
        }
        let mut ann = cluster.named(0, Encoding::Text, "ann");
        assert_eq!(ann.ask("publish room again").ok(), "published room to 2");
        assert_eq!(sub.must_line(), "[room] ann: again");
        arrives("again");
        anns.push(ann);
    }
}

/// Stops the last of three servers for a while, and lets it go on.
fn a_server_hangs(time: Duration, is_lost: bool) {
    let cluster = Cluster::joined(3);
    let names = ["ann", "bob", "carl"];
    let mut clients: Vec<Client> = (0..3).map(|at| cluster.named(at, Encoding::Json, names[at])).collect();
    let mut heard: Vec<Heard> = Vec::new();
    for client in &mut clients {
        client.ask("subscribe room").ok();
        heard.push(Heard::default());
    }
    let mut asker = cluster.client(1, Encoding::Json);
    let mut watcher = cluster.client(0, Encoding::Json);
    watcher.ask("subscribe $sys.server.*").ok();
    for (at, name) in names.iter().enumerate() {
        wait_known(&cluster, &format!("{name}@{}", NAMES[at]));
    }

    cluster.stop(2);
    let stopped = Instant::now();
    let reply = asker.ask("clients");
    let after = stopped.elapsed();
    took("the list without a server that hangs came after", after);
    assert!(after < Duration::from_millis(2_500), "{after:?}");
    assert_eq!(missing(&reply.json()["missing"]), ["gamma"]);
    let listed = reply.json()["clients"].as_array().unwrap();
    assert!(listed.iter().any(|c| c["name"] == "ann") && listed.iter().any(|c| c["name"] == "bob"));
    let mut n = 0;
    while stopped.elapsed() < time {
        // The others go on as if nothing were.
        let (ann, rest) = clients.split_at_mut(1);
        let asked = Instant::now();
        ann[0].ask(&format!("publish room {n}")).ok();
        loop {
            let event = message(&mut rest[0]);
            heard[1].note(&event);
            if *event.get("data") == json!(n.to_string()) {
                break;
            }
        }
        assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
        n += 1;
        std::thread::sleep(Duration::from_millis(20)); // the pace of the publisher
    }
    cluster.cont(2);
    took("views agree again after", cluster.wait_joined_within(AGREED));

    // Messages flow from everyone to everyone, and nothing comes twice.
    wait::until("messages to flow again", || {
        let reach = |client: &mut Client| client.ask("publish room flows").json()["subscribers"] == 3;
        clients.iter_mut().map(reach).fold(true, |all, one| all & one).then_some(())
    });
    for (from, client) in clients.iter_mut().enumerate() {
        client.ask(&format!("publish room last-of-{from}")).ok();
    }
    for (client, heard) in clients.iter_mut().zip(&mut heard) {
        let mut last = 0;
        while last < 3 {
            let event = message(client);
            heard.note(&event);
            last += usize::from(event.get("data").as_str().unwrap().starts_with("last-of"));
        }
    }
    if !is_lost {
        assert_eq!(heard[2].missed, 0, "what was said meanwhile is heard later");
    }
    for hub in cluster.hubs() {
        let reply = hub.client(Encoding::Json).ask("clients");
        for name in names {
            let rows = reply.json()["clients"].as_array().unwrap().iter().filter(|c| c["name"] == name);
            assert_eq!(rows.count(), 1, "{name} at {}: {:?}", hub.addr(), reply.json());
        }
    }
    let told: Vec<String> = crate::told(&mut watcher);
    match is_lost {
        false => assert_eq!(told, [""; 0], "nobody was given up"),
        true => assert_eq!(told, ["$sys.server.down gamma", "$sys.server.joined gamma"]),
    }
    assert_eq!(view(&mut asker).alive, NAMES[..3]);
}

#[test]
fn a_server_that_hangs_for_a_moment_loses_nothing() {
    a_server_hangs(Duration::from_secs(3), false);
}

#[test]
fn a_server_that_hangs_for_long_is_given_up_and_comes_back() {
    a_server_hangs(Duration::from_secs(12), true);
}
