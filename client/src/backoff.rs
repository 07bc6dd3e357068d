//! When and where to try next after a connection is lost. Pure: chance and time come from the caller.

use std::time::Duration;

/// Delays between attempts to reconnect: each is twice the one before, up to a maximum, and then
/// shortened by chance to between half and all of that, so that a thousand clients of a restarted
/// hub do not come back in the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay. Default 100 ms.
    pub initial: Duration,
    /// The longest delay. Default 5 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(5) }
    }
}
