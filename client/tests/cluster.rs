//! The library against several small hubs in the process: where a client goes when its hub goes, is full
//! or says so. Nothing here sleeps: it waits for what must come, within a time limit.

#![allow(clippy::unwrap_used)]

use async_std::task::block_on;
use futures::{Stream, StreamExt};
use hubbub_client::testing::Hub;
use hubbub_client::{Backoff, Client, Code, Delivery, Error, Event, Options};
use hubbub_shared::{Op, Refusal};
use std::future::Future;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(10);
/// What is promised to a client of a server that was killed.
const PROMISED: Duration = Duration::from_secs(2);

/// Runs a test, which must end within the time limit.
fn run(test: impl Future<Output = ()>) {
    block_on(async_std::future::timeout(LIMIT, test)).expect("the test took too long");
}

async fn hubs<const N: usize>(names: [&str; N]) -> [Hub; N] {
    let mut hubs = Vec::new();
    for name in names {
        hubs.push(Hub::start_named(name).await.unwrap());
    }
    hubs.try_into().unwrap()
}

/// An address on which nobody listens.
async fn nobody() -> String {
    let mut hub = Hub::start().await.unwrap();
    hub.vanish().await;
    hub.addr().to_owned()
}

/// A hub that takes connections and says nothing.
async fn black_hole() -> Hub {
    let hub = Hub::start_named("black-hole").await.unwrap();
    hub.fall_silent();
    hub
}

async fn alice(hub: &Hub) -> Client {
    Options::new(hub.addr()).name("alice").connect().await.unwrap()
}

/// Where the client is after its connection was lost; the promise is checked.
async fn back(events: &mut (impl Stream<Item = Event> + Unpin)) -> (String, String) {
    let lost = Instant::now();
    loop {
        if let Event::Reconnected { server, addr, .. } = events.next().await.expect("the events ended") {
            assert!(lost.elapsed() < PROMISED, "it took {:?}", lost.elapsed());
            return (server, addr);
        }
    }
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

/// Waits until a hub sees it so.
async fn until(seen: impl Fn() -> bool) {
    while !seen() {
        async_std::task::yield_now().await;
    }
}

#[test]
fn a_client_of_a_killed_server_is_back_on_another_that_it_was_told_of() {
    run(async {
        let [mut alpha, beta] = hubs(["alpha", "beta"]).await;
        alpha.tell_servers(&[alpha.addr(), "0.0.0.0:7411", beta.addr()]);
        let client = alice(&alpha).await;
        let mut events = client.events();
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        let _requests = client.serve("add", "adds").await.unwrap();
        alpha.vanish().await;
        assert_eq!(back(&mut events).await, ("beta".to_owned(), beta.addr().to_owned()));
        assert_eq!((client.addr(), client.server().server), (beta.addr().to_owned(), "beta".to_owned()));
        assert_eq!((beta.subscriptions("alice"), beta.services()), (vec!["ops".into()], vec!["add".into()]));
        beta.publish("ops", "1");
        assert_eq!(told(&mut ops, 3).await, ["off", "on", "ops: 1"]);
    });
}

#[test]
fn a_refused_connection_moves_on_to_the_next_address_at_once() {
    run(async {
        let [mut alpha, beta] = hubs(["alpha", "beta"]).await;
        let mut dead = Vec::new();
        for _ in 0..20 {
            dead.push(nobody().await);
        }
        let configured = format!("{},{},{}", alpha.addr(), dead.join(","), beta.addr());
        let client = Options::from_servers(&configured).connect().await.unwrap();
        let mut events = client.events();
        alpha.vanish().await;
        let lost = Instant::now();
        assert_eq!(back(&mut events).await.0, "beta");
        assert!(lost.elapsed() < Duration::from_secs(1), "a delay for each address would take longer");
    });
}

#[test]
fn servers_that_swallow_everything_do_not_eat_the_two_seconds() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        let holes = [black_hole().await, black_hole().await, black_hole().await];
        let holes: Vec<&str> = holes.iter().map(Hub::addr).collect();
        let configured = format!("{},{},{}", alpha.addr(), holes.join(","), beta.addr());
        let client = Options::from_servers(&configured).connect().await.unwrap();
        let mut events = client.events();
        alpha.fall_silent();
        alpha.drop_connections();
        assert_eq!(back(&mut events).await.0, "beta");
    });
}

#[test]
fn a_black_hole_does_not_hide_a_server_that_starts_late() {
    run(async {
        let [mut alpha, beta] = hubs(["alpha", "beta"]).await;
        let hole = black_hole().await;
        let configured = [alpha.addr(), hole.addr(), beta.addr()].join(",");
        let client = Options::from_servers(&configured).connect().await.unwrap();
        let mut events = client.events();
        beta.leave();
        alpha.vanish().await;
        until(|| hole.names().len() == 1).await;
        until(|| hole.names().is_empty()).await;
        beta.come_back(false);
        assert_eq!(back(&mut events).await.0, "beta", "the first round was not spent on the black hole");
    });
}

#[test]
fn the_first_connection_passes_over_a_black_hole_too() {
    run(async {
        let [beta] = hubs(["beta"]).await;
        let hole = black_hole().await;
        let both = Options::from_servers(&format!("{},{}", hole.addr(), beta.addr()));
        let client = both.connect_timeout(Duration::from_secs(2)).connect().await.unwrap();
        assert_eq!(client.server().server, "beta");
    });
}

#[test]
fn a_server_with_too_many_clients_sends_a_new_one_on_and_nobody_notices() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        alpha.send_away(&[beta.addr()]);
        let client = alice(&alpha).await;
        assert_eq!((client.server().server.as_str(), client.name().as_str()), ("beta", "alice"));
        assert_eq!((alpha.follows(), beta.follows()), (vec![true], vec![false]));
        let events = client.events();
        client.close().await.unwrap();
        assert!(events.collect::<Vec<_>>().await.is_empty(), "as if it had been named in the first place");
    });
}

#[test]
fn two_servers_that_send_clients_to_each_other_send_each_only_once() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        alpha.send_away(&[beta.addr()]);
        beta.send_away(&[alpha.addr()]);
        assert_eq!(alice(&alpha).await.server().server, "beta");
        assert_eq!((alpha.follows(), beta.follows()), (vec![true], vec![false]));
    });
}

#[test]
fn a_client_that_is_sent_to_nobody_comes_back_and_is_kept() {
    run(async {
        let [alpha] = hubs(["alpha"]).await;
        alpha.send_away(&[&nobody().await, "0.0.0.0:7411", &nobody().await]);
        assert_eq!(alice(&alpha).await.server().server, "alpha");
        assert_eq!(alpha.follows(), [true, false]);
    });
}

#[test]
fn a_client_that_is_sent_to_several_takes_the_first_that_answers() {
    run(async {
        let [alpha, beta, gamma] = hubs(["alpha", "beta", "gamma"]).await;
        let hole = black_hole().await;
        alpha.send_away(&[&nobody().await, hole.addr(), beta.addr(), gamma.addr()]);
        let options = Options::new(alpha.addr()).connect_timeout(Duration::from_secs(2));
        assert_eq!(options.connect().await.unwrap().server().server, "beta");
    });
}

#[test]
fn where_the_name_is_taken_on_the_other_server_the_client_stays() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        beta.hold("alice");
        alpha.send_away(&[beta.addr()]);
        let client = alice(&alpha).await;
        assert_eq!((client.server().server.as_str(), client.name().as_str()), ("alpha", "alice"));
    });
}

#[test]
fn who_does_not_want_to_follow_says_so_and_stays() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        alpha.send_away(&[beta.addr()]);
        let client = Options::new(alpha.addr()).follow(false).connect().await.unwrap();
        assert_eq!(client.server().server, "alpha");
        assert_eq!(alpha.follows(), [false]);
        alpha.drain(&[beta.addr()], 0);
        let refused = Options::new(alpha.addr()).follow(false).connect().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal { code: Code::Draining, .. })), "{refused}");
    });
}

#[test]
fn a_reconnecting_client_is_sent_on_just_so_and_follows_again_the_next_time() {
    run(async {
        let [mut alpha, beta, mut gamma] = hubs(["alpha", "beta", "gamma"]).await;
        alpha.tell_servers(&[beta.addr()]);
        beta.send_away(&[gamma.addr()]);
        gamma.tell_servers(&[beta.addr()]);
        let client = alice(&alpha).await;
        let mut events = client.events();
        let mut ops = client.subscribe(["ops"]).await.unwrap();
        alpha.vanish().await;
        assert_eq!(back(&mut events).await.0, "gamma");
        assert_eq!((beta.follows(), gamma.follows()), (vec![true], vec![false]));
        gamma.publish("ops", "1");
        assert_eq!(told(&mut ops, 3).await, ["off", "on", "ops: 1"], "one loss, one return");
        gamma.vanish().await;
        assert_eq!(back(&mut events).await.0, "beta", "gamma is gone: beta takes whom it would send there");
        assert_eq!(beta.follows(), [true, true, false]);
    });
}

#[test]
fn a_hub_that_refuses_and_says_no_more_is_not_waited_for_long() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        alpha.refuse(Op::Hello, Some(Refusal::new(Code::TooMany, "full")));
        let start = Instant::now();
        let refused = Options::new(alpha.addr()).connect().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal { code: Code::TooMany, .. })), "{refused}");
        assert!(start.elapsed() < PROMISED);
        let both = Options::from_servers(&[alpha.addr(), beta.addr()].join(","));
        assert_eq!(both.connect().await.unwrap().server().server, "beta");
    });
}

#[test]
fn a_draining_server_sends_on_whoever_still_comes() {
    run(async {
        let [alpha, beta] = hubs(["alpha", "beta"]).await;
        alpha.drain(&[beta.addr()], 0);
        assert_eq!(alice(&alpha).await.server().server, "beta");
        alpha.drain(&[], 0);
        let refused = Options::new(alpha.addr()).connect().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal { code: Code::Draining, .. })), "{refused}");
    });
}

#[test]
fn the_clients_of_a_draining_server_move_with_everything_and_are_told_what_they_missed() {
    run(async {
        let [alpha, beta, gamma] = hubs(["alpha", "beta", "gamma"]).await;
        let client = alice(&alpha).await;
        let mut events = client.events();
        let (mut ops, mut all) =
            (client.subscribe(["ops"]).await.unwrap(), client.subscribe([">"]).await.unwrap());
        let _requests = client.serve("add", "adds").await.unwrap();
        alpha.publish("ops", "1");
        alpha.pass_on("gamma-1", 7, "ops", "2");
        until(|| alpha.subscriptions("alice").len() == 2).await;
        for sub in [&mut ops, &mut all] {
            assert_eq!(told(sub, 2).await, ["ops: 1", "ops: 2"]);
        }
        alpha.drain(&[beta.addr(), gamma.addr()], 200);
        let start = Instant::now();
        assert_eq!(back(&mut events).await.0, "beta");
        assert!(start.elapsed() >= Duration::from_millis(200), "not before the hub said");
        assert_eq!((client.name().as_str(), beta.services()), ("alice", vec!["add".to_owned()]));
        beta.pass_on("gamma-1", 8, "ops", "3");
        beta.pass_on(&alpha.origin(), 4, "ops", "4");
        for sub in [&mut ops, &mut all] {
            assert_eq!(told(sub, 5).await, ["off", "on", "ops: 3", "gap ops 2", "ops: 4"]);
        }
    });
}

#[test]
fn a_name_that_is_taken_on_one_server_is_kept_on_the_next() {
    run(async {
        let [mut alpha, beta, gamma] = hubs(["alpha", "beta", "gamma"]).await;
        beta.hold("alice");
        let configured = [alpha.addr(), beta.addr(), gamma.addr()].join(",");
        let client = Options::from_servers(&configured).name("alice").connect().await.unwrap();
        let mut events = client.events();
        alpha.vanish().await;
        assert_eq!(back(&mut events).await.0, "gamma");
        assert_eq!(client.name(), "alice");
    });
}

#[test]
fn a_name_that_is_taken_wherever_the_client_could_go_is_given_up() {
    run(async {
        let [mut alpha, beta] = hubs(["alpha", "beta"]).await;
        beta.hold("alice");
        let backoff = Backoff { initial: Duration::from_millis(1), max: Duration::from_millis(20) };
        let configured = [alpha.addr(), beta.addr()].join(",");
        let options = Options::from_servers(&configured).name("alice").backoff(backoff);
        let client = options.connect().await.unwrap();
        let mut events = client.events();
        alpha.vanish().await;
        assert_eq!(back(&mut events).await.0, "beta");
        assert!(client.name().starts_with("anon-"));
    });
}
