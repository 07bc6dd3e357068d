//! Encoded messages, on their way to all their receivers.

use bytes::Bytes;
use std::sync::Arc;

/// Blocks from this size are queued by reference, smaller ones copied. A guess: about where a copy
/// begins to cost more than the reference count of a block and one more slice to write.
pub const SHARE_FROM: usize = 1 << 10;

/// Bytes that several receivers share. Large payloads stand in it by reference.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    /// What belongs between them, and where.
    inserts: Vec<(usize, Bytes)>,
    inserted: usize,
}

impl From<Vec<u8>> for Block {
    fn from(bytes: Vec<u8>) -> Self {
        Block { bytes, inserts: Vec::new(), inserted: 0 }
    }
}

impl Block {
    /// Where bytes are appended.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Puts bytes where those that are appended so far have reached `at`; in the order of the places.
    pub fn insert(&mut self, at: usize, bytes: Bytes) {
        self.inserted += bytes.len();
        self.inserts.push((at, bytes));
    }

    /// For several receivers: what waits in queues does not hold much more memory than it counts.
    pub fn share(mut self) -> Arc<Block> {
        if self.bytes.capacity() > 2 * self.bytes.len() {
            self.bytes.shrink_to_fit();
        }
        Arc::new(self)
    }

    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.inserted
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, piece by piece.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.inserts.iter().map(|(at, _)| *at));
        let ends = self.inserts.iter().map(|(at, _)| *at).chain([self.bytes.len()]);
        let inserts = self.inserts.iter().map(|(_, bytes)| &bytes[..]).chain([[].as_slice()]);
        starts.zip(ends).zip(inserts).flat_map(|((start, end), insert)| [&self.bytes[start..end], insert])
    }
}

/// Encoded messages: how they are queued depends on their length.
#[derive(Debug)]
pub enum Encoded {
    /// Few bytes: each receiver gets a copy.
    Small(Vec<u8>),
    /// A block that is queued by reference.
    Shared(Arc<Block>),
}

impl Encoded {
    /// Decides by the length.
    pub fn new(block: Block) -> Self {
        if block.len() < SHARE_FROM && block.inserts.is_empty() {
            Encoded::Small(block.bytes)
        } else {
            Encoded::Shared(block.share())
        }
    }

    /// Bytes in all.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Encoded::Small(bytes) => bytes.len(),
            Encoded::Shared(block) => block.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a copy.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Encoded::Small(bytes) => out.extend_from_slice(bytes),
            Encoded::Shared(block) => block.slices().for_each(|slice| out.extend_from_slice(slice)),
        }
    }

    /// The buffer back, unless a receiver still holds the block.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        match self {
            Encoded::Small(bytes) => Some(bytes),
            Encoded::Shared(block) => Arc::try_unwrap(block).ok().map(|block| block.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stand_where_they_were_put() {
        let mut block = Block::default();
        block.out().extend(b"[a] \n");
        block.insert(4, Bytes::from_static(b"one"));
        block.out().extend(b"[b] \n");
        block.insert(9, Bytes::from_static(b"two"));
        assert_eq!(block.slices().collect::<Vec<_>>().concat(), b"[a] one\n[b] two\n");
        assert_eq!(block.len(), 16);
        let encoded = Encoded::new(block);
        let mut out = b"-".to_vec();
        encoded.append_to(&mut out);
        assert_eq!(out, b"-[a] one\n[b] two\n");
        assert!(matches!(encoded, Encoded::Shared(_)));
    }
}
