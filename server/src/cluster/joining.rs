//! Whom a server looks for: those that the run folder tells of, and those that it was told to join.

use super::discovery::RunDir;
use super::peer_port::on_loopback;
use super::shell::Shell;
use crate::config::JoinAddr;
use crate::rt;
use std::sync::Arc;
use std::time::Duration;

/// How often the run folder is looked into again: for servers that were out of reach when both had
/// already looked. A guess; the folder has few files.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Looks for the servers of this machine, and for those at some addresses, for ever.
pub fn start(shell: &Arc<Shell>, run_dir: RunDir, join: &[JoinAddr]) {
    join.iter().for_each(|addr| shell.seek(addr.to_string()));
    rt::spawn(look_into(shell.clone(), Arc::new(run_dir)));
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
