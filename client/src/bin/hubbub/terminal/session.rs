//! What both shells of the terminal share: the subscriptions and services of one connection, doing
//! what a line says, and gathering what arrives. It owns no input and no output: it gives out bytes.

use super::line::{channel_of, interpret, Action, Ask, Marked};
use super::reply::{push_done, push_reply};
use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use crate::output::Form;
use crate::show;
use crate::style::Style;
use futures::future::LocalBoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use hubbub_client::{
    Client, Delivery, Error, Event, Events, IncomingRequest, Refusal, Requests, Subscription,
};
use hubbub_shared::command::Op;
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::{json, text, Payload};
use hubbub_shared::limits::DEFAULT_REQUEST_TIMEOUT;
use hubbub_shared::names::Pattern;
use hubbub_shared::refusal::Code;
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes of one batch. A guess: some screens full, written in a few milliseconds, so that keys are
/// looked at often enough.
const MAX_BATCH: usize = 64 << 10;
/// Requests to services offered here that wait for `/respond`. A guess; the oldest go, and their
/// callers are told.
const MAX_OPEN_REQUESTS: usize = 1_000;

/// One connection and what is kept for it.
pub struct Session {
    client: Client,
    globals: Globals,
    marked: Marked,
    form: Form,
    style: Style,
    events: Events,
    rooms: Vec<Room>,
    services: Vec<(String, Requests)>,
    requests: VecDeque<IncomingRequest>,
    current: Option<String>,
    quiet: bool,
    operator: bool,
    draining: bool,
    ended: bool,
}

/// One pattern that is subscribed to.
struct Room {
    pattern: Pattern,
    subscription: Subscription,
}

/// What came of a line.
#[derive(Default)]
pub struct Outcome {
    /// For standard output.
    pub lines: Vec<u8>,
    /// For whoever typed the line: why it was not done.
    pub failures: Vec<Failure>,
    changes: Vec<Change>,
}

enum Change {
    Joined(Pattern, Subscription),
    Serving(String, Requests),
    Operator,
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
        Session {
            events: client.events(),
            client,
            globals: globals.clone(),
            marked,
            form: globals.form(false),
            style,
            rooms: Vec::new(),
            services: Vec::new(),
            requests: VecDeque::new(),
            current: None,
            quiet: false,
            operator: false,
            draining: false,
            ended: false,
        }
    }

    /// `bob@ops> `
    pub fn prompt(&self) -> String {
        let name = shown(&self.client.name());
        match &self.current {
            Some(channel) => format!("{name}@{channel}> "),
            None => format!("{name}> "),
        }
    }

    /// Whether the connection is gone for good.
    pub fn is_ended(&self) -> bool {
        self.ended
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
        match interpret(line, self.current.as_deref(), self.marked) {
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
                attempt(async move {
                    let requests = client.serve(&service, &about).await?;
                    let lines = done(format!("serving {service}; answer with /respond REQUEST_ID TEXT"));
                    Ok(Outcome {
                        lines,
                        changes: vec![Change::Serving(service, requests)],
                        ..Outcome::default()
                    })
                })
            }
            Action::Unserve { service } => {
                let Some(at) = self.services.iter().position(|(name, _)| *name == service) else {
                    let message = format!("{service} is not offered here");
                    return refused(Refusal::new(Code::NoSuchService, message));
                };
                let (service, requests) = self.services.swap_remove(at);
                attempt(async move {
                    requests.unserve().await?;
                    Ok(Outcome { lines: done(format!("serving {service} no longer")), ..Outcome::default() })
                })
            }
            Action::Respond { request_id, text } => {
                let Some(at) = self.requests.iter().position(|r| r.request_id == request_id) else {
                    let message = format!("there is no open request {request_id}");
                    return refused(Refusal::bad_argument(message));
                };
                let request = self.requests.remove(at).expect("the position was just found");
                attempt(async move {
                    request.respond(text).await?;
                    Ok(Outcome { lines: done(format!("responded to {request_id}")), ..Outcome::default() })
                })
            }
            Action::Quiet(quiet) => {
                self.quiet = quiet;
                let lines = done(format!("quiet {}", if quiet { "on" } else { "off" }));
                async { Outcome { lines, ..Outcome::default() } }.boxed_local()
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
            self.current = Some(channel.as_str().to_owned());
        }
        let new: Vec<Pattern> = patterns.iter().filter(|p| !self.is_joined(p)).cloned().collect();
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
                match form {
                    Form::Json => outcome.lines = format!("{}\n", json!({ "channels": joined })).into_bytes(),
                    _ => outcome.lines = done(format!("subscribed to {}", joined.join(" "))),
                }
            }
            outcome
        }
        .boxed_local()
    }

    fn unsubscribe(&mut self, patterns: Vec<Pattern>) -> LocalBoxFuture<'static, Outcome> {
        let (mut left, mut failures) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match self.rooms.iter().position(|room| room.pattern == pattern) {
                Some(at) => left.push(self.rooms.remove(at)),
                None => {
                    let message = format!("you are not subscribed to {pattern}");
                    failures.push(Refusal::new(Code::NotSubscribed, message).into());
                }
            }
        }
        self.settle_current();
        async move {
            let mut outcome = Outcome { failures, ..Outcome::default() };
            let mut names = Vec::new();
            for room in left {
                match room.subscription.unsubscribe().await {
                    Ok(()) => names.push(room.pattern.to_string()),
                    Err(e) => outcome.failures.push(e.into()),
                }
            }
            if !names.is_empty() {
                outcome.lines = done(format!("unsubscribed from {}", names.join(" ")));
            }
            outcome
        }
        .boxed_local()
    }

    fn ask(&self, ask: Ask) -> LocalBoxFuture<'static, Outcome> {
        let (client, globals) = (self.client.clone(), self.globals.clone());
        let (form, silent) = (self.form, self.quiet && ask.op == Op::Publish);
        // Whoever has the token at hand need not say it; for others the hub's refusal is the answer.
        let token = globals.operator_token().ok().filter(|_| ask.operator && !self.operator);
        attempt(async move {
            let mut outcome = Outcome::default();
            if let Some(token) = token {
                let _: Box<RawValue> = client.command("operator", json!({ "token": token })).await?;
                outcome.changes.push(Change::Operator);
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
            match form {
                _ if silent => {}
                Form::Json => outcome.lines = format!("{}\n", json::compact(reply.get())).into_bytes(),
                _ => push_reply(&ask, &reply, &mut outcome.lines)
                    .map_err(|e| Error::BadReply(e.to_string()))?,
            }
            match ask.op {
                Op::Operator => outcome.changes.push(Change::Operator),
                Op::Drain | Op::Shutdown => outcome.changes.push(Change::Draining),
                _ => {}
            }
            Ok(outcome)
        })
    }

    /// Takes in what a line brought about. Its `lines` and `failures` are the shell's to show.
    pub fn apply(&mut self, outcome: &mut Outcome) {
        for change in outcome.changes.drain(..) {
            match change {
                Change::Joined(pattern, subscription) => self.rooms.push(Room { pattern, subscription }),
                Change::Serving(service, requests) => {
                    self.services.retain(|(name, _)| *name != service);
                    self.services.push((service, requests));
                }
                Change::Operator => self.operator = true,
                Change::Draining => self.draining = true,
            }
        }
        self.settle_current();
    }

    fn is_joined(&self, pattern: &Pattern) -> bool {
        self.rooms.iter().any(|room| room.pattern == *pattern)
    }

    /// The channel to talk to is one that is joined: the one that was named last, else the newest.
    fn settle_current(&mut self) {
        let joined = |name: &str| self.rooms.iter().any(|room| room.pattern.as_str() == name);
        if !self.current.as_deref().is_some_and(joined) {
            let newest = self.rooms.iter().rev().find_map(|room| room.pattern.to_channel());
            self.current = newest.map(|channel| channel.as_str().to_owned());
        }
    }

    /// Waits for something to arrive, and gives the lines of all that is there, up to some screens
    /// full. Never ready again once the connection has ended.
    pub async fn next_batch(&mut self) -> Vec<u8> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    /// The lines of what is there already.
    pub fn batch_now(&mut self) -> Vec<u8> {
        self.next_batch().now_or_never().unwrap_or_default()
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut out = Vec::new();
        let was_ended = self.ended;
        self.poll_events(cx, &mut out);
        self.poll_services(cx, &mut out);
        for at in 0..self.rooms.len() {
            // Where all of it is full, the next batch goes on.
            while out.len() < MAX_BATCH {
                match Pin::new(&mut self.rooms[at].subscription).poll_next(cx) {
                    Poll::Ready(Some(delivery)) => self.push_delivery(at, delivery, &mut out),
                    Poll::Ready(None) | Poll::Pending => break,
                }
            }
        }
        if out.is_empty() && self.ended == was_ended {
            Poll::Pending
        } else {
            Poll::Ready(out)
        }
    }

    fn poll_events(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        while !self.ended && out.len() < MAX_BATCH {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => self.push_event(&event, out),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
    }

    fn poll_services(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        for (_, requests) in &mut self.services {
            while let Poll::Ready(Some(request)) = requests.poll_next_unpin(cx) {
                let payload = Payload::Json(request.data.get());
                match self.form {
                    Form::Json => {
                        json::push_request(
                            &request.request_id,
                            &request.service,
                            &request.from,
                            payload,
                            out,
                        );
                        out.push(b'\n');
                    }
                    _ => {
                        text::push_request(&request.request_id, &request.service, &request.from, payload, out)
                    }
                }
                self.requests.push_back(request);
                if self.requests.len() > MAX_OPEN_REQUESTS {
                    self.requests.pop_front();
                }
            }
        }
    }

    fn push_delivery(&self, at: usize, delivery: Delivery, out: &mut Vec<u8>) {
        match delivery {
            // The library hands a message to each subscription that covers it; it is shown once.
            Delivery::Message(message) => {
                let first = self.rooms.iter().position(|room| room.pattern.matches(&message.channel));
                if first.is_none_or(|first| first == at) {
                    show::push_message(&message, self.form, self.style, out);
                }
            }
            Delivery::Gap(gap) => self.push_notice("gap", &show::gap(&gap), out),
            // The events tell why.
            Delivery::Disconnected | Delivery::Reconnected => {}
        }
    }

    fn push_event(&self, event: &Event, out: &mut Vec<u8>) {
        if let (Form::Json, Some((code, words))) = (self.form, show::event_as_notice(event)) {
            return self.push_notice(code, &words, out);
        }
        if let Some(line) = show::event(event, self.style) {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }

    fn push_notice(&self, code: &str, words: &str, out: &mut Vec<u8>) {
        match self.form {
            Form::Json => {
                json::push_notice(code, words, out);
                out.push(b'\n');
            }
            _ => {
                out.extend_from_slice(self.style.dim(&format!("* {}", shown(words))).as_bytes());
                out.push(b'\n');
            }
        }
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

fn done(said: String) -> Vec<u8> {
    let mut lines = Vec::new();
    push_done(said, &mut lines);
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
