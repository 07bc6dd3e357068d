//! Servers that run and cannot reach each other: in network namespaces, with rules that drop packets.

use crate::namespaces::Network;
use crate::{message, told, took, Heard};
use hubbub_tests::cluster::{view, wait_one_hub, NAMES};
use hubbub_tests::{wait, Client, Encoding, Hub};
use std::time::{Duration, Instant};

/// Views agree again so long after everything is well.
const AGREED: Duration = Duration::from_secs(10);
/// How long they are apart.
const APART: Duration = Duration::from_secs(8);

/// A person on each server who listens.
struct People {
    clients: Vec<Client>,
    heard: Vec<Heard>,
}

impl People {
    fn of(hubs: &[Hub]) -> People {
        let person = |(at, hub): (usize, &Hub)| {
            let mut client = hub.named(Encoding::Json, &format!("p{at}"));
            client.ask("subscribe room").ok();
            client
        };
        let clients: Vec<Client> = hubs.iter().enumerate().map(person).collect();
        People { heard: clients.iter().map(|_| Heard::default()).collect(), clients }
    }

    /// One says something, and these hear it in a short while.
    fn says(&mut self, from: usize, what: &str, heard_by: &[usize]) {
        let started = Instant::now();
        self.clients[from].ask(&format!("publish room {what}")).ok();
        for at in heard_by {
            loop {
                let event = message(&mut self.clients[*at]);
                self.heard[*at].note(&event);
                if event.get("data") == what {
                    break;
                }
            }
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{what}: {:?}", started.elapsed());
    }

    /// Everyone hears everyone, and everyone is listed once.
    fn are_together(&mut self, hubs: &[Hub]) {
        wait::until("messages to reach everyone", || {
            let reach = |client: &mut Client| client.ask("publish room test").json()["subscribers"] == 3;
            self.clients.iter_mut().map(reach).fold(true, |all, one| all & one).then_some(())
        });
        for from in 0..3 {
            self.says(from, &format!("last words of {from}"), &[0, 1, 2]);
        }
        for hub in hubs {
            let reply = hub.client(Encoding::Json).ask("clients p*");
            let rows = reply.json()["clients"].as_array().unwrap();
            let mut names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
            names.sort_unstable();
            assert_eq!(names, ["p0", "p1", "p2"], "each once");
        }
    }
}

/// Takes the last of three servers apart from the others, and lets it come back.
fn the_last_is_cut_off(cut: impl Fn(&Network)) {
    let Some(network) = Network::of(3) else { return };
    let hubs = network.servers();
    let all: Vec<&Hub> = hubs.iter().collect();
    took("three servers in namespaces are one hub after", wait_one_hub(&all, AGREED));
    let mut people = People::of(&hubs);
    let mut watchers: Vec<Client> = hubs.iter().map(|hub| hub.client(Encoding::Json)).collect();
    for watcher in &mut watchers {
        watcher.ask("subscribe $sys.server.*").ok();
    }
    people.are_together(&hubs);

    cut(&network);
    let since = Instant::now();
    let sees = |at: usize, wanted: &[&str]| {
        let mut client = hubs[at].client(Encoding::Json);
        wait::until("the others to be given up", || (view(&mut client).alive == wanted).then_some(()));
    };
    // Both sides serve before they know and after.
    people.says(0, "still here", &[0, 1]);
    people.says(2, "me too", &[2]);
    sees(0, &NAMES[..2]);
    sees(1, &NAMES[..2]);
    sees(2, &NAMES[2..3]);
    took("both sides had given each other up after", since.elapsed());
    for n in 0.. {
        people.says(1, &format!("a{n}"), &[0, 1]);
        people.says(2, &format!("b{n}"), &[2]);
        if since.elapsed() >= APART {
            break;
        }
        std::thread::sleep(Duration::from_millis(100)); // the pace of the talk while they are apart
    }
    network.heal(2);
    took("views agree again after", wait_one_hub(&all, AGREED));
    people.are_together(&hubs);
    let told: Vec<Vec<String>> = watchers.iter_mut().map(told).collect();
    for told in &told[..2] {
        assert_eq!(*told, ["$sys.server.down gamma", "$sys.server.joined gamma"]);
    }
    // Who still hears the others does not give them up, though it may ask for them in vain.
    let count = |what: &str| told[2].iter().filter(|event| event.starts_with(what)).count();
    let (down, joined) = (count("$sys.server.down"), count("$sys.server.joined"));
    assert!(down == joined && down <= 2, "{:?}", told[2]);
}

#[test]
fn two_sides_of_a_partition_serve_on_and_become_one_again() {
    the_last_is_cut_off(|network| {
        network.deafen(2, "");
        network.mute(2);
    });
}

#[test]
fn a_server_that_hears_nobody_is_apart_and_comes_back() {
    the_last_is_cut_off(|network| network.deafen(2, ""));
}

#[test]
fn a_server_that_nobody_hears_is_apart_and_comes_back() {
    the_last_is_cut_off(|network| network.mute(2));
}

#[test]
fn servers_of_one_network_find_each_other_by_calling() {
    let Some(network) = Network::of(3) else { return };
    let hubs = network.servers_that_call();
    let all: Vec<&Hub> = hubs.iter().collect();
    took("those who called are one hub after", wait_one_hub(&all, AGREED));
    People::of(&hubs).are_together(&hubs);
}

#[test]
fn a_network_that_loses_a_fifth_of_all_packets_makes_nobody_give_up_another() {
    let Some(network) = Network::of(3) else { return };
    let hubs = network.servers();
    let all: Vec<&Hub> = hubs.iter().collect();
    wait_one_hub(&all, AGREED);
    let mut people = People::of(&hubs);
    let mut watchers: Vec<Client> = hubs.iter().map(|hub| hub.client(Encoding::Json)).collect();
    for watcher in &mut watchers {
        watcher.ask("subscribe $sys.server.*").ok();
    }
    for at in 0..3 {
        network.deafen(at, "numgen random mod 5 == 0");
    }
    let since = Instant::now();
    let mut said = 0;
    while since.elapsed() < Duration::from_secs(10) {
        for client in &mut people.clients {
            client.ask("publish room something").ok();
            said += 1;
        }
        std::thread::sleep(Duration::from_millis(50)); // the pace of the talk
    }
    for at in 0..3 {
        network.heal(at);
    }
    took("views agree after", wait_one_hub(&all, AGREED));
    people.are_together(&hubs);
    for watcher in &mut watchers {
        assert_eq!(told(watcher), [""; 0], "nobody was given up");
    }
    let missed: Vec<u64> = people.heard.iter().map(|heard| heard.missed).collect();
    println!("{said} messages were said, and missed: {missed:?}");
}
