//! The door `blob`, byte by byte: a 4-byte little-endian length and JSON, or bare JSON.

use hubbub_shared::Encoding;
use hubbub_tests::{wait, Hub, Socket};
use std::time::Duration;

/// A request as the old clients send it.
fn framed(json: &str) -> Vec<u8> {
    let mut bytes = (json.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes
}

fn ask(hub: &Hub, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut socket = hub.door("blob");
    socket.send(bytes);
    socket.rest()
}

fn told(hub: &Hub, json: &str) -> String {
    let answer = ask(hub, framed(json));
    let (length, body) = answer.split_at(4);
    assert_eq!(u32::from_le_bytes(length.try_into().unwrap()) as usize, body.len(), "for {json}");
    String::from_utf8(body.to_vec()).unwrap()
}

#[test]
fn a_connection_whose_first_byte_is_a_brace_is_answered_with_a_line() {
    let hub = super::with_door("blob");
    assert_eq!(ask(&hub, "{\"reverse\": 1}\n"), b"{\"error\": \"invalid request\"}\n");
    assert_eq!(ask(&hub, "{}"), b"{\"error\": \"invalid request\"}\n");
    let mut person: Socket = hub.door("blob");
    person.send("{\"factor\":");
    person.finish();
    assert_eq!(person.rest(), b"{\"error\": \"invalid request\"}\n");
}

#[test]
fn what_is_no_request_is_an_invalid_request() {
    let hub = super::with_door("blob");
    for json in [
        "",
        "null",
        "[]",
        "75",
        "\"factor\"",
        "{}",
        "{\"echo\": 1}",
        "{\"factor\": 1, \"fibonacci\": 2}",
        "{x",
    ] {
        assert_eq!(told(&hub, json), r#"{"error": "invalid request"}"#, "for {json}");
    }
}

#[test]
fn a_request_of_123_bytes_begins_with_a_brace_and_is_framed_all_the_same() {
    let hub = super::with_door("blob");
    let json = format!("{{\"echo\": \"{}\"}}", "x".repeat(123 - 12));
    assert_eq!((json.len(), framed(&json)[0]), (123, b'{'));
    assert_eq!(told(&hub, &json), r#"{"error": "invalid request"}"#);
}

#[test]
fn a_claim_beyond_the_bound_is_refused_before_its_bytes_come() {
    let hub = super::with("blob", &["--max-frame", "1KiB"]);
    let error = b"\x27\0\0\0{\"error\": \"value too large to process\"}";
    assert_eq!(ask(&hub, 1025_u32.to_le_bytes()), error);
    assert_eq!(ask(&hub, [0xff; 4]), error);
    assert_eq!(
        ask(&hub, format!("{{\"{}", "x".repeat(2000))),
        &error[4..].iter().chain(b"\n").copied().collect::<Vec<_>>()[..]
    );
}

#[test]
fn the_clients_of_the_door_are_seen_by_everybody() {
    let hub = super::with_door("blob");
    let (mut ann, mut blob) = (hub.client(Encoding::Json), hub.door("blob"));
    let list = |ann: &mut hubbub_tests::Client, state: &str| {
        let reply = ann.ask_object(serde_json::json!({"op": "clients", "state": state}));
        let all = reply.json()["clients"].as_array().unwrap().clone();
        all.into_iter().find(|client| client["encoding"] == "blob")
    };
    let open = wait::until("the client to be seen", || list(&mut ann, "open"));
    assert_eq!(open["port"], blob.local_addr().port());
    blob.send("{}");
    blob.rest();
    let closed = wait::until("the client to be remembered", || list(&mut ann, "closed"));
    assert_eq!((&closed["client_id"], &closed["reason"]), (&open["client_id"], &"answered".into()));
}

#[test]
fn who_asks_nothing_is_closed_in_time() {
    let hub = super::with("blob", &["--idle-timeout", "1s"]);
    let mut half = hub.door("blob");
    half.send(b"\x0e\0");
    assert_eq!((hub.door("blob").rest(), half.rest()), (Vec::new(), Vec::new()));
}

#[test]
fn a_drain_closes_the_door_and_its_clients() {
    let mut hub = super::with_door("blob");
    let mut blob = hub.door("blob");
    blob.send(b"\x0e\0");
    let addr = hub.door_addr("blob");
    hub.terminate();
    assert_eq!(String::from_utf8_lossy(&blob.rest()), "\x1f\0\0\0{\"error\": \"server is stopping\"}");
    drop(blob);
    assert!(hub.wait_end_within(Duration::from_secs(10)).success());
    assert!(Socket::try_connect(addr).is_err());
}
