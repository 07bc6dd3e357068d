//! `hubbub fleet demo`: a coordinator and three clients. Afterwards no folder and no process is left.

use super::fleet_client::{children_of, Place};
use hubbub_shared::fleet::Report;
use hubbub_tests::program::hubbub_command;
use hubbub_tests::{wait, Program};
use rustix::process::Signal;
use std::path::Path;

/// The demonstration in this folder.
fn demo(place: &Place, more: &[&str]) -> Program {
    demo_with(&hubbub_tests::binaries::hubbubd(), place, more)
}

/// The same with this program for a hub.
fn demo_with(hubbubd: &Path, place: &Place, more: &[&str]) -> Program {
    let mut command = hubbub_command();
    command.args(["fleet", "demo", "--dir"]).arg(place.path()).args(more);
    command.arg("--hubbubd").arg(hubbubd);
    Program::start(command)
}

#[test]
fn the_demonstration_shows_three_clients_and_leaves_nothing() {
    let place = Place::new();
    let finished = demo(&place, &["--runtime", &place.seconds(4).to_string(), "--json"]).finish();
    let report: Report = serde_json::from_value(finished.json().remove(0)).unwrap();
    assert_eq!((report.passed, report.aborted, report.clients.len()), (3, 0, 3), "{finished:?}");
    let sizes: Vec<_> = report.clients.iter().map(|c| (c.chunk_mb, c.file_mb)).collect();
    assert!(sizes.iter().all(|size| sizes.iter().filter(|other| *other == size).count() == 1), "{sizes:?}");
    place.is_clean();

    let mut stopped = demo(&place, &["--runtime", "60"]);
    stopped.says_aside("the coordinator listens on");
    let children = children_of(stopped.process(), 4);
    stopped.process().signal(Signal::INT);
    stopped.finish().failed(130);
    children.iter().for_each(|child| assert!(!child.is_alive(), "{child:?} is left"));
    place.is_clean();
}

#[test]
fn a_demonstration_works_in_a_folder_that_is_named_from_here() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("demo")).unwrap();
    for dir in [".", "demo"] {
        let mut command = hubbub_command();
        command.current_dir(place.path()).args(["fleet", "demo", "--runtime", "60", "--dir", dir]);
        command.arg("--hubbubd").arg(hubbub_tests::binaries::hubbubd());
        let mut program = Program::start(command);
        program.says_aside("the coordinator listens on");
        program.process().signal(Signal::INT);
        program.finish().failed(130);
    }
    std::fs::remove_dir(place.path().join("demo")).unwrap();
    place.is_clean();
}

#[test]
fn a_demonstration_tells_how_its_hub_ended() {
    let place = Place::new();
    let finished = demo_with("/bin/false".as_ref(), &place, &[]).finish();
    let told = finished.failed(2);
    assert!(told.contains("/bin/false ended before it served, exit code 1; it said nothing"), "{told}");
    place.is_clean();
}

#[test]
fn a_demonstration_that_is_killed_leaves_no_process() {
    let place = Place::new();
    let mut killed = demo(&place, &["--runtime", "60"]);
    killed.says_aside("the coordinator listens on");
    let children = children_of(killed.process(), 4);
    killed.process().signal(Signal::KILL);
    wait::until("the hub and the clients to end", || {
        children.iter().all(|child| !child.is_alive()).then_some(())
    });
}

#[test]
fn a_demonstration_without_a_hub_says_what_is_missing() {
    let place = Place::new();
    let mut command = hubbub_command();
    command.args(["fleet", "demo", "--hubbubd", "/nowhere/hubbubd", "--dir"]).arg(place.path());
    assert!(Program::start(command).finish().failed(2).contains("/nowhere/hubbubd is no program"));
    place.is_clean();
}
