//! Who is connected and who was: `clients`, `whois`, `who`, and the reasons of the closed.

use hubbub_tests::{in_every_encoding, wait, Client, Encoding, Hub};
use serde_json::{json, Value};

in_every_encoding!(
    open_ones_are_listed_with_what_they_do,
    closed_ones_are_listed_with_their_reason,
    the_pattern_is_a_glob_without_regard_to_case,
    whois_tells_what_whoami_tells,
    who_lists_those_by_wildcard_too,
);

fn open_ones_are_listed_with_what_they_do(encoding: Encoding) {
    let hub = Hub::start();
    let mut bob = hub.named(encoding, "bob");
    bob.ask("subscribe ops a.*").ok();
    let _eve = hub.named(Encoding::Frame, "eve");
    let _silent = hub.socket();
    let reply = wait::until("three clients", || Some(bob.ask("clients")).filter(|r| r.rows().len() == 3));
    let rows = reply.rows().join("\n");
    assert_eq!(reply.ok(), "3 clients", "{rows}");
    let row = |name: &str| reply.rows().iter().find(|r| r.trim_start().starts_with(name)).unwrap();
    let port = bob.socket().local_addr().port();
    let bobs = row("bob");
    assert!(bobs.contains(&format!("127.0.0.1:{port} {}", encoding.as_str())), "{bobs}");
    assert!(bobs.contains("channels=ops,a.*") || bobs.contains("channels=a.*,ops"), "{bobs}");
    assert!(row("eve").contains(" frame "));
    assert!(row("anon-").contains(" undecided "));
}

fn closed_ones_are_listed_with_their_reason(encoding: Encoding) {
    let hub = Hub::with(["--max-line", "500", "--max-frame", "500"]);
    let mut watcher = hub.named(Encoding::Json, "watcher");
    let mut polite = hub.named(encoding, "polite");
    polite.ask("subscribe ops").ok();
    polite.ask("publish ops one").ok();
    polite.ask("publish ops two").ok();
    polite.ask("close").ok();
    let mut clumsy = hub.named(encoding, "clumsy");
    let long = format!("reverse {}", "x".repeat(600));
    clumsy.say(&long);
    clumsy.closed_with("too-large");
    drop(hub.named(encoding, "sudden"));
    let rows = wait::until("three closed clients", || {
        let rows = watcher.ask("clients closed").json()["clients"].as_array().unwrap().clone();
        (rows.len() == 3).then_some(rows)
    });
    let row =
        |name: &str| rows.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("{name}: {rows:?}"));
    assert_eq!(row("polite")["reason"], "closed by client");
    assert_eq!(row("polite")["messages_in"], 2);
    assert_eq!(row("polite")["messages_out"], 2);
    assert!(row("clumsy")["reason"].as_str().unwrap().contains("too-large"), "{:?}", row("clumsy"));
    assert_eq!(row("sudden")["reason"], "closed by client");
    for row in &rows {
        assert!(row["closed_at"].as_str().unwrap() >= row["connected_at"].as_str().unwrap(), "{row}");
    }
    let all = watcher.ask("clients all");
    assert_eq!(all.json()["clients"].as_array().unwrap().len(), 4);
    let closed: Vec<&Value> =
        all.json()["clients"].as_array().unwrap().iter().filter(|c| c.get("closed_at").is_some()).collect();
    assert_eq!(closed.len(), 3);
    let mut asker = hub.client(encoding);
    let shown = asker.ask("clients closed polite").rows().join("\n");
    assert!(shown.contains("closed=closed by client") && shown.contains("in=2 out=2"), "{shown}");
}

fn the_pattern_is_a_glob_without_regard_to_case(encoding: Encoding) {
    let hub = Hub::start();
    let _others: Vec<Client> =
        ["web-1", "web-2", "WEB-3", "db-1", "a.b"].iter().map(|n| hub.named(Encoding::Json, n)).collect();
    let mut client = hub.named(encoding, "asker");
    for (pattern, count) in [
        ("web-*", 3),
        ("*-1", 2),
        ("Web-1", 1),
        ("*", 6),
        ("web", 0),
        ("*b*", 5),
        ("a.b", 1),
        ("a*b", 1),
        ("axb", 0),
        ("open web-*", 3),
        ("all *-1", 2),
        ("closed *", 0),
    ] {
        let reply = client.ask(&format!("clients {pattern}"));
        assert_eq!(reply.rows().len(), count, "{pattern}: {:?}", reply.rows());
    }
}

fn whois_tells_what_whoami_tells(encoding: Encoding) {
    let hub = Hub::start();
    let mut bob = hub.named(encoding, "bob");
    bob.ask("subscribe ops").ok();
    bob.ask("welcome hello").ok();
    let mut eve = hub.named(encoding, "eve");
    let own = hubbub_tests::wire::fields(bob.ask("whoami").rows());
    let other = hubbub_tests::wire::fields(eve.ask("whois BOB").rows());
    for key in ["client_id", "name", "ip", "port", "server", "encoding", "channels", "welcome"] {
        assert_eq!(own[key], other[key], "{key}");
    }
    assert_eq!((own["channels"].as_str(), own["welcome"].as_str()), ("ops", "hello"));
}

fn who_lists_those_by_wildcard_too(encoding: Encoding) {
    let hub = Hub::start();
    let mut exact = hub.named(encoding, "exact");
    exact.ask("subscribe a.b").ok();
    let mut wild = hub.named(encoding, "wild");
    wild.ask("subscribe a.> a.*").ok();
    let mut other = hub.named(encoding, "other");
    other.ask("subscribe a.c").ok();
    let reply = other.ask("who a.b");
    let mut names: Vec<&str> = reply.rows().iter().filter_map(|r| r.split_whitespace().next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["exact", "wild"]);
}

#[test]
fn a_list_is_cut_at_its_limit_and_says_so() {
    let hub = Hub::start();
    let _others: Vec<Client> = (0..5).map(|_| hub.client(Encoding::Json)).collect();
    let mut client = hub.client(Encoding::Json);
    let cut = client.ask_object(json!({"op": "clients", "limit": 2}));
    assert_eq!(cut.json()["clients"].as_array().unwrap().len(), 2);
    assert_eq!(cut.json()["truncated"], true);
    let whole = client.ask_object(json!({"op": "clients", "scope": "server"}));
    assert_eq!(whole.json()["clients"].as_array().unwrap().len(), 6);
    assert_eq!(whole.json().get("truncated"), None);
    assert_eq!(client.ask_object(json!({"op": "clients", "scope": "galaxy"})).code(), "bad-argument");
    let mut text = hub.client(Encoding::Text);
    let reply = text.ask("clients limit=2");
    assert!(reply.rows().len() == 2 && reply.ok().contains("more"), "{reply:?}");
}

#[test]
fn a_list_that_would_not_fit_into_the_queue_is_cut_and_its_asker_stays() {
    let hub = Hub::with(["--max-queue", "64KiB"]);
    let _others: Vec<Client> =
        (0..300).map(|n| hub.named(Encoding::Json, &format!("somebody-{n}"))).collect();
    let mut client = hub.client(Encoding::Json);
    let cut = client.ask("clients all");
    let rows = cut.json()["clients"].as_array().unwrap().len();
    assert!(cut.json()["truncated"] == true && (10..300).contains(&rows), "{rows} rows");
    client.ask("ping").ok();
}
