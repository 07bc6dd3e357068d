//! Help, wrong usage, no connection, time limits: the exit codes that scripts rely on.

use hubbub_tests::program::hubbub_command;
use hubbub_tests::{hub, hubbub, Encoding, Finished, Hub, Nobody, Program};
use std::net::TcpListener;

/// Runs `hubbub` without naming a server.
fn run(args: &[&str]) -> Finished {
    let mut command = hubbub_command();
    command.args(args);
    Program::start(command).finish()
}

const SUBCOMMANDS: &[&str] = &[
    "pub",
    "sub",
    "msg",
    "request",
    "serve",
    "clients",
    "servers",
    "channels",
    "who",
    "services",
    "history",
    "whois",
    "stats",
    "create",
    "topic",
    "reverse",
    "welcome",
    "ping",
    "bench",
    "blob",
    "points",
    "fleet",
    "drain",
    "persistent",
    "completions",
    "man",
];

#[test]
fn help_names_every_subcommand_and_each_has_examples() {
    let help = run(&["--help"]);
    for name in SUBCOMMANDS {
        assert!(help.ok().contains(&format!("  {name} ")), "--help does not name {name}");
        let own = run(&[name, "--help"]);
        assert!(own.ok().contains(&format!("hubbub {name}")), "{name} --help has no example");
    }
    let commands = help.ok().lines().skip_while(|l| !l.starts_with("Commands:")).skip(1);
    for line in commands.take_while(|l| !l.starts_with(|c: char| c.is_ascii_alphabetic())) {
        let deep = line.starts_with("   ");
        let name = line.split_whitespace().next().unwrap_or("help");
        assert!(deep || name == "help" || SUBCOMMANDS.contains(&name), "{name} is tested nowhere");
    }
    assert!(help.ok().contains("HUBBUB_SERVER") && help.ok().contains("Exit codes"));
    assert!(run(&["--version"]).ok().starts_with("hubbub "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).ok().contains("hubbub"));
    }
    assert!(run(&["man"]).ok().starts_with(".ie") || run(&["man"]).ok().contains(".TH"));
    assert!(run(&["man", "pub"]).ok().contains("pub"));
    let dir = tempfile::tempdir().unwrap();
    run(&["man", "--dir", dir.path().to_str().unwrap()]).ok();
    for name in SUBCOMMANDS {
        assert!(dir.path().join(format!("hubbub-{name}.1")).exists(), "{name} has no page");
    }
}

#[test]
fn wrong_usage_is_2_and_needs_no_hub() {
    for args in [
        &["pubb"][..],
        &["pub"],
        &["sub"],
        &["sub", "ops", "--count", "0"],
        &["sub", "ops", "--parallel", "2"],
        &["serve", "x"],
        &["request"],
        &["pub", "ops", "{", "--json"],
        &["pub", "ops", "x", "--header", "novalue"],
        &["--timeout", "soon", "ping"],
        &["ping", "--count", "0"],
        &["reverse"],
        &["clients", "bob", "open"],
        &["blob"],
        &["blob", "factor", "seven"],
        &["blob", "palindrome"],
        &["blob", "busy", "--clients", "0"],
        &["blob", "start", "--hubbubd", "/nonexistent"],
        &["points", "--at-once", "5"],
        &["points", "--clients", "0"],
    ] {
        let failed = run(args);
        assert!(failed.failed(2).len() > 10, "{args:?}: {failed:?}");
        assert_eq!(failed.stdout, "", "{args:?}");
    }
}

#[test]
fn a_refusal_is_1_with_its_code() {
    let hub = Hub::start();
    for (args, code) in [
        (&["pub", "a..b", "x"][..], "bad-channel"),
        (&["sub", "a*"], "bad-channel"),
        (&["msg", "nobody", "x"], "no-such-client"),
        (&["whois", "nobody"], "no-such-client"),
        (&["who", "nope"], "no-such-channel"),
        (&["history", "nope"], "no-such-channel"),
        (&["topic", "nope"], "no-such-channel"),
        (&["channels", "op*"], "bad-channel"),
        (&["request", "nope", "x"], "no-such-service"),
        (&["serve", "reverse", "--exec", "true"], "not-allowed"),
        (&["--name", "a b", "ping"], "bad-name"),
        (&["--token", "wrong", "drain"], "not-allowed"),
    ] {
        let failed = hubbub(&hub, args);
        assert!(failed.failed(1).contains(code), "{args:?}: {failed:?}");
        assert_eq!(failed.stdout, "", "{args:?}");
    }
    let _bob = hub.named(Encoding::Json, "bob");
    assert!(hubbub(&hub, ["--name", "BOB", "ping"]).failed(1).contains("name-taken"));
}

#[test]
fn no_connection_is_3_and_names_the_address() {
    let nobody = Nobody::hold();
    let free = nobody.addr().to_string();
    for args in [
        &["ping"][..],
        &["pub", "ops", "x"],
        &["sub", "ops"],
        &["clients"],
        &["serve", "x", "--exec", "true"],
    ] {
        let failed = run(&[&["--server", &free], args].concat());
        assert!(failed.failed(3).contains(&free), "{args:?}: {failed:?}");
    }
}

#[test]
fn a_time_limit_is_4() {
    let hub = Hub::start();
    let mut provider = hub.client(Encoding::Json);
    provider.ask("serve slow").ok();
    hubbub(&hub, ["request", "slow", "x", "--timeout", "200ms"]).failed(4);
    hubbub(&hub, ["sub", "ops", "--timeout", "200ms"]).failed(4);
    // Something that accepts and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = mute.local_addr().unwrap().to_string();
    run(&["--server", &addr, "--timeout", "300ms", "ping"]).failed(4);
}

#[test]
fn what_is_no_hub_is_told() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        use std::io::Write;
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
    });
    let failed = run(&["--server", &addr, "--timeout", "2s", "ping"]);
    assert!(failed.code == Some(3) || failed.code == Some(4), "{failed:?}");
    assert!(!failed.stderr.contains("panicked"), "{failed:?}");
    answering.join().unwrap();
}

#[test]
fn the_server_comes_from_the_environment_and_there_may_be_several() {
    let hub = Hub::start();
    let nobody = Nobody::hold();
    let dead = nobody.addr();
    let mut command = hubbub_command();
    command.env("HUBBUB_SERVER", format!("{dead},{}", hub.addr())).args(["ping", "--count", "1"]);
    let finished = Program::start(command).finish();
    assert!(finished.ok().starts_with("pong from "), "{finished:?}");
}

#[test]
fn a_closed_output_is_a_quiet_end() {
    let hub = Hub::start();
    let mut shell = std::process::Command::new("sh");
    let script = format!(
        "'{}' --server {} ping --count 50 --interval 0 | head -n 1; exit 0",
        hubbub_tests::binaries::hubbub().display(),
        hub.addr()
    );
    shell.arg("-c").arg(script);
    let finished = Program::start(shell).finish();
    assert_eq!(finished.ok().lines().count(), 1);
    assert_eq!(finished.stderr, "");
}

#[test]
fn operators_are_known_by_the_token_in_the_data_folder() {
    let hub = Hub::start();
    let data = hub.data_dir().to_str().unwrap().to_owned();
    hubbub(&hub, ["welcome", "maintenance", "at", "noon", "--data-dir", &data]).ok();
    assert!(hubbub(&hub, ["welcome"]).ok().contains("maintenance at noon"));
    let elsewhere = tempfile::tempdir().unwrap();
    let failed = hubbub(&hub, ["drain", "--data-dir", elsewhere.path().to_str().unwrap()]);
    assert!(failed.failed(2).contains("operator.token"));
    let mut drained = hub::builder().start();
    hubbub(&drained, ["drain", "--deadline", "1s", "--token", &drained.token()]).ok();
    assert_eq!(drained.wait_end().code(), Some(0));
    let mut again = hub::builder().start();
    hubbub(&again, ["shutdown", "--data-dir", again.data_dir().to_str().unwrap()]).ok();
    assert_eq!(again.wait_end().code(), Some(0));
}
