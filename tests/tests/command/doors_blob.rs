//! `hubbub blob`: the client side of the blob door, and the life of the server that is started for it.

use hubbub_tests::process::Process;
use hubbub_tests::program::hubbub_command;
use hubbub_tests::{binaries, hub, wait, Finished, Hub, Program};
use rustix::process::Signal;
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;

fn with_door() -> Hub {
    hub::builder().args(["--door", "blob=127.0.0.1:0"]).start()
}

fn blob(hub: &Hub, words: &str) -> Finished {
    let mut command = hubbub_command();
    command.arg("blob").args(words.split(' ')).args(["--at", &hub.door_addr("blob").to_string()]);
    Program::start(command).finish()
}

#[test]
fn each_kind_is_answered_with_and_without_a_length() {
    let hub = with_door();
    for bare in ["", " --bare"] {
        assert_eq!(blob(&hub, &format!("factor 75{bare}")).ok(), "[3, 5, 5]\n");
        assert_eq!(blob(&hub, &format!("palindrome was it a cat i saw{bare}")).ok(), "true\n");
        assert_eq!(blob(&hub, &format!("palindrome été{bare}")).ok(), "true\n");
        assert_eq!(blob(&hub, &format!("fibonacci 12{bare}")).ok(), "144\n");
        assert_eq!(blob(&hub, &format!("fibonacci -1{bare}")).failed(1), "hubbub: invalid request\n");
        let huge = blob(&hub, &format!("fibonacci 99999999999999{bare}"));
        assert_eq!(huge.failed(1), "hubbub: value too large to process\n");
    }
    assert_eq!(blob(&hub, "fibonacci 121212").ok().len(), 25_333);
}

#[test]
fn the_address_may_stand_before_the_kind_and_behind_it() {
    let hub = with_door();
    let at = hub.door_addr("blob").to_string();
    let run = |words: &[&str]| {
        let mut command = hubbub_command();
        command.args(words);
        Program::start(command).finish()
    };
    for words in [["factor", "75"], ["palindrome", "été"], ["fibonacci", "12"], ["busy", "--clients=2"]] {
        run(&[&["blob", "--at", &at][..], &words].concat()).ok();
        run(&[&["blob"], &words[..], &["--at", &at]].concat()).ok();
    }
    assert_eq!(run(&["blob", "--at", "127.0.0.1:1", "factor", "75", "--at", &at]).ok(), "[3, 5, 5]\n");
    run(&["blob", "--at", &at, "demo"]).ok();
    assert!(run(&["blob", "--at", "nowhere", "start"]).failed(2).contains("such as 127.0.0.1:9500"));
}

#[test]
fn the_demo_is_logged_as_it_was() {
    let hub = with_door();
    let finished = blob(&hub, "demo");
    let said: Vec<&str> =
        finished.ok().lines().map(|line| &line["2026-05-01 09:30:00,123 ".len()..]).collect();
    assert_eq!(
        said,
        [
            "Sent 14 bytes: {\"factor\": 75}",
            "Received 9 bytes: [3, 5, 5]",
            "Sent 36 bytes: {\"palindrome\": \"was it a cat i saw\"}",
            "Received 4 bytes: true",
            "Sent 17 bytes: {\"fibonacci\": 12}",
            "Received 3 bytes: 144",
        ]
    );
}

#[test]
fn twenty_clients_at_once_are_all_answered_rightly() {
    let hub = with_door();
    for words in ["busy --clients 20 --json", "busy --clients 5 --processes --json"] {
        let figures = blob(&hub, words).json().remove(0);
        assert_eq!(figures["failed"], 0, "{figures}");
        assert_eq!(figures["requests"].as_u64(), figures["clients"].as_u64().map(|n| 4 * n), "{figures}");
    }
    assert!(blob(&hub, "busy --clients 3").ok().contains("the old server optimised"));
}

/// `hubbub blob` with folders of its own.
fn life(dir: &Path, words: &[&str]) -> Finished {
    life_with(dir, words, &[])
}

/// The same with variables of the environment.
fn life_with(dir: &Path, words: &[&str], env: &[(&str, &str)]) -> Finished {
    let mut command = hubbub_command();
    command
        .envs(env.iter().copied())
        .arg("blob")
        .args(words)
        .arg("--run-dir")
        .arg(dir.join("run"))
        .arg("--data-dir")
        .arg(dir.join("data"));
    Program::start(command).finish()
}

/// A server that this test started; it ends with it.
struct Started(Process);

impl Started {
    fn by(finished: &Finished) -> Started {
        let told = &finished.json()[0];
        Started(Process(told["pid"].as_u64().and_then(|pid| pid.try_into().ok()).unwrap()))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if self.0.is_alive() {
            self.0.signal(Signal::TERM);
        }
    }
}

#[test]
fn a_server_is_started_found_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(life(dir.path(), &["status"]).code, Some(1));
    assert_eq!(life(dir.path(), &["status"]).stdout, "blob server not running\n");
    assert!(life(dir.path(), &["shutdown"]).failed(1).contains("does not run"));

    binaries::hubbubd();
    let started = life(dir.path(), &["start", "--at", "127.0.0.1:0", "--json"]);
    let server = Started::by(&started);
    let (pid, addr) = (server.0 .0, started.json()[0]["address"].as_str().unwrap().to_owned());
    // A session of its own: the sixth field of stat.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let session = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(3).unwrap().to_owned();
    assert_eq!(session, pid.to_string());

    let status = life(dir.path(), &["status"]);
    assert!(
        status.ok().starts_with(&format!("blob server running: pid {pid}, {addr}, since 20")),
        "{status:?}"
    );
    let status = life(dir.path(), &["status", "--json"]).json().remove(0);
    assert_eq!(
        (&status["running"], &status["own"], &status["pid"]),
        (&true.into(), &true.into(), &pid.into())
    );
    let again = life(dir.path(), &["start", "--at", "127.0.0.1:0"]);
    assert_eq!(again.failed(1), format!("hubbub: already running: pid {pid}, {addr}\n"));
    let mut command = hubbub_command();
    command.args(["blob", "factor", "75", "--at", &addr]);
    assert_eq!(Program::start(command).finish().ok(), "[3, 5, 5]\n");

    let elsewhere = life(dir.path(), &["--at", "127.0.0.1:1", "status"]);
    assert_eq!((elsewhere.code, &*elsewhere.stdout), (Some(1), "blob server not running at 127.0.0.1:1\n"));
    let elsewhere = life(dir.path(), &["shutdown", "--at", "127.0.0.2"]);
    assert!(elsewhere.failed(1).contains("does not run at 127.0.0.2:9500"), "{elsewhere:?}");
    assert_eq!(life(dir.path(), &["status", "--at", &addr]).stdout, life(dir.path(), &["status"]).stdout);

    let ended = life(dir.path(), &["--at", &addr, "shutdown"]);
    assert_eq!(ended.ok(), format!("blob server ended: pid {pid}, {addr}\n"));
    wait::until("its process to be gone", || (!server.0.is_alive()).then_some(()));
    assert_eq!(life(dir.path(), &["status", "--json"]).stdout, "{\"running\":false}\n");

    let hubbubd = binaries::hubbubd();
    let words = ["start", "--at", "127.0.0.1:0", "--json", "--hubbubd", hubbubd.to_str().unwrap()];
    let server = Started::by(&life(dir.path(), &words));
    server.0.signal(Signal::KILL);
    wait::until("its process to be gone", || (!server.0.is_alive()).then_some(()));
    // What a crash left counts as nothing, as soon as the last of its threads has let go of the lock.
    wait::until("its server not to run", || (life(dir.path(), &["status"]).code == Some(1)).then_some(()));
    assert!(dir.path().join("data/hubbubd.log.old").exists());
}

#[test]
fn what_ends_or_moves_other_servers_is_not_for_it() {
    let dir = tempfile::tempdir().unwrap();
    binaries::hubbubd();
    let env = [("HUBBUB_UNTIL_STDIN_ENDS", "true"), ("HUBBUB_DOORS", "all"), ("HUBBUB_JOIN", "127.0.0.1:1")];
    let started = life_with(dir.path(), &["start", "--at", "127.0.0.1:0", "--json"], &env);
    let server = Started::by(&started);
    // It serves, and does so still when it has long read its empty input.
    let at = started.json()[0]["address"].as_str().unwrap().to_owned();
    for _ in 0..20 {
        life(dir.path(), &["factor", "75", "--at", &at]).ok();
    }
    assert!(server.0.is_alive());
    life(dir.path(), &["shutdown"]).ok();
}

#[test]
fn it_listens_where_a_server_would_and_takes_no_descriptors_with_it() {
    let dir = tempfile::tempdir().unwrap();
    binaries::hubbubd();
    let lock = dir.path().join("lock");
    let mut shell = std::process::Command::new("bash");
    shell.args(["-c", "exec 9>\"$1\"; flock 9; shift; \"$@\"; exec 9>&-; flock -n \"$0\" true || echo held"]);
    shell.arg(&lock).arg(&lock).arg(binaries::hubbub()).args(["blob", "start", "--at", "localhost:0"]);
    shell.arg("--json").arg("--run-dir").arg(dir.path().join("run"));
    shell.arg("--data-dir").arg(dir.path().join("data"));
    let finished = Program::start(shell).finish();
    assert!(!finished.ok().contains("held"), "{finished:?}");
    let server = Started::by(&finished);
    assert!(server.0.is_alive());
    let addr: std::net::SocketAddr = finished.json()[0]["address"].as_str().unwrap().parse().unwrap();
    assert!(addr.ip().is_loopback() && addr.port() > 0);
    // A port alone is one of this machine.
    let mut command = hubbub_command();
    command.args(["blob", "factor", "75", "--at", &addr.port().to_string()]);
    assert_eq!(Program::start(command).finish().ok(), "[3, 5, 5]\n");
    let at = addr.port().to_string();
    assert!(life(dir.path(), &["status", "--at", &at]).ok().contains(&at));
    life(dir.path(), &["shutdown", "--at", &at]).ok();
}

#[test]
fn of_two_starts_at_the_same_moment_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    binaries::hubbubd();
    let starting = || {
        let path = dir.path().to_owned();
        std::thread::spawn(move || life(&path, &["start", "--at", "127.0.0.1:0", "--json"]))
    };
    let both = [starting(), starting(), starting()].map(|thread| thread.join().unwrap());
    let won: Vec<&Finished> = both.iter().filter(|finished| finished.code == Some(0)).collect();
    assert_eq!(won.len(), 1, "{both:?}");
    let server = Started::by(won[0]);
    for lost in both.iter().filter(|finished| finished.code != Some(0)) {
        assert!(lost.failed(1).contains(&format!("already running: pid {}", server.0 .0)), "{lost:?}");
    }
    life(dir.path(), &["shutdown"]).ok();
}

#[test]
fn a_server_that_does_not_come_up_tells_the_end_of_its_log() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    binaries::hubbubd();
    let failed = life(dir.path(), &["start", "--at", &addr]);
    assert!(failed.failed(1).contains(&format!("cannot open the door blob at {addr}")), "{failed:?}");
    assert!(failed.stderr.contains("hubbubd ended before it served, exit code 1"), "{failed:?}");
    assert!(failed.stderr.contains("data/hubbubd.log"), "{failed:?}");
    let failed = life(dir.path(), &["start", "--hubbubd", "/bin/false"]);
    assert!(failed.failed(1).contains("it wrote nothing to"), "{failed:?}");
}

#[test]
fn a_hub_that_has_the_door_among_others_is_not_ended() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--name", "alpha", "--door", "blob=127.0.0.1:0"];
    let mut hub = hub::builder().args(args).run_dir(&dir.path().join("run")).start();
    let (pid, addr) = (hub.process().0, hub.door_addr("blob"));
    let status = life(dir.path(), &["status"]);
    assert!(
        status.ok().starts_with(&format!("blob door of the hub alpha running: pid {pid}, {addr}")),
        "{status:?}"
    );
    let failed = life(dir.path(), &["start"]);
    assert_eq!(failed.failed(1), format!("hubbub: already running: pid {pid}, {addr} (the hub alpha)\n"));
    let failed = life(dir.path(), &["shutdown"]);
    assert!(failed.failed(1).contains("`hubbubd shutdown --name alpha --cluster hubbub`"), "{failed:?}");
    assert!(hub.process().is_alive());
    hub.process().signal(Signal::TERM);
    hub.wait_end();
    let status: Value = serde_json::from_str(&life(dir.path(), &["status", "--json"]).stdout).unwrap();
    assert_eq!(status["running"], false);
}
