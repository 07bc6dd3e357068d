//! Many sockets on one thread: edge-triggered epoll over non-blocking TCP connections, each with the
//! bytes that did not fit its socket yet. It knows no protocol. The generator's works and the relay
//! drive it.

use anyhow::{ensure, Context, Result};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::Timespec;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{connect, socket_with, AddressFamily, SocketFlags, SocketType};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Bytes read at once. Larger than any window in flight, so that one receive takes all there is.
pub const READ_BYTES: usize = 256 << 10;

/// The data of a listener's events.
const LISTENER: u64 = u64::MAX;

/// The connections, by index.
pub struct Net {
    epoll: OwnedFd,
    events: Vec<Event>,
    /// All connections ever made here; none is forgotten before the end.
    pub conns: Vec<Conn>,
    /// Those that have something to read, after [`Net::wait`].
    pub readable: Vec<usize>,
    /// Whether a listener has connections to accept, after [`Net::wait`].
    pub acceptable: bool,
}

/// One connection.
pub struct Conn {
    stream: TcpStream,
    /// Bytes to send, of which `sent` are gone.
    outbox: Vec<u8>,
    sent: usize,
    /// Whether the socket has room as far as is known; false until connected.
    pub writable: bool,
    /// Bytes received and not yet understood, where a work keeps them.
    pub inbox: Vec<u8>,
}

/// What a read found.
pub enum Got {
    /// So many bytes, and there may be more.
    More(usize),
    /// So many bytes, and no more for now.
    Last(usize),
    /// The other side closed or reset the connection.
    Closed,
}

impl Net {
    pub fn new() -> io::Result<Net> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let events = Vec::with_capacity(1024);
        Ok(Net { epoll, events, conns: Vec::new(), readable: Vec::new(), acceptable: false })
    }

    /// Starts to connect; bytes may be given to the connection at once.
    pub fn dial(&mut self, addr: SocketAddr) -> io::Result<usize> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        match connect(&socket, &addr) {
            Ok(()) | Err(Errno::INPROGRESS) => self.adopt(TcpStream::from(socket)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes in a non-blocking socket.
    pub fn adopt(&mut self, stream: TcpStream) -> io::Result<usize> {
        stream.set_nodelay(true)?;
        let index = self.conns.len();
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), interest)?;
        let (outbox, inbox) = (Vec::new(), Vec::new());
        self.conns.push(Conn { stream, outbox, sent: 0, writable: false, inbox });
        Ok(index)
    }

    /// Closes a connection; its index stays taken, and its socket until the end.
    pub fn hang_up(&mut self, index: usize) -> io::Result<()> {
        let stream = &self.conns[index].stream;
        epoll::delete(&self.epoll, stream)?;
        self.readable.retain(|readable| *readable != index);
        match stream.shutdown(Shutdown::Both) {
            Err(error) if error.kind() != ErrorKind::NotConnected => Err(error),
            _ => Ok(()),
        }
    }

    /// Watches a listener; its connections are accepted by the caller.
    pub fn listen(&mut self, listener: &TcpListener) -> io::Result<()> {
        epoll::add(&self.epoll, listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(())
    }

    /// Waits for something to happen, sends what waits for room, and lists what can be read.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout =
            timeout.map(|t| Timespec { tv_sec: t.as_secs() as i64, tv_nsec: t.subsec_nanos().into() });
        self.events.clear();
        self.readable.clear();
        self.acceptable = false;
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &self.events {
            let (data, flags) = (event.data.u64(), event.flags);
            if data == LISTENER {
                self.acceptable = true;
                continue;
            }
            let index = data as usize;
            if flags.contains(EventFlags::OUT) {
                let conn = &mut self.conns[index];
                conn.writable = true;
                conn.flush()?;
            }
            if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR) {
                self.readable.push(index);
            }
        }
        Ok(())
    }

    /// Offers each connection's new bytes to `take` until `done` says so.
    ///
    /// # Errors
    /// A connection that closes, what `take` refuses, and the deadline.
    pub fn until(
        &mut self,
        what: &str,
        limit: Duration,
        buffer: &mut [u8],
        mut take: impl FnMut(usize, &mut Conn, &[u8]) -> Result<()>,
        mut done: impl FnMut(&mut Net) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !done(self)? {
            ensure!(Instant::now() < deadline, "{what}: not done after {} s", limit.as_secs());
            self.wait(Some(Duration::from_millis(200)))?;
            self.take(buffer, &mut take).with_context(|| what.to_owned())?;
        }
        Ok(())
    }

    /// Reads everything readable.
    pub fn take(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(usize, &mut Conn, &[u8]) -> Result<()>,
    ) -> Result<()> {
        for &index in &self.readable {
            let conn = &mut self.conns[index];
            loop {
                match conn.read(buffer)? {
                    Got::More(n) => take(index, conn, &buffer[..n])?,
                    Got::Last(0) => break,
                    Got::Last(n) => {
                        take(index, conn, &buffer[..n])?;
                        break;
                    }
                    Got::Closed => {
                        let last = String::from_utf8_lossy(&conn.inbox);
                        anyhow::bail!("the server closed connection {index}; unread: {:?}", last.trim_end());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Conn {
    /// Receives once.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Got> {
        match (&self.stream).read(buffer) {
            Ok(0) => Ok(Got::Closed),
            Ok(n) if n == buffer.len() => Ok(Got::More(n)),
            Ok(n) => Ok(Got::Last(n)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(Got::Last(0))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused) =>
            {
                Ok(Got::Closed)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends what fits and says how much that was; the rest stays the caller's.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.writable || bytes.is_empty() {
            return Ok(0);
        }
        match (&self.stream).write(bytes) {
            Ok(n) => {
                // After a short write the kernel tells when there is room again.
                self.writable = n == bytes.len();
                Ok(n)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends all of it, now or when there is room.
    pub fn post(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = if self.is_flushed() { self.send(bytes)? } else { 0 };
        self.outbox.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Adds to what [`Conn::flush`] will send.
    pub fn stage(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.is_flushed() {
            return Ok(());
        }
        let outbox = std::mem::take(&mut self.outbox);
        let sent = self.send(&outbox[self.sent..]);
        self.outbox = outbox;
        self.sent += sent?;
        if self.sent == self.outbox.len() {
            self.outbox.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// Whether nothing waits to be sent.
    pub fn is_flushed(&self) -> bool {
        self.sent == self.outbox.len()
    }

    /// Offers the whole units of what was received so far; keeps the rest.
    pub fn units(
        &mut self,
        new: &[u8],
        unit: impl Fn(&[u8]) -> Option<usize>,
        mut each: impl FnMut(&mut Conn, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut unread = std::mem::take(&mut self.inbox);
        unread.extend_from_slice(new);
        let mut at = 0;
        while let Some(length) = unit(&unread[at..]) {
            each(self, &unread[at..at + length])?;
            at += length;
        }
        unread.drain(..at);
        self.inbox = unread;
        Ok(())
    }
}
