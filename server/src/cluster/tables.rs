//! What every server keeps a table of and tells all others: who is subscribed to what, which services
//! are offered, which clients are connected. Each row belongs to the server where it is true; the
//! others hold a copy, and compare a digest of it with the owner's every second. Pure.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::HashMap;

/// How many subscribers a server has for one pattern.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    /// Clients that receive every message.
    #[serde(rename = "n", default)]
    pub plain: u32,
    /// Members of each group.
    #[serde(rename = "g", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, u32>,
}

impl Share {
    /// Whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.plain == 0 && self.groups.is_empty()
    }
}

/// A service that clients of a server offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What it does.
    pub about: String,
    /// How many clients offer it.
    pub providers: u32,
}

/// A connected client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub ip: std::net::IpAddr,
    /// The port there.
    pub port: u16,
    /// When it connected, in milliseconds since 1970.
    pub since_ms: i64,
}

/// How a client's connection ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closed {
    /// Why.
    pub reason: String,
    /// How long it was connected.
    pub duration_s: f64,
    /// Messages that it published or sent.
    pub messages_in: u64,
    /// Messages that it was sent.
    pub messages_out: u64,
}

/// What a kept channel is about. The latest counts, whoever set it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Topic {
    /// The text; empty where nobody said.
    pub text: String,
    /// Who set it.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// A row, as far as its table needs to know it.
pub trait Row: PartialEq {
    /// Feeds what owner and copy must agree on; the same on every server and release.
    fn digest(&self, into: &mut Fnv);
}

impl Row for Share {
    fn digest(&self, into: &mut Fnv) {
        into.number(u64::from(self.plain));
        for (group, members) in &self.groups {
            into.text(group);
            into.number(u64::from(*members));
        }
    }
}

impl Row for Offer {
    fn digest(&self, into: &mut Fnv) {
        into.text(&self.about);
        into.number(u64::from(self.providers));
    }
}

impl Row for ClientRow {
    fn digest(&self, into: &mut Fnv) {
        into.text(&self.name);
        into.number(self.since_ms as u64);
    }
}

/// The FNV-1a hash: fixed by its authors, and so the same everywhere. Not for keys that somebody
/// chooses to collide; here a collision is a repair that comes later.
pub struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0xff]);
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }
}

fn digest_of(key: &str, row: &impl Row) -> u64 {
    let mut hash = Fnv::new();
    hash.text(key);
    row.digest(&mut hash);
    hash.0
}

/// Rows by key, with a digest of all of them that changes with each.
#[derive(Debug)]
pub struct Table<R> {
    rows: HashMap<String, R, foldhash::fast::RandomState>,
    digest: u64,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Table { rows: HashMap::default(), digest: 0 }
    }
}

impl<R: Row> Table<R> {
    /// Sets or removes a row. Returns whether that changed anything, and the row that was there.
    pub fn set(&mut self, key: &str, row: Option<R>) -> (bool, Option<R>) {
        if self.rows.get(key) == row.as_ref() {
            return (false, None);
        }
        let old = match row {
            Some(row) => {
                self.digest = self.digest.wrapping_add(digest_of(key, &row));
                self.rows.insert(key.to_owned(), row)
            }
            None => self.rows.remove(key),
        };
        if let Some(old) = &old {
            self.digest = self.digest.wrapping_sub(digest_of(key, old));
        }
        (true, old)
    }

    /// The row of a key.
    pub fn get(&self, key: &str) -> Option<&R> {
        self.rows.get(key)
    }

    /// All rows, in the order of their keys.
    pub fn sorted(&self) -> Vec<(&String, &R)> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.rows.keys()
    }

    /// Rows in it.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Changes with every row; 0 for an empty table.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn share(plain: u32) -> Share {
        Share { plain, ..Share::default() }
    }

    #[test]
    fn setting_what_is_there_changes_nothing() {
        let mut table = Table::default();
        assert_eq!(table.set("a", Some(share(1))), (true, None));
        assert_eq!(table.set("a", Some(share(1))), (false, None));
        assert_eq!(table.set("a", Some(share(2))), (true, Some(share(1))));
        assert_eq!(table.set("a", None), (true, Some(share(2))));
        assert_eq!(table.set("a", None), (false, None));
        assert_eq!((table.digest(), table.len()), (0, 0));
    }

    proptest! {
        /// Whatever was set in between: the digest depends on what is in the table, and only on that.
        #[test]
        fn equal_tables_have_equal_digests(changes in prop::collection::vec((0u8..6, 0u32..3), 0..40)) {
            let mut table = Table::default();
            for (key, plain) in changes {
                table.set(&key.to_string(), (plain > 0).then(|| share(plain)));
            }
            let mut again = Table::default();
            for (key, row) in table.sorted().into_iter().rev() {
                again.set(key, Some(row.clone()));
            }
            prop_assert_eq!(table.digest(), again.digest());
            if !table.is_empty() {
                let key = table.keys().next().cloned().unwrap_or_default();
                again.set(&key, None);
                prop_assert_ne!(table.digest(), again.digest());
            }
        }
    }
}
