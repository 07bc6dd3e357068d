//! Operators, drain and shutdown: who may, what clients are told, and how the process ends.

use hubbub_tests::{hub, in_every_encoding, wait, Client, Encoding, Hub, Socket};
use rustix::process::Signal;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

in_every_encoding!(ten_wrong_tokens_close_the_connection, a_drain_tells_everyone, sigterm_tells_everyone);

#[test]
fn the_token_lies_in_the_data_folder_for_its_owner_alone() {
    let hub = Hub::start();
    let file = hub.data_dir().join("operator.token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(hub.token().len() >= 32, "{:?} can be guessed", hub.token());
    assert_ne!(hub.token(), Hub::start().token());
    for encoding in Encoding::ALL {
        let mut client = hub.client(encoding);
        assert_eq!(client.ask("welcome scope=server no").code(), "not-allowed");
        client.ask(&format!("operator {}", hub.token())).ok();
        client.ask("welcome scope=server yes").ok();
    }
}

#[test]
fn the_token_is_in_no_log_and_no_list() {
    let hub = hub::builder().args(["--log-level", "trace"]).start();
    let mut operator = hub.operator();
    operator.ask("operator of-a-guess").code();
    operator.ask("clients all").ok();
    let log = hub.log();
    assert!(!log.contains(&hub.token()) && !log.contains("of-a-guess"), "{log}");
}

fn ten_wrong_tokens_close_the_connection(encoding: Encoding) {
    let hub = Hub::start();
    let mut guesser = hub.client(encoding);
    for n in 1..10 {
        assert_eq!(guesser.ask(&format!("operator guess-{n}")).code(), "not-allowed");
    }
    guesser.say("operator guess-10");
    assert_eq!(guesser.reply("the last guess").code(), "not-allowed");
    guesser.closed_with("not-allowed");
    let mut other = hub.client(encoding);
    other.ask(&format!("operator {}", hub.token())).ok();
}

/// Waits for the end of a server and checks that everyone was told.
fn everyone_was_told(mut hub: Hub, clients: Vec<Client>) {
    for mut client in clients {
        let why = client.closed_with("draining");
        assert!(!why.is_empty());
    }
    assert_eq!(hub.wait_end().code(), Some(0), "{}", hub.log());
    assert!(!hub.dir().join("ready.json").exists(), "a server that is gone is not ready");
}

fn a_drain_tells_everyone(encoding: Encoding) {
    let hub = Hub::start();
    let mut clients: Vec<Client> = (0..5).map(|_| hub.client(encoding)).collect();
    for client in &mut clients {
        client.ask("subscribe ops").ok();
    }
    let mut operator = hub.client(encoding);
    operator.ask(&format!("operator {}", hub.token())).ok();
    operator.ask("drain").ok();
    clients.push(operator);
    everyone_was_told(hub, clients);
}

fn sigterm_tells_everyone(encoding: Encoding) {
    let hub = Hub::start();
    let mut clients: Vec<Client> = (0..5).map(|_| hub.client(encoding)).collect();
    for client in &mut clients {
        client.ask("ping").ok();
    }
    hub.terminate();
    everyone_was_told(hub, clients);
}

#[test]
fn the_closing_event_says_when_to_come_back() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    client.ask("ping").ok();
    hub.terminate();
    let closing = std::iter::from_fn(|| client.next_event()).find(|e| e.get("event") == "closing").unwrap();
    let keys: Vec<&String> = closing.json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["code", "event", "message", "retry_ms", "try"]);
    assert!(closing.get("retry_ms").as_u64().unwrap() > 0 && closing.get("try").is_array());
}

#[test]
fn what_was_acknowledged_before_a_drain_is_delivered() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut writer = hub.client(Encoding::Json);
    let mut operator = hub.operator();
    let load = "x".repeat(500);
    let mut acknowledged = 0;
    for n in 0..3_000 {
        writer.say(&format!("publish ops {n} {load}"));
    }
    operator.say("drain");
    // Nobody has read yet: what fits neither socket nor pipe waits in the hub.
    while let Some(reply) = reply_or_end(&mut writer) {
        acknowledged += u64::from(reply);
    }
    let mut received = 0;
    while let Some(event) = reader.next_event() {
        if event.get("event") == "message" {
            received += 1;
            assert_eq!(event.get("seq"), received);
        } else {
            assert!(["notice", "closing"].contains(&event.get("event").as_str().unwrap()), "{event:?}");
        }
    }
    assert!(acknowledged > 0 && received >= acknowledged, "{received} of {acknowledged} acknowledged");
}

/// Whether the next thing is an acknowledgement; `None` at the end.
fn reply_or_end(client: &mut Client) -> Option<bool> {
    let line = client.socket().line()?;
    Some(line.contains("\"ok\""))
}

#[test]
fn a_drain_does_not_wait_for_who_does_not_read() {
    let (mut hub, _stalled) = slow_to_drain("60s");
    let mut operator = hub.operator();
    let started = Instant::now();
    operator.ask_object(json!({"op": "drain", "deadline_ms": 500})).ok();
    assert_eq!(hub.wait_end().code(), Some(0));
    let took = started.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?} with a deadline of 500 ms");
}

/// A hub that drains, with a worker that has a request, and the caller who waits for the answer.
fn drains_with_a_request_open(deadline: &str) -> (Hub, Client, String, Client) {
    let hub = hub::builder().args(["--drain-deadline", deadline]).start();
    let (mut worker, mut caller) = (hub.client(Encoding::Json), hub.client(Encoding::Json));
    worker.ask("serve deploy").ok();
    caller.say_object(json!({"op": "request", "service": "deploy", "data": "shop", "timeout_ms": 60_000}));
    let id = worker.event().get("request_id").as_str().unwrap().to_owned();
    let mut idle = hub.client(Encoding::Json);
    idle.ask("ping").ok();
    hub.terminate();
    idle.closed_with("draining");
    (hub, worker, id, caller)
}

#[test]
fn a_drain_waits_for_requests_under_way() {
    let (mut hub, mut worker, id, mut caller) = drains_with_a_request_open("60s");
    assert_eq!(worker.ask("request echo more").code(), "draining");
    worker.ask_object(json!({"op": "respond", "request_id": id, "data": "done"})).ok();
    assert_eq!(caller.reply("the request").json()["data"], "done");
    for client in [&mut worker, &mut caller] {
        client.closed_with("draining");
    }
    drop((worker, caller));
    assert_eq!(hub.wait_end().code(), Some(0));
}

#[test]
fn who_waits_longer_than_a_drain_is_told_that_no_answer_comes() {
    let (mut hub, mut worker, _, mut caller) = drains_with_a_request_open("1s");
    assert_eq!(caller.reply("the request").code(), "draining");
    for client in [&mut worker, &mut caller] {
        client.closed_with("draining");
    }
    drop((worker, caller));
    assert_eq!(hub.wait_end().code(), Some(0));
}

#[test]
fn one_signal_does_not_cut_a_drain_that_was_asked_for_otherwise() {
    let mut hub = Hub::start();
    let (mut worker, mut caller) = (hub.client(Encoding::Json), hub.client(Encoding::Json));
    worker.ask("serve deploy").ok();
    caller.say("request deploy shop");
    let id = worker.event().get("request_id").clone();
    hub.operator().ask_object(json!({"op": "drain", "deadline_ms": 60_000})).ok();
    hub.logged("\"draining\",\"clients\"");
    hub.terminate();
    hub.logged("told to stop");
    worker.ask_object(json!({"op": "respond", "request_id": id, "data": "done"})).ok();
    assert_eq!(caller.reply("the request").json()["data"], "done");
    drop((worker, caller));
    assert_eq!(hub.wait_end().code(), Some(0));
}

/// A hub that will drain for a while: a client does not read what is queued to it.
fn slow_to_drain(deadline: &str) -> (Hub, Client) {
    let hub = hub::builder().args(["--drain-deadline", deadline, "--stall-timeout", "60s"]).start();
    let mut stalled = hub.client(Encoding::Json);
    stalled.socket().shrink_receive_buffer();
    stalled.ask("subscribe ops").ok();
    let mut writer = hub.client(Encoding::Json);
    let load = "x".repeat(60_000);
    for _ in 0..100 {
        writer.ask(&format!("publish ops {load}")).ok();
    }
    (hub, stalled)
}

#[test]
fn who_comes_during_a_drain_is_sent_away() {
    let (mut hub, mut stalled) = slow_to_drain("60s");
    let mut other = hub.client(Encoding::Json);
    other.ask("ping").ok();
    hub.terminate();
    // Also who comes at the very moment of the signal.
    wait::until("newcomers to be refused", || match Socket::try_connect(hub.addr()) {
        Err(_) => Some(()),
        Ok(mut socket) => socket.rest_lines().iter().any(|l| l.contains("draining")).then_some(()),
    });
    other.closed_with("draining");
    assert!(hub.is_running(), "it still has something to send");
    while stalled.next_event().is_some() {}
    drop(stalled);
    assert_eq!(hub.wait_end().code(), Some(0));
}

#[test]
fn a_second_signal_is_not_asked_to_wait() {
    let (mut hub, stalled) = slow_to_drain("60s");
    let mut other = hub.client(Encoding::Json);
    other.ask("ping").ok();
    hub.terminate();
    other.closed_with("draining");
    hub.terminate();
    hub.wait_end_within(Duration::from_secs(5));
    drop(stalled);
}

#[test]
fn who_waits_for_an_answer_is_told_of_the_end() {
    let mut hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve slow").ok();
    let mut asker = hub.client(Encoding::Json);
    asker.say("request slow hi");
    provider.event();
    hub.terminate();
    let mut said = Vec::new();
    while let Some(line) = asker.socket().line() {
        said.push(line);
    }
    assert!(said.iter().any(|l| l.contains("\"closing\"") && l.contains("\"draining\"")), "{said:?}");
    assert_eq!(hub.wait_end().code(), Some(0));
}

#[test]
fn shutdown_is_drain_by_another_name_and_interrupt_too() {
    let mut hub = Hub::start();
    hub.operator().ask("shutdown").ok();
    assert_eq!(hub.wait_end().code(), Some(0));
    let mut hub = Hub::start();
    hub.process().signal(Signal::INT);
    assert_eq!(hub.wait_end().code(), Some(0));
}

#[test]
fn a_killed_hub_starts_again_in_the_same_place() {
    let hub = Hub::start();
    let token = hub.token();
    let mut client = hub.client(Encoding::Json);
    client.ask("subscribe ops").ok();
    let data = tempfile::tempdir().unwrap();
    let kept = hub::builder().data_dir(data.path()).start();
    let old_token = kept.token();
    let (addr, data_dir) = kept.kill();
    let again = hub::builder().data_dir(&data_dir).listen(addr).start();
    again.client(Encoding::Text).ask("ping").ok();
    again.operator().ask("ping").ok();
    assert_eq!(old_token.len(), again.token().len());
    assert_ne!(token, again.token());
}
