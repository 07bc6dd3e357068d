//! What all clients of the door share: the coordinator behind one lock, and what it decided, done
//! outside of that lock in the order in which it was decided. Called by the clients' sessions.

use super::archive;
use super::coordinator::{Coordinator, Effect, Verdict, Who};
use super::line::Line;
use crate::clock::Now;
use crate::complaints::Complaints;
use crate::hub::{Batch, Client, Hub, Item, Publisher, Reach, Topic};
use crate::rt;
use hubbub_shared::encoding::Payload;
use hubbub_shared::fleet::{Event, Report, REPORTS};
use hubbub_shared::names::quote;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;

/// Bytes of a line that makes no sense that are told. A guess: enough to see what it was meant to be.
const MAX_TOLD: usize = 200;

/// One client, as the others of the door see it.
pub struct Seat {
    /// The client.
    pub client: Arc<Client>,
    /// Who that is. A client of this door never changes its name.
    who: Who,
    place: AtomicU8,
}

/// The values of a seat's place.
const NEW: u8 = 0;
const IN_LINE: u8 = 1;
const HAS_ID: u8 = 2;

impl Seat {
    /// For a client that has said nothing yet.
    pub fn new(client: Arc<Client>) -> Seat {
        let who = Who { client: client.name().to_string(), addr: client.addr.to_string() };
        Seat { client, who, place: AtomicU8::new(NEW) }
    }

    /// Whether it waits in line: then it may be silent for as long as it likes.
    pub fn is_in_line(&self) -> bool {
        self.place.load(Ordering::Acquire) == IN_LINE
    }

    /// Whether it has its id. Perhaps somebody else's session has given it.
    pub fn has_id(&self) -> bool {
        self.place.load(Ordering::Acquire) == HAS_ID
    }
}

/// The door's state.
pub struct Fleet {
    data_dir: PathBuf,
    state: Mutex<State>,
}

struct State {
    coordinator: Coordinator,
    /// Those who have come and not gone, by the keys of their clients.
    seats: HashMap<u64, Arc<Seat>>,
    /// What was decided and is not done yet.
    due: VecDeque<(Arc<Seat>, Effect)>,
    /// Whether somebody does it: then all others leave theirs to that one, so that everything is told in
    /// the order in which it happened.
    is_busy: bool,
    complaints: Complaints,
}

impl Fleet {
    /// The door of a server that keeps its reports there.
    pub fn new(server: &str, data_dir: PathBuf) -> Fleet {
        let state = State {
            coordinator: Coordinator::new(server),
            seats: HashMap::new(),
            due: VecDeque::new(),
            is_busy: false,
            complaints: Complaints::default(),
        };
        Fleet { data_dir, state: Mutex::new(state) }
    }

    /// A client said something that is in the table.
    pub fn said(&self, seat: &Arc<Seat>, line: Line, hub: &Hub, batch: &mut Batch) -> Verdict {
        let key = seat.client.key;
        let verdict = {
            let mut state = self.state.lock();
            if line == Line::GetCid {
                state.seats.entry(key).or_insert_with(|| seat.clone());
            }
            let verdict = state.coordinator.said(key, line, || seat.who.clone(), batch.now);
            if state.coordinator.is_in_line(key) {
                seat.place.store(IN_LINE, Ordering::Release);
            }
            state.collect();
            if matches!(verdict, Verdict::Done | Verdict::Full) {
                state.seats.remove(&key);
            }
            verdict
        };
        self.work(hub, batch);
        verdict
    }

    /// A client said what makes no sense: the log hears of it, and who watches, at a bounded rate.
    pub fn nonsense(&self, seat: &Seat, line: &[u8], why: &str, hub: &Hub, batch: &mut Batch) {
        let Some(left_out) = self.state.lock().complaints.one_more(batch.now.instant) else { return };
        let line = String::from_utf8_lossy(&line[..line.len().min(MAX_TOLD)]).into_owned();
        log::warn!(
            client = seat.who.client.as_str(), addr = seat.who.addr.as_str(), line = quote(&line).as_str(),
            left_out;
            "a line to the door fleet makes no sense: {why}"
        );
        {
            let mut state = self.state.lock();
            state.coordinator.told_nonsense(seat.client.key, line, why);
            state.collect();
        }
        self.work(hub, batch);
    }

    /// A client has gone.
    pub fn gone(&self, seat: &Seat, reason: &str, hub: &Hub, batch: &mut Batch) {
        {
            let mut state = self.state.lock();
            state.coordinator.gone(seat.client.key, reason, batch.now);
            state.collect();
            state.seats.remove(&seat.client.key);
        }
        self.work(hub, batch);
    }

    /// Does what is due, unless somebody else is at it.
    fn work(&self, hub: &Hub, batch: &mut Batch) {
        if std::mem::replace(&mut self.state.lock().is_busy, true) {
            return;
        }
        loop {
            let (seat, effect) = {
                let mut state = self.state.lock();
                let Some(next) = state.due.pop_front() else {
                    state.is_busy = false;
                    return;
                };
                next
            };
            self.perform(seat, effect, hub, batch);
        }
    }

    fn perform(&self, seat: Arc<Seat>, effect: Effect, hub: &Hub, batch: &mut Batch) {
        match effect {
            Effect::Say(_, line) => {
                batch.write(&seat.client, 0, |out| out.extend_from_slice(line.as_bytes()));
            }
            // Its own task has to know: from now on it may not be silent for long.
            Effect::Turn(_) => {
                seat.place.store(HAS_ID, Ordering::Release);
                seat.client.task.wake();
            }
            Effect::Tell(_, channel, event) => tell(&seat, &channel, &event, hub, batch),
            Effect::Report(_, report) => self.report(seat, *report, hub, batch),
        }
    }

    /// Logs a report, publishes it where it is remembered, and writes it to the disk.
    fn report(&self, seat: Arc<Seat>, report: Report, hub: &Hub, batch: &mut Batch) {
        log::info!(
            run = report.run.as_str(), clients = report.clients.len(), passed = report.passed,
            aborted = report.aborted, seconds = report.seconds;
            "{}", report.headline()
        );
        keep_reports(hub, batch);
        publish(&seat, REPORTS, &report.to_json(), hub, batch);
        let data_dir = self.data_dir.clone();
        // The client's socket counts as open until this is done: a server that stops waits for that.
        rt::spawn(async move {
            let run = report.run.clone();
            match rt::unblock(move || archive::write(&data_dir, &report)).await {
                Ok(path) => log::info!(run = run.as_str(), path:% = path.display(); "the report is written"),
                Err(error) => log::warn!(
                    run = run.as_str();
                    "the report is on the channel {REPORTS}, but not on the disk: {error}"
                ),
            }
            drop(seat);
        });
    }
}

impl State {
    /// Takes what the coordinator decided, with those whom it is about.
    fn collect(&mut self) {
        while let Some(effect) = self.coordinator.next() {
            let key = match &effect {
                Effect::Say(key, _) | Effect::Turn(key) | Effect::Tell(key, ..) | Effect::Report(key, _) => {
                    key
                }
            };
            if let Some(seat) = self.seats.get(key) {
                self.due.push_back((seat.clone(), effect));
            }
        }
    }
}

fn tell(seat: &Seat, channel: &str, event: &Event, hub: &Hub, batch: &mut Batch) {
    let event = serde_json::to_string(event).expect("events have texts for keys and finite numbers");
    publish(seat, channel, &event, hub, batch);
}

/// Publishes in a client's name, as it could do itself on the client port.
fn publish(seat: &Seat, channel: &str, data: &str, hub: &Hub, batch: &mut Batch) {
    let publisher = Publisher {
        client: Some(&seat.client),
        name: &seat.who.client,
        echo: true,
        received: None,
        reach: Reach::Cluster,
    };
    let item = Item { payload: Payload::Json(data), headers: None, reply: None, id: None };
    let published = hub
        .channels
        .open(channel, batch.now)
        .and_then(|channel| hub.publish(&channel, &publisher, &[item], batch));
    match published {
        Ok(_) => drop(seat.client.messages_in.fetch_add(1, Ordering::Relaxed)),
        // There is no room for the channel: the run goes on all the same.
        Err(refusal) => log::debug!(channel; "nobody hears what a fleet does: {refusal}"),
    }
}

/// The channel of the reports stays, so that it can be asked for the last ones.
fn keep_reports(hub: &Hub, batch: &mut Batch) {
    if hub.channels.find(REPORTS).is_some_and(|channel| channel.kept().is_some()) {
        return;
    }
    let Now { unix_ms: at_ms, .. } = batch.now;
    let topic = Topic { text: "the reports of test fleets".to_owned(), by: hub.name().to_owned(), at_ms };
    match hub.channels.keep(REPORTS, Some(&topic), batch.now) {
        Ok(_) => hub.servers.peers.topic_set(REPORTS, topic.into(), batch),
        Err(refusal) => log::debug!(channel = REPORTS; "the reports may be forgotten soon: {refusal}"),
    }
}
