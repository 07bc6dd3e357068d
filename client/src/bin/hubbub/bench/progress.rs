//! How far a run is: one line on standard error, on a terminal only.

use super::report::grouped;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two looks.
pub const REFRESH: Duration = Duration::from_millis(200);
/// Characters of the bar itself.
const WIDTH: u64 = 24;

/// The line.
pub struct Bar {
    terminal: bool,
    total: u64,
    started: Instant,
    shown: bool,
}

impl Bar {
    pub fn new(total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Bar { terminal, total, started: Instant::now(), shown: false }
    }

    pub fn show(&mut self, done: u64) {
        if self.terminal {
            let line = line(done, self.total, self.started.elapsed());
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            self.shown = true;
        }
    }

    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: u64, total: u64, elapsed: Duration) -> String {
    let (done, total) = (done.min(total), total.max(1));
    let part = |whole: u64| (u128::from(whole) * u128::from(done) / u128::from(total)) as u64;
    let (full, rate) = (part(WIDTH), done as f64 / elapsed.as_secs_f64().max(1e-9));
    let bar = "#".repeat(full as usize) + &".".repeat((WIDTH - full) as usize);
    format!(
        "[{bar}] {:>3} %  {} of {}, {} a second",
        part(100),
        grouped(done),
        grouped(total),
        grouped(rate as u64)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        let second = Duration::from_secs(2);
        assert_eq!(line(0, 4000, second), "[........................]   0 %  0 of 4,000, 0 a second");
        assert_eq!(
            line(1000, 4000, second),
            "[######..................]  25 %  1,000 of 4,000, 500 a second"
        );
        assert!(line(9, 4, second).starts_with("[########################] 100 %"));
        assert!(line(0, 0, Duration::ZERO).contains("0 %"));
    }
}
