//! One service: who offers it, here and on other servers, whose turn it is, and what became of what it
//! was asked. Used by [`super`] alone, under its lock.

use crate::cluster::tables::Offer;
use crate::cluster::Peer;
use crate::hub::Client;
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::time::Duration;

/// What is known of one service.
pub(super) struct Service {
    pub about: String,
    /// Clients here that offer it.
    pub providers: Vec<Arc<Client>>,
    /// Servers that have providers, with how many.
    pub peers: Vec<(Arc<Peer>, Offer)>,
    turn: usize,
    pub requests: u64,
    pub errors: u64,
    /// Times to the answer, in microseconds; one significant digit is what a table shows.
    pub times: Histogram<u32>,
}

/// Whom to ask.
pub(super) enum Provider {
    Client(Arc<Client>),
    Peer(Arc<Peer>),
}

impl Provider {
    /// Names it among clients and servers.
    pub fn key(&self) -> u64 {
        match self {
            Provider::Client(client) => client.key,
            Provider::Peer(peer) => peer.key,
        }
    }
}

impl Service {
    /// A service that nobody offers yet.
    pub fn new(about: &str) -> Self {
        let longest = hubbub_shared::limits::MAX_REQUEST_TIMEOUT.as_micros() as u64;
        let times = Histogram::new_with_bounds(1, longest, 1).expect("the bounds are constants");
        Service {
            about: about.to_owned(),
            providers: Vec::new(),
            peers: Vec::new(),
            turn: 0,
            requests: 0,
            errors: 0,
            times,
        }
    }

    /// A request of it ended.
    pub fn finished(&mut self, took: Duration, ok: bool) {
        self.errors += u64::from(!ok);
        self.times.saturating_record((took.as_micros() as u64).max(1));
    }

    /// The provider whose turn it is, of those not asked before: here, else on the nearest server
    /// where `may_leave`. What another server asks stays here, so that nothing goes round in circles.
    pub fn next(&mut self, tried: &[u64], may_leave: bool) -> Option<Provider> {
        self.turn = self.turn.wrapping_add(1);
        let count = self.providers.len();
        let here = (0..count)
            .map(|n| &self.providers[self.turn.wrapping_add(n) % count])
            .find(|p| !tried.contains(&p.key) && p.outbox.is_open());
        let there = || {
            let open = self.peers.iter().map(|(peer, _)| peer).filter(|p| may_leave && p.outbox.is_open());
            open.filter(|p| !tried.contains(&p.key)).min_by_key(|p| p.distance()).cloned()
        };
        here.cloned().map(Provider::Client).or_else(|| there().map(Provider::Peer))
    }

    /// Whether clients offer it, here or elsewhere.
    pub fn is_offered(&self) -> bool {
        !self.providers.is_empty() || !self.peers.is_empty()
    }
}
