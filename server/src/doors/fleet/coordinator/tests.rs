use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// A coordinator whose clock stands still unless it is moved.
struct Fleet {
    coordinator: Coordinator,
    now: Now,
}

impl Fleet {
    fn new() -> Fleet {
        let now = Now { instant: Instant::now(), unix_ms: 1_777_627_800_000 };
        Fleet { coordinator: Coordinator::new("alpha"), now }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.instant += Duration::from_secs(seconds);
        self.now.unix_ms += seconds as i64 * 1000;
    }

    fn verdict(&mut self, key: u64, line: &str) -> Verdict {
        let line = Line::parse(line.as_bytes()).expect("a line of the table");
        let who = || Who { client: format!("anon-{key}"), addr: format!("127.0.0.1:{key}") };
        self.coordinator.said(key, line, who, self.now)
    }

    /// What is sent, to whom.
    fn says(&mut self, key: u64, line: &str) -> Vec<(u64, String)> {
        assert_eq!(self.verdict(key, line), Verdict::Taken, "{key} said {line}");
        said(&self.effects())
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.coordinator.next()).collect()
    }

    fn gone(&mut self, key: u64) -> Vec<Effect> {
        self.coordinator.gone(key, "connection reset", self.now);
        self.effects()
    }
}

fn said(effects: &[Effect]) -> Vec<(u64, String)> {
    let say = |effect: &Effect| match effect {
        Effect::Say(key, line) => Some((*key, line.trim_end().to_owned())),
        _ => None,
    };
    effects.iter().filter_map(say).collect()
}

fn told(effects: &[Effect]) -> Vec<(String, Event)> {
    let tell = |effect: &Effect| match effect {
        Effect::Tell(_, channel, event) => Some((channel.clone(), event.clone())),
        _ => None,
    };
    effects.iter().filter_map(tell).collect()
}

fn report(effects: &[Effect]) -> Option<Report> {
    effects.iter().find_map(|effect| match effect {
        Effect::Report(_, report) => Some((**report).clone()),
        _ => None,
    })
}

#[test]
fn a_client_runs_from_its_id_to_the_report() {
    let mut fleet = Fleet::new();
    assert_eq!(fleet.says(1, "get_cid"), [(1, "set_cid:100".to_owned())]);
    assert_eq!(fleet.says(1, "file_stats:10:50"), []);
    assert_eq!(fleet.says(1, "ready"), [(1, "run_tests".to_owned())]);
    assert_eq!(fleet.says(1, "start"), []);
    for line in ["hb", "send_stats:10:1", "file_roll", "send_stats:20:2", "hb", "file_roll"] {
        fleet.pass(2);
        assert_eq!(fleet.says(1, line), []);
    }
    fleet.pass(3);
    assert_eq!(fleet.verdict(1, "done"), Verdict::Done);
    let effects = fleet.effects();
    let report = report(&effects).expect("the run has ended");
    assert_eq!(report.run, "alpha-20260501T093000Z");
    assert_eq!((report.passed, report.aborted, report.seconds), (1, 0, 15.0));
    let client = &report.clients[0];
    assert_eq!((client.id, client.status, client.reason.as_str()), (100, Status::Pass, "done"));
    assert_eq!((client.ran_s, client.files, client.heartbeats), (15.0, 2, 2));
    assert_eq!((client.cpu_percent, client.memory_percent), (Some(15.0), Some(1.5)));
    assert_eq!((client.file_mb, client.chunk_mb), (Some(50.0), Some(10.0)));
    let channels: Vec<String> = told(&effects).into_iter().map(|(channel, _)| channel).collect();
    assert_eq!(channels, ["fleet.alpha-20260501T093000Z.100", "fleet.alpha-20260501T093000Z.report"]);
    assert_eq!(fleet.gone(1), [], "who is done has gone already");
}

#[test]
fn the_sixth_waits_until_one_of_five_has_gone() {
    let mut fleet = Fleet::new();
    for key in 1..=5 {
        assert_eq!(fleet.says(key, "get_cid"), [(key, format!("set_cid:{}", 99 + key))]);
    }
    for key in 6..=8 {
        assert_eq!(fleet.verdict(key, "get_cid"), Verdict::Taken);
        let effects = fleet.effects();
        assert_eq!(said(&effects), []);
        let waiting = Event::Waiting { client: format!("anon-{key}"), place: key as usize - 5 };
        assert_eq!(told(&effects), [("fleet.alpha-20260501T093000Z.line".to_owned(), waiting)]);
    }
    assert!(matches!(fleet.verdict(6, "hb"), Verdict::Nonsense(_)), "it has no id yet");
    assert_eq!(said(&fleet.gone(7)), [], "who leaves the line is forgotten");
    fleet.pass(4);
    assert_eq!(fleet.verdict(2, "done"), Verdict::Done);
    let effects = fleet.effects();
    assert_eq!(said(&effects), [(6, "set_cid:105".to_owned())]);
    assert!(effects.contains(&Effect::Turn(6)));
    assert!(told(&effects).iter().any(|(_, event)| matches!(event, Event::Joined { waited_s: 4.0, .. })));
    assert_eq!(said(&fleet.gone(5)), [(8, "set_cid:106".to_owned())]);
    for key in [1, 3, 4, 6] {
        assert_eq!(report(&fleet.gone(key)), None);
    }
    let report = report(&fleet.gone(8)).expect("nobody is there any more");
    assert_eq!(
        report.clients.iter().map(|client| client.id).collect::<Vec<_>>(),
        (100..107).collect::<Vec<_>>()
    );
    assert_eq!((report.passed, report.aborted), (1, 6));
}

#[test]
fn who_goes_without_done_is_aborted() {
    let mut fleet = Fleet::new();
    fleet.says(1, "get_cid");
    fleet.says(1, "start");
    fleet.pass(3);
    let report = report(&fleet.gone(1)).expect("a report");
    let client = &report.clients[0];
    assert_eq!(
        (client.status, client.reason.as_str(), client.ran_s),
        (Status::Aborted, "connection reset", 3.0)
    );
    assert_eq!((client.cpu_percent, client.file_mb), (None, None));
}

#[test]
fn what_is_out_of_order_changes_nothing() {
    let mut fleet = Fleet::new();
    for line in ["ready", "start", "hb", "file_stats:1:2", "send_stats:1:1", "file_roll"] {
        assert_eq!(fleet.verdict(1, line), Verdict::Nonsense("get_cid comes first"), "{line}");
    }
    assert_eq!(fleet.verdict(1, "done"), Verdict::Done, "whoever is finished is let go");
    assert_eq!(fleet.effects(), []);
    assert_eq!(fleet.gone(1), [], "who never came leaves no run behind");
    fleet.says(1, "get_cid");
    for line in ["get_cid", "send_stats:1:1", "file_roll"] {
        assert!(matches!(fleet.verdict(1, line), Verdict::Nonsense(_)), "{line}");
    }
    fleet.says(1, "ready");
    assert!(matches!(fleet.verdict(1, "ready"), Verdict::Nonsense(_)));
    fleet.says(1, "start");
    for line in ["ready", "start"] {
        assert!(matches!(fleet.verdict(1, line), Verdict::Nonsense(_)), "{line}");
    }
    assert_eq!(fleet.effects(), []);
    fleet.coordinator.told_nonsense(1, "nope".into(), "unknown");
    assert!(matches!(told(&fleet.effects())[0].1, Event::Nonsense { id: 100, .. }));
}

#[test]
fn each_run_begins_at_100_and_has_a_name_of_its_own() {
    let mut fleet = Fleet::new();
    let mut names = BTreeSet::new();
    for _ in 0..3 {
        assert_eq!(fleet.says(1, "get_cid"), [(1, "set_cid:100".to_owned())]);
        names.insert(report(&fleet.gone(1)).expect("a report").run);
    }
    let wanted = ["alpha-20260501T093000Z", "alpha-20260501T093000Z-2", "alpha-20260501T093000Z-3"];
    assert!(names.iter().eq(wanted), "{names:?}");
    let mut odd = Coordinator::new("a.b[c]|d");
    assert_eq!(odd.name_run(fleet.now), "a-b-c--d-20260501T093000Z");
}

#[test]
fn a_run_that_is_full_ends_and_the_next_takes_the_line() {
    let mut fleet = Fleet::new();
    fleet.says(0, "get_cid");
    for key in 1..MAX_OF_A_RUN {
        fleet.says(key, "get_cid");
        fleet.gone(key);
    }
    assert_eq!(fleet.says(5000, "get_cid"), [], "the run is full, though only one is active");
    let effects = fleet.gone(0);
    assert_eq!(report(&effects).expect("a report").clients.len() as u64, MAX_OF_A_RUN);
    assert_eq!(said(&effects), [(5000, "set_cid:100".to_owned())]);
    let json = report(&effects).map(|report| report.to_json().len()).expect("a report");
    assert!(json < 256 << 10, "a full report has {json} bytes");
}

const LINES: [&str; 8] =
    ["get_cid", "ready", "file_stats:10:50", "start", "hb", "send_stats:5:1", "file_roll", "done"];

proptest! {
    /// Whatever is said in whatever order: five run at the most, ids are unique within a run, every
    /// client of a run is in its report once, and nothing is left when all have gone.
    #[test]
    fn the_run_ends_whatever_is_said(steps in proptest::collection::vec((0..9_u64, 0..9_usize), 0..200)) {
        let mut fleet = Fleet::new();
        let (mut reports, mut ids) = (Vec::new(), Vec::new());
        let everyone_leaves = (0..9_u64).map(|key| (key, LINES.len()));
        for (key, line) in steps.into_iter().chain(everyone_leaves) {
            match LINES.get(line) {
                Some(line) => drop(fleet.verdict(key, line)),
                None => fleet.coordinator.gone(key, "gone", fleet.now),
            }
            for effect in fleet.effects() {
                match effect {
                    Effect::Say(_, line) if line.starts_with("set_cid:") => ids.push(line),
                    Effect::Report(_, report) => {
                        let reported: BTreeSet<u64> = report.clients.iter().map(|client| client.id).collect();
                        prop_assert_eq!(reported.len(), report.clients.len());
                        prop_assert_eq!(report.clients.len(), ids.len());
                        prop_assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
                        ids.clear();
                        reports.push(report.run);
                    }
                    _ => {}
                }
            }
            let active = fleet.coordinator.run.as_ref().map_or(0, |run| run.active.len());
            prop_assert!(active <= MAX_ACTIVE);
            prop_assert!(active == MAX_ACTIVE || fleet.coordinator.line.is_empty());
            prop_assert_eq!(active == 0, fleet.coordinator.run.is_none());
        }
        prop_assert!(fleet.coordinator.run.is_none() && fleet.coordinator.line.is_empty() && ids.is_empty());
        prop_assert_eq!(reports.iter().collect::<BTreeSet<_>>().len(), reports.len());
    }
}
