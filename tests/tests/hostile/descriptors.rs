//! Running out of file descriptors and of disk.

use crate::{endure, many_descriptors, SLACK};
use hubbub_tests::{binaries, hub, wait, Encoding, Socket};
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn the_most_clients_leave_room_for_the_hubs_own_descriptors() {
    let hub = hub::builder().descriptors(128).start();
    endure(&hub, SLACK, |hub| {
        let mut held: Vec<Socket> = Vec::new();
        let refused = loop {
            assert!(held.len() < 128, "all were taken");
            let mut socket = hub.socket();
            socket.send("ping\n");
            let line = socket.must_line();
            if line != "ok pong" {
                break line;
            }
            held.push(socket);
        };
        // 128 less 64, less the two of the canary.
        assert_eq!(held.len(), 62);
        assert!(refused.contains("too-many") && refused.contains("64"), "{refused}");
        held.pop();
        wait::until("room again", || {
            let mut socket = hub.socket();
            socket.try_send("ping\n").ok()?;
            (socket.line()? == "ok pong").then_some(())
        });
    });
}

#[test]
fn no_descriptors_left_is_survived_without_spinning() {
    many_descriptors();
    // More clients are allowed than there are descriptors for.
    let hub = hub::builder().descriptors(80).args(["--max-clients", "10000"]).start();
    endure(&hub, SLACK, |hub| {
        let mut flood: Vec<Socket> = (0..200).map(|_| hub.socket()).collect();
        wait::until("all descriptors to be taken", || (hub.process().descriptors() >= 78).then_some(()));
        let before = hub.process().cpu_time();
        std::thread::sleep(Duration::from_secs(2)); // what is measured is time
        let used = hub.process().cpu_time() - before;
        assert!(used < Duration::from_millis(500), "the accept loop used {used:?} in 2 s");
        flood.clear();
        let freed = std::time::Instant::now();
        wait::until("room again", || {
            let mut socket = Socket::try_connect(hub.addr()).ok()?;
            socket.try_send("ping\n").ok()?;
            (socket.line()? == "ok pong").then_some(())
        });
        let took = freed.elapsed();
        assert!(took < Duration::from_secs(3), "it took {took:?} to recover");
    });
    assert!(hub.process().descriptors() < 40, "{} are still open", hub.process().descriptors());
}

#[test]
fn a_full_disk_under_the_log_does_not_stop_the_hub() {
    let dir = tempfile::tempdir().unwrap();
    let ready = dir.path().join("ready.json");
    let mut child = Command::new(binaries::hubbubd())
        .args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--log-level", "debug"])
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .arg("--run-dir")
        .arg(dir.path().join("run"))
        .arg("--ready-file")
        .arg(&ready)
        .stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let told: serde_json::Value =
        wait::until("the hub", || serde_json::from_str(&std::fs::read_to_string(&ready).ok()?).ok());
    let addr = told["client_addr"].as_str().unwrap().parse().unwrap();
    for _ in 0..50 {
        let mut client = hubbub_tests::Client::connect(addr, Encoding::Json);
        client.ask("publish ops hi").ok();
    }
    hubbub_tests::process::Process(child.id()).signal(rustix::process::Signal::TERM);
    let status = wait::until("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_full_disk_at_the_start_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"]).arg(dir.path()).output();
    if !mount.is_ok_and(|m| m.status.success()) {
        eprintln!("not shown here: only root may mount a tiny file system");
        return;
    }
    while std::fs::write(dir.path().join("filler"), [0u8; 4096]).is_err() {}
    let mut full = 0;
    while std::fs::write(dir.path().join(format!("f{full}")), [1]).is_ok() && full < 100 {
        full += 1;
    }
    let run_dir = tempfile::tempdir().unwrap();
    let output = Command::new("timeout")
        .arg("20")
        .arg(binaries::hubbubd())
        .args(["--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .arg("--run-dir")
        .arg(run_dir.path())
        .output();
    let unmounted = Command::new("umount").arg(dir.path()).status();
    let output = output.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains(&*dir.path().to_string_lossy()) && err.contains("space"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
    assert!(unmounted.unwrap().success());
}
