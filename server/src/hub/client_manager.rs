//! Who is connected, under unique names, and who was: the last closed connections with why.

use super::client::{seconds, Belongings, Client};
use crate::clock::{Now, Stamp};
use crate::rt::Socket;
use dashmap::mapref::entry::Entry;
use dashmap::DashMap;
use event_listener::Event;
use hubbub_shared::limits::MAX_CLOSED_CLIENTS;
use hubbub_shared::names::{fold, ClientName};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::ClientInfo;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Channels remembered of a closed connection: ten thousand of these are kept. A guess.
const MAX_CLOSED_CHANNELS: usize = 16;

/// The connected clients, and the history of closed connections.
pub struct ClientManager {
    by_name: DashMap<Arc<str>, Arc<Client>, foldhash::fast::RandomState>,
    next_key: AtomicU64,
    closed: Mutex<VecDeque<ClientInfo>>,
    /// Connections whose sockets are still open, those that are being closed included.
    pub sockets: Arc<Sockets>,
    max_queue: usize,
}

/// How many sockets are open.
#[derive(Default)]
pub struct Sockets {
    open: AtomicU64,
    /// Told when one is closed.
    pub closed: Event,
}

/// Stands for one open socket.
pub struct OpenSocket(Arc<Sockets>);

impl Sockets {
    /// Open now.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }

    fn enter(self: &Arc<Self>) -> OpenSocket {
        self.open.fetch_add(1, Ordering::AcqRel);
        OpenSocket(self.clone())
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.closed.notify(usize::MAX);
    }
}

impl ClientManager {
    /// Nobody is connected yet.
    pub fn new(max_queue: usize) -> Self {
        ClientManager {
            by_name: DashMap::default(),
            next_key: AtomicU64::new(1),
            closed: Mutex::new(VecDeque::new()),
            sockets: Arc::default(),
            max_queue,
        }
    }

    /// Takes in a new client, as `anon-` and six hex digits.
    pub fn open(&self, addr: SocketAddr, socket: Option<Socket>, now: Now) -> Arc<Client> {
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let mut socket = Some(socket);
        loop {
            let name = format!("anon-{:06x}", fastrand::u32(..1 << 24));
            let Ok(name) = ClientName::parse(&name) else { continue };
            if let Entry::Vacant(vacant) = self.by_name.entry(name.folded()) {
                let socket = socket.take().flatten().map(|socket| (socket, self.sockets.enter()));
                let client = Arc::new(Client::new(key, name, addr, socket, self.max_queue, now));
                vacant.insert(client.clone());
                return client;
            }
        }
    }

    /// Gives a client another name; refused when someone else has it.
    pub fn rename(&self, client: &Arc<Client>, name: ClientName) -> Result<(), Refusal> {
        let old = client.name();
        if old.folded() != name.folded() {
            match self.by_name.entry(name.folded()) {
                Entry::Occupied(_) => {
                    return Err(Refusal::new(
                        Code::NameTaken,
                        format!("{name} is taken on this server; choose another name"),
                    ));
                }
                Entry::Vacant(vacant) => vacant.insert(client.clone()),
            };
            self.by_name.remove_if(&old.folded(), |_, c| c.key == client.key);
        }
        client.set_name(name.clone());
        // Whoever closed it meanwhile took out its old name only.
        if client.is_gone() {
            self.by_name.remove_if(&name.folded(), |_, c| c.key == client.key);
        }
        Ok(())
    }

    /// The client of a name, without regard to case.
    pub fn find(&self, name: &str) -> Option<Arc<Client>> {
        self.by_name.get(&*fold(name)).map(|c| c.clone())
    }

    /// Clients connected now.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Everyone who is connected, the longest first.
    pub fn all(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.by_name.iter().map(|c| c.clone()).collect();
        clients.sort_unstable_by_key(|c| c.key);
        clients
    }

    /// Shows connections that were closed, the latest first, until a closure has enough.
    pub fn closed(&self, show: impl FnMut(&ClientInfo) -> bool) {
        let _ = self.closed.lock().iter().rev().all(show);
    }

    /// Takes a client out and remembers that it was here. `None` when somebody did so before.
    pub fn close(
        &self,
        client: &Client,
        reason: &str,
        server: &str,
        now: Now,
    ) -> Option<(Belongings, ClientInfo)> {
        if client.is_gone() {
            return None;
        }
        let mut info = client.info(server, now);
        let belongings = client.leave()?;
        self.by_name.remove_if(&belongings.name.folded(), |_, c| c.key == client.key);
        info.name = belongings.name.to_string();
        info.closed_at = Some(Stamp::of(now.unix_ms).to_string());
        info.duration_s = seconds(now.instant.saturating_duration_since(client.connected.instant));
        info.reason = Some(reason.to_owned());
        info.messages_in = Some(client.messages_in.load(Ordering::Relaxed));
        info.messages_out = Some(client.outbox.messages());
        info.channels.truncate(MAX_CLOSED_CHANNELS);
        let mut closed = self.closed.lock();
        if closed.len() == MAX_CLOSED_CLIENTS {
            closed.pop_front();
        }
        closed.push_back(info.clone());
        Some((belongings, info))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager() -> (ClientManager, SocketAddr) {
        (ClientManager::new(1000), SocketAddr::from(([127, 0, 0, 1], 9)))
    }

    fn name(text: &str) -> ClientName {
        ClientName::parse(text).expect(text)
    }

    #[test]
    fn names_are_unique_without_regard_to_case() {
        let (clients, addr) = manager();
        let (a, b) = (clients.open(addr, None, Now::read()), clients.open(addr, None, Now::read()));
        clients.rename(&a, name("Bob")).expect("free");
        assert_eq!(clients.rename(&b, name("bOB")).expect_err("taken").code, Code::NameTaken);
        clients.rename(&a, name("BOB")).expect("one's own, in other case");
        assert_eq!(clients.find("bob").expect("there").key, a.key);
        clients.rename(&a, name("ann")).expect("free");
        clients.rename(&b, name("bob")).expect("free again");
    }

    #[test]
    fn the_closed_are_remembered_once_each_and_not_for_ever() {
        let (clients, addr) = manager();
        for _ in 0..MAX_CLOSED_CLIENTS + 5 {
            let client = clients.open(addr, None, Now::read());
            assert!(clients.close(&client, "test", "alpha", Now::read()).is_some());
            assert!(clients.close(&client, "again", "alpha", Now::read()).is_none());
        }
        let mut reasons = Vec::new();
        clients.closed(|info| {
            reasons.push(info.reason.clone());
            true
        });
        assert_eq!((reasons.len(), clients.count()), (MAX_CLOSED_CLIENTS, 0));
        assert!(reasons.iter().all(|reason| reason.as_deref() == Some("test")));
    }
}
