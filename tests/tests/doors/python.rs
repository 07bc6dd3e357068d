//! Small Python clients (`tests/python`), written after the older systems' descriptions alone and with
//! nothing but the standard library, against the real hub: the old clients were Python too. Without
//! `python3` nothing is tested here, and that is said; with HUBBUB_TESTS_NEED_PYTHON=1 it is a failure.

use super::with_door;
use hubbub_shared::fleet::{Report, Status};
use hubbub_shared::Encoding;
use hubbub_tests::program::Finished;
use hubbub_tests::{wait, Hub, Nobody, Program};
use rustix::process::Signal;
use serde_json::{json, Value};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether there is a Python; says so where there is none, and fails where one is needed.
fn has_python() -> bool {
    let version =
        Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = version.is_ok_and(|status| status.success());
    let needed = std::env::var_os("HUBBUB_TESTS_NEED_PYTHON").is_some_and(|needed| needed == "1");
    assert!(found || !needed, "HUBBUB_TESTS_NEED_PYTHON is set, and there is no python3");
    if !found {
        println!("python3 is not here: its clients are not tried");
    }
    found
}

/// Starts one of the scripts against an address.
fn start(script: &str, at: impl ToString, args: &[&str]) -> Program {
    let mut command = Command::new("python3");
    // -I, -S: neither the environment nor packages may help it; -B: nothing is left in the folder.
    command.args(["-I", "-B", "-S", "-X", "utf8"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script));
    command.arg("--at").arg(at.to_string()).args(args);
    Program::start(command)
}

fn run(script: &str, at: impl ToString, args: &[&str]) -> Finished {
    start(script, at, args).finish()
}

/// What a log says behind its dates, which are checked.
fn undated(log: &str) -> Vec<String> {
    let line = |line: &str| {
        let (date, said) = line.split_at(23);
        let shape: String = date.chars().map(|ch| if ch.is_ascii_digit() { '0' } else { ch }).collect();
        assert_eq!(shape, "0000-00-00 00:00:00,000", "{line}");
        said.trim_start().to_owned()
    };
    log.lines().map(line).collect()
}

#[test]
fn the_blob_client_logs_what_it_sent_and_received() {
    if !has_python() {
        return;
    }
    let hub = with_door("blob");
    let told = [
        r#"Sent 14 bytes: {"factor": 75}"#,
        "Received 9 bytes: [3, 5, 5]",
        r#"Sent 36 bytes: {"palindrome": "was it a cat i saw"}"#,
        "Received 4 bytes: true",
        r#"Sent 17 bytes: {"fibonacci": 12}"#,
        "Received 3 bytes: 144",
    ];
    for bare in [&["--check"][..], &["--check", "--bare"]] {
        assert_eq!(undated(run("blob_client.py", hub.door_addr("blob"), bare).ok()), told, "{bare:?}");
    }
}

#[test]
fn the_blob_client_finds_the_large_answers_right() {
    if !has_python() {
        return;
    }
    let hub = with_door("blob");
    let requests = [
        r#"{"factor": 75757575}"#,
        r#"{"factor": 18446744073709551557}"#,
        r#"{"factor": 18446744073709551615}"#,
        r#"{"factor": 18446743979220271189}"#,
        r#"{"fibonacci": 121212}"#,
        r#"{"fibonacci": 0}"#,
        r#"{"palindrome": "Ein Esel lese nie"}"#,
    ];
    let mut args = vec!["--check"];
    args.extend(requests.iter().flat_map(|request| ["--send", *request]));
    let log = undated(run("blob_client.py", hub.door_addr("blob"), &args).ok());
    assert!(log.iter().any(|line| line.starts_with("Received 25332 bytes: ")), "the length of F(121212)");
}

#[test]
fn the_blob_client_tells_errors_from_answers() {
    if !has_python() {
        return;
    }
    let hub = with_door("blob");
    let invalid = r#"Received 28 bytes: {"error": "invalid request"}"#;
    let too_large = r#"Received 39 bytes: {"error": "value too large to process"}"#;
    for (request, told) in [
        (r#"{"reverse": "x"}"#, invalid),
        (r#"{"factor": "75"}"#, invalid),
        (r#"{"palindrome": 7}"#, invalid),
        (r#"{"fibonacci": -1}"#, invalid),
        (r#"[1]"#, invalid),
        (r#"{"fibonacci": 99999999999}"#, too_large),
    ] {
        let finished = run("blob_client.py", hub.door_addr("blob"), &["--send", request]);
        assert_eq!((finished.code, undated(&finished.stdout)[1].as_str()), (Some(1), told), "{finished:?}");
    }
    run("blob_client.py", Nobody::hold().addr(), &[]).failed(2);
}

#[test]
fn a_hundred_blob_clients_at_once() {
    if !has_python() {
        return;
    }
    let hub = with_door("blob");
    let finished = run("blob_client.py", hub.door_addr("blob"), &["--check", "--clients", "100"]);
    let log = undated(finished.ok());
    let count = |start: &str| log.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("Sent "), count("Received ")), (300, 300));
    assert_eq!(log.last().map(String::as_str), Some("100 clients, 100 of them answered"));
}

#[test]
fn the_points_client_unpacks_two_points() {
    if !has_python() {
        return;
    }
    let hub = with_door("points");
    let finished = run("points_client.py", hub.door_addr("points"), &[]);
    let lines: Vec<&str> = finished.ok().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, start) in lines.iter().zip(["First point:  A ( ", "Second point: B ( "]) {
        let numbers = line
            .strip_prefix(start)
            .and_then(|rest| rest.strip_suffix(" )"))
            .unwrap_or_else(|| panic!("{line}"));
        let (x, y) = numbers.split_once(", ").unwrap();
        for number in [x, y] {
            assert!((-1.0..=1.0).contains(&number.parse::<f64>().unwrap()), "{line}");
            assert_eq!(number.split_once('.').map(|(_, digits)| digits.len()), Some(12), "{line}");
        }
    }
    run("points_client.py", Nobody::hold().addr(), &[]).failed(2);
}

#[test]
fn two_hundred_points_connections_at_once() {
    if !has_python() {
        return;
    }
    let hub = with_door("points");
    let finished = run("points_client.py", hub.door_addr("points"), &["--at-once", "200"]);
    assert_eq!(finished.ok(), "served 200, failed 0, different 200\n");
}

#[test]
fn three_fleet_clients_and_their_report() {
    if !has_python() {
        return;
    }
    let hub = with_door("fleet");
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().to_str().unwrap();
    let client = |seconds: &str, chunk: &str, file: &str| {
        let often = ["--beat-every", "0.2", "--stats-every", "0.3", "--pause", "0.02", "--dir", folder];
        let args = ["--runtime", seconds, "--chunk-size", chunk, "--file-size", file];
        start("fleet_client.py", hub.door_addr("fleet"), &[&args[..], &often].concat())
    };
    // Holds the run open, however long the others take to start.
    let mut holder = hub.door("fleet");
    holder.send("get_cid\n");
    assert_eq!(holder.must_line(), "set_cid:100");
    let mut quick = client("2", "1", "3");
    assert_eq!([quick.must_line(), quick.must_line()], ["> get_cid", "< set_cid:101"]);
    let mut large = client("3", "2", "4");
    assert_eq!([large.must_line(), large.must_line()], ["> get_cid", "< set_cid:102"]);
    let mut killed = client("600", "1", "1");
    assert_eq!([killed.must_line(), killed.must_line()], ["> get_cid", "< set_cid:103"]);
    assert_eq!(killed.must_line(), "> ready");
    while killed.must_line() != "> file_roll" {}
    killed.process().signal(Signal::KILL);

    let mut rolled = Vec::new();
    for client in [quick, large] {
        let finished = client.finish();
        let said = |line: &str| finished.ok().lines().filter(|l| l.starts_with(line)).count();
        assert!(said("> hb") > 2 && said("> send_stats:") > 2 && said("> file_roll") > 0, "{finished:?}");
        assert_eq!((said("< run_tests"), said("> done")), (1, 1));
        rolled.push(said("> file_roll") as u64);
    }
    holder.send("done\n");
    assert_eq!(holder.rest(), b"");
    let mut report: Report = wait::until("the report of the run", || {
        let files = std::fs::read_dir(hub.data_dir().join("fleet")).ok()?;
        let path = files
            .filter_map(|file| Some(file.ok()?.path()))
            .find(|path| path.extension().is_some_and(|e| e == "json"))?;
        serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
    });
    assert_eq!((report.passed, report.aborted, report.clients.len()), (3, 1, 4), "{report:?}");
    let text = report.to_text();
    assert!(text.contains("PASS") && text.contains("ABORTED"), "{text}");
    report.clients.remove(0);
    let status: Vec<Status> = report.clients.iter().map(|client| client.status).collect();
    assert_eq!(status, [Status::Pass, Status::Pass, Status::Aborted]);
    let sizes: Vec<_> = report.clients.iter().map(|client| (client.chunk_mb, client.file_mb)).collect();
    assert_eq!(sizes, [(Some(1.0), Some(3.0)), (Some(2.0), Some(4.0)), (Some(1.0), Some(1.0))]);
    for (client, rolled) in report.clients.iter().zip(rolled) {
        assert!(client.ran_s > 1.5, "{client:?}");
        assert!(
            client.cpu_percent.is_some_and(|cpu| cpu > 0.0)
                && client.memory_percent.is_some_and(|memory| memory > 0.0),
            "{client:?}"
        );
        assert_eq!(client.files, rolled, "{client:?}");
    }
    run("fleet_client.py", Nobody::hold().addr(), &[]).failed(2);
    run("fleet_client.py", Nobody::hold().addr(), &["--chunk-size", "9", "--file-size", "8"]).failed(64);
}

#[test]
fn the_persistent_client_in_names_and_in_classes() {
    if !has_python() {
        return;
    }
    let hub = Hub::start();
    let pid = hub.process().0;
    for form in [&[][..], &["--pickle"]] {
        let finished = run("persistent_client.py", hub.addr(), form);
        let lines: Vec<&str> = finished.ok().lines().collect();
        assert_eq!(lines[..2], [&*format!("open: OK, process {pid}"), "ping"], "{form:?}");
        assert!(lines[2].starts_with("uuid: "), "{lines:?}");
        let normalized = lines[3].strip_prefix("normalize: ").unwrap_or_else(|| panic!("{lines:?}"));
        let normalized: Value = serde_json::from_str(normalized).unwrap();
        assert_eq!(
            (&normalized["normalized"], &normalized["kind"]),
            (&json!("Hans Müller"), &json!("person"))
        );
        assert_eq!(lines[4..], ["close"]);
    }
    run("persistent_client.py", Nobody::hold().addr(), &[]).failed(2);
}

#[test]
fn the_persistent_client_is_refused_as_described() {
    if !has_python() {
        return;
    }
    let hub = Hub::start();
    for form in [&["--go-on"][..], &["--go-on", "--pickle"]] {
        let words = |words: &[&'static str]| [form, words].concat();
        // The first message must be an open; then comes the close.
        let early = run("persistent_client.py", hub.addr(), &words(&["ping", "until-closed"]));
        assert!(early.stdout.starts_with("refused: 400: Invalid open request: "), "{early:?}");
        let late = run(
            "persistent_client.py",
            hub.addr(),
            &words(&["open", "ask:nobody=1", "ask:echo=[1]", "close"]),
        );
        let lines: Vec<&str> = late.ok().lines().collect();
        assert!(lines[1].starts_with("refused: "), "{lines:?}");
        assert_eq!(lines[2..], ["echo: [1]", "close"], "an error ends nothing");
        // Not an operator, and the hub does not let everybody.
        let shutdown =
            run("persistent_client.py", hub.addr(), &words(&["open", "shutdown", "ping", "close"]));
        assert!(
            shutdown.ok().contains("\nrefused: ") && shutdown.stdout.ends_with("ping\nclose\n"),
            "{shutdown:?}"
        );
    }
}

#[test]
fn pings_keep_a_persistent_connection_and_silence_ends_it() {
    if !has_python() {
        return;
    }
    let hub = Hub::with(["--persistent-timeout", "3s"]);
    for form in [&["--ping-every", "0.5"][..], &["--ping-every", "0.5", "--pickle"]] {
        let idle = [form, &["open", "idle=7", "uuid=x", "close"]].concat();
        let lines: Vec<String> =
            run("persistent_client.py", hub.addr(), &idle).ok().lines().map(str::to_owned).collect();
        assert!(lines[1].starts_with("idle: ") && lines[3] == "close", "{lines:?}");
        let silent = [form, &["open", "until-closed"]].concat();
        assert!(run("persistent_client.py", hub.addr(), &silent).ok().ends_with("closed by the server\n"));
    }
}

#[test]
fn a_client_on_loopback_shuts_the_server_down_where_it_may() {
    if !has_python() {
        return;
    }
    for form in [&[][..], &["--pickle"]] {
        let mut hub = Hub::with(["--allow-shutdown"]);
        let words = [form, &["open", "uuid=x", "shutdown"]].concat();
        assert!(run("persistent_client.py", hub.addr(), &words).ok().ends_with("\nshutdown\n"));
        assert!(hub.wait_end().success());
    }
}

/// A worker that the hub has accepted.
fn worker(hub: &Hub, args: &[&str]) -> Program {
    let mut worker = start("normalize_worker.py", hub.addr(), args);
    assert_eq!(worker.must_line(), "serving");
    worker
}

#[test]
fn a_worker_from_outside_serves_normalize_instead_of_the_hub() {
    if !has_python() {
        return;
    }
    let hub = Hub::start();
    let ask = |form: &[&'static str]| {
        let finished = run(
            "persistent_client.py",
            hub.addr(),
            &[form, &["open", "normalize=dr. JANE o'neill", "close"]].concat(),
        );
        let line = finished.ok().lines().nth(1).unwrap().strip_prefix("normalize: ").unwrap().to_owned();
        serde_json::from_str::<Value>(&line).unwrap()
    };
    assert_eq!(ask(&[])["normalized"], "Jane O'Neill", "the hub's own");
    let first = worker(&hub, &["--name", "first"]);
    for form in [&[][..], &["--pickle"]] {
        let answer = ask(form);
        assert_eq!((&answer["normalized"], &answer["worker"]), (&json!("Jane O'neill"), &json!("first")));
    }
    let answer = hub.client(Encoding::Text).ask("request normalize MR. JOHN SMITH").ok().to_owned();
    assert_eq!(answer, "normalize: John Smith");
    first.process().signal(Signal::KILL);
    drop(first);
    wait::until("the hub to answer itself again", || {
        (ask(&[])["normalized"] == "Jane O'Neill").then_some(())
    });
}

#[test]
fn a_worker_that_is_killed_in_the_middle_loses_no_request() {
    if !has_python() {
        return;
    }
    let hub = Hub::start();
    let mut holder = worker(&hub, &["--hold"]);
    // It starts here, and connects later: the hand-over must fit into the time of a request.
    let mut second = start("normalize_worker.py", hub.addr(), &["--name", "second", "--when-told"]);
    assert_eq!(second.must_line(), "ready");
    let mut asker =
        start("persistent_client.py", hub.addr(), &["open", "normalize=mr. JOHN smith", "ping", "close"]);
    assert!(asker.must_line().starts_with("open: "));
    assert_eq!(holder.must_line(), r#"asked: {"name": "mr. JOHN smith"}"#);
    second.feed("go\n");
    assert_eq!(second.must_line(), "serving");
    assert_eq!(asker.line_now(), None, "who holds it may still answer");
    holder.process().signal(Signal::KILL);
    assert_eq!(second.must_line(), r#"asked: {"name": "mr. JOHN smith"}"#);
    let answer = asker.must_line();
    assert!(
        answer.contains(r#""normalized": "John Smith""#) && answer.contains(r#""worker": "second""#),
        "{answer}"
    );
    assert_eq!([asker.must_line(), asker.must_line()], ["ping", "close"]);
    assert_eq!(asker.finish().code, Some(0));

    // Where no other worker is left, the hub answers itself.
    let mut last = worker(&hub, &["--hold"]);
    second.process().signal(Signal::KILL);
    drop(second);
    let mut asker =
        start("persistent_client.py", hub.addr(), &["--pickle", "open", "normalize=acme, inc", "close"]);
    assert!(asker.must_line().starts_with("open: "));
    last.must_line();
    last.process().signal(Signal::KILL);
    let answer = asker.must_line();
    assert!(answer.contains(r#""normalized": "Acme Inc.""#) && !answer.contains("worker"), "{answer}");
    assert_eq!((asker.must_line(), asker.finish().code), ("close".to_owned(), Some(0)));
}
