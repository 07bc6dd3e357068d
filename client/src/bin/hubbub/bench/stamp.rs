//! What a message of the benchmark says: when it was due or sent, and which of its publisher's it is.
//! The rest is filling. Pure.

use std::time::Duration;

/// Bytes of a stamp; no payload that carries one is shorter.
pub const SIZE: usize = 16;

const TIME: usize = 9;
const DIGITS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// A message's stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Since the run's start. Two years fit.
    pub at: Duration,
    /// The publisher's count, from 0. 2^42 fit.
    pub number: u64,
}

/// A text of so many bytes with room for a stamp.
pub fn blank(size: usize) -> String {
    ".".repeat(size.max(SIZE))
}

impl Stamp {
    /// Writes the stamp over the start of a text that [`blank`] made.
    pub fn write(&self, text: &mut String) {
        let nanos = u64::try_from(self.at.as_nanos()).unwrap_or(u64::MAX);
        let mut bytes = std::mem::take(text).into_bytes();
        digits(nanos, &mut bytes[..TIME]);
        digits(self.number, &mut bytes[TIME..SIZE]);
        *text = String::from_utf8(bytes).expect("digits and filling are ASCII");
    }

    /// Reads the stamp of a payload, a JSON string; `None` when it has none.
    pub fn read(payload: &str) -> Option<Stamp> {
        let text = payload.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
        let at = Duration::from_nanos(value(text.get(..TIME)?)?);
        Some(Stamp { at, number: value(text.get(TIME..SIZE)?)? })
    }
}

fn digits(mut value: u64, to: &mut [u8]) {
    for digit in to.iter_mut().rev() {
        *digit = DIGITS[(value % 64) as usize];
        value /= 64;
    }
}

fn value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'z' => digit - b'a' + 10,
            b'A'..=b'Z' => digit - b'A' + 36,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        Some(value * 64 + u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_as_they_were_written() {
        let mut text = blank(20);
        for (nanos, number) in
            [(0, 0), (1, 63), (3_600_000_000_000, 99_999_999), ((1 << 54) - 1, (1 << 42) - 1)]
        {
            let stamp = Stamp { at: Duration::from_nanos(nanos), number };
            stamp.write(&mut text);
            assert_eq!(text.len(), 20);
            let payload = serde_json::json!(text).to_string();
            assert_eq!(payload.len(), 22, "nothing in it is escaped");
            assert_eq!(Stamp::read(&payload), Some(stamp));
        }
    }

    #[test]
    fn what_others_say_is_no_stamp() {
        for payload in
            ["", "\"", "\"\"", "{}", "\"012345678901234\"", "\"hello, is this on?\"", "\"grüße grüße grüße\""]
        {
            assert_eq!(Stamp::read(payload), None, "{payload}");
        }
    }
}
