//! The doors: ports on which older systems' clients are served, unchanged. A door turns foreign bytes
//! into what the hub understands, and what the hub says into foreign bytes; what it does, it does
//! through the hub's services, channels and managers. `docs/doors.md` tells their bytes.

mod blob;
mod fleet;
mod holder;
mod persistent;
mod points;

pub use holder::holder;
pub use persistent::Persistent;

use crate::hub::Hub;
use crate::rt::Socket;
use hubbub_shared::doors::{Known, BLOB, FLEET, POINTS};
use hubbub_shared::encoding::Out;
use hubbub_shared::persistent::Form;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a client that has closed its side is still taken for one that waits for its answer, where it
/// cannot be told that it is waited for. A guess: the longest work that has not to wait for its turn. The
/// old clients keep their side open; most that close it have gone.
const HALF_CLOSED: Duration = Duration::from_secs(1);

/// A port for an older system's clients: one row of the table.
pub struct Door {
    /// What it is called, and the port that it is known by.
    pub known: Known,
    /// How its clients are taken in.
    pub open: fn(Place<'_>) -> Opener,
}

/// All doors.
pub static DOORS: [Door; 3] = [
    Door { known: BLOB, open: blob::open },
    Door { known: FLEET, open: fleet::open },
    Door { known: POINTS, open: points::open },
];

/// The server that a door is opened for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its name.
    pub server: &'a str,
    /// Where it keeps its things.
    pub data_dir: &'a Path,
}

/// Takes in a client of a door.
pub type Opener = Box<dyn Fn(&Arc<Hub>, Socket, SocketAddr) + Send + Sync>;

impl Door {
    /// The one of a name.
    pub fn find(name: &str) -> Option<&'static Door> {
        DOORS.iter().find(|door| door.known.name == name)
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known.name)
    }
}

/// How a client of a door is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Dialect {
    /// The blob system's: a length, then JSON.
    Blob,
    /// The blob system's without the length, for people.
    BareBlob,
    /// The fleet's lines.
    Fleet,
    /// The words around the points.
    Points,
    /// The persistent system's: frames with a name.
    Persistent,
    /// The persistent system's as jsonpickle writes it: frames with a class.
    Pickle,
}

impl Dialect {
    /// All of them, in the order of their numbers.
    pub const ALL: [Dialect; 6] = [
        Dialect::Blob,
        Dialect::BareBlob,
        Dialect::Fleet,
        Dialect::Points,
        Dialect::Persistent,
        Dialect::Pickle,
    ];

    /// What `clients` shows as the encoding.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Blob | Dialect::BareBlob => "blob",
            Dialect::Fleet => "fleet",
            Dialect::Points => "points",
            Dialect::Persistent | Dialect::Pickle => "persistent",
        }
    }

    /// Whether each request of its clients comes on a connection of its own.
    pub fn asks_once(self) -> bool {
        matches!(self, Dialect::Blob | Dialect::BareBlob)
    }

    /// Appends what the hub tells a client, as far as the dialect has words for it.
    pub fn push(self, what: &Out<'_>, out: &mut Vec<u8>) {
        match self {
            Dialect::Blob => blob::push_framed(what, out),
            Dialect::BareBlob => blob::push_bare(what, out),
            // All that its clients understand is said by the coordinator.
            Dialect::Fleet => {}
            Dialect::Points => points::push(what, out),
            Dialect::Persistent => persistent::push(Form::Plain, what, out),
            Dialect::Pickle => persistent::push(Form::Pickle, what, out),
        }
    }
}
