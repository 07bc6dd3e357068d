//! `hubbubd` as a process: its exit codes, files and output, seen from outside. What it says to clients
//! is tested elsewhere.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a busy machine; nothing waits for it unless it is broken.
const PATIENCE: Duration = Duration::from_secs(20);

fn hubbubd(data_dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbubd"));
    // Only this test's options count, whatever the environment holds.
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("HUBBUB_")) {
        command.env_remove(key);
    }
    command.args(words).env("HUBBUB_DATA_DIR", data_dir).stdin(Stdio::null());
    command.env("HUBBUB_RUN_DIR", data_dir.join("run")).env("HUBBUB_PEER_LISTEN", "127.0.0.1:0");
    command
}

fn run(data_dir: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = hubbubd(data_dir, words).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A serving hub, killed when the test ends.
struct Hub {
    child: Child,
    addr: SocketAddr,
}

impl Hub {
    fn start(data_dir: &Path, words: &[&str]) -> Hub {
        let ready = data_dir.join("ready");
        let _ = std::fs::remove_file(&ready);
        let mut command = hubbubd(data_dir, words);
        command.env("HUBBUB_READY_FILE", &ready).env("HUBBUB_LISTEN", "127.0.0.1:0");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let text = loop {
            match std::fs::read_to_string(&ready) {
                Ok(text) => break text,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
            assert!(child.try_wait().unwrap().is_none(), "the hub ended at its start");
            assert!(Instant::now() < deadline, "the hub does not serve");
        };
        // It appears whole: the first that is seen can be read.
        let ready: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(ready["pid"], child.id());
        Hub { child, addr: ready["client_addr"].as_str().unwrap().parse().unwrap() }
    }

    fn wait(&mut self) -> std::process::ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the hub does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_hub_is_found_asked_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path();
    assert_eq!(run(data, &["status"]).0, Some(1));
    assert_eq!(run(data, &["shutdown"]).0, Some(1));

    let mut hub = Hub::start(data, &["--name", "alpha"]);
    let pid = hub.child.id().to_string();
    assert_eq!(std::fs::read_to_string(data.join("hubbubd.pid")).unwrap().trim_end(), pid);
    let (code, text, _) = run(data, &["status"]);
    assert_eq!(code, Some(0), "{text}");
    for line in [format!("pid       {pid}"), "name      alpha".into(), format!("address   {}", hub.addr)] {
        assert!(text.lines().any(|l| l == line), "{text}");
    }
    let (_, json, _) = run(data, &["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["running"], &json["stats"]["server"]), (&true.into(), &"alpha".into()));

    let (code, log, told) = run(data, &["--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(1));
    for place in [&log, &told] {
        assert!(place.contains(&format!("pid {pid}, alpha at {}", hub.addr)), "{place}");
    }

    let (code, text, _) = run(data, &["shutdown"]);
    assert_eq!((code, text), (Some(0), format!("hubbubd (pid {pid}) has ended\n")));
    assert!(hub.wait().success());
    assert!(!data.join("hubbubd.pid").exists() && !data.join("hubbubd.pid.json").exists());
    assert_eq!(run(data, &["status"]).0, Some(1));
}

#[test]
fn a_crashed_hub_is_seen_as_such_and_the_next_one_starts() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path(), &[]);
    hub.child.kill().unwrap();
    hub.child.wait().unwrap();
    let (code, text, _) = run(dir.path(), &["status"]);
    assert_eq!((code, text.contains("left from a run that crashed")), (Some(1), true), "{text}");
    assert_eq!(run(dir.path(), &["shutdown"]).0, Some(1), "a stale pid is not signalled");
    let _next = Hub::start(dir.path(), &[]);
    assert_eq!(run(dir.path(), &["status"]).0, Some(0));
}

#[test]
fn a_stopped_hub_runs_and_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::start(dir.path(), &[]);
    let pid = rustix::process::Pid::from_child(&hub.child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let (code, text, _) = run(dir.path(), &["status"]);
    assert_eq!((code, text.contains("does not answer within 2 s")), (Some(3), true), "{text}");
    let (code, text, _) = run(dir.path(), &["shutdown", "--timeout", "50ms"]);
    assert_eq!((code, text.contains("still there after 50ms")), (Some(4), true), "{text}");
}

#[test]
fn every_log_line_is_json_and_the_last_ones_are_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path(), &["--log-level", "debug", "--log-format", "json"]);
    assert_eq!(run(dir.path(), &["shutdown"]).0, Some(0));
    let mut log = String::new();
    hub.child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.ends_with('\n') && !log.trim().is_empty(), "{log:?}");
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
        assert!(event["level"].is_string() && event["msg"].is_string(), "{line}");
    }
}

#[test]
fn a_closed_output_leaves_the_hub_serving() {
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path(), &["--log-level", "trace"]);
    // As `hubbubd | head -1` does.
    let mut first = String::new();
    BufReader::new(hub.child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.ends_with('\n'));
    for _ in 0..3 {
        assert_eq!(run(dir.path(), &["status"]).0, Some(0));
    }
    assert_eq!(run(dir.path(), &["shutdown"]).0, Some(0));
    assert!(hub.wait().success());
}

#[test]
fn an_output_that_nobody_reads_does_not_hold_the_hub() {
    // More than a pipe of 64 KiB takes, at one line or more for each connection.
    const CONNECTIONS: usize = 1_500;
    let dir = tempfile::tempdir().unwrap();
    let mut hub = Hub::start(dir.path(), &["--log-level", "trace"]);
    for _ in 0..CONNECTIONS {
        TcpStream::connect(hub.addr).unwrap();
    }
    assert_eq!(run(dir.path(), &["status"]).0, Some(0));
    assert_eq!(run(dir.path(), &["shutdown"]).0, Some(0));
    assert!(hub.wait().success());
    let mut log = Vec::new();
    hub.child.stdout.take().unwrap().read_to_end(&mut log).unwrap();
    // The kernel counts a pipe's room in pages, which lines do not fill exactly.
    assert!(log.len() >= 48 << 10, "the pipe was not full, so nothing was tried: {} bytes", log.len());
}

#[test]
fn mistakes_end_with_2_and_are_told_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hub.toml");
    std::fs::write(&file, "threads = 1\n  max-queu = '8MiB'\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, _, told) = run(dir.path(), &["--config", file]);
    assert_eq!(code, Some(2));
    assert_eq!(told, format!("hubbubd: {file}:2:3: \"max-queu\" is no option; is max-queue meant?\n"));
    let (code, _, told) = run(dir.path(), &["check", "--threads", "0", "--listen", "0.0.0.0:0"]);
    assert_eq!((code, told.lines().count()), (Some(2), 2), "{told}");
    assert!(told.contains("--insecure"), "{told}");
    assert_eq!(run(dir.path(), &["--no-such-flag"]).0, Some(2));
    assert!(!dir.path().join("hubbubd.pid").exists(), "nothing was started");
}

#[test]
fn check_tells_what_is_in_force_and_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text, _) = run(dir.path(), &["check", "--max-queue", "16MiB"]);
    assert_eq!(code, Some(0));
    assert!(text.lines().any(|l| l == "max-queue            16MiB  (flag)"), "{text}");
    let (_, json, _) = run(dir.path(), &["check", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["settings"]["data-dir"]["value"], dir.path().to_str().unwrap());
    assert_eq!(json["settings"]["data-dir"]["from"], "environment");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn the_limit_of_file_descriptors_decides_the_room_for_clients() {
    let dir = tempfile::tempdir().unwrap();
    let script = format!("ulimit -Sn 100 && ulimit -Hn 256 && exec {} check", env!("CARGO_BIN_EXE_hubbubd"));
    let mut command = Command::new("sh");
    let output = command.args(["-c", &script]).env("HUBBUB_DATA_DIR", dir.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The soft limit of 100 was raised to the hard one of 256, less 64.
    assert!(text.lines().any(|l| l == "max-clients          192  (default)"), "{text}");
}
