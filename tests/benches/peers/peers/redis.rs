//! redis-server and RESP2. Its pub/sub has no requests and replies: a list that is pushed and popped
//! would be other work, so that row says n/a.

use super::{line, number, Dialect, Peer, Place, Role};
use crate::count::Framing;
use std::io;
use std::ops::Range;
use std::process::Command;

pub const PEER: Peer = Peer {
    key: "redis",
    title: "redis-server",
    role: Role::Rival,
    program: "redis-server",
    install: "apt install redis-server",
    version: &["--version"],
    configure,
    clusters: false,
    dialect: &Redis,
};

/// Nothing is kept on disk, no subscriber is cut, and a storm of connections fits the backlog.
fn configure(command: &mut Command, &Place { dir, port, .. }: &Place<'_>) -> io::Result<()> {
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.args(["--maxclients", "12000", "--tcp-backlog", "4096"]);
    command.args(["--client-output-buffer-limit", "pubsub 0 0 0"]).arg("--dir").arg(dir);
    Ok(())
}

struct Redis;

impl Dialect for Redis {
    fn hello(&self, _name: &str, _out: &mut Vec<u8>) {}

    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>) {
        subscribe(b"SUBSCRIBE", channels, out);
    }

    fn subscribe_wild(&self, numbers: Range<usize>, out: &mut Vec<u8>) {
        subscribe(b"PSUBSCRIBE", &numbers.map(|n| format!("w.{n:06}.*")).collect::<Vec<_>>(), out);
    }

    fn barrier(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*2\r\n$4\r\nPING\r\n$7\r\nbarrier\r\n");
    }

    fn is_barrier(&self, unit: &[u8]) -> bool {
        // A subscriber's answer is an array, a publisher's only the text.
        unit == b"$7\r\nbarrier\r\n" || unit == b"*2\r\n$4\r\npong\r\n$7\r\nbarrier\r\n"
    }

    fn unit(&self, unread: &[u8]) -> Option<usize> {
        let head = line(unread)?;
        let count = || number(unread.get(1..head - 2)?);
        match unread[0] {
            b'$' => {
                let whole = head + count()? + 2;
                (unread.len() >= whole).then_some(whole)
            }
            b'*' => {
                let mut at = head;
                for _ in 0..count()? {
                    at += self.unit(&unread[at..])?;
                }
                Some(at)
            }
            _ => Some(head),
        }
    }

    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"*3\r\n$7\r\nPUBLISH\r\n");
        bulk(channel.as_bytes(), out);
        bulk(payload, out);
    }

    fn framing(&self, channel: &str, payload: usize) -> Framing {
        let mut message = Vec::new();
        push_message(channel, &vec![b'x'; payload], &mut message);
        Framing::Fixed(message.len())
    }

    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        let rest = unit.strip_prefix(b"*3\r\n$7\r\nmessage\r\n")?;
        let rest = rest.get(self.unit(rest)?..)?;
        rest.get(line(rest)?..rest.len() - 2)
    }

    fn answers_publish(&self) -> bool {
        true
    }
}

fn subscribe(verb: &[u8], names: &[String], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", names.len() + 1).as_bytes());
    bulk(verb, out);
    for name in names {
        bulk(name.as_bytes(), out);
    }
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn push_message(channel: &str, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"*3\r\n$7\r\nmessage\r\n");
    bulk(channel.as_bytes(), out);
    bulk(payload, out);
}
