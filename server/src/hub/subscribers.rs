//! Who receives: the subscribers of one channel or pattern, in lanes by encoding so that a fan-out
//! is one encoding and one loop for each lane, and the groups that share messages.

use super::client::Client;
use crate::cluster::tables as cluster;
use hubbub_shared::Encoding;
use indexmap::IndexMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// Clients by key: constant time to add, remove and find, and walked as an array.
pub type Lane = IndexMap<u64, Arc<Client>, foldhash::fast::RandomState>;

/// The subscribers of one channel or pattern.
#[derive(Default)]
pub struct Subscribers {
    lanes: [Lane; 3],
    groups: Vec<Group>,
}

/// Clients that share messages: each message goes to one of them.
pub struct Group {
    /// Its name.
    pub name: Arc<str>,
    members: Lane,
    next: AtomicUsize,
}

impl Subscribers {
    /// Adds a client, plainly or to a group.
    pub fn add(&mut self, client: &Arc<Client>, group: Option<&Arc<str>>) {
        let lane = match group {
            None => &mut self.lanes[client.encoding() as usize],
            Some(name) => match self.groups.iter().position(|g| g.name == *name) {
                Some(at) => &mut self.groups[at].members,
                None => {
                    let group =
                        Group { name: name.clone(), members: Lane::default(), next: AtomicUsize::new(0) };
                    self.groups.push(group);
                    let last = self.groups.len() - 1;
                    &mut self.groups[last].members
                }
            },
        };
        lane.insert(client.key, client.clone());
    }

    /// Removes a client that was added with the same group.
    pub fn remove(&mut self, client: &Client, group: Option<&Arc<str>>) {
        let Some(name) = group else {
            let lane = &mut self.lanes[client.encoding() as usize];
            lane.swap_remove(&client.key);
            shrink(lane);
            return;
        };
        if let Some(at) = self.groups.iter().position(|g| g.name == *name) {
            let members = &mut self.groups[at].members;
            members.swap_remove(&client.key);
            shrink(members);
            if members.is_empty() {
                self.groups.swap_remove(at);
            }
        }
    }

    /// Whether nobody is subscribed.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.lanes.iter().all(Lane::is_empty)
    }

    /// The plain subscribers that speak an encoding.
    pub fn lane(&self, encoding: Encoding) -> &Lane {
        &self.lanes[encoding as usize]
    }

    /// Whether a client is subscribed plainly.
    pub fn has(&self, client: &Client) -> bool {
        self.lane(client.encoding()).contains_key(&client.key)
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// How many there are, as other servers are told.
    pub fn share(&self) -> cluster::Share {
        cluster::Share {
            plain: self.lanes.iter().map(|lane| lane.len() as u32).sum(),
            groups: self.groups.iter().map(|g| (g.name.to_string(), g.members.len() as u32)).collect(),
        }
    }

    /// Everyone, members of groups included.
    pub fn everyone(&self) -> impl Iterator<Item = &Arc<Client>> {
        let members = self.groups.iter().flat_map(|g| g.members.values());
        self.lanes.iter().flat_map(|lane| lane.values()).chain(members)
    }
}

/// A group, and the pattern by which its members came, if it is a wild one.
pub type Share<'a> = (&'a Group, Option<&'a str>);

/// Whose turn it is among groups of one name, leaving out those for whom `skip` says so; and by
/// which pattern they came.
pub fn pick<'a>(
    groups: &[Share<'a>],
    skip: impl Fn(&Client) -> bool,
) -> Option<(&'a Arc<Client>, Option<&'a str>)> {
    let turn = groups.first()?.0.next.fetch_add(1, Ordering::Relaxed);
    let count: usize = groups.iter().map(|(g, _)| g.members.len()).sum();
    let member = |mut n: usize| {
        groups.iter().find_map(|(group, via)| match group.members.get_index(n) {
            Some((_, client)) => Some((client, *via)),
            None => {
                n -= group.members.len();
                None
            }
        })
    };
    (0..count).filter_map(|n| member(turn.wrapping_add(n) % count)).find(|(client, _)| !skip(client))
}

/// Gives memory back when a crowd has left.
fn shrink(lane: &mut Lane) {
    if lane.capacity() > 64 && lane.len() < lane.capacity() / 4 {
        lane.shrink_to(lane.len() * 2);
    }
}
