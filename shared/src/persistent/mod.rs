//! The dialect of persistent connections, which older clients speak in frames of the client port:
//! `{"name":"open-req","data":null}`, or the same as jsonpickle writes it, with a class in place of the
//! name. Messages are read in place and written as bytes here; what they do is decided elsewhere: by the
//! server's door for this dialect, and by the client library.
//!
//! Class names are texts to be mapped ([`classes`]), never code to be loaded.

pub mod classes;
mod read;
mod write;

pub use read::Message;
pub use write::{push_answer, push_error, push_request, ERROR, ERROR_CLASS};

use crate::refusal::Code;

/// How a connection of this dialect is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Messages have a `name`.
    Plain,
    /// Messages have a `py/object`, a class of the old Python clients.
    Pickle,
}

impl Form {
    /// The key of a message that says what it is.
    pub const fn key(self) -> &'static str {
        match self {
            Form::Plain => "name",
            Form::Pickle => "py/object",
        }
    }

    /// What the first frame of a connection says about all that follow: none where it is no message of
    /// this dialect, as far as can be read.
    pub fn of_first(frame: &[u8]) -> Option<Form> {
        read::form_of(simdutf8::basic::from_utf8(frame).ok()?)
    }
}

/// What a connection opens with.
pub const OPEN: &str = "open";
/// What keeps a connection that is otherwise idle.
pub const PING: &str = "ping";
/// What ends a connection.
pub const CLOSE: &str = "close";
/// What ends the server.
pub const SHUTDOWN: &str = "shutdown";

/// Requests that are no service: a service of one of these names cannot be asked in this dialect.
pub const OWN: [&str; 4] = [OPEN, PING, CLOSE, SHUTDOWN];

/// Bytes of a message's name or class. A guess: the longest name of a service, and as much again for
/// modules; over it: 400.
pub const MAX_TITLE_BYTES: usize = 400;

/// The number by which this dialect tells why something was refused. They are HTTP's.
pub const fn number(code: Code) -> u16 {
    match code {
        Code::BadCommand
        | Code::BadJson
        | Code::BadArgument
        | Code::BadName
        | Code::BadChannel
        | Code::TooDeep
        | Code::NotUtf8 => 400,
        Code::NotAllowed => 403,
        Code::NoSuchClient | Code::NoSuchChannel | Code::NoSuchService => 404,
        Code::Timeout | Code::SlowConsumer => 408,
        Code::NameTaken | Code::Ambiguous | Code::NotSubscribed => 409,
        Code::TooLarge => 413,
        Code::TooMany | Code::RateLimited => 429,
        Code::Internal => 500,
        Code::NoResponders | Code::Draining => 503,
    }
}
