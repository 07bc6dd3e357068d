//! The door `fleet`: every row of its table in raw bytes, five at once, reports, and whatever else may
//! come in at a door.

use super::{with, with_door};
use hubbub_shared::fleet::{Report, Status, EVERYTHING};
use hubbub_shared::Encoding;
use hubbub_tests::{wait, Client, Hub, Socket};
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A native client that hears everything that fleets do.
pub struct Watcher(Client);

impl Watcher {
    pub fn of(hub: &Hub) -> Watcher {
        let mut client = hub.client(Encoding::Json);
        client.ask(&format!("subscribe {EVERYTHING}")).ok();
        Watcher(client)
    }

    /// The next message: who said it, where, and what.
    pub fn next(&mut self) -> (String, String, Value) {
        let event = self.0.event();
        let text = |key| event.get(key).as_str().unwrap().to_owned();
        (text("from"), text("channel"), event.get("data").clone())
    }

    /// The next message of this kind; those before it are passed over.
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let (_, _, data) = self.next();
            if data["event"] == kind {
                return data;
            }
        }
    }

    /// The report of the run that ends next.
    pub fn report(&mut self) -> Report {
        serde_json::from_value(self.until("report")).unwrap()
    }
}

/// A client that has its id.
fn come(hub: &Hub, id: u64) -> Socket {
    let mut client = hub.door("fleet");
    client.send("get_cid\n");
    assert_eq!(client.must_line(), format!("set_cid:{id}"));
    client
}

/// The files of a run, once they are there.
fn files(hub: &Hub, run: &str) -> (String, String) {
    let path = |end: &str| -> PathBuf { hub.data_dir().join(format!("fleet/{run}.{end}")) };
    let read = |end: &str| wait::until("a report", || std::fs::read_to_string(path(end)).ok());
    (read("txt"), read("json"))
}

#[test]
fn every_row_of_the_table() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let mut client = hub.door("fleet");
    client.send("get_cid\n");
    assert_eq!(client.must_line(), "set_cid:100");
    client.send("file_stats:10:50\n");
    client.send("ready\n");
    assert_eq!(client.must_line(), "run_tests");
    client.send("start\nhb\nsend_stats:12.5:0.5\nsend_stats:7.5:1.5\nfile_roll\nfile_roll\nhb\n");
    client.send("done\n");
    assert_eq!(client.rest(), b"", "the server closes, and nothing else was answered");

    let mut events = Vec::new();
    let mut from = None;
    let report: Report = loop {
        let (said_by, channel, data) = watcher.next();
        let run = channel.split('.').nth(1).unwrap().to_owned();
        assert_eq!(*from.get_or_insert(said_by.clone()), said_by, "the client's own name on the hub");
        if data["event"] == "report" {
            assert_eq!(channel, format!("fleet.{run}.report"));
            break serde_json::from_value(data).unwrap();
        }
        assert_eq!((&*channel, &data["id"]), (&*format!("fleet.{run}.100"), &Value::from(100)));
        events.push(data["event"].as_str().unwrap().to_owned());
    };
    let told = [
        "joined",
        "file_stats",
        "ready",
        "started",
        "heartbeat",
        "stats",
        "stats",
        "file_roll",
        "file_roll",
        "heartbeat",
        "ended",
    ];
    assert_eq!(events, told);
    let row = &report.clients[0];
    assert_eq!((row.id, row.status, row.files, row.heartbeats), (100, Status::Pass, 2, 2));
    assert_eq!((row.cpu_percent, row.memory_percent), (Some(10.0), Some(1.0)));
    assert_eq!((row.file_mb, row.chunk_mb), (Some(50.0), Some(10.0)));

    let (text, json) = files(&hub, &report.run);
    assert_eq!(text, report.to_text());
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    hub.logged("1 passed, 0 aborted");
    let kept = hub.client(Encoding::Json).ask("history fleet.reports").json().clone();
    let last = kept["messages"][0]["data"].clone();
    assert_eq!(serde_json::from_value::<Report>(last).unwrap(), report);
}

#[test]
fn lines_may_come_in_any_pieces_and_with_carriage_returns() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let mut client = hub.door("fleet");
    for byte in b"get_cid\r\nready\r\n" {
        client.send([*byte]);
    }
    assert_eq!((client.must_line(), client.must_line()), ("set_cid:100".into(), "run_tests".into()));
    let mut all = hub.door("fleet");
    all.send("get_cid\nready\nfile_stats:10.5:21.25\nstart\nsend_stats:1e-05:0\ndone\nhb\nget_cid\n");
    assert_eq!(all.rest_lines(), ["set_cid:101", "run_tests"]);
    client.send("done\n");
    assert_eq!(client.rest(), b"");
    let report = watcher.report();
    assert_eq!(report.clients[1].file_mb, Some(21.25));
    assert_eq!((report.passed, report.aborted), (2, 0), "who is done passes, started or not");
}

#[test]
fn the_sixth_client_waits_in_line_until_one_of_five_has_gone() {
    let hub = with("fleet", &["--idle-timeout", "5s"]);
    let mut watcher = Watcher::of(&hub);
    let mut five: Vec<Socket> = (100..105).map(|id| come(&hub, id)).collect();
    let mut waiting: Vec<Socket> = Vec::new();
    for place in 1..=3 {
        let mut client = hub.door("fleet");
        client.send("get_cid\n");
        assert_eq!(watcher.until("waiting")["place"], place);
        waiting.push(client);
    }
    // Silent in line for longer than anybody else may be.
    let until = Instant::now() + Duration::from_millis(5500);
    while Instant::now() < until {
        five.iter_mut().for_each(|client| client.send("hb\n"));
        assert_eq!(waiting[0].line_within(Duration::from_millis(300)), None);
    }
    drop(waiting.remove(1));
    watcher.until("left_line");
    five[2].send("done\n");
    assert_eq!(five[2].rest(), b"");
    assert_eq!(waiting[0].must_line(), "set_cid:105");
    // From its id on, which comes after this moment, its silence counts.
    let said = Instant::now();
    five.remove(0).reset();
    assert_eq!(waiting[1].must_line(), "set_cid:106");
    five.clear();
    assert_eq!(waiting[1].rest(), b"");
    assert!(said.elapsed() >= Duration::from_millis(4500), "{:?}", said.elapsed());
    assert_eq!(waiting[0].rest(), b"");
    let report = watcher.report();
    assert_eq!(report.clients.iter().map(|c| c.id).collect::<Vec<_>>(), (100..107).collect::<Vec<_>>());
    assert_eq!((report.passed, report.aborted), (1, 6));
    assert!(report.clients[5].reason.contains("no line came within 5 s"), "{report:?}");
}

#[test]
fn who_goes_without_done_is_aborted() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let mut finished = come(&hub, 100);
    let (mut reset, mut unfinished) = (come(&hub, 101), come(&hub, 102));
    reset.send("ready\nstart\nsend_stats:5:1\n");
    assert_eq!(reset.must_line(), "run_tests");
    watcher.until("stats");
    reset.reset();
    unfinished.send("done");
    unfinished.finish();
    assert_eq!(unfinished.rest(), b"");
    finished.send("done\n");
    assert_eq!(finished.rest(), b"");
    let report = watcher.report();
    let statuses: Vec<Status> = report.clients.iter().map(|client| client.status).collect();
    assert_eq!(statuses, [Status::Pass, Status::Aborted, Status::Aborted]);
    assert_eq!(report.clients[1].cpu_percent, Some(5.0));
}

#[test]
fn what_makes_no_sense_is_answered_with_nothing_and_the_run_goes_on() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let mut client = hub.door("fleet");
    client.send("hb\nready\nstart\nhello\nget_cid:1\nget_cid\n");
    assert_eq!(client.must_line(), "set_cid:100");
    client.send("get_cid\nfile_stats:10\n\n{\"op\":\"ping\"}\nsend_stats:1:2\nfile_roll\n");
    client.send(b"hb\0\n\xff\xfe\xfd\nh\x1b[2J\nGET_CID\nset_cid:1\nfile_stats:a:b\nfile_stats:0:5\n");
    client.send("ready\n");
    assert_eq!(client.must_line(), "run_tests");
    client.send("ready\nstart\nstart\nready\nsend_stats:nan:1\nsend_stats:1:inf\nsend_stats:-1:1\ndone\n");
    assert_eq!(client.rest(), b"");
    let told = watcher.until("nonsense");
    assert!(told["why"].as_str().is_some_and(|why| !why.is_empty()), "{told}");
    let report = watcher.report();
    let row = &report.clients[0];
    assert_eq!((row.status, row.cpu_percent, row.files), (Status::Pass, None, 0));
    let log = hub.logged("makes no sense: get_cid comes first");
    assert!(!log.contains("\x1b[2J"), "nothing of it moves a cursor");
}

#[test]
fn what_is_said_in_line_is_heard_when_the_turn_comes() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let mut five: Vec<_> = (100..105).map(|id| come(&hub, id)).collect();
    let session = "get_cid\nfile_stats:10:50\nready\nstart\nhb\nsend_stats:12.5:0.5\nfile_roll\ndone\n";
    let mut waiting = [hub.door("fleet"), hub.door("fleet")];
    for socket in &mut waiting {
        socket.send(session);
        wait::until("its place", || (watcher.until("waiting")["event"] == "waiting").then_some(()));
    }
    // One of them waits with its side closed.
    waiting[1].finish();
    five.remove(0).reset();
    five.remove(0).reset();
    for (id, socket) in (105..).zip(&mut waiting) {
        let heard = String::from_utf8(socket.rest()).unwrap();
        assert_eq!(heard, format!("set_cid:{id}\nrun_tests\n"));
    }
    drop(five);
    let report = watcher.report();
    let passed: Vec<u64> = report.clients.iter().filter(|c| c.status == Status::Pass).map(|c| c.id).collect();
    assert_eq!(passed, [105, 106]);
}

#[test]
fn whoever_is_done_before_it_came_is_let_go() {
    let hub = with_door("fleet");
    let mut client = hub.door("fleet");
    client.send("done\n");
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_flood_of_nonsense_fills_no_log_and_disturbs_nobody() {
    let hub = with_door("fleet");
    let mut good = come(&hub, 100);
    let mut bad = come(&hub, 101);
    let flood = "nonsense\n".repeat(20_000);
    bad.send(&flood);
    bad.send("ready\n");
    assert_eq!(bad.must_line(), "run_tests");
    good.send("ready\n");
    assert_eq!(good.must_line(), "run_tests");
    let lines = hub.logged("makes no sense").lines().filter(|line| line.contains("makes no sense")).count();
    assert!((1..200).contains(&lines), "{lines} lines");
}

#[test]
fn a_line_without_an_end_closes_that_client_only() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let (mut good, mut bad) = (come(&hub, 100), come(&hub, 101));
    let long = vec![b'x'; 70 << 10];
    // The hub may have closed before all of it was sent.
    let _ = bad.try_send(&long);
    assert_eq!(bad.rest(), b"");
    assert_eq!(watcher.until("ended")["id"], 101);
    good.send("ready\n");
    assert_eq!(good.must_line(), "run_tests");
    let mut exact = vec![b'y'; 64 << 10];
    exact.push(b'\n');
    good.send(&exact);
    good.send("done\n");
    assert_eq!(good.rest(), b"");
    let report = watcher.report();
    assert_eq!((report.passed, report.aborted), (1, 1));
    let closed = hub.client(Encoding::Json).ask("clients closed").json().to_string();
    assert!(closed.contains("too-large"), "{closed}");
}

#[test]
fn silence_ends_a_client() {
    let hub = with("fleet", &["--idle-timeout", "1s"]);
    let mut watcher = Watcher::of(&hub);
    let (mut silent, mut dripping) = (hub.door("fleet"), hub.door("fleet"));
    let began = Instant::now();
    let mut came = come(&hub, 100);
    dripping.send("get");
    assert_eq!(silent.rest(), b"");
    assert_eq!(dripping.rest(), b"", "an unfinished line is no sign of life");
    assert_eq!(came.rest(), b"");
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    let report = watcher.report();
    assert_eq!((report.clients.len(), report.aborted), (1, 1));
}

#[test]
fn its_clients_are_listed_like_any_other() {
    let hub = with_door("fleet");
    let _client = come(&hub, 100);
    let list = hub.client(Encoding::Json).ask("clients").json().clone();
    let encodings: Vec<&Value> = list["clients"].as_array().unwrap().iter().map(|c| &c["encoding"]).collect();
    assert!(encodings.contains(&&Value::from("fleet")), "{list}");
}

#[test]
fn each_run_has_its_report_and_begins_at_100() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    let mut runs = Vec::new();
    for _ in 0..3 {
        let mut client = come(&hub, 100);
        client.send("done\n");
        assert_eq!(client.rest(), b"");
        runs.push(watcher.report().run);
    }
    runs.dedup();
    assert_eq!(runs.len(), 3, "{runs:?}");
    runs.iter().for_each(|run| assert!(files(&hub, run).0.starts_with("Fleet run ")));
    let kept = hub.client(Encoding::Json).ask("history fleet.reports").json().clone();
    assert_eq!(kept["messages"].as_array().map(Vec::len), Some(3));
    assert!(hub.client(Encoding::Text).ask("topic fleet.reports").ok().contains("reports of test fleets"));
}

#[test]
fn a_folder_that_cannot_be_written_costs_the_file_and_not_the_report() {
    let hub = with_door("fleet");
    let mut watcher = Watcher::of(&hub);
    std::fs::write(hub.data_dir().join("fleet"), "a file where the folder should be").unwrap();
    let mut client = come(&hub, 100);
    client.send("done\n");
    assert_eq!(client.rest(), b"");
    assert_eq!(watcher.report().passed, 1);
    hub.logged("but not on the disk");
    let _next = come(&hub, 100);
}

#[test]
fn a_server_that_stops_writes_the_report_first() {
    let mut hub = with_door("fleet");
    let mut done = come(&hub, 100);
    let (mut going, mut waiting) = (come(&hub, 101), hub.door("fleet"));
    going.send("ready\nstart\n");
    assert_eq!(going.must_line(), "run_tests");
    done.send("done\n");
    assert_eq!(done.rest(), b"");
    let began = Instant::now();
    hub.terminate();
    assert_eq!((going.rest(), waiting.rest()), (vec![], vec![]));
    drop((going, waiting));
    assert!(hub.wait_end().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let reports = std::fs::read_dir(hub.data_dir().join("fleet")).unwrap().flatten();
    let json = reports.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "json"));
    let report: Report = serde_json::from_str(&std::fs::read_to_string(json.unwrap()).unwrap()).unwrap();
    assert_eq!((report.passed, report.aborted), (1, 1));
    assert_eq!(report.clients[1].reason, "the server stopped");
}

#[test]
fn many_at_once_on_several_threads_are_all_served_and_reported_in_order() {
    const CLIENTS: usize = 40;
    let hub = with("fleet", &["--threads", "4"]);
    let mut watcher = Watcher::of(&hub);
    // Stays for as long as the others need, so that all of them are of one run.
    let mut first = come(&hub, 100);
    let testers: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let mut client = hub.door("fleet");
            std::thread::spawn(move || {
                client.send("get_cid\n");
                let id: u64 = client.must_line().strip_prefix("set_cid:").unwrap().parse().unwrap();
                client.send("ready\n");
                assert_eq!(client.must_line(), "run_tests");
                client.send("start\nhb\nfile_roll\n");
                if n % 2 == 0 {
                    client.send("done\n");
                    assert_eq!(client.rest(), b"");
                } else {
                    client.reset();
                }
                id
            })
        })
        .collect();
    let mut ids: Vec<u64> = testers.into_iter().map(|tester| tester.join().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (101..101 + CLIENTS as u64).collect::<Vec<_>>());
    first.send("done\n");
    assert_eq!(first.rest(), b"");
    let (mut active, mut ended) = (0, 0);
    let report: Report = loop {
        let (_, _, data) = watcher.next();
        match data["event"].as_str().unwrap() {
            "joined" => active += 1,
            "ended" => (active, ended) = (active - 1, ended + 1),
            "report" => break serde_json::from_value(data).unwrap(),
            _ => {}
        }
        assert!((0..=5).contains(&active), "{active} at once");
    };
    assert_eq!((ended, report.clients.len()), (CLIENTS + 1, CLIENTS + 1), "the report comes last");
    assert_eq!(report.passed, CLIENTS as u64 / 2 + 1);
}

#[test]
fn a_subscriber_on_another_server_sees_the_run_too() {
    let run_dir = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        let hub = hubbub_tests::hub::builder().run_dir(run_dir.path()).name(name);
        hub.args(["--door", "fleet=127.0.0.1:0"]).start()
    };
    let (alpha, beta) = (start("alpha"), start("beta"));
    let mut asker = beta.client(Encoding::Json);
    wait::until("the servers to be linked", || {
        let servers = asker.ask("servers").json()["servers"].to_string();
        (servers.matches("alive").count() == 2).then_some(())
    });
    let mut watcher = Watcher::of(&beta);
    let mut client = come(&alpha, 100);
    client.send("done\n");
    assert_eq!(client.rest(), b"");
    let report = watcher.report();
    assert!(report.run.starts_with("alpha-") && report.passed == 1, "{report:?}");
}
