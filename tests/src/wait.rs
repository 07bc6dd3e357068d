//! Waiting for what cannot be awaited: a condition is looked at again and again until it holds or
//! a deadline is over. Nothing here sleeps longer than a glance needs.

use std::time::{Duration, Instant};

/// The patience of every wait that does not say otherwise: far more than anything takes on a busy
/// machine, so that only a defect runs into it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until there is something, or panics with what was waited for.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, look).unwrap_or_else(|| panic!("waited {PATIENCE:?} for {what}"))
}

/// Looks until there is something or the time is over.
pub fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
