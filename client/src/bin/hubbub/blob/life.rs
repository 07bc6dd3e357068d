//! `hubbub blob status` and `hubbub blob shutdown`: which running server has the blob door, by the run
//! folder and the lock on its pid file, and its end. Only a server that `hubbub blob start` started is
//! ended here.

use super::place;
use crate::board::Board;
use crate::cli::Globals;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::running::{runs, Living};
use crate::table::lasted;
use async_io::Timer;
use chrono::{DateTime, Local};
use clap::Args;
use futures::{pin_mut, select_biased, FutureExt};
use hubbub_shared::doors;
use hubbub_shared::run::RunFile;
use rustix::process::{kill_process, Pid, Signal};
use serde_json::{json, Value};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The door, and the name and the cluster of the servers that are started for it.
pub const BLOB: &str = doors::BLOB.name;
/// How long the end of a server may take, unless `--timeout` says otherwise: it drains before.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the progress line on a terminal is renewed.
const PROGRESS: Duration = Duration::from_millis(250);

/// Tell whether a server with the blob door runs, where, and since when
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob status
  hubbub blob status --json | jq .pid

The exit code is 0 when one runs, and 1 when none does.")]
pub struct StatusArgs {
    /// Only where the door is at this address
    #[arg(long, value_name = "ADDR", value_parser = place)]
    pub(super) at: Option<SocketAddr>,
}

/// End the server that `hubbub blob start` started
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hubbub blob shutdown
  hubbub blob shutdown --timeout 1m")]
pub struct ShutdownArgs {
    /// Only where the door is at this address
    #[arg(long, value_name = "ADDR", value_parser = place)]
    pub(super) at: Option<SocketAddr>,
}

/// A living server with the door.
pub struct Server {
    /// What it tells of itself.
    pub run: RunFile,
    /// Where its door is.
    pub addr: SocketAddr,
    living: Living,
}

impl Server {
    /// Whether it was started for the door.
    pub fn is_own(&self) -> bool {
        let is = |name: &str| name.eq_ignore_ascii_case(BLOB);
        is(&self.run.serving.name) && is(&self.run.cluster)
    }

    /// Whether one comes to its door by this address.
    fn is_at(&self, at: SocketAddr) -> bool {
        let every = self.addr.ip().is_unspecified();
        self.addr.port() == at.port() && (every || self.addr.ip() == at.ip())
    }

    /// `pid 123, 127.0.0.1:9500`
    pub fn place(&self) -> String {
        format!("pid {}, {}", self.run.serving.pid, self.addr)
    }

    /// When it started: the id of its run holds the time.
    fn since(&self) -> Option<DateTime<Local>> {
        let (seconds, _) = Uuid::parse_str(&self.run.id).ok()?.get_timestamp()?.to_unix();
        Some(DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)?.with_timezone(&Local))
    }

    fn line(&self, now: DateTime<Local>) -> String {
        let since = self.since().map_or(String::new(), |since| {
            let age = lasted((now - since).as_seconds_f64());
            format!(", since {} ({age})", since.format("%Y-%m-%d %H:%M:%S"))
        });
        match self.is_own() {
            true => format!("blob server running: {}{since}", self.place()),
            false => {
                format!("blob door of the hub {} running: {}{since}", self.run.serving.name, self.place())
            }
        }
    }

    fn json(&self, now: DateTime<Local>) -> Value {
        let since = self.since();
        json!({
            "running": true,
            "pid": self.run.serving.pid,
            "address": self.addr,
            "name": self.run.serving.name,
            "cluster": self.run.cluster,
            "own": self.is_own(),
            "since": since.map(|since| since.to_rfc3339()),
            "uptime_s": since.map(|since| (now - since).num_seconds().max(0)),
            "data_dir": self.run.data_dir,
        })
    }

    /// How to end a hub that has other work beside the door.
    fn elsewhere(&self) -> String {
        let RunFile { cluster, serving, .. } = &self.run;
        format!(
            "the blob door at {} is the hub {}'s (pid {}), which was not started by `hubbub blob start`: end it \
             with `hubbubd shutdown --name {} --cluster {cluster}`",
            self.addr, serving.name, serving.pid, serving.name
        )
    }
}

/// The living servers with the door; the one that was started for it comes first.
pub fn servers(globals: &Globals) -> Vec<Server> {
    let with_door = |run: RunFile| {
        let addr = *run.serving.doors.get(BLOB)?;
        Some(Server { addr, living: Living::of(&run)?, run })
    };
    let mut servers: Vec<Server> = runs(&globals.run_folder()).into_iter().filter_map(with_door).collect();
    servers.sort_by_key(|server| !server.is_own());
    servers
}

/// The same, of which only those count whose door is at an address.
fn servers_at(globals: &Globals, at: Option<SocketAddr>) -> Vec<Server> {
    let mut servers = servers(globals);
    servers.retain(|server| at.is_none_or(|at| server.is_at(at)));
    servers
}

fn of(at: Option<SocketAddr>) -> String {
    at.map_or(String::new(), |at| format!(" at {at}"))
}

/// `hubbub blob status`
pub fn status(globals: &Globals, at: Option<SocketAddr>) -> Result<Exit, Failure> {
    let (servers, now) = (servers_at(globals, at), Local::now());
    let mut out = Output::new();
    if globals.json {
        let mut all = servers.iter().map(|server| server.json(now));
        let mut first = all.next().unwrap_or_else(|| json!({ "running": false }));
        let others: Vec<Value> = all.collect();
        if !others.is_empty() {
            first["others"] = others.into();
        }
        out.text(&format!("{first}\n"))?;
    } else {
        for server in &servers {
            out.text(&format!("{}\n", server.line(now)))?;
        }
        if servers.is_empty() {
            out.text(&format!("blob server not running{}\n", of(at)))?;
        }
    }
    out.flush()?;
    Ok(if servers.is_empty() { Exit::Refused } else { Exit::Done })
}

/// `hubbub blob shutdown`
pub async fn shutdown(globals: &Globals, at: Option<SocketAddr>) -> Result<(), Failure> {
    let mut servers = servers_at(globals, at);
    let Some(server) = servers.iter().position(Server::is_own).map(|at| servers.swap_remove(at)) else {
        let none = || format!("the blob server does not run{}", of(at));
        let why = servers.first().map_or_else(none, Server::elsewhere);
        return Err(Failure::new(Exit::Refused, why));
    };
    let pid = server.run.serving.pid;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a living process has such an id");
    // The lock was held a moment ago: it is still that server.
    kill_process(process, Signal::TERM).map_err(|error| {
        Failure::local(format!("cannot end the blob server ({}): {error}", server.place()))
    })?;
    let limit = globals.timeout.unwrap_or(PATIENCE);
    wait_gone(server.living, pid, limit).await?;
    let mut out = Output::new();
    match globals.json {
        true => out.text(&format!("{}\n", json!({ "ended": true, "pid": pid, "address": server.addr })))?,
        false => out.text(&format!("blob server ended: pid {pid}, {}\n", server.addr))?,
    }
    out.flush()
}

async fn wait_gone(living: Living, pid: u32, limit: Duration) -> Result<(), Failure> {
    let started = Instant::now();
    let mut board = Board::new(true);
    // A lock cannot be waited for with a time limit: at the limit the thread is left and ends with us.
    let gone = async_std::task::spawn_blocking(move || living.wait_gone()).fuse();
    pin_mut!(gone);
    loop {
        let left = limit.saturating_sub(started.elapsed());
        if left.is_zero() {
            board.clear();
            return Err(Failure::time_limit(format!(
                "the blob server, pid {pid}, is still there after {}: it was asked to end and may yet",
                humantime::format_duration(limit)
            )));
        }
        select_biased! {
            ended = gone => {
                board.clear();
                return ended.map_err(|error| Failure::local(format!("cannot wait for pid {pid}: {error}")));
            }
            _ = FutureExt::fuse(Timer::after(left.min(PROGRESS))) => {
                board.draw(&[format!("waiting for pid {pid} to end, {}", lasted(started.elapsed().as_secs_f64()))]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use chrono::TimeDelta;
    use std::fs::File;

    fn server(dir: &std::path::Path, name: &str, cluster: &str) -> Server {
        let id = Uuid::now_v7().to_string();
        let content = json!({
            "id": id, "cluster": cluster, "pid": 7, "name": name, "origin": "blob-1",
            "client_addr": "127.0.0.1:1", "peer_addr": null, "doors": { "blob": "127.0.0.1:9500" },
            "data_dir": "/d", "pid_file": "/d/hubbubd.pid",
        });
        let run = RunFile::parse(&id, content.to_string().as_bytes()).unwrap();
        let pid_file = dir.join("pid");
        std::fs::write(&pid_file, "7").unwrap();
        let held = File::open(&pid_file).unwrap();
        rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
        let living = Living::of(&RunFile { pid_file, ..run.clone() }).unwrap();
        Server { addr: run.serving.doors["blob"], run, living }
    }

    #[test]
    fn one_started_for_the_door_is_told_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let own = server(dir.path(), "blob", "blob");
        let now = own.since().unwrap() + TimeDelta::seconds(302);
        assert!(own.is_own());
        let since = own.since().unwrap().format("%Y-%m-%d %H:%M:%S");
        let line = format!("blob server running: pid 7, 127.0.0.1:9500, since {since} (5m 2s)");
        assert_eq!(own.line(now), line);
        assert_eq!((&own.json(now)["uptime_s"], &own.json(now)["own"]), (&302.into(), &true.into()));
        let other = server(dir.path(), "alpha", "hubbub");
        assert!(!other.is_own());
        assert!(other.line(now).starts_with("blob door of the hub alpha running: pid 7, "));
        assert!(other.elsewhere().contains("`hubbubd shutdown --name alpha --cluster hubbub`"));
    }
}
