//! What a conversation has shown, bounded in lines and bytes: the oldest go. Pure.

use super::entry::{Entry, Said, What};
use std::collections::{HashMap, HashSet, VecDeque};

/// Bytes of one conversation's entries. A guess: ten thousand messages of some hundred bytes, and few
/// of the largest that a hub takes.
const MAX_BYTES: usize = 8 << 20;

/// The entries of one conversation, the oldest first.
#[derive(Debug)]
pub struct Scrollback {
    entries: VecDeque<Entry>,
    bytes: usize,
    next_id: u64,
    max_lines: usize,
    /// What is known of each origin whose messages were heard.
    origins: HashMap<Box<str>, Origin>,
}

/// What is known of an origin.
#[derive(Debug, Default)]
struct Origin {
    /// The last message that arrived by itself.
    heard: u64,
    /// The last one that was fetched.
    fetched: u64,
    /// Messages that were fetched before the gap that they belong to was told.
    early: u64,
}

/// Origins that are remembered; beyond that all are forgotten, which costs the filling of a gap. A
/// guess: more servers than a cluster has.
const MAX_ORIGINS: usize = 256;

impl Scrollback {
    /// An empty one for so many entries.
    pub fn new(max_lines: usize) -> Self {
        Scrollback {
            entries: VecDeque::new(),
            bytes: 0,
            next_id: 1,
            max_lines: max_lines.max(1),
            origins: HashMap::new(),
        }
    }

    /// Adds what has just happened, and says which it is.
    pub fn push(&mut self, at: i64, what: What) -> u64 {
        let entry = self.number(at, what);
        let id = entry.id;
        self.entries.push_back(entry);
        self.trim();
        id
    }

    /// Adds what somebody has just said. `false` if it was fetched already.
    pub fn hear(&mut self, at: i64, said: Said) -> bool {
        if let Some((origin, seq)) = &said.stamp {
            if self.origins.len() >= MAX_ORIGINS && !self.origins.contains_key(origin) {
                self.origins.clear();
            }
            let known = self.origins.entry(origin.clone()).or_default();
            known.heard = known.heard.max(*seq);
            // A gap before this message would have been told before it.
            known.early = 0;
            let is = |entry: &Entry| stamp(entry).is_some_and(|(o, s)| o == origin && s == seq);
            if *seq <= known.fetched && self.entries.iter().rev().any(is) {
                return false;
            }
        }
        self.push(at, What::Said(said));
        true
    }

    fn number(&mut self, at: i64, what: What) -> Entry {
        let entry = Entry { id: self.next_id, at, what, expanded: false };
        self.next_id += 1;
        self.bytes += entry.cost();
        entry
    }

    fn trim(&mut self) {
        self.trim_to(MAX_BYTES);
    }

    /// Forgets the oldest until the others have no more than so many bytes, or one is left.
    pub fn trim_to(&mut self, bytes: usize) {
        while self.entries.len() > self.max_lines || (self.bytes > bytes && self.entries.len() > 1) {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.bytes -= oldest.cost();
        }
    }

    /// Notes that messages of an origin are missing, unless they were fetched before this was known.
    /// Says whether any are.
    pub fn miss(&mut self, at: i64, mut missing: super::entry::Missing) -> bool {
        let early = self.origins.get_mut(&missing.origin).map(|known| std::mem::take(&mut known.early));
        missing.fetched = early.unwrap_or(0).min(missing.missed);
        let any = missing.left() > 0;
        if any {
            self.push(at, What::Gap(missing));
        }
        any
    }

    /// Adds messages that were said earlier and are not here yet, each where its time puts it, and
    /// counts them towards the gaps that they fill. Says how many there were.
    pub fn fetch(&mut self, past: Vec<(i64, What)>, fills_gaps: bool) -> usize {
        let known: HashSet<(Box<str>, u64)> = self.entries.iter().filter_map(stamp).cloned().collect();
        let mut count = 0;
        for (at, what) in past {
            let What::Said(said) = &what else { continue };
            let Some(stamp) = said.stamp.clone().filter(|stamp| !known.contains(stamp)) else { continue };
            let known = self.origins.entry(stamp.0.clone()).or_default();
            known.fetched = known.fetched.max(stamp.1);
            if fills_gaps {
                self.fill(&stamp);
            }
            let entry = self.number(at, what);
            // Notices of this machine's clock do not keep messages of the hub's from their place.
            let earlier = |e: &Entry| matches!(e.what, What::Said(_)) && e.at <= at;
            let place = self.entries.iter().rposition(earlier).map_or(0, |before| before + 1);
            // Of one origin the count decides: a millisecond is long.
            let counted = |e: &Entry| self::stamp(e).is_some_and(|(o, s)| *o == stamp.0 && *s > stamp.1);
            let place = self.entries.iter().position(counted).map_or(place, |after| place.min(after));
            self.entries.insert(place, entry);
            count += 1;
        }
        self.trim();
        count
    }

    /// Counts a fetched message towards the gap that it fills.
    fn fill(&mut self, (origin, seq): &(Box<str>, u64)) {
        let Some(known) = self.origins.get_mut(origin) else { return };
        if *seq > known.heard {
            known.early += 1;
            return;
        }
        let gap = self.entries.iter_mut().rev().find_map(|entry| match &mut entry.what {
            What::Gap(missing) if missing.origin == *origin && missing.left() > 0 => Some(missing),
            _ => None,
        });
        if let Some(missing) = gap {
            missing.fetched += 1;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Bytes that the entries hold, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a place.
    pub fn get(&self, index: usize) -> Option<&Entry> {
        self.entries.get(index)
    }

    /// The place of an entry; one that is gone was before all that are there.
    pub fn index_of(&self, id: u64) -> Option<usize> {
        // Nearly all are in order, and those that are asked for are near the end.
        self.entries.iter().rposition(|entry| entry.id == id)
    }

    /// The entry of this id.
    pub fn by_id_mut(&mut self, id: u64) -> Option<&mut Entry> {
        self.entries.iter_mut().rev().find(|entry| entry.id == id)
    }

    /// The entries, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The same, to be changed in what they show alone.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Entry> {
        self.entries.iter_mut()
    }

    /// The newest entry.
    pub fn last(&self) -> Option<&Entry> {
        self.entries.back()
    }
}

fn stamp(entry: &Entry) -> Option<&(Box<str>, u64)> {
    match &entry.what {
        What::Said(said) => said.stamp.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::{payload, Looks, Missing, Said};
    use super::*;

    fn said(origin: &str, seq: u64) -> What {
        What::Said(message(origin, seq))
    }

    fn message(origin: &str, seq: u64) -> Said {
        Said {
            from: "eve".into(),
            data: payload(&format!("{origin} {seq}")),
            channel: None,
            stamp: Some((origin.into(), seq)),
            own: false,
            mention: false,

            looks: Looks::default(),
        }
    }

    fn gap(origin: &str, missed: u64) -> Missing {
        Missing { origin: origin.into(), missed, fetched: 0, words: None }
    }

    fn shown(scrollback: &Scrollback) -> Vec<String> {
        scrollback.iter().map(|entry| entry.plain().into_owned()).collect()
    }

    #[test]
    fn the_oldest_go_by_lines_and_by_bytes() {
        let mut scrollback = Scrollback::new(3);
        for seq in 1..=5 {
            scrollback.push(0, said("a", seq));
        }
        assert_eq!(shown(&scrollback), ["eve: a 3", "eve: a 4", "eve: a 5"]);
        let large = |n: usize| What::Notice("x".repeat(n).into());
        scrollback.push(0, large(MAX_BYTES / 2));
        scrollback.push(0, large(MAX_BYTES / 2));
        assert_eq!(scrollback.len(), 1, "one always stays");
        scrollback.push(0, large(MAX_BYTES * 2));
        assert_eq!((scrollback.len(), scrollback.bytes > MAX_BYTES), (1, true));
        scrollback.push(0, said("a", 6));
        assert_eq!(shown(&scrollback), ["eve: a 6"]);
        assert_eq!(scrollback.bytes, scrollback.iter().map(Entry::cost).sum::<usize>());
    }

    #[test]
    fn what_was_said_before_is_put_in_its_place_once() {
        let mut scrollback = Scrollback::new(100);
        scrollback.push(50, What::Notice("joined".into()));
        scrollback.push(30, said("a", 3));
        scrollback.push(60, said("a", 6));
        let past = vec![(10, said("a", 1)), (20, said("b", 1)), (30, said("a", 3)), (40, said("a", 4))];
        assert_eq!(scrollback.fetch(past, false), 3);
        assert_eq!(
            shown(&scrollback),
            ["eve: a 1", "eve: b 1", "* joined", "eve: a 3", "eve: a 4", "eve: a 6"]
        );
    }

    #[test]
    fn what_is_fetched_fills_the_gap_whichever_comes_first() {
        let mut scrollback = Scrollback::new(100);
        scrollback.hear(10, message("a", 1));
        assert!(scrollback.miss(40, gap("a", 2)));
        scrollback.hear(40, message("a", 4));
        scrollback.fetch(vec![(20, said("a", 2))], true);
        assert_eq!(
            shown(&scrollback),
            ["eve: a 1", "eve: a 2", "* 2 messages missed, 1 fetched since", "eve: a 4"]
        );
        scrollback.fetch(vec![(30, said("a", 3)), (50, said("a", 5)), (60, said("a", 6))], true);
        assert!(shown(&scrollback).contains(&"* 2 messages missed, and fetched since".to_owned()));
        assert!(!scrollback.miss(70, gap("a", 2)), "they are here already");
        scrollback.hear(70, message("a", 7));
        assert!(scrollback.miss(80, gap("a", 2)), "these are others");
    }

    #[test]
    fn what_was_fetched_for_nothing_hides_no_gap() {
        let mut scrollback = Scrollback::new(100);
        scrollback.hear(10, message("a", 50));
        scrollback.clear();
        let past = (1..=51).map(|seq| (seq as i64, said("a", seq))).collect();
        scrollback.fetch(past, true);
        assert!(!scrollback.hear(20, message("a", 51)), "it is here already");
        assert!(scrollback.miss(30, gap("a", 1)));
    }

    #[test]
    fn of_one_millisecond_the_count_decides() {
        let mut scrollback = Scrollback::new(100);
        scrollback.hear(5, message("a", 3));
        scrollback.fetch(vec![(5, said("a", 1)), (5, said("a", 2)), (5, said("b", 9))], false);
        assert_eq!(shown(&scrollback), ["eve: a 1", "eve: a 2", "eve: a 3", "eve: b 9"]);
    }
}
