//! The doors: ports on which older systems' clients are served, unchanged. A door turns foreign bytes
//! into what the hub understands, and what the hub says into foreign bytes; what it does, it does
//! through the hub's services, channels and managers. `docs/doors.md` tells their bytes.

mod blob;
mod fleet;
mod holder;
mod points;

pub use holder::holder;

use crate::connection;
use crate::hub::Hub;
use crate::rt::Socket;
use hubbub_shared::encoding::Out;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// A port for an older system's clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// One JSON request a connection.
    Blob,
    /// Test clients that write files and report on themselves.
    Fleet,
    /// Two random points for whoever connects.
    Points,
}

/// The server that a door is opened for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its name.
    pub server: &'a str,
    /// Where it keeps its things.
    pub data_dir: &'a Path,
}

/// One row of the table of doors.
pub struct Row {
    /// Which.
    pub door: Door,
    /// What it is called.
    pub name: &'static str,
    /// The port that it is known by, on this machine. Protocol.
    pub port: u16,
}

impl Row {
    /// Where it is when nothing else was said.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

/// All doors.
pub const DOORS: &[Row] = &[
    Row { door: Door::Blob, name: "blob", port: 9500 },
    Row { door: Door::Fleet, name: "fleet", port: 1234 },
    Row { door: Door::Points, name: "points", port: 5000 },
];

/// Takes in a client of a door.
pub type Opener = Box<dyn Fn(&Arc<Hub>, Socket, SocketAddr) + Send + Sync>;

impl Door {
    fn row(self) -> &'static Row {
        DOORS.iter().find(|row| row.door == self).expect("every door has a row")
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// How its clients are taken in.
    pub fn opener(self, place: Place<'_>) -> Opener {
        match self {
            Door::Blob => Box::new(|hub, socket, addr| {
                connection::start(hub, socket, addr, |client, _, _| blob::Blob::new(client))
            }),
            Door::Fleet => {
                let fleet = Arc::new(fleet::Fleet::new(place.server, place.data_dir.to_owned()));
                Box::new(move |hub, socket, addr| {
                    let begin = |client, _: &_, _: &mut _| fleet::Tester::new(client, fleet.clone());
                    connection::start(hub, socket, addr, begin)
                })
            }
            Door::Points => {
                Box::new(|hub, socket, addr| connection::start(hub, socket, addr, points::Points::serve))
            }
        }
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
}

impl Dialect {
    /// All of them, in the order of their numbers.
    pub const ALL: [Dialect; 4] = [Dialect::Blob, Dialect::BareBlob, Dialect::Fleet, Dialect::Points];

    /// What `clients` shows as the encoding.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Blob | Dialect::BareBlob => "blob",
            Dialect::Fleet => "fleet",
            Dialect::Points => "points",
        }
    }

    /// Appends what the hub tells a client, as far as the dialect has words for it.
    pub fn push(self, what: &Out<'_>, out: &mut Vec<u8>) {
        match self {
            Dialect::Blob => blob::push_framed(what, out),
            Dialect::BareBlob => blob::push_bare(what, out),
            // All that its clients understand is said by the coordinator.
            Dialect::Fleet => {}
            Dialect::Points => points::push(what, out),
        }
    }
}
