//! `hubbub bench pub`: publishers, and subscribers that account for every message of theirs.

use super::account::Account;
use super::hearing::{Ear, Heard};
use super::report::{grouped, Delays, Report, Role};
use super::schedule::{share, Schedule};
use super::stamp::{self, Stamp};
use super::window::Window;
use super::{amount, connect, size, spawn, until, watch, MAX_CLIENTS, PATIENCE};
use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use crate::output::aside;
use async_io::Timer;
use clap::Args;
use futures::future::{join_all, try_join_all};
use futures::{pin_mut, select_biased, FutureExt, StreamExt};
use hubbub_client::{Client, Error, Event, Events};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages between two looks at whether the hub is content. A guess, as in `hubbub pub`.
const CHECK_EVERY: u64 = 256;

/// Publish, and receive what is published
///
/// With --subs each message's way is measured from the publisher to every subscriber, and each that is
/// missing is counted. With --rate messages are due at even distances, and a delay counts from the
/// moment at which its message was due, however late this process or the hub was with it. Without
/// --rate publishers go as fast as they can, but not further ahead of the slowest subscriber of this
/// run than --window: then the delays tell how long a full window takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub bench pub test                       how fast the hub takes messages
  hubbub bench pub test --subs 1              as fast as a subscriber takes them
  hubbub bench pub test --pubs 4 --subs 50 --msgs 20k --size 1024
  hubbub bench pub test --subs 4 --rate 10k   how long they take at that load
  hubbub bench pub test --ack --json | jq .acknowledged_us.p99")]
pub struct PubArgs {
    /// The channel
    channel: String,
    /// Messages, of all publishers together
    #[arg(long, value_name = "N", default_value = "100k", value_parser = amount)]
    msgs: u64,
    /// Bytes of a message's text
    #[arg(long, value_name = "B", default_value = "128", value_parser = size)]
    size: usize,
    /// Publishers, each with a connection of its own
    #[arg(long, value_name = "P", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    pubs: u64,
    /// Subscribers, each with a connection of its own; each receives all messages
    #[arg(long, value_name = "S", default_value = "0", value_parser = clap::value_parser!(u64).range(0..=MAX_CLIENTS))]
    subs: u64,
    /// Messages a second, of all publishers together, instead of as fast as can be
    #[arg(long, value_name = "R", value_parser = amount)]
    rate: Option<u64>,
    /// Wait for the hub's word on each message before the next, and measure that
    #[arg(long)]
    ack: bool,
    /// Messages that may be under way to a subscriber, without --rate [default: 1000, or fewer large
    /// ones]
    #[arg(long, value_name = "N", value_parser = amount)]
    window: Option<u64>,
}

/// What all workers of a run share.
struct Run {
    args: PubArgs,
    start: Instant,
    schedule: Schedule,
    window: Option<Window>,
    patience: Duration,
    sent: AtomicU64,
    heard: AtomicU64,
    /// All publishers have been told that the hub has everything.
    published: AtomicBool,
}

/// `hubbub bench pub`
pub async fn run(globals: &Globals, args: PubArgs) -> Result<(), Failure> {
    let (mut publishers, mut books, mut subscribers) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..args.pubs {
        let client = connect(globals, "pub", number + 1).await?;
        books.push((client.name(), share(args.msgs, args.pubs, number)));
        publishers.push(client);
    }
    let patience = globals.timeout.unwrap_or(PATIENCE);
    for number in 0..args.subs {
        let client = connect(globals, "sub", number + 1).await?;
        let ear = Ear::open(&client, std::slice::from_ref(&args.channel), patience).await?;
        subscribers.push((ear, client));
    }
    let bounded = args.subs > 0 && args.rate.is_none();
    let start = Instant::now();
    let run = Arc::new(Run {
        start,
        schedule: Schedule::new(start, args.rate),
        window: bounded.then(|| Window::new(args.pubs, args.subs, window_size(&args) / args.pubs)),
        patience,
        sent: AtomicU64::new(0),
        heard: AtomicU64::new(0),
        published: AtomicBool::new(false),
        args,
    });
    let publishing: Vec<_> =
        (0..).zip(publishers).map(|(at, client)| spawn(publish(run.clone(), at, client))).collect();
    let receiving: Vec<_> = (0..)
        .zip(subscribers)
        .map(|(at, (ear, client))| spawn(receive(run.clone(), at, ear, client, Account::new(books.clone()))))
        .collect();
    let work = async {
        let sent = try_join_all(publishing).await?;
        run.published.store(true, Ordering::Relaxed);
        Ok::<_, Failure>((sent, join_all(receiving).await))
    };
    let total = run.args.msgs * run.args.subs.max(1);
    let counter = if run.args.subs > 0 { &run.heard } else { &run.sent };
    let (sent, received) = watch(work, total, || counter.load(Ordering::Relaxed)).await?;
    report(&run, &sent, &received).finish(globals.json)
}

/// What a publisher has done.
struct Sent {
    took: Duration,
    acknowledged: Delays,
}

/// Sends one publisher's share, and waits until the hub has taken it.
async fn publish(run: Arc<Run>, at: u64, client: Client) -> Result<Sent, Failure> {
    let args = &run.args;
    let mut events = client.events();
    let mut text = stamp::blank(args.size);
    let (mut acknowledged, mut limit) = (Delays::new(), 0);
    for number in 0..share(args.msgs, args.pubs, at) {
        let moment = match run.schedule.due(number * args.pubs + at) {
            Some(due) => {
                until(due).await;
                due
            }
            None => {
                limit = room(&run, at, number, limit, &mut events).await?;
                Instant::now()
            }
        };
        Stamp { at: moment - run.start, number }.write(&mut text);
        let message = client.publish_with(&args.channel, &text);
        if args.ack {
            message.send().await?;
            acknowledged.record(moment.elapsed());
        } else {
            message.forget().await?;
        }
        run.sent.fetch_add(1, Ordering::Relaxed);
        if number % CHECK_EVERY == 0 {
            check(&mut events)?;
        }
    }
    client.flush().await?;
    let took = run.start.elapsed();
    let _ = client.close().await;
    Ok(Sent { took, acknowledged })
}

/// How many messages may be under way to a subscriber.
fn window_size(args: &PubArgs) -> u64 {
    /// Guesses: as much as keeps all sides busy, and half of what the hub holds for one client.
    const MESSAGES: u64 = 1_000;
    const BYTES: u64 = 4 << 20;
    /// Beside the payload, about.
    const ENVELOPE: u64 = 256;
    args.window.unwrap_or_else(|| (BYTES / (args.size as u64 + ENVELOPE)).clamp(1, MESSAGES))
}

/// Waits until the slowest subscriber is near enough; there may be a good reason why it is not.
async fn room(run: &Run, at: u64, number: u64, limit: u64, events: &mut Events) -> Result<u64, Failure> {
    let Some(window) = run.window.as_ref().filter(|_| number >= limit) else { return Ok(limit) };
    if let Some(limit) = window.room(at as usize, number, limit).now_or_never() {
        return Ok(limit);
    }
    let room = window.room(at as usize, number, limit).fuse();
    let silence = FutureExt::fuse(Timer::after(run.patience));
    pin_mut!(room, silence);
    loop {
        select_biased! {
            limit = room => return Ok(limit),
            event = events.next().fuse() => told(event)?,
            _ = silence => {
                let (many, long) = (window_size(&run.args), humantime::format_duration(run.patience));
                let message = format!("a subscriber has received none of the {many} messages under way for {long}");
                return Err(Failure::new(Exit::Refused, message));
            }
        }
    }
}

/// Whether the hub refused something.
fn check(events: &mut Events) -> Result<(), Failure> {
    while let Some(Some(event)) = events.next().now_or_never() {
        told(Some(event))?;
    }
    Ok(())
}

fn told(event: Option<Event>) -> Result<(), Failure> {
    match event {
        Some(Event::Refused(refusal)) => Err(refusal.into()),
        Some(Event::Disconnected { why }) => Err(Error::Disconnected { why }.into()),
        None => Err(Failure::new(Exit::NoConnection, "the connection ended")),
        Some(_) => Ok(()),
    }
}

/// What a subscriber has received.
struct Received {
    account: Account,
    gaps: u64,
    last: Duration,
    delays: Delays,
}

/// Receives until everything is there or nothing more comes.
async fn receive(run: Arc<Run>, at: usize, mut ear: Ear, client: Client, mut account: Account) -> Received {
    let (mut gaps, mut last, mut delays) = (0, Duration::ZERO, Delays::new());
    let mut silences = 0;
    while !account.is_complete() {
        match ear.next().await {
            Heard::Message(message) => {
                let stamp = Stamp::read(message.data.get());
                let Some((publisher, position)) = account.enter(&message.from, stamp) else { continue };
                last = run.start.elapsed();
                delays.record(last.saturating_sub(stamp.map_or(last, |stamp| stamp.at)));
                run.heard.fetch_add(1, Ordering::Relaxed);
                if let Some(window) = &run.window {
                    window.advance(at, publisher, position);
                }
            }
            Heard::Gap(missed) => gaps += missed,
            // The first silence may have begun before the publishers' end.
            Heard::Silence if run.published.load(Ordering::Relaxed) => {
                silences += 1;
                if silences > 1 {
                    aside(&format!("subscriber {} has waited long enough", at + 1));
                    break;
                }
            }
            Heard::Silence => {}
            Heard::End => {
                aside(&format!("subscriber {} lost its connection: {}", at + 1, ear.last_words()));
                break;
            }
        }
    }
    if let Some(window) = &run.window {
        window.leave(at);
    }
    drop(ear);
    let _ = client.close().await;
    Received { account, gaps, last, delays }
}

fn report(run: &Run, sent: &[Sent], received: &[Received]) -> Report {
    let args = &run.args;
    let role = |name, clients, messages, time: Option<Duration>| {
        let bytes = messages * args.size as u64;
        Role { name, clients, messages, bytes, time: time.unwrap_or_default() }
    };
    let mut roles = vec![role("publishers", args.pubs, args.msgs, sent.iter().map(|s| s.took).max())];
    let (mut delays, mut counts) = (Vec::new(), Vec::new());
    if args.ack {
        delays.push(("acknowledged", sum(sent.iter().map(|s| &s.acknowledged))));
    }
    let mut trouble = String::new();
    if args.subs > 0 {
        let total = |count: fn(&Received) -> u64| received.iter().map(count).sum::<u64>();
        let messages = total(|r| r.account.received);
        roles.push(role("subscribers", args.subs, messages, received.iter().map(|r| r.last).max()));
        delays.push(("end to end", sum(received.iter().map(|r| &r.delays))));
        let (lost, repeated) = (total(|r| r.account.missing()), total(|r| r.account.repeated));
        counts.push(("lost", lost));
        counts.push(("gaps", total(|r| r.gaps)));
        counts.push(("repeated", repeated));
        counts.push(("others", total(|r| r.account.others)));
        if lost > 0 || repeated > 0 {
            let all = grouped(args.msgs * args.subs);
            trouble =
                format!("of {all} messages {} were lost and {} repeated", grouped(lost), grouped(repeated));
        }
    }
    let since = if args.rate.is_some() { "due" } else { "sending" };
    let target = args.channel.clone();
    Report { kind: "pub", target, roles, delays, since, rate: args.rate, counts, trouble }
}

fn sum<'a>(all: impl Iterator<Item = &'a Delays>) -> Delays {
    let mut sum = Delays::new();
    all.for_each(|delays| sum.add(delays));
    sum
}
