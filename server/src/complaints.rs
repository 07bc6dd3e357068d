//! How often the log hears of what many clients may do as often as they like: lines that make no sense,
//! connections for which there is no room. Pure. They must not fill the disk: at most so many are told in a
//! second, and then how many were not.

use std::time::{Duration, Instant};

/// What is told in one [`WINDOW`]. A guess: what a person reads.
const MOST: u32 = 10;
/// The time for which they are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// What was told lately.
#[derive(Debug, Default)]
pub struct Complaints {
    since: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl Complaints {
    /// Whether one more is told; and if so, how many were left out before it.
    pub fn one_more(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            self.since = Some(now);
            self.told = 0;
        }
        if self.told == MOST {
            self.left_out += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_in_a_few_lines() {
        let (mut complaints, now) = (Complaints::default(), Instant::now());
        let told = (0..1000).filter(|_| complaints.one_more(now).is_some()).count();
        assert_eq!(told, MOST as usize);
        assert_eq!(complaints.one_more(now + WINDOW), Some(990));
        assert_eq!(complaints.one_more(now + WINDOW), Some(0));
    }
}
