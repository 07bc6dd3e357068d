//! What arrives in a session: the messages of its subscriptions, requests to its services, and events
//! of the connection, gathered into batches of lines. It reads and words them; it decides nothing.

use crate::output::{push_json, Form};
use crate::show;
use crate::style::Style;
use futures::{FutureExt, StreamExt};
use hubbub_client::{Client, Delivery, Event, Events, IncomingRequest, Requests, Subscription};
use hubbub_shared::encoding::escape::shown;
use hubbub_shared::encoding::{json, text, Payload};
use hubbub_shared::names::Pattern;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};

/// Bytes of one batch. A guess: some screens full, written in a few milliseconds, so that keys are
/// looked at often enough.
const MAX_BATCH: usize = 64 << 10;
/// Requests to services offered here that wait for `/respond`. A guess; the oldest go, and their
/// callers are told.
const MAX_OPEN_REQUESTS: usize = 1_000;

/// What arrives, and from where.
pub struct Inbox {
    client: Client,
    form: Form,
    style: Style,
    hides_own: bool,
    own: Own,
    events: Events,
    rooms: Vec<Room>,
    services: Vec<(String, Requests)>,
    requests: VecDeque<IncomingRequest>,
    ended: bool,
}

/// By what one's own messages are known when they come back: names are unique on a server. They are
/// passed over here and not by the hub, since the library could not tell gaps without them.
#[derive(Default)]
struct Own {
    name: String,
    origin: String,
}

/// One pattern that is subscribed to.
struct Room {
    pattern: Pattern,
    subscription: Subscription,
}

impl Inbox {
    /// The inbox of a connection. Where own messages are hidden, a person sees them as typed.
    pub fn new(client: Client, form: Form, style: Style, hides_own: bool) -> Self {
        Inbox {
            events: client.events(),
            client,
            form,
            style,
            hides_own,
            own: Own::default(),
            rooms: Vec::new(),
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
        self.rooms.iter().any(|room| room.pattern.as_str() == pattern)
    }

    /// The channel that was subscribed to last.
    pub fn newest_channel(&self) -> Option<String> {
        let newest = self.rooms.iter().rev().find_map(|room| room.pattern.to_channel());
        newest.map(|channel| channel.as_str().to_owned())
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

    /// Waits for something to arrive, and gives the lines of all that is there, up to some screens
    /// full. Never ready again once the connection has ended.
    pub async fn next_batch(&mut self) -> Vec<u8> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    /// The lines of what is there already.
    pub fn batch_now(&mut self) -> Vec<u8> {
        self.next_batch().now_or_never().unwrap_or_default()
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8>> {
        let mut out = Vec::new();
        let was_ended = self.ended;
        if self.hides_own {
            let hello = self.client.server();
            self.own = Own { name: hello.name, origin: hello.origin };
        }
        self.poll_events(cx, &mut out);
        self.poll_services(cx, &mut out);
        for at in 0..self.rooms.len() {
            // Where all of it is full, the next batch goes on.
            while out.len() < MAX_BATCH {
                match self.rooms[at].subscription.poll_next_unpin(cx) {
                    Poll::Ready(Some(delivery)) => self.push_delivery(at, delivery, &mut out),
                    Poll::Ready(None) | Poll::Pending => break,
                }
            }
        }
        if out.is_empty() && self.ended == was_ended {
            Poll::Pending
        } else {
            Poll::Ready(out)
        }
    }

    fn poll_events(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        while !self.ended && out.len() < MAX_BATCH {
            match self.events.poll_next_unpin(cx) {
                Poll::Ready(Some(event)) => self.push_event(&event, out),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
        }
    }

    fn poll_services(&mut self, cx: &mut Context<'_>, out: &mut Vec<u8>) {
        for (_, requests) in &mut self.services {
            while let Poll::Ready(Some(request)) = requests.poll_next_unpin(cx) {
                push_request(&request, self.form, out);
                self.requests.push_back(request);
                if self.requests.len() > MAX_OPEN_REQUESTS {
                    self.requests.pop_front();
                }
            }
        }
    }

    fn push_delivery(&self, at: usize, delivery: Delivery, out: &mut Vec<u8>) {
        match delivery {
            // A person sees it already: as the line that was typed.
            Delivery::Message(m) if m.from == self.own.name && m.origin == self.own.origin => {}
            // The library hands a message to each subscription that covers it; it is shown once.
            Delivery::Message(message) => {
                let first = self.rooms.iter().position(|room| room.pattern.matches(&message.channel));
                if first.is_none_or(|first| first == at) {
                    show::push_message(&message, self.form, self.style, out);
                }
            }
            Delivery::Gap(gap) => self.push_notice("gap", &show::gap(&gap), out),
            // The events tell why.
            Delivery::Disconnected | Delivery::Reconnected => {}
        }
    }

    fn push_event(&self, event: &Event, out: &mut Vec<u8>) {
        if let (Form::Json, Some((code, words))) = (self.form, show::event_as_notice(event)) {
            return self.push_notice(code, &words, out);
        }
        if let Some(line) = show::event(event, self.style) {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
        }
    }

    fn push_notice(&self, code: &str, words: &str, out: &mut Vec<u8>) {
        match self.form {
            Form::Json => {
                json::push_notice(code, words, out);
                out.push(b'\n');
            }
            _ => {
                out.extend_from_slice(self.style.dim(&format!("* {}", shown(words))).as_bytes());
                out.push(b'\n');
            }
        }
    }
}

fn push_request(request: &IncomingRequest, form: Form, out: &mut Vec<u8>) {
    let payload = Payload::Json(request.data.get());
    let [id, service, from] = [&request.request_id, &request.service, &request.from].map(|s| shown(s));
    match form {
        Form::Json => {
            let mut object = Vec::new();
            json::push_request(&id, &service, &from, payload, &mut object);
            push_json(&String::from_utf8_lossy(&object), out);
            out.push(b'\n');
        }
        _ => text::push_request(&id, &service, &from, payload, out),
    }
}
