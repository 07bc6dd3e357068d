//! What the kernel says of a process, and signals to it.

use crate::wait;
use rustix::process::{kill_process, Pid, Signal};
use std::path::PathBuf;
use std::time::Duration;

/// A process that a test watches. It need not be a child.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// Sends a signal.
    pub fn signal(self, signal: Signal) {
        let pid = i32::try_from(self.0).ok().and_then(Pid::from_raw).expect("pids are small and not 0");
        kill_process(pid, signal).unwrap_or_else(|e| panic!("{signal:?} to {}: {e}", self.0));
    }

    /// Stops it; it keeps its sockets and reads nothing.
    pub fn pause(self) {
        self.signal(Signal::STOP);
        // The kernel stops one thread after the other; until then any of them may go on.
        wait::until("all threads to stand still", || {
            let tasks = std::fs::read_dir(self.dir("task")).ok()?;
            let stats = tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("stat")));
            let stands = |stat: String| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T"));
            stats.flatten().all(stands).then_some(())
        });
    }

    /// Lets it go on.
    pub fn resume(self) {
        self.signal(Signal::CONT);
    }

    /// Memory that it occupies now, in bytes.
    pub fn rss(self) -> u64 {
        self.status_kib("VmRSS:") * 1024
    }

    /// The most memory that it has occupied, in bytes.
    pub fn peak_rss(self) -> u64 {
        self.status_kib("VmHWM:") * 1024
    }

    /// Bytes that it has handed to the system to be written, wherever to.
    pub fn written(self) -> u64 {
        let io = self.read("io");
        let line = io.lines().find_map(|line| line.strip_prefix("wchar:"));
        line.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or_else(|| panic!("no wchar for {}", self.0))
    }

    /// Descriptors that it holds open.
    pub fn descriptors(self) -> usize {
        self.dir("fd").read_dir().unwrap_or_else(|e| panic!("descriptors of {}: {e}", self.0)).count()
    }

    /// Threads that it has.
    pub fn threads(self) -> usize {
        self.dir("task").read_dir().unwrap_or_else(|e| panic!("threads of {}: {e}", self.0)).count()
    }

    /// Processor time that it has used, in user and system mode.
    pub fn cpu_time(self) -> Duration {
        let stat = self.read("stat");
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th after it.
        let after = stat.rsplit_once(')').expect("stat names the process").1;
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().unwrap_or(0)).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Whether it is there and not a zombie.
    pub fn is_alive(self) -> bool {
        std::fs::read_to_string(self.dir("stat"))
            .is_ok_and(|stat| !stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" Z")))
    }

    fn dir(self, what: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{what}", self.0))
    }

    fn read(self, what: &str) -> String {
        std::fs::read_to_string(self.dir(what)).unwrap_or_else(|e| panic!("{what} of {}: {e}", self.0))
    }

    fn status_kib(self, key: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|l| l.strip_prefix(key));
        let number = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok());
        number.unwrap_or_else(|| panic!("no {key} for {}; has it ended?", self.0))
    }
}
