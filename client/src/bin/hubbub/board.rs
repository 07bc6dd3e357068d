//! How far a run is: some rows on standard error that are drawn over again, on a terminal only. All that
//! draws so draws by this: `fleet client` and `fleet demo`, and what a benchmark shows.

use std::io::{IsTerminal, Write};
use std::time::Duration;
use unicode_width::UnicodeWidthChar;

/// Between two drawings.
pub const REFRESH: Duration = Duration::from_millis(200);
/// Characters of a bar.
const WIDTH: usize = 24;
/// Rows and columns of a terminal that does not tell.
const USUAL: (u16, u16) = (24, 80);

/// The rows.
pub struct Board {
    terminal: bool,
    drawn: bool,
}

impl Board {
    /// Nothing is drawn yet; nothing ever is where it would not be seen as it is meant.
    pub fn new(wanted: bool) -> Board {
        Board { terminal: wanted && std::io::stderr().is_terminal(), drawn: false }
    }

    /// Draws the rows over the last ones, as wide as the terminal is now.
    pub fn draw(&mut self, rows: &[String]) {
        if self.terminal {
            self.drawn = true;
            // What cannot be written there is missed by nobody.
            let _ = std::io::stderr().write_all(drawing(rows, size()).as_bytes());
        }
    }

    /// Takes the rows away.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = std::io::stderr().write_all(ERASE.as_bytes());
        }
    }
}

/// Erases from the row of the cursor on.
const ERASE: &str = "\r\x1b[J";

/// What draws the rows over the last ones. The cursor rests before the first of them: there a terminal that
/// was made narrower, and wraps them, leaves it too; so nobody needs to know how many rows they have become.
fn drawing(rows: &[String], (height, width): (u16, u16)) -> String {
    // One that fills the whole width is wrapped by some terminals.
    let width = usize::from(width).saturating_sub(1);
    let rows: Vec<&str> = rows.iter().take(usize::from(height).max(1)).map(|row| cut(row, width)).collect();
    let mut out = format!("{ERASE}{}\r", rows.join("\r\n"));
    if rows.len() > 1 {
        out += &format!("\x1b[{}A", rows.len() - 1);
    }
    out
}

/// As much of a row as fits into these columns.
fn cut(row: &str, columns: usize) -> &str {
    let mut used = 0;
    let too_far = row.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > columns
    });
    too_far.map_or(row, |(at, _)| &row[..at])
}

/// Rows and columns of the terminal.
fn size() -> (u16, u16) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => (size.ws_row, size.ws_col),
        _ => USUAL,
    }
}

/// `[######......]  50 %`, for a part of 1.
pub fn bar(part: f64) -> String {
    let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
    let full = (part * WIDTH as f64) as usize;
    format!("[{}{}] {:>3} %", "#".repeat(full), ".".repeat(WIDTH - full), (part * 100.0) as u32)
}

/// The part of a length of time that has passed.
pub fn part(passed: Duration, whole: Duration) -> f64 {
    passed.as_secs_f64() / whole.as_secs_f64().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_cut_to_the_terminal_and_the_cursor_rests_before_them() {
        let rows = ["one row", "größer", "日本語"].map(str::to_owned);
        assert_eq!(drawing(&rows, (24, 80)), "\r\x1b[Jone row\r\ngrößer\r\n日本語\r\x1b[2A");
        assert_eq!(drawing(&rows, (24, 5)), "\r\x1b[Jone \r\ngröß\r\n日本\r\x1b[2A");
        assert_eq!(drawing(&rows, (2, 4)), "\r\x1b[Jone\r\ngrö\r\x1b[1A");
        assert_eq!(drawing(&rows[..1], (1, 1)), "\r\x1b[J\r");
        assert_eq!(drawing(&[], (24, 80)), "\r\x1b[J\r");
    }

    #[test]
    fn a_bar_fills() {
        assert_eq!(bar(0.0), "[........................]   0 %");
        assert_eq!(bar(0.5), "[############............]  50 %");
        assert_eq!(bar(7.0), "[########################] 100 %");
        assert_eq!(bar(f64::NAN), bar(0.0));
        assert_eq!(bar(part(Duration::from_secs(1), Duration::ZERO)), bar(1.0));
    }
}
