//! How `hubbub` ends: the exit codes, and the one table from the library's errors to them.

use hubbub_client::{persistent, Error};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::persistent::number;
use hubbub_shared::refusal::{Code, Refusal};
use std::io;

/// The exit codes that scripts rely on. The larger of two is the worse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// All was done.
    Done = 0,
    /// The hub, a service behind it or a door said no, or a door what makes no sense; or a benchmark lost
    /// something.
    Refused = 1,
    /// The command line, the input or a local file is wrong.
    Usage = 2,
    /// No hub was reached, or it went away.
    NoConnection = 3,
    /// A time limit was reached.
    TimeLimit = 4,
}

/// What is said about exit codes at the end of `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  the hub or a door refused, a door answered what none says, or what was
     sent to measure was lost
  2  wrong usage or input, or a local file that cannot be used
  3  no connection
  4  time limit";

/// The end of a command before its aim: an exit code, and one line for standard error.
#[derive(Debug)]
pub struct Failure {
    /// With which code to end.
    pub exit: Exit,
    /// What to say; empty says nothing.
    pub message: String,
}

impl Failure {
    /// An end with a code and a line.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into() }
    }

    /// Wrong usage or input, or a local file that cannot be used.
    pub fn local(message: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, message)
    }

    /// A time limit.
    pub fn time_limit(message: impl Into<String>) -> Self {
        Failure::new(Exit::TimeLimit, message)
    }

    /// An end without a word.
    pub fn quiet(exit: Exit) -> Self {
        Failure::new(exit, "")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match refusal.code {
            Code::Timeout => Exit::TimeLimit,
            _ => Exit::Refused,
        };
        Failure::new(exit, shown(&refusal.to_string()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error {
            Error::Refused(refusal) => return refusal.into(),
            Error::Connect { .. } | Error::Disconnected { .. } => Exit::NoConnection,
            Error::Timeout { .. } => Exit::TimeLimit,
            Error::BadArgument { .. } => Exit::Usage,
            // What is no hub, or none of our kind, is no connection to a hub.
            _ => Exit::NoConnection,
        };
        Failure::new(exit, shown(&error.to_string()))
    }
}

/// For the persistent dialect, in which errors have numbers.
impl From<persistent::Error> for Failure {
    fn from(error: persistent::Error) -> Self {
        match error {
            persistent::Error::Client(error) => error.into(),
            persistent::Error::Refused { code, .. } if code == number(Code::Timeout) => {
                Failure::time_limit(shown(&error.to_string()))
            }
            _ => Failure::new(Exit::Refused, shown(&error.to_string())),
        }
    }
}

/// For what is written to standard output. A reader that went away (`| head`) has seen enough: that
/// is a quiet end, not a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::quiet(Exit::Done),
            _ => Failure::local(format!("cannot write to standard output: {error}")),
        }
    }
}
