//! Counts the messages in a connection's bytes without looking at each of them where their length
//! is known, and checks samples: every stretch of bytes received is sampled where it holds a whole
//! message, and a message that comes in pieces is put together now and then. Pure.

use anyhow::{ensure, Context, Result};
use memchr::{memchr, memchr_iter, memrchr};

/// Bytes that every payload starts with: publisher, colon, sequence number.
pub const STAMP: usize = 16;

/// How messages follow each other on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// All have so many bytes.
    Fixed(usize),
    /// Each ends in a line feed.
    Lines,
    /// Each starts with its length in four bytes.
    Frames,
    /// Only the dialect knows, and something else may come in between.
    Units,
}

/// The count of one connection.
pub struct Counter {
    framing: Framing,
    /// Whole messages so far.
    pub count: u64,
    /// Messages whose content was compared.
    pub samples: u64,
    /// Bytes until the message in progress ends; of lines only whether one is in progress.
    missing: usize,
    /// The bytes of a length that was cut.
    head: Vec<u8>,
    /// A message that is being put together for a sample.
    held: Vec<u8>,
    sampled_at: u64,
    /// The last sequence number seen of each publisher, plus one.
    last: Vec<u64>,
}

/// Where the messages of a stretch of bytes are.
struct Cut {
    /// Where the first one starts that starts here.
    first: usize,
    /// That one's end, when it is whole.
    first_end: Option<usize>,
    /// Where the one starts that is not whole; the end when all are.
    tail: usize,
    /// Messages that end here.
    ends: u64,
}

impl Counter {
    pub fn new(framing: Framing, publishers: usize) -> Counter {
        let (held, head, last) = (Vec::new(), Vec::new(), vec![0; publishers]);
        Counter { framing, count: 0, samples: 0, missing: 0, head, held, sampled_at: 0, last }
    }

    /// Takes in what was received and returns how many messages ended there. `unit` is the length
    /// of the first unit, `payload` finds it in a message, `filler` is what follows its stamp.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        unit: impl Fn(&[u8]) -> Option<usize>,
        payload: impl Fn(&[u8]) -> Option<&[u8]>,
        filler: &[u8],
    ) -> Result<u64> {
        let cut = match self.framing {
            Framing::Units => return self.walk(bytes, unit, payload, filler),
            Framing::Fixed(length) => self.cut_fixed(bytes, length),
            Framing::Lines => self.cut_lines(bytes),
            Framing::Frames => self.cut_frames(bytes),
        };
        self.count += cut.ends;
        if !self.held.is_empty() {
            self.held.extend_from_slice(&bytes[..cut.first]);
            if cut.ends > 0 {
                let held = std::mem::take(&mut self.held);
                self.check(&held, &payload, filler)?;
            }
        }
        if let Some(end) = cut.first_end {
            self.check(&bytes[cut.first..end], &payload, filler)?;
        } else if self.held.is_empty() && cut.tail < bytes.len() && self.count >= self.sampled_at + 8 {
            self.held.extend_from_slice(&bytes[cut.tail..]);
        }
        Ok(cut.ends)
    }

    fn check(
        &mut self,
        message: &[u8],
        payload: impl Fn(&[u8]) -> Option<&[u8]>,
        filler: &[u8],
    ) -> Result<()> {
        let show = || String::from_utf8_lossy(&message[..message.len().min(120)]).into_owned();
        let payload = payload(message).with_context(|| format!("not a message: {:?}", show()))?;
        let stamp = payload.first_chunk().and_then(read_stamp);
        let (publisher, seq) = stamp.with_context(|| format!("not the payload sent: {:?}", show()))?;
        ensure!(payload[STAMP..] == *filler, "not the payload sent: {:?}", show());
        let last = self.last.get_mut(publisher).context("no such publisher")?;
        ensure!(seq >= *last, "out of order: {seq} of publisher {publisher} came after {}", *last - 1);
        *last = seq + 1;
        self.samples += 1;
        self.sampled_at = self.count;
        Ok(())
    }

    fn walk(
        &mut self,
        bytes: &[u8],
        unit: impl Fn(&[u8]) -> Option<usize>,
        payload: impl Fn(&[u8]) -> Option<&[u8]>,
        filler: &[u8],
    ) -> Result<u64> {
        let mut held = std::mem::take(&mut self.held);
        let unread = if held.is_empty() {
            bytes
        } else {
            held.extend_from_slice(bytes);
            &held
        };
        let (before, mut at) = (self.count, 0);
        while let Some(length) = unit(&unread[at..]) {
            let one = &unread[at..at + length];
            if payload(one).is_some() {
                self.count += 1;
                if self.count == before + 1 {
                    self.check(one, &payload, filler)?;
                }
            }
            at += length;
        }
        if held.is_empty() {
            held.extend_from_slice(&bytes[at..]);
        } else {
            held.drain(..at);
        }
        self.held = held;
        Ok(self.count - before)
    }

    fn cut_fixed(&mut self, bytes: &[u8], length: usize) -> Cut {
        if bytes.len() < self.missing {
            self.missing -= bytes.len();
            return Cut { first: bytes.len(), first_end: None, tail: bytes.len(), ends: 0 };
        }
        let first = self.missing;
        let rest = bytes.len() - first;
        let partial = rest % length;
        self.missing = if partial == 0 { 0 } else { length - partial };
        Cut {
            first,
            first_end: (rest >= length).then_some(first + length),
            tail: bytes.len() - partial,
            ends: u64::from(first > 0) + (rest / length) as u64,
        }
    }

    fn cut_lines(&mut self, bytes: &[u8]) -> Cut {
        let ends = memchr_iter(b'\n', bytes).count() as u64;
        let tail = memrchr(b'\n', bytes).map_or(0, |at| at + 1);
        let first = match self.missing {
            0 => 0,
            _ => memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1),
        };
        let first_end = memchr(b'\n', &bytes[first..]).map(|at| first + at + 1);
        if ends > 0 || self.missing == 0 {
            self.missing = usize::from(tail < bytes.len());
        }
        Cut { first, first_end, tail: tail.max(first), ends }
    }

    fn cut_frames(&mut self, bytes: &[u8]) -> Cut {
        let mut at = 0;
        let mut ends = 0;
        if !self.head.is_empty() {
            let more = (4 - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..more]);
            at = more;
            if let Some(length) = self.head.first_chunk::<4>() {
                self.missing = u32::from_be_bytes(*length) as usize;
                self.head.clear();
            }
        }
        if self.missing > 0 {
            let more = self.missing.min(bytes.len() - at);
            at += more;
            self.missing -= more;
            ends += u64::from(self.missing == 0);
        }
        let (first, mut tail, mut first_end) = (at, at, None);
        while at < bytes.len() {
            tail = at;
            let Some(length) = bytes[at..].first_chunk::<4>() else {
                self.head.extend_from_slice(&bytes[at..]);
                break;
            };
            let end = at + 4 + u32::from_be_bytes(*length) as usize;
            if end > bytes.len() {
                self.missing = end - bytes.len();
                break;
            }
            first_end.get_or_insert(end);
            (at, tail) = (end, end);
            ends += 1;
        }
        Cut { first, first_end, tail, ends }
    }
}

/// Writes who sent a payload and which of theirs it is: `000:0123456789ab`.
pub fn write_stamp(stamp: &mut [u8; STAMP], publisher: usize, seq: u64) {
    for (n, scale) in [100, 10, 1].into_iter().enumerate() {
        stamp[n] = b'0' + (publisher / scale % 10) as u8;
    }
    stamp[3] = b':';
    renew_stamp(stamp, seq);
}

/// Renews only the sequence number.
#[inline]
pub fn renew_stamp(stamp: &mut [u8; STAMP], seq: u64) {
    for (n, digit) in stamp[4..].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(seq >> (44 - 4 * n)) as usize & 15];
    }
}

/// Who sent a payload, and which of theirs it is.
pub fn read_stamp(stamp: &[u8; STAMP]) -> Option<(usize, u64)> {
    let text = std::str::from_utf8(stamp).ok()?;
    let (publisher, seq) = text.split_once(':')?;
    Some((publisher.parse().ok()?, u64::from_str_radix(seq, 16).ok()?))
}
