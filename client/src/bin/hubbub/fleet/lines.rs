//! Lines from a stream: from the coordinator, and from the writer. Waiting for one may be given up at
//! any moment without losing anything.

use futures::{AsyncRead, AsyncReadExt};
use std::io;

/// Bytes of one line at the most. A guess: what either end says is far shorter.
const LONGEST: usize = 8 << 10;

/// A stream that is read line by line.
pub struct Lines<R> {
    from: R,
    unread: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads from here.
    pub fn new(from: R) -> Self {
        Lines { from, unread: Vec::new() }
    }

    /// The next line without its end; `None` when there is no more. An unfinished one is none.
    pub async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = line[..end].strip_suffix(b"\r").unwrap_or(&line[..end]);
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
            if self.unread.len() > LONGEST {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end"));
            }
            let mut piece = [0; 1024];
            match self.from.read(&mut piece).await? {
                0 => return Ok(None),
                read => self.unread.extend_from_slice(&piece[..read]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;

    #[test]
    fn lines_come_without_their_ends() {
        let mut lines = Lines::new(&b"set_cid:100\r\nrun_tests\nunfinished"[..]);
        let mut next = || block_on(lines.next()).expect("readable");
        assert_eq!(next().as_deref(), Some("set_cid:100"));
        assert_eq!(next().as_deref(), Some("run_tests"));
        assert_eq!((next(), next()), (None, None));
    }

    #[test]
    fn a_line_without_an_end_fills_no_memory() {
        let mut lines = Lines::new(futures::io::repeat(b'x'));
        assert!(block_on(lines.next()).is_err());
    }
}
