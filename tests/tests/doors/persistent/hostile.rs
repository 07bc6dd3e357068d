//! Bytes that are not what they should be: each has its error in the dialect, and the connection goes on
//! where the next frame can be found.

use super::{Form, Talk, FORMS};
use hubbub_tests::wire::frame;
use hubbub_tests::{Encoding, Hub};

#[test]
fn what_is_no_message_is_an_error_and_the_connection_goes_on() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        let key = if form == Form::Plain { "name" } else { "py/object" };
        let deep = format!(r#"{{"{key}":"echo-req","data":{}}}"#, "[".repeat(100_000));
        let long = format!(r#"{{"{key}":"{}"}}"#, "x".repeat(1000));
        let many: String = (0..20_000).map(|n| format!(r#","k{n}":{n}"#)).collect();
        for (body, part) in [
            ("", "not valid JSON"),
            ("\0\0\0\0", "not valid JSON"),
            ("{", "not valid JSON"),
            ("[]", "expected an object"),
            ("null", "expected an object"),
            ("{}", "has a key"),
            (r#"{"op":"ping","id":1}"#, "the hub's own commands"),
            (r#"{"op":"ping","name":"ping-req","py/object":"a.requests.PingRequest"}"#, "own commands"),
            (&format!(r#"{{"{key}":7}}"#), "is a text"),
            (&format!(r#"{{"{key}":null}}"#), "is a text"),
            (&format!(r#"{{"{key}":"a","{key}":"b"}}"#), "stands twice"),
            (&long, "is a text of 400 bytes"),
            (&deep, "deep"),
            (&format!(r#"{{"x":1{many}}}"#), "has a key"),
        ] {
            talk.say(body);
            talk.hears_error_about(400, part);
        }
        talk.say(b"{\"name\":\"\xff\"}");
        talk.hears_error(400, "messages are UTF-8, and this one is not");
        talk.is_alive();
    }
}

#[test]
fn the_other_form_is_not_spoken_on_the_same_connection() {
    let hub = Hub::start();
    for (form, other) in [(Form::Plain, Form::Pickle), (Form::Pickle, Form::Plain)] {
        let mut talk = Talk::open(&hub, form);
        talk.say(other.request("Ping", "null"));
        talk.hears_error_about(400, "as its first had");
        talk.is_alive();
    }
}

#[test]
fn the_first_frame_decides_for_good() {
    let hub = Hub::start();
    for first in [r#"{"op":"ping","id":1}"#, "nonsense", "[]", r#"{"op":"name","name":"open-req"}"#] {
        let mut talk = Talk::connect(&hub, Form::Plain);
        talk.say(first);
        let answered = first != r#"{"op":"name","name":"open-req"}"#;
        if answered {
            assert!(talk.next().unwrap().starts_with(r#"{"re":"#));
        }
        talk.say(r#"{"name":"open-req","data":null}"#);
        let said = talk.next().unwrap();
        assert!(said.starts_with(r#"{"re":null,"error":{"code":"bad-command""#), "{said}");
    }
}

#[test]
fn a_first_frame_of_the_dialect_is_answered_in_it_however_wrong_it_is() {
    let hub = Hub::start();
    let deep = format!(r#"{{"name":"open-req","data":{}}}"#, "[".repeat(1000));
    for (body, part) in
        [(r#"{"name":7}"#, "is a text"), (r#"{"name":"open-req","data":"#, "JSON"), (&deep, "deep")]
    {
        let mut talk = Talk::connect(&hub, Form::Plain);
        talk.say(body);
        talk.hears_error_about(400, part);
        talk.is_over();
    }
}

#[test]
fn large_frames_pass_and_larger_ones_end_the_connection() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        let text = format!("\"{}\"", "ü".repeat(500_000));
        talk.ask("Echo", &text);
        talk.hears(&form.bare_answer("Echo", &text));
        let object = format!(r#""t": {text}"#);
        talk.ask("Echo", &format!("{{{object}}}"));
        talk.hears(&form.answer("Echo", &object));
        talk.socket.send((1_u32 << 20 | 1).to_be_bytes());
        talk.hears_error(413, "a frame has 1048576 bytes at the most, and 1048577 were announced");
        talk.is_over();
        // Native until the first frame is whole: what is too long is not read.
        let mut talk = Talk::connect(&hub, form);
        talk.socket.send([0x08, 0xff, 0xff, 0xff]);
        assert!(talk.next().unwrap().contains("too-large"));
    }
}

#[test]
fn frames_may_come_byte_by_byte_and_all_at_once() {
    let hub = Hub::start();
    for form in FORMS {
        let all: Vec<u8> = [("Open", "null"), ("Echo", "1"), ("Ping", "null"), ("Close", "null")]
            .iter()
            .flat_map(|(stem, data)| frame(form.request(stem, data).as_bytes()))
            .collect();
        for chunk in [1, 7, all.len()] {
            let mut talk = Talk::connect(&hub, form);
            for piece in all.chunks(chunk) {
                talk.socket.send(piece);
            }
            talk.hears(&form.opened(&hub));
            talk.hears(&form.bare_answer("Echo", "1"));
            talk.hears(&form.bare_answer("Ping", "null"));
            talk.hears(&form.bare_answer("Close", "null"));
            talk.is_over();
        }
    }
}

#[test]
fn a_frame_without_its_end_is_not_run() {
    let hub = Hub::start();
    for form in FORMS {
        let mut talk = Talk::open(&hub, form);
        let cut = frame(form.request("Ping", "null").as_bytes());
        talk.socket.send(&cut[..cut.len() - 1]);
        talk.socket.finish();
        talk.hears_error(400, "the last frame has no end, and was not run");
        talk.is_over();
    }
}

#[test]
fn many_hostile_clients_leave_others_alone() {
    let hub = Hub::start();
    let mut good = Talk::open(&hub, Form::Pickle);
    for n in 0_u32..200 {
        let mut talk = Talk::connect(&hub, Form::Plain);
        let body =
            format!(r#"{{"name":"{}","data":{}"#, "\u{1}".repeat(n as usize % 9), "{".repeat(n as usize));
        // The hub may have closed already.
        let _ = talk.socket.try_send(frame(body.as_bytes()));
        let _ = talk.socket.try_send(n.wrapping_mul(2_654_435_761).to_be_bytes());
        if n % 3 == 0 {
            talk.socket.reset();
        }
        good.is_alive();
    }
    let mut watcher = hub.client(Encoding::Json);
    assert!(watcher.ask("ping").json()["server_time"].is_string());
}
