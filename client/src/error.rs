//! What can go wrong for a caller of this library, and whose turn it is then.

use hubbub_shared::Refusal;
use std::time::Duration;

/// Why something did not happen.
///
/// ```
/// use hubbub_client::{Code, Error, Options};
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// # let _other = Options::new(addr).name("bob").connect().await?;
/// let client = match Options::new(addr).name("bob").connect().await {
///     Err(Error::Refused(refusal)) if refusal.code == Code::NameTaken => {
///         println!("{}", refusal.message);
///         Options::new(addr).connect().await?
///     }
///     Err(Error::Connect { addr, source }) => panic!("nobody listens on {addr}: {source}"),
///     other => other?,
/// };
/// # assert!(client.name().starts_with("anon-"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The hub said no, or would have: what breaks the protocol's grammar or limits is refused
    /// here, with the same code and words, before it is sent. The connection goes on.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// No connection could be made; of several addresses, this is the last that failed.
    #[error("cannot connect to {addr}: {source}")]
    Connect {
        /// The address, as it was given.
        addr: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something took longer than its time limit. Whether the hub has done it is not known.
    #[error("{what} took longer than {after:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// The time limit.
        after: Duration,
    },
    /// The connection was lost or closed. Whether the hub has done what was asked is not known; it
    /// is not asked again.
    #[error("disconnected: {why}")]
    Disconnected {
        /// Why, as far as is known.
        why: String,
    },
    /// The hub answered with something that is not what was asked for.
    #[error("the hub answered with something else: {0}")]
    BadReply(String),
    /// What the caller wants cannot be asked of any hub.
    #[error("{0}")]
    BadArgument(String),
}

impl Error {
    pub(crate) fn disconnected(why: impl Into<String>) -> Self {
        Error::Disconnected { why: why.into() }
    }
}
