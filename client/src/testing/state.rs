//! What the hub for tests knows and answers. Pure: commands in, lines to peers out.

use super::persistent::Conversation;
use futures::channel::mpsc::UnboundedSender;
use hubbub_shared::encoding::{Direct, Encoding, MessageRef, Out, Payload};
use hubbub_shared::limits::Limits;
use hubbub_shared::names::{fold, ChannelName, ClientName, Pattern};
use hubbub_shared::reply::{
    Done, HelloReply, MsgReply, NameReply, PongReply, Reply, RequestReply, SubscribedReply,
};
use hubbub_shared::{Code, Command, Op, Refusal};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};

/// The time of every message: tests have no use for another.
const AT: &str = "2026-05-01T09:30:00.000Z";

/// Whom the hub sends where.
#[derive(Debug)]
pub(super) enum SendAway {
    /// Those who say that they would follow.
    Followers(Vec<String>),
    /// Everybody, since it drains.
    All(Vec<String>),
}

/// What a hub knows.
#[derive(Debug, Default)]
pub(super) struct State {
    name: String,
    pub(super) run: u64,
    last_id: u64,
    pub(super) away: bool,
    pub(super) silent: bool,
    pub(super) held: Option<Box<str>>,
    pub(super) blank_lines: u64,
    pub(super) clients: BTreeMap<u64, Peer>,
    pub(super) seqs: HashMap<String, u64>,
    pub(super) requests: HashMap<String, (u64, String, String)>,
    pub(super) refusals: HashMap<Op, Refusal>,
    pub(super) answers: HashMap<Op, String>,
    pub(super) servers: Vec<String>,
    pub(super) away_to: Option<SendAway>,
    pub(super) follows: Vec<bool>,
    /// Where the client that is being answered is sent.
    sent: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    echo: bool,
    pub(super) subscriptions: Vec<(Pattern, Option<String>)>,
    pub(super) services: Vec<String>,
    /// What it said in frames.
    pub(super) persistent: Conversation,
    out: UnboundedSender<Vec<u8>>,
}

impl Peer {
    fn send(&self, what: &Out<'_>) {
        let mut line = Vec::new();
        Encoding::Json.push(what, &mut line);
        self.send_line(line);
    }

    /// To a client that is gone, it goes nowhere.
    pub(super) fn send_line(&self, line: Vec<u8>) {
        let _ = self.out.unbounded_send(line);
    }

    /// Last words; the connection closes when the peer is dropped.
    fn close(&self, code: Code, retry_ms: u64, addrs: &[String]) {
        if let Some(goodbye) = self.persistent.goodbye() {
            return self.send_line(goodbye);
        }
        let refusal = Refusal::new(code, "another server has more room");
        self.send(&Out::Closing(&refusal, retry_ms, addrs));
    }
}

impl State {
    pub(super) fn new(name: &str) -> Self {
        State { name: name.to_owned(), ..State::default() }
    }

    /// A connection, which has the number that is returned.
    pub(super) fn accept(&mut self, out: UnboundedSender<Vec<u8>>) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let name = format!("anon-{id:06x}");
        let (subscriptions, services, persistent) = (Vec::new(), Vec::new(), Conversation::default());
        self.clients.insert(id, Peer { name, echo: true, subscriptions, services, persistent, out });
        id
    }

    /// Sends everybody away, and from now on each who comes.
    pub(super) fn drain(&mut self, addrs: Vec<String>, retry_ms: u64) {
        for (_, peer) in std::mem::take(&mut self.clients) {
            peer.close(Code::Draining, retry_ms, &addrs);
        }
        self.away_to = Some(SendAway::All(addrs));
    }

    /// Why and where a client that says hello is sent, if it is.
    fn turn_away(&self, follow: bool) -> Option<(Code, Vec<String>)> {
        match &self.away_to {
            Some(SendAway::Followers(addrs)) if follow => Some((Code::TooMany, addrs.clone())),
            Some(SendAway::All(addrs)) => Some((Code::Draining, addrs.clone())),
            Some(SendAway::Followers(_)) | None => None,
        }
    }

    pub(super) fn take_in(&mut self, id: u64, line: &[u8]) {
        if self.silent {
            return;
        }
        let answer = match Encoding::Json.parse(line) {
            None => return self.blank_lines += 1,
            Some(Err(misread)) => (misread.id.map(str::to_owned), Err(misread.refusal)),
            Some(Ok(command)) => match self.refusals.get(&command.verb.op) {
                Some(refusal) => (command.id.map(str::to_owned), Err(refusal.clone())),
                None => (command.id.map(str::to_owned), self.command(id, &command)),
            },
        };
        let Some(peer) = self.clients.get(&id) else { return };
        let last_words = match (&answer, self.sent.take()) {
            ((_, Err(refusal)), Some(addrs)) => Some((refusal.code, addrs)),
            _ => None,
        };
        match answer {
            (re, Err(refusal)) => peer.send(&Out::Error(re.as_deref(), &refusal)),
            (re, Ok(Some(Answer::Reply(reply)))) => peer.send(&Out::Ok(re.as_deref(), &reply)),
            (re, Ok(Some(Answer::Published(channel, seq, to)))) => {
                peer.send(&Out::Published(re.as_deref(), &channel, &self.origin(), seq, to));
            }
            (_, Ok(None)) => {}
        }
        if let Some((code, addrs)) = last_words {
            peer.close(code, 0, &addrs);
            self.clients.remove(&id);
        }
    }

    /// Frames are the persistent dialect here, and nothing else.
    pub(super) fn take_in_frame(&mut self, id: u64, body: &[u8]) {
        let Some(peer) = self.clients.get_mut(&id).filter(|_| !self.silent) else { return };
        let (answer, over) = peer.persistent.take_in(body);
        peer.send_line(answer);
        if over {
            self.clients.remove(&id);
        }
    }

    pub(super) fn origin(&self) -> String {
        format!("{}-{:06x}", self.name, self.run)
    }

    /// `None` for a request, which is answered later.
    fn command(&mut self, id: u64, command: &Command<'_>) -> Result<Option<Answer>, Refusal> {
        let data = || command.value("data").map_or("null".to_owned(), |value| json(value).to_owned());
        let reply = match command.verb.op {
            Op::Hello => {
                let echo = command.flag("echo")?.unwrap_or(true);
                let follow = command.flag("follow")?.unwrap_or(false);
                self.follows.push(follow);
                if let Some((code, addrs)) = self.turn_away(follow) {
                    self.sent = Some(addrs);
                    return Err(Refusal::new(code, "another server has more room"));
                }
                let name = self.rename(id, command.text("name")?.as_deref())?;
                self.peer(id)?.echo = echo;
                Reply::Hello(Box::new(HelloReply {
                    client_id: format!("00000000-0000-7000-8000-{id:012x}"),
                    name,
                    server: self.name.clone(),
                    origin: self.origin(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    limits: Limits::default(),
                    servers: self.servers.clone(),
                }))
            }
            Op::Name => Reply::Name(NameReply { name: self.rename(id, command.text("name")?.as_deref())? }),
            Op::Ping => Reply::Pong(PongReply { pong: true, server_time: AT.into() }),
            Op::Subscribe | Op::Unsubscribe => {
                let mut channels = command.words("channels")?;
                channels.extend(command.text("channel")?);
                let group = match command.verb.op {
                    Op::Subscribe => command.text("group")?.map(|group| group.into_owned()),
                    _ => None,
                };
                let peer = self.peer(id)?;
                for channel in &channels {
                    let pattern = Pattern::parse(channel)?;
                    peer.subscriptions.retain(|(known, _)| *known != pattern);
                    if command.verb.op == Op::Subscribe {
                        peer.subscriptions.push((pattern, group.clone()));
                    }
                }
                let channels = channels.into_iter().map(|c| c.into_owned()).collect();
                Reply::Subscribed(SubscribedReply { channels, said: "" })
            }
            Op::Publish => {
                let channel = ChannelName::parse(&command.required("channel")?)?;
                let headers = command.value("headers").map(|value| json(value).to_owned());
                let reply = command.text("reply")?;
                let (seq, to) =
                    self.publish(Some(id), channel.as_str(), &data(), headers.as_deref(), reply.as_deref());
                return Ok(Some(Answer::Published(channel.to_string(), seq, to)));
            }
            Op::Msg => {
                let to = command.required("to")?.into_owned();
                let from = self.peer(id)?.name.clone();
                let peer = self.clients.values().find(|peer| peer.name == to).ok_or_else(|| {
                    Refusal::new(Code::NoSuchClient, format!("nobody called {to} is connected"))
                })?;
                let payload = data();
                let direct =
                    Direct { from: &from, origin: &self.origin(), at: AT, payload: Payload::Json(&payload) };
                peer.send(&Out::Direct(direct));
                Reply::Msg(MsgReply { delivered_to: vec![to.clone()], to })
            }
            Op::Serve => {
                let service = command.required("service")?.into_owned();
                self.peer(id)?.services.push(service);
                done()
            }
            Op::Unserve => {
                let service = command.required("service")?;
                self.peer(id)?.services.retain(|known| *known != service);
                done()
            }
            Op::Request => {
                let service = command.required("service")?.into_owned();
                let from = self.peer(id)?.name.clone();
                let provider = self.clients.values().find(|peer| peer.services.contains(&service));
                let provider = provider.ok_or_else(|| {
                    Refusal::new(Code::NoSuchService, format!("nobody has offered {service}"))
                })?;
                self.last_id += 1;
                let request_id = format!("r{}", self.last_id);
                provider.send(&Out::Request(&request_id, &service, &from, Payload::Json(&data())));
                let re = command.id.unwrap_or("null").to_owned();
                self.requests.insert(request_id, (id, re, service));
                return Ok(None);
            }
            Op::Respond => {
                let request_id = command.required("request_id")?;
                let (caller, re, service) = self
                    .requests
                    .remove(&*request_id)
                    .ok_or_else(|| Refusal::bad_argument(format!("there is no open request {request_id}")))?;
                if let Some(caller) = self.clients.get(&caller) {
                    match command.text("error")? {
                        Some(error) => {
                            let refusal = Refusal::new(Code::NoResponders, error.into_owned());
                            caller.send(&Out::Error(Some(&re), &refusal));
                        }
                        None => {
                            let data = RawValue::from_string(data())
                                .map_err(|why| Refusal::new(Code::BadJson, why.to_string()))?;
                            let reply = Reply::Request(RequestReply { service, data });
                            caller.send(&Out::Ok(Some(&re), &reply));
                        }
                    }
                }
                done()
            }
            Op::Close => {
                if let (Some(peer), Some(re)) = (self.clients.remove(&id), command.id) {
                    peer.send(&Out::Ok(Some(re), &done()));
                }
                done()
            }
            op => {
                if let (Some(json), Some(re)) = (self.answers.get(&op), command.id) {
                    let line = format!("{{\"re\":{re},\"ok\":{json}}}\n");
                    self.peer(id)?.send_line(line.into_bytes());
                    return Ok(None);
                }
                let message = format!("the hub for tests has no {}", command.verb.name);
                return Err(Refusal::new(Code::BadCommand, message));
            }
        };
        Ok(Some(Answer::Reply(reply)))
    }

    fn peer(&mut self, id: u64) -> Result<&mut Peer, Refusal> {
        self.clients.get_mut(&id).ok_or_else(|| Refusal::new(Code::NoSuchClient, "you are gone"))
    }

    fn rename(&mut self, id: u64, name: Option<&str>) -> Result<String, Refusal> {
        let Some(name) = name else { return Ok(self.peer(id)?.name.clone()) };
        ClientName::parse(name)?;
        let held = self.held.as_deref() == Some(&*fold(name));
        if held || self.clients.iter().any(|(other, peer)| *other != id && fold(&peer.name) == fold(name)) {
            return Err(Refusal::new(Code::NameTaken, format!("{name} is taken on this server")));
        }
        self.peer(id)?.name = name.to_owned();
        Ok(name.to_owned())
    }

    /// The message's seq, and how many receive it.
    pub(super) fn publish(
        &mut self,
        from: Option<u64>,
        channel: &str,
        json: &str,
        headers: Option<&str>,
        reply: Option<&str>,
    ) -> (u64, u64) {
        let seq = self.seqs.entry(channel.to_owned()).or_default();
        *seq += 1;
        let seq = *seq;
        let sender = from.and_then(|id| self.clients.get(&id)).map_or("hub", |peer| peer.name.as_str());
        let origin = self.origin();
        let message = MessageRef {
            channel,
            from: sender,
            seq,
            origin: &origin,
            at: AT,
            payload: Payload::Json(json),
            via: None,
            headers,
            reply,
        };
        (seq, self.deliver(from, message))
    }

    /// A message of another hub.
    pub(super) fn pass_on(&self, origin: &str, seq: u64, channel: &str, json: &str) {
        let payload = Payload::Json(json);
        let (from, at) = ("hub", AT);
        let message =
            MessageRef { channel, from, seq, origin, at, payload, via: None, headers: None, reply: None };
        self.deliver(None, message);
    }

    fn deliver(&self, from: Option<u64>, message: MessageRef<'_>) -> u64 {
        let (mut to, mut groups) = (0, Vec::new());
        for (id, peer) in &self.clients {
            if from == Some(*id) && !peer.echo {
                continue;
            }
            let mut matching = peer.subscriptions.iter().filter(|(pattern, group)| {
                pattern.matches(message.channel) && group.as_ref().is_none_or(|group| !groups.contains(group))
            });
            let Some((pattern, group)) = matching.next() else { continue };
            groups.extend(group.clone());
            to += 1;
            let via = pattern.is_wild().then_some(pattern.as_str());
            peer.send(&Out::Message(MessageRef { via, ..message }));
        }
        to
    }
}

enum Answer {
    Reply(Reply),
    Published(String, u64, u64),
}

fn done() -> Reply {
    Reply::Done(Done { said: String::new() })
}

fn json(value: hubbub_shared::command::Value<'_>) -> &str {
    match value {
        hubbub_shared::command::Value::Text(text) | hubbub_shared::command::Value::Json(text) => text,
    }
}
