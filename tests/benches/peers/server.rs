//! One server under test as a process: found, started on a free port and pinned to the server's core,
//! measured through /proc, killed at the end. Each run of each row has a fresh one.

use crate::peers::{Pair, Peer, Place, Role};
use anyhow::{bail, ensure, Context, Result};
use rustix::process::{getrlimit, setrlimit, Resource, Rlimit};
use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The core of the servers, and that of the generator.
pub const SERVER_CORE: usize = 0;
pub const LOAD_CORE: usize = 1;

/// How long a server may take to accept its first connection.
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server.
pub struct Server {
    child: Child,
    dir: TempDir,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// The servers that a work runs on: one, or two that behave as one, of which publishers have the first
/// and subscribers the second.
pub struct Field {
    servers: Vec<Server>,
    /// What both have in common. It goes after them.
    _shared: TempDir,
}

impl Field {
    /// Starts fresh ones, which listen when this returns; two need not have met by then.
    pub fn start(peer: &Peer, program: &Path, is_pair: bool) -> Result<Field> {
        let shared = fresh_dir()?;
        let mut servers = Vec::new();
        if is_pair {
            let mut other = None;
            for name in ["alpha", "beta"] {
                let port = free_port()?;
                let pair = Pair { shared: shared.path(), name, port, other };
                servers.push(Server::start(peer, program, Some(pair))?);
                other = Some(port);
            }
        } else {
            servers.push(Server::start(peer, program, None)?);
        }
        Ok(Field { servers, _shared: shared })
    }

    /// Whether it has two.
    pub fn is_pair(&self) -> bool {
        self.servers.len() == 2
    }

    /// The server of publishers.
    pub fn first(&self) -> &Server {
        &self.servers[0]
    }

    /// The server of subscribers.
    pub fn last(&self) -> &Server {
        &self.servers[self.servers.len() - 1]
    }

    /// Seconds of processor time that each has used, in steps of a clock tick; nothing of a second one
    /// that there is not.
    pub fn cpu(&self) -> Result<[f64; 2]> {
        let mut used = [0.0; 2];
        for (used, server) in used.iter_mut().zip(&self.servers) {
            *used = server.cpu()?;
        }
        Ok(used)
    }

    /// The last that they said, for a failure's report.
    pub fn log_tail(&self) -> String {
        self.servers.iter().map(Server::log_tail).collect::<Vec<_>>().join("; ")
    }
}

impl Server {
    /// Starts a fresh one, which listens when this returns.
    fn start(peer: &Peer, program: &Path, pair: Option<Pair<'_>>) -> Result<Server> {
        let dir = fresh_dir()?;
        let port = free_port()?;
        let mut command = Command::new(program);
        (peer.configure)(&mut command, &Place { dir: dir.path(), port, pair })?;
        let log = File::create(dir.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A child has the cores of the thread that starts it.
        pin(SERVER_CORE)?;
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()));
        pin(LOAD_CORE)?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Server { child: child?, dir, addr };
        server.wait_until_it_listens().with_context(|| server.log_tail())?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.addr).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "it does not listen after {} s", START_LIMIT.as_secs());
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Seconds of processor time that it has used, in steps of a clock tick.
    fn cpu(&self) -> Result<f64> {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Bytes of memory that it holds.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().next().context("an empty VmRSS")?.parse()?;
        Ok(kib * 1024)
    }

    /// The last that it said, for a failure's report.
    fn log_tail(&self) -> String {
        let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().rev().filter(|l| !l.trim().is_empty()).take(4).collect();
        let tail = lines.into_iter().rev().collect::<Vec<_>>().join(" | ");
        format!("the server's log ends with: {tail:?}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time of a process: user and system.
pub fn cpu_seconds(pid: &str) -> Result<f64> {
    ticks(pid, 2)
}

/// The first so many of utime, stime, and those of the children that have ended, in seconds.
fn ticks(pid: &str, count: usize) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before the last parenthesis may hold anything; utime is field 14.
    let (_, fields) = stat.rsplit_once(") ").context("/proc/PID/stat is not as expected")?;
    let ticks = fields.split(' ').skip(11).take(count).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// What other programs do to the two cores from one moment on.
pub struct Others {
    since: Instant,
    foreign: f64,
}

impl Others {
    pub fn watch() -> Result<Others> {
        Ok(Others { foreign: Others::foreign()?, since: Instant::now() })
    }

    /// Share of the two cores that they used, once every server started here has ended.
    pub fn busy(&self) -> Result<f64> {
        let used = Others::foreign()? - self.foreign;
        Ok((used / self.since.elapsed().as_secs_f64() / 2.0).max(0.0))
    }

    /// Seconds that the two cores worked for others, ever.
    fn foreign() -> Result<f64> {
        let stat = std::fs::read_to_string("/proc/stat")?;
        let mut busy = 0;
        for core in [SERVER_CORE, LOAD_CORE] {
            let name = format!("cpu{core} ");
            let line =
                stat.lines().find_map(|l| l.strip_prefix(&name)).context("/proc/stat has no such core")?;
            // User, nice and system.
            busy += line.split(' ').take(3).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
        }
        let own = ticks("self", 4)?;
        Ok(busy as f64 / rustix::param::clock_ticks_per_second() as f64 - own)
    }
}

/// The program of a peer, or what to do to have it.
pub fn find(peer: &Peer) -> Result<PathBuf, String> {
    if peer.role == Role::Kernel {
        return std::env::current_exe().map_err(|e| e.to_string());
    }
    if peer.role == Role::Hub {
        return build_hub(peer).map_err(|e| format!("{e:#}"));
    }
    // Daemons are often kept where only root's PATH looks.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin:/sbin";
    std::env::split_paths(&path)
        .map(|dir| dir.join(peer.program))
        .find(|program| program.is_file())
        .ok_or_else(|| format!("{} is not installed: {}", peer.program, peer.install))
}

/// The hub of this checkout, brought up to date: `deps/` beside it holds this benchmark.
fn build_hub(peer: &Peer) -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("HUBBUBD") {
        return Ok(program.into());
    }
    let exe = std::env::current_exe()?;
    let release = exe.ancestors().nth(2).context("cargo keeps benchmarks in target/release/deps")?;
    let target = release.parent().context("cargo keeps benchmarks in target/release/deps")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "-p", "hubbub-server", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .status()?;
    ensure!(status.success(), "hubbubd does not build: {}", peer.install);
    Ok(target.join("release").join(peer.program))
}

/// What a program says of its version: the first line that has a digit.
pub fn version(peer: &Peer, program: &Path) -> String {
    if peer.role == Role::Kernel {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        return format!("Linux {}", release.trim());
    }
    let output = Command::new(program).args(peer.version).stdin(Stdio::null()).output();
    let Ok(output) = output else { return "unknown".into() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|l| l.contains(|c: char| c.is_ascii_digit()));
    line.unwrap_or("unknown").trim().to_owned()
}

/// Binds the calling thread, and whatever it starts from then on, to one core.
pub fn pin(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("cannot use core {core}"))
}

/// Whether both cores may be used.
pub fn has_two_cores() -> bool {
    sched_getaffinity(None).is_ok_and(|cores| cores.is_set(SERVER_CORE) && cores.is_set(LOAD_CORE))
}

/// Raises the limit on open files to what the largest rows need, here and in what is started.
pub fn raise_file_limit(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    ensure!(maximum >= needed, "{needed} open files are needed and {maximum} allowed: raise `ulimit -Hn`");
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(())
}

fn fresh_dir() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("hubbub-bench-").tempdir()?)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
