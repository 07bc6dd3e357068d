//! What a process takes of its machine: processor time and memory, as `/proc` tells them.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// A process that is looked at from time to time.
pub struct Measured {
    pid: u32,
    /// At the beginning, and at the last look.
    began: u64,
    ticks: u64,
    at: Instant,
    memory: u64,
}

/// What it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Processor time since the last look, in percent of one processor.
    pub cpu: f64,
    /// Memory now, in percent of the machine's.
    pub memory: f64,
}

impl Measured {
    /// Looks at a process for the first time.
    pub fn begin(pid: u32) -> io::Result<Measured> {
        let about = rustix::system::sysinfo();
        let memory = (about.totalram as u64).saturating_mul(u64::from(about.mem_unit));
        let (ticks, _) = read(pid)?;
        Ok(Measured { pid, began: ticks, ticks, at: Instant::now(), memory })
    }

    /// Processor time from the first look to now, in percent of one processor, where it ran so long.
    pub fn whole_cpu(&self, ran: Duration) -> io::Result<f64> {
        let (ticks, _) = read(self.pid)?;
        Ok(percent(ticks.saturating_sub(self.began), ran))
    }

    /// How long ago the last look was.
    pub fn since_last(&self) -> Duration {
        self.at.elapsed()
    }

    /// What it took since the last look.
    pub fn sample(&mut self) -> io::Result<Sample> {
        let (ticks, pages) = read(self.pid)?;
        let now = Instant::now();
        let cpu = percent(ticks.saturating_sub(self.ticks), now.saturating_duration_since(self.at));
        let bytes = pages as f64 * rustix::param::page_size() as f64;
        (self.ticks, self.at) = (ticks, now);
        Ok(Sample { cpu, memory: 100.0 * bytes / self.memory.max(1) as f64 })
    }
}

/// Processor time in percent of a time.
fn percent(ticks: u64, time: Duration) -> f64 {
    let used = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    100.0 * used / time.as_secs_f64().max(1e-3)
}

/// Ticks of processor time that a process used, and pages that it occupies.
fn read(pid: u32) -> io::Result<(u64, u64)> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path)?;
    parse(&stat).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("{path} is not as usual")))
}

fn parse(stat: &str) -> Option<(u64, u64)> {
    // The name in parentheses may hold anything. After it: utime and stime are the 12th and 13th field,
    // the pages in memory the 22nd.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((number(11)? + number(12)?, number(21)?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_fields_are_found_whatever_the_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 1 0 5 1000000 321 1844 1 1";
        assert_eq!(parse(stat), Some((200, 321)));
        assert_eq!(parse("7 (x) S 1"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_takes_something() {
        let mut own = Measured::begin(std::process::id()).unwrap();
        let until = Instant::now() + Duration::from_millis(60);
        while Instant::now() < until {}
        let sample = own.sample().unwrap();
        assert!(sample.cpu > 0.0 && sample.memory > 0.0 && sample.memory < 100.0, "{sample:?}");
        let whole = own.whole_cpu(Duration::from_millis(60)).unwrap();
        assert!(whole >= sample.cpu / 2.0, "{whole} {sample:?}");
        assert!(Measured::begin(u32::MAX).is_err());
    }
}
