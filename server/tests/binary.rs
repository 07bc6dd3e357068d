//! That `hubbubd` is built and answers for itself. It also makes `cargo test --workspace` build the
//! binary, which the end-to-end tests of the workspace run.

use std::process::Command;

fn hubbubd(argument: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hubbubd")).arg(argument).output().expect("hubbubd runs");
    assert_eq!(output.status.code(), Some(0), "{argument}: {output:?}");
    assert!(output.stderr.is_empty(), "{argument}: {output:?}");
    String::from_utf8(output.stdout).expect("help is UTF-8")
}

#[test]
fn it_tells_its_version() {
    assert_eq!(hubbubd("--version"), format!("hubbubd {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn it_tells_its_options_and_exit_codes() {
    let help = hubbubd("--help");
    for part in ["--listen", "--data-dir", "--config", "HUBBUB_LISTEN", "Exit codes"] {
        assert!(help.contains(part), "no {part} in:\n{help}");
    }
}
