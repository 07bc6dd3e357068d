//! What falls due when, and what foca gives out. Owns the order of timers, the shift after a pause
//! and the score of our own health; knows nothing of members beyond their identity.

use super::codec::Identity;
use foca::{Incarnation, Message, Notification, Timer, TimerToken};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Being called this late says that our machine is short of breath.
const LATE: Duration = Duration::from_millis(100);
/// Being called this late says that our process stood still, and the others did not.
const PAUSE: Duration = Duration::from_millis(500);
/// After a pause: time to read what arrived meanwhile, before anything is concluded.
const GRACE: Duration = Duration::from_millis(250);
/// Lateness counts against our health once in this time.
const BETWEEN_LATES: Duration = Duration::from_secs(1);
/// The least time between two shifts, so that one who is always late still comes to conclusions.
const BETWEEN_SHIFTS: Duration = Duration::from_secs(2);

/// What a timer does.
#[derive(Debug)]
pub(super) enum Wake {
    /// One of foca's.
    Foca(Timer<Identity>),
    /// Tell one whom we suspect, so that it can say that it lives.
    Nudge(SocketAddr),
    /// Ask a member for more members.
    Ask,
    /// Look for servers that are not known, or not any more.
    Seek,
    /// Spread our own load.
    Load,
}

struct Due {
    at: Instant,
    number: u64,
    wake: Wake,
}

impl Ord for Due {
    /// foca relies on its own order among timers of one moment; the rest is first come, first served.
    fn cmp(&self, other: &Self) -> Ordering {
        let kinds = match (&self.wake, &other.wake) {
            (Wake::Foca(a), Wake::Foca(b)) => a.cmp(b),
            (Wake::Foca(_), _) => Ordering::Less,
            (_, Wake::Foca(_)) => Ordering::Greater,
            _ => Ordering::Equal,
        };
        self.at.cmp(&other.at).then(kinds).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

/// The timers, and how well we are.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    number: u64,
    shifted: Option<Instant>,
    late: Option<Instant>,
    pub(super) health: Health,
}

impl Timers {
    pub(super) fn add(&mut self, at: Instant, wake: Wake) {
        self.number += 1;
        self.heap.push(Reverse(Due { at, number: self.number, wake }));
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    pub(super) fn pop(&mut self, now: Instant) -> Option<Wake> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse(due)| due.wake)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Wake) -> bool) {
        self.heap.retain(|Reverse(due)| keep(&due.wake));
    }

    /// To be told the time before anything else. Where we were called far too late, all timers move
    /// by the pause and a grace: to us it was no time at all, and what the others sent meanwhile
    /// counts before they are judged.
    pub(super) fn wake_up(&mut self, now: Instant) {
        let late = self.next().map(|at| now.saturating_duration_since(at)).unwrap_or_default();
        let long_ago = |at: Option<Instant>, time| at.is_none_or(|at| now >= at + time);
        if late >= LATE && long_ago(self.late, BETWEEN_LATES) {
            self.late = Some(now);
            self.health.worse();
        }
        if late >= PAUSE && long_ago(self.shifted, BETWEEN_SHIFTS) {
            self.shifted = Some(now);
            let mut all = std::mem::take(&mut self.heap).into_vec();
            all.iter_mut().for_each(|Reverse(due)| due.at += late + GRACE);
            self.heap = all.into();
        }
    }
}

/// A score from 0, well, to 8: the worse we are ourselves, the longer we wait before we call others
/// dead.
#[derive(Default)]
pub(super) struct Health(u8);

impl Health {
    const WORST: u8 = 8;

    pub(super) fn worse(&mut self) {
        self.0 = (self.0 + 1).min(Self::WORST);
    }

    pub(super) fn better(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// Up to five times as long.
    pub(super) fn stretch(&self, wait: Duration) -> Duration {
        wait + wait * u32::from(self.0) / 2
    }

    pub(super) fn score(&self) -> u8 {
        self.0
    }
}

/// What foca tells, in its order.
pub(super) enum Notice {
    Up(Identity),
    Down(Identity),
    Renamed(Identity),
    Rejoined(Identity),
    ProbeFailed,
    /// A list of members came.
    Fed,
}

/// Collects what foca gives out during one call.
#[derive(Default)]
pub(super) struct Given {
    pub(super) sends: Vec<(SocketAddr, Vec<u8>)>,
    pub(super) timers: Vec<(Timer<Identity>, Duration)>,
    pub(super) notices: Vec<Notice>,
    /// Our own incarnation as the last message had it; foca has no getter.
    pub(super) incarnation: Incarnation,
}

impl foca::Runtime<Identity> for Given {
    fn notify(&mut self, notification: Notification<'_, Identity>) {
        self.notices.push(match notification {
            Notification::MemberUp(id) => Notice::Up(id.clone()),
            Notification::MemberDown(id) => Notice::Down(id.clone()),
            Notification::Rename(_, new) => Notice::Renamed(new.clone()),
            Notification::Rejoin(id) => {
                self.incarnation = 0;
                Notice::Rejoined(id.clone())
            }
            Notification::ProbeFailed(..) => Notice::ProbeFailed,
            Notification::DataReceived(header) if header.message == Message::Feed => Notice::Fed,
            Notification::DataSent(header) => return self.incarnation = header.src_incarnation,
            _ => return,
        });
    }

    fn send_to(&mut self, to: Identity, data: &[u8]) {
        self.sends.push((to.addr, data.to_vec()));
    }

    fn submit_after(&mut self, timer: Timer<Identity>, after: Duration) {
        self.timers.push((timer, after));
    }
}

/// The token of a timer that has one: the last one given out is foca's current one.
pub(super) fn token(timer: &Timer<Identity>) -> Option<TimerToken> {
    match timer {
        Timer::ProbeRandomMember(token)
        | Timer::PeriodicAnnounce(token)
        | Timer::PeriodicAnnounceDown(token)
        | Timer::PeriodicGossip(token)
        | Timer::SendIndirectProbe { token, .. }
        | Timer::ChangeSuspectToDown { token, .. } => Some(*token),
        Timer::RemoveDown(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(timers: &mut Timers, now: Instant) -> Vec<String> {
        let name =
            |wake| format!("{wake:?}").chars().take_while(|c| c.is_alphanumeric() || *c == '(').collect();
        std::iter::from_fn(|| timers.pop(now)).map(name).collect()
    }

    #[test]
    fn timers_of_one_moment_come_in_the_order_that_foca_relies_on() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let probed_id = Identity::somebody(SocketAddr::from(([127, 0, 0, 1], 1)));
        timers.add(now, Wake::Seek);
        timers.add(now, Wake::Foca(Timer::PeriodicGossip(1)));
        timers.add(now, Wake::Foca(Timer::ProbeRandomMember(1)));
        timers.add(now, Wake::Load);
        timers.add(now, Wake::Foca(Timer::SendIndirectProbe { probed_id, token: 1 }));
        timers.add(now + GRACE, Wake::Ask);
        let foca_first = ["Foca(SendIndirectProbe", "Foca(ProbeRandomMember(1", "Foca(PeriodicGossip(1"];
        assert_eq!(kinds(&mut timers, now), [&foca_first[..], &["Seek", "Load"]].concat());
        assert_eq!(timers.next(), Some(now + GRACE));
    }

    #[test]
    fn after_a_pause_all_timers_move_and_nothing_is_due() {
        let (mut timers, begin) = (Timers::default(), Instant::now());
        timers.add(begin, Wake::Seek);
        timers.add(begin + Duration::from_secs(3), Wake::Load);
        let woken = begin + Duration::from_secs(60);
        timers.wake_up(woken);
        assert!(timers.pop(woken).is_none());
        assert!(timers.pop(woken + GRACE).is_some());
        assert_eq!(timers.next(), Some(woken + GRACE + Duration::from_secs(3)));
        assert_eq!(timers.health.score(), 1);
    }

    #[test]
    fn one_who_is_always_late_still_comes_to_conclusions() {
        let (mut timers, mut now, mut done) = (Timers::default(), Instant::now(), 0);
        timers.add(now, Wake::Seek);
        for _ in 0..30 {
            now += Duration::from_secs(1);
            timers.wake_up(now);
            if timers.pop(now).is_some() {
                done += 1;
                timers.add(now, Wake::Seek);
            }
        }
        assert!(done >= 10, "{done}");
        assert_eq!(timers.health.stretch(Duration::from_secs(1)), Duration::from_secs(5));
    }
}
