//! Services across servers: what the linked servers are told and tell of them, requests that are passed
//! on to another server, and those that come from one, which are answered here or not at all.

use super::dispatch::answer;
use super::ledger::{Caller, Open};
use super::{Service, Services};
use crate::cluster::frame::{push_request, push_respond, Request};
use crate::cluster::tables::Offer;
use crate::cluster::Peer;
use crate::hub::{Batch, Hub};
use hubbub_shared::encoding::Payload;
use hubbub_shared::names::ClientName;
use hubbub_shared::refusal::{Code, Refusal};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Services {
    /// From now on changes are written down, for other servers.
    pub fn keep_log(&self) {
        self.dispatch.lock().changed.get_or_insert_default();
    }

    /// Nobody wants to know of changes any more.
    pub fn stop_log(&self) {
        self.dispatch.lock().changed = None;
    }

    /// The services whose providers here changed since the last time.
    pub fn take_log(&self) -> BTreeSet<Arc<str>> {
        self.dispatch.lock().changed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What clients here offer of a service.
    pub fn offer_of(&self, name: &str) -> Option<Offer> {
        self.dispatch.lock().services.get(name).and_then(Service::offer)
    }

    /// What clients here offer.
    pub fn offers(&self) -> Vec<(Arc<str>, Offer)> {
        let dispatch = self.dispatch.lock();
        dispatch
            .services
            .iter()
            .filter_map(|(name, service)| Some((name.clone(), service.offer()?)))
            .collect()
    }

    /// What another server has of a service.
    pub fn set_remote(&self, name: &str, peer: &Arc<Peer>, offer: Option<Offer>) {
        let mut dispatch = self.dispatch.lock();
        if let Some(offer) = offer {
            let service = dispatch.services.entry(name.into()).or_insert_with(|| Service::new(&offer.about));
            service.peers.retain(|(p, _)| p.key != peer.key);
            service.peers.push((peer.clone(), offer));
        } else if let Some(service) = dispatch.services.get_mut(name) {
            service.peers.retain(|(p, _)| p.key != peer.key);
            dispatch.remove_if_unused(name);
        }
    }

    /// A link is lost: what its server was asked is given to others, and what it asked is dropped.
    pub fn peer_lost(&self, peer: &Peer, hub: &Hub, batch: &mut Batch) {
        let mut dispatch = self.dispatch.lock();
        drop(dispatch.ledger.take_of_caller(peer.key));
        for open in dispatch.ledger.take_of_provider(peer.key) {
            dispatch.pass_on(open, hub, batch);
        }
    }

    /// Another server passes a request on.
    pub fn request_of_peer(&self, hub: &Hub, peer: &Arc<Peer>, request: &Request<'_>, batch: &mut Batch) {
        let Request { id, service, from, payload, within_ms } = *request;
        let Ok(from) = ClientName::parse(from) else {
            let refusal = Refusal::new(Code::BadName, "the caller has no valid name");
            return pass_back(peer, id, Err(&refusal), batch);
        };
        if hub.is_draining() {
            let refusal = Refusal::new(Code::NoResponders, hub.stops().message.clone());
            return pass_back(peer, id, Err(&refusal), batch);
        }
        let within = Duration::from_millis(within_ms);
        let open = Open {
            caller: Caller::Peer(peer.clone(), id),
            from,
            service: service.into(),
            payload: payload.raw().into(),
            is_json: matches!(payload, Payload::Json(_)),
            weight: 0,
            started: batch.now.instant,
            deadline: batch.now.instant + within.min(hubbub_shared::limits::MAX_REQUEST_TIMEOUT),
            tried: Vec::new(),
            ticket: None,
        };
        let mut dispatch = self.dispatch.lock();
        self.enter(&mut dispatch, open, hub, batch);
    }

    /// Another server answers a request that was passed on to it.
    pub fn respond_of_peer(
        &self,
        hub: &Hub,
        peer: &Peer,
        id: u64,
        result: Result<Payload<'_>, Refusal>,
        batch: &mut Batch,
    ) {
        // Its last provider has gone: there may be others.
        if result.as_ref().is_err_and(|refusal| refusal.code == Code::NoResponders) {
            let mut dispatch = self.dispatch.lock();
            if let Some(open) = dispatch.ledger.take(id, peer.key) {
                dispatch.pass_on(open, hub, batch);
            }
        } else if let Some(open) = self.take(id, peer.key, result.is_ok(), batch) {
            answer(&open, result.as_ref().copied(), hub, batch);
        }
    }
}

impl Service {
    fn offer(&self) -> Option<Offer> {
        let providers = self.providers.len() as u32;
        (providers > 0).then(|| Offer { about: self.about.clone(), providers })
    }
}

/// Passes a request on to another server.
pub(super) fn pass_on(peer: &Arc<Peer>, id: u64, open: &Open, batch: &mut Batch) {
    let left = open.deadline.saturating_duration_since(batch.now.instant);
    let request = Request {
        id,
        service: &open.service,
        from: open.from.as_str(),
        payload: open.payload(),
        within_ms: left.as_millis() as u64,
    };
    batch.write_to(peer, |out| push_request(&request, out));
}

/// Passes an answer back to the server that asked.
pub(super) fn pass_back(peer: &Arc<Peer>, id: u64, result: Result<Payload<'_>, &Refusal>, batch: &mut Batch) {
    batch.write_to(peer, |out| push_respond(id, result, out));
}
