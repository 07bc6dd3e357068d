//! `hubbub` without a subcommand and without a terminal: the terminal's commands from a script.

use hubbub_tests::{Encoding, Hub, Program};

#[test]
fn commands_are_read_from_standard_input() {
    let hub = Hub::start();
    let mut reader = hub.client(Encoding::Json);
    reader.ask("subscribe ops").ok();
    let mut program = Program::hubbub(&hub, ["--name", "bob"]);
    program.feed("/join ops\nhello all\n/who ops\n/quit\n");
    let done = program.finish();
    assert!(done.ok().contains("bob"), "{done:?}");
    assert_eq!(reader.event().line, "[ops] bob: hello all");
}

#[test]
fn a_refused_command_of_a_script_is_exit_code_1() {
    let hub = Hub::start();
    let mut program = Program::hubbub(&hub, ["--name", "bob"]);
    program.feed("/whois nobody\n");
    let finished = program.finish();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(format!("{}{}", finished.stdout, finished.stderr).contains("no-such-client"));
}
