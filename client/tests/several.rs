//! The command `hubbub` beside several servers: lists that are not whole, and a listener that moves.

#![allow(clippy::unwrap_used)]

use async_std::task::block_on;
use hubbub_client::testing::Hub;
use hubbub_shared::Op;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn hubbub(hub: &Hub, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
    command.args(["--server", hub.addr()]).args(args.split_whitespace());
    command.stdin(Stdio::null()).env_remove("HUBBUB_SERVER");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

async fn hub(name: &str) -> Hub {
    Hub::start_named(name).await.unwrap()
}

#[test]
fn a_list_without_the_answer_of_some_servers_says_so_and_is_no_failure() {
    block_on(async {
        let hub = hub("alpha").await;
        let missing = r#""missing":["beta","gamma"]"#;
        for (op, rows, args) in [
            (Op::Clients, "clients", "clients"),
            (Op::Who, "clients", "who ops"),
            (Op::Channels, "channels", "channels"),
            (Op::Services, "services", "services"),
            (Op::History, "messages", "history ops"),
        ] {
            hub.answer(op, &format!(r#"{{"{rows}":[],{missing}}}"#));
            let Output { status, stdout, stderr } = hubbub(&hub, args).output().unwrap();
            assert_eq!((status.code(), text(&stdout)), (Some(0), ""), "{args}");
            let told = "hubbub: no answer from beta, gamma: what they have is missing\n";
            assert_eq!(text(&stderr), told, "{args}");
            let Output { status, stdout, stderr } = hubbub(&hub, &format!("--json {args}")).output().unwrap();
            assert_eq!((status.code(), text(&stderr)), (Some(0), ""), "{args}");
            assert!(text(&stdout).contains(missing), "{args}");
        }
    });
}

#[test]
fn clients_are_listed_with_their_servers() {
    block_on(async {
        let hub = hub("alpha").await;
        let row = |name: &str, server: &str| {
            format!(
                concat!(
                    r#"{{"client_id":"c","name":"{}","ip":"::1","port":1,"connected_at":"T","duration_s":1,"#,
                    r#""server":"{}","encoding":"json","channels":["ops"],"welcome":null}}"#
                ),
                name, server
            )
        };
        hub.answer(Op::Clients, &format!(r#"{{"clients":[{},{}]}}"#, row("bob", "alpha"), row("al", "beta")));
        let output = hubbub(&hub, "clients").output().unwrap();
        let names: Vec<_> = text(&output.stdout).lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["NAME", "bob@alpha", "al@beta"]);
    });
}

#[test]
fn a_question_to_one_server_stays_there_and_a_message_may_go_on() {
    block_on(async {
        let (alpha, beta) = (hub("alpha").await, hub("beta").await);
        alpha.send_away(&[beta.addr()]);
        alpha.answer(Op::Servers, r#"{"servers":[]}"#);
        assert!(hubbub(&alpha, "servers").output().unwrap().status.success());
        assert_eq!((alpha.follows(), beta.follows()), (vec![false], vec![]));
        assert!(hubbub(&alpha, "pub ops hello").output().unwrap().status.success());
        assert_eq!((alpha.follows(), beta.follows()), (vec![false, true], vec![false]));
    });
}

#[test]
fn a_listener_goes_to_another_server_and_says_where_and_what_it_missed() {
    block_on(async {
        let (mut alpha, beta) = (hub("alpha").await, hub("beta").await);
        alpha.tell_servers(&[alpha.addr(), beta.addr()]);
        let mut sub = hubbub(&alpha, "--name bob --timeout 20s sub ops --count 2")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(sub.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut heard = BufReader::new(sub.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.next().unwrap().contains("subscribed to ops on alpha"));
        alpha.publish("ops", "1");
        assert_eq!(heard.next().unwrap(), "[ops] hub: 1");
        alpha.vanish().await;
        assert!(said.next().unwrap().contains("disconnected: "));
        let told = said.next().unwrap();
        assert!(told.ends_with(&format!("connected to beta at {} as bob", beta.addr())), "{told}");
        beta.pass_on(&alpha.origin(), 4, "ops", "4");
        assert!(said.next().unwrap().ends_with("gap: 2 messages of ops missed"));
        assert_eq!(heard.next().unwrap(), "[ops] hub: 4");
        assert!(sub.wait().unwrap().success());
    });
}
