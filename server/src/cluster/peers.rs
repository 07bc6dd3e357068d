//! What this server tells the linked ones, and what it makes of what they tell: subscriptions,
//! services and clients are told as they change, all of them to a new link, and again where the
//! digests differ. Synchronous and without I/O; [`super::link`] has the sockets.

use super::directory::{Change, Directory};
use super::frame::{self, Frame, Row, Told, MAX_ROWS};
use super::peer::{Copies, Kind, Peer};
use super::questions::Questions;
use super::tables::{ClientRow, Closed, Offer, Share, Table, Topic};
use crate::block::{Block, Encoded};
use crate::hub::{seconds, Batch, Client, Hub, Item, Publisher, Reach, Run, SysEvent, Wanted};
use hubbub_shared::encoding::Out;
use hubbub_shared::limits::MAX_LINK_QUEUE;
use hubbub_shared::names::{channel_str, client_str, Pattern};
use hubbub_shared::reply::ClientInfo;
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Clients that are told one by one of a possible gap, at the most. A guess: beyond it the counts of
/// the messages have to tell.
const MAX_TOLD_OF_GAP: usize = 10_000;

/// The linked servers.
#[derive(Default)]
pub struct Peers {
    /// Changed with `told` held only.
    any: AtomicBool,
    list: RwLock<Vec<Arc<Peer>>>,
    /// What was told. Held while something is told, so that all hear the same in the same order.
    told: Mutex<Own>,
    directory: Mutex<Directory>,
    /// What they were asked.
    pub questions: Questions,
}

/// This server's tables as the others know them: kept from the first link to the end of the last.
#[derive(Default)]
struct Own {
    interest: Table<Share>,
    services: Table<Offer>,
    clients: Table<ClientRow>,
}

impl Peers {
    /// Whether there are any.
    #[inline]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Peer>> {
        self.list.read().clone()
    }

    /// The one of a server.
    pub fn of(&self, server: Uuid) -> Option<Arc<Peer>> {
        self.list.read().iter().find(|peer| peer.member.id == server).cloned()
    }

    /// The directory of clients on other servers.
    pub fn directory(&self) -> parking_lot::MutexGuard<'_, Directory> {
        self.directory.lock()
    }

    /// A link is in use: its server is told everything.
    pub fn joined(&self, hub: &Hub, peer: &Arc<Peer>, batch: &mut Batch) {
        *peer.in_use.lock() = true;
        let mut own = self.told.lock();
        // Those who come and go meanwhile wait for the lock, and are told of after this.
        if !self.any.swap(true, Ordering::AcqRel) {
            hub.channels.interest.keep();
            hub.services.keep_log();
            for pattern in hub.channels.patterns() {
                own.interest.set(pattern.as_str(), shared(hub, &pattern));
            }
            for (name, offer) in hub.services.offers() {
                own.services.set(&name, Some(offer));
            }
            for client in hub.clients.all() {
                own.clients.set(&client.id.to_string(), Some(row(&client)));
            }
        }
        self.list.write().push(peer.clone());
        own.tell_all(hub, peer, batch);
    }

    /// A link is in use no more: nothing is sent there, and nobody waits for its answers.
    pub fn parted(&self, hub: &Hub, peer: &Arc<Peer>, batch: &mut Batch) {
        *peer.in_use.lock() = false;
        {
            let mut own = self.told.lock();
            let mut list = self.list.write();
            list.retain(|p| p.key != peer.key);
            self.any.store(!list.is_empty(), Ordering::Release);
            if list.is_empty() {
                // Nobody would ever take out what is written down from now on.
                hub.channels.interest.stop();
                hub.services.stop_log();
                *own = Own::default();
            }
        }
        let Copies { interest, services, .. } = std::mem::take(&mut *peer.copies.lock());
        withdraw(hub, peer, interest.keys(), services.keys());
        hub.services.peer_lost(peer, hub, batch);
        self.questions.lost(hub, peer, batch);
    }

    /// A server is gone: its clients are closed, once each.
    pub fn server_gone(&self, hub: &Hub, id: Uuid, name: &str, reason: &str, batch: &mut Batch) {
        let lost = self.directory.lock().lost(id);
        for (client_id, row) in lost {
            announce_closed(hub, name, &client_id, &row, None, reason, batch);
        }
    }

    /// Tells what has changed since the last time. Called at the end of every batch.
    pub fn tell_changes(&self, hub: &Hub, batch: &mut Batch) {
        let mut own = self.told.lock();
        if !self.any() {
            return;
        }
        let mut rows = Vec::new();
        for pattern in hub.channels.interest.take() {
            let share = shared(hub, &pattern);
            if own.interest.set(pattern.as_str(), share.clone()).0 {
                rows.push(Row::Interest(pattern.to_string(), share));
            }
        }
        for name in hub.services.take_log() {
            let offer = hub.services.offer_of(&name);
            if own.services.set(&name, offer.clone()).0 {
                rows.push(Row::Service(name.to_string(), offer));
            }
        }
        self.tell(&rows, batch);
    }

    /// A client is connected, or has another name.
    pub fn client_is(&self, client: &Client, batch: &mut Batch) {
        if self.any() {
            let (id, row) = (client.id.to_string(), row(client));
            let mut own = self.told.lock();
            // A client that is gone by now is not told of: its end may have been told already.
            if !client.is_gone() && own.clients.set(&id, Some(row.clone())).0 {
                self.tell(&[Row::Client(id, row)], batch);
            }
        }
    }

    /// A client is gone.
    pub fn client_closed(&self, info: &ClientInfo, reason: &str, batch: &mut Batch) {
        if self.any() {
            let mut own = self.told.lock();
            own.clients.set(&info.client_id, None);
            let closed = Closed {
                reason: reason.to_owned(),
                duration_s: info.duration_s,
                messages_in: info.messages_in.unwrap_or_default(),
                messages_out: info.messages_out.unwrap_or_default(),
            };
            self.tell(&[Row::Closed(info.client_id.clone(), closed)], batch);
        }
    }

    /// A channel was created or described here.
    pub fn topic_set(&self, channel: &str, topic: Topic, batch: &mut Batch) {
        if self.any() {
            let _own = self.told.lock();
            self.tell(&[Row::Topic(channel.to_owned(), topic)], batch);
        }
    }

    /// The last words to all: the links are about to end.
    pub fn tell_leaving(&self, batch: &mut Batch) {
        self.send_all(&Told::Leaving, batch);
    }

    /// A sign of life to all, with the digests of what they were told.
    pub fn beat(&self, sent_us: u64, batch: &mut Batch) {
        let own = self.told.lock();
        let digests = [own.interest.digest(), own.services.digest(), own.clients.digest()];
        self.send_all(&Told::Beat { digests, sent_us }, batch);
    }

    fn tell(&self, rows: &[Row], batch: &mut Batch) {
        for rows in rows.chunks(MAX_ROWS) {
            self.send_all(&Told::Rows(rows.to_vec()), batch);
        }
    }

    fn send_all(&self, what: &Told, batch: &mut Batch) {
        let block = told(what);
        self.list.read().iter().for_each(|peer| batch.send(peer, &block));
    }

    /// Takes in what a linked server says. What is read of a link after its end counts no more: the
    /// server may be gone by then, and its clients closed, or another link be in use.
    pub fn hear(&self, hub: &Hub, peer: &Arc<Peer>, frame: Frame<'_>, batch: &mut Batch) {
        let in_use = peer.in_use.lock();
        if !*in_use {
            return;
        }
        match frame {
            Frame::Adopt => {}
            Frame::Run(run) => deliver(hub, peer, &run, batch),
            Frame::Request(request) => hub.services.request_of_peer(hub, peer, &request, batch),
            Frame::Respond { id, result } => hub.services.respond_of_peer(hub, peer, id, result, batch),
            Frame::Told(Told::Rows(rows)) => {
                rows.into_iter().for_each(|row| self.hear_row(hub, peer, row, batch));
            }
            Frame::Told(Told::Anew) => {
                peer.copies.lock().anew = Some(HashSet::new());
                self.directory.lock().begin_anew(peer.member.id);
            }
            Frame::Told(Told::Whole) => self.hear_whole(hub, peer, batch),
            Frame::Told(Told::Beat { digests, sent_us }) => {
                send(peer, &Told::BeatBack { sent_us }, batch);
                let mut copies = peer.copies.lock();
                let known = [
                    copies.interest.digest(),
                    copies.services.digest(),
                    self.directory.lock().digest(peer.member.id),
                ];
                if copies.is_whole && copies.anew.is_none() && known != digests {
                    // Asked once: until all rows were told again.
                    copies.is_whole = false;
                    drop(copies);
                    log::warn!(server = &*peer.name; "its tables differ from what it told; asked for all of them");
                    send(peer, &Told::Repair, batch);
                }
            }
            Frame::Told(Told::BeatBack { sent_us }) => {
                let took = hub.servers.clock_us(batch.now).saturating_sub(sent_us);
                peer.rtt_us.store(u32::try_from(took).unwrap_or(u32::MAX), Ordering::Relaxed);
            }
            Frame::Told(Told::Repair) => self.told.lock().tell_all(hub, peer, batch),
            Frame::Told(Told::Ask { id, question }) => {
                let answer = Box::new(super::answering::answer(hub, peer, question, batch));
                send(peer, &Told::Answer { id, answer }, batch);
            }
            Frame::Told(Told::Answer { id, answer }) => {
                self.questions.answered(hub, peer, id, *answer, batch);
            }
            Frame::Told(Told::Leaving) => log::info!(server = &*peer.name; "it is about to stop"),
        }
    }

    fn hear_row(&self, hub: &Hub, peer: &Arc<Peer>, row: Row, batch: &mut Batch) {
        match row {
            Row::Interest(pattern, share) => {
                let Ok(parsed) = Pattern::parse(&pattern) else { return };
                let share = share.map(known_groups).filter(|share| !share.is_empty());
                {
                    let mut copies = peer.copies.lock();
                    copies.saw(Kind::Interest, &pattern);
                    copies.interest.set(&pattern, share.clone());
                }
                hub.channels.set_remote(&parsed, peer, share);
            }
            Row::Service(name, offer) => {
                if channel_str(&name).is_err() {
                    return;
                }
                {
                    let mut copies = peer.copies.lock();
                    copies.saw(Kind::Services, &name);
                    copies.services.set(&name, offer.clone());
                }
                hub.services.set_remote(&name, peer, offer);
            }
            Row::Client(id, row) => {
                if client_str(&row.name).is_err() {
                    return;
                }
                let change = self.directory.lock().set(peer.member.id, &peer.name, &id, row);
                let Some(change) = change else { return };
                let Ok(client_id) = Uuid::parse_str(&id) else { return };
                let (server, on) = (&*peer.name, Some(&*peer.name));
                match &change {
                    Change::Opened(ClientRow { name, ip, port, .. }) => {
                        let opened = SysEvent::ClientOpened { client_id, name, ip: *ip, port: *port, server };
                        hub.announce_of(on, &opened, batch);
                    }
                    Change::Named(old, row) => {
                        let named = SysEvent::ClientNamed { client_id, old, name: &row.name };
                        hub.announce_of(on, &named, batch);
                    }
                }
            }
            Row::Closed(id, closed) => {
                let row = self.directory.lock().close(peer.member.id, &id);
                if let Some(row) = row {
                    announce_closed(hub, &peer.name, &id, &row, Some(&closed), &closed.reason, batch);
                }
            }
            Row::Topic(channel, topic) => {
                // News are passed on: whoever set it may be gone before it has told everybody.
                if hub.channels.keep_latest(&channel, topic.clone(), batch.now) {
                    self.topic_set(&channel, topic, batch);
                }
            }
        }
    }

    fn hear_whole(&self, hub: &Hub, peer: &Arc<Peer>, batch: &mut Batch) {
        let (patterns, services) = peer.copies.lock().end_anew();
        withdraw(hub, peer, patterns.iter(), services.iter());
        let gone = self.directory.lock().end_anew(peer.member.id);
        for (id, row) in gone {
            announce_closed(hub, &peer.name, &id, &row, None, "server was out of reach", batch);
        }
    }

    /// Tells the clients here that messages by way of a server may be missing, and why.
    pub fn tell_gap(&self, hub: &Hub, name: &str, why: &str, batch: &mut Batch) {
        let notice = format!("messages by way of {name} may be missing: {why}");
        let subscribed = hub.clients.all().into_iter().filter(|client| !client.subscriptions().is_empty());
        for client in subscribed.take(MAX_TOLD_OF_GAP) {
            hub.tell(&client, &Out::Notice("gap", &notice), 0, batch);
        }
    }
}

impl Own {
    /// Everything, to one server, in the order of the keys.
    fn tell_all(&mut self, hub: &Hub, peer: &Arc<Peer>, batch: &mut Batch) {
        let mut frames = vec![told(&Told::Anew)];
        let interest =
            self.interest.sorted().into_iter().map(|(k, v)| Row::Interest(k.clone(), Some(v.clone())));
        let services =
            self.services.sorted().into_iter().map(|(k, v)| Row::Service(k.clone(), Some(v.clone())));
        let clients = self.clients.sorted().into_iter().map(|(k, v)| Row::Client(k.clone(), v.clone()));
        let mut kept = hub.channels.kept();
        kept.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let topics = kept.into_iter().map(|(channel, topic)| {
            Row::Topic(channel.to_string(), topic.map(Into::into).unwrap_or_default())
        });
        let rows: Vec<Row> = interest.chain(services).chain(clients).chain(topics).collect();
        for rows in rows.chunks(MAX_ROWS) {
            frames.push(told(&Told::Rows(rows.to_vec())));
        }
        frames.push(told(&Told::Whole));
        // All of it is queued at once, and must not be too much by itself.
        let rows: usize = frames.iter().map(Encoded::len).sum();
        peer.outbox.set_max(MAX_LINK_QUEUE.max(2 * hub.limits.max_frame) + rows);
        frames.iter().for_each(|frame| batch.send(peer, frame));
    }
}

impl Copies {
    fn saw(&mut self, kind: Kind, key: &str) {
        if let Some(anew) = &mut self.anew {
            anew.insert((kind, key.to_owned()));
        }
    }

    /// Removes what was not told anew: patterns and services.
    fn end_anew(&mut self) -> (Vec<String>, Vec<String>) {
        let Some(told) = self.anew.take() else { return Default::default() };
        self.is_whole = true;
        let missing = |kind: Kind, keys: Vec<String>| -> Vec<String> {
            keys.into_iter().filter(|key| !told.contains(&(kind, key.clone()))).collect()
        };
        let patterns = missing(Kind::Interest, self.interest.keys().cloned().collect());
        let services = missing(Kind::Services, self.services.keys().cloned().collect());
        patterns.iter().for_each(|key| drop(self.interest.set(key, None)));
        services.iter().for_each(|key| drop(self.services.set(key, None)));
        (patterns, services)
    }
}

/// What a server has no more: nobody there is subscribed to it, or offers it.
fn withdraw<'a>(
    hub: &Hub,
    peer: &Arc<Peer>,
    patterns: impl Iterator<Item = &'a String>,
    services: impl Iterator<Item = &'a String>,
) {
    for pattern in patterns.filter_map(|key| Pattern::parse(key).ok()) {
        hub.channels.set_remote(&pattern, peer, None);
    }
    services.for_each(|name| hub.services.set_remote(name, peer, None));
}

/// Queues one frame to one server.
pub fn send(peer: &Arc<Peer>, what: &Told, batch: &mut Batch) {
    batch.send(peer, &told(what));
}

fn told(what: &Told) -> Encoded {
    let mut bytes = Vec::new();
    frame::push_told(what, &mut bytes);
    Encoded::new(Block::from(bytes))
}

fn shared(hub: &Hub, pattern: &Pattern) -> Option<Share> {
    Some(hub.channels.share(pattern)).filter(|share| !share.is_empty())
}

/// Groups whose names are none are passed over: no client can be in them.
fn known_groups(mut share: Share) -> Share {
    share.groups.retain(|name, members| client_str(name).is_ok() && *members > 0);
    share
}

fn row(client: &Client) -> ClientRow {
    ClientRow {
        name: client.name().to_string(),
        ip: client.addr.ip(),
        port: client.addr.port(),
        since_ms: client.connected.unix_ms,
    }
}

/// Messages that another server took: to the subscribers here, and no further.
fn deliver(hub: &Hub, peer: &Arc<Peer>, run: &frame::Run<'_>, batch: &mut Batch) {
    let at = crate::clock::Stamp::of(run.at_ms);
    let items: SmallVec<[Item<'_>; 2]> = run
        .items
        .iter()
        .map(|said| Item {
            payload: said.payload,
            headers: said.headers,
            reply: said.reply.map(Cow::Borrowed),
            id: None,
        })
        .collect();
    let publisher =
        Publisher { client: None, name: run.from, echo: true, received: None, reach: Reach::Server };
    let arrived = Run {
        channel: run.channel,
        first_seq: run.first_seq,
        origin: &peer.origin,
        at: at.as_str(),
        publisher: &publisher,
        items: &items,
    };
    let wanted = Wanted { plain: run.plain, groups: &run.groups };
    match hub.channels.deliver(&arrived, wanted, batch) {
        Ok(receivers) => batch.messages_out += receivers * items.len() as u64,
        Err(refusal) => log::debug!(server = &*peer.name; "a message of it has no channel here: {refusal}"),
    }
}

fn announce_closed(
    hub: &Hub,
    server: &str,
    id: &str,
    row: &ClientRow,
    closed: Option<&Closed>,
    reason: &str,
    batch: &mut Batch,
) {
    let Ok(client_id) = Uuid::parse_str(id) else { return };
    let since = Duration::from_millis(batch.now.unix_ms.saturating_sub(row.since_ms).max(0) as u64);
    let event = SysEvent::ClientClosed {
        client_id,
        name: &row.name,
        ip: row.ip,
        port: row.port,
        server,
        duration_s: closed.map_or_else(|| seconds(since), |closed| closed.duration_s),
        reason,
        messages_in: closed.map(|closed| closed.messages_in),
        messages_out: closed.map(|closed| closed.messages_out),
    };
    hub.announce_of(Some(server), &event, batch);
}
