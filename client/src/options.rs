//! How to connect: every setting with its default, its unit and what happens at its extremes.

use crate::addresses::has_port;
use crate::{Backoff, Client, Error};
use hubbub_shared::limits::MAX_HEARTBEAT_S;
use hubbub_shared::names::quote;
use hubbub_shared::DEFAULT_CLIENT_ADDR;
use std::time::Duration;

/// How to connect, and how to behave from then on.
///
/// ```
/// use hubbub_client::Options;
/// use std::time::Duration;
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// let options = Options::from_servers(&format!("{addr},127.0.0.1:7411"))
///     .name("deploy-bot")
///     .connect_timeout(Duration::from_secs(2))
///     .command_timeout(Duration::from_secs(10));
/// let client = options.connect().await?;
/// assert_eq!(client.name(), "deploy-bot");
/// println!("{} allows {} subscriptions", client.server().server, client.server().limits.max_subscriptions);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    pub(crate) servers: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) echo: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) command_timeout: Duration,
    pub(crate) heartbeat: Option<u64>,
    pub(crate) reconnect: bool,
    pub(crate) follow: bool,
    pub(crate) backoff: Backoff,
    pub(crate) queue: usize,
    pub(crate) queue_bytes: usize,
}

impl Options {
    /// Connects to one address, `HOST:PORT`, with every other setting at its default.
    pub fn new(addr: impl Into<String>) -> Self {
        Options {
            servers: vec![addr.into()],
            name: None,
            agent: None,
            echo: true,
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(5),
            heartbeat: Some(30),
            reconnect: true,
            follow: true,
            backoff: Backoff::default(),
            queue: 100_000,
            queue_bytes: 64 << 20,
        }
    }

    /// Several addresses, separated by commas: tried in this order, the first that answers wins. One
    /// that is silent for a quarter of the [time limit](Self::connect_timeout) is not waited for alone:
    /// the next is tried beside it.
    pub fn from_servers(list: &str) -> Self {
        let servers = list.split(',').map(str::trim).filter(|s| !s.is_empty());
        Options { servers: servers.map(str::to_owned).collect(), ..Options::new("") }
    }

    /// The name to take. Without one the hub gives out `anon-…`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// What program this is, for `whois`. Default: this library and its version.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = Some(agent.into());
        self
    }

    /// Whether one's own messages come back to one's own subscriptions. Default: yes. Without them
    /// no [`crate::Gap`] is found, since the own messages are holes in the count of the others.
    pub fn echo(mut self, echo: bool) -> Self {
        self.echo = echo;
        self
    }

    /// The time limit of one attempt to connect, up to and including the hub's answer to `hello`.
    /// Default 5 s: too short for a far hub is refused as a timeout, too long delays the next address.
    /// When several addresses are known, a reconnecting client gives each 1 s at first, and twice as
    /// much in each round over all, up to this.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The time limit of one command, waiting for a lost connection to come back included. Default 5 s.
    pub fn command_timeout(mut self, limit: Duration) -> Self {
        self.command_timeout = limit;
        self
    }

    /// How often, in seconds, the hub gives a sign of life. After three times this long without a
    /// byte the connection is taken for dead, by either side. Default 30; `None` leaves it to TCP,
    /// which notices a vanished host after a quarter of an hour or never. At most a day.
    pub fn heartbeat(mut self, seconds: Option<u64>) -> Self {
        self.heartbeat = seconds.filter(|s| *s > 0).map(|s| s.min(MAX_HEARTBEAT_S));
        self
    }

    /// Whether to reconnect when the connection is lost. Default: yes. Without it, everything ends
    /// with the connection.
    pub fn reconnect(mut self, reconnect: bool) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Whether a hub may send this client to another server of its cluster when it connects: one that
    /// has more clients than its sisters, is full, or is about to stop. The client goes there before
    /// [`Self::connect`] returns, once at the most, and back when nobody answers there. Default: yes.
    /// Without it the client stays where it is, or is refused: for programs that mean one server.
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// The delays between rounds of attempts to reconnect. Default: from 100 ms doubling up to 5 s.
    /// Within a round, which goes over all addresses that are known, there is none.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Messages that a [`crate::Subscription`] keeps for a reader that is behind; beside the number,
    /// 64 MiB. Default 100,000. What comes after that is lost to this subscription, and told as
    /// [`crate::Delivery::Gap`].
    pub fn queue(mut self, messages: usize) -> Self {
        self.queue = messages.max(1);
        self
    }

    /// Connects, and says hello.
    ///
    /// # Errors
    /// [`Error::Connect`] and [`Error::Timeout`] when no address answers, [`Error::Refused`] when
    /// the hub does not want this client (a taken name, a full server), [`Error::BadArgument`] for an
    /// address without a port.
    pub async fn connect(self) -> Result<Client, Error> {
        if self.servers.is_empty() {
            return Err(Error::BadArgument("name at least one server, as HOST:PORT".into()));
        }
        if let Some(addr) = self.servers.iter().find(|addr| !has_port(addr)) {
            let message =
                format!("{} is no address: write HOST:PORT, such as {DEFAULT_CLIENT_ADDR}", quote(addr));
            return Err(Error::BadArgument(message));
        }
        Client::open(self).await
    }
}
