//! mosquitto and MQTT 3.1.1 at QoS 0. MQTT 3.1.1 has no requests and replies, so that row says n/a.

use super::{Dialect, Peer, Place, Role};
use crate::count::Framing;
use std::io;
use std::ops::Range;
use std::process::Command;

pub const PEER: Peer = Peer {
    key: "mosquitto",
    title: "mosquitto",
    role: Role::Rival,
    program: "mosquitto",
    install: "apt install mosquitto",
    version: &["-h"],
    configure,
    clusters: false,
    dialect: &Mqtt,
};

/// Nothing is kept on disk and nothing is dropped for a full queue (0: no bound).
fn configure(command: &mut Command, &Place { dir, port, .. }: &Place<'_>) -> io::Result<()> {
    let config = dir.join("mosquitto.conf");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n\
         max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\nlog_type error\n"
    );
    std::fs::write(&config, text)?;
    command.arg("-c").arg(config);
    Ok(())
}

struct Mqtt;

const PUBLISH: u8 = 0x30;

impl Dialect for Mqtt {
    fn hello(&self, name: &str, out: &mut Vec<u8>) {
        let mut body = b"\x00\x04MQTT\x04\x02\x00\x00".to_vec();
        // An empty client id asks for a fresh one; publishers have names of their own.
        text(if name.starts_with('p') { name } else { "" }, &mut body);
        packet(0x10, &[&body], out);
    }

    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>) {
        let mut body = vec![0, 1];
        for channel in channels {
            text(channel, &mut body);
            body.push(0);
        }
        packet(0x82, &[&body], out);
    }

    fn subscribe_wild(&self, numbers: Range<usize>, out: &mut Vec<u8>) {
        self.subscribe(&numbers.map(|n| format!("w/{n:06}/+")).collect::<Vec<_>>(), out);
    }

    fn barrier(&self, out: &mut Vec<u8>) {
        packet(0xc0, &[], out);
    }

    fn is_barrier(&self, unit: &[u8]) -> bool {
        unit == [0xd0, 0]
    }

    fn unit(&self, unread: &[u8]) -> Option<usize> {
        let (head, body) = header(unread)?;
        (unread.len() >= head + body).then_some(head + body)
    }

    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        let mut topic = Vec::new();
        text(channel, &mut topic);
        packet(PUBLISH, &[&topic, payload], out);
    }

    fn framing(&self, channel: &str, payload: usize) -> Framing {
        // A QoS 0 message is delivered in the bytes that published it.
        let mut message = Vec::new();
        self.publish(channel, &vec![b'x'; payload], &mut message);
        Framing::Fixed(message.len())
    }

    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        if unit.first() != Some(&PUBLISH) {
            return None;
        }
        let (head, _) = header(unit)?;
        let topic = usize::from(u16::from_be_bytes(*unit.get(head..)?.first_chunk::<2>()?));
        unit.get(head + 2 + topic..)
    }
}

/// Bytes of the fixed header, and of what follows it.
fn header(unread: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (n, byte) in unread.get(1..)?.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((n + 2, length));
        }
    }
    None
}

fn packet(kind: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(kind);
    let mut length: usize = parts.iter().map(|p| p.len()).sum();
    loop {
        let more = length >= 0x80;
        out.push((length & 0x7f) as u8 | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}
