//! The last messages of one channel, as compact records in one buffer: an append on the hot path is
//! a copy, and what it costs to show them is paid by who asks.

use hubbub_shared::encoding::{MessageRef, Payload};
use std::collections::VecDeque;

/// What is kept of a message; the channel, the origin and the count are known from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// The publisher's name.
    pub from: &'a str,
    /// The payload.
    pub payload: Payload<'a>,
    /// Headers, as JSON.
    pub headers: Option<&'a str>,
    /// The channel to answer on.
    pub reply: Option<&'a str>,
}

/// Ends of the parts of one record, counted from its start.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at_ms: i64,
    from_end: u32,
    payload_end: u32,
    headers_end: u32,
    end: u32,
    json: bool,
}

/// The last messages of one channel.
#[derive(Debug, Default)]
pub struct History {
    bytes: Vec<u8>,
    /// Where the oldest record starts in `bytes`.
    start: usize,
    entries: VecDeque<Entry>,
}

impl History {
    /// Adds a record, and drops the oldest beyond the limits. A record that alone is beyond
    /// `max_bytes` is not kept.
    pub fn push(&mut self, record: &Record<'_>, max_records: usize, max_bytes: usize) {
        let (payload, json) = match record.payload {
            Payload::Text(text) => (text, false),
            Payload::Json(raw) => (raw, true),
        };
        let parts = [record.from, payload, record.headers.unwrap_or(""), record.reply.unwrap_or("")];
        let length: usize = parts.iter().map(|p| p.len()).sum();
        while !self.entries.is_empty()
            && (self.entries.len() >= max_records || self.live() + length > max_bytes)
        {
            self.pop();
        }
        if length > max_bytes || max_records == 0 {
            return;
        }
        // The space before the oldest record is taken back when it is half of the buffer.
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let mut ends = [0u32; 4];
        let mut end = 0;
        for (part, slot) in parts.iter().zip(&mut ends) {
            self.bytes.extend_from_slice(part.as_bytes());
            end += part.len();
            *slot = end as u32; // at most max_bytes, which is far below 4 GiB
        }
        self.entries.push_back(Entry {
            at_ms: record.at_ms,
            from_end: ends[0],
            payload_end: ends[1],
            headers_end: ends[2],
            end: ends[3],
            json,
        });
    }

    fn pop(&mut self) {
        if let Some(oldest) = self.entries.pop_front() {
            self.start += oldest.end as usize;
        }
        if self.entries.is_empty() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    fn live(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Forgets everything, and gives the memory back.
    pub fn clear(&mut self) {
        *self = History::default();
    }

    /// Messages kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Memory held, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// The records, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let mut at = self.start;
        self.entries.iter().map(move |entry| {
            let text = |from: u32, to: u32| {
                let part = &self.bytes[at + from as usize..at + to as usize];
                std::str::from_utf8(part).expect("parts were texts when they were pushed")
            };
            let part = |from, to| Some(text(from, to)).filter(|t| !t.is_empty());
            let payload = text(entry.from_end, entry.payload_end);
            let record = Record {
                at_ms: entry.at_ms,
                from: text(0, entry.from_end),
                payload: if entry.json { Payload::Json(payload) } else { Payload::Text(payload) },
                headers: part(entry.payload_end, entry.headers_end),
                reply: part(entry.headers_end, entry.end),
            };
            at += entry.end as usize;
            record
        })
    }
}

impl<'a> Record<'a> {
    /// About how long it is.
    pub fn bytes(&self) -> usize {
        let (Payload::Text(payload) | Payload::Json(payload)) = self.payload;
        payload.len() + self.headers.map_or(0, str::len)
    }

    /// The message that this is the record of.
    pub fn message(&self, channel: &'a str, origin: &'a str, seq: u64, at: &'a str) -> MessageRef<'a> {
        MessageRef {
            channel,
            from: self.from,
            seq,
            origin,
            at,
            payload: self.payload,
            via: None,
            headers: self.headers,
            reply: self.reply,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(text: &str) -> Record<'_> {
        Record { at_ms: 7, from: "bob", payload: Payload::Text(text), headers: None, reply: Some("r") }
    }

    #[test]
    fn a_record_that_is_too_large_alone_is_not_kept() {
        let mut history = History::default();
        history.push(&record("small"), 10, 20);
        history.push(&record(&"x".repeat(30)), 10, 20);
        assert_eq!(history.len(), 0);
        history.push(&record("small"), 0, 20);
        assert_eq!(history.len(), 0);
    }

    proptest! {
        /// It holds what a plain list cut to the limits would hold.
        #[test]
        fn equals_a_plain_list(texts in prop::collection::vec("[a-z]{0,9}", 0..60), max in 1usize..6, bytes in 5usize..40) {
            let (mut history, mut plain) = (History::default(), VecDeque::new());
            for text in &texts {
                history.push(&record(text), max, bytes);
                plain.push_back(text.as_str());
                while plain.len() > max || plain.iter().map(|t| t.len() + 4).sum::<usize>() > bytes {
                    plain.pop_front();
                }
                let kept: Vec<_> = history.iter().collect();
                let wanted: Vec<_> = plain.iter().map(|t| record(t)).collect();
                prop_assert_eq!(kept, wanted);
            }
        }
    }
}
