//! The requests that wait for their answers: by number, by provider, and by when they time out.

use crate::cluster::Peer;
use crate::doors::Dialect;
use crate::hub::Client;
use crate::services::pool::Ticket;
use hubbub_shared::encoding::Payload;
use hubbub_shared::names::ClientName;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

/// Who waits for an answer.
pub enum Caller {
    /// A client of this server, with the id of its command.
    Client(Arc<Client>, Option<Box<str>>),
    /// Another server, whose client it is, with its number for the request.
    Peer(Arc<Peer>, u64),
}

impl Caller {
    /// Names it among clients and servers.
    pub fn key(&self) -> u64 {
        match self {
            Caller::Client(client, _) => client.key,
            Caller::Peer(peer, _) => peer.key,
        }
    }

    /// Who takes turns in the pool. Where each request comes on a connection of its own, those of one
    /// host share its turns: else a thousand connections were a thousand callers.
    pub fn turn(&self) -> u64 {
        const HOSTS: u64 = 1 << 63;
        match self {
            Caller::Client(client, _) if client.dialect().is_some_and(Dialect::asks_once) => {
                let bits = match client.addr.ip().to_canonical() {
                    IpAddr::V4(ip) => u64::from(ip.to_bits()),
                    IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
                };
                HOSTS | bits
            }
            caller => caller.key(),
        }
    }
}

/// A request that waits for its answer.
pub struct Open {
    /// Who asked.
    pub caller: Caller,
    /// Under which name.
    pub from: ClientName,
    /// What was asked.
    pub service: Arc<str>,
    /// With what: kept for the next provider, should this one go.
    pub payload: Arc<str>,
    /// Whether the payload is JSON, or a text.
    pub is_json: bool,
    /// What it counts against the caller's bound.
    pub weight: u64,
    /// When it was asked.
    pub started: Instant,
    /// When it fails.
    pub deadline: Instant,
    /// The keys of the providers that had it.
    pub tried: Vec<u64>,
    /// Its place in the pool, where the hub itself works on it. However the request ends, that ends too.
    pub ticket: Option<Ticket>,
}

impl Open {
    /// With what it was asked.
    pub fn payload(&self) -> Payload<'_> {
        if self.is_json {
            Payload::Json(&self.payload)
        } else {
            Payload::Text(&self.payload)
        }
    }

    fn provider(&self) -> u64 {
        self.tried.last().copied().unwrap_or_default()
    }
}

/// The waiting requests of one server.
#[derive(Default)]
pub struct Ledger {
    last_id: u64,
    by_id: HashMap<u64, Open, foldhash::fast::RandomState>,
    by_caller: BTreeSet<(u64, u64)>,
    by_provider: BTreeSet<(u64, u64)>,
    by_deadline: BTreeSet<(Instant, u64)>,
}

impl Ledger {
    /// Enters a request that a provider was given, the last of those that it tried.
    pub fn add(&mut self, open: Open, provider: u64) -> (u64, &mut Open) {
        self.last_id += 1;
        let id = self.last_id;
        self.by_caller.insert((open.caller.key(), id));
        self.by_provider.insert((provider, id));
        self.by_deadline.insert((open.deadline, id));
        (id, self.by_id.entry(id).or_insert(open))
    }

    /// Takes a request out, if that provider has it.
    pub fn take(&mut self, id: u64, provider: u64) -> Option<Open> {
        if self.by_id.get(&id)?.provider() != provider {
            return None;
        }
        self.remove(id)
    }

    /// Takes out all that a provider has.
    pub fn take_of_provider(&mut self, provider: u64) -> Vec<Open> {
        let ids = of(&self.by_provider, provider);
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out all that a caller waits for.
    pub fn take_of_caller(&mut self, caller: u64) -> Vec<Open> {
        let ids = of(&self.by_caller, caller);
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Takes out all that clients of this server wait for.
    pub fn take_of_clients(&mut self) -> Vec<Open> {
        let of_clients = self.by_id.iter().filter(|(_, open)| matches!(open.caller, Caller::Client(..)));
        let ids: BTreeSet<u64> = of_clients.map(|(id, _)| *id).collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Whether a provider has any.
    pub fn is_asked(&self, provider: u64) -> bool {
        self.by_provider.range((provider, 0)..=(provider, u64::MAX)).next().is_some()
    }

    /// Takes out one whose time is over.
    pub fn take_expired(&mut self, now: Instant) -> Option<Open> {
        let (deadline, id) = *self.by_deadline.first()?;
        if deadline > now {
            return None;
        }
        self.remove(id)
    }

    /// When the next one times out.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    fn remove(&mut self, id: u64) -> Option<Open> {
        let open = self.by_id.remove(&id)?;
        self.by_caller.remove(&(open.caller.key(), id));
        self.by_provider.remove(&(open.provider(), id));
        self.by_deadline.remove(&(open.deadline, id));
        Some(open)
    }
}

/// The requests of one key.
fn of(set: &BTreeSet<(u64, u64)>, key: u64) -> Vec<u64> {
    set.range((key, 0)..=(key, u64::MAX)).map(|(_, id)| *id).collect()
}
