//! Nothing grows with time: after many have come and gone, memory, descriptors, threads and the
//! entries of every table are what they were.

use crate::many_descriptors;
use hubbub_tests::{hub, wait, Client, Encoding, Hub};

/// Clients come, do everything that leaves a trace, and go.
fn round(hub: &Hub, n: usize) {
    let mut clients: Vec<Client> = Encoding::ALL.iter().map(|e| hub.client(*e)).collect();
    for (c, client) in clients.iter_mut().enumerate() {
        client.ask(&format!("name churn-{n}-{c}")).ok();
        client.ask(&format!("subscribe churn.{n} churn.{n}.* *.{n}.> group=g{n}")).ok();
        client.ask(&format!("serve service-{n}-{c}")).ok();
        client.ask("welcome hello").ok();
    }
    clients[0].say(&format!("request service-{n}-1 work"));
    clients[1].ask("ping").ok();
    clients[1].ask(&format!("publish churn.{n} hi")).ok();
    clients[2].ask(&format!("msg churn-{n}-1 hi")).ok();
    if n.is_multiple_of(2) {
        for mut client in clients {
            client.say("close");
            while client.socket().line_or_end().is_some() {}
        }
    }
}

#[test]
fn everything_returns_to_the_baseline() {
    many_descriptors();
    let hub = hub::builder().args(["--max-channels", "500", "--history-total-bytes", "1MiB"]).start();
    let mut baseline = None;
    let mut settled = |what: &str| {
        wait::until(what, || (hub.stat("clients") == 1).then_some(()));
        let stats = |key| hub.stat(key);
        // One more or less: the connection that asks may still be there.
        let descriptors = wait::until("descriptors to be closed", || {
            Some(hub.process().descriptors()).filter(|n| baseline.is_none_or(|b: usize| *n <= b + 1))
        });
        baseline.get_or_insert(descriptors);
        [stats("subscriptions"), stats("patterns"), stats("requests_open")]
    };
    // A server that has just started may still open what it keeps.
    round(&hub, 1_800);
    let fresh = settled("the first clients to go");
    for n in 0..600 {
        round(&hub, n);
    }
    let first = settled("the first rounds to end");
    let rss_first = hub.process().rss();
    let threads = hub.process().threads();
    for n in 600..1800 {
        round(&hub, n);
    }
    let second = settled("the later rounds to end");
    assert_eq!(first, fresh);
    assert_eq!(second, fresh);
    assert_eq!(hub.process().threads(), threads);
    // The list of the closed grows to 10,000 entries by design: 3,600 more of them, at 1 KiB each.
    let grown = hub.process().rss().saturating_sub(rss_first);
    assert!(grown < (3_600 << 10) + (4 << 20), "grew by {} KiB", grown >> 10);
    assert!(hub.stat("channels") <= 500);
}

#[test]
fn the_list_of_the_closed_is_bounded() {
    // A reply is cut at a part of the queue; here it is to be whole.
    let hub = Hub::with(["--max-queue", "64MiB"]);
    let mut watcher = hub.client(Encoding::Json);
    for batch in 0..11 {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let mut socket = hub.socket();
                        socket.send("close\n");
                        socket.rest();
                    }
                });
            }
        });
        watcher.ask(&format!("publish batch {batch}")).ok();
    }
    wait::until("all to be gone", || (hub.stat("clients") == 2).then_some(()));
    let closed = watcher.ask("clients closed limit=20000");
    assert_eq!(closed.json()["clients"].as_array().unwrap().len(), 10_000);
}
