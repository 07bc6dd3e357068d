//! Clients are shared out among servers when they come, if they can follow.

use crate::library::member;
use futures::executor::block_on;
use hubbub_client::Options;
use hubbub_tests::{wait, Client, Cluster, Encoding};
use serde_json::{json, Value};

/// What a client that follows is told by the first server.
fn hello(cluster: &Cluster, encoding: Encoding, follow: bool) -> (Client, Value) {
    let mut client = cluster.client(0, encoding);
    let reply = client.ask_object(json!({"op": "hello", "follow": follow, "name": "newcomer"}));
    let whole = reply.whole().clone();
    (client, whole)
}

#[test]
fn clients_that_can_follow_are_sent_to_a_server_with_less() {
    let cluster = Cluster::joined(2);
    let crowd: Vec<Client> = (0..40).map(|_| cluster.client(0, Encoding::Json)).collect();
    let empty = cluster.hub(1).addr().to_string();
    for encoding in [Encoding::Json, Encoding::Frame] {
        // As soon as the other one has told how it is.
        let (mut sent, answer) = wait::until("somebody to be sent away", || {
            let (client, answer) = hello(&cluster, encoding, true);
            answer.get("error").is_some().then_some((client, answer))
        });
        assert_eq!(answer["error"]["code"], "too-many", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(&empty), "{answer}");
        let closing = sent.event().json;
        assert_eq!((&closing["event"], &closing["code"]), (&json!("closing"), &json!("too-many")));
        assert_eq!(closing["try"], json!([empty]));
        assert!(sent.next_event().is_none(), "closed after that");
    }
    // Whoever means this server stays, and so does who says nothing of it.
    let (mut stays, answer) = hello(&cluster, Encoding::Json, false);
    assert_eq!(answer["ok"]["server"], "alpha");
    assert_eq!(stays.ask("ping").ok(), "pong");
    let mut silent = cluster.client(0, Encoding::Frame);
    assert_eq!(silent.ask_object(json!({"op": "hello"})).json()["server"], "alpha");
    for n in 0..10 {
        let mut person = cluster.named(0, Encoding::Text, &format!("person{n}"));
        assert_eq!(person.ask("ping").ok(), "pong");
    }
    // The library follows without a word.
    let addr = cluster.hub(0).addr().to_string();
    let lib = member(&addr, "lib");
    assert_eq!(lib.client.server().server, "beta");
    assert_eq!(lib.client.addr(), empty);
    assert!(lib.events.so_far().is_empty(), "nothing happened that anybody would want to know");
    let stubborn = block_on(Options::new(&addr).follow(false).connect()).unwrap();
    assert_eq!(stubborn.server().server, "alpha");
    // A crowd that follows is shared out.
    let more: Vec<_> = (0..30).map(|n| member(&addr, &format!("more{n}"))).collect();
    let here = more.iter().filter(|m| m.client.server().server == "alpha").count();
    assert!(here <= 10, "{here} of 30 are with the 40 others");
    drop(crowd);
}
