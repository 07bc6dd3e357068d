//! Who is connected to the other servers, as they told. It outlives a link: a server that is out of
//! reach for a moment still has its clients; when it is gone, each of them is closed once. Pure.

use super::tables::{ClientRow, Table};
use hubbub_shared::names::fold;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use uuid::Uuid;

/// What became known of a client.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// It is connected.
    Opened(ClientRow),
    /// It has another name; the old one.
    Named(String, ClientRow),
}

/// The clients of all other servers.
#[derive(Default)]
pub struct Directory {
    servers: BTreeMap<Uuid, Listed>,
    by_name: HashMap<Arc<str>, Vec<Uuid>, foldhash::fast::RandomState>,
}

struct Listed {
    name: Arc<str>,
    clients: Table<ClientRow>,
    /// While all are being told anew: those that were.
    anew: Option<HashSet<String>>,
}

impl Directory {
    /// A server tells of one of its clients. `None` when that is no news.
    pub fn set(&mut self, server: Uuid, server_name: &Arc<str>, id: &str, row: ClientRow) -> Option<Change> {
        let listed = self.servers.entry(server).or_insert_with(|| Listed {
            name: server_name.clone(),
            clients: Table::default(),
            anew: None,
        });
        if let Some(anew) = &mut listed.anew {
            anew.insert(id.to_owned());
        }
        let (changed, old) = listed.clients.set(id, Some(row.clone()));
        if !changed {
            return None;
        }
        if let Some(old) = &old {
            forget(&mut self.by_name, server, &old.name);
        }
        self.by_name.entry(fold(&row.name).as_ref().into()).or_default().push(server);
        match old {
            None => Some(Change::Opened(row)),
            Some(old) if old.name == row.name => None,
            Some(old) => Some(Change::Named(old.name, row)),
        }
    }

    /// A server's client is gone; `None` when it was not known.
    pub fn close(&mut self, server: Uuid, id: &str) -> Option<ClientRow> {
        let row = self.servers.get_mut(&server)?.clients.set(id, None).1?;
        forget(&mut self.by_name, server, &row.name);
        Some(row)
    }

    /// A server is about to tell of all its clients.
    pub fn begin_anew(&mut self, server: Uuid) {
        if let Some(listed) = self.servers.get_mut(&server) {
            listed.anew = Some(HashSet::new());
        }
    }

    /// It has; those that it did not tell of are gone.
    pub fn end_anew(&mut self, server: Uuid) -> Vec<(String, ClientRow)> {
        let Some(listed) = self.servers.get_mut(&server) else { return Vec::new() };
        let Some(told) = listed.anew.take() else { return Vec::new() };
        let mut gone: Vec<String> = listed.clients.keys().filter(|id| !told.contains(*id)).cloned().collect();
        gone.sort_unstable();
        gone.into_iter().filter_map(|id| self.close(server, &id).map(|row| (id, row))).collect()
    }

    /// A server is gone, and all its clients with it.
    pub fn lost(&mut self, server: Uuid) -> Vec<(String, ClientRow)> {
        let Some(listed) = self.servers.get(&server) else { return Vec::new() };
        let mut ids: Vec<String> = listed.clients.keys().cloned().collect();
        ids.sort_unstable();
        let gone = ids.into_iter().filter_map(|id| self.close(server, &id).map(|row| (id, row))).collect();
        self.servers.remove(&server);
        gone
    }

    /// The servers that have a client of a name, with theirs.
    pub fn servers_of(&self, name: &str) -> Vec<(Uuid, Arc<str>)> {
        let ids = self.by_name.get(&*fold(name)).map(Vec::as_slice).unwrap_or_default();
        let mut servers: Vec<_> =
            ids.iter().filter_map(|id| Some((*id, self.servers.get(id)?.name.clone()))).collect();
        servers.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        servers
    }

    /// The digest of a server's clients.
    pub fn digest(&self, server: Uuid) -> u64 {
        self.servers.get(&server).map_or(0, |listed| listed.clients.digest())
    }

    /// Clients of other servers.
    pub fn len(&self) -> usize {
        self.servers.values().map(|listed| listed.clients.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn forget(by_name: &mut HashMap<Arc<str>, Vec<Uuid>, foldhash::fast::RandomState>, server: Uuid, name: &str) {
    let folded = fold(name);
    if let Some(servers) = by_name.get_mut(&*folded) {
        // One only: a name may pass from one client to the next before both changes are told.
        if let Some(at) = servers.iter().position(|s| *s == server) {
            servers.swap_remove(at);
        }
        if servers.is_empty() {
            by_name.remove(&*folded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> ClientRow {
        ClientRow { name: name.into(), ip: [127, 0, 0, 1].into(), port: 1, since_ms: 0 }
    }

    #[test]
    fn names_are_found_without_regard_to_case_on_every_server_that_has_them() {
        let (mut directory, alpha, beta) = (Directory::default(), Uuid::from_u128(1), Uuid::from_u128(2));
        let (a, b): (Arc<str>, Arc<str>) = ("alpha".into(), "beta".into());
        assert_eq!(directory.set(beta, &b, "1", row("Bob")), Some(Change::Opened(row("Bob"))));
        assert_eq!(directory.set(beta, &b, "1", row("Bob")), None);
        directory.set(alpha, &a, "2", row("bob"));
        let names = |directory: &Directory, name| -> Vec<String> {
            directory.servers_of(name).iter().map(|(_, name)| name.to_string()).collect()
        };
        assert_eq!(names(&directory, "BOB"), ["alpha", "beta"]);
        let named = directory.set(alpha, &a, "2", row("ann"));
        assert_eq!(named, Some(Change::Named("bob".into(), row("ann"))));
        assert_eq!(names(&directory, "bob"), ["beta"]);
        assert_eq!(directory.close(beta, "1"), Some(row("Bob")));
        assert!(names(&directory, "bob").is_empty() && directory.close(beta, "1").is_none());
    }

    #[test]
    fn what_is_not_told_anew_is_gone_and_what_is_stays_without_a_word() {
        let (mut directory, alpha, name) = (Directory::default(), Uuid::from_u128(1), Arc::from("alpha"));
        for (id, client) in [("1", "ann"), ("2", "bob"), ("3", "cyd")] {
            directory.set(alpha, &name, id, row(client));
        }
        directory.begin_anew(alpha);
        assert_eq!(directory.set(alpha, &name, "2", row("bob")), None);
        assert_eq!(directory.set(alpha, &name, "4", row("dan")), Some(Change::Opened(row("dan"))));
        let gone: Vec<String> = directory.end_anew(alpha).into_iter().map(|(_, row)| row.name).collect();
        assert_eq!(gone, ["ann", "cyd"]);
        assert!(directory.end_anew(alpha).is_empty(), "once");
        assert_eq!(directory.lost(alpha).len(), 2);
        assert!(directory.is_empty() && directory.lost(alpha).is_empty() && directory.digest(alpha) == 0);
    }
}
