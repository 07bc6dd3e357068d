//! What becomes of `hubbub` when its hub goes, and comes back.

use hubbub_tests::{hub, hubbub, Encoding, Program};

#[test]
fn subscriptions_and_services_come_back_with_the_hub() {
    let data = tempfile::tempdir().unwrap();
    let hub = hub::builder().data_dir(data.path()).start();
    let mut sub = Program::hubbub(&hub, ["--name", "listener", "sub", "ops", "a.>"]);
    sub.says_aside("subscribed");
    let mut serve = Program::hubbub(&hub, ["serve", "upper", "--exec", "tr a-z A-Z"]);
    serve.says_aside("serving");
    hub.client(Encoding::Json).ask("publish ops before").ok();
    assert!(sub.must_line().ends_with(": before"));

    let (addr, _) = hub.kill();
    sub.says_aside("disconnected");
    let hub = hub::builder().data_dir(data.path()).listen(addr).start();
    sub.says_aside("connected again");
    serve.says_aside("connected again");
    let mut bob = hub.named(Encoding::Json, "bob");
    hubbub_tests::wait::until("both to be back", || {
        let there = bob.ask("publish a.b after").json()["subscribers"] == 1;
        let served = !bob.ask("request upper hi").lines().last().unwrap().starts_with("error");
        (there && served).then_some(())
    });
    assert_eq!(sub.must_line(), "[a.b] bob: after");
    assert_eq!(hubbub(&hub, ["request", "upper", "again"]).ok(), "AGAIN\n");
    let who = bob.ask("who ops");
    assert_eq!(who.json()["clients"][0]["name"], "listener", "it has its name again");
}

#[test]
fn a_publisher_does_not_go_on_as_if_nothing_had_happened() {
    use std::io::Write;
    let hub = hub::builder().start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut program = Program::hubbub(&hub, ["pub", "ops", "-"]);
    let mut stdin = program.stdin();
    writeln!(stdin, "one").unwrap();
    reader.event();
    hub.kill();
    for _ in 0..10_000 {
        if writeln!(stdin, "more").is_err() {
            break;
        }
    }
    drop(stdin);
    let failed = program.finish();
    assert!(failed.failed(3).contains("accepted"), "it says how far it got: {failed:?}");
}
