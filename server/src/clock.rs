//! The one place that reads the clocks. A read batch reads them once; everything below takes the
//! [`Now`] that it was handed, so that tests choose the time.

use arrayvec::ArrayString;
use std::cell::Cell;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// One moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For measuring durations.
    pub instant: Instant,
    /// For people: milliseconds since 1970, UTC.
    pub unix_ms: i64,
}

impl Now {
    /// Reads the clocks.
    pub fn read() -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Now { instant: Instant::now(), unix_ms }
    }

    /// The moment as the protocol writes it.
    pub fn stamp(&self) -> Stamp {
        Stamp::of(self.unix_ms)
    }
}

/// A moment as text: `2026-05-01T09:30:00.123Z`.
#[derive(Clone, Copy)]
pub struct Stamp(ArrayString<24>);

thread_local! {
    /// The last second that was formatted, up to its point: chrono is asked once a second, not once a
    /// batch.
    static SECOND: Cell<(i64, ArrayString<24>)> = const { Cell::new((i64::MIN, ArrayString::new_const())) };
}

impl Stamp {
    /// Formats milliseconds since 1970.
    pub fn of(unix_ms: i64) -> Stamp {
        let (second, ms) = (unix_ms.div_euclid(1000), unix_ms.rem_euclid(1000));
        let (cached, mut text) = SECOND.get();
        if cached != second {
            let when = chrono::DateTime::from_timestamp(second, 0).unwrap_or_default();
            let formatted = when.format("%Y-%m-%dT%H:%M:%S.").to_string();
            // Nothing that a clock shows before the year 10,000 is longer.
            text = ArrayString::from(&formatted).unwrap_or_default();
            SECOND.set((second, text));
        }
        for digit in [ms / 100, ms / 10 % 10, ms % 10] {
            let _ = text.try_push(char::from(b'0' + digit as u8));
        }
        let _ = text.try_push('Z');
        Stamp(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_utc_with_milliseconds() {
        assert_eq!(Stamp::of(0).as_str(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Stamp::of(1_777_627_800_123).as_str(), "2026-05-01T09:30:00.123Z");
        assert_eq!(Stamp::of(1_777_627_800_007).as_str(), "2026-05-01T09:30:00.007Z");
        assert_eq!(Stamp::of(-1).as_str(), "1969-12-31T23:59:59.999Z");
    }
}
