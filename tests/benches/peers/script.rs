//! What one publisher sends: a lap of ready-made publishes, written once, in which only the sequence
//! numbers are renewed from lap to lap. So a publish costs the generator a few nanoseconds and the
//! kernel's copy.

use crate::count::{renew_stamp, write_stamp, STAMP};
use crate::net::Conn;
use crate::peers::Dialect;
use std::io;

/// Bytes given to the socket at once: what a busy pipelining client has in its buffer.
const SEND_BYTES: usize = 64 << 10;

/// Messages of a lap at least, so that short laps do not make short writes.
const LAP_MESSAGES: usize = 1024;
/// Bytes of a lap that is only long to make long writes.
const LAP_BYTES: usize = 256 << 10;

/// One publisher's lap and where it stands in it.
pub struct Script {
    lap: Vec<u8>,
    /// Where each message of the lap starts, and where its stamp; with one more start at the end.
    starts: Vec<(u32, u32)>,
    /// Bytes of the lap that are sent.
    sent: usize,
    /// Messages of the lap with their present number.
    stamped: usize,
    /// Messages taken on since the start, sent or about to be.
    pub issued: u64,
}

impl Script {
    /// A lap over channels, in their order, repeated where it would be short.
    pub fn new(
        dialect: &dyn Dialect,
        publisher: usize,
        filler: &[u8],
        channels: impl ExactSizeIterator<Item = String> + Clone,
    ) -> Script {
        let mut payload = vec![0; STAMP];
        payload.extend_from_slice(filler);
        let (stamp, _) = payload.split_first_chunk_mut().expect("a payload starts with its stamp");
        write_stamp(stamp, publisher, 0);
        let laps = (LAP_MESSAGES / channels.len()).min(LAP_BYTES / payload.len() / channels.len()).max(1);
        let (mut lap, mut starts) = (Vec::new(), Vec::new());
        for channel in std::iter::repeat_n(channels, laps).flatten() {
            let start = lap.len();
            dialect.publish(&channel, &payload, &mut lap);
            let stamp = memchr::memmem::rfind(&lap[start..], &payload).expect("a publish holds its payload");
            starts.push((start as u32, (start + stamp) as u32));
        }
        starts.push((lap.len() as u32, 0));
        Script { lap, starts, sent: 0, stamped: 0, issued: 0 }
    }

    /// Messages of a lap.
    pub fn lap_len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Sends up to `budget` further messages, as far as the socket takes them. Returns how many
    /// were taken on; the rest of a message that did not fit goes first next time.
    pub fn send(&mut self, conn: &mut Conn, budget: u64) -> io::Result<u64> {
        let before = self.issued;
        while conn.writable {
            if self.sent == self.lap.len() {
                (self.sent, self.stamped) = (0, 0);
            }
            let left = budget - (self.issued - before);
            while self.stamped < self.lap_len()
                && ((self.stamped_bytes() - self.sent) < SEND_BYTES)
                && self.issued - before < budget
            {
                let stamp = self.starts[self.stamped].1 as usize;
                let stamp = self.lap[stamp..].first_chunk_mut().expect("a publish holds its stamp");
                renew_stamp(stamp, self.issued);
                self.stamped += 1;
                self.issued += 1;
            }
            let end = self.stamped_bytes();
            if end == self.sent && left == 0 {
                break;
            }
            self.sent += conn.send(&self.lap[self.sent..end])?;
        }
        Ok(self.issued - before)
    }

    /// Whether everything taken on is with the kernel.
    pub fn is_sent(&self) -> bool {
        self.sent == self.stamped_bytes()
    }

    fn stamped_bytes(&self) -> usize {
        self.starts[self.stamped].0 as usize
    }
}
