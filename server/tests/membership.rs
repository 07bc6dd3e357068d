//! Servers find each other, notice who dies, and agree again: memberships on a simulated network.

#![allow(clippy::unwrap_used)]

mod network;

use hubbub_server::cluster::membership::{Event, Membership, Settings, State, MAX_MEMBERS};
use hubbub_server::cluster::sealed::{KeyRing, Refused};
use hubbub_server::cluster::{Load, Member};
use network::fleet::{addr, keys, Fleet};
use network::Weather;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::time::Duration;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn rough() -> Weather {
    Weather { delay: (Duration::from_micros(50), Duration::from_millis(30)), lost: 100, doubled: 100 }
}

fn joined(seed: u64, servers: usize, weather: Weather) -> Fleet {
    let mut fleet = Fleet::start(seed, servers, weather);
    fleet.until(secs(10), Fleet::agree).expect("they find each other");
    fleet.run(secs(3));
    fleet.forget_events();
    fleet
}

#[test]
fn servers_that_ask_one_find_all_of_each_other() {
    for (seed, servers) in [(1, 2), (2, 5), (3, 20)] {
        let mut fleet = Fleet::start(seed, servers, rough());
        let took = fleet.until(secs(10), Fleet::agree);
        assert!(took.is_some_and(|t| t <= secs(4)), "{servers} servers took {took:?}");
    }
}

#[test]
fn a_new_server_is_known_to_everybody_within_two_seconds() {
    for seed in 0..20 {
        let mut fleet = joined(seed, 5, Weather { lost: 0, ..rough() });
        fleet.kill(4);
        fleet.run(secs(30));
        fleet.boot(4, &[2]);
        let took = fleet.until(secs(2), Fleet::agree);
        assert!(took.is_some(), "seed {seed}");
    }
}

#[test]
fn a_killed_server_is_declared_down_by_all_within_ten_seconds() {
    let mut times = Vec::new();
    for seed in 0..100 {
        let mut fleet = joined(seed, 5, rough());
        fleet.run(Duration::from_millis(seed * 37));
        fleet.kill((seed % 5) as usize);
        times.push(fleet.until(secs(60), Fleet::agree).expect("it is noticed"));
        assert_eq!(fleet.downs(), 4, "and nobody else is declared down");
    }
    times.sort();
    assert!(times[98] <= secs(10), "p99 is {:?}, the median {:?}", times[98], times[50]);
}

#[test]
fn nobody_is_declared_down_in_an_hour_of_health_with_one_percent_loss() {
    let mut fleet = joined(11, 5, rough());
    fleet.run(secs(3600));
    assert_eq!(fleet.downs(), 0);
    assert!(fleet.agree());
}

#[test]
fn two_alone_and_much_loss_raise_no_alarm_either() {
    let mut fleet = joined(12, 2, Weather { lost: 500, ..rough() });
    fleet.run(secs(600));
    assert_eq!(fleet.downs(), 0);
}

#[test]
fn parted_servers_agree_again_within_ten_seconds_of_healing() {
    for (seed, parted_for) in [(1, 8), (2, 30), (3, 30), (4, 300), (5, 30), (6, 30)] {
        let mut fleet = joined(seed, 5, rough());
        let (some, others) = ([addr(0), addr(1)], [addr(2), addr(3), addr(4)]);
        fleet.network.part(&some, &others);
        fleet.run(secs(parted_for));
        fleet.network.heal();
        let took = fleet.until(secs(30), Fleet::agree);
        assert!(took.is_some_and(|t| t <= secs(10)), "seed {seed}: {took:?}");
        let rejoined = |e: &(Duration, Event)| matches!(e.1, Event::Rejoined(_));
        assert!(parted_for < 30 || fleet.servers.iter().any(|s| s.events.iter().any(rejoined)));
    }
}

#[test]
fn one_that_nobody_reaches_comes_back_after_an_hour_alone() {
    let mut fleet = joined(7, 3, rough());
    fleet.network.part(&[addr(1)], &[addr(0), addr(2)]);
    fleet.run(secs(3700));
    assert_eq!(fleet.at(1).alive(), 0);
    assert_eq!(fleet.at(1).members().count(), 0, "the lost ones are forgotten after an hour");
    fleet.network.heal();
    assert!(fleet.until(secs(15), Fleet::agree).is_some(), "it still asks its seeds");
}

#[test]
fn a_link_that_is_cut_one_way_harms_nobody() {
    let mut fleet = joined(8, 5, Weather::default());
    fleet.network.cut(addr(1), addr(3));
    fleet.run(secs(300));
    assert_eq!(fleet.downs(), 0, "others answer for it");
}

#[test]
fn who_leaves_has_left_and_is_not_down() {
    for seed in 0..10 {
        let mut fleet = joined(seed, 8, rough());
        fleet.with(3, |m, now| m.leave(now));
        fleet.run(secs(3));
        for other in (0..8).filter(|s| *s != 3) {
            assert_eq!(fleet.sees(other, 3), Some(State::Left), "seed {seed}, as {other} sees it");
            let left = |e: &&(Duration, Event)| matches!(&e.1, Event::Down { left: true, .. });
            assert_eq!(fleet.servers[other].events.iter().filter(left).count(), 1);
        }
        let (sent, other) = (fleet.at(3).traffic(), fleet.id(0));
        fleet.with(3, |m, now| m.set_load(now, Load::default()));
        fleet.with(3, |m, now| m.suspect(now, other));
        fleet.with(3, |m, now| m.gone(now, other));
        fleet.with(3, |m, now| m.announce(now, addr(0)));
        fleet.run(secs(10));
        assert_eq!(fleet.at(3).traffic().packets_out, sent.packets_out, "it is silent");
        assert_eq!(fleet.at(3).deadline(), None);
    }
}

#[test]
fn one_that_was_draining_when_it_went_silent_has_left() {
    let mut fleet = joined(9, 5, Weather::default());
    fleet.with(2, |m, now| m.set_load(now, Load { draining: true, ..Load::default() }));
    fleet.run(secs(2));
    fleet.kill(2);
    fleet.run(secs(15));
    assert_eq!(fleet.sees(0, 2), Some(State::Left));
}

#[test]
fn loads_reach_everybody_and_the_newest_counts() {
    let mut fleet = joined(10, 5, rough());
    for clients in 1..=30 {
        fleet.with(1, |m, now| m.set_load(now, Load { clients, ..Load::default() }));
        fleet.run(Duration::from_millis(100));
    }
    fleet.run(secs(3));
    for other in [0, 2, 3, 4] {
        let load = fleet.at(other).members().find(|m| m.member.peer_addr == addr(1)).unwrap().load;
        assert_eq!(load.clients, 30, "as {other} knows it");
    }
    fleet.kill(4);
    fleet.boot(4, &[0]);
    fleet.run(secs(3));
    let load = fleet.at(4).members().find(|m| m.member.peer_addr == addr(1)).unwrap().load;
    assert_eq!(load.clients, 30, "a new one is told too");
}

#[test]
fn a_restart_on_the_same_address_is_the_end_of_one_run_and_the_start_of_another() {
    let mut fleet = joined(13, 5, rough());
    let old = fleet.id(2);
    fleet.kill(2);
    fleet.boot(2, &[0]);
    let new = fleet.id(2);
    fleet.run(secs(3));
    for other in [0, 1, 3, 4] {
        let seen: Vec<_> = fleet.servers[other].events.iter().map(|(_, event)| event.clone()).collect();
        assert_eq!(seen.len(), 2, "as {other} sees it: {seen:?}");
        assert!(matches!(&seen[0], Event::Down { member, left: false } if member.id == old));
        assert!(matches!(&seen[1], Event::Up(member) if member.id == new));
    }
    assert!(fleet.agree());
}

#[test]
fn one_that_stood_still_blames_nobody_and_comes_back() {
    for (seed, time_first) in [(14, true), (15, false), (16, true), (17, false)] {
        let mut fleet = joined(seed, 5, rough());
        let id = fleet.id(1);
        fleet.stop(1);
        fleet.run(secs(30));
        assert!(fleet.agree(), "the others take it for dead");
        fleet.forget_events();
        fleet.go_on(1, time_first);
        assert!(fleet.until(secs(10), Fleet::agree).is_some());
        assert_eq!(fleet.downs(), 0, "nobody blames anybody");
        let rejoined = |e: &(Duration, Event)| matches!(&e.1, Event::Rejoined(me) if me.id == id);
        assert!(fleet.servers[1].events.iter().any(rejoined));
        assert!(fleet.at(1).me().generation > 0);
        let again = |e: &(Duration, Event)| matches!(&e.1, Event::Up(m) if m.id == id && m.generation > 0);
        assert!([0, 2, 3, 4].iter().all(|other| fleet.servers[*other].events.iter().any(again)));
    }
}

#[test]
fn one_whose_link_broke_can_object() {
    let mut fleet = joined(18, 5, rough());
    let id = fleet.id(1);
    fleet.with(0, |m, now| m.suspect(now, id));
    assert_eq!(fleet.sees(0, 1), Some(State::Suspect));
    fleet.run(secs(1));
    assert_eq!(fleet.sees(0, 1), Some(State::Alive));
    fleet.run(secs(10));
    assert_eq!(fleet.downs(), 0);
}

#[test]
fn one_whose_process_is_gone_is_down_at_once() {
    let mut fleet = joined(19, 5, rough());
    let id = fleet.id(1);
    fleet.kill(1);
    fleet.with(0, |m, now| m.gone(now, id));
    assert_eq!(fleet.sees(0, 1), Some(State::Down));
    assert!(fleet.until(secs(1), Fleet::agree).is_some(), "the others hear of it");
}

#[test]
fn clocks_that_jump_do_no_harm() {
    let mut fleet = joined(20, 5, rough());
    fleet.servers[1].clock_off_ms = 86_400_000;
    fleet.servers[2].clock_off_ms = -86_400_000;
    fleet.run(secs(120));
    assert_eq!(fleet.downs(), 0);
    assert!(fleet.agree());
}

#[test]
fn what_was_captured_replayed_and_forged_changes_nothing() {
    let mut fleet = joined(21, 5, Weather::default());
    fleet.captured = Some(Vec::new());
    fleet.run(secs(5));
    let captured = fleet.captured.take().unwrap();
    assert!(captured.len() > 20);
    fleet.kill(3);
    fleet.run(secs(20));
    assert!(fleet.agree());
    fleet.forget_events();
    for (from, to, packet) in captured {
        let server = (0..5).find(|s| addr(*s) == to).unwrap();
        if server == 3 {
            continue;
        }
        let refused = fleet.with(server, |m, now| m.receive(now, from, &packet));
        assert_eq!(refused, Err(Refused::Replayed));
        let mut forged = packet.clone();
        forged[50] ^= 1;
        let refused = fleet.with(server, |m, now| m.receive(now, from, &forged));
        assert_eq!(refused, Err(Refused::Forged));
    }
    fleet.run(secs(5));
    assert!(fleet.servers.iter().all(|s| s.events.is_empty()));
    assert!(fleet.agree());
}

#[test]
fn without_a_secret_only_the_own_machine_is_talked_to() {
    let fleet = Fleet::start(22, 3, Weather::default());
    let (now, me) = (fleet.now(0), fleet.at(0).me().clone());
    let other = Member { peer_addr: "127.0.0.1:7001".parse().unwrap(), ..fleet.at(1).me().clone() };
    let open = || Settings { seed: Some(1), keys: KeyRing::new("lab", &[]), max_packet: 1400 };
    let mut alone =
        Membership::new(Member { peer_addr: "127.0.0.1:7002".parse().unwrap(), ..me.clone() }, open(), now);
    alone.announce(now, addr(1));
    assert_eq!(alone.poll(), None);
    let mut local = Membership::new(other, open(), now);
    local.announce(now, "127.0.0.1:7002".parse().unwrap());
    let packet = sent(&mut local);
    assert_eq!(alone.receive(now, addr(1), &packet), Err(Refused::NotLoopback));
    assert_eq!(alone.receive(now, "127.0.0.1:7001".parse().unwrap(), &packet), Ok(()));
    assert_eq!(alone.alive(), 1);
    // One that says it is elsewhere is not taken, though its packet comes from here.
    let mut elsewhere = Membership::new(Member { id: fleet.id(2), ..me }, open(), now);
    elsewhere.announce(now, "127.0.0.1:7002".parse().unwrap());
    let packet = sent(&mut elsewhere);
    let from: SocketAddr = "127.0.0.1:7009".parse().unwrap();
    assert_eq!(alone.receive(now, from, &packet), Err(Refused::Malformed));
}

fn sent(membership: &mut Membership) -> Vec<u8> {
    match membership.poll() {
        Some(hubbub_server::cluster::membership::Effect::Send { packet, .. }) => packet,
        other => panic!("it sends nothing but {other:?}"),
    }
}

#[test]
fn members_beyond_the_bound_are_refused() {
    let mut fleet = Fleet::start(26, 3, Weather::default());
    fleet.kill(2);
    fleet.network.lose_all();
    assert!(fleet.until(secs(5), Fleet::agree).is_some(), "a lost question is asked again");
    let me = fleet.at(1).me().clone();
    let others = (100..100 + MAX_MEMBERS).map(|n| {
        let id = uuid::Uuid::from_u128(n as u128);
        Member { id, peer_addr: addr(n), name: format!("other-{n}"), ..me.clone() }
    });
    fleet.with(0, |m, now| m.introduce(now, others));
    let refused = fleet.at(0).traffic().refused;
    fleet.boot(2, &[0]);
    fleet.run(Duration::from_millis(500));
    assert!(fleet.at(0).traffic().refused > refused);
    assert_eq!(fleet.sees(0, 2), None, "there is no room");
    assert!(fleet.sees(0, 1).is_some(), "those who are known are still heard");
}

#[test]
fn packets_of_the_wrong_size_or_version_are_refused_by_name() {
    let mut fleet = Fleet::start(27, 2, Weather::default());
    let mut refused = |packet: &[u8]| fleet.with(0, |m, now| m.receive(now, addr(1), packet));
    assert_eq!(refused(&[1; 1401]), Err(Refused::TooLong));
    assert_eq!(refused(&[1; 68]), Err(Refused::TooShort));
    assert_eq!(refused(&[]), Err(Refused::TooShort));
    assert_eq!(refused(&[2; 100]), Err(Refused::OtherVersion));
    assert_eq!(refused(&[1; 100]), Err(Refused::Forged));
    assert_eq!(fleet.at(0).traffic().refused, 5);
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let story = |seed| {
        let mut fleet = Fleet::start(seed, 6, rough());
        fleet.captured = Some(Vec::new());
        fleet.run(secs(10));
        fleet.kill(2);
        fleet.run(secs(20));
        (fleet.captured.take(), fleet.servers.into_iter().map(|s| s.events).collect::<Vec<_>>())
    };
    assert!(story(23) == story(23));
    assert!(story(23) != story(24));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Sealed rightly, so that what is inside reaches the decoder.
    #[test]
    fn whatever_a_member_sends_nothing_breaks(
        bytes in prop::collection::vec(any::<u8>(), 0..1400),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        random in any::<bool>(),
    ) {
        let mut fleet = Fleet::start(25, 3, Weather::default());
        fleet.captured = Some(Vec::new());
        fleet.run(Duration::from_millis(1500));
        let (from, _, packet) = fleet.captured.take().unwrap().pop().unwrap();
        let (mut head, mut data) = keys().open_packet(&packet).unwrap();
        if random {
            data = bytes;
        } else {
            changes.iter().for_each(|(at, byte)| { let at = at.index(data.len()); data[at] = *byte; });
            data.truncate(1 + cut.index(data.len()));
        }
        head.sequence += 1000;
        let packet = keys().seal_packet([1; 24], head, &data);
        for server in 0..3 {
            let _ = fleet.with(server, |m, now| m.receive(now, from, &packet));
        }
        fleet.run(secs(1));
    }
}
