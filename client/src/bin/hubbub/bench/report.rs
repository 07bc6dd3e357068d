//! The figures of a run, as tables for people or as one line of JSON. Pure but for its last step.

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::ping::short;
use crate::style::Style;
use crate::table::{Side, Table};
use hdrhistogram::Histogram;
use serde_json::{json, Map, Value};
use std::time::Duration;

/// The longest delay that is told apart; three digits of each are kept.
const MAX_DELAY_NS: u64 = 3_600_000_000_000;
/// Which percentiles are told, and their keys in JSON.
const PERCENTILES: [(f64, &str, &str); 4] =
    [(50.0, "P50", "p50"), (90.0, "P90", "p90"), (99.0, "P99", "p99"), (99.9, "P99.9", "p99_9")];

/// Delays of one kind.
#[derive(Debug, Clone)]
pub struct Delays(Histogram<u64>);

impl Delays {
    pub fn new() -> Self {
        Delays(Histogram::new_with_bounds(1, MAX_DELAY_NS, 3).expect("these bounds are allowed"))
    }

    pub fn record(&mut self, delay: Duration) {
        self.0.saturating_record(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn add(&mut self, others: &Delays) {
        self.0.add(&others.0).expect("all have the same bounds");
    }

    /// The delay that so many percent do not exceed.
    pub fn at(&self, percentile: f64) -> Duration {
        Duration::from_nanos(self.0.value_at_percentile(percentile).min(self.0.max()))
    }

    /// One of these delays in words; `-` where none was recorded.
    pub fn told(&self, delay: Duration) -> String {
        match self.count() {
            0 => "-".to_owned(),
            _ => short(delay),
        }
    }

    /// The longest one.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The delays in their order, as exact as they are kept, each with how many are not longer.
    pub fn steps(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.0.iter_recorded().scan(0, |sum, step| {
            *sum += step.count_at_value();
            Some((Duration::from_nanos(step.value_iterated_to()), *sum))
        })
    }
}

/// What the clients of one role did together.
#[derive(Debug)]
pub struct Role {
    pub name: &'static str,
    pub clients: u64,
    pub messages: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    pub time: Duration,
}

/// The figures of a run.
#[derive(Debug)]
pub struct Report {
    pub kind: &'static str,
    /// The channels or the service.
    pub target: String,
    pub roles: Vec<Role>,
    /// What was measured, with its key in JSON.
    pub delays: Vec<(&'static str, Delays)>,
    /// Since when delays count.
    pub since: &'static str,
    /// The rate that was asked for, and that was reached by the first role.
    pub rate: Option<u64>,
    /// What was counted beside, with its key in JSON.
    pub counts: Vec<(&'static str, u64)>,
    /// What must not be, in words; empty when all went well.
    pub trouble: String,
}

impl Report {
    /// Prints the figures; what was lost makes it a failure.
    pub fn finish(&self, json: bool) -> Result<(), Failure> {
        let mut out = Output::new();
        match json {
            true => out.text(&format!("{}\n", self.json()))?,
            false => out.text(&self.text(out.style))?,
        }
        out.flush()?;
        match self.trouble.as_str() {
            "" => Ok(()),
            trouble => Err(Failure::new(Exit::Refused, trouble)),
        }
    }

    fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("bench".into(), self.kind.into());
        all.insert("target".into(), self.target.as_str().into());
        for role in &self.roles {
            let rates = json!({
                "clients": role.clients,
                "messages": role.messages,
                "bytes": role.bytes,
                "seconds": round(role.time.as_secs_f64(), 6),
                "messages_per_s": a_second(role.messages, role.time).map(|r| round(r, 1)),
                "mib_per_s": mib_a_second(role.bytes, role.time).map(|r| round(r, 3)),
            });
            all.insert(role.name.into(), rates);
        }
        for (what, delays) in &self.delays {
            let us = |delay: Duration| round(delay.as_nanos() as f64 / 1e3, 1);
            let mut figures = Map::new();
            figures.insert("count".into(), delays.count().into());
            for (percentile, _, key) in PERCENTILES {
                figures.insert(key.into(), us(delays.at(percentile)).into());
            }
            figures.insert("max".into(), us(delays.max()).into());
            figures.insert("since".into(), self.since.into());
            all.insert(format!("{}_us", what.replace(' ', "_")), figures.into());
        }
        if let Some(rate) = self.rate {
            all.insert("rate".into(), rate.into());
        }
        for (what, count) in &self.counts {
            all.insert((*what).into(), (*count).into());
        }
        all.into()
    }

    fn text(&self, style: Style) -> String {
        let mut table = Table::new(&[
            ("", Side::Left),
            ("CLIENTS", Side::Right),
            ("MESSAGES", Side::Right),
            ("SECONDS", Side::Right),
            ("MESSAGES/S", Side::Right),
            ("MIB/S", Side::Right),
        ]);
        for role in &self.roles {
            table.row([
                role.name.to_owned(),
                grouped(role.clients),
                grouped(role.messages),
                format!("{:.3}", role.time.as_secs_f64()),
                a_second(role.messages, role.time).map_or("-".into(), |rate| grouped(rate.round() as u64)),
                mib_a_second(role.bytes, role.time).map_or("-".into(), |rate| format!("{rate:.2}")),
            ]);
        }
        let mut text = table.render(style);
        let mut table = Table::new(&[
            ("DELAYS", Side::Left),
            (PERCENTILES[0].1, Side::Right),
            (PERCENTILES[1].1, Side::Right),
            (PERCENTILES[2].1, Side::Right),
            (PERCENTILES[3].1, Side::Right),
            ("MAX", Side::Right),
        ]);
        for (what, delays) in &self.delays {
            let [p50, p90, p99, p99_9] = PERCENTILES.map(|(percentile, ..)| short(delays.at(percentile)));
            table.row([format!("{what}, from {}", self.since), p50, p90, p99, p99_9, short(delays.max())]);
        }
        let delays = table.render(style);
        if !delays.is_empty() {
            text.push('\n');
            text.push_str(&delays);
        }
        let counts = self.counts.iter().filter(|(what, n)| *what == "lost" || *n > 0);
        let counts: Vec<String> = counts.map(|(what, n)| format!("{what} {}", grouped(*n))).collect();
        if !counts.is_empty() {
            text.push_str(&format!("\n{}\n", counts.join(", ")));
        }
        if let Some(words) = self.too_slow() {
            text.push_str(&format!("{words}\n"));
        }
        text
    }

    /// Whether the rate was missed by more than the end of the run explains.
    fn too_slow(&self) -> Option<String> {
        let (rate, role) = (self.rate?, self.roles.first()?);
        let reached = a_second(role.messages, role.time)?;
        (reached < rate as f64 * 0.95).then(|| {
            format!(
                "{} a second were asked for, and {} reached",
                grouped(rate),
                grouped(reached.round() as u64)
            )
        })
    }
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// How many a second that is; none in no time.
pub fn a_second(count: u64, time: Duration) -> Option<f64> {
    (!time.is_zero()).then(|| count as f64 / time.as_secs_f64())
}

fn mib_a_second(bytes: u64, time: Duration) -> Option<f64> {
    a_second(bytes, time).map(|rate| rate / f64::from(1 << 20))
}

/// A number with so many digits behind the point.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut delays = Delays::new();
        (1..=1000u64).for_each(|us| delays.record(Duration::from_micros(us)));
        let time = Duration::from_millis(500);
        Report {
            kind: "pub",
            target: "ops".into(),
            roles: vec![Role { name: "publishers", clients: 2, messages: 100_000, bytes: 1 << 20, time }],
            delays: vec![("end to end", delays)],
            since: "sending",
            rate: Some(400_000),
            counts: vec![("lost", 0), ("gaps", 0), ("repeated", 3)],
            trouble: String::new(),
        }
    }

    #[test]
    fn people_see_tables() {
        assert_eq!(
            report().text(Style::PLAIN),
            "            CLIENTS  MESSAGES  SECONDS  MESSAGES/S  MIB/S\n\
             publishers        2   100,000    0.500     200,000   2.00\n\
             \n\
             DELAYS                       P50     P90     P99   P99.9     MAX\n\
             end to end, from sending  500 µs  900 µs  990 µs  1.0 ms  1.0 ms\n\
             \n\
             lost 0, repeated 3\n\
             400,000 a second were asked for, and 200,000 reached\n"
        );
    }

    #[test]
    fn programs_see_one_object() {
        let json = report().json();
        assert_eq!(json["publishers"]["messages_per_s"], 200_000.0);
        assert_eq!(json["publishers"]["mib_per_s"], 2.0);
        assert_eq!(json["end_to_end_us"]["count"], 1000);
        let p99 = json["end_to_end_us"]["p99"].as_f64().expect("a number");
        assert!((989.0..991.0).contains(&p99), "{p99}");
        assert_eq!((&json["lost"], &json["repeated"]), (&json!(0), &json!(3)));
    }

    #[test]
    fn nothing_in_no_time_is_no_rate() {
        assert_eq!(a_second(5, Duration::ZERO), None);
        let roles =
            vec![Role { name: "subscribers", clients: 1, messages: 1, bytes: 9, time: Duration::ZERO }];
        let report = Report { roles, rate: None, delays: Vec::new(), ..report() };
        assert!(
            report.text(Style::PLAIN).contains("1    0.000           -      -"),
            "{}",
            report.text(Style::PLAIN)
        );
        assert_eq!(report.json()["subscribers"]["mib_per_s"], Value::Null);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
