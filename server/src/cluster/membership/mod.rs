//! Who is in the cluster: SWIM by foca, as a state machine without clock, chance and sockets. Owns
//! what we know of the other servers, the packets to and from them and the counters of both; never
//! sends or waits itself. The shell on the second socket calls it: each packet to
//! [`Membership::receive`], [`Membership::on_time`] at [`Membership::deadline`], and after each call
//! [`Membership::poll`] until there is nothing more.
//!
//! After a pause of the whole process the shell should read its socket before it calls `on_time`;
//! should it not, the first call of any kind notices the pause and moves all timers (see `timers`).
//!
//! What foca does not do is done around it: a server whom we suspect is told so at once and every
//! half second (`Ping` with the suspicion aboard: the `Ack` refutes it); suspicion takes longer
//! while we are unwell ourselves; servers that nobody is left to tell of are looked for; and who
//! leaves says so in the news that it is down.

mod around;
mod codec;
mod loads;
mod roster;
mod timers;
mod types;

use super::sealed::{started_ms, KeyRing, PacketHead, Refused, Replays, PACKET_HEAD, SEALING};
use super::{Load, Member};
use crate::clock::Now;
use bytes::{Buf, BufMut};
use codec::{Codec, Identity};
use foca::{BroadcastHandler as _, Codec as _, Config, Foca, PeriodicParams, Timer, TimerToken};
use loads::{Handler, Loads};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use roster::Roster;
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::{Given, Notice, Timers, Wake};
use uuid::Uuid;

pub use types::{Effect, Event, Known, Settings, State, Traffic};

/// Members that are kept, those that went included: four times what gossip is tuned for.
pub const MAX_MEMBERS: usize = 4096;
/// Addresses that are remembered to ask: more than anybody lists.
const MAX_SEEDS: usize = 64;
/// Seeds that are asked at a time.
const SEEDS_AT_ONCE: usize = 4;
/// The least that a packet may be limited to: what every IPv4 host takes.
const LEAST_PACKET: usize = 576;
const PROBE_PERIOD: Duration = Duration::from_secs(1);
const PROBE_RTT: Duration = Duration::from_millis(400);
const SEEK_PERIOD: Duration = Duration::from_secs(2);
/// Among members, seeds that are not members are asked on every fifth search only.
const SEEK_SEEDS_EVERY: u32 = 5;
const NUDGE_PERIOD: Duration = Duration::from_millis(500);
/// A list of members that told us news is followed by the question for more.
const ASK_FOR_MORE: Duration = Duration::from_millis(100);
/// Own loads are spread at most once in this time for each member, so that all loads together
/// cost each server the same few packets a second however many servers there are.
const LOAD_PERIOD_PER_MEMBER: Duration = Duration::from_millis(100);
const LEAST_LOAD_PERIOD: Duration = Duration::from_secs(1);
/// Members that are told directly that we leave; they tell the others.
const FAREWELLS: u8 = 64;

type Swim = Foca<Identity, Codec, StdRng, Handler>;

/// The membership as one server sees it. See the module.
pub struct Membership {
    foca: Swim,
    /// foca's codec, for the packets that are written and checked beside it.
    codec: Codec,
    given: Given,
    config: Config,
    tuned_for: usize,
    token: TimerToken,
    timers: Timers,
    roster: Roster,
    loads: Arc<Mutex<Loads>>,
    leaving: Arc<AtomicBool>,
    departed: bool,
    /// A question for more members waits.
    asks: bool,
    me: Arc<Member>,
    started_ms: i64,
    load: Load,
    load_spread: Option<Instant>,
    load_waits: bool,
    seeds: VecDeque<SocketAddr>,
    searches: u32,
    /// Whom we keep telling that we suspect it.
    nudged: BTreeSet<SocketAddr>,
    probe_failed: bool,
    chance: StdRng,
    system_nonces: bool,
    keys: KeyRing,
    replays: Replays,
    sequence: u64,
    max_packet: usize,
    effects: VecDeque<Effect>,
    traffic: Traffic,
}

fn config(max_data: usize) -> Config {
    let every = |ms, members| {
        let num_members = NonZeroUsize::new(members).expect("a number of members that is not zero");
        Some(PeriodicParams { frequency: Duration::from_millis(ms), num_members })
    };
    Config {
        probe_period: PROBE_PERIOD,
        probe_rtt: PROBE_RTT,
        remove_down_after: Some(roster::REMEMBERED),
        max_packet_size: NonZeroUsize::new(max_data).unwrap_or(NonZeroUsize::MAX),
        notify_down_members: true,
        periodic_announce: every(10_000, 1),
        periodic_announce_to_down_members: every(2_000, 2),
        periodic_gossip: every(200, 3),
        ..Config::simple()
    }
}

/// Adapts to the size of the cluster: news reach all in a number of rounds that grows with its logarithm.
fn tune(config: &mut Config, members: usize) {
    let digits = ((members + 1) as f64).log10();
    let transmissions = 2 + 4 * digits.ceil() as u8; // 6 for 5 members, 14 for 100, 18 for 4,096
    config.max_transmissions = NonZeroU8::new(transmissions).unwrap_or(NonZeroU8::MIN);
    config.suspect_to_down_after = (PROBE_PERIOD * 3).mul_f64(digits.max(1.0));
}

impl Membership {
    /// Alone at first. `me` must have addresses that others can reach, and a name by the rules of clients' names.
    pub fn new(me: Member, settings: Settings, now: Now) -> Self {
        let Settings { seed, keys, max_packet } = settings;
        let identity = Identity::new(me);
        let me = identity.member.clone();
        let max_packet = max_packet.clamp(LEAST_PACKET, 65_507);
        let mut config = config(max_packet - SEALING - PACKET_HEAD);
        tune(&mut config, 1);
        // The run's uuid is half chance itself.
        let entropy = seed.unwrap_or_else(|| (me.id.as_u128() ^ (me.id.as_u128() >> 64)) as u64);
        let mut chance = StdRng::seed_from_u64(entropy);
        let loads = Arc::new(Mutex::new(Loads::default()));
        loads.lock().admit(me.id);
        let leaving = Arc::new(AtomicBool::new(false));
        let codec = || Codec {
            me: identity.addr,
            run: me.id,
            loopback_only: !keys.is_secret(),
            leaving: leaving.clone(),
        };
        let rng = StdRng::seed_from_u64(chance.random());
        let handler = Handler(loads.clone());
        let foca = Foca::with_custom_broadcast(identity.clone(), config.clone(), rng, codec(), handler);
        let mut timers = Timers::default();
        timers.add(now.instant + SEEK_PERIOD, Wake::Seek);
        Membership {
            codec: codec(),
            foca,
            given: Given::default(),
            config,
            tuned_for: 0,
            token: 0,
            timers,
            roster: Roster::default(),
            loads,
            leaving,
            departed: false,
            asks: false,
            started_ms: started_ms(me.id).unwrap_or(now.unix_ms),
            me,
            load: Load::default(),
            load_spread: None,
            load_waits: false,
            seeds: VecDeque::new(),
            searches: 0,
            nudged: BTreeSet::new(),
            probe_failed: false,
            chance,
            system_nonces: seed.is_none(),
            keys,
            replays: Replays::default(),
            sequence: 0,
            max_packet,
            effects: VecDeque::new(),
            traffic: Traffic::default(),
        }
    }

    /// Asks a server that is there, perhaps, for its members; and again until it is known.
    pub fn announce(&mut self, now: Now, seed: SocketAddr) {
        let seed = Identity::somebody(seed);
        if self.departed || seed.addr == self.me.peer_addr {
            return;
        }
        if !self.seeds.contains(&seed.addr) && self.seeds.len() < MAX_SEEDS {
            self.seeds.push_back(seed.addr);
        }
        self.timers.wake_up(now.instant);
        let _ = self.swim(now, |foca, given| foca.announce(seed, given));
    }

    /// Takes members from a source that already knew them, without asking or telling anybody.
    pub fn introduce(&mut self, now: Now, members: impl IntoIterator<Item = Member>) {
        let members = members.into_iter().map(|member| foca::Member::alive(Identity::new(member)));
        let _ = self.swim(now, |foca, given| foca.apply_many(members.take(MAX_MEMBERS), false, given));
    }

    /// A packet arrived.
    pub fn receive(&mut self, now: Now, from: SocketAddr, packet: &[u8]) -> Result<(), Refused> {
        self.traffic.packets_in += 1;
        self.traffic.bytes_in += packet.len() as u64;
        let taken = self.take(now, from, packet);
        self.traffic.refused += u64::from(taken.is_err());
        taken
    }

    fn take(&mut self, now: Now, from: SocketAddr, packet: &[u8]) -> Result<(), Refused> {
        if self.departed {
            return Err(Refused::Left);
        }
        if !self.may_talk_to(from) {
            return Err(Refused::NotLoopback);
        }
        if packet.len() > self.max_packet {
            return Err(Refused::TooLong);
        }
        let (head, data) = self.keys.open_packet(packet)?;
        if head.run == self.me.id {
            return Err(Refused::Ourselves);
        }
        self.replays.admit(head, now.unix_ms)?;
        self.timers.wake_up(now.instant);
        if self.foca.iter_membership_state().len() >= MAX_MEMBERS && self.tells_of_strangers(&data) {
            return Err(Refused::Full);
        }
        match self.swim(now, |foca, given| foca.handle_data(&data, given)) {
            Err(foca::Error::DataFromOurselves) => Err(Refused::Ourselves),
            Err(_) => Err(Refused::Malformed),
            Ok(()) => Ok(()),
        }
    }

    /// Whether a packet would make us keep somebody new. A broken one would not.
    fn tells_of_strangers(&mut self, mut data: &[u8]) -> bool {
        let known: BTreeSet<_> = self.foca.iter_membership_state().map(|m| m.id().addr).collect();
        let Ok(header) = self.codec.decode_header(&mut data) else { return false };
        let news = if data.len() < 2 { 0 } else { data.get_u16() };
        let told = (0..news).map_while(|_| self.codec.decode_member(&mut data).ok());
        let strange = |id: &Identity| id.addr != self.me.peer_addr && !known.contains(&id.addr);
        let told: Vec<_> = told.collect();
        strange(&header.src) || told.iter().any(|member| strange(member.id()))
    }

    /// The deadline is over, or something else happened.
    pub fn on_time(&mut self, now: Now) {
        self.timers.wake_up(now.instant);
        while let Some(wake) = self.timers.pop(now.instant) {
            match wake {
                Wake::Foca(timer) => self.foca_timer(now, timer),
                Wake::Nudge(addr) => self.nudge(now, addr),
                Wake::Ask => self.ask(now),
                Wake::Seek => {
                    self.seek(now);
                    self.timers.add(now.instant + SEEK_PERIOD, Wake::Seek);
                }
                Wake::Load => self.spread_load(now),
            }
        }
    }

    fn foca_timer(&mut self, now: Now, timer: Timer<Identity>) {
        let probes = matches!(&timer, Timer::ProbeRandomMember(token) if *token == self.token);
        self.probe_failed = false;
        // Errors are those of timers that came too late; foca recovers by itself.
        let _ = self.swim(now, |foca, given| foca.handle_timer(timer, given));
        if probes && !self.probe_failed {
            self.timers.health.better();
        }
    }

    /// When to call [`Membership::on_time`].
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Our own load: spread now, or soon where that was done just before. `at` is counted here.
    pub fn set_load(&mut self, now: Now, load: Load) {
        if self.departed {
            return;
        }
        let urgent = load.draining && !self.load.draining;
        self.load = Load { at: self.load.at, ..load };
        if urgent {
            self.load_spread = None;
        }
        self.want_load(now);
    }

    fn want_load(&mut self, now: Now) {
        let members = u32::try_from(self.foca.num_members()).unwrap_or(u32::MAX);
        let period = LOAD_PERIOD_PER_MEMBER.saturating_mul(members).max(LEAST_LOAD_PERIOD);
        match self.load_spread.map(|at| at + period).filter(|due| *due > now.instant) {
            None => self.spread_load(now),
            Some(_) if self.load_waits => {}
            Some(due) => {
                self.load_waits = true;
                self.timers.add(due, Wake::Load);
            }
        }
    }

    fn spread_load(&mut self, now: Now) {
        self.load_waits = false;
        self.load_spread = Some(now.instant);
        self.load.at += 1;
        let bytes = loads::encode(self.me.id, &self.load);
        if self.foca.num_members() == 0 {
            let _ = Handler(self.loads.clone()).receive_item(&bytes, None::<&Identity>);
            // Nobody was told: the first who comes is told at once.
            self.load_spread = None;
        } else {
            let _ = self.foca.add_broadcast(&bytes);
        }
    }

    /// The link to a run is broken: begin to suspect it. It can object.
    pub fn suspect(&mut self, now: Now, id: Uuid) {
        self.timers.wake_up(now.instant);
        let Some((identity, incarnation, state)) = self.active(id) else { return };
        if state == foca::State::Suspect && self.nudged.contains(&identity.addr) {
            return; // we do already
        }
        let suspect = foca::Member::new(identity.clone(), incarnation, foca::State::Suspect);
        let _ = self.swim(now, |foca, given| foca.apply_many([suspect].into_iter(), true, given));
        let wait = self.config.suspect_to_down_after;
        self.begin_suspicion(now, identity, incarnation, wait);
    }

    /// The process of a run is certainly dead: its machine refuses the connection.
    pub fn gone(&mut self, now: Now, id: Uuid) {
        self.timers.wake_up(now.instant);
        let Some((identity, incarnation, _)) = self.active(id) else { return };
        let down = foca::Member::new(identity, incarnation, foca::State::Down);
        let _ = self.swim(now, |foca, given| foca.apply_many([down].into_iter(), true, given));
    }

    fn active(&self, id: Uuid) -> Option<(Identity, foca::Incarnation, foca::State)> {
        let wanted = |m: &&foca::Member<Identity>| !self.departed && m.id().member.id == id;
        let member = self.foca.iter_members().find(wanted)?;
        Some((member.id().clone(), member.incarnation(), member.state()))
    }

    /// Tells everybody that we go. Afterwards nothing is sent and nothing taken.
    pub fn leave(&mut self, now: Now) {
        if self.departed {
            return;
        }
        self.leaving.store(true, Ordering::Relaxed);
        self.load.draining = true;
        self.spread_load(now);
        // All of them are told here, and the news must not be spent before the last one has it.
        self.config.num_indirect_probes =
            NonZeroUsize::from(NonZeroU8::new(FAREWELLS).unwrap_or(NonZeroU8::MAX));
        self.config.max_transmissions = NonZeroU8::new(FAREWELLS).unwrap_or(NonZeroU8::MAX);
        let config = self.config.clone();
        let _ = self.foca.set_config(config);
        let _ = self.swim(now, |foca, given| foca.leave_cluster(given));
        self.departed = true;
        self.timers.clear();
    }

    /// The next thing to be done, in order.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The other runs that are known, those that went in the last hour included.
    pub fn members(&self) -> impl Iterator<Item = Known<'_>> {
        let suspected = |m: &&foca::Member<Identity>| m.state() == foca::State::Suspect;
        let suspects: BTreeSet<_> = self.foca.iter_members().filter(suspected).map(|m| m.id().addr).collect();
        self.roster.iter().map(move |entry| {
            let load = self.loads.lock().get(entry.member.id);
            let state = match entry.state {
                State::Alive if suspects.contains(&entry.member.peer_addr) => State::Suspect,
                State::Down if load.draining => State::Left,
                state => state,
            };
            Known { member: &entry.member, state, load, since: entry.since }
        })
    }

    /// Ourselves, in our present generation.
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// How many others are there; suspected ones count.
    pub fn alive(&self) -> usize {
        self.foca.num_members()
    }

    /// The counters.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// How unwell we are ourselves: 0 is well, 8 the worst.
    pub fn unwell(&self) -> u8 {
        self.timers.health.score()
    }
}
