//! Messages between servers: whom they reach, in which order, in which shape.

use hubbub_tests::cluster::NAMES;
use hubbub_tests::{wait, Client, Cluster, Encoding, Event};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{json, Value};
use std::collections::{BTreeMap, HashMap, HashSet};

#[test]
fn a_message_reaches_plain_wild_and_group_subscribers_on_every_server() {
    let cluster = Cluster::joined(3);
    let mut plain: Vec<Client> = (0..3).map(|at| cluster.client(at, Encoding::ALL[at])).collect();
    let mut wild: Vec<Client> = (0..3).map(|at| cluster.client(at, Encoding::ALL[(at + 1) % 3])).collect();
    let mut members: Vec<Client> = (0..3).map(|at| cluster.client(at, Encoding::ALL[(at + 2) % 3])).collect();
    for client in &mut plain {
        client.ask("subscribe ops.deploy").ok();
    }
    for client in &mut wild {
        client.ask("subscribe ops.>").ok();
    }
    for client in &mut members {
        client.ask("subscribe ops.deploy group=workers").ok();
    }
    for at in 0..3 {
        for encoding in Encoding::ALL {
            let name = format!("{}-{}", NAMES[at], encoding.as_str());
            let mut publisher = cluster.named(at, encoding, &name);
            let text = format!("hello by {name}");
            let said = publisher.ask(&format!("publish ops.deploy {text}"));
            assert_eq!(said.ok(), "published ops.deploy to 7", "three, three, and one of the group");
            let line = format!("[ops.deploy] {name}: {text}");
            for client in plain.iter_mut().chain(&mut wild) {
                assert_eq!(client.line(), line);
            }
            assert_eq!(members[at].line(), line, "the member of the publisher's server gets it");
        }
    }
    for client in plain.iter_mut().chain(&mut wild).chain(&mut members) {
        client.nothing_more();
    }
}

#[test]
fn a_group_without_a_member_here_is_served_elsewhere_once_each() {
    const EACH: usize = 60;
    let cluster = Cluster::joined(3);
    let mut members: Vec<Client> =
        [1, 1, 2].into_iter().map(|at| cluster.client(at, Encoding::Json)).collect();
    for client in &mut members {
        client.ask("subscribe jobs.* group=workers").ok();
    }
    let mut publisher = cluster.client(0, Encoding::Json);
    for n in 0..EACH {
        assert_eq!(publisher.ask(&format!("publish jobs.a {n}")).json()["subscribers"], 1);
    }
    let mut seen = HashSet::new();
    let mut shares = [0; 3];
    wait::until("every job to be given out", || {
        for (member, share) in members.iter_mut().zip(&mut shares) {
            for event in member.events_so_far() {
                assert!(seen.insert(event.get("seq").as_u64().unwrap()), "given out twice: {event:?}");
                *share += 1;
            }
        }
        (seen.len() == EACH).then_some(())
    });
    assert!(shares.iter().all(|share| *share >= EACH / 6), "each has its part: {shares:?}");
}

/// What a subscriber looks at when there are very many.
#[derive(Deserialize)]
struct Seen<'a> {
    origin: &'a str,
    seq: u64,
    from: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads so many messages and checks that each publisher's come in order, and those of each origin
/// without a hole. The numbers of each origin.
fn read_all(client: &mut Client, count: usize) -> BTreeMap<String, u64> {
    let encoding = client.encoding();
    let socket = client.socket();
    let mut origins: BTreeMap<String, u64> = BTreeMap::new();
    let mut publishers: HashMap<String, u64> = HashMap::new();
    for _ in 0..count {
        let bytes = match encoding {
            Encoding::Frame => socket.frame().expect("a message was due"),
            _ => socket.must_line().into_bytes(),
        };
        let seen: Seen = serde_json::from_slice(&bytes)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
        let last = origins.entry(seen.origin.to_owned()).or_default();
        *last += 1;
        assert_eq!(seen.seq, *last, "{}: a hole or a duplicate", seen.origin);
        let next = publishers.entry(seen.from.to_owned()).or_default();
        assert_eq!(seen.data.get().trim_matches('"'), next.to_string(), "{} out of order", seen.from);
        *next += 1;
    }
    origins
}

#[test]
fn three_publishers_at_full_speed_on_three_servers_are_heard_in_order_everywhere() {
    const EACH: usize = 10_000;
    let cluster = Cluster::joined(3);
    let mut readers: Vec<Client> = Vec::new();
    for at in 0..3 {
        let mut plain = cluster.client(at, Encoding::Json);
        plain.ask("subscribe flow.a").ok();
        let mut wild = cluster.client(at, Encoding::Frame);
        wild.ask("subscribe flow.*").ok();
        readers.extend([plain, wild]);
    }
    let mut member = cluster.client(1, Encoding::Json);
    member.ask("subscribe flow.> group=one").ok();
    readers.push(member);
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for (at, encoding) in Encoding::ALL.into_iter().enumerate() {
            let mut publisher = cluster.named(at, encoding, NAMES[at]);
            if encoding == Encoding::Text {
                publisher.ask("quiet on").ok();
            }
            scope.spawn(move || {
                for n in 0..EACH {
                    let command = format!(r#"{{"op":"publish","channel":"flow.a","data":{n}}}"#);
                    let bytes = match encoding {
                        Encoding::Text => format!("publish flow.a {n}\n").into_bytes(),
                        Encoding::Json => format!("{command}\n").into_bytes(),
                        Encoding::Frame => hubbub_tests::wire::frame(command.as_bytes()),
                    };
                    publisher.socket().send(bytes);
                }
                publisher.ask("ping").ok();
            });
        }
        for reader in &mut readers {
            scope.spawn(|| {
                let origins = read_all(reader, 3 * EACH);
                assert!(
                    origins.len() == 3 && origins.values().all(|last| *last == EACH as u64),
                    "{origins:?}"
                );
                reader.nothing_more();
            });
        }
    });
    crate::took("30,000 messages to 7 readers", started.elapsed());
}

#[test]
fn headers_reply_json_and_large_payloads_arrive_unchanged() {
    const LIMITS: [&str; 6] = ["--max-line", "3MiB", "--max-frame", "3MiB", "--max-queue", "32MiB"];
    let cluster = Cluster::with(2, |_, builder| builder.args(LIMITS));
    cluster.wait_joined();
    let mut json = cluster.client(1, Encoding::Json);
    let mut frame = cluster.client(1, Encoding::Frame);
    let mut text = cluster.client(1, Encoding::Text);
    for client in [&mut json, &mut frame, &mut text] {
        client.ask("subscribe odd").ok();
    }
    let mut ann = cluster.named(0, Encoding::Json, "ann");
    let mut datas: Vec<Value> = vec![
        json!(null),
        json!(""),
        json!("a line\nbreak, a \"quote\", ü, \u{202e} and \u{1f980}"),
        json!({"nested": [1, 2.5, -3e300, {"deep": [[[[]]]]}], "Ü": true}),
        json!(u64::MAX),
    ];
    datas.push(json!("x".repeat(1 << 20)));
    datas.push(json!({"rows": (0..20_000).map(|n| json!({"n": n, "s": "\\"})).collect::<Vec<_>>()}));
    for data in datas {
        let headers = json!({"kind": "ci", "Ünï": "a\nb", "empty": ""});
        let sent = json!({
            "op": "publish", "channel": "odd", "data": data, "headers": headers, "reply": "odd.answers",
        });
        ann.ask_object(sent).ok();
        for client in [&mut json, &mut frame] {
            let event: Event = client.event();
            assert!(*event.get("data") == data, "a payload changed");
            assert_eq!(*event.get("headers"), headers);
            assert_eq!(event.get("reply"), "odd.answers");
            assert_eq!(event.get("from"), "ann");
            assert_eq!(event.get("origin"), cluster.hub(0).origin());
        }
        assert!(text.line().starts_with("[odd] ann: "));
    }
    // What is written as text arrives to the byte.
    let mut bob = cluster.named(0, Encoding::Text, "bob");
    bob.ask("publish odd two  spaces, \\ and \"quotes\"").ok();
    assert_eq!(*json.event().get("data"), json!("two  spaces, \\ and \"quotes\""));
    assert_eq!(text.line(), "[odd] bob: two  spaces, \\ and \"quotes\"");
}

#[test]
fn who_wants_no_echo_hears_the_others_only() {
    let cluster = Cluster::joined(2);
    let mut ann = cluster.client(0, Encoding::Json);
    ann.ask_object(json!({"op": "hello", "name": "ann", "echo": false})).ok();
    ann.ask("subscribe room").ok();
    let mut bob = cluster.client(1, Encoding::Json);
    bob.ask_object(json!({"op": "hello", "name": "bob", "echo": false})).ok();
    bob.ask("subscribe room").ok();
    for n in 0..20 {
        ann.ask(&format!("publish room a{n}")).ok();
        assert_eq!(*bob.event().get("data"), json!(format!("a{n}")));
        bob.ask(&format!("publish room b{n}")).ok();
        assert_eq!(*ann.event().get("data"), json!(format!("b{n}")));
    }
    ann.nothing_more();
    bob.nothing_more();
}

#[test]
fn what_is_published_anywhere_after_the_answer_to_subscribe_is_received() {
    const ROUNDS: usize = 200;
    let cluster = Cluster::joined(3);
    let mut publishers = [cluster.client(1, Encoding::Json), cluster.client(2, Encoding::Json)];
    let mut subscribers = [cluster.client(0, Encoding::Json), cluster.client(0, Encoding::Text)];
    for n in 0..ROUNDS {
        let subscriber = &mut subscribers[n % 2];
        let (channel, pattern) =
            (format!("r{n}.x"), if n % 3 == 0 { format!("r{n}.*") } else { format!("r{n}.x") });
        let group = if n % 5 == 0 { " group=g" } else { "" };
        subscriber.ask(&format!("subscribe {pattern}{group}")).ok();
        for publisher in &mut publishers {
            let said = publisher.ask(&format!("publish {channel} {n}"));
            assert_eq!(said.json()["subscribers"], 1, "round {n}: {pattern}{group}");
        }
        for _ in 0..2 {
            assert!(subscriber.line().starts_with(&format!("[{channel}]")));
        }
        subscriber.ask(&format!("unsubscribe {pattern}")).ok();
    }
}

#[test]
fn after_the_last_has_unsubscribed_nothing_is_sent_to_its_server() {
    const LONG: usize = 50_000;
    let cluster = Cluster::joined(2);
    let mut publisher = cluster.client(0, Encoding::Json);
    let mut readers = [cluster.client(1, Encoding::Json), cluster.client(1, Encoding::Json)];
    readers[0].ask("subscribe bulk.data").ok();
    readers[1].ask("subscribe bulk.* group=g").ok();
    let command = format!("publish bulk.data {}", "x".repeat(LONG));
    let received = || cluster.hub(1).stat("bytes_in");
    let before = received();
    publisher.ask(&command).ok();
    readers[0].event();
    readers[1].event();
    let once = received() - before;
    assert!((LONG as u64..2 * LONG as u64).contains(&once), "sent once for both: {once} bytes");
    readers[0].ask("unsubscribe bulk.data").ok();
    publisher.ask(&command).ok();
    readers[1].event();
    readers[1].ask("unsubscribe bulk.*").ok();
    let publish = &mut || publisher.ask(&command).json()["subscribers"].as_u64().unwrap();
    wait::until("the other server to know", || (publish() == 0).then_some(()));
    let before = received();
    for _ in 0..20 {
        assert_eq!(publish(), 0);
    }
    let after = received() - before;
    assert!(after < LONG as u64 / 2, "{after} bytes came although nobody wants them");
    readers.iter_mut().for_each(Client::nothing_more);
}
