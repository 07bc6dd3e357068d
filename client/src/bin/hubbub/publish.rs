//! `hubbub pub`: one message, the same message many times, or each line of standard input.
//!
//! Lines are pipelined: nothing waits for the hub's word on each, and the flush at the end tells
//! whether all were accepted. The connection is not made again when it is lost, since then nobody
//! could tell.

use crate::board::{Board, REFRESH};
use crate::cli::{duration, some_number, Globals};
use crate::connect::Lost;
use crate::exit::{Exit, Failure};
use crate::lines;
use crate::output::{Form, Output};
use crate::show;
use crate::template::{self, Scene};
use async_io::Timer;
use chrono::Utc;
use clap::Args;
use futures::{FutureExt, StreamExt};
use hubbub_client::{Client, Error, Event, Events};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{IsTerminal, Read};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// Messages between two looks at whether the hub is content. A guess: few enough that a refusal
/// stops the rest within a fraction of a second, many enough to cost nothing.
const CHECK_EVERY: u64 = 256;
/// Messages between two flushes, so that whoever is told of a lost connection learns how far it got.
const FLUSH_EVERY: u64 = 20_000;

const EXAMPLES: &str = "\
Examples:
  hubbub pub ops 'Build 512 failed'
  hubbub pub ops --header build=512 --json '{\"state\":\"failed\"}'
  hubbub pub ops 'beat {{Count}} at {{Time}}' --count 10 --interval 1s
  tail -f app.log | hubbub pub logs.app -
  git log -1 | hubbub pub commits     (all of standard input as one message)";

/// Publish messages
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{}", template::HELP))]
pub struct PubArgs {
    /// The channel
    channel: String,
    /// The message; `-` takes each line of standard input as one; without it, all of standard input
    /// is one message
    text: Vec<String>,
    /// Add a header; may be given several times
    #[arg(long = "header", short = 'H', value_name = "K=V", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Name the channel on which answers are expected
    #[arg(long, value_name = "CHANNEL")]
    reply: Option<String>,
    /// Publish TEXT so many times
    #[arg(long, short = 'c', value_name = "N", value_parser = some_number::<NonZeroU64>)]
    count: Option<NonZeroU64>,
    /// Wait so long between messages
    #[arg(long, short = 'i', value_name = "DURATION", value_parser = duration)]
    interval: Option<Duration>,
    /// Take {{…}} in TEXT as it stands
    #[arg(long)]
    no_templates: bool,
    /// Print nothing when all went well
    #[arg(long, short = 'q')]
    quiet: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a header is written KEY=VALUE".into()),
    }
}

/// Publishes what the arguments say.
pub async fn run(globals: &Globals, args: PubArgs) -> Result<(), Failure> {
    if args.text == ["-"] {
        if args.count.is_some() {
            return Err(Failure::local("--count is for TEXT; with - each line is one message"));
        }
        return publish_lines(globals, &args).await;
    }
    let (text, expand) = match args.text.as_slice() {
        [] => (whole_stdin()?, false),
        words => (words.join(" "), !args.no_templates),
    };
    publish_text(globals, &args, &text, expand).await
}

/// Standard input as one message, without the line end that `echo` and editors leave.
fn whole_stdin() -> Result<String, Failure> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        return Err(Failure::local("nothing to publish: give TEXT, or - for the lines of standard input"));
    }
    let mut text = String::new();
    stdin
        .read_to_string(&mut text)
        .map_err(|e| Failure::local(format!("standard input cannot be published: {e}")))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err(Failure::local("nothing to publish: standard input is empty")),
        text => Ok(text.to_owned()),
    }
}

async fn publish_text(globals: &Globals, args: &PubArgs, text: &str, expand: bool) -> Result<(), Failure> {
    let count = args.count.map_or(1, NonZeroU64::get);
    // What is wrong with the text is found before anybody is connected to.
    let check = if expand { template::expand(text, &scene(1)) } else { text.to_owned() };
    let _ = payload(&check, globals.json).map_err(|e| not_json("the message", &e))?;
    let client = globals.connect_with(Lost::End, |options| options.follow(true)).await?;
    let mut publisher = Publisher::new(globals, args, client);
    let headers_vary = args.headers.iter().any(|(_, value)| template::is_template(value));
    let fixed = !(expand && (template::is_template(text) || headers_vary));
    if count == 1 {
        return publisher.single(args, text, expand).await;
    }
    for n in 1..=count {
        if fixed {
            publisher.push(text, &args.headers).await?;
        } else {
            let scene = scene(n);
            publisher.push(&template::expand(text, &scene), &filled(&args.headers, &scene)).await?;
        }
        if let Some(interval) = args.interval.filter(|_| n < count) {
            // Whoever waits anyway learns at once when the hub does not want it.
            publisher.flush().await?;
            Timer::after(interval).await;
        }
    }
    publisher.finish().await
}

async fn publish_lines(globals: &Globals, args: &PubArgs) -> Result<(), Failure> {
    let client = globals.connect_with(Lost::End, |options| options.follow(true)).await?;
    let mut publisher = Publisher::new(globals, args, client);
    let input = lines::of_stdin();
    let mut number = 0u64;
    loop {
        let batch = match input.try_recv() {
            Ok(batch) => batch,
            Err(_) => {
                // Nothing to send for the moment: a time to learn how it stands.
                publisher.flush().await?;
                let batch = futures::select_biased! {
                    batch = input.recv().fuse() => batch,
                    failure = publisher.trouble().fuse() => return Err(failure),
                };
                let Ok(batch) = batch else { break };
                batch
            }
        };
        for line in publisher.or_all_before(batch).await? {
            number += 1;
            if globals.json && line.trim().is_empty() {
                continue;
            }
            if let Err(e) = payload(&line, globals.json) {
                let wrong = not_json(&format!("line {number} of standard input"), &e);
                return publisher.or_all_before(Err(wrong)).await;
            }
            publisher.push(&line, &args.headers).await?;
            if let Some(interval) = args.interval {
                publisher.flush().await?;
                Timer::after(interval).await;
            }
        }
    }
    publisher.finish().await
}

fn scene(count: u64) -> Scene {
    Scene { count, now: Utc::now() }
}

fn filled(headers: &[(String, String)], scene: &Scene) -> Vec<(String, String)> {
    headers.iter().map(|(key, value)| (key.clone(), template::expand(value, scene))).collect()
}

/// A payload on its way out: a text, or JSON as it was written.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Outgoing<'a> {
    /// Becomes a JSON string.
    Text(&'a str),
    /// Stays as it is.
    Json(&'a RawValue),
}

/// A text as a payload.
pub fn payload(text: &str, json: bool) -> Result<Outgoing<'_>, serde_json::Error> {
    if json {
        serde_json::from_str(text).map(Outgoing::Json)
    } else {
        Ok(Outgoing::Text(text))
    }
}

/// What to say of a text that should have been JSON.
pub fn not_json(what: &str, error: &serde_json::Error) -> Failure {
    let words = error.to_string();
    // serde names a line and a column of the text; the text may be one line of many itself.
    let words = words.split(" at line ").next().unwrap_or_default();
    let place = match error.line() {
        0 | 1 => format!("column {}", error.column()),
        line => format!("line {line}, column {}", error.column()),
    };
    Failure::local(format!("{what} is not valid JSON: {words} at {place}"))
}

/// Sends messages without waiting for each, and keeps count.
struct Publisher<'a> {
    client: Client,
    events: Events,
    channel: &'a str,
    reply: Option<&'a str>,
    form: Form,
    quiet: bool,
    sent: u64,
    /// How many of those the hub is known to have taken.
    confirmed: u64,
    progress: Progress,
}

impl<'a> Publisher<'a> {
    fn new(globals: &Globals, args: &'a PubArgs, client: Client) -> Self {
        Publisher {
            events: client.events(),
            client,
            channel: &args.channel,
            reply: args.reply.as_deref(),
            form: globals.form(false),
            quiet: args.quiet,
            sent: 0,
            confirmed: 0,
            progress: Progress::new(),
        }
    }

    /// One message, whose place and receivers are told.
    async fn single(self, args: &PubArgs, text: &str, expand: bool) -> Result<(), Failure> {
        let scene = scene(1);
        let text = if expand { template::expand(text, &scene) } else { text.to_owned() };
        let headers = if expand { filled(&args.headers, &scene) } else { args.headers.clone() };
        let data = payload(&text, self.form == Form::Json).map_err(|e| not_json("the message", &e))?;
        let mut message = self.client.publish_with(self.channel, data);
        for (key, value) in &headers {
            message = message.header(key, value);
        }
        if let Some(reply) = self.reply {
            message = message.reply(reply);
        }
        let reply = message.send().await?;
        if !self.quiet {
            let mut out = Output::new();
            match self.form {
                Form::Json => out.text(&format!("{}\n", serde_json::json!(reply)))?,
                _ => out.text(&show::published(self.channel, &reply))?,
            }
            out.flush()?;
        }
        let _ = self.client.close().await;
        Ok(())
    }

    /// Sends one message, and from time to time looks whether the hub is content.
    async fn push(&mut self, text: &str, headers: &[(String, String)]) -> Result<(), Failure> {
        let data = payload(text, self.form == Form::Json).map_err(|e| not_json("the message", &e))?;
        let mut message = self.client.publish_with(self.channel, data);
        for (key, value) in headers {
            message = message.header(key, value);
        }
        if let Some(reply) = self.reply {
            message = message.reply(reply);
        }
        match message.forget().await {
            Ok(()) => self.sent += 1,
            // Not sent at all: what was sent before it is still to be accepted.
            Err(e @ Error::Refused(_)) => return self.or_all_before(Err(e.into())).await,
            Err(e) => return Err(self.so_far(e.into())),
        }
        if self.sent.is_multiple_of(CHECK_EVERY) {
            self.check()?;
            self.progress.tick(self.sent);
        }
        if self.sent - self.confirmed >= FLUSH_EVERY {
            self.flush().await?;
        }
        Ok(())
    }

    /// Waits for something to go wrong.
    async fn trouble(&mut self) -> Failure {
        loop {
            let failure = match self.events.next().await {
                Some(Event::Refused(refusal)) => refusal.into(),
                Some(Event::Disconnected { why }) => Error::Disconnected { why }.into(),
                None => Failure::new(Exit::NoConnection, "the connection ended"),
                Some(_) => continue,
            };
            return self.so_far(failure);
        }
    }

    /// Whether the hub refused something of what was sent.
    fn check(&mut self) -> Result<(), Failure> {
        while let Some(Some(event)) = self.events.next().now_or_never() {
            if let Event::Refused(refusal) = event {
                return Err(self.so_far(refusal.into()));
            }
        }
        Ok(())
    }

    /// Waits until the hub has taken everything that was sent.
    async fn flush(&mut self) -> Result<(), Failure> {
        let outcome = self.client.flush().await;
        // A refusal tells more than the end of the connection that may follow it.
        self.check()?;
        outcome.map_err(|e| self.so_far(e.into()))?;
        self.confirmed = self.sent;
        self.progress.tick(self.sent);
        Ok(())
    }

    /// Lets a failure of the input through only after all that came before it is accepted, and says
    /// how much that was.
    async fn or_all_before<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        match outcome {
            Ok(fine) => Ok(fine),
            Err(mut failure) => {
                self.flush().await?;
                self.progress.clear();
                failure
                    .message
                    .push_str(&format!("; published before it: {}", show::count(self.sent, "message")));
                Err(failure)
            }
        }
    }

    async fn finish(mut self) -> Result<(), Failure> {
        self.flush().await?;
        self.progress.clear();
        if !self.quiet {
            let mut out = Output::new();
            match self.form {
                Form::Json => out.text(&format!("{}\n", serde_json::json!({ "published": self.sent })))?,
                _ => out.text(&format!(
                    "published {} to {}\n",
                    show::count(self.sent, "message"),
                    hubbub_shared::encoding::escape::shown(self.channel)
                ))?,
            }
            out.flush()?;
        }
        let _ = self.client.close().await;
        Ok(())
    }

    /// Adds to a failure what is known of the messages before it.
    fn so_far(&mut self, mut failure: Failure) -> Failure {
        self.progress.clear();
        if self.sent > 0 {
            let sent = show::count(self.sent, "message");
            let accepted = match failure.exit {
                Exit::Refused => format!("; sent before it was noticed: {sent}"),
                _ if self.confirmed == self.sent => format!("; accepted before it: {sent}"),
                _ => format!("; of {sent} at least {} were accepted", self.confirmed),
            };
            failure.message.push_str(&accepted);
        }
        failure
    }
}

/// A line on standard error that tells how far it is: only on a terminal, and only when it takes
/// longer than a second.
struct Progress {
    board: Board,
    started: Instant,
    shown: Option<Instant>,
}

impl Progress {
    const PATIENCE: Duration = Duration::from_secs(1);

    fn new() -> Self {
        Progress { board: Board::new(true), started: Instant::now(), shown: None }
    }

    fn tick(&mut self, sent: u64) {
        let now = Instant::now();
        let elapsed = now - self.started;
        if elapsed < Self::PATIENCE || self.shown.is_some_and(|last| now - last < REFRESH) {
            return;
        }
        let rate = sent as f64 / elapsed.as_secs_f64();
        self.board.draw(&[format!("{sent} messages, {rate:.0} a second")]);
        self.shown = Some(now);
    }

    fn clear(&mut self) {
        self.shown = None;
        self.board.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_pairs() {
        assert_eq!(header("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(header("a="), Ok(("a".into(), String::new())));
        assert!(header("=b").is_err() && header("a").is_err());
    }

    #[test]
    fn payloads_are_texts_or_json() {
        let written = |text, json| payload(text, json).map(|p| serde_json::json!(p).to_string()).ok();
        assert_eq!(written("a \"b\"", false).as_deref(), Some(r#""a \"b\"""#));
        assert_eq!(written("{\"a\": 1}", true).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(written("{", true), None);
        assert_eq!(written("1 2", true), None);
        let wrong = payload("{\"a\" 1}", true).err().map(|e| not_json("line 7", &e).message);
        assert_eq!(wrong.as_deref(), Some("line 7 is not valid JSON: expected `:` at column 6"));
    }
}
