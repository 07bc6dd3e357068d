//! What anyone publishes, made fit for the cells of a terminal: control characters become visible
//! escapes, invisible ones go, marks stay behind what they mark and never pile up. After that each
//! character is 1 or 2 columns wide, or is a mark in the cell of the one before it.
//!
//! A terminal counts columns character by character, so that is how they are counted here: flags
//! and families of emoji come out as their parts. Pure; called for every row that is drawn, and
//! texts of plain ASCII are handed back after one look.

use hubbub_shared::encoding::escape::{escaped, is_plain, needs_escape};
use std::borrow::Cow;
use unicode_width::UnicodeWidthChar;

/// Marks behind one visible character at the most; further ones are dropped. Vietnamese and Hebrew
/// need two or three; more is a flood.
pub const MAX_MARKS: usize = 4;

/// Bytes of one cell at the most: a character and its marks, of 4 bytes each.
#[cfg(test)]
pub const MAX_CELL_BYTES: usize = 4 * (1 + MAX_MARKS);

/// What stands for what was left out at the end of a text.
const ELLIPSIS: char = '…';

/// Why a character cannot stay as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// A line break; of CRLF only the `\n` is told.
    Break,
    /// A tab.
    Tab,
    /// Moves the cursor, turns the direction of text, or has a width that terminals disagree on.
    Control,
    /// Takes no column and marks nothing, or is one mark too many.
    Hidden,
}

/// What a character is to a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Visible(u16),
    Mark,
    /// ZWJ and ZWNJ, which shape the letters of some scripts.
    Joiner,
    Unfit(Unfit),
}

fn class(ch: char) -> Class {
    match ch {
        ' '..='~' => Class::Visible(1),
        '\n' => Class::Unfit(Unfit::Break),
        '\t' => Class::Unfit(Unfit::Tab),
        '\u{200c}' | '\u{200d}' => Class::Joiner,
        c if needs_escape(c) || is_format(c) || is_none(c) => Class::Unfit(Unfit::Control),
        c if is_ignorable(c) => Class::Unfit(Unfit::Hidden),
        c => match c.width() {
            Some(0) => Class::Mark,
            Some(width @ 1..=2) => Class::Visible(width as u16),
            _ => Class::Unfit(Unfit::Control),
        },
    }
}

/// Format characters of Unicode that are not ignorable: signs that enclose the digits behind them,
/// annotations, controls of hieroglyphs. Some terminals give them a column and some do not.
fn is_format(ch: char) -> bool {
    matches!(ch,
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}')
}

/// Numbers that Unicode gives to no character, ever.
fn is_none(ch: char) -> bool {
    matches!(ch, '\u{fdd0}'..='\u{fdef}') || u32::from(ch) & 0xfffe == 0xfffe
}

/// The default-ignorable characters of Unicode, but for those with a rule of their own: they have no shape, and
/// the fillers among them are 0, 1 or 2 columns wide, as each terminal likes.
fn is_ignorable(ch: char) -> bool {
    matches!(ch,
        '\u{ad}' | '\u{34f}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// A text fit for cells. Line breaks stay `\n`, a tab becomes four spaces, control characters
/// become visible escapes, what is hidden goes. Doing it twice changes nothing.
pub fn safe(text: &str) -> Cow<'_, str> {
    if is_plain_lines(text) {
        return Cow::Borrowed(text);
    }
    walk(text, true, show)
}

/// [`safe`] on one line: line breaks are shown as `⏎`.
pub fn safe_line(text: &str) -> Cow<'_, str> {
    if is_plain(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    walk(text, false, show)
}

fn show(ch: char, why: Unfit, out: &mut String) {
    match why {
        Unfit::Break => out.push('⏎'),
        Unfit::Tab => out.push_str("    "),
        Unfit::Control => out.push_str(&escaped(ch)),
        Unfit::Hidden => {}
    }
}

/// Hands every character that cannot stay to `put`, which appends what is fit in its place, or
/// nothing; all others are kept. This is what [`safe`] is made of, for those who write other escapes.
pub fn replace(text: &str, put: impl FnMut(char, Unfit, &mut String)) -> Cow<'_, str> {
    walk(text, false, put)
}

fn walk(text: &str, keep_breaks: bool, mut put: impl FnMut(char, Unfit, &mut String)) -> Cow<'_, str> {
    let mut out: Option<String> = None;
    // What marks would stand behind, and how many already do. It follows what is in the result,
    // not what was in the text, so that a second pass finds nothing to do.
    let mut base: Option<char> = None;
    let mut marks = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, ch)) = chars.next() {
        let why = match class(ch) {
            Class::Visible(_) => {
                (base, marks) = (Some(ch), 0);
                None
            }
            Class::Unfit(Unfit::Break) => {
                (base, marks) = (None, 0);
                (!keep_breaks).then_some(Unfit::Break)
            }
            Class::Unfit(why) => Some(why),
            Class::Mark | Class::Joiner if base.is_none() || marks == MAX_MARKS => Some(Unfit::Hidden),
            Class::Joiner
                if !base.is_some_and(is_letter) || !chars.peek().is_some_and(|n| is_letter(n.1)) =>
            {
                Some(Unfit::Hidden)
            }
            Class::Mark | Class::Joiner => {
                marks += 1;
                None
            }
        };
        let Some(why) = why else {
            if let Some(out) = &mut out {
                out.push(ch);
            }
            continue;
        };
        let out = out.get_or_insert_with(|| {
            let mut out = String::with_capacity(text.len() + 16);
            out.push_str(&text[..at]);
            out
        });
        if ch == '\r' && chars.peek().is_some_and(|n| n.1 == '\n') {
            continue;
        }
        let before = out.len();
        put(ch, why, out);
        if let Some(last) = out[before..].chars().next_back() {
            (base, marks) = (Some(last), 0);
        }
    }
    out.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Whether ZWJ and ZWNJ may stand beside it: a letter of one column, as in Persian or Hindi.
fn is_letter(ch: char) -> bool {
    ch.is_alphabetic() && class(ch) == Class::Visible(1)
}

/// Whether all bytes are printable ASCII or line breaks; without an early exit, like [`is_plain`].
fn is_plain_lines(text: &str) -> bool {
    text.bytes().fold(true, |plain, b| plain & ((0x20..0x7f).contains(&b) | (b == b'\n')))
}

/// The columns of one character of a safe text.
fn columns(ch: char) -> u16 {
    match ch {
        ' '..='~' => 1,
        c => c.width().map_or(0, |width| width.min(2) as u16),
    }
}

/// What goes into the cells of a safe text: each visible character with its marks, and its 1 or 2
/// columns. A `\n` is an item of its own with no column. Text that is not safe does no harm here,
/// but its columns are not what a terminal makes of them.
pub fn cells(safe: &str) -> Cells<'_> {
    Cells { rest: safe }
}

/// See [`cells`].
#[derive(Debug, Clone)]
pub struct Cells<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Cells<'a> {
    type Item = (&'a str, u16);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // Nearly all: an ASCII character that another follows.
        let (len, width) = match *self.rest.as_bytes() {
            [] => return None,
            [b'\n', ..] => (1, 0),
            [first, second, ..] if first < 0x80 && second < 0x80 => (1, u16::from(first >= 0x20)),
            _ => first_cell(self.rest),
        };
        let (cell, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some((cell, width))
    }
}

/// The bytes and columns of the first cell, which is not a line break.
fn first_cell(text: &str) -> (usize, u16) {
    let mut chars = text.char_indices();
    let width = chars.next().map_or(0, |(_, ch)| columns(ch));
    let end = chars.find(|(_, ch)| *ch == '\n' || columns(*ch) > 0);
    (end.map_or(text.len(), |(at, _)| at), width)
}

/// The columns that a safe text takes on one row.
pub fn width(safe: &str) -> usize {
    if is_plain(safe.as_bytes()) {
        return safe.len();
    }
    cells(safe).map(|(_, width)| usize::from(width)).sum()
}

/// A safe text cut to a width, with `…` in the last column where something was left out.
pub fn cut(safe: &str, width: usize) -> Cow<'_, str> {
    if width == 0 {
        return Cow::Borrowed("");
    }
    let (mut at, mut used) = (0, 0);
    // Where the ellipsis would stand.
    let mut keep = 0;
    for (cell, columns) in cells(safe) {
        used += usize::from(columns);
        if used > width {
            let mut out = String::with_capacity(keep + ELLIPSIS.len_utf8());
            out.push_str(&safe[..keep]);
            out.push(ELLIPSIS);
            return Cow::Owned(out);
        }
        at += cell.len();
        if used < width {
            keep = at;
        }
    }
    Cow::Borrowed(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn plain_text_is_handed_back_as_it_is() {
        for text in ["", "plain", "two\nlines", "grüße\n日本", "e\u{301}", "⠀ braille"] {
            assert!(matches!(safe(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn what_would_move_the_cursor_is_shown_as_an_escape() {
        assert_eq!(safe("a\x1b[2Jb\u{7f}\u{9b}"), "a\\x1b[2Jb\\x7f\\u{9b}");
        assert_eq!(safe("\u{202e}evil\u{2066}\u{2028}"), "\\u{202e}evil\\u{2066}\\u{2028}");
        assert_eq!(safe("one\ntwo\r\nthree\rfour\tfive"), "one\ntwo\nthree\\x0dfour    five");
        assert_eq!(safe_line("one\ntwo\r\nthree"), "one⏎two⏎three");
        assert_eq!(safe("\u{fff9}a\u{600}"), "\\u{fff9}a\\u{600}");
    }

    #[test]
    fn marks_stay_behind_what_they_mark_and_never_pile_up() {
        assert_eq!(safe("e\u{301}"), "e\u{301}");
        assert_eq!(
            safe(&format!("e{}x", "\u{301}".repeat(1000))),
            format!("e{}x", "\u{301}".repeat(MAX_MARKS))
        );
        assert_eq!(safe("\u{301}\u{302}a\n\u{303}b"), "a\nb");
        // Conjoining jamo: a wide consonant, and the vowel and the final in its cell.
        assert_eq!(cells("\u{1112}\u{1161}\u{11ab}").collect::<Vec<_>>(), [("\u{1112}\u{1161}\u{11ab}", 2)]);
        assert_eq!(safe("\u{1112}\u{1161}\u{11ab}"), "\u{1112}\u{1161}\u{11ab}");
    }

    #[test]
    fn invisible_characters_go() {
        assert_eq!(safe("a\u{200b}b\u{2060}c\u{feff}d\u{ad}e\u{34f}f"), "abcdef");
        assert_eq!(safe("tag\u{e0001}\u{e0041}s \u{3164}\u{115f}\u{1160}\u{ffa0}!"), "tags !");
        assert_eq!(safe("\u{180e}\u{e0100}\u{fe00}\u{1d173}"), "");
    }

    #[test]
    fn emoji_come_out_as_their_parts() {
        assert_eq!(safe("❤\u{fe0f}"), "❤");
        assert_eq!(safe("👨\u{200d}👩\u{200d}👧"), "👨👩👧");
        assert_eq!(cells("👍🏽").collect::<Vec<_>>(), [("👍", 2), ("🏽", 2)]);
        assert_eq!(cells("🇩🇪").map(|(_, width)| width).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn joiners_stay_between_letters_that_they_shape() {
        assert_eq!(safe("می\u{200c}خواهم"), "می\u{200c}خواهم");
        assert_eq!(safe("क\u{94d}\u{200d}ष"), "क\u{94d}\u{200d}ष");
        assert_eq!(safe("a\u{200d} \u{200d}b日\u{200d}本\u{200c}"), "a b日本");
    }

    #[test]
    fn every_character_there_is_becomes_cells_of_one_or_two_columns() {
        // The planes between and behind these are empty or for private use.
        for ch in ('\0'..'\u{34000}').chain('\u{dffff}'..'\u{f0010}') {
            for text in [format!("{ch}"), format!("x{ch}")] {
                let safe = safe(&text);
                for (cell, width) in cells(&safe).filter(|(cell, _)| *cell != "\n") {
                    assert!((1..=2).contains(&width), "{ch:?} is {width} wide in {safe:?}");
                    assert!(cell.len() <= MAX_CELL_BYTES);
                    // The library that draws measures a cell as a whole.
                    assert_eq!(cell.width(), usize::from(width), "{ch:?} in {safe:?}");
                }
            }
        }
    }

    #[test]
    fn a_cut_text_says_so_in_its_last_column() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(cut("hello", 1), "…");
        assert_eq!(cut("hello", 0), "");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日", 1), "…");
        assert_eq!(cut("e\u{301}e\u{301}", 1), "…");
        assert_eq!(cut("e\u{301}e\u{301}e", 2), "e\u{301}…");
        assert_eq!(cut("", 3), "");
    }

    /// Strings that are made mostly of what has a rule here.
    fn tricky() -> impl Strategy<Value = String> {
        let ch = prop_oneof![
            proptest::sample::select(
                "a x\n\r\t\x1b\u{301}\u{200d}\u{200c}\u{fe0f}日👍🏽🇩ي\u{94d}क\u{1112}\u{1161}\u{202e}\u{200b}\u{e0041}⏎"
                    .chars()
                    .collect::<Vec<_>>()
            ),
            any::<char>(),
        ];
        prop_oneof![any::<String>(), proptest::collection::vec(ch, 0..40).prop_map(String::from_iter)]
    }

    proptest! {
        #[test]
        fn safe_text_stays_as_it_is(text in tricky()) {
            let once = safe(&text);
            prop_assert_eq!(safe(&once), once.clone());
            let line = safe_line(&text);
            prop_assert_eq!(safe_line(&line), line.clone());
            prop_assert_eq!(safe(&line), line.clone());
            prop_assert!(!line.contains('\n'));
        }

        #[test]
        fn safe_text_holds_nothing_that_moves_a_terminal(text in tricky()) {
            let safe = safe(&text);
            prop_assert!(safe.chars().all(|c| c == '\n' || !needs_escape(c) && !c.is_control()));
            prop_assert_eq!(cells(&safe).map(|(cell, _)| cell).collect::<String>(), safe.as_ref());
            let mut sum = 0;
            for (cell, width) in cells(&safe) {
                prop_assert!(cell == "\n" && width == 0 || (1..=2).contains(&width), "{cell:?} {width}");
                prop_assert!(cell.len() <= MAX_CELL_BYTES);
                prop_assert_eq!(usize::from(width), if cell == "\n" { 0 } else { cell.width() });
                sum += usize::from(width);
            }
            prop_assert_eq!(sum, width(&safe));
        }

        #[test]
        fn a_cut_text_never_passes_its_width(text in tricky(), most in 0..30usize) {
            let safe = safe(&text);
            let cut = cut(&safe, most);
            prop_assert!(width(&cut) <= most);
            if width(&safe) <= most && most > 0 {
                prop_assert_eq!(&cut, &safe);
            } else if most > 0 {
                prop_assert!(cut.ends_with(ELLIPSIS));
            }
        }

        #[test]
        fn text_that_is_not_safe_does_no_harm(text in any::<String>(), most in 0..30usize) {
            prop_assert_eq!(cells(&text).map(|(cell, _)| cell).collect::<String>(), text.clone());
            let _ = (width(&text), cut(&text, most));
        }
    }
}
