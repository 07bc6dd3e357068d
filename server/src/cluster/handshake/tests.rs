//! Two ends of a link that speak to each other, and what somebody between them can do.

use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_770_000_000_000;

fn member(name: &str, id: u128) -> Member {
    Member {
        id: Uuid::from_u128(id),
        generation: 2,
        name: name.to_owned(),
        pid: 4711,
        client_addr: "10.0.0.1:7000".parse().expect("an address"),
        peer_addr: "[fe80::1]:7001".parse().expect("an address"),
        version: "0.1.0".to_owned(),
    }
}

fn ring(secrets: &[&str]) -> KeyRing {
    KeyRing::new("dev", &secrets.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
}

fn random(of: u8) -> Random {
    let mut bytes = [of; Random::LEN];
    (0..).zip(&mut bytes).for_each(|(at, byte): (u8, _)| *byte = of.wrapping_mul(31) ^ at);
    Random::new(bytes)
}

fn anybody(_: &Member) -> Result<(), (Code, String)> {
    Ok(())
}

struct Server {
    me: Member,
    keys: KeyRing,
    cluster: &'static str,
    is_plain: bool,
    seen: SeenHellos,
}

impl Server {
    fn new(name: &str, id: u128, secrets: &[&str]) -> Self {
        let keys = ring(secrets);
        Server { me: member(name, id), keys, cluster: "dev", is_plain: false, seen: SeenHellos::default() }
    }

    fn ours(&self) -> Ours<'_> {
        Ours { keys: &self.keys, cluster: self.cluster, me: &self.me, is_plain: self.is_plain }
    }

    fn call(&self, to: Uuid) -> (Dialing<'_>, Vec<u8>) {
        Dialing::new(self.ours(), to, random(1), NOW)
    }

    /// What it says to one first message.
    fn hear(&mut self, bytes: &[u8], now_ms: i64) -> Step {
        let mut seen = std::mem::take(&mut self.seen);
        let step =
            Accepting::new(self.ours(), random(2)).receive(&mut &bytes[..], &mut seen, now_ms, anybody);
        self.seen = seen;
        step
    }
}

fn pair() -> (Server, Server) {
    (Server::new("a", 1, &["secret"]), Server::new("b", 2, &["secret"]))
}

/// Feeds bytes in pieces until the machine says something.
fn pieces(bytes: &mut &[u8], size: usize, mut receive: impl FnMut(&mut &[u8]) -> Step) -> Step {
    loop {
        let (mut now, later) = bytes.split_at(size.min(bytes.len()));
        let step = receive(&mut now);
        *bytes = &bytes[bytes.len() - later.len() - now.len()..];
        if !matches!(step, Step::More) || bytes.is_empty() {
            return step;
        }
    }
}

/// A whole handshake, every message in pieces of `size`; `touch` gets each message on its way.
fn meet(
    a: &Server,
    b: &Server,
    size: usize,
    mut touch: impl FnMut(u8, &mut Vec<u8>),
) -> Result<(Met, Met), Box<Step>> {
    let (mut dialing, mut first) = a.call(b.me.id);
    let (mut seen, mut accepting) = (SeenHellos::default(), Accepting::new(b.ours(), random(2)));
    touch(1, &mut first);
    let heard = pieces(&mut &first[..], size, |bytes| accepting.receive(bytes, &mut seen, NOW, anybody));
    let mut second = match heard {
        Step::Reply(reply) | Step::Refuse { reply, .. } => reply,
        step => return Err(Box::new(step)),
    };
    touch(2, &mut second);
    let at_a = match pieces(&mut &second[..], size, |bytes| dialing.receive(bytes)) {
        Step::Done(met) => met,
        step => return Err(Box::new(step)),
    };
    let mut third = at_a.reply.clone();
    touch(3, &mut third);
    third.extend_from_slice(b"records");
    let mut rest = &third[..];
    match pieces(&mut rest, size, |bytes| accepting.receive(bytes, &mut seen, NOW, anybody)) {
        Step::Done(at_b) => {
            assert_eq!(rest, b"records", "what follows is not the handshake's");
            Ok((*at_a, *at_b))
        }
        step => Err(Box::new(step)),
    }
}

/// Sends a word each way.
fn talk(a: Met, b: Met) {
    let ((mut seal_a, mut open_a), (mut seal_b, mut open_b)) = (a.session.records(), b.session.records());
    for (seal, open) in [(&mut seal_a, &mut open_b), (&mut seal_b, &mut open_a)] {
        let (mut wire, mut plain) = (Vec::new(), Vec::new());
        seal.seal([&b"hello"[..]], &mut wire);
        assert_eq!(wire == b"hello", seal.is_plain());
        open.push(&wire, &mut plain).expect("both ends have the keys");
        assert_eq!(plain, b"hello");
    }
}

fn refused(step: Step) -> (Code, String) {
    match step {
        Step::Refused { code, message } => (code, message),
        step => panic!("not refused: {step:?}"),
    }
}

fn failed(step: Step) -> Failure {
    match step {
        Step::Failed(failure) => failure,
        step => panic!("not failed: {step:?}"),
    }
}

#[test]
fn two_servers_with_one_secret_meet_and_talk() {
    let (a, b) = pair();
    let (at_a, at_b) = meet(&a, &b, 9999, |_, _| ()).expect("they meet");
    assert_eq!((&at_a.peer, &at_b.peer), (&b.me, &a.me));
    assert!(!at_a.session.is_plain() && at_a.session.protocol == 1);
    talk(at_a, at_b);
}

#[test]
fn a_link_within_the_machine_is_proven_and_then_plain() {
    let (mut a, mut b) = pair();
    (a.is_plain, b.is_plain) = (true, true);
    let (at_a, at_b) = meet(&a, &b, 9999, |_, _| ()).expect("they meet");
    assert!(at_a.session.is_plain() && at_b.session.is_plain());
    talk(at_a, at_b);
}

#[test]
fn the_ends_cannot_disagree_on_whether_the_link_is_plain() {
    let (mut a, b) = pair();
    a.is_plain = true;
    let step = meet(&a, &b, 9999, |_, _| ()).expect_err("they disagree");
    assert_eq!(failed(*step), Failure::Disagreed);
}

#[test]
fn servers_meet_while_the_secret_is_being_changed() {
    for (a, b) in [(["old", "new"], ["new", "old"]), (["new", "old"], ["old", "new"])] {
        let (a, b) = (Server::new("a", 1, &a), Server::new("b", 2, &b));
        let (at_a, at_b) = meet(&a, &b, 9999, |_, _| ()).expect("each knows the other's secret");
        talk(at_a, at_b);
    }
}

#[test]
fn a_stranger_gets_no_answer() {
    let (a, mut b) = (Server::new("a", 1, &["guess"]), Server::new("b", 2, &["secret"]));
    let (_, hello) = a.call(b.me.id);
    assert_eq!(failed(b.hear(&hello, NOW)), Failure::Unproven);
    assert_eq!(failed(b.hear(b"GET / HTTP/1.1\r\n\r\n", NOW)), Failure::TooLong(0x47455420));
    assert_eq!(failed(b.hear(&[0; 4], NOW)), Failure::Unproven);
    assert!(matches!(b.hear(&hello[..hello.len() - 1], NOW), Step::More));
}

#[test]
fn a_first_message_is_heard_once_and_in_its_time() {
    let (a, mut b) = pair();
    let (_, hello) = a.call(b.me.id);
    assert!(matches!(b.hear(&hello, NOW), Step::Reply(_)));
    assert_eq!(failed(b.hear(&hello, NOW + 10)), Failure::Unfit(Unfit::Replayed));
    assert_eq!(failed(b.hear(&hello, NOW + 60_001)), Failure::Unfit(Unfit::Time(-60_001)));
}

#[test]
fn our_own_message_does_not_pass_for_an_answer() {
    let (a, b) = pair();
    let (mut dialing, hello) = a.call(b.me.id);
    assert_eq!(failed(dialing.receive(&mut &hello[..])), Failure::Unproven);
}

#[test]
fn an_answer_to_another_call_does_not_count() {
    let (a, mut b) = pair();
    let (_, hello) = a.call(b.me.id);
    let Step::Reply(answer) = b.hear(&hello, NOW) else { panic!("no answer") };
    let (mut later, _) = Dialing::new(a.ours(), b.me.id, random(3), NOW);
    let failure = failed(later.receive(&mut &answer[..]));
    assert_eq!(failure, Failure::Malformed("it answers another challenge".to_owned()));
}

/// What a dialer hears from an acceptor with its own idea of things.
fn told(a: &Server, b: &Server, to: Uuid, rule: Result<(), (Code, String)>) -> (Code, String) {
    let (mut dialing, hello) = a.call(to);
    let mut accepting = Accepting::new(b.ours(), random(2));
    match accepting.receive(&mut &hello[..], &mut SeenHellos::default(), NOW, |_| rule) {
        Step::Refuse { reply, .. } => refused(dialing.receive(&mut &reply[..])),
        step => panic!("not refused: {step:?}"),
    }
}

#[test]
fn a_server_that_is_turned_away_is_told_why() {
    let (a, mut b) = pair();
    let id = b.me.id;
    let taken = (Code::NameTaken, "another server is called a".to_owned());
    assert_eq!(told(&a, &b, id, Err(taken.clone())), taken);
    let (code, message) = told(&a, &b, Uuid::from_u128(3), Ok(()));
    assert_eq!((code, message), (Code::NotMe, format!("here is b, run {id}")));
    assert_eq!(told(&a, &a, a.me.id, Ok(())).0, Code::Itself);
    b.cluster = "prod";
    let (code, message) = told(&a, &b, id, Ok(()));
    assert_eq!((code, &*message), (Code::OtherCluster, "this server belongs to the cluster prod"));
}

#[test]
fn a_long_refusal_is_cut_between_characters() {
    let (a, b) = pair();
    let (_, message) = told(&a, &b, b.me.id, Err((Code::Draining, format!("x{}", "é".repeat(9999)))));
    assert_eq!(message.len(), 511);
}

#[test]
fn a_name_or_version_that_no_server_may_have_is_refused() {
    for (name, version) in
        [("two words", "1"), ("", "1"), ("a", ""), ("a", "1\u{1b}[2J"), ("a", &*"1".repeat(33))]
    {
        let (mut a, b) = pair();
        (a.me.name, a.me.version) = (name.to_owned(), version.to_owned());
        assert_eq!(told(&a, &b, b.me.id, Ok(())).0, Code::BadMember, "{name:?} {version:?}");
        let step = meet(&b, &a, 9999, |_, _| ()).expect_err("nor as the acceptor");
        assert!(matches!(*step, Step::Failed(Failure::Malformed(_))), "{step:?}");
    }
}

/// A first message with something changed in its JSON, sealed again.
fn forged(a: &Server, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let (_, hello) = a.call(Uuid::from_u128(2));
    let (_, mut body): (_, serde_json::Value) = read(a.ours(), 1, &hello[HEAD..]).expect("our own");
    change(&mut body);
    write(a.ours(), 1, [9; 24], &body)
}

#[test]
fn servers_of_other_versions_meet_if_their_ranges_do() {
    let (a, mut b) = pair();
    let newer = forged(&a, |hello| hello["protocol"] = serde_json::json!([1, 9]));
    assert!(matches!(b.hear(&newer, NOW), Step::Reply(_)));
    for range in [[2, 3], [0, 0], [1, 0]] {
        let mut b = pair().1;
        let other = forged(&a, |hello| hello["protocol"] = serde_json::json!(range));
        let step = b.hear(&other, NOW);
        assert!(matches!(step, Step::Refuse { code: Code::OtherVersion, .. }), "{step:?}");
    }
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    let (a, mut b) = pair();
    let richer = forged(&a, |hello| hello["mood"] = "fine".into());
    assert!(matches!(b.hear(&richer, NOW), Step::Reply(_)));
    let poorer = forged(&a, |hello| drop(hello.as_object_mut().map(|fields| fields.remove("cluster"))));
    assert!(matches!(failed(b.hear(&poorer, NOW)), Failure::Malformed(_)));
    let code: Code = serde_json::from_str("\"full-moon\"").expect("a reason that is not known yet");
    assert_eq!(code, Code::Unknown);
}

#[test]
fn a_message_of_a_large_member_fits() {
    let (mut a, mut b) = pair();
    a.me.name = "n".repeat(32);
    a.me.version = "v".repeat(32);
    a.me.client_addr = "[1111:2222:3333:4444:5555:6666:7777:8888]:65535".parse().expect("an address");
    let (_, hello) = a.call(b.me.id);
    assert!(hello.len() < 1024, "{}", hello.len());
    assert!(matches!(b.hear(&hello, NOW), Step::Reply(_)));
}

proptest! {
    #[test]
    fn any_pieces_give_the_same_meeting(size in 1usize..700) {
        let (a, b) = pair();
        let (at_a, at_b) = meet(&a, &b, size, |_, _| ()).expect("they meet");
        prop_assert_eq!((&at_a.peer, &at_b.peer), (&b.me, &a.me));
        talk(at_a, at_b);
    }

    #[test]
    fn a_flipped_bit_ends_it_without_an_answer(
        which in 1u8..=3,
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (a, b) = pair();
        let step = meet(&a, &b, 9999, |message, bytes| {
            if message == which {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
        });
        // A greater length waits for bytes that do not come; the shell's time limit ends it.
        prop_assert!(matches!(step.map_err(|step| *step), Err(Step::Failed(_) | Step::More)));
    }

    #[test]
    fn any_bytes_at_all_get_no_answer(bytes in prop::collection::vec(any::<u8>(), 0..600), framed: bool) {
        let (a, mut b) = pair();
        let framed = if framed { [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat() } else { bytes };
        prop_assert!(matches!(b.hear(&framed, NOW), Step::Failed(_) | Step::More));
        let (mut dialing, _) = a.call(b.me.id);
        prop_assert!(matches!(dialing.receive(&mut &framed[..]), Step::Failed(_) | Step::More));
    }
}
