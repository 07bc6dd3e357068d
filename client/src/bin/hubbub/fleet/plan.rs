//! What a test client is to do: how long, and in which sizes. Pure; it says why a plan cannot be.

use std::time::Duration;

/// Bytes of a MB.
pub const MB: f64 = 1e6;
/// The least that a chunk has, in MB. The old client's bound.
const LEAST_CHUNK: f64 = 10.0;
/// The most that a file has, in MB: a terabyte. A guess; more is a slip.
const LARGEST_FILE: f64 = 1e6;
/// The longest run. A guess: a week.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// A plan that can be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// How long to write.
    pub runtime: Duration,
    /// Size of a chunk, in MB.
    pub chunk_mb: f64,
    /// Size of a file, in MB.
    pub file_mb: f64,
}

impl Plan {
    /// Checks the numbers. The error says what would have been right.
    pub fn new(runtime: Duration, chunk_mb: f64, file_mb: f64) -> Result<Plan, String> {
        if !(chunk_mb.is_finite() && chunk_mb >= LEAST_CHUNK) {
            return Err(format!(
                "a chunk of {chunk_mb} MB is too small; --chunk-size starts at {LEAST_CHUNK}"
            ));
        }
        if !(file_mb.is_finite() && file_mb <= LARGEST_FILE) {
            return Err(format!("a file of {file_mb} MB is too large; --file-size ends at {LARGEST_FILE}"));
        }
        if chunk_mb > file_mb {
            return Err(format!(
                "a chunk of {chunk_mb} MB is larger than its file of {file_mb} MB; raise --file-size or lower \
                 --chunk-size"
            ));
        }
        if runtime.is_zero() || runtime > LONGEST {
            return Err("--runtime is some seconds, such as 15 or 2m, and a week at the most".to_owned());
        }
        Ok(Plan { runtime, chunk_mb, file_mb })
    }

    /// Bytes of a chunk.
    pub fn chunk(&self) -> u64 {
        (self.chunk_mb * MB) as u64
    }

    /// Bytes of a file.
    pub fn file(&self) -> u64 {
        (self.file_mb * MB) as u64
    }

    /// How long to write, in microseconds. A week has fewer than there are.
    pub fn runtime_us(&self) -> u64 {
        u64::try_from(self.runtime.as_micros()).unwrap_or(u64::MAX)
    }

    /// Bytes on the disk at the most: a file that is full, and the one that is being written.
    pub fn space(&self) -> u64 {
        2 * self.file()
    }

    /// Whether two files fit into the run time, where one chunk took so long.
    pub fn fits(&self, chunk_took: Duration) -> Result<(), String> {
        let a_second = self.chunk_mb / chunk_took.as_secs_f64().max(1e-6);
        let needed = 2.0 * self.file_mb / a_second;
        if needed <= self.runtime.as_secs_f64() {
            return Ok(());
        }
        Err(format!(
            "two files of {} MB do not fit into {}: a trial chunk of {} MB took {:.2} s, so they take {:.1} s; \
             raise --runtime or lower --file-size",
            self.file_mb,
            humantime::format_duration(self.runtime),
            self.chunk_mb,
            chunk_took.as_secs_f64(),
            needed,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seconds: u64, chunk: f64, file: f64) -> Result<Plan, String> {
        Plan::new(Duration::from_secs(seconds), chunk, file)
    }

    #[test]
    fn sizes_have_bounds_that_are_told() {
        assert!(plan(15, 10.0, 50.0).is_ok() && plan(15, 50.0, 50.0).is_ok());
        assert!(plan(15, 9.9, 50.0).is_err_and(|why| why.contains("--chunk-size starts at 10")));
        assert!(plan(15, f64::NAN, 50.0).is_err() && plan(15, 10.0, f64::NAN).is_err());
        assert!(plan(15, 20.0, 10.0).is_err_and(|why| why.contains("larger than its file")));
        assert!(plan(15, 10.0, 1e7).is_err_and(|why| why.contains("--file-size ends")));
        assert!(plan(0, 10.0, 50.0).is_err_and(|why| why.contains("--runtime")));
    }

    #[test]
    fn two_files_must_fit_into_the_time() {
        let plan = plan(10, 10.0, 50.0).expect("a plan");
        assert_eq!((plan.chunk(), plan.file(), plan.space()), (10_000_000, 50_000_000, 100_000_000));
        assert_eq!(plan.fits(Duration::from_secs(1)), Ok(()));
        assert_eq!(plan.fits(Duration::ZERO), Ok(()));
        let why = plan.fits(Duration::from_secs(2)).expect_err("20 s");
        assert!(why.contains("do not fit into 10s") && why.contains("they take 20.0 s"), "{why}");
    }
}
