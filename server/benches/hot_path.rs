//! The parts of the hot path alone, without sockets: what each costs, and that it costs the same
//! however large the hub is. `cargo bench -p hubbub-server --bench hot_path [-- NAME]`.

use divan::counter::{BytesCount, ItemsCount};
use divan::{black_box, Bencher};
use hubbub_server::block::{Block, Encoded};
use hubbub_server::clock::Now;
use hubbub_server::cluster::record::Session;
use hubbub_server::hub::{Batch, ChannelManager, Client, ClientManager, Item, Publisher, Reach};
use hubbub_server::outbox::{Next, Outbox, Push};
use hubbub_shared::encoding::{Decoder, Encoding, Head, MessageRef, Out, Payload, Step};
use hubbub_shared::limits::Limits;
use hubbub_shared::names::Pattern;
use std::net::SocketAddr;
use std::sync::Arc;

fn main() {
    divan::main();
}

const PAYLOAD: &str = "Build 512 of hubbub failed on arm64: see the log, 128 bytes of payload as the comparison with other hubs uses, to the last byte.";
const MESSAGES: usize = 400;

fn limits() -> Limits {
    Limits { max_queue: usize::MAX, ..Limits::default() }
}

/// One read's worth of publishes, as a client of an encoding sends them.
fn input(encoding: Encoding) -> Vec<u8> {
    let json = format!(r#"{{"op":"publish","channel":"ops.builds","data":"{PAYLOAD}"}}"#);
    let unit = match encoding {
        Encoding::Text => format!("publish ops.builds {PAYLOAD}\n").into_bytes(),
        Encoding::Json => format!("{json}\n").into_bytes(),
        Encoding::Frame => [&(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat(),
    };
    unit.repeat(MESSAGES)
}

fn decode(bytes: &[u8], mut unit: impl FnMut(Encoding, &[u8])) {
    let (mut decoder, limits, mut used) = (Decoder::default(), Limits::default(), 0);
    while let Step::Unit(body, length) = decoder.step(&bytes[used..], &limits) {
        used += length;
        if let Some(encoding) = decoder.encoding() {
            unit(encoding, body);
        }
    }
}

/// Finding the units and parsing each from its start.
#[divan::bench(args = Encoding::ALL)]
fn decode_and_parse(bencher: Bencher, encoding: Encoding) {
    let bytes = input(encoding);
    let bencher = bencher.counter(ItemsCount::new(MESSAGES)).counter(BytesCount::of_slice(&bytes));
    bencher.bench(|| {
        decode(black_box(&bytes), |encoding, unit| {
            let _ = black_box(encoding.parse(unit));
        })
    });
}

/// The same with what publishers to one channel profit from: the remembered head.
#[divan::bench(args = Encoding::ALL)]
fn decode_with_head(bencher: Bencher, encoding: Encoding) {
    let bytes = input(encoding);
    let mut head = Head::default();
    decode(&bytes, |encoding, unit| {
        if let Some(Ok(command)) = encoding.parse(unit) {
            head.learn(unit, &command);
        }
    });
    let bencher = bencher.counter(ItemsCount::new(MESSAGES)).counter(BytesCount::of_slice(&bytes));
    bencher.bench(|| {
        decode(black_box(&bytes), |encoding, unit| {
            let _ = black_box(head.payload(encoding, unit));
        })
    });
}

/// One message to bytes.
#[divan::bench(args = Encoding::ALL)]
fn encode(bencher: Bencher, encoding: Encoding) {
    let payload = match encoding {
        Encoding::Text => Payload::Text(PAYLOAD),
        _ => Payload::Json(
            "\"Build 512 failed on arm64: see the log; a payload that was checked when it came\"",
        ),
    };
    let message = MessageRef {
        channel: "ops.builds",
        from: "bob",
        seq: 123_456,
        origin: "alpha-3f2a9c",
        at: "2026-05-01T09:30:00.123Z",
        payload,
        via: None,
        headers: None,
        reply: None,
    };
    let mut out = Vec::with_capacity(4096);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        out.clear();
        encoding.push(&Out::Message(black_box(message)), &mut out);
        out.len()
    });
}

/// Takes out all that is queued, as if a socket had taken it.
fn empty(outbox: &Outbox) {
    let mut next = outbox.next(Default::default());
    while let Next::Chunk(spent) = next {
        next = outbox.next(spent);
    }
}

/// One small append to an outbox, and its way out.
#[divan::bench]
fn outbox_append(bencher: Bencher) {
    let (outbox, block, mut pressed) =
        (Outbox::new(1 << 20), Encoded::new(Block::from(vec![b'x'; 160])), false);
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        if outbox.push(black_box(&block), 1, &mut pressed) == Push::Flush {
            empty(&outbox);
        }
    });
}

struct World {
    channels: ChannelManager,
    clients: ClientManager,
    now: Now,
}

impl World {
    fn new() -> Self {
        let limits = limits();
        World {
            channels: ChannelManager::new(&limits),
            clients: ClientManager::new(limits.max_queue),
            now: Now::read(),
        }
    }

    fn client(&self) -> Arc<Client> {
        self.clients.open(SocketAddr::from(([127, 0, 0, 1], 9)), None, self.now)
    }

    fn subscribe(&self, client: &Arc<Client>, pattern: &str) {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        self.channels.subscribe(client, pattern, None, usize::MAX, self.now).expect("room for it");
    }

    /// Publishes one message to a channel, and lets the outboxes be emptied.
    fn publish(&self, channel: &str, count: usize) {
        let mut batch = Batch::new(self.now);
        let channel = self.channels.open(channel, self.now).expect("a channel");
        let publisher =
            Publisher { client: None, name: "bob", echo: true, received: None, reach: Reach::Cluster };
        let item = || Item { payload: Payload::Text(PAYLOAD), headers: None, reply: None, id: None };
        let items: Vec<_> = (0..count).map(|_| item()).collect();
        let published = self.channels.publish(&channel, &publisher, &items, "alpha-3f2a9c", &mut batch);
        black_box(published.expect("published"));
        for client in batch.into_dirty().clients {
            empty(&client.outbox);
        }
    }
}

/// A publish to nobody, to one of so many channels in turn.
#[divan::bench(args = [1, 10_000, 1_000_000])]
fn publish_with_channels(bencher: Bencher, channels: usize) {
    let world = World::new();
    let names: Vec<String> = (0..channels).map(|n| format!("ops.c{n}")).collect();
    names.iter().for_each(|name| world.publish(name, 1));
    let mut turn = 0;
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        turn = (turn + 7919) % channels;
        world.publish(&names[turn], 1);
    });
}

/// A publish with so many wild patterns elsewhere in the tree, and with the look-up forced each
/// time by a new channel.
#[divan::bench(args = [0, 1_000, 100_000])]
fn first_publish_with_patterns(bencher: Bencher, patterns: usize) {
    let world = World::new();
    let mut client = world.client();
    for n in 0..patterns {
        if n % 1_000 == 0 {
            client = world.client();
        }
        world.subscribe(&client, &format!("elsewhere.{}.p{n}.*", n % 100));
    }
    let mut fresh = 0;
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        fresh += 1;
        world.publish(&format!("elsewhere.7.x{}", fresh % 500_000), 1);
    });
}

/// A run of 100 messages to so many subscribers in memory: the cost of a delivery must not depend on
/// how many there are.
#[divan::bench(args = [10, 1_000, 100_000], sample_count = 20)]
fn fan_out(bencher: Bencher, subscribers: usize) {
    const RUN: usize = 100;
    let world = World::new();
    for _ in 0..subscribers {
        world.subscribe(&world.client(), "ops");
    }
    bencher.counter(ItemsCount::new(RUN * subscribers)).bench_local(|| world.publish("ops", RUN));
}

/// Sealing and opening what goes between two servers, in writes of so many bytes.
#[divan::bench(args = [1024, 16 * 1024, 64 * 1024])]
fn seal_and_open_records(bencher: Bencher, size: usize) {
    let plain = vec![7; size];
    let (mut seal, _) = Session::sealed(1, [1; 32], [2; 32]).records();
    let (_, mut open) = Session::sealed(1, [2; 32], [1; 32]).records();
    let (mut wire, mut opened) = (Vec::new(), Vec::new());
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        wire.clear();
        opened.clear();
        seal.seal([black_box(&plain[..])], &mut wire);
        open.push(&wire, &mut opened).expect("nobody touched it");
        black_box(opened.len())
    });
}
