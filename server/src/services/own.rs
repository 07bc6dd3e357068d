//! The services that the hub answers itself: the table of them, and what they have in common. A new one
//! is a row here and a file of its own.

use super::pool::Cancelled;
use super::{echo, factor, fibonacci, normalize, palindrome, points, reverse, uuid};
use hubbub_shared::encoding::scan::Scanner;
use hubbub_shared::encoding::{json, Payload};
use hubbub_shared::limits::Limits;
use hubbub_shared::refusal::Refusal;
use std::borrow::Cow;

/// One service that the hub answers itself.
pub(super) struct Own {
    /// Under which name.
    pub name: &'static str,
    /// What `services` tells of it.
    pub about: &'static str,
    /// What it takes to answer a request.
    pub effort: fn(&Task<'_>) -> Effort,
    /// The answer, as JSON.
    pub answer: fn(&Task<'_>) -> Result<String, Refusal>,
    /// Whether clients may offer the service too. As long as one does, the hub leaves it to them.
    pub replaceable: bool,
}

/// What it takes to answer a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Surely less than some 20 µs: it is answered where it is read. All else is for the pool.
    Slight,
    /// A few milliseconds at the most.
    Moderate,
    /// It may be some hundred milliseconds.
    Great,
}

pub(super) const OWN: &[Own] = &[
    Own {
        name: "echo",
        about: "answers with what it was asked",
        effort: |_| Effort::Slight,
        answer: |task| echo::answer(task.payload),
        replaceable: false,
    },
    Own {
        name: "factor",
        about: "the prime factors of a whole number",
        effort: factor::effort,
        answer: factor::answer,
        replaceable: false,
    },
    Own {
        name: "fibonacci",
        about: "the Fibonacci number of an index, exact",
        effort: fibonacci::effort,
        answer: fibonacci::answer,
        replaceable: false,
    },
    Own {
        name: "normalize",
        about: "brings the name of a person or an organisation to its canonical form",
        effort: |_| Effort::Moderate, // some 30 to 400 µs: every word is looked for in long tables
        answer: |task| normalize::answer(task.payload),
        replaceable: true,
    },
    Own {
        name: "palindrome",
        about: "whether a text reads the same backwards, white space aside",
        effort: |task| task.slight_up_to(4 << 10),
        answer: |task| palindrome::answer(task.payload),
        replaceable: false,
    },
    Own {
        name: "points",
        about: "16 random bytes, and the two points that they stand for",
        effort: |_| Effort::Slight,
        answer: |task| points::answer(task.payload),
        replaceable: false,
    },
    Own {
        name: "reverse",
        about: "reverses a text by grapheme cluster",
        effort: |task| task.slight_up_to(512),
        answer: |task| reverse::answer(task.payload),
        replaceable: false,
    },
    Own {
        name: "uuid",
        about: "answers a title with a fresh uuid",
        effort: |task| task.slight_up_to(4 << 10),
        answer: |task| uuid::answer(task.payload),
        replaceable: false,
    },
    #[cfg(test)]
    super::tests::BROKEN,
    #[cfg(test)]
    super::tests::ENDLESS,
    #[cfg(test)]
    super::tests::STAND_IN,
];

/// The service of a name, if the hub has it.
pub(super) fn find(name: &str) -> Option<&'static Own> {
    OWN.iter().find(|own| own.name == name)
}

/// How far the services go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub max_factor_bits: u32,
    pub max_fibonacci: u64,
}

impl From<&Limits> for Bounds {
    fn from(limits: &Limits) -> Self {
        Bounds { max_factor_bits: limits.max_factor_bits, max_fibonacci: limits.max_fibonacci }
    }
}

/// What a service is asked.
pub(super) struct Task<'a> {
    pub payload: Payload<'a>,
    pub bounds: &'a Bounds,
    pub cancelled: &'a Cancelled,
}

impl<'a> Task<'a> {
    /// One that is answered at once.
    pub fn new(payload: Payload<'a>, bounds: &'a Bounds) -> Self {
        static NEVER: Cancelled = Cancelled::new();
        Task { payload, bounds, cancelled: &NEVER }
    }

    fn slight_up_to(&self, bytes: usize) -> Effort {
        if self.payload.raw().len() <= bytes {
            Effort::Slight
        } else {
            Effort::Moderate
        }
    }
}

/// The JSON object of a service that takes one: given as JSON, or as a text that holds one, which is what
/// text clients and `hubbub request` can say.
pub(super) fn object(payload: Payload<'_>) -> Option<Cow<'_, str>> {
    let text = match payload {
        Payload::Json(raw) if raw.starts_with('{') => return Some(raw.into()),
        Payload::Json(raw) => json::string(raw)?,
        Payload::Text(text) => text.into(),
    };
    let is_object = text.trim_start().starts_with('{') && Scanner::new(&text).object(|_, _| Ok(())).is_ok();
    is_object.then_some(text)
}

/// The digits of a whole number, given as JSON or as a text, without leading zeros. `wanted` says what
/// would have been right.
pub(super) fn digits<'a>(payload: Payload<'a>, wanted: &'static str) -> Result<&'a str, Refusal> {
    let digits = match payload {
        Payload::Text(text) => text.trim(),
        // A string without escapes: what `hubbub request` makes of what was typed.
        Payload::Json(raw) => match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
            Some(text) => text.trim(),
            None => raw,
        },
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Refusal::bad_argument(wanted));
    }
    let significant = digits.trim_start_matches('0');
    Ok(if significant.is_empty() { "0" } else { significant })
}
