//! One connected client, as the hub knows it: who it is, what it is subscribed to, its outbox.

use super::client_manager::OpenSocket;
use crate::clock::{Now, Stamp};
use crate::doors::Dialect;
use crate::outbox::Outbox;
use crate::rt::Socket;
use futures::task::AtomicWaker;
use hubbub_shared::encoding::Out;
use hubbub_shared::names::{ClientName, Pattern};
use hubbub_shared::refusal::Code;
use hubbub_shared::reply::ClientInfo;
use hubbub_shared::Encoding;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicU8, Ordering};
use std::sync::Arc;
use uuid::Uuid;

/// The value of `Client::speech` before the first byte. Below it stand the numbers of the encodings,
/// and after those the dialects' of the doors.
const UNDECIDED: u8 = u8::MAX;
const FIRST_DIALECT: u8 = Encoding::ALL.len() as u8;
/// Clients whose welcome a client has seen, at the most; beyond it welcomes are not shown again.
/// A guess, to bound the memory of a client that messages everybody.
const MAX_WELCOMED: usize = 1_000;

/// One connected client.
pub struct Client {
    /// The connection's uuid, as the wire shows it.
    pub id: Uuid,
    /// A small number for the same: the key of subscriber tables.
    pub key: u64,
    /// Where it comes from.
    pub addr: SocketAddr,
    /// When it connected.
    pub connected: Now,
    /// What waits to be sent to it.
    pub outbox: Outbox,
    /// Messages that it published or sent.
    pub messages_in: AtomicU64,
    /// What its requests that wait for an answer weigh, in bytes.
    pub open_requests: AtomicU64,
    /// Wakes the connection's task: the hub ended the connection, or an answer came for which it
    /// waits.
    pub task: AtomicWaker,
    // In this order: the socket is closed before it is counted as closed.
    socket: Option<(Socket, OpenSocket)>,
    speech: AtomicU8,
    /// Its commands that wait for other servers.
    pub waits: AtomicU32,
    state: Mutex<State>,
}

struct State {
    name: ClientName,
    gone: bool,
    subscriptions: Vec<Subscription>,
    services: Vec<Arc<str>>,
    /// What few clients have.
    extra: Option<Box<Extra>>,
}

#[derive(Default)]
struct Extra {
    welcome: Option<String>,
    agent: Option<String>,
    welcomed_by: HashSet<u64>,
    /// Clients of other servers that have seen this one's welcome.
    greeted: HashSet<Box<str>>,
    /// What it is told whenever the hub ends the connection, in place of the reason.
    last_words: Option<Box<[u8]>>,
}

/// One subscription of a client.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// What it asks for.
    pub pattern: Pattern,
    /// The group that shares the messages, if any.
    pub group: Option<Arc<str>>,
}

/// What a client leaves behind when it is gone, to be cleaned up elsewhere.
pub struct Belongings {
    /// Its last name.
    pub name: ClientName,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// The services that it offered.
    pub services: Vec<Arc<str>>,
    /// What it is told at the end in place of the reason, where its dialect has words of its own for that.
    pub last_words: Option<Box<[u8]>>,
}

impl Client {
    /// A client that has just connected. Without a socket, nothing is ever written (tests).
    pub fn new(
        key: u64,
        name: ClientName,
        addr: SocketAddr,
        socket: Option<(Socket, OpenSocket)>,
        max_queue: usize,
        now: Now,
    ) -> Client {
        Client {
            id: Uuid::now_v7(),
            key,
            addr,
            connected: now,
            outbox: Outbox::new(max_queue),
            messages_in: AtomicU64::new(0),
            open_requests: AtomicU64::new(0),
            task: AtomicWaker::new(),
            socket,
            speech: AtomicU8::new(UNDECIDED),
            waits: AtomicU32::new(0),
            state: Mutex::new(State {
                name,
                gone: false,
                subscriptions: Vec::new(),
                services: Vec::new(),
                extra: None,
            }),
        }
    }

    /// Its connection.
    pub fn socket(&self) -> Option<&Socket> {
        self.socket.as_ref().map(|(socket, _)| socket)
    }

    /// How it is spoken to: text until its first byte tells otherwise, and for clients of doors, who are
    /// never subscribed to anything.
    pub fn encoding(&self) -> Encoding {
        self.decided().unwrap_or(Encoding::Text)
    }

    fn decided(&self) -> Option<Encoding> {
        Encoding::ALL.get(self.speech.load(Ordering::Relaxed) as usize).copied()
    }

    /// Its first byte has told.
    pub fn set_encoding(&self, encoding: Encoding) {
        self.speech.store(encoding as u8, Ordering::Relaxed);
    }

    /// How it is spoken to if it is a client of an older system.
    pub fn dialect(&self) -> Option<Dialect> {
        let number = self.speech.load(Ordering::Relaxed).checked_sub(FIRST_DIALECT)?;
        Dialect::ALL.get(usize::from(number)).copied()
    }

    /// It is a client of an older system.
    pub fn set_dialect(&self, dialect: Dialect) {
        self.speech.store(FIRST_DIALECT + dialect as u8, Ordering::Relaxed);
    }

    /// Appends something that the hub tells it, as it is spoken to.
    pub fn push(&self, what: &Out<'_>, out: &mut Vec<u8>) {
        match self.dialect() {
            None => self.encoding().push(what, out),
            Some(dialect) => dialect.push(what, out),
        }
    }

    fn speech(&self) -> &'static str {
        let native = self.decided().map(Encoding::as_str);
        native.or_else(|| self.dialect().map(Dialect::as_str)).unwrap_or("undecided")
    }

    /// Its name now.
    pub fn name(&self) -> ClientName {
        self.state.lock().name.clone()
    }

    /// Gives it a name; the client manager keeps them unique.
    pub fn set_name(&self, name: ClientName) {
        self.state.lock().name = name;
    }

    /// Whether it was taken out of the hub.
    pub fn is_gone(&self) -> bool {
        self.state.lock().gone
    }

    /// Takes it out: only the first caller receives what it leaves behind, and no subscription or
    /// service can be added from then on.
    pub fn leave(&self) -> Option<Belongings> {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.gone, true) {
            return None;
        }
        Some(Belongings {
            name: state.name.clone(),
            subscriptions: std::mem::take(&mut state.subscriptions),
            services: std::mem::take(&mut state.services),
            last_words: state.extra.as_mut().and_then(|extra| extra.last_words.take()),
        })
    }

    /// Whether one more subscription would not be too many.
    pub fn has_room_for(&self, pattern: &Pattern, max: usize) -> bool {
        let state = self.state.lock();
        state.subscriptions.len() < max || state.subscriptions.iter().any(|s| s.pattern == *pattern)
    }

    /// Records a subscription and does the rest of it under the same lock, so that a client that
    /// leaves at this moment leaves nothing behind. Returns the subscription that it replaces.
    pub fn subscribe(
        &self,
        new: Subscription,
        max: usize,
        enter: impl FnOnce(Option<&Subscription>),
    ) -> Result<(), Code> {
        let mut state = self.state.lock();
        if state.gone {
            return Ok(());
        }
        match state.subscriptions.iter().position(|s| s.pattern == new.pattern) {
            Some(at) => {
                enter(Some(&state.subscriptions[at]));
                state.subscriptions[at] = new;
            }
            None if state.subscriptions.len() >= max => return Err(Code::TooMany),
            None => {
                enter(None);
                // One at a time: most clients have few, and there are many clients.
                state.subscriptions.reserve_exact(1);
                state.subscriptions.push(new);
            }
        }
        Ok(())
    }

    /// Forgets a subscription.
    pub fn unsubscribe(&self, pattern: &Pattern) -> Option<Subscription> {
        let mut state = self.state.lock();
        let at = state.subscriptions.iter().position(|s| s.pattern == *pattern)?;
        Some(state.subscriptions.swap_remove(at))
    }

    /// Its subscriptions now.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.state.lock().subscriptions.clone()
    }

    /// Records a service that it offers; see [`Client::subscribe`] for the closure.
    pub fn offer(&self, service: &Arc<str>, max: usize, enter: impl FnOnce()) -> Result<(), Code> {
        let mut state = self.state.lock();
        if state.gone {
            return Ok(());
        }
        if !state.services.contains(service) {
            if state.services.len() >= max {
                return Err(Code::TooMany);
            }
            state.services.push(service.clone());
        }
        enter();
        Ok(())
    }

    /// Forgets a service; whether it was offered.
    pub fn withdraw(&self, service: &str) -> bool {
        let mut state = self.state.lock();
        let before = state.services.len();
        state.services.retain(|s| **s != *service);
        state.services.len() < before
    }

    /// Its own welcome text.
    pub fn welcome(&self) -> Option<String> {
        self.state.lock().extra.as_ref()?.welcome.clone()
    }

    /// Sets its own welcome text; an empty one takes it away.
    pub fn set_welcome(&self, text: &str) {
        let welcome = (!text.is_empty()).then(|| text.to_owned());
        self.state.lock().extra.get_or_insert_default().welcome = welcome;
    }

    /// The agent that it named.
    pub fn set_agent(&self, agent: String) {
        self.state.lock().extra.get_or_insert_default().agent = Some(agent);
    }

    /// What it is told whenever the hub ends the connection, in place of the reason.
    pub fn set_last_words(&self, words: Box<[u8]>) {
        self.state.lock().extra.get_or_insert_default().last_words = Some(words);
    }

    /// Whether this client now messages the one of that key for the first time.
    pub fn meets(&self, other: u64) -> bool {
        let mut state = self.state.lock();
        let welcomed = &mut state.extra.get_or_insert_default().welcomed_by;
        welcomed.len() < MAX_WELCOMED && welcomed.insert(other)
    }

    /// Whether a client of another server, by its id, now messages this one for the first time.
    pub fn is_met_by(&self, other: &str) -> bool {
        let mut state = self.state.lock();
        let greeted = &mut state.extra.get_or_insert_default().greeted;
        greeted.len() < MAX_WELCOMED && greeted.insert(other.into())
    }

    /// What `whoami` and its like show.
    pub fn info(&self, server: &str, now: Now) -> ClientInfo {
        let state = self.state.lock();
        let extra = state.extra.as_ref();
        ClientInfo {
            client_id: self.id.to_string(),
            name: state.name.to_string(),
            ip: self.addr.ip().to_string(),
            port: self.addr.port(),
            connected_at: Stamp::of(self.connected.unix_ms).to_string(),
            duration_s: seconds(now.instant.saturating_duration_since(self.connected.instant)),
            server: server.to_owned(),
            encoding: self.speech().to_owned(),
            channels: state.subscriptions.iter().map(|s| s.pattern.to_string()).collect(),
            welcome: extra.and_then(|e| e.welcome.clone()),
            client: extra.and_then(|e| e.agent.clone()),
            closed_at: None,
            reason: None,
            messages_in: None,
            messages_out: None,
        }
    }
}

/// A duration in seconds with milliseconds.
pub fn seconds(duration: std::time::Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({} {})", self.name(), self.addr)
    }
}
