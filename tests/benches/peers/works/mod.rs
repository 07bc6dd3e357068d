//! The work that every server is given: the table of rows, and what the works share. A work runs
//! once against one fresh server and yields one sample for each of its rows.

mod across;
mod calls;
mod churn;
mod crowd;
mod latency;
mod stream;

use crate::net::{Conn, Net, READ_BYTES};
use crate::peers::Dialect;
use crate::server::{cpu_seconds, Field};
use anyhow::Result;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One piece of work, and the rows of the table that it fills.
pub struct Work {
    /// What `--rows` calls it.
    pub key: &'static str,
    pub kind: Kind,
    pub rows: &'static [Row],
    /// Left out by `--quick`.
    pub slow: bool,
    /// Publishers and callers are on one server, subscribers and services on another.
    pub across: bool,
}

/// One row of the table.
pub struct Row {
    /// Its name in the JSON output.
    pub key: &'static str,
    pub title: &'static str,
    pub unit: Unit,
    /// What the processor time is divided by.
    pub per: &'static str,
}

/// What a value is, and which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A second; more is better.
    Rate,
    /// Microseconds; less is better.
    Micros,
    /// Milliseconds; less is better.
    Millis,
    /// KiB; less is better.
    Kib,
}

/// What is done.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Stream(Stream),
    /// Requests to one provider, so many of them open at a time.
    Calls {
        open: u64,
    },
    /// One publisher, one subscriber, at a fixed rate.
    Latency,
    /// The same while so many clients a second come, and as many go.
    Churn {
        per_second: u32,
    },
    /// Many subscribers of one channel.
    Crowd {
        clients: usize,
    },
}

/// Publishing as fast as the server allows.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    pub publishers: usize,
    pub channels: usize,
    /// With one channel all of them receive everything; with more, each has its share of them.
    pub subscribers: usize,
    pub payload: usize,
    /// Wildcards that other clients subscribe to, and that match nothing.
    pub wildcards: usize,
}

/// What a work found for one row.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub value: f64,
    /// The servers' processor time, microseconds for each unit.
    pub cpu_us: Option<f64>,
    /// That of each of two.
    pub sides_us: Option<[f64; 2]>,
    /// Share of its core that the generator used, and the server of its own.
    pub load_busy: f64,
    pub server_busy: f64,
}

/// Payload unless a row says otherwise.
const PAYLOAD: usize = 128;
const fn stream(
    key: &'static str,
    rows: &'static [Row],
    publishers: usize,
    channels: usize,
    subscribers: usize,
    payload: usize,
) -> Work {
    let stream = Stream { publishers, channels, subscribers, payload, wildcards: 0 };
    Work { key, kind: Kind::Stream(stream), rows, slow: false, across: false }
}

const fn beside_wildcards(work: Work, wildcards: usize) -> Work {
    match work.kind {
        Kind::Stream(stream) => Work { kind: Kind::Stream(Stream { wildcards, ..stream }), ..work },
        _ => work,
    }
}

/// The same over two servers.
const fn across(work: Work) -> Work {
    Work { across: true, ..work }
}

const fn slow(work: Work) -> Work {
    Work { slow: true, ..work }
}

macro_rules! rows {
    ($($key:literal $title:literal $unit:ident $per:literal),*) => {
        &[$(Row { key: $key, title: $title, unit: Unit::$unit, per: $per }),*]
    };
}

/// The whole table, in its order.
pub const WORKS: &[Work] = &[
    stream("fan-10", rows!["fan-10" "fan-out 1 → 10" Rate "delivery"], 1, 1, 10, PAYLOAD),
    stream("fan-100", rows!["fan-100" "fan-out 1 → 100" Rate "delivery"], 1, 1, 100, PAYLOAD),
    stream("fan-1000", rows!["fan-1000" "fan-out 1 → 1,000" Rate "delivery"], 1, 1, 1000, PAYLOAD),
    stream("one", rows!["one" "1 → 1" Rate "message"], 1, 1, 1, PAYLOAD),
    stream("many", rows!["many" "10 publishers → 100 channels" Rate "message"], 10, 100, 100, PAYLOAD),
    stream("nobody", rows!["nobody" "publish to nobody" Rate "message"], 1, 1, 0, PAYLOAD),
    Work {
        key: "request",
        kind: Kind::Calls { open: 100 },
        rows: rows!["request" "request/reply, 100 open" Rate "request"],
        slow: false,
        across: false,
    },
    stream("one-16", rows!["one-16" "1 → 1, 16 B" Rate "message"], 1, 1, 1, 16),
    stream("one-4k", rows!["one-4k" "1 → 1, 4 KiB" Rate "message"], 1, 1, 1, 4 << 10),
    stream("one-64k", rows!["one-64k" "1 → 1, 64 KiB" Rate "message"], 1, 1, 1, 64 << 10),
    stream("fan-100-16", rows!["fan-100-16" "fan-out 1 → 100, 16 B" Rate "delivery"], 1, 1, 100, 16),
    stream("fan-100-4k", rows!["fan-100-4k" "fan-out 1 → 100, 4 KiB" Rate "delivery"], 1, 1, 100, 4 << 10),
    stream(
        "fan-100-64k",
        rows!["fan-100-64k" "fan-out 1 → 100, 64 KiB" Rate "delivery"],
        1,
        1,
        100,
        64 << 10,
    ),
    Work {
        key: "latency",
        kind: Kind::Latency,
        rows: rows![
            "latency-p50" "latency at 2,000/s, p50" Micros "message",
            "latency-p99" "latency at 2,000/s, p99" Micros "message",
            "latency-p999" "latency at 2,000/s, p99.9" Micros "message"
        ],
        slow: false,
        across: false,
    },
    Work {
        key: "crowd",
        kind: Kind::Crowd { clients: 10_000 },
        rows: rows![
            "crowd-connect" "10,000 clients connect and subscribe" Millis "client",
            "crowd-memory" "memory per idle connection, of 10,000" Kib "",
            "crowd-reach" "one message reaches 10,000" Millis "delivery"
        ],
        slow: false,
        across: false,
    },
    Work {
        key: "churn",
        kind: Kind::Churn { per_second: 1_000 },
        rows: rows![
            "churn-rate" "1,000 clients/s come and go beside 2,000 messages/s" Rate "client",
            "churn-in-p99" "until such a client is subscribed, p99" Micros "",
            "churn-latency-p99" "latency of the messages beside them, p99" Micros ""
        ],
        slow: false,
        across: false,
    },
    across(stream("cross-1", rows!["cross-1" "1 → 1 across two servers" Rate "message"], 1, 1, 1, PAYLOAD)),
    across(stream("cross-10", rows!["cross-10" "1 → 10 across" Rate "message"], 1, 1, 10, PAYLOAD)),
    across(stream("cross-100", rows!["cross-100" "1 → 100 across" Rate "message"], 1, 1, 100, PAYLOAD)),
    across(stream(
        "cross-many",
        rows!["cross-many" "10 publishers → 100 channels across" Rate "message"],
        10,
        100,
        100,
        PAYLOAD,
    )),
    across(stream(
        "cross-nobody",
        rows!["cross-nobody" "to nobody, beside a server" Rate "message"],
        1,
        1,
        0,
        PAYLOAD,
    )),
    across(Work {
        key: "cross-request",
        kind: Kind::Calls { open: 100 },
        rows: rows!["cross-request" "request/reply across, 100 open" Rate "request"],
        slow: false,
        across: false,
    }),
    across(Work {
        key: "cross-latency",
        kind: Kind::Latency,
        rows: rows![
            "cross-latency-p50" "latency across at 2,000/s, p50" Micros "message",
            "cross-latency-p99" "latency across at 2,000/s, p99" Micros "message",
            "cross-latency-p999" "latency across at 2,000/s, p99.9" Micros "message"
        ],
        slow: false,
        across: false,
    }),
    slow(stream("fan-10000", rows!["fan-10000" "fan-out 1 → 10,000" Rate "delivery"], 1, 1, 10_000, PAYLOAD)),
    stream("chan-10", rows!["chan-10" "1 → 10 channels" Rate "message"], 1, 10, 10, PAYLOAD),
    stream("chan-1e3", rows!["chan-1e3" "1 → 1,000 channels" Rate "message"], 1, 1_000, 10, PAYLOAD),
    slow(beside_wildcards(
        stream(
            "chan-wild",
            rows!["chan-wild" "1 → 1,000 channels, 100,000 wildcards" Rate "message"],
            1,
            1_000,
            10,
            PAYLOAD,
        ),
        100_000,
    )),
    stream("chan-1e5", rows!["chan-1e5" "1 → 100,000 channels" Rate "message"], 1, 100_000, 100, PAYLOAD),
    slow(stream(
        "chan-1e6",
        rows!["chan-1e6" "1 → 1,000,000 channels" Rate "message"],
        1,
        1_000_000,
        1000,
        PAYLOAD,
    )),
];

/// How long nothing may happen before a server counts as stuck; all connections of a crowd have so
/// long together.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much longer than the others the work lasts in which clients come and go: long enough that as
/// many go as come.
const CHURN_SECONDS: f64 = 3.0;

/// Subscriptions of one client at the most: the hub's limit.
const SUBSCRIPTIONS: usize = 1000;

/// Connections that are being set up at a time, where that is not what is measured.
const SETTING_UP: usize = 100;

impl Work {
    /// Files that the generator or the server has open at the most.
    pub fn files(&self, seconds: f64) -> u64 {
        let connections = match self.kind {
            Kind::Stream(stream) => stream.publishers + stream.subscribers + stream.wildcards / SUBSCRIPTIONS,
            Kind::Crowd { clients } => clients + 2,
            Kind::Calls { .. } | Kind::Latency => 2,
            // The generator keeps the sockets of those that are gone.
            Kind::Churn { per_second } => (per_second as f64 * CHURN_SECONDS * seconds) as usize + 2,
        };
        connections as u64 + 100
    }

    /// Runs it against a fresh server; a sample for each row, or `None` where the protocol has no
    /// such thing.
    pub fn run(&self, field: &Field, dialect: &dyn Dialect, seconds: f64) -> Result<Option<Vec<Sample>>> {
        let net = Net::new()?;
        let bench = Bench { field, dialect, seconds, net, buffer: vec![0; READ_BYTES] };
        match self.kind {
            Kind::Stream(stream) => bench.stream(&stream).map(|sample| Some(vec![sample])),
            Kind::Calls { open } => match dialect.calls() {
                Some(calls) => bench.calls(calls, open).map(|sample| Some(vec![sample])),
                None => Ok(None),
            },
            Kind::Latency => bench.latency().map(Some),
            Kind::Churn { per_second } => bench.churn(per_second).map(Some),
            Kind::Crowd { clients } => bench.crowd(clients).map(Some),
        }
    }
}

/// One run of one work against one server.
struct Bench<'a> {
    field: &'a Field,
    dialect: &'a dyn Dialect,
    seconds: f64,
    net: Net,
    buffer: Vec<u8>,
}

impl Bench<'_> {
    /// Where publishers and callers connect.
    fn here(&self) -> SocketAddr {
        self.field.first().addr
    }

    /// Where subscribers and services connect.
    fn there(&self) -> SocketAddr {
        self.field.last().addr
    }

    /// Connects clients; each says what `say` appends after its greeting. Returns when the server is
    /// done with all of it. The indices of new connections are consecutive.
    fn connect(
        &mut self,
        addr: SocketAddr,
        count: usize,
        at_once: usize,
        name: impl Fn(usize) -> String,
        say: impl Fn(usize, &mut Vec<u8>),
    ) -> Result<()> {
        let dialect = self.dialect;
        let (mut dialled, ready) = (0, std::cell::Cell::new(0));
        let mut bytes = Vec::new();
        self.net.until(
            "setting up connections",
            PATIENCE,
            &mut self.buffer,
            |_, conn, new| {
                conn.units(
                    new,
                    |unread| dialect.unit(unread),
                    |_, unit| {
                        ready.set(ready.get() + usize::from(dialect.is_barrier(unit)));
                        Ok(())
                    },
                )
            },
            |net| {
                // A few at a time, so that what came meanwhile is read.
                let upto = count.min(ready.get() + at_once).min(dialled + SETTING_UP);
                while dialled < upto {
                    let index = net.dial(addr)?;
                    bytes.clear();
                    dialect.hello(&name(dialled), &mut bytes);
                    say(dialled, &mut bytes);
                    dialect.barrier(&mut bytes);
                    net.conns[index].post(&bytes)?;
                    dialled += 1;
                }
                Ok(ready.get() == count)
            },
        )
    }
}

/// A payload's bytes after its stamp.
fn filler(payload: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(payload - crate::count::STAMP).collect()
}

fn channel(number: usize) -> String {
    format!("c{number:06}")
}

/// A publisher's name has four bytes, and starts with a `p`.
fn publisher(number: usize) -> String {
    format!("p{number:03}")
}

fn subscriber(_: usize) -> String {
    "subs".into()
}

/// A span of wall clock and of both sides' processor time.
struct Span {
    wall: Instant,
    servers: [f64; 2],
    load: f64,
}

impl Span {
    fn start(field: &Field) -> Result<Span> {
        Ok(Span { servers: field.cpu()?, load: cpu_seconds("self")?, wall: Instant::now() })
    }

    /// Seconds of wall clock, and a sample with everything but its value.
    fn end(self, field: &Field, units: u64) -> Result<(f64, Sample)> {
        let wall = self.wall.elapsed().as_secs_f64();
        let (now, load) = (field.cpu()?, cpu_seconds("self")? - self.load);
        let sides = [now[0] - self.servers[0], now[1] - self.servers[1]];
        let server = sides[0] + sides[1];
        let cpu_us = Some(server * 1e6 / units as f64);
        let sides_us = field.is_pair().then(|| sides.map(|side| side * 1e6 / units as f64));
        Ok((
            wall,
            Sample { value: 0.0, cpu_us, sides_us, load_busy: load / wall, server_busy: server / wall },
        ))
    }
}

/// Receives whole units into `each`, for the works that look at every message.
fn units(
    dialect: &dyn Dialect,
    conn: &mut Conn,
    new: &[u8],
    each: impl FnMut(&mut Conn, &[u8]) -> Result<()>,
) -> Result<()> {
    conn.units(new, |unread| dialect.unit(unread), each)
}
