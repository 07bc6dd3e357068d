//! Who publishes: one message now and then whose arrival at a socket is noted, or a flood at a rate.

use crate::CHANNEL;
use anyhow::{bail, ensure, Context, Result};
use hubbub_tests::{Encoding, Hub, Socket};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a flood writes: many times a frame, so that it is no row of lumps.
const TICK: Duration = Duration::from_millis(2);
/// Bytes of one message's text.
const LENGTH: usize = 100;

/// Waits until the terminal listens.
pub fn wait_heard(hub: &Hub) {
    let mut asker = hub.client(Encoding::Json);
    hubbub_tests::wait::until("the terminal to listen", || {
        let heard = asker.ask(&format!("publish {CHANNEL} hello")).json()["subscribers"] != 0;
        heard.then_some(())
    });
}

/// A raw client that publishes and hears itself: when its message is back, it had arrived at a socket.
pub struct Echo(Socket);

impl Echo {
    pub fn new(hub: &Hub) -> Echo {
        let mut socket = hub.socket();
        socket.send(format!("{{\"op\":\"subscribe\",\"channel\":\"{CHANNEL}\",\"id\":1}}\n"));
        socket.line();
        Echo(socket)
    }

    /// Publishes, and says when it was back.
    pub fn publish(&mut self, text: &str) -> Result<Instant> {
        self.0.send(format!("{{\"op\":\"publish\",\"channel\":\"{CHANNEL}\",\"data\":\"{text}\"}}\n"));
        let line = self.0.line().context("the hub has closed")?;
        let arrived = Instant::now();
        ensure!(line.contains(text), "the hub said {line} and not {text}");
        Ok(arrived)
    }
}

/// Messages at a rate, from a thread of its own, until it is stopped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<Result<Sent>>>,
}

/// What a flood has sent.
pub struct Sent {
    /// Messages.
    pub messages: u64,
    /// For how long.
    pub took: Duration,
    /// When the last byte was handed to the kernel.
    pub ended: Instant,
}

impl Sent {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.took.as_secs_f64()
    }

    /// By what the last message is known on a screen.
    pub fn last(&self) -> String {
        mark(self.messages - 1)
    }
}

impl Flood {
    pub fn start(hub: &Hub, rate: u32) -> Result<Flood> {
        let stream = TcpStream::connect(hub.addr()).context("the flood cannot connect")?;
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let sender = std::thread::spawn(move || send(stream, rate, &until));
        Ok(Flood { stop, sender: Some(sender) })
    }

    /// Ends it.
    pub fn stop(mut self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        match self.sender.take().map(JoinHandle::join) {
            Some(Ok(sent)) => sent,
            _ => bail!("the flood died"),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn mark(number: u64) -> String {
    format!("#{number:09}#")
}

fn send(mut stream: TcpStream, rate: u32, until: &AtomicBool) -> Result<Sent> {
    let mut refusals = stream.try_clone()?;
    let start = Instant::now();
    let mut messages = 0;
    let mut batch = Vec::new();
    while !until.load(Ordering::Relaxed) {
        let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        // What a stall has held up is made up for in pieces, so that memory stays.
        let due = due.min(messages + u64::from(rate / 10).max(1));
        batch.clear();
        for number in messages..due {
            let text = format!("{:.<LENGTH$}", mark(number));
            // Without an id nothing is answered.
            writeln!(batch, r#"{{"op":"publish","channel":"{CHANNEL}","data":"{text}"}}"#)?;
        }
        stream.write_all(&batch).context("the hub takes no more")?;
        messages = messages.max(due);
        std::thread::sleep(TICK);
    }
    let ended = Instant::now();
    if messages == 0 {
        bail!("the flood was over before its first message");
    }
    // What was refused would be said here; nothing is, so nothing is there to be read.
    refusals.set_nonblocking(true)?;
    let mut said = [0; 512];
    if let Ok(count @ 1..) = refusals.read(&mut said) {
        bail!("the hub said to the flood: {}", String::from_utf8_lossy(&said[..count]));
    }
    // Read to the end, so that the hub has taken all before the connection goes.
    refusals.set_nonblocking(false)?;
    stream.shutdown(std::net::Shutdown::Write)?;
    std::io::copy(&mut refusals, &mut std::io::sink())?;
    Ok(Sent { messages, took: ended - start, ended })
}
