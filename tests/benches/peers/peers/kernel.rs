//! The limit that the kernel sets: the relay of [`crate::relay`], which only receives and sends.
//! Its messages have the length of those of the hub's text encoding, and are delivered in the
//! bytes that published them, so that it has nothing to parse or to write.

use super::{Calls, Dialect, Peer, Place, Role};
use crate::count::Framing;
use std::io;
use std::ops::Range;
use std::process::Command;

pub const PEER: Peer = Peer {
    key: "kernel",
    title: "kernel limit",
    role: Role::Kernel,
    program: "",
    install: "part of this benchmark",
    version: &["--version"],
    configure,
    clusters: false,
    dialect: &Kernel,
};

/// Ends what is said before the first message, and is sent back.
pub const BARRIER: &[u8; 8] = b"\0BARRIER";

/// Bytes before the payload: `[c000000] p000: `.
const HEADER: usize = 16;

fn configure(command: &mut Command, place: &Place<'_>) -> io::Result<()> {
    command.args(["--relay-port", &place.port.to_string()]);
    Ok(())
}

struct Kernel;

impl Dialect for Kernel {
    fn hello(&self, _name: &str, _out: &mut Vec<u8>) {}

    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>) {
        for channel in channels {
            out.push(b'S');
            out.extend_from_slice(channel.as_bytes());
        }
    }

    fn subscribe_wild(&self, _numbers: Range<usize>, _out: &mut Vec<u8>) {}

    fn barrier(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(BARRIER);
    }

    fn is_barrier(&self, unit: &[u8]) -> bool {
        unit == BARRIER
    }

    fn unit(&self, unread: &[u8]) -> Option<usize> {
        match unread.first()? {
            0 => (unread.len() >= BARRIER.len()).then_some(BARRIER.len()),
            _ => super::line(unread),
        }
    }

    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(format!("[{channel}] p000: ").as_bytes());
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn framing(&self, _channel: &str, payload: usize) -> Framing {
        Framing::Fixed(HEADER + payload + 1)
    }

    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        unit.get(HEADER..unit.len().checked_sub(1)?)
    }

    fn calls(&self) -> Option<&dyn Calls> {
        Some(self)
    }
}

impl Calls for Kernel {
    fn serve(&self, out: &mut Vec<u8>) {
        out.push(b'V');
    }

    fn prepare(&self, out: &mut Vec<u8>) {
        out.push(b'Q');
    }

    fn request(&self, _seq: u64, payload: &[u8], out: &mut Vec<u8>) {
        self.publish("c000000", payload, out);
    }

    fn answer(&self, unit: &[u8], out: &mut Vec<u8>) -> bool {
        let request = self.payload(unit).is_some();
        if request {
            out.extend_from_slice(unit);
        }
        request
    }

    fn answered<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        self.payload(unit)
    }
}
