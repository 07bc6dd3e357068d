//! What all services share, under one lock: who offers what, which requests wait, and to whom each is given.
//! Used by [`super`] alone.

use super::ledger::{Caller, Ledger, Open};
use super::own::{self, Bounds, Effort, Own, Task};
use super::pool::{Cancelled, Pool, Turn};
use super::service::{Provider, Service};
use super::{remote, HUB, MAX_DEPARTED};
use crate::hub::{Batch, Hub};
use hubbub_shared::encoding::{Out, Payload};
use hubbub_shared::refusal::{Code, Refusal};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// The services and their requests.
pub(super) struct Dispatch {
    pub(super) services: BTreeMap<Arc<str>, Service>,
    /// Services whose providers here changed since other servers were told, once they want to know.
    pub(super) changed: Option<BTreeSet<Arc<str>>>,
    pub(super) ledger: Ledger,
    pub(super) pool: Arc<Pool>,
    pub(super) bounds: Bounds,
    pub(super) requests: u64,
    /// Services that were offered and are not any more, the latest last.
    pub(super) departed: VecDeque<Arc<str>>,
}

impl Dispatch {
    pub(super) fn note(&mut self, name: &Arc<str>) {
        if let Some(changed) = &mut self.changed {
            changed.insert(name.clone());
        }
    }

    pub(super) fn remove_provider(&mut self, name: &str, key: u64) {
        let Some(service) = self.services.get_mut(name) else { return };
        service.providers.retain(|p| p.key != key);
        if let Some(own) = own::find(name).filter(|_| service.providers.is_empty()) {
            service.about = own.about.to_owned();
        }
        self.note(&name.into());
        self.remove_if_unused(name);
    }

    pub(super) fn remove_if_unused(&mut self, name: &str) {
        if self.services.get(name).is_some_and(|service| !service.is_offered()) && own::find(name).is_none() {
            self.services.remove(name);
            self.departed.retain(|gone| **gone != *name);
            self.departed.push_back(name.into());
            if self.departed.len() > MAX_DEPARTED {
                self.departed.pop_front();
            }
        }
    }

    /// Gives a request to a provider that did not have it yet, else to the hub itself where it knows the
    /// service, or fails it.
    pub(super) fn pass_on(&mut self, mut open: Open, hub: &Hub, batch: &mut Batch) {
        let own = own::find(&open.service);
        let may_leave = matches!(open.caller, Caller::Client(..));
        let is_offered = own.is_none_or(|own| own.replaceable);
        let next = self.services.get_mut(&open.service).filter(|_| is_offered);
        let Some(provider) = next.and_then(|s| s.next(&open.tried, may_leave)) else {
            return match own {
                // What another server asks it can answer itself, if nobody does.
                Some(own) if may_leave => self.work_on(own, open, hub, batch),
                _ => {
                    let message = format!("all who offered {} are gone; nobody answered", open.service);
                    self.fail(&open, &Refusal::new(Code::NoResponders, message), hub, batch)
                }
            };
        };
        open.tried.push(provider.key());
        let (id, open) = self.ledger.add(open, provider.key());
        match provider {
            Provider::Client(client) => {
                let id = format!("{id:x}");
                let request = Out::Request(&id, &open.service, open.from.as_str(), open.payload());
                hub.tell(&client, &request, 1, batch);
            }
            Provider::Peer(peer) => remote::pass_on(&peer, id, open, batch),
        }
    }

    /// Has a request worked on by the pool.
    pub(super) fn work_on(&mut self, own: &'static Own, mut open: Open, hub: &Hub, batch: &mut Batch) {
        open.tried.push(HUB);
        let (id, open) = self.ledger.add(open, HUB);
        let (payload, is_json, bounds) = (open.payload.clone(), open.is_json, self.bounds);
        let work = move |cancelled: &Cancelled| {
            let payload = if is_json { Payload::Json(&payload) } else { Payload::Text(&payload) };
            (own.answer)(&Task { payload, bounds: &bounds, cancelled })
        };
        let task = Task::new(open.payload(), &self.bounds);
        let is_long = (own.effort)(&task) == Effort::Great;
        match self.pool.submit(Turn { caller: open.caller.turn(), is_long }, id, work) {
            Ok(ticket) => open.ticket = Some(ticket),
            Err(refusal) => {
                if let Some(open) = self.ledger.take(id, HUB) {
                    self.fail(&open, &refusal, hub, batch);
                }
            }
        }
    }

    /// Counts a request that has ended.
    pub(super) fn ended(&mut self, open: &Open, is_ok: bool, batch: &Batch) {
        if let Some(service) = self.services.get_mut(&open.service) {
            let took = batch.now.instant.saturating_duration_since(open.started);
            service.finished(took, is_ok);
        }
    }

    pub(super) fn fail(&mut self, open: &Open, refusal: &Refusal, hub: &Hub, batch: &mut Batch) {
        self.ended(open, false, batch);
        answer(open, Err(refusal), hub, batch);
    }
}

/// Tells whoever asked what came of it.
pub(super) fn answer(open: &Open, result: Result<Payload<'_>, &Refusal>, hub: &Hub, batch: &mut Batch) {
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
    hub.services.told_if_draining(hub);
}
