//! `hubbub sub`: prints the messages of channels as they arrive, or runs a command for each. The
//! connection is kept up; what was missed meanwhile is told on standard error.

use crate::cli::{some_number, Globals};
use crate::connect::Lost;
use crate::exec::{self, status_in_words, Run};
use crate::exit::{Exit, Failure};
use crate::output::{aside, plain, Form, Output};
use crate::show;
use async_io::Timer;
use async_signal::{Signal, Signals};
use clap::Args;
use futures::future::{pending, Either};
use futures::stream::{Fuse, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use hubbub_client::{Delivery, Event, Events, Message, Subscription};
use hubbub_shared::encoding::json;
use std::num::{NonZeroU64, NonZeroUsize};
use std::time::{Duration, Instant};

/// The longest time limit to connect: the library's default.
const MAX_CONNECT: Duration = Duration::from_secs(5);

/// Print messages as they arrive
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub sub ops
  hubbub sub 'ops.>' '*.alerts'
  hubbub sub ops --count 1 --timeout 30s --raw
  hubbub sub --json 'builds.*' | jq -c .data
  hubbub sub jobs --group workers --exec './work.sh'

In a pattern * stands for one token and > for all that follow. What is not a message goes to \
standard error; with --json, what tells that messages may be missing (gap, disconnected, \
reconnected) goes to standard output, as notices: jq 'select(.event == \"message\")' passes them \
over. With --timeout the command ends after that time with exit code 4, unless --count is reached \
before.

--exec runs the command through sh, with the payload on its standard input and in its environment \
HUBBUB_CHANNEL, HUBBUB_FROM, HUBBUB_SEQ, HUBBUB_ORIGIN, HUBBUB_AT, HUBBUB_DATA (when it is shorter \
than 64 KiB and without NUL), HUBBUB_HEADERS (JSON), HUBBUB_REPLY and HUBBUB_VIA (where there are \
any).")]
pub struct SubArgs {
    /// Channels, or patterns of them
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<String>,
    /// Print the payloads alone, as they are
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// End after so many messages
    #[arg(long, short = 'c', value_name = "N", value_parser = some_number::<NonZeroU64>)]
    count: Option<NonZeroU64>,
    /// Receive as a member of this group: each message goes to one member
    #[arg(long, short = 'g', value_name = "NAME")]
    group: Option<String>,
    /// Run this command for each message
    #[arg(long, value_name = "CMD", conflicts_with = "raw")]
    exec: Option<String>,
    /// How many commands may run at once; only 1 keeps the messages' order
    #[arg(long, value_name = "N", default_value = "1", requires = "exec", value_parser = some_number::<NonZeroUsize>)]
    parallel: NonZeroUsize,
}

/// `hubbub sub`
pub async fn run(globals: &Globals, args: SubArgs) -> Result<(), Failure> {
    let deadline = globals.timeout.map(|limit| Instant::now() + limit);
    // Who listens for an hour does not want to wait for a connection as long.
    let limit = globals.timeout.map(|limit| limit.min(MAX_CONNECT));
    let client = Globals { timeout: limit, ..globals.clone() }.connect(Lost::Reconnect).await?;
    let events = client.events();
    let subscription = match &args.group {
        Some(group) => client.subscribe_group(group, &args.channels).await?,
        None => client.subscribe(&args.channels).await?,
    };
    aside(&format!("subscribed to {} on {}", args.channels.join(" "), client.server().server));
    let listener = Listener {
        subscription: subscription.fuse(),
        events: events.fuse(),
        deadline,
        form: globals.form(args.raw),
        limit: globals.timeout.unwrap_or_default(),
    };
    match &args.exec {
        None => print(listener, args.count).await?,
        Some(command) => execute(listener, &args, command).await?,
    }
    let _ = client.close().await;
    Ok(())
}

/// What comes from a subscription and its connection.
struct Listener {
    subscription: Fuse<Subscription>,
    events: Fuse<Events>,
    deadline: Option<Instant>,
    limit: Duration,
    form: Form,
}

/// Something that a listener heard.
enum Heard {
    Message(Message),
    /// For whoever reads, in words and as JSON.
    Aside(String, Option<Vec<u8>>),
}

impl Listener {
    /// What is there already.
    fn next_now(&mut self) -> Option<Result<Heard, Failure>> {
        if self.is_over() {
            return Some(Err(self.over()));
        }
        while let Some(delivery) = self.subscription.next().now_or_never() {
            match self.heard(delivery) {
                Ok(None) => {}
                Ok(Some(heard)) => return Some(Ok(heard)),
                Err(failure) => return Some(Err(failure)),
            }
        }
        None
    }

    /// What comes next, until the deadline.
    async fn next(&mut self) -> Result<Heard, Failure> {
        loop {
            if self.is_over() {
                return Err(self.over());
            }
            let deadline = match self.deadline {
                Some(deadline) => Either::Left(Timer::at(deadline)),
                None => Either::Right(pending()),
            };
            let heard = futures::select_biased! {
                delivery = self.subscription.next() => self.heard(delivery)?,
                event = self.events.select_next_some() => told(&event),
                _ = FutureExt::fuse(deadline) => return Err(self.over()),
            };
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }

    fn heard(&self, delivery: Option<Delivery>) -> Result<Option<Heard>, Failure> {
        match delivery {
            Some(Delivery::Message(message)) => Ok(Some(Heard::Message(message))),
            Some(Delivery::Gap(gap)) => {
                let words = show::gap(&gap);
                let mut object = Vec::new();
                json::push_notice("gap", &words, &mut object);
                Ok(Some(Heard::Aside(words, Some(object))))
            }
            // The events tell why.
            Some(Delivery::Disconnected | Delivery::Reconnected) => Ok(None),
            None => Err(Failure::new(Exit::NoConnection, "the connection ended")),
        }
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn over(&self) -> Failure {
        Failure::time_limit(format!("the time limit of {} is over", humantime::format_duration(self.limit)))
    }
}

/// An event, for the reader's information. As JSON it stands among the messages only if messages may
/// be missing there.
fn told(event: &Event) -> Option<Heard> {
    let mut object = None;
    if matches!(event, Event::Disconnected { .. } | Event::Reconnected { .. }) {
        let (code, words) = show::event_as_notice(event)?;
        json::push_notice(code, &words, object.insert(Vec::new()));
    }
    Some(Heard::Aside(show::event_aside(event)?, object))
}

async fn print(mut listener: Listener, count: Option<NonZeroU64>) -> Result<(), Failure> {
    let mut out = Output::new();
    let mut left = count.map_or(u64::MAX, NonZeroU64::get);
    let mut line = Vec::new();
    while left > 0 {
        // Lines are handed on when nothing more is there: many at once in a burst, each at once else.
        let heard = match listener.next_now() {
            Some(heard) => heard?,
            None => {
                out.flush()?;
                listener.next().await?
            }
        };
        match heard {
            Heard::Message(message) => {
                line.clear();
                show::push_message(&message, listener.form, out.style, &mut line);
                out.bytes(&line)?;
                left -= 1;
            }
            Heard::Aside(_, Some(mut object)) if listener.form == Form::Json => {
                object.push(b'\n');
                out.bytes(&object)?;
            }
            Heard::Aside(words, _) => {
                out.flush()?;
                aside(&words);
            }
        }
    }
    out.flush()
}

/// Runs the command for each message, until the count, the deadline or a signal.
async fn execute(mut listener: Listener, args: &SubArgs, command: &str) -> Result<(), Failure> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])
        .map_err(|e| Failure::local(format!("cannot listen to signals: {e}")))?
        .fuse();
    let mut running = FuturesUnordered::new();
    let mut left = args.count.map_or(u64::MAX, NonZeroU64::get);
    loop {
        if left == 0 && running.is_empty() {
            return Ok(());
        }
        let heard = {
            let next = if left > 0 && running.len() < args.parallel.get() {
                Either::Left(listener.next().boxed_local())
            } else {
                Either::Right(pending())
            };
            futures::select_biased! {
                // The runs are dropped, and with each its process group.
                _ = signals.next() => return Ok(()),
                () = running.select_next_some() => continue,
                heard = FutureExt::fuse(next) => heard,
            }
        };
        match heard {
            Ok(Heard::Message(message)) => {
                left -= 1;
                running.push(run_one(command, message, listener.form));
            }
            Ok(Heard::Aside(words, _)) => aside(&words),
            Err(failure) => {
                // What was begun is ended, whatever ended the listening.
                while running.next().await.is_some() {}
                return Err(failure);
            }
        }
    }
}

async fn run_one(command: &str, message: Message, form: Form) {
    let what = format!("{} {}", message.channel, message.seq);
    let data = match form {
        Form::Json => json::compact(message.data.get()).into_owned(),
        _ => plain(&message.data),
    };
    let mut env = vec![
        ("HUBBUB_CHANNEL", message.channel),
        ("HUBBUB_FROM", message.from),
        ("HUBBUB_SEQ", message.seq.to_string()),
        ("HUBBUB_ORIGIN", message.origin),
        ("HUBBUB_AT", message.at),
        ("HUBBUB_DATA", data.clone()),
    ];
    let headers = message.headers.map(|h| serde_json::json!(h).to_string());
    let optional =
        [("HUBBUB_HEADERS", headers), ("HUBBUB_REPLY", message.reply), ("HUBBUB_VIA", message.via)];
    env.extend(optional.into_iter().filter_map(|(key, value)| Some((key, value?))));
    let run = Run { command, env, input: data.into_bytes(), limit: None, capture: None };
    match exec::run(run).await {
        Ok(ended) if ended.status.success() => {}
        Ok(ended) => aside(&format!("{what}: the command ended with {}", status_in_words(ended.status))),
        Err(broken) => aside(&format!("{what}: {broken}")),
    }
}
