//! The kernel's limit as a server: a relay that receives bytes and sends them on, and does nothing
//! else. No names, no limits, no history; of a message it looks at the channel's number where there
//! is more than one channel. This program starts itself as one for the rows of `kernel`.

use crate::net::{Got, Net};
use crate::peers::KERNEL_BARRIER as BARRIER;
use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};

/// The same as the hub's own reads.
const READ_BYTES: usize = 64 << 10;

/// Bytes of a subscription: `Sc000000`.
const SUBSCRIBE: usize = 8;

/// What a connection is there for, by the first byte that it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Nothing yet, or `S` and a channel, repeatedly.
    Unknown,
    /// A message.
    Publisher,
    /// `Q`: its messages go to the service.
    Caller,
    /// `V`: its messages go to the caller.
    Service,
}

#[derive(Default)]
struct Relay {
    parts: Vec<Part>,
    /// What a connection sent that is not whole.
    tails: Vec<Vec<u8>>,
    /// The receivers of each channel, by its number.
    channels: Vec<Vec<usize>>,
    caller: Option<usize>,
    service: Option<usize>,
    /// Connections that were given something to send.
    dirty: Vec<usize>,
}

/// Serves for ever; whoever started it kills it.
pub fn run(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    let mut net = Net::new()?;
    net.listen(&listener)?;
    let mut relay = Relay::default();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        net.wait(None)?;
        while net.acceptable {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    net.adopt(stream)?;
                    relay.parts.push(Part::Unknown);
                    relay.tails.push(Vec::new());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => net.acceptable = false,
                Err(error) => return Err(error).context("cannot accept"),
            }
        }
        for at in 0..net.readable.len() {
            let index = net.readable[at];
            loop {
                let (n, more) = match net.conns[index].read(&mut buffer)? {
                    Got::More(n) => (n, true),
                    Got::Last(n) => (n, false),
                    Got::Closed => (0, false),
                };
                if n > 0 {
                    relay.take(&mut net, index, &buffer[..n])?;
                }
                if !more {
                    break;
                }
            }
        }
        // One write to each receiver for all that was readable.
        for to in relay.dirty.drain(..) {
            net.conns[to].flush()?;
        }
    }
}

impl Relay {
    fn take(&mut self, net: &mut Net, index: usize, bytes: &[u8]) -> Result<()> {
        let mut joined = Vec::new();
        let mut bytes = bytes;
        if !self.tails[index].is_empty() {
            joined = std::mem::take(&mut self.tails[index]);
            joined.extend_from_slice(bytes);
            bytes = &joined;
        }
        let used = self.read(net, index, bytes)?;
        let rest = bytes[used..].to_vec();
        drop(joined);
        self.tails[index] = rest;
        Ok(())
    }

    /// Returns how many bytes were used.
    fn read(&mut self, net: &mut Net, index: usize, bytes: &[u8]) -> Result<usize> {
        let mut at = 0;
        loop {
            let unread = &bytes[at..];
            at += match unread.first() {
                Some(0) if unread.len() >= BARRIER.len() => {
                    net.conns[index].post(BARRIER)?;
                    BARRIER.len()
                }
                None | Some(0) => return Ok(at),
                Some(_) if self.parts[index] != Part::Unknown => {
                    // Only a barrier follows messages, and only at the end of what was sent.
                    let near = unread.len().saturating_sub(BARRIER.len());
                    let end = memchr::memrchr(0, &unread[near..]).map_or(unread.len(), |z| near + z);
                    let used = self.forward(net, index, &unread[..end])?;
                    if used < end {
                        return Ok(at + used);
                    }
                    used
                }
                Some(b'S') if unread.len() < SUBSCRIBE => return Ok(at),
                Some(b'S') => {
                    let channel = channel(&unread[2..SUBSCRIBE])?;
                    if self.channels.len() <= channel {
                        self.channels.resize_with(channel + 1, Vec::new);
                    }
                    self.channels[channel].push(index);
                    SUBSCRIBE
                }
                Some(b'Q') => {
                    self.caller = Some(index);
                    self.parts[index] = Part::Caller;
                    1
                }
                Some(b'V') => {
                    self.service = Some(index);
                    self.parts[index] = Part::Service;
                    1
                }
                Some(_) => {
                    self.parts[index] = Part::Publisher;
                    0
                }
            };
        }
    }

    /// Sends messages on; returns how many bytes of them are done with. They need not be whole,
    /// except where it depends on a message to whom it goes.
    fn forward(&mut self, net: &mut Net, from: usize, bytes: &[u8]) -> Result<usize> {
        let channels = self.channels.as_slice();
        match (self.parts[from], channels) {
            (Part::Caller, _) => net.conns[self.service.context("no service")?].post(bytes)?,
            (Part::Service, _) => net.conns[self.caller.context("no caller")?].post(bytes)?,
            (_, []) => {}
            (_, [all]) => {
                for &to in all {
                    net.conns[to].post(bytes)?;
                }
            }
            _ => {
                let whole = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
                for message in bytes[..whole].split_inclusive(|b| *b == b'\n') {
                    let number = channel(message.get(2..8).context("a message has a header")?)?;
                    for &to in &channels[number] {
                        if net.conns[to].is_flushed() {
                            self.dirty.push(to);
                        }
                        net.conns[to].stage(message);
                    }
                }
                return Ok(whole);
            }
        }
        Ok(bytes.len())
    }
}

fn channel(digits: &[u8]) -> Result<usize> {
    Ok(std::str::from_utf8(digits)?.parse()?)
}
