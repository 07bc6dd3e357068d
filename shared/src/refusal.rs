//! The closed list of error codes: what each means, whose fault it is, and the refusal that carries
//! one to a client. Every "no" of the hub is one of these.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Who has to change something for the same command to succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes or the arguments are wrong; the same command can never succeed.
    Caller,
    /// The command is fine, but the hub's present state forbids it (a taken name, an absent client).
    State,
    /// Another client failed to do its part in time.
    Other,
    /// The hub itself.
    Hub,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $fault:ident;)*) => {
        /// An error code, in its kebab-case spelling on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])* #[serde(rename = $name)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the protocol's list.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The spelling on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name),* }
            }

            /// Whose fault it is.
            pub const fn fault(self) -> Fault {
                match self { $(Code::$variant => Fault::$fault),* }
            }
        }
    };
}

codes! {
    /// No such verb, or one that this encoding does not have.
    BadCommand = "bad-command", Caller;
    /// Not JSON, not an object, or an object that names a key twice.
    BadJson = "bad-json", Caller;
    /// An argument is missing, superfluous, or of the wrong shape.
    BadArgument = "bad-argument", Caller;
    /// Not a client name by the grammar.
    BadName = "bad-name", Caller;
    /// Another client of this server has the name.
    NameTaken = "name-taken", State;
    /// Not a channel name or pattern by the grammar, or not one for this use.
    BadChannel = "bad-channel", Caller;
    /// Nobody of that name is connected.
    NoSuchClient = "no-such-client", State;
    /// The channel does not exist.
    NoSuchChannel = "no-such-channel", State;
    /// Nobody has ever offered the service, and the hub has none of that name.
    NoSuchService = "no-such-service", State;
    /// The service's providers are all gone.
    NoResponders = "no-responders", Other;
    /// Something did not happen within its time limit.
    Timeout = "timeout", Other;
    /// Several servers have a client of that name.
    Ambiguous = "ambiguous", State;
    /// The caller may not do this.
    NotAllowed = "not-allowed", Caller;
    /// The caller is not subscribed to that.
    NotSubscribed = "not-subscribed", State;
    /// Longer than a limit in bytes.
    TooLarge = "too-large", Caller;
    /// More than a limit in number.
    TooMany = "too-many", State;
    /// JSON nested deeper than the limit.
    TooDeep = "too-deep", Caller;
    /// Bytes that are not UTF-8.
    NotUtf8 = "not-utf8", Caller;
    /// The client did not read what it was sent.
    SlowConsumer = "slow-consumer", Caller;
    /// Too often in too short a time.
    RateLimited = "rate-limited", Caller;
    /// The server is about to stop.
    Draining = "draining", Hub;
    /// A defect of the hub, or a service that answered with an error.
    Internal = "internal", Hub;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A "no", with its reason. The message says what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which of the closed list.
    pub code: Code,
    /// One sentence for people, without a line break.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with a code and a sentence.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal { code, message: message.into() }
    }

    /// Shorthand for the commonest code.
    pub fn bad_argument(message: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new(Code::BadArgument, message)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}
