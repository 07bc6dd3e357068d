//! What arrives in a session: the messages of its subscriptions, requests to its services, and events
//! of the connection, one stream of them. It reads; it words nothing and decides nothing.

use futures::StreamExt;
use hubbub_client::{Client, Delivery, Event, Events, Gap, IncomingRequest, Message, Requests, Subscription};
use hubbub_shared::names::Pattern;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Requests to services offered here that wait for `/respond`. A guess; the oldest go, and their
/// callers are told.
const MAX_OPEN_REQUESTS: usize = 1_000;
/// Messages that are taken of one subscription while others wait. A guess.
const MAX_RUN: usize = 256;

/// One thing that arrived.
#[derive(Debug)]
pub enum Arrival {
    /// A message of a channel, once, however many subscriptions cover it.
    Message(Message),
    /// Messages of a channel that did not arrive.
    Gap(Gap),
    /// Something beside the messages of channels.
    Event(Event),
    /// A request to a service that is offered here.
    Asked(Asked),
    /// The hub has refused a subscription after all: a pattern is left.
    Parted(Pattern),
    /// The connection is gone for good; nothing follows.
    Ended,
}

/// A request as it is shown; it is answered by its id.
#[derive(Debug)]
pub struct Asked {
    /// To be named in `/respond`.
    pub request_id: String,
    /// The service.
    pub service: String,
    /// The caller's name.
    pub from: String,
    /// What is asked.
    pub data: Box<RawValue>,
}

/// What arrives, and from where.
pub struct Inbox {
    events: Events,
    rooms: Vec<Room>,
    /// The room that is read, and how many messages were taken of it in a row.
    turn: (usize, usize),
    services: Vec<(String, Requests)>,
    requests: VecDeque<IncomingRequest>,
    ended: bool,
}

/// One pattern that is subscribed to.
struct Room {
    pattern: Pattern,
    subscription: Subscription,
}

impl Inbox {
    /// The inbox of a connection.
    pub fn new(client: &Client) -> Self {
        Inbox {
            events: client.events(),
            rooms: Vec::new(),
            turn: (0, 0),
            services: Vec::new(),
            requests: VecDeque::new(),
            ended: false,
        }
    }

    /// Whether the connection is gone for good.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether a pattern is subscribed to.
    pub fn is_joined(&self, pattern: &str) -> bool {
        self.joined().any(|joined| joined.as_str() == pattern)
    }

    /// The patterns that are subscribed to, the oldest first.
    pub fn joined(&self) -> impl DoubleEndedIterator<Item = &Pattern> {
        self.rooms.iter().map(|room| &room.pattern)
    }

    /// Listens to a subscription from now on.
    pub fn join(&mut self, pattern: Pattern, subscription: Subscription) {
        self.rooms.push(Room { pattern, subscription });
    }

    /// Listens to it no longer.
    pub fn leave(&mut self, pattern: &Pattern) -> Option<Subscription> {
        let at = self.rooms.iter().position(|room| room.pattern == *pattern)?;
        Some(self.rooms.remove(at).subscription)
    }

    /// Takes a service's requests from now on.
    pub fn serve(&mut self, service: String, requests: Requests) {
        self.services.push((service, requests));
    }

    /// Takes them no longer.
    pub fn unserve(&mut self, service: &str) -> Option<Requests> {
        let at = self.services.iter().position(|(name, _)| name == service)?;
        Some(self.services.remove(at).1)
    }

    /// A request that was shown and not yet answered.
    pub fn take_request(&mut self, request_id: &str) -> Option<IncomingRequest> {
        let at = self.requests.iter().position(|request| request.request_id == request_id)?;
        self.requests.remove(at)
    }

    /// Waits for the next thing to arrive. Never ready again once the connection has ended.
    pub async fn next(&mut self) -> Arrival {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The next thing, if it is there.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Arrival> {
        if self.ended {
            return Poll::Pending;
        }
        // What the library still holds of a connection that has ended is given out first.
        let ended = match self.events.poll_next_unpin(cx) {
            Poll::Ready(Some(event)) => return Poll::Ready(Arrival::Event(event)),
            Poll::Ready(None) => true,
            Poll::Pending => false,
        };
        if let Poll::Ready(asked) = self.poll_services(cx) {
            return Poll::Ready(Arrival::Asked(asked));
        }
        if let Poll::Ready(arrival) = self.poll_rooms(cx, ended) {
            return Poll::Ready(arrival);
        }
        self.ended = ended;
        match ended {
            true => Poll::Ready(Arrival::Ended),
            false => Poll::Pending,
        }
    }

    fn poll_services(&mut self, cx: &mut Context<'_>) -> Poll<Asked> {
        for (_, requests) in &mut self.services {
            if let Poll::Ready(Some(request)) = requests.poll_next_unpin(cx) {
                let asked = Asked {
                    request_id: request.request_id.clone(),
                    service: request.service.clone(),
                    from: request.from.clone(),
                    data: request.data.clone(),
                };
                self.requests.push_back(request);
                if self.requests.len() > MAX_OPEN_REQUESTS {
                    self.requests.pop_front();
                }
                return Poll::Ready(asked);
            }
        }
        Poll::Pending
    }

    /// Reads the rooms in turn, each until it is empty or has had its share.
    fn poll_rooms(&mut self, cx: &mut Context<'_>, ended: bool) -> Poll<Arrival> {
        let mut silent = 0;
        while silent < self.rooms.len() {
            let (at, taken) = (self.turn.0 % self.rooms.len(), self.turn.1);
            match self.rooms[at].subscription.poll_next_unpin(cx) {
                Poll::Ready(Some(delivery)) => {
                    silent = 0;
                    self.turn = if taken + 1 < MAX_RUN { (at, taken + 1) } else { (at + 1, 0) };
                    if let Some(arrival) = self.read(at, delivery) {
                        return Poll::Ready(arrival);
                    }
                }
                Poll::Ready(None) if !ended => {
                    return Poll::Ready(Arrival::Parted(self.rooms.remove(at).pattern));
                }
                Poll::Ready(None) | Poll::Pending => {
                    silent += 1;
                    self.turn = (at + 1, 0);
                }
            }
        }
        Poll::Pending
    }

    /// Whether a room is the first that covers a channel.
    fn is_first(&self, at: usize, channel: &str) -> bool {
        self.joined().position(|pattern| pattern.matches(channel)).is_none_or(|first| first == at)
    }

    fn read(&self, at: usize, delivery: Delivery) -> Option<Arrival> {
        match delivery {
            // The library hands a message to each subscription that covers it; it is shown once. So are
            // gaps, but for those that add up what several channels lost.
            Delivery::Message(message) => {
                self.is_first(at, &message.channel).then_some(Arrival::Message(message))
            }
            Delivery::Gap(gap) => self.is_first(at, &gap.channel).then_some(Arrival::Gap(gap)),
            // The events tell why.
            Delivery::Disconnected | Delivery::Reconnected => None,
        }
    }
}
