//! One TCP connection to a hub: how it is made, how its lines are read, and what ends it. The reader
//! always reads what is there, whoever is slow behind it; the writer writes all that waits with one
//! write. [`crate::keeper`] runs it and decides what comes after it.

use crate::client::Shared;
use crate::line::{self, Line};
use crate::outgoing::Outgoing;
use crate::rt::{self, TcpStream};
use crate::session::Effects;
use crate::{addresses, Code, Error, Options};
use futures::{pin_mut, select_biased, AsyncReadExt, AsyncWriteExt, FutureExt};
use hubbub_shared::event::{Closing, Event, Incoming};
use hubbub_shared::limits::MAX_MISSED_HEARTBEATS;
use hubbub_shared::reply::HelloReply;
use hubbub_shared::Refusal;
use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Room for one read: small at first, for a program with thousands of idle clients, and large as
/// soon as a read fills it. Design: 4 KiB reads cost 3.4 times as much as 64 KiB under load.
const MIN_READ: usize = 4 << 10;
const MAX_READ: usize = 64 << 10;
/// A line that is longer ends the connection. A guess: lists may be as long as the hub's queue to one
/// client (8 MiB unless an operator says otherwise).
const MAX_LINE: usize = 64 << 20;
/// How long a hub that refuses `hello` may take to say where else to go. It follows in the same write.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long a closed client waits for the hub to take what was sent before. A guess.
const LINGER: Duration = Duration::from_secs(5);

/// A connection whose `hello` is answered.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The address, as it was given.
    pub(crate) addr: String,
    /// The answer.
    pub(crate) hello: HelloReply,
    stream: TcpStream,
    lines: Lines,
    /// What the hub sent before the answer.
    early: Vec<Incoming>,
}

/// Why a connection ended, and what the hub said about coming back.
#[derive(Debug, Default)]
pub(crate) struct End {
    pub(crate) why: String,
    pub(crate) retry_ms: u64,
    pub(crate) elsewhere: Vec<String>,
}

impl From<String> for End {
    fn from(why: String) -> Self {
        End { why, ..End::default() }
    }
}

/// Why there is no connection, and where the hub would have us instead.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) why: Error,
    pub(crate) retry_ms: u64,
    pub(crate) elsewhere: Vec<String>,
}

impl From<Error> for Failed {
    fn from(why: Error) -> Self {
        Failed { why, retry_ms: 0, elsewhere: Vec::new() }
    }
}

impl Failed {
    /// The hub refused; its last words, where there were any, may say where else to go.
    fn refused(refusal: Refusal, closing: Option<Closing>) -> Self {
        let (retry_ms, elsewhere) = closing.map(|c| (c.retry_ms, c.elsewhere)).unwrap_or_default();
        Failed { why: Error::Refused(refusal), retry_ms, elsewhere: addresses::of_use(&elsewhere) }
    }
}

impl Connection {
    /// Connects and says hello, both within the time limit. `follow` tells the hub whether it may send
    /// this client to another.
    pub(crate) async fn establish(
        addr: &str,
        name: Option<&str>,
        options: &Options,
        follow: bool,
        limit: Duration,
    ) -> Result<Self, Failed> {
        rt::within(limit, greet(addr, name, options, follow)).await.unwrap_or_else(|| {
            Err(Error::Timeout { what: format!("connecting to {addr}"), after: limit }.into())
        })
    }

    /// Reads and writes until the connection or the client ends.
    pub(crate) async fn run(mut self, shared: &Shared) -> End {
        let received = AtomicU64::new(0);
        let end = {
            let reading = read(&self.stream, &mut self.lines, self.early, shared, &received).fuse();
            let writing = write(&self.stream, &shared.out).fuse();
            let watching = watch(shared, &received).fuse();
            let lingering = async {
                shared.out.closed().await;
                rt::sleep(LINGER).await;
                End::from("closed, though not everything could be sent".to_owned())
            }
            .fuse();
            pin_mut!(reading, writing, watching, lingering);
            select_biased! {
                end = reading => end,
                end = writing => end,
                end = watching => end,
                end = lingering => end,
            }
        };
        // To drop a socket with unread bytes would take back from the hub what it has not read yet.
        let _ = self.stream.shutdown(Shutdown::Write);
        if shared.out.is_closed() {
            let mut rest = vec![0; MIN_READ];
            let drained = async { while matches!((&self.stream).read(&mut rest).await, Ok(1..)) {} };
            rt::within(Duration::from_secs(1), drained).await;
        }
        end
    }
}

async fn greet(
    addr: &str,
    name: Option<&str>,
    options: &Options,
    follow: bool,
) -> Result<Connection, Failed> {
    let failed = |source: io::Error| Error::Connect { addr: addr.to_owned(), source };
    let stream = rt::connect(addr).await.map_err(failed)?;
    let agent = options.agent.as_deref().unwrap_or(concat!("hubbub-client/", env!("CARGO_PKG_VERSION")));
    let hello = line::hello(name, agent, options.echo, options.heartbeat, follow);
    (&stream).write_all(&hello).await.map_err(failed)?;
    let (mut lines, mut early) = (Lines::default(), Vec::new());
    loop {
        while let Some(at) = lines.next() {
            let line = lines.get(at);
            if is_silent(line) {
                continue;
            }
            let incoming = Incoming::parse(line)
                .map_err(|why| Error::BadReply(format!("{addr} does not speak as a hub does: {why}")))?;
            match incoming {
                Incoming::Reply { re, result: Ok(ok) } if re.as_ref().is_some_and(|re| re.get() == "0") => {
                    let mut hello: HelloReply = serde_json::from_str(ok.get())
                        .map_err(|why| Error::BadReply(format!("hello: {why}")))?;
                    hello.servers.truncate(addresses::MAX_TOLD);
                    return Ok(Connection { addr: addr.to_owned(), hello, stream, lines, early });
                }
                Incoming::Reply { re: _, result: Ok(_) } => {}
                Incoming::Reply { re: _, result: Err(refusal) } => {
                    let closing = match is_about_this_server(&refusal) {
                        true => rt::within(LAST_WORDS, last_words(&stream, &mut lines)).await.flatten(),
                        false => None,
                    };
                    return Err(Failed::refused(refusal, closing));
                }
                Incoming::Event(Event::Closing(closing)) => {
                    return Err(Failed::refused(closing.why.clone(), Some(closing)));
                }
                other => early.push(other),
            }
        }
        if lines.read(&stream).await.map_err(failed)? == 0 {
            let what = "the connection was closed before the answer to hello";
            return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, what)).into());
        }
    }
}

/// Whether another server of the same cluster may well say something else.
pub(crate) fn is_about_this_server(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::TooMany | Code::Draining)
}

/// What a hub that has refused `hello` says before it closes.
async fn last_words(stream: &TcpStream, lines: &mut Lines) -> Option<Closing> {
    loop {
        while let Some(at) = lines.next() {
            if let Ok(Incoming::Event(Event::Closing(closing))) = Incoming::parse(lines.get(at)) {
                return Some(closing);
            }
        }
        if !matches!(lines.read(stream).await, Ok(1..)) {
            return None;
        }
    }
}

/// Takes in everything that the hub sends, until it ends.
async fn read(
    stream: &TcpStream,
    lines: &mut Lines,
    mut incoming: Vec<Incoming>,
    shared: &Shared,
    received: &AtomicU64,
) -> End {
    loop {
        while let Some(at) = lines.next() {
            let line = lines.get(at);
            if is_silent(line) {
                continue;
            }
            match Incoming::parse(line) {
                Ok(one) => incoming.push(one),
                // If it was a message, the next one shows the gap.
                Err(why) => log::warn!("passed over a line of {} bytes from the hub: {why}", line.len()),
            }
        }
        if let Some(end) = take_in(&mut incoming, shared) {
            return end;
        }
        match lines.read(stream).await {
            Ok(0) => return "the hub closed the connection".to_owned().into(),
            Ok(count) => drop(received.fetch_add(count as u64, Ordering::Relaxed)),
            Err(why) => return format!("the connection failed: {why}").into(),
        }
        // A hub that never pauses must not keep this task from writing.
        rt::yield_now().await;
    }
}

/// Feeds the session with what one read brought, and does what it asks for.
fn take_in(incoming: &mut Vec<Incoming>, shared: &Shared) -> Option<End> {
    if incoming.is_empty() {
        return None;
    }
    let mut effects = Effects::default();
    {
        let mut session = shared.session.lock();
        for one in incoming.drain(..) {
            session.handle(one, &mut effects);
        }
        if effects.restored {
            session.reconnected();
        }
    }
    if !effects.lines.is_empty() {
        shared.out.send_now(|bytes| bytes.extend_from_slice(&effects.lines));
    }
    if effects.restored {
        shared.out.open();
    }
    let closing = effects.closing?;
    let Refusal { code, message } = closing.why;
    Some(End { why: format!("{code}: {message}"), retry_ms: closing.retry_ms, elsewhere: closing.elsewhere })
}

/// Writes what waits, until the client is closed.
async fn write(mut stream: &TcpStream, out: &Outgoing) -> End {
    let mut buffer = Vec::new();
    while out.take(&mut buffer).await {
        if let Err(why) = stream.write_all(&buffer).await {
            return format!("the connection failed: {why}").into();
        }
    }
    "closed by this client".to_owned().into()
}

/// Ends when the hub has been silent for longer than its heartbeats allow. After the first that is
/// missed it is asked, since a hub that hears from its client may see no need for heartbeats.
async fn watch(shared: &Shared, received: &AtomicU64) -> End {
    let Some(seconds) = shared.options.heartbeat else { return std::future::pending().await };
    let (mut last, mut missed) = (0, 0);
    while missed <= MAX_MISSED_HEARTBEATS {
        rt::sleep(Duration::from_secs(seconds)).await;
        let now = received.load(Ordering::Relaxed);
        missed = if now == last { missed + 1 } else { 0 };
        last = now;
        if missed > 0 {
            let id = shared.session.lock().next_id();
            shared.out.send_now(|lines| lines.extend(Line::new("ping").finish(Some(id))));
        }
    }
    format!("no sign of life from the hub for {} s", seconds * u64::from(missed)).into()
}

/// Blank lines, and what the hub says to people before it knows better.
fn is_silent(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), None | Some(b'*'))
}

/// The unread bytes of a connection, and where lines end in them.
#[derive(Debug, Default)]
struct Lines {
    buffer: Vec<u8>,
    /// The unread bytes.
    unread: Range<usize>,
    /// So many of them are known to hold no line end.
    scanned: usize,
    /// Room for the next read.
    room: usize,
}

impl Lines {
    /// The next whole line, without its end.
    fn next(&mut self) -> Option<Range<usize>> {
        let from = self.unread.start + self.scanned;
        match memchr::memchr(b'\n', &self.buffer[from..self.unread.end]) {
            Some(length) => {
                let line = self.unread.start..from + length;
                self.unread.start = line.end + 1;
                self.scanned = 0;
                Some(line)
            }
            None => {
                self.scanned = self.unread.len();
                None
            }
        }
    }

    fn get(&self, line: Range<usize>) -> &[u8] {
        &self.buffer[line]
    }

    /// Reads once, after what is unread. 0 is the end.
    async fn read(&mut self, mut stream: &TcpStream) -> io::Result<usize> {
        if self.unread.len() > MAX_LINE {
            return Err(io::Error::other(format!("a line of the hub is longer than {MAX_LINE} bytes")));
        }
        self.make_room();
        let count = stream.read(&mut self.buffer[self.unread.end..]).await?;
        self.unread.end += count;
        if self.unread.end == self.buffer.len() {
            self.room = (self.room * 4).min(MAX_READ);
        }
        Ok(count)
    }

    /// Moves what is unread to the front, and makes the buffer as large as it needs to be.
    fn make_room(&mut self) {
        self.room = self.room.max(MIN_READ);
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let wanted = self.unread.len() + self.room;
        if self.buffer.len() < wanted {
            // A long line: twice as much each time, so that it is not moved for every read.
            self.buffer.resize(wanted.max(self.unread.len() * 2), 0);
        } else if self.buffer.len() > 4 * MAX_READ && wanted <= 2 * MAX_READ {
            self.buffer.truncate(wanted);
            self.buffer.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts bytes in as a read does, and takes the lines that are whole.
    fn feed(lines: &mut Lines, bytes: &[u8]) -> Vec<String> {
        lines.make_room();
        lines.buffer[lines.unread.end..][..bytes.len()].copy_from_slice(bytes);
        lines.unread.end += bytes.len();
        let mut found = Vec::new();
        while let Some(at) = lines.next() {
            found.push(String::from_utf8_lossy(lines.get(at)).into_owned());
        }
        found
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut lines = Lines::default();
        assert!(feed(&mut lines, b"{\"a\"").is_empty());
        assert_eq!(feed(&mut lines, b":1}\r\n{}\n\n{"), ["{\"a\":1}\r", "{}", ""]);
        assert_eq!(feed(&mut lines, b"}\n"), ["{}"]);
    }

    #[test]
    fn a_long_line_is_held_and_its_room_given_back() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            assert!(feed(&mut lines, &[b'x'; 4000]).is_empty());
        }
        assert_eq!(feed(&mut lines, b"\n")[0].len(), 4_000_000);
        lines.make_room();
        assert!(lines.buffer.capacity() <= 2 * MAX_READ);
    }

    #[test]
    fn what_the_hub_says_to_people_is_passed_over() {
        for silent in ["", "\r", "* welcome to alpha", "*"] {
            assert!(is_silent(silent.as_bytes()));
        }
        assert!(!is_silent(br#"{"event":"ping"}"#));
    }
}
