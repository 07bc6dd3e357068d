//! Many clients of a points door at the same time, and what became of each. Everything runs on the
//! thread that asks: ten thousand clients are ten thousand sockets and no thread.

use super::receive;
use crate::bench::report::Delays;
use crate::door::{within, Broken, Connection, CLOSED};
use futures::stream::{FuturesUnordered, StreamExt};
use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Why a client was not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    Refused,
    Reset,
    /// Closed without a byte: what a server does that is full.
    Closed,
    TimedOut,
    WrongBytes,
    /// Anything else: no local port, no route.
    Other,
}

/// How many reasons there are.
pub const REASON_COUNT: usize = 6;

/// All reasons, with their names in tables and in JSON.
pub const REASONS: [(Reason, &str, &str); REASON_COUNT] = [
    (Reason::Refused, "REFUSED", "refused"),
    (Reason::Reset, "RESET", "reset"),
    (Reason::Closed, "CLOSED", "closed"),
    (Reason::TimedOut, "TIMED OUT", "timed_out"),
    (Reason::WrongBytes, "WRONG BYTES", "wrong_bytes"),
    (Reason::Other, "OTHER", "other"),
];

/// What became of a crowd.
#[derive(Debug)]
pub struct Outcome {
    pub clients: u64,
    /// From connecting to the end of the answer, of those that were served.
    pub delays: Delays,
    /// How many failed, in the order of [`REASONS`].
    pub failed: [u64; REASON_COUNT],
    /// The first failure in words.
    pub first_failure: Option<String>,
    /// The most clients that were under way at the same time, from connecting on.
    pub most_at_once: u64,
    pub time: Duration,
}

impl Outcome {
    fn new(clients: u64) -> Self {
        Outcome {
            clients,
            delays: Delays::new(),
            failed: [0; REASON_COUNT],
            first_failure: None,
            most_at_once: 0,
            time: Duration::ZERO,
        }
    }

    /// How many were served.
    pub fn served(&self) -> u64 {
        self.delays.count()
    }

    /// How many failed for a reason.
    pub fn failed_by(&self, reason: Reason) -> u64 {
        REASONS.iter().zip(self.failed).find(|((one, ..), _)| *one == reason).map_or(0, |(_, count)| count)
    }

    fn fail(&mut self, broken: Broken) {
        let reason = reason(&broken);
        let counts = REASONS.iter().zip(&mut self.failed);
        counts.filter(|((one, ..), _)| *one == reason).for_each(|(_, count)| *count += 1);
        self.first_failure.get_or_insert_with(|| match broken {
            Broken::Io(error) => error.to_string(),
            Broken::TimeLimit(limit) => format!("no answer in {}", humantime::format_duration(limit)),
            Broken::Closed => format!("it {CLOSED}"),
            Broken::Cut(what) | Broken::Wrong(what) => what,
        });
    }
}

fn reason(broken: &Broken) -> Reason {
    match broken {
        Broken::TimeLimit(_) => Reason::TimedOut,
        Broken::Closed => Reason::Closed,
        Broken::Cut(_) | Broken::Wrong(_) => Reason::WrongBytes,
        Broken::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Reason::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Reason::Reset
            }
            // The kernel's own limit on connecting.
            io::ErrorKind::TimedOut => Reason::TimedOut,
            _ => Reason::Other,
        },
    }
}

/// Counts a client as long as it is under way.
struct UnderWay<'a>(&'a Cell<u64>);

impl<'a> UnderWay<'a> {
    fn new(now: &'a Cell<u64>, most: &Cell<u64>) -> Self {
        now.set(now.get() + 1);
        most.set(most.get().max(now.get()));
        UnderWay(now)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Has so many clients ask, `at_once` of them at the same time: each that ends makes room for another.
/// `done` counts those that have ended.
pub async fn gather(
    addr: SocketAddr,
    clients: u64,
    at_once: u64,
    limit: Duration,
    done: &AtomicU64,
) -> Outcome {
    let (now, most) = (Cell::new(0), Cell::new(0));
    let client = || async {
        let start = Instant::now();
        let _under_way = UnderWay::new(&now, &most);
        let work = async { receive(Connection::open(addr).await?).await };
        within(limit, work).await.map(|_| start.elapsed())
    };
    let mut outcome = Outcome::new(clients);
    let start = Instant::now();
    let mut running: FuturesUnordered<_> = (0..at_once.min(clients)).map(|_| client()).collect();
    let mut left = clients - running.len() as u64;
    while let Some(ended) = running.next().await {
        match ended {
            Ok(took) => outcome.delays.record(took),
            Err(broken) => outcome.fail(broken),
        }
        done.fetch_add(1, Ordering::Relaxed);
        if left > 0 {
            left -= 1;
            running.push(client());
        }
    }
    outcome.time = start.elapsed();
    outcome.most_at_once = most.get();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubbub_shared::points::frame;
    use rustix::net::{bind, getsockname, socket, AddressFamily, SocketType};
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    /// A door that does as it is told with each client, one after the other.
    fn door(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("an address");
        std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
        addr
    }

    fn outcome(addr: SocketAddr, clients: u64, at_once: u64, limit: Duration) -> Outcome {
        async_io::block_on(gather(addr, clients, at_once, limit, &AtomicU64::new(0)))
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn fifty_clients_are_served_by_sevens() {
        let addr = door(|mut client| client.write_all(&frame(&[7; 16])).expect("it is there"));
        let outcome = outcome(addr, 50, 7, LIMIT);
        assert_eq!((outcome.served(), outcome.failed), (50, [0; REASON_COUNT]));
        assert!((1..=7).contains(&outcome.most_at_once), "{}", outcome.most_at_once);
        assert!(outcome.delays.max() <= outcome.time && outcome.first_failure.is_none());
    }

    #[test]
    fn all_start_before_one_ends() {
        let addr = door(|mut client| client.write_all(&frame(&[7; 16])).expect("it is there"));
        let outcome = outcome(addr, 60, 50, LIMIT);
        assert_eq!((outcome.served(), outcome.most_at_once), (60, 50));
    }

    #[test]
    fn each_failure_has_its_reason() {
        // Bound and not listening: nobody else can have the port meanwhile.
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let closed = getsockname(&held).ok().and_then(|addr| addr.try_into().ok()).expect("an address");
        let refused = outcome(closed, 3, 3, LIMIT);
        assert_eq!((refused.served(), refused.failed_by(Reason::Refused)), (0, 3));
        let cut = door(|mut client| client.write_all(&frame(&[7; 16])[..80]).expect("it is there"));
        let cut = outcome(cut, 2, 2, LIMIT);
        assert_eq!(cut.failed_by(Reason::WrongBytes), 2);
        assert_eq!(cut.first_failure.as_deref(), Some("it closed the connection after 80 of 81 bytes"));
        let full = outcome(door(drop), 2, 2, LIMIT);
        assert_eq!(full.failed_by(Reason::Closed), 2);
        assert_eq!(full.first_failure.as_deref(), Some("it closed the connection without a byte"));
        let held = std::sync::Mutex::new(Vec::new());
        let silent = door(move |client| held.lock().expect("no panic").push(client));
        let silent = outcome(silent, 2, 1, Duration::from_millis(50));
        assert_eq!((silent.failed_by(Reason::TimedOut), silent.most_at_once), (2, 1));
        let reset = door(|client| {
            // Without waiting for anything, the close is a reset.
            rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).expect("an option");
        });
        assert_eq!(outcome(reset, 2, 2, LIMIT).failed_by(Reason::Reset), 2);
    }
}
