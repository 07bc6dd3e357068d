//! The tasks of the cluster: links that are accepted, packets that come, and what is due at a time.

use super::{Shell, MAX_PACKET};
use crate::cluster::link;
use crate::rt::{self, Acceptor};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

/// Packets handled before everything else that is ready gets its turn. A guess.
const PACKETS_A_TURN: usize = 64;
/// Connections that may be proving themselves at once: fewer than the descriptors that are kept from
/// clients, and more than a cluster has servers that start at the same moment. A guess.
const MAX_HANDSHAKES: usize = 48;

pub(super) async fn accept(shell: Arc<Shell>, acceptor: Acceptor) {
    loop {
        match acceptor.accept().await {
            Ok((socket, addr)) => {
                if shell.handshakes.fetch_add(1, Ordering::AcqRel) >= MAX_HANDSHAKES {
                    shell.handshakes.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let shell = shell.clone();
                rt::spawn(async move {
                    let proven = link::accept(&shell, socket, addr).await;
                    shell.handshakes.fetch_sub(1, Ordering::AcqRel);
                    if let Some((met, socket, rest)) = proven {
                        link::run(shell, socket, met, rest, false).await;
                    }
                });
            }
            Err(e) => {
                log::warn!(error:% = e; "cannot accept a server");
                rt::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

pub(super) async fn receive(shell: Arc<Shell>) {
    let mut packet = vec![0; MAX_PACKET + 1];
    loop {
        let received = shell.udp.recv_from(&mut packet).await;
        take(&shell, &packet, received);
        for _ in 0..PACKETS_A_TURN {
            match shell.udp.get_ref().recv_from(&mut packet) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                received => take(&shell, &packet, received),
            }
        }
    }
}

fn take(shell: &Arc<Shell>, packet: &[u8], received: io::Result<(usize, SocketAddr)>) {
    match received {
        Ok((length, from)) => {
            let packet = &packet[..length];
            shell.with_node(|node, now| {
                if let Err(why) = node.receive(now, from, packet) {
                    shell.refused(from, &why, now);
                }
            });
        }
        // A packet sent earlier met a closed port: the kernel tells it here.
        Err(e) => log::debug!(error:% = e; "a packet came back"),
    }
}

pub(super) async fn keep_time(shell: Arc<Shell>) {
    loop {
        let sooner = shell.sooner.listen();
        let deadline = shell.node.lock().deadline();
        match deadline {
            None => sooner.await,
            Some(deadline) => {
                if rt::before(deadline, sooner).await.is_none() {
                    shell.with_node(|node, now| node.on_time(now, fastrand::f64()));
                }
            }
        }
    }
}
