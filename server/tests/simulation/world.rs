//! The simulated world: time, what is due when, and what that leads to. Whatever is due to a process that
//! stands still waits for it; what is due to one that is dead is dropped.

use crate::checks::Checks;
use crate::network::{Network, Weather};
use crate::people::Person;
use crate::place::{Place, Process};
use crate::wires::{Call, Wire};
use hubbub_server::clock::Now;
use hubbub_server::cluster::settlement::Failure;
use hubbub_server::hub::Hub;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Simulated time, in microseconds.
pub type Time = u64;
pub const MS: Time = 1_000;
pub const SEC: Time = 1_000_000;

/// When simulations begin, in milliseconds since 1970.
pub const EPOCH_MS: i64 = 1_777_627_800_000;

/// To whom something is due: a place and the run there; nobody, where it is the network's own.
type Owner = Option<(usize, u64)>;

/// What is due.
#[derive(Debug)]
pub enum Event {
    /// A server's sign of life.
    Beat,
    /// A server looks for another one; again after so many milliseconds.
    Seek(SocketAddr, u64),
    /// A dial came to nothing.
    DialFailed(Uuid, Failure),
    /// The other end of a wire has proven itself to the one that dialed.
    Met(u64),
    /// A server reads what has come over a wire.
    Read(u64, usize),
    /// A server notices that it has closed a wire itself.
    ReaderEnds(u64, usize),
    /// A client says something.
    Say(usize, String),
    /// A server that is about to stop waits no longer.
    LeaveNow,
    /// Somebody dials.
    Call(Box<Call>),
    /// Something arrives at an end of a wire.
    Arrive(u64, usize),
    /// Who has not proven itself by now is not waited for.
    HandshakeOver(u64),
    /// A process goes on.
    GoOn,
}

/// All that happened, as a hash, and told where somebody wants to read it.
pub struct Trace {
    hash: u64,
    is_told: bool,
    line: String,
}

impl Trace {
    pub fn hash(&self) -> u64 {
        self.hash
    }

    pub fn say(&mut self, time: Time, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        let _ = write!(self.line, "{:>10.6} {what}", time as f64 / SEC as f64);
        for byte in self.line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.is_told {
            println!("{}", self.line);
        }
    }
}

/// See the file.
pub struct World {
    pub chance: fastrand::Rng,
    pub time: Time,
    pub network: Network,
    pub places: Vec<Place>,
    pub wires: BTreeMap<u64, Wire>,
    pub last_wire: u64,
    pub people: Vec<Person>,
    pub checks: Checks,
    pub trace: Trace,
    /// Whether the time of chaos is over.
    pub is_calm: bool,
    pub boots: u64,
    base: Instant,
    queue: BTreeMap<(Time, u64), (Owner, Event)>,
    queued: u64,
}

/// Notes what happened.
macro_rules! trace {
    ($world:expr, $($what:tt)*) => {{
        let time = $world.time;
        $world.trace.say(time, format_args!($($what)*));
    }};
}
pub(crate) use trace;

impl World {
    pub fn new(seed: u64, is_told: bool) -> World {
        // Names of clients that have none come from here.
        fastrand::seed(seed);
        World {
            chance: fastrand::Rng::with_seed(seed),
            time: 0,
            network: Network::new(seed, Weather::default()),
            places: Vec::new(),
            wires: BTreeMap::new(),
            last_wire: 0,
            people: Vec::new(),
            checks: Checks::default(),
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, is_told, line: String::new() },
            is_calm: false,
            boots: 0,
            base: Instant::now(),
            queue: BTreeMap::new(),
            queued: 0,
        }
    }

    /// Both clocks as a place sees them.
    pub fn now(&self, place: usize) -> Now {
        let off = self.places[place].clock_off_ms;
        Now { instant: self.instant(self.time), unix_ms: EPOCH_MS + (self.time / MS) as i64 + off }
    }

    pub fn instant(&self, time: Time) -> Instant {
        self.base + Duration::from_micros(time)
    }

    /// The first moment at which an instant has come.
    pub fn time_of(&self, instant: Instant) -> Time {
        instant.saturating_duration_since(self.base).as_nanos().div_ceil(1_000) as Time
    }

    /// Something is due later to whatever runs at a place now.
    pub fn later(&mut self, place: usize, after: Time, event: Event) {
        let boot = self.places[place].process.as_ref().map(|process| process.boot);
        if let Some(boot) = boot {
            self.queue(after, Some((place, boot)), event);
        }
    }

    /// Something is due later, whoever lives then.
    pub fn queue(&mut self, after: Time, owner: Option<(usize, u64)>, event: Event) {
        self.queued += 1;
        self.queue.insert((self.time + after, self.queued), (owner, event));
    }

    pub fn process(&self, place: usize) -> Option<&Process> {
        self.places[place].process.as_ref()
    }

    pub fn process_mut(&mut self, place: usize) -> Option<&mut Process> {
        self.places[place].process.as_mut()
    }

    pub fn hub(&self, place: usize) -> Option<Arc<Hub>> {
        self.process(place).map(|process| process.hub.clone())
    }

    /// The places at which a server lives that takes part.
    pub fn living(&self) -> Vec<usize> {
        let lives = |p: &usize| self.process(*p).is_some_and(|process| !process.leaving);
        (0..self.places.len()).filter(lives).collect()
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Time) {
        let end = self.time + time;
        let (mut last, mut steps) = (self.time, 0);
        loop {
            let queued = self.queue.keys().next().map(|(at, _)| *at);
            let packet = self.network.next().map(|at| self.time_of(at));
            let timer = self.places.iter().enumerate().filter_map(|(p, place)| Some((place.deadline()?, p)));
            let timer = timer.min();
            let next = [queued, packet, timer.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.time = self.time.max(next);
            steps = if self.time == last { steps + 1 } else { 0 };
            last = self.time;
            assert!(steps < 20_000, "time stands still");
            if packet.is_some_and(|at| at <= self.time) {
                if let Some(delivery) = self.network.arrived(self.instant(self.time)) {
                    self.packet(delivery.from, delivery.to, delivery.packet);
                }
            } else if let Some((_, place)) = timer.filter(|(at, _)| *at <= self.time) {
                self.timer(place);
            } else if let Some((_, (owner, event))) = self.queue.pop_first() {
                self.due(owner, event);
            }
        }
        self.time = end;
    }

    /// Lets time pass until something holds; why it does not at the limit.
    pub fn until(
        &mut self,
        limit: Time,
        holds: impl Fn(&World) -> Result<(), String>,
    ) -> Result<Time, String> {
        let begin = self.time;
        loop {
            match holds(self) {
                Ok(()) => return Ok(self.time - begin),
                Err(why) if self.time - begin >= limit => return Err(why),
                Err(_) => self.run(100 * MS),
            }
        }
    }

    fn due(&mut self, owner: Owner, event: Event) {
        if let Some((place, boot)) = owner {
            let Some(process) = self.process_mut(place).filter(|process| process.boot == boot) else {
                return;
            };
            if process.stands_still && !matches!(event, Event::GoOn) {
                return process.held.push(event);
            }
        }
        let place = owner.map_or(0, |(place, _)| place);
        match event {
            Event::Beat => self.beat(place),
            Event::Seek(addr, pause) => self.seek(place, addr, pause),
            Event::DialFailed(peer, failure) => {
                self.with_node(place, |node, now| node.dial_failed(now, peer, failure));
            }
            Event::Met(wire) => self.met(wire),
            Event::Read(wire, side) => self.read(wire, side),
            Event::ReaderEnds(wire, side) => self.end_reader(wire, side),
            Event::Say(person, line) => self.say(person, &line),
            Event::LeaveNow => self.left(place),
            Event::Call(call) => self.call(*call),
            Event::Arrive(wire, side) => self.arrive(wire, side),
            Event::HandshakeOver(wire) => self.handshake_over(wire),
            Event::GoOn => self.go_on(place),
        }
    }
}
