//! Much out of little: subscriptions, channels, names, services and requests without number, and
//! messages that multiply.

use crate::{endure, many_descriptors, SLACK};
use hubbub_tests::{hub, wait, Client, Encoding, Hub};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn a_hundred_thousand_wildcard_subscriptions_slow_nobody_down() {
    let hub = Hub::start();
    // 100 clients with 1,000 patterns: at most 1 KiB each.
    endure(&hub, SLACK + (100_000 << 10), |hub| {
        let mut clients: Vec<Client> = Vec::new();
        for c in 0..100 {
            let mut client = hub.client(Encoding::Json);
            let patterns: Vec<String> = (0..1000).map(|n| format!("*.c{c}.*.n{n}.>")).collect();
            client.ask_object(json!({"op": "subscribe", "channels": patterns})).ok();
            assert_eq!(client.ask("subscribe one.more").code(), "too-many");
            clients.push(client);
        }
        let mut writer = hub.client(Encoding::Json);
        let started = Instant::now();
        for n in 0..200 {
            assert_eq!(writer.ask(&format!("publish a.c7.b.n{n}.x hi")).json()["subscribers"], 1);
        }
        let each = started.elapsed() / 200;
        assert!(each < Duration::from_millis(50), "a publish took {each:?}");
        assert_eq!(clients[7].events_so_far().len(), 200);
        for mut client in clients {
            client.ask("close").ok();
        }
        wait::until("the patterns to be forgotten", || (hub.stat("patterns") == 0).then_some(()));
    });
}

#[test]
fn a_message_is_one_copy_however_many_patterns_of_a_client_match() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        // 2^10 patterns cover one channel of ten tokens.
        let channel = ["a"; 10].join(".");
        let patterns: Vec<String> = (0..1000)
            .map(|bits: u32| {
                (0..10).map(|t| if bits >> t & 1 == 1 { "*" } else { "a" }).collect::<Vec<_>>().join(".")
            })
            .collect();
        let mut readers: Vec<Client> = (0..10).map(|_| hub.client(Encoding::Json)).collect();
        for reader in &mut readers {
            reader.ask_object(json!({"op": "subscribe", "channels": patterns})).ok();
        }
        let mut writer = hub.client(Encoding::Json);
        for _ in 0..20 {
            assert_eq!(writer.ask(&format!("publish {channel} hi")).json()["subscribers"], 10);
        }
        for reader in &mut readers {
            assert_eq!(reader.events_so_far().len(), 20);
        }
    });
}

#[test]
fn channels_without_number_push_out_the_idle_ones_and_not_those_in_use() {
    let hub = hub::builder().args(["--max-channels", "1000"]).start();
    endure(&hub, SLACK, |hub| {
        let mut keeper = hub.client(Encoding::Json);
        keeper.ask("create kept.by.name with a topic").ok();
        keeper.ask("subscribe kept.by.reader").ok();
        let mut flood = hub.client(Encoding::Json);
        for n in 0..20_000 {
            flood.say(&format!("publish flood.{n} x"));
        }
        for _ in 0..20_000 {
            flood.reply("publish").ok();
        }
        assert!(hub.stat("channels") <= 1000);
        assert!(keeper.ask("topic kept.by.name").ok().contains("with a topic"));
        keeper.ask("publish kept.by.reader hi").ok();
        assert_eq!(keeper.event().get("seq"), 1);
        // Channels that are held, by name or by a reader, are refused at the limit.
        let refused = (0..2_000)
            .map(|n| flood.ask(&format!("create held.{n}")))
            .find(|r| r.lines().last().unwrap().starts_with("error"));
        assert_eq!(refused.unwrap().code(), "too-many");
        assert!(hub.stat("channels") <= 1000);
    });
}

#[test]
fn requests_without_number_are_refused_at_the_limit() {
    let hub = hub::builder().args(["--max-queue", "1MiB"]).start();
    endure(&hub, SLACK, |hub| {
        let mut provider = hub.client(Encoding::Json);
        provider.ask("serve pit").ok();
        let mut asker = hub.client(Encoding::Json);
        let load = "x".repeat(1000);
        for _ in 0..3_000 {
            asker.say_object(json!({"op": "request", "service": "pit", "data": load, "timeout_ms": 600_000}));
        }
        let refused = std::iter::repeat_with(|| asker.reply("request")).take(1_900);
        for reply in refused {
            let code = reply.code();
            assert_eq!(code, "too-many");
        }
        let open = hub.stat("requests_open");
        assert!((100..=1_100).contains(&open), "{open} requests of 1 kB wait within 1 MiB");
        // Its neighbour has room of its own.
        hub.client(Encoding::Json).ask("request echo hi").ok();
        drop(provider);
        for _ in 1_900..3_000 {
            let code = asker.reply("request").code();
            assert!(["too-many", "no-responders"].contains(&code), "{code}");
        }
        assert_eq!(hub.stat("requests_open"), 0);
    });
}

#[test]
fn one_message_to_a_thousand_readers_does_not_become_a_thousand_messages_in_memory() {
    many_descriptors();
    let hub = hub::builder().args(["--max-clients", "2000"]).start();
    endure(&hub, SLACK + (64 << 20), |hub| {
        let listen = |_| {
            let mut reader = hub.client(Encoding::Frame);
            reader.ask("subscribe wide").ok();
            reader
        };
        let mut readers: Vec<Client> = (0..1000).map(listen).collect();
        let mut writer = hub.client(Encoding::Json);
        let load = "x".repeat(50_000);
        for n in 1..=4 {
            assert_eq!(writer.ask(&format!("publish wide {load}")).json()["subscribers"], 1000);
            for reader in &mut readers {
                assert_eq!(reader.event().get("seq"), n);
            }
        }
    });
}

#[test]
fn names_that_look_alike_are_refused() {
    let hub = Hub::start();
    let _bob = hub.named(Encoding::Json, "bob");
    let mut other = hub.client(Encoding::Json);
    for (name, code) in [
        ("BOB", "name-taken"),
        ("bоb", "bad-name"), // a Cyrillic о
        ("ｂｏｂ", "bad-name"),
        ("bob\u{200d}", "bad-name"),
        ("bob ", "bad-name"),
        ("\u{202e}bob", "bad-name"),
        ("b\u{6f}\u{308}b", "bad-name"),
    ] {
        assert_eq!(other.ask_object(json!({"op": "name", "name": name})).code(), code, "{name:?}");
    }
}

#[test]
fn guessing_the_token_is_slow_work_and_harms_nobody() {
    let hub = Hub::start();
    endure(&hub, SLACK, |hub| {
        for _ in 0..30 {
            let mut guesser = hub.client(Encoding::Text);
            for n in 0..10 {
                assert_eq!(guesser.ask(&format!("operator {n:064x}")).code(), "not-allowed");
            }
            guesser.closed_with("not-allowed");
        }
    });
}
