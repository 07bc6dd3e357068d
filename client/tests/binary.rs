//! That `hubbub` is built and answers for itself. It also makes `cargo test --workspace` build the
//! binary, which the end-to-end tests of the workspace run.

use std::process::Command;

fn hubbub(argument: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hubbub")).arg(argument).output().expect("hubbub runs");
    assert_eq!(output.status.code(), Some(0), "{argument}: {output:?}");
    assert!(output.stderr.is_empty(), "{argument}: {output:?}");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

#[test]
fn it_tells_its_version() {
    assert_eq!(hubbub("--version"), format!("hubbub {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn it_tells_its_subcommands_and_exit_codes() {
    let help = hubbub("--help");
    for part in ["--server", "pub", "sub", "request", "serve", "Exit codes"] {
        assert!(help.contains(part), "no {part} in:\n{help}");
    }
}
