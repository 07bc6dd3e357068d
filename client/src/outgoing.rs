//! What is on its way to the hub: one bounded buffer that every handle appends whole lines to and
//! that the connection's writer empties with one write at a time.
//!
//! It also is the gate: lines of users pass only while there is a connection that is fully restored,
//! and none after the client is closed.

use crate::Error;
use event_listener::Event;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that may wait for the writer. A guess: a few writes' worth (a loopback socket takes some
/// 200 KiB at once); above it, senders wait for room. One line more may stand in the buffer.
const MAX_WAITING: usize = 256 << 10;
/// A buffer that a large line has grown beyond this is given back after it is written.
const MAX_KEPT: usize = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    state: Mutex<State>,
    /// The writer waits here for bytes.
    work: Event,
    /// Senders wait here for room, and for a connection.
    room: Event,
    /// Whoever has to end with the client waits here.
    over: Event,
    /// What the hub's hello said; beside the lock, since every line is measured.
    max_line: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    gate: Gate,
    /// Lines without an acknowledgement ever appended, and how many of those the hub is known to
    /// have processed.
    forgotten: u64,
    confirmed: u64,
    /// Such lines went with a connection, and nobody was told yet.
    lost: Option<String>,
}

#[derive(Debug, Default)]
enum Gate {
    /// There is no connection.
    #[default]
    Shut,
    /// There is one, but the hub has not confirmed yet that everything is subscribed again.
    Restoring,
    Open,
    /// For good, and why.
    Closed(String),
}

impl Outgoing {
    /// Appends a line as soon as there is a connection and room. `on_append` runs at that moment,
    /// before the line can be answered: what it notes belongs to this connection.
    pub(crate) async fn send(
        &self,
        line: &[u8],
        forget: bool,
        mut on_append: impl FnMut(),
    ) -> Result<(), Error> {
        let mut attempt = || {
            let mut state = self.state.lock();
            match &state.gate {
                Gate::Closed(why) => return Some(Err(Error::disconnected(why.clone()))),
                Gate::Open if state.bytes.len() < MAX_WAITING => {}
                _ => return None,
            }
            on_append();
            state.forgotten += u64::from(forget);
            let idle = state.bytes.is_empty();
            state.bytes.extend_from_slice(line);
            drop(state);
            if idle {
                self.work.notify(1);
            }
            Some(Ok(()))
        };
        loop {
            if let Some(done) = attempt() {
                return done;
            }
            let change = self.room.listen();
            if let Some(done) = attempt() {
                return done;
            }
            change.await;
        }
    }

    /// Appends the lines that `write` makes, without waiting and beyond the bound: for the session's
    /// own few and short ones. `write` runs in any case, in one order with everything that is sent;
    /// without a connection its lines go nowhere.
    pub(crate) fn send_now(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        if matches!(state.gate, Gate::Restoring | Gate::Open) {
            write(&mut state.bytes);
            drop(state);
            self.work.notify(1);
        } else {
            write(&mut Vec::new());
        }
    }

    /// There is a new connection: the lines that restore it come first.
    pub(crate) fn attach(&self, max_line: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock();
        if matches!(state.gate, Gate::Shut) {
            self.max_line.store(max_line, Ordering::Relaxed);
            state.gate = Gate::Restoring;
            write(&mut state.bytes);
        }
    }

    /// Waits for bytes and takes them all; `buffer` goes back in their place. False when the client
    /// is closed and everything is taken.
    pub(crate) async fn take(&self, buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        if buffer.capacity() > MAX_KEPT {
            *buffer = Vec::new();
        }
        loop {
            let work = {
                let mut state = self.state.lock();
                if !state.bytes.is_empty() {
                    std::mem::swap(&mut state.bytes, buffer);
                    drop(state);
                    self.room.notify(usize::MAX);
                    return true;
                }
                if matches!(state.gate, Gate::Closed(_)) {
                    return false;
                }
                self.work.listen()
            };
            work.await;
        }
    }

    /// The connection is restored: lets the users' lines pass.
    pub(crate) fn open(&self) {
        let mut state = self.state.lock();
        if matches!(state.gate, Gate::Restoring) {
            state.gate = Gate::Open;
        }
        drop(state);
        self.room.notify(usize::MAX);
    }

    /// The connection is lost: what was not written is gone with it, and users wait from now on.
    pub(crate) fn shut(&self, why: &str) {
        let mut state = self.state.lock();
        state.bytes = Vec::new();
        if state.forgotten > state.confirmed {
            state.lost = Some(why.to_owned());
            state.confirmed = state.forgotten;
        }
        if !matches!(state.gate, Gate::Closed(_)) {
            state.gate = Gate::Shut;
        }
    }

    /// Nothing may be sent any more, for good. What waits is still written.
    pub(crate) fn close(&self, why: &str) {
        let mut state = self.state.lock();
        if !matches!(state.gate, Gate::Closed(_)) {
            state.gate = Gate::Closed(why.to_owned());
        }
        drop(state);
        for event in [&self.work, &self.room, &self.over] {
            event.notify(usize::MAX);
        }
    }

    /// Waits until the client is closed.
    pub(crate) async fn closed(&self) {
        let over = self.over.listen();
        if !self.is_closed() {
            over.await;
        }
    }

    /// Whether the client is closed.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state.lock().gate, Gate::Closed(_))
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state.lock().gate, Gate::Open)
    }

    /// Bytes of one line at the most, without its end.
    pub(crate) fn max_line(&self) -> usize {
        self.max_line.load(Ordering::Relaxed)
    }

    /// The count of lines without an acknowledgement, to be given to [`Self::confirm`].
    pub(crate) fn forgotten(&self) -> u64 {
        self.state.lock().forgotten
    }

    /// The hub has processed all lines up to this count. Says whether any were lost with a
    /// connection since the last time, and why.
    pub(crate) fn confirm(&self, forgotten: u64) -> Option<String> {
        let mut state = self.state.lock();
        state.confirmed = state.confirmed.max(forgotten);
        state.lost.take()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;

    fn connected() -> Outgoing {
        let out = Outgoing::default();
        out.attach(1 << 20, |_| ());
        out.open();
        out
    }

    fn taken(out: &Outgoing) -> Option<Vec<u8>> {
        let mut buffer = Vec::new();
        out.take(&mut buffer).now_or_never().map(|_| buffer)
    }

    #[test]
    fn lines_wait_for_the_gate_and_for_room() {
        let out = Outgoing::default();
        out.open();
        out.send_now(|bytes| bytes.extend(b"nowhere\n"));
        let mut early = Box::pin(out.send(b"early\n", false, || ()));
        assert!(early.as_mut().now_or_never().is_none());
        out.attach(1 << 20, |bytes| bytes.extend(b"restore\n"));
        out.send_now(|bytes| bytes.extend(b"more\n"));
        assert!(early.as_mut().now_or_never().is_none());
        assert_eq!(taken(&out).unwrap(), b"restore\nmore\n");
        out.open();
        assert!(early.now_or_never().unwrap().is_ok());
        let long = vec![b'x'; MAX_WAITING];
        assert!(out.send(&long, false, || ()).now_or_never().unwrap().is_ok());
        let mut late = Box::pin(out.send(b"late\n", false, || ()));
        assert!(late.as_mut().now_or_never().is_none(), "the buffer is full");
        assert_eq!(taken(&out).unwrap().len(), MAX_WAITING + 6);
        assert!(late.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_lost_connection_takes_what_waits_and_says_so_once() {
        let out = connected();
        assert!(out.send(b"a\n", true, || ()).now_or_never().unwrap().is_ok());
        assert_eq!(out.confirm(out.forgotten()), None);
        out.shut("no reason");
        assert_eq!(out.confirm(out.forgotten()), None, "everything was confirmed before");
        out.attach(1 << 20, |_| ());
        out.open();
        assert!(out.send(b"b\n", true, || ()).now_or_never().unwrap().is_ok());
        out.shut("reset");
        assert!(taken(&out).is_none());
        assert_eq!(out.confirm(out.forgotten()).as_deref(), Some("reset"));
        assert_eq!(out.confirm(out.forgotten()), None);
    }

    #[test]
    fn after_closing_what_waits_is_written_and_nothing_more_comes_in() {
        let out = connected();
        out.send_now(|bytes| bytes.extend(b"last\n"));
        out.close("done");
        out.attach(1 << 20, |_| ());
        out.open();
        let refused = out.send(b"x\n", false, || ()).now_or_never().unwrap();
        assert!(matches!(refused, Err(Error::Disconnected { why }) if why == "done"));
        assert_eq!(taken(&out).unwrap(), b"last\n");
        assert!(!out.take(&mut Vec::new()).now_or_never().unwrap());
    }
}
