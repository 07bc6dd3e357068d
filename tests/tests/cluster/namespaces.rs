//! A small network of its own for each test: a namespace for every server, all of them at one bridge, and
//! rules that keep them apart. Everything goes when it is dropped. Needs root, `ip` and `nft`; a test is
//! skipped with a word where it has not got them.

use hubbub_tests::cluster::NAMES;
use hubbub_tests::{hub, Hub};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Networks of this process so far.
static MADE: AtomicU32 = AtomicU32::new(0);
const PEER_PORT: u16 = 7412;
const SECRET: &str = "a secret for a network of tests";

/// Namespaces at a bridge. The test itself is at the bridge too, and no rule keeps it from anybody.
pub struct Network {
    bridge: String,
    spaces: Vec<String>,
    addrs: Vec<String>,
    dir: tempfile::TempDir,
}

/// Runs a command, and says what it said when it failed.
fn run(line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    let output = command.args(words).output().map_err(|e| format!("{line}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

impl Network {
    /// A network for so many servers; `None`, and a word, where that cannot be had.
    pub fn of(count: usize) -> Option<Network> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let own = format!("hx{:x}n{number}", std::process::id());
        // Of the addresses that are kept for measuring networks (RFC 2544), 64 for each.
        let pid = std::process::id();
        let subnet = format!("198.{}.{}", 18 + (pid >> 8) % 2, pid % 256);
        let first = 64 * (number % 4) + 1;
        let network = Network {
            bridge: format!("{own}b"),
            spaces: (0..count).map(|at| format!("{own}s{at}")).collect(),
            addrs: (0..count).map(|at| format!("{subnet}.{}", first as usize + 1 + at)).collect(),
            dir: tempfile::tempdir().expect("a temporary folder can be made"),
        };
        // From here on, dropping it removes what is there.
        match network.make(&format!("{subnet}.{first}")) {
            Ok(()) => Some(network),
            Err(why) => {
                println!("SKIPPED: no network namespaces on this machine: {why}");
                None
            }
        }
    }

    fn make(&self, own: &str) -> Result<(), String> {
        let bridge = &self.bridge;
        run(&format!("ip link add {bridge} type bridge"))?;
        run(&format!("ip addr add {own}/26 dev {bridge}"))?;
        run(&format!("ip link set {bridge} up"))?;
        for (space, addr) in self.spaces.iter().zip(&self.addrs) {
            run(&format!("ip netns add {space}"))?;
            run(&format!("ip link add {space} type veth peer name eth0 netns {space}"))?;
            run(&format!("ip link set {space} master {bridge} up"))?;
            run(&format!("ip -n {space} addr add {addr}/26 dev eth0"))?;
            run(&format!("ip -n {space} link set eth0 up"))?;
            run(&format!("ip -n {space} link set lo up"))?;
        }
        run(&format!("ip netns exec {} nft list ruleset", self.spaces[0]))
    }

    /// One server in each namespace, which are told of each other.
    pub fn servers(&self) -> Vec<Hub> {
        self.servers_that(|others| {
            others.iter().flat_map(|other| ["--join".to_owned(), format!("{other}:{PEER_PORT}")]).collect()
        })
    }

    /// One server in each namespace, which look for each other by multicast.
    pub fn servers_that_call(&self) -> Vec<Hub> {
        self.servers_that(|_| vec!["--lan".to_owned()])
    }

    /// One server in each namespace; how it looks for the others depends on their addresses.
    fn servers_that(&self, look: impl Fn(&[&String]) -> Vec<String>) -> Vec<Hub> {
        let secret: PathBuf = self.dir.path().join("secret");
        std::fs::write(&secret, SECRET).expect("a file can be written");
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .expect("its mode can be set");
        let start = |at: usize| {
            let (space, addr) = (&self.spaces[at], &self.addrs[at]);
            let others: Vec<&String> = self.addrs.iter().filter(|other| *other != addr).collect();
            hub::builder()
                .within(["ip", "netns", "exec", space])
                .name(NAMES[at])
                .listen(format!("{addr}:7411"))
                .peer_listen(format!("{addr}:{PEER_PORT}"))
                .args(["--insecure", "--cluster-secret-file", &secret.display().to_string()])
                .args(look(&others))
                .start()
        };
        (0..self.spaces.len()).map(start).collect()
    }

    /// What one server is sent by the others is dropped; `rule` chooses which part.
    pub fn deafen(&self, at: usize, rule: &str) {
        self.drop(at, "input", "saddr", rule);
    }

    /// What one server sends to the others is dropped.
    pub fn mute(&self, at: usize) {
        self.drop(at, "output", "daddr", "");
    }

    fn drop(&self, at: usize, hook: &str, side: &str, rule: &str) {
        let table = format!("ip netns exec {} nft add", self.spaces[at]);
        let others: Vec<&str> =
            self.addrs.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, addr)| addr.as_str()).collect();
        let must = |line: String| run(&line).unwrap_or_else(|why| panic!("{why}"));
        must(format!("{table} table inet apart"));
        must(format!("{table} chain inet apart {hook} {{ type filter hook {hook} priority 0 ; }}"));
        must(format!("{table} rule inet apart {hook} ip {side} {{ {} }} {rule} drop", others.join(", ")));
    }

    /// Everything of one server passes again.
    pub fn heal(&self, at: usize) {
        run(&format!("ip netns exec {} nft delete table inet apart", self.spaces[at]))
            .unwrap_or_else(|why| panic!("{why}"));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // What was not made cannot be removed, which is as well.
        for space in &self.spaces {
            let _ = run(&format!("ip link del {space}"));
            let _ = run(&format!("ip netns del {space}"));
        }
        let _ = run(&format!("ip link del {}", self.bridge));
    }
}
