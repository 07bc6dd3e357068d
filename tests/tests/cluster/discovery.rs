//! How servers find each other, and whom they keep apart from.

use crate::{message, told, took};
use hubbub_tests::cluster::{view, wait_one_hub, NAMES};
use hubbub_tests::{hub, Cluster, Encoding, Nobody};
use std::time::Duration;

/// Becoming one hub takes less than two seconds; this is for machines that have much else to do.
const JOINING: Duration = Duration::from_secs(5);

fn servers_with_nothing_but_names_become_one_hub(count: usize) {
    let cluster = Cluster::start(count);
    took(&format!("{count} servers are one hub after"), cluster.wait_joined_within(JOINING));
    for (at, hub) in cluster.hubs().iter().enumerate() {
        let mut client = hub.client(Encoding::Json);
        let servers = client.ask("servers").json()["servers"].clone();
        let servers = servers.as_array().unwrap();
        assert_eq!(servers.len(), count, "{servers:?}");
        assert!(servers[0]["self"] == true && servers[0]["name"] == NAMES[at], "itself first: {servers:?}");
        for (other, hub) in cluster.hubs().iter().enumerate() {
            let row = servers.iter().find(|row| row["name"] == NAMES[other]).unwrap();
            assert_eq!(row["client_addr"], hub.addr().to_string());
            assert_eq!(row["peer_addr"], hub.peer_addr().to_string());
            assert_eq!(row["pid"], hub.process().0);
        }
        let hello = client.ask_object(serde_json::json!({"op": "hello"}));
        let addrs = hello.json()["servers"].as_array().unwrap();
        assert_eq!(addrs[0], hub.addr().to_string(), "its own first");
        assert_eq!(addrs.len(), count, "clients are told of all: {addrs:?}");
    }
}

#[test]
fn two_servers_of_a_machine_become_one_hub() {
    servers_with_nothing_but_names_become_one_hub(2);
}

#[test]
fn three_servers_of_a_machine_become_one_hub() {
    servers_with_nothing_but_names_become_one_hub(3);
}

#[test]
fn five_servers_of_a_machine_become_one_hub() {
    servers_with_nothing_but_names_become_one_hub(5);
}

#[test]
fn a_server_that_comes_later_is_told_to_those_who_watch() {
    let mut cluster = Cluster::joined(2);
    let mut watchers = [cluster.client(0, Encoding::Json), cluster.client(1, Encoding::Json)];
    for watcher in &mut watchers {
        watcher.ask("subscribe $sys.server.*").ok();
    }
    cluster.push(cluster.of(2).start());
    cluster.wait_joined();
    for watcher in &mut watchers {
        assert_eq!(told(watcher), ["$sys.server.joined gamma"]);
    }
    cluster.terminate(2);
    for watcher in &mut watchers {
        assert_eq!(message(watcher).get("channel"), "$sys.server.left");
        watcher.nothing_more();
    }
}

#[test]
fn servers_of_different_run_folders_are_joined_by_an_address() {
    let alpha = hub::builder().name("alpha").start();
    let join = |to: &hub::Hub| ["--join".to_owned(), to.peer_addr().to_string()];
    let beta = hub::builder().name("beta").args(join(&alpha)).start();
    // It is told of one server, which tells it of the other.
    let gamma = hub::builder().name("gamma").args(join(&beta)).start();
    took("joined by address after", wait_one_hub(&[&alpha, &beta, &gamma], JOINING));
}

#[test]
fn who_joins_need_not_be_the_later_one() {
    // A port that is free now, for a server that starts when it is looked for already.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let alpha = hub::builder().name("alpha").args(["--join", &free.to_string()]).start();
    let beta = hub::builder().name("beta").peer_listen(free).start();
    took("found after", wait_one_hub(&[&alpha, &beta], Duration::from_secs(15)));
}

#[test]
fn clusters_of_different_names_are_kept_apart() {
    let cluster = Cluster::with(4, |at, b| b.args(["--cluster", if at % 2 == 0 { "blue" } else { "red" }]));
    let even = [cluster.hub(0), cluster.hub(2)];
    wait_one_hub(&even, JOINING);
    wait_one_hub(&[cluster.hub(1), cluster.hub(3)], JOINING);
    // Not even when it is told to.
    let join = cluster.hub(0).peer_addr().to_string();
    let stray = hub::builder().name("stray").args(["--cluster", "red", "--join", &join]).start();
    let mut listener = stray.client(Encoding::Json);
    listener.ask("subscribe ops").ok();
    for hub in cluster.hubs() {
        hub.client(Encoding::Json).ask("publish ops hello").ok();
    }
    wait_one_hub(&[&stray], JOINING);
    wait_one_hub(&even, JOINING);
    listener.nothing_more();
    assert_eq!(view(&mut listener).others, [""; 0], "nobody of the other cluster is even known");
}

#[test]
fn the_second_of_two_servers_of_a_name_in_a_run_folder_does_not_start() {
    let cluster = Cluster::start(1);
    let second = cluster.builder().name("Alpha").try_start().err().expect("the name is taken");
    assert!(second.starts_with("exit status: 1\n"), "{second}");
    let wanted = ["the name Alpha is taken", "--name", &cluster.hub(0).process().0.to_string()];
    assert!(wanted.iter().all(|part| second.contains(part)), "{second}");
    wait_one_hub(&[cluster.hub(0)], JOINING);
}

#[test]
fn the_later_of_two_servers_of_a_name_goes_when_they_meet() {
    let first = hub::builder().name("alpha").start();
    let mut watcher = first.client(Encoding::Json);
    watcher.ask("subscribe ops").ok();
    let join = first.peer_addr().to_string();
    // It may go before it has said that it serves.
    let log = match hub::builder().name("ALPHA").args(["--join", &join]).try_start() {
        Ok(mut second) => format!("{}\n{}", second.wait_end(), second.log()),
        Err(log) => log,
    };
    assert!(log.starts_with("exit status: 1\n"), "{log}");
    let wanted =
        ["a server called alpha is in the cluster already", "--name", &first.process().0.to_string()];
    assert!(wanted.iter().all(|part| log.contains(part)), "{log}");
    first.client(Encoding::Json).ask("publish ops on").ok();
    assert_eq!(watcher.event().get("data"), "on", "the first serves on");
}

#[test]
fn a_server_serves_alone_while_nobody_answers_where_it_was_told_to_look() {
    let nobody = Nobody::hold();
    let name = "no-such-host.invalid:7412";
    let builder = hub::builder().args(["--join", &nobody.addr().to_string(), "--join", name]).name("alpha");
    let alpha = builder.env("HUBBUB_CLUSTER_SECRET", "a secret of this cluster").start();
    wait_one_hub(&[&alpha], JOINING);
    alpha.logged("cannot resolve");
    alpha.logged("no server of this cluster has answered there yet");
}
