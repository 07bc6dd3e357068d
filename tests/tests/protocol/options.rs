//! What scripts rely on: flags, environment, configuration file, ready file, pid file, exit codes,
//! and what a wrong start says.

use hubbub_tests::{binaries, hub, Encoding, Hub};
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `hubbubd` to its end in a folder of its own.
pub fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let dir = tempfile::tempdir().unwrap();
    run_in(dir.path(), args)
}

fn run_in(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new("timeout");
    command.arg("20").arg(binaries::hubbubd()).args(args).current_dir(dir);
    command.env("HUBBUB_DATA_DIR", dir.join("data")).env("HUBBUB_LISTEN", "127.0.0.1:0");
    command.env("HUBBUB_RUN_DIR", dir.join("run")).env("HUBBUB_PEER_LISTEN", "127.0.0.1:0");
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn help_and_version_go_to_standard_output() {
    let (code, out, err) = run(&["--help"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    for part in ["--listen", "127.0.0.1:7411", "HUBBUB_LISTEN", "--max-queue", "--data-dir", "Exit codes"] {
        assert!(out.contains(part), "no {part} in:\n{out}");
    }
    let (code, out, _) = run(&["--version"]);
    assert!(code == Some(0) && out.starts_with("hubbubd "), "{out}");
}

#[test]
fn a_wrong_flag_is_exit_code_2_with_what_would_be_right() {
    for (args, hint) in [
        (&["--lisen", "127.0.0.1:0"][..], "--listen"),
        (&["--listen"][..], "--listen"),
        (&["--listen", "nowhere"][..], "nowhere"),
        (&["--max-queue", "many"][..], "many"),
        (&["--idle-timeout", "soon"][..], "soon"),
        (&["--log-level", "loud"][..], "loud"),
        (&["--name", "a b"][..], "a b"),
        (&["--max-clients", "-1"][..], "-1"),
        (&["surplus"][..], "surplus"),
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        assert!(err.contains(hint), "{args:?} should name {hint:?}: {err}");
        assert!(!err.contains("panicked"), "{err}");
    }
}

#[test]
fn a_wrong_configuration_file_names_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.toml");
    for (text, hints) in [
        ("listen = \"127.0.0.1:0\"\nlisten2 = 7\n", &["listen2", "2"][..]),
        ("\n\nmax-queue = \"many\"\n", &["max-queue", "many", "3"][..]),
        ("max-queue = [\n", &["1"][..]),
        ("name = [7]\n", &["name", "1"][..]),
    ] {
        std::fs::write(&path, text).unwrap();
        let (code, _, err) = run_in(dir.path(), &["--config", path.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{text}: {err}");
        for hint in hints.iter().chain(&["hub.toml"]) {
            assert!(err.contains(hint), "{text:?} should name {hint:?}: {err}");
        }
    }
    let (code, _, err) = run(&["--config", "/nowhere/hub.toml"]);
    assert!(code == Some(2) && err.contains("/nowhere/hub.toml"), "{code:?} {err}");
}

#[test]
fn a_flag_outweighs_the_environment_and_that_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.toml");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "name = \"of-file\"\nmax-subscriptions = 11\nmax-line = \"1KiB\"\nmax-frame = 2048")
        .unwrap();
    let config = path.to_str().unwrap();
    let hub = hub::builder()
        .env("HUBBUB_CONFIG", config)
        .env("HUBBUB_NAME", "of-env")
        .env("HUBBUB_MAX_SUBSCRIPTIONS", "12")
        .args(["--name", "of-flag"])
        .start();
    assert_eq!(hub.ready()["name"], "of-flag");
    let hello = hub.client(Encoding::Json).ask_object(serde_json::json!({"op": "hello"}));
    assert_eq!(hello.json()["limits"]["max_subscriptions"], 12);
    assert_eq!(hello.json()["limits"]["max_line"], 1024);
    assert_eq!(hello.json()["limits"]["max_frame"], 2048);
}

#[test]
fn check_tells_what_is_in_force_and_from_where() {
    let (code, out, err) = run(&["--max-queue", "16MiB", "check"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(
        out.contains("max-queue") && out.contains("idle-timeout") && out.contains("environment"),
        "{out}"
    );
    let (code, out, _) = run(&["check", "--json", "--max-queue", "16MiB"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(0) && json.to_string().contains("max-queue"), "{json}");
    let (code, ..) = run(&["check", "--max-queue", "many"]);
    assert_eq!(code, Some(2));
}

#[test]
fn the_hub_does_not_serve_beyond_this_machine_by_accident() {
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let (code, _, err) = run(&["--listen", addr]);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("--insecure"), "{err}");
    }
    let hub = hub::builder().listen("0.0.0.0:0").args(["--insecure"]).start();
    let port = hub.addr().port();
    let mut client = hubbub_tests::Client::connect(([127, 0, 0, 1], port).into(), Encoding::Text);
    client.ask("ping").ok();
}

#[test]
fn a_taken_port_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, _, err) = run(&["--listen", &addr]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&addr), "{err}");
    let hub = Hub::start();
    let (code, _, err) = run(&["--listen", &hub.addr().to_string()]);
    assert_eq!(code, Some(1), "a port of another hub is taken as well: {err}");
}

#[test]
fn the_ready_file_tells_what_scripts_need() {
    let hub = Hub::with(["--name", "alpha"]);
    let ready = hub.ready();
    assert_eq!(ready["pid"], hub.process().0);
    assert_eq!(ready["name"], "alpha");
    assert_eq!(ready["client_addr"], hub.addr().to_string());
    assert!(ready["origin"].as_str().unwrap().starts_with("alpha-"));
    assert!(ready["doors"].is_object() && ready.get("peer_addr").is_some(), "{ready}");
}

#[test]
fn status_and_shutdown_find_the_running_hub() {
    let mut hub = hub::builder().start();
    let data = hub.data_dir().to_str().unwrap().to_owned();
    let (code, out, err) = run(&["status", "--data-dir", &data]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains(&hub.process().0.to_string()) && out.contains(&hub.addr().to_string()), "{out}");
    let (_, out, _) = run(&["status", "--json", "--data-dir", &data]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert!(json.to_string().contains(&hub.addr().to_string()), "{json}");
    let pid_file = hub.data_dir().join("hubbubd.pid");
    assert_eq!(
        std::fs::read_to_string(&pid_file).unwrap().split_whitespace().next().unwrap(),
        hub.process().0.to_string()
    );

    let mut client = hub.client(Encoding::Json);
    client.ask("ping").ok();
    let shutdown = std::thread::spawn(move || run(&["shutdown", "--data-dir", &data]));
    client.closed_with("draining");
    // A child that nobody waits for stays in the table of processes.
    assert_eq!(hub.wait_end().code(), Some(0));
    let (code, _, err) = shutdown.join().unwrap();
    assert_eq!(code, Some(0), "{err}");
    let data = hub.data_dir().to_str().unwrap();
    for what in ["status", "shutdown"] {
        let (code, out, err) = run(&[what, "--data-dir", data]);
        let said = out + &err;
        assert!(code == Some(1) && !said.is_empty(), "{what} without a hub: {code:?} {said}");
    }
}

#[test]
fn two_hubs_do_not_share_a_data_folder() {
    let hub = Hub::start();
    let (code, _, err) = run(&["--data-dir", hub.data_dir().to_str().unwrap()]);
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains(&hub.process().0.to_string()), "it names who holds it: {err}");
    hub.client(Encoding::Text).ask("ping").ok();
    assert!(hub.data_dir().join("operator.token").exists(), "the refused one took nothing away");
}

#[test]
fn a_pid_file_of_a_dead_hub_is_no_obstacle() {
    let hub = Hub::start();
    let dir = tempfile::tempdir().unwrap();
    let kept = hub::builder().data_dir(dir.path()).start();
    let dead = kept.process().0;
    kept.kill();
    let data = dir.path().to_str().unwrap();
    assert_eq!(run(&["status", "--data-dir", data]).0, Some(1), "process {dead} is gone");
    // Even when the number belongs to another process by now.
    std::fs::write(dir.path().join("hubbubd.pid"), format!("{}\n", std::process::id())).unwrap();
    assert_eq!(run(&["status", "--data-dir", data]).0, Some(1));
    assert_eq!(run(&["shutdown", "--data-dir", data]).0, Some(1), "and nobody was harmed");
    hub::builder().data_dir(dir.path()).start().client(Encoding::Text).ask("ping").ok();
    drop(hub);
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let (code, _, err) = run(&["--data-dir", file.join("data").to_str().unwrap()]);
    assert!(code == Some(1) || code == Some(2), "{code:?} {err}");
    assert!(err.contains("a-file"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}
