//! Whom a server looks for: those that the run folder tells of, those that it was told to join, and
//! those whose beacons it hears.

use super::discovery::RunDir;
use super::lan::{self, beacon};
use super::peer_port::on_loopback;
use super::shell::Shell;
use crate::config::ClusterConfig;
use crate::rt::{self, Packets};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a sealed beacon at the most: version, nonce and tag beside it.
const MAX_SEALED_BEACON: usize = beacon::MAX_BEACON + 41;

/// How often the run folder is looked into again: for servers that were out of reach when both had
/// already looked. A guess; the folder has few files.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What the key of a beacon is for.
const BEACON: &[u8] = b"hubbub beacon 1";

/// Looks for the servers of this machine, for those at some addresses, and for those of the local
/// network where that is wanted, for ever.
pub fn start(shell: &Arc<Shell>, run_dir: RunDir, config: &ClusterConfig) -> io::Result<()> {
    config.join.iter().for_each(|addr| shell.seek(addr.to_string()));
    rt::spawn(look_into(shell.clone(), Arc::new(run_dir)));
    if config.lan {
        let peer_addr = shell.me().peer_addr;
        let socket = Arc::new(Packets::new(lan::open(lan::interface_of(peer_addr))?)?);
        rt::spawn(call(shell.clone(), socket.clone(), peer_addr));
        rt::spawn(hear(shell.clone(), socket));
    }
    Ok(())
}

/// Tells the local network where this server is.
async fn call(shell: Arc<Shell>, socket: Arc<Packets>, peer_addr: SocketAddr) {
    let beacon = beacon::encode(&shell.cluster, shell.hub.servers.id, peer_addr);
    for sent in 0.. {
        rt::sleep(lan::pause_after(sent)).await;
        let mut nonce = [0; 24];
        if getrandom::fill(&mut nonce).is_err() {
            continue;
        }
        let sealed = shell.keys.seal_message(nonce, BEACON, &beacon);
        if let Err(e) = socket.get_ref().send_to(&sealed, SocketAddr::V4(lan::GROUP)) {
            log::debug!(error:% = e; "a beacon was not sent");
        }
    }
}

/// Looks at the addresses that others of the cluster tell. What it cannot open is somebody else's.
async fn hear(shell: Arc<Shell>, socket: Arc<Packets>) {
    let mut sealed = vec![0; MAX_SEALED_BEACON + 1];
    loop {
        let Ok((length, source)) = socket.recv_from(&mut sealed).await else {
            rt::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let opened = shell.keys.open_message(BEACON, &sealed[..length]);
        let Some(beacon) = opened.and_then(|(_, bytes)| beacon::parse(&bytes)) else { continue };
        if beacon.id != shell.hub.servers.id && beacon.cluster.eq_ignore_ascii_case(&shell.cluster) {
            shell.look_at(beacon.reach(source.ip()));
        }
    }
}

async fn look_into(shell: Arc<Shell>, run_dir: Arc<RunDir>) {
    loop {
        let (dir, cluster) = (run_dir.clone(), shell.cluster.clone());
        match rt::unblock(move || dir.others(&cluster)).await {
            Ok(others) => {
                let own = shell.hub.servers.id.to_string();
                let others = others.iter().filter(|run| run.id != own);
                let addrs = others.filter_map(|run| run.serving.peer_addr.map(on_loopback));
                addrs.for_each(|addr| shell.look_at(addr));
            }
            Err(e) => log::warn!(error:% = e; "cannot look into the run folder"),
        }
        rt::sleep(LOOK_AGAIN).await;
    }
}
