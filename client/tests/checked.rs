//! What the library checks of a command before it sends it: what no hub would take is refused at once, with
//! the hub's own words and codes, and the connection goes on.

#![allow(clippy::unwrap_used)]

use async_std::task::block_on;
use hubbub_client::testing::Hub;
use hubbub_client::{Client, Code, Error};
use serde_json::json;
use std::future::Future;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// Runs a test, which must end within the time limit.
fn run(test: impl Future<Output = ()>) {
    block_on(async_std::future::timeout(LIMIT, test)).expect("the test took too long");
}

#[test]
fn what_the_hub_would_refuse_is_refused_with_its_words() {
    run(async {
        let hub = Hub::start().await.unwrap();
        let client = Client::connect(hub.addr()).await.unwrap();
        let code = |error: Error| match error {
            Error::Refused(refusal) => refusal.code,
            other => panic!("{other}"),
        };
        assert_eq!(code(client.publish("a b", 1).await.unwrap_err()), Code::BadChannel);
        assert_eq!(code(client.publish("a.*", 1).await.unwrap_err()), Code::BadChannel);
        assert_eq!(code(client.subscribe(["a..b"]).await.unwrap_err()), Code::BadChannel);
        assert_eq!(code(client.message("nobody", 1).await.unwrap_err()), Code::NoSuchClient);
        let long = "x".repeat(2 << 20);
        assert_eq!(code(client.publish_with("ops", &long).forget().await.unwrap_err()), Code::TooLarge);
        let none: [&str; 0] = [];
        assert!(matches!(client.subscribe(none).await, Err(Error::BadArgument(_))));
        let by_hand = client.command::<serde_json::Value>("join", json!({"channel": "ops"})).await;
        assert!(matches!(by_hand, Err(Error::BadArgument(message)) if message.contains("Client::subscribe")));
        client.flush().await.expect("the connection is still good");
    });
}

#[test]
fn what_no_hub_can_read_is_refused_at_once_with_the_hubs_words() {
    run(async {
        let hub = Hub::start().await.unwrap();
        let client = Client::connect(hub.addr()).await.unwrap();
        let raw = |json: String| serde_json::value::RawValue::from_string(json).unwrap();
        let nines = raw("9".repeat(400));
        let deep = raw(format!("{}{}", "[".repeat(100), "]".repeat(100)));
        for (data, code) in [(nines, Code::TooLarge), (deep, Code::TooDeep)] {
            let asked = client.request_timeout("factor", &data, Duration::from_secs(3600)).await;
            assert!(matches!(&asked, Err(Error::Refused(refusal)) if refusal.code == code), "{asked:?}");
            let said = client.publish("ops", &data).await;
            assert!(matches!(said, Err(Error::Refused(refusal)) if refusal.code == code));
        }
        let twice: Result<serde_json::Value, Error> = client.command("ping", json!({ "id": 1 })).await;
        assert!(matches!(twice, Err(Error::Refused(refusal)) if refusal.code == Code::BadJson));
        // What has an answer is asked: the hub knows better what it knows.
        let unknown: Result<serde_json::Value, Error> = client.command("frobnicate", ()).await;
        assert!(matches!(unknown, Err(Error::Refused(refusal)) if refusal.code == Code::BadCommand));
        client.close().await.unwrap();
    });
}
