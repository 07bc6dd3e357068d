//! The border to the async runtime: sockets, tasks and timers of async-std are named here and nowhere
//! else, so that another runtime would be a change of this one file.

use std::future::Future;
use std::io;
use std::time::Duration;

#[cfg(feature = "testing")]
pub(crate) use async_std::net::TcpListener;
pub(crate) use async_std::net::TcpStream;
pub(crate) use async_std::task::{sleep, spawn, yield_now, JoinHandle};

/// Opens a connection to `HOST:PORT`, trying every address that the name has. Small writes go out
/// at once: they are gathered before they reach the socket.
pub(crate) async fn connect(addr: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What the future yields, or `None` when the time is up first.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    async_std::future::timeout(limit, future).await.ok()
}
