//! Conversations of sessions with a hub in this process: lines in, lines out, as both shells see
//! them.

#![allow(clippy::unwrap_used)]

use super::line::Marked;
use super::session::{Outcome, Session, Started};
use crate::cli::Globals;
use crate::connect::Lost;
use crate::exit::Exit;
use crate::style::Style;
use async_io::{block_on, Timer};
use futures::future::{select, Either};
use hubbub_client::testing::Hub;
use std::time::Duration;

/// How long something may take that is bound to happen. Reached only by a defect.
const PATIENCE: Duration = Duration::from_secs(20);

struct Talker(Session);

impl Talker {
    async fn new(hub: &Hub, name: &str, marked: Marked) -> Talker {
        let globals = Globals {
            server: hub.addr().to_owned(),
            name: Some(name.to_owned()),
            json: false,
            timeout: None,
            data_dir: None,
            run_dir: None,
            token: None,
        };
        let client = globals.connect(Lost::Reconnect).await.unwrap();
        Talker(Session::new(client, &globals, marked, Style::PLAIN))
    }

    async fn person(hub: &Hub, name: &str) -> Talker {
        Talker::new(hub, name, Marked::BySlash).await
    }

    /// Does a line to its end.
    async fn outcome(&mut self, line: &str) -> Outcome {
        let doing = match self.0.start(line) {
            Started::Alone(doing) | Started::Beside(doing) => doing,
            Started::Quit => return Outcome::default(),
        };
        let mut outcome = doing.await;
        self.0.apply(&mut outcome);
        outcome
    }

    /// What a line that works says.
    async fn says(&mut self, line: &str) -> String {
        let outcome = self.outcome(line).await;
        assert_eq!(outcome.exit(), Exit::Done, "{line}: {:?}", outcome.failures);
        String::from_utf8(outcome.lines).unwrap()
    }

    /// Why a line does not work.
    async fn refuses(&mut self, line: &str) -> String {
        let outcome = self.outcome(line).await;
        assert_eq!(outcome.exit(), Exit::Refused, "{line}");
        outcome.failures[0].message.clone()
    }

    /// All that arrives, up to and including a line that ends so.
    async fn hears(&mut self, end: &str) -> String {
        let mut heard = String::new();
        while !heard.ends_with(&format!("{end}\n")) {
            let next = Box::pin(self.0.next_lines());
            match select(next, Timer::after(PATIENCE)).await {
                Either::Left((batch, _)) => heard.push_str(&String::from_utf8(batch).unwrap()),
                Either::Right(_) => panic!("waited for {end:?}, heard {heard:?}"),
            }
        }
        heard
    }
}

#[test]
fn people_talk() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let mut bob = Talker::person(&hub, "bob").await;
        let mut eve = Talker::person(&hub, "eve").await;
        assert!(bob.refuses("hello?").await.contains("/join"));
        assert_eq!(bob.0.prompt(), "bob> ");
        assert_eq!(bob.says("/join #ops").await, "ok subscribed to ops\n");
        assert_eq!(bob.0.prompt(), "bob@ops> ");
        eve.says("/join ops").await;
        assert_eq!(eve.says("hello \u{1b}[2J").await, "", "what was typed is on the screen already");
        assert_eq!(bob.hears("J").await, "[ops] eve: hello \\x1b[2J\n");
        assert_eq!(bob.says("hi eve").await, "");
        assert_eq!(eve.hears("hi eve").await, "[ops] bob: hi eve\n");
        eve.says("bye").await;
        assert_eq!(bob.hears("bye").await, "[ops] eve: bye\n", "nobody hears himself");
    });
}

#[test]
fn a_message_that_several_subscriptions_cover_is_shown_once() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let mut bob = Talker::person(&hub, "bob").await;
        bob.says("/join ops.a ops.* >").await;
        assert_eq!(bob.0.prompt(), "bob@ops.a> ");
        hub.publish("ops.a", "\"one\"");
        hub.publish("ops.b", "\"two\"");
        let mut heard: Vec<String> = Vec::new();
        while heard.len() < 2 {
            heard.extend(bob.hears("").await.lines().map(str::to_owned));
        }
        heard.sort();
        assert!(heard[0].starts_with("[ops.a] ") && heard[1].starts_with("[ops.b] "), "{heard:?}");
        assert_eq!(bob.says("/part ops.a").await, "ok unsubscribed from ops.a\n");
        assert_eq!(bob.0.prompt(), "bob> ");
        assert!(bob.refuses("/part ops.a").await.starts_with("not-subscribed"));
        hub.publish("ops.a", "\"three\"");
        assert!(bob.hears("three").await.lines().count() == 1);
    });
}

#[test]
fn joining_again_changes_the_channel_that_is_talked_to() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let mut bob = Talker::person(&hub, "bob").await;
        bob.says("/join a").await;
        bob.says("/join b").await;
        assert_eq!(bob.0.prompt(), "bob@b> ");
        assert_eq!(bob.says("/join a").await, "ok subscribed to a\n");
        assert_eq!(bob.0.prompt(), "bob@a> ");
        bob.says("/part").await;
        assert_eq!(bob.0.prompt(), "bob@b> ");
        assert_eq!(hub.subscriptions("bob"), ["b"]);
    });
}

#[test]
fn a_service_is_answered_by_hand() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let mut bob = Talker::person(&hub, "bob").await;
        let mut eve = Talker::person(&hub, "eve").await;
        bob.says("/serve advice wise words").await;
        let Started::Beside(asking) = eve.0.start("/request advice what now?") else {
            panic!("others may go on while a service thinks")
        };
        let answering = async {
            let heard = bob.hears("what now?").await;
            let id = heard.split([' ', ':']).nth(2).unwrap().to_owned();
            assert_eq!(bob.says(&format!("/respond {id} wait")).await, format!("ok responded to {id}\n"));
            assert!(bob.refuses(&format!("/respond {id} again")).await.contains("no open request"));
        };
        let (answer, ()) = futures::join!(asking, answering);
        assert_eq!(String::from_utf8(answer.lines).unwrap(), "ok advice: wait\n");
        assert_eq!(bob.says("/unserve advice").await, "ok serving advice no longer\n");
        assert!(bob.refuses("/unserve advice").await.starts_with("no-such-service"));
    });
}

#[test]
fn what_is_missing_is_told() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let mut bob = Talker::person(&hub, "bob").await;
        bob.says("/join ops").await;
        hub.publish("ops", "1");
        bob.hears(" 1").await;
        hub.lose("ops", 3);
        hub.publish("ops", "5");
        assert!(bob.hears(" 5").await.starts_with("* gap: 3 messages of ops missed\n[ops] "));
        hub.drop_connections();
        let heard = bob.hears(" as bob").await;
        assert!(
            heard.starts_with("* disconnected: ") && heard.contains("\n* connected again to "),
            "{heard}"
        );
        hub.publish("ops", "6");
        assert!(bob.hears(" 6").await.contains("[ops] "));
    });
}

#[test]
fn a_person_is_told_which_server_the_connection_moves_to() {
    block_on(async {
        let (mut alpha, beta) =
            (Hub::start_named("alpha").await.unwrap(), Hub::start_named("beta").await.unwrap());
        alpha.tell_servers(&[beta.addr()]);
        let mut bob = Talker::person(&alpha, "bob").await;
        alpha.vanish().await;
        let heard = bob.hears(" as bob").await;
        assert!(heard.ends_with(&format!("\n* connected to beta at {} as bob\n", beta.addr())), "{heard}");
    });
}

#[test]
fn a_script_is_told_what_became_of_its_lines() {
    block_on(async {
        let hub = Hub::start().await.unwrap();
        let mut script = Talker::new(&hub, "bob", Marked::ByVerb).await;
        script.says("join ops").await;
        assert_eq!(script.says("hello all").await, "ok published ops to 1\n");
        assert_eq!(script.hears("hello all").await, "[ops] bob: hello all\n");
        assert_eq!(script.says("quiet on").await, "ok quiet on\n");
        assert_eq!(script.says("pub ops hush").await, "");
        assert_eq!(script.says("hush").await, "");
        assert!(script.refuses("/nonsense").await.starts_with("bad-command"));
        assert!(matches!(script.0.start("quit"), Started::Quit));
    });
}
