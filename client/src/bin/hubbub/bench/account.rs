//! What one subscriber has received of each publisher of the run, so that no loss goes by unseen.
//! Pure.

use super::stamp::Stamp;

/// The books of one subscriber.
#[derive(Debug)]
pub struct Account {
    publishers: Vec<Publisher>,
    /// Where the last message came from: the next one is likely from there, too.
    last: usize,
    /// Messages that came for the first time, in their order.
    pub received: u64,
    /// Messages that came a second time, or behind later ones.
    pub repeated: u64,
    /// Messages of clients that have nothing to do with the run.
    pub others: u64,
}

#[derive(Debug)]
struct Publisher {
    name: String,
    /// How many it sends.
    total: u64,
    /// The number that comes next.
    next: u64,
}

impl Account {
    /// The books of a subscriber to publishers of these names, that send so many messages each.
    pub fn new(publishers: impl IntoIterator<Item = (String, u64)>) -> Self {
        let publishers = publishers.into_iter();
        let publishers = publishers.map(|(name, total)| Publisher { name, total, next: 0 }).collect();
        Account { publishers, last: 0, received: 0, repeated: 0, others: 0 }
    }

    /// Enters a message. Returns its publisher, when it belongs to the run and comes for the first
    /// time, and how far that publisher's messages are now.
    pub fn enter(&mut self, from: &str, stamp: Option<Stamp>) -> Option<(usize, u64)> {
        let known = |at: &usize| self.publishers.get(*at).is_some_and(|p| p.name == from);
        let at =
            Some(self.last).filter(known).or_else(|| self.publishers.iter().position(|p| p.name == from));
        let Some((at, number)) = at.zip(stamp.map(|stamp| stamp.number)) else {
            self.others += 1;
            return None;
        };
        self.last = at;
        let publisher = &mut self.publishers[at];
        if number < publisher.next {
            self.repeated += 1;
            return None;
        }
        publisher.next = number + 1;
        self.received += 1;
        Some((at, publisher.next))
    }

    /// Whether nothing more is to come.
    pub fn is_complete(&self) -> bool {
        self.publishers.iter().all(|p| p.next >= p.total)
    }

    /// How many messages are missing, those included that may still come.
    pub fn missing(&self) -> u64 {
        let total: u64 = self.publishers.iter().map(|p| p.total).sum();
        total.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stamp(number: u64) -> Option<Stamp> {
        Some(Stamp { at: Duration::ZERO, number })
    }

    #[test]
    fn holes_repetitions_and_strangers_are_told_apart() {
        let mut account = Account::new([("a".to_owned(), 3), ("b".to_owned(), 2)]);
        assert_eq!(account.enter("a", stamp(0)), Some((0, 1)));
        assert_eq!(account.enter("b", stamp(0)), Some((1, 1)));
        assert_eq!(account.enter("a", stamp(2)), Some((0, 3)), "1 is a hole");
        assert_eq!(account.enter("a", stamp(1)), None, "too late is out of order");
        assert_eq!(account.enter("b", stamp(0)), None);
        assert_eq!(account.enter("c", stamp(1)), None);
        assert_eq!(account.enter("b", None), None);
        assert!(!account.is_complete());
        assert_eq!(account.enter("b", stamp(1)), Some((1, 2)));
        assert!(account.is_complete());
        assert_eq!((account.received, account.repeated, account.others, account.missing()), (4, 2, 2, 1));
    }
}
