//! One server and what it decides, as transcripts: server 2 between 1, which decides, and 3.

use super::*;

struct Two {
    start: Instant,
    settlement: Settlement,
}

fn id(run: u128) -> Uuid {
    Uuid::from_u128(run)
}

fn addr(run: u128) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, run as u8], 7001))
}

fn member(run: u128) -> Member {
    Member {
        id: id(run),
        generation: 0,
        name: format!("s{run}"),
        pid: 1,
        client_addr: addr(run),
        peer_addr: addr(run),
        version: "0.1.0".to_owned(),
    }
}

fn dial(run: u128) -> Action {
    Action::Dial { peer: id(run), addr: addr(run) }
}

fn used(link: u64, run: u128) -> Action {
    Action::Use { link, peer: id(run) }
}

fn close(link: u64, why: Why) -> Action {
    Action::Close { link, why }
}

fn lost(run: u128) -> Action {
    Action::Lost { peer: id(run) }
}

fn suspect(run: u128) -> Action {
    Action::Suspect { peer: id(run) }
}

impl Two {
    fn new() -> Self {
        Two { start: Instant::now(), settlement: Settlement::new(id(2)) }
    }

    /// What it wants after something happened, so many ms after the start.
    fn at(&mut self, ms: u64, event: impl FnOnce(&mut Settlement, Instant)) -> Vec<Action> {
        event(&mut self.settlement, self.start + Duration::from_millis(ms));
        std::iter::from_fn(|| self.settlement.poll()).collect()
    }

    /// Lets the pauses be drawn, and tells when the next thing is due.
    fn due(&mut self, ms: u64) -> Option<u64> {
        assert_eq!(self.at(ms, |s, now| s.on_time(now, 0.5)), []);
        let deadline = self.settlement.deadline()?;
        Some(deadline.saturating_duration_since(self.start).as_millis() as u64)
    }

    /// Dials 3 at 0 ms and has adopted link 1 to it at once.
    fn linked_with_three() -> Self {
        let mut two = Two::new();
        assert_eq!(two.at(0, |s, now| s.wanted(now, &member(3))), [dial(3)]);
        let adopted = two.at(0, |s, now| s.handshaken(now, 1, id(3), true));
        assert_eq!(adopted, [Action::Adopt { link: 1 }, used(1, 3)]);
        two
    }
}

#[test]
fn the_lower_id_dials_at_once_and_adopts() {
    let mut two = Two::linked_with_three();
    assert_eq!(two.settlement.deadline(), None);
    assert_eq!(two.at(9, |s, now| s.wanted(now, &member(3))), [], "known already");
    assert_eq!(two.at(9, |s, now| s.wanted(now, &member(2))), [], "itself");
}

#[test]
fn the_higher_id_waits_to_be_dialed_and_adopted() {
    let mut two = Two::new();
    assert_eq!(two.at(0, |s, now| s.wanted(now, &member(1))), []);
    assert_eq!(two.at(100, |s, now| s.handshaken(now, 1, id(1), false)), []);
    assert_eq!(two.at(200, |s, now| s.adopted(now, 1)), [used(1, 1)]);
    assert_eq!(two.at(300, |s, now| s.adopted(now, 1)), [], "told twice");
    assert_eq!(two.settlement.deadline(), None);
}

#[test]
fn the_higher_id_dials_when_nobody_came() {
    let mut two = Two::new();
    two.at(0, |s, now| s.wanted(now, &member(1)));
    assert_eq!(two.due(2_999), Some(3_000));
    assert_eq!(two.at(3_000, |s, now| s.on_time(now, 0.5)), [dial(1)]);
    assert_eq!(two.at(3_100, |s, now| s.handshaken(now, 1, id(1), true)), []);
    assert_eq!(two.due(3_100), Some(8_100));
    assert_eq!(two.at(8_100, |s, now| s.on_time(now, 0.5)), [close(1, Why::NotAdopted)]);
    assert!(two.due(8_100) > Some(8_100));
}

#[test]
fn the_higher_id_follows_the_lower_one_to_another_link() {
    let mut two = Two::new();
    two.at(0, |s, now| s.wanted(now, &member(1)));
    for link in 1..=3 {
        assert_eq!(two.at(10, |s, now| s.handshaken(now, link, id(1), false)), []);
    }
    assert_eq!(
        two.at(20, |s, now| s.adopted(now, 2)),
        [close(1, Why::Replaced), close(3, Why::Replaced), used(2, 1)]
    );
    assert_eq!(two.at(30, |s, now| s.adopted(now, 1)), [], "it is closed");
    two.at(40, |s, now| s.handshaken(now, 4, id(1), false));
    assert_eq!(two.at(50, |s, now| s.adopted(now, 4)), [lost(1), close(2, Why::Replaced), used(4, 1)]);
}

#[test]
fn of_two_that_dial_each_other_the_first_link_stays() {
    let mut two = Two::linked_with_three();
    assert_eq!(two.at(1_999, |s, now| s.handshaken(now, 2, id(3), false)), [close(2, Why::Spare)]);
    let newer = two.at(2_000, |s, now| s.handshaken(now, 3, id(3), false));
    assert_eq!(newer, [lost(3), close(1, Why::Replaced), Action::Adopt { link: 3 }, used(3, 3)]);
}

#[test]
fn a_dial_that_ends_after_the_peer_came_is_spare() {
    let mut two = Two::new();
    assert_eq!(two.at(0, |s, now| s.wanted(now, &member(3))), [dial(3)]);
    two.at(10, |s, now| s.handshaken(now, 1, id(3), false));
    assert_eq!(two.at(2_900, |s, now| s.handshaken(now, 2, id(3), true)), [close(2, Why::Spare)]);
}

#[test]
fn a_link_that_lasted_is_dialed_again_at_once_and_another_after_a_pause() {
    let mut two = Two::linked_with_three();
    assert_eq!(two.at(10_000, |s, now| s.lost(now, 1)), [lost(3), suspect(3), dial(3)]);
    two.at(10_000, |s, now| s.handshaken(now, 2, id(3), true));
    assert_eq!(two.at(19_999, |s, now| s.lost(now, 2)), [lost(3), suspect(3)]);
    let due = two.due(19_999).expect("a dial");
    assert!((20_049..=20_099).contains(&due), "{due}");
    assert_eq!(two.at(due + 1, |s, now| s.on_time(now, 0.0)), [dial(3)]);
}

#[test]
fn pauses_double_up_to_five_seconds_for_ever() {
    let mut two = Two::new();
    let (mut now_ms, mut pause) = (0, 100);
    assert_eq!(two.at(0, |s, now| s.wanted(now, &member(3))), [dial(3)]);
    for round in 0..100 {
        let told = two.at(now_ms, |s, now| s.dial_failed(now, id(3), Failure::Unreachable));
        assert_eq!(told.len(), usize::from(round == 0), "suspected once");
        let due = two.due(now_ms).expect("a dial");
        assert!((now_ms + pause / 2..=now_ms + pause).contains(&due), "{due}");
        (now_ms, pause) = (due + 1, (pause * 2).min(5_000));
        assert_eq!(two.at(now_ms, |s, now| s.on_time(now, 0.9)), [dial(3)]);
    }
}

#[test]
fn a_process_that_is_gone_is_told_once_a_loss() {
    let mut two = Two::linked_with_three();
    for (link, ms) in [(1, 20_000), (2, 40_000)] {
        assert_eq!(two.at(ms, |s, now| s.lost(now, link)), [lost(3), suspect(3), dial(3)]);
        let refused = |s: &mut Settlement, now| s.dial_failed(now, id(3), Failure::ConnectionRefused);
        assert_eq!(two.at(ms, refused), [Action::Gone { peer: id(3) }]);
        two.due(ms);
        assert_eq!(two.at(ms + 200, |s, now| s.on_time(now, 0.0)), [dial(3)]);
        assert_eq!(two.at(ms + 200, refused), []);
        two.at(ms + 300, |s, now| s.handshaken(now, link + 1, id(3), false));
    }
}

#[test]
fn a_conflict_is_told_once_and_tried_every_five_seconds() {
    let mut two = Two::new();
    two.at(0, |s, now| s.wanted(now, &member(3)));
    let refuse = |text: &'static str| {
        move |s: &mut Settlement, now| {
            s.dial_failed(now, id(3), Failure::TurnedAway(Code::NameTaken, text.to_owned()))
        }
    };
    let conflict =
        |message: &str| Action::Conflict { peer: id(3), code: Code::NameTaken, message: message.to_owned() };
    assert_eq!(two.at(0, refuse("s2 is taken")), [conflict("s2 is taken")]);
    assert_eq!(two.due(0), Some(5_000));
    assert_eq!(two.at(5_000, |s, now| s.on_time(now, 0.0)), [dial(3)]);
    assert_eq!(two.at(5_000, refuse("s2 is taken")), []);
    assert_eq!(two.at(10_000, |s, now| s.on_time(now, 0.0)), [dial(3)]);
    assert_eq!(two.at(10_000, refuse("s2 is taken by s9")), [conflict("s2 is taken by s9")]);
}

#[test]
fn who_is_not_wanted_has_no_links_and_one_dial_at_most() {
    let mut two = Two::linked_with_three();
    let gone = two.at(5, |s, now| s.unwanted(now, id(3)));
    assert_eq!(gone, [lost(3), close(1, Why::Unwanted)]);
    assert_eq!(two.at(6, |s, now| s.handshaken(now, 2, id(3), false)), [close(2, Why::Unwanted)]);
    assert_eq!(two.at(7, |s, now| s.wanted(now, &member(3))), [dial(3)]);
    assert_eq!(two.at(8, |s, now| s.unwanted(now, id(3))), []);
    assert_eq!(two.at(9, |s, now| s.wanted(now, &member(3))), [], "a dial is under way");
    let adopted = two.at(10, |s, now| s.handshaken(now, 3, id(3), true));
    assert_eq!(adopted, [Action::Adopt { link: 3 }, used(3, 3)]);
}

#[test]
fn a_peer_that_adopts_out_of_turn_or_opens_many_links_is_bounded() {
    let mut two = Two::linked_with_three();
    assert_eq!(two.at(1, |s, now| s.adopted(now, 1)), [lost(3), suspect(3), close(1, Why::OutOfTurn)]);
    two.at(2, |s, now| s.wanted(now, &member(1)));
    for link in 10..10 + MAX_WAITING as u64 {
        assert_eq!(two.at(3, |s, now| s.handshaken(now, link, id(1), false)), []);
    }
    assert_eq!(two.at(4, |s, now| s.handshaken(now, 99, id(1), false)), [close(10, Why::NotAdopted)]);
}
