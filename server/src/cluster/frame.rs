//! What servers say to each other over a link: frames of a 4-byte big-endian length, a kind, and a
//! body. Messages, requests and responses are binary, since there are many of them; everything else is JSON. Pure.

use super::questions::{Answer, Question};
use super::tables::{ClientRow, Closed, Offer, Share, Topic};
use hubbub_shared::encoding::scan::Scanner;
use hubbub_shared::encoding::Payload;
use hubbub_shared::names::{channel_str, client_str};
use hubbub_shared::refusal::Refusal;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// The longest frame. A guess: the largest message that a hub can be told to take (128 MiB) twice.
const MAX_FRAME: usize = 256 << 20;
/// Groups of one frame at the most: what more there are is another frame.
pub const MAX_FRAME_GROUPS: usize = 1_000;
/// Rows of one frame at the most, so that a snapshot of many is sent in pieces. A guess.
pub const MAX_ROWS: usize = 1_000;

const ADOPT: u8 = 0;
const RUN: u8 = 1;
const TOLD: u8 = 2;
const REQUEST: u8 = 3;
const RESPOND: u8 = 4;

const PLAIN: u8 = 1;

/// Bytes of a run before its messages, mostly, and of a message before its payload.
const RUN_HEAD: usize = 64;
const ITEM_HEAD: usize = 5;

const IS_JSON: u8 = 1;
const HAS_HEADERS: u8 = 2;
const HAS_REPLY: u8 = 4;
const IS_REFUSAL: u8 = 8;

/// One frame.
#[derive(Debug)]
pub enum Frame<'a> {
    /// The link is the one that is used from now on.
    Adopt,
    /// Messages for subscribers of the server that reads this.
    Run(Run<'a>),
    /// A request to a service that the reader offers.
    Request(Request<'a>),
    /// What came of a request.
    Respond {
        /// The request's.
        id: u64,
        /// The answer.
        result: Result<Payload<'a>, Refusal>,
    },
    /// Everything else.
    Told(Told),
}

/// A run of messages of one publisher in one channel, from the server that took them.
#[derive(Debug, PartialEq)]
pub struct Run<'a> {
    /// Whether it is for all who are plainly subscribed.
    pub plain: bool,
    /// The groups of which one member gets each message.
    pub groups: Vec<&'a str>,
    /// The channel.
    pub channel: &'a str,
    /// The publisher's name.
    pub from: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The count of the first one.
    pub first_seq: u64,
    /// The messages.
    pub items: Items<'a>,
}

/// What a run says before its messages.
pub struct RunHead<'a> {
    /// Whether it is for all who are plainly subscribed.
    pub plain: bool,
    /// The groups of which one member gets each message.
    pub groups: &'a [&'a str],
    /// The channel.
    pub channel: &'a str,
    /// The publisher's name.
    pub from: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The count of the first one.
    pub first_seq: u64,
}

/// The messages of a run: of those from many publishers, most are short.
pub type Items<'a> = SmallVec<[Said<'a>; 2]>;

/// One message of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Said<'a> {
    /// The payload.
    pub payload: Payload<'a>,
    /// Headers, as JSON.
    pub headers: Option<&'a str>,
    /// The channel to answer on.
    pub reply: Option<&'a str>,
}

/// A request as one server passes it on to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// Names it.
    pub id: u64,
    /// The service.
    pub service: &'a str,
    /// The caller's name.
    pub from: &'a str,
    /// What is asked.
    pub payload: Payload<'a>,
    /// How long the caller waits.
    pub within_ms: u64,
}

/// A change of one of the tables that each server keeps of its own, and the others have a copy of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Row {
    /// Who is subscribed to a pattern here; nobody any more.
    Interest(String, Option<Share>),
    /// Who offers a service here; nobody any more.
    Service(String, Option<Offer>),
    /// A client is connected, or has another name.
    Client(String, ClientRow),
    /// A client is gone.
    Closed(String, Closed),
    /// A channel is kept, with its topic.
    Topic(String, Topic),
}

/// Everything but messages.
#[derive(Debug, Serialize, Deserialize)]
pub enum Told {
    /// Changes, in their order.
    Rows(Vec<Row>),
    /// All rows follow: what was told before counts no more once [`Told::Whole`] comes.
    Anew,
    /// All rows were sent since [`Told::Anew`].
    Whole,
    /// A sign of life every second; the digests of the tables as they were told up to here, and the
    /// sender's clock in microseconds, which comes back.
    Beat {
        /// Interest, services, clients.
        digests: [u64; 3],
        /// When it was sent.
        sent_us: u64,
    },
    /// The answer to it.
    BeatBack {
        /// As it came.
        sent_us: u64,
    },
    /// The digests differ: please send all rows.
    Repair,
    /// A question.
    Ask {
        /// Names it.
        id: u64,
        /// What is asked.
        question: Question,
    },
    /// Its answer.
    Answer {
        /// The question's.
        id: u64,
        /// What is answered.
        answer: Box<Answer>,
    },
    /// This server is about to stop: the link will end when all that was sent is read.
    Leaving,
}

/// Why a frame cannot be read; the link ends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Its length is beyond all measure.
    #[error("a frame of {0} bytes, and {MAX_FRAME} is the most")]
    TooLong(usize),
    /// It does not have the shape of its kind.
    #[error("a frame of kind {0} does not have the shape of one: {1}")]
    Shape(u8, String),
}

/// The first frame of some bytes, and how many bytes it has; `None` when more must come.
pub fn read(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Unreadable> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_FRAME {
        return Err(Unreadable::TooLong(length));
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    let (kind, body) = body.split_first().ok_or_else(|| Unreadable::Shape(0, "it is empty".into()))?;
    let shape = |why: &str| Unreadable::Shape(*kind, why.into());
    let frame = match *kind {
        ADOPT => Frame::Adopt,
        RUN => Frame::Run(read_run(body).map_err(shape)?),
        REQUEST => Frame::Request(read_request(body).map_err(shape)?),
        RESPOND => read_respond(body).map_err(shape)?,
        TOLD => Frame::Told(serde_json::from_slice(body).map_err(|e| shape(&e.to_string()))?),
        _ => return Err(shape("there is no such kind")),
    };
    Ok(Some((frame, 4 + length)))
}

/// Appends the frame that takes a link into use.
pub fn push_adopt(out: &mut Vec<u8>) {
    framed(out, ADOPT, |_| {});
}

/// Appends a frame of anything but messages.
pub fn push_told(told: &Told, out: &mut Vec<u8>) {
    framed(out, TOLD, |out| {
        serde_json::to_writer(&mut *out, told).expect("what servers tell each other becomes JSON");
    });
}

/// Appends the frame of a request.
pub fn push_request(request: &Request<'_>, out: &mut Vec<u8>) {
    let Request { id, service, from, payload, within_ms } = request;
    framed(out, REQUEST, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&within_ms.to_be_bytes());
        push_short(service, out);
        push_short(from, out);
        push_payload(*payload, out);
    });
}

/// Appends the frame of what came of a request.
pub fn push_respond(id: u64, result: Result<Payload<'_>, &Refusal>, out: &mut Vec<u8>) {
    framed(out, RESPOND, |out| {
        out.extend_from_slice(&id.to_be_bytes());
        match result {
            Ok(payload) => push_payload(payload, out),
            Err(refusal) => {
                let text = serde_json::to_string(refusal).expect("a refusal becomes JSON");
                out.push(IS_REFUSAL);
                push_long(&text, out);
            }
        }
    });
}

fn push_payload(payload: Payload<'_>, out: &mut Vec<u8>) {
    out.push(if matches!(payload, Payload::Json(_)) { IS_JSON } else { 0 });
    push_long(payload.raw(), out);
}

/// Appends the frame of a run.
pub fn push_run<'a>(
    head: &RunHead<'_>,
    items: impl ExactSizeIterator<Item = Said<'a>> + Clone,
    out: &mut Vec<u8>,
) {
    // All of it at once: where it is queued there may be no room yet.
    out.reserve(RUN_HEAD + items.clone().map(|said| ITEM_HEAD + said.payload.raw().len()).sum::<usize>());
    framed(out, RUN, |out| {
        out.push(if head.plain { PLAIN } else { 0 });
        out.extend_from_slice(&(head.groups.len() as u16).to_be_bytes());
        head.groups.iter().for_each(|group| push_short(group, out));
        push_short(head.channel, out);
        push_short(head.from, out);
        out.extend_from_slice(&head.at_ms.to_be_bytes());
        out.extend_from_slice(&head.first_seq.to_be_bytes());
        out.extend_from_slice(&(items.len() as u32).to_be_bytes());
        for Said { payload, headers, reply } in items {
            let is_json = if matches!(payload, Payload::Json(_)) { IS_JSON } else { 0 };
            let has_headers = if headers.is_some() { HAS_HEADERS } else { 0 };
            let has_reply = if reply.is_some() { HAS_REPLY } else { 0 };
            let raw = payload.raw();
            let length = u32::try_from(raw.len()).expect("no message has 4 GiB").to_be_bytes();
            let flags = is_json | has_headers | has_reply;
            out.extend_from_slice(&[flags, length[0], length[1], length[2], length[3]]);
            out.extend_from_slice(raw.as_bytes());
            headers.iter().for_each(|headers| push_long(headers, out));
            reply.iter().for_each(|reply| push_short(reply, out));
        }
    });
}

fn framed(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind]);
    body(out);
    let length = u32::try_from(out.len() - at - 4).expect("no message has 4 GiB");
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Names, which have 200 bytes at the most.
fn push_short(text: &str, out: &mut Vec<u8>) {
    out.push(u8::try_from(text.len()).expect("names are checked where they come from"));
    out.extend_from_slice(text.as_bytes());
}

fn push_long(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(text.len()).expect("no message has 4 GiB").to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn read_run(body: &[u8]) -> Result<Run<'_>, &'static str> {
    let mut reader = Reader { rest: body };
    let plain = reader.byte()? & PLAIN != 0;
    let groups = u16::from_be_bytes(reader.array()?);
    // Each is at least one byte of what is there: nothing is allocated by a claim.
    let groups = (0..groups).map(|_| reader.name()).collect::<Result<_, _>>()?;
    let (channel, from) = (reader.channel()?, reader.name()?);
    let at_ms = i64::from_be_bytes(reader.array()?);
    let first_seq = u64::from_be_bytes(reader.array()?);
    let count = u32::from_be_bytes(reader.array()?) as usize;
    let mut items = Items::with_capacity(count.min(reader.rest.len() / ITEM_HEAD));
    for _ in 0..count {
        let flags = reader.byte()?;
        let payload = reader.payload(flags)?;
        let headers = if flags & HAS_HEADERS != 0 { Some(json(reader.long()?)?) } else { None };
        let reply = if flags & HAS_REPLY != 0 { Some(reader.channel()?) } else { None };
        items.push(Said { payload, headers, reply });
    }
    reader.end()?;
    Ok(Run { plain, groups, channel, from, at_ms, first_seq, items })
}

fn read_request(body: &[u8]) -> Result<Request<'_>, &'static str> {
    let mut reader = Reader { rest: body };
    let (id, within_ms) = (u64::from_be_bytes(reader.array()?), u64::from_be_bytes(reader.array()?));
    let (service, from) = (reader.channel()?, reader.name()?);
    let flags = reader.byte()?;
    let payload = reader.payload(flags)?;
    reader.end()?;
    Ok(Request { id, service, from, payload, within_ms })
}

fn read_respond(body: &[u8]) -> Result<Frame<'_>, &'static str> {
    let mut reader = Reader { rest: body };
    let id = u64::from_be_bytes(reader.array()?);
    let flags = reader.byte()?;
    let result = if flags & IS_REFUSAL != 0 {
        Err(serde_json::from_str(reader.long()?).map_err(|_| "a refusal is not one")?)
    } else {
        Ok(reader.payload(flags)?)
    };
    reader.end()?;
    Ok(Frame::Respond { id, result })
}

/// What is passed on as JSON must be: anything else would break the clients' streams.
fn json(raw: &str) -> Result<&str, &'static str> {
    Scanner::new(raw).value().map(|()| raw).map_err(|_| "a payload is not JSON")
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err("more bytes follow than it says")
        }
    }

    fn payload(&mut self, flags: u8) -> Result<Payload<'a>, &'static str> {
        let raw = self.long()?;
        Ok(if flags & IS_JSON != 0 { Payload::Json(json(raw)?) } else { Payload::Text(raw) })
    }

    fn byte(&mut self) -> Result<u8, &'static str> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], &'static str> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("it ends too early")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn text(&mut self, length: usize) -> Result<&'a str, &'static str> {
        simdutf8::basic::from_utf8(self.take(length)?).map_err(|_| "a text is not UTF-8")
    }

    fn short(&mut self) -> Result<&'a str, &'static str> {
        let length = self.byte()?;
        self.text(usize::from(length))
    }

    /// What goes to clients as a name has to be one.
    fn name(&mut self) -> Result<&'a str, &'static str> {
        client_str(self.short()?).map_err(|_| "a name is not valid")
    }

    /// Channels, and services, which are named like them.
    fn channel(&mut self) -> Result<&'a str, &'static str> {
        channel_str(self.short()?).map_err(|_| "a channel's name is not valid")
    }

    fn long(&mut self) -> Result<&'a str, &'static str> {
        let length = u32::from_be_bytes(self.array()?);
        self.text(length as usize)
    }
}
