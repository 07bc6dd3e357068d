//! One TCP link to another server: how it is dialed or accepted, the proof of the secret, and the task
//! that reads it. Writing is in [`crate::writer`], like for clients.

use super::frame::{self, Frame};
use super::handshake::{Accepting, Dialing, Met, Ours, Random, Step};
use super::peer::{Peer, Wire};
use super::record::Open;
use super::settlement::Failure;
use super::shell::Shell;
use crate::clock::Now;
use crate::hub::Batch;
use crate::rt::{self, Socket};
use crate::writer::hand_over;
use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a connection may take, and then the handshake. A guess: some round trips on a bad line.
const CONNECT: Duration = Duration::from_secs(3);
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Room for one read: what comes of many publishers together becomes few writes to each subscriber.
const READ: usize = 256 << 10;
/// Room for more, while a long frame is being read.
const LARGE_READ: usize = 1 << 20;
/// Bytes of frames that are handled in one batch. A guess at a few milliseconds.
const HANDLED_AT_ONCE: usize = 4 << 20;

/// Connects to a server, proves the secret, and reads until the link ends.
pub async fn dial(shell: Arc<Shell>, to: Uuid, addr: SocketAddr) {
    let failed = |failure| shell.dial_failed(to, failure);
    let socket = match rt::before(Instant::now() + CONNECT, rt::connect(addr)).await {
        Some(Ok(socket)) => socket,
        Some(Err(e)) if e.kind() == ErrorKind::ConnectionRefused => {
            return failed(Failure::ConnectionRefused)
        }
        Some(Err(_)) | None => return failed(Failure::Unreachable),
    };
    let me = shell.me();
    let ours = Ours { keys: &shell.keys, cluster: &shell.cluster, me: &me, is_plain: is_local(&socket) };
    let (mut dialing, hello) = Dialing::new(ours, to, random(), Now::read().unix_ms);
    let greeted = async {
        write_all(&socket, &hello).await.ok()?;
        let mut rest = Vec::new();
        loop {
            rest.extend(read_some(&socket).await.ok()?);
            let mut bytes = rest.as_slice();
            let step = dialing.receive(&mut bytes);
            rest = bytes.to_vec();
            match step {
                Step::More | Step::Reply(_) => {}
                Step::Done(met) => {
                    write_all(&socket, &met.reply).await.ok()?;
                    return Some(Ok((met, rest)));
                }
                Step::Refused { code, message } => return Some(Err(Failure::TurnedAway(code, message))),
                Step::Refuse { .. } => return None,
                Step::Failed(failure) => {
                    log::debug!(addr:% = addr; "no link: {failure}");
                    return None;
                }
            }
        }
    };
    match rt::before(Instant::now() + HANDSHAKE, greeted).await.flatten() {
        Some(Ok((met, rest))) => run(shell.clone(), socket, *met, rest, true).await,
        Some(Err(failure)) => failed(failure),
        None => failed(Failure::Unreachable),
    }
}

/// Lets a server prove the secret that has connected. Who does not prove it is not answered.
pub async fn accept(shell: &Arc<Shell>, socket: Socket, addr: SocketAddr) -> Option<(Met, Socket, Vec<u8>)> {
    let (me, is_plain) = (shell.me(), is_local(&socket));
    if !is_plain && !shell.keys.is_secret() {
        log::debug!(addr:% = addr; "no link: without a secret there are none beyond this machine");
        return None;
    }
    let ours = Ours { keys: &shell.keys, cluster: &shell.cluster, me: &me, is_plain };
    let mut accepting = Accepting::new(ours, random());
    let greeted = async {
        let mut rest = Vec::new();
        loop {
            rest.extend(read_some(&socket).await.ok()?);
            loop {
                let mut bytes = rest.as_slice();
                let step = {
                    let mut seen = shell.seen_hellos.lock();
                    let admit = |member: &_| shell.admit(member);
                    accepting.receive(&mut bytes, &mut seen, Now::read().unix_ms, admit)
                };
                rest = bytes.to_vec();
                match step {
                    Step::More => break,
                    Step::Reply(reply) => write_all(&socket, &reply).await.ok()?,
                    Step::Done(met) => return Some((met, rest)),
                    Step::Refuse { reply, message, .. } => {
                        log::info!(addr:% = addr; "turned a server away: {message}");
                        write_all(&socket, &reply).await.ok()?;
                        return None;
                    }
                    Step::Refused { .. } => return None,
                    Step::Failed(failure) => {
                        log::debug!(addr:% = addr; "no link: {failure}");
                        return None;
                    }
                }
            }
        }
    };
    let (met, rest) = rt::before(Instant::now() + HANDSHAKE, greeted).await.flatten()?;
    Some((*met, socket, rest))
}

/// Whether nothing of a link leaves this machine.
fn is_local(socket: &Socket) -> bool {
    let both = (socket.get_ref().local_addr(), socket.get_ref().peer_addr());
    matches!(both, (Ok(here), Ok(there)) if here.ip().to_canonical().is_loopback() && there.ip().to_canonical().is_loopback())
}

fn random() -> Random {
    let mut bytes = [0; Random::LEN];
    // Without it there is no safe link; Linux has it from the first second after boot.
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    Random::new(bytes)
}

/// Serves a link from the handshake to its end.
pub async fn run(shell: Arc<Shell>, socket: Socket, met: Met, early: Vec<u8>, dialed_by_us: bool) {
    let Met { peer: member, session, .. } = met;
    let _ = socket.get_ref().set_nodelay(true);
    let (seal, open) = session.records();
    let sealer = (!seal.is_plain()).then(|| {
        let mut seal = seal;
        Mutex::new(Box::new(move |plain: &[&[u8]], out: &mut Vec<u8>| {
            seal.seal(plain.iter().copied(), out);
        }) as super::peer::Sealer)
    });
    let number = shell.next_link();
    let peer = Arc::new(Peer::new(number, member, Some(Wire { socket, sealer })));
    peer.heard_ms.store(shell.clock_ms(), Ordering::Relaxed);
    shell.handshaken(&peer, dialed_by_us).await;
    let mut reader =
        Reader { shell: shell.clone(), peer: peer.clone(), open, bytes: Vec::new(), sealed: Vec::new() };
    let why = reader.run(early).await;
    log::debug!(server = &*peer.name, link = number; "a link ended: {why}");
    peer.outbox.fail();
    if let Some(socket) = peer.socket() {
        let _ = socket.get_ref().shutdown(Shutdown::Both);
    }
    shell.link_lost(&peer).await;
}

struct Reader {
    shell: Arc<Shell>,
    peer: Arc<Peer>,
    open: Open,
    /// What was read and not yet handled.
    bytes: Vec<u8>,
    /// Room for what is read of a sealed link.
    sealed: Vec<u8>,
}

impl Reader {
    /// Reads until the link ends; why.
    async fn run(&mut self, early: Vec<u8>) -> String {
        if let Err(why) = self.take_in(&early) {
            return why;
        }
        loop {
            if let Err(why) = self.handle().await {
                return why;
            }
            let Some(socket) = self.peer.socket() else { return "there is no socket".into() };
            poll_fn(|context| {
                self.peer.task.register(context.waker());
                if self.peer.outbox.is_overflowed() {
                    return Poll::Ready(());
                }
                socket.poll_readable(context).map(|_| ())
            })
            .await;
            if self.peer.outbox.is_overflowed() {
                log::warn!(server = &*self.peer.name; "it does not keep up: the link is made anew");
                return "too much waited to be read by the other server".into();
            }
            match self.read() {
                Ok(0) => match self.open.end() {
                    Ok(()) => return "the other server closed it".into(),
                    Err(e) => return e.to_string(),
                },
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(e) => return e.to_string(),
            }
        }
    }

    fn read(&mut self) -> io::Result<usize> {
        let Some(socket) = self.peer.socket() else { return Ok(0) };
        let is_plain = self.open.is_plain();
        let buffer = if is_plain { &mut self.bytes } else { &mut self.sealed };
        let room = if buffer.len() >= READ { LARGE_READ } else { READ };
        buffer.reserve(room);
        let before = buffer.len();
        rustix::io::read(socket, spare_capacity(buffer)).map_err(io::Error::from)?;
        let read = buffer.len() - before;
        self.peer.heard_ms.store(self.shell.clock_ms(), Ordering::Relaxed);
        self.shell.hub.counters.bytes_in.add(read as u64);
        self.shell.hub.counters.link_bytes_in.add(read as u64);
        if !is_plain {
            let sealed = std::mem::take(&mut self.sealed);
            self.open.push(&sealed, &mut self.bytes).map_err(|e| io::Error::other(e.to_string()))?;
            self.sealed = sealed;
            self.sealed.clear();
        }
        Ok(read)
    }

    fn take_in(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.open.is_plain() {
            self.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        self.open.push(bytes, &mut self.bytes).map_err(|e| e.to_string())
    }

    /// Handles the whole frames that were read.
    async fn handle(&mut self) -> Result<(), String> {
        let (hub, mut used) = (self.shell.hub.clone(), 0);
        loop {
            let mut batch = Batch::new(Now::read());
            let (start, mut adopted) = (used, false);
            while used - start < HANDLED_AT_ONCE && !batch.is_long() && !adopted {
                let next = frame::read(&self.bytes[used..]).map_err(|e| e.to_string())?;
                let Some((frame, length)) = next else { break };
                used += length;
                match frame {
                    Frame::Adopt => adopted = true,
                    frame => hub.servers.peers.hear(&hub, &self.peer, frame, &mut batch),
                }
            }
            hand_over(&hub, batch).written(&hub).await;
            if adopted {
                self.shell.adopted(&self.peer).await;
            }
            if used == start {
                break;
            }
        }
        self.bytes.drain(..used);
        if self.bytes.is_empty() && self.bytes.capacity() > LARGE_READ {
            self.bytes = Vec::new();
        }
        Ok(())
    }
}

async fn write_all(socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.get_ref().write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == ErrorKind::WouldBlock => socket.writable().await?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Some bytes of a handshake; it has few.
async fn read_some(socket: &Socket) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; super::handshake::MAX_MESSAGE];
    loop {
        match socket.get_ref().read(&mut bytes) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                bytes.truncate(n);
                return Ok(bytes);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => socket.readable().await?,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
