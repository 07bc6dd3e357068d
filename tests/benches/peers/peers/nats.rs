//! nats-server and NATS's text protocol.

use super::{line, number, Calls, Dialect, Peer, Place, Role, SERVICE};
use crate::count::Framing;
use std::io;
use std::process::Command;

pub const PEER: Peer = Peer {
    key: "nats",
    title: "nats-server",
    role: Role::Rival,
    program: "nats-server",
    install: "apt install nats-server",
    version: &["--version"],
    configure,
    clusters: true,
    dialect: &Nats,
};

/// No client may be cut for being behind: the generator bounds what is in flight.
fn configure(command: &mut Command, place: &Place<'_>) -> io::Result<()> {
    let Place { dir, port, pair } = place;
    let config = dir.join("nats.conf");
    let text = format!(
        "listen: 127.0.0.1:{port}\nmax_pending: 1GB\nwrite_deadline: \"60s\"\nmax_connections: 100000\n"
    );
    std::fs::write(&config, text)?;
    command.arg("-c").arg(config);
    if let Some(pair) = pair {
        command.args(["-cluster", &format!("nats://127.0.0.1:{}", pair.port), "-cluster_name", "bench"]);
        if let Some(other) = pair.other {
            command.args(["-routes", &format!("nats://127.0.0.1:{other}")]);
        }
    }
    Ok(())
}

struct Nats;

impl Dialect for Nats {
    fn hello(&self, name: &str, out: &mut Vec<u8>) {
        let text = format!("CONNECT {{\"verbose\":false,\"pedantic\":false,\"name\":\"{name}\"}}\r\n");
        out.extend_from_slice(text.as_bytes());
    }

    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>) {
        for (sid, channel) in channels.iter().enumerate() {
            out.extend_from_slice(format!("SUB {channel} {sid}\r\n").as_bytes());
        }
    }

    fn barrier(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PING\r\n");
    }

    fn is_barrier(&self, unit: &[u8]) -> bool {
        unit == b"PONG\r\n"
    }

    fn unit(&self, unread: &[u8]) -> Option<usize> {
        let head = line(unread)?;
        if !unread.starts_with(b"MSG ") {
            return Some(head);
        }
        let whole = head + number(unread[..head - 2].rsplit(|b| *b == b' ').next()?)? + 2;
        (unread.len() >= whole).then_some(whole)
    }

    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        publish(channel, payload, out);
    }

    fn framing(&self, _channel: &str, _payload: usize) -> Framing {
        // The server's PING comes between the messages, two seconds after the connection.
        Framing::Units
    }

    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        if !unit.starts_with(b"MSG ") {
            return None;
        }
        unit.get(line(unit)?..unit.len() - 2)
    }

    fn calls(&self) -> Option<&dyn Calls> {
        Some(self)
    }
}

impl Calls for Nats {
    fn serve(&self, out: &mut Vec<u8>) {
        self.subscribe(&[SERVICE.to_owned()], out);
    }

    fn prepare(&self, out: &mut Vec<u8>) {
        self.subscribe(&["_INBOX.bench.*".to_owned()], out);
    }

    fn request(&self, seq: u64, payload: &[u8], out: &mut Vec<u8>) {
        let head = format!("PUB {SERVICE} _INBOX.bench.{seq} {}\r\n", payload.len());
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\r\n");
    }

    fn answer(&self, unit: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(payload) = self.payload(unit) else { return false };
        let mut words = unit[..unit.len() - payload.len()].split(|b| *b == b' ');
        let Some(inbox) = words.nth(3).and_then(|w| std::str::from_utf8(w).ok()) else { return false };
        publish(inbox, payload, out);
        true
    }

    fn answered<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        self.payload(unit)
    }
}

fn publish(subject: &str, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"PUB ");
    out.extend_from_slice(subject.as_bytes());
    out.extend_from_slice(format!(" {}\r\n", payload.len()).as_bytes());
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}
