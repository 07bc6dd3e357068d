//! The frames of one persistent connection over its socket. Whatever is dropped half way (a request out
//! of time) leaves it in order: what is not written yet is written before the next request, and answers
//! that nobody waits for any more are passed over.

use super::Error;
use crate::rt::TcpStream;
use futures::{AsyncReadExt, AsyncWriteExt};
use hubbub_shared::names::quote;
use hubbub_shared::persistent::classes::{answer_class, stem_of};
use hubbub_shared::persistent::{push_request, Form, Message, CLOSE};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::ops::Range;

/// Room for one read.
const READ: usize = 16 << 10;
/// A frame that is longer ends the connection. The same guess as for the lines of a hub.
const MAX_FRAME: usize = 64 << 20;
/// A buffer that grew beyond this is given back after its use. A guess: a few large messages' worth.
const MAX_KEPT: usize = 1 << 20;

pub(super) struct Wire {
    stream: TcpStream,
    form: Form,
    modules: String,
    /// Frames, and how much of them is written.
    out: Vec<u8>,
    written: usize,
    /// What was read, and which part of it is of use.
    input: Vec<u8>,
    unread: Range<usize>,
    /// Requests written, or about to be, whose answers have not come.
    owed: u64,
    /// Why nothing more comes of it.
    dead: Option<String>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, form: Form, modules: String) -> Self {
        Wire {
            stream,
            form,
            modules,
            out: Vec::new(),
            written: 0,
            input: Vec::new(),
            unread: 0..0,
            owed: 0,
            dead: None,
        }
    }

    /// Asks, and waits for the answer.
    pub(super) async fn exchange<Q, A>(&mut self, name: &str, data: &Q) -> Result<A, Error>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        if let Some(why) = &self.dead {
            return Err(Error::disconnected(why.clone()));
        }
        if self.written == self.out.len() {
            self.out.clear();
            self.out.shrink_to(MAX_KEPT);
            self.written = 0;
        }
        let write = |out: &mut Vec<u8>| serde_json::to_writer(out, data);
        push_request(self.form, &self.modules, name, &mut self.out, write).map_err(Error::bad_argument)?;
        self.owed += 1;
        match self.answered().await {
            Ok(body) => self.read(name, body),
            Err(why) => {
                self.dead = Some(why.clone());
                Err(Error::disconnected(why))
            }
        }
    }

    /// Writes what is to be written, and waits for the last of the answers that are owed.
    async fn answered(&mut self) -> Result<Range<usize>, String> {
        let failed = |why: std::io::Error| format!("the connection failed: {why}");
        while self.written < self.out.len() {
            match self.stream.write(&self.out[self.written..]).await {
                Ok(0) => return Err("the connection takes nothing more".to_owned()),
                Ok(count) => self.written += count,
                // What the server said before it closed is of more use than that it did. What it owed
                // from before is no answer to this.
                Err(why) => {
                    return match self.last_owed().await {
                        Ok(body) => Ok(body),
                        Err(_) => Err(failed(why)),
                    }
                }
            }
        }
        self.last_owed().await
    }

    /// The answer to what was asked last, behind all that is owed from before.
    async fn last_owed(&mut self) -> Result<Range<usize>, String> {
        loop {
            let body = self.frame().await?;
            self.owed = self.owed.saturating_sub(1);
            if self.owed == 0 {
                return Ok(body);
            }
        }
    }

    /// The next frame's body.
    async fn frame(&mut self) -> Result<Range<usize>, String> {
        loop {
            let unread = &self.input[self.unread.clone()];
            let mut wanted = 4;
            if let Some(length) = unread.first_chunk::<4>() {
                let length = u32::from_be_bytes(*length) as usize;
                if length > MAX_FRAME {
                    let what = "what came is no frame of this dialect";
                    return Err(format!("{what}: it would have {length} bytes"));
                }
                wanted += length;
                if unread.len() >= wanted {
                    let body = self.unread.start + 4..self.unread.start + wanted;
                    self.unread.start = body.end;
                    return Ok(body);
                }
            }
            self.make_room(wanted);
            match self.stream.read(&mut self.input[self.unread.end..]).await {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(count) => self.unread.end += count,
                Err(why) => return Err(format!("the connection failed: {why}")),
            }
        }
    }

    /// Moves what is unread to the front, and makes room for a unit of that length or one read.
    fn make_room(&mut self, wanted: usize) {
        self.input.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        let size = wanted.max(self.unread.len() + READ);
        // A length that was announced is believed as far as bytes come: never more than twice what is there.
        let size = size.min((self.unread.len() * 2).max(self.unread.len() + READ));
        if self.input.len() < size {
            self.input.resize(size, 0);
        } else if self.input.len() > MAX_KEPT && size <= MAX_KEPT {
            self.input.truncate(size);
            self.input.shrink_to_fit();
        }
    }

    /// Takes an answer for what it is.
    fn read<A: DeserializeOwned>(&mut self, name: &str, body: Range<usize>) -> Result<A, Error> {
        let text = std::str::from_utf8(&self.input[body]).map_err(Error::bad_reply)?;
        let message = match Message::expect(text, self.form) {
            Some(message) => message,
            None => Message::read(text, self.form).map_err(Error::bad_reply)?,
        };
        if let Some((code, description)) = message.error() {
            return Err(Error::Refused { code, description });
        }
        let expected = match self.form {
            Form::Plain => format!("{name}-res"),
            Form::Pickle => answer_class(&self.modules, &stem_of(name).unwrap_or_default()),
        };
        if message.title != expected {
            let why = match message.is_close() && name != CLOSE {
                true => {
                    "the server closed the connection: it stops, or nothing was asked for too long".into()
                }
                false => format!("{} came in place of {expected}", quote(&message.title)),
            };
            self.dead = Some(why.clone());
            return Err(Error::disconnected(why));
        }
        serde_json::from_str(&message.payload()).or_else(|why| {
            // Behind the data of another server's answer there may be more members.
            let read = Message::read(text, self.form).ok();
            let data = read.and_then(|message| serde_json::from_str(&message.payload()).ok());
            data.ok_or_else(|| Error::bad_reply(format!("the answer of {name}: {why}")))
        })
    }
}
