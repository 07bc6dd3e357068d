//! The services: those that the hub answers itself (a table, one file each) and those that clients
//! offer, whose requests are passed on and whose answers are passed back.

mod echo;
mod ledger;
mod normalize;
mod remote;
mod reverse;
mod uuid;

pub use reverse::reversed;

use crate::cluster::tables::Offer;
use crate::cluster::Peer;
use crate::hub::{Batch, Client, Hub};
use hdrhistogram::Histogram;
use hubbub_shared::encoding::{Out, Payload};
use hubbub_shared::limits::{MAX_SERVICES_PER_CLIENT, MAX_SHORT_TEXT};
use hubbub_shared::names::{channel_str, is_hubs_own};
use hubbub_shared::refusal::{Code, Refusal};
use hubbub_shared::reply::ServiceInfo;
use ledger::{Caller, Ledger, Open};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
    OwnService { name: "normalize", about: "brings a name to its canonical form", answer: normalize::answer },
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
    /// Services whose providers here changed since other servers were told, once they want to know.
    changed: Option<BTreeSet<Arc<str>>>,
    ledger: Ledger,
    requests: u64,
    /// Services that were offered and are not any more, the latest last.
    departed: VecDeque<Arc<str>>,
}

struct Service {
    about: String,
    providers: Vec<Arc<Client>>,
    /// Servers that have providers, with how many.
    peers: Vec<(Arc<Peer>, Offer)>,
    turn: usize,
    requests: u64,
    errors: u64,
    /// Times to the answer, in microseconds; one significant digit is what a table shows.
    times: Histogram<u32>,
}

/// Whom to ask.
enum Provider {
    Client(Arc<Client>),
    Peer(Arc<Peer>),
}

impl Service {
    fn new(about: &str) -> Self {
        let longest = hubbub_shared::limits::MAX_REQUEST_TIMEOUT.as_micros() as u64;
        let times = Histogram::new_with_bounds(1, longest, 1).expect("the bounds are constants");
        Service {
            about: about.to_owned(),
            providers: Vec::new(),
            peers: Vec::new(),
            turn: 0,
            requests: 0,
            errors: 0,
            times,
        }
    }

    fn finished(&mut self, took: Duration, ok: bool) {
        self.errors += u64::from(!ok);
        self.times.saturating_record((took.as_micros() as u64).max(1));
    }

    /// The provider whose turn it is, of those not asked before: here, else on the nearest server
    /// where `may_leave`. What another server asks stays here, so that nothing goes round in circles.
    fn next(&mut self, tried: &[u64], may_leave: bool) -> Option<Provider> {
        self.turn = self.turn.wrapping_add(1);
        let count = self.providers.len();
        let here = (0..count)
            .map(|n| &self.providers[self.turn.wrapping_add(n) % count])
            .find(|p| !tried.contains(&p.key) && p.outbox.is_open());
        let there = || {
            let open = self.peers.iter().map(|(peer, _)| peer).filter(|p| may_leave && p.outbox.is_open());
            open.filter(|p| !tried.contains(&p.key)).min_by_key(|p| p.distance()).cloned()
        };
        here.cloned().map(Provider::Client).or_else(|| there().map(Provider::Peer))
    }

    fn is_offered(&self) -> bool {
        !self.providers.is_empty() || !self.peers.is_empty()
    }
}

impl Services {
    /// The hub's own services alone. One caller's waiting requests weigh `max_waiting` at the most.
    pub fn new(max_waiting: u64) -> Self {
        let services = OWN.iter().map(|own| (own.name.into(), Service::new(own.about))).collect();
        Services {
            inner: Mutex::new(Inner {
                services,
                changed: None,
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
        if is_own(name) {
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
            inner.note(&name);
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
            caller: Caller::Client(caller.clone(), re.map(Into::into)),
            from,
            service: name.clone(),
            payload: payload.raw().into(),
            is_json: matches!(payload, Payload::Json(_)),
            weight,
            started: batch.now.instant,
            deadline: batch.now.instant + within,
            tried: Vec::new(),
        };
        caller.open_requests.fetch_add(weight, Ordering::Relaxed);
        self.enter(&mut inner, open, hub, batch);
        Ok(())
    }

    fn enter(&self, inner: &mut Inner, open: Open, hub: &Hub, batch: &mut Batch) {
        inner.requests += 1;
        let earliest = inner.ledger.next_deadline();
        if let Some(service) = inner.services.get_mut(&open.service) {
            service.requests += 1;
        }
        let deadline = open.deadline;
        inner.pass_on(open, hub, batch);
        if earliest.is_none_or(|e| deadline < e) {
            self.alarm.notify(1);
        }
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
            providers: service.providers.len() as u64 + u64::from(is_own(name)),
            requests: service.requests,
            errors: service.errors,
            p50_us: service.times.value_at_quantile(0.5),
            p99_us: service.times.value_at_quantile(0.99),
        };
        let here = |(name, service): &(&Arc<str>, &Service)| !service.providers.is_empty() || is_own(name);
        inner.services.iter().filter(here).map(row).collect()
    }

    /// Services now, requests that wait now, and requests ever.
    pub fn counts(&self) -> (u64, u64, u64) {
        let inner = self.inner.lock();
        (inner.services.len() as u64, inner.ledger.len() as u64, inner.requests)
    }
}

impl Inner {
    fn note(&mut self, name: &Arc<str>) {
        if let Some(changed) = &mut self.changed {
            changed.insert(name.clone());
        }
    }

    fn remove_provider(&mut self, name: &str, key: u64) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.providers.retain(|p| p.key != key);
        self.note(&name.into());
        self.remove_if_unused(name);
    }

    fn remove_if_unused(&mut self, name: &str) {
        if self.services.get(name).is_some_and(|service| !service.is_offered()) && !is_own(name) {
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
        let may_leave = matches!(open.caller, Caller::Client(..));
        let next = self.services.get_mut(&open.service).and_then(|s| s.next(&open.tried, may_leave));
        let Some(provider) = next else {
            let message = format!("all who offered {} are gone; nobody answered", open.service);
            return self.finish(open, Err(&Refusal::new(Code::NoResponders, message)), hub, batch);
        };
        let key = match &provider {
            Provider::Client(client) => client.key,
            Provider::Peer(peer) => peer.key,
        };
        open.tried.push(key);
        let (id, open) = self.ledger.add(open, key);
        match provider {
            Provider::Client(client) => {
                let id = format!("{id:x}");
                let request = Out::Request(&id, &open.service, open.from.as_str(), open.payload());
                hub.tell(&client, &request, 1, batch);
            }
            Provider::Peer(peer) => remote::pass_on(&peer, id, open, batch),
        }
    }

    fn finish(&mut self, open: Open, result: Result<Payload<'_>, &Refusal>, hub: &Hub, batch: &mut Batch) {
        if let Some(service) = self.services.get_mut(&open.service) {
            let took = batch.now.instant.saturating_duration_since(open.started);
            service.finished(took, result.is_ok());
        }
        let (client, re) = match &open.caller {
            Caller::Client(client, re) => (client, re.as_deref()),
            Caller::Peer(peer, id) => return remote::pass_back(peer, *id, result, batch),
        };
        let what = match result {
            Ok(payload) => Out::Answered(re, &open.service, payload),
            Err(refusal) => Out::Error(re, refusal),
        };
        hub.tell(client, &what, 0, batch);
        client.open_requests.fetch_sub(open.weight, Ordering::Release);
        client.task.wake();
    }
}

/// Whether the hub itself answers a service.
fn is_own(name: &str) -> bool {
    OWN.iter().any(|own| own.name == name)
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
