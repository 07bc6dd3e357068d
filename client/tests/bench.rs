//! That `hubbub bench` counts what really came, and says so when something is missing.

use hubbub_client::testing::Hub;
use hubbub_client::{Code, Refusal};
use hubbub_shared::Op;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

fn hub() -> Hub {
    async_std::task::block_on(Hub::start()).expect("a free port")
}

fn command(hub: &Hub, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
    command.args(["--server", hub.addr(), "--timeout", "20s", "bench"]).args(args);
    command
}

fn run(hub: &Hub, args: &[&str]) -> Output {
    command(hub, args).output().expect("hubbub runs")
}

fn figures(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

#[test]
fn every_message_is_accounted_for() {
    let hub = hub();
    let args = ["pub", "test", "--pubs", "2", "--subs", "3", "--msgs", "1001", "--size", "16", "--json"];
    for more in [&[][..], &["--ack"], &["--rate", "20k"], &["--window", "1"]] {
        let figures = figures(&run(&hub, &[&args[..], more].concat()), 0);
        assert_eq!(figures["publishers"]["messages"], 1001, "{figures}");
        assert_eq!(figures["subscribers"]["messages"], 3003, "{figures}");
        assert_eq!(figures["subscribers"]["bytes"], 3003 * 16, "{figures}");
        assert_eq!(figures["end_to_end_us"]["count"], 3003, "{figures}");
        for count in ["lost", "gaps", "repeated", "others"] {
            assert_eq!(figures[count], 0, "{figures}");
        }
        assert_eq!(
            figures["acknowledged_us"]["count"].as_u64(),
            (more == ["--ack"]).then_some(1001),
            "{figures}"
        );
    }
}

#[test]
fn what_the_hub_refuses_is_no_result() {
    let hub = hub();
    hub.refuse(Op::Publish, Some(Refusal::new(Code::NotAllowed, "not today")));
    for args in
        [&["pub", "test"][..], &["pub", "test", "--ack"], &["pub", "test", "--subs", "1", "--window", "9"]]
    {
        let output = run(&hub, &[args, &["--msgs", "600"]].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("not today"), "{output:?}");
    }
}

#[test]
fn a_subscriber_tells_what_did_not_arrive() {
    let hub = hub();
    let mut command = command(&hub, &["sub", "test", "--msgs", "5", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hubbub runs");
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut said = String::new();
    stderr.read_line(&mut said).expect("a line");
    assert_eq!(said, "* subscribed to test\n");
    hub.publish("test", "\"one\"");
    hub.lose("test", 2);
    hub.publish("test", "\"four\"");
    hub.publish("test", "\"five\"");
    let output = child.wait_with_output().expect("it ends");
    let figures = figures(&output, 1);
    assert_eq!(figures["subscribers"]["messages"], 3, "{figures}");
    assert_eq!(figures["subscribers"]["bytes"], 11, "{figures}");
    assert_eq!((&figures["lost"], &figures["gaps"]), (&2.into(), &2.into()), "{figures}");
    said.clear();
    stderr.read_to_string(&mut said).expect("UTF-8");
    assert_eq!(said, "hubbub: of 5 messages 2 did not arrive\n");
}

#[test]
fn every_request_is_answered_or_told() {
    let hub = hub();
    let args =
        ["request", "parrot", "--serve", "--msgs", "500", "--callers", "3", "--in-flight", "7", "--json"];
    for more in [&[][..], &["--rate", "5k"]] {
        let figures = figures(&run(&hub, &[&args[..], more].concat()), 0);
        assert_eq!(figures["callers"]["messages"], 500, "{figures}");
        assert_eq!(figures["answered_us"]["count"], 500, "{figures}");
        assert_eq!((&figures["lost"], &figures["failed"]), (&0.into(), &0.into()), "{figures}");
    }
    let output = run(&hub, &["request", "parrot"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = run(&hub, &["request", "parrot", "--serve", "--in-flight", "1001"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
