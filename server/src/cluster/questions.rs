//! What servers ask each other so that every list and every name answers for the whole cluster: the
//! questions, and the ledger of those that wait for answers. Who does not answer in time is named in
//! the reply, not silently left out. Pure; the answering is in [`super::answering`].

use super::peer::Peer;
use crate::hub::{Batch, Client, Hub};
use hubbub_shared::encoding::Out;
use hubbub_shared::refusal::Refusal;
use hubbub_shared::reply::{ChannelsReply, ClientInfo, ClientsReply, HistoryReply, Reply, ServicesReply};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the others have to answer. A guess: a hundred round trips in a network of machines, and
/// still a time that a person waits for.
pub const DEADLINE: Duration = Duration::from_secs(1);
/// How long a new subscription waits until the others know of it. A guess: who did not answer by
/// then will know a little later.
pub const SYNC_DEADLINE: Duration = Duration::from_millis(250);

/// A question to another server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Question {
    /// Its clients.
    Clients {
        /// `open`, `closed` or `all`.
        state: String,
        /// A pattern for names.
        matching: Option<String>,
        /// Rows at the most.
        limit: usize,
    },
    /// Its channels.
    Channels {
        /// A pattern for names.
        matching: Option<String>,
    },
    /// Its clients that receive a channel's messages.
    Who {
        /// The channel.
        channel: String,
    },
    /// One of its clients.
    Whois {
        /// The name.
        name: String,
    },
    /// Messages that it took.
    History {
        /// The channel.
        channel: String,
        /// The latest so many.
        limit: usize,
        /// From when on.
        since: Since,
    },
    /// A message for one of its clients.
    Direct {
        /// Its name.
        to: String,
        /// Who sends it.
        from: String,
        /// That client's id, which decides whether they have met.
        from_id: String,
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// The payload.
        payload: String,
        /// Whether that is JSON.
        is_json: bool,
    },
    /// What its clients offer.
    Services,
    /// Has everything that was told before arrived?
    Sync,
}

/// From which message on history is wanted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Since {
    /// All that is remembered.
    Start,
    /// Those with a greater count.
    AfterSeq(u64),
    /// Those from a time on, in milliseconds since 1970.
    Time(i64),
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Clients.
    Clients(ClientsReply),
    /// Channels.
    Channels(ChannelsReply),
    /// One client.
    Whois(Box<ClientInfo>),
    /// Messages.
    History(HistoryReply),
    /// A message was queued to a client.
    Delivered {
        /// Its id.
        client_id: String,
        /// Its name, as it writes it.
        name: String,
        /// Its welcome, if the two have not met before.
        welcome: Option<String>,
    },
    /// Services.
    Services(ServicesReply),
    /// Everything has arrived.
    Synced,
    /// No.
    Refused(Refusal),
}

/// What came of a question: the answers, and the names of the servers whose did not come.
pub struct Outcome<'a> {
    /// The hub.
    pub hub: &'a Hub,
    /// The client that waits.
    pub client: &'a Arc<Client>,
    /// The answers, in the order in which they came.
    pub answers: Vec<Answer>,
    /// Who did not answer.
    pub missing: Vec<String>,
    /// What is done at this moment.
    pub batch: &'a mut Batch,
}

/// Makes the reply to a client.
pub type Finish = Box<dyn FnOnce(Outcome<'_>) -> Result<Reply, Refusal> + Send>;

/// Whom a question goes to.
#[derive(Default)]
pub struct Asked {
    /// The linked servers.
    pub peers: Vec<Arc<Peer>>,
    /// Those that are out of reach.
    pub missing: Vec<String>,
}

/// A question that waits for answers.
struct Open {
    client: Arc<Client>,
    /// The id of the client's command.
    re: Option<Box<str>>,
    /// Who has not answered yet: link and name of the server.
    waiting: BTreeMap<u64, Arc<str>>,
    missing: Vec<String>,
    answers: Vec<Answer>,
    deadline: Instant,
    finish: Finish,
}

#[derive(Default)]
struct Inner {
    last_id: u64,
    by_id: BTreeMap<u64, Open>,
    by_deadline: BTreeSet<(Instant, u64)>,
}

/// The questions of one server that wait for answers.
#[derive(Default)]
pub struct Questions {
    inner: Mutex<Inner>,
    /// Told when a question waits that times out before all others.
    pub alarm: event_listener::Event,
}

impl Questions {
    /// Enters a question that is about to be sent to these peers; its number.
    pub fn enter(
        &self,
        client: &Arc<Client>,
        re: Option<&str>,
        to: &Asked,
        deadline: Instant,
        finish: Finish,
    ) -> u64 {
        client.waits.fetch_add(1, Ordering::AcqRel);
        let mut inner = self.inner.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        let is_first = inner.by_deadline.first().is_none_or(|(first, _)| deadline < *first);
        inner.by_deadline.insert((deadline, id));
        let open = Open {
            client: client.clone(),
            re: re.map(Into::into),
            waiting: to.peers.iter().map(|peer| (peer.key, peer.name.clone())).collect(),
            missing: to.missing.clone(),
            answers: Vec::new(),
            deadline,
            finish,
        };
        inner.by_id.insert(id, open);
        drop(inner);
        if is_first {
            self.alarm.notify(1);
        }
        id
    }

    /// An answer came.
    pub fn answered(&self, hub: &Hub, peer: &Peer, id: u64, answer: Answer, batch: &mut Batch) {
        let mut inner = self.inner.lock();
        let Some(open) = inner.by_id.get_mut(&id) else { return };
        // Only who was asked may answer, and once.
        if open.waiting.remove(&peer.key).is_none() {
            return;
        }
        open.answers.push(answer);
        let done = if open.waiting.is_empty() { inner.take(id) } else { None };
        drop(inner);
        if let Some(open) = done {
            open.finish(hub, batch);
        }
    }

    /// A link is lost: its server will not answer.
    pub fn lost(&self, hub: &Hub, peer: &Peer, batch: &mut Batch) {
        let mut done = Vec::new();
        let mut inner = self.inner.lock();
        let ids: Vec<u64> = inner
            .by_id
            .iter()
            .filter(|(_, open)| open.waiting.contains_key(&peer.key))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            let Some(open) = inner.by_id.get_mut(&id) else { continue };
            open.missing.extend(open.waiting.remove(&peer.key).map(|name| name.to_string()));
            if open.waiting.is_empty() {
                done.extend(inner.take(id));
            }
        }
        drop(inner);
        done.into_iter().for_each(|open| open.finish(hub, batch));
    }

    /// When the next question times out.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.lock().by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// Finishes those whose time is over with what has come.
    pub fn expire(&self, hub: &Hub, batch: &mut Batch) {
        loop {
            let mut inner = self.inner.lock();
            let next = inner.by_deadline.first().copied();
            let Some((_, id)) = next.filter(|(deadline, _)| *deadline <= batch.now.instant) else { return };
            let Some(mut open) = inner.take(id) else { return };
            drop(inner);
            open.missing.extend(std::mem::take(&mut open.waiting).into_values().map(|name| name.to_string()));
            open.finish(hub, batch);
        }
    }
}

impl Inner {
    fn take(&mut self, id: u64) -> Option<Open> {
        let open = self.by_id.remove(&id)?;
        self.by_deadline.remove(&(open.deadline, id));
        Some(open)
    }
}

impl Open {
    /// Answers the client.
    fn finish(self, hub: &Hub, batch: &mut Batch) {
        let Open { client, re, answers, mut missing, finish, .. } = self;
        missing.sort_unstable();
        let outcome = Outcome { hub, client: &client, answers, missing, batch: &mut *batch };
        match finish(outcome) {
            Ok(reply) => hub.tell(&client, &Out::Ok(re.as_deref(), &reply), 0, batch),
            Err(refusal) => hub.refuse(&client, re.as_deref(), &refusal, batch),
        };
        client.waits.fetch_sub(1, Ordering::AcqRel);
        client.task.wake();
    }
}
