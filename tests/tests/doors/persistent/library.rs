//! The client side, against the real hub: the library's connection, and `hubbub persistent`.

use super::{Form, Talk, FORMS};
use futures::executor::block_on;
use hubbub_client::persistent::{Error, Options};
use hubbub_tests::{hubbub, Hub};
use serde::{Deserialize, Serialize};
use std::time::Duration;

fn options(hub: &Hub, form: Form) -> Options {
    match form {
        Form::Plain => Options::new(hub.addr().to_string()),
        Form::Pickle => Options::new(hub.addr().to_string()).pickle(),
    }
}

#[test]
fn typed_requests_are_answered() {
    #[derive(Serialize)]
    struct Ask<'a> {
        title: &'a str,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Answer {
        title: String,
        uuid: String,
    }
    let hub = Hub::start();
    block_on(async {
        for form in FORMS {
            let connection = options(&hub, form).connect().await.unwrap();
            assert_eq!(connection.process_id(), u64::from(hub.process().0));
            let Answer { title, uuid } = connection.call("uuid", &Ask { title: "a book" }).await.unwrap();
            assert!(title == "a book" && uuid.len() == 32);
            let refused = connection.shutdown().await.unwrap_err();
            assert!(matches!(refused, Error::Refused { code: 403, .. }), "{refused}");
            connection.ping().await.unwrap();
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn pings_keep_a_connection_beyond_the_servers_limit() {
    let hub = Hub::with(["--persistent-timeout", "1s"]);
    block_on(async {
        let mut kept = Vec::new();
        for form in FORMS {
            let options = options(&hub, form).keep_alive(Some(Duration::from_millis(200)));
            kept.push(options.connect().await.unwrap());
        }
        // The server's own patience is the clock: twice a connection that is not kept ends.
        for form in FORMS {
            let mut silent = Talk::open(&hub, form);
            silent.hears(&form.bare_answer("Close", "null"));
        }
        for connection in kept {
            assert_eq!(connection.request("reverse", "abc").await.unwrap().get(), r#""cba""#);
        }
    });
}

#[test]
fn the_command_asks_in_both_forms() {
    let hub = Hub::start();
    let pid = hub.process().0;
    for more in [&[][..], &["--pickle"]] {
        let run = |args: &[&str]| hubbub(&hub, [&["persistent"], args, more].concat());
        let pings = run(&["ping", "--count", "3", "--interval", "0"]);
        let pongs = pings.ok().lines().filter(|line| line.starts_with(&format!("pong from process {pid}: ")));
        assert_eq!(pongs.count(), 3);
        assert!(pings.ok().contains("3 round trips: least"));
        let pings = run(&["ping", "--count", "2", "--interval", "0", "--json"]).json();
        assert!(pings.len() == 2 && pings[1]["n"] == 2 && pings[1]["rtt_us"].is_u64());
        let uuid = run(&["uuid", "a", "book"]);
        assert_eq!(uuid.ok().trim_end().len(), 32, "{uuid:?}");
        assert_eq!(run(&["uuid", "a", "book", "--json"]).json()[0]["title"], "a book");
        let bench = run(&["bench", "--msgs", "200", "--json"]).json().remove(0);
        assert_eq!((&bench["requests"], &bench["target"]), (&200.into(), &"echo".into()));
        assert!(bench["answered_us"]["p99"].is_number() && bench["at_least_40_ms"].is_u64());
        let bench = run(&["bench", "--msgs", "50", "--service", "uuid"]);
        assert!(bench.ok().contains("50 requests to uuid over one connection"), "{bench:?}");
        assert!(bench.ok().contains("took 40 ms or more"), "{bench:?}");
        assert!(run(&["bench", "--service", "nonsense"]).failed(1).contains("nobody offers nonsense"));
        assert!(run(&["shutdown"]).failed(1).contains("(403)"));
    }
    let elsewhere = hubbub(&hub, ["persistent", "ping", "--at", "127.0.0.1:1", "--timeout", "2s"]);
    elsewhere.failed(3);
}

#[test]
fn names_are_normalised() {
    let hub = Hub::start();
    let said = hubbub(&hub, ["persistent", "normalize", "DR.  MÜLLER, Anna", "acme gmbh"]);
    assert_eq!(said.ok(), "Anna Müller\nAcme GmbH\n");
}

#[test]
fn the_command_stops_a_server_that_allows_it() {
    for more in [&[][..], &["--pickle"]] {
        let mut hub = Hub::with(["--allow-shutdown"]);
        let said = hubbub(&hub, [&["persistent", "shutdown"], more].concat());
        assert!(said.ok().contains(&format!("process {} at", hub.process().0)), "{said:?}");
        assert!(hub.wait_end().success());
    }
}

#[test]
fn the_command_stops_a_server_for_its_operator() {
    let mut hub = Hub::start();
    let folder = hub.data_dir().to_str().unwrap().to_owned();
    hubbub(&hub, ["persistent", "shutdown", "--data-dir", &folder]).ok();
    assert!(hub.wait_end().success());
}
