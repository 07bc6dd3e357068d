//! Starts several real `hubbubd` that find each other by a run folder of their own, on free ports.

use crate::hub::{self, Builder, Hub};
use crate::wait;
use hubbub_shared::Encoding;
use std::path::Path;

/// What the servers of a test are called, in this order.
pub const NAMES: [&str; 8] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];

/// Servers that share a run folder. Those that still run are killed when it is dropped.
pub struct Cluster {
    // Before the folder, so that they end before it goes.
    hubs: Vec<Hub>,
    run_dir: tempfile::TempDir,
}

impl Cluster {
    /// So many servers, which serve but need not have met yet.
    pub fn start(count: usize) -> Cluster {
        Cluster::with(count, |_, builder| builder)
    }

    /// The same with something more for each, which is told its number.
    pub fn with(count: usize, more: impl Fn(usize, Builder) -> Builder) -> Cluster {
        assert!(count <= NAMES.len(), "there are names for {}", NAMES.len());
        let run_dir = tempfile::Builder::new().prefix("hubbub-run-").tempdir();
        let run_dir = run_dir.expect("a temporary folder can be made");
        let start = |at: usize| more(at, hub::builder().name(NAMES[at]).run_dir(run_dir.path())).start();
        Cluster { hubs: (0..count).map(start).collect(), run_dir }
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

    /// Takes one out, to kill it; those behind it move up.
    pub fn take(&mut self, at: usize) -> Hub {
        self.hubs.remove(at)
    }

    /// Starts to describe one more server, which will find the others.
    pub fn builder(&self) -> Builder {
        hub::builder().run_dir(self.run_dir.path())
    }

    /// Adds a server that was started elsewhere.
    pub fn push(&mut self, hub: Hub) {
        self.hubs.push(hub);
    }

    /// The folder where they find each other.
    pub fn run_dir(&self) -> &Path {
        self.run_dir.path()
    }

    /// Waits until each of them knows all of them as alive.
    pub fn wait_joined(&self) {
        for hub in &self.hubs {
            let mut client = hub.client(Encoding::Json);
            wait::until("all servers to be known", || {
                (alive(client.ask("servers").json()) == self.hubs.len()).then_some(())
            });
        }
    }
}

/// How many servers a reply to `servers` calls alive.
fn alive(reply: &serde_json::Value) -> usize {
    let servers = reply["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    servers.iter().filter(|server| server["state"] == "alive").count()
}
