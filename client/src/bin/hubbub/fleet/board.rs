//! How far runs are: some rows on standard error that are drawn over again, on a terminal only.

use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Between two drawings.
pub const REFRESH: Duration = Duration::from_millis(200);
/// Characters of a bar.
const WIDTH: usize = 24;
/// Characters of a row: one that is wrapped could not be drawn over. The usual terminal has 80.
const ROW: usize = 79;

/// The rows.
pub struct Board {
    terminal: bool,
    drawn: usize,
}

impl Board {
    /// Nothing is drawn yet; nothing ever is where it would not be seen as it is meant.
    pub fn new(wanted: bool) -> Board {
        Board { terminal: wanted && std::io::stderr().is_terminal(), drawn: 0 }
    }

    /// Draws the rows over the last ones.
    pub fn draw(&mut self, rows: &[String]) {
        if self.terminal {
            let mut out = self.back();
            for row in rows {
                out.extend(row.chars().take(ROW));
                out.push('\n');
            }
            self.drawn = rows.len();
            let _ = std::io::stderr().write_all(out.as_bytes());
        }
    }

    /// Takes the rows away.
    pub fn clear(&mut self) {
        if self.drawn > 0 {
            let out = self.back();
            self.drawn = 0;
            let _ = std::io::stderr().write_all(out.as_bytes());
        }
    }

    fn back(&self) -> String {
        match self.drawn {
            0 => String::new(),
            rows => format!("\x1b[{rows}A\r\x1b[J"),
        }
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
    fn a_bar_fills() {
        assert_eq!(bar(0.0), "[........................]   0 %");
        assert_eq!(bar(0.5), "[############............]  50 %");
        assert_eq!(bar(7.0), "[########################] 100 %");
        assert_eq!(bar(f64::NAN), bar(0.0));
        assert_eq!(bar(part(Duration::from_secs(1), Duration::ZERO)), bar(1.0));
    }
}
