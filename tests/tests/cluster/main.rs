//! Several real servers that behave as one hub: how they find each other, what clients see of it, and
//! what is left of it when servers die, hang, restart, or cannot reach each other.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

mod asking;
mod crashes;
mod discovery;
mod intruders;
mod library;
mod load;
mod messages;
mod namespaces;
mod partitions;
mod requests;
mod rolling;
mod secrets;

use hubbub_tests::{wait, Client, Cluster, Encoding, Event};
use std::collections::HashMap;
use std::time::Duration;

/// Waits until every server knows a client, given as `name@server`.
fn wait_known(cluster: &Cluster, name: &str) {
    for hub in cluster.hubs() {
        let mut client = hub.client(Encoding::Text);
        wait::until(&format!("{name} to be known"), || {
            client.ask(&format!("whois {name}")).lines().last().unwrap().starts_with("ok").then_some(())
        });
        let bare = name.split('@').next().unwrap();
        // The directory knows it too, by which bare names are found.
        wait::until(&format!("{bare} to be known"), || {
            let reply = client.ask(&format!("whois {bare}"));
            (!reply.lines().last().unwrap().starts_with("error no-such")).then_some(())
        });
    }
}

/// The events that a watcher of `$sys` channels was sent so far, as `channel name`.
fn told(watcher: &mut Client) -> Vec<String> {
    let shown = |event: hubbub_tests::Event| {
        let channel = event.get("channel").as_str().unwrap().to_owned();
        format!("{channel} {}", event.get("data")["name"].as_str().unwrap())
    };
    watcher.events_so_far().into_iter().filter(is_message).map(shown).collect()
}

/// A notice of a possible gap is none.
fn is_message(event: &Event) -> bool {
    event.json["event"] == "message"
}

/// The next message.
fn message(client: &mut Client) -> Event {
    std::iter::repeat_with(|| client.event()).find(is_message).expect("there is no end but a panic")
}

/// Prints how long something took; `cargo test -- --nocapture` shows it.
fn took(what: &str, time: Duration) {
    println!("{what}: {time:?}");
}

/// What a subscriber has heard of each origin's messages of each channel: never the same twice.
#[derive(Debug, Default)]
struct Heard {
    last: HashMap<(String, String), u64>,
    /// How many are missing between those that came.
    missed: u64,
}

impl Heard {
    fn note(&mut self, event: &Event) {
        let text = |key: &str| event.get(key).as_str().unwrap().to_owned();
        let seq = event.get("seq").as_u64().unwrap();
        let last = self.last.entry((text("origin"), text("channel"))).or_insert(seq - 1);
        assert!(seq > *last, "a duplicate, or out of order: {event:?} after {last}");
        self.missed += seq - *last - 1;
        *last = seq;
    }
}
