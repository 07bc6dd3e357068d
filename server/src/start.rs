//! The start of a server, up to the moment when it listens: who it is, where it keeps its things and
//! which ports it takes, so that several servers on one machine need no configuration. Called once by
//! [`crate::server`], before any task runs. What was given holds exactly; a default gives way to
//! servers that run already.

use crate::clock::Now;
use crate::cluster::discovery::{Registered, RunDir};
use crate::cluster::peer_port::{bind_choice, PeerPort};
use crate::cluster::ServerManager;
use crate::config::{Choice, Config, PID_FILE};
use crate::control::{PidFile, Serving};
use crate::doors::{holder, Door, Place};
use crate::listener::Listener;
use crate::operator::Token;
use anyhow::{bail, Context};
use hubbub_shared::limits::MAX_NAME_BYTES;
use hubbub_shared::run::RunFile;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A server that listens and does not serve yet.
pub struct Started {
    /// Who it is.
    pub servers: ServerManager,
    /// Where clients connect.
    pub listener: Listener,
    /// Where older systems' clients connect.
    pub doors: Vec<Listener>,
    /// Where other servers connect.
    pub peer_port: PeerPort,
    /// Where it finds those of this machine.
    pub run_dir: RunDir,
    /// The operator token.
    pub token: Token,
    /// The folder that it was decided for.
    pub data_dir: PathBuf,
    /// What it tells of itself.
    pub serving: Serving,
    /// What it holds until it ends.
    pub held: Held,
}

/// Dropped at the end, in this order: nobody finds the server any more, then its pid file goes.
pub struct Held {
    /// The file in the run folder.
    _registered: Registered,
    /// The pid file.
    pub pid_file: PidFile,
}

/// Decides, takes and binds all that one server has.
pub fn start(config: &Config, now: Now) -> anyhow::Result<Started> {
    let run_dir = RunDir::open(&config.cluster.run_dir)
        .with_context(|| format!("cannot use the run folder {}", config.cluster.run_dir.display()))?;
    let context = || format!("cannot work in the run folder {}", config.cluster.run_dir.display());
    // Held until this server has its name and ports: those who start at the same moment wait.
    let guard = run_dir.lock().with_context(context)?;
    run_dir.sweep(&guard).with_context(context)?;
    let running = run_dir.running().with_context(context)?;

    let name = choose_name(&config.name, &config.cluster.name, &running)?;
    let data_dir = choose_data_dir(config, &name, &running)?;
    let pid_path = config.pid_file.clone().unwrap_or_else(|| data_dir.join(PID_FILE));
    let pid_file = PidFile::acquire(&pid_path)?;
    let token = Token::create(&data_dir)
        .with_context(|| format!("cannot write the operator token in {}", data_dir.display()))?;

    let (listener, taken) = bind_choice(&config.listen, Listener::bind)
        .with_context(|| format!("cannot listen on {}", config.listen.value))?;
    let client_addr = listener.addr().context("the listening socket has no address")?;
    tell_other_port("clients", client_addr, &taken, &running);
    let (peer_port, taken) = bind_choice(&config.peer_listen, PeerPort::bind)
        .with_context(|| format!("cannot listen for other servers on {}", config.peer_listen.value))?;
    tell_other_port("other servers", peer_port.addr, &taken, &running);
    let mut doors = Vec::new();
    let mut door_addrs = BTreeMap::new();
    for (door, addr) in &config.doors {
        let place = Place { server: &name, data_dir: &data_dir };
        let listener = open_door(door, *addr, place, &running)?;
        door_addrs
            .insert(door.known.name.to_owned(), listener.addr().context("a door's socket has no address")?);
        doors.push(listener);
    }

    let servers = ServerManager::new(&name, Uuid::now_v7(), now);
    servers.serves_at(client_addr, Some(peer_port.addr));
    let serving = Serving {
        pid: std::process::id(),
        name,
        origin: servers.origin.clone(),
        client_addr,
        peer_addr: Some(peer_port.addr),
        doors: door_addrs,
    };
    let run = RunFile {
        id: servers.id.to_string(),
        cluster: config.cluster.name.clone(),
        serving: serving.clone(),
        data_dir: from_root(&data_dir)?,
        pid_file: from_root(&pid_path)?,
    };
    let registered = run_dir.register(&run, &guard).with_context(context)?;
    let held = Held { _registered: registered, pid_file };
    drop(guard);
    Ok(Started { servers, listener, doors, peer_port, run_dir, token, data_dir, serving, held })
}

/// The name of this server: the given one, if nobody of the cluster has it; else the host's, with the
/// first number that is free. That one is free in every cluster of this machine, so that the data
/// folder is as well.
fn choose_name(wanted: &Choice<String>, cluster: &str, running: &[RunFile]) -> anyhow::Result<String> {
    let of = |name: &str| running.iter().filter(|run| run.serving.name.eq_ignore_ascii_case(name)).collect();
    let same: Vec<&RunFile> = of(&wanted.value);
    if !wanted.is_default {
        if let Some(other) = same.iter().find(|run| run.cluster.eq_ignore_ascii_case(cluster)) {
            bail!(
                "the name {} is taken in the cluster {}: by pid {} at {}; give this server another --name, or \
                 end that one with `hubbubd shutdown --name {}`",
                wanted.value,
                other.cluster,
                other.serving.pid,
                other.serving.client_addr,
                other.serving.name
            );
        }
        return Ok(wanted.value.clone());
    }
    let Some(other) = same.first() else { return Ok(wanted.value.clone()) };
    let name = (2_usize..)
        .map(|number| numbered(&wanted.value, number))
        .find(|name| Vec::is_empty(&of(name)))
        .expect("there are more numbers than servers");
    log::info!(
        name = name.as_str(), taken = wanted.value.as_str(), by = other.serving.pid;
        "the host's name is taken by another server: this one has a number"
    );
    Ok(name)
}

/// A name with a number behind it, shortened where both are too long.
fn numbered(name: &str, number: usize) -> String {
    let end = format!("-{number}");
    // Names are ASCII, so that every byte is a place to cut.
    let room = MAX_NAME_BYTES - end.len();
    format!("{}{end}", &name[..name.len().min(room)])
}

/// The folder of this server: the given one; that of its given name, which the configuration has
/// decided already; else the one of the first server, or one of its own in it.
fn choose_data_dir(config: &Config, name: &str, running: &[RunFile]) -> anyhow::Result<PathBuf> {
    let Choice { value: base, is_default } = &config.data_dir;
    if !is_default || !config.name.is_default {
        return Ok(base.clone());
    }
    let whole = from_root(base)?;
    let is_first = config.name.value == name && !running.iter().any(|run| run.data_dir == whole);
    Ok(if is_first { base.clone() } else { base.join(name) })
}

fn tell_other_port(whose: &str, addr: SocketAddr, taken: &[u16], running: &[RunFile]) {
    let Some(usual) = taken.first() else { return };
    let has_it = |run: &&RunFile| {
        let peer_port = run.serving.peer_addr.map(|addr| addr.port());
        run.serving.client_addr.port() == *usual || peer_port == Some(*usual)
    };
    match running.iter().find(has_it) {
        Some(run) => log::info!(
            addr:% = addr, usual, by = run.serving.name.as_str(), pid = run.serving.pid;
            "the usual port for {whose} is another server's: this one has port {}", addr.port()
        ),
        None => log::info!(
            addr:% = addr, usual;
            "the usual port for {whose} is taken by another program: this server has port {}", addr.port()
        ),
    }
}

/// A door has the port that its clients know, or none: what is in the way is named.
fn open_door(
    door: &Door,
    addr: SocketAddr,
    place: Place<'_>,
    running: &[RunFile],
) -> anyhow::Result<Listener> {
    Listener::bind_door(door, addr, place).map_err(|error| {
        let name = door.known.name;
        let what = format!("cannot open the door {name} at {addr}");
        if error.kind() != std::io::ErrorKind::AddrInUse {
            return anyhow::Error::new(error).context(what);
        }
        let has_it = |run: &&RunFile| run.serving.doors.values().any(|taken| taken.port() == addr.port());
        let by = match running.iter().find(has_it) {
            Some(run) => format!("the server {} (pid {})", run.serving.name, run.serving.pid),
            None => holder(addr).unwrap_or_else(|| "another program".to_owned()),
        };
        anyhow::anyhow!(
            "{what}: {by} has that port; end it, or give the door another with --door {name}=127.0.0.1:PORT"
        )
    })
}

/// A path as others find it, whatever their working folder is. What is not UTF-8 is not found there.
fn from_root(path: &Path) -> anyhow::Result<PathBuf> {
    let whole = std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))?;
    Ok(whole.to_string_lossy().into_owned().into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn running(names: &[(&str, &str)]) -> Vec<RunFile> {
        let of = |(name, cluster): &(&str, &str)| RunFile {
            id: uuid::Uuid::now_v7().to_string(),
            cluster: (*cluster).into(),
            serving: Serving {
                pid: 4711,
                name: (*name).into(),
                origin: format!("{name}-3f2a9c"),
                client_addr: "127.0.0.1:7411".parse().unwrap(),
                peer_addr: None,
                doors: BTreeMap::new(),
            },
            data_dir: Path::new("/data").join(name),
            pid_file: "/data/hubbubd.pid".into(),
        };
        names.iter().map(of).collect()
    }

    fn chosen(name: &str, is_default: bool, others: &[(&str, &str)]) -> Result<String, String> {
        let wanted = Choice { value: name.to_owned(), is_default };
        choose_name(&wanted, "hubbub", &running(others)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_hosts_name_gets_the_first_free_number() {
        assert_eq!(chosen("box", true, &[]), Ok("box".into()));
        assert_eq!(chosen("box", true, &[("alpha", "hubbub")]), Ok("box".into()));
        assert_eq!(chosen("box", true, &[("Box", "hubbub")]), Ok("box-2".into()));
        let some = [("box", "hubbub"), ("box-2", "hubbub"), ("box-4", "hubbub")];
        assert_eq!(chosen("box", true, &some), Ok("box-3".into()));
        assert_eq!(chosen("box", true, &[("box", "blue")]), Ok("box-2".into()), "one of another cluster");
        let long = "n".repeat(32);
        assert_eq!(chosen(&long, true, &[(&long, "hubbub")]), Ok(format!("{}-2", "n".repeat(30))));
    }

    #[test]
    fn a_given_name_that_is_taken_is_refused() {
        assert_eq!(chosen("alpha", false, &[("beta", "hubbub")]), Ok("alpha".into()));
        assert_eq!(chosen("alpha", false, &[("alpha", "blue")]), Ok("alpha".into()));
        let told = chosen("alpha", false, &[("Alpha", "Hubbub")]).unwrap_err();
        assert!(told.contains("pid 4711 at 127.0.0.1:7411") && told.contains("--name"), "{told}");
    }
}
