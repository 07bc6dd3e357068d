//! The first messages of handshakes that were heard lately, so that none counts twice. Pure; one a
//! run, owned by the shell that accepts links.

use std::collections::{BTreeSet, HashSet};

/// How far a first message's clock may be from ours. Machines that keep time by NTP differ by
/// milliseconds; a minute forgives one that does not.
pub const WINDOW_MS: i64 = 60_000;
/// How many are remembered: a restart of a cluster of 64 servers is 64 a server, and again for each
/// try. Only who knows the secret adds to them.
pub const MAX_SEEN: usize = 4096;

/// Why a first message does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its clock and ours are too far apart: the peer's is so many milliseconds ahead.
    #[error(
        "the peer's clock is {0} ms ahead of ours (behind, if negative): at most {WINDOW_MS} are \
         forgiven, so set the clocks"
    )]
    Time(i64),
    /// It was heard before, or is older than some that had to be forgotten.
    #[error("a handshake that was heard before is repeated")]
    Replayed,
}

/// See the file.
#[derive(Default)]
pub struct SeenHellos {
    by_time: BTreeSet<(i64, [u8; 32])>,
    challenges: HashSet<[u8; 32]>,
    /// The latest moment among those that were forgotten for want of room: what is not later may
    /// have been heard.
    floor: Option<i64>,
}

impl SeenHellos {
    /// Whether a first message counts; it is remembered then.
    pub fn admit(&mut self, challenge: [u8; 32], unix_ms: i64, now_ms: i64) -> Result<(), Unfit> {
        let is_near = |ms: i64| ms.saturating_sub(now_ms).saturating_abs() <= WINDOW_MS;
        if !is_near(unix_ms) {
            return Err(Unfit::Time(unix_ms.saturating_sub(now_ms)));
        }
        // What is refused by its time need not be remembered, be it old or from before our clock was
        // set back.
        while let Some(&far) = self.by_time.first().filter(|(ms, _)| !is_near(*ms)) {
            self.forget(far);
        }
        while let Some(&far) = self.by_time.last().filter(|(ms, _)| !is_near(*ms)) {
            self.forget(far);
        }
        self.floor = self.floor.filter(|&ms| is_near(ms));
        if self.floor.is_some_and(|floor| unix_ms <= floor) || !self.challenges.insert(challenge) {
            return Err(Unfit::Replayed);
        }
        self.by_time.insert((unix_ms, challenge));
        if self.by_time.len() > MAX_SEEN {
            let first = *self.by_time.first().expect("it is over its bound");
            self.forget(first);
            self.floor = Some(first.0);
        }
        Ok(())
    }

    fn forget(&mut self, entry: (i64, [u8; 32])) {
        self.by_time.remove(&entry);
        self.challenges.remove(&entry.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(number: u64) -> [u8; 32] {
        let mut challenge = [0; 32];
        challenge[..8].copy_from_slice(&number.to_be_bytes());
        challenge
    }

    #[test]
    fn a_challenge_counts_once_whatever_time_it_names() {
        let mut seen = SeenHellos::default();
        assert_eq!(seen.admit(challenge(1), 1_000_000, 1_000_000), Ok(()));
        assert_eq!(seen.admit(challenge(1), 1_000_000, 1_000_500), Err(Unfit::Replayed));
        assert_eq!(seen.admit(challenge(1), 1_000_400, 1_000_500), Err(Unfit::Replayed));
        assert_eq!(seen.admit(challenge(2), 1_000_400, 1_000_500), Ok(()));
    }

    #[test]
    fn clocks_may_be_a_minute_apart() {
        let mut seen = SeenHellos::default();
        assert_eq!(seen.admit(challenge(1), 40_000, 100_000), Ok(()));
        assert_eq!(seen.admit(challenge(2), 160_000, 100_000), Ok(()));
        assert_eq!(seen.admit(challenge(3), 39_999, 100_000), Err(Unfit::Time(-60_001)));
        assert_eq!(seen.admit(challenge(4), 160_001, 100_000), Err(Unfit::Time(60_001)));
        assert_eq!(seen.admit(challenge(5), i64::MIN, i64::MAX), Err(Unfit::Time(i64::MIN)));
    }

    #[test]
    fn what_is_remembered_goes_with_time_and_stays_bounded() {
        let mut seen = SeenHellos::default();
        for number in 0..10_000 {
            assert_eq!(seen.admit(challenge(number), 1_000 + number as i64, 1_000), Ok(()));
            assert!(seen.by_time.len() <= MAX_SEEN && seen.challenges.len() == seen.by_time.len());
        }
        assert_eq!(seen.admit(challenge(3), 1_003, 1_000), Err(Unfit::Replayed), "though it was forgotten");
        assert_eq!(seen.admit(challenge(10_001), 90_000, 90_000), Ok(()));
        assert_eq!(seen.by_time.len(), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_forgets_what_it_had_seen() {
        let mut seen = SeenHellos::default();
        assert_eq!(seen.admit(challenge(1), 9_000_000, 9_000_000), Ok(()));
        assert_eq!(seen.admit(challenge(2), 1_000_000, 1_000_000), Ok(()));
        assert_eq!(seen.by_time.len(), 1);
    }
}
