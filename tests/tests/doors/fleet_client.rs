//! `hubbub fleet`: the client that really writes, against the door and against a coordinator that the
//! test plays; the reports. Afterwards no folder and no process is left.

use super::fleet::Watcher;
use super::with_door;
use hubbub_shared::fleet::{Report, Status};
use hubbub_tests::process::Process;
use hubbub_tests::program::hubbub_command;
use hubbub_tests::{hubbub, wait, Hub, Nobody, Program};
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A folder for the client's own one, which is to be empty afterwards.
pub struct Place(TempDir);

/// A disk in memory, and what must be free on it: two files of each of several clients at the same time.
/// How fast a real one is, beside other tests, says nothing of these clients.
const MEMORY: (&str, u64) = ("/dev/shm", 400_000_000);

impl Place {
    pub fn new() -> Place {
        let (memory, needed) = MEMORY;
        let free = rustix::fs::statvfs(memory).map_or(0, |about| about.f_bavail * about.f_frsize);
        let mut builder = tempfile::Builder::new();
        builder.prefix("hubbub-test-");
        let in_memory = (free >= needed).then(|| builder.tempdir_in(memory).ok()).flatten();
        Place(in_memory.unwrap_or_else(|| builder.tempdir().unwrap()))
    }

    /// Seconds for a run of so many: more where a real disk must take two files in them.
    pub fn seconds(&self, run: u32) -> u32 {
        if self.path().starts_with(MEMORY.0) {
            run
        } else {
            4 * run
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Waits until nothing is there any more: whoever cleans up may do so after the client has gone.
    pub fn is_clean(&self) {
        let left = || std::fs::read_dir(self.path()).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
        let clean = wait::within(Duration::from_secs(10), || left().is_empty().then_some(()));
        assert!(clean.is_some(), "{:?} is left", left());
    }
}

/// A client of this coordinator, with small files.
fn client(at: impl ToString, place: &Path, seconds: u32) -> Command {
    let mut command = hubbub_command();
    command.args(["fleet", "client", "--at", &at.to_string(), "--runtime", &seconds.to_string()]);
    command.args(["--chunk-size", "10", "--file-size", "10", "--dir"]).arg(place);
    command
}

fn of_hub(hub: &Hub, place: &Place, seconds: u32) -> Program {
    Program::start(client(hub.door_addr("fleet"), place.path(), seconds))
}

/// The processes that a process has started, as soon as there are so many.
pub fn children_of(parent: Process, count: usize) -> Vec<Process> {
    let children = format!("/proc/{0}/task/{0}/children", parent.0);
    wait::until("children", || {
        let text = std::fs::read_to_string(&children).ok()?;
        let pids = text.split_whitespace().map(|pid| pid.parse().map(Process));
        pids.collect::<Result<Vec<_>, _>>().ok().filter(|pids| pids.len() == count)
    })
}

/// The process that a client lets write.
fn writer_of(client: Process) -> Process {
    children_of(client, 1)[0]
}

#[test]
fn a_client_really_writes_and_passes() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    let mut program = of_hub(&hub, &place, place.seconds(6));
    program.says_aside("started: writing into");
    let seen = wait::until("a file", || {
        let folder = std::fs::read_dir(place.path()).unwrap().flatten().next()?;
        let files = std::fs::read_dir(folder.path()).ok()?.flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).max().filter(|bytes| *bytes > 1 << 20)
    });
    assert!(seen <= 10_000_000);
    let finished = program.finish();
    let told = finished.ok().strip_prefix("client 100 done: ").and_then(|told| told.split_once(" s,"));
    let ran: f64 = told.unwrap_or_else(|| panic!("{finished:?}")).0.parse().unwrap();
    for told in ["id 100 from", "file 1 is full", "heartbeat", "cpu", "done"] {
        assert!(finished.stderr.contains(told), "no {told}: {finished:?}");
    }
    let report = watcher.report();
    let row = &report.clients[0];
    assert!(row.status == Status::Pass && row.heartbeats >= 1 && row.files >= 2, "{row:?}");
    // Its own clock, and the coordinator's between its lines.
    assert!(ran >= 6.0 && (row.ran_s - ran).abs() < 2.0, "{ran} s: {row:?}");
    assert!(row.cpu_percent.is_some_and(|cpu| cpu > 0.0) && row.memory_percent.is_some_and(|m| m > 0.0));
    place.is_clean();

    let text = hubbub(&hub, ["fleet", "report"]);
    assert_eq!(text.ok(), report.to_text());
    let json = hubbub(&hub, ["fleet", "report", &report.run, "--json"]).json().remove(0);
    assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report);
    let runs = hubbub(&hub, ["fleet", "runs"]);
    assert!(runs.ok().lines().nth(1).is_some_and(|line| line.starts_with(&report.run)), "{runs:?}");
    assert_eq!(hubbub(&hub, ["fleet", "runs", "--json"]).json().len(), 1);
    assert!(hubbub(&hub, ["fleet", "report", "nope"]).failed(1).contains("remembers no run nope"));
}

#[test]
fn where_no_run_has_ended_there_is_no_report() {
    let hub = with_door("fleet");
    assert!(hubbub(&hub, ["fleet", "report"]).failed(1).contains("no run of a fleet has ended"));
    assert_eq!(hubbub(&hub, ["fleet", "runs"]).ok(), "");
}

/// A coordinator that the test plays, as the old one was.
struct Played {
    lines: BufReader<TcpStream>,
    to: TcpStream,
}

impl Played {
    fn of(listener: &TcpListener) -> Played {
        let (to, _) = listener.accept().unwrap();
        to.set_read_timeout(Some(wait::PATIENCE)).unwrap();
        Played { lines: BufReader::new(to.try_clone().unwrap()), to }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    fn say(&mut self, line: &str) {
        self.to.write_all(line.as_bytes()).unwrap();
    }
}

#[test]
fn the_old_coordinator_hears_the_old_lines() {
    let (listener, place) = (TcpListener::bind("127.0.0.1:0").unwrap(), Place::new());
    let mut program = Program::start(client(listener.local_addr().unwrap(), place.path(), place.seconds(2)));
    let mut played = Played::of(&listener);
    assert_eq!(played.line(), "get_cid\n");
    program.says_aside("waiting in line");
    played.say("set_cid:107\n");
    assert_eq!(played.line(), "file_stats:10:10\n");
    assert_eq!(played.line(), "ready\n");
    played.say("what is this\nrun_tests\n");
    assert_eq!(played.line(), "start\n");
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "done\n") {
        lines.push(played.line());
        assert_ne!(lines.last().unwrap(), "", "{lines:?}");
    }
    assert!(lines.iter().filter(|line| *line == "file_roll\n").count() >= 2, "{lines:?}");
    let stats = &lines[lines.len() - 2];
    let numbers: Vec<f64> =
        stats.trim().trim_start_matches("send_stats:").split(':').map(|n| n.parse().unwrap()).collect();
    assert!(numbers.len() == 2 && numbers.iter().all(|n| (0.0..1000.0).contains(n)), "{stats}");
    drop(played);
    let finished = program.finish();
    assert!(finished.ok().contains("client 107 done"), "{finished:?}");
    assert!(finished.stderr.contains("makes no sense here: what is this"), "{finished:?}");
    place.is_clean();
}

#[test]
fn parameters_that_cannot_be_are_refused_before_anything_is_asked() {
    let place = Place::new();
    let refused = |more: &[&str], why: &str| {
        let mut command = hubbub_command();
        command.args(["fleet", "client", "--at", "127.0.0.1:1", "--dir"]).arg(place.path()).args(more);
        let finished = Program::start(command).finish();
        assert!(finished.failed(2).contains(why), "{more:?}: {finished:?}");
        place.is_clean();
    };
    refused(&["--chunk-size", "9"], "--chunk-size starts at 10");
    refused(&["--chunk-size", "60"], "larger than its file");
    refused(&["--chunk-size", "ten"], "invalid value 'ten'");
    refused(&["--runtime", "0"], "nothing is done in no time");
    refused(&["--runtime", "1ms"], "do not fit into 1ms");
    let absent = place.path().join("absent");
    refused(&["--dir", absent.to_str().unwrap()], "cannot be used multiple times");
    let mut command = hubbub_command();
    command.args(["fleet", "client", "--at", "127.0.0.1:1", "--dir"]).arg(&absent);
    assert!(Program::start(command).finish().failed(2).contains("cannot write in"));
}

#[test]
fn without_a_coordinator_nothing_stays() {
    let (nobody, place) = (Nobody::hold(), Place::new());
    let finished = Program::start(client(nobody.addr(), place.path(), 60)).finish();
    assert!(finished.failed(3).contains("hubbubd --door fleet"), "{finished:?}");
    place.is_clean();
}

#[test]
fn the_coordinators_address_may_stand_before_the_kind_and_only_a_client_needs_it() {
    let (nobody, place) = (Nobody::hold(), Place::new());
    let at = nobody.addr().to_string();
    let run = |words: &[&str]| {
        let mut command = hubbub_command();
        command.args(["fleet", "--at", &at]).args(words);
        Program::start(command).finish()
    };
    let folder = place.path().to_str().unwrap();
    let client =
        run(&["client", "--chunk-size", "10", "--file-size", "10", "--runtime", "60", "--dir", folder]);
    assert!(client.failed(3).contains(&format!("no coordinator at {at}")), "{client:?}");
    assert!(run(&["demo"]).failed(2).contains("a coordinator of its own"));
    assert!(run(&["report"]).failed(2).contains("which --server names"));
    assert!(run(&["runs"]).failed(2).contains("which --server names"));
}

#[test]
fn a_killed_client_is_aborted_and_its_writer_cleans_up() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    let mut program = of_hub(&hub, &place, 60);
    program.says_aside("file 1 is full");
    let writer = writer_of(program.process());
    program.process().signal(Signal::KILL);
    assert_eq!(watcher.report().clients[0].status, Status::Aborted);
    wait::until("the writer to end", || (!writer.is_alive()).then_some(()));
    place.is_clean();
}

#[test]
fn a_client_that_is_told_to_stop_cleans_up() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut program = of_hub(&hub, &place, 60);
        program.says_aside("started");
        let writer = writer_of(program.process());
        program.process().signal(signal);
        let finished = program.finish();
        assert!(
            finished.failed(code).contains("all is cleaned up") && finished.stderr.contains("stopped by SIG")
        );
        assert!(!writer.is_alive());
        assert_eq!(watcher.report().clients[0].status, Status::Aborted);
        place.is_clean();
    }
}

#[test]
fn a_client_stops_writing_when_its_coordinator_is_killed() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut program = of_hub(&hub, &place, 60);
    program.says_aside("file 1 is full");
    let writer = writer_of(program.process());
    hub.kill();
    let began = Instant::now();
    let finished = program.finish();
    assert!(finished.failed(3).contains("the coordinator went away"), "{finished:?}");
    // Long before its time is over.
    assert!(began.elapsed() < Duration::from_secs(30) && !writer.is_alive(), "{:?}", began.elapsed());
    place.is_clean();
}

#[test]
fn where_a_client_stands_still_its_writer_soon_does_and_both_go_on() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    let mut program = of_hub(&hub, &place, place.seconds(6));
    program.says_aside("file 1 is full");
    let writer = writer_of(program.process());
    program.process().pause();
    let paused = writer.written();
    // Eight chunks are written at the most, and of the one before perhaps all: then it waits.
    let mut last = (paused, Instant::now());
    wait::until("the writer to stand still", || {
        let now = writer.written();
        assert!(now < paused + 100_000_000, "{} bytes since the client stands still", now - paused);
        if now > last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(700)).then_some(())
    });
    program.process().resume();
    wait::until("the writer to go on", || (writer.written() > last.0).then_some(()));
    assert!(program.finish().ok().starts_with("client 100 done: "));
    assert_eq!(watcher.report().clients[0].status, Status::Pass);
    place.is_clean();
}

#[test]
fn a_client_that_stood_still_over_its_end_tells_all_that_was_written() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    let seconds = place.seconds(4);
    let mut command = client(hub.door_addr("fleet"), place.path(), seconds);
    command.arg("--json");
    let began = Instant::now();
    let mut program = Program::start(command);
    program.says_aside("file 1 is full");
    let writer = writer_of(program.process());
    program.process().pause();
    // The time is over, and the last chunk is on the disk.
    let mut last = (0, Instant::now());
    wait::within(wait::PATIENCE + Duration::from_secs(seconds.into()), || {
        let now = writer.written();
        if now > last.0 {
            last = (now, Instant::now());
        }
        let over = began.elapsed() > Duration::from_secs(u64::from(seconds) + 1);
        (over && last.1.elapsed() > Duration::from_millis(700)).then_some(())
    })
    .unwrap();
    // Each file is one chunk. The trial was one, too, and what is less than one is no file.
    let written = last.0 / 10_000_000 - 1;
    program.process().resume();
    let told = program.finish().json().remove(0);
    let count = |key: &str| told[key].as_u64().unwrap_or_else(|| panic!("{key} in {told}"));
    assert_eq!((count("files"), count("bytes"), count("id")), (written, written * 10_000_000, 100));
    assert!(told["ran_s"].as_f64().is_some_and(|ran| (ran - f64::from(seconds)).abs() < 1.0), "{told}");
    let row = &watcher.report().clients[0];
    assert_eq!((row.status, row.files), (Status::Pass, written), "{row:?}");
    place.is_clean();
}

#[test]
fn a_writer_that_hangs_is_a_failure_and_all_is_cleaned_up() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    let mut program = of_hub(&hub, &place, place.seconds(4));
    program.says_aside("file 1 is full");
    let writer = writer_of(program.process());
    writer.pause();
    let finished = program.finish();
    let told = finished.failed(2);
    assert!(told.contains("the writer did not end within 10 s after its time: a disk that hangs?"), "{told}");
    assert!(!writer.is_alive());
    assert_eq!(watcher.report().clients[0].status, Status::Aborted);
    place.is_clean();
}

#[test]
fn a_short_rest_of_a_run_is_not_told_as_if_it_were_ten_seconds() {
    let (listener, place) = (TcpListener::bind("127.0.0.1:0").unwrap(), Place::new());
    let program = Program::start(client(listener.local_addr().unwrap(), place.path(), 11));
    let mut played = Played::of(&listener);
    assert_eq!(played.line(), "get_cid\n");
    played.say("set_cid:107\nrun_tests\n");
    let mut stats = 0;
    loop {
        match &*played.line() {
            "done\n" => break,
            "" => panic!("no done"),
            line => stats += usize::from(line.starts_with("send_stats:")),
        }
    }
    drop(played);
    let finished = program.finish();
    finished.ok();
    assert_eq!((stats, finished.stderr.matches("after 10 s: cpu").count()), (1, 1), "{finished:?}");
}

#[test]
fn where_nothing_was_written_nothing_else_is_said() {
    let (listener, place) = (TcpListener::bind("127.0.0.1:0").unwrap(), Place::new());
    let start = || Program::start(client(listener.local_addr().unwrap(), place.path(), 60));
    let closed = start();
    let mut played = Played::of(&listener);
    assert_eq!(played.line(), "get_cid\n");
    drop(played);
    let finished = closed.finish();
    let told = finished.failed(3);
    assert!(
        told.contains("nothing was written: it is no coordinator") && !told.contains("stopped"),
        "{told}"
    );

    let other = start();
    let mut played = Played::of(&listener);
    played.say("SSH-2.0-OpenSSH\n");
    let finished = other.finish();
    assert!(finished.failed(3).contains("no coordinator at") && finished.stderr.contains("it said SSH-2.0"));

    let mut waiting = start();
    let played = Played::of(&listener);
    waiting.says_aside("waiting in line");
    drop(played);
    let finished = waiting.finish();
    assert!(finished.failed(3).contains("while this client waited in line"), "{finished:?}");
    place.is_clean();
}

#[test]
fn a_writer_that_is_killed_ends_its_client() {
    let (hub, place) = (with_door("fleet"), Place::new());
    let mut watcher = Watcher::of(&hub);
    let mut program = of_hub(&hub, &place, 60);
    program.says_aside("started");
    writer_of(program.process()).signal(Signal::KILL);
    let finished = program.finish();
    assert!(finished.failed(2).contains("ended from outside, with signal 9"), "{finished:?}");
    assert_eq!(watcher.report().clients[0].status, Status::Aborted);
    place.is_clean();
}

/// A small disk of its own; only who is root can have one.
struct SmallDisk(Place);

impl SmallDisk {
    fn mount(mb: u32) -> Option<SmallDisk> {
        let place = Place::new();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mb}m"), "tmpfs"]).arg(place.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            println!("passed over: a small disk can only be mounted by root");
            return None;
        }
        Some(SmallDisk(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn a_full_disk_is_told_with_what_was_free_and_needed() {
    let (hub, Some(disk)) = (with_door("fleet"), SmallDisk::mount(50)) else { return };
    let mut watcher = Watcher::of(&hub);
    let mut command = client(hub.door_addr("fleet"), disk.0.path(), 60);
    command.args(["--quiet"]);
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![1; 35_000_000]).unwrap();
    let finished = Program::start(command).finish();
    assert!(finished.failed(2).contains("two files need 20.0 MB, and 17.4 MB are free"), "{finished:?}");
    std::fs::remove_file(&ballast).unwrap();
    disk.0.is_clean();

    let mut program = of_hub(&hub, &disk.0, 60);
    program.says_aside("started");
    // Somebody else takes meanwhile whatever becomes free.
    let writer = writer_of(program.process());
    let mut greedy = std::fs::File::create(&ballast).unwrap();
    while writer.is_alive() {
        let _ = greedy.write_all(&[1; 100_000]);
    }
    drop(greedy);
    let finished = program.finish();
    let told = finished.failed(2);
    assert!(told.contains("the disk is full: file") && told.contains("were free in"), "{told}");
    assert_eq!(watcher.report().clients[0].status, Status::Aborted);
    std::fs::remove_file(&ballast).unwrap();
    disk.0.is_clean();
}

#[test]
fn the_writer_keeps_its_hands_off_other_folders() {
    let place = TempDir::with_prefix("hubbub-fleet-").unwrap();
    std::fs::write(place.path().join("precious"), "data").unwrap();
    let mut command = hubbub_command();
    command.args(["fleet", "writer"]).arg(place.path()).args(["10", "20", "1000000"]);
    let finished = Program::start(command).finish();
    assert!(finished.failed(2).contains("fresh folder"), "{finished:?}");
    assert_eq!(std::fs::read_to_string(place.path().join("precious")).unwrap(), "data");
}
