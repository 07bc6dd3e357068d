//! The vocabulary of Hubbub, shared by the server, the client library and the tests: names and
//! patterns, the table of commands, refusals, replies, events, limits, and the three encodings.
//!
//! Nothing here opens a socket, reads a clock or starts a task. The way of the data is
//! `bytes → encoding → Command` on the way in and `Reply | Event → encoding → bytes` on the way out.

pub mod command;
pub mod doors;
pub mod encoding;
pub mod event;
pub mod fleet;
pub mod limits;
pub mod names;
pub mod persistent;
pub mod points;
pub mod refusal;
pub mod reply;
pub mod run;

pub use command::{Command, Op, Verb};
pub use encoding::Encoding;
pub use refusal::{Code, Fault, Refusal};

/// The address that a hub listens on and a client looks for unless told otherwise.
pub const DEFAULT_CLIENT_ADDR: &str = "127.0.0.1:7411";
