//! One blocking TCP connection with a deadline on everything. It knows bytes, lines and frames, and
//! nothing of what they mean.

use crate::wait::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A raw connection to a hub.
pub struct Socket {
    stream: TcpStream,
    /// What has come, of which the first `used` bytes are looked at.
    came: Vec<u8>,
    used: usize,
    ended: bool,
    /// How long a read may take before the test fails.
    pub patience: Duration,
}

impl Socket {
    /// Connects, and panics when that is refused.
    pub fn connect(addr: SocketAddr) -> Socket {
        Socket::try_connect(addr).unwrap_or_else(|e| panic!("connecting to {addr}: {e}"))
    }

    /// Connects.
    pub fn try_connect(addr: SocketAddr) -> std::io::Result<Socket> {
        let stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Socket { stream, came: Vec::new(), used: 0, ended: false, patience: PATIENCE })
    }

    /// The socket itself, for what only some tests do to it.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// This end's address.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Writes all bytes, or panics.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|e| panic!("sending to the hub: {e}"));
    }

    /// Writes all bytes; fails when the hub has closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap_or_else(|e| panic!("closing one direction: {e}"));
    }

    /// The next line without its end; `None` at the end of the stream.
    pub fn line(&mut self) -> Option<String> {
        self.line_within(self.patience).unwrap_or_else(|| self.too_late("a line"))
    }

    /// The next line: outer `None` when the time is over, inner `None` at the end of the stream.
    pub fn line_within(&mut self, limit: Duration) -> Option<Option<String>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(mut line) = self.take_line() {
                line.pop();
                return Some(Some(text(line)));
            }
            if self.ended {
                assert!(self.unread().is_empty(), "the stream ended within a line: {:?}", self.lossy());
                return Some(None);
            }
            if !self.fill(deadline) {
                return None;
            }
        }
    }

    /// The next line; `None` at the end of the stream, even within a line, as a killed peer ends.
    pub fn line_or_end(&mut self) -> Option<Vec<u8>> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            if !self.fill(deadline) {
                self.too_late::<()>("a line or the end of the stream");
            }
        }
    }

    /// The next line, which must come.
    pub fn must_line(&mut self) -> String {
        self.line().expect("the hub closed the connection; a line was due")
    }

    /// The body of the next frame; `None` at the end of the stream.
    pub fn frame(&mut self) -> Option<Vec<u8>> {
        self.frame_within(self.patience).unwrap_or_else(|| self.too_late("a frame"))
    }

    /// The next frame's body, as [`Socket::line_within`].
    pub fn frame_within(&mut self, limit: Duration) -> Option<Option<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(head) = self.unread().first_chunk::<4>() {
                let length = u32::from_be_bytes(*head) as usize;
                assert!(length < 64 << 20, "the hub announced a frame of {length} bytes: {:?}", self.lossy());
                if self.unread().len() >= 4 + length {
                    return Some(Some(self.take(4 + length).split_off(4)));
                }
            }
            if self.ended {
                assert!(self.unread().is_empty(), "the stream ended within a frame: {:?}", self.lossy());
                return Some(None);
            }
            if !self.fill(deadline) {
                return None;
            }
        }
    }

    /// All that comes until the hub closes.
    pub fn rest(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + self.patience;
        while !self.ended {
            if !self.fill(deadline) {
                self.too_late::<()>("the end of the stream");
            }
        }
        self.take(self.unread().len())
    }

    /// [`Socket::rest`] as lines.
    pub fn rest_lines(&mut self) -> Vec<String> {
        text(self.rest()).lines().map(str::to_owned).collect()
    }

    /// Closes with a reset instead of a farewell.
    pub fn reset(self) {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))
            .expect("SO_LINGER can be set");
    }

    /// Makes the kernel keep little for this end, so that a reader that stops is noticed by the hub
    /// soon.
    pub fn shrink_receive_buffer(&self) {
        rustix::net::sockopt::set_socket_recv_buffer_size(&self.stream, 32 << 10)
            .expect("SO_RCVBUF can be set");
    }

    fn unread(&self) -> &[u8] {
        &self.came[self.used..]
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.unread()[..count].to_vec();
        self.used += count;
        taken
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.unread().iter().position(|b| *b == b'\n')?;
        Some(self.take(end + 1))
    }

    /// Reads once. Whether it was in time.
    fn fill(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).expect("a time limit above zero can be set");
        let mut piece = [0; 64 << 10];
        match self.stream.read(&mut piece) {
            Ok(0) => self.ended = true,
            Ok(n) => {
                self.came.drain(..std::mem::take(&mut self.used));
                self.came.extend_from_slice(&piece[..n]);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.ended = true,
        }
        true
    }

    fn lossy(&self) -> String {
        String::from_utf8_lossy(self.unread()).chars().take(500).collect()
    }

    fn too_late<T>(&self, what: &str) -> T {
        panic!("waited {:?} for {what}; unread is {:?}", self.patience, self.lossy())
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|e| panic!("the hub sent what is not UTF-8: {:?}", e.into_bytes()))
}
