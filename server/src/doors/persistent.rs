//! The persistent dialect: many small requests over one connection, in frames of the client port. A
//! connection gets here by its first frame ([`crate::conversation`] hands it over, with that frame), and stays.
//! How its messages are written is in `hubbub_shared::persistent`; what they ask is done by the hub's
//! services.
//!
//! The old clients tell answers apart by their order, so requests run one after the other: while the
//! answer to one is awaited, the next frame waits in the read buffer, and what is behind it in the
//! socket's.

use super::{Dialect, HALF_CLOSED};
use crate::buffers::{Input, LONG_UNIT};
use crate::commands::DEFAULT_DRAIN;
use crate::connection::Talk;
use crate::hub::{Batch, Client, Farewell, Hub};
use crate::services::Request;
use hubbub_shared::encoding::{Decoder, Out, Payload, Step};
use hubbub_shared::limits::DEFAULT_REQUEST_TIMEOUT;
use hubbub_shared::persistent::{
    classes, number, push_answer, push_error, Form, Message, CLOSE, OPEN, PING, SHUTDOWN,
};
use hubbub_shared::refusal::{Code, Refusal};
use serde::Deserialize;
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Characters of a name that an error repeats. A guess.
const MAX_SHOWN: usize = 64;
/// Work of an error beside its bytes, in the batch's measure: finding the words for it.
const REFUSAL: usize = 2 << 10;

/// One connection.
pub struct Persistent {
    client: Arc<Client>,
    form: Form,
    state: State,
    decoder: Decoder,
    /// When a byte came, or an answer went.
    last_sign: Instant,
    sends_long_units: bool,
    /// Whether frames wait behind the one whose answer is awaited.
    has_more: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was said.
    Fresh,
    Open,
    /// The answer of a service is awaited.
    Asked,
    Over,
}

impl Persistent {
    /// Takes over a connection, where its first frame is of this dialect. That frame is still to be read.
    pub fn of_first(frame: &[u8], client: &Arc<Client>, now: Instant) -> Option<Persistent> {
        let form = Form::of_first(frame)?;
        client.set_dialect(match form {
            Form::Plain => Dialect::Persistent,
            Form::Pickle => Dialect::Pickle,
        });
        Some(Persistent {
            client: client.clone(),
            form,
            state: State::Fresh,
            decoder: Decoder::default(),
            last_sign: now,
            sends_long_units: false,
            has_more: false,
        })
    }

    fn frame(&mut self, frame: &[u8], hub: &Hub, batch: &mut Batch) {
        hub.count(batch);
        let read = match simdutf8::basic::from_utf8(frame) {
            Ok(text) => Message::read(text, self.form),
            Err(_) => Err(Refusal::new(Code::NotUtf8, "messages are UTF-8, and this one is not")),
        };
        match read {
            Ok(message) => self.message(&message, hub, batch),
            Err(refusal) if self.state == State::Fresh => {
                // It has no name that could be told; what is wrong with it is of more use.
                self.refuse(&refusal, hub, batch);
                self.end(Farewell::Left("invalid open request"), hub, batch);
            }
            Err(refusal) => self.refuse(&refusal, hub, batch),
        }
    }

    fn message(&mut self, message: &Message<'_>, hub: &Hub, batch: &mut Batch) {
        let (asks, answer) = (message.asks(), message.answer());
        let (asks, answer) = (asks.as_deref().unwrap_or_default(), answer.as_deref().unwrap_or_default());
        if self.state == State::Fresh && asks != OPEN {
            let words = match (self.form, asks) {
                (Form::Plain, _) | (Form::Pickle, "") => cut(&message.title),
                (Form::Pickle, name) => cut(&format!("{name}-req")),
            };
            let words = format!("Invalid open request: {words}");
            self.error(number(Code::BadArgument), &words, hub, batch);
            return self.end(Farewell::Left("invalid open request"), hub, batch);
        }
        match asks {
            OPEN => self.open(message, answer, hub, batch),
            PING => self.answer(answer, "null", batch),
            CLOSE => {
                self.answer(answer, "null", batch);
                self.end(Farewell::Left("closed by client"), hub, batch);
            }
            SHUTDOWN => self.shutdown(message, answer, hub, batch),
            "" => {
                let message = format!("there is no request {}", cut(&message.title));
                self.refuse(&Refusal::new(Code::NoSuchService, message), hub, batch);
            }
            service => {
                let payload = message.payload();
                let request = Request {
                    service,
                    payload: Payload::Json(&payload),
                    within: DEFAULT_REQUEST_TIMEOUT,
                    re: Some(answer),
                };
                match hub.services.request(hub, &self.client, &request, batch) {
                    Ok(()) => self.state = State::Asked,
                    Err(refusal) => self.refuse(&refusal, hub, batch),
                }
            }
        }
    }

    fn open(&mut self, message: &Message<'_>, answer: &str, hub: &Hub, batch: &mut Batch) {
        if hub.is_draining() || hub.drain_asked().is_some() {
            let words = "Shutting down, not accepting connections.";
            self.error(number(Code::BadArgument), words, hub, batch);
            return self.end(Farewell::Left("opened while the server stops"), hub, batch);
        }
        self.state = State::Open;
        self.client.set_last_words(self.last_words(message));
        let process = std::process::id();
        self.answer(answer, &format!(r#"{{"status":"OK","process_id":{process}}}"#), batch);
    }

    /// The close that is not asked for, whenever it may come: with the modules of this client's classes.
    fn last_words(&self, open: &Message<'_>) -> Box<[u8]> {
        let title = match self.form {
            Form::Plain => "close-res".to_owned(),
            Form::Pickle => {
                let modules = classes::RequestClass::parse(&open.title).map(|class| class.modules);
                classes::answer_class(modules.unwrap_or(classes::MODULES), "Close")
            }
        };
        let mut out = Vec::new();
        push_answer(self.form, &title, Payload::Json("null"), &mut out);
        out.into()
    }

    /// For whoever shows the operator token, and by option for every client on loopback.
    fn shutdown(&mut self, message: &Message<'_>, answer: &str, hub: &Hub, batch: &mut Batch) {
        #[derive(Deserialize)]
        struct Shown {
            token: String,
        }
        let shown = serde_json::from_str::<Shown>(&message.payload());
        let is_operator = shown.is_ok_and(|shown| hub.operator.matches(&shown.token));
        let is_local = self.client.addr.ip().to_canonical().is_loopback();
        let may = is_operator || hub.allow_shutdown && is_local;
        if !may {
            let message =
                "this server is shut down by its operators, who send their token (as token in the data), \
                 or by any client on its loopback where it runs with --allow-shutdown";
            return self.refuse(&Refusal::new(Code::NotAllowed, message), hub, batch);
        }
        log::info!(by = self.client.name().as_str(), addr:% = self.client.addr; "shutdown asked for");
        self.answer(answer, "null", batch);
        hub.ask_drain(DEFAULT_DRAIN);
    }

    fn answer(&self, title: &str, json: &str, batch: &mut Batch) {
        let form = self.form;
        batch.write(&self.client, 0, |out| push_answer(form, title, Payload::Json(json), out));
    }

    fn refuse(&self, refusal: &Refusal, hub: &Hub, batch: &mut Batch) {
        batch.worked(REFUSAL);
        hub.refuse(&self.client, None, refusal, batch);
    }

    /// An error whose number and words are the dialect's own.
    fn error(&self, number: u16, words: &str, hub: &Hub, batch: &mut Batch) {
        hub.counters.refusals.add(1);
        batch.worked(REFUSAL);
        let form = self.form;
        batch.write(&self.client, 0, |out| push_error(form, number, words, out));
    }

    fn is_answered(&self) -> bool {
        self.client.open_requests.load(Ordering::Acquire) == 0
    }

    fn end(&mut self, farewell: Farewell, hub: &Hub, batch: &mut Batch) {
        if self.state != State::Over {
            self.state = State::Over;
            hub.close(&self.client, farewell, batch);
        }
    }
}

impl Talk for Persistent {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize {
        let unread = input.unread();
        self.last_sign = batch.now.instant;
        let mut used = 0;
        while self.state != State::Over && !batch.is_long() {
            if self.state == State::Asked {
                if !self.is_answered() {
                    break;
                }
                self.state = State::Open;
            }
            // Who does not read the answers gets no more of them.
            if !self.client.outbox.is_open() {
                break;
            }
            match self.decoder.step(&unread[used..], &hub.limits) {
                Step::More => break,
                Step::Unit(frame, length) => {
                    used += length;
                    self.sends_long_units = length >= LONG_UNIT;
                    self.frame(frame, hub, batch);
                }
                Step::Broken(refusal) => {
                    self.refuse(&refusal, hub, batch);
                    self.end(Farewell::Left("a frame was too long"), hub, batch);
                }
            }
        }
        self.has_more = used < unread.len();
        used
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// While an answer is awaited, the connection is read on until there is more in it, so that a client
    /// that goes is noticed, and the work on its request ends.
    fn waits(&self) -> bool {
        self.state == State::Asked && self.has_more && !self.is_answered()
    }

    fn is_due(&self) -> bool {
        self.state == State::Asked && self.is_answered()
    }

    fn hurries(&self) -> bool {
        self.state != State::Asked
    }

    fn patience(&self) -> Duration {
        HALF_CLOSED
    }

    fn sends_long_units(&self) -> bool {
        self.sends_long_units
    }

    fn deadline(&self, hub: &Hub) -> Option<Instant> {
        (self.state != State::Asked).then(|| self.last_sign + timeout(hub))
    }

    fn on_time(&mut self, hub: &Hub, batch: &mut Batch) {
        let message = format!("nothing was said for {} s", timeout(hub).as_secs());
        self.end(Farewell::Sent(Refusal::new(Code::Timeout, message)), hub, batch);
    }

    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch) {
        if !unread.is_empty() && self.state != State::Over {
            let message = "the last frame has no end, and was not run";
            self.refuse(&Refusal::new(Code::BadCommand, message), hub, batch);
        }
    }

    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        self.end(Farewell::Left(reason), hub, batch);
    }
}

fn timeout(hub: &Hub) -> Duration {
    Duration::from_secs(hub.limits.persistent_timeout_s)
}

/// A name as an error repeats it.
fn cut(title: &str) -> String {
    match title.char_indices().nth(MAX_SHOWN) {
        Some((at, _)) => format!("{}…", &title[..at]),
        None => title.to_owned(),
    }
}

/// Appends what the hub tells a client, as far as the dialect has words for it. Why a connection ends is
/// told by its last words, which it left with the client when it opened.
pub fn push(form: Form, what: &Out<'_>, out: &mut Vec<u8>) {
    match what {
        Out::Answered(Some(title), _, payload) => push_answer(form, title, *payload, out),
        Out::Error(_, refusal) => push_error(form, number(refusal.code), &refusal.message, out),
        _ => {}
    }
}
