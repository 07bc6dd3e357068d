//! The three encodings of the one port: which one a connection speaks, where its units (lines or
//! frames) end, and how replies and events are written in each. Sans-io: bytes in, bytes out.

pub mod escape;
mod head;
pub mod json;
pub mod scan;
pub mod text;

use crate::command::Command;
use crate::limits::Limits;
use crate::refusal::{Code, Refusal};
use crate::reply::Reply;

pub use head::Head;
pub use json::Misread;

/// How a connection is spoken, decided by its first byte and for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Encoding {
    /// One command a line, for people.
    Text = 0,
    /// One JSON object a line.
    Json = 1,
    /// Four bytes of big-endian length, then that many bytes of JSON.
    Frame = 2,
}

/// A payload where it was written: a text, or JSON that the scanner has accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A text that is not JSON; other encodings see it as a JSON string.
    Text(&'a str),
    /// One valid JSON value.
    Json(&'a str),
}

impl<'a> Payload<'a> {
    /// As it was written.
    #[inline]
    pub fn raw(self) -> &'a str {
        match self {
            Payload::Text(text) | Payload::Json(text) => text,
        }
    }
}

/// A channel's message, on its way to bytes.
#[derive(Debug, Clone, Copy)]
pub struct MessageRef<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The publisher's name.
    pub from: &'a str,
    /// The origin's count of this channel's messages.
    pub seq: u64,
    /// The run of the server that took it.
    pub origin: &'a str,
    /// When, UTC with milliseconds.
    pub at: &'a str,
    /// The payload.
    pub payload: Payload<'a>,
    /// The pattern that matched, for receivers by wildcard.
    pub via: Option<&'a str>,
    /// Headers: a JSON object of strings, as it was written.
    pub headers: Option<&'a str>,
    /// The channel to answer on.
    pub reply: Option<&'a str>,
}

/// A direct message, on its way to bytes.
#[derive(Debug, Clone, Copy)]
pub struct Direct<'a> {
    /// The sender's name.
    pub from: &'a str,
    /// The run of the server that took it.
    pub origin: &'a str,
    /// When, UTC with milliseconds.
    pub at: &'a str,
    /// The payload.
    pub payload: Payload<'a>,
}

/// Something that the hub tells a client.
#[derive(Debug, Clone, Copy)]
pub enum Out<'a> {
    /// A channel's message.
    Message(MessageRef<'a>),
    /// A direct message.
    Direct(Direct<'a>),
    /// A request to a provider: id, service, caller, payload.
    Request(&'a str, &'a str, &'a str, Payload<'a>),
    /// A notice: code and words.
    Notice(&'a str, &'a str),
    /// The last words: why, when to come back (ms), where else to go.
    Closing(&'a Refusal, u64, &'a [String]),
    /// A heartbeat.
    Ping,
    /// A command succeeded: its id and its result.
    Ok(Option<&'a str>, &'a Reply),
    /// A publish succeeded: its id, channel, origin, seq and number of receivers.
    Published(Option<&'a str>, &'a str, &'a str, u64, u64),
    /// A service answered: the id of the request's command, the service, and the answer.
    Answered(Option<&'a str>, &'a str, Payload<'a>),
    /// A command was refused: its id and why.
    Error(Option<&'a str>, &'a Refusal),
}

impl Encoding {
    /// All three, in the order of their numbers.
    pub const ALL: [Encoding; 3] = [Encoding::Text, Encoding::Json, Encoding::Frame];

    /// What a connection speaks whose first byte is this.
    pub fn of_first_byte(byte: u8) -> Encoding {
        match byte {
            b'{' => Encoding::Json,
            0x00..=0x08 => Encoding::Frame,
            _ => Encoding::Text,
        }
    }

    /// `text`, `json` or `frame`.
    pub fn as_str(self) -> &'static str {
        match self {
            Encoding::Text => "text",
            Encoding::Json => "json",
            Encoding::Frame => "frame",
        }
    }

    /// Bytes of one unit at the most.
    pub fn max_unit(self, limits: &Limits) -> usize {
        match self {
            Encoding::Text => limits.max_line,
            Encoding::Json | Encoding::Frame => limits.max_frame,
        }
    }

    /// Appends something that the hub tells a client. A reply to a command without an id is
    /// nothing in JSON and frames.
    #[inline]
    pub fn push(self, what: &Out<'_>, out: &mut Vec<u8>) {
        match self {
            Encoding::Text => push_text(what, out),
            Encoding::Json => {
                if push_json(what, out) {
                    out.push(b'\n');
                }
            }
            Encoding::Frame => {
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                if push_json(what, out) {
                    set_frame_length(out, at, 0);
                } else {
                    out.truncate(at);
                }
            }
        }
    }

    /// The payload as a message carries it in this encoding, where those are bytes of the payload as it
    /// came: [`Encoding::push_around`] then writes the rest of the message.
    pub fn verbatim<'a>(self, payload: Payload<'a>) -> Option<&'a str> {
        match self {
            Encoding::Text => text::verbatim(payload),
            Encoding::Json | Encoding::Frame => json::verbatim(payload),
        }
    }

    /// Appends a message without its payload, and returns where in `out` that belongs.
    pub fn push_around(self, message: &MessageRef<'_>, payload: &str, out: &mut Vec<u8>) -> usize {
        let start = out.len();
        match self {
            Encoding::Text => text::push_before_payload(message, out),
            Encoding::Json => json::push_before_payload(message, out),
            Encoding::Frame => {
                out.extend_from_slice(&[0; 4]);
                json::push_before_payload(message, out);
            }
        }
        let at = out.len();
        match self {
            Encoding::Text => out.push(b'\n'),
            Encoding::Json => {
                json::push_after_payload(message, out);
                out.push(b'\n');
            }
            Encoding::Frame => {
                json::push_after_payload(message, out);
                set_frame_length(out, start, payload.len());
            }
        }
        at
    }

    /// Reads one unit's command. `None` for a blank line.
    #[inline]
    pub fn parse(self, unit: &[u8]) -> Option<Result<Command<'_>, Misread<'_>>> {
        let Ok(text) = simdutf8::basic::from_utf8(unit) else {
            let refusal = Refusal::new(Code::NotUtf8, "commands are UTF-8, and this one is not");
            return Some(Err(Misread { refusal, id: None }));
        };
        match self {
            Encoding::Text | Encoding::Json if is_blank(text) => None,
            Encoding::Text => Some(text::parse(text).map_err(|refusal| Misread { refusal, id: None })),
            Encoding::Json | Encoding::Frame => Some(json::parse(text)),
        }
    }
}

/// Fills in the length of the frame that starts at `at` and runs to the end, with bytes that are yet to
/// be put into it.
pub(crate) fn set_frame_length(out: &mut [u8], at: usize, missing: usize) {
    let length = u32::try_from(out.len() - at - 4 + missing).expect("nothing the hub says has 4 GiB");
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Nearly every line shows by its first byte that it is not.
#[inline]
fn is_blank(text: &str) -> bool {
    text.as_bytes().first().is_none_or(u8::is_ascii_whitespace) && text.trim().is_empty()
}

fn push_text(what: &Out<'_>, out: &mut Vec<u8>) {
    match what {
        Out::Message(message) => text::push_message(message, out),
        Out::Direct(direct) => text::push_direct(direct, out),
        Out::Request(id, service, from, payload) => text::push_request(id, service, from, *payload, out),
        Out::Notice(_, message) => text::push_notice(message, out),
        Out::Closing(why, _, _) => text::push_closing(why, out),
        Out::Ping => text::push_notice("ping", out),
        Out::Ok(_, reply) => text::push_ok(reply, out),
        Out::Published(_, channel, _, _, subscribers) => text::push_published(channel, *subscribers, out),
        Out::Answered(_, service, answer) => text::push_answered(service, *answer, out),
        Out::Error(_, refusal) => text::push_error(refusal, out),
    }
}

/// Whether anything was appended.
fn push_json(what: &Out<'_>, out: &mut Vec<u8>) -> bool {
    match what {
        Out::Message(message) => json::push_message(message, out),
        Out::Direct(direct) => json::push_direct(direct, out),
        Out::Request(id, service, from, payload) => json::push_request(id, service, from, *payload, out),
        Out::Notice(code, message) => json::push_notice(code, message, out),
        Out::Closing(why, retry_ms, elsewhere) => json::push_closing(why, *retry_ms, elsewhere, out),
        Out::Ping => out.extend_from_slice(br#"{"event":"ping"}"#),
        Out::Ok(Some(id), reply) => json::push_ok(id, reply, out),
        Out::Published(Some(id), _, origin, seq, receivers) => {
            json::push_published(id, origin, *seq, *receivers, out)
        }
        Out::Answered(Some(id), _, answer) => json::push_answered(id, *answer, out),
        Out::Ok(None, _) | Out::Published(None, ..) | Out::Answered(None, ..) => return false,
        Out::Error(id, refusal) => json::push_error(*id, refusal, out),
    }
    true
}

/// Finds the units in a connection's bytes. It keeps no bytes: the caller offers what is unread
/// each time, and drops what was used.
#[derive(Debug, Default)]
pub struct Decoder {
    encoding: Option<Encoding>,
    /// Bytes at the start of the unread that are known to hold no line end.
    scanned: usize,
}

/// What the decoder found at the start of the unread bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// A whole unit, and how many bytes it used, line end or length included.
    Unit(&'a [u8], usize),
    /// Nothing whole yet.
    More,
    /// Where the next unit starts cannot be known any more: tell the client, and close.
    Broken(Refusal),
}

impl Decoder {
    /// What the connection speaks; unknown before its first byte.
    #[inline]
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding
    }

    /// Looks at the unread bytes. After a [`Step::Unit`], call again with what follows it.
    #[inline]
    pub fn step<'a>(&mut self, unread: &'a [u8], limits: &Limits) -> Step<'a> {
        let Some(&first) = unread.first() else { return Step::More };
        let encoding = *self.encoding.get_or_insert_with(|| Encoding::of_first_byte(first));
        match encoding {
            Encoding::Frame => frame(unread, limits.max_frame),
            Encoding::Text | Encoding::Json => self.line(unread, encoding, limits),
        }
    }

    #[inline]
    fn line<'a>(&mut self, unread: &'a [u8], encoding: Encoding, limits: &Limits) -> Step<'a> {
        let max = encoding.max_unit(limits);
        let found = memchr::memchr(b'\n', &unread[self.scanned..]).map(|at| at + self.scanned);
        let length = match found {
            Some(at) => at - usize::from(at > 0 && unread[at - 1] == b'\r'),
            None => unread.len() - usize::from(unread.last() == Some(&b'\r')),
        };
        if length > max {
            let what = if encoding == Encoding::Text { "text line" } else { "JSON line" };
            return Step::Broken(too_large(what, max, None));
        }
        match found {
            Some(at) => {
                self.scanned = 0;
                Step::Unit(&unread[..length], at + 1)
            }
            None => {
                self.scanned = unread.len();
                Step::More
            }
        }
    }
}

fn frame(unread: &[u8], max: usize) -> Step<'_> {
    let Some(length) = unread.first_chunk::<4>() else { return Step::More };
    let length = u32::from_be_bytes(*length) as usize;
    if length > max {
        return Step::Broken(too_large("frame", max, Some(length)));
    }
    match unread.get(4..4 + length) {
        Some(body) => Step::Unit(body, 4 + length),
        None => Step::More,
    }
}

fn too_large(what: &str, max: usize, got: Option<usize>) -> Refusal {
    let got = got.map(|n| format!(", and {n} were announced")).unwrap_or_default();
    Refusal::new(Code::TooLarge, format!("a {what} has {max} bytes at the most{got}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> Limits {
        Limits { max_line: 20, max_frame: 40, ..Limits::default() }
    }

    /// Decodes bytes that arrive in pieces, as a connection does.
    fn decode(pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, Code>> {
        let (mut decoder, mut unread, mut units) = (Decoder::default(), Vec::new(), Vec::new());
        for piece in pieces {
            unread.extend_from_slice(piece);
            loop {
                match decoder.step(&unread, &small()) {
                    Step::Unit(unit, used) => {
                        units.push(Ok(unit.to_vec()));
                        unread.drain(..used);
                    }
                    Step::More => break,
                    Step::Broken(refusal) => {
                        units.push(Err(refusal.code));
                        return units;
                    }
                }
            }
        }
        units
    }

    #[test]
    fn the_first_byte_decides() {
        assert_eq!(decode(&[b"ping\r\nping\n"]), [Ok(b"ping".to_vec()), Ok(b"ping".to_vec())]);
        assert_eq!(decode(&[b"{}\n{}\r\n"]), [Ok(b"{}".to_vec()), Ok(b"{}".to_vec())]);
        assert_eq!(decode(&[b"\0\0\0\x02{}\0\0\0\0"]), [Ok(b"{}".to_vec()), Ok(vec![])]);
    }

    #[test]
    fn limits_hold_to_the_byte_and_before_the_bytes_arrive() {
        assert_eq!(decode(&["a".repeat(20).as_bytes(), b"\r\n"]).len(), 1);
        assert_eq!(decode(&["a".repeat(21).as_bytes()]), [Err(Code::TooLarge)]);
        assert_eq!(decode(&[b"\0\0\0\x29"]), [Err(Code::TooLarge)]);
        assert_eq!(decode(&[b"\x08\xff\xff\xff"]), [Err(Code::TooLarge)]);
    }

    proptest! {
        /// What is written around a payload, and the payload in its place, is the message.
        #[test]
        fn a_message_is_its_payload_and_what_is_around_it(
            text in "(\\PC|\n|\x1b){0,20}",
            json in prop::sample::select(vec!["1", "[1,\n 2]", "[1, 2]", r#""a b""#, r#""a\n""#, "\"\u{7f}\"", "\"ü\""]),
            is_json in any::<bool>(),
            more in prop::option::of(Just("x")),
        ) {
            let payload = if is_json { Payload::Json(json) } else { Payload::Text(&text) };
            let message = MessageRef {
                channel: "ops", from: "bob", seq: 7, origin: "alpha-1", at: "2026", payload,
                via: more, headers: more.map(|_| r#"{"a":"b"}"#), reply: more,
            };
            for encoding in Encoding::ALL {
                let (mut whole, mut around) = (Vec::new(), Vec::new());
                encoding.push(&Out::Message(message), &mut whole);
                if let Some(payload) = encoding.verbatim(payload) {
                    let at = encoding.push_around(&message, payload, &mut around);
                    around.splice(at..at, payload.bytes());
                    prop_assert_eq!(String::from_utf8_lossy(&around), String::from_utf8_lossy(&whole));
                }
            }
            prop_assert_eq!(Encoding::Json.verbatim(Payload::Json("[1, 2]")), Some("[1, 2]"));
            prop_assert_eq!(Encoding::Text.verbatim(Payload::Json(r#""a b""#)), Some("a b"));
        }

        /// However the bytes are cut, the units are the same.
        #[test]
        fn whole_input_equals_any_chunking(
            bytes in prop_oneof![
                prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'{'), Just(b'a'), any::<u8>()], 0..120),
                prop::collection::vec(prop::collection::vec(any::<u8>(), 0..45), 0..5).prop_map(|frames| {
                    frames.iter().flat_map(|f| [&(f.len() as u32).to_be_bytes()[..], f].concat()).collect()
                }),
            ],
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            prop_assert_eq!(decode(&pieces), decode(&[&bytes]));
        }
    }
}
