//! `hubbub bench`: that it counts what there is to count, not how fast it is.

use hubbub_tests::{hubbub, Encoding, Hub, Program};
use serde_json::Value;

fn bench(hub: &Hub, args: &[&str]) -> Value {
    let mut results = hubbub(hub, [&["--json", "bench"], args].concat()).json();
    assert_eq!(results.len(), 1, "{results:?}");
    results.remove(0)
}

#[test]
fn what_is_published_is_counted_at_both_ends() {
    let hub = Hub::start();
    let result =
        bench(&hub, &["pub", "load", "--msgs", "2000", "--pubs", "2", "--subs", "3", "--size", "64"]);
    assert_eq!(result["publishers"]["messages"], 2000);
    assert_eq!(result["subscribers"]["messages"], 6000);
    assert_eq!(result["lost"], 0);
    assert_eq!(hub.client(Encoding::Json).ask("channels load").json()["channels"][0]["messages"], 2000);
    let acked = bench(&hub, &["pub", "load", "--msgs", "100", "--ack"]);
    assert_eq!(acked["acknowledged_us"]["count"], 100);
    let words = hubbub(&hub, ["bench", "pub", "load", "--msgs", "100", "--subs", "1"]);
    assert!(words.ok().contains("publishers") && words.ok().contains("lost 0"), "{words:?}");
}

#[test]
fn what_others_publish_is_counted() {
    let hub = Hub::start();
    let mut sub =
        Program::hubbub(&hub, ["--json", "bench", "sub", "load.*", "--msgs", "50", "--timeout", "20s"]);
    sub.says_aside("subscribed");
    let mut writer = hub.client(Encoding::Json);
    for n in 0..50 {
        writer.ask(&format!("publish load.{n} hi")).ok();
    }
    let result = sub.finish().json().remove(0);
    assert_eq!((&result["subscribers"]["messages"], &result["lost"]), (&50.into(), &0.into()), "{result}");
}

#[test]
fn a_service_is_measured_and_its_absence_is_told() {
    let hub = Hub::start();
    let result = bench(&hub, &["request", "echo", "--msgs", "100"]);
    assert_eq!((&result["answered_us"]["count"], &result["failed"]), (&100.into(), &0.into()), "{result}");
    assert!(hubbub(&hub, ["bench", "request", "nope", "--msgs", "1"]).failed(1).contains("no-such-service"));
    hubbub(&hub, ["bench", "pub", "load", "--msgs", "none"]).failed(2);
}
