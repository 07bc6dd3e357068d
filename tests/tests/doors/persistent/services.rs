//! Services as the dialect asks them: the hub's own, those of clients, and what becomes of a request
//! whose provider does not answer.

use super::{Form, Talk, FORMS};
use hubbub_tests::wire::frame;
use hubbub_tests::Cluster;
use hubbub_tests::{wait, Encoding, Hub};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

#[test]
fn the_hubs_own_services_answer() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        talk.ask("Reverse", r#""stressed""#);
        talk.hears(&form.bare_answer("Reverse", r#""desserts""#));
        talk.ask("Echo", r#"{"a": [1, {"b": null}]}"#);
        talk.hears(&form.answer("Echo", r#""a": [1, {"b": null}]"#));
        talk.ask("Echo", "[3, 5, 5]");
        talk.hears(&form.bare_answer("Echo", "[3, 5, 5]"));
        talk.ask("UUID", r#"{"title": "a \"book\""}"#);
        let answer: Value = serde_json::from_str(&talk.next().unwrap()).unwrap();
        assert_eq!(answer["data"]["title"], "a \"book\"");
        let uuid = answer["data"]["uuid"].as_str().unwrap();
        assert!(uuid.len() == 32 && uuid.bytes().all(|b| b.is_ascii_hexdigit()), "{uuid}");
        talk.ask("UUID", "[1]");
        talk.hears_error_about(400, "uuid takes");
    }
    assert_eq!(hub.stat("requests_open"), 0);
}

#[test]
fn the_class_of_the_data_is_not_the_services_business() {
    let hub = Hub::start();
    let mut talk = Talk::open(&hub, Form::Pickle);
    let class = "pc_protocol.mrequests.EchoRequest.EchoData";
    talk.ask("Echo", &format!(r#"{{"py/object": "{class}", "a": 1, "b": {{"py/object": "x.Y"}}}}"#));
    talk.hears(&Form::Pickle.answer("Echo", r#""a": 1, "b": {"py/object": "x.Y"}"#));
    talk.ask("Echo", &format!(r#"{{"a":1,"py/object":"{class}"}}"#));
    talk.hears(&Form::Pickle.answer("Echo", r#""a": 1"#));
    talk.ask("Echo", &format!(r#"{{"py/object": "{class}"}}"#));
    talk.hears(
        r#"{"py/object": "pc_protocol.mresponses.EchoResponse", "data": {"py/object": "pc_protocol.mresponses.EchoResponse.EchoData"}}"#,
    );
    // Without classes it is data like any other.
    let mut talk = Talk::open(&hub, Form::Plain);
    talk.ask("Echo", r#"{"py/object":"x.Y"}"#);
    talk.hears(&Form::Plain.bare_answer("Echo", r#"{"py/object":"x.Y"}"#));
}

#[test]
fn a_client_that_serves_is_asked_and_answers() {
    let hub = Hub::start();
    let mut worker = hub.client(Encoding::Json);
    worker.ask("serve big-thing").ok();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        match form {
            Form::Plain => talk.say(r#"{"name":"big-thing-req","data":{"n":7}}"#),
            Form::Pickle => talk.ask("BigThing", r#"{"py/object": "x.Y", "n":7}"#),
        }
        let request = worker.event();
        assert_eq!(request.get("data"), &json!({"n": 7}));
        let id = request.get("request_id").clone();
        worker.ask_object(json!({"op": "respond", "request_id": id, "data": {"twice": 14}})).ok();
        match form {
            Form::Plain => talk.hears(r#"{"name":"big-thing-res","data":{"twice":14}}"#),
            Form::Pickle => talk.hears(&form.answer("BigThing", r#""twice": 14"#)),
        }
        match form {
            Form::Plain => talk.say(r#"{"name":"big-thing-req"}"#),
            Form::Pickle => talk.ask("BigThing", "null"),
        }
        let request = worker.event();
        assert_eq!(request.get("data"), &Value::Null);
        let id = request.get("request_id").clone();
        worker.ask_object(json!({"op": "respond", "request_id": id, "error": "out of order"})).ok();
        talk.hears_error(500, "big-thing: out of order");
        talk.is_alive();
    }
}

#[test]
fn a_request_whose_provider_dies_goes_to_another_or_fails() {
    let hub = Hub::start();
    for form in FORMS {
        let mut workers = [hub.client(Encoding::Json), hub.client(Encoding::Json)].map(|mut worker| {
            worker.ask("serve shout").ok();
            worker
        });
        let mut talk = Talk::open(&hub, form);
        talk.ask("Shout", r#""hi""#);
        // Whoever is asked dies without a word.
        let asked = wait::until("one of them to be asked", || {
            workers.iter_mut().position(|worker| !worker.events_so_far().is_empty())
        });
        let [a, b] = workers;
        let (dying, mut other) = if asked == 0 { (a, b) } else { (b, a) };
        drop(dying);
        let id = other.event().get("request_id").clone();
        other.ask_object(json!({"op": "respond", "request_id": id, "data": "HI"})).ok();
        talk.hears(&form.bare_answer("Shout", r#""HI""#));
        talk.ask("Shout", r#""hi""#);
        other.event();
        drop(other);
        talk.hears_error(503, "all who offered shout are gone; nobody answered");
        talk.ask("Shout", "null");
        talk.hears_error(503, "all who offered shout are gone");
        talk.is_alive();
    }
}

#[test]
fn an_answer_that_does_not_come_is_told_in_time() {
    let hub = Hub::start();
    let mut worker = hub.client(Encoding::Json);
    worker.ask("serve slow").ok();
    let mut talks = FORMS.map(|form| Talk::open(&hub, form));
    for talk in &mut talks {
        talk.ask("Slow", "null");
    }
    for talk in &mut talks {
        talk.hears_error(408, "slow did not answer within 5000 ms");
        talk.is_alive();
    }
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let hub = Hub::start();
    let mut worker = hub.client(Encoding::Json);
    worker.ask("serve slow").ok();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        let requests = [("Slow", "1"), ("Ping", "null"), ("Echo", "2"), ("Slow", "3"), ("Echo", "4")];
        let all: Vec<u8> =
            requests.iter().flat_map(|(stem, data)| frame(form.request(stem, data).as_bytes())).collect();
        talk.socket.send(all);
        for n in [1, 3] {
            let request = worker.event();
            assert_eq!(request.get("data"), &json!(n));
            // What is behind it waits: the worker is not asked twice at once.
            assert!(worker.events_so_far().is_empty());
            let id = request.get("request_id").clone();
            worker.ask_object(json!({"op": "respond", "request_id": id, "data": n * 10})).ok();
        }
        talk.hears(&form.bare_answer("Slow", "10"));
        talk.hears(&form.bare_answer("Ping", "null"));
        talk.hears(&form.bare_answer("Echo", "2"));
        talk.hears(&form.bare_answer("Slow", "30"));
        talk.hears(&form.bare_answer("Echo", "4"));
    }
}

#[test]
fn who_goes_takes_its_request_with_it() {
    let hub = Hub::start();
    let mut worker = hub.client(Encoding::Json);
    worker.ask("serve slow").ok();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        talk.ask("Slow", "null");
        let id = worker.event().get("request_id").clone();
        drop(talk);
        wait::until("the request to be dropped", || (hub.stat("requests_open") == 0).then_some(()));
        let late = worker.ask_object(json!({"op": "respond", "request_id": id, "data": 1}));
        assert_eq!(late.code(), "bad-argument");
    }
}

/// Old clients write the length and the message in two writes, and leave the socket as it is: the
/// second waits for the acknowledgement of the first, which systems like to delay by 40 ms.
#[test]
fn a_length_and_its_message_may_come_in_two_writes_without_a_stall() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        talk.socket.stream().set_nodelay(false).unwrap();
        let ask = frame(form.request("Echo", "7").as_bytes());
        let mut times: Vec<Duration> = (0..60)
            .map(|_| {
                let since = Instant::now();
                talk.socket.send(&ask[..4]);
                talk.socket.send(&ask[4..]);
                talk.hears(&form.bare_answer("Echo", "7"));
                since.elapsed()
            })
            .collect();
        times.sort_unstable();
        assert!(times[30] < Duration::from_millis(40), "{times:?}");
    }
}

#[test]
fn services_of_other_servers_answer_too() {
    let cluster = Cluster::start(2);
    let mut worker = cluster.client(1, Encoding::Json);
    worker.ask("serve far").ok();
    let hub = cluster.hub(0);
    wait::until("the service to be known", || {
        let services = hub.client(Encoding::Json).ask("services").json()["services"].clone();
        services.as_array()?.iter().any(|s| s["name"] == "far").then_some(())
    });
    for form in FORMS {
        let mut talk = Talk::open(hub, form);
        talk.ask("Far", r#"{"n":1}"#);
        let request = worker.event();
        assert_eq!(request.get("data"), &json!({"n": 1}));
        let id = request.get("request_id").clone();
        worker.ask_object(json!({"op": "respond", "request_id": id, "data": "far away"})).ok();
        talk.hears(&form.bare_answer("Far", r#""far away""#));
    }
}
