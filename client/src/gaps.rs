//! Whether something was missed: the last `seq` seen of each origin of one channel. Pure.

/// Origins remembered of one channel; over it the one that has been silent longest is forgotten and
/// starts afresh. A guess: more servers than a cluster has, and a restarted server is a new origin.
const MAX_ORIGINS: usize = 64;

/// What a `seq` says about the messages before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It is the next, or the first of its origin.
    Next,
    /// So many before it did not arrive.
    After(u64),
    /// It was there before.
    Again,
}

/// The origins of one channel, the one heard last in front.
#[derive(Debug, Default)]
pub(crate) struct Origins(Vec<(Box<str>, u64)>);

impl Origins {
    /// Notes a message. The first one of an origin sets the base.
    pub(crate) fn see(&mut self, origin: &str, seq: u64) -> Seen {
        let Some(at) = self.0.iter().position(|(known, _)| **known == *origin) else {
            self.0.truncate(MAX_ORIGINS - 1);
            self.0.insert(0, (origin.into(), seq));
            return Seen::Next;
        };
        // Messages come in runs of one origin: nearly always it stands in front already.
        self.0[..=at].rotate_right(1);
        let last = &mut self.0[0].1;
        if seq <= *last {
            return Seen::Again;
        }
        let missed = seq - *last - 1;
        *last = seq;
        if missed == 0 {
            Seen::Next
        } else {
            Seen::After(missed)
        }
    }

    /// How many origins are remembered.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets all but the origin that was heard last.
    pub(crate) fn keep_last(&mut self) {
        self.0.truncate(1);
        self.0.shrink_to_fit();
    }

    /// Forgets everything: the next message of each origin sets its base anew.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sets_the_base_and_holes_are_counted() {
        let mut origins = Origins::default();
        let seen: Vec<_> = [5, 6, 9, 9, 7, 10].iter().map(|seq| origins.see("a-1", *seq)).collect();
        assert_eq!(seen, [Seen::Next, Seen::Next, Seen::After(2), Seen::Again, Seen::Again, Seen::Next]);
    }

    #[test]
    fn origins_count_on_their_own_and_a_new_one_starts_afresh() {
        let mut origins = Origins::default();
        assert_eq!(origins.see("a-1", 7), Seen::Next);
        assert_eq!(origins.see("b-1", 1), Seen::Next);
        assert_eq!(origins.see("a-1", 8), Seen::Next);
        assert_eq!(origins.see("b-1", 3), Seen::After(1));
        assert_eq!(origins.see("a-2", 1), Seen::Next);
        origins.clear();
        assert_eq!(origins.see("b-1", 1), Seen::Next);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_silent_first() {
        let mut origins = Origins::default();
        for n in 0..MAX_ORIGINS {
            origins.see(&n.to_string(), 1);
        }
        origins.see("0", 2);
        origins.see("one more", 1);
        assert_eq!(origins.0.len(), MAX_ORIGINS);
        assert_eq!(origins.see("0", 4), Seen::After(1), "heard of lately");
        assert_eq!(origins.see("1", 9), Seen::Next, "forgotten");
    }
}
