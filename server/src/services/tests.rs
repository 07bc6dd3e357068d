//! How the hub answers its own services: at once, by its pool, or only when nobody else does.

use super::own::Own;
use super::*;
use crate::clock::Now;
use crate::cluster::ServerManager;
use crate::hub::Farewell;
use crate::operator::Token;
use crate::outbox::Next;
use hubbub_shared::Encoding;
use std::net::SocketAddr;

/// A service with a defect.
pub(super) const BROKEN: Own = Own {
    name: "test.broken",
    about: "fails",
    effort: |_| Effort::Great,
    answer: |_| panic!("as it should"),
    replaceable: false,
};

/// A service that the hub answers as long as nobody else does.
pub(super) const STAND_IN: Own = Own {
    name: "test.stand-in",
    about: "the hub's own",
    effort: |task| if task.payload.raw().len() < 3 { Effort::Slight } else { Effort::Great },
    answer: |task| Ok(format!("\"own {}\"", task.payload.raw())),
    replaceable: true,
};

/// A service that works until nobody waits any more.
pub(super) const ENDLESS: Own = Own {
    name: "test.endless",
    about: "works without end",
    effort: |_| Effort::Great,
    answer: |task| {
        while !task.cancelled.is_set() {
            std::thread::yield_now();
        }
        Err(task.cancelled.refusal())
    },
    replaceable: false,
};

struct World {
    hub: Hub,
    now: Now,
}

impl World {
    fn new() -> World {
        let now = Now::read();
        let dir = tempfile::tempdir().expect("a folder");
        let token = Token::create(dir.path()).expect("a token");
        let hub = Hub::new(Limits::default(), ServerManager::new("alpha", ::uuid::Uuid::nil(), now), token);
        World { hub, now }
    }

    fn client(&self) -> Arc<Client> {
        let client = self.hub.clients.open(SocketAddr::from(([127, 0, 0, 1], 9)), None, self.now);
        client.set_encoding(Encoding::Text);
        client
    }

    fn request(&self, client: &Arc<Client>, service: &str, text: &str) -> Result<(), Refusal> {
        let within = Duration::from_secs(5);
        let request = Request { service, payload: Payload::Text(text), within, re: None };
        let mut batch = Batch::new(self.now);
        let asked = self.hub.services.request(&self.hub, client, &request, &mut batch);
        self.hub.settle(&mut batch);
        asked
    }

    /// Waits for the pool, and answers.
    fn work(&self) {
        let outcome = futures::executor::block_on(self.hub.services.pool.outcome()).expect("an outcome");
        let mut batch = Batch::new(self.now);
        self.hub.services.worked(&outcome, &self.hub, &mut batch);
        self.hub.settle(&mut batch);
    }

    fn expire(&self, after: Duration) {
        let instant = self.now.instant + after;
        let mut batch = Batch::new(Now { instant, ..self.now });
        self.hub.services.expire(&self.hub, &mut batch);
        self.hub.settle(&mut batch);
    }

    fn close(&self, client: &Arc<Client>) {
        let mut batch = Batch::new(self.now);
        self.hub.close(client, Farewell::Left("left"), &mut batch);
        self.hub.settle(&mut batch);
    }

    fn row(&self, name: &str) -> ServiceInfo {
        let rows = self.hub.services.list();
        rows.into_iter().find(|row| row.name == name).expect("the service is listed")
    }

    fn open(&self) -> u64 {
        self.hub.services.counts().1
    }
}

/// What a client was sent since the last time, line by line.
fn heard(client: &Client) -> Vec<String> {
    let mut lines = Vec::new();
    let mut next = client.outbox.next(Default::default());
    while let Next::Chunk(chunk) = next {
        let bytes: Vec<u8> = chunk.slices().0.iter().flat_map(|slice| slice.to_vec()).collect();
        lines.extend(String::from_utf8(bytes).expect("text").lines().map(str::to_owned));
        next = client.outbox.next(chunk);
    }
    lines
}

#[test]
fn light_requests_are_answered_at_once_and_heavy_ones_by_the_pool() {
    let world = World::new();
    let client = world.client();
    world.request(&client, "factor", "75").expect("it is taken");
    assert_eq!(heard(&client), ["ok factor: [3,5,5]"]);
    world.request(&client, "fibonacci", "121212").expect("it is taken");
    assert_eq!((heard(&client), world.open()), (vec![], 1));
    assert!(client.open_requests.load(Ordering::Relaxed) > 0);
    world.work();
    assert_eq!(heard(&client)[0].len(), "ok fibonacci: ".len() + 25_332);
    assert_eq!((world.open(), client.open_requests.load(Ordering::Relaxed)), (0, 0));
    assert_eq!((world.row("fibonacci").requests, world.row("fibonacci").errors), (1, 0));
    let refusal = world.request(&client, "factor", "many").expect_err("it is no number");
    assert_eq!(refusal.code, Code::BadArgument);
    assert_eq!(world.row("factor").errors, 1);
}

#[test]
fn a_defect_is_answered_and_the_thread_goes_on() {
    let world = World::new();
    let client = world.client();
    for _ in 0..3 {
        world.request(&client, "test.broken", "x").expect("it is taken");
        world.work();
        let lines = heard(&client);
        assert!(lines.len() == 1 && lines[0].starts_with("error internal"), "{lines:?}");
    }
}

#[test]
fn work_ends_with_its_time_limit_and_the_thread_is_free() {
    let world = World::new();
    let (client, other) = (world.client(), world.client());
    world.request(&client, "test.endless", "x").expect("it is taken");
    while world.hub.services.pool.waiting() > 0 {
        std::thread::yield_now();
    }
    world.request(&other, "fibonacci", "5000").expect("it is taken");
    world.expire(Duration::from_secs(4));
    assert_eq!(heard(&client), [""; 0]);
    world.request(&client, "test.endless", "not begun").expect("it is taken");
    world.expire(Duration::from_secs(6));
    let lines = heard(&client);
    assert!(lines.len() == 2 && lines[0].starts_with("error timeout: test.endless"), "{lines:?}");
    assert!(lines[1].starts_with("error too-many: test.endless had no turn"), "{lines:?}");
    // The other's request is over as well, so it asks again.
    assert_eq!((heard(&other).len(), world.open()), (1, 0));
    world.request(&other, "fibonacci", "5000").expect("it is taken");
    world.work();
    assert!(heard(&other)[0].starts_with("ok fibonacci: "));
}

#[test]
fn work_ends_when_its_caller_goes() {
    let world = World::new();
    let (client, other) = (world.client(), world.client());
    for _ in 0..10 {
        world.request(&client, "test.endless", "x").expect("it is taken");
    }
    world.close(&client);
    world.request(&other, "fibonacci", "5000").expect("it is taken");
    world.work();
    assert!(heard(&other)[0].starts_with("ok fibonacci: "));
    assert_eq!(world.open(), 0);
}

#[test]
fn a_full_pool_refuses_who_has_asked_much_and_takes_who_has_not() {
    let world = World::new();
    let (greedy, modest) = (world.client(), world.client());
    let refused = (0..20_000)
        .filter(|_| {
            world.request(&greedy, "test.endless", "x").expect("it is taken");
            heard(&greedy).iter().any(|line| line.starts_with("error too-many"))
        })
        .count();
    assert!(refused > 10_000, "{refused} are refused");
    world.request(&modest, "fibonacci", "5000").expect("it is taken");
    assert_eq!(heard(&modest), [""; 0]);
    world.close(&greedy);
    world.work();
    assert!(heard(&modest)[0].starts_with("ok fibonacci: "));
}

#[test]
fn the_hub_stands_in_for_a_service_as_long_as_nobody_offers_it() {
    let world = World::new();
    let (client, worker) = (world.client(), world.client());
    let ask = |text: &str| world.request(&client, "test.stand-in", text).expect("it is taken");
    ask("a");
    assert_eq!(heard(&client), ["ok test.stand-in: own a"], "at once");
    ask("heavy");
    world.work();
    assert_eq!(heard(&client), ["ok test.stand-in: own heavy"], "by the pool");
    assert_eq!(
        (world.row("test.stand-in").providers, world.row("test.stand-in").about.as_str()),
        (1, "the hub's own")
    );

    world.hub.services.offer(&worker, "test.stand-in", "better").expect("it may be replaced");
    assert_eq!(
        (world.row("test.stand-in").providers, world.row("test.stand-in").about.as_str()),
        (1, "better")
    );
    ask("b");
    let event = heard(&worker);
    assert!(event.len() == 1 && event[0].ends_with(": b"), "{event:?}");
    assert_eq!(heard(&client), [""; 0]);
    let id =
        event[0].split_once("test.stand-in ").and_then(|(_, rest)| rest.split_once(':')).expect("an id").0;
    let mut batch = Batch::new(world.now);
    let answer = Answer::Data(Payload::Text("from the worker"));
    world.hub.services.respond(&worker, id, answer, &world.hub, &mut batch).expect("it has the request");
    assert_eq!(heard(&client), ["ok test.stand-in: from the worker"]);

    // Nothing is lost with the worker.
    ask("c");
    world.close(&worker);
    world.work();
    assert_eq!(heard(&client), ["ok test.stand-in: own c"]);
    ask("d");
    assert_eq!(heard(&client), ["ok test.stand-in: own d"]);
    assert_eq!(
        (world.row("test.stand-in").requests, world.row("test.stand-in").about.as_str()),
        (5, "the hub's own")
    );

    let refusal = world.hub.services.offer(&client, "factor", "").expect_err("the hub's alone");
    assert_eq!(refusal.code, Code::NotAllowed);
}
