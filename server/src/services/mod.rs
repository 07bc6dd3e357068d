//! The services: those that the hub answers itself ([`own`], at once or by its [`pool`]) and those that
//! clients offer, whose requests are passed on and whose answers are passed back.

mod dispatch;
mod echo;
pub mod factor;
pub mod fibonacci;
mod ledger;
mod normalize;
mod own;
pub mod palindrome;
mod points;
pub mod pool;
mod remote;
mod reverse;
mod service;
mod uuid;

pub use reverse::reversed;

use crate::hub::{Batch, Client, Hub};
use dispatch::{answer, Dispatch};
use hubbub_shared::encoding::{Out, Payload};
use hubbub_shared::limits::{Limits, MAX_SERVICES_PER_CLIENT, MAX_SHORT_TEXT};
use hubbub_shared::names::{channel_str, is_hubs_own};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::ServiceInfo;
use ledger::{Caller, Ledger, Open};
use own::{Bounds, Effort, Own, Task, OWN};
use parking_lot::Mutex;
use pool::{Outcome, Pool, Ticket};
use service::Service;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that a waiting request weighs beside its payload. A guess at what the tables hold for it.
const REQUEST_WEIGHT: u64 = 256;

/// Names of services remembered after the last provider has gone. A guess, for a clear refusal.
const MAX_DEPARTED: usize = 1_000;

/// Stands for the hub itself among the keys of those that have a request.
const HUB: u64 = u64::MAX;

/// How long a unit of a batch's work takes, about: a byte of a reply.
const NANOSECONDS_A_STEP: usize = 4;

/// How to answer a request.
pub enum Answer<'a> {
    /// The service's result.
    Data(Payload<'a>),
    /// The service's own complaint.
    Error(&'a str),
}

/// What a caller asks.
pub struct Request<'a> {
    /// Whom.
    pub service: &'a str,
    /// With what.
    pub payload: Payload<'a>,
    /// How long it waits.
    pub within: Duration,
    /// The id of its command.
    pub re: Option<&'a str>,
}

/// All services of one server.
pub struct Services {
    dispatch: Mutex<Dispatch>,
    /// Told when a request waits that times out before all others.
    pub alarm: event_listener::Event,
    /// Told when a request has ended while the server drains.
    pub settled: event_listener::Event,
    /// Where what the hub answers itself is worked out, when that takes its time.
    pub pool: Arc<Pool>,
    bounds: Bounds,
    max_waiting: u64,
}

impl Services {
    /// The hub's own services alone. One caller's waiting requests weigh as much as may be queued to it,
    /// at the most.
    pub fn new(limits: &Limits) -> Self {
        let (pool, bounds) = (Arc::<Pool>::default(), Bounds::from(limits));
        let services = OWN.iter().map(|own| (own.name.into(), Service::new(own.about))).collect();
        Services {
            dispatch: Mutex::new(Dispatch {
                services,
                changed: None,
                ledger: Ledger::default(),
                pool: pool.clone(),
                bounds,
                requests: 0,
                departed: VecDeque::new(),
            }),
            alarm: event_listener::Event::new(),
            settled: event_listener::Event::new(),
            pool,
            bounds,
            max_waiting: limits.max_queue as u64,
        }
    }

    /// A client offers a service.
    pub fn offer(&self, client: &Arc<Client>, name: &str, about: &str) -> Result<(), Refusal> {
        let name = check_name(name)?;
        if own::find(name).is_some_and(|own| !own.replaceable) {
            let message = format!("{name} is answered by the hub itself; choose another name");
            return Err(Refusal::new(Code::NotAllowed, message));
        }
        if about.len() > MAX_SHORT_TEXT {
            let message = format!("a description has {MAX_SHORT_TEXT} bytes at the most");
            return Err(Refusal::new(Code::TooLarge, message));
        }
        let name: Arc<str> = name.into();
        let entered = client.offer(&name, MAX_SERVICES_PER_CLIENT, || {
            let mut dispatch = self.dispatch.lock();
            let service = dispatch.services.entry(name.clone()).or_insert_with(|| Service::new(""));
            if !about.is_empty() {
                service.about = about.to_owned();
            }
            if !service.providers.iter().any(|p| p.key == client.key) {
                service.providers.push(client.clone());
            }
            dispatch.note(&name);
        });
        let message = || format!("a client offers {MAX_SERVICES_PER_CLIENT} services at the most");
        entered.map_err(|code| Refusal::new(code, message()))
    }

    /// A client offers a service no longer. Requests that it has are still its to answer.
    pub fn withdraw(&self, client: &Client, name: &str) -> Result<(), Refusal> {
        let name = check_name(name)?;
        if !client.withdraw(name) {
            return Err(Refusal::new(Code::NoSuchService, format!("you do not offer {name}")));
        }
        self.dispatch.lock().remove_provider(name, client.key);
        Ok(())
    }

    /// A client has gone: its services end, and what it was asked is given to others.
    pub fn leave(&self, client: &Client, offered: &[Arc<str>], hub: &Hub, batch: &mut Batch) {
        let mut dispatch = self.dispatch.lock();
        for name in offered {
            dispatch.remove_provider(name, client.key);
        }
        if client.open_requests.load(Ordering::Relaxed) > 0 {
            // Nobody waits for these any more; an answer to one is refused.
            drop(dispatch.ledger.take_of_caller(client.key));
        }
        for open in dispatch.ledger.take_of_provider(client.key) {
            dispatch.pass_on(open, hub, batch);
        }
        drop(dispatch);
        self.told_if_draining(hub);
    }

    /// Whether a client waits for an answer, or another for its.
    pub fn is_busy(&self, client: &Client) -> bool {
        client.open_requests.load(Ordering::Acquire) > 0 || self.dispatch.lock().ledger.is_asked(client.key)
    }

    /// Fails what clients here still wait for.
    pub fn give_up(&self, why: &Refusal, hub: &Hub, batch: &mut Batch) {
        let mut dispatch = self.dispatch.lock();
        for open in dispatch.ledger.take_of_clients() {
            dispatch.fail(&open, why, hub, batch);
        }
    }

    fn told_if_draining(&self, hub: &Hub) {
        if hub.is_draining() {
            self.settled.notify(usize::MAX);
        }
    }

    /// Asks a service. The answer goes to the caller by itself.
    pub fn request(
        &self,
        hub: &Hub,
        caller: &Arc<Client>,
        request: &Request<'_>,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let Request { payload, within, re, .. } = *request;
        let name = check_name(request.service)?;
        if hub.is_draining() {
            return Err(hub.stops());
        }
        let own = own::find(name);
        if let Some(own) = own.filter(|own| !own.replaceable || !self.is_offered(own.name)) {
            let task = Task::new(payload, &self.bounds);
            if (own.effort)(&task) == Effort::Slight {
                let answer = self.answer_at_once(own, &task, batch)?;
                hub.tell(caller, &Out::Answered(re, name, Payload::Json(&answer)), 0, batch);
                return Ok(());
            }
        }
        let weight = REQUEST_WEIGHT + payload.raw().len() as u64;
        if caller.open_requests.load(Ordering::Relaxed) + weight > self.max_waiting {
            let message = "too many of your requests wait for their answers; wait for some of them";
            return Err(Refusal::new(Code::TooMany, message));
        }
        // Read before the lock: whoever offers a service takes the two locks the other way round.
        let from = caller.name();
        let mut dispatch = self.dispatch.lock();
        if !caller.outbox.is_open() {
            return Ok(()); // it is being closed, and nobody would take out what it asks now
        }
        let Some((name, _)) = dispatch.services.get_key_value(name) else {
            let (code, message) = if dispatch.departed.iter().any(|gone| **gone == *name) {
                (Code::NoResponders, format!("all who offered {name} are gone"))
            } else {
                (Code::NoSuchService, format!("nobody offers {name}; services lists what there is"))
            };
            return Err(Refusal::new(code, message));
        };
        let open = Open {
            caller: Caller::Client(caller.clone(), re.map(Into::into)),
            from,
            service: name.clone(),
            payload: payload.raw().into(),
            is_json: matches!(payload, Payload::Json(_)),
            weight,
            started: batch.now.instant,
            deadline: batch.now.instant + within,
            tried: Vec::new(),
            ticket: None,
        };
        caller.open_requests.fetch_add(weight, Ordering::Relaxed);
        self.enter(&mut dispatch, open, hub, batch);
        Ok(())
    }

    /// Answers for the hub itself, and counts that.
    fn answer_at_once(&self, own: &Own, task: &Task<'_>, batch: &mut Batch) -> Result<String, Refusal> {
        let started = Instant::now();
        let answer = pool::guarded(|| (own.answer)(task));
        let took = started.elapsed();
        batch.worked(took.as_nanos() as usize / NANOSECONDS_A_STEP);
        let mut dispatch = self.dispatch.lock();
        dispatch.requests += 1;
        if let Some(service) = dispatch.services.get_mut(own.name) {
            service.requests += 1;
            service.finished(took, answer.is_ok());
        }
        answer
    }

    /// Whether clients offer a service, here or elsewhere.
    fn is_offered(&self, name: &str) -> bool {
        self.dispatch.lock().services.get(name).is_some_and(Service::is_offered)
    }

    /// The pool has done the work for a request. Nobody may wait for it any more.
    pub fn worked(&self, outcome: &Outcome, hub: &Hub, batch: &mut Batch) {
        let result = outcome.answer.as_ref().map(|answer| Payload::Json(answer));
        if let Some(open) = self.take(outcome.request, HUB, result.is_ok(), batch) {
            answer(&open, result, hub, batch);
        }
    }

    /// Takes out and counts a request that has ended, if that provider has it. It is answered without the
    /// lock, since an answer may be long.
    fn take(&self, id: u64, provider: u64, is_ok: bool, batch: &Batch) -> Option<Open> {
        let mut dispatch = self.dispatch.lock();
        let open = dispatch.ledger.take(id, provider)?;
        dispatch.ended(&open, is_ok, batch);
        Some(open)
    }

    fn enter(&self, dispatch: &mut Dispatch, open: Open, hub: &Hub, batch: &mut Batch) {
        dispatch.requests += 1;
        let earliest = dispatch.ledger.next_deadline();
        if let Some(service) = dispatch.services.get_mut(&open.service) {
            service.requests += 1;
        }
        let deadline = open.deadline;
        dispatch.pass_on(open, hub, batch);
        if earliest.is_none_or(|e| deadline < e) {
            self.alarm.notify(1);
        }
    }

    /// A provider answers a request that it was given.
    pub fn respond(
        &self,
        provider: &Client,
        request_id: &str,
        answered: Answer<'_>,
        hub: &Hub,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let (id, is_ok) = (u64::from_str_radix(request_id, 16).ok(), matches!(answered, Answer::Data(_)));
        let Some(open) = id.and_then(|id| self.take(id, provider.key, is_ok, batch)) else {
            let message = "you have no such request; it may have timed out or been given to another";
            return Err(Refusal::bad_argument(message));
        };
        match answered {
            Answer::Data(payload) => answer(&open, Ok(payload), hub, batch),
            Answer::Error(text) => {
                let refusal = Refusal::new(Code::Internal, format!("{}: {text}", open.service));
                answer(&open, Err(&refusal), hub, batch);
            }
        }
        Ok(())
    }

    /// When the next request times out.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.dispatch.lock().ledger.next_deadline()
    }

    /// Fails the requests whose time is over.
    pub fn expire(&self, hub: &Hub, batch: &mut Batch) {
        let next = |batch: &Batch| {
            let mut dispatch = self.dispatch.lock();
            let open = dispatch.ledger.take_expired(batch.now.instant)?;
            dispatch.ended(&open, false, batch);
            Some(open)
        };
        while let Some(open) = next(batch) {
            let (ms, service) =
                (open.deadline.saturating_duration_since(open.started).as_millis(), &open.service);
            let refusal = if open.ticket.as_ref().is_some_and(Ticket::is_waiting) {
                let message = format!("{service} had no turn within {ms} ms, since other work was before it");
                Refusal::new(Code::TooMany, message)
            } else {
                Refusal::new(Code::Timeout, format!("{service} did not answer within {ms} ms"))
            };
            answer(&open, Err(&refusal), hub, batch);
        }
    }

    /// What `services` shows.
    pub fn list(&self) -> Vec<ServiceInfo> {
        let dispatch = self.dispatch.lock();
        let row = |(name, service): (&Arc<str>, &Service)| ServiceInfo {
            name: name.to_string(),
            about: service.about.clone(),
            providers: service.providers.len() as u64 + u64::from(is_hubs_to_answer(name, service)),
            requests: service.requests,
            errors: service.errors,
            p50_us: service.times.value_at_quantile(0.5),
            p99_us: service.times.value_at_quantile(0.99),
        };
        let here = |(name, service): &(&Arc<str>, &Service)| {
            !service.providers.is_empty() || own::find(name).is_some()
        };
        dispatch.services.iter().filter(here).map(row).collect()
    }

    /// Services now, requests that wait now, and requests ever.
    pub fn counts(&self) -> (u64, u64, u64) {
        let dispatch = self.dispatch.lock();
        (dispatch.services.len() as u64, dispatch.ledger.len() as u64, dispatch.requests)
    }
}

/// Whether the hub itself answers a service as things are.
fn is_hubs_to_answer(name: &str, service: &Service) -> bool {
    own::find(name).is_some_and(|own| !own.replaceable || !service.is_offered())
}

fn check_name(name: &str) -> Result<&str, Refusal> {
    let name = channel_str(name).map_err(|refusal| {
        Refusal::new(refusal.code, format!("{}; service names follow the same rules", refusal.message))
    })?;
    if is_hubs_own(name) {
        return Err(Refusal::new(Code::NotAllowed, "names that start with $ belong to the hub"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests;
