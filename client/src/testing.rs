//! A small hub inside the process, for tests of programs that use this library: it speaks JSON lines
//! with the hub's own grammar, keeps names, channels, groups and services, and can be told to fail.
//! It has no history, no limits and no cluster, and it is not fast.
//!
//! Only with the feature `testing`, which this crate's own tests and examples turn on.

use crate::rt::{self, TcpStream};
use futures::channel::mpsc::{unbounded, UnboundedReceiver, UnboundedSender};
use futures::{pin_mut, AsyncReadExt, AsyncWriteExt, StreamExt};
use hubbub_shared::encoding::{Decoder, Direct, Encoding, MessageRef, Out, Payload, Step};
use hubbub_shared::limits::Limits;
use hubbub_shared::names::{fold, ChannelName, ClientName, Pattern};
use hubbub_shared::reply::{
    Done, HelloReply, MsgReply, NameReply, PongReply, Reply, RequestReply, SubscribedReply,
};
use hubbub_shared::{Code, Command, Op, Refusal};
use parking_lot::Mutex;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

/// The time of every message: tests have no use for another.
const AT: &str = "2026-05-01T09:30:00.000Z";

/// A hub in this process, on a free port of the loopback interface. It ends when it is dropped.
#[derive(Debug)]
pub struct Hub {
    addr: String,
    state: Arc<Mutex<State>>,
    accepting: Option<rt::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    run: u64,
    last_id: u64,
    away: bool,
    silent: bool,
    held: Option<Box<str>>,
    blank_lines: u64,
    clients: BTreeMap<u64, Peer>,
    seqs: HashMap<String, u64>,
    requests: HashMap<String, (u64, String, String)>,
    refusals: HashMap<Op, Refusal>,
}

#[derive(Debug)]
struct Peer {
    name: String,
    echo: bool,
    subscriptions: Vec<(Pattern, Option<String>)>,
    services: Vec<String>,
    out: UnboundedSender<Vec<u8>>,
}

impl Peer {
    fn send(&self, what: &Out<'_>) {
        let mut line = Vec::new();
        Encoding::Json.push(what, &mut line);
        self.send_line(line);
    }

    /// To a client that is gone, it goes nowhere.
    fn send_line(&self, line: Vec<u8>) {
        let _ = self.out.unbounded_send(line);
    }
}

impl Hub {
    /// Starts a hub.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn start() -> io::Result<Hub> {
        let listener = rt::TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?.to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        let accepting = rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if !shared.lock().away {
                    drop(rt::spawn(serve(stream, shared.clone())));
                }
            }
        });
        Ok(Hub { addr, state, accepting: Some(accepting) })
    }

    /// Where to connect.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Publishes as the hub itself, without a client.
    pub fn publish(&self, channel: &str, json: &str) -> u64 {
        self.state.lock().publish(None, channel, json, None, None).0
    }

    /// Counts messages of a channel that nobody receives.
    pub fn lose(&self, channel: &str, count: u64) {
        *self.state.lock().seqs.entry(channel.to_owned()).or_default() += count;
    }

    /// Sends a line to every client, whatever it says.
    pub fn say(&self, line: &str) {
        for peer in self.state.lock().clients.values() {
            peer.send_line(format!("{line}\n").into_bytes());
        }
    }

    /// Refuses a command from now on, or no longer.
    pub fn refuse(&self, op: Op, refusal: Option<Refusal>) {
        let mut state = self.state.lock();
        match refusal {
            Some(refusal) => state.refusals.insert(op, refusal),
            None => state.refusals.remove(&op),
        };
    }

    /// Closes every connection without a word.
    pub fn drop_connections(&self) {
        self.state.lock().clients.clear();
    }

    /// Says nothing more, not even to commands; connections stay as they are.
    pub fn fall_silent(&self) {
        self.state.lock().silent = true;
    }

    /// Goes away: closes every connection and each new one, until it is back.
    pub fn leave(&self) {
        let mut state = self.state.lock();
        state.away = true;
        state.clients.clear();
    }

    /// Is back after [`Self::leave`]; as a new run, when it has forgotten everything meanwhile.
    pub fn come_back(&self, as_new_run: bool) {
        let mut state = self.state.lock();
        state.away = false;
        if as_new_run {
            state.run += 1;
            state.seqs.clear();
        }
    }

    /// Lets somebody who is not connected have a name.
    pub fn hold(&self, name: &str) {
        self.state.lock().held = Some(fold(name));
    }

    /// Requests that are not answered yet.
    pub fn open_requests(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// Blank lines received: that is how a client answers a heartbeat.
    pub fn blank_lines(&self) -> u64 {
        self.state.lock().blank_lines
    }

    /// The names of the clients that are connected.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().clients.values().map(|peer| peer.name.clone()).collect()
    }

    /// What the client of a name is subscribed to.
    pub fn subscriptions(&self, name: &str) -> Vec<String> {
        let state = self.state.lock();
        let patterns = state.clients.values().filter(|p| p.name == name).flat_map(|p| &p.subscriptions);
        patterns.map(|(pattern, _)| pattern.to_string()).collect()
    }

    /// The services that clients offer.
    pub fn services(&self) -> Vec<String> {
        self.state.lock().clients.values().flat_map(|peer| peer.services.clone()).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.leave();
        if let Some(accepting) = self.accepting.take() {
            // The listener closes with the task, at its next turn.
            drop(rt::spawn(accepting.cancel()));
        }
    }
}

/// One connection, until either side ends it.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let (sender, receiver) = unbounded();
    let id = {
        let mut state = state.lock();
        state.last_id += 1;
        let id = state.last_id;
        let name = format!("anon-{id:06x}");
        let peer = Peer { name, echo: true, subscriptions: vec![], services: vec![], out: sender };
        state.clients.insert(id, peer);
        id
    };
    let reading = read(&stream, &state, id);
    let writing = write(&stream, receiver);
    pin_mut!(reading, writing);
    futures::future::select(reading, writing).await;
    state.lock().clients.remove(&id);
}

async fn read(mut stream: &TcpStream, state: &Mutex<State>, id: u64) {
    let (mut decoder, limits) = (Decoder::default(), Limits::default());
    let (mut unread, mut room) = (Vec::new(), vec![0; 64 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut room).await {
        unread.extend_from_slice(&room[..count]);
        let mut used = 0;
        loop {
            match decoder.step(&unread[used..], &limits) {
                Step::Unit(line, length) => {
                    state.lock().take_in(id, line);
                    used += length;
                }
                Step::More => break,
                Step::Broken(_) => return,
            }
        }
        unread.drain(..used);
    }
}

async fn write(mut stream: &TcpStream, mut lines: UnboundedReceiver<Vec<u8>>) {
    while let Some(mut batch) = lines.next().await {
        while let Ok(line) = lines.try_recv() {
            batch.extend_from_slice(&line);
        }
        if stream.write_all(&batch).await.is_err() {
            return;
        }
    }
}

impl State {
    fn take_in(&mut self, id: u64, line: &[u8]) {
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
        match answer {
            (re, Err(refusal)) => peer.send(&Out::Error(re.as_deref(), &refusal)),
            (re, Ok(Some(Answer::Reply(reply)))) => peer.send(&Out::Ok(re.as_deref(), &reply)),
            (re, Ok(Some(Answer::Published(channel, seq, to)))) => {
                peer.send(&Out::Published(re.as_deref(), &channel, &self.origin(), seq, to));
            }
            (_, Ok(None)) => {}
        }
    }

    fn origin(&self) -> String {
        format!("test-{:06x}", self.run)
    }

    /// `None` for a request, which is answered later.
    fn command(&mut self, id: u64, command: &Command<'_>) -> Result<Option<Answer>, Refusal> {
        let data = || command.value("data").map_or("null".to_owned(), |value| json(value).to_owned());
        let reply = match command.verb.op {
            Op::Hello => {
                let echo = command.flag("echo")?.unwrap_or(true);
                let name = self.rename(id, command.text("name")?.as_deref())?;
                self.peer(id)?.echo = echo;
                Reply::Hello(Box::new(HelloReply {
                    client_id: format!("00000000-0000-7000-8000-{id:012x}"),
                    name,
                    server: "test".into(),
                    origin: self.origin(),
                    version: env!("CARGO_PKG_VERSION").into(),
                    limits: Limits::default(),
                    servers: Vec::new(),
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
            _ => {
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
    fn publish(
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
        let (mut to, mut groups) = (0, Vec::new());
        for (id, peer) in &self.clients {
            if from == Some(*id) && !peer.echo {
                continue;
            }
            let mut matching = peer.subscriptions.iter().filter(|(pattern, group)| {
                pattern.matches(channel) && group.as_ref().is_none_or(|group| !groups.contains(group))
            });
            let Some((pattern, group)) = matching.next() else { continue };
            groups.extend(group.clone());
            to += 1;
            peer.send(&Out::Message(MessageRef {
                channel,
                from: sender,
                seq,
                origin: &origin,
                at: AT,
                payload: Payload::Json(json),
                via: pattern.is_wild().then_some(pattern.as_str()),
                headers,
                reply,
            }));
        }
        (seq, to)
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
