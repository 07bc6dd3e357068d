//! The assembly: what starts and stops, in which order.

use crate::clock::Now;
use crate::cluster::peer_port::{advertised, PeerPort};
use crate::cluster::sealed::KeyRing;
use crate::cluster::shell::{Setup, Shell};
use crate::cluster::{joining, Member};
use crate::config::{Config, JoinAddr};
use crate::control;
use crate::hub::{Batch, Hub, SysEvent};
use crate::rt;
use crate::start::{self, Started};
use crate::writer::{self, hand_over};
use anyhow::Context;
use async_signal::{Signal, Signals};
use event_listener::Event;
use futures::future::{join_all, select, Either};
use futures::StreamExt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// What is left of a drain's time when those who still wait for answers are told that none will come. A
/// guess: some round trips, and a busy machine.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the links have at least to send what waits on them. A guess: some round trips.
const LEAVING: Duration = Duration::from_secs(1);
/// Stands for the network beyond this machine where no address of it is known: one of those that are
/// kept for documentation (RFC 5737). Nothing is sent there.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Serves until it is told to stop, and has stopped.
pub fn run(config: Config) -> anyhow::Result<()> {
    let now = Now::read();
    let started = start::start(&config, now)?;
    rt::run(serve(config, started, now))
}

async fn serve(config: Config, started: Started, now: Now) -> anyhow::Result<()> {
    let Started { servers, listener, doors, peer_port, run_dir, token, data_dir, serving, held } = started;
    let mut hub = Hub::new(config.limits.clone(), servers, token);
    hub.allow_shutdown = config.allow_shutdown;
    let hub = Arc::new(hub);
    let client_addr = serving.client_addr;
    let signals = Signals::new(stopping_signals()).context("cannot wait for signals")?;
    held.pid_file.write(&serving).context("cannot write beside the pid file")?;
    if let Some(path) = &config.ready_file {
        control::write_ready_file(path, &serving)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    rt::spawn(writer::write_at_end_of_turn(hub.clone()));
    let ready_file = RemovedAtEnd(config.ready_file.clone());

    let mut batch = Batch::new(now);
    hub.announce(&SysEvent::ServerJoined { name: hub.name(), origin: hub.origin() }, &mut batch);
    hand_over(&hub, batch).written(&hub).await;
    log::info!(
        name = hub.name(), addr:% = client_addr, pid = serving.pid, version = env!("CARGO_PKG_VERSION"),
        peer_addr:% = peer_port.addr, cluster = config.cluster.name.as_str(), threads = config.threads,
        max_clients = config.limits.max_clients, data_dir:% = data_dir.display();
        "hubbubd serves; clients say: nc {} {}", client_addr.ip(), client_addr.port()
    );
    for (door, addr) in &serving.doors {
        log::info!(door = door.as_str(), addr:% = addr; "the door {door} is open");
    }
    if config.insecure && !client_addr.ip().is_loopback() {
        log::warn!(addr:% = client_addr; "anyone who reaches this address may use the hub: there is no authentication");
    }
    rt::spawn(expire_requests(hub.clone()));
    hub.services.pool.employ(config.workers);
    rt::spawn(answer_what_is_worked_out(hub.clone()));
    rt::spawn(expire_questions(hub.clone()));
    rt::spawn(watch_signals(signals, hub.clone(), config.drain_deadline));
    if config.until_stdin_ends {
        watch_stdin(hub.clone(), config.drain_deadline)
            .context("cannot wait for the end of standard input")?;
    }
    let peer_addr = peer_port.addr;
    let shell = take_part(&hub, &config, peer_port, now)
        .with_context(|| format!("cannot serve other servers on {peer_addr}"))?;
    joining::start(&shell, run_dir, &config.cluster).context("cannot look for servers by multicast")?;

    let mut conflict = None;
    let within = {
        let listeners = std::iter::once(listener).chain(doors);
        let accepting = pin!(join_all(listeners.map(|listener| listener.run(hub.clone()))));
        let (drain_wanted, conflicted) = (pin!(drain_wanted(&hub)), pin!(shell.conflict()));
        match select(accepting, select(drain_wanted, conflicted)).await {
            Either::Left((_, _)) => config.drain_deadline,
            Either::Right((Either::Left((within, _)), _)) => within,
            Either::Right((Either::Right((message, _)), _)) => {
                conflict = Some(message);
                config.drain_deadline
            }
        }
        // The listening sockets close here: new clients are refused by the kernel at once.
    };
    let deadline = Instant::now() + within;
    shell.drain();
    drain(&hub, deadline).await;
    // Other servers are not to lose anything for a client that did not read.
    shell.leave(deadline.max(Instant::now() + LEAVING)).await;
    drop((ready_file, held));
    if let Some(message) = conflict {
        anyhow::bail!(message);
    }
    log::info!(
        seconds = hub.servers.uptime_s(Now::read()), clients_total = hub.counters.clients_total.get(),
        messages_in = hub.counters.messages_in.get(), messages_out = hub.counters.messages_out.get();
        "hubbubd stopped"
    );
    Ok(())
}

/// Opens the peer port's sockets for the others of the cluster.
fn take_part(hub: &Arc<Hub>, config: &Config, peer_port: PeerPort, now: Now) -> io::Result<Arc<Shell>> {
    let towards = config.cluster.join.iter().find_map(JoinAddr::ip).unwrap_or(ANYWHERE);
    let reached = |bound| advertised(bound, Some(towards));
    let client_addr = hub.servers.client_addr().map_or(peer_port.addr, reached);
    let peer_addr = reached(peer_port.addr);
    hub.servers.serves_at(client_addr, Some(peer_addr));
    let me = Member {
        id: hub.servers.id,
        generation: 0,
        name: hub.name().to_owned(),
        pid: std::process::id(),
        client_addr,
        peer_addr,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let secrets: Vec<String> =
        config.cluster.secrets.iter().map(|secret| secret.expose().to_owned()).collect();
    let keys = KeyRing::new(&config.cluster.name, &secrets);
    let setup =
        Setup { me, cluster: config.cluster.name.clone(), keys, tcp: peer_port.tcp, udp: peer_port.udp };
    Shell::start(hub, setup, now)
}

async fn drain_wanted(hub: &Hub) -> Duration {
    loop {
        let wanted = hub.drain_wanted.listen();
        if let Some(within) = hub.drain_asked() {
            return within;
        }
        wanted.await;
    }
}

/// Tells everyone, those last who wait for an answer or owe one, and waits until all that was queued is
/// sent and all sockets are closed.
async fn drain(hub: &Arc<Hub>, deadline: Instant) {
    let within = deadline.saturating_duration_since(Instant::now());
    log::info!(clients = hub.clients.count(), within_ms = within.as_millis() as u64; "draining");
    let sockets = hub.clients.sockets.clone();
    let give_up = deadline.checked_sub(LAST_WORDS.min(within / 2)).unwrap_or(deadline);
    loop {
        let change = select(hub.services.settled.listen(), sockets.closed.listen());
        hand_over(hub, hub.drain(true, Now::read())).written(hub).await;
        if hub.clients.count() == 0 {
            break;
        }
        if rt::before(give_up, change).await.is_none() {
            hand_over(hub, hub.drain(false, Now::read())).written(hub).await;
            break;
        }
    }
    loop {
        let closed = sockets.closed.listen();
        if sockets.open() == 0 {
            return;
        }
        if rt::before(deadline, closed).await.is_none() {
            log::warn!(left = sockets.open(); "the deadline is over before all clients were gone");
            return;
        }
    }
}

/// What asks for a drain: a closed terminal too, unless the hub was started to outlive it (`nohup`).
fn stopping_signals() -> Vec<Signal> {
    let ignores_hangup = || -> Option<bool> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        Some(u64::from_str_radix(mask.trim(), 16).ok()? & 1 == 1)
    };
    let mut signals = vec![Signal::Term, Signal::Int];
    if !ignores_hangup().unwrap_or(true) {
        signals.push(Signal::Hup);
    }
    signals
}

/// The first signal asks for a drain, the second ends the process.
async fn watch_signals(mut signals: Signals, hub: Arc<Hub>, within: Duration) {
    let mut is_told = false;
    while let Some(Ok(signal)) = signals.next().await {
        if std::mem::replace(&mut is_told, true) {
            log::warn!(signal:? = signal; "told twice to stop: ending at once");
            crate::logging::finish();
            std::process::exit(1);
        }
        log::info!(signal:? = signal; "told to stop");
        hub.ask_drain(within);
    }
}

/// The end of standard input asks for a drain. Reading it blocks, so a thread of its own does.
fn watch_stdin(hub: Arc<Hub>, within: Duration) -> io::Result<()> {
    let watcher = thread::Builder::new().name("stdin".into());
    let watch = move || {
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        log::info!("standard input has ended");
        hub.ask_drain(within);
    };
    watcher.spawn(watch).map(drop)
}

/// Fails requests when their time is over.
async fn expire_requests(hub: Arc<Hub>) {
    let services = &hub.services;
    expire(&hub, &services.alarm, || services.next_deadline(), |batch| services.expire(&hub, batch)).await;
}

/// Answers requests as the pool has worked them out.
async fn answer_what_is_worked_out(hub: Arc<Hub>) {
    while let Some(outcome) = hub.services.pool.outcome().await {
        let mut batch = Batch::new(Now::read());
        hub.services.worked(&outcome, &hub, &mut batch);
        hand_over(&hub, batch).written(&hub).await;
    }
}

/// Finishes questions to other servers when their time is over.
async fn expire_questions(hub: Arc<Hub>) {
    let questions = &hub.servers.peers.questions;
    expire(&hub, &questions.alarm, || questions.next_deadline(), |batch| questions.expire(&hub, batch)).await;
}

/// Sleeps until the next is due, for ever; the alarm tells that there may be an earlier one.
async fn expire(
    hub: &Arc<Hub>,
    alarm: &Event,
    next: impl Fn() -> Option<Instant>,
    finish: impl Fn(&mut Batch),
) {
    loop {
        let sooner = alarm.listen();
        match next() {
            None => sooner.await,
            Some(deadline) => {
                if rt::before(deadline, sooner).await.is_none() {
                    let mut batch = Batch::new(Now::read());
                    finish(&mut batch);
                    hand_over(hub, batch).written(hub).await;
                }
            }
        }
    }
}

/// The ready file goes when the server stops serving.
struct RemovedAtEnd(Option<PathBuf>);

impl Drop for RemovedAtEnd {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
