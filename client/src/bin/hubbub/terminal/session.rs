//! What all shells of the terminal share: one connection, whom one talks to, and doing what a line
//! says. It owns no input and no output: it gives out bytes.

use super::inbox::{Arrival, Inbox};
use super::line::{channel_of, interpret, say_to, Action, Ask, Here, Marked, Target};
use super::local::{Local, LOCALS};
use super::reply::{push_done, push_reply};
use super::wording::push_arrival;
use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use crate::output::{push_json, Form};
use crate::style::Style;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, TryFutureExt};
use hubbub_client::{Client, Error, Refusal, Requests, Subscription};
use hubbub_shared::command::Op;
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::text;
use hubbub_shared::limits::DEFAULT_REQUEST_TIMEOUT;
use hubbub_shared::names::Pattern;
use hubbub_shared::refusal::Code;
use serde_json::json;
use serde_json::value::RawValue;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// What the hub's own help does not know.
const HELP: &str = "\
* here each command has a / before it; everything else is said to whom the prompt names
* /join CHANNEL and /query NAME change that, // starts a text with a slash, Ctrl-D quits
";
/// The same for the whole screen, which puts the last line first.
const FULL_HELP: &str =
    "a / before each; all else is said where one is, // starts a text with a slash, F1 tells the keys";

/// Bytes of one batch of lines. A guess: some screens full, written in a few milliseconds, so that
/// keys are looked at often enough.
const MAX_BATCH: usize = 64 << 10;

/// One connection and what is kept for it.
pub struct Session {
    client: Client,
    globals: Globals,
    marked: Marked,
    form: Form,
    style: Style,
    /// Whether the terminal has the whole screen: then more can be done.
    full: bool,
    /// What arrives.
    pub inbox: Inbox,
    current: Option<Target>,
    quiet: bool,
    draining: bool,
}

/// What came of a line.
#[derive(Default)]
pub struct Outcome {
    /// For standard output.
    pub lines: Vec<u8>,
    /// For whoever typed the line: why it was not done.
    pub failures: Vec<Failure>,
    /// To whom something was said, and what: it does not come back by itself.
    pub told: Option<(String, String)>,
    /// Who is talked to no longer.
    pub forgot: Option<String>,
    changes: Vec<Change>,
}

enum Change {
    Joined(Pattern, Subscription),
    Serving(String, Requests),
    Draining,
}

/// What to do next with a line.
pub enum Started {
    /// It is being done; other lines wait until it is.
    Alone(LocalBoxFuture<'static, Outcome>),
    /// It is being done, and others may be meanwhile.
    Beside(LocalBoxFuture<'static, Outcome>),
    /// It asks for the end.
    Quit,
}

impl Session {
    /// A session on a connection.
    pub fn new(client: Client, globals: &Globals, marked: Marked, style: Style) -> Self {
        let form = globals.form(false);
        Session {
            inbox: Inbox::new(&client),
            client,
            globals: globals.clone(),
            marked,
            form,
            style,
            full: false,
            current: None,
            quiet: false,
            draining: false,
        }
    }

    /// The session of a person with the whole screen.
    pub fn full(client: Client, globals: &Globals) -> Self {
        let session = Session::new(client, globals, Marked::BySlash, Style::PLAIN);
        Session { full: true, form: Form::People, ..session }
    }

    /// The connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// `bob@ops> `; `bob to eve> `
    pub fn prompt(&self) -> String {
        let name = shown(&self.client.name());
        match &self.current {
            Some(Target::Channel(channel)) => format!("{name}@{channel}> "),
            Some(Target::Person(person)) => format!("{name} to {}> ", shown(person)),
            None => format!("{name}> "),
        }
    }

    /// Whom plain lines go to.
    pub fn current(&self) -> Option<&Target> {
        self.current.as_ref()
    }

    /// Lets plain lines go to somebody else, or to nobody.
    pub fn turn_to(&mut self, target: Option<Target>) {
        self.current = target;
    }

    /// Whether the hub was told from here to send everybody away.
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether a plain line's success goes without saying: a person sees what was typed.
    fn says_published(&self) -> bool {
        self.marked == Marked::ByVerb && !self.quiet
    }

    /// Starts to do what a line says.
    pub fn start(&mut self, line: &str) -> Started {
        let joined: Vec<String> = self.inbox.joined().map(Pattern::to_string).collect();
        let here = Here { current: self.current.as_ref(), marked: self.marked, joined: &joined };
        match interpret(line, here) {
            Ok(Action::Quit) => Started::Quit,
            Ok(Action::Ask(ask)) if ask.op == Op::Request => Started::Beside(self.ask(ask)),
            Ok(action) => Started::Alone(self.perform(action)),
            Err(refusal) => Started::Alone(refused(refusal)),
        }
    }

    /// Starts to join some channels.
    pub fn join(&mut self, channels: &[String]) -> LocalBoxFuture<'static, Outcome> {
        match channels.iter().map(|c| Pattern::parse(c)).collect() {
            Ok(patterns) => self.perform(Action::Join { patterns, group: None }),
            Err(refusal) => refused(refusal),
        }
    }

    fn perform(&mut self, action: Action) -> LocalBoxFuture<'static, Outcome> {
        match action {
            Action::Nothing | Action::Quit => async { Outcome::default() }.boxed_local(),
            Action::Say { channel, text } => self.say(channel, text),
            Action::Join { patterns, group } => self.subscribe(patterns, group),
            Action::Part { patterns } => self.unsubscribe(patterns),
            Action::Serve { service, about } => {
                let client = self.client.clone();
                let lines = self.done(format!("serving {service}; answer with /respond REQUEST_ID TEXT"));
                attempt(async move {
                    let requests = client.serve(&service, &about).await?;
                    let changes = vec![Change::Serving(service, requests)];
                    Ok(Outcome { lines, changes, ..Outcome::default() })
                })
            }
            Action::Unserve { service } => {
                let Some(requests) = self.inbox.unserve(&service) else {
                    let message = format!("{service} is not offered here");
                    return refused(Refusal::new(Code::NoSuchService, message));
                };
                let lines = self.done(format!("serving {service} no longer"));
                attempt(requests.unserve().map_ok(|()| Outcome { lines, ..Outcome::default() }))
            }
            Action::Respond { request_id, text } => {
                let Some(request) = self.inbox.take_request(&request_id) else {
                    let message = format!("there is no open request {request_id}");
                    return refused(Refusal::bad_argument(message));
                };
                let lines = self.done(format!("responded to {request_id}"));
                attempt(request.respond(text).map_ok(|()| Outcome { lines, ..Outcome::default() }))
            }
            Action::Quiet(quiet) => {
                self.quiet = quiet;
                let lines = self.done(format!("quiet {}", if quiet { "on" } else { "off" }));
                async { Outcome { lines, ..Outcome::default() } }.boxed_local()
            }
            Action::Turn { target, text } => {
                let said = text.map(|text| say_to(&target, &text));
                self.current = Some(target);
                match said {
                    Some(Ok(action)) => self.perform(action),
                    Some(Err(refusal)) => refused(refusal),
                    None => async { Outcome::default() }.boxed_local(),
                }
            }
            Action::Forget { person } => {
                self.current = None;
                self.settle_current();
                let lines = self.done(format!("talking to {person} no longer"));
                async { Outcome { lines, forgot: Some(person), ..Outcome::default() } }.boxed_local()
            }
            Action::Local(op, _) => {
                let row = LOCALS.iter().find(|row| row.op == op);
                let usage = row.map(Local::usage_line).unwrap_or_default();
                let message = format!("/{usage} needs the whole screen: start hubbub without --plain");
                refused(Refusal::new(Code::BadCommand, message))
            }
            Action::Ask(ask) => self.ask(ask),
        }
    }

    fn say(&self, channel: String, text: String) -> LocalBoxFuture<'static, Outcome> {
        let (client, says, form) = (self.client.clone(), self.says_published(), self.form);
        attempt(async move {
            let reply = client.publish(&channel, text).await?;
            let mut lines = Vec::new();
            match form {
                _ if !says => {}
                Form::Json => lines.extend_from_slice(format!("{}\n", json!(reply)).as_bytes()),
                _ => text::push_published(&channel, reply.subscribers, &mut lines),
            }
            Ok(Outcome { lines, ..Outcome::default() })
        })
    }

    fn subscribe(
        &mut self,
        patterns: Vec<Pattern>,
        group: Option<String>,
    ) -> LocalBoxFuture<'static, Outcome> {
        if let Some(channel) = channel_of(&patterns) {
            self.current = Some(Target::Channel(channel.as_str().to_owned()));
        }
        let new: Vec<Pattern> =
            patterns.iter().filter(|p| !self.inbox.is_joined(p.as_str())).cloned().collect();
        let (client, form) = (self.client.clone(), self.form);
        async move {
            let mut outcome = Outcome::default();
            let mut joined: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
            // One subscription a pattern, so that each can be left on its own.
            for pattern in new {
                let one = [pattern.as_str()];
                let subscribed = match &group {
                    Some(group) => client.subscribe_group(group, one).await,
                    None => client.subscribe(one).await,
                };
                match subscribed {
                    Ok(subscription) => outcome.changes.push(Change::Joined(pattern, subscription)),
                    Err(e) => {
                        joined.retain(|p| *p != pattern.as_str());
                        outcome.failures.push(e.into());
                    }
                }
            }
            if !joined.is_empty() {
                outcome.lines = match form {
                    Form::Json => format!("{}\n", json!({ "channels": joined })).into_bytes(),
                    _ => done(form, format!("subscribed to {}", joined.join(" "))),
                };
            }
            outcome
        }
        .boxed_local()
    }

    fn unsubscribe(&mut self, patterns: Vec<Pattern>) -> LocalBoxFuture<'static, Outcome> {
        let (mut left, mut failures) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match self.inbox.leave(&pattern) {
                Some(subscription) => left.push((pattern, subscription)),
                None => {
                    let message = format!("you are not subscribed to {pattern}");
                    failures.push(Refusal::new(Code::NotSubscribed, message).into());
                }
            }
        }
        self.settle_current();
        let form = self.form;
        async move {
            let mut outcome = Outcome { failures, ..Outcome::default() };
            let mut names = Vec::new();
            for (pattern, subscription) in left {
                match subscription.unsubscribe().await {
                    Ok(()) => names.push(pattern.to_string()),
                    Err(e) => outcome.failures.push(e.into()),
                }
            }
            if !names.is_empty() {
                outcome.lines = done(form, format!("unsubscribed from {}", names.join(" ")));
            }
            outcome
        }
        .boxed_local()
    }

    fn ask(&self, ask: Ask) -> LocalBoxFuture<'static, Outcome> {
        let (client, globals) = (self.client.clone(), self.globals.clone());
        let (form, silent) = (self.form, self.quiet && ask.op == Op::Publish);
        let (helps, full) = (self.marked == Marked::BySlash, self.full);
        // Whoever has the token at hand need not say it; for others the hub's refusal is the answer.
        let token = ask.operator.then(|| globals.operator_token(&self.client).ok()).flatten();
        attempt(async move {
            let mut outcome = Outcome::default();
            if let Some(token) = token {
                let _: Box<RawValue> = client.command("operator", json!({ "token": token })).await?;
            }
            let reply: Box<RawValue> = match ask.op {
                Op::Request => {
                    let limit = globals.timeout.unwrap_or(DEFAULT_REQUEST_TIMEOUT);
                    let data = ask.text("data");
                    let answer = client.request_timeout(ask.text("service"), data, limit).await?;
                    let reply = RawValue::from_string(format!("{{\"data\":{}}}", answer.get()));
                    reply.map_err(|e| Error::BadReply(e.to_string()))?
                }
                _ => client.command(ask.name, &ask.args).await?,
            };
            if ask.op == Op::Msg {
                outcome.told = Some((ask.text("to").to_owned(), ask.text("data").to_owned()));
            }
            match form {
                // It is shown as what was said.
                _ if silent || (full && ask.op == Op::Msg) => {}
                Form::Json => {
                    push_json(reply.get(), &mut outcome.lines);
                    outcome.lines.push(b'\n');
                }
                _ => {
                    let shown = push_reply(&ask, &reply, &mut outcome.lines);
                    shown.map_err(|e| Error::BadReply(e.to_string()))?;
                    if helps && ask.op == Op::Help && ask.args.is_empty() {
                        push_help(full, &mut outcome.lines);
                    }
                }
            }
            if matches!(ask.op, Op::Drain | Op::Shutdown) {
                outcome.changes.push(Change::Draining);
            }
            Ok(outcome)
        })
    }

    /// Takes in what a line brought about. Its `lines` and `failures` are the shell's to show.
    pub fn apply(&mut self, outcome: &mut Outcome) {
        for change in outcome.changes.drain(..) {
            match change {
                Change::Joined(pattern, subscription) => self.inbox.join(pattern, subscription),
                Change::Serving(service, requests) => self.inbox.serve(service, requests),
                Change::Draining => self.draining = true,
            }
        }
        self.settle_current();
    }

    /// The channel to talk to is one that is joined: the one that was named last, else the newest.
    fn settle_current(&mut self) {
        let stands = match &self.current {
            Some(Target::Channel(name)) => self.inbox.is_joined(name),
            Some(Target::Person(_)) => true,
            None => false,
        };
        if !stands {
            let newest = self.inbox.joined().rev().find_map(Pattern::to_channel);
            self.current = newest.map(|channel| Target::Channel(channel.as_str().to_owned()));
        }
    }

    /// Waits for something to arrive, and gives the lines of all that is there, up to some screens
    /// full. Never ready again once the connection has ended.
    pub async fn next_lines(&mut self) -> Vec<u8> {
        poll_fn(|cx| self.poll_lines(cx)).await
    }

    /// The lines of what is there already.
    pub fn lines_now(&mut self) -> Vec<u8> {
        self.next_lines().now_or_never().unwrap_or_default()
    }

    fn poll_lines(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let (mut out, mut arrived) = (Vec::new(), false);
        let own = (self.marked == Marked::BySlash).then(|| self.client.server());
        while out.len() < MAX_BATCH {
            let Poll::Ready(arrival) = self.inbox.poll(cx) else { break };
            arrived = arrived || matches!(arrival, Arrival::Ended);
            match (&arrival, &own) {
                // A person sees it already: as the line that was typed. It is passed over here and not
                // by the hub, since the library could not tell gaps without it.
                (Arrival::Message(m), Some(own)) if m.from == own.name && m.origin == own.origin => {}
                _ => push_arrival(&arrival, self.form, self.style, &mut out),
            }
        }
        match out.is_empty() && !arrived {
            true => Poll::Pending,
            false => Poll::Ready(out),
        }
    }

    fn done(&self, said: String) -> Vec<u8> {
        done(self.form, said)
    }

    /// Waits until the hub has taken everything that was said, so that its echo is there too.
    pub async fn flush(&self) -> Result<(), Failure> {
        Ok(self.client.flush().await?)
    }

    /// Says goodbye.
    pub async fn close(self) {
        let _ = self.client.close().await;
    }
}

impl Outcome {
    /// The worst of what went wrong.
    pub fn exit(&self) -> Exit {
        self.failures.iter().map(|failure| failure.exit).max().unwrap_or(Exit::Done)
    }
}

fn push_help(full: bool, lines: &mut Vec<u8>) {
    if full {
        // Among those of the hub, and as its table has them.
        let last = lines.trim_ascii_end().iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = lines.split_off(last);
        for local in LOCALS {
            lines.extend_from_slice(format!("  {:<26} {}\n", local.usage_line(), local.about).as_bytes());
        }
        lines.extend_from_slice(end.trim_ascii_end());
        return lines.extend_from_slice(format!("; {FULL_HELP}\n").as_bytes());
    }
    lines.extend_from_slice(HELP.as_bytes());
    for local in LOCALS.iter().filter(|local| !local.full) {
        lines.extend_from_slice(format!("* /{}: {}\n", local.usage_line(), local.about).as_bytes());
    }
}

fn done(form: Form, said: String) -> Vec<u8> {
    let mut lines = Vec::new();
    match form {
        Form::Json => lines.extend_from_slice(b"{}\n"),
        _ => push_done(said, &mut lines),
    }
    lines
}

fn refused(refusal: Refusal) -> LocalBoxFuture<'static, Outcome> {
    async { Outcome { failures: vec![refusal.into()], ..Outcome::default() } }.boxed_local()
}

fn attempt(
    doing: impl std::future::Future<Output = Result<Outcome, Error>> + 'static,
) -> LocalBoxFuture<'static, Outcome> {
    doing
        .map(|outcome| outcome.unwrap_or_else(|e| Outcome { failures: vec![e.into()], ..Outcome::default() }))
        .boxed_local()
}
