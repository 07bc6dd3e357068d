//! What a typed message of 295 kB costs in the persistent dialect, beside the same content as a plain
//! JSON value: to dump (the type into a frame, or the value into JSON) and to load (the frame into the
//! type, or JSON into a value). A table of ratios first, then divan's figures.
//!
//! `cargo bench -p hubbub-client --bench typed_message`

use divan::counter::BytesCount;
use divan::{black_box, Bencher};
use hubbub_shared::persistent::classes::MODULES;
use hubbub_shared::persistent::{push_answer, push_request, Form, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The size of the message that the old system was measured with.
const SIZE: usize = 295_000;
/// What the ratios may be at the most.
const TARGET: f64 = 1.1;
/// Rounds of the table; each measures both sides, so that a slow moment meets both.
const ROUNDS: usize = 151;

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Batch {
    source: String,
    created: String,
    records: Vec<Record>,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Record {
    id: u64,
    name: String,
    kind: Kind,
    aliases: Vec<String>,
    score: f64,
    verified: bool,
    parent: Option<u64>,
    address: Address,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Person,
    Organisation,
}

#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
struct Address {
    street: String,
    city: String,
    postcode: String,
    country: String,
}

/// Records of people and companies, as many as make up the size.
fn batch() -> Batch {
    let record = |n: u64| Record {
        id: 1_000_000 + n,
        name: format!("Müller & Söhne \"Nr. {n}\" GmbH"),
        kind: if n.is_multiple_of(3) { Kind::Person } else { Kind::Organisation },
        aliases: vec![format!("Mueller und Soehne {n}"), format!("MÜLLER {n}")],
        score: n as f64 / 8.0,
        verified: n.is_multiple_of(2),
        parent: (n.is_multiple_of(5)).then_some(n / 5),
        address: Address {
            street: format!("Lange Straße {n}"),
            city: "Hamburg".into(),
            postcode: format!("{:05}", 20_000 + n % 1_000),
            country: "DE".into(),
        },
    };
    let mut batch = Batch { source: "register".into(), created: "2026-05-01".into(), records: Vec::new() };
    let mut size = 0;
    while size < SIZE {
        let next = record(batch.records.len() as u64);
        size += serde_json::to_string(&next).expect("records are JSON").len() + 1;
        batch.records.push(next);
    }
    batch
}

fn value() -> Value {
    serde_json::to_value(batch()).expect("a batch is JSON")
}

fn dump_typed(form: Form, batch: &Batch, out: &mut Vec<u8>) {
    out.clear();
    push_request(form, MODULES, "normalize", out, |out| serde_json::to_writer(out, batch))
        .expect("a batch can be written");
}

fn dump_plain(value: &Value, out: &mut Vec<u8>) {
    out.clear();
    serde_json::to_writer(out, value).expect("a value can be written");
}

/// As the client library reads an answer.
fn load_typed(form: Form, frame: &[u8]) -> Batch {
    let text = std::str::from_utf8(&frame[4..]).expect("frames are UTF-8");
    let message = Message::expect(text, form).expect("an answer as the hub writes it");
    assert!(message.error().is_none());
    serde_json::from_str(&message.payload()).expect("the type that was written")
}

fn load_plain(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("JSON")
}

/// An answer as the hub writes it.
fn answer(form: Form) -> Vec<u8> {
    let json = serde_json::to_string(&batch()).expect("a batch is JSON");
    let title = match form {
        Form::Plain => "normalize-res".to_owned(),
        Form::Pickle => hubbub_shared::persistent::classes::answer_class(MODULES, "Normalize"),
    };
    let mut frame = Vec::new();
    push_answer(form, &title, hubbub_shared::encoding::Payload::Json(&json), &mut frame);
    assert!(load_typed(form, &frame) == batch(), "what is read is what was written");
    frame
}

fn plain_json() -> Vec<u8> {
    serde_json::to_vec(&value()).expect("a value is JSON")
}

const FORMS: [Form; 2] = [Form::Plain, Form::Pickle];

#[divan::bench(args = FORMS)]
fn dump_a_typed_message(bencher: Bencher<'_, '_>, form: Form) {
    let (batch, mut out) = (batch(), Vec::new());
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| dump_typed(form, black_box(&batch), &mut out));
}

#[divan::bench]
fn dump_a_plain_value(bencher: Bencher<'_, '_>) {
    let (value, mut out) = (value(), Vec::new());
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| dump_plain(black_box(&value), &mut out));
}

#[divan::bench(args = FORMS)]
fn load_a_typed_message(bencher: Bencher<'_, '_>, form: Form) {
    let frame = answer(form);
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| load_typed(form, black_box(&frame)));
}

#[divan::bench]
fn load_a_plain_value(bencher: Bencher<'_, '_>) {
    let json = plain_json();
    bencher.counter(BytesCount::new(SIZE)).bench_local(|| load_plain(black_box(&json)));
}

/// The medians of two things that are done in turn. What they leave is dropped within the time: it is
/// part of what a message costs.
fn medians<A, B>(mut one: impl FnMut() -> A, mut other: impl FnMut() -> B) -> (Duration, Duration) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        drop(black_box(one()));
        let between = Instant::now();
        drop(black_box(other()));
        ones.push(between - start);
        others.push(between.elapsed());
    }
    ones.sort_unstable();
    others.sort_unstable();
    (ones[ROUNDS / 2], others[ROUNDS / 2])
}

fn table() {
    let (batch, value, json) = (batch(), value(), plain_json());
    println!(
        "a message of {} records, {} bytes of JSON; median of {ROUNDS}",
        batch.records.len(),
        json.len()
    );
    println!("{:8} {:6} {:>10} {:>10} {:>7}", "form", "", "typed", "plain", "ratio");
    let mut worst: f64 = 0.0;
    let mut row = |form: Form, what: &str, (typed, plain): (Duration, Duration)| {
        let ratio = typed.as_secs_f64() / plain.as_secs_f64();
        worst = worst.max(ratio);
        let form = format!("{form:?}").to_lowercase();
        let us = |time: Duration| format!("{:.0} µs", time.as_secs_f64() * 1e6);
        println!("{form:8} {what:6} {:>10} {:>10} {ratio:>7.2}", us(typed), us(plain));
    };
    for form in FORMS {
        let frame = answer(form);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let dump = medians(|| dump_typed(form, &batch, &mut a), || dump_plain(&value, &mut b));
        row(form, "dump", dump);
        row(form, "load", medians(|| load_typed(form, &frame), || load_plain(&json)));
    }
    let word = if worst <= TARGET { "met" } else { "missed" };
    println!("the target, {TARGET} at the most both ways, is {word}: the worst ratio is {worst:.2}\n");
}

fn main() {
    // As a test it only has to run.
    if !std::env::args().any(|arg| arg == "--test") {
        table();
    }
    divan::main();
}
