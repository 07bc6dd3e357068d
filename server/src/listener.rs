//! The accept loop: it hands each client to a connection handler, and turns away politely whom
//! there is no room for. It never spins, whatever the kernel refuses.

use crate::complaints::Complaints;
use crate::connection;
use crate::conversation::Conversation;
use crate::doors::{Door, Opener, Place};
use crate::hub::Hub;
use crate::rt::{self, Acceptor, Socket};
use socket2::{Domain, Protocol, TcpKeepalive, Type};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections that the kernel completes before they are accepted. Measured: with the usual 128,
/// ten thousand clients that come at once need 6 s instead of 1 s.
const BACKLOG: i32 = 4096;
/// Dead peers are found within 90 s: two probes of 15 s after a minute of silence, and as long for
/// bytes that are not acknowledged.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 2;
const USER_TIMEOUT: Duration = Duration::from_secs(90);
/// Connections taken in before everything else that is ready gets its turn. A guess at a
/// millisecond.
const ACCEPTS_A_TURN: u64 = 16;
/// Pause after the kernel refused to accept for want of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// Those turned away who are given the time to read why, at once and how long. A guess.
const MAX_TURNED_AWAY: usize = 64;
const TURNED_AWAY_TIME: Duration = Duration::from_secs(1);

/// One listening socket: the client port, or a door.
pub struct Listener {
    acceptor: Acceptor,
    opener: Opener,
    /// Whether those turned away are told why: a door's clients would not understand it.
    tells: bool,
    /// A descriptor to spare, given up for the moment that it takes to turn somebody away.
    reserve: Option<File>,
    turned_away: Arc<AtomicUsize>,
    complaints: Complaints,
}

impl Listener {
    /// Listens for clients on an address; port 0 takes a free one.
    pub fn bind(addr: SocketAddr) -> io::Result<Listener> {
        let opener: Opener = Box::new(|hub, socket, addr| {
            connection::start(hub, socket, addr, |client, _, batch| Conversation::new(client, batch.now));
        });
        Listener::bind_for(addr, opener, true)
    }

    /// The same for the clients of a door.
    pub fn bind_door(door: &Door, addr: SocketAddr, place: Place<'_>) -> io::Result<Listener> {
        Listener::bind_for(addr, (door.open)(place), false)
    }

    fn bind_for(addr: SocketAddr, opener: Opener, tells: bool) -> io::Result<Listener> {
        let socket = socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        // Accepted sockets inherit these, which saves four calls for each.
        socket.set_tcp_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
        socket.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.bind(&addr.into())?;
        socket.listen(BACKLOG)?;
        let acceptor = Acceptor::new(socket.into())?;
        Ok(Listener {
            acceptor,
            opener,
            tells,
            reserve: spare(),
            turned_away: Arc::default(),
            complaints: Complaints::default(),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        self.acceptor.get_ref().local_addr()
    }

    /// Accepts for ever; dropping the future ends it, and closes the socket.
    pub async fn run(mut self, hub: Arc<Hub>) {
        for turn in 1_u64.. {
            // While more are waiting, `accept` never waits: others would not get their turn.
            if turn % ACCEPTS_A_TURN == 0 {
                rt::breathe().await;
            }
            match self.acceptor.accept().await {
                Ok((socket, addr)) => self.admit(socket, addr, &hub),
                Err(e) => self.refused_by_kernel(&e, &hub).await,
            }
        }
    }

    fn admit(&mut self, socket: Socket, addr: SocketAddr, hub: &Arc<Hub>) {
        let most = hub.limits.max_clients;
        if hub.clients.sockets.open() < most as u64 {
            return (self.opener)(hub, socket, addr);
        }
        hub.counters.clients_refused.add(1);
        if let Some(left_out) = self.complaints.one_more(Instant::now()) {
            log::warn!(addr:% = addr, most, left_out; "client turned away: the server is full");
        }
        if !self.tells {
            return;
        }
        let why = format!("* closing: too-many: this server has room for {most} clients, and they are here; try again later\n");
        say(socket.get_ref(), &why);
        if self.turned_away.fetch_add(1, Ordering::Relaxed) < MAX_TURNED_AWAY {
            let turned_away = self.turned_away.clone();
            rt::spawn(async move {
                let deadline = Instant::now() + TURNED_AWAY_TIME;
                let mut unread = [0; 512];
                while rt::before(deadline, socket.readable()).await.is_some() {
                    if matches!(socket.get_ref().read(&mut unread), Ok(0)) {
                        break;
                    }
                }
                turned_away.fetch_sub(1, Ordering::Relaxed);
            });
        } else {
            self.turned_away.fetch_sub(1, Ordering::Relaxed);
        }
    }

    async fn refused_by_kernel(&mut self, error: &io::Error, hub: &Hub) {
        // A client that left before it was accepted is nobody's trouble.
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
            return;
        }
        hub.counters.clients_refused.add(1);
        log::warn!(error:% = error; "cannot accept");
        if self.reserve.take().is_some() {
            if let Ok((socket, _)) = self.acceptor.get_ref().accept() {
                if self.tells {
                    say(
                        &socket,
                        "* closing: too-many: this server is out of file descriptors; try again later\n",
                    );
                }
            }
            self.reserve = spare();
        }
        rt::sleep(PAUSE).await;
        if self.reserve.is_none() {
            self.reserve = spare();
        }
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

/// The encoding is not known yet: a text line, which JSON clients pass over.
fn say(mut socket: &TcpStream, line: &str) {
    let _ = socket.write(line.as_bytes());
    let _ = socket.shutdown(Shutdown::Write);
}
