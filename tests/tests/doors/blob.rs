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
fn the_old_log_byte_by_byte() {
    let hub = super::with_door("blob");
    let request = b"\x0e\0\0\0{\"factor\": 75}";
    assert_eq!(ask(&hub, request), b"\x09\0\0\0[3, 5, 5]");
    assert_eq!(ask(&hub, &request[4..]), b"[3, 5, 5]\n");
}

#[test]
fn every_row_of_the_table() {
    let hub = super::with("blob", &["--max-fibonacci", "200000", "--max-factor-bits", "100"]);
    let invalid = r#"{"error": "invalid request"}"#;
    let too_large = r#"{"error": "value too large to process"}"#;
    let long = "9".repeat(400);
    let rows = [
        (r#"{"factor": 75}"#, "[3, 5, 5]"),
        (r#"{"factor":75757575}"#, "[3, 5, 5, 73, 101, 137]"),
        (r#"{"factor": 757575}"#, "[3, 3, 5, 5, 7, 13, 37]"),
        (r#"{"factor": 18446744073709551557}"#, "[18446744073709551557]"),
        (r#"{"factor": 18446744073709551615}"#, "[3, 5, 17, 257, 641, 65537, 6700417]"),
        (r#"{"palindrome": "was it a cat i saw"}"#, "true"),
        (r#"{"palindrome": "was it a dog i saw"}"#, "false"),
        (r#"{"palindrome": " \n\t"}"#, "true"),
        (r#"{"fibonacci": 12}"#, "144"),
        (r#"{"fibonacci": 0}"#, "0"),
        (r#"{"fibonacci": 200}"#, "280571172992510140037611932413038677189525"),
        (r#"{"factor": "75"}"#, invalid),
        (r#"{"factor": 7.5}"#, invalid),
        (r#"{"factor": -75}"#, invalid),
        (r#"{"factor": null}"#, invalid),
        (r#"{"palindrome": 11}"#, invalid),
        (r#"{"fibonacci": -1}"#, invalid),
        (r#"{"fibonacci": [12]}"#, invalid),
        (r#"{"prime": 7}"#, invalid),
        (r#"[{"factor": 75}]"#, invalid),
        (r#"{"factor": 1267650600228229401496703205376}"#, too_large),
        (r#"{"fibonacci": 200001}"#, too_large),
        (r#"{"f\u0061ctor": 75}"#, "[3, 5, 5]"),
        (&format!(r#"{{"factor": {long}}}"#), too_large),
        (&format!(r#"{{"fibonacci": {long}}}"#), too_large),
        (&format!(r#"{{"prime": {long}}}"#), invalid),
    ];
    for (request, answer) in rows {
        assert_eq!(told(&hub, request), answer, "for {request}");
        let bare = String::from_utf8(ask(&hub, format!("{request}\n"))).unwrap();
        if request.starts_with('{') {
            assert_eq!(bare, format!("{answer}\n"), "for bare {request}");
        }
    }
}

#[test]
fn a_large_fibonacci_number_is_exact() {
    let hub = super::with_door("blob");
    let digits = told(&hub, r#"{"fibonacci": 121212}"#);
    assert_eq!(digits.len(), 25_332);
    assert!(digits.bytes().all(|digit| digit.is_ascii_digit()));
    // Its last digits by the recurrence, modulo 10^18.
    let (mut a, mut b) = (0_u64, 1_u64);
    for _ in 0..121_212 {
        (a, b) = (b, (a + b) % 1_000_000_000_000_000_000);
    }
    assert!(digits.ends_with(&a.to_string()), "{}", &digits[digits.len() - 20..]);
}

#[test]
fn the_requests_of_the_door_are_those_of_the_hubs_services() {
    let hub = super::with_door("blob");
    told(&hub, r#"{"factor": 75}"#);
    told(&hub, r#"{"factor": 0}"#);
    let row = row_of(&hub, "factor");
    assert!(row.contains("requests=2 errors=1"), "{row}");
}

/// What the list of services tells of one.
fn row_of(hub: &Hub, service: &str) -> String {
    let rows = hub.client(Encoding::Text).ask("services").rows().join("\n");
    let start = format!("{service} ");
    rows.lines().find(|row| row.trim_start().starts_with(&start)).unwrap().to_owned()
}

/// Two primes of 64 bits: some tenth of a second.
const PRODUCT: &str = "340282366920938460843936948965011886881";
const HEAVY: &str = r#"{"factor": 340282366920938460843936948965011886881}"#;
const ITS_FACTORS: &str = "[18446744073709551533, 18446744073709551557]";

#[test]
fn one_that_closes_before_its_answer_ends_the_work_on_it() {
    // One worker, and more than it does in a quarter of a minute.
    let hub = super::with("blob", &["--workers", "1"]);
    let mut gone: Vec<Socket> = (0..300).map(|_| hub.door("blob")).collect();
    gone.iter_mut().for_each(|socket| socket.send(framed(HEAVY)));
    wait::until("the requests to wait", || (hub.stat("requests_open") > 150).then_some(()));
    drop(gone);
    let nothing = wait::within(Duration::from_secs(10), || (hub.stat("requests_open") == 0).then_some(()));
    assert!(nothing.is_some(), "{} are still worked on", hub.stat("requests_open"));
}

#[test]
fn one_that_closes_its_side_alone_is_answered() {
    let hub = super::with_door("blob");
    // At once, and by a worker.
    for (request, answer) in [
        (r#"{"factor": 75}"#, "[3, 5, 5]"),
        (r#"{"factor": 18446744030759878681}"#, "[4294967291, 4294967291]"),
    ] {
        let mut socket = hub.door("blob");
        socket.send(framed(request));
        socket.finish();
        assert_eq!(socket.rest(), framed(answer));
    }
}

#[test]
fn as_many_as_come_at_once_are_answered_in_their_turn() {
    let hub = super::with("blob", &["--workers", "1"]);
    let mut heavy: Vec<Socket> = (0..60).map(|_| hub.door("blob")).collect();
    heavy.iter_mut().for_each(|socket| socket.send(framed(HEAVY)));
    wait::until("the requests to wait", || (hub.stat("requests_open") > 40).then_some(()));
    // A short one does not wait for all the long ones before it.
    assert_eq!(told(&hub, r#"{"factor": 18446744030759878681}"#), "[4294967291, 4294967291]");
    assert!(hub.stat("requests_open") > 10);
    for mut socket in heavy {
        socket.patience = Duration::from_secs(60);
        assert_eq!(socket.rest(), framed(ITS_FACTORS));
    }
}

#[test]
fn a_connection_whose_first_byte_is_a_brace_is_answered_with_a_line() {
    let hub = super::with_door("blob");
    assert_eq!(ask(&hub, "{\"reverse\": 1}\n"), b"{\"error\": \"invalid request\"}\n");
    assert_eq!(ask(&hub, "{}"), b"{\"error\": \"invalid request\"}\n");
    for beginning in ["{", "{\"f", "{\"factor\":"] {
        let mut person: Socket = hub.door("blob");
        person.send(beginning);
        person.finish();
        assert_eq!(person.rest(), b"{\"error\": \"invalid request\"}\n", "{beginning}");
    }
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
    let mut hub = super::with("blob", &["--workers", "1", "--drain-deadline", "60s"]);
    let mut blob = hub.door("blob");
    blob.send(b"\x0e\0");
    let addr = hub.door_addr("blob");
    // What has been asked is still answered, behind what the only worker does for another.
    let mut other = hub.socket();
    other.send(format!("request factor {PRODUCT}\n").repeat(20));
    let mut asked = hub.door("blob");
    asked.send(framed(r#"{"fibonacci": 1000000}"#));
    wait::until("the request to be taken", || row_of(&hub, "fibonacci").contains("requests=1").then_some(()));
    hub.terminate();
    assert_eq!(String::from_utf8_lossy(&blob.rest()), "\x1f\0\0\0{\"error\": \"server is stopping\"}");
    let answer = asked.rest();
    assert_eq!(
        (answer.len(), answer.last()),
        (4 + 208_988, Some(&b'5')),
        "F(1000000), once, and nothing more"
    );
    drop((blob, asked, other));
    assert!(hub.wait_end_within(Duration::from_secs(60)).success());
    assert!(Socket::try_connect(addr).is_err());
}
