//! hubbubd in its three encodings. Publishers say nothing that asks for an answer: text ones say
//! `quiet on`, the others send no `id`.

use super::{line, Calls, Dialect, Peer, Place, Role, SERVICE};
use crate::count::Framing;
use memchr::memmem;
use std::io;
use std::process::Command;

pub const TEXT_PEER: Peer = peer("hubbub-text", "hubbubd, text", &Text);
pub const JSON_PEER: Peer = peer("hubbub-json", "hubbubd, JSON", &Json { frames: false });
pub const FRAME_PEER: Peer = peer("hubbub-frame", "hubbubd, frames", &Json { frames: true });

const fn peer(key: &'static str, title: &'static str, dialect: &'static dyn Dialect) -> Peer {
    Peer {
        key,
        title,
        role: Role::Hub,
        program: "hubbubd",
        install: "cargo build --release -p hubbub-server",
        version: &["--version"],
        configure,
        clusters: true,
        dialect,
    }
}

/// The defaults, except that a text line may hold the largest payload of the table, and that it finds
/// no other hub of this machine but the one that it is to find.
fn configure(command: &mut Command, place: &Place<'_>) -> io::Result<()> {
    let Place { dir, port, pair } = place;
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--log-level", "warn", "--max-line", "128KiB"]);
    command.arg("--data-dir").arg(dir.join("data"));
    // Builds that know no other servers know no such options; they are of use for comparison.
    if std::env::var_os("HUBBUBD_ALONE").is_some() {
        return Ok(());
    }
    let run = pair.as_ref().map_or(*dir, |pair| pair.shared).join("run");
    command.arg("--run-dir").arg(run);
    if let Some(pair) = pair {
        command.args(["--name", pair.name]);
    }
    let port = pair.as_ref().map_or(0, |pair| pair.port);
    command.args(["--peer-listen", &format!("127.0.0.1:{port}")]);
    Ok(())
}

struct Text;

impl Dialect for Text {
    fn hello(&self, name: &str, out: &mut Vec<u8>) {
        if name.starts_with('p') {
            out.extend_from_slice(format!("name {name}\nquiet on\n").as_bytes());
        }
    }

    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>) {
        out.extend_from_slice(format!("subscribe {}\n", channels.join(" ")).as_bytes());
    }

    fn barrier(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ping\n");
    }

    fn is_barrier(&self, unit: &[u8]) -> bool {
        unit == b"ok pong\n"
    }

    fn unit(&self, unread: &[u8]) -> Option<usize> {
        line(unread)
    }

    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(format!("publish {channel} ").as_bytes());
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn framing(&self, channel: &str, payload: usize) -> Framing {
        Framing::Fixed(format!("[{channel}] p000: \n").len() + payload)
    }

    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        let start = memmem::find(unit.strip_prefix(b"[")?, b"] ")? + 3;
        after(&unit[start..], b": ")
    }

    fn calls(&self) -> Option<&dyn Calls> {
        Some(self)
    }
}

impl Calls for Text {
    fn serve(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("serve {SERVICE}\n").as_bytes());
    }

    fn prepare(&self, _out: &mut Vec<u8>) {}

    fn request(&self, _seq: u64, payload: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"request ");
        out.extend_from_slice(SERVICE.as_bytes());
        out.push(b' ');
        out.extend_from_slice(payload);
        out.push(b'\n');
    }

    fn answer(&self, unit: &[u8], out: &mut Vec<u8>) -> bool {
        // <p000> bench ID: payload
        if !unit.starts_with(b"<") {
            return false;
        }
        let (Some(id), Some(payload)) = (unit.split(|b| *b == b' ').nth(2), after(unit, b": ")) else {
            return false;
        };
        out.extend_from_slice(b"respond ");
        out.extend_from_slice(id.strip_suffix(b":").unwrap_or(id));
        out.push(b' ');
        out.extend_from_slice(payload);
        out.push(b'\n');
        true
    }

    fn answered<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        unit.starts_with(b"ok bench: ").then(|| after(unit, b": ")).flatten()
    }
}

/// JSON, as lines or as frames.
struct Json {
    frames: bool,
}

impl Json {
    fn push(&self, parts: &[&[u8]], out: &mut Vec<u8>) {
        if self.frames {
            let length: usize = parts.iter().map(|p| p.len()).sum();
            out.extend_from_slice(&(length as u32).to_be_bytes());
        }
        for part in parts {
            out.extend_from_slice(part);
        }
        if !self.frames {
            out.push(b'\n');
        }
    }

    /// The object in a unit.
    fn object<'a>(&self, unit: &'a [u8]) -> &'a [u8] {
        if self.frames {
            unit.get(4..).unwrap_or_default()
        } else {
            unit
        }
    }
}

impl Dialect for Json {
    fn hello(&self, name: &str, out: &mut Vec<u8>) {
        if name.starts_with('p') {
            self.push(&[format!(r#"{{"op":"hello","name":"{name}","echo":false}}"#).as_bytes()], out);
        }
    }

    fn subscribe(&self, channels: &[String], out: &mut Vec<u8>) {
        let list = channels.join(r#"",""#);
        self.push(&[format!(r#"{{"op":"subscribe","channels":["{list}"]}}"#).as_bytes()], out);
    }

    fn barrier(&self, out: &mut Vec<u8>) {
        self.push(&[br#"{"op":"ping","id":"barrier"}"#], out);
    }

    fn is_barrier(&self, unit: &[u8]) -> bool {
        self.object(unit).starts_with(br#"{"re":"barrier","ok""#)
    }

    fn unit(&self, unread: &[u8]) -> Option<usize> {
        if !self.frames {
            return line(unread);
        }
        let whole = 4 + u32::from_be_bytes(*unread.first_chunk::<4>()?) as usize;
        (unread.len() >= whole).then_some(whole)
    }

    fn publish(&self, channel: &str, payload: &[u8], out: &mut Vec<u8>) {
        let head = format!(r#"{{"op":"publish","channel":"{channel}","data":""#);
        self.push(&[head.as_bytes(), payload, br#""}"#], out);
    }

    fn framing(&self, _channel: &str, _payload: usize) -> Framing {
        // The digits of `seq` grow: each message has to be looked at.
        if self.frames {
            Framing::Frames
        } else {
            Framing::Lines
        }
    }

    fn payload<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        self.object(unit).starts_with(br#"{"event":"message""#).then(|| value(unit, br#""data":""#)).flatten()
    }

    fn calls(&self) -> Option<&dyn Calls> {
        Some(self)
    }
}

impl Calls for Json {
    fn serve(&self, out: &mut Vec<u8>) {
        self.push(&[format!(r#"{{"op":"serve","service":"{SERVICE}"}}"#).as_bytes()], out);
    }

    fn prepare(&self, _out: &mut Vec<u8>) {}

    fn request(&self, seq: u64, payload: &[u8], out: &mut Vec<u8>) {
        let head = format!(r#"{{"op":"request","id":{seq},"service":"{SERVICE}","data":""#);
        self.push(&[head.as_bytes(), payload, br#""}"#], out);
    }

    fn answer(&self, unit: &[u8], out: &mut Vec<u8>) -> bool {
        let (Some(id), Some(payload)) = (value(unit, br#""request_id":""#), value(unit, br#""data":""#))
        else {
            return false;
        };
        self.push(&[br#"{"op":"respond","request_id":""#, id, br#"","data":""#, payload, br#""}"#], out);
        true
    }

    fn answered<'a>(&self, unit: &'a [u8]) -> Option<&'a [u8]> {
        self.object(unit).starts_with(br#"{"re":"#).then(|| value(unit, br#""data":""#)).flatten()
    }
}

/// What follows a mark on a line, up to the line's end.
fn after<'a>(line: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    line.strip_suffix(b"\n")?.get(memmem::find(line, mark)? + mark.len()..)
}

/// A string of an object; the generator's own strings hold no escapes.
fn value<'a>(object: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = object.get(memmem::find(object, key)? + key.len()..)?;
    value.get(..memchr::memchr(b'"', value)?)
}
