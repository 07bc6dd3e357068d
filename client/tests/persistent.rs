//! The persistent dialect's client side, against the hub for tests.

#![allow(clippy::unwrap_used)] // a test that unwraps what is not there fails, as it should

use async_std::task::block_on;
use hubbub_client::persistent::{Connection, Error, Options};
use hubbub_client::testing::Hub;
use hubbub_client::Error as ClientError;
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::time::{Duration, Instant};

#[derive(Debug, Serialize, Deserialize, PartialEq, Clone)]
struct Order {
    id: u64,
    note: Option<String>,
    lines: Vec<String>,
}

fn order(id: u64) -> Order {
    Order { id, note: None, lines: vec!["ü\"\n".into(), String::new()] }
}

/// Both ways to speak.
fn ways(hub: &Hub) -> [Options; 2] {
    [Options::new(hub.addr()), Options::new(hub.addr()).pickle()]
}

#[test]
fn typed_requests_come_back_typed() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        for options in ways(&hub) {
            let connection = options.connect().await.unwrap();
            assert_eq!(connection.process_id(), 5);
            for id in 0..10 {
                assert_eq!(connection.call::<_, Order>("echo", &order(id)).await.unwrap(), order(id));
            }
            for data in [json!(null), json!({}), json!([1, {}]), json!("x"), json!({"a": {"b": 1}})] {
                assert_eq!(connection.call::<_, Value>("echo", &data).await.unwrap(), data);
            }
            let long = "x".repeat(300_000);
            assert_eq!(connection.call::<_, String>("echo", &long).await.unwrap(), long);
            connection.ping().await.unwrap();
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn members_behind_the_data_of_an_answer_are_passed_over() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        for options in ways(&hub) {
            let connection = options.connect().await.unwrap();
            assert_eq!(connection.call::<_, Order>("more", &order(1)).await.unwrap(), order(1));
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn refusals_leave_the_connection_as_it_is() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        for options in ways(&hub) {
            let connection = options.connect().await.unwrap();
            let refused = connection.request("nonsense", ()).await.unwrap_err();
            assert!(matches!(refused, Error::Refused { code: 404, .. }), "{refused}");
            let refused = connection.shutdown().await.unwrap_err();
            assert!(matches!(refused, Error::Refused { code: 403, .. }), "{refused}");
            let other = connection.call::<_, Order>("echo", "no order").await.unwrap_err();
            assert!(matches!(other, Error::Client(ClientError::BadReply(_))), "{other}");
            let unwritable = connection.request("echo", f64::NAN).await.unwrap();
            assert_eq!(unwritable.get(), "null");
            let own = connection.request("close", ()).await.unwrap_err();
            assert!(matches!(own, Error::Client(ClientError::BadArgument(_))), "{own}");
            assert_eq!(connection.call::<_, u8>("echo", &7).await.unwrap(), 7);
        }
        let connection = Options::new(hub.addr()).pickle().connect().await.unwrap();
        let nameless = connection.request("team.thing", ()).await.unwrap_err();
        assert!(matches!(nameless, Error::Client(ClientError::BadArgument(_))), "{nameless}");
        connection.ping().await.unwrap();
    });
}

#[test]
fn the_answer_to_a_request_that_was_given_up_is_passed_over() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        for options in ways(&hub) {
            let connection =
                options.request_timeout(Duration::from_millis(50)).keep_alive(None).connect().await.unwrap();
            for n in 0..3 {
                let late = connection.call::<_, u8>("later", &0).await.unwrap_err();
                assert!(matches!(late, Error::Client(ClientError::Timeout { .. })), "{late}");
                assert_eq!(connection.call::<_, u8>("echo", &n).await.unwrap(), n);
            }
        }
    });
}

#[test]
fn requests_of_several_tasks_do_not_get_mixed_up() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let connection = Connection::connect(hub.addr()).await.unwrap();
        let asked = (0..50_u64).map(|id| {
            let connection = &connection;
            async move { connection.call::<_, Order>("echo", &order(id)).await.unwrap() == order(id) }
        });
        assert!(futures::future::join_all(asked).await.into_iter().all(|same| same));
    });
}

#[test]
fn an_idle_connection_is_kept_by_pings_until_it_is_dropped() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        for options in ways(&hub) {
            let connection = options.keep_alive(Some(Duration::from_millis(20))).connect().await.unwrap();
            until(|| hub.pings() >= 3).await;
            connection.ping().await.unwrap();
            drop(connection);
            until(|| hub.names().is_empty()).await;
        }
    });
}

#[test]
fn a_server_that_says_goodbye_is_told_from_one_that_is_gone() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        for options in ways(&hub) {
            let connection = options.clone().connect().await.unwrap();
            hub.drain(&[], 0);
            let why = connection.ping().await.unwrap_err().to_string();
            assert!(why.contains("it stops"), "{why}");
            let why = connection.ping().await.unwrap_err().to_string();
            assert!(why.contains("it stops"), "{why}");
            let connection = options.connect().await.unwrap();
            hub.drop_connections();
            let gone = connection.ping().await.unwrap_err();
            assert!(matches!(gone, Error::Client(ClientError::Disconnected { .. })), "{gone}");
        }
    });
}

#[test]
fn what_cannot_be_connected_to_says_why() {
    block_on(async {
        let no_port = Connection::connect("localhost").await.unwrap_err();
        assert!(matches!(no_port, Error::Client(ClientError::BadArgument(_))), "{no_port}");
        let modules = Options::new("127.0.0.1:1").modules("os.system(").connect().await.unwrap_err();
        assert!(matches!(modules, Error::Client(ClientError::BadArgument(_))), "{modules}");
        let hub = Hub::start().await.unwrap();
        hub.fall_silent();
        let options = Options::new(hub.addr()).connect_timeout(Duration::from_millis(50));
        let silent = options.connect().await.unwrap_err();
        assert!(matches!(silent, Error::Client(ClientError::Timeout { .. })), "{silent}");
    });
}

async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long");
        async_std::task::sleep(Duration::from_millis(5)).await;
    }
}
