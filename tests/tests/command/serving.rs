//! `hubbub serve`: a shell command becomes a service.

use hubbub_tests::{hubbub, Encoding, Hub, Program};
use rustix::process::Signal;

fn serve(hub: &Hub, args: &[&str]) -> Program {
    let mut program = Program::hubbub(hub, [&["serve"], args].concat());
    program.says_aside("serving ");
    program
}

#[test]
fn a_command_answers_with_its_output() {
    let hub = Hub::start();
    let _upper = serve(&hub, &["upper", "--exec", "tr a-z A-Z", "--about", "makes it loud"]);
    assert_eq!(hubbub(&hub, ["request", "upper", "hello there"]).ok(), "HELLO THERE\n");
    assert!(hubbub(&hub, ["services"]).ok().contains("makes it loud"));
    let _who = serve(&hub, &["who", "--exec", "echo \"$HUBBUB_FROM asks $HUBBUB_SERVICE: $HUBBUB_DATA\""]);
    assert_eq!(hubbub(&hub, ["--name", "bob", "request", "who", "a b"]).ok(), "bob asks who: a b\n");
    let _json = serve(&hub, &["wrap", "--json", "--exec", "printf '{\"got\":%s}' \"$(cat)\""]);
    assert_eq!(hubbub(&hub, ["request", "wrap", "--json", "[1]"]).ok(), "{\"got\":[1]}\n");
}

#[test]
fn a_command_that_fails_is_an_error_for_the_caller() {
    let hub = Hub::start();
    let mut program = serve(&hub, &["bad", "--exec", "echo out; echo no such thing >&2; exit 3"]);
    let failed = hubbub(&hub, ["request", "bad", "x"]);
    assert!(failed.failed(1).contains("no such thing"), "{failed:?}");
    program.says_aside("no such thing");
    let _slow = serve(&hub, &["slow", "--exec", "sleep 30", "--timeout", "200ms"]);
    let late = hubbub(&hub, ["request", "slow", "x"]);
    assert!(late.code == Some(1) || late.code == Some(4), "{late:?}");
    assert!(!late.stderr.is_empty());
}

#[test]
fn requests_run_side_by_side() {
    let hub = Hub::start();
    // Each waits until the other has started: one after the other they would wait for ever.
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd '{}'; touch \"$HUBBUB_DATA\"; until [ -e a ] && [ -e b ]; do sleep 0.01; done; echo both",
        dir.path().display()
    );
    let _service = serve(&hub, &["meet", "--parallel", "2", "--exec", &script]);
    let first = Program::hubbub(&hub, ["request", "meet", "a"]);
    let second = Program::hubbub(&hub, ["request", "meet", "b"]);
    assert_eq!(first.finish().ok(), "both\n");
    assert_eq!(second.finish().ok(), "both\n");
}

#[test]
fn a_signal_ends_the_offer_after_what_is_under_way() {
    let hub = Hub::start();
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "cd '{}'; touch started; until [ -e go ]; do sleep 0.01; done; echo done",
        dir.path().display()
    );
    let service = serve(&hub, &["work", "--exec", &script]);
    let asking = Program::hubbub(&hub, ["request", "work", "x", "--timeout", "20s"]);
    hubbub_tests::wait::until("the command to start", || dir.path().join("started").exists().then_some(()));
    service.process().signal(Signal::TERM);
    let mut other = hub.client(Encoding::Json);
    hubbub_tests::wait::until("the offer to end", || {
        let reply = other.ask_object(serde_json::json!({"op": "services"}));
        let gone = !reply.json()["services"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["name"] == "work" && s["providers"] == 1);
        gone.then_some(())
    });
    std::fs::write(dir.path().join("go"), "").unwrap();
    assert_eq!(asking.finish().ok(), "done\n");
    service.finish().ok();
}

#[test]
fn what_a_caller_sends_is_no_shell() {
    let hub = Hub::start();
    let dir = tempfile::tempdir().unwrap();
    let trap = dir.path().join("trapped");
    let _echo = serve(&hub, &["copy", "--exec", "cat"]);
    let data = format!("$(touch {0}); `touch {0}` '; touch {0}", trap.display());
    assert_eq!(hubbub(&hub, ["request", "copy", &data]).ok(), format!("{data}\n"));
    assert!(!trap.exists());
}
