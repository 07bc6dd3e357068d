//! How members are, as they say themselves. Owns the newest load of each run and its bytes; foca
//! carries them as broadcasts and asks here which are news. Bounded by the members that are known.

use crate::cluster::Load;
use bytes::{Buf, BufMut};
use foca::{BroadcastHandler, Invalidates};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// Loads of runs that no member is known for yet, beyond one for each member: news overtake each other.
const STRANGERS: usize = 64;
const BYTES: usize = 16 + 4 * 4 + 8 + 2 + 4 + 1;
/// A later version may append what this one ignores.
const MOST_BYTES: usize = 128;

#[derive(Default)]
pub(super) struct Loads {
    of: BTreeMap<Uuid, Load>,
    /// Of them, those whose run is not a known member.
    strangers: BTreeMap<Uuid, Load>,
}

impl Loads {
    pub(super) fn get(&self, run: Uuid) -> Load {
        self.of.get(&run).copied().unwrap_or_default()
    }

    /// A run is a member now.
    pub(super) fn admit(&mut self, run: Uuid) {
        let load = self.strangers.remove(&run).unwrap_or_default();
        self.of.entry(run).or_insert(load);
    }

    /// A run is not even remembered any more.
    pub(super) fn forget(&mut self, run: Uuid) {
        self.of.remove(&run);
    }

    fn is_news(&mut self, run: Uuid, load: Load) -> bool {
        let room = self.of.len() + STRANGERS;
        let known = self.of.get_mut(&run);
        let known = known.or_else(|| self.strangers.get_mut(&run));
        match known {
            Some(known) if known.at >= load.at => return false,
            Some(known) => *known = load,
            None => {
                if self.strangers.len() >= room {
                    self.strangers.clear();
                }
                self.strangers.insert(run, load);
            }
        }
        true
    }
}

/// A run: what a newer load of it replaces.
pub(super) struct Run(Uuid);

impl Invalidates for Run {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a load is not in the form that members use")]
pub(super) struct BadLoad;

/// foca's handle to the loads, which it has no way to give back.
pub(super) struct Handler(pub(super) Arc<Mutex<Loads>>);

impl<T> BroadcastHandler<T> for Handler {
    type Key = Run;
    type Error = BadLoad;

    fn receive_item(&mut self, data: &[u8], _sender: Option<&T>) -> Result<Option<Run>, BadLoad> {
        let (run, load) = decode(data).ok_or(BadLoad)?;
        Ok(self.0.lock().is_news(run, load).then_some(Run(run)))
    }
}

pub(super) fn encode(run: Uuid, load: &Load) -> Vec<u8> {
    let mut out = Vec::with_capacity(BYTES);
    out.put_slice(run.as_bytes());
    for number in [load.at, load.clients, load.max_clients, load.channels] {
        out.put_u32(number);
    }
    out.put_u64(load.queued);
    out.put_u16(load.cpu);
    out.put_u32(load.uptime_s);
    out.put_u8(u8::from(load.draining));
    out
}

fn decode(mut data: &[u8]) -> Option<(Uuid, Load)> {
    if !(BYTES..=MOST_BYTES).contains(&data.len()) {
        return None;
    }
    let run = Uuid::from_u128(data.get_u128());
    let (at, clients, max_clients, channels) =
        (data.get_u32(), data.get_u32(), data.get_u32(), data.get_u32());
    let (queued, cpu, uptime_s, draining) =
        (data.get_u64(), data.get_u16(), data.get_u32(), data.get_u8() != 0);
    Some((run, Load { at, clients, max_clients, channels, queued, cpu, uptime_s, draining }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_load_counts_and_strangers_have_bounds() {
        let mut loads = Loads::default();
        let run = Uuid::from_u128(7);
        assert!(loads.is_news(run, Load { at: 2, clients: 5, ..Load::default() }));
        assert!(!loads.is_news(run, Load { at: 1, ..Load::default() }));
        assert_eq!(loads.get(run), Load::default(), "not a member yet");
        loads.admit(run);
        assert_eq!(loads.get(run).clients, 5);
        for n in 0..10_000 {
            assert!(loads.is_news(Uuid::from_u128(1000 + n), Load { at: 1, ..Load::default() }));
            assert!(loads.strangers.len() <= 1 + STRANGERS);
        }
        assert_eq!(loads.get(run).clients, 5);
    }

    #[test]
    fn a_load_is_read_as_it_was_written() {
        let load = Load {
            at: 1,
            clients: 2,
            max_clients: 3,
            channels: 4,
            queued: 5,
            cpu: 6,
            uptime_s: 7,
            draining: true,
        };
        let bytes = encode(Uuid::from_u128(9), &load);
        assert_eq!(decode(&bytes), Some((Uuid::from_u128(9), load)));
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(&[0; MOST_BYTES + 1]), None);
    }
}
