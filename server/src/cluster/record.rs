//! What runs over a link once both ends have proven that they belong to the cluster: a stream of
//! bytes, cut into sealed records, or as it is where it never leaves the machine. Owns the keys and
//! counters of one link; knows nothing of what the bytes mean. The link's shell calls [`Seal`] before
//! it writes and [`Open`] after it has read.
//!
//! A record is a length (u32, big-endian) and that many bytes of ciphertext with its tag. The nonce
//! is the number of the record, so that a record that was changed, dropped, repeated or moved does
//! not open. What a thief of bytes *can* do is end the link between two records: that is a lost
//! connection like any other, and the layer above counts what it received.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use std::fmt;

/// The most plain bytes of a record: what one read of a socket takes. The larger, the less a record
/// costs; the smaller, the less a peer can make us keep.
pub const MAX_PLAIN: usize = 64 * 1024;
/// The authentication tag of ChaCha20-Poly1305 (RFC 8439).
pub const TAG: usize = 16;
const HEAD: usize = 4;

/// The keys of one link, as the handshake agreed on them.
pub struct Session {
    /// The version of the link's protocol that both ends speak.
    pub protocol: u16,
    keys: Option<Keys>,
}

/// One key a direction.
struct Keys {
    seal: [u8; 32],
    open: [u8; 32],
}

impl Session {
    /// A link whose bytes go as they are.
    pub fn plain(protocol: u16) -> Self {
        Session { protocol, keys: None }
    }

    /// A link with a key for what we send and another for what we receive.
    pub fn sealed(protocol: u16, seal: [u8; 32], open: [u8; 32]) -> Self {
        Session { protocol, keys: Some(Keys { seal, open }) }
    }

    /// Whether bytes go as they are.
    pub fn is_plain(&self) -> bool {
        self.keys.is_none()
    }

    /// The two halves of the link. Consumes the session: keys that were used with one count of
    /// records must not be used with a second one.
    pub fn records(self) -> (Seal, Open) {
        let side = |key: [u8; 32]| Side { cipher: ChaCha20Poly1305::new(&key.into()), records: 0 };
        let (seal, open) = match self.keys {
            Some(keys) => (Some(side(keys.seal)), Some(side(keys.open))),
            None => (None, None),
        };
        (Seal { side: seal }, Open { side: open, part: Vec::new(), broken: None })
    }
}

impl fmt::Debug for Session {
    /// Never shows a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("protocol", &self.protocol)
            .field("is_plain", &self.is_plain())
            .finish_non_exhaustive()
    }
}

/// The key of one direction, and the number of its next record.
struct Side {
    cipher: ChaCha20Poly1305,
    records: u64,
}

impl Side {
    fn next_nonce(&mut self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.records.to_be_bytes());
        self.records = self.records.checked_add(1).expect("2^64 records take longer than any link lasts");
        nonce.into()
    }
}

/// Why a link cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A length that no record has.
    #[error("a record of {0} bytes: it has 17 to {max}", max = MAX_PLAIN + TAG)]
    Length(u32),
    /// Changed, out of order, repeated, or sealed by somebody else.
    #[error("record {0} is not what the peer sealed")]
    Forged(u64),
    /// The stream ended inside a record.
    #[error("the link ended inside record {0}")]
    Truncated(u64),
}

/// The sending half.
pub struct Seal {
    side: Option<Side>,
}

impl Seal {
    /// Whether bytes go as they are, so that the caller need not copy them through here.
    pub fn is_plain(&self) -> bool {
        self.side.is_none()
    }

    /// Appends all of `plain` to `out`, in as few records as it takes.
    pub fn seal<'a>(&mut self, plain: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
        let Some(side) = &mut self.side else {
            plain.into_iter().for_each(|piece| out.extend_from_slice(piece));
            return;
        };
        let mut start = None; // where the open record's plain bytes begin in `out`
        for mut piece in plain {
            while !piece.is_empty() {
                let begin = *start.get_or_insert_with(|| {
                    out.extend_from_slice(&[0; HEAD]);
                    out.len()
                });
                let room = MAX_PLAIN - (out.len() - begin);
                let (now, later) = piece.split_at(room.min(piece.len()));
                out.extend_from_slice(now);
                piece = later;
                if now.len() == room {
                    close_record(side, begin, out);
                    start = None;
                }
            }
        }
        if let Some(begin) = start {
            close_record(side, begin, out);
        }
    }
}

/// Seals what stands in `out` from `begin` on, and writes its length in front.
fn close_record(side: &mut Side, begin: usize, out: &mut Vec<u8>) {
    let nonce = side.next_nonce();
    let tag = side.cipher.encrypt_inout_detached(&nonce, b"", (&mut out[begin..]).into());
    out.extend_from_slice(&tag.expect("64 KiB are within the cipher's 256 GiB"));
    let length = u32::try_from(out.len() - begin).expect("64 KiB fit into a u32");
    out[begin - HEAD..begin].copy_from_slice(&length.to_be_bytes());
}

/// The receiving half.
pub struct Open {
    side: Option<Side>,
    /// The beginning of a record whose end has not come: at most a record less one byte.
    part: Vec<u8>,
    broken: Option<Broken>,
}

impl Open {
    /// Whether bytes come as they are, so that the caller need not copy them through here.
    pub fn is_plain(&self) -> bool {
        self.side.is_none()
    }

    /// Takes what was read, in pieces as they come, and appends what opened to `out`. Nothing that
    /// was not authenticated gets there. After an error nothing opens any more: the link is to end.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let Some(side) = &mut self.side else {
            out.extend_from_slice(bytes);
            return Ok(());
        };
        let result = loop {
            if self.part.is_empty() {
                match open_record(side, bytes, out) {
                    Ok(Progress::Opened(used)) => bytes = &bytes[used..],
                    Ok(Progress::Needs(_)) => {
                        self.part.extend_from_slice(bytes);
                        break Ok(());
                    }
                    Err(broken) => break Err(broken),
                }
            } else {
                match open_record(side, &self.part, out) {
                    Ok(Progress::Opened(_)) => self.part.clear(),
                    Ok(Progress::Needs(_)) if bytes.is_empty() => break Ok(()),
                    Ok(Progress::Needs(more)) => {
                        let (now, later) = bytes.split_at(more.min(bytes.len()));
                        self.part.extend_from_slice(now);
                        bytes = later;
                    }
                    Err(broken) => break Err(broken),
                }
            }
        };
        if let Err(broken) = result {
            self.broken = Some(broken);
            self.part = Vec::new();
        }
        result
    }

    /// The peer sends no more: an error if it stopped inside a record.
    pub fn end(&self) -> Result<(), Broken> {
        match (self.broken, &self.side) {
            (Some(broken), _) => Err(broken),
            (None, Some(side)) if !self.part.is_empty() => Err(Broken::Truncated(side.records)),
            (None, _) => Ok(()),
        }
    }
}

enum Progress {
    /// A record of so many bytes, with its head, was opened.
    Opened(usize),
    /// At least so many bytes more than there are; never more than to the end of the record.
    Needs(usize),
}

/// Opens the record at the start of `bytes`, if all of it is there.
fn open_record(side: &mut Side, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, Broken> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Ok(Progress::Needs(HEAD - bytes.len()));
    };
    let stated = u32::from_be_bytes(*head);
    let length = stated as usize;
    // An empty record says nothing and would let a peer keep us busy for nothing.
    if length <= TAG || length > MAX_PLAIN + TAG {
        return Err(Broken::Length(stated));
    }
    let Some(body) = rest.get(..length) else {
        return Ok(Progress::Needs(length - rest.len()));
    };
    let (number, nonce) = (side.records, side.next_nonce());
    let (cipher, tag) = body.split_at(length - TAG);
    let tag = Tag::try_from(tag).expect("the body was split before its tag");
    let begin = out.len();
    out.extend_from_slice(cipher);
    if side.cipher.decrypt_inout_detached(&nonce, b"", (&mut out[begin..]).into(), &tag).is_err() {
        out.truncate(begin);
        return Err(Broken::Forged(number));
    }
    Ok(Progress::Opened(HEAD + length))
}

#[cfg(test)]
mod tests;
