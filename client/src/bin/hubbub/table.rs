//! Lists for people: aligned columns under a header. Pure. Every cell is escaped here, so that what
//! other clients wrote cannot move the reader's cursor.

use crate::style::Style;
use hubbub_shared::encoding::escape::shown;

/// On which side a column's cells are flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows under a header.
pub struct Table {
    columns: &'static [(&'static str, Side)],
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &'static [(&'static str, Side)]) -> Self {
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row; it has one cell a column.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(cells.iter().map(|cell| shown(cell)).collect());
    }

    /// The lines. A table without rows is empty, so that scripts see nothing where nothing is.
    pub fn render(&self, style: Style) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.rows.iter().map(|row| row[at].chars().count());
                cells.max().unwrap_or(0).max(self.columns[at].0.len())
            })
            .collect();
        let header: Vec<String> = self.columns.iter().map(|(title, _)| (*title).to_owned()).collect();
        let mut out = style.dim(&self.line(&header, &widths));
        out.push('\n');
        for row in &self.rows {
            out.push_str(&self.line(row, &widths));
            out.push('\n');
        }
        out
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), (_, side)) in cells.iter().zip(widths).zip(self.columns) {
            match side {
                Side::Left => line.push_str(&format!("{cell:<width$}  ")),
                Side::Right => line.push_str(&format!("{cell:>width$}  ")),
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// `key: value` lines with the values under each other.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>, style: Style) -> String {
    let facts: Vec<(&str, String)> = facts.into_iter().collect();
    let width = facts.iter().map(|(key, _)| key.len() + 1).max().unwrap_or(0);
    let mut out = String::new();
    for (key, value) in facts {
        let key = format!("{:<width$}", format!("{key}:"));
        let line = format!("{} {}", style.dim(&key), shown(&value));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Seconds in the two largest units that matter: `4s`, `5m 2s`, `3days 4h`.
pub fn lasted(seconds: f64) -> String {
    // A length of time from outside: negative, endless or not a number becomes nothing.
    let whole = std::time::Duration::try_from_secs_f64(seconds.floor()).unwrap_or_default();
    let words = humantime::format_duration(whole).to_string();
    words.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_cells_escaped() {
        let mut table = Table::new(&[("NAME", Side::Left), ("N", Side::Right), ("TOPIC", Side::Left)]);
        assert_eq!(table.render(Style::PLAIN), "");
        table.row(["bob".into(), "7".into(), "a\x1b[2J".into()]);
        table.row(["somebody".into(), "1234".into(), String::new()]);
        assert_eq!(
            table.render(Style::PLAIN),
            "NAME         N  TOPIC\nbob          7  a\\x1b[2J\nsomebody  1234\n"
        );
    }

    #[test]
    fn facts_stand_under_each_other() {
        let lines = facts([("ip", "::1".into()), ("welcome", String::new())], Style::PLAIN);
        assert_eq!(lines, "ip:      ::1\nwelcome:\n");
    }

    #[test]
    fn lengths_of_time_are_short() {
        assert_eq!(lasted(0.4), "0s");
        assert_eq!(lasted(302.9), "5m 2s");
        assert_eq!(lasted(100_000.0), "1day 3h");
        assert_eq!(lasted(f64::NAN), "0s");
        assert_eq!(lasted(-1.0), "0s");
    }
}
