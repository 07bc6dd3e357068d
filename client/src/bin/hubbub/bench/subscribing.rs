//! `hubbub bench sub`: subscribers to what others publish, timed from the first message.

use super::hearing::{Ear, Heard};
use super::report::{grouped, Report, Role};
use super::{amount, connect, spawn, watch, MAX_CLIENTS, PATIENCE};
use crate::cli::Globals;
use crate::exit::Failure;
use crate::output::aside;
use clap::Args;
use futures::future::join_all;
use hubbub_client::Client;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Receive what others publish
///
/// Waits for the first message as long as it takes, and for the others until there is silence for
/// --timeout (5s unless given). What is missing then, and what gaps were told of, is lost.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub bench sub test                     together with: hubbub bench pub test
  hubbub bench sub 'ops.>' --msgs 1M --subs 4
  hubbub bench sub test --msgs 1k --timeout 1m --json | jq .subscribers")]
pub struct SubArgs {
    /// Channels, or patterns of them
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Messages that each subscriber waits for
    #[arg(long, value_name = "N", default_value = "100k", value_parser = amount)]
    msgs: u64,
    /// Subscribers, each with a connection of its own
    #[arg(long, value_name = "S", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=MAX_CLIENTS))]
    subs: u64,
}

/// What a subscriber has received.
#[derive(Default)]
struct Received {
    messages: u64,
    bytes: u64,
    gaps: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

/// `hubbub bench sub`
pub async fn run(globals: &Globals, args: SubArgs) -> Result<(), Failure> {
    let patience = globals.timeout.unwrap_or(PATIENCE);
    let mut subscribers = Vec::new();
    for number in 0..args.subs {
        let client = connect(globals, "sub", number + 1).await?;
        subscribers.push((Ear::open(&client, &args.channels, patience).await?, client));
    }
    aside(&format!("subscribed to {}", args.channels.join(" ")));
    let heard = Arc::new(AtomicU64::new(0));
    let receiving: Vec<_> = (1..)
        .zip(subscribers)
        .map(|(number, (ear, client))| spawn(receive(number, ear, client, args.msgs, heard.clone())))
        .collect();
    let total = args.msgs.saturating_mul(args.subs);
    let all = watch(join_all(receiving), total, || heard.load(Ordering::Relaxed)).await;
    report(&args, &all).finish(globals.json)
}

async fn receive(number: u64, mut ear: Ear, client: Client, wanted: u64, heard: Arc<AtomicU64>) -> Received {
    let mut so_far = Received::default();
    while so_far.messages + so_far.gaps < wanted {
        match ear.next().await {
            Heard::Message(message) => {
                let now = Instant::now();
                so_far.first.get_or_insert(now);
                so_far.last = Some(now);
                so_far.messages += 1;
                so_far.bytes += payload_bytes(message.data.get());
                heard.fetch_add(1, Ordering::Relaxed);
            }
            Heard::Gap(missed) => so_far.gaps += missed,
            Heard::Silence if so_far.first.is_none() => {}
            Heard::Silence => {
                aside(&format!("subscriber {number} has waited long enough"));
                break;
            }
            Heard::End => {
                aside(&format!("subscriber {number} lost its connection: {}", ear.last_words()));
                break;
            }
        }
    }
    drop(ear);
    let _ = client.close().await;
    so_far
}

/// A text's bytes as they stand in JSON without the quotes; other JSON's as it is.
fn payload_bytes(json: &str) -> u64 {
    json.len() as u64 - if json.starts_with('"') { 2 } else { 0 }
}

fn report(args: &SubArgs, all: &[Received]) -> Report {
    let total = |count: fn(&Received) -> u64| all.iter().map(count).sum::<u64>();
    let (messages, gaps) = (total(|r| r.messages), total(|r| r.gaps));
    let first = all.iter().filter_map(|r| r.first).min();
    let last = all.iter().filter_map(|r| r.last).max();
    let time = first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first);
    let role = Role { name: "subscribers", clients: args.subs, messages, bytes: total(|r| r.bytes), time };
    let wanted = args.msgs.saturating_mul(args.subs);
    let lost = wanted.saturating_sub(messages);
    let trouble = match lost {
        0 => String::new(),
        lost => format!("of {} messages {} did not arrive", grouped(wanted), grouped(lost)),
    };
    Report {
        kind: "sub",
        target: args.channels.join(" "),
        roles: vec![role],
        delays: Vec::new(),
        since: "",
        rate: None,
        counts: vec![("lost", lost), ("gaps", gaps)],
        trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_lost_whether_told_or_not() {
        let args = SubArgs { channels: vec!["a".into(), "b.*".into()], msgs: 10, subs: 2 };
        let full = Received { messages: 10, bytes: 100, ..Received::default() };
        let torn = Received { messages: 7, bytes: 70, gaps: 2, ..Received::default() };
        let report = report(&args, &[full, torn]);
        assert_eq!(report.counts, [("lost", 3), ("gaps", 2)]);
        assert_eq!(report.trouble, "of 20 messages 3 did not arrive");
        assert_eq!(report.target, "a b.*");
    }

    #[test]
    fn the_quotes_of_a_text_are_not_counted() {
        assert_eq!((payload_bytes("\"abc\""), payload_bytes("{}"), payload_bytes("7")), (3, 2, 1));
    }
}
