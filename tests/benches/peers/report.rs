//! What was measured: medians and ratios, as a table for people and as JSON for machines. Pure.

use crate::peers::{Peer, Role};
use crate::works::{Row, Sample, Unit, Work};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The version of the JSON shape.
const SHAPE: u32 = 1;

/// A core counts as full from here on.
const FULL: f64 = 0.95;

/// What others may use of the cores before rates and times are in doubt: a guess.
const QUIET: f64 = 0.03;

/// What one run gave.
pub enum Cell {
    Measured(Vec<Sample>),
    /// The protocol has no such thing.
    NotThere,
    Failed(String),
}

/// Where and how it was measured.
#[derive(Serialize)]
pub struct Machine {
    shape: u32,
    command: String,
    kernel: String,
    cpu: String,
    /// Share of the two cores that other programs used meanwhile.
    pub others_busy: f64,
    rounds: u32,
    seconds: f64,
    versions: BTreeMap<&'static str, String>,
    missing: Vec<String>,
}

/// All results of one invocation.
pub struct Report {
    pub machine: Machine,
    pub rows: Vec<&'static Row>,
    pub peers: Vec<&'static Peer>,
    /// By row and peer.
    entries: BTreeMap<(&'static str, &'static str), Entry>,
}

/// The runs of one server for one row.
#[derive(Default)]
pub struct Entry {
    samples: Vec<Sample>,
    failures: Vec<String>,
}

/// Medians of the runs of one server for one row.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Median {
    pub value: f64,
    pub cpu_us: Option<f64>,
    /// Of each of two servers.
    pub sides_us: Option<[f64; 2]>,
    pub load_busy: f64,
    pub server_busy: f64,
}

/// How often better than the best peer and than the kernel's limit; over 1 is better.
#[derive(Debug, Default, Serialize)]
pub struct Ratios {
    pub value_to_best_peer: Option<f64>,
    pub value_to_kernel: Option<f64>,
    pub cpu_to_best_peer: Option<f64>,
    pub cpu_to_kernel: Option<f64>,
}

impl Machine {
    pub fn here(
        rounds: u32,
        seconds: f64,
        versions: BTreeMap<&'static str, String>,
        missing: Vec<String>,
    ) -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let cpu = info.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or_default();
        let arguments: Vec<_> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
        Machine {
            shape: SHAPE,
            command: format!("cargo bench -p hubbub-tests --bench peers -- {}", arguments.join(" ")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: cpu.trim_start_matches([' ', '\t', ':']).to_owned(),
            others_busy: 0.0,
            rounds,
            seconds,
            versions,
            missing,
        }
    }
}

impl Entry {
    /// The processor time of one of two servers.
    fn side(&self, at: usize) -> Option<f64> {
        median(self.samples.iter().filter_map(|s| Some(s.sides_us?[at])).collect())
    }

    pub fn median(&self) -> Option<Median> {
        let of = |f: &dyn Fn(&Sample) -> f64| median(self.samples.iter().map(f).collect());
        Some(Median {
            value: of(&|s| s.value)?,
            cpu_us: median(self.samples.iter().filter_map(|s| s.cpu_us).collect()),
            sides_us: self.side(0).zip(self.side(1)).map(|(a, b)| [a, b]),
            load_busy: of(&|s| s.load_busy)?,
            server_busy: of(&|s| s.server_busy)?,
        })
    }
}

impl Report {
    pub fn new(machine: Machine, works: &[&'static Work], peers: &[&'static Peer]) -> Report {
        let rows = works.iter().flat_map(|work| work.rows).collect();
        Report { machine, rows, peers: peers.to_vec(), entries: BTreeMap::new() }
    }

    /// Takes in one run.
    pub fn add(&mut self, work: &Work, peer: &Peer, cell: Cell) {
        for (n, row) in work.rows.iter().enumerate() {
            let entry = self.entries.entry((row.key, peer.key)).or_default();
            match &cell {
                Cell::Measured(samples) => entry.samples.push(samples[n]),
                Cell::Failed(why) => entry.failures.push(why.clone()),
                Cell::NotThere => {}
            }
        }
    }

    pub fn has_failures(&self) -> bool {
        self.entries.values().any(|entry| !entry.failures.is_empty())
    }

    /// The medians of one server for one row.
    pub fn median(&self, row: &str, peer: &Peer) -> Option<Median> {
        self.entries.iter().find(|((r, p), _)| *r == row && *p == peer.key)?.1.median()
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let m = &self.machine;
        let mut out = String::new();
        let rounds = if m.rounds == 1 { "1 round".into() } else { format!("medians of {} rounds", m.rounds) };
        let _ = writeln!(
            out,
            "{rounds} of {} s; {}, Linux {}; server on core 0, load on core 1; 128 B unless said\n",
            m.seconds, m.cpu, m.kernel
        );
        if m.others_busy > QUIET {
            let _ = writeln!(
                out,
                "This machine was not quiet: other programs used {:.0} % of the two cores. Rates and times are of \
                 little use here, processor time of some.\n",
                m.others_busy * 100.0
            );
        }
        for row in &self.rows {
            let cpu = if row.per.is_empty() { String::new() } else { format!("µs CPU/{}", row.per) };
            let _ = writeln!(
                out,
                "{:<38}{:>14}{:>18}{:>12}{:>9}{:>12}{:>9}",
                row.title, "", cpu, "× best peer", "× kernel", "CPU: × best", "× kernel"
            );
            for peer in &self.peers {
                self.line(row, peer, &mut out);
            }
            out.push('\n');
        }
        out.push_str(
            "× over 1 is better than the best of nats-server, redis-server and mosquitto, or than a bare relay that only \
             receives and sends.\n* the generator's core was full and the server's was not: the server could do more than \
             this; compare its CPU.\n\
             a + b: µs of the publishers' server and of the subscribers', where they are two.\n",
        );
        for line in &m.missing {
            let _ = writeln!(out, "missing: {line}");
        }
        for ((row, peer), entry) in &self.entries {
            for why in &entry.failures {
                let _ = writeln!(out, "failed: {row} {peer}: {why}");
            }
        }
        out
    }

    fn line(&self, row: &Row, peer: &Peer, out: &mut String) {
        let _ = write!(out, "  {:<36}", peer.title);
        let Some(median) = self.median(row.key, peer) else {
            let failed = self.entries.get(&(row.key, peer.key)).is_some_and(|e| !e.failures.is_empty());
            let _ = writeln!(out, "{:>14}", if failed { "failed" } else { "n/a" });
            return;
        };
        let ratios = self.ratios(row, &median);
        let times = |ratio: Option<f64>| ratio.map(|r| format!("{r:.2}")).unwrap_or_default();
        let limited = row.unit == Unit::Rate && median.load_busy >= FULL && median.server_busy < FULL;
        let line = format!(
            "{:>14}{}{:>17}{:>12}{:>9}{:>12}{:>9}",
            shown(median.value, row.unit),
            if limited { '*' } else { ' ' },
            median.cpu_us.map(|us| format!("{us:.3}")).unwrap_or_default(),
            times(ratios.value_to_best_peer),
            times(ratios.value_to_kernel),
            times(ratios.cpu_to_best_peer),
            times(ratios.cpu_to_kernel),
        );
        let sides = median.sides_us.map(|[a, b]| format!("  {a:.3} + {b:.3}")).unwrap_or_default();
        let _ = writeln!(out, "{}{sides}", line.trim_end());
    }

    /// How a server's medians compare, in one row.
    pub fn ratios(&self, row: &Row, mine: &Median) -> Ratios {
        let of = |role: Role| -> Vec<Median> {
            self.peers.iter().filter(|p| p.role == role).filter_map(|p| self.median(row.key, p)).collect()
        };
        let better = |mine: f64, other: f64| if row.unit == Unit::Rate { mine / other } else { other / mine };
        let worst = |ratios: Vec<f64>| ratios.into_iter().min_by(f64::total_cmp).filter(|r| r.is_finite());
        let value = |others: &[Median]| worst(others.iter().map(|o| better(mine.value, o.value)).collect());
        let cpu = |others: &[Median]| {
            worst(
                others.iter().filter_map(|o| Some(o.cpu_us? / mine.cpu_us.filter(|us| *us > 0.0)?)).collect(),
            )
        };
        let (rivals, kernel) = (of(Role::Rival), of(Role::Kernel));
        Ratios {
            value_to_best_peer: value(&rivals),
            value_to_kernel: value(&kernel),
            cpu_to_best_peer: cpu(&rivals),
            cpu_to_kernel: cpu(&kernel),
        }
    }

    /// Everything, for machines.
    pub fn json(&self) -> serde_json::Result<String> {
        let rows: Vec<_> = self.rows.iter().map(|row| self.json_row(row)).collect();
        let all = serde_json::json!({ "run": self.machine, "rows": rows });
        serde_json::to_string_pretty(&all)
    }

    fn json_row(&self, row: &Row) -> serde_json::Value {
        let results: Vec<_> = self
            .peers
            .iter()
            .map(|peer| {
                let entry = self.entries.get(&(row.key, peer.key));
                let median = self.median(row.key, peer);
                let samples: Vec<_> = entry.iter().flat_map(|e| &e.samples).collect();
                serde_json::json!({
                    "peer": peer.key,
                    "median": median,
                    "ratios": median.map(|m| self.ratios(row, &m)),
                    "values": samples.iter().map(|s| s.value).collect::<Vec<_>>(),
                    "cpu_us": samples.iter().map(|s| s.cpu_us).collect::<Vec<_>>(),
                    "sides_us": samples.iter().map(|s| s.sides_us).collect::<Vec<_>>(),
                    "failures": entry.map(|e| e.failures.clone()).unwrap_or_default(),
                })
            })
            .collect();
        let unit = match row.unit {
            Unit::Rate => "1/s",
            Unit::Micros => "us",
            Unit::Millis => "ms",
            Unit::Kib => "KiB",
        };
        serde_json::json!({
            "row": row.key,
            "title": row.title,
            "unit": unit,
            "better": if row.unit == Unit::Rate { "more" } else { "less" },
            "cpu_per": row.per,
            "results": results,
        })
    }
}

/// The middle, or the mean of the two middle ones.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Rate if value >= 1e6 => format!("{:.2} M/s", value / 1e6),
        Unit::Rate if value >= 1e3 => format!("{:.1} k/s", value / 1e3),
        Unit::Rate => format!("{value:.0} /s"),
        Unit::Micros => format!("{value:.0} µs"),
        Unit::Millis => format!("{value:.1} ms"),
        Unit::Kib => format!("{value:.2} KiB"),
    }
}
