//! Client names: the first one, taking one, who has one, and when it is free again.

use hubbub_tests::{in_every_encoding, wait, Encoding, Hub};
use serde_json::json;

in_every_encoding!(
    everyone_starts_as_anon,
    a_name_is_unique_without_regard_to_case,
    a_name_is_free_again_when_its_owner_goes,
    the_grammar_of_names_holds,
    name_at_server_is_exact,
);

fn everyone_starts_as_anon(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    let name = client.whoami("name");
    let digits = name.strip_prefix("anon-").unwrap_or_else(|| panic!("{name}"));
    assert!(
        digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "{name}"
    );
    assert_eq!(client.ask("name").ok(), format!("name {name}"));
}

fn a_name_is_unique_without_regard_to_case(encoding: Encoding) {
    let hub = Hub::start();
    let mut bob = hub.named(encoding, "Bob");
    let mut eve = hub.client(encoding);
    let (code, message) = eve.ask("name bOB").refusal();
    assert!(code == "name-taken" && message.contains("taken"), "{code}: {message}");
    assert!(eve.whoami("name").starts_with("anon-"), "a refused name changes nothing");
    assert_eq!(bob.ask("name BOB").ok(), "name BOB", "one's own name may change its case");
    assert!(eve.ask("msg bob hi").ok().starts_with("sent to "));
    assert!(bob.line().ends_with("> hi"));
    assert_eq!(bob.ask("name robert").ok(), "name robert");
    assert_eq!(eve.ask("name bob").ok(), "name bob");
    assert!(
        eve.ask("whois ROBERT").lines().join("\n").contains("name: robert") || encoding != Encoding::Text
    );
}

fn a_name_is_free_again_when_its_owner_goes(encoding: Encoding) {
    let hub = Hub::start();
    drop(hub.named(encoding, "bob"));
    let mut next = hub.client(encoding);
    wait::until("the name to be free", || {
        next.ask("name bob").lines().last().unwrap().starts_with("ok").then_some(())
    });
    next.socket();
    let mut other = hub.client(encoding);
    assert_eq!(other.ask("name bob").code(), "name-taken");
    next.ask("close").ok();
    assert_eq!(next.next_event(), None);
    assert_eq!(other.ask("name bob").ok(), "name bob", "closed is gone, at once");
}

fn the_grammar_of_names_holds(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    for good in ["a", "9", "_x", "a.b-c[d]{e}^f|g", &"n".repeat(32)] {
        assert_eq!(client.ask(&format!("name {good}")).ok(), format!("name {good}"));
    }
    for bad in ["-a", ".a", "[a", "bøb", "a@b", "a*", "a:b", "а", "a\u{200b}b", &"n".repeat(33)] {
        assert_eq!(client.ask(&format!("name {bad}")).code(), "bad-name", "{bad}");
    }
    assert_eq!(client.whoami("name"), "n".repeat(32));
}

fn name_at_server_is_exact(encoding: Encoding) {
    let hub = Hub::with(["--name", "alpha"]);
    let mut bob = hub.named(encoding, "bob");
    let mut eve = hub.named(encoding, "eve");
    eve.ask("msg bob@alpha hi").ok();
    assert_eq!(bob.line(), "<eve> hi");
    assert_eq!(eve.ask("msg bob@beta hi").code(), "no-such-client");
    bob.nothing_more();
    assert!(eve.ask("whois bob@alpha").ok().contains("bob"));
}

#[test]
fn names_that_only_json_can_carry_are_refused_too() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    for bad in ["", "a b", "a\nb", "bob\u{7}", "\u{202e}bob", "a\0"] {
        assert_eq!(client.ask_object(json!({"op": "name", "name": bad})).code(), "bad-name", "{bad:?}");
        assert_eq!(client.ask_object(json!({"op": "hello", "name": bad})).code(), "bad-name", "{bad:?}");
    }
    assert!(client.whoami("name").starts_with("anon-"));
}

#[test]
fn a_rename_is_told_to_the_one_who_did_it_under_the_old_and_the_new_name() {
    let hub = Hub::start();
    let mut watcher = hub.client(Encoding::Json);
    watcher.ask("subscribe $sys.client.named").ok();
    let mut bob = hub.named(Encoding::Json, "bob");
    let first = watcher.event();
    assert_eq!(first.get("channel"), "$sys.client.named");
    assert_eq!(first.get("data")["name"], "bob");
    bob.ask("name robert").ok();
    let second = watcher.event();
    assert_eq!(second.get("data")["name"], "robert");
    assert!(second.get("data").to_string().contains("\"bob\""), "{second:?} names what it was called before");
}
