//! The border to the async runtime: everything that the server takes from async-std and async-io
//! passes through here, so that another runtime is a change of this file.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // the one place for them

use std::future::Future;
use std::io;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A non-blocking TCP connection.
pub type Socket = async_io::Async<TcpStream>;
/// A non-blocking listening socket.
pub type Acceptor = async_io::Async<TcpListener>;
/// A non-blocking socket for packets.
pub type Packets = async_io::Async<UdpSocket>;

/// Starts a task that nobody waits for: it ends by itself.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    // Dropping async-std's handle detaches the task.
    drop(async_std::task::spawn(future));
}

/// Runs a future to its end on the executor's threads and waits for it. The waiting thread stays
/// out of the reactor's way: it would take readiness events and hand each to another thread.
pub fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    futures::executor::block_on(async_std::task::spawn(future))
}

/// Connects.
pub async fn connect(addr: SocketAddr) -> io::Result<Socket> {
    Socket::connect(addr).await
}

/// The addresses of a host and port, as the system resolves them now.
pub async fn resolve(host_and_port: String) -> io::Result<Vec<SocketAddr>> {
    unblock(move || host_and_port.to_socket_addrs().map(Iterator::collect)).await
}

/// Runs what may block on a thread for that.
pub async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    async_std::task::spawn_blocking(work).await
}

/// Waits.
pub async fn sleep(duration: Duration) {
    async_io::Timer::after(duration).await;
}

/// Lets everything else that is ready go first, sockets included: it waits for the readiness of a
/// socket that is always readable, and so for one turn of the reactor. (A plain yield lets only
/// those tasks go first that are already awake, and a timer of no length does not wait at all.)
pub async fn breathe() {
    type Pair = (async_io::Async<UnixStream>, UnixStream);
    static ALWAYS_READABLE: OnceLock<Option<Pair>> = OnceLock::new();
    let pair = ALWAYS_READABLE.get_or_init(|| {
        let (reader, mut writer) = UnixStream::pair().ok()?;
        writer.write_all(&[0]).ok()?;
        Some((async_io::Async::new(reader).ok()?, writer))
    });
    match pair {
        Some((readable, _)) => drop(readable.readable().await),
        None => async_std::task::yield_now().await,
    }
}

/// Waits for a future, but not beyond a moment; `None` when the moment came first.
pub async fn before<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let future = std::pin::pin!(future);
    match futures::future::select(future, async_io::Timer::at(deadline)).await {
        futures::future::Either::Left((value, _)) => Some(value),
        futures::future::Either::Right(_) => None,
    }
}
