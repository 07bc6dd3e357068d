//! The services: those that the hub answers itself (a table, one file each) and those that clients
//! offer, whose requests are passed on and whose answers are passed back.

mod echo;
mod ledger;
mod reverse;
mod uuid;

pub use reverse::reversed;

use crate::hub::{Batch, Client, Hub};
use hdrhistogram::Histogram;
use hubbub_shared::encoding::{Out, Payload};
use hubbub_shared::limits::{MAX_SERVICES_PER_CLIENT, MAX_SHORT_TEXT};
use hubbub_shared::names::{channel_str, is_hubs_own};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::ServiceInfo;
use ledger::{Ledger, Open};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A service that the hub answers itself, at once.
struct OwnService {
    name: &'static str,
    about: &'static str,
    answer: fn(Payload<'_>) -> Result<String, Refusal>,
}

const OWN: &[OwnService] = &[
    OwnService { name: "echo", about: "answers with what it was asked", answer: echo::answer },
    OwnService { name: "reverse", about: "reverses a text by grapheme cluster", answer: reverse::answer },
    OwnService { name: "uuid", about: "answers a title with a fresh uuid", answer: uuid::answer },
];

/// Bytes that a waiting request weighs beside its payload. A guess at what the tables hold for it.
const REQUEST_WEIGHT: u64 = 256;

/// Names of services remembered after the last provider has gone. A guess, for a clear refusal.
const MAX_DEPARTED: usize = 1_000;

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
    inner: Mutex<Inner>,
    /// Told when a request waits that times out before all others.
    pub alarm: event_listener::Event,
    max_waiting: u64,
}

struct Inner {
    services: BTreeMap<Arc<str>, Service>,
    ledger: Ledger,
    requests: u64,
    /// Services that were offered and are not any more, the latest last.
    departed: VecDeque<Arc<str>>,
}

struct Service {
    about: String,
    providers: Vec<Arc<Client>>,
    turn: usize,
    requests: u64,
    errors: u64,
    /// Times to the answer, in microseconds; one significant digit is what a table shows.
    times: Histogram<u32>,
}

impl Service {
    fn new(about: &str) -> Self {
        let longest = hubbub_shared::limits::MAX_REQUEST_TIMEOUT.as_micros() as u64;
        let times = Histogram::new_with_bounds(1, longest, 1).expect("the bounds are constants");
        Service { about: about.to_owned(), providers: Vec::new(), turn: 0, requests: 0, errors: 0, times }
    }

    fn finished(&mut self, took: Duration, ok: bool) {
        self.errors += u64::from(!ok);
        self.times.saturating_record((took.as_micros() as u64).max(1));
    }

    /// The provider whose turn it is, of those not asked before.
    fn next(&mut self, tried: &[u64]) -> Option<Arc<Client>> {
        self.turn = self.turn.wrapping_add(1);
        let count = self.providers.len();
        (0..count)
            .map(|n| &self.providers[self.turn.wrapping_add(n) % count])
            .find(|p| !tried.contains(&p.key) && p.outbox.is_open())
            .cloned()
    }
}

impl Services {
    /// The hub's own services alone. One caller's waiting requests weigh `max_waiting` at the most.
    pub fn new(max_waiting: u64) -> Self {
        let services = OWN.iter().map(|own| (own.name.into(), Service::new(own.about))).collect();
        Services {
            inner: Mutex::new(Inner {
                services,
                ledger: Ledger::default(),
                requests: 0,
                departed: VecDeque::new(),
            }),
            alarm: event_listener::Event::new(),
            max_waiting,
        }
    }

    /// A client offers a service.
    pub fn offer(&self, client: &Arc<Client>, name: &str, about: &str) -> Result<(), Refusal> {
        let name = check_name(name)?;
        if OWN.iter().any(|own| own.name == name) {
            let message = format!("{name} is answered by the hub itself; choose another name");
            return Err(Refusal::new(Code::NotAllowed, message));
        }
        if about.len() > MAX_SHORT_TEXT {
            let message = format!("a description has {MAX_SHORT_TEXT} bytes at the most");
            return Err(Refusal::new(Code::TooLarge, message));
        }
        let name: Arc<str> = name.into();
        let entered = client.offer(&name, MAX_SERVICES_PER_CLIENT, || {
            let mut inner = self.inner.lock();
            let service = inner.services.entry(name.clone()).or_insert_with(|| Service::new(""));
            if !about.is_empty() {
                service.about = about.to_owned();
            }
            if !service.providers.iter().any(|p| p.key == client.key) {
                service.providers.push(client.clone());
            }
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
        self.inner.lock().remove_provider(name, client.key);
        Ok(())
    }

    /// A client has gone: its services end, and what it was asked is given to others.
    pub fn leave(&self, client: &Client, offered: &[Arc<str>], hub: &Hub, batch: &mut Batch) {
        let mut inner = self.inner.lock();
        for name in offered {
            inner.remove_provider(name, client.key);
        }
        if client.open_requests.load(Ordering::Relaxed) > 0 {
            // Nobody waits for these any more; an answer to one is refused.
            drop(inner.ledger.take_of_caller(client.key));
        }
        for open in inner.ledger.take_of_provider(client.key) {
            inner.pass_on(open, hub, batch);
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
        if let Some(own) = OWN.iter().find(|own| own.name == name) {
            let started = Instant::now();
            let answer = (own.answer)(payload);
            let mut inner = self.inner.lock();
            inner.requests += 1;
            if let Some(service) = inner.services.get_mut(name) {
                service.requests += 1;
                service.finished(started.elapsed(), answer.is_ok());
            }
            drop(inner);
            hub.tell(caller, &Out::Answered(re, name, Payload::Json(&answer?)), 0, batch);
            return Ok(());
        }
        let weight = REQUEST_WEIGHT + payload.raw().len() as u64;
        if caller.open_requests.load(Ordering::Relaxed) + weight > self.max_waiting {
            let message = "too many of your requests wait for their answers; wait for some of them";
            return Err(Refusal::new(Code::TooMany, message));
        }
        // Read before the lock: whoever offers a service takes the two locks the other way round.
        let from = caller.name();
        let mut inner = self.inner.lock();
        if !caller.outbox.is_open() {
            return Ok(()); // it is being closed, and nobody would take out what it asks now
        }
        let Some((name, _)) = inner.services.get_key_value(name) else {
            let (code, message) = if inner.departed.iter().any(|gone| **gone == *name) {
                (Code::NoResponders, format!("all who offered {name} are gone"))
            } else {
                (Code::NoSuchService, format!("nobody offers {name}; services lists what there is"))
            };
            return Err(Refusal::new(code, message));
        };
        let open = Open {
            caller: caller.clone(),
            from,
            re: re.map(Into::into),
            service: name.clone(),
            payload: payload.raw().into(),
            is_json: matches!(payload, Payload::Json(_)),
            weight,
            started: batch.now.instant,
            deadline: batch.now.instant + within,
            tried: Vec::new(),
        };
        inner.requests += 1;
        let earliest = inner.ledger.next_deadline();
        if let Some(service) = inner.services.get_mut(&open.service) {
            service.requests += 1;
        }
        caller.open_requests.fetch_add(weight, Ordering::Relaxed);
        let deadline = open.deadline;
        inner.pass_on(open, hub, batch);
        if earliest.is_none_or(|e| deadline < e) {
            self.alarm.notify(1);
        }
        Ok(())
    }

    /// A provider answers a request that it was given.
    pub fn respond(
        &self,
        provider: &Client,
        request_id: &str,
        answer: Answer<'_>,
        hub: &Hub,
        batch: &mut Batch,
    ) -> Result<(), Refusal> {
        let mut inner = self.inner.lock();
        let open =
            u64::from_str_radix(request_id, 16).ok().and_then(|id| inner.ledger.take(id, provider.key));
        let Some(open) = open else {
            let message = "you have no such request; it may have timed out or been given to another";
            return Err(Refusal::bad_argument(message));
        };
        match answer {
            Answer::Data(payload) => inner.finish(open, Ok(payload), hub, batch),
            Answer::Error(text) => {
                let refusal = Refusal::new(Code::Internal, format!("{}: {text}", open.service));
                inner.finish(open, Err(&refusal), hub, batch);
            }
        }
        Ok(())
    }

    /// When the next request times out.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.lock().ledger.next_deadline()
    }

    /// Fails the requests whose time is over.
    pub fn expire(&self, hub: &Hub, batch: &mut Batch) {
        let mut inner = self.inner.lock();
        while let Some(open) = inner.ledger.take_expired(batch.now.instant) {
            let ms = open.deadline.saturating_duration_since(open.started).as_millis();
            let message = format!("{} did not answer within {ms} ms", open.service);
            inner.finish(open, Err(&Refusal::new(Code::Timeout, message)), hub, batch);
        }
    }

    /// What `services` shows.
    pub fn list(&self) -> Vec<ServiceInfo> {
        let inner = self.inner.lock();
        let row = |(name, service): (&Arc<str>, &Service)| ServiceInfo {
            name: name.to_string(),
            about: service.about.clone(),
            providers: service.providers.len() as u64 + u64::from(OWN.iter().any(|own| own.name == &**name)),
            requests: service.requests,
            errors: service.errors,
            p50_us: service.times.value_at_quantile(0.5),
            p99_us: service.times.value_at_quantile(0.99),
        };
        inner.services.iter().map(row).collect()
    }

    /// Services now, requests that wait now, and requests ever.
    pub fn counts(&self) -> (u64, u64, u64) {
        let inner = self.inner.lock();
        (inner.services.len() as u64, inner.ledger.len() as u64, inner.requests)
    }
}

impl Inner {
    fn remove_provider(&mut self, name: &str, key: u64) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.providers.retain(|p| p.key != key);
        if service.providers.is_empty() {
            self.services.remove(name);
            self.departed.retain(|gone| **gone != *name);
            self.departed.push_back(name.into());
            if self.departed.len() > MAX_DEPARTED {
                self.departed.pop_front();
            }
        }
    }

    /// Gives a request to a provider that did not have it yet, or fails it when there is none.
    fn pass_on(&mut self, mut open: Open, hub: &Hub, batch: &mut Batch) {
        let next = self.services.get_mut(&open.service).and_then(|s| s.next(&open.tried));
        let Some(provider) = next else {
            let message = format!("all who offered {} are gone; nobody answered", open.service);
            return self.finish(open, Err(&Refusal::new(Code::NoResponders, message)), hub, batch);
        };
        open.tried.push(provider.key);
        let (id, open) = self.ledger.add(open, provider.key);
        let id = format!("{id:x}");
        hub.tell(&provider, &Out::Request(&id, &open.service, open.from.as_str(), open.payload()), 1, batch);
    }

    fn finish(&mut self, open: Open, result: Result<Payload<'_>, &Refusal>, hub: &Hub, batch: &mut Batch) {
        if let Some(service) = self.services.get_mut(&open.service) {
            let took = batch.now.instant.saturating_duration_since(open.started);
            service.finished(took, result.is_ok());
        }
        let re = open.re.as_deref();
        let what = match result {
            Ok(payload) => Out::Answered(re, &open.service, payload),
            Err(refusal) => Out::Error(re, refusal),
        };
        hub.tell(&open.caller, &what, 0, batch);
        open.caller.open_requests.fetch_sub(open.weight, Ordering::Release);
        open.caller.task.wake();
    }
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
