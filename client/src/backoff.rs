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

/// The attempts after one loss: which address comes next, and after which delay.
#[derive(Debug)]
pub(crate) struct Retry {
    backoff: Backoff,
    addresses: Vec<String>,
    /// Attempts so far, and of how many rounds the delay is to be counted before them.
    attempts: usize,
    rounds_before: u32,
    /// What the hub asked for, used up by the first attempt.
    not_before: Duration,
}

impl Retry {
    /// The addresses that the hub named come first, then the one that was lost, then the configured
    /// ones.
    pub(crate) fn new(
        backoff: Backoff,
        servers: &[String],
        lost: &str,
        elsewhere: &[String],
        retry_ms: u64,
        rounds_before: u32,
    ) -> Self {
        let mut addresses: Vec<String> = Vec::new();
        for addr in
            elsewhere.iter().map(String::as_str).chain([lost]).chain(servers.iter().map(String::as_str))
        {
            if !addresses.iter().any(|a| a == addr) {
                addresses.push(addr.to_owned());
            }
        }
        let not_before = Duration::from_millis(retry_ms).min(MAX_RETRY);
        Retry { backoff, addresses, attempts: 0, rounds_before, not_before }
    }

    /// Rounds that are complete, to go on from when the new connection does not last.
    pub(crate) fn rounds(&self) -> u32 {
        let rounds = u32::try_from(self.attempts / self.addresses.len()).unwrap_or(u32::MAX);
        self.rounds_before.saturating_add(rounds)
    }

    /// The next attempt: how long to wait first, and where to connect then. Delays grow with each
    /// round over all addresses.
    pub(crate) fn next(&mut self, chance: f64) -> (Duration, &str) {
        let count = self.addresses.len();
        let delay = std::mem::take(&mut self.not_before) + self.backoff.delay(self.rounds(), chance);
        let addr = &self.addresses[self.attempts % count];
        self.attempts += 1;
        (delay, addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn delays_double_up_to_the_maximum_and_chance_shortens_them_by_half_at_most() {
        let backoff = Backoff::default();
        let full: Vec<_> = (0..8).map(|n| backoff.delay(n, 1.0).as_millis()).collect();
        assert_eq!(full, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.delay(3, 0.0), 400 * MS);
        assert_eq!(backoff.delay(u32::MAX, 1.0), backoff.max);
    }

    #[test]
    fn attempts_go_over_all_addresses_in_turn() {
        let servers = ["a:1".to_owned(), "b:2".to_owned()];
        let mut retry = Retry::new(Backoff::default(), &servers, "b:2", &[], 0, 0);
        for (ms, addr) in [(100, "b:2"), (100, "a:1"), (200, "b:2"), (200, "a:1")] {
            assert_eq!(retry.next(1.0), (ms * MS, addr));
        }
        let rounds = retry.rounds();
        let mut again = Retry::new(Backoff::default(), &servers, "a:1", &[], 0, rounds);
        assert_eq!(again.next(1.0), (400 * MS, "a:1"), "the connection did not last");
    }

    #[test]
    fn the_hub_says_where_to_go_and_when() {
        let mut retry = Retry::new(Backoff::default(), &["a:1".into()], "a:1", &["c:3".into()], 2000, 0);
        assert_eq!(retry.next(0.0), (2050 * MS, "c:3"));
        assert_eq!(retry.next(0.0), (50 * MS, "a:1"));
        let mut retry = Retry::new(Backoff::default(), &[], "a:1", &[], u64::MAX, 9);
        assert!(retry.next(1.0).0 <= MAX_RETRY + Backoff::default().max);
    }
}
