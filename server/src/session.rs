//! One client's conversation: from its bytes to commands, and what the connection owes it in time
//! (greeting, idle limit, heartbeat). Without I/O: the connection handler feeds it bytes and
//! moments, and it leaves in the batch what is to be written.

use crate::buffers::{Input, Received, LONG_UNIT};
use crate::clock::Now;
use crate::commands::{self, Outcome};
use crate::connection::Talk;
use crate::hub::{Batch, Channel, Client, Farewell, Hub, Item, Publisher, Reach};
use hubbub_shared::command::{Command, Value};
use hubbub_shared::encoding::{json, scan, Decoder, Head, Misread, Out, Payload, Step};
use hubbub_shared::limits::{GREETING_DELAY, MAX_HEADERS, MAX_MISSED_HEARTBEATS, MAX_OPEN_QUESTIONS};
use hubbub_shared::names::{channel_str, is_hubs_own, is_inbox, ClientName};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::{Encoding, Op};
use std::borrow::Cow;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far a conversation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not a byte yet: a person, perhaps, or a program that takes its time.
    Silent,
    /// Greeted, or in the middle of a first command.
    Waiting,
    /// The first command has come; from now on the client may be silent for ever.
    Ready,
}

/// One client's conversation.
pub struct Session {
    /// The client.
    pub client: Arc<Client>,
    /// Its name: only its own commands change it.
    pub name: ClientName,
    /// Whether it receives its own publishes.
    pub echo: bool,
    /// Whether it wants no `ok` lines for publishes (text).
    pub quiet: bool,
    /// Whether it showed the operator token.
    pub operator: bool,
    /// Whether it has said hello.
    pub said_hello: bool,
    /// Whether its first unit has come, or cannot be a frame: until then it may be another's to talk to.
    pub decided: bool,
    /// Wrong tokens shown.
    pub wrong_tokens: u8,
    /// Seconds of silence after which it wants to be asked for a sign of life.
    pub heartbeat: Option<Duration>,
    missed: u8,
    phase: Phase,
    /// When a byte came, or a ping was sent.
    last_sign: Instant,
    decoder: Decoder,
    /// The channel that is published to by a unit that begins with the head, where that is known.
    last_channel: Option<Arc<Channel>>,
    head: Head,
    ended: bool,
    /// Whether the last unit was long enough for parts of it to be kept by reference.
    sends_long_units: bool,
}

/// Consecutive publishes to one channel: they are counted, encoded and queued together.
#[derive(Default)]
struct Run<'b> {
    channel: Option<Arc<Channel>>,
    items: Vec<Item<'b>>,
    received: Option<&'b Received>,
}

/// Work of a refusal beside its bytes, in the batch's measure.
const REFUSAL: usize = 2 << 10;

/// Places of the arguments of `publish` in its row of the table.
const CHANNEL: usize = 0;
const DATA: usize = 1;
const HEADERS: usize = 2;
const REPLY: usize = 3;

impl Session {
    /// A conversation that begins.
    pub fn new(client: Arc<Client>, now: Now) -> Self {
        Session {
            name: client.name(),
            client,
            echo: true,
            quiet: false,
            operator: false,
            said_hello: false,
            decided: false,
            wrong_tokens: 0,
            heartbeat: None,
            missed: 0,
            phase: Phase::Silent,
            last_sign: now.instant,
            decoder: Decoder::default(),
            last_channel: None,
            head: Head::default(),
            ended: false,
            sends_long_units: false,
        }
    }

    fn decide_encoding(&self, undecided: bool) {
        if let Some(encoding) = self.decoder.encoding().filter(|_| undecided) {
            self.client.set_encoding(encoding);
        }
    }

    fn greet(&self, hub: &Hub, batch: &mut Batch) {
        let version = env!("CARGO_PKG_VERSION");
        let lines = [
            format!("welcome to {}, a Hubbub hub ({version}); you are {}", hub.name(), self.name),
            hub.welcome.lock().clone(),
            "say help for the commands, name YOU to take a name, subscribe CHANNEL to listen".to_owned(),
        ];
        lines.iter().for_each(|line| self.notice(line, hub, batch));
    }

    fn notice(&self, line: &str, hub: &Hub, batch: &mut Batch) {
        if !line.is_empty() {
            hub.tell(&self.client, &Out::Notice("welcome", line), 0, batch);
        }
    }

    fn end(&mut self, farewell: Farewell, hub: &Hub, batch: &mut Batch) {
        if !self.ended {
            self.ended = true;
            hub.close(&self.client, farewell, batch);
        }
    }

    fn command(&mut self, command: &Command<'_>, hub: &Hub, batch: &mut Batch) {
        self.phase = Phase::Ready;
        hub.count(batch);
        let call = commands::Call { hub, session: self, batch };
        match commands::run(call, command) {
            Ok(Outcome::Reply(reply)) => {
                hub.tell(&self.client, &Out::Ok(command.id, &reply), 0, batch);
                if command.verb.op == Op::Hello {
                    self.notice(&hub.welcome.lock(), hub, batch);
                }
            }
            Ok(Outcome::Later) => {}
            Ok(Outcome::Away(refusal, to)) => {
                self.refuse(command.id, &refusal, hub, batch);
                self.end(Farewell::Away(refusal, 0, to), hub, batch);
            }
            Ok(Outcome::Close(reply)) => {
                hub.tell(&self.client, &Out::Ok(command.id, &reply), 0, batch);
                self.end(Farewell::Left("closed by client"), hub, batch);
            }
            Err(refusal) => {
                self.refuse(command.id, &refusal, hub, batch);
                if self.wrong_tokens >= hubbub_shared::limits::MAX_OPERATOR_ATTEMPTS {
                    let message = "too many wrong operator tokens";
                    self.end(Farewell::Sent(Refusal::new(Code::NotAllowed, message)), hub, batch);
                }
            }
        }
    }

    fn refuse(&self, id: Option<&str>, refusal: &Refusal, hub: &Hub, batch: &mut Batch) {
        // Finding the words for it is work that its length does not show.
        batch.worked(REFUSAL);
        hub.refuse(&self.client, id, refusal, batch);
    }

    /// Adds one publish to the run, which is sent on when the channel changes. Returns the channel.
    fn publish<'b>(
        &mut self,
        command: &Command<'b>,
        run: &mut Run<'b>,
        hub: &Hub,
        batch: &mut Batch,
    ) -> Result<Arc<Channel>, Refusal> {
        self.phase = Phase::Ready;
        let name = match command.values[CHANNEL] {
            Some(Value::Text(name)) => Cow::Borrowed(name),
            _ => command.required("channel")?,
        };
        let payload = match command.values[DATA] {
            Some(Value::Text(text)) => Payload::Text(text),
            Some(Value::Json(raw)) => Payload::Json(raw),
            None => return Err(command.missing("data")),
        };
        let headers = match command.values[HEADERS] {
            None | Some(Value::Json("null")) => None,
            Some(Value::Text(raw) | Value::Json(raw)) => Some(check_headers(raw)?),
        };
        let reply = if command.values[REPLY].is_some() { command.text("reply")? } else { None };
        if let Some(reply) = &reply {
            channel_str(reply)?;
        }
        let bare = name.strip_prefix('#').unwrap_or(&name);
        let channel = match run.channel.as_ref().filter(|c| *c.name == *bare) {
            Some(channel) => channel.clone(),
            None => {
                self.flush_run(run, hub, batch);
                let channel = self.channel_to_publish(&name, bare, hub, batch.now)?;
                run.channel = Some(channel.clone());
                channel
            }
        };
        run.items.push(Item { payload, headers, reply, id: command.id });
        Ok(channel)
    }

    /// Adds a publish that looks like the last one, perhaps to another channel; whether it does.
    #[inline]
    fn publish_again<'b>(
        &mut self,
        encoding: Encoding,
        unit: &'b [u8],
        run: &mut Run<'b>,
        hub: &Hub,
        batch: &mut Batch,
    ) -> bool {
        let (payload, channel) = if let Some(payload) = self.head.payload(encoding, unit) {
            let Some(channel) = &self.last_channel else { return false };
            let is_same = run.channel.as_ref().is_some_and(|c| Arc::ptr_eq(c, channel));
            (payload, (!is_same).then(|| channel.clone()))
        } else {
            let find = |name: &str| match &run.channel {
                Some(channel) if *channel.name == *name => Some(None),
                _ if name.starts_with(['$', '#']) => None,
                _ => hub.channels.find(name).map(Some),
            };
            let Some((payload, channel)) = self.head.payload_elsewhere(encoding, unit, find) else {
                return false;
            };
            // From its second publish on it is the channel that is remembered.
            if let (None, Some(channel)) = (&channel, &run.channel) {
                self.head.rename(&channel.name);
                self.last_channel = Some(channel.clone());
            }
            (payload, channel)
        };
        if let Some(channel) = channel {
            self.flush_run(run, hub, batch);
            run.channel = Some(channel);
        }
        run.items.push(Item { payload, headers: None, reply: None, id: None });
        true
    }

    fn channel_to_publish(
        &self,
        name: &str,
        bare: &str,
        hub: &Hub,
        now: Now,
    ) -> Result<Arc<Channel>, Refusal> {
        if let Some(last) = self.last_channel.as_ref().filter(|c| *c.name == *bare) {
            return Ok(last.clone());
        }
        if is_hubs_own(bare) && !is_inbox(bare) {
            channel_str(name)?;
            let message =
                "channels that start with $ belong to the hub; only $inbox channels may be published to";
            return Err(Refusal::new(Code::NotAllowed, message));
        }
        hub.channels.open(name, now)
    }

    /// Publishes the run, and answers those of its commands that want an answer.
    fn flush_run(&mut self, run: &mut Run<'_>, hub: &Hub, batch: &mut Batch) {
        let Some(channel) = run.channel.take() else { return };
        if run.items.is_empty() {
            return;
        }
        let publisher = Publisher {
            client: Some(&self.client),
            name: self.name.as_str(),
            echo: self.echo,
            received: run.received,
            reach: Reach::Cluster,
        };
        let result = hub.publish(&channel, &publisher, &run.items, batch);
        let count = run.items.len() as u64;
        // Nobody else adds to it.
        let before = self.client.messages_in.load(Ordering::Relaxed);
        self.client.messages_in.store(before + count, Ordering::Relaxed);
        match result {
            Ok(published) => {
                let silent = match self.client.encoding() {
                    Encoding::Text => self.quiet,
                    Encoding::Json | Encoding::Frame => run.items.iter().all(|item| item.id.is_none()),
                };
                if !silent {
                    let encoding = self.client.encoding();
                    batch.write(&self.client, 0, |out| {
                        for (seq, item) in (published.first_seq..).zip(&run.items) {
                            let receivers = published.receivers;
                            encoding.push(
                                &Out::Published(item.id, &channel.name, hub.origin(), seq, receivers),
                                out,
                            );
                        }
                    });
                }
            }
            Err(refusal) => {
                for item in &run.items {
                    self.refuse(item.id, &refusal, hub, batch);
                }
            }
        }
        run.items.clear();
    }
}

impl Talk for Session {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Stops before the end when the batch has become long, or the client does not read the replies.
    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize {
        let unread = input.unread();
        self.last_sign = batch.now.instant;
        self.missed = 0;
        if self.phase == Phase::Silent && !unread.is_empty() {
            self.phase = Phase::Waiting;
        }
        let undecided = self.decoder.encoding().is_none();
        let mut used = 0;
        let mut run = Run { received: input.received(), ..Run::default() };
        let mut waits = self.waits();
        while !self.ended && !batch.is_long() && !waits {
            let step = self.decoder.step(&unread[used..], &hub.limits);
            self.decide_encoding(undecided);
            match step {
                Step::More => break,
                Step::Unit(unit, length) => {
                    used += length;
                    self.sends_long_units = length >= LONG_UNIT;
                    let encoding = self.client.encoding();
                    if self.publish_again(encoding, unit, &mut run, hub, batch) {
                        continue;
                    }
                    // Who does not read the replies gets no more of them.
                    if !self.client.outbox.is_open() {
                        break;
                    }
                    match encoding.parse(unit) {
                        None => {}
                        Some(Ok(command)) if command.verb.op == Op::Publish => {
                            match self.publish(&command, &mut run, hub, batch) {
                                Ok(channel) => {
                                    self.head.learn(unit, &command);
                                    self.last_channel = Some(channel);
                                }
                                Err(refusal) => {
                                    self.head.forget();
                                    self.flush_run(&mut run, hub, batch);
                                    self.refuse(command.id, &refusal, hub, batch);
                                }
                            }
                        }
                        Some(Ok(command)) => {
                            self.flush_run(&mut run, hub, batch);
                            self.command(&command, hub, batch);
                            waits = self.waits();
                        }
                        Some(Err(Misread { refusal, id })) => {
                            self.flush_run(&mut run, hub, batch);
                            self.refuse(id, &refusal, hub, batch);
                        }
                    }
                }
                Step::Broken(refusal) => {
                    self.flush_run(&mut run, hub, batch);
                    self.refuse(None, &refusal, hub, batch);
                    self.end(Farewell::Sent(refusal), hub, batch);
                }
            }
        }
        self.flush_run(&mut run, hub, batch);
        used
    }

    fn is_over(&self) -> bool {
        self.ended
    }

    /// Answers from other servers are awaited before the next command is run: text has no ids, and so its
    /// answers come in the order of the commands; others may wait for a few at once.
    fn waits(&self) -> bool {
        let most = match self.client.encoding() {
            Encoding::Text => 1,
            Encoding::Json | Encoding::Frame => MAX_OPEN_QUESTIONS,
        };
        self.client.waits.load(Ordering::Acquire) >= most
    }

    fn sends_long_units(&self) -> bool {
        self.sends_long_units
    }

    fn show_life(&mut self, hub: &Hub, batch: &mut Batch) {
        let message = "what you asked for is still awaited";
        hub.tell(&self.client, &Out::Notice("waiting", message), 0, batch);
    }

    fn deadline(&self, hub: &Hub) -> Option<Instant> {
        match self.phase {
            Phase::Silent => Some(self.last_sign + GREETING_DELAY),
            Phase::Waiting => Some(self.client.connected.instant + idle_timeout(hub)),
            Phase::Ready => self.heartbeat.map(|every| self.last_sign + every),
        }
    }

    fn on_time(&mut self, hub: &Hub, batch: &mut Batch) {
        match self.phase {
            Phase::Silent => {
                self.phase = Phase::Waiting;
                self.greet(hub, batch);
            }
            Phase::Waiting => {
                let message = format!("no command came within {} s", idle_timeout(hub).as_secs());
                self.end(Farewell::Sent(Refusal::new(Code::Timeout, message)), hub, batch);
            }
            Phase::Ready if self.missed == MAX_MISSED_HEARTBEATS => {
                let message = format!("{MAX_MISSED_HEARTBEATS} heartbeats stayed unanswered");
                self.end(Farewell::Sent(Refusal::new(Code::Timeout, message)), hub, batch);
            }
            Phase::Ready => {
                // Each ping is given its time from when it was sent, also after a pause of the hub.
                self.missed += 1;
                self.last_sign = batch.now.instant;
                hub.tell(&self.client, &Out::Ping, 0, batch);
            }
        }
    }

    /// Nothing of an unfinished unit is run: what is missing may have been the better part of it.
    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch) {
        if !unread.trim_ascii().is_empty() {
            let message = "the last command has no end, and was not run; end a line with a line feed";
            self.refuse(None, &Refusal::new(Code::BadCommand, message), hub, batch);
        }
    }

    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        self.end(Farewell::Left(reason), hub, batch);
    }
}

fn idle_timeout(hub: &Hub) -> Duration {
    Duration::from_secs(hub.limits.idle_timeout_s)
}

/// Headers are an object of strings.
fn check_headers(raw: &str) -> Result<&str, Refusal> {
    let wanted = || Refusal::bad_argument("headers must be an object of strings, such as {\"k\":\"v\"}");
    let (mut strings, mut keys) = (true, Vec::new());
    let object = scan::Scanner::new(raw).object(|key, value| {
        strings &= json::string(value).is_some() && !keys.contains(&key);
        if keys.len() <= MAX_HEADERS {
            keys.push(key);
        }
        Ok(())
    });
    if object.is_err() || !strings {
        return Err(wanted());
    }
    if keys.len() > MAX_HEADERS {
        return Err(Refusal::new(Code::TooMany, format!("a message has {MAX_HEADERS} headers at the most")));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests;
