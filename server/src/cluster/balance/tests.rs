//! Who is sent where: small clusters by hand, and any cluster by chance.

#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const OWN: Uuid = Uuid::from_u128(0xa);

fn load(clients: u32) -> Load {
    Load { at: 1, clients, max_clients: 10_000, ..Load::default() }
}

/// The sister of this number; her address is `10.0.0.N:7411`.
fn sister(n: u8, load: Load) -> Sister {
    Sister { id: Uuid::from_u128(u128::from(n) << 8), addr: SocketAddr::from(([10, 0, 0, n], 7411)), load }
}

fn sisters(clients: &[u32]) -> Vec<Sister> {
    (1..).zip(clients).map(|(n, clients)| sister(n, load(*clients))).collect()
}

/// The last numbers of the addresses.
fn numbers(targets: &[String]) -> Vec<usize> {
    targets.iter().map(|addr| addr.parse::<SocketAddr>().unwrap()).map(number).collect()
}

fn number(addr: SocketAddr) -> usize {
    let SocketAddr::V4(addr) = addr else { panic!("{addr}") };
    usize::from(addr.ip().octets()[3])
}

fn placed(balance: &mut Balance, own: &Load, others: &[Sister]) -> Vec<usize> {
    match balance.place(own, others) {
        Place::Stay => Vec::new(),
        Place::Go(targets) => numbers(&targets),
    }
}

/// What is decided for one client by a server that has decided nothing before.
fn fresh(own: Load, others: &[Sister]) -> Vec<usize> {
    placed(&mut Balance::new(OWN), &own, others)
}

#[test]
fn a_server_alone_keeps_everybody() {
    assert!(fresh(load(5_000), &[]).is_empty());
    assert!(fresh(load(10_000), &[]).is_empty(), "even when it is full: there is nowhere to go");
}

#[test]
fn a_server_with_more_than_its_share_sends_the_next_client_to_the_emptiest() {
    assert_eq!(fresh(load(500), &sisters(&[300, 100, 200, 250, 700])), [2, 3, 4]);
    assert!(fresh(load(100), &sisters(&[300, 500])).is_empty(), "it has less than its share");
}

#[test]
fn in_a_small_cluster_a_few_clients_more_are_no_reason() {
    assert!(fresh(load(8), &sisters(&[0])).is_empty());
    assert!(fresh(load(16), &sisters(&[0])).is_empty(), "the mean is 8, the margin 8");
    assert_eq!(fresh(load(17), &sisters(&[0])), [1]);
    assert!(fresh(load(230), &sisters(&[170])).is_empty(), "the mean is 200, the margin 40");
    assert_eq!(fresh(load(250), &sisters(&[150])), [1]);
}

#[test]
fn work_counts_as_clients() {
    let busy = Load { cpu: 1000, queued: 1 << 40, ..load(100) };
    assert_eq!(fresh(busy, &sisters(&[100])), [1]);
    assert_eq!(fresh(Load { cpu: 900, ..load(100) }, &sisters(&[100])), [1]);
    assert!(fresh(Load { cpu: 300, ..load(100) }, &sisters(&[100])).is_empty());
    assert!(fresh(Load { queued: 1 << 40, ..load(100) }, &sisters(&[100])).is_empty(), "slow readers alone");
    assert!(fresh(Load { cpu: u16::MAX, ..load(2) }, &sisters(&[2])).is_empty(), "too few to matter");
    let others = [sister(1, Load { cpu: 1000, ..load(100) }), sister(2, load(110))];
    assert_eq!(fresh(load(300), &others), [2, 1], "fewer clients, but more work");
}

#[test]
fn a_full_or_draining_server_is_no_target_and_one_that_said_nothing_yet_neither() {
    let full = Load { max_clients: 10, ..load(10) };
    let draining = Load { draining: true, ..load(0) };
    let nowhere = Sister { addr: "0.0.0.0:7411".parse().unwrap(), ..sister(4, load(0)) };
    let others = [sister(1, full), sister(2, draining), sister(3, Load::default()), nowhere];
    assert!(fresh(load(500), &others).is_empty());
    let mut balance = Balance::new(OWN);
    assert_eq!(numbers(&balance.away(&others)), [3], "but better than a server that stops");
    let known = [sister(3, Load::default()), sister(5, load(500))];
    assert_eq!(numbers(&balance.away(&known)), [5]);
}

#[test]
fn a_full_server_sends_everybody_away_even_to_servers_with_more() {
    let full = Load { max_clients: 10, ..load(10) };
    assert_eq!(fresh(full, &sisters(&[500, 400])), [2, 1]);
    assert_eq!(fresh(Load { draining: true, ..load(3) }, &sisters(&[500])), [1]);
}

#[test]
fn a_full_server_is_no_measure_of_what_is_fair() {
    let small = sister(1, Load { max_clients: 10, ..load(10) });
    assert!(fresh(load(500), &[small, sister(2, load(490))]).is_empty());
}

#[test]
fn a_server_that_has_just_started_is_filled_even_beside_many_that_are_equal() {
    let others = sisters(&[100, 100, 100, 100, 100, 100, 100, 0]);
    assert_eq!(fresh(load(100), &others), [8]);
}

#[test]
fn a_burst_does_not_all_go_to_the_server_that_was_the_emptiest() {
    let others = sisters(&[10, 12, 14]);
    let mut balance = Balance::new(OWN);
    let mut counts = [0; 4];
    for _ in 0..300 {
        counts[placed(&mut balance, &load(1000), &others)[0]] += 1;
    }
    // 36 that were there and 300 that came are 112 for each.
    assert_eq!(counts, [0, 102, 100, 98]);
}

#[test]
fn a_new_report_says_who_has_arrived() {
    let mut others = sisters(&[10, 20]);
    let mut balance = Balance::new(OWN);
    for _ in 0..5 {
        assert_eq!(placed(&mut balance, &load(1000), &others)[0], 1);
    }
    assert_eq!(balance.expected(&others[0]), 15);
    others[0].load = Load { at: 2, clients: 13, ..others[0].load };
    assert_eq!(balance.expected(&others[0]), 13, "two did not come");
}

#[test]
fn sending_begins_above_the_margin_and_ends_below_half_of_it() {
    let others = sisters(&[100, 100, 100]);
    let mut balance = Balance::new(OWN);
    // With n here the mean is 75 + n / 4, and the margin a fifth of it, or of what it counts for.
    let mut sends = |n| balance.place(&load(n), &others) != Place::Stay;
    assert!(!sends(120));
    assert!(sends(140));
    assert!(sends(125), "still above half of the margin");
    assert!(!sends(105));
    assert!(!sends(125), "not above the whole margin again");
}

#[test]
fn the_clients_of_a_server_that_stops_go_to_the_emptiest_and_to_equal_ones_in_turn() {
    let mut balance = Balance::new(OWN);
    let mut to = |others: &[Sister], clients: usize| {
        let mut counts = [0; 5];
        for _ in 0..clients {
            let targets = numbers(&balance.away(others));
            assert!(targets.len() <= MAX_TARGETS);
            counts[targets[0]] += 1;
        }
        counts
    };
    assert_eq!(to(&sisters(&[100, 100, 100, 100]), 200), [0, 50, 50, 50, 50]);
    let later: Vec<Sister> = sisters(&[1000, 0, 990])
        .into_iter()
        .map(|sister| Sister { load: Load { at: 2, ..sister.load }, ..sister })
        .collect();
    assert_eq!(to(&later, 1010), [0, 0, 1000, 10, 0]);
}

#[test]
fn what_is_remembered_is_for_no_more_servers_than_there_are_and_one() {
    let mut balance = Balance::new(OWN);
    for n in 1..=200 {
        balance.away(&[sister(n, load(1))]);
        assert!(balance.sent.len() <= 2);
    }
}

#[test]
fn two_servers_do_not_choose_the_same_of_two_equal_ones() {
    let others = sisters(&[10, 10, 10, 10]);
    let first = |own: u128| numbers(&Balance::new(Uuid::from_u128(own << 8)).away(&others))[0];
    let chosen: std::collections::HashSet<usize> = (0..8).map(first).collect();
    assert!(chosen.len() > 1, "{chosen:?}");
}

/// A cluster whose servers all decide for themselves, from reports that are some arrivals old.
struct Cluster {
    loads: Vec<Load>,
    reported: Vec<Sister>,
    balances: Vec<Balance>,
    sent: usize,
}

impl Cluster {
    fn new(servers: u8) -> Self {
        let reported: Vec<Sister> = (0..servers).map(|n| sister(n, load(0))).collect();
        Cluster {
            loads: vec![load(0); usize::from(servers)],
            balances: reported.iter().map(|sister| Balance::new(sister.id)).collect(),
            reported,
            sent: 0,
        }
    }

    fn report(&mut self) {
        for (sister, load) in self.reported.iter_mut().zip(&self.loads) {
            sister.load = Load { at: sister.load.at + 1, ..*load };
        }
    }

    fn arrives(&mut self, at: usize) {
        let others: Vec<Sister> =
            self.reported.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, sister)| *sister).collect();
        let to = placed(&mut self.balances[at], &self.loads[at], &others).first().copied();
        self.sent += usize::from(to.is_some());
        self.loads[to.unwrap_or(at)].clients += 1;
    }

    fn spread(&self) -> u32 {
        let clients = || self.loads.iter().map(|load| load.clients);
        clients().max().unwrap() - clients().min().unwrap()
    }
}

fn some_load() -> impl Strategy<Value = Load> {
    let clients = prop_oneof![0u32..30, 0u32..5_000];
    let max = prop_oneof![Just(0u32), 1u32..50, Just(5_000u32), Just(u32::MAX)];
    (clients, max, any::<u16>(), prop_oneof![Just(0u64), any::<u64>()], prop::bool::weighted(0.1), 0u32..3)
        .prop_map(|(clients, max_clients, cpu, queued, draining, at)| Load {
            at,
            clients,
            max_clients,
            cpu,
            queued,
            draining,
            ..Load::default()
        })
}

proptest! {
    /// Whatever is reported and was decided before.
    #[test]
    fn nobody_is_sent_to_who_is_full_drains_or_has_more(
        rounds in prop::collection::vec((some_load(), prop::collection::vec(some_load(), 0..6)), 1..20),
    ) {
        let mut balance = Balance::new(OWN);
        for (own, loads) in rounds {
            let others: Vec<Sister> = (1..).zip(loads).map(|(n, load)| sister(n, load)).collect();
            let before = balance.open(&own, &others);
            let expected: Vec<u32> = others.iter().map(|sister| balance.expected(sister)).collect();
            let Place::Go(targets) = balance.place(&own, &others) else { continue };
            prop_assert!(!targets.is_empty() && targets.len() <= MAX_TARGETS);
            let forced = own.draining || is_full(&own, own.clients);
            let mut last = f64::MIN;
            for n in numbers(&targets) {
                let Sister { load, .. } = others[n - 1];
                prop_assert!(!load.draining && expected[n - 1] < load.max_clients);
                let candidate = before.candidates.iter().find(|c| number(c.addr) == n).unwrap();
                prop_assert!(forced || candidate.score < before.own_score);
                prop_assert!(candidate.score >= last, "the best first");
                last = candidate.score;
            }
            let has_room = |load: &Load| !load.draining && !is_full(load, load.clients);
            for n in numbers(&balance.away(&others)) {
                let load = others[n - 1].load;
                prop_assert!(!load.draining);
                prop_assert!(has_room(&load) || is_unreported(&load), "full ones are never named");
            }
            prop_assert!(balance.sent.len() <= others.len().max(6));
        }
    }

    #[test]
    fn nobody_is_sent_while_all_are_equal_within_the_margin(
        least in 0u32..10_000, more in prop::collection::vec(0.0f64..1.0, 1..8), cpu in 0u16..1000,
    ) {
        let margin = (f64::from(least) * MARGIN_PER_MILLE / 1000.0).max(MIN_MARGIN);
        let load = |share: f64| Load {
            cpu,
            clients: least + (margin * share) as u32,
            max_clients: u32::MAX,
            ..load(0)
        };
        let others: Vec<Sister> = (1..).zip(&more[1..]).map(|(n, share)| sister(n, load(*share))).collect();
        prop_assert!(fresh(load(more[0]), &others).is_empty());
    }
}

proptest! {
    // Each is a whole story of some thousand decisions.
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A thousand clients that all know the same server of three.
    #[test]
    fn clients_that_all_come_to_one_server_are_spread(every in 1usize..200) {
        let mut cluster = Cluster::new(3);
        for n in 0..1000 {
            if n % every == 0 {
                cluster.report();
            }
            cluster.arrives(0);
        }
        // A third is 333, and a fifth of that the margin; reports are only as old as our own knowledge.
        prop_assert!(cluster.spread() <= 110, "{:?}", cluster.loads.iter().map(|l| l.clients).collect::<Vec<_>>());
    }

    /// Clients that come anywhere, mostly to some servers.
    #[test]
    fn whoever_comes_wherever_the_spread_stays_within_the_margin_and_what_reports_are_late(
        servers in 2u8..6, every in 1usize..50, at in prop::collection::vec((0usize..6, 0usize..6), 1500),
    ) {
        let mut cluster = Cluster::new(servers);
        let servers = usize::from(servers);
        for (n, (a, b)) in at.into_iter().enumerate() {
            if n % every == 0 {
                cluster.report();
            }
            cluster.arrives(a.min(b) % servers);
        }
        let margin = (1500.0 / servers as f64 * MARGIN_PER_MILLE / 1000.0).max(MIN_MARGIN);
        let allowed = 2.0 * margin + every as f64;
        prop_assert!(f64::from(cluster.spread()) <= allowed, "{} of {allowed}: {:?}", cluster.spread(),
            cluster.loads.iter().map(|l| l.clients).collect::<Vec<_>>());
    }

    /// Clients that come to all in turn.
    #[test]
    fn what_is_even_is_left_alone(servers in 1u8..6, every in 1usize..8) {
        let mut cluster = Cluster::new(servers);
        for n in 0..2000 {
            if n % every == 0 {
                cluster.report();
            }
            cluster.arrives(n % usize::from(servers));
        }
        prop_assert_eq!(cluster.sent, 0);
    }

    /// One client more or less, many times over, turns it at most once.
    #[test]
    fn it_does_not_flap(own in 0u32..2_000, others in prop::collection::vec(0u32..2_000, 1..5)) {
        let others: Vec<Sister> = (1..).zip(others).map(|(n, clients)| sister(n, load(clients))).collect();
        let mut balance = Balance::new(OWN);
        let (mut turns, mut before) = (0, None);
        for n in 0..50u32 {
            balance.sent.clear();
            balance.place(&load(own + n % 2), &others);
            turns += u32::from(before.is_some_and(|before| before != balance.sending));
            before = Some(balance.sending);
        }
        prop_assert!(turns <= 1, "{turns}");
    }
}
