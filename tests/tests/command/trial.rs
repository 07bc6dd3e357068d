//! The whole in one: everyone who listens sees everything in order; one who stops harms nobody; who
//! is sent away comes back.

use hubbub_tests::{hub, wait, Encoding, Hub, Program};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Write;

const LINES: usize = 100_000;

#[test]
fn all_see_all_of_it_in_order() {
    let hub = Hub::start();
    let mut text = hub.socket();
    text.send("subscribe ops\n");
    assert_eq!(text.must_line(), "ok subscribed to ops");
    let mut json = hub.socket();
    json.send("{\"op\":\"subscribe\",\"channel\":\"ops\",\"id\":1}\n");
    json.must_line();
    let mut sub = Program::hubbub(&hub, ["sub", "ops", "--raw", "--count", &LINES.to_string()]);
    sub.says_aside("subscribed");
    let reading = std::thread::spawn(move || {
        for n in 0..LINES {
            let line = text.must_line();
            assert!(line.starts_with("[ops] ") && line.ends_with(&format!(": line {n}")), "{n}: {line}");
        }
    });
    let reading_json = std::thread::spawn(move || {
        // Whoever parses while he reads may be too slow in a debug build, and be cut for it.
        let lines: Vec<String> = (0..LINES).map(|_| json.must_line()).collect();
        for (n, line) in lines.iter().enumerate() {
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["seq"], n as u64 + 1);
            assert_eq!(event["data"], format!("line {n}"));
        }
    });
    let mut publisher = Program::hubbub(&hub, ["pub", "ops", "-"]);
    let mut stdin = publisher.stdin();
    let feeding = std::thread::spawn(move || {
        let mut out = std::io::BufWriter::new(&mut stdin);
        for n in 0..LINES {
            writeln!(out, "line {n}").unwrap();
        }
    });
    let printed = std::thread::spawn(move || {
        for n in 0..LINES {
            assert_eq!(sub.must_line(), format!("line {n}"));
        }
        sub.finish().ok().to_owned()
    });
    feeding.join().unwrap();
    assert_eq!(publisher.finish().ok(), format!("published {LINES} messages to ops\n"));
    reading.join().unwrap();
    reading_json.join().unwrap();
    assert_eq!(printed.join().unwrap(), "");
}

#[test]
fn a_stopped_subscriber_is_cut_and_the_others_see_everything() {
    let hub = hub::builder().args(["--max-queue", "256KiB"]).start();
    let mut stopped = Program::hubbub(&hub, ["--name", "stopped", "sub", "ops"]);
    stopped.says_aside("subscribed");
    let mut healthy = hub.client(Encoding::Json);
    healthy.ask("subscribe ops").ok();
    let mut person = hub.named(Encoding::Text, "person");
    person.ask("subscribe ops").ok();
    stopped.process().pause();
    let mut writer = hub.named(Encoding::Json, "writer");
    let load = "x".repeat(8000);
    let mut sent = 0;
    let cut = wait::until("the stopped one to be cut", || {
        for _ in 0..50 {
            sent += 1;
            writer.ask(&format!("publish ops {sent} {load}")).ok();
            assert_eq!(healthy.event().get("seq"), sent);
            assert!(person.line().starts_with(&format!("[ops] writer: {sent} ")));
        }
        let closed = writer.ask("clients closed stopped");
        closed.json()["clients"].as_array().unwrap().first().cloned()
    });
    assert!(cut["reason"].as_str().unwrap().contains("slow-consumer"), "{cut}");
    stopped.process().resume();
    stopped.says_aside("slow-consumer");
    stopped.says_aside("connected again");
    hubbub_tests::wait::until("it to listen again", || {
        (writer.ask("publish ops back").json()["subscribers"] == 3).then_some(())
    });
}

#[test]
fn sigterm_tells_everyone_and_they_come_back() {
    let data = tempfile::tempdir().unwrap();
    let mut first = hub::builder().data_dir(data.path()).start();
    let mut sub = Program::hubbub(&first, ["--name", "listener", "sub", "ops"]);
    sub.says_aside("subscribed");
    let mut person = first.client(Encoding::Text);
    person.ask("subscribe ops").ok();
    let addr = first.addr();
    first.process().signal(Signal::TERM);
    person.closed_with("draining");
    assert_eq!(first.wait_end().code(), Some(0));
    sub.says_aside("draining");
    let second = hub::builder().data_dir(data.path()).listen(addr).start();
    sub.says_aside("connected again");
    let mut bob = second.named(Encoding::Json, "bob");
    wait::until("it to listen again", || {
        (bob.ask("publish ops back").json()["subscribers"] == 1).then_some(())
    });
    assert_eq!(sub.must_line(), "[ops] bob: back");
}
