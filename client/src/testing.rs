//! A small hub inside the process, for tests of programs that use this library: it speaks JSON lines
//! with the hub's own grammar, keeps names, channels, groups and services, and can be told to fail. In
//! frames it speaks the persistent dialect, with the service `echo`.
//! It has no history and no limits, knows of other hubs what it is told, and is not fast.
//!
//! Only with the feature `testing`, which this crate's own tests and examples turn on.

use crate::rt::{self, TcpStream};
use futures::channel::mpsc::{unbounded, UnboundedReceiver};
use futures::{pin_mut, AsyncReadExt, AsyncWriteExt, StreamExt};
use hubbub_shared::encoding::{Decoder, Step};
use hubbub_shared::limits::Limits;
use hubbub_shared::names::fold;
use hubbub_shared::{Encoding, Op, Refusal};
use parking_lot::Mutex;
use state::{SendAway, State};
use std::io;
use std::sync::Arc;

mod persistent;
mod state;

/// A hub in this process, on a free port of the loopback interface. It ends when it is dropped. Several
/// can stand for a cluster: each is told what to say of the others.
#[derive(Debug)]
pub struct Hub {
    addr: String,
    state: Arc<Mutex<State>>,
    accepting: Option<rt::JoinHandle<()>>,
}

impl Hub {
    /// Starts a hub with the name `test`.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn start() -> io::Result<Hub> {
        Hub::start_named("test").await
    }

    /// Starts a hub with a name.
    ///
    /// # Errors
    /// When the system gives no port.
    pub async fn start_named(name: &str) -> io::Result<Hub> {
        let listener = rt::TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?.to_string();
        let state = Arc::new(Mutex::new(State::new(name)));
        let shared = state.clone();
        let accepting = rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if !shared.lock().away {
                    drop(rt::spawn(serve(stream, shared.clone())));
                }
            }
        });
        Ok(Hub { addr, state, accepting: Some(accepting) })
    }

    /// Where to connect.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Publishes as the hub itself, without a client.
    pub fn publish(&self, channel: &str, json: &str) -> u64 {
        self.state.lock().publish(None, channel, json, None, None).0
    }

    /// Counts messages of a channel that nobody receives.
    pub fn lose(&self, channel: &str, count: u64) {
        *self.state.lock().seqs.entry(channel.to_owned()).or_default() += count;
    }

    /// Hands on a message that another hub took, to those who are subscribed here.
    pub fn pass_on(&self, origin: &str, seq: u64, channel: &str, json: &str) {
        self.state.lock().pass_on(origin, seq, channel, json);
    }

    /// What its messages name as their origin.
    pub fn origin(&self) -> String {
        self.state.lock().origin()
    }

    /// Answers `hello` with these addresses of its cluster from now on.
    pub fn tell_servers(&self, addrs: &[&str]) {
        self.state.lock().servers = owned(addrs);
    }

    /// Sends everybody who says `hello`, and that they would follow, to these addresses from now on.
    pub fn send_away(&self, addrs: &[&str]) {
        self.state.lock().away_to = Some(SendAway::Followers(owned(addrs)));
    }

    /// Drains: sends its clients to these addresses after so many milliseconds, and from now on
    /// everybody who says `hello`.
    pub fn drain(&self, addrs: &[&str], retry_ms: u64) {
        self.state.lock().drain(owned(addrs), retry_ms);
    }

    /// What each `hello` so far said about being sent to another server.
    pub fn follows(&self) -> Vec<bool> {
        self.state.lock().follows.clone()
    }

    /// Sends a line to every client, whatever it says.
    pub fn say(&self, line: &str) {
        for peer in self.state.lock().clients.values() {
            peer.send_line(format!("{line}\n").into_bytes());
        }
    }

    /// Refuses a command from now on, or no longer.
    pub fn refuse(&self, op: Op, refusal: Option<Refusal>) {
        let mut state = self.state.lock();
        match refusal {
            Some(refusal) => state.refusals.insert(op, refusal),
            None => state.refusals.remove(&op),
        };
    }

    /// Answers a command that the hub for tests does not have with this JSON from now on.
    pub fn answer(&self, op: Op, json: &str) {
        self.state.lock().answers.insert(op, json.to_owned());
    }

    /// Closes every connection without a word.
    pub fn drop_connections(&self) {
        self.state.lock().clients.clear();
    }

    /// Says nothing more, not even to commands; connections stay as they are, and new ones are taken and
    /// not answered.
    pub fn fall_silent(&self) {
        self.state.lock().silent = true;
    }

    /// Ends as a killed process does: every connection is closed without a word, and nobody listens on
    /// the port any more.
    pub async fn vanish(&mut self) {
        self.leave();
        if let Some(accepting) = self.accepting.take() {
            accepting.cancel().await;
        }
    }

    /// Goes away: closes every connection and each new one, until it is back.
    pub fn leave(&self) {
        let mut state = self.state.lock();
        state.away = true;
        state.clients.clear();
    }

    /// Is back after [`Self::leave`]; as a new run, when it has forgotten everything meanwhile.
    pub fn come_back(&self, as_new_run: bool) {
        let mut state = self.state.lock();
        state.away = false;
        if as_new_run {
            state.run += 1;
            state.seqs.clear();
        }
    }

    /// Lets somebody who is not connected have a name.
    pub fn hold(&self, name: &str) {
        self.state.lock().held = Some(fold(name));
    }

    /// Requests that are not answered yet.
    pub fn open_requests(&self) -> usize {
        self.state.lock().requests.len()
    }

    /// Blank lines received: that is how a client answers a heartbeat.
    pub fn blank_lines(&self) -> u64 {
        self.state.lock().blank_lines
    }

    /// Pings in the persistent dialect received so far from the clients that are connected.
    pub fn pings(&self) -> u64 {
        self.state.lock().clients.values().map(|peer| peer.persistent.pings).sum()
    }

    /// The names of the clients that are connected.
    pub fn names(&self) -> Vec<String> {
        self.state.lock().clients.values().map(|peer| peer.name.clone()).collect()
    }

    /// What the client of a name is subscribed to.
    pub fn subscriptions(&self, name: &str) -> Vec<String> {
        let state = self.state.lock();
        let patterns = state.clients.values().filter(|p| p.name == name).flat_map(|p| &p.subscriptions);
        patterns.map(|(pattern, _)| pattern.to_string()).collect()
    }

    /// The services that clients offer.
    pub fn services(&self) -> Vec<String> {
        self.state.lock().clients.values().flat_map(|peer| peer.services.clone()).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.leave();
        if let Some(accepting) = self.accepting.take() {
            // The listener closes with the task, at its next turn.
            drop(rt::spawn(accepting.cancel()));
        }
    }
}

/// One connection, until either side ends it.
async fn serve(stream: TcpStream, state: Arc<Mutex<State>>) {
    let (sender, receiver) = unbounded();
    let id = state.lock().accept(sender);
    let reading = read(&stream, &state, id);
    let writing = write(&stream, receiver);
    pin_mut!(reading, writing);
    futures::future::select(reading, writing).await;
    state.lock().clients.remove(&id);
}

async fn read(mut stream: &TcpStream, state: &Mutex<State>, id: u64) {
    let (mut decoder, limits) = (Decoder::default(), Limits::default());
    let (mut unread, mut room) = (Vec::new(), vec![0; 64 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut room).await {
        unread.extend_from_slice(&room[..count]);
        let mut used = 0;
        loop {
            match decoder.step(&unread[used..], &limits) {
                Step::Unit(unit, length) => {
                    match decoder.encoding() {
                        Some(Encoding::Frame) => state.lock().take_in_frame(id, unit),
                        _ => state.lock().take_in(id, unit),
                    }
                    used += length;
                }
                Step::More => break,
                Step::Broken(_) => return,
            }
        }
        unread.drain(..used);
    }
}

async fn write(mut stream: &TcpStream, mut lines: UnboundedReceiver<Vec<u8>>) {
    while let Some(mut batch) = lines.next().await {
        while let Ok(line) = lines.try_recv() {
            batch.extend_from_slice(&line);
        }
        if stream.write_all(&batch).await.is_err() {
            return;
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
