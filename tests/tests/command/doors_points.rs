//! `hubbub points`: the client side of the points door, and its experiment.

use hubbub_tests::program::hubbub_command;
use hubbub_tests::{hub, Finished, Hub, Program};

fn with_door() -> Hub {
    hub::builder().args(["--door", "points=127.0.0.1:0"]).start()
}

fn points(hub: &Hub, words: &[&str]) -> Finished {
    let mut command = hubbub_command();
    command.arg("points").args(["--at", &hub.door_addr("points").to_string()]).args(words);
    Program::start(command).finish()
}

#[test]
fn two_points_are_told_and_never_the_same() {
    let hub = with_door();
    let (one, two) = (points(&hub, &[]), points(&hub, &[]));
    assert_ne!(one.ok(), two.ok());
    let lines: Vec<&str> = one.ok().lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].starts_with("First point:  A ( ") && lines[1].starts_with("Second point: B ( "),
        "{one:?}"
    );
    for line in lines {
        let numbers = line.split(['(', ',', ')']).skip(1).take(2).map(|number| number.trim());
        for number in numbers {
            assert_eq!(number.split_once('.').unwrap().1.len(), 12, "{line}");
            assert!((-1.0..=1.0).contains(&number.parse::<f64>().unwrap()), "{line}");
        }
    }
}

#[test]
fn five_hundred_clients_at_once_are_all_served() {
    let hub = with_door();
    let svg = hub.dir().join("points.svg");
    let words = ["--clients", "500", "--at-once", "500", "--json", "--svg", svg.to_str().unwrap()];
    let report = points(&hub, &words).json().remove(0);
    assert_eq!((&report["door"]["served"], &report["door"]["most_at_once"]), (&500.into(), &500.into()));
    // Of the other the kernel may lose some, by SYN cookies; all are accounted for.
    let count = |part: &serde_json::Value| part.as_u64().unwrap();
    let failed = report["blocking"]["failed"].as_object().unwrap().values().map(count).sum::<u64>();
    assert_eq!(count(&report["blocking"]["served"]) + failed, 500, "{report}");
    assert!(std::fs::read_to_string(svg).unwrap().contains("500 clients, 500 at once"));
    let words = ["--clients", "300", "--at-once", "20", "--no-comparison"];
    let table = points(&hub, &words);
    assert!(table.ok().contains("the door at") && !table.ok().contains("blocking"), "{table:?}");
}
