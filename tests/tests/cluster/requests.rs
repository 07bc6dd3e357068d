//! Requests and services across servers: who is asked, and what becomes of a request whose provider goes.

use hubbub_tests::{in_every_encoding, wait, Client, Cluster, Encoding, Event};
use serde_json::json;
use std::time::{Duration, Instant};

in_every_encoding!(
    a_request_is_answered_from_another_server,
    a_request_goes_on_to_a_provider_of_another_server_when_one_dies,
);

/// The id of a request, as the provider is shown it: `<bob> normalize ID: text`.
fn request_id(event: &Event, service: &str) -> String {
    let (_, rest) = event.line.split_once(&format!("> {service} ")).unwrap_or_else(|| panic!("{event:?}"));
    rest.split_once(':').unwrap().0.to_owned()
}

fn answer(provider: &mut Client, service: &str, text: &str) -> String {
    let event = provider.event();
    let id = request_id(&event, service);
    provider.ask(&format!("respond {id} {text}")).ok();
    event.line
}

fn a_request_is_answered_from_another_server(encoding: Encoding) {
    let cluster = Cluster::joined(2);
    let mut provider = cluster.client(0, encoding);
    // As soon as it is told that it serves, it is known everywhere.
    provider.ask("serve shout makes it loud").ok();
    for asker in Encoding::ALL {
        let mut client = cluster.named(1, asker, &format!("asker-{}", asker.as_str()));
        client.say("request shout hello  there");
        let line = answer(&mut provider, "shout", "HELLO  THERE");
        assert!(line.starts_with(&format!("<asker-{}> shout ", asker.as_str())), "{line}");
        assert!(line.ends_with(": hello  there"), "{line}");
        assert_eq!(client.reply("request").ok(), "shout: HELLO  THERE");
    }
}

#[test]
fn json_and_errors_come_back_as_they_are() {
    let cluster = Cluster::joined(2);
    let mut provider = cluster.client(0, Encoding::Json);
    provider.ask("serve sum").ok();
    let mut client = cluster.named(1, Encoding::Frame, "bob");
    let long = "ü".repeat(100_000);
    for data in [json!({"of": [1, 2]}), json!(null), json!("text"), json!(1.5), json!([long])] {
        client.say_object(json!({"op": "request", "service": "sum", "data": data}));
        let event = provider.event();
        assert_eq!((event.get("data"), event.get("from")), (&data, &json!("bob")));
        let id = event.get("request_id");
        provider.ask_object(json!({"op": "respond", "request_id": id, "data": {"got": data}})).ok();
        assert_eq!(client.reply("request").json(), &json!({"data": {"got": data}}));
    }
    client.say("request sum x");
    let id = provider.event().get("request_id").clone();
    provider.ask_object(json!({"op": "respond", "request_id": id, "error": "x is no number"})).ok();
    let (code, message) = client.reply("request").refusal();
    assert!(code == "internal" && message.contains("x is no number"), "{code}: {message}");
}

#[test]
fn providers_of_this_server_are_asked_first() {
    let cluster = Cluster::joined(2);
    let mut far = cluster.client(1, Encoding::Json);
    far.ask("serve work").ok();
    let mut near = cluster.client(0, Encoding::Json);
    near.ask("serve work").ok();
    let mut client = cluster.client(0, Encoding::Json);
    for _ in 0..10 {
        client.say("request work please");
        answer(&mut near, "work", "done");
        client.reply("request").ok();
    }
    far.nothing_more();
    near.ask("unserve work").ok();
    client.say("request work please");
    answer(&mut far, "work", "done elsewhere");
    assert_eq!(client.reply("request").ok(), "work: done elsewhere");
}

fn a_request_goes_on_to_a_provider_of_another_server_when_one_dies(encoding: Encoding) {
    let cluster = Cluster::joined(3);
    let mut providers: Vec<Client> =
        [0, 1, 1, 2].into_iter().map(|at| cluster.client(at, encoding)).collect();
    for provider in &mut providers {
        provider.ask("serve work").ok();
    }
    let mut client = cluster.named(0, encoding, "bob");
    client.say("request work important");
    while providers.len() > 1 {
        let holder = wait::until("somebody to get the request", || {
            providers.iter_mut().position(|p| !p.events_so_far().is_empty())
        });
        drop(providers.swap_remove(holder));
    }
    let line = answer(&mut providers[0], "work", "done at last");
    assert!(line.starts_with("<bob> work ") && line.ends_with(": important"), "{line}");
    assert_eq!(client.reply("request").ok(), "work: done at last");
    client.say("request work again");
    providers[0].event();
    drop(providers);
    assert_eq!(client.reply("request").code(), "no-responders");
    assert_eq!(client.ask("request work again").code(), "no-responders");
    assert_eq!(client.ask("request never.offered").code(), "no-such-service");
    for hub in cluster.hubs() {
        assert_eq!(hub.stat("requests_open"), 0);
    }
}

#[test]
fn a_request_goes_on_when_the_server_of_its_provider_is_killed() {
    let mut cluster = Cluster::joined(3);
    let mut first = cluster.client(1, Encoding::Json);
    first.ask("serve work").ok();
    let mut client = cluster.client(0, Encoding::Json);
    client.say("request work a");
    first.event();
    let mut second = cluster.client(2, Encoding::Json);
    second.ask("serve work").ok();
    cluster.kill(1);
    answer(&mut second, "work", "by the second");
    assert_eq!(client.reply("request").ok(), "work: by the second");
    client.say("request work b");
    second.event();
    cluster.kill(2);
    assert_eq!(client.reply("request").code(), "no-responders");
}

#[test]
fn a_request_ends_at_its_time_limit_wherever_its_provider_is() {
    let cluster = Cluster::joined(2);
    let mut provider = cluster.client(0, Encoding::Json);
    provider.ask("serve slow").ok();
    let mut client = cluster.client(1, Encoding::Json);
    let started = Instant::now();
    let late = client.ask_object(json!({"op": "request", "service": "slow", "data": 1, "timeout_ms": 300}));
    let (code, message) = late.refusal();
    assert!(code == "timeout" && message.contains("300"), "{code}: {message}");
    let after = started.elapsed();
    assert!(after >= Duration::from_millis(300) && after < Duration::from_secs(5), "{after:?}");
    let id = provider.event().get("request_id").clone();
    wait::until("the other server to forget it", || {
        (cluster.hub(0).stat("requests_open") == 0).then_some(())
    });
    let answer = provider.ask_object(json!({"op": "respond", "request_id": id, "data": "late"}));
    assert_eq!(answer.code(), "bad-argument");
    client.nothing_more();
}

#[test]
fn services_are_listed_once_with_all_their_providers() {
    let cluster = Cluster::joined(3);
    let mut providers: Vec<Client> = (0..3).map(|at| cluster.client(at, Encoding::Json)).collect();
    let mut one_more = cluster.client(2, Encoding::Json);
    for provider in providers.iter_mut().chain([&mut one_more]) {
        provider.ask("serve work does things").ok();
    }
    for (at, provider) in providers[..2].iter_mut().enumerate() {
        let mut client = cluster.client(at, Encoding::Json);
        for _ in 0..3 {
            client.say("request work x");
            answer(provider, "work", "done");
            client.reply("request").ok();
        }
    }
    for at in 0..3 {
        let reply = cluster.client(at, Encoding::Json).ask("services");
        let services = reply.json()["services"].as_array().unwrap().clone();
        let names: Vec<&str> = services.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["echo", "normalize", "reverse", "uuid", "work"], "each once");
        let work = &services[4];
        assert_eq!((&work["providers"], &work["requests"]), (&json!(4), &json!(6)), "{work}");
        assert_eq!(work["about"], "does things");
    }
}
