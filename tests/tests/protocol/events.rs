//! The hub's own channels, the welcome, and the notices.

use hubbub_tests::{in_every_encoding, Encoding, Hub};
use serde_json::json;

in_every_encoding!(
    comings_and_goings_are_told,
    a_welcome_is_sent_once_to_who_messages_first,
    the_servers_welcome_greets_new_clients,
);

fn comings_and_goings_are_told(encoding: Encoding) {
    let hub = Hub::start();
    let mut watcher = hub.named(encoding, "watcher");
    watcher.ask("subscribe $sys.client.*").ok();
    let mut bob = hub.client(Encoding::Json);
    let id = bob.whoami("client_id");
    let anon = bob.whoami("name");
    bob.ask("name bob").ok();
    bob.ask("close").ok();
    let told: Vec<String> = (0..3).map(|_| watcher.line()).collect();
    for (line, channel, parts) in [
        (&told[0], "[$sys.client.opened] ", [&id, &anon]),
        (&told[1], "[$sys.client.named] ", [&id, &"bob".to_owned()]),
        (&told[2], "[$sys.client.closed] ", [&id, &"bob".to_owned()]),
    ] {
        assert!(line.starts_with(channel), "{told:#?}");
        assert!(parts.iter().all(|part| line.contains(*part)), "{line} should name {parts:?}");
    }
    assert!(told[2].contains("closed by client"), "{}", told[2]);
    watcher.nothing_more();
}

fn a_welcome_is_sent_once_to_who_messages_first(encoding: Encoding) {
    let hub = Hub::start();
    let mut bob = hub.named(encoding, "bob");
    let mut eve = hub.named(encoding, "eve");
    bob.ask("welcome I answer after lunch").ok();
    assert_eq!(bob.ask("motd").ok(), "I answer after lunch");
    assert!(eve.ask("whois bob").lines().join("\n").contains("welcome: I answer after lunch"));
    eve.nothing_more();
    eve.ask("msg bob hi").ok();
    let events = eve.events_so_far();
    assert_eq!(events.len(), 1, "{events:?}");
    assert!(events[0].line.contains("I answer after lunch"), "{events:?}");
    eve.ask("msg bob hi again").ok();
    eve.nothing_more();
    assert_eq!([bob.line(), bob.line()], ["<eve> hi", "<eve> hi again"]);
    bob.nothing_more();
}

fn the_servers_welcome_greets_new_clients(encoding: Encoding) {
    let hub = Hub::start();
    let mut operator = hub.operator();
    operator.ask("welcome scope=server maintenance at noon").ok();
    assert_eq!(operator.ask("welcome scope=server").ok(), "maintenance at noon");
    match encoding {
        Encoding::Text => {
            let mut person = hub.socket();
            let mut greeting = std::iter::repeat_with(|| person.must_line());
            assert!(greeting.by_ref().take(3).any(|line| line == "* maintenance at noon"));
        }
        _ => {
            let mut client = hub.client(encoding);
            client.ask_object(json!({"op": "hello"})).ok();
            let event = client.event();
            assert_eq!((event.get("event"), event.get("code")), (&json!("notice"), &json!("welcome")));
            assert!(event.get("message").as_str().unwrap().contains("maintenance at noon"));
            client.nothing_more();
        }
    }
}

#[test]
fn events_of_clients_have_numbers_like_any_message() {
    let hub = Hub::start();
    let mut watcher = hub.client(Encoding::Json);
    watcher.ask("subscribe $sys.client.opened").ok();
    let others: Vec<_> = (0..5).map(|_| hub.client(Encoding::Json)).collect();
    let first = watcher.event();
    for n in 1..others.len() as u64 {
        let next = watcher.event();
        assert_eq!(next.get("seq").as_u64(), first.get("seq").as_u64().map(|s| s + n));
        assert_eq!(next.get("origin"), &hub.ready()["origin"]);
        for key in ["client_id", "name", "ip", "port"] {
            assert!(next.get("data").get(key).is_some(), "no {key} in {next:?}");
        }
    }
}
