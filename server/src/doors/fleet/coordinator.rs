//! The coordinator of test fleets: who runs, who waits in line, and when a run has ended. Pure: the
//! moment is an argument, and what is to be said, told and reported lies in [`Coordinator::next`]
//! afterwards. Called by the door's shared state, under its lock.
//!
//! A run begins with the first client that comes and ends when all have gone and nobody waits. Its ids
//! count up from 100, and the next run begins at 100 again.

use super::line::Line;
use crate::clock::{Now, Stamp};
use crate::hub::seconds;
use hubbub_shared::fleet::{ClientReport, Event, Report, Status};
use std::collections::{HashSet, VecDeque};
use std::time::Instant;

/// Clients that run at once; more wait in line. The old coordinator's bound.
pub const MAX_ACTIVE: usize = 5;
/// Clients that wait in line; who comes then is closed. A guess: more than fleets have, and a tenth of the
/// places that a server has where nobody said more. They may be silent for as long as they wait.
pub const MAX_IN_LINE: usize = 100;
/// The first id of a run. The old coordinator's.
pub const FIRST_ID: u64 = 100;
/// Clients of one run; who comes later waits for the next one. A guess: their report is to stay below
/// the 256 KiB that a channel's history keeps by default.
pub const MAX_OF_A_RUN: u64 = 800;

/// Who a client is on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Its name.
    pub client: String,
    /// Where it comes from.
    pub addr: String,
}

/// What a line was to the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken.
    Taken,
    /// It was the last one: the connection is to be closed.
    Done,
    /// It made no sense, and why.
    Nonsense(&'static str),
    /// There is no place in line: the connection is to be closed.
    Full,
}

/// Something that is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// This is to be sent to a client.
    Say(u64, String),
    /// A client's turn has come: it has an id now.
    Turn(u64),
    /// This is to be published, in a client's name.
    Tell(u64, String, Event),
    /// A run has ended, by the end of this client.
    Report(u64, Box<Report>),
}

/// How far a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    HasId,
    Ready,
    Started(Instant),
}

/// A client that runs.
#[derive(Debug)]
struct Active {
    key: u64,
    step: Step,
    report: ClientReport,
    cpu: Sum,
    memory: Sum,
}

/// What an average is made of.
#[derive(Debug, Default)]
struct Sum {
    sum: f64,
    count: u32,
}

impl Sum {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }

    fn average(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// A client in line.
#[derive(Debug)]
struct Waiting {
    key: u64,
    who: Who,
    since: Instant,
}

#[derive(Debug)]
struct Run {
    name: String,
    began: Now,
    next_id: u64,
    active: Vec<Active>,
    ended: Vec<ClientReport>,
}

impl Run {
    fn find(&mut self, key: u64) -> Option<&mut Active> {
        self.active.iter_mut().find(|active| active.key == key)
    }
}

/// All that the door knows.
#[derive(Debug)]
pub struct Coordinator {
    server: String,
    run: Option<Run>,
    line: VecDeque<Waiting>,
    /// The keys of those in line, to be found at once: the line may be long, and they may talk much.
    in_line: HashSet<u64>,
    /// The name of the last run without its number, and the number.
    last: (String, u32),
    effects: VecDeque<Effect>,
}

impl Coordinator {
    /// Nobody has come yet.
    pub fn new(server: &str) -> Self {
        Coordinator {
            server: server.to_owned(),
            run: None,
            line: VecDeque::new(),
            in_line: HashSet::new(),
            last: (String::new(), 0),
            effects: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub fn next(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether a client waits in line.
    pub fn is_in_line(&self, key: u64) -> bool {
        self.in_line.contains(&key)
    }

    /// A client said something.
    pub fn said(&mut self, key: u64, line: Line, who: impl FnOnce() -> Who, now: Now) -> Verdict {
        if self.is_in_line(key) {
            return Verdict::Nonsense("it waits in line, and has nothing to say until it has its id");
        }
        let Some(active) = self.run.as_mut().and_then(|run| run.find(key)) else {
            return match line {
                Line::GetCid => self.come(key, who(), now),
                // It never came, and goes.
                Line::Done => Verdict::Done,
                _ => Verdict::Nonsense("get_cid comes first"),
            };
        };
        let id = active.report.id;
        let event = match line {
            Line::GetCid => return Verdict::Nonsense("it has its id already"),
            Line::Ready => {
                if active.step != Step::HasId {
                    return Verdict::Nonsense("it was told to run already");
                }
                active.step = Step::Ready;
                self.effects.push_back(Effect::Say(key, "run_tests\n".to_owned()));
                Event::Ready { id }
            }
            Line::FileStats { chunk_mb, file_mb } => {
                (active.report.chunk_mb, active.report.file_mb) = (Some(chunk_mb), Some(file_mb));
                Event::FileStats { id, chunk_mb, file_mb }
            }
            Line::Start => {
                if let Step::Started(_) = active.step {
                    return Verdict::Nonsense("it has started already");
                }
                active.step = Step::Started(now.instant);
                Event::Started { id }
            }
            Line::Heartbeat => {
                active.report.heartbeats += 1;
                Event::Heartbeat { id }
            }
            Line::Stats { .. } | Line::FileRoll if !matches!(active.step, Step::Started(_)) => {
                return Verdict::Nonsense("start comes first");
            }
            Line::Stats { cpu, memory } => {
                active.cpu.add(cpu);
                active.memory.add(memory);
                Event::Stats { id, cpu_percent: cpu, memory_percent: memory }
            }
            Line::FileRoll => {
                active.report.files += 1;
                Event::FileRoll { id, files: active.report.files }
            }
            Line::Done => {
                self.end(key, Status::Pass, "done", now);
                return Verdict::Done;
            }
        };
        self.tell(key, event);
        Verdict::Taken
    }

    /// A line made no sense: that is told, where the client has a channel.
    pub fn told_nonsense(&mut self, key: u64, line: String, why: &str) {
        if let Some(id) = self.id(key) {
            self.tell(key, Event::Nonsense { id, line, why: why.to_owned() });
        }
    }

    /// A client has gone. Who said `done` has gone before, and who never came was never here.
    pub fn gone(&mut self, key: u64, reason: &str, now: Now) {
        if self.in_line.remove(&key) {
            let Some(place) = self.line.iter().position(|waiting| waiting.key == key) else { return };
            let waiting = self.line.remove(place);
            if let (Some(waiting), Some(run)) = (waiting, &self.run) {
                let channel = line_channel(run);
                let event = Event::LeftLine { client: waiting.who.client };
                self.effects.push_back(Effect::Tell(key, channel, event));
            }
        } else if self.id(key).is_some() {
            self.end(key, Status::Aborted, reason, now);
        }
    }

    /// The id of a client that runs.
    fn id(&self, key: u64) -> Option<u64> {
        let active = self.run.as_ref()?.active.iter().find(|active| active.key == key)?;
        Some(active.report.id)
    }

    fn come(&mut self, key: u64, who: Who, now: Now) -> Verdict {
        if self.line.len() >= MAX_IN_LINE {
            return Verdict::Full;
        }
        self.begin(now);
        self.in_line.insert(key);
        self.line.push_back(Waiting { key, who, since: now.instant });
        self.serve_line(now);
        if let (Some(waiting), Some(run)) = (self.line.back().filter(|last| last.key == key), &self.run) {
            let event = Event::Waiting { client: waiting.who.client.clone(), place: self.line.len() };
            self.effects.push_back(Effect::Tell(key, line_channel(run), event));
        }
        Verdict::Taken
    }

    fn begin(&mut self, now: Now) {
        if self.run.is_none() {
            let name = self.name_run(now);
            self.run =
                Some(Run { name, began: now, next_id: FIRST_ID, active: Vec::new(), ended: Vec::new() });
        }
    }

    /// `SERVER-20260501T093000Z`, numbered where several runs begin within a second. The server's name
    /// may have characters that a channel's may not.
    fn name_run(&mut self, now: Now) -> String {
        let allowed = |ch: char| if ch.is_ascii_alphanumeric() || ch == '_' { ch } else { '-' };
        let server: String = self.server.chars().map(allowed).collect();
        let second: String = now.stamp().as_str().chars().take(19).filter(|ch| !"-:".contains(*ch)).collect();
        let name = format!("{server}-{second}Z");
        let number = if self.last.0 == name { self.last.1 + 1 } else { 1 };
        self.last = (name.clone(), number);
        if number == 1 {
            name
        } else {
            format!("{name}-{number}")
        }
    }

    /// Gives ids to those in line for whom there is room.
    fn serve_line(&mut self, now: Now) {
        let Some(run) = &mut self.run else { return };
        while run.active.len() < MAX_ACTIVE && run.next_id < FIRST_ID + MAX_OF_A_RUN {
            let Some(Waiting { key, who, since }) = self.line.pop_front() else { return };
            self.in_line.remove(&key);
            let id = run.next_id;
            run.next_id += 1;
            let event = Event::Joined {
                id,
                client: who.client.clone(),
                addr: who.addr.clone(),
                waited_s: seconds(now.instant.saturating_duration_since(since)),
            };
            run.active.push(Active {
                key,
                step: Step::HasId,
                report: ClientReport {
                    id,
                    status: Status::Aborted,
                    reason: String::new(),
                    client: who.client,
                    addr: who.addr,
                    ran_s: 0.0,
                    cpu_percent: None,
                    memory_percent: None,
                    files: 0,
                    file_mb: None,
                    chunk_mb: None,
                    heartbeats: 0,
                },
                cpu: Sum::default(),
                memory: Sum::default(),
            });
            self.effects.push_back(Effect::Turn(key));
            self.effects.push_back(Effect::Say(key, format!("set_cid:{id}\n")));
            self.effects.push_back(Effect::Tell(key, channel(run, id), event));
        }
    }

    fn tell(&mut self, key: u64, event: Event) {
        let Some(run) = &self.run else { return };
        if let Some(active) = run.active.iter().find(|active| active.key == key) {
            self.effects.push_back(Effect::Tell(key, channel(run, active.report.id), event));
        }
    }

    fn end(&mut self, key: u64, status: Status, reason: &str, now: Now) {
        let Some(run) = &mut self.run else { return };
        let Some(at) = run.active.iter().position(|active| active.key == key) else { return };
        let Active { step, mut report, cpu, memory, .. } = run.active.remove(at);
        if let Step::Started(since) = step {
            report.ran_s = seconds(now.instant.saturating_duration_since(since));
        }
        report.status = status;
        reason.clone_into(&mut report.reason);
        (report.cpu_percent, report.memory_percent) = (cpu.average(), memory.average());
        run.ended.push(report.clone());
        let told = Effect::Tell(key, channel(run, report.id), Event::Ended(report));
        self.effects.push_back(told);
        self.serve_line(now);
        if self.run.as_ref().is_some_and(|run| run.active.is_empty()) {
            self.end_run(key, now);
            // Only where the run was full does anybody wait now.
            if !self.line.is_empty() {
                self.begin(now);
                self.serve_line(now);
            }
        }
    }

    fn end_run(&mut self, key: u64, now: Now) {
        let Some(Run { name, began, mut ended, .. }) = self.run.take() else { return };
        ended.sort_by_key(|client| client.id);
        let passed = ended.iter().filter(|client| client.status == Status::Pass).count() as u64;
        let report = Report {
            server: self.server.clone(),
            started_at: began.stamp().to_string(),
            // The clock that people read may have been set back meanwhile; time passed all the same.
            ended_at: Stamp::of(now.unix_ms.max(began.unix_ms)).to_string(),
            seconds: seconds(now.instant.saturating_duration_since(began.instant)),
            passed,
            aborted: ended.len() as u64 - passed,
            clients: ended,
            run: name,
        };
        let told = Effect::Tell(key, format!("fleet.{}.report", report.run), Event::Report(report.clone()));
        self.effects.push_back(told);
        self.effects.push_back(Effect::Report(key, Box::new(report)));
    }
}

fn channel(run: &Run, id: u64) -> String {
    format!("fleet.{}.{id}", run.name)
}

fn line_channel(run: &Run) -> String {
    format!("fleet.{}.line", run.name)
}

#[cfg(test)]
mod tests;
