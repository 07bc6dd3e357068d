//! Hubs that refuse, do not answer, or fall silent: nothing waits for them beyond the time limits.

#![allow(clippy::unwrap_used)]

use async_std::task::block_on;
use futures::StreamExt;
use hubbub_client::testing::Hub;
use hubbub_client::{Error, Event, Options};
use rustix::net::{bind, getsockname, socket, AddressFamily, SocketType};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// Runs a test, which must end within the time limit.
fn run(test: impl Future<Output = ()>) {
    block_on(async_std::future::timeout(LIMIT, test)).expect("the test took too long");
}

#[test]
fn a_hub_that_does_not_answer_costs_no_more_than_the_time_limits() {
    run(async {
        let silent = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = silent.local_addr().unwrap().to_string();
        let short = Duration::from_millis(50);
        let connecting = Options::new(&addr).connect_timeout(short).connect().await;
        assert!(matches!(connecting, Err(Error::Timeout { .. })));
        // Bound and not listening: it refuses, and nobody else can have the port meanwhile.
        let held = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&held, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let addr = SocketAddr::try_from(getsockname(&held).unwrap()).unwrap().to_string();
        for no_address in ["", "localhost", "127.0.0.1:99999"] {
            let bad = Options::new(no_address).connect().await;
            assert!(matches!(bad, Err(Error::BadArgument(message)) if message.contains("HOST:PORT")));
        }
        let refused = Options::new(&addr).connect().await;
        assert!(matches!(refused, Err(Error::Connect { addr: named, .. }) if named == addr));
        let hub = Hub::start().await.unwrap();
        let both = Options::from_servers(&format!("{addr}, {}", hub.addr()));
        let client = both.command_timeout(short).connect().await.unwrap();
        let _requests = client.serve("slow", "").await.unwrap();
        assert!(matches!(client.request("slow", 1).await, Err(Error::Timeout { .. })));
        let mut events = client.events();
        hub.leave();
        while !matches!(events.next().await.unwrap(), Event::Disconnected { .. }) {}
        assert!(matches!(client.publish("ops", 1).await, Err(Error::Timeout { .. })));
    });
}

#[test]
fn a_hub_that_hangs_is_noticed_by_its_silence() {
    run(async {
        let hub = Hub::start().await.unwrap();
        let client = Options::new(hub.addr()).heartbeat(Some(1)).reconnect(false).connect().await.unwrap();
        hub.fall_silent();
        let ended: Vec<_> = client.events().collect().await;
        assert!(matches!(&ended[..], [Event::Disconnected { why }] if why.contains("no sign of life")));
    });
}
