//! The library against the small hub in the process: what users can rely on, the bad days included.
//! Nothing here sleeps: it waits for what must come, within a time limit.

#![allow(clippy::unwrap_used)]

use async_std::task::block_on;
use futures::{Stream, StreamExt};
use hubbub_client::testing::Hub;
use hubbub_client::{Backoff, Client, Code, Delivery, Error, Event, Options, Refusal};
use hubbub_shared::Op;
use serde_json::json;
use std::future::Future;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// Runs a test, which must end within the time limit.
fn run(test: impl Future<Output = ()>) {
    block_on(async_std::future::timeout(LIMIT, test)).expect("the test took too long");
}

async fn hub() -> Hub {
    Hub::start().await.unwrap()
}

/// Options that come back quickly.
fn options(hub: &Hub) -> Options {
    let backoff = Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(20) };
    Options::new(hub.addr()).backoff(backoff)
}

async fn connect(hub: &Hub, name: &str) -> Client {
    options(hub).name(name).connect().await.unwrap()
}

/// The next deliveries in words, such as `ops: "text"`, `gap ops 2`, `off`, `on`.
async fn told(stream: &mut (impl Stream<Item = Delivery> + Unpin), count: usize) -> Vec<String> {
    let deliveries = stream.take(count).map(|delivery| match delivery {
        Delivery::Message(m) => format!("{}: {}", m.channel, m.data),
        Delivery::Gap(gap) => format!("gap {} {}", gap.channel, gap.missed),
        Delivery::Disconnected => "off".into(),
        Delivery::Reconnected => "on".into(),
    });
    deliveries.collect().await
}

/// The first event that is wanted.
async fn event<T>(
    events: &mut (impl Stream<Item = Event> + Unpin),
    wanted: impl Fn(Event) -> Option<T>,
) -> T {
    loop {
        if let Some(found) = wanted(events.next().await.expect("the events ended")) {
            return found;
        }
    }
}

async fn disconnected(events: &mut (impl Stream<Item = Event> + Unpin)) {
    event(events, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await;
}

async fn reconnected(events: &mut (impl Stream<Item = Event> + Unpin)) -> String {
    event(events, |event| match event {
        Event::Reconnected { name, .. } => Some(name),
        _ => None,
    })
    .await
}

/// Waits until the hub sees it so.
async fn until(seen: impl Fn() -> bool) {
    while !seen() {
        async_std::task::yield_now().await;
    }
}

#[test]
fn a_message_arrives_with_everything_that_was_given() {
    run(async {
        let hub = hub().await;
        let (alice, bob) = (connect(&hub, "alice").await, connect(&hub, "bob").await);
        let mut exact = bob.subscribe(["ops"]).await.unwrap();
        let mut wild = bob.subscribe([">"]).await.unwrap();
        let message = alice.publish_with("#ops", json!({"build": 512}));
        let published = message.header("kind", "ci").reply("answers").send().await.unwrap();
        assert_eq!((published.seq, published.subscribers), (1, 1));
        for sub in [&mut exact, &mut wild] {
            let Some(Delivery::Message(message)) = sub.next().await else { panic!("a message") };
            assert_eq!((message.channel.as_str(), message.from.as_str(), message.seq), ("ops", "alice", 1));
            assert_eq!(message.data.get(), r#"{"build":512}"#);
            assert_eq!(message.headers.unwrap()["kind"], "ci");
            assert_eq!(message.reply.as_deref(), Some("answers"));
        }
    });
}

#[test]
fn forgotten_publishes_keep_their_order_and_flush_waits_for_all() {
    run(async {
        let hub = hub().await;
        let (alice, bob) = (connect(&hub, "alice").await, connect(&hub, "bob").await);
        let mut sub = bob.subscribe(["ops"]).await.unwrap();
        for n in 0..20_000 {
            alice.publish_with("ops", n).forget().await.unwrap();
        }
        alice.flush().await.unwrap();
        assert_eq!(alice.publish("ops", "last").await.unwrap().seq, 20_001);
        for n in 0..20_000 {
            let Some(Delivery::Message(message)) = sub.next().await else { panic!("message {n}") };
            assert_eq!(message.data.get(), n.to_string());
        }
    });
}

#[test]
fn a_group_gets_each_message_once_and_calls_no_hole_a_gap() {
    run(async {
        let hub = hub().await;
        let (alice, bob) = (connect(&hub, "alice").await, connect(&hub, "bob").await);
        let (a, b) = (alice.subscribe_group("g", ["jobs"]), bob.subscribe_group("g", ["jobs"]));
        let (mut a, b) = (a.await.unwrap(), b.await.unwrap());
        assert!(matches!(alice.subscribe(["jobs"]).await, Err(Error::BadArgument(_))));
        assert_eq!(alice.publish("jobs", 1).await.unwrap().subscribers, 1);
        hub.lose("jobs", 5);
        drop(b);
        assert_eq!(alice.publish("jobs", 2).await.unwrap().subscribers, 1);
        assert_eq!(told(&mut a, 2).await, ["jobs: 1", "jobs: 2"]);
    });
}

#[test]
fn refusals_that_nobody_waits_for_are_told() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let mut events = client.events();
        hub.refuse(Op::Publish, Some(Refusal::new(Code::RateLimited, "slowly")));
        client.publish_with("ops", 1).forget().await.unwrap();
        let refused = client.flush().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(refusal) if refusal.code == Code::RateLimited));
        let told = event(&mut events, |event| match event {
            Event::Refused(refusal) => Some(refusal.code),
            _ => None,
        });
        assert_eq!(told.await, Code::RateLimited);
        client.flush().await.expect("told once");
    });
}

#[test]
fn a_lost_connection_comes_back_with_name_subscriptions_and_services() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let _: serde_json::Value = client.command("name", json!({"name": "carol"})).await.unwrap();
        let mut events = client.events();
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        let _requests = client.serve("add", "adds numbers").await.unwrap();
        let dropped = client.subscribe(["gone"]).await.unwrap();
        dropped.unsubscribe().await.unwrap();
        hub.publish("ops", "1");
        assert_eq!(told(&mut ops, 1).await, ["ops: 1"]);
        hub.drop_connections();
        assert_eq!(reconnected(&mut events).await, "carol");
        assert_eq!((hub.subscriptions("carol"), hub.services()), (vec!["ops".into()], vec!["add".into()]));
        hub.publish("ops", "2");
        assert_eq!(told(&mut ops, 3).await, ["off", "on", "ops: 2"]);
    });
}

#[test]
fn what_was_missed_while_away_is_told_and_a_new_run_starts_afresh() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let mut events = client.events();
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        hub.publish("ops", "1");
        assert_eq!(told(&mut ops, 1).await, ["ops: 1"]);
        hub.leave();
        hub.lose("ops", 3);
        hub.come_back(false);
        reconnected(&mut events).await;
        hub.publish("ops", "5");
        assert_eq!(told(&mut ops, 4).await, ["off", "on", "gap ops 3", "ops: 5"]);
        let gap = event(&mut events, |event| match event {
            Event::Gap(gap) => Some(gap),
            _ => None,
        });
        assert_eq!(gap.await.missed, 3);
        hub.leave();
        hub.come_back(true);
        reconnected(&mut events).await;
        hub.publish("ops", "1");
        assert_eq!(told(&mut ops, 3).await, ["off", "on", "ops: 1"]);
    });
}

#[test]
fn commands_under_way_fail_and_commands_given_meanwhile_wait() {
    run(async {
        let hub = hub().await;
        let (alice, bob) = (connect(&hub, "alice").await, connect(&hub, "bob").await);
        let mut events = bob.events();
        let _requests = alice.serve("slow", "").await.unwrap();
        let cut = async {
            until(|| hub.open_requests() == 1).await;
            hub.leave();
        };
        let (answer, ()) = futures::join!(bob.request("slow", 1), cut);
        assert!(matches!(answer, Err(Error::Disconnected { .. })), "{answer:?}");
        disconnected(&mut events).await;
        let back = async { hub.come_back(false) };
        let (published, ()) = futures::join!(bob.publish("ops", 1), back);
        assert_eq!(published.unwrap().seq, 1);
        assert_eq!(hub.open_requests(), 1, "the request was not repeated");
    });
}

#[test]
fn messages_that_went_with_a_connection_are_told_by_flush() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let mut events = client.events();
        client.publish_with("ops", 1).forget().await.unwrap();
        hub.drop_connections();
        reconnected(&mut events).await;
        assert!(matches!(client.flush().await, Err(Error::Disconnected { .. })));
        client.flush().await.expect("told once");
    });
}

#[test]
fn a_name_that_is_taken_for_good_is_given_up_and_that_is_told() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let taken = options(&hub).name("Alice").connect().await.unwrap_err();
        assert!(matches!(taken, Error::Refused(refusal) if refusal.code == Code::NameTaken));
        let mut events = client.events();
        hub.hold("alice");
        hub.drop_connections();
        let notice = event(&mut events, |event| match event {
            Event::Notice(notice) => Some(notice),
            _ => None,
        });
        assert_eq!(notice.await.code, "rename");
        assert!(reconnected(&mut events).await.starts_with("anon-"));
        assert!(client.name().starts_with("anon-"));
    });
}

#[test]
fn a_draining_hub_is_left_for_the_one_that_it_names() {
    run(async {
        let (old, new) = (hub().await, hub().await);
        let client = connect(&old, "alice").await;
        let mut events = client.events();
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        old.say(&format!(
            r#"{{"event":"closing","code":"draining","message":"bye","retry_ms":1,"try":["{}"]}}"#,
            new.addr()
        ));
        let closing = event(&mut events, |event| match event {
            Event::Closing(closing) => Some(closing),
            _ => None,
        });
        assert_eq!(closing.await.why.code, Code::Draining);
        assert_eq!(reconnected(&mut events).await, "alice");
        assert_eq!(new.subscriptions("alice"), ["ops"]);
        new.publish("ops", "1");
        assert_eq!(told(&mut ops, 3).await, ["off", "on", "ops: 1"]);
    });
}

#[test]
fn a_subscription_that_is_not_given_back_ends_and_that_is_told() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let mut events = client.events();
        let ops = client.subscribe(["ops"]).await.unwrap();
        hub.refuse(Op::Subscribe, Some(Refusal::new(Code::NotAllowed, "no more")));
        hub.drop_connections();
        assert!(matches!(ops.collect::<Vec<_>>().await[..], [Delivery::Disconnected]));
        let refused = event(&mut events, |event| match event {
            Event::Refused(refusal) => Some(refusal.code),
            _ => None,
        });
        assert_eq!(refused.await, Code::NotAllowed);
        client.flush().await.expect("the rest goes on");
    });
}

#[test]
fn without_reconnecting_everything_ends_with_the_connection() {
    run(async {
        let hub = hub().await;
        let client = options(&hub).reconnect(false).connect().await.unwrap();
        let (ops, events) = (client.subscribe(["ops"]).await.unwrap(), client.events());
        hub.drop_connections();
        assert!(matches!(ops.collect::<Vec<_>>().await[..], [Delivery::Disconnected]));
        assert!(matches!(events.collect::<Vec<_>>().await[..], [Event::Disconnected { .. }]));
        assert!(matches!(client.publish("ops", 1).await, Err(Error::Disconnected { .. })));
        assert!(client.events().next().await.is_none());
    });
}

#[test]
fn requests_are_answered_refused_or_given_up_but_never_left_open() {
    run(async {
        let hub = hub().await;
        let (alice, bob) = (connect(&hub, "alice").await, connect(&hub, "bob").await);
        let mut requests = alice.serve("double", "doubles a number").await.unwrap();
        assert!(matches!(alice.serve("double", "").await, Err(Error::BadArgument(_))));
        let provider = async {
            let request = requests.next().await.unwrap();
            assert_eq!((request.from.as_str(), request.service.as_str()), ("bob", "double"));
            let number: i64 = serde_json::from_str(request.data.get()).unwrap();
            request.respond(number * 2).await.unwrap();
            requests.next().await.unwrap().fail("not a number").await.unwrap();
            drop(requests.next().await.unwrap());
        };
        let caller = async {
            assert_eq!(bob.request("double", 21).await.unwrap().get(), "42");
            let failed = bob.request("double", "x").await.unwrap_err();
            assert!(failed.to_string().contains("not a number"), "{failed}");
            let failed = bob.request("double", 1).await.unwrap_err();
            assert!(failed.to_string().contains("gave the request up"), "{failed}");
        };
        futures::join!(provider, caller);
        requests.unserve().await.unwrap();
        let none = bob.request("double", 1).await.unwrap_err();
        assert!(matches!(none, Error::Refused(refusal) if refusal.code == Code::NoSuchService));
    });
}

#[test]
fn a_reader_that_is_away_keeps_no_other_waiting_and_is_told_what_it_lost() {
    run(async {
        let hub = hub().await;
        let client = options(&hub).queue(10).connect().await.unwrap();
        let mut lazy = client.subscribe(["ops"]).await.unwrap();
        for n in 0..100 {
            client.publish_with("ops", n).forget().await.unwrap();
        }
        client.flush().await.unwrap();
        let told = told(&mut lazy, 11).await;
        assert_eq!((told[9].as_str(), told[10].as_str()), ("ops: 9", "gap ops 90"));
    });
}

#[test]
fn closing_ends_every_stream_and_dropping_the_last_handle_closes() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let (ops, events) = (client.subscribe(["ops"]).await.unwrap(), client.events());
        let other = client.clone();
        client.publish_with("ops", "last").forget().await.unwrap();
        client.close().await.unwrap();
        assert!(matches!(ops.collect::<Vec<_>>().await[..], [Delivery::Message(_)]));
        assert!(events.collect::<Vec<_>>().await.is_empty());
        assert!(matches!(other.publish("ops", 1).await, Err(Error::Disconnected { .. })));
        let client = connect(&hub, "bob").await;
        let mut sub = client.subscribe(["ops"]).await.unwrap();
        drop(client);
        hub.publish("ops", "1");
        assert_eq!(told(&mut sub, 1).await, ["ops: 1"]);
        drop(sub);
        until(|| hub.names().is_empty()).await;
    });
}

#[test]
fn what_is_no_protocol_is_passed_over_and_heartbeats_are_answered() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let mut events = client.events();
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        for line in ["* hello", "", "{", "nonsense", r#"{"event":"later"}"#, r#"{"event":"ping"}"#] {
            hub.say(line);
        }
        hub.say(r#"{"event":"notice","code":"welcome","message":"hi"}"#);
        let notice = event(&mut events, |event| match event {
            Event::Notice(notice) => Some(notice.message),
            other => panic!("{other:?}"),
        });
        assert_eq!(notice.await, "hi");
        hub.publish("ops", "1");
        assert_eq!(told(&mut ops, 1).await, ["ops: 1"]);
        until(|| hub.blank_lines() == 1).await;
    });
}

#[test]
fn whatever_becomes_of_the_connection_every_message_arrives_or_is_told_as_missed() {
    run(async {
        let hub = hub().await;
        let client = connect(&hub, "alice").await;
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        hub.publish("ops", "0");
        let cutting = async {
            for _ in 0..20 {
                for _ in 0..100 {
                    hub.publish("ops", "1");
                    async_std::task::yield_now().await;
                }
                hub.drop_connections();
                until(|| !hub.subscriptions("alice").is_empty()).await;
            }
            hub.publish("ops", r#""last""#)
        };
        let reading = async {
            let (mut arrived, mut missed, mut last) = (0, 0, 0);
            loop {
                match ops.next().await.unwrap() {
                    Delivery::Message(message) => {
                        assert!(message.seq > last, "{} after {last}", message.seq);
                        (arrived, last) = (arrived + 1, message.seq);
                        if message.data.get() == r#""last""# {
                            return (arrived, missed);
                        }
                    }
                    Delivery::Gap(gap) => missed += gap.missed,
                    Delivery::Disconnected | Delivery::Reconnected => {}
                }
            }
        };
        let (total, (arrived, missed)) = futures::join!(cutting, reading);
        assert_eq!(arrived + missed, total);
        assert!(arrived > 100, "only {arrived} of {total} arrived");
    });
}
