//! When and where to try next after a connection is lost. Pure: chance and time come from the caller.

use std::time::Duration;

/// The longest that a hub can send a client away for. A guess: a hub that is gone for longer is not
/// worth waiting for, and a hub that means harm gains nothing.
const MAX_RETRY: Duration = Duration::from_secs(600);

/// Delays between attempts to reconnect: each is twice the one before, up to a maximum, and then
/// shortened by chance to between half and all of that, so that a thousand clients of a restarted
/// hub do not come back in the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay. Default 100 ms.
    pub initial: Duration,
    /// The longest delay. Default 5 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(5) }
    }
}

impl Backoff {
    /// The delay before a round of attempts, counted from 0; `chance` is from 0 to 1.
    pub(crate) fn delay(&self, round: u32, chance: f64) -> Duration {
        let full = self.initial.saturating_mul(1u32.checked_shl(round).unwrap_or(u32::MAX)).min(self.max);
        full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// The share of an attempt's time limit after which the next address is tried beside it: no more than
/// so many attempts are under way at once.
const SIDE_BY_SIDE: u32 = 4;
/// The time limit of an attempt in the first round, while there are other addresses. A guess: ten times
/// what a hub on the same continent takes, and short enough to pass over several hosts that swallow
/// everything and still be back within two seconds. Each round doubles it, for hubs that are far.
const FIRST_LIMIT: Duration = Duration::from_secs(1);

/// One attempt at each address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    /// How long to wait before it.
    pub(crate) delay: Duration,
    /// The time limit of each attempt.
    pub(crate) limit: Duration,
}

impl Round {
    /// The round that makes the first connection: it has all the time that the user allows.
    pub(crate) fn first(connect_timeout: Duration) -> Self {
        Round { delay: Duration::ZERO, limit: connect_timeout }
    }

    /// After so long without an answer the next address is tried as well.
    pub(crate) fn patience(&self) -> Duration {
        self.limit / SIDE_BY_SIDE
    }
}

/// The rounds after one loss. Between the addresses of one round there is no delay: that the first does
/// not answer says nothing about the second.
#[derive(Debug)]
pub(crate) struct Retry {
    backoff: Backoff,
    connect_timeout: Duration,
    has_others: bool,
    rounds: u32,
    rounds_before: u32,
    /// What the hub asked for, used up by the first round.
    not_before: Duration,
    /// The hub has said where to go, and when: that spreads its clients better than chance does.
    told: bool,
}

impl Retry {
    /// `addresses` is how many there are, `told` whether the hub named one. `rounds_before` keeps the
    /// delays growing over connections that do not last.
    pub(crate) fn new(
        backoff: Backoff,
        connect_timeout: Duration,
        addresses: usize,
        told: bool,
        retry_ms: u64,
        rounds_before: u32,
    ) -> Self {
        let not_before = Duration::from_millis(retry_ms).min(MAX_RETRY);
        let has_others = addresses > 1;
        Retry { backoff, connect_timeout, has_others, rounds: 0, rounds_before, not_before, told }
    }

    /// Rounds so far, to go on from when the new connection does not last.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds_before.saturating_add(self.rounds)
    }

    /// The next round over all addresses.
    pub(crate) fn next(&mut self, chance: f64) -> Round {
        let own = match self.told && self.rounds() == 0 {
            true => Duration::ZERO,
            false => self.backoff.delay(self.rounds(), chance),
        };
        let delay = std::mem::take(&mut self.not_before) + own;
        let short = FIRST_LIMIT.saturating_mul(1u32.checked_shl(self.rounds).unwrap_or(u32::MAX));
        let limit = match self.has_others {
            true => short.min(self.connect_timeout),
            false => self.connect_timeout,
        };
        self.rounds = self.rounds.saturating_add(1);
        Round { delay, limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const TIMEOUT: Duration = Duration::from_secs(5);

    fn retry(addresses: usize, told: bool, retry_ms: u64, rounds_before: u32) -> Retry {
        Retry::new(Backoff::default(), TIMEOUT, addresses, told, retry_ms, rounds_before)
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_chance_shortens_them_by_half_at_most() {
        let backoff = Backoff::default();
        let full: Vec<_> = (0..8).map(|n| backoff.delay(n, 1.0).as_millis()).collect();
        assert_eq!(full, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.delay(3, 0.0), 400 * MS);
        assert_eq!(backoff.delay(u32::MAX, 1.0), backoff.max);
    }

    #[test]
    fn each_round_waits_longer_and_gives_each_address_more_time() {
        let mut several = retry(3, false, 0, 0);
        let rounds: Vec<_> = (0..4).map(|_| several.next(1.0)).map(|r| (r.delay, r.limit)).collect();
        let expected = [(100, 1000), (200, 2000), (400, 4000), (800, 5000)].map(|(a, b)| (a * MS, b * MS));
        assert_eq!(rounds, expected);
        assert_eq!(retry(1, false, 0, 0).next(1.0).limit, TIMEOUT, "nobody else waits for its turn");
        assert_eq!(retry(2, false, 0, 0).next(1.0).patience(), 250 * MS);
        let mut again = retry(3, false, 0, several.rounds());
        assert_eq!(again.next(1.0), Round { delay: 1600 * MS, limit: 1000 * MS }, "it did not last");
    }

    #[test]
    fn the_hub_says_when_to_come_back_and_where_it_also_says_where_nothing_is_added() {
        assert_eq!(retry(2, false, 2000, 0).next(0.0).delay, 2050 * MS);
        let mut told = retry(2, true, 2000, 0);
        assert_eq!(told.next(0.0).delay, 2000 * MS);
        assert_eq!(told.next(0.0).delay, 100 * MS);
        assert_eq!(retry(2, true, 0, 3).next(0.0).delay, 400 * MS, "sent to and fro");
        assert!(retry(1, true, u64::MAX, 99).next(1.0).delay <= MAX_RETRY + Backoff::default().max);
    }
}
