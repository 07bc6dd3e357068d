//! What a channel remembers, and how much of it.

use hubbub_tests::transcript::play;
use hubbub_tests::{hub, in_every_encoding, Encoding, Hub};
use serde_json::{json, Value};

in_every_encoding!(the_last_messages_are_remembered, the_oldest_go_first);

fn the_last_messages_are_remembered(encoding: Encoding) {
    let script = "
        bob> publish ops one
        bob= ok published ops to 0
        bob> publish ops two
        bob= ok published ops to 0
        bob> publish other else
        bob= ok published other to 0
        bob> publish ops three
        bob= ok published ops to 0
        eve> history ops
        eve= …Z [ops] bob: one
        eve= …Z [ops] bob: two
        eve= …Z [ops] bob: three
        eve= ok 3 messages
        eve> history #ops 2
        eve= …[ops] bob: two
        eve= …[ops] bob: three
        eve= ok 2 messages
        eve> history ops 0
        eve= ok 0 messages
        eve> history nope
        eve= error no-such-channel: …
    ";
    play(&Hub::start(), encoding, script);
}

fn the_oldest_go_first(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for n in 1..=130 {
        client.ask(&format!("publish ops {n}")).ok();
    }
    let rows = client.ask("history ops").rows().to_vec();
    assert_eq!(rows.len(), 100);
    assert!(rows[0].ends_with(": 31") && rows[99].ends_with(": 130"), "{} … {}", rows[0], rows[99]);
    assert_eq!(client.ask("history ops 1000000").rows().len(), 100);
}

#[test]
fn a_remembered_message_is_the_event_without_its_first_key() {
    let hub = Hub::start();
    let mut client = hub.named(Encoding::Json, "bob");
    client.ask("subscribe ops").ok();
    let publish =
        json!({"op": "publish", "channel": "ops", "data": {"a": [1]}, "headers": {"k": "v"}, "reply": "r"});
    client.ask_object(publish).ok();
    let mut event = client.event().json;
    event.as_object_mut().unwrap().remove("event");
    let history = client.ask("history ops");
    assert_eq!(history.json()["messages"], json!([event]));
}

#[test]
fn since_leaves_out_what_is_known() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    for n in 1..=5 {
        client.ask(&format!("publish ops {n}")).ok();
    }
    let seqs = |reply: &Value| -> Vec<u64> {
        reply["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_u64().unwrap()).collect()
    };
    let since = client.ask_object(json!({"op": "history", "channel": "ops", "since": 3}));
    assert_eq!(seqs(since.json()), [4, 5]);
    let none = client.ask_object(json!({"op": "history", "channel": "ops", "since": 99}));
    assert_eq!(seqs(none.json()), [0; 0]);
    let mut text = hub.client(Encoding::Text);
    assert_eq!(text.ask("history ops since=4").rows().len(), 1);
}

#[test]
fn messages_bytes_and_the_total_are_bounded_by_the_options() {
    let hub = hub::builder()
        .args(["--history-messages", "10", "--history-bytes", "5000", "--history-total-bytes", "12000"])
        .start();
    let mut client = hub.client(Encoding::Json);
    let count = |client: &mut hubbub_tests::Client, channel: &str| {
        client.ask(&format!("history {channel}")).json()["messages"].as_array().unwrap().len()
    };
    for n in 0..30 {
        client.ask(&format!("publish small {n}")).ok();
    }
    assert_eq!(count(&mut client, "small"), 10, "messages of a channel");
    let kilobyte = "x".repeat(1000);
    for _ in 0..30 {
        client.ask(&format!("publish big {kilobyte}")).ok();
    }
    let kept = count(&mut client, "big");
    assert!((1..5).contains(&kept), "bytes of a channel: {kept} messages of 1000 bytes within 5000");
    for n in 0..20 {
        for _ in 0..4 {
            client.ask(&format!("publish many.{n} {kilobyte}")).ok();
        }
    }
    assert!(hub.stat("history_bytes") <= 12_000);
    assert_eq!(count(&mut client, "small"), 0, "the oldest go first, of whatever channel");
    assert!(count(&mut client, "many.19") >= 1);

    let forgetful = Hub::with(["--history-messages", "0"]);
    let mut client = forgetful.client(Encoding::Json);
    client.ask("publish ops hi").ok();
    assert_eq!(count(&mut client, "ops"), 0);
}

#[test]
fn a_message_larger_than_the_limit_is_delivered_and_not_remembered() {
    let hub = Hub::with(["--history-bytes", "1000"]);
    let mut client = hub.client(Encoding::Json);
    client.ask("subscribe ops").ok();
    client.ask(&format!("publish ops {}", "x".repeat(2000))).ok();
    assert_eq!(client.event().get("data").as_str().unwrap().len(), 2000);
    assert_eq!(client.ask("history ops").rows().len(), 0);
}
