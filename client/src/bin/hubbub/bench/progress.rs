//! How far a run is, in one row: how much is done, and how fast.

use super::report::grouped;
use crate::board::{bar, Board};
use std::time::{Duration, Instant};

/// The row.
pub struct Bar {
    board: Board,
    total: u64,
    started: Instant,
}

impl Bar {
    pub fn new(total: u64) -> Self {
        Bar { board: Board::new(true), total, started: Instant::now() }
    }

    pub fn show(&mut self, done: u64) {
        self.board.draw(&[line(done, self.total, self.started.elapsed())]);
    }

    pub fn clear(&mut self) {
        self.board.clear();
    }
}

fn line(done: u64, total: u64, elapsed: Duration) -> String {
    let (done, total) = (done.min(total), total.max(1));
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    let bar = bar(done as f64 / total as f64);
    format!("{bar}  {} of {}, {} a second", grouped(done), grouped(total), grouped(rate as u64))
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
