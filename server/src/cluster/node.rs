//! One server of the cluster as a state machine: membership says who is there, settlement which links
//! are to be, and each learns from the other. Pure: packets, moments and the fates of connections come
//! in, what is to be done comes out. [`super::shell`] has the sockets.

use super::handshake::Code;
use super::member::{Load, Member};
use super::membership::{self, Event, Known, Membership, Settings, Traffic};
use super::sealed::Refused;
use super::settlement::{Action, Failure, Settlement, Why};
use crate::clock::Now;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long after its start a server is new: found to have another's name by then, it goes. Later it
/// serves on without that one, since clients rely on it. A guess: many times what joining takes.
const NEW: Duration = Duration::from_secs(30);
/// How long a server that gossip calls dead may object while the link to it stands: those who come back
/// from the other side of a partition bring such news of servers that were never away. It objects within
/// one round trip of hearing it, which takes a second or two. A guess with room.
const DOUBT: Duration = Duration::from_secs(3);

/// What is to be done or known outside, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Send a packet.
    Send {
        /// To this address.
        to: SocketAddr,
        /// What.
        packet: Vec<u8>,
    },
    /// Connect to a server and shake hands.
    Dial {
        /// Its run.
        peer: Uuid,
        /// Where.
        addr: SocketAddr,
    },
    /// Send the frame that takes a link into use.
    Adopt {
        /// The link.
        link: u64,
    },
    /// A link is in use.
    Use {
        /// The link.
        link: u64,
    },
    /// Close a link.
    Close {
        /// The link.
        link: u64,
        /// Why.
        why: Why,
    },
    /// The link in use with a server is no more.
    Parted {
        /// Its run.
        peer: Uuid,
    },
    /// A server is there.
    Up(Member),
    /// It is not any more.
    Down {
        /// Which.
        member: Member,
        /// Whether it said that it would go.
        left: bool,
    },
    /// The others had taken this server for dead, and it came back.
    Rejoined,
    /// Another server does not take this one.
    Conflict {
        /// Why, for people.
        message: String,
        /// Whether this server is to end.
        fatal: bool,
    },
}

/// One server of the cluster.
pub struct Node {
    membership: Membership,
    settlement: Settlement,
    /// Those who are called dead while the link to them stands, and until when they may object.
    doubted: BTreeMap<Uuid, (Member, Instant)>,
    started: Instant,
    /// Members to which there was a link.
    linked: BTreeSet<Uuid>,
    effects: VecDeque<Effect>,
}

impl Node {
    /// A server that has just started, and knows nobody.
    pub fn new(me: Member, settings: Settings, now: Now) -> Node {
        let settlement = Settlement::new(me.id);
        let membership = Membership::new(me, settings, now);
        Node {
            membership,
            settlement,
            doubted: BTreeMap::new(),
            started: now.instant,
            linked: BTreeSet::new(),
            effects: VecDeque::new(),
        }
    }

    /// This server.
    pub fn me(&self) -> &Member {
        self.membership.me()
    }

    /// Everyone else who is known.
    pub fn members(&self) -> impl Iterator<Item = Known<'_>> {
        self.membership.members()
    }

    /// Counters of gossip.
    pub fn traffic(&self) -> Traffic {
        self.membership.traffic()
    }

    /// There may be a server at this address.
    pub fn seek(&mut self, now: Now, seed: SocketAddr) {
        let is_known = self.members().any(|known| known.member.peer_addr == seed && known.state.is_there());
        if !is_known {
            self.membership.announce(now, seed);
            self.settle(now);
        }
    }

    /// A packet came.
    pub fn receive(&mut self, now: Now, from: SocketAddr, packet: &[u8]) -> Result<(), Refused> {
        let result = self.membership.receive(now, from, packet);
        self.settle(now);
        result
    }

    /// How this server is.
    pub fn set_load(&mut self, now: Now, load: Load) {
        self.membership.set_load(now, load);
        self.settle(now);
    }

    /// Whether a server that has proven itself may have a link.
    pub fn admit(&mut self, now: Now, member: &Member) -> Result<(), (Code, String)> {
        if !member.name.eq_ignore_ascii_case(&self.me().name) {
            return Ok(());
        }
        let (earlier, is_mine) = if member.id < self.me().id { (member, false) } else { (self.me(), true) };
        let message = name_taken(earlier);
        if !is_mine {
            self.conflict(now, message.clone());
        }
        Err((Code::NameTaken, message))
    }

    /// A handshake is done: the peer is there, whether or not gossip has brought it already.
    pub fn handshaken(&mut self, now: Now, link: u64, peer: &Member, dialed_by_us: bool) {
        self.membership.introduce(now, [peer.clone()]);
        self.settle(now);
        self.settlement.handshaken(now.instant, link, peer.id, dialed_by_us);
        self.settle(now);
    }

    /// The other end has taken a link into use.
    pub fn adopted(&mut self, now: Now, link: u64) {
        self.settlement.adopted(now.instant, link);
        self.settle(now);
    }

    /// A dial came to nothing.
    pub fn dial_failed(&mut self, now: Now, peer: Uuid, failure: Failure) {
        self.settlement.dial_failed(now.instant, peer, failure);
        self.settle(now);
    }

    /// A link ended.
    pub fn lost(&mut self, now: Now, link: u64) {
        self.settlement.lost(now.instant, link);
        self.settle(now);
    }

    /// When [`Node::on_time`] wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        let doubted = self.doubted.values().map(|(_, until)| *until).min();
        [self.membership.deadline(), self.settlement.deadline(), doubted].into_iter().flatten().min()
    }

    /// It is time; `chance` is from 0 to 1.
    pub fn on_time(&mut self, now: Now, chance: f64) {
        if self.membership.deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.membership.on_time(now);
        }
        if self.settlement.deadline().is_some_and(|deadline| deadline <= now.instant) {
            self.settlement.on_time(now.instant, chance);
        }
        self.settle(now);
        let over = self.doubted.iter().filter(|(_, (_, until))| *until <= now.instant);
        let over: Vec<Uuid> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.give_up(now, id));
        self.settle(now);
    }

    /// This server goes: the others are told.
    pub fn leave(&mut self, now: Now) {
        self.membership.leave(now);
        self.settle(now);
    }

    /// What is to be done next.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What one says, the other hears, until neither has more to say.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(effect) = self.membership.poll() {
                self.member_effect(now, effect);
            } else if let Some(action) = self.settlement.poll() {
                self.link_action(now, action);
            } else {
                return;
            }
        }
    }

    fn member_effect(&mut self, now: Now, effect: membership::Effect) {
        let effect = match effect {
            membership::Effect::Send { to, packet } => Effect::Send { to, packet },
            membership::Effect::Event(Event::Up(member)) => {
                self.settlement.wanted(now.instant, &member);
                if self.doubted.remove(&member.id).is_some() {
                    return; // it has objected, and nobody was told that it was gone
                }
                Effect::Up(member)
            }
            membership::Effect::Event(Event::Down { member, left }) => {
                let id = member.id;
                if !left && self.settlement.is_linked(id) {
                    self.doubted.insert(id, (member, now.instant + DOUBT));
                    return;
                }
                self.settlement.unwanted(now.instant, id);
                // Its link ends before it is gone.
                while let Some(action) = self.settlement.poll() {
                    self.link_action(now, action);
                }
                self.linked.remove(&member.id);
                Effect::Down { member, left }
            }
            membership::Effect::Event(Event::Rejoined(_)) => Effect::Rejoined,
        };
        self.effects.push_back(effect);
    }

    fn link_action(&mut self, now: Now, action: Action) {
        let effect = match action {
            Action::Dial { peer, addr } => Effect::Dial { peer, addr },
            Action::Adopt { link } => Effect::Adopt { link },
            Action::Use { link, peer } => {
                self.linked.insert(peer);
                Effect::Use { link }
            }
            Action::Close { link, why } => Effect::Close { link, why },
            Action::Lost { peer } => {
                self.effects.push_back(Effect::Parted { peer });
                return self.give_up(now, peer);
            }
            // Where there was never a link, a firewall may refuse it.
            Action::Gone { peer } if self.linked.contains(&peer) => return self.membership.gone(now, peer),
            Action::Gone { peer } => return self.membership.suspect(now, peer),
            Action::Suspect { peer } => return self.membership.suspect(now, peer),
            Action::Conflict { code: Code::NameTaken, peer, message } if peer < self.me().id => {
                return self.conflict(now, message);
            }
            Action::Conflict { message, .. } => Effect::Conflict { message, fatal: false },
        };
        self.effects.push_back(effect);
    }

    /// One who was doubted, if it was, is gone.
    fn give_up(&mut self, now: Now, id: Uuid) {
        let Some((member, _)) = self.doubted.remove(&id) else { return };
        self.settlement.unwanted(now.instant, id);
        while let Some(action) = self.settlement.poll() {
            self.link_action(now, action);
        }
        self.linked.remove(&id);
        self.effects.push_back(Effect::Down { member, left: false });
    }

    /// An earlier server has this one's name.
    fn conflict(&mut self, now: Now, message: String) {
        let fatal = now.instant.saturating_duration_since(self.started) < NEW;
        self.effects.push_back(Effect::Conflict { message, fatal });
    }
}

fn name_taken(earlier: &Member) -> String {
    let Member { name, pid, peer_addr, client_addr, .. } = earlier;
    format!(
        "a server called {name} is in the cluster already (pid {pid}, clients at {client_addr}, servers at \
         {peer_addr}); give this one another name with --name"
    )
}
