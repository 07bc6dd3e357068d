//! Heavy requests: whoever has the hub compute as much as it lets does not get in the way of others.

use crate::{endure, SLACK};
use hubbub_tests::{hub, wait, Encoding, Hub, Socket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How far the largest primes of 64 bits are below 2^64. Their products are the hardest numbers that may
/// be asked.
const PRIMES: [u128; 6] = [59, 83, 95, 179, 189, 257];
/// Clients that attack.
const ATTACKERS: usize = 4;
/// How long the canary is listened to, without and with the attack.
const LISTENING: Duration = Duration::from_secs(3);
/// What a round trip may take however short the baseline is: the tests share their cores with whatever
/// else the machine does, and the scheduler's slices are some milliseconds long.
const FLOOR: Duration = Duration::from_millis(50);

/// The 99th percentile of round trips through the hub, of a message and of a light request in turn.
fn p99(hub: &Hub) -> Duration {
    let mut canary = hub.client(Encoding::Json);
    canary.ask("subscribe canary.p99").ok();
    let mut took = Vec::new();
    let started = Instant::now();
    while started.elapsed() < LISTENING {
        let asked = Instant::now();
        canary.ask("publish canary.p99 tweet").ok();
        canary.event();
        assert_eq!(canary.ask("request palindrome abba").ok(), "palindrome: true");
        took.push(asked.elapsed());
        std::thread::park_timeout(Duration::from_millis(5));
    }
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

fn product(n: usize) -> u128 {
    let prime = |n: usize| (1 << 64) - PRIMES[n % 6];
    prime(n) * prime(n + 1 + n / 6 % 5)
}

fn ask(socket: &mut Socket, n: usize) {
    socket.send(format!(
        "{{\"op\":\"request\",\"id\":\"x\",\"service\":\"factor\",\"data\":{},\"timeout_ms\":3600000}}\n",
        product(n)
    ));
}

/// Ends the attack, however the canary fares.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_hardest_numbers_delay_nobody() {
    let hub = hub::builder().args(["--workers", "2"]).start();
    let before = p99(&hub);
    // What waits are some hundred requests with their tables.
    let attacked = endure(&hub, SLACK, |hub| {
        let mut attackers: Vec<Socket> = (0..ATTACKERS).map(|_| hub.socket()).collect();
        for attacker in &mut attackers {
            (0..100).for_each(|n| ask(attacker, n));
        }
        wait::until("the pool to be busy", || (hub.stat("requests_open") > 200).then_some(()));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _over = SetAtEnd(&over);
            for attacker in &mut attackers {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let Some(line) = attacker.line_within(Duration::from_millis(20)) else { continue };
                        let line = line.unwrap();
                        assert!(line.starts_with(r#"{"re":"x","ok":{"data":[1844674407370955"#), "{line}");
                        ask(attacker, line.len());
                    }
                });
            }
            let attacked = p99(hub);
            assert!(hub.stat("requests_open") > 200, "the pool is busy to the end");
            attacked
        })
    });
    wait::until("the work to be forgotten", || (hub.stat("requests_open") == 0).then_some(()));
    // Whatever else the machine does may have begun, or ended, with the attack.
    let baseline = before.max(p99(&hub));
    println!("p99 {baseline:?} without heavy work, {attacked:?} with it");
    let most = FLOOR.max(2 * baseline);
    assert!(attacked <= most, "p99 was {baseline:?}, and {attacked:?} with the pool busy");
}

#[test]
fn a_flood_of_heavy_requests_is_refused_and_leaves_room_for_others() {
    let hub = hub::builder().args(["--workers", "1"]).start();
    endure(&hub, SLACK, |hub| {
        let mut flood = hub.socket();
        let started = Instant::now();
        let units: String = (0..11_000)
            .map(|n| format!("{{\"op\":\"request\",\"id\":\"{n}\",\"service\":\"factor\",\"data\":{},\"timeout_ms\":3600000}}\n", product(n)))
            .collect();
        flood.send(units);
        // Half of the places, and no more; what is done meanwhile makes room for few.
        let refused =
            (0..11_000 - 8_500).filter(|_| flood.must_line().contains(r#""code":"too-many""#)).count();
        assert!(refused > 2_200, "{refused} were refused");
        println!("11,000 heavy requests were taken or refused in {:?}", started.elapsed());
        let mut other = hub.socket();
        other.send("request fibonacci 5000\n");
        assert!(other.must_line().starts_with("ok fibonacci: "), "the next turn is another client's");
    });
    wait::until("the work to be forgotten", || (hub.stat("requests_open") == 0).then_some(()));
}

#[test]
fn a_host_with_a_connection_for_each_request_is_one_caller() {
    crate::many_descriptors();
    let hub = hub::builder().args(["--workers", "1", "--door", "blob=127.0.0.1:0"]).start();
    // Each of these connections has buffers, and a request in the ledger.
    let bound = SLACK + (64 << 20);
    endure(&hub, bound, |hub| {
        let flood: Vec<Socket> = (0..4_500)
            .map(|n| {
                let mut socket = hub.door("blob");
                socket.send(format!("{{\"factor\": {}}}\n", product(n)));
                socket
            })
            .collect();
        wait::until("the host's places to be taken", || (hub.stat("requests_open") > 2_000).then_some(()));
        let mut other = hub.socket();
        other.send("request fibonacci 5000\n");
        assert!(other.must_line().starts_with("ok fibonacci: "), "the next turn is another client's");
        drop(flood);
    });
    wait::until("the work to be forgotten", || (hub.stat("requests_open") == 0).then_some(()));
}
