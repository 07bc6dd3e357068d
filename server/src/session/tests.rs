//! Whatever shortcuts a session takes: publishes mean the same, however they arrive.

use super::*;
use crate::cluster::ServerManager;
use crate::operator::Token;
use crate::outbox::Next;
use hubbub_shared::limits::Limits;
use hubbub_shared::names::Pattern;
use proptest::prelude::*;
use std::net::SocketAddr;

/// A hub with one client that speaks an encoding, and one that watches every channel as text.
struct World {
    hub: Hub,
    watcher: Arc<Client>,
    session: Session,
    now: Now,
}

impl World {
    fn new(token: Token) -> World {
        let now = Now::read();
        let hub = Hub::new(Limits::default(), ServerManager::new("alpha", uuid::Uuid::nil(), now), token);
        let addr = SocketAddr::from(([127, 0, 0, 1], 9));
        let [watcher, client] = [(); 2].map(|()| hub.clients.open(addr, None, now));
        watcher.set_encoding(Encoding::Text);
        for pattern in [">", "$inbox.>"] {
            let pattern = Pattern::parse(pattern).expect("a pattern");
            hub.channels.subscribe(&watcher, pattern, None, 10, now).expect("room for it");
        }
        hub.clients.rename(&client, ClientName::parse("ann").expect("a name")).expect("free");
        World { session: Session::new(client, now), hub, watcher, now }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let mut batch = Batch::new(self.now);
        let used = self.session.handle(&self.hub, &mut batch, Input::Lent(bytes));
        assert_eq!(used, bytes.len());
        self.hub.settle(&mut batch);
    }

    /// What the watcher was sent, line by line.
    fn seen(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut next = self.watcher.outbox.next(Default::default());
        while let Next::Chunk(chunk) = next {
            let bytes: Vec<u8> = chunk.slices().0.iter().flat_map(|slice| slice.to_vec()).collect();
            lines.extend(String::from_utf8(bytes).expect("text").lines().map(str::to_owned));
            next = self.watcher.outbox.next(chunk);
        }
        lines
    }
}

/// What a watcher sees of units that come all at once, and one by one.
fn seen(units: &[Vec<u8>]) -> [Vec<String>; 2] {
    let dir = tempfile::tempdir().expect("a folder");
    let world = || World::new(Token::create(dir.path()).expect("a token"));
    let [mut at_once, mut one_by_one] = [world(), world()];
    at_once.hear(&units.concat());
    units.iter().for_each(|unit| one_by_one.hear(unit));
    [at_once.seen(), one_by_one.seen()]
}

fn lines(units: &[&str]) -> Vec<Vec<u8>> {
    units.iter().map(|unit| format!("{unit}\n").into_bytes()).collect()
}

#[test]
fn a_publish_that_is_written_in_another_way_is_to_the_channel_that_it_names() {
    let expected = ["[a] ann: 1", "[b] ann: 2", "[b] ann: 3", "[b] ann: 4", "[a] ann: 5"];
    let text = ["publish b 0", "publish a 1", "publish b 2", "PUB b 3", "PUB b 4", "PUB a 5"];
    let json = |channel: &str, data: u8, more: &str| {
        format!(r#"{{"op":"publish","channel":"{channel}","data":{data}{more}}}"#)
    };
    let json = [
        json("b", 0, ""),
        json("a", 1, ""),
        json("b", 2, ""),
        json("b", 3, r#","id":7"#),
        json("b", 4, ""),
        json("a", 5, ""),
    ];
    for units in [lines(&text), lines(&json.each_ref().map(String::as_str))] {
        for seen in seen(&units) {
            assert_eq!(seen[1..], expected);
        }
    }
}

fn unit(encoding: Encoding, n: usize, [verb, channel, form]: [usize; 3]) -> Vec<u8> {
    let channel = ["a", "b", "c.d", "#a", "#b", "$inbox.a.b", "$sys.x", "a..b", "##a"][channel % 9];
    if encoding == Encoding::Text {
        let verb = ["publish ", "pub ", "PUB ", "/publish ", "publish  ", "echo "][verb % 6];
        let data = [format!("{n}"), format!(" {n} "), format!("{n} b c"), String::new()];
        return format!("{verb}{channel} {}\n", data[form % 4]).into_bytes();
    }
    let data = [format!("{n}"), format!("\"{n}\""), format!("{{\"n\": {n}}}"), "[".to_owned()];
    let data = &data[form / 8 % 4];
    let before = ["", r#""id":7,"#, r#""headers":{"k":"v"},"#][verb % 3];
    let after =
        ["", " ", r#","id":"x""#, r#","headers":{"k":"v"}"#, r#","reply":"r""#, r#","x":1"#][form % 6];
    let json = format!(r#"{{"op":"publish",{before}"channel":"{channel}","data":{data}{after}}}"#);
    match encoding {
        Encoding::Frame => [&(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat(),
        _ => format!("{json}\n").into_bytes(),
    }
}

proptest! {
    /// Mixed forms, several channels, and mistakes in between.
    #[test]
    fn publishes_mean_the_same_however_they_arrive(
        encoding in prop::sample::select(Encoding::ALL.to_vec()),
        choices in prop::collection::vec(prop::array::uniform3(prop_oneof![Just(0usize), Just(1), 0usize..100]), 1..14),
    ) {
        let units: Vec<_> = choices.into_iter().enumerate().map(|(n, c)| unit(encoding, n, c)).collect();
        let [at_once, one_by_one] = seen(&units);
        prop_assert_eq!(at_once, one_by_one);
    }
}
