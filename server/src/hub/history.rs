//! The last messages of one channel, as compact records in one ring: an append on the hot path is a
//! copy to one place, and what it costs to show them is paid by who asks. A payload that is a good
//! part of the buffer it came in is kept by reference.

use crate::buffers::Shared;
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

/// What stands in the ring before the texts of a record.
#[derive(Debug, Clone, Copy)]
struct Header {
    at_ms: i64,
    /// Lengths of the texts in the ring: publisher, payload, headers, reply.
    lengths: [u32; 4],
    json: bool,
    /// Whether the payload is in `shared` instead.
    shared: bool,
}

const HEADER: usize = 25;

/// Bytes up to which a ring grows to twice its size. A guess: some ten messages.
const SMALL_RING: usize = 2 << 10;

/// The last messages of one channel.
#[derive(Debug, Default)]
pub struct History {
    /// Records in one piece each: from `oldest` to `end`, or to `turn` and then from the start to `end`.
    ring: Box<[u8]>,
    oldest: usize,
    end: usize,
    turn: Option<usize>,
    count: usize,
    /// Bytes of the texts, shared ones included.
    texts: usize,
    /// Payloads that are not in the ring.
    shared: Option<Box<SharedPayloads>>,
}

/// Payloads that are kept by reference, the oldest first.
#[derive(Debug, Default)]
struct SharedPayloads {
    payloads: VecDeque<Shared>,
    /// Memory that they hold.
    pinned: usize,
}

impl History {
    /// Adds a record, and drops the oldest beyond the limits. A record that alone is beyond
    /// `max_bytes` is not kept. `shared` is its payload, where that is to be kept by reference.
    pub fn push(
        &mut self,
        record: &Record<'_>,
        shared: Option<Shared>,
        max_records: usize,
        max_bytes: usize,
    ) {
        let (payload, json) = match record.payload {
            Payload::Text(text) => (text, false),
            Payload::Json(raw) => (raw, true),
        };
        let rest = record.from.len() + record.headers.map_or(0, str::len) + record.reply.map_or(0, str::len);
        let texts = rest + payload.len();
        while self.count > 0 && (self.count >= max_records || self.texts + texts > max_bytes) {
            self.pop();
        }
        if texts > max_bytes || max_records == 0 {
            return;
        }
        let payload = if shared.is_some() { "" } else { payload };
        let parts = [record.from, payload, record.headers.unwrap_or(""), record.reply.unwrap_or("")];
        // At most max_bytes, which is far below 4 GiB.
        let lengths = parts.map(|part| part.len() as u32);
        let header = Header { at_ms: record.at_ms, lengths, json, shared: shared.is_some() };
        let length = header.record_length();
        let at = self.room(length);
        self.end = at + length;
        write(&mut self.ring[at..at + length], &header, parts);
        self.count += 1;
        self.texts += texts;
        if let Some(shared) = shared {
            let all = self.shared.get_or_insert_default();
            all.pinned += shared.pinned;
            all.payloads.push_back(shared);
        }
    }

    /// Where the next record goes.
    fn room(&mut self, length: usize) -> usize {
        if self.turn.is_some() {
            if length <= self.oldest - self.end {
                return self.end;
            }
        } else if length <= self.ring.len() - self.end {
            return self.end;
        } else if length <= self.oldest {
            self.turn = Some(self.end);
            return 0;
        }
        self.grow(length);
        self.end
    }

    /// Makes the ring larger, with the records in one piece. It is kept close to what it must hold: then
    /// the next record goes to where the last one was dropped, which is at hand.
    fn grow(&mut self, length: usize) {
        let (first, second) = self.halves();
        let used = first.len() + second.len();
        let slack = (used / 8).max(used.min(SMALL_RING));
        let mut ring = Vec::with_capacity(used + slack + length);
        ring.extend_from_slice(first);
        ring.extend_from_slice(second);
        ring.resize(ring.capacity(), 0);
        *self = History {
            ring: ring.into_boxed_slice(),
            oldest: 0,
            end: used,
            turn: None,
            shared: self.shared.take(),
            ..*self
        };
    }

    /// The records, in the two places where they are.
    fn halves(&self) -> (&[u8], &[u8]) {
        match self.turn {
            None => (&self.ring[self.oldest..self.end], &[]),
            Some(turn) => (&self.ring[self.oldest..turn], &self.ring[..self.end]),
        }
    }

    fn pop(&mut self) {
        let header = Header::read(&self.ring[self.oldest..]);
        self.oldest += header.record_length();
        if self.turn == Some(self.oldest) {
            (self.oldest, self.turn) = (0, None);
        }
        self.texts -= header.texts_length();
        if header.shared {
            if let Some(all) = self.shared.as_mut() {
                let gone = all.payloads.pop_front();
                self.texts -= gone.as_ref().map_or(0, |gone| gone.bytes.len());
                all.pinned -= gone.map_or(0, |gone| gone.pinned);
            }
        }
        self.count -= 1;
        if self.count == 0 {
            (self.oldest, self.end, self.turn) = (0, 0, None);
        }
    }

    /// Forgets everything, and gives the memory back.
    pub fn clear(&mut self) {
        *self = History::default();
    }

    /// Messages kept.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Memory held, in bytes.
    pub fn memory(&self) -> usize {
        self.ring.len() + self.shared.as_ref().map_or(0, |all| all.pinned)
    }

    /// The records, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let (first, second) = self.halves();
        let mut shared = self.shared.iter().flat_map(|all| &all.payloads);
        let (mut rest, mut then) = (first, second);
        std::iter::from_fn(move || {
            if rest.is_empty() {
                rest = std::mem::take(&mut then);
            }
            let header = Header::read((!rest.is_empty()).then_some(rest)?);
            let mut at = HEADER;
            let [from, payload, headers, reply] = header.lengths.map(|length| {
                let part = &rest[at..at + length as usize];
                at += part.len();
                text(part)
            });
            rest = &rest[at..];
            let payload = match header.shared {
                true => text(&shared.next()?.bytes),
                false => payload,
            };
            Some(Record {
                at_ms: header.at_ms,
                from,
                payload: if header.json { Payload::Json(payload) } else { Payload::Text(payload) },
                headers: Some(headers).filter(|t| !t.is_empty()),
                reply: Some(reply).filter(|t| !t.is_empty()),
            })
        })
    }
}

fn write(place: &mut [u8], header: &Header, parts: [&str; 4]) {
    let Some((bytes, mut rest)) = place.split_first_chunk_mut() else { return };
    *bytes = header.to_bytes();
    for part in parts {
        if !part.is_empty() {
            let place;
            (place, rest) = rest.split_at_mut(part.len());
            place.copy_from_slice(part.as_bytes());
        }
    }
}

fn text(part: &[u8]) -> &str {
    std::str::from_utf8(part).expect("parts were texts when they were pushed")
}

impl Header {
    #[inline]
    fn texts_length(&self) -> usize {
        let [from, payload, headers, reply] = self.lengths;
        from as usize + payload as usize + headers as usize + reply as usize
    }

    fn record_length(&self) -> usize {
        HEADER + self.texts_length()
    }

    #[inline]
    fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&self.at_ms.to_le_bytes());
        let lengths = self.lengths.iter().rev().fold(0u128, |all, length| all << 32 | u128::from(*length));
        bytes[8..24].copy_from_slice(&lengths.to_le_bytes());
        bytes[24] = u8::from(self.json) | u8::from(self.shared) << 1;
        bytes
    }

    #[inline]
    fn read(record: &[u8]) -> Header {
        let bytes = record.first_chunk::<HEADER>().expect("a record starts with a header");
        let at_ms = i64::from_le_bytes(*bytes.first_chunk().expect("8 of 25"));
        let all = u128::from_le_bytes(*bytes[8..].first_chunk().expect("16 of 17"));
        let lengths = [0, 32, 64, 96].map(|shift| (all >> shift) as u32);
        let flags = bytes[24];
        Header { at_ms, lengths, json: flags & 1 != 0, shared: flags & 2 != 0 }
    }
}

impl<'a> Record<'a> {
    /// About how long it is.
    pub fn bytes(&self) -> usize {
        self.payload.raw().len() + self.headers.map_or(0, str::len)
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
        history.push(&record("small"), None, 10, 20);
        history.push(&record(&"x".repeat(30)), None, 10, 20);
        assert_eq!(history.len(), 0);
        history.push(&record("small"), None, 0, 20);
        assert_eq!((history.len(), history.iter().count()), (0, 0));
    }

    #[test]
    fn the_ring_stops_growing() {
        let mut history = History::default();
        let memory: Vec<usize> = (0..1_000)
            .map(|_| {
                history.push(&record(&"x".repeat(100)), None, 50, 1 << 20);
                history.memory()
            })
            .collect();
        assert!(memory[999] < 50 * 200 && memory[500] == memory[999], "{memory:?}");
    }

    proptest! {
        /// It holds what a plain list cut to the limits would hold, wherever the payloads are.
        #[test]
        fn equals_a_plain_list(texts in prop::collection::vec(("[a-z]{0,9}", any::<bool>()), 0..60), max in 1usize..6, bytes in 5usize..40) {
            let (mut history, mut plain) = (History::default(), VecDeque::new());
            for (text, by_reference) in &texts {
                let shared = by_reference.then(|| Shared { bytes: text.clone().into(), pinned: 1000 });
                history.push(&record(text), shared, max, bytes);
                plain.push_back((text.as_str(), *by_reference));
                while plain.len() > max || plain.iter().map(|(t, _)| t.len() + 4).sum::<usize>() > bytes {
                    plain.pop_front();
                }
                let kept: Vec<_> = history.iter().collect();
                let wanted: Vec<_> = plain.iter().map(|(t, _)| record(t)).collect();
                prop_assert_eq!(kept, wanted);
                let pinned = 1000 * plain.iter().filter(|(_, by_reference)| *by_reference).count();
                prop_assert_eq!(history.memory(), history.ring.len() + pinned);
            }
        }
    }
}
