//! One client's state beyond any one connection: who waits for which answer, what is subscribed and
//! served, who listens to events. Pure: lines in, lines out; it opens no socket and reads no clock.
//! The connection's task feeds it, the handles ask it.

use crate::addresses::Known;
use crate::events::{self, Event};
use crate::line::{self, Line};
use crate::queue::{Queue, Receiver};
use crate::routes::{Id, Routes};
use crate::Error;
use futures::channel::oneshot;
use hubbub_shared::event::{self, Closing, Incoming, Notice, Request};
use hubbub_shared::reply::HelloReply;
use hubbub_shared::Refusal;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The answer to a command.
pub(crate) type Answer = Result<Box<RawValue>, Error>;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) routes: Routes,
    hello: HelloReply,
    /// The address of the present connection, and the server of the one before.
    addr: String,
    before: String,
    /// Where else the cluster can be reached.
    pub(crate) known: Known,
    /// Whether the name was asked for, and is to be asked for again.
    named: bool,
    /// The `id` of the last command. 0 is the hello's.
    last_id: u64,
    pending: HashMap<u64, Pending>,
    services: BTreeMap<String, Service>,
    listeners: Vec<Arc<Queue<Event>>>,
    /// For the first who asks for events: those since connecting.
    first: Option<Receiver<Event>>,
    /// Restoring commands that the hub has not answered yet.
    restoring: usize,
    ended: bool,
    /// The first refusal of something whose sender did not wait, until somebody asks.
    refused: Option<Refusal>,
    /// The client has said goodbye: the end of this connection is no loss.
    pub(crate) leaving: bool,
}

#[derive(Debug)]
struct Pending {
    to: Option<oneshot::Sender<Answer>>,
    about: About,
}

/// What the session itself has to do with an answer.
#[derive(Debug, Clone)]
pub(crate) enum About {
    /// Nothing.
    Other,
    /// A subscription is in force, or not.
    Subscribe(Id),
    /// A service is offered, or not.
    Serve(String),
}

#[derive(Debug)]
struct Service {
    about: String,
    queue: Arc<Queue<Request>>,
}

/// What the connection's task has to do after feeding the session.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Lines to be sent.
    pub(crate) lines: Vec<u8>,
    /// Everything is subscribed and served again.
    pub(crate) restored: bool,
    /// The hub's last words.
    pub(crate) closing: Option<Closing>,
}

impl Session {
    /// The session of a client whose first `hello` was answered so.
    pub(crate) fn new(hello: HelloReply, named: bool, echo: bool) -> Self {
        let (listener, first) = events::listener();
        Session {
            routes: Routes::new(echo),
            before: hello.server.clone(),
            hello,
            addr: String::new(),
            known: Known::default(),
            named,
            last_id: 0,
            pending: HashMap::new(),
            services: BTreeMap::new(),
            listeners: vec![listener],
            first: Some(first),
            restoring: 0,
            ended: false,
            refused: None,
            leaving: false,
        }
    }

    /// The hub's last answer to `hello`; the name in it is kept up to date.
    pub(crate) fn hello(&self) -> &HelloReply {
        &self.hello
    }

    /// The address of the present connection, as it was tried.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// The name to ask for on a new connection.
    pub(crate) fn wanted_name(&self) -> Option<&str> {
        self.named.then_some(self.hello.name.as_str())
    }

    /// The client has taken a name.
    pub(crate) fn rename(&mut self, name: String) {
        self.hello.name = name;
        self.named = true;
    }

    /// An `id` for a command.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A command is sent now, and this is where its answer goes.
    pub(crate) fn expect(&mut self, id: u64, to: oneshot::Sender<Answer>, about: About) {
        self.pending.insert(id, Pending { to: Some(to), about });
    }

    /// Nobody waits for an answer any more.
    pub(crate) fn forget(&mut self, id: u64) {
        self.pending.remove(&id);
    }

    /// Offers a service; false when this client offers it already.
    pub(crate) fn serve(&mut self, service: &str, about: &str, queue: Arc<Queue<Request>>) -> bool {
        let free = !self.services.contains_key(service);
        if free {
            self.services.insert(service.to_owned(), Service { about: about.to_owned(), queue });
        }
        free
    }

    /// Offers a service no longer; false when it was not offered.
    pub(crate) fn unserve(&mut self, service: &str) -> bool {
        self.services.remove(service).map(|service| service.queue.end()).is_some()
    }

    /// A stream of events: the first has them since connecting, others from now on.
    pub(crate) fn listen(&mut self) -> Receiver<Event> {
        self.first.take().unwrap_or_else(|| {
            let (listener, receiver) = events::listener();
            match self.ended {
                true => listener.end(),
                false => self.listeners.push(listener),
            }
            receiver
        })
    }

    /// Tells an event to all who listen.
    pub(crate) fn tell(&mut self, event: Event) {
        self.listeners.retain(|listener| !listener.is_abandoned());
        for listener in &self.listeners {
            events::push(listener, event.clone());
        }
    }

    /// The first refusal, since the last call, of something whose sender did not wait.
    pub(crate) fn take_refused(&mut self) -> Option<Refusal> {
        self.refused.take()
    }

    /// Takes in what the hub sent.
    pub(crate) fn handle(&mut self, incoming: Incoming, effects: &mut Effects) {
        match incoming {
            Incoming::Event(event::Event::Message(message)) => {
                if let Some(gap) = self.routes.deliver(message) {
                    self.tell(Event::Gap(gap));
                }
            }
            Incoming::Reply { re, result } => self.answered(re.as_deref(), result, effects),
            Incoming::Event(event::Event::Direct(direct)) => self.tell(Event::Direct(direct)),
            Incoming::Event(event::Event::Request(request)) => self.requested(request, &mut effects.lines),
            Incoming::Event(event::Event::Notice(notice)) => self.tell(Event::Notice(notice)),
            Incoming::Event(event::Event::Closing(closing)) => {
                self.tell(Event::Closing(closing.clone()));
                effects.closing = Some(closing);
            }
            // Any byte answers a heartbeat, and the hub passes over blank lines.
            Incoming::Event(event::Event::Ping) => effects.lines.push(b'\n'),
            Incoming::Event(event::Event::Unknown(name)) => {
                log::debug!("passed over an event of another release: {name}");
            }
        }
    }

    fn answered(
        &mut self,
        re: Option<&RawValue>,
        result: Result<Box<RawValue>, Refusal>,
        effects: &mut Effects,
    ) {
        let Some(re) = re.filter(|re| re.get() != "null") else {
            if let Err(refusal) = result {
                self.refused.get_or_insert_with(|| refusal.clone());
                self.tell(Event::Refused(refusal));
            }
            return;
        };
        // An answer for which nobody waits came after its time limit.
        let Some(pending) = re.get().parse().ok().and_then(|id: u64| self.pending.remove(&id)) else {
            return;
        };
        match (&pending.about, &result) {
            (About::Other, _) => {}
            (About::Subscribe(id), Ok(_)) => self.routes.confirm(*id),
            (About::Subscribe(id), Err(_)) => self.unsubscribe(*id, &mut effects.lines),
            (About::Serve(_), Ok(_)) => {}
            (About::Serve(service), Err(_)) => drop(self.unserve(service)),
        }
        match pending.to {
            Some(to) => drop(to.send(result.map_err(Error::Refused))),
            None => {
                if let Err(refusal) = result {
                    self.tell(Event::Refused(refusal));
                }
                self.restoring -= 1;
                effects.restored |= self.restoring == 0;
            }
        }
    }

    fn requested(&mut self, request: Request, lines: &mut Vec<u8>) {
        let (request, why) = match self.services.get(&request.service) {
            None => (request, "this client offers that service no longer"),
            Some(service) => match service.queue.push(request) {
                Ok(()) => return,
                Err(request) => (request, "this client has too many requests waiting already"),
            },
        };
        lines.extend(line::respond_error(&request.request_id, why, self.next_id()));
    }

    /// Ends a subscription here, and at the hub where nobody else here holds its patterns.
    pub(crate) fn unsubscribe(&mut self, id: Id, lines: &mut Vec<u8>) {
        let gone = self.routes.remove(id);
        if !gone.is_empty() {
            lines.extend(line::unsubscribe(&gone, self.next_id()));
        }
    }

    /// The connection is lost: whoever waits for an answer is told that there will be none.
    pub(crate) fn lost(&mut self, why: &str) {
        for (_, pending) in self.pending.drain() {
            if let Some(to) = pending.to {
                drop(to.send(Err(Error::disconnected(why))));
            }
        }
        self.restoring = 0;
        if !self.leaving {
            self.routes.mark(false);
            self.tell(Event::Disconnected { why: why.to_owned() });
        }
    }

    /// There is a new connection: the lines that make it what the old one was, and whether there
    /// are none.
    pub(crate) fn restore(&mut self, hello: HelloReply, addr: &str, lines: &mut Vec<u8>) -> bool {
        if let Some(wanted) = self.wanted_name().filter(|wanted| *wanted != hello.name) {
            let message = format!("{wanted} is taken on this server; the name is {} now", hello.name);
            self.named = false;
            self.tell(Event::Notice(Notice { code: "rename".into(), message }));
        }
        self.known.remember(&hello.servers);
        self.addr = addr.to_owned();
        self.before = std::mem::replace(&mut self.hello, hello).server;
        let mut id = self.last_id;
        let mut expect = |about| {
            id += 1;
            self.pending.insert(id, Pending { to: None, about });
            id
        };
        for (sub, patterns, group) in self.routes.all() {
            lines.extend(Line::subscribe(patterns, group).finish(Some(expect(About::Subscribe(sub)))));
        }
        for (name, service) in &self.services {
            lines.extend(Line::serve(name, &service.about).finish(Some(expect(About::Serve(name.clone())))));
        }
        self.last_id = id;
        self.restoring = self.pending.len();
        self.restoring == 0
    }

    /// Everything is as before the loss.
    pub(crate) fn reconnected(&mut self) {
        self.routes.mark(true);
        let (name, server) = (self.hello.name.clone(), self.hello.server.clone());
        let (addr, before) = (self.addr.clone(), self.before.clone());
        self.tell(Event::Reconnected { name, server, addr, before });
    }

    /// The client is closed for good: every stream ends.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.routes.end();
        for (_, service) in std::mem::take(&mut self.services) {
            service.queue.end();
        }
        for listener in self.listeners.drain(..) {
            listener.end();
        }
    }
}

#[cfg(test)]
mod tests;
