//! Where heavy work is done: a few threads of a low priority, so that whatever is asked of them no
//! socket waits. What waits for them is bounded, and callers take turns, however much each has asked.
//!
//! The threads know nothing of the hub and take none of its locks: each outcome goes through a channel to
//! a task of the executor, which answers. They are started when there is work for the first time. Work for
//! which nobody waits any more (its [`Ticket`] is dropped) is not begun, and told to stop when it has.

use hubbub_shared::refusal::{Code, Refusal};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Pieces of work that wait. A guess: at some milliseconds each, about as many as can be done before the
/// longest time limit of a door is over, a minute.
const MAX_WAITING: usize = 16_384;
/// The priority of the threads: whoever serves a socket has nine times theirs. At the lowest one (19) heavy
/// work was not done in time on a machine whose other programs were busy.
const NICENESS: i32 = 10;
/// Outcomes that wait to be answered; beyond it the workers wait. A guess: each may be as long as the
/// longest answer.
const MAX_OUTCOMES: usize = 16;

/// Whether nobody waits for an outcome any more. What may be long work looks at it every few
/// milliseconds, but for the printing of a Fibonacci number.
#[derive(Debug, Default)]
pub struct Cancelled(AtomicBool);

impl Cancelled {
    /// Not cancelled.
    pub const fn new() -> Self {
        Cancelled(AtomicBool::new(false))
    }

    /// Whether it is.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Cancels.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// What stands for the outcome of work that stopped early. Nobody sees it.
    pub fn refusal(&self) -> Refusal {
        Refusal::new(Code::Timeout, "nobody waits for the answer any more")
    }
}

/// What came of the work for a request.
pub struct Outcome {
    /// The request's number in the ledger.
    pub request: u64,
    /// The answer.
    pub answer: Result<String, Refusal>,
}

/// The place of a piece of work among those that wait or are done. Whoever drops it does not want the
/// outcome any more.
pub struct Ticket {
    shared: Arc<Shared>,
    place: Place,
    cancelled: Arc<Cancelled>,
}

impl Ticket {
    /// Whether the work has not begun.
    pub fn is_waiting(&self) -> bool {
        self.shared.queue.lock().waiting.contains_key(&self.place)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancelled.set();
        self.shared.queue.lock().take(self.place);
    }
}

/// The threads, and what waits for them.
pub struct Pool {
    shared: Arc<Shared>,
    outcomes: async_channel::Receiver<Outcome>,
}

struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    outcomes: async_channel::Sender<Outcome>,
}

/// Who takes turns: the callers, and of each caller what is soon done with what takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// The caller.
    pub caller: u64,
    /// Whether the work takes long.
    pub is_long: bool,
}

/// In which turn, and which request: those of one turn stand in the order in which they were asked.
type Place = (Turn, u64);

/// Gives the answer, as JSON.
type Work = dyn FnOnce(&Cancelled) -> Result<String, Refusal> + Send;

struct Job {
    work: Box<Work>,
    cancelled: Arc<Cancelled>,
}

/// What waits, and who may do it.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<Place, Job>,
    /// How many wait for each turn that some wait for.
    counts: HashMap<Turn, usize>,
    /// Whose turn it was last.
    last: Option<Turn>,
    max_threads: usize,
    threads: usize,
    /// Threads that have nothing to do.
    idle: usize,
    closed: bool,
}

impl Queue {
    /// As many may wait for a turn as there are places left. So one who asks for everything gets
    /// half of them, two get a third each, and it takes a dozen of them until nobody else has room.
    fn has_room_for(&self, turn: Turn) -> bool {
        let own = self.counts.get(&turn).copied().unwrap_or_default();
        own < MAX_WAITING.saturating_sub(self.waiting.len())
    }

    fn add(&mut self, place: Place, job: Job) {
        self.waiting.insert(place, job);
        *self.counts.entry(place.0).or_default() += 1;
    }

    fn take(&mut self, place: Place) -> Option<Job> {
        let job = self.waiting.remove(&place)?;
        if let Some(count) = self.counts.get_mut(&place.0) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&place.0);
            }
        }
        Some(job)
    }

    /// The next turn's earliest.
    fn next(&mut self) -> Option<(Place, Job)> {
        let behind = |last| (Bound::Excluded((last, u64::MAX)), Bound::Unbounded);
        let after = self.last.and_then(|last| self.waiting.range(behind(last)).next());
        let place = *after.or_else(|| self.waiting.first_key_value())?.0;
        self.last = Some(place.0);
        Some((place, self.take(place)?))
    }
}

impl Default for Pool {
    /// With one thread.
    fn default() -> Self {
        let (sender, outcomes) = async_channel::bounded(MAX_OUTCOMES);
        let queue = Queue { max_threads: 1, ..Queue::default() };
        let shared = Shared { queue: Mutex::new(queue), more: Condvar::new(), outcomes: sender };
        Pool { shared: Arc::new(shared), outcomes }
    }
}

impl Pool {
    /// Has work done by so many threads at the most, from now on.
    pub fn employ(&self, threads: usize) {
        self.shared.queue.lock().max_threads = threads.max(1);
    }

    /// Has work done for a request, when it is its turn.
    pub fn submit(
        &self,
        turn: Turn,
        request: u64,
        work: impl FnOnce(&Cancelled) -> Result<String, Refusal> + Send + 'static,
    ) -> Result<Ticket, Refusal> {
        let mut queue = self.shared.queue.lock();
        if !queue.has_room_for(turn) {
            let message = "too much work waits to be done here; ask again in a moment";
            return Err(Refusal::new(Code::TooMany, message));
        }
        let is_short = queue.threads < queue.max_threads && queue.waiting.len() >= queue.idle;
        if is_short && !self.start_thread(&mut queue) && queue.threads == 0 {
            return Err(Refusal::new(Code::Internal, "no thread could be started for the work"));
        }
        let (place, cancelled) = ((turn, request), Arc::<Cancelled>::default());
        queue.add(place, Job { work: Box::new(work), cancelled: cancelled.clone() });
        drop(queue);
        self.shared.more.notify_one();
        Ok(Ticket { shared: self.shared.clone(), place, cancelled })
    }

    /// Pieces of work that nobody has begun.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.shared.queue.lock().waiting.len()
    }

    /// The next outcome; none when the threads have ended.
    pub async fn outcome(&self) -> Option<Outcome> {
        self.outcomes.recv().await.ok()
    }

    fn start_thread(&self, queue: &mut Queue) -> bool {
        let shared = self.shared.clone();
        let started = std::thread::Builder::new().name("worker".to_owned()).spawn(move || shared.work());
        match started {
            Ok(_) => queue.threads += 1,
            Err(ref error) => log::warn!(error:%; "cannot start a thread for heavy work"),
        }
        started.is_ok()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.more.notify_all();
    }
}

/// The outcome of work that has a defect, perhaps: that is the request's end, and nobody else's.
pub fn guarded(work: impl FnOnce() -> Result<String, Refusal>) -> Result<String, Refusal> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(Refusal::new(Code::Internal, "the service failed at this; the hub's log tells where"))
    })
}

impl Shared {
    fn work(&self) {
        // On Linux this is the thread's own.
        if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
            log::debug!(error:%; "heavy work is done with the usual priority");
        }
        while let Some((place, Job { work, cancelled })) = self.next() {
            let answer = guarded(|| work(&cancelled));
            if !cancelled.is_set()
                && self.outcomes.send_blocking(Outcome { request: place.1, answer }).is_err()
            {
                return;
            }
        }
    }

    fn next(&self) -> Option<(Place, Job)> {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(next) = queue.next() {
                return Some(next);
            }
            queue.idle += 1;
            self.more.wait(&mut queue);
            queue.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job() -> Job {
        Job { work: Box::new(|_| Ok(String::new())), cancelled: Arc::default() }
    }

    fn turn(caller: u64) -> Turn {
        Turn { caller, is_long: false }
    }

    fn order(queue: &mut Queue) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| queue.next().map(|((turn, id), _)| (turn.caller, id))).collect()
    }

    #[test]
    fn callers_take_turns_and_each_is_served_in_order() {
        let mut queue = Queue::default();
        for place in [(1, 1), (1, 2), (1, 3), (1, 4), (7, 5), (u64::MAX, 6), (7, 8)] {
            queue.add((turn(place.0), place.1), job());
        }
        let turns = [(1, 1), (7, 5), (u64::MAX, 6), (1, 2), (7, 8), (1, 3), (1, 4)];
        assert_eq!(order(&mut queue), turns);
        assert!(queue.counts.is_empty());
    }

    #[test]
    fn what_is_soon_done_does_not_wait_behind_the_same_callers_long_work() {
        let mut queue = Queue::default();
        for (caller, is_long, id) in [(1, true, 1), (1, true, 2), (1, true, 3), (1, false, 4), (2, true, 5)] {
            queue.add((Turn { caller, is_long }, id), job());
        }
        assert_eq!(order(&mut queue), [(1, 4), (1, 1), (2, 5), (1, 2), (1, 3)]);
    }

    #[test]
    fn nobody_gets_all_the_places() {
        let mut queue = Queue::default();
        let mut take_all = |caller: u64| {
            let mut taken = 0;
            while queue.has_room_for(turn(caller)) {
                taken += 1;
                queue.add((turn(caller), taken), job());
            }
            taken
        };
        assert_eq!(take_all(1), MAX_WAITING as u64 / 2);
        assert_eq!(take_all(2), MAX_WAITING as u64 / 4);
        assert!((3..=8).all(|caller| take_all(caller) > 0), "a newcomer has room");
    }

    #[test]
    fn what_is_wanted_no_longer_is_not_begun() {
        let pool = Pool::default();
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let first = pool.submit(turn(1), 1, move |_| {
            receiver.recv().map(|()| "first".to_owned()).map_err(|e| Refusal::bad_argument(e.to_string()))
        });
        let second = pool.submit(turn(1), 2, |_| panic!("it is not to be begun"));
        drop(second);
        let third = pool.submit(turn(2), 3, |_| Ok("third".to_owned()));
        sender.send(()).expect("the first waits for it");
        let outcomes = [(); 2].map(|()| futures::executor::block_on(pool.outcome()).expect("an outcome"));
        let answers = outcomes.map(|outcome| (outcome.request, outcome.answer.unwrap_or_default()));
        assert_eq!(answers, [(1, "first".to_owned()), (3, "third".to_owned())]);
        assert!(first.is_ok() && third.is_ok());
    }

    #[test]
    fn the_threads_end_with_the_pool() {
        let pool = Pool::default();
        pool.employ(3);
        let tickets: Vec<_> = (0..9).map(|n| pool.submit(turn(n), n, |_| Ok(String::new()))).collect();
        for _ in &tickets {
            assert!(futures::executor::block_on(pool.outcome()).is_some());
        }
        let Pool { shared, .. } = &pool;
        assert!((1..=3).contains(&shared.queue.lock().threads));
        let shared = Arc::downgrade(shared);
        drop((tickets, pool));
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    proptest! {
        #[test]
        fn everything_is_served_once_and_nobody_waits_for_more_than_one_of_each_other(
            asked in proptest::collection::vec(0..5_u64, 0..60),
            dropped in proptest::collection::vec(any::<bool>(), 60),
        ) {
            let mut queue = Queue::default();
            let places: Vec<Place> = (0..).zip(&asked).map(|(id, caller)| (turn(*caller), id)).collect();
            places.iter().for_each(|place| queue.add(*place, job()));
            let mut left = Vec::new();
            for ((turn, id), dropped) in places.iter().zip(dropped) {
                if dropped {
                    prop_assert!(queue.take((*turn, *id)).is_some());
                } else {
                    left.push((turn.caller, *id));
                }
            }
            let served = order(&mut queue);
            for caller in 0..5 {
                let own: Vec<usize> = (0..served.len()).filter(|n| served[*n].0 == caller).collect();
                prop_assert!(own.windows(2).all(|turn| turn[1] - turn[0] <= 5), "{:?}", served);
                prop_assert!(own.windows(2).all(|turn| served[turn[0]].1 < served[turn[1]].1));
            }
            let mut sorted = served;
            sorted.sort_by_key(|(_, id)| *id);
            prop_assert_eq!(sorted, left);
            prop_assert!(queue.counts.is_empty());
        }
    }
}
