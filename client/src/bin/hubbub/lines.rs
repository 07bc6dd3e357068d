//! Standard input, line by line, read by a thread of its own so that a slow writer holds up nothing
//! else. Lines come in batches: as many as one read brought.

use crate::exit::Failure;
use async_channel::{Receiver, Sender};
use std::io::Read;

/// The longest line: the hub takes no longer payload in any encoding.
const MAX_LINE: usize = 1 << 20;
/// Bytes of one read. What a pipe holds.
const READ_SIZE: usize = 64 << 10;
/// Batches that may wait. A guess: enough that neither side waits for the other all the time.
const BATCHES: usize = 8;

/// Some lines, without their ends.
pub type Batch = Result<Vec<String>, Failure>;

/// Starts to read standard input. After a failure, or when the receiver is dropped, nothing more is
/// read.
pub fn of_stdin() -> Receiver<Batch> {
    let (sender, receiver) = async_channel::bounded(BATCHES);
    std::thread::spawn(move || pump(std::io::stdin().lock(), &sender));
    receiver
}

fn pump(mut input: impl Read, sender: &Sender<Batch>) {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let (batch, ended) = match input.read(&mut buffer) {
            Ok(0) => (splitter.finish(), true),
            Ok(n) => (splitter.push(&buffer[..n]), false),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => (Err(Failure::local(format!("cannot read standard input: {e}"))), true),
        };
        let (lines, failure) = match batch {
            Ok(lines) => (lines, None),
            Err(failure) => (std::mem::take(&mut splitter.lines), Some(failure)),
        };
        if !lines.is_empty() && sender.send_blocking(Ok(lines)).is_err() {
            return;
        }
        if let Some(failure) = failure {
            let _ = sender.send_blocking(Err(failure));
            return;
        }
        if ended {
            return;
        }
    }
}

/// Cuts bytes into lines, however they arrive.
#[derive(Default)]
struct Splitter {
    partial: Vec<u8>,
    lines: Vec<String>,
    number: u64,
}

impl Splitter {
    /// Takes bytes in; gives the lines that they complete. On failure, the good lines before it stay
    /// in `lines`.
    fn push(&mut self, bytes: &[u8]) -> Batch {
        let mut pieces = bytes.split(|b| *b == b'\n');
        let last = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.take(piece)?;
            self.complete()?;
        }
        self.take(last)?;
        Ok(std::mem::take(&mut self.lines))
    }

    /// The last line, where it has no end.
    fn finish(&mut self) -> Batch {
        if !self.partial.is_empty() {
            self.complete()?;
        }
        Ok(std::mem::take(&mut self.lines))
    }

    fn take(&mut self, piece: &[u8]) -> Result<(), Failure> {
        if self.partial.len() + piece.len() > MAX_LINE {
            let line = self.number + 1;
            let message = format!("line {line} of standard input is longer than {MAX_LINE} bytes");
            return Err(Failure::local(message));
        }
        self.partial.extend_from_slice(piece);
        Ok(())
    }

    fn complete(&mut self) -> Result<(), Failure> {
        self.number += 1;
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let line = String::from_utf8(line)
            .map_err(|_| Failure::local(format!("line {} of standard input is not UTF-8", self.number)))?;
        self.lines.push(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> (Vec<String>, Option<String>) {
        let (sender, receiver) = async_channel::unbounded();
        pump(input, &sender);
        drop(sender);
        let (mut lines, mut complaint) = (Vec::new(), None);
        while let Ok(batch) = receiver.recv_blocking() {
            match batch {
                Ok(batch) => lines.extend(batch),
                Err(failure) => complaint = Some(failure.message),
            }
        }
        (lines, complaint)
    }

    #[test]
    fn lines_end_with_lf_or_crlf_or_the_end() {
        assert_eq!(read(b"a\r\n\nb\r\rc").0, ["a", "", "b\r\rc"]);
        assert_eq!(read(b"").0.len(), 0);
        assert_eq!(read(b"a\n").0, ["a"]);
    }

    #[test]
    fn the_cuts_of_reads_do_not_show() {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for byte in "grüße\r\nzwei\n".as_bytes() {
            lines.extend(splitter.push(&[*byte]).expect("good lines"));
        }
        assert_eq!(lines, ["grüße", "zwei"]);
    }

    #[test]
    fn a_bad_line_is_named_and_the_lines_before_it_are_kept() {
        let (lines, complaint) = read(b"one\ntwo\n\xff\nfour\n");
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(complaint.as_deref(), Some("line 3 of standard input is not UTF-8"));
        let (_, complaint) = read(&[b'x'; MAX_LINE + 1]);
        assert!(complaint.is_some_and(|c| c.starts_with("line 1 of standard input is longer")));
    }
}
