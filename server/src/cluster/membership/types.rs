//! What the membership takes and gives: settings, events, effects, the members as others see them.
//! Plain data, made here and in the module above, read by the shell.

use crate::cluster::sealed::KeyRing;
use crate::cluster::{Load, Member};
use std::net::SocketAddr;
use std::time::Instant;

/// How a membership is set up.
pub struct Settings {
    /// For simulations: all chance, nonces included, from this number. `None`: from the system.
    pub seed: Option<u64>,
    /// The cluster's keys.
    pub keys: KeyRing,
    /// The longest packet to send or take: 1400 fits any network.
    pub max_packet: usize,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A run of a server is there.
    Up(Member),
    /// It is not any more.
    Down {
        /// The run.
        member: Member,
        /// It said so itself: no accident.
        left: bool,
    },
    /// We were taken for dead, and came back as this.
    Rejoined(Member),
}

/// What is to be done or known outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a packet.
    Send {
        /// To this address.
        to: SocketAddr,
        /// The sealed packet.
        packet: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
}

/// How a member is, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It answers.
    Alive,
    /// Somebody got no answer; it has a few seconds to object.
    Suspect,
    /// It died, or cannot be reached.
    Down,
    /// It went of its own accord.
    Left,
}

impl State {
    /// Whether it is there, as far as is known: a suspect may be.
    pub fn is_there(self) -> bool {
        matches!(self, State::Alive | State::Suspect)
    }

    /// As `servers` shows it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Alive => "alive",
            State::Suspect => "suspect",
            State::Down => "down",
            State::Left => "left",
        }
    }
}

/// One known member.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its run.
    pub member: &'a Member,
    /// How it is.
    pub state: State,
    /// What it said of itself last; zeros where it did not.
    pub load: Load,
    /// When it came, or when it went.
    pub since: Instant,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that arrived, refused ones included.
    pub packets_in: u64,
    /// Packets that were sent.
    pub packets_out: u64,
    /// Their bytes, without those of UDP and IP.
    pub bytes_in: u64,
    /// Their bytes, without those of UDP and IP.
    pub bytes_out: u64,
    /// Packets that were refused.
    pub refused: u64,
}
