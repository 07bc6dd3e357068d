//! When which message is due, and who sends how many. Pure.

use std::time::{Duration, Instant};

/// Messages at even distances from a start, or each as soon as it can be.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start: Instant,
    /// Messages a second.
    rate: Option<u64>,
}

impl Schedule {
    pub fn new(start: Instant, rate: Option<u64>) -> Self {
        Schedule { start, rate }
    }

    /// When the message of this number, from 0, is due; `None` where there is no hurry and no rest.
    pub fn due(&self, number: u64) -> Option<Instant> {
        let rate = u128::from(self.rate?.max(1));
        let nanos = u128::from(number) * 1_000_000_000 / rate;
        Some(self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4)))
    }
}

/// How many of `total` are for the one at `index` (from 0) of `among`, when dealt out in turn.
pub fn share(total: u64, among: u64, index: u64) -> u64 {
    total / among + u64::from(index < total % among)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_even_distances_without_drift() {
        let start = Instant::now();
        let schedule = Schedule::new(start, Some(3));
        let after = |n| schedule.due(n).map(|due| (due - start).as_nanos());
        assert_eq!(after(0), Some(0));
        assert_eq!(after(1), Some(333_333_333));
        assert_eq!(after(3), Some(1_000_000_000));
        assert_eq!(after(3_000_000_000), Some(1_000_000_000_000_000_000));
        assert_eq!(Schedule::new(start, None).due(7), None);
    }

    #[test]
    fn shares_add_up() {
        let shares = |total, among| (0..among).map(|i| share(total, among, i)).collect::<Vec<_>>();
        assert_eq!(shares(10, 4), [3, 3, 2, 2]);
        assert_eq!(shares(2, 3), [1, 1, 0]);
    }
}
