//! Simulated connections between servers: how they come to be, carry bytes in order with delays and in
//! pieces, stand still where the network is cut, and end: seen at one end earlier than at the other.

use crate::world::{trace, Event, Time, World, MS, SEC};
use hubbub_server::cluster::frame::{self, Frame};
use hubbub_server::cluster::handshake::Code;
use hubbub_server::cluster::settlement::Failure;
use hubbub_server::cluster::{Member, Peer};
use hubbub_server::hub::Batch;
use hubbub_server::outbox::{Chunk, Next};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use uuid::Uuid;

const CONNECT: Time = 3 * SEC;
const HANDSHAKE: Time = 5 * SEC;

/// One connection: the end that dialed, and the one that accepted.
pub struct Wire {
    ends: [End; 2],
}

/// One end.
pub struct End {
    pub place: usize,
    pub boot: u64,
    addr: SocketAddr,
    member: Member,
    peer: Option<Arc<Peer>>,
    state: State,
    arriving: VecDeque<(Time, Item)>,
    last_at: Time,
    /// What the machine has taken in, and the process has not read.
    unread: Vec<u8>,
    /// Whether it reads later.
    lags: bool,
    /// Whether the other end has closed.
    eof: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Closed by this process, whose reader does not know it yet.
    Closing,
    Ended,
    /// Its machine died: it says nothing.
    Vanished,
}

#[derive(Debug)]
enum Item {
    /// The last message of the handshake.
    Proof,
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// Somebody dials.
#[derive(Debug)]
pub struct Call {
    place: usize,
    boot: u64,
    from: SocketAddr,
    me: Member,
    to: Uuid,
    addr: SocketAddr,
    began: Time,
}

impl World {
    fn delay(&mut self) -> Time {
        match self.chance.u32(0..100) {
            0..2 if !self.is_calm => self.chance.u64(100 * MS..800 * MS),
            _ => self.chance.u64(100..5 * MS),
        }
    }

    /// A process dials another.
    pub fn dial(&mut self, place: usize, to: Uuid, addr: SocketAddr) {
        let Some(process) = self.process(place) else { return };
        let (boot, me) = (process.boot, process.node.me().clone());
        let call = Call { place, boot, from: self.places[place].addr, me, to, addr, began: self.time };
        let delay = self.delay();
        self.queue(delay, None, Event::Call(Box::new(call)));
    }

    /// It reaches the other's machine, or not.
    pub fn call(&mut self, call: Call) {
        let Call { place, boot, from, to, addr, began, .. } = call;
        let fail = |world: &mut World, at: Time, failure: Failure| {
            let after = at.saturating_sub(world.time);
            world.queue(after, Some((place, boot)), Event::DialFailed(to, failure));
        };
        let soon = self.time + self.delay();
        if self.network.is_cut(from, addr) || self.network.is_cut(addr, from) {
            return fail(self, began + CONNECT, Failure::Unreachable);
        }
        let Some(other) = self.places.iter().position(|place| place.addr == addr) else {
            return fail(self, began + CONNECT, Failure::Unreachable);
        };
        let refuses = self.places[other].refuses;
        let Some(process) = self.process(other) else {
            return match refuses {
                true => fail(self, soon, Failure::ConnectionRefused),
                false => fail(self, began + CONNECT, Failure::Unreachable),
            };
        };
        if process.stands_still {
            return match self.time < began + HANDSHAKE {
                true => self.queue(50 * MS, None, Event::Call(Box::new(call))),
                false => fail(self, soon, Failure::Unreachable),
            };
        }
        if !self.is_calm && self.chance.u32(0..50) == 0 {
            return fail(self, soon, Failure::Unreachable);
        }
        let Some(process) = self.process(other) else { return };
        let (member, other_boot, leaving) = (process.node.me().clone(), process.boot, process.leaving);
        if member.id != to {
            return fail(self, soon, Failure::TurnedAway(Code::NotMe, "another run".into()));
        }
        if leaving {
            return fail(self, soon, Failure::TurnedAway(Code::Draining, "about to stop".into()));
        }
        let mut admitted = Ok(());
        self.with_node(other, |node, now| admitted = node.admit(now, &call.me));
        if let Err((code, message)) = admitted {
            return fail(self, soon, Failure::TurnedAway(code, message));
        }
        self.last_wire += 1;
        let wire = self.last_wire;
        let end = |place, boot, addr, member| End {
            place,
            boot,
            addr,
            member,
            peer: None,
            state: State::Open,
            arriving: VecDeque::new(),
            last_at: 0,
            unread: Vec::new(),
            lags: false,
            eof: false,
        };
        let ends = [end(place, boot, from, call.me), end(other, other_boot, addr, member)];
        self.wires.insert(wire, Wire { ends });
        self.queue(HANDSHAKE, None, Event::HandshakeOver(wire));
        self.queue(soon - self.time, Some((place, boot)), Event::Met(wire));
    }

    /// The answer reaches who dialed.
    pub fn met(&mut self, wire: u64) {
        let Some(Wire { ends: [from, to] }) = self.wires.get(&wire) else { return };
        let (place, boot, id) = (from.place, from.boot, to.member.id);
        if from.state != State::Open || to.state != State::Open || self.network.is_cut(to.addr, from.addr) {
            return self.queue(HANDSHAKE, Some((place, boot)), Event::DialFailed(id, Failure::Unreachable));
        }
        self.push(wire, 0, Item::Proof);
        self.handshaken(wire, 0);
    }

    /// One end knows that both are proven.
    fn handshaken(&mut self, wire: u64, side: usize) {
        let Some(Wire { ends }) = self.wires.get(&wire) else { return };
        let (place, member) = (ends[side].place, ends[1 - side].member.clone());
        let now_ms = self.hub(place).map_or(0, |hub| hub.servers.clock_us(self.now(place)) / 1000);
        let Some(process) = self.process_mut(place) else { return };
        let link = process.next_link();
        let peer = Arc::new(Peer::new(link, member.clone(), None));
        peer.heard_ms.store(now_ms, Ordering::Relaxed);
        process.links.insert(link, (peer.clone(), wire, side));
        if let Some(Wire { ends }) = self.wires.get_mut(&wire) {
            ends[side].peer = Some(peer);
        }
        self.with_node(place, |node, now| node.handshaken(now, link, &member, side == 0));
    }

    /// Who accepted has waited long enough for the proof.
    pub fn handshake_over(&mut self, wire: u64) {
        let Some(Wire { ends: [_, to] }) = self.wires.get_mut(&wire) else { return };
        if to.peer.is_none() && to.state == State::Open {
            to.state = State::Ended;
            self.push(wire, 1, Item::End);
        }
    }

    fn push(&mut self, wire: u64, from: usize, item: Item) {
        let delay = self.delay();
        let time = self.time;
        let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
        let to = &mut ends[1 - from];
        to.last_at = to.last_at.max(time + delay);
        let at = to.last_at;
        to.arriving.push_back((at, item));
        self.queue(at - time, None, Event::Arrive(wire, 1 - from));
    }

    /// Writes what waits for a peer.
    pub fn flush(&mut self, place: usize, peer: &Arc<Peer>) {
        let to = self.process(place).and_then(|process| process.links.get(&peer.link()));
        let Some((wire, side)) = to.map(|(_, wire, side)| (*wire, *side)) else { return };
        let mut spent = Chunk::default();
        loop {
            let open = self.wires.get(&wire).is_some_and(|w| w.ends[side].state == State::Open);
            match peer.outbox.next(spent) {
                Next::Nothing => return,
                Next::Ended if open => return self.push(wire, side, Item::End),
                Next::Ended => return,
                Next::Chunk(chunk) => {
                    let bytes = chunk.all().concat();
                    if open {
                        self.write(wire, side, bytes);
                    }
                    spent = chunk;
                }
            }
        }
    }

    /// In one piece mostly, else cut in the middle of a frame: of one that chance names by its place
    /// among the others, since lengths are not alike from life to life (client ids are in digests).
    fn write(&mut self, wire: u64, side: usize, bytes: Vec<u8>) {
        let mut starts = vec![0];
        while let Some(head) = bytes.get(starts[starts.len() - 1]..).and_then(|rest| rest.first_chunk::<4>())
        {
            starts.push(starts[starts.len() - 1] + 4 + u32::from_be_bytes(*head) as usize);
        }
        let mut rest = bytes.as_slice();
        if self.chance.u32(0..6) == 0 {
            let frame = self.chance.usize(0..starts.len() - 1);
            let part = self.chance.usize(0..1000);
            let cut = starts[frame] + 1 + (starts[frame + 1] - starts[frame] - 1) * part / 1000;
            let (piece, others) = rest.split_at(cut);
            self.push(wire, side, Item::Bytes(piece.to_vec()));
            rest = others;
        }
        self.push(wire, side, Item::Bytes(rest.to_vec()));
    }

    /// Something arrives at the machine of an end.
    pub fn arrive(&mut self, wire: u64, side: usize) {
        let Some(Wire { ends }) = self.wires.get(&wire) else { return };
        let (to, from) = (&ends[side], &ends[1 - side]);
        if to.arriving.front().is_none_or(|(at, _)| *at > self.time) {
            return;
        }
        let (place, boot, state) = (to.place, to.boot, to.state);
        let still = self.process(place).is_some_and(|p| p.boot == boot && p.stands_still);
        // What a machine takes in while its process stands still is read later, whatever came meanwhile.
        let is_read_later = still && matches!(to.arriving.front(), Some((_, Item::Bytes(_))));
        if self.network.is_cut(from.addr, to.addr) || (still && !is_read_later) {
            return self.queue(100 * MS, None, Event::Arrive(wire, side));
        }
        let answers = self.places[place].refuses || self.process(place).is_some();
        let is_there = self.places[place].addr == to.addr;
        let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
        let Some((_, item)) = ends[side].arriving.pop_front() else { return };
        match (state, item) {
            (State::Ended | State::Closing, _) => {}
            (State::Vanished, Item::Bytes(_)) if answers && is_there => self.push(wire, side, Item::Reset),
            (State::Vanished, _) => {}
            (State::Open, Item::Proof) => self.handshaken(wire, side),
            (State::Open, Item::Bytes(bytes)) => {
                ends[side].unread.extend(bytes);
                if still || self.chance.u32(0..10) == 0 {
                    self.wires.get_mut(&wire).expect("it is there").ends[side].lags = true;
                    let after = self.chance.u64(MS..20 * MS);
                    self.queue(after, Some((place, boot)), Event::Read(wire, side));
                } else if !ends[side].lags {
                    self.read(wire, side);
                }
            }
            (State::Open, item) => {
                ends[side].eof = true;
                // A reset may overtake what was not read.
                if matches!(item, Item::Reset) && self.chance.bool() {
                    ends[side].unread.clear();
                }
                if !ends[side].lags {
                    self.read(wire, side);
                }
            }
        }
    }

    /// A process reads what its machine has taken in.
    pub fn read(&mut self, wire: u64, side: usize) {
        self.handle(wire, side);
        let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
        ends[side].lags = false;
        if ends[side].eof && ends[side].state == State::Open {
            self.end_reader(wire, side);
        }
    }

    fn handle(&mut self, wire: u64, side: usize) {
        let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
        let (place, from_boot) = (ends[side].place, ends[1 - side].boot);
        let Some(peer) = ends[side].peer.clone() else { return };
        let bytes = std::mem::take(&mut ends[side].unread);
        let Some(hub) = self.hub(place) else { return };
        if !bytes.is_empty() {
            let now_ms = hub.servers.clock_us(self.now(place)) / 1000;
            peer.heard_ms.store(now_ms, Ordering::Relaxed);
        }
        let mut used = 0;
        loop {
            let mut batch = Batch::new(self.now(place));
            let (start, mut adopted, mut left) = (used, false, self.chance.u32(1..5));
            while left > 0 && !adopted {
                let next = frame::read(&bytes[used..]).unwrap_or_else(|e| panic!("{} said: {e}", peer.name));
                let Some((frame, length)) = next else { break };
                (used, left) = (used + length, left - 1);
                match frame {
                    Frame::Adopt => adopted = true,
                    frame => {
                        if let Frame::Run(run) = &frame {
                            self.check_run(run, from_boot);
                        }
                        hub.servers.peers.hear(&hub, &peer, frame, &mut batch);
                    }
                }
            }
            self.hand_over(place, batch);
            if adopted {
                self.with_node(place, |node, now| node.adopted(now, peer.link()));
            }
            if used == start {
                break;
            }
        }
        if let Some(Wire { ends }) = self.wires.get_mut(&wire) {
            ends[side].unread.splice(..0, bytes[used..].iter().copied());
        }
    }

    /// A process closes a wire; its reader notices a moment later, and handles first what has come.
    pub fn close_end(&mut self, wire: u64, side: usize) {
        let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
        let end = &mut ends[side];
        if end.state != State::Open {
            return;
        }
        end.state = State::Closing;
        end.peer.iter().for_each(|peer| peer.outbox.fail());
        let owner = Some((end.place, end.boot));
        self.push(wire, side, Item::End);
        let after = self.chance.u64(0..2 * MS);
        self.queue(after, owner, Event::ReaderEnds(wire, side));
    }

    /// The reader of an end has come to the end of the stream.
    pub fn end_reader(&mut self, wire: u64, side: usize) {
        self.handle(wire, side);
        let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
        let end = &mut ends[side];
        if matches!(end.state, State::Ended | State::Vanished) {
            return;
        }
        let was_open = end.state == State::Open;
        end.state = State::Ended;
        let (place, peer) = (end.place, end.peer.clone());
        if was_open {
            self.push(wire, side, Item::End);
        }
        let Some(peer) = peer else { return };
        peer.outbox.fail();
        let Some(process) = self.process_mut(place) else { return };
        process.links.remove(&peer.link());
        let name = self.places[place].name.clone();
        trace!(self, "{name}: link {} to {} has ended", peer.link(), peer.name);
        self.with_node(place, |node, now| node.lost(now, peer.link()));
        self.left_if_unlinked(place);
    }

    /// All wires of a process that is dead.
    pub fn cut_off_wires(&mut self, place: usize, boot: u64, silently: bool) {
        let all: Vec<(u64, usize)> = self
            .wires
            .iter()
            .flat_map(|(n, w)| [(*n, w, 0), (*n, w, 1)])
            .filter(|(_, wire, side)| wire.ends[*side].place == place && wire.ends[*side].boot == boot)
            .map(|(number, _, side)| (number, side))
            .collect();
        for (wire, side) in all {
            let Some(Wire { ends }) = self.wires.get_mut(&wire) else { continue };
            let was = ends[side].state;
            ends[side].state = if silently { State::Vanished } else { State::Ended };
            if !silently && was == State::Open {
                let item = if self.chance.bool() { Item::End } else { Item::Reset };
                self.push(wire, side, item);
            }
        }
    }

    /// A wire breaks by itself: both ends learn it, each in its time.
    pub fn break_wire(&mut self, wire: u64) {
        for side in [0, 1] {
            let Some(Wire { ends }) = self.wires.get_mut(&wire) else { return };
            if ends[side].state == State::Open && ends[side].peer.is_some() {
                let lost = ends[side].arriving.len();
                ends[side].arriving.clear();
                trace!(self, "wire {wire} breaks for side {side}, {lost} pieces are lost");
                self.push(wire, 1 - side, Item::Reset);
            }
        }
    }
}
