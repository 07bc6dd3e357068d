//! Processes that stand still: the hub for a while, or for ever.

use hubbub_tests::{hub, wait, Encoding, Hub};
use std::time::Duration;

#[test]
fn a_hub_that_stood_still_goes_on_where_it_was() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut writer = hub.client(Encoding::Json);
    writer.ask("publish ops before").ok();
    hub.process().pause();
    for n in 0..500 {
        writer.say(&format!("publish ops {n}"));
    }
    let mut newcomer = hub.socket();
    newcomer.send("ping\n");
    assert_eq!(newcomer.line_within(Duration::from_millis(1500)), None, "it stands still");
    hub.process().resume();
    for _ in 0..500 {
        writer.reply("publish").ok();
    }
    for n in 1..=501 {
        assert_eq!(reader.event().get("seq"), n);
    }
    reader.nothing_more();
    assert_eq!(newcomer.must_line(), "ok pong");
}

#[test]
fn heartbeats_survive_a_pause_of_the_hub() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    client.ask_object(serde_json::json!({"op": "hello", "heartbeat": 1})).ok();
    hub.process().pause();
    let paused = std::time::Instant::now();
    let _ = client.socket().line_within(Duration::from_millis(4500));
    assert!(paused.elapsed() >= Duration::from_secs(3), "longer than three heartbeats");
    hub.process().resume();
    client.ask("ping").ok();
}

#[test]
fn a_hub_that_is_killed_under_load_ends_every_connection_and_starts_again() {
    let hub = Hub::start();
    let data = tempfile::tempdir().unwrap();
    drop(hub);
    let mut addr = "127.0.0.1:0".parse().unwrap();
    for _ in 0..5 {
        let hub = hub::builder().data_dir(data.path()).listen(addr).start();
        let mut reader = hub.client(Encoding::Json);
        reader.ask("subscribe ops").ok();
        let mut socket = hub.socket();
        let writer = std::thread::spawn(move || {
            let mut sent = 0;
            while socket.try_send("publish ops hi\nclients\n").is_ok() {
                let _ = socket.line_within(Duration::ZERO);
                sent += 1;
            }
            sent
        });
        reader.event();
        addr = hub.kill().0;
        assert!(writer.join().unwrap() > 0);
        while reader.socket().line_or_end().is_some() {}
    }
    let hub = hub::builder().data_dir(data.path()).listen(addr).start();
    wait::until("an answer", || hub.client(Encoding::Text).ask("ping").lines().first().cloned());
}
