//! The conversation of one client of the client port: the native one, until its first frame is of the
//! persistent dialect, and that dialect from then on. It passes everything on to one of the two.

use crate::buffers::Input;
use crate::clock::Now;
use crate::connection::Talk;
use crate::doors::Persistent;
use crate::hub::{Batch, Client, Hub};
use crate::session::Session;
use hubbub_shared::encoding::{Decoder, Step};
use hubbub_shared::Encoding;
use std::sync::Arc;
use std::time::Instant;

/// What a client of the client port speaks.
// Nearly all are native, and those are not to be looked for behind another pointer.
#[allow(clippy::large_enum_variant)]
pub enum Conversation {
    /// Text, JSON lines, or frames of the hub's own commands; and whether that may still be found to be
    /// wrong, since no first frame has come.
    Native(Session, bool),
    /// Frames of the persistent dialect.
    Persistent(Box<Persistent>),
}

use Conversation::{Native, Persistent as Foreign};

impl Conversation {
    /// A conversation that begins.
    pub fn new(client: Arc<Client>, now: Now) -> Self {
        Native(Session::new(client, now), true)
    }

    /// Looks at the first unit: from then on it is decided.
    fn decide(&mut self, hub: &Hub, batch: &Batch, unread: &[u8]) {
        let Native(session, undecided @ true) = self else { return };
        let mut decoder = Decoder::default();
        let step = decoder.step(unread, &hub.limits);
        if decoder.encoding() == Some(Encoding::Frame) {
            match step {
                Step::More => return,
                Step::Broken(_) => {}
                Step::Unit(frame, _) => {
                    if let Some(door) = Persistent::of_first(frame, session.client(), batch.now.instant) {
                        return *self = Foreign(Box::new(door));
                    }
                }
            }
        }
        *undecided = decoder.encoding().is_none();
    }
}

impl Talk for Conversation {
    fn client(&self) -> &Arc<Client> {
        match self {
            Native(session, _) => session.client(),
            Foreign(door) => door.client(),
        }
    }

    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize {
        self.decide(hub, batch, input.unread());
        match self {
            Native(session, _) => session.handle(hub, batch, input),
            Foreign(door) => door.handle(hub, batch, input),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Native(session, _) => session.is_over(),
            Foreign(door) => door.is_over(),
        }
    }

    fn waits(&self) -> bool {
        match self {
            Native(session, _) => session.waits(),
            Foreign(door) => door.waits(),
        }
    }

    fn is_due(&self) -> bool {
        match self {
            Native(session, _) => session.is_due(),
            Foreign(door) => door.is_due(),
        }
    }

    fn sends_long_units(&self) -> bool {
        match self {
            Native(session, _) => session.sends_long_units(),
            Foreign(door) => door.sends_long_units(),
        }
    }

    fn hurries(&self) -> bool {
        match self {
            Native(session, _) => session.hurries(),
            Foreign(door) => door.hurries(),
        }
    }

    fn may_half_close(&self) -> bool {
        match self {
            Native(session, _) => session.may_half_close(),
            Foreign(door) => door.may_half_close(),
        }
    }

    fn show_life(&mut self, hub: &Hub, batch: &mut Batch) {
        match self {
            Native(session, _) => session.show_life(hub, batch),
            Foreign(door) => door.show_life(hub, batch),
        }
    }

    fn deadline(&self, hub: &Hub) -> Option<Instant> {
        match self {
            Native(session, _) => session.deadline(hub),
            Foreign(door) => door.deadline(hub),
        }
    }

    fn on_time(&mut self, hub: &Hub, batch: &mut Batch) {
        match self {
            Native(session, _) => session.on_time(hub, batch),
            Foreign(door) => door.on_time(hub, batch),
        }
    }

    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch) {
        match self {
            Native(session, _) => session.cut_off(unread, hub, batch),
            Foreign(door) => door.cut_off(unread, hub, batch),
        }
    }

    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        match self {
            Native(session, _) => session.left(reason, hub, batch),
            Foreign(door) => door.left(reason, hub, batch),
        }
    }
}
