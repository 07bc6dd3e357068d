//! The server that the door is compared with: it accepts one client, writes its answer, closes, and
//! only then looks at the next, with calls that block, as the old one did.

use hubbub_shared::points::{frame, RANDOM};
use rustix::net::{bind, listen, socket_with, sockopt, AddressFamily, SocketFlags, SocketType};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Connections that wait to be accepted: what the old server had.
pub const BACKLOG: i32 = 128;
/// How long its end waits for the connection that wakes it.
const WAKE: Duration = Duration::from_secs(1);

/// The server, in a thread. Dropping it ends it.
pub struct Blocking {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Blocking {
    /// Starts it on a free port.
    pub fn start() -> io::Result<Blocking> {
        let listener = listen_with(BACKLOG)?;
        let addr = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::Builder::new().name("blocking".into()).spawn(move || {
            for client in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // What becomes of one client is for that client to report.
                let _ = client.and_then(serve);
            }
        })?;
        Ok(Blocking { addr, stop, thread: Some(thread) })
    }

    /// Where it is.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Blocking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let woken = TcpStream::connect_timeout(&self.addr, WAKE).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

fn serve(mut client: TcpStream) -> io::Result<()> {
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    client.write_all(&frame(&random))
}

/// The standard library's own listener leaves the backlog to the library's version.
fn listen_with(backlog: i32) -> io::Result<TcpListener> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    listen(&socket, backlog)?;
    Ok(TcpListener::from(socket))
}

#[cfg(test)]
mod tests {
    use super::super::ask;
    use super::*;

    #[test]
    fn it_serves_one_after_the_other_and_ends() {
        let server = Blocking::start().expect("a free port");
        let limit = Duration::from_secs(20);
        let asked = |addr| async_io::block_on(ask(addr, limit));
        let (first, second) = (asked(server.addr()).expect("points"), asked(server.addr()).expect("points"));
        assert_ne!(first.1, second.1);
        let addr = server.addr();
        drop(server);
        assert!(asked(addr).is_err(), "nobody listens any more");
    }
}
