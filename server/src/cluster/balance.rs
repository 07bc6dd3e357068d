//! Sharing the load: whether a new client stays here or is sent to another server, and where the clients
//! of a server that stops should go. Pure: it is given what servers report of themselves and remembers
//! only what it has decided since. It sends nobody; the session of a client that says `hello`, and the
//! drain, ask it.
//!
//! Clients that are connected are never moved: what is uneven evens out as clients come and go.
//!
//! A server knows itself by the moment and the others by their last report. When clients come faster than
//! reports, each seems to itself to have more than the others, and some are sent for nothing, once each. So
//! a server should report early when its clients have changed by more than some per cent.

use super::member::Load;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::net::SocketAddr;
use uuid::Uuid;

/// Addresses that one client is given. Should the best be gone already, there are two more; beyond that
/// its own knowledge of the cluster is as good.
pub const MAX_TARGETS: usize = 3;

/// A server sends clients away while it has more than its fair share by so many per mille of that share.
/// A guess: less would send clients to and fro for differences that reports of some seconds ago cannot
/// show; more would leave a server with a quarter more work than its sisters.
const MARGIN_PER_MILLE: f64 = 200.0;
/// But at least by so many clients. A guess: below that, one person with a few terminals would be spread
/// over the cluster, to nobody's use.
const MIN_MARGIN: f64 = 8.0;
/// How much a busy core weighs: as much as this share of the mean number of clients. With half of it two
/// servers differ by more than the margin when one is busy by 40 % of a core more than the other, which
/// is more than processes that do the same work differ by from second to second.
const CPU_WEIGHT: f64 = 0.5;
/// How much full queues weigh. Half as much as the core: what waits is often the fault of its receiver,
/// who would be as slow elsewhere, but it is memory, and new clients wait behind it.
const QUEUE_WEIGHT: f64 = 0.25;
/// Bytes waiting that count as full queues: eight clients that are about to be closed as slow consumers,
/// each with the 8 MiB that it may have by default.
const FULL_QUEUES: f64 = (64 << 20) as f64;

/// Another server, as it was heard of last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sister {
    /// Its run.
    pub id: Uuid,
    /// Where clients reach it.
    pub addr: SocketAddr,
    /// What it reported last.
    pub load: Load,
}

/// What becomes of a new client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It stays here.
    Stay,
    /// It is sent to one of these addresses, the best first.
    Go(Vec<String>),
}

/// What one server has decided lately.
#[derive(Debug)]
pub struct Balance {
    own_id: Uuid,
    /// Whether clients are being sent away. It begins above the fair share and the margin, and ends below
    /// the fair share and half of the margin, so that it does not flap between two clients.
    sending: bool,
    sent: HashMap<Uuid, Sent>,
}

/// How many were sent to a server since its report of this number.
#[derive(Debug, Clone, Copy)]
struct Sent {
    at: u32,
    clients: u32,
}

/// A server that could be a target.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: Uuid,
    addr: SocketAddr,
    at: u32,
    score: f64,
}

impl Balance {
    /// For the server of this run: it has sent nobody yet.
    pub fn new(own_id: Uuid) -> Self {
        Balance { own_id, sending: false, sent: HashMap::new() }
    }

    /// Decides for one new client that would follow, and remembers it. `own` is how this server is now;
    /// whether the new client is counted in it makes no difference. `others` are the servers that are
    /// taken to be alive.
    pub fn place(&mut self, own: &Load, others: &[Sister]) -> Place {
        self.forget_the_gone(others);
        let open = self.open(own, others);
        let targets = if own.draining || is_full(own, own.clients) {
            // Whoever stays would be refused: anywhere is better.
            open.candidates
        } else {
            self.sending = match self.sending {
                true => open.own_score >= open.fair + open.margin / 2.0,
                false => open.own_score > open.fair + open.margin,
            };
            match self.sending {
                // With one client more they must still have less than most, and less than this one.
                true => {
                    let most = open.mean.max(1.0).min(open.own_score);
                    open.candidates.into_iter().filter(|c| c.score + 1.0 <= most).collect()
                }
                false => Vec::new(),
            }
        };
        match self.choose(targets) {
            targets if targets.is_empty() => Place::Stay,
            targets => Place::Go(targets),
        }
    }

    /// Where one client of a server that stops should go, the least loaded first; those that have not
    /// reported yet where nobody else has room, and none when there are none of these either. To be asked
    /// for each client: who was named first counts as taken by it, so that equal servers are named in
    /// turn, and one with few clients is named first until it has as many as the others.
    pub fn away(&mut self, others: &[Sister]) -> Vec<String> {
        self.forget_the_gone(others);
        let stopping = Load { draining: true, ..Load::default() };
        let open = self.open(&stopping, others);
        match self.choose(open.candidates) {
            // Who has just started, or has just been met, has not reported yet. That it has room is
            // likelier than that this server, which stops, is there for its clients.
            none if none.is_empty() => {
                let new = others.iter().filter(|sister| is_unreported(&sister.load) && is_reachable(sister));
                new.take(MAX_TARGETS).map(|sister| sister.addr.to_string()).collect()
            }
            targets => targets,
        }
    }

    /// The best of the candidates, of which the first is taken to get the client.
    fn choose(&mut self, mut candidates: Vec<Candidate>) -> Vec<String> {
        // Equal ones have an order of their own for each server that sends: not all choose the same.
        let own = self.own_id.as_u128();
        candidates.sort_by(|a, b| {
            let lower = a.score.partial_cmp(&b.score).unwrap_or(Ordering::Equal);
            lower.then_with(|| (a.id.as_u128() ^ own).cmp(&(b.id.as_u128() ^ own)))
        });
        if let Some(best) = candidates.first() {
            let sent = self.sent.entry(best.id).or_insert(Sent { at: best.at, clients: 0 });
            if sent.at != best.at {
                *sent = Sent { at: best.at, clients: 0 };
            }
            sent.clients = sent.clients.saturating_add(1);
        }
        candidates.iter().take(MAX_TARGETS).map(|candidate| candidate.addr.to_string()).collect()
    }

    /// Scores everybody. A server's score is a number of clients: those that it has, and as many more as
    /// its work is worth.
    fn open(&self, own: &Load, others: &[Sister]) -> Open {
        let open: Vec<(&Sister, u32)> = others
            .iter()
            .map(|sister| (sister, self.expected(sister)))
            .filter(|(sister, clients)| is_target(sister, *clients))
            .collect();
        // A server that takes nobody is no measure for the share of those that do.
        let own_counts = u32::from(!own.draining);
        let servers = f64::from(own_counts) + open.len() as f64;
        let clients: f64 = open.iter().map(|(_, clients)| f64::from(*clients)).sum();
        let mean_clients = (clients + f64::from(own.clients * own_counts)) / servers.max(1.0);
        let score = |load: &Load, clients: u32| f64::from(clients) + mean_clients * work(load);
        let candidates: Vec<Candidate> = open
            .into_iter()
            .map(|(Sister { id, addr, load }, clients)| Candidate {
                id: *id,
                addr: *addr,
                at: load.at,
                score: score(load, clients),
            })
            .collect();
        let own_score = score(own, own.clients);
        let scores: f64 = candidates.iter().map(|candidate| candidate.score).sum();
        let mean = (scores + own_score * f64::from(own_counts)) / servers.max(1.0);
        let margin = (mean_clients * MARGIN_PER_MILLE / 1000.0).max(MIN_MARGIN);
        let lowest = candidates.iter().map(|candidate| candidate.score).fold(f64::INFINITY, f64::min);
        Open { own_score, mean, fair: mean.min(lowest + margin), margin, candidates }
    }

    /// Clients that a server has by now: those that it reported and those that were sent there since.
    fn expected(&self, sister: &Sister) -> u32 {
        let sent = self.sent.get(&sister.id).filter(|sent| sent.at == sister.load.at);
        sister.load.clients.saturating_add(sent.map_or(0, |sent| sent.clients))
    }

    /// Keeps what was sent in bounds: for one server more than there are, at the most.
    fn forget_the_gone(&mut self, others: &[Sister]) {
        if self.sent.len() > others.len() {
            self.sent.retain(|id, _| others.iter().any(|sister| sister.id == *id));
        }
    }
}

/// The servers that could take a client, and what is normal among them.
struct Open {
    own_score: f64,
    mean: f64,
    /// The share that nobody sends clients away for: the mean, but no more than the margin above the
    /// lowest. Else one server that has just started could stay empty beside many that are just above
    /// the mean.
    fair: f64,
    margin: f64,
    candidates: Vec<Candidate>,
}

/// What a server's work is worth, as a share of the mean number of clients: 0 to 0.75.
fn work(load: &Load) -> f64 {
    // More than a core does not make it worse: what is too much for one thread is too much already.
    let cpu = f64::from(load.cpu.min(1000)) / 1000.0;
    let queues = (load.queued as f64 / FULL_QUEUES).min(1.0);
    CPU_WEIGHT * cpu + QUEUE_WEIGHT * queues
}

fn is_full(load: &Load, clients: u32) -> bool {
    clients >= load.max_clients
}

/// Whether nothing was told of it yet.
fn is_unreported(load: &Load) -> bool {
    load.at == 0 && load.max_clients == 0 && !load.draining
}

/// Whether a client may be sent there. One that has not reported yet has no room that is known of.
fn is_target(sister: &Sister, clients: u32) -> bool {
    is_reachable(sister) && !sister.load.draining && !is_full(&sister.load, clients)
}

fn is_reachable(sister: &Sister) -> bool {
    !sister.addr.ip().is_unspecified() && sister.addr.port() != 0
}

#[cfg(test)]
mod tests;
