//! Starts several real `hubbubd` that find each other by a run folder of their own, on free ports, and
//! does to them what machines do: kills, stops, ends and restarts them. Every wait has a deadline.

use crate::hub::{self, Builder, Hub};
use crate::wait;
use crate::Client;
use hubbub_shared::Encoding;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the servers of a test are called, in this order.
pub const NAMES: [&str; 8] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

type More = dyn Fn(usize, Builder) -> Builder + Send + Sync;

/// Servers that share a run folder. Those that still run are killed when it is dropped.
pub struct Cluster {
    // Before the folder, so that they end before it goes.
    hubs: Vec<Hub>,
    more: Box<More>,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// So many servers, which serve but need not have met yet.
    pub fn start(count: usize) -> Cluster {
        Cluster::with(count, |_, builder| builder)
    }

    /// The same, and they have become one hub.
    pub fn joined(count: usize) -> Cluster {
        let cluster = Cluster::start(count);
        cluster.wait_joined();
        cluster
    }

    /// The same with something more for each, which is told its number; at every start again.
    pub fn with(count: usize, more: impl Fn(usize, Builder) -> Builder + Send + Sync + 'static) -> Cluster {
        assert!(count <= NAMES.len(), "there are names for {}", NAMES.len());
        let dir = tempfile::Builder::new().prefix("hubbub-run-").tempdir();
        let dir = dir.expect("a temporary folder can be made");
        let mut cluster = Cluster { hubs: Vec::new(), more: Box::new(more), dir };
        cluster.hubs = (0..count).map(|at| cluster.of(at).start()).collect();
        cluster
    }

    /// One of them.
    pub fn hub(&self, at: usize) -> &Hub {
        &self.hubs[at]
    }

    /// One of them, to end it.
    pub fn hub_mut(&mut self, at: usize) -> &mut Hub {
        &mut self.hubs[at]
    }

    /// All of them.
    pub fn hubs(&self) -> &[Hub] {
        &self.hubs
    }

    /// A client of one of them.
    pub fn client(&self, at: usize, encoding: Encoding) -> Client {
        self.hubs[at].client(encoding)
    }

    /// A client with a name.
    pub fn named(&self, at: usize, encoding: Encoding, name: &str) -> Client {
        self.hubs[at].named(encoding, name)
    }

    /// Their client addresses, separated by commas: the one of this number first.
    pub fn addrs(&self, first: usize) -> String {
        let order = (0..self.hubs.len()).map(|n| self.hubs[(first + n) % self.hubs.len()].addr().to_string());
        order.collect::<Vec<_>>().join(",")
    }

    /// Starts to describe one more server, which will find the others.
    pub fn builder(&self) -> Builder {
        hub::builder().run_dir(&self.run_dir())
    }

    /// Adds a server that was started elsewhere.
    pub fn push(&mut self, hub: Hub) {
        self.hubs.push(hub);
    }

    /// The folder where they find each other.
    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A folder that goes with them.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server of a number, as it is started and restarted: with its own data folder.
    pub fn of(&self, at: usize) -> Builder {
        let data = self.dir.path().join(format!("data-{}", NAMES[at]));
        (self.more)(at, self.builder().name(NAMES[at]).data_dir(&data))
    }

    /// Kills one without a warning.
    pub fn kill(&mut self, at: usize) {
        self.hubs[at].process().signal(Signal::KILL);
        self.hubs[at].wait_end();
    }

    /// Stops one; it keeps its sockets and does nothing.
    pub fn stop(&self, at: usize) {
        self.hubs[at].process().pause();
    }

    /// Lets one go on.
    pub fn cont(&self, at: usize) {
        self.hubs[at].process().resume();
    }

    /// Ends one as a service manager does, and waits until it has gone well.
    pub fn terminate(&mut self, at: usize) {
        self.hubs[at].terminate();
        let status = self.hubs[at].wait_end();
        assert!(status.success(), "{} ended with {status}", NAMES[at]);
    }

    /// Starts one again that has ended: another run of the same name, on other ports.
    pub fn restart(&mut self, at: usize) {
        self.hubs[at] = self.of(at).start();
    }

    /// The same on the ports that it had.
    pub fn restart_in_place(&mut self, at: usize) {
        let ready = self.hubs[at].ready();
        let addr = |key: &str| ready[key].as_str().expect("the ready file names both addresses").to_owned();
        let again = self.of(at).listen(addr("client_addr")).peer_listen(addr("peer_addr"));
        self.hubs[at] = again.start();
    }

    /// Waits until those that run are one hub: each knows all as alive and is answered by all of them.
    pub fn wait_joined(&self) {
        self.wait_joined_within(wait::PATIENCE);
    }

    /// The same, so long at the most; how long it took.
    #[track_caller]
    pub fn wait_joined_within(&self, limit: Duration) -> Duration {
        let running: Vec<&Hub> = self.hubs.iter().filter(|hub| hub.process().is_alive()).collect();
        wait_one_hub(&running, limit)
    }
}

/// Waits until these servers are one hub: each knows exactly them as alive and is answered by all of
/// them. How long it took.
#[track_caller]
pub fn wait_one_hub(hubs: &[&Hub], limit: Duration) -> Duration {
    let started = Instant::now();
    let mut views = Vec::new();
    let joined = wait::within(limit, || {
        views = hubs.iter().map(|hub| view(&mut hub.client(Encoding::Json))).collect();
        let names: BTreeSet<&str> = views.iter().map(|view| view.own.as_str()).collect();
        let is_whole = |view: &View| view.missing.is_empty() && view.alive.iter().eq(names.iter().copied());
        views.iter().all(is_whole).then_some(())
    });
    assert!(joined.is_some(), "not one hub after {limit:?}: {views:#?}");
    started.elapsed()
}

/// How a server sees the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub own: String,
    /// Who is alive, sorted.
    pub alive: Vec<String>,
    /// Who else it knows of, as `name state`.
    pub others: Vec<String>,
    /// Who did not answer.
    pub missing: Vec<String>,
}

/// How the server of a client sees the cluster.
pub fn view(client: &mut Client) -> View {
    let servers = client.ask("servers").json()["servers"].clone();
    let servers = servers.as_array().cloned().unwrap_or_default();
    let name = |server: &Value| server["name"].as_str().unwrap_or_default().to_owned();
    let own = servers.iter().find(|server| server["self"] == true).map(name).unwrap_or_default();
    let is_alive = |server: &&Value| server["state"] == "alive";
    let mut alive: Vec<String> = servers.iter().filter(is_alive).map(name).collect();
    alive.sort();
    let others = servers.iter().filter(|server| !is_alive(server));
    let others = others.map(|server| format!("{} {}", name(server), server["state"])).collect();
    View { own, alive, others, missing: missing(&client.ask("clients").json()["missing"]) }
}

/// The names in a `missing`.
pub fn missing(value: &Value) -> Vec<String> {
    let names = value.as_array().map(Vec::as_slice).unwrap_or_default();
    names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
