//! How connections of the dialect end: silence, a drain, a shutdown and who may ask for one.

use super::{Form, Talk, FORMS};
use hubbub_tests::wire::frame;
use hubbub_tests::{Encoding, Hub};
use serde_json::json;
use std::time::{Duration, Instant};

const NOT_ALLOWED: &str = "this server is shut down by its operators, who send their token (as token in the data), or by any client on its loopback where it runs with --allow-shutdown";

#[test]
fn a_silent_connection_is_told_so_and_closed() {
    let hub = Hub::with(["--persistent-timeout", "1s"]);
    for form in FORMS {
        let since = Instant::now();
        let mut talk = Talk::open(&hub, form);
        talk.hears(&form.bare_answer("Close", "null"));
        talk.is_over();
        assert!(since.elapsed() >= Duration::from_secs(1), "{:?}", since.elapsed());
        let closed = hub.client(Encoding::Json).ask("clients closed").json()["clients"][0].clone();
        assert_eq!(closed["reason"], "timeout: nothing was said for 1 s");
    }
}

#[test]
fn waiting_for_an_answer_is_not_silence() {
    let hub = Hub::with(["--persistent-timeout", "3s"]);
    let mut worker = hub.client(Encoding::Json);
    worker.ask("serve slow").ok();
    let mut talk = Talk::open(&hub, Form::Plain);
    talk.ask("Slow", "null");
    talk.hears_error(408, "slow did not answer within 5000 ms");
    talk.is_alive();
    talk.hears(&Form::Plain.bare_answer("Close", "null"));
    talk.is_over();
}

#[test]
fn a_drain_says_goodbye_in_the_dialect() {
    let mut hub = Hub::start();
    let mut talks = FORMS.map(|form| Talk::open(&hub, form));
    let mut modules = Talk::connect(&hub, Form::Pickle);
    modules.say(r#"{"py/object": "a.prequests.OpenRequest", "data": null}"#);
    modules.next().unwrap();
    hub.terminate();
    for talk in &mut talks {
        let goodbye = talk.form.bare_answer("Close", "null");
        talk.hears(&goodbye);
        talk.is_over();
    }
    modules.hears(r#"{"py/object": "a.presponses.CloseResponse", "data": null}"#);
    modules.is_over();
    drop((talks, modules));
    assert!(hub.wait_end().success());
}

#[test]
fn a_shutdown_is_for_operators() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        talk.ask("Shutdown", "null");
        talk.hears_error(403, NOT_ALLOWED);
        talk.is_alive();
    }
}

#[test]
fn with_allow_shutdown_any_client_of_the_machine_may_ask_for_it() {
    for form in FORMS {
        let mut hub = Hub::with(["--allow-shutdown"]);
        let mut other = Talk::open(&hub, form);
        let mut talk = Talk::open(&hub, form);
        talk.ask("Shutdown", "null");
        talk.hears(&form.bare_answer("Shutdown", "null"));
        for talk in [&mut talk, &mut other] {
            talk.hears(&form.bare_answer("Close", "null"));
            talk.is_over();
        }
        drop((talk, other));
        assert!(hub.wait_end().success());
    }
}

#[test]
fn an_open_while_the_server_shuts_down_is_refused() {
    for form in FORMS {
        let mut hub = Hub::with(["--allow-shutdown"]);
        let mut talk = Talk::open(&hub, form);
        let both = [form.request("Shutdown", "null"), form.request("Open", "null")];
        talk.socket.send(both.map(|body| frame(body.as_bytes())).concat());
        talk.hears(&form.bare_answer("Shutdown", "null"));
        talk.hears_error(400, "Shutting down, not accepting connections.");
        talk.is_over();
        drop(talk);
        assert!(hub.wait_end().success());
    }
}

#[test]
fn an_operator_may_ask_for_a_shutdown_with_the_token() {
    for form in FORMS {
        let mut hub = Hub::start();
        let mut talk = Talk::open(&hub, form);
        talk.ask("Shutdown", r#"{"token": "wrong"}"#);
        talk.hears_error(403, NOT_ALLOWED);
        talk.ask("Shutdown", &format!(r#"{{"token": "{}"}}"#, hub.token()));
        talk.hears(&form.bare_answer("Shutdown", "null"));
        talk.hears(&form.bare_answer("Close", "null"));
        talk.is_over();
        drop(talk);
        assert!(hub.wait_end().success());
    }
}

#[test]
fn a_shutdown_waits_for_answers_that_are_owed() {
    for form in FORMS {
        let mut hub = Hub::with(["--allow-shutdown"]);
        let (mut other, mut talk) = (Talk::open(&hub, form), Talk::open(&hub, form));
        let mut worker = hub.client(Encoding::Json);
        worker.ask("serve slow").ok();
        other.ask("Slow", "null");
        let request = worker.event();
        talk.ask("Shutdown", "null");
        talk.hears(&form.bare_answer("Shutdown", "null"));
        talk.hears(&form.bare_answer("Close", "null"));
        let id = request.get("request_id").clone();
        worker.ask_object(json!({"op": "respond", "request_id": id, "data": "done"})).ok();
        other.hears(&form.bare_answer("Slow", r#""done""#));
        other.hears(&form.bare_answer("Close", "null"));
        for talk in [&mut talk, &mut other] {
            talk.is_over();
        }
        drop((talk, other, worker));
        assert!(hub.wait_end().success());
    }
}
