//! The door `fleet`: the coordinator of test clients that write files and report on themselves. Five run
//! at once, the others wait in line; when all have gone there is a report. What is here is one client's
//! conversation: lines in, silence watched. It decides nothing: `coordinator` does.

mod archive;
mod coordinator;
mod line;
mod shared;

use super::{Dialect, Opener, Place};
use crate::buffers::Input;
use crate::connection::{self, Talk};
use crate::hub::{Batch, Client, Farewell, Hub};
use coordinator::Verdict;
use hubbub_shared::refusal::{Code, Refusal};
use line::Line;
use shared::{Fleet, Seat};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Work of a line beside what it leads to, in the batch's measure: an event is made, published and
/// remembered.
const LINE: usize = 4 << 10;

/// Opens the door.
pub fn open(place: Place<'_>) -> Opener {
    let fleet = Arc::new(Fleet::new(place.server, place.data_dir.to_owned()));
    Box::new(move |hub, socket, addr| {
        connection::start(hub, socket, addr, |client, _, _| Tester::new(client, fleet.clone()))
    })
}

/// One client's conversation.
struct Tester {
    fleet: Arc<Fleet>,
    seat: Arc<Seat>,
    /// When its last line came, or its id was given.
    last_sign: Option<Instant>,
    /// Whether this session has seen that it has its id.
    knows_id: bool,
    /// Whether it has said something in line.
    has_more: bool,
    over: bool,
}

impl Tester {
    /// A conversation that begins.
    fn new(client: Arc<Client>, fleet: Arc<Fleet>) -> Tester {
        client.set_dialect(Dialect::Fleet);
        let seat = Arc::new(Seat::new(client));
        Tester { fleet, seat, last_sign: None, knows_id: false, has_more: false, over: false }
    }

    fn line(&mut self, line: &[u8], hub: &Hub, batch: &mut Batch) {
        batch.worked(LINE);
        self.last_sign = Some(batch.now.instant);
        let verdict = match Line::parse(line) {
            Ok(line) => self.fleet.said(&self.seat, line, hub, batch),
            Err(why) => Verdict::Nonsense(why),
        };
        match verdict {
            Verdict::Taken => {}
            Verdict::Full => self.end(Farewell::Left("the line is full"), "the line is full", hub, batch),
            Verdict::Done => self.end(Farewell::Left("done"), "done", hub, batch),
            Verdict::Nonsense(why) => self.fleet.nonsense(&self.seat, line, why, hub, batch),
        }
    }

    /// An id that was given while it waited in line: from now on its silence counts.
    fn look_for_id(&mut self, now: Instant) {
        if !self.knows_id && self.seat.has_id() {
            self.knows_id = true;
            self.last_sign = Some(now);
        }
    }

    fn end(&mut self, farewell: Farewell, reason: &str, hub: &Hub, batch: &mut Batch) {
        if !std::mem::replace(&mut self.over, true) {
            self.fleet.gone(&self.seat, reason, hub, batch);
            hub.close(&self.seat.client, farewell, batch);
        }
    }
}

impl Talk for Tester {
    fn client(&self) -> &Arc<Client> {
        &self.seat.client
    }

    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize {
        let unread = input.unread();
        let max = hub.limits.max_line;
        let mut used = 0;
        self.has_more = false;
        while !self.over && !batch.is_long() {
            let rest = &unread[used..];
            match memchr::memchr(b'\n', rest) {
                Some(_) if self.seat.is_in_line() => {
                    self.has_more = true;
                    break;
                }
                Some(end) if end <= max => {
                    used += end + 1;
                    self.line(&rest[..end], hub, batch);
                }
                None if rest.len() <= max => break,
                _ => {
                    let message = format!("a line has {max} bytes at the most");
                    self.fleet.nonsense(&self.seat, rest, &message, hub, batch);
                    let refusal = Refusal::new(Code::TooLarge, message);
                    self.end(Farewell::Sent(refusal), "it sent a line without an end", hub, batch);
                }
            }
        }
        self.look_for_id(batch.now.instant);
        // Nothing that comes behind the last line is of interest.
        if self.over {
            unread.len()
        } else {
            used
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }

    /// In line it is listened to until it says something; that is kept for its turn.
    fn waits(&self) -> bool {
        self.has_more && self.seat.is_in_line()
    }

    fn is_due(&self) -> bool {
        !self.knows_id && self.seat.has_id()
    }

    /// Whoever closes its side without `done` has gone.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    fn deadline(&self, hub: &Hub) -> Option<Instant> {
        let waits = self.over || self.seat.is_in_line();
        let since = self.last_sign.unwrap_or(self.seat.client.connected.instant);
        (!waits).then(|| since + idle_timeout(hub))
    }

    fn on_time(&mut self, hub: &Hub, batch: &mut Batch) {
        let message = format!("no line came within {} s", idle_timeout(hub).as_secs());
        let reason = message.clone();
        self.end(Farewell::Sent(Refusal::new(Code::Timeout, message)), &reason, hub, batch);
    }

    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch) {
        if !self.over && !unread.trim_ascii().is_empty() {
            self.fleet.nonsense(&self.seat, unread, "it has no end", hub, batch);
        }
    }

    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        let reason = if hub.is_draining() { "the server stopped" } else { reason };
        self.end(Farewell::Left(reason), reason, hub, batch);
    }
}

fn idle_timeout(hub: &Hub) -> Duration {
    Duration::from_secs(hub.limits.idle_timeout_s)
}
