//! The hub: what all connections share. Synchronous and without I/O; every entry takes the moment
//! from the batch that it is handed, and leaves in it what is to be written.

mod batch;
mod channel;
mod channel_manager;
mod client;
mod client_manager;
mod counters;
mod fan_out;
mod history;
mod matcher;
mod remote;
mod subscribers;
mod sys_event;

pub use batch::{Batch, Dirty};
pub use channel::{Channel, Item, Published, Publisher, Reach, Run, Topic, Wanted};
pub use channel_manager::{is_servers_own, ChannelManager};
pub use client::{seconds, Client};
pub use client_manager::ClientManager;
pub use counters::Counters;
pub use sys_event::SysEvent;

use crate::clock::Now;
use crate::cluster::ServerManager;
use crate::operator::Token;
use crate::services::Services;
use crate::writer::EndOfTurn;
use event_listener::Event;
use hubbub_shared::encoding::{Direct, Out, Payload};
use hubbub_shared::limits::Limits;
use hubbub_shared::refusal::{Code, Refusal};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

/// Why a connection ends.
pub enum Farewell {
    /// The client went, or asked to: nothing is said.
    Left(&'static str),
    /// The hub ends it, and says why.
    Sent(Refusal),
    /// The same, with when to come back in milliseconds, and where to.
    Away(Refusal, u64, Vec<String>),
}

/// What all connections of one server share.
pub struct Hub {
    /// Who is connected.
    pub clients: ClientManager,
    /// What they are subscribed to.
    pub channels: ChannelManager,
    /// What can be asked.
    pub services: Services,
    /// This server, among its sisters.
    pub servers: ServerManager,
    /// Counters for `stats`.
    pub counters: Counters,
    /// The configured bounds.
    pub limits: Limits,
    /// What new clients are greeted with beside the usual, if an operator set it.
    pub welcome: Mutex<String>,
    /// Whether any client of this machine may shut the server down in the persistent dialect.
    pub allow_shutdown: bool,
    /// Makes operators.
    pub operator: Token,
    /// Whom to write to at the end of the turn.
    pub end_of_turn: EndOfTurn,
    /// Told when a drain is asked for.
    pub drain_wanted: Event,
    drain: Mutex<Option<Duration>>,
    draining: AtomicBool,
}

impl Hub {
    /// A hub without clients.
    pub fn new(limits: Limits, servers: ServerManager, operator: Token) -> Self {
        Hub {
            clients: ClientManager::new(limits.max_queue),
            channels: ChannelManager::new(&limits),
            services: Services::new(&limits),
            servers,
            counters: Counters::default(),
            limits,
            welcome: Mutex::default(),
            allow_shutdown: false,
            operator,
            end_of_turn: EndOfTurn::default(),
            drain_wanted: Event::new(),
            drain: Mutex::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// This run of this server: the `origin` of its messages.
    pub fn origin(&self) -> &str {
        &self.servers.origin
    }

    /// This server's name.
    pub fn name(&self) -> &str {
        &self.servers.name
    }

    /// Takes in a connection.
    pub fn open(
        &self,
        addr: SocketAddr,
        socket: Option<crate::rt::Socket>,
        batch: &mut Batch,
    ) -> Arc<Client> {
        let client = self.clients.open(addr, socket, batch.now);
        self.counters.clients_total.add(1);
        let name = client.name();
        let opened = SysEvent::ClientOpened {
            client_id: client.id,
            name: name.as_str(),
            ip: addr.ip(),
            port: addr.port(),
            server: self.name(),
        };
        self.announce(&opened, batch);
        self.servers.peers.client_is(&client, batch);
        client
    }

    /// Ends a connection: the client is out of everything at once, and its outbox closes after the
    /// last words. What a slow consumer did not read is dropped.
    pub fn close(&self, client: &Arc<Client>, farewell: Farewell, batch: &mut Batch) {
        let (reason, slow) = match &farewell {
            Farewell::Left(reason) => ((*reason).to_owned(), false),
            Farewell::Sent(refusal) | Farewell::Away(refusal, ..) => {
                (refusal.to_string(), refusal.code == Code::SlowConsumer)
            }
        };
        let Some((belongings, info)) = self.clients.close(client, &reason, self.name(), batch.now) else {
            return;
        };
        if slow {
            self.counters.slow_consumers.add(1);
        }
        for subscription in &belongings.subscriptions {
            self.channels.leave(client, subscription);
        }
        let push = client.outbox.close(slow, |out| {
            let closing = match &farewell {
                Farewell::Left(_) => return,
                Farewell::Sent(refusal) => Out::Closing(refusal, 0, &[]),
                Farewell::Away(refusal, retry_ms, to) => Out::Closing(refusal, *retry_ms, to),
            };
            match &belongings.last_words {
                Some(words) => out.extend_from_slice(words),
                None => client.push(&closing, out),
            }
        });
        batch.pushed(client, push);
        client.task.wake();
        // After the outbox is closed: from then on nothing is asked in this client's name.
        self.services.leave(client, &belongings.services, self, batch);
        log::info!(
            client = info.name.as_str(), id = info.client_id.as_str(), addr:% = client.addr,
            encoding = info.encoding.as_str(), seconds = info.duration_s, reason = reason.as_str(),
            messages_in = info.messages_in, messages_out = info.messages_out;
            "client closed"
        );
        let closed = SysEvent::ClientClosed {
            client_id: client.id,
            name: &info.name,
            ip: client.addr.ip(),
            port: client.addr.port(),
            server: &info.server,
            duration_s: info.duration_s,
            reason: &reason,
            messages_in: info.messages_in,
            messages_out: info.messages_out,
        };
        self.announce(&closed, batch);
        self.servers.peers.client_closed(&info, &reason, batch);
    }

    /// Publishes an event of the hub's own.
    pub fn announce(&self, event: &SysEvent<'_>, batch: &mut Batch) {
        self.announce_of(None, event, batch);
    }

    /// Publishes an event of another server, or of this one. Each server tells its own clients.
    pub fn announce_of(&self, server: Option<&str>, event: &SysEvent<'_>, batch: &mut Batch) {
        let Ok(channel) = self.channels.open(event.channel(), batch.now) else { return };
        let Ok(data) = serde_json::to_string(event) else { return };
        let item = Item { payload: Payload::Json(&data), headers: None, reply: None, id: None };
        let name = server.unwrap_or_else(|| self.name());
        let publisher = Publisher { client: None, name, echo: true, received: None, reach: Reach::Server };
        // It can fail only where there is no room for the channel, and then nobody is subscribed.
        let _ = self.publish(&channel, &publisher, &[item], batch);
    }

    /// Publishes a run of messages.
    pub fn publish(
        &self,
        channel: &Arc<Channel>,
        publisher: &Publisher<'_>,
        items: &[Item<'_>],
        batch: &mut Batch,
    ) -> Result<Published, Refusal> {
        let published = self.channels.publish(channel, publisher, items, self.origin(), batch)?;
        if publisher.client.is_some() {
            batch.messages_in += items.len() as u64;
        }
        batch.messages_out += published.receivers * items.len() as u64;
        Ok(published)
    }

    /// Counts what was published in the batch so far.
    pub fn count(&self, batch: &mut Batch) {
        self.counters.messages_in.add(std::mem::take(&mut batch.messages_in));
        self.counters.messages_out.add(std::mem::take(&mut batch.messages_out));
    }

    /// Queues something to a client; whether it was queued.
    pub fn tell(&self, client: &Arc<Client>, what: &Out<'_>, messages: u64, batch: &mut Batch) -> bool {
        batch.write(client, messages, |out| client.push(what, out))
    }

    /// Queues a direct message to a client that can be told any.
    pub fn direct(&self, to: &Arc<Client>, direct: Direct<'_>, batch: &mut Batch) -> Result<(), Refusal> {
        if let Some(dialect) = to.dialect() {
            let (name, door) = (to.name(), dialect.as_str());
            let message = format!("{name} speaks the {door} dialect, in which messages cannot be told");
            return Err(Refusal::new(Code::NotAllowed, message));
        }
        if !self.tell(to, &Out::Direct(direct), 1, batch) {
            let message = format!("{} is about to be gone: it does not read what it is sent", to.name());
            return Err(Refusal::new(Code::NoSuchClient, message));
        }
        self.counters.messages_out.add(1);
        Ok(())
    }

    /// Queues a refusal to a client.
    pub fn refuse(
        &self,
        client: &Arc<Client>,
        id: Option<&str>,
        refusal: &Refusal,
        batch: &mut Batch,
    ) -> bool {
        self.counters.refusals.add(1);
        self.tell(client, &Out::Error(id, refusal), 0, batch)
    }

    /// Counts what was published, and closes everyone who did not keep up in this batch; to be called
    /// before it is handed over.
    pub fn settle(&self, batch: &mut Batch) {
        loop {
            let overflowed = batch.take_overflowed();
            if overflowed.is_empty() {
                if self.servers.peers.any() {
                    self.servers.peers.tell_changes(self, batch);
                }
                return self.count(batch);
            }
            for client in overflowed {
                self.close_overflowed(&client, batch);
            }
        }
    }

    /// Closes a client for which more waits than may.
    pub fn close_overflowed(&self, client: &Arc<Client>, batch: &mut Batch) {
        let message = format!("more than {} bytes waited to be read by you", self.limits.max_queue);
        self.close(client, Farewell::Sent(Refusal::new(Code::SlowConsumer, message)), batch);
    }

    /// Asks for a drain: the server notices, and stops within the time.
    pub fn ask_drain(&self, within: Duration) {
        self.drain.lock().get_or_insert(within);
        self.drain_wanted.notify(usize::MAX);
    }

    /// Whether a drain was asked for, and within what time.
    pub fn drain_asked(&self) -> Option<Duration> {
        *self.drain.lock()
    }

    /// Whether the server is draining.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Why nothing new is taken while the server drains.
    pub fn stops(&self) -> Refusal {
        Refusal::new(Code::Draining, format!("{} stops", self.name()))
    }

    /// Sends everyone away, with a hint when to come back. Each client has a time of its own, so
    /// that they do not come back all at once. Who is patient calls it again as requests end: clients that
    /// wait for an answer, or owe one, stay. Otherwise these are told that no answer comes.
    pub fn drain(&self, is_patient: bool, now: Now) -> Batch {
        let mut batch = Batch::new(now);
        if !self.draining.swap(true, Ordering::Relaxed) {
            let left = SysEvent::ServerLeft { name: self.name(), origin: self.origin() };
            self.announce(&left, &mut batch);
        }
        if !is_patient {
            self.services.give_up(&self.stops(), self, &mut batch);
        }
        for client in self.clients.all() {
            if is_patient && self.services.is_busy(&client) {
                continue;
            }
            let to = self.servers.away();
            // Where others serve there is nothing to wait for, but not all at the same moment.
            let (when, retry_ms) = match to.first() {
                Some(addr) => (format!("go on at {addr}"), fastrand::u64(0..200)),
                None => ("come back in a moment".to_owned(), fastrand::u64(200..1500)),
            };
            let notice = format!("{} is about to stop; {when}", self.name());
            self.tell(&client, &Out::Notice("drain", &notice), 0, &mut batch);
            self.close(&client, Farewell::Away(self.stops(), retry_ms, to), &mut batch);
        }
        self.settle(&mut batch);
        batch
    }
}
