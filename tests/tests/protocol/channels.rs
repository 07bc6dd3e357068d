//! Channels and patterns: how they come to be, what they are called, and what matches what.

use hubbub_tests::transcript::play;
use hubbub_tests::{in_every_encoding, Encoding, Hub};
use serde_json::json;

in_every_encoding!(
    a_channel_exists_from_its_first_mention,
    topics_are_set_and_shown,
    the_grammar_of_channels_holds,
    wildcards_stand_for_whole_tokens,
    a_leading_wildcard_does_not_reach_the_hubs_own_channels,
    one_copy_each_however_many_patterns_match,
    unsubscribing_needs_the_same_pattern,
    channels_are_listed_by_pattern,
    an_inbox_is_its_owners_alone,
);

fn a_channel_exists_from_its_first_mention(encoding: Encoding) {
    let script = "
        bob> channels
        bob= ok 0 channels
        bob> create one
        bob= ok …
        bob> subscribe two
        bob= ok subscribed to two
        bob> publish three hi
        bob= ok published three to 0
        bob> subscribe wild.*
        bob= ok subscribed to wild.*
        bob> channels
        bob= …one subscribers=0 messages=0
        bob= …three subscribers=0 messages=1
        bob= …two subscribers=1 messages=0
        bob= ok 3 channels
        bob> who one
        bob= ok 0 clients
        bob> create one again
        bob= ok …
        bob> topic one
        bob= ok topic of one: again…
    ";
    play(&Hub::start(), encoding, script);
}

fn topics_are_set_and_shown(encoding: Encoding) {
    let script = "
        bob> create ops
        bob= ok …
        bob> topic ops
        bob= ok ops has no topic
        bob> topic #ops night shift
        bob= ok topic of ops: night shift (set by bob)
        eve> topic ops
        eve= ok topic of ops: night shift (set by bob)
        eve> topic new.one made by its topic
        eve= error no-such-channel: …
    ";
    play(&Hub::start(), encoding, script);
}

fn the_grammar_of_channels_holds(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    let deep = |n: usize| vec!["t"; n].join(".");
    for good in ["a", "A.b.C", "_-+=@:/~9", &"c".repeat(200), &deep(16)] {
        assert_eq!(client.ask(&format!("publish {good} hi")).ok(), format!("published {good} to 0"));
        assert_eq!(client.ask(&format!("publish #{good} hi")).ok(), format!("published {good} to 0"));
    }
    for bad in
        [".", "a.", ".a", "a..b", "a$b", "a.$b", "$", "ø", "##a", "a,b", "a\\b", &"c".repeat(201), &deep(17)]
    {
        assert_eq!(client.ask(&format!("publish {bad} hi")).code(), "bad-channel", "{bad}");
        assert_eq!(client.ask(&format!("subscribe {bad}")).code(), "bad-channel", "{bad}");
        assert_eq!(client.ask(&format!("create {bad}")).code(), "bad-channel", "{bad}");
    }
    for bad in ["a*", "*a", "**", "a.>b", ">.a", "a.>.b"] {
        assert_eq!(client.ask(&format!("subscribe {bad}")).code(), "bad-channel", "{bad}");
    }
    for wild in ["*", ">", "a.*", "*.a", "a.>"] {
        assert_eq!(client.ask(&format!("publish {wild} hi")).code(), "bad-channel", "{wild}");
        assert_eq!(client.ask(&format!("create {wild}")).code(), "bad-channel", "{wild}");
    }
    // Names are case-sensitive.
    client.ask("subscribe Case").ok();
    assert_eq!(client.ask("publish case hi").ok(), "published case to 0");
}

fn wildcards_stand_for_whole_tokens(encoding: Encoding) {
    let hub = Hub::start();
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("a.*", &["a.b", "a.c"], &["a", "a.b.c", "b.b", "ab"]),
        ("a.>", &["a.b", "a.b.c", "a.b.c.d"], &["a", "b.a", "ab.c"]),
        ("*", &["a", "b"], &["a.b"]),
        (">", &["a", "a.b", "a.b.c"], &[]),
        ("*.b.*", &["a.b.c", "x.b.y"], &["a.b", "a.c.c", "b.b"]),
        ("a.*.>", &["a.b.c", "a.b.c.d"], &["a.b", "a"]),
        ("*.*", &["a.b"], &["a", "a.b.c"]),
        ("a", &["a"], &["a.b", "b"]),
    ];
    for (pattern, matching, others) in cases {
        let mut reader = hub.client(encoding);
        let mut writer = hub.named(encoding, "writer");
        reader.ask(&format!("subscribe {pattern}")).ok();
        for channel in *matching {
            writer.ask(&format!("publish {channel} to {pattern}")).ok();
            assert_eq!(reader.line(), format!("[{channel}] writer: to {pattern}"));
        }
        for channel in *others {
            writer.ask(&format!("publish {channel} not to {pattern}")).ok();
        }
        reader.nothing_more();
        for client in [&mut reader, &mut writer] {
            client.ask("close").ok();
            assert_eq!(client.next_event(), None);
        }
    }
}

fn a_leading_wildcard_does_not_reach_the_hubs_own_channels(encoding: Encoding) {
    let hub = Hub::start();
    let mut reader = hub.client(encoding);
    reader.ask("subscribe > *.client.opened").ok();
    let _opened = hub.named(encoding, "newcomer");
    reader.nothing_more();
    reader.ask("subscribe $sys.>").ok();
    let _another = hub.named(encoding, "another");
    assert!(reader.line().starts_with("[$sys.client.opened] "));
}

fn one_copy_each_however_many_patterns_match(encoding: Encoding) {
    let hub = Hub::start();
    let mut reader = hub.client(encoding);
    let mut writer = hub.named(encoding, "writer");
    reader.ask("subscribe a.> a.b *.b > a.*").ok();
    assert_eq!(writer.ask("publish a.b hi").ok(), "published a.b to 1");
    let event = reader.event();
    assert_eq!(event.line, "[a.b] writer: hi");
    if encoding != Encoding::Text {
        assert_eq!(event.json.get("via"), None, "the exact subscription matched");
    }
    reader.ask("unsubscribe a.b").ok();
    assert_eq!(writer.ask("publish a.b again").ok(), "published a.b to 1");
    let event = reader.event();
    if encoding != Encoding::Text {
        let via = event.get("via").as_str().unwrap();
        assert!(["a.>", "*.b", ">", "a.*"].contains(&via), "{via}");
    }
    reader.nothing_more();
}

fn unsubscribing_needs_the_same_pattern(encoding: Encoding) {
    let hub = Hub::start();
    let mut client = hub.client(encoding);
    client.ask("subscribe a.* b").ok();
    assert_eq!(client.ask("unsubscribe a.b").code(), "not-subscribed");
    assert_eq!(client.ask("unsubscribe a.>").code(), "not-subscribed");
    client.ask("subscribe b").ok(); // twice is once
    assert_eq!(client.ask("publish b hi").ok(), "published b to 1");
    client.ask("unsubscribe b").ok();
    assert_eq!(client.ask("unsubscribe b").code(), "not-subscribed");
    assert_eq!(client.ask("publish b hi").ok(), "published b to 0");
    client.ask("part #a.*").ok();
    assert_eq!(client.ask("publish a.b hi").ok(), "published a.b to 0");
}

fn channels_are_listed_by_pattern(encoding: Encoding) {
    let script = "
        bob> subscribe a.b a.c b $sys.client.opened
        bob= ok subscribed to a.b a.c b $sys.client.opened
        bob> channels a.*
        bob= …a.b subscribers=1 messages=0
        bob= …a.c subscribers=1 messages=0
        bob= ok 2 channels
        bob> list >
        bob= …a.b …
        bob= …a.c …
        bob= …b …
        bob= ok 3 channels
        bob> list b
        bob= …b …
        bob= ok 1 channel
        bob> listchannels nope.*
        bob= ok 0 channels
    ";
    let hub = Hub::start();
    play(&hub, encoding, script);
    let mut client = hub.client(encoding);
    client.ask("subscribe $sys.client.closed").ok();
    let own = client.ask("channels $sys.>").lines().join("\n");
    assert!(own.contains("$sys.client.closed"), "{own}");
}

fn an_inbox_is_its_owners_alone(encoding: Encoding) {
    let hub = Hub::start();
    let mut owner = hub.named(encoding, "owner");
    let mut other = hub.named(encoding, "other");
    let inbox = format!("$inbox.{}", owner.whoami("client_id"));
    owner.ask(&format!("subscribe {inbox}.>")).ok();
    for pattern in [format!("{inbox}.>"), format!("{inbox}.a"), "$inbox.>".into(), "$inbox.*.>".into()] {
        assert_eq!(other.ask(&format!("subscribe {pattern}")).code(), "not-allowed", "{pattern}");
    }
    other.ask(&format!("publish {inbox}.answer.1 here")).ok();
    assert_eq!(owner.line(), format!("[{inbox}.answer.1] other: here"));
}

#[test]
fn nobody_but_the_hub_speaks_in_sys() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    client.ask("subscribe $sys.>").ok();
    for channel in ["$sys.client.opened", "$sys.anything", "$other"] {
        for hash in ["", "#"] {
            assert_eq!(
                client.ask(&format!("publish {hash}{channel} lie")).code(),
                "not-allowed",
                "{hash}{channel}"
            );
            client.ask(&format!("topic {hash}{channel} lie")).code();
            client.ask(&format!("create {hash}{channel} lie")).code();
        }
        assert_eq!(client.ask(&format!("publish ##{channel} lie")).code(), "bad-channel");
    }
    client.nothing_more();
    assert_eq!(client.ask("publish $inbox.nobody.x hi").ok(), "published $inbox.nobody.x to 0");
}

#[test]
fn a_subscription_is_given_as_one_channel_or_as_many() {
    let hub = Hub::start();
    let mut client = hub.client(Encoding::Json);
    let one = client.ask_object(json!({"op": "subscribe", "channel": "#a"}));
    assert_eq!(one.json(), &json!({"channels": ["a"]}));
    let many = client.ask_object(json!({"op": "subscribe", "channels": ["b", "#c"]}));
    assert_eq!(many.json(), &json!({"channels": ["b", "c"]}));
    assert_eq!(client.ask_object(json!({"op": "subscribe", "channels": []})).code(), "bad-argument");
    let bad = client.ask_object(json!({"op": "subscribe", "channels": ["d", "e..f"]}));
    assert_eq!(bad.code(), "bad-channel");
    assert_eq!(client.ask("publish d hi").ok(), "published d to 0", "a refused command does nothing");
    assert_eq!(
        client.ask_object(json!({"op": "unsubscribe", "channels": ["a", "b"]})).json()["channels"],
        json!(["a", "b"])
    );
}
