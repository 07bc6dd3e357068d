//! One client's state beyond any one connection: who waits for which answer, what is subscribed and
//! served, who listens to events. Pure: lines in, lines out; it opens no socket and reads no clock.
//! The connection's task feeds it, the handles ask it.

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
            hello,
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
    pub(crate) fn restore(&mut self, hello: HelloReply, lines: &mut Vec<u8>) -> bool {
        if let Some(wanted) = self.wanted_name().filter(|wanted| *wanted != hello.name) {
            let message = format!("{wanted} is taken on this server; the name is {} now", hello.name);
            self.named = false;
            self.tell(Event::Notice(Notice { code: "rename".into(), message }));
        }
        self.hello = hello;
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
        self.tell(Event::Reconnected { name, server });
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::queue::queue;
    use crate::Delivery;
    use futures::{FutureExt, StreamExt};
    use hubbub_shared::names::Pattern;

    fn hello(name: &str) -> HelloReply {
        let json = format!(
            r#"{{"client_id":"c","name":"{name}","server":"alpha","origin":"alpha-1","version":"1","limits":{{}}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    /// A session on its first connection, with a listener.
    fn session() -> (Session, Receiver<Event>) {
        let mut session = Session::new(hello("bob"), true, true);
        assert!(session.restore(hello("bob"), &mut Vec::new()), "there is nothing to restore");
        let events = session.listen();
        (session, events)
    }

    fn subscribed(session: &mut Session, id: Id, pattern: &str) -> Receiver<Delivery> {
        let (sender, receiver) = queue(10, 1 << 20);
        session.routes.add(id, vec![Pattern::parse(pattern).unwrap()], None, sender);
        session.routes.confirm(id);
        receiver
    }

    /// Feeds lines as they come from the hub.
    fn feed(session: &mut Session, lines: &[&str]) -> Effects {
        let mut effects = Effects::default();
        for line in lines {
            session.handle(Incoming::parse(line.as_bytes()).unwrap(), &mut effects);
        }
        effects
    }

    /// What has been told, each event's first word.
    fn told(events: &mut Receiver<Event>) -> Vec<String> {
        std::iter::from_fn(|| events.next().now_or_never().flatten())
            .map(|event| format!("{event:?}").split([' ', '(']).next().unwrap_or_default().to_owned())
            .collect()
    }

    fn text(lines: &[u8]) -> &str {
        std::str::from_utf8(lines).unwrap()
    }

    #[test]
    fn an_answer_finds_who_waits_for_it_and_no_one_else() {
        let (mut session, mut events) = session();
        let ((first, mut one), (second, mut two)) = (oneshot::channel(), oneshot::channel());
        session.expect(1, first, About::Other);
        session.expect(2, second, About::Other);
        feed(&mut session, &[r#"{"re":2,"ok":{}}"#, r#"{"re":9,"ok":{}}"#, r#"{"re":"x","ok":{}}"#]);
        assert!(two.try_recv().unwrap().unwrap().is_ok());
        assert!(one.try_recv().unwrap().is_none());
        session.lost("reset");
        assert!(
            matches!(one.try_recv().unwrap().unwrap(), Err(Error::Disconnected { why }) if why == "reset")
        );
        feed(&mut session, &[r#"{"re":1,"ok":{}}"#]);
        assert_eq!(told(&mut events), ["Disconnected"]);
    }

    #[test]
    fn a_new_connection_is_restored_before_anything_else() {
        let (mut session, mut events) = session();
        let mut ops = subscribed(&mut session, 1, "ops.>");
        let (sender, _requests) = queue(10, 1 << 20);
        assert!(session.serve("add", "adds", sender));
        session.lost("reset");
        let mut lines = Vec::new();
        assert!(!session.restore(hello("bob"), &mut lines));
        assert_eq!(
            text(&lines),
            concat!(
                r#"{"op":"subscribe","channels":["ops.>"],"id":1}"#,
                "\n",
                r#"{"op":"serve","service":"add","about":"adds","id":2}"#,
                "\n"
            )
        );
        assert!(!feed(&mut session, &[r#"{"re":1,"ok":{}}"#]).restored);
        assert!(feed(&mut session, &[r#"{"re":2,"ok":{}}"#]).restored);
        session.reconnected();
        assert_eq!(told(&mut events), ["Disconnected", "Reconnected"]);
        let deliveries: Vec<_> = std::iter::from_fn(|| ops.next().now_or_never().flatten()).collect();
        assert!(matches!(deliveries[..], [Delivery::Disconnected, Delivery::Reconnected]));
    }

    #[test]
    fn what_the_hub_does_not_give_back_ends_and_the_rest_goes_on() {
        let (mut session, mut events) = session();
        let ops = subscribed(&mut session, 1, "ops");
        session.lost("reset");
        session.restore(hello("anon-1"), &mut Vec::new());
        assert_eq!(session.wanted_name(), None, "the name is somebody else's now");
        let no = r#"{"re":1,"error":{"code":"not-allowed","message":"no"}}"#;
        let effects = feed(&mut session, &[no]);
        assert!(effects.restored);
        assert_eq!(text(&effects.lines), "{\"op\":\"unsubscribe\",\"channels\":[\"ops\"],\"id\":2}\n");
        assert!(matches!(ops.collect::<Vec<_>>().now_or_never().unwrap()[..], [Delivery::Disconnected]));
        assert_eq!(told(&mut events), ["Disconnected", "Notice", "Refused"]);
    }

    #[test]
    fn a_request_that_cannot_wait_is_answered_at_once() {
        let (mut session, _events) = session();
        let request = r#"{"event":"request","request_id":"r1","service":"add","from":"al","data":1}"#;
        let effects = feed(&mut session, &[request]);
        assert!(text(&effects.lines).starts_with(r#"{"op":"respond","request_id":"r1","error":"#));
        let (sender, mut requests) = queue(1, 1 << 20);
        session.serve("add", "", sender);
        let effects = feed(&mut session, &[request, request]);
        assert!(text(&effects.lines).contains("too many requests"));
        assert_eq!(requests.next().now_or_never().unwrap().unwrap().from, "al");
        assert!(session.unserve("add") && !session.unserve("add"));
        assert!(requests.next().now_or_never().unwrap().is_none());
    }

    #[test]
    fn last_words_heartbeats_and_refusals_without_an_id() {
        let (mut session, mut events) = session();
        let effects = feed(
            &mut session,
            &[
                r#"{"event":"ping"}"#,
                r#"{"re":null,"error":{"code":"bad-channel","message":"first"}}"#,
                r#"{"re":null,"error":{"code":"bad-channel","message":"second"}}"#,
                r#"{"event":"closing","code":"draining","message":"bye","retry_ms":7,"try":["b:1"]}"#,
            ],
        );
        assert_eq!(effects.lines, b"\n");
        let closing = effects.closing.unwrap();
        assert_eq!((closing.retry_ms, closing.elsewhere), (7, vec!["b:1".to_owned()]));
        assert_eq!(session.take_refused().unwrap().message, "first");
        assert!(session.take_refused().is_none());
        assert_eq!(told(&mut events), ["Refused", "Refused", "Closing"]);
    }

    #[test]
    fn whoever_listens_late_hears_from_then_on_and_nobody_is_kept_for_ever() {
        let (mut session, mut first) = session();
        session.tell(Event::Lost(1));
        let mut second = session.listen();
        session.tell(Event::Lost(2));
        assert_eq!((told(&mut first).len(), told(&mut second).len()), (2, 1));
        drop(second);
        session.tell(Event::Lost(3));
        assert_eq!(session.listeners.len(), 1);
        session.end();
        assert!(session.listen().next().now_or_never().unwrap().is_none());
    }
}
