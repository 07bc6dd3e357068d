//! The least that can be measured here, at this moment: how soon a program that gives back what it
//! reads is seen on its screen. It goes the same way as what is measured, and is looked at right after
//! it, under the same load.

use crate::{stands, COLUMNS, PATIENCE, ROWS};
use anyhow::{Context, Result};
use hubbub_tests::Terminal;
use std::time::{Duration, Instant};

pub struct Floor {
    cat: Terminal,
    samples: u64,
}

impl Floor {
    pub fn start() -> Result<Floor> {
        let cat = Terminal::builder().program("sh").args(["-c", "stty raw -echo; echo ready; exec cat"]);
        let cat = cat.size(ROWS, COLUMNS).forgets().start();
        cat.waits_within(PATIENCE, |screen| stands(screen, "ready")).context("cat does not start")?;
        Ok(Floor { cat, samples: 0 })
    }

    /// One more.
    pub fn sample(&mut self) -> Result<Duration> {
        self.samples += 1;
        let text = format!("\r\x1b[Kkey-{}-", self.samples);
        let seen = &text[4..];
        let since = Instant::now();
        self.cat.types(&text);
        self.cat.waits_within(PATIENCE, |screen| stands(screen, seen)).context("cat does not answer")?;
        Ok(since.elapsed())
    }
}
