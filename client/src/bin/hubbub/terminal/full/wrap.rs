//! Breaks a safe text into the rows of a screen: at line breaks, between words, and hard inside
//! words that are longer than a row. It gives places in the text and copies nothing. Pure and
//! linear in the text; called for every message that comes into view.

use super::safe::{cells, Cells};
use hubbub_shared::encoding::escape::is_plain;
use std::ops::Range;

/// A text is looked at as a whole only up to this length, wider than any screen: the look is
/// repeated for every row, and would not be linear otherwise.
const MAX_GLANCE: usize = 1024;

/// The rows of a safe text, as byte ranges: `first` columns on the first row, `rest` on all others
/// (0 counts as 1). Spaces at which a row was broken belong to none; spaces that begin a line stay,
/// as far as they fit. An empty line is an empty row, so there is always a first one. A wide
/// character that does not fit a row of one column gets a row of its own.
pub fn wrap(safe: &str, first: usize, rest: usize) -> Vec<Range<usize>> {
    rows(safe, first, rest).collect()
}

/// How many rows [`wrap`] gives.
pub fn count(safe: &str, first: usize, rest: usize) -> usize {
    rows(safe, first, rest).count()
}

/// The rows one by one, for those who stop early.
pub fn rows(safe: &str, first: usize, rest: usize) -> Rows<'_> {
    Rows { text: safe, at: Some(0), width: first.max(1), rest: rest.max(1) }
}

/// See [`rows`].
#[derive(Debug, Clone)]
pub struct Rows<'a> {
    text: &'a str,
    /// Where the next row begins; none behind the last.
    at: Option<usize>,
    width: usize,
    rest: usize,
}

impl Iterator for Rows<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let start = self.at?;
        let width = std::mem::replace(&mut self.width, self.rest);
        // Most messages: a few words that fit.
        if self.text.len() - start <= width.min(MAX_GLANCE) && is_plain(&self.text.as_bytes()[start..]) {
            self.at = None;
            return Some(start..self.text.len());
        }
        let (end, next) =
            plain_row(self.text, start, width).unwrap_or_else(|| any_row(self.text, start, width));
        self.at = next;
        Some(start..end)
    }
}

/// [`any_row`] for a row of printable ASCII that is full, where bytes are columns.
fn plain_row(text: &str, start: usize, width: usize) -> Option<(usize, Option<usize>)> {
    let bytes = &text.as_bytes()[start..];
    let (row, behind) = bytes.split_at_checked(width.min(MAX_GLANCE + 1))?;
    let (&over, behind) = behind.split_first()?;
    // Behind the first character that does not fit there may be marks of its own.
    if width > MAX_GLANCE
        || !is_plain(row)
        || !is_plain(&[over])
        || behind.first().is_some_and(|b| !b.is_ascii())
    {
        return None;
    }
    let words_end = |part: &[u8]| part.iter().rposition(|b| *b != b' ').map(|at| start + at + 1);
    let full = start + width;
    if over == b' ' {
        let next = behind_spaces(text, full + 1, cells(&text[full + 1..]));
        return Some((words_end(row).unwrap_or(full), next));
    }
    let broken =
        memchr::memrchr(b' ', row).and_then(|space| Some((words_end(&row[..space])?, start + space + 1)));
    let (end, next) = broken.unwrap_or((full, full));
    Some((end, Some(next)))
}

/// Where the row that begins at `start` ends, and where the next begins. At most one row is read
/// ahead, and what was read ahead is read once more: a word that is moved to the next row starts
/// it, and from there it can only be broken.
fn any_row(text: &str, start: usize, width: usize) -> (usize, Option<usize>) {
    let (mut at, mut used) = (start, 0);
    // The end of the last word that is whole, and where the one behind it begins.
    let mut between: Option<(usize, usize)> = None;
    let mut word_end: Option<usize> = None;
    let mut rest = cells(&text[start..]);
    while let Some((cell, columns)) = rest.next() {
        let columns = usize::from(columns);
        let full = used + columns > width && at > start;
        match cell {
            "\n" => return (at, Some(at + 1)),
            " " if full => return (word_end.unwrap_or(at), behind_spaces(text, at + 1, rest)),
            " " => {}
            _ => {
                if let Some(end) = word_end.filter(|end| *end < at) {
                    between = Some((end, at));
                }
                if full {
                    let (end, next) = between.unwrap_or((at, at));
                    return (end, Some(next));
                }
                word_end = Some(at + cell.len());
            }
        }
        used += columns;
        at += cell.len();
    }
    (at, None)
}

/// Where the next row begins after a row that ended with spaces: behind all of them, and behind
/// the line break where they end the line.
fn behind_spaces(text: &str, mut at: usize, rest: Cells<'_>) -> Option<usize> {
    for (cell, _) in rest {
        match cell {
            " " => at += 1,
            "\n" => return Some(at + 1),
            _ => return Some(at),
        }
    }
    debug_assert_eq!(at, text.len());
    None
}

#[cfg(test)]
mod tests {
    use super::super::safe::{safe, width};
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn wrapped(text: &str, first: usize, rest: usize) -> Vec<&str> {
        wrap(text, first, rest).into_iter().map(|row| &text[row]).collect()
    }

    #[test]
    fn words_go_to_the_next_row_whole() {
        assert_eq!(wrapped("the quick brown fox", 10, 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("the quick brown fox", 5, 11), ["the", "quick brown", "fox"]);
        assert_eq!(wrapped("aaa bbb", 7, 7), ["aaa bbb"]);
        assert_eq!(wrapped("aaa    bbb", 5, 5), ["aaa", "bbb"]);
        assert_eq!(wrapped("aaa bbb", 3, 3), ["aaa", "bbb"]);
    }

    #[test]
    fn lines_break_where_they_were_broken() {
        assert_eq!(wrapped("", 5, 5), [""]);
        assert_eq!(wrapped("a\n\nb\n", 5, 5), ["a", "", "b", ""]);
        assert_eq!(wrapped("\n", 5, 5), ["", ""]);
        assert_eq!(wrapped("aaaaa\nb", 5, 5), ["aaaaa", "b"]);
    }

    #[test]
    fn spaces_begin_a_line_but_not_a_row() {
        assert_eq!(wrapped("  a\n    b", 9, 9), ["  a", "    b"]);
        assert_eq!(wrapped("        b", 5, 5), ["     ", "b"]);
        assert_eq!(wrapped("aaaaa     \nb", 5, 5), ["aaaaa", "b"]);
        assert_eq!(wrapped("aaaaa     ", 5, 5), ["aaaaa"]);
        assert_eq!(wrapped("aa  ", 5, 5), ["aa  "]);
    }

    #[test]
    fn a_word_longer_than_a_row_is_broken_hard() {
        assert_eq!(wrapped("abcdefghijkl", 5, 4), ["abcde", "fghi", "jkl"]);
        assert_eq!(wrapped("ab abcdefghijkl m", 5, 5), ["ab", "abcde", "fghij", "kl m"]);
        assert_eq!(wrapped("  abcdefg", 5, 5), ["  abc", "defg"]);
        assert_eq!(wrap(&"x".repeat(10_000), 10, 80).len(), 126);
    }

    #[test]
    fn wide_characters_and_marks_are_never_torn() {
        assert_eq!(wrapped("日本語", 5, 5), ["日本", "語"]);
        assert_eq!(wrapped("日 本\na", 1, 1), ["日", "本", "a"]);
        assert_eq!(wrapped("e\u{301}e\u{301}e\u{301}", 2, 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        assert_eq!(wrapped("ab", 0, 0), ["a", "b"]);
    }

    #[test]
    fn a_megabyte_is_wrapped_in_no_time() {
        for text in [
            " ",
            "x",
            "\n",
            "日",
            "x ",
            "a 日",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx ",
        ] {
            for (first, rest, length) in [(60, 80, 1 << 20), (1 << 20, 1, 1 << 17), (1, 1 << 20, 1 << 17)] {
                let text = text.repeat(length / text.len());
                let from = Instant::now();
                assert_ne!(count(&text, first, rest), 0);
                // Something quadratic would take hours.
                assert!(from.elapsed() < Duration::from_secs(30), "{:?}", from.elapsed());
            }
        }
    }

    fn tricky() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z]{1,9}",
            " {1,4}",
            proptest::sample::select(vec!["\n", "日", "日本語", "e\u{301}", "👍🏽", " \u{301}", "\t"])
                .prop_map(String::from),
            any::<String>(),
        ];
        proptest::collection::vec(piece, 0..20).prop_map(|pieces| safe(&pieces.concat()).into_owned())
    }

    proptest! {
        #[test]
        fn everything_visible_is_in_one_row_in_order(text in tricky(), first in 1..20usize, rest in 1..20usize) {
            let rows = wrap(&text, first, rest);
            let visible = |text: &str| {
                cells(text).map(|(cell, _)| cell).filter(|cell| !matches!(*cell, " " | "\n")).collect::<Vec<_>>().concat()
            };
            prop_assert_eq!(rows.iter().map(|row| visible(&text[row.clone()])).collect::<String>(), visible(&text));
            for two in rows.windows(2) {
                prop_assert!(two[0].end <= two[1].start);
                let between = &text[two[0].end..two[1].start];
                prop_assert!(between.chars().all(|c| matches!(c, ' ' | '\n')));
                prop_assert!(between.matches('\n').count() <= 1);
            }
            prop_assert_eq!(rows.first().map(|row| row.start), Some(0));
            prop_assert!(rows.iter().all(|row| !text[row.clone()].contains('\n')));
            prop_assert!(rows.len() > text.matches('\n').count());
        }

        #[test]
        fn no_row_passes_its_width(text in tricky(), first in 1..20usize, rest in 1..20usize) {
            for (n, row) in wrap(&text, first, rest).into_iter().enumerate() {
                let most = if n == 0 { first } else { rest };
                let row = &text[row];
                prop_assert!(width(row) <= most || most == 1 && cells(row).count() == 1, "{row:?} in {most}");
            }
        }

        #[test]
        fn the_way_for_plain_text_leads_to_the_same_rows(
            text in prop_oneof![tricky(), "[a-c ]{0,60}"], start in 0..40usize, width in 1..20usize,
        ) {
            let start = text.floor_char_boundary(start);
            if let Some(row) = plain_row(&text, start, width) {
                prop_assert_eq!(row, any_row(&text, start, width));
            }
        }

        #[test]
        fn rows_are_as_full_as_words_allow(text in "[a-c ]{0,60}", columns in 3..12usize) {
            for two in wrap(&text, columns, columns).windows(2) {
                let word = text[two[1].clone()].split(' ').next().map_or(0, str::len);
                let gap = two[1].start - two[0].end;
                prop_assert!(gap == 0 || two[0].len() + gap + word > columns, "{:?}", two);
            }
        }

        #[test]
        fn text_that_is_not_safe_does_no_harm(text in any::<String>(), first in 0..9usize, rest in 0..9usize) {
            prop_assert_eq!(wrap(&text, first, rest).len(), count(&text, first, rest));
        }
    }
}
