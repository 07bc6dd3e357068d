//! Messages: their shape, their order, their numbers, echo, headers, and those to one client.

use hubbub_tests::{in_every_encoding, Client, Encoding, Hub};
use serde_json::json;
use std::collections::HashMap;

in_every_encoding!(
    order_and_numbers_hold_for_many_publishers,
    a_direct_message_goes_to_one_client,
    text_is_kept_to_the_byte,
    a_refused_publish_is_not_taken_for_the_one_before,
    long_messages_arrive_whole_and_in_order,
);

fn order_and_numbers_hold_for_many_publishers(encoding: Encoding) {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 500;
    let hub = Hub::with(["--threads", if encoding == Encoding::Text { "1" } else { "4" }]);
    let mut exact = hub.client(Encoding::Json);
    exact.ask("subscribe race.a race.b").ok();
    let mut wild = hub.client(Encoding::Json);
    wild.ask("subscribe race.>").ok();
    let mut text = hub.client(Encoding::Text);
    text.ask("subscribe race.*").ok();
    std::thread::scope(|scope| {
        for p in 0..PUBLISHERS {
            let mut publisher = hub.named(encoding, &format!("p{p}"));
            scope.spawn(move || {
                for n in 0..EACH {
                    publisher.say(&format!("publish race.{} {n}", if n % 2 == 0 { 'a' } else { 'b' }));
                }
                for _ in 0..EACH {
                    publisher.reply("publish").ok();
                }
            });
        }
    });
    let mut seen = Vec::new();
    for client in [&mut exact, &mut wild] {
        seen.push(check_order(client, PUBLISHERS * EACH));
        client.nothing_more();
    }
    assert_eq!(seen[0], seen[1], "everyone sees one server's messages of a channel in one order");
    let mut last: HashMap<String, i64> = HashMap::new();
    for _ in 0..PUBLISHERS * EACH {
        let line = text.line();
        let (who, n) = line.split_once(": ").unwrap();
        let n: i64 = n.parse().unwrap();
        let before = last.insert(who.to_owned(), n);
        assert!(before.is_none_or(|b| b == n - 2), "{line} after {before:?}");
    }
    text.nothing_more();
}

fn long_messages_arrive_whole_and_in_order(encoding: Encoding) {
    let hub = Hub::with(["--max-line", "512KiB"]);
    let mut exact = [(); 2].map(|()| hub.client(Encoding::Json));
    for client in &mut exact {
        client.ask("subscribe long short").ok();
    }
    let mut wild = hub.client(Encoding::Frame);
    wild.ask("subscribe *").ok();
    let mut text = hub.client(Encoding::Text);
    text.ask("subscribe long short").ok();
    let mut publisher = hub.named(encoding, "ann");
    let sent: Vec<(&str, String)> = (0..60)
        .map(|n| {
            let (channel, length) = if n % 7 == 3 { ("short", 10) } else { ("long", 40_000 + n * 1_500) };
            // Some of them are not written everywhere as they came.
            let odd = ["", "\"", "ü", "\\"][n % 4];
            (channel, format!("{n} {odd}{}", ["ab", "cde", "f"][n % 3].repeat(length / 2)))
        })
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sent.iter().for_each(|(channel, data)| publisher.say(&format!("publish {channel} {data}")));
            for _ in &sent {
                publisher.reply("publish").ok();
            }
        });
        for (channel, data) in &sent {
            for client in exact.iter_mut().chain([&mut wild]) {
                let event = client.event();
                assert_eq!(
                    (event.get("channel").as_str(), event.get("data").as_str()),
                    (Some(*channel), Some(&**data))
                );
            }
            assert_eq!(text.line(), format!("[{channel}] ann: {data}"));
        }
    });
    // As many as the default of 256 KiB has room for.
    let past = wild.ask("history long 10").json().clone();
    let past: Vec<_> =
        past["messages"].as_array().unwrap().iter().map(|m| m["data"].as_str().unwrap()).collect();
    let long: Vec<_> =
        sent.iter().filter(|(channel, _)| *channel == "long").map(|(_, data)| &**data).collect();
    assert!(!past.is_empty() && long.ends_with(&past), "{} messages remembered", past.len());
}

/// Reads so many messages; per channel the numbers have no hole, per publisher the order holds.
/// What was seen of each channel is returned.
fn check_order(client: &mut Client, count: usize) -> HashMap<String, Vec<String>> {
    let mut channels: HashMap<String, Vec<String>> = HashMap::new();
    let mut publishers: HashMap<(String, String), i64> = HashMap::new();
    for _ in 0..count {
        let event = client.event();
        let text = |key| event.get(key).as_str().unwrap().to_owned();
        let seen = channels.entry(text("channel")).or_default();
        assert_eq!(event.get("seq"), seen.len() as u64 + 1, "a hole in {event:?}");
        let n: i64 = text("data").parse().unwrap();
        let before = publishers.insert((text("channel"), text("from")), n);
        assert!(before.is_none_or(|b| b == n - 2), "{event:?} after {before:?}");
        seen.push(format!("{} {n}", text("from")));
    }
    channels
}

fn a_direct_message_goes_to_one_client(encoding: Encoding) {
    let hub = Hub::start();
    let mut bob = hub.named(encoding, "bob");
    let mut eve = hub.named(encoding, "eve");
    let mut other = hub.named(encoding, "other");
    other.ask("subscribe >").ok();
    let reply = eve.ask("msg BOB the build  is red");
    reply.ok();
    if encoding != Encoding::Text {
        assert_eq!(reply.json()["delivered_to"], json!([bob.whoami("client_id")]));
    }
    let event = bob.event();
    assert_eq!(event.line, "<eve> the build  is red");
    if encoding != Encoding::Text {
        let keys: Vec<&String> = event.json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["at", "data", "event", "from", "origin"]);
        assert_eq!(event.get("event"), "direct");
    }
    eve.ask("msg eve to myself").ok();
    assert_eq!(eve.line(), "<eve> to myself");
    for client in [&mut bob, &mut eve, &mut other] {
        client.nothing_more();
    }
}

fn text_is_kept_to_the_byte(encoding: Encoding) {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut writer = hub.client(encoding);
    for text in
        ["a  b", " leading", "\"quoted\" \\ back", "{\"not\":\"parsed\"}", "日本 👩‍👩‍👧‍👦", "a\tb", "=x group=y"]
    {
        writer.ask(&format!("publish ops {text}")).ok();
        assert_eq!(reader.event().get("data"), text);
    }
}

#[test]
fn a_message_has_the_shape_of_the_protocol() {
    let hub = Hub::with(["--name", "alpha"]);
    let mut text = hub.client(Encoding::Text);
    let mut framed = hub.client(Encoding::Frame);
    let mut bob = hub.named(Encoding::Json, "bob");
    let mut reader = hub.client(Encoding::Json);
    for client in [&mut text, &mut framed, &mut reader] {
        client.ask("subscribe ops").ok();
    }
    let published = bob.ask_object(json!({
        "op": "publish", "channel": "#ops", "data": {"text": "Build 512 failed\nsee log", "n": [1, 2]},
        "headers": {"severity": "high"}, "reply": "ops.answers",
    }));
    let ok = published.json().clone();
    assert_eq!((&ok["seq"], &ok["subscribers"]), (&json!(1), &json!(3)));
    let line = reader.socket().must_line();
    let start = r#"{"event":"message","channel":"ops","from":"bob","seq":1,"origin":"alpha-"#;
    assert!(line.starts_with(start), "{line}");
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["origin"], ok["origin"]);
    assert_eq!(hub.ready()["origin"], ok["origin"]);
    let run = ok["origin"].as_str().unwrap().strip_prefix("alpha-").unwrap();
    assert!(run.len() == 6 && run.bytes().all(|b| b.is_ascii_hexdigit()), "{run}");
    let at = event["at"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && &at[10..11] == "T" && &at[19..20] == ".", "{at}");
    assert_eq!(event["headers"], json!({"severity": "high"}));
    assert_eq!(event["reply"], "ops.answers");
    assert_eq!(event.get("via"), None);
    assert_eq!(text.line(), r#"[ops] bob: {"n":[1,2],"text":"Build 512 failed\nsee log"}"#);
    let body: serde_json::Value = serde_json::from_slice(&framed.socket().frame().unwrap()).unwrap();
    assert_eq!(body, event, "frames carry the same objects");
    bob.ask_object(json!({"op": "publish", "channel": "ops", "data": "two\nlines"})).ok();
    assert_eq!(text.line(), "[ops] bob: two⏎lines");
}

#[test]
fn json_on_many_lines_arrives_on_one() {
    let hub = Hub::start();
    let mut line = hub.client(Encoding::Json);
    let mut text = hub.client(Encoding::Text);
    for client in [&mut line, &mut text] {
        client.ask("subscribe ops").ok();
    }
    let mut framed = hub.named(Encoding::Frame, "bob");
    let pretty = "{\n\t\"op\": \"publish\",\r\n \"id\": 1, \"channel\": \"ops\",\n \"data\": {\n  \"a b\": [1,\n 2]\n }\n}";
    let bytes = hubbub_tests::wire::frame(pretty.as_bytes());
    framed.socket().send(bytes);
    framed.reply("a pretty command").ok();
    let line = line.socket().must_line();
    assert!(line.contains(r#""data":{"a b":[1,2]}}"#), "{line}");
    assert_eq!(text.line(), r#"[ops] bob: {"a b":[1,2]}"#);
}

#[test]
fn what_is_no_header_and_no_reply_channel_is_refused() {
    let hub = Hub::start();
    let mut bob = hub.client(Encoding::Json);
    for headers in [json!("x"), json!({"a": 1}), json!(["a"]), json!({"a": {"b": "c"}})] {
        let publish = json!({"op": "publish", "channel": "ops", "data": 1, "headers": headers});
        assert_eq!(bob.ask_object(publish).code(), "bad-argument", "{headers}");
    }
    let publish = |reply: &str| json!({"op": "publish", "channel": "ops", "data": 1, "reply": reply});
    assert_eq!(bob.ask_object(publish("a..b")).code(), "bad-channel");
    assert_eq!(bob.ask_object(publish("a.*")).code(), "bad-channel");
    bob.ask_object(publish("$inbox.x.y")).ok();
}

#[test]
fn who_turned_echo_off_does_not_hear_himself() {
    let hub = Hub::start();
    let mut silent = hub.client(Encoding::Json);
    silent.ask_object(json!({"op": "hello", "name": "silent", "echo": false})).ok();
    silent.ask("subscribe ops").ok();
    let mut other = hub.named(Encoding::Json, "other");
    other.ask("subscribe ops").ok();
    assert_eq!(silent.ask("publish ops mine").json()["subscribers"], 1);
    assert_eq!(other.ask("publish ops theirs").json()["subscribers"], 2);
    assert_eq!(silent.event().get("from"), "other");
    silent.nothing_more();
    assert_eq!(other.events_so_far().len(), 2);
}

#[test]
fn every_channel_has_its_own_numbers() {
    let hub = Hub::start();
    let mut bob = hub.client(Encoding::Json);
    for n in 1..=3 {
        assert_eq!(bob.ask("publish a hi").json()["seq"], n);
        assert_eq!(bob.ask("publish b hi").json()["seq"], n);
    }
}

#[test]
fn a_channel_that_was_forgotten_does_not_use_a_number_twice() {
    let hub = Hub::with(["--max-channels", "10"]);
    let mut bob = hub.client(Encoding::Json);
    for n in 1..=3 {
        assert_eq!(bob.ask("publish a hi").json()["seq"], n);
    }
    for n in 0..50 {
        bob.ask(&format!("publish other.{n} hi")).ok();
    }
    assert_eq!(bob.ask("history a").code(), "no-such-channel", "it was pushed out");
    let again = bob.ask("publish a hi").json()["seq"].as_u64().unwrap();
    assert!(again > 3, "origin, channel and seq name a message: {again} was another one");
}

#[test]
fn a_restart_is_another_origin() {
    let hub = Hub::with(["--name", "alpha"]);
    let before = hub.ready()["origin"].clone();
    let (addr, _) = hub.kill();
    let hub = hubbub_tests::hub::builder().args(["--name", "alpha"]).listen(addr).start();
    assert_ne!(hub.ready()["origin"], before);
    let published = hub.client(Encoding::Json).ask("publish ops hi");
    assert_eq!(published.json()["seq"], 1);
}

/// The hub knows the next publish to the same channel by how the last one began; a refused one must
/// leave no such mark.
fn a_refused_publish_is_not_taken_for_the_one_before(encoding: Encoding) {
    let hub = Hub::start();
    let mut ann = hub.client(Encoding::Text);
    ann.ask("subscribe ops").ok();
    let mut bob = hub.named(encoding, "bob");
    for refused in ["$sys.x", "a..b", "a.*"] {
        bob.ask("publish ops before").ok();
        let code = bob.ask(&format!("publish {refused} one")).code().to_owned();
        assert_eq!(bob.ask(&format!("publish {refused} two")).code(), code, "{refused}");
        bob.ask("publish ops after").ok();
        assert_eq!([ann.line(), ann.line()], ["[ops] bob: before", "[ops] bob: after"]);
    }
    // Without ids nothing is answered, and the units of one channel begin alike.
    if encoding != Encoding::Text {
        for channel in ["ops", "ops", "$sys.x", "$sys.x", "ops", "ops"] {
            bob.say_object(json!({"op": "publish", "channel": channel, "data": "x"}));
        }
        for _ in 0..4 {
            assert_eq!(ann.line(), "[ops] bob: x");
        }
    }
    ann.nothing_more();
}
