//! Many small requests over one connection: the client side of the persistent dialect, plain or as
//! jsonpickle writes it, for programs that spoke it before and for those that want typed requests and
//! nothing else.
//!
//! ```
//! use hubbub_client::persistent::Options;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Order {
//!     id: u64,
//!     lines: Vec<String>,
//! }
//!
//! # async_std::task::block_on(async {
//! # let hub = hubbub_client::testing::Hub::start().await?;
//! # let addr = hub.addr();
//! let connection = Options::new(addr).connect().await?;
//! let order = Order { id: 7, lines: vec!["two of these".into()] };
//! let same: Order = connection.call("echo", &order).await?;
//! assert_eq!(same, order);
//! connection.ping().await?;
//! connection.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! Requests of one connection are answered one after the other, in their order. A connection that is
//! otherwise idle is kept by pings ([`Options::keep_alive`]). It is not made again when it is lost: what
//! is asked then fails with [`crate::Error::Disconnected`].

mod wire;

use crate::addresses::has_port;
use crate::{rt, Error as ClientError};
use futures::channel::oneshot;
use futures::future::{select, Either};
use futures::lock::Mutex;
use futures::pin_mut;
use hubbub_shared::names::quote;
use hubbub_shared::persistent::classes::{is_prefix, MODULES};
use hubbub_shared::persistent::{Form, CLOSE, OPEN, OWN, PING, SHUTDOWN};
use hubbub_shared::DEFAULT_CLIENT_ADDR;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use wire::Wire;

/// Why something did not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server answered with an error. The connection goes on, unless the error is about its opening
    /// or about a frame that was too long.
    #[error("{description} ({code})")]
    Refused {
        /// One of HTTP's numbers: 404 for a service that nobody offers, 408 for an answer that took too
        /// long, 503 for a service whose providers are gone.
        code: u16,
        /// One sentence.
        description: String,
    },
    /// Anything else, as with any connection of this library.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Error {
    fn disconnected(why: impl Into<String>) -> Self {
        Error::Client(ClientError::disconnected(why))
    }

    fn bad_reply(why: impl fmt::Display) -> Self {
        Error::Client(ClientError::BadReply(why.to_string()))
    }

    fn bad_argument(why: impl fmt::Display) -> Self {
        Error::Client(ClientError::BadArgument(why.to_string()))
    }
}

/// How to connect.
///
/// ```
/// use hubbub_client::persistent::Options;
/// use std::time::Duration;
///
/// # async_std::task::block_on(async {
/// # let hub = hubbub_client::testing::Hub::start().await?;
/// # let addr = hub.addr();
/// let options = Options::new(addr).pickle().keep_alive(Some(Duration::from_secs(5)));
/// let connection = options.connect().await?;
/// assert_eq!(connection.request("echo", [3, 5, 5]).await?.get(), "[3, 5, 5]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    addr: String,
    form: Form,
    modules: String,
    connect_timeout: Duration,
    request_timeout: Duration,
    keep_alive: Option<Duration>,
}

impl Options {
    /// The plain dialect, to `HOST:PORT`, with every other setting at its default.
    pub fn new(addr: impl Into<String>) -> Self {
        Options {
            addr: addr.into(),
            form: Form::Plain,
            modules: MODULES.to_owned(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            keep_alive: Some(Duration::from_secs(20)),
        }
    }

    /// Speaks as jsonpickle does: classes stand in place of names.
    pub fn pickle(mut self) -> Self {
        self.form = Form::Pickle;
        self
    }

    /// What stands before `requests` in the classes of requests, for [`Self::pickle`]. Default
    /// `pc_protocol.m`; answers are then in `pc_protocol.mresponses`.
    pub fn modules(mut self, modules: impl Into<String>) -> Self {
        self.modules = modules.into();
        self
    }

    /// The time limit for connecting and opening together. Default 5 s.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// The time limit of one request, waiting for those before it included. Default 10 s: the hub gives
    /// a service 5 s, and its word on that should be heard first.
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// After how long without a request a ping is sent. Default 20 s: a hub closes a connection of this
    /// dialect that is silent for 60 s, unless it is told otherwise; too short costs packets, longer than
    /// the hub's limit loses the connection. `None` sends none.
    pub fn keep_alive(mut self, every: Option<Duration>) -> Self {
        self.keep_alive = every.filter(|every| !every.is_zero());
        self
    }

    /// Connects, and opens.
    ///
    /// # Errors
    /// [`Error::Refused`] when the server does not want this client; [`ClientError::Connect`] and
    /// [`ClientError::Timeout`] when nobody answers, [`ClientError::BadArgument`] for an address without
    /// a port or modules that are none.
    pub async fn connect(self) -> Result<Connection, Error> {
        if !has_port(&self.addr) {
            let addr = quote(&self.addr);
            let why = format!("{addr} is no address: write HOST:PORT, such as {DEFAULT_CLIENT_ADDR}");
            return Err(Error::bad_argument(why));
        }
        if !is_prefix(&self.modules) {
            let modules = quote(&self.modules);
            return Err(Error::bad_argument(format!(
                "{modules} cannot stand before requests: write modules and a letter, such as {MODULES}"
            )));
        }
        let limit = self.connect_timeout;
        let opening = async {
            let connected = rt::connect(&self.addr).await;
            let stream =
                connected.map_err(|source| ClientError::Connect { addr: self.addr.clone(), source })?;
            let mut wire = Wire::new(stream, self.form, self.modules.clone());
            let opened: Opened = wire.exchange(OPEN, &()).await?;
            if opened.status != "OK" {
                return Err(Error::bad_reply(format!("open: the status is {}", quote(&opened.status))));
            }
            Ok((wire, opened))
        };
        let opened = rt::within(limit, opening).await;
        let timeout = || ClientError::Timeout { what: format!("connecting to {}", self.addr), after: limit };
        let (wire, opened) = opened.unwrap_or_else(|| Err(timeout().into()))?;
        let shared = Arc::new(Shared {
            last_used: parking_lot::Mutex::new(Instant::now()),
            wire: Mutex::new(wire),
            limit: self.request_timeout,
        });
        let (dropped, over) = oneshot::channel();
        if let Some(every) = self.keep_alive {
            // It ends by itself, with the connection.
            drop(rt::spawn(keep_alive(Arc::downgrade(&shared), every, over)));
        }
        Ok(Connection { shared, process_id: opened.process_id, addr: self.addr, _dropped: dropped })
    }
}

/// What a server says to an open.
#[derive(Debug, Deserialize)]
struct Opened {
    status: String,
    process_id: u64,
}

/// One open connection. It is closed when it is dropped; [`Self::close`] says so to the server.
pub struct Connection {
    shared: Arc<Shared>,
    process_id: u64,
    addr: String,
    /// Ends the task that keeps the connection.
    _dropped: oneshot::Sender<()>,
}

struct Shared {
    wire: Mutex<Wire>,
    /// When an answer came.
    last_used: parking_lot::Mutex<Instant>,
    limit: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("addr", &self.addr).field("process_id", &self.process_id).finish()
    }
}

impl Connection {
    /// Connects in the plain dialect with all settings at their defaults; see [`Options`] for others.
    ///
    /// # Errors
    /// The same as those of [`Options::connect`].
    pub async fn connect(addr: &str) -> Result<Connection, Error> {
        Options::new(addr).connect().await
    }

    /// The address, as it was given.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// The process id that the server told.
    pub fn process_id(&self) -> u64 {
        self.process_id
    }

    /// Asks a service (`uuid`, `normalize`, or one that somebody offers), typed both ways: `data` is
    /// written right into the frame, and the answer is read right out of it. A request that is given up
    /// (dropped, or out of time) leaves the connection in order: its answer is passed over.
    ///
    /// # Errors
    /// [`Error::Refused`] when the service or the server says no; [`ClientError::BadReply`] when the answer
    /// is not of the type that was asked for; [`ClientError::BadArgument`] for `open`, `ping`, `close` and
    /// `shutdown`, which are methods, and for names that no class stands for; [`ClientError::Timeout`] and
    /// [`ClientError::Disconnected`].
    pub async fn call<Q, A>(&self, service: &str, data: &Q) -> Result<A, Error>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        if OWN.contains(&service) {
            return Err(Error::bad_argument(format!(
                "{service} is no service, but a method of the connection"
            )));
        }
        self.shared.exchange(service, data).await
    }

    /// Asks a service, and returns its answer as JSON.
    ///
    /// # Errors
    /// The same as those of [`Self::call`].
    pub async fn request(&self, service: &str, data: impl Serialize) -> Result<Box<RawValue>, Error> {
        self.call(service, &data).await
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// The same as those of [`Self::call`].
    pub async fn ping(&self) -> Result<(), Error> {
        let _: IgnoredAny = self.shared.exchange(PING, &()).await?;
        Ok(())
    }

    /// Asks the server to stop: it then takes no more connections, and closes this one and all others.
    ///
    /// # Errors
    /// [`Error::Refused`] with 403 where the server does not allow it; otherwise as [`Self::call`].
    pub async fn shutdown(&self) -> Result<(), Error> {
        let _: IgnoredAny = self.shared.exchange(SHUTDOWN, &()).await?;
        Ok(())
    }

    /// The same, by an operator who shows the server's token.
    ///
    /// # Errors
    /// [`Error::Refused`] with 403 where that is not the token; otherwise as [`Self::call`].
    pub async fn shutdown_as_operator(&self, token: &str) -> Result<(), Error> {
        let _: IgnoredAny = self.shared.exchange(SHUTDOWN, &BTreeMap::from([("token", token)])).await?;
        Ok(())
    }

    /// Says goodbye, and waits for the server's.
    ///
    /// # Errors
    /// The same as those of [`Self::call`].
    pub async fn close(self) -> Result<(), Error> {
        let _: IgnoredAny = self.shared.exchange(CLOSE, &()).await?;
        Ok(())
    }
}

impl Shared {
    async fn exchange<Q, A>(&self, name: &str, data: &Q) -> Result<A, Error>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let exchange = async { self.wire.lock().await.exchange(name, data).await };
        let answer = rt::within(self.limit, exchange).await;
        *self.last_used.lock() = Instant::now();
        let timeout = || ClientError::Timeout { what: format!("the answer of {name}"), after: self.limit };
        answer.unwrap_or_else(|| Err(timeout().into()))
    }
}

/// Pings whenever nothing was asked for so long, until the connection is dropped or lost.
async fn keep_alive(shared: Weak<Shared>, every: Duration, mut over: oneshot::Receiver<()>) {
    loop {
        let Some(due) = shared.upgrade().map(|shared| *shared.last_used.lock() + every) else { return };
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let Some(shared) = shared.upgrade() else { return };
            let ping = shared.exchange::<_, IgnoredAny>(PING, &());
            pin_mut!(ping);
            match select(&mut over, ping).await {
                Either::Right((Ok(_), _)) => {}
                // After each of these the connection is in order.
                Either::Right((Err(Error::Refused { .. }), _)) => {}
                Either::Right((
                    Err(Error::Client(ClientError::BadReply(_) | ClientError::Timeout { .. })),
                    _,
                )) => {}
                // Whoever asks next is told.
                Either::Right((Err(_), _)) | Either::Left(_) => return,
            }
        } else {
            let sleep = rt::sleep(left);
            pin_mut!(sleep);
            if let Either::Left(_) = select(&mut over, sleep).await {
                return;
            }
        }
    }
}
