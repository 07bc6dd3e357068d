//! Services: the hub's own, those of clients, several providers, and everything that can go wrong
//! between a request and its answer.

use hubbub_tests::{in_every_encoding, wait, Client, Encoding, Hub};
use serde_json::{json, Value};
use std::collections::HashSet;

in_every_encoding!(
    the_hub_offers_reverse_echo_uuid_and_normalize,
    a_client_serves_in_its_encoding,
    providers_share_the_requests,
    a_provider_that_goes_takes_its_requests_with_it,
    only_who_was_asked_may_answer_and_only_once,
    services_are_listed_with_what_they_did,
    unserve_ends_an_offer,
    a_request_goes_on_to_the_next_provider_when_one_dies,
);

/// The id of a request, as the provider is shown it: `<bob> normalize ID: text`.
fn request_id(event: &hubbub_tests::Event, service: &str) -> String {
    let (_, rest) = event.line.split_once(&format!("> {service} ")).unwrap_or_else(|| panic!("{event:?}"));
    rest.split_once(':').unwrap().0.to_owned()
}

fn the_hub_offers_reverse_echo_uuid_and_normalize(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    assert_eq!(client.ask("request reverse stressed").ok(), "reverse: desserts");
    assert_eq!(client.ask("request echo  as  it is").ok(), "echo:  as  it is");
    let name = client.ask("request normalize Prof. Dr.-Ing. MÜLLER, hans-peter").ok().to_owned();
    assert_eq!(name, "normalize: Hans-Peter Müller");
    let mut ids = HashSet::new();
    for _ in 0..50 {
        let answer = client.ask("request uuid a book").ok().strip_prefix("uuid: ").unwrap().to_owned();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let id = answer["uuid"].as_str().unwrap().to_owned();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert_eq!(answer["title"], "a book");
        assert!(ids.insert(id));
    }
}

fn a_client_serves_in_its_encoding(encoding: Encoding) {
    let hub = Hub::start();
    let mut provider = hub.named(encoding, "worker");
    provider.ask("serve shout makes it loud").ok();
    for asker in Encoding::ALL {
        let mut client = hub.named(asker, &format!("asker-{}", asker.as_str()));
        client.say("request shout hello there");
        let request = provider.event();
        let id = request_id(&request, "shout");
        assert_eq!(request.line, format!("<asker-{}> shout {id}: hello there", asker.as_str()));
        provider.ask(&format!("respond {id} HELLO THERE")).ok();
        assert_eq!(client.reply("request").ok(), "shout: HELLO THERE");
    }
}

fn providers_share_the_requests(encoding: Encoding) {
    let hub = Hub::start();
    let mut providers: Vec<Client> = (0..3).map(|_| hub.client(encoding)).collect();
    for provider in &mut providers {
        provider.ask("serve work").ok();
    }
    let mut client = hub.client(Encoding::Json);
    for n in 0..30 {
        client.say(&format!("request work {n}"));
    }
    client.ask("ping").ok();
    let mut shares = Vec::new();
    for provider in &mut providers {
        let requests = provider.events_so_far();
        for request in &requests {
            provider.ask(&format!("respond {} done", request_id(request, "work"))).ok();
        }
        shares.push(requests.len());
    }
    assert_eq!(shares.iter().sum::<usize>(), 30, "{shares:?}");
    assert!(shares.iter().all(|n| *n >= 5), "each gets a fair share: {shares:?}");
    for _ in 0..30 {
        assert_eq!(client.reply("request").ok(), "work: done");
    }
}

fn a_provider_that_goes_takes_its_requests_with_it(encoding: Encoding) {
    let hub = Hub::start();
    let mut provider = hub.client(encoding);
    provider.ask("serve work").ok();
    let mut client = hub.client(encoding);
    client.say("request work please");
    provider.event();
    drop(provider);
    let (code, message) = client.reply("request").refusal();
    assert_eq!(code, "no-responders", "{message}");
    assert_eq!(client.ask("request work again").code(), "no-responders", "it was offered once");
    assert_eq!(client.ask("request never.offered").code(), "no-such-service");
    assert_eq!(hub.stat("requests_open"), 0);
}

fn only_who_was_asked_may_answer_and_only_once(encoding: Encoding) {
    let hub = Hub::start();
    let mut provider = hub.client(encoding);
    provider.ask("serve work").ok();
    let mut stranger = hub.client(encoding);
    let mut client = hub.client(encoding);
    client.say("request work please");
    let id = request_id(&provider.event(), "work");
    let refused = stranger.ask(&format!("respond {id} forged")).code();
    assert!(["not-allowed", "bad-argument"].contains(&refused), "{refused}");
    provider.ask(&format!("respond {id} real")).ok();
    assert_eq!(client.reply("request").ok(), "work: real");
    assert_eq!(provider.ask(&format!("respond {id} twice")).code(), "bad-argument");
    assert_eq!(provider.ask("respond 7 what").code(), "bad-argument");
    client.nothing_more();
}

fn services_are_listed_with_what_they_did(encoding: Encoding) {
    let hub = Hub::start();
    let mut provider = hub.client(encoding);
    provider.ask("serve work does things").ok();
    let mut client = hub.client(encoding);
    client.ask("request reverse abc").ok();
    let rows = client.ask("services").rows().to_vec();
    let names: Vec<&str> = rows.iter().filter_map(|r| r.split_whitespace().next()).collect();
    let row = |name: &str| {
        let at = names.iter().position(|n| *n == name).unwrap_or_else(|| panic!("no {name} in {names:?}"));
        rows[at].as_str()
    };
    for name in ["echo", "factor", "fibonacci", "normalize", "palindrome", "points", "uuid"] {
        assert!(row(name).contains("providers=1 requests=0"), "{}", row(name));
    }
    assert!(row("reverse").contains("providers=1 requests=1 errors=0"), "{}", row("reverse"));
    assert!(
        row("work").contains("providers=1 requests=0 errors=0") && row("work").ends_with("— does things"),
        "{}",
        row("work")
    );
}

fn unserve_ends_an_offer(encoding: Encoding) {
    let hub = Hub::start();
    let mut provider = hub.client(encoding);
    provider.ask("serve work").ok();
    provider.ask("unserve work").ok();
    let mut client = hub.client(encoding);
    assert_eq!(client.ask("request work hi").code(), "no-responders");
    assert_eq!(provider.ask("unserve work").code(), "no-such-service");
    provider.ask("serve work").ok();
    client.say("request work hi");
    let id = request_id(&provider.event(), "work");
    provider.ask(&format!("respond {id} back again")).ok();
    assert_eq!(client.reply("request").ok(), "work: back again");
}

fn a_request_goes_on_to_the_next_provider_when_one_dies(encoding: Encoding) {
    let hub = Hub::start();
    let mut providers: Vec<Client> = (0..3).map(|_| hub.client(encoding)).collect();
    for provider in &mut providers {
        provider.ask("serve work").ok();
    }
    let mut client = hub.named(encoding, "bob");
    client.say("request work important");
    // One after the other gets it and goes; the last one answers.
    while providers.len() > 1 {
        let holder = wait::until("somebody to get the request", || {
            providers.iter_mut().position(|p| !p.events_so_far().is_empty())
        });
        drop(providers.swap_remove(holder));
    }
    let event = providers[0].event();
    let id = request_id(&event, "work");
    assert_eq!(event.line, format!("<bob> work {id}: important"));
    providers[0].ask(&format!("respond {id} done at last")).ok();
    assert_eq!(client.reply("request").ok(), "work: done at last");
    client.nothing_more();
}

#[test]
fn json_goes_through_a_service_as_it_is() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve sum").ok();
    let mut client = hub.named(Encoding::Frame, "bob");
    for data in [json!({"of": [1, 2]}), json!(null), json!([]), json!("text"), json!(1.5)] {
        client.say_object(json!({"op": "request", "service": "sum", "data": data}));
        let event = provider.event();
        let keys: Vec<&String> = event.json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["data", "event", "from", "request_id", "service"]);
        assert_eq!((event.get("data"), event.get("from")), (&data, &json!("bob")));
        provider
            .ask_object(
                json!({"op": "respond", "request_id": event.get("request_id"), "data": {"got": data}}),
            )
            .ok();
        assert_eq!(client.reply("request").json(), &json!({"data": {"got": data}}));
        let echoed = client.ask_object(json!({"op": "request", "service": "echo", "data": data}));
        assert_eq!(echoed.json()["data"], data);
    }
}

#[test]
fn a_service_may_answer_with_an_error() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve sum").ok();
    let mut client = hub.client(Encoding::Json);
    client.say("request sum x");
    let id = provider.event().get("request_id").clone();
    let both = json!({"op": "respond", "request_id": id, "data": 1, "error": "no"});
    assert_eq!(provider.ask_object(both).code(), "bad-argument");
    let neither = json!({"op": "respond", "request_id": id});
    assert_eq!(provider.ask_object(neither).code(), "bad-argument");
    provider.ask_object(json!({"op": "respond", "request_id": id, "error": "x is no number"})).ok();
    let (_, message) = client.reply("request").refusal();
    assert!(message.contains("x is no number"), "{message}");
    let services = client.ask("services");
    let sum = services.json()["services"].as_array().unwrap().iter().find(|s| s["name"] == "sum").cloned();
    assert_eq!(sum.unwrap()["errors"], 1);
}

#[test]
fn a_request_ends_at_its_time_limit() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve slow").ok();
    let mut client = hub.client(Encoding::Json);
    let started = std::time::Instant::now();
    let late = client.ask_object(json!({"op": "request", "service": "slow", "data": 1, "timeout_ms": 200}));
    let (code, message) = late.refusal();
    assert!(code == "timeout" && message.contains("200"), "{code}: {message}");
    assert!(started.elapsed().as_millis() >= 200);
    let id = provider.event().get("request_id").clone();
    let answer = provider.ask_object(json!({"op": "respond", "request_id": id, "data": "late"}));
    assert_eq!(answer.code(), "bad-argument", "there is no such request any more");
    client.nothing_more();
    let forever = json!({"op": "request", "service": "slow", "data": 1, "timeout_ms": 3_600_001});
    assert_eq!(client.ask_object(forever).code(), "bad-argument");
}

#[test]
fn requests_overtake_each_other_and_other_commands() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve work").ok();
    let mut client = hub.client(Encoding::Json);
    client.socket().send(
        "{\"op\":\"request\",\"id\":\"first\",\"service\":\"work\",\"data\":1}\n\
         {\"op\":\"request\",\"id\":\"second\",\"service\":\"work\",\"data\":2}\n{\"op\":\"ping\",\"id\":\"third\"}\n",
    );
    assert!(client.socket().must_line().starts_with(r#"{"re":"third""#), "nothing waits for a service");
    let ids: Vec<Value> = (0..2).map(|_| provider.event().get("request_id").clone()).collect();
    for (at, re) in [(1, "second"), (0, "first")] {
        provider.ask_object(json!({"op": "respond", "request_id": ids[at], "data": re})).ok();
        assert_eq!(client.socket().must_line(), format!(r#"{{"re":"{re}","ok":{{"data":"{re}"}}}}"#));
    }
}

#[test]
fn who_asks_and_goes_leaves_nothing_behind() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve work").ok();
    let mut client = hub.client(Encoding::Json);
    client.say("request work hi");
    let id = provider.event().get("request_id").clone();
    drop(client);
    wait::until("the request to be forgotten", || (hub.stat("requests_open") == 0).then_some(()));
    let answer = provider.ask_object(json!({"op": "respond", "request_id": id, "data": 1}));
    assert_eq!(answer.code(), "bad-argument");
    provider.ask("ping").ok();
}

#[test]
fn whoever_said_all_that_he_had_to_say_is_still_answered() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve slow").ok();
    let mut asker = hub.socket();
    asker.send("request slow one\nrequest slow two\n");
    asker.finish();
    for _ in 0..2 {
        let id = provider.event().get("request_id").clone();
        provider.ask_object(json!({"op": "respond", "request_id": id, "data": "here"})).ok();
    }
    assert_eq!(asker.rest_lines(), ["ok slow: here", "ok slow: here"]);
}

#[test]
fn a_client_may_ask_itself() {
    let hub = Hub::start();
    let mut client = hub.named(Encoding::Json, "hermit");
    client.ask("serve think").ok();
    client.say("request think deeply");
    let event = client.event();
    assert_eq!(event.get("from"), "hermit");
    client.say_object(json!({"op": "respond", "request_id": event.get("request_id"), "data": "42"}));
    let mut answers = vec![client.reply("either").lines().to_vec(), client.reply("or").lines().to_vec()];
    answers.sort();
    assert_eq!(answers, [vec!["ok".to_owned()], vec!["ok think: 42".to_owned()]]);
}
