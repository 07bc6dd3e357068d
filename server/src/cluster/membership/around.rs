//! The membership around foca: carries out what foca gives, and does what it leaves to others.
//! Owns no state of its own; called by the entry points in the module above.

use super::*;

impl Membership {
    /// Calls foca, and carries out what it gives.
    pub(super) fn swim<R>(
        &mut self,
        now: Now,
        call: impl FnOnce(&mut Swim, &mut Given) -> Result<R, foca::Error>,
    ) -> Result<R, foca::Error> {
        let result = call(&mut self.foca, &mut self.given);
        for (to, data) in std::mem::take(&mut self.given.sends) {
            self.transmit(now, to, &data);
        }
        for (timer, after) in std::mem::take(&mut self.given.timers) {
            self.token = timers::token(&timer).unwrap_or(self.token);
            match timer {
                Timer::ChangeSuspectToDown { member_id, incarnation, .. } => {
                    self.begin_suspicion(now, member_id, incarnation, after);
                }
                timer => self.timers.add(now.instant + after, Wake::Foca(timer)),
            }
        }
        let (mut fed, mut news) = (false, false);
        for notice in std::mem::take(&mut self.given.notices) {
            match notice {
                Notice::Up(id) => news |= self.is_up(now, &id),
                Notice::Down(id) => self.is_down(now, id.addr, id.left),
                Notice::Renamed(new) => news |= self.is_renamed(now, &new),
                Notice::Rejoined(id) => {
                    self.me = id.member;
                    self.effects.push_back(Effect::Event(Event::Rejoined((*self.me).clone())));
                    self.ask_soon(now);
                }
                Notice::ProbeFailed => {
                    self.probe_failed = true;
                    self.timers.health.worse();
                }
                Notice::Fed => fed = true,
            }
        }
        if fed && news {
            self.ask_soon(now);
        }
        self.retune();
        if news && self.load.at > 0 {
            self.want_load(now); // whoever is new does not know it
        }
        result
    }

    fn is_up(&mut self, now: Now, id: &Identity) -> bool {
        self.loads.lock().admit(id.member.id);
        let event = self.roster.up(id, now.instant);
        let news = event.is_some();
        self.effects.extend(event.map(Effect::Event));
        news
    }

    fn is_down(&mut self, now: Now, addr: SocketAddr, said_so: bool) {
        let Some(run) = self.roster.at(addr).map(|entry| entry.member.id) else { return };
        let left = said_so || self.loads.lock().get(run).draining;
        let (event, forgotten) = self.roster.down(addr, left, now.instant);
        self.effects.extend(event.map(Effect::Event));
        forgotten.into_iter().for_each(|run| self.forget(run));
    }

    /// Another identity is at an address: a new run, or the same one in a new generation.
    fn is_renamed(&mut self, now: Now, new: &Identity) -> bool {
        if self.roster.at(new.addr).is_some_and(|entry| entry.member.id != new.member.id) {
            self.is_down(now, new.addr, false);
        }
        self.foca.iter_members().any(|m| m.id() == new) && self.is_up(now, new)
    }

    fn forget(&mut self, run: Uuid) {
        if !self.roster.has(run) {
            self.loads.lock().forget(run);
        }
    }

    fn retune(&mut self) {
        let members = self.foca.num_members();
        if members == self.tuned_for || self.departed {
            return;
        }
        self.tuned_for = members;
        tune(&mut self.config, members);
        // Refused only where a period changes, and none does.
        let _ = self.foca.set_config(self.config.clone());
    }

    /// Whether packets may go to or come from an address: without a secret, only on this machine.
    pub(super) fn may_talk_to(&self, addr: SocketAddr) -> bool {
        self.keys.is_secret() || addr.ip().to_canonical().is_loopback()
    }

    fn transmit(&mut self, now: Now, to: SocketAddr, data: &[u8]) {
        if to == self.me.peer_addr || !self.may_talk_to(to) {
            return;
        }
        // No packet goes out with a nonce that is less than chance; the next one may find the system better.
        let Some(nonce) = self.nonce() else { return };
        self.sequence += 1;
        // By the wall clock, so that a machine that slept is not taken for one of another time.
        let seconds = now.unix_ms.saturating_sub(self.started_ms) / 1000;
        let seconds = u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
        let head = PacketHead { run: self.me.id, seconds, sequence: self.sequence };
        let packet = self.keys.seal_packet(nonce, head, data);
        self.traffic.packets_out += 1;
        self.traffic.bytes_out += packet.len() as u64;
        self.effects.push_back(Effect::Send { to, packet });
    }

    fn nonce(&mut self) -> Option<[u8; 24]> {
        if !self.system_nonces {
            return Some(self.chance.random());
        }
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).ok()?;
        Some(nonce)
    }

    /// We suspect one: it goes down after a while that is longer when we are unwell, and is told so.
    pub(super) fn begin_suspicion(
        &mut self,
        now: Now,
        member_id: Identity,
        incarnation: foca::Incarnation,
        wait: Duration,
    ) {
        let addr = member_id.addr;
        let timer = Timer::ChangeSuspectToDown { member_id, incarnation, token: self.token };
        self.timers.add(now.instant + self.timers.health.stretch(wait), Wake::Foca(timer));
        if self.nudged.insert(addr) {
            self.nudge(now, addr);
        }
    }

    /// Tells one who is suspected, and asks for an answer, until it has objected or is down.
    pub(super) fn nudge(&mut self, now: Now, addr: SocketAddr) {
        let suspected =
            |m: &&foca::Member<Identity>| m.id().addr == addr && m.state() == foca::State::Suspect;
        let Some(suspect) = self.foca.iter_members().find(suspected).cloned() else {
            self.nudged.remove(&addr);
            return;
        };
        let header = foca::Header {
            src: self.foca.identity().clone(),
            src_incarnation: self.given.incarnation,
            dst: suspect.id().clone(),
            message: foca::Message::Ping(0),
        };
        let mut data = Vec::with_capacity(LEAST_PACKET);
        let written = self.codec.encode_header(&header, &mut data).and_then(|()| {
            data.put_u16(1);
            self.codec.encode_member(&suspect, &mut data)
        });
        if written.is_ok() {
            self.transmit(now, addr, &data);
        }
        self.timers.add(now.instant + NUDGE_PERIOD, Wake::Nudge(addr));
    }

    /// Looks for servers: while alone for anybody, otherwise now and then for seeds that are missing.
    pub(super) fn seek(&mut self, now: Now) {
        while let Some(run) = self.roster.forget(now.instant) {
            self.forget(run);
        }
        if self.timers.len() > 2 * MAX_MEMBERS {
            self.drop_idle_timers();
        }
        self.searches = self.searches.wrapping_add(1);
        let alone = self.foca.num_members() == 0;
        let seeds = match alone {
            true => SEEDS_AT_ONCE,
            false => usize::from(self.searches.is_multiple_of(SEEK_SEEDS_EVERY)),
        };
        let mut asked = Vec::with_capacity(SEEDS_AT_ONCE + 2);
        for _ in 0..self.seeds.len() {
            self.seeds.rotate_left(1);
            let missing = self.seeds.back().filter(|seed| self.roster.at(**seed).is_none());
            asked.extend(missing.copied().filter(|_| asked.len() < seeds));
        }
        if alone {
            let lost: Vec<_> = self.foca.iter_membership_state().map(|m| m.id().addr).collect();
            if !lost.is_empty() {
                asked.extend((0..2).map(|_| lost[self.chance.random_range(0..lost.len())]));
            }
        }
        for addr in asked {
            let _ = self.swim(now, |foca, given| foca.announce(Identity::somebody(addr), given));
        }
    }

    fn ask_soon(&mut self, now: Now) {
        if !self.asks {
            self.asks = true;
            self.timers.add(now.instant + ASK_FOR_MORE, Wake::Ask);
        }
    }

    /// Asks any member for members; alone, whoever was there.
    pub(super) fn ask(&mut self, now: Now) {
        self.asks = false;
        let members = self.foca.num_members();
        if members == 0 {
            return self.seek(now);
        }
        let chosen = self.chance.random_range(0..members);
        let Some(member) = self.foca.iter_members().nth(chosen).map(|m| m.id().clone()) else { return };
        let _ = self.swim(now, |foca, given| foca.announce(member, given));
    }

    /// Identities that were replaced at their address need not be removed later.
    fn drop_idle_timers(&mut self) {
        let key = |id: &Identity| (id.addr, id.member.id, id.member.generation);
        let down = self.foca.iter_membership_state().filter(|m| m.state() == foca::State::Down);
        let down: BTreeSet<_> = down.map(|m| key(m.id())).collect();
        self.timers.retain(|wake| match wake {
            Wake::Foca(Timer::RemoveDown(id)) => down.contains(&key(id)),
            _ => true,
        });
    }
}
