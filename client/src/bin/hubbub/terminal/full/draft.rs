//! What is being typed in one conversation: an editor of a few lines (ratatui-textarea), and the lines
//! that were typed before. Pure; what a key means is in `keys.rs`.

use super::safe::safe;
use super::wrap::count;
use ratatui::style::Style;
use ratatui_textarea::{CursorMove, TextArea, WrapMode};

/// Bytes of a draft. A guess: it is wrapped with every key, and more of it is a file for `hubbub pub`.
pub const MAX_BYTES: usize = 64 << 10;

/// A text that is being typed.
#[derive(Debug)]
pub struct Draft {
    area: TextArea<'static>,
    /// Which earlier line is shown, counted from the newest, and what was typed before that.
    earlier: Option<(usize, String)>,
}

impl Default for Draft {
    fn default() -> Self {
        Draft { area: editor(Vec::new()), earlier: None }
    }
}

fn editor(lines: Vec<String>) -> TextArea<'static> {
    let mut area = TextArea::new(lines);
    area.set_cursor_line_style(Style::default());
    area.set_wrap_mode(WrapMode::WordOrGlyph);
    area.set_max_histories(200);
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area
}

impl Draft {
    /// The editor, to be drawn and for its keys.
    pub fn area(&mut self) -> &mut TextArea<'static> {
        &mut self.area
    }

    /// What stands there.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Whether nothing stands there.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// Its lines.
    pub fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// Lets something else stand there.
    pub fn set(&mut self, text: &str) {
        self.area = editor(text.split('\n').map(str::to_owned).collect());
    }

    /// Takes what stands there; nothing does afterwards.
    pub fn take(&mut self) -> String {
        let text = self.text();
        *self = Draft::default();
        text
    }

    /// Puts a text in at the cursor. What no person types is left out of it; `false` when it is too
    /// long, and nothing was done.
    pub fn insert(&mut self, text: &str) -> bool {
        if self.area.lines().iter().map(|line| line.len() + 1).sum::<usize>() + text.len() > MAX_BYTES {
            return false;
        }
        let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
        let typed: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
        self.area.insert_str(typed);
        true
    }

    /// The line that the cursor is on, and where in it, in bytes.
    pub fn line(&self) -> (&str, usize) {
        let cursor = self.area.cursor();
        let line = self.area.lines().get(cursor.0).map_or("", String::as_str);
        let at = line.char_indices().nth(cursor.1).map_or(line.len(), |(at, _)| at);
        (line, at)
    }

    /// Replaces the line that the cursor is on, with the cursor at a byte of it.
    pub fn set_line(&mut self, line: &str, at: usize) {
        let row = self.area.cursor().0;
        let mut lines = self.area.lines().to_vec();
        if let Some(there) = lines.get_mut(row) {
            *there = line.to_owned();
        }
        let column = line.get(..at).map_or(0, |before| before.chars().count());
        self.area = editor(lines);
        let cell = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(cell(row), cell(column)));
    }

    /// Whether the cursor is on the first line, or on the last.
    pub fn at_edge(&self, first: bool) -> bool {
        let row = self.area.cursor().0;
        if first {
            row == 0
        } else {
            row + 1 >= self.area.lines().len()
        }
    }

    /// Shows an earlier line, or a later one, of those that were typed.
    pub fn recall(&mut self, earlier: bool, typed: &[String]) {
        let at = self.earlier.as_ref().map(|(at, _)| *at);
        let to = match (at, earlier) {
            (None, true) => 0,
            (Some(at), true) => at + 1,
            (None, false) => return,
            (Some(0), false) => {
                let (_, before) = self.earlier.take().unwrap_or_default();
                return self.set(&before);
            }
            (Some(at), false) => at - 1,
        };
        let Some(line) = typed.len().checked_sub(to + 1).and_then(|n| typed.get(n)) else { return };
        let before = match self.earlier.take() {
            // What was changed of an earlier line is what one was typing.
            Some((at, before)) if typed.iter().rev().nth(at).is_some_and(|line| *line == self.text()) => {
                before
            }
            _ => self.text(),
        };
        self.set(line);
        self.earlier = Some((to, before));
    }

    /// Rows that it takes at a width, at most so many.
    pub fn height(&self, columns: usize, most: usize) -> usize {
        // One column is the cursor's, behind the last character.
        let columns = columns.saturating_sub(1);
        let rows = |line: &String| count(&safe(line), columns, columns).max(1);
        self.area.lines().iter().take(most).map(rows).sum::<usize>().clamp(1, most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_lines_come_and_what_was_begun_comes_back() {
        let typed: Vec<String> = ["one", "two"].map(str::to_owned).into();
        let mut draft = Draft::default();
        draft.insert("begun");
        for (earlier, shown) in
            [(true, "two"), (true, "one"), (true, "one"), (false, "two"), (false, "begun"), (false, "begun")]
        {
            draft.recall(earlier, &typed);
            assert_eq!(draft.text(), shown);
        }
    }

    #[test]
    fn a_paste_is_text_and_bounded() {
        let mut draft = Draft::default();
        assert!(draft.insert("a\r\nb\rc\td\u{1b}[2Je\u{7f}"));
        assert_eq!(draft.text(), "a\nb\nc    d[2Je");
        assert!(!draft.insert(&"x".repeat(MAX_BYTES)));
        assert_eq!(draft.take(), "a\nb\nc    d[2Je");
        assert!(draft.is_empty());
    }

    #[test]
    fn the_line_of_the_cursor_is_replaced_alone() {
        let mut draft = Draft::default();
        draft.insert("first\n/wh süd");
        assert_eq!(draft.line(), ("/wh süd", 8));
        draft.set_line("/whois süd", 7);
        assert_eq!(draft.text(), "first\n/whois süd");
        assert_eq!(draft.line(), ("/whois süd", 7));
        assert!(draft.at_edge(false) && !draft.at_edge(true));
    }
}
