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
use std::time::{Duration, Instant};

/// What a client of the client port speaks.
// Nearly all are native, and those are not to be looked for behind another pointer.
#[allow(clippy::large_enum_variant)]
pub enum Conversation {
    /// Text, JSON lines, or frames of the hub's own commands.
    Native(Session),
    /// Frames of the persistent dialect.
    Persistent(Box<Persistent>),
}

use Conversation::{Native, Persistent as Foreign};

impl Conversation {
    /// A conversation that begins.
    pub fn new(client: Arc<Client>, now: Now) -> Self {
        Native(Session::new(client, now))
    }

    /// Looks at the first unit: from then on it is decided.
    fn decide(&mut self, hub: &Hub, batch: &Batch, unread: &[u8]) {
        let Native(session) = self else { return };
        if session.decided {
            return;
        }
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
        session.decided = decoder.encoding().is_some();
    }
}

impl Conversation {
    fn spoken(&self) -> &dyn Talk {
        match self {
            Native(session) => session,
            Foreign(door) => &**door,
        }
    }

    fn spoken_mut(&mut self) -> &mut dyn Talk {
        match self {
            Native(session) => session,
            Foreign(door) => &mut **door,
        }
    }
}

impl Talk for Conversation {
    fn client(&self) -> &Arc<Client> {
        self.spoken().client()
    }

    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize {
        self.decide(hub, batch, input.unread());
        self.spoken_mut().handle(hub, batch, input)
    }

    fn is_over(&self) -> bool {
        self.spoken().is_over()
    }

    fn waits(&self) -> bool {
        self.spoken().waits()
    }

    fn is_due(&self) -> bool {
        self.spoken().is_due()
    }

    fn sends_long_units(&self) -> bool {
        self.spoken().sends_long_units()
    }

    fn hurries(&self) -> bool {
        self.spoken().hurries()
    }

    fn patience(&self) -> Duration {
        self.spoken().patience()
    }

    fn show_life(&mut self, hub: &Hub, batch: &mut Batch) {
        self.spoken_mut().show_life(hub, batch);
    }

    fn deadline(&self, hub: &Hub) -> Option<Instant> {
        self.spoken().deadline(hub)
    }

    fn on_time(&mut self, hub: &Hub, batch: &mut Batch) {
        self.spoken_mut().on_time(hub, batch);
    }

    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch) {
        self.spoken_mut().cut_off(unread, hub, batch);
    }

    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        self.spoken_mut().left(reason, hub, batch);
    }
}
