//! What the coordinator of test fleets tells: the shape of its events, and of the report of a run, as
//! JSON for programs and as text for people. The server makes them, `hubbub fleet` and the tests read
//! them. The bytes of the fleet's own clients are not here: the door has them.

use serde::{Deserialize, Serialize, Serializer};

/// The channel that keeps the reports of all runs.
pub const REPORTS: &str = "fleet.reports";
/// The pattern that covers everything that the fleets do.
pub const EVERYTHING: &str = "fleet.>";

/// How a client's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It said `done`.
    Pass,
    /// It went without.
    Aborted,
}

impl Status {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pass => "PASS",
            Status::Aborted => "ABORTED",
        }
    }
}

/// Something that happened in a run. It is published on `fleet.RUN.ID`; what is waiting has no id yet
/// and is told on `fleet.RUN.line`, the report on `fleet.RUN.report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs)] // the fields are described in docs/doors.md
pub enum Event {
    /// Five run already: this one waits in line.
    Waiting { client: String, place: usize },
    /// It waits no longer, and has gone.
    LeftLine { client: String },
    /// It has its id.
    Joined { id: u64, client: String, addr: String, waited_s: f64 },
    /// It was told to run.
    Ready { id: u64 },
    /// What it will write, in MB.
    FileStats {
        id: u64,
        #[serde(serialize_with = "short")]
        chunk_mb: f64,
        #[serde(serialize_with = "short")]
        file_mb: f64,
    },
    /// It began to write.
    Started { id: u64 },
    /// It lives.
    Heartbeat { id: u64 },
    /// What its writer takes.
    Stats {
        id: u64,
        #[serde(serialize_with = "short")]
        cpu_percent: f64,
        #[serde(serialize_with = "short")]
        memory_percent: f64,
    },
    /// A file is full; so many are by now.
    FileRoll { id: u64, files: u64 },
    /// A line that makes no sense; told at a bounded rate.
    Nonsense { id: u64, line: String, why: String },
    /// It is done, or gone.
    Ended(ClientReport),
    /// All are.
    Report(Report),
}

/// One client in the report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientReport {
    /// Its id within the run.
    pub id: u64,
    /// How it ended.
    pub status: Status,
    /// Why, in words.
    pub reason: String,
    /// Its name on the hub.
    pub client: String,
    /// Where it came from.
    pub addr: String,
    /// Seconds from `start` to its end.
    pub ran_s: f64,
    /// Its writer's processor time on average, in percent of one processor, if it ever told.
    #[serde(serialize_with = "short_option")]
    pub cpu_percent: Option<f64>,
    /// Its writer's memory on average, in percent of the machine's, if it ever told.
    #[serde(serialize_with = "short_option")]
    pub memory_percent: Option<f64>,
    /// Files that it filled.
    pub files: u64,
    /// Size of a file in MB, if it told.
    #[serde(serialize_with = "short_option")]
    pub file_mb: Option<f64>,
    /// Size of a chunk in MB, if it told.
    #[serde(serialize_with = "short_option")]
    pub chunk_mb: Option<f64>,
    /// Heartbeats that came.
    pub heartbeats: u64,
}

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: String,
    /// The server that it was on.
    pub server: String,
    /// When the first client came.
    pub started_at: String,
    /// When the last one had gone.
    pub ended_at: String,
    /// Seconds between the two.
    pub seconds: f64,
    /// Clients that said `done`.
    pub passed: u64,
    /// Clients that went without.
    pub aborted: u64,
    /// Each client, by id.
    pub clients: Vec<ClientReport>,
}

const COLUMNS: [&str; 9] =
    ["ID", "STATUS", "SECONDS", "CPU %", "MEMORY %", "FILES", "FILE MB", "CHUNK MB", "CLIENT"];
/// Columns of texts; the others hold numbers, which are flush right.
const TEXTS: [usize; 2] = [1, 8];

impl Report {
    /// One line that says how it went.
    pub fn headline(&self) -> String {
        let count = self.clients.len();
        let clients = if count == 1 { "client" } else { "clients" };
        format!(
            "Fleet run {}: {count} {clients}, {} passed, {} aborted, {:.1} s",
            self.run, self.passed, self.aborted, self.seconds
        )
    }

    /// For people: a headline, when and where, a table, and why clients were aborted.
    pub fn to_text(&self) -> String {
        let mut out = self.headline();
        out.push_str(&format!("\n{} to {} on {}\n\n", self.started_at, self.ended_at, self.server));
        let rows: Vec<[String; 9]> = self.clients.iter().map(row).collect();
        let width = |at: usize| {
            let cells = rows.iter().map(|row| row[at].chars().count());
            cells.max().unwrap_or(0).max(COLUMNS[at].len())
        };
        let widths: [usize; 9] = std::array::from_fn(width);
        push_row(COLUMNS, widths, &mut out);
        for row in &rows {
            push_row(row.each_ref().map(String::as_str), widths, &mut out);
        }
        for client in self.clients.iter().filter(|client| client.status == Status::Aborted) {
            out.push_str(&format!("{} aborted: {}\n", client.id, client.reason));
        }
        out
    }

    /// For programs: one line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report has neither other keys than texts nor other numbers")
    }
}

fn row(client: &ClientReport) -> [String; 9] {
    let known = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
    };
    let size = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    [
        client.id.to_string(),
        client.status.as_str().to_owned(),
        format!("{:.1}", client.ran_s),
        known(client.cpu_percent, 1),
        known(client.memory_percent, 2),
        client.files.to_string(),
        size(client.file_mb),
        size(client.chunk_mb),
        client.client.clone(),
    ]
}

fn push_row(cells: [&str; 9], widths: [usize; 9], out: &mut String) {
    let mut line = String::new();
    for (at, (cell, width)) in cells.into_iter().zip(widths).enumerate() {
        if TEXTS.contains(&at) {
            line.push_str(&format!("{cell:<width$}  "));
        } else {
            line.push_str(&format!("{cell:>width$}  "));
        }
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Whole numbers without a fraction, others with three digits of it: nothing was measured closer.
#[allow(clippy::trivially_copy_pass_by_ref)] // serde calls it so
fn short<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    let rounded = (value * 1000.0).round() / 1000.0;
    if rounded.fract() == 0.0 && rounded.abs() < 1e15 {
        to.serialize_i64(rounded as i64)
    } else {
        to.serialize_f64(rounded)
    }
}

#[allow(clippy::ref_option)] // serde calls it so
fn short_option<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => short(value, to),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: u64, status: Status, cpu: Option<f64>) -> ClientReport {
        ClientReport {
            id,
            status,
            reason: if status == Status::Pass { "done" } else { "closed by client" }.into(),
            client: format!("anon-{id}"),
            addr: "127.0.0.1:9".into(),
            ran_s: 15.04,
            cpu_percent: cpu,
            memory_percent: cpu.map(|_| 0.125),
            files: 4,
            file_mb: cpu.map(|_| 50.0),
            chunk_mb: cpu.map(|_| 12.5),
            heartbeats: 3,
        }
    }

    fn report() -> Report {
        Report {
            run: "alpha-20260501T093000Z".into(),
            server: "alpha".into(),
            started_at: "2026-05-01T09:30:00.000Z".into(),
            ended_at: "2026-05-01T09:30:15.300Z".into(),
            seconds: 15.3,
            passed: 1,
            aborted: 1,
            clients: vec![client(100, Status::Pass, Some(12.345_678)), client(101, Status::Aborted, None)],
        }
    }

    #[test]
    fn people_read_a_headline_and_a_table() {
        assert_eq!(
            report().to_text(),
            "Fleet run alpha-20260501T093000Z: 2 clients, 1 passed, 1 aborted, 15.3 s\n\
             2026-05-01T09:30:00.000Z to 2026-05-01T09:30:15.300Z on alpha\n\
             \n\
             \u{20}ID  STATUS   SECONDS  CPU %  MEMORY %  FILES  FILE MB  CHUNK MB  CLIENT\n\
             100  PASS        15.0   12.3      0.12      4       50      12.5  anon-100\n\
             101  ABORTED     15.0      -         -      4        -         -  anon-101\n\
             101 aborted: closed by client\n"
        );
    }

    #[test]
    fn programs_read_json_with_short_numbers() {
        let json = report().to_json();
        assert!(json.contains(r#""status":"PASS""#) && json.contains(r#""cpu_percent":12.346"#), "{json}");
        assert!(json.contains(r#""file_mb":50,"#) && json.contains(r#""file_mb":null"#), "{json}");
        let mut read: Report = serde_json::from_str(&json).expect("a report");
        read.clients[0].cpu_percent = Some(12.345_678);
        assert_eq!(read, report());
    }

    #[test]
    fn events_say_what_they_are() {
        let event = Event::FileStats { id: 100, chunk_mb: 10.0, file_mb: 2.5 };
        let json = serde_json::to_string(&event).expect("JSON");
        assert_eq!(json, r#"{"event":"file_stats","id":100,"chunk_mb":10,"file_mb":2.5}"#);
        assert_eq!(serde_json::from_str::<Event>(&json).expect("an event"), event);
        let ended = Event::Ended(client(100, Status::Aborted, None));
        let json = serde_json::to_string(&ended).expect("JSON");
        assert!(json.starts_with(r#"{"event":"ended","id":100,"status":"ABORTED""#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).expect("an event"), ended);
        let last = serde_json::to_string(&Event::Report(report())).expect("JSON");
        assert!(last.starts_with(r#"{"event":"report","run":"#), "{last}");
    }
}
