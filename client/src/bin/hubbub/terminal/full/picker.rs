//! The quick switcher's choice: which of many names fit a few letters, the best first, and which of them
//! is selected. Pure: it knows neither keys nor the screen. The switcher holds a [`Picker`].

/// What makes a match good. The values are guesses in the manner of fzf's: only their order counts.
mod points {
    /// A character that matches.
    pub const MATCH: i32 = 16;
    /// Right behind the one before.
    pub const RUN: i32 = 12;
    /// At the start of a token.
    pub const BORDER: i32 = 10;
    /// At the start of the name.
    pub const START: i32 = 14;
    /// A large letter behind a small one.
    pub const HUMP: i32 = 9;
    /// Each character between two that match costs one point, up to this many: a far match of a border is
    /// still one.
    pub const NEAR: usize = 8;
    /// The whole name.
    pub const WHOLE: i32 = 40;
}

/// Characters of what is typed. A guess: longer than anybody types, and short enough to rank thousands
/// of names within a frame.
pub const MAX_QUERY: usize = 64;

/// The places of the items that fit, the best first; among equals the order given stays. An item fits
/// when it has the query's characters in that order, without regard to case; an empty query fits all.
pub fn rank(query: &str, items: &[&str]) -> Vec<usize> {
    let query: Vec<char> = query.chars().map(fold).collect();
    let mut scored: Vec<(i32, usize)> =
        items.iter().enumerate().filter_map(|(at, item)| Some((score(&query, item)?, at))).collect();
    scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    scored.into_iter().map(|(_, at)| at).collect()
}

/// A character without regard to case, one for one.
fn fold(c: char) -> char {
    let mut small = c.to_lowercase();
    small.next().filter(|_| small.next().is_none()).unwrap_or(c)
}

fn fits(query: &[char], item: &str) -> bool {
    let mut chars = item.chars().map(fold);
    query.iter().all(|wanted| chars.any(|c| c == *wanted))
}

/// How well an item fits a folded query: the best over all ways to find it in there.
fn score(query: &[char], item: &str) -> Option<i32> {
    // Most items do not fit, and that is told fast.
    if !fits(query, item) {
        return None;
    }
    let chars: Vec<char> = item.chars().collect();
    let worth: Vec<i32> = (0..chars.len()).map(|at| worth(&chars, at)).collect();
    let chars: Vec<char> = chars.into_iter().map(fold).collect();
    // `ends[at]`: the best score in which the query so far ends at this character.
    let mut ends: Vec<Option<i32>> = Vec::new();
    for (nth, wanted) in query.iter().enumerate() {
        let mut now = vec![None; chars.len()];
        let mut far = None;
        for at in 0..chars.len() {
            // Those that are so far away that it no longer matters how far: one number, so that a long
            // name costs no more than its length.
            if let Some(from) = at.checked_sub(points::NEAR + 1).filter(|_| nth > 0) {
                far = far.max(ends[from]);
            }
            if chars[at] == *wanted {
                let before = if nth == 0 { Some(0) } else { reach(&ends, far, at) };
                now[at] = before.map(|before| before + points::MATCH + worth[at]);
            }
        }
        ends = now;
    }
    let best = if query.is_empty() { Some(0) } else { ends.into_iter().flatten().max() };
    let whole = if chars == query { points::WHOLE } else { 0 };
    best.map(|best| best + whole)
}

/// The best score with which a match at `at` can go on: from the characters near before it, or from far
/// away.
fn reach(ends: &[Option<i32>], far: Option<i32>, at: usize) -> Option<i32> {
    let near = ends[at.saturating_sub(points::NEAR)..at].iter().rev().zip(0..);
    let near = near.filter_map(|(end, gap)| Some((*end)? + if gap == 0 { points::RUN } else { -gap }));
    near.max().max(far.map(|far| far - points::NEAR as i32))
}

/// What a match at this character is worth beside the match itself.
fn worth(chars: &[char], at: usize) -> i32 {
    // `#` and `@` in front of a name are not the name.
    if chars[..at].iter().all(|c| !c.is_alphanumeric()) {
        return points::START;
    }
    match (chars[at - 1], chars[at]) {
        (before, _) if !before.is_alphanumeric() => points::BORDER,
        (before, c) if before.is_lowercase() && c.is_uppercase() => points::HUMP,
        _ => 0,
    }
}

/// Choosing one of many by a few letters.
#[derive(Debug, Clone, Default)]
pub struct Picker {
    items: Vec<String>,
    query: String,
    /// Those that fit, the best first.
    found: Vec<usize>,
    /// Which of them is selected.
    selected: usize,
}

impl Picker {
    /// A choice among these, the most likely first.
    pub fn new(items: Vec<String>) -> Picker {
        let mut picker = Picker { items, ..Picker::default() };
        picker.find();
        picker
    }

    /// Other items while it is open: what was typed stays, and so does the selected item, if it is among
    /// them.
    pub fn renew(&mut self, items: Vec<String>) {
        let selected = self.item().map(str::to_owned);
        self.items = items;
        self.find();
        let again = |selected: &String| self.found.iter().position(|at| self.items[*at] == *selected);
        self.selected = selected.as_ref().and_then(again).unwrap_or(0);
    }

    /// What was typed.
    pub fn query(&self) -> &str {
        &self.query
    }

    /// Types a text, or a single character. Blanks and control characters are in no name.
    pub fn insert(&mut self, text: &str) {
        let room = MAX_QUERY.saturating_sub(self.query.chars().count());
        self.query.extend(text.chars().filter(|c| !c.is_whitespace() && !c.is_control()).take(room));
        self.find();
    }

    /// Takes the last character back.
    pub fn backspace(&mut self) {
        self.query.pop();
        self.find();
    }

    /// Takes back all that was typed.
    pub fn clear(&mut self) {
        self.query.clear();
        self.find();
    }

    /// Selects the one above; above the first is the last.
    pub fn up(&mut self) {
        self.selected = self.selected.checked_sub(1).unwrap_or(self.found.len().saturating_sub(1));
    }

    /// Selects the one below; below the last is the first.
    pub fn down(&mut self) {
        self.selected = if self.selected + 1 < self.found.len() { self.selected + 1 } else { 0 };
    }

    /// The place of the selected item among those given.
    pub fn selected(&self) -> Option<usize> {
        self.found.get(self.selected).copied()
    }

    /// The selected item.
    pub fn item(&self) -> Option<&str> {
        self.selected().map(|at| self.items[at].as_str())
    }

    /// How many fit.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none fits.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The rows for a height, the selected one among them: each item with its place among those given,
    /// and whether it is selected.
    pub fn rows(&self, height: usize) -> impl Iterator<Item = (usize, &str, bool)> {
        // The selected one is in the middle, but for the first and the last rows.
        let last = self.found.len().saturating_sub(height);
        let first = self.selected.saturating_sub(height / 2).min(last);
        let row = move |(nth, at): (usize, &usize)| (*at, self.items[*at].as_str(), nth == self.selected);
        self.found.iter().enumerate().skip(first).take(height).map(row)
    }

    fn find(&mut self) {
        let items: Vec<&str> = self.items.iter().map(String::as_str).collect();
        self.found = rank(&self.query, &items);
        self.selected = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranked<'a>(query: &str, items: &[&'a str]) -> Vec<&'a str> {
        rank(query, items).into_iter().map(|at| items[at]).collect()
    }

    #[test]
    fn the_better_match_comes_first() {
        for (query, better, worse) in [
            ("ops", "ops", "ops.deploy"),
            ("ops", "ops.deploy", "dev-ops"),
            ("ops", "dev-ops", "stopsign"),
            ("ops", "#ops", "devops"),
            ("bd", "build.deploy", "embedded"),
            ("bd", "build-deploy", "abide"),
            ("dep", "ops.deploy", "dxexpx"),
            ("gh", "gitHub", "gothic-he"),
            ("dev", "team_dev", "mydevice"),
            ("log", "ops.logs.web", "oplxogs"),
            ("ab", "x.ab", "xa.xb"),
        ] {
            assert_eq!(ranked(query, &[worse, better]), [better, worse], "{query}");
            assert_eq!(ranked(query, &[better, worse]), [better, worse], "{query}");
        }
    }

    #[test]
    fn equals_keep_their_order_and_no_query_keeps_all() {
        assert_eq!(ranked("", &["c", "a", "b"]), ["c", "a", "b"]);
        assert_eq!(ranked("o", &["ops", "old", "bob", "oak"]), ["ops", "old", "oak", "bob"]);
        assert_eq!(ranked("BOB", &["bob", "Bob"]), ["bob", "Bob"]);
        assert_eq!(ranked("x", &["ops", ""]), [""; 0]);
        assert_eq!(ranked("opss", &["ops"]), [""; 0]);
        assert_eq!(ranked("Ä", &["bär"]), ["bär"]);
    }

    #[test]
    fn one_types_and_chooses() {
        let items = ["ops", "build.ops", "bob", "lobby"];
        let mut picker = Picker::new(items.map(str::to_owned).to_vec());
        assert_eq!((picker.item(), picker.len()), (Some("ops"), 4));
        picker.up();
        assert_eq!(picker.item(), Some("lobby"), "above the first is the last");
        picker.down();
        picker.down();
        assert_eq!(picker.item(), Some("build.ops"));
        picker.insert(" b");
        picker.insert("o\n\u{1b}");
        assert_eq!((picker.query(), picker.item(), picker.selected()), ("bo", Some("bob"), Some(2)));
        picker.down();
        picker.renew(vec!["new".into(), "build.ops".into(), "bob".into()]);
        assert_eq!(picker.item(), Some("build.ops"), "stays selected");
        picker.insert("zzz");
        assert!(picker.is_empty() && picker.item().is_none() && picker.rows(5).next().is_none());
        picker.up();
        picker.down();
        assert_eq!(picker.selected(), None);
        picker.backspace();
        assert_eq!(picker.query(), "bozz");
        picker.clear();
        assert_eq!((picker.len(), picker.item()), (3, Some("new")));
        picker.insert(&"a".repeat(1000));
        assert_eq!(picker.query().len(), MAX_QUERY);
    }

    #[test]
    fn the_window_follows_what_is_selected() {
        let mut picker = Picker::new((0..10).map(|n| n.to_string()).collect());
        let shown = |picker: &Picker| picker.rows(4).map(|(at, ..)| at).collect::<Vec<_>>();
        assert_eq!(shown(&picker), [0, 1, 2, 3]);
        (0..5).for_each(|_| picker.down());
        assert_eq!(shown(&picker), [3, 4, 5, 6]);
        (0..4).for_each(|_| picker.down());
        assert_eq!(shown(&picker), [6, 7, 8, 9]);
        assert_eq!(picker.rows(0).count(), 0);
        assert_eq!(picker.rows(99).filter(|(_, _, selected)| *selected).count(), 1);
    }

    proptest! {
        #[test]
        fn what_is_found_has_the_query_in_it(
            query in "[a-cA-C.]{0,4}|\\PC{0,6}",
            items in proptest::collection::vec("[a-cA-C.#_-]{0,12}|\\PC{0,20}", 0..12),
        ) {
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            let found = rank(&query, &items);
            let folded: Vec<char> = query.chars().map(fold).collect();
            for (at, item) in items.iter().enumerate() {
                prop_assert_eq!(found.contains(&at), fits(&folded, item), "{:?} in {:?}", query, item);
            }
            let mut once = found.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), found.len());
        }

        #[test]
        fn no_way_to_choose_panics(steps in proptest::collection::vec(0u8..6, 0..40), height in 0usize..7) {
            let mut picker = Picker::new(["ops", "bob", "build.ops"].map(str::to_owned).to_vec());
            for step in steps {
                match step {
                    0 => picker.up(),
                    1 => picker.down(),
                    2 => picker.insert("o"),
                    3 => picker.backspace(),
                    4 => picker.renew(vec!["bob".into(), "lobby".into()]),
                    _ => picker.clear(),
                }
                prop_assert_eq!(picker.selected().is_some(), !picker.is_empty());
                let shown = picker.rows(height).filter(|(_, _, selected)| *selected).count();
                prop_assert_eq!(shown, usize::from(height > 0 && !picker.is_empty()));
            }
        }
    }
}
