//! Servers that are ended in good order, one after the other, while clients publish and listen.

use crate::library::{member, Items, Member};
use crate::took;
use futures::executor::block_on;
use hubbub_client::{Client, Delivery};
use hubbub_tests::{wait, Cluster, Encoding};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_server_that_stops_tells_its_clients_where_to_go() {
    let mut cluster = Cluster::joined(3);
    let mut json = cluster.client(0, Encoding::Json);
    json.ask("subscribe room").ok();
    let mut text = cluster.client(0, Encoding::Text);
    text.ask("subscribe room").ok();
    let others = [cluster.hub(1).addr().to_string(), cluster.hub(2).addr().to_string()];
    cluster.terminate(0);
    let closing = loop {
        let event = json.event();
        if event.json["event"] == "closing" {
            break event.json;
        }
    };
    assert_eq!(closing["code"], "draining");
    let mut named: Vec<&str> =
        closing["try"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    let mut wanted: Vec<&str> = others.iter().map(String::as_str).collect();
    named.sort_unstable();
    wanted.sort_unstable();
    // Although they have just met, and need not have told yet how they are.
    assert_eq!(named, wanted, "{closing}");
    let notice = text.line();
    assert!(others.iter().any(|addr| notice.contains(addr)), "a person is told as well: {notice}");
    text.closed_with("draining");
}

/// What one publisher was told: origin and number of each message, and when.
type Acked = HashMap<(String, u64), Instant>;

/// Publishes until told to stop; each message waits for its acknowledgement.
fn publish(client: &Client, stop: &AtomicBool, count: &AtomicUsize) -> Acked {
    let mut acked = Acked::new();
    for n in 0_u64.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        // What became of one that failed is not known; the next one will tell.
        if let Ok(published) = block_on(client.publish("flow", n)) {
            let before = acked.insert((published.origin.clone(), published.seq), Instant::now());
            assert!(before.is_none(), "acknowledged twice: {published:?}");
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
    acked
}

/// What one subscriber was told.
#[derive(Default)]
struct Received {
    messages: HashMap<(String, u64), Instant>,
    /// By origin.
    gaps: BTreeMap<String, u64>,
    /// From losing a connection to having one again.
    away: Vec<(Instant, Instant)>,
}

fn receive(items: &Items<Delivery>) -> Received {
    let mut received = Received::default();
    let mut lost = None;
    for (at, delivery) in items.so_far() {
        match delivery {
            Delivery::Message(message) => {
                let before = received.messages.insert((message.origin.clone(), message.seq), at);
                assert!(before.is_none(), "twice: {} {}", message.origin, message.seq);
            }
            Delivery::Gap(gap) => *received.gaps.entry(gap.origin).or_default() += gap.missed,
            Delivery::Disconnected => lost = Some(at),
            Delivery::Reconnected => received.away.extend(lost.take().map(|lost| (lost, at))),
        }
    }
    assert!(lost.is_none(), "it is connected at the end");
    received
}

#[test]
fn three_servers_restart_one_after_the_other_and_nothing_is_lost_in_silence() {
    // A message and what it passes may be some way apart in time.
    const AROUND: Duration = Duration::from_millis(200);
    let mut cluster = Cluster::joined(3);
    let publishers: Vec<Member> = (0..3).map(|at| member(&cluster.addrs(at), &format!("pub{at}"))).collect();
    let subscribers: Vec<Member> = (0..3).map(|at| member(&cluster.addrs(at), &format!("sub{at}"))).collect();
    let streams: Vec<Items<Delivery>> = subscribers.iter().map(|member| member.subscribe("flow")).collect();
    let (stop, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    let acked: Acked = std::thread::scope(|scope| {
        let start = |publisher: &Member| {
            let (client, stop, count) = (publisher.client.clone(), &stop, &count);
            scope.spawn(move || publish(&client, stop, count))
        };
        let running: Vec<_> = publishers.iter().map(start).collect();
        let some_more = || {
            let wanted = count.load(Ordering::Relaxed) + 600;
            wait::until("messages to flow", || (count.load(Ordering::Relaxed) >= wanted).then_some(()));
        };
        for at in 0..3 {
            some_more();
            let started = Instant::now();
            cluster.terminate(at);
            took("a server under load ended after", started.elapsed());
            cluster.restart_in_place(at);
            cluster.wait_joined();
        }
        some_more();
        stop.store(true, Ordering::Release);
        running.into_iter().flat_map(|running| running.join().unwrap()).collect()
    });
    // The last words: whoever has heard them has heard what came before.
    wait::until("everyone to be subscribed", || {
        let said = block_on(publishers[0].client.publish("flow", "check"));
        said.is_ok_and(|said| said.subscribers == 3).then_some(())
    });
    let mut received: Vec<Received> = Vec::new();
    for publisher in &publishers {
        block_on(publisher.client.publish("flow", "end")).unwrap();
    }
    std::thread::sleep(AROUND); // so that what comes late is seen, and what comes twice
    streams.iter().for_each(|stream| received.push(receive(stream)));
    let origins: std::collections::BTreeSet<&str> = acked.keys().map(|(origin, _)| origin.as_str()).collect();
    println!("{} messages of {} runs were acknowledged", acked.len(), origins.len());
    assert!(acked.len() >= 2_400, "{}", acked.len());
    for (at, received) in received.iter().enumerate() {
        let mut unexplained: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let mut excused = 0;
        for ((origin, seq), when) in &acked {
            if received.messages.contains_key(&(origin.clone(), *seq)) {
                continue;
            }
            let is_away = |(from, to): &(Instant, Instant)| *when + AROUND >= *from && *when <= *to + AROUND;
            match received.away.iter().any(is_away) {
                true => excused += 1,
                false => unexplained.entry(origin).or_default().push(*seq),
            }
        }
        let away: Vec<Duration> = received.away.iter().map(|(from, to)| *to - *from).collect();
        let came = received.messages.len();
        println!("sub{at}: {came} came, {excused} lost while away for {away:?}, gaps {:?}", received.gaps);
        for (origin, lost) in unexplained {
            let told = received.gaps.get(origin).copied().unwrap_or_default();
            assert!(lost.len() as u64 <= told, "sub{at} lost {lost:?} of {origin} and was told of {told}");
        }
    }
}
