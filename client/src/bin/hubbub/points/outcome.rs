//! The outcome of the experiment: for people as two tables, for programs as one object. Pure.

use super::blocking::BACKLOG;
use super::crowd::{Outcome, Reason, REASONS};
use crate::bench::report::{grouped, round};
use crate::exit::{Exit, Failure};
use crate::style::Style;
use crate::table::{Side as Flush, Table};
use serde_json::{json, Map, Value};
use std::time::Duration;

/// One server's part of the experiment.
#[derive(Debug)]
pub struct Side {
    pub name: String,
    pub outcome: Outcome,
}

/// The experiment: the door first, then what it is compared with.
#[derive(Debug)]
pub struct Report {
    pub clients: u64,
    pub at_once: u64,
    pub limit: Duration,
    pub sides: Vec<Side>,
}

/// Keys of the sides in JSON.
const KEYS: [&str; 2] = ["door", "blocking"];

impl Report {
    /// For people.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!(
            "{} clients, {} at once, {} for each\n\n",
            grouped(self.clients),
            grouped(self.at_once),
            humantime::format_duration(self.limit)
        );
        let mut table = Table::new(&[
            ("", Flush::Left),
            ("SERVED", Flush::Right),
            (REASONS[0].1, Flush::Right),
            (REASONS[1].1, Flush::Right),
            (REASONS[2].1, Flush::Right),
            (REASONS[3].1, Flush::Right),
            (REASONS[4].1, Flush::Right),
            (REASONS[5].1, Flush::Right),
            ("MOST AT ONCE", Flush::Right),
            ("SECONDS", Flush::Right),
        ]);
        for Side { name, outcome } in &self.sides {
            let [refused, reset, closed, timed_out, wrong, other] = outcome.failed.map(grouped);
            table.row([
                name.clone(),
                grouped(outcome.served()),
                refused,
                reset,
                closed,
                timed_out,
                wrong,
                other,
                grouped(outcome.most_at_once),
                format!("{:.3}", outcome.time.as_secs_f64()),
            ]);
        }
        text.push_str(&table.render(style));
        let mut table = Table::new(&[
            ("DELAYS, CONNECT TO CLOSE", Flush::Left),
            ("P50", Flush::Right),
            ("P90", Flush::Right),
            ("P99", Flush::Right),
            ("P99.9", Flush::Right),
            ("MAX", Flush::Right),
        ]);
        for Side { name, outcome } in &self.sides {
            let [p50, p90, p99, p99_9, max] = figures(outcome).map(|delay| outcome.delays.told(delay));
            table.row([name.clone(), p50, p90, p99, p99_9, max]);
        }
        text.push('\n');
        text.push_str(&table.render(style));
        if self.sides.len() > 1 {
            text.push_str(&format!(
                "\nThe blocking server serves one client after the other, and {BACKLOG} may wait. The others are not \
                 refused:\nTCP tries them again after 1, 3, 7 and 15 s. Where Linux had to answer with SYN cookies, \
                 it does not\nremember them: such a client believes that it is connected, and waits in vain.\n"
            ));
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("clients".into(), self.clients.into());
        all.insert("at_once".into(), self.at_once.into());
        all.insert("limit_s".into(), self.limit.as_secs_f64().into());
        for (key, Side { name, outcome }) in KEYS.iter().zip(&self.sides) {
            let us = figures(outcome).map(|delay| round(delay.as_nanos() as f64 / 1e3, 1));
            let counts = REASONS.iter().zip(outcome.failed);
            let failed: Map<String, Value> =
                counts.map(|((_, _, key), count)| ((*key).to_owned(), count.into())).collect();
            let side = json!({
                "name": name,
                "served": outcome.served(),
                "failed": failed,
                "first_failure": outcome.first_failure,
                "most_at_once": outcome.most_at_once,
                "seconds": round(outcome.time.as_secs_f64(), 6),
                "delay_us": { "p50": us[0], "p90": us[1], "p99": us[2], "p99_9": us[3], "max": us[4] },
            });
            all.insert((*key).into(), side);
        }
        if self.sides.len() > 1 {
            all[KEYS[1]]["backlog"] = BACKLOG.into();
        }
        all.into()
    }

    /// What failed at the door makes the command fail; what the comparison fails in is its outcome.
    pub fn trouble(&self) -> Option<Failure> {
        let Side { name, outcome } = self.sides.first()?;
        let why = outcome.first_failure.as_ref()?;
        let failed = outcome.clients - outcome.served();
        let (of, failed) = (grouped(outcome.clients), grouped(failed));
        let exit = if outcome.failed_by(Reason::Refused) == outcome.clients {
            Exit::NoConnection
        } else if outcome.failed_by(Reason::TimedOut) == outcome.clients {
            Exit::TimeLimit
        } else {
            Exit::Refused
        };
        Some(Failure::new(
            exit,
            format!("{name}: {failed} of {of} clients were not served; the first: {why}"),
        ))
    }
}

fn figures(outcome: &Outcome) -> [Duration; 5] {
    let at = |percentile| outcome.delays.at(percentile);
    [at(50.0), at(90.0), at(99.0), at(99.9), outcome.delays.max()]
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::bench::report::Delays;

    /// A thousand clients, of which the blocking server lets five time out.
    pub fn example() -> Report {
        let outcome = |scale: u64, served: u64| {
            let mut delays = Delays::new();
            (1..=served).for_each(|n| delays.record(Duration::from_micros(n * scale)));
            let failed = [0, 0, 0, 1000 - served, 0, 0];
            let first_failure = (served < 1000).then(|| "no answer in 30s".to_owned());
            let time = Duration::from_micros(served * scale);
            Outcome { clients: 1000, delays, failed, first_failure, most_at_once: 500, time }
        };
        let side = |name: &str, outcome| Side { name: name.into(), outcome };
        Report {
            clients: 1000,
            at_once: 500,
            limit: Duration::from_secs(30),
            sides: vec![
                side("the door at 127.0.0.1:5000", outcome(10, 1000)),
                side("blocking, backlog 128", outcome(1000, 995)),
            ],
        }
    }

    #[test]
    fn people_see_both_side_by_side() {
        let text = example().text(Style::PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "1,000 clients, 500 at once, 30s for each");
        let row = |line: usize| {
            lines[line].split("  ").map(str::trim).filter(|c| !c.is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(
            row(3),
            ["the door at 127.0.0.1:5000", "1,000", "0", "0", "0", "0", "0", "0", "500", "0.010"]
        );
        assert_eq!(row(4), ["blocking, backlog 128", "995", "0", "0", "0", "5", "0", "0", "500", "0.995"]);
        assert_eq!(row(7)[1..], ["5.0 ms", "9.0 ms", "9.9 ms", "10.0 ms", "10.0 ms"]);
        assert!(text.contains("128 may wait"), "{text}");
    }

    #[test]
    fn programs_see_one_object() {
        let json = example().json();
        assert_eq!(
            (&json["door"]["served"], &json["blocking"]["failed"]["timed_out"]),
            (&1000.into(), &5.into())
        );
        assert_eq!(json["blocking"]["backlog"], 128);
        assert!(json["door"]["delay_us"]["p99_9"].as_f64().is_some_and(|us| us > 9_900.0));
    }

    #[test]
    fn only_the_doors_failures_are_the_commands() {
        let mut report = example();
        assert!(report.trouble().is_none());
        report.sides.swap(0, 1);
        let failure = report.trouble().expect("five were not served");
        assert_eq!(failure.exit, Exit::Refused);
        assert!(failure.message.contains("5 of 1,000 clients were not served"), "{}", failure.message);
        report.sides[0].outcome.failed = [1000, 0, 0, 0, 0, 0];
        assert_eq!(report.trouble().map(|failure| failure.exit), Some(Exit::NoConnection));
    }
}
