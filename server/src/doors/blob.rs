//! The door `blob`: one request a connection, a 4-byte little-endian length and JSON, or bare JSON for
//! people; the answer comes the same way, and then the close.

use super::{Dialect, Opener, Place, HALF_CLOSED};
use crate::buffers::Input;
use crate::connection::{self, Talk};
use crate::hub::{Batch, Client, Farewell, Hub};
use crate::services::Request;
use hubbub_shared::encoding::json::{self, Strings};
use hubbub_shared::encoding::scan::{ScanError, Scanner};
use hubbub_shared::encoding::{Out, Payload};
use hubbub_shared::limits::DEFAULT_REQUEST_TIMEOUT;
use hubbub_shared::refusal::{Code, Refusal};
use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The services that this system has. Protocol.
const SERVICES: [&str; 3] = ["factor", "palindrome", "fibonacci"];

/// Bytes of the length before the JSON. Protocol.
const HEAD: usize = 4;

/// How long a request may take, its turn in the pool included: as many as the pool takes come at once. A
/// guess; the old system had no limit, and a single request takes less than a second.
const WITHIN: Duration = Duration::from_secs(60);

/// Opens the door.
pub fn open(_: Place<'_>) -> Opener {
    Box::new(|hub, socket, addr| connection::start(hub, socket, addr, |client, _, _| Blob::new(client)))
}

/// One connection.
struct Blob {
    client: Arc<Client>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not enough to know how it is framed.
    Silent,
    Framed,
    Bare(Braces),
    /// The answer is awaited.
    Asked,
    Over,
}

/// Looks for the end of a bare object: how far it has come, how deep it is, and where strings are. What
/// is between the braces is not looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Braces {
    seen: usize,
    depth: usize,
    strings: Strings,
}

impl Braces {
    /// The length of the object, once its last brace has come.
    fn end(&mut self, unread: &[u8]) -> Option<usize> {
        for &byte in &unread[self.seen..] {
            self.seen += 1;
            if self.strings.take(byte) {
                continue;
            }
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth == 0 {
                return Some(self.seen);
            }
        }
        None
    }
}

impl Blob {
    /// A connection that begins.
    fn new(client: Arc<Client>) -> Blob {
        client.set_dialect(Dialect::Blob);
        Blob { client, state: State::Silent }
    }

    /// The request, when all of it is there, and how many bytes it used.
    fn unit<'a>(&mut self, unread: &'a [u8], max: usize) -> Option<Result<(&'a [u8], usize), Refusal>> {
        if self.state == State::Silent {
            self.state = framing(unread)?;
            if matches!(self.state, State::Bare(_)) {
                self.client.set_dialect(Dialect::BareBlob);
            }
        }
        match &mut self.state {
            State::Bare(braces) => match braces.end(unread) {
                Some(length) if length <= max => Some(Ok((&unread[..length], length))),
                None if unread.len() <= max => None,
                _ => Some(Err(too_large(max))),
            },
            _ => {
                let length = u32::from_le_bytes(*unread.first_chunk::<HEAD>()?) as usize;
                if length > max {
                    return Some(Err(too_large(max)));
                }
                unread.get(HEAD..HEAD + length).map(|body| Ok((body, HEAD + length)))
            }
        }
    }

    fn ask(&mut self, body: &[u8], hub: &Hub, batch: &mut Batch) {
        self.state = State::Asked;
        // It is answered once, however the connection ends.
        self.client.set_last_words(Box::default());
        hub.count(batch);
        let asked = request(body).and_then(|(service, payload)| {
            let request = Request { service, payload, within: WITHIN, re: None };
            hub.services.request(hub, &self.client, &request, batch)
        });
        if let Err(refusal) = asked {
            hub.refuse(&self.client, None, &refusal, batch);
        }
        self.end_if_answered(hub, batch);
    }

    fn end_if_answered(&mut self, hub: &Hub, batch: &mut Batch) {
        if self.is_due() {
            self.end(Farewell::Left("answered"), hub, batch);
        }
    }

    fn refuse(&mut self, refusal: &Refusal, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        hub.refuse(&self.client, None, refusal, batch);
        self.end(Farewell::Left(reason), hub, batch);
    }

    fn end(&mut self, farewell: Farewell, hub: &Hub, batch: &mut Batch) {
        if self.state != State::Over {
            self.state = State::Over;
            hub.close(&self.client, farewell, batch);
        }
    }
}

/// How the request is framed, once that can be known. A length may begin with the byte of a brace, too
/// (123 bytes, say); but the JSON has no NUL, and the length of any request that is allowed has one.
fn framing(unread: &[u8]) -> Option<State> {
    let head = &unread[..unread.len().min(HEAD)];
    match head.first()? {
        b'{' if head.contains(&0) => Some(State::Framed),
        b'{' if head.len() == HEAD || Braces::default().end(head).is_some() => {
            Some(State::Bare(Braces::default()))
        }
        b'{' => None,
        _ => Some(State::Framed),
    }
}

/// Which service is asked, and with what: an object with one key.
fn request(body: &[u8]) -> Result<(&'static str, Payload<'_>), Refusal> {
    let invalid = || Refusal::bad_argument(r#"a request is an object with one key, such as {"factor": 75}"#);
    let text = simdutf8::basic::from_utf8(body).map_err(|_| invalid())?;
    let mut members = [None; 2];
    let mut count = 0;
    let scanned = Scanner::new(text).object(|key, value| {
        if let Some(place) = members.get_mut(count) {
            *place = Some((key, value));
        }
        count += 1;
        Ok(())
    });
    match (scanned, members) {
        (Ok(()) | Err(ScanError::NumberTooLarge(_)), [Some((key, value)), None]) => {
            // A key may be written with escapes.
            let key = json::string(&format!("\"{key}\"")).ok_or_else(invalid)?.into_owned();
            let service = SERVICES.into_iter().find(|service| *service == key).ok_or_else(invalid)?;
            scanned.map_err(ScanError::refusal)?;
            // The service takes digits in a string for a number, too.
            if service != "palindrome" && value.starts_with('"') {
                return Err(invalid());
            }
            Ok((service, Payload::Json(value)))
        }
        _ => Err(invalid()),
    }
}

fn too_large(max: usize) -> Refusal {
    Refusal::new(Code::TooLarge, format!("a request has {max} bytes at the most"))
}

impl Talk for Blob {
    fn client(&self) -> &Arc<Client> {
        &self.client
    }

    fn handle(&mut self, hub: &Hub, batch: &mut Batch, input: Input<'_>) -> usize {
        let unread = input.unread();
        match self.state {
            State::Over => unread.len(),
            // Whatever is sent behind the request is passed over.
            State::Asked => {
                self.end_if_answered(hub, batch);
                unread.len()
            }
            _ => match self.unit(unread, hub.limits.max_frame) {
                None => 0,
                Some(Ok((body, used))) => {
                    self.ask(body, hub, batch);
                    used
                }
                Some(Err(refusal)) => {
                    self.refuse(&refusal, "request too large", hub, batch);
                    unread.len()
                }
            },
        }
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }

    fn is_due(&self) -> bool {
        self.state == State::Asked && self.client.open_requests.load(Ordering::Acquire) == 0
    }

    /// People with `nc` close their side when they have asked; the old clients keep it open until they
    /// are answered.
    fn patience(&self) -> Duration {
        match self.client.dialect() {
            Some(Dialect::BareBlob) => DEFAULT_REQUEST_TIMEOUT,
            _ => HALF_CLOSED,
        }
    }

    fn deadline(&self, hub: &Hub) -> Option<Instant> {
        let asks = !matches!(self.state, State::Asked | State::Over);
        asks.then(|| self.client.connected.instant + Duration::from_secs(hub.limits.idle_timeout_s))
    }

    fn on_time(&mut self, hub: &Hub, batch: &mut Batch) {
        self.end(Farewell::Left("no request came in time"), hub, batch);
    }

    fn cut_off(&mut self, unread: &[u8], hub: &Hub, batch: &mut Batch) {
        if !matches!(self.state, State::Asked | State::Over) && !unread.is_empty() {
            if unread.starts_with(b"{") && framing(unread).is_none() {
                self.client.set_dialect(Dialect::BareBlob);
            }
            let message = "the request has no end";
            self.refuse(&Refusal::bad_argument(message), "request cut off", hub, batch);
        }
    }

    fn left(&mut self, reason: &'static str, hub: &Hub, batch: &mut Batch) {
        self.end(Farewell::Left(reason), hub, batch);
    }
}

/// Appends an answer or an error with its length.
pub fn push_framed(what: &Out<'_>, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; HEAD]);
    if !push(what, out) {
        return out.truncate(at);
    }
    let length = u32::try_from(out.len() - at - HEAD).expect("no answer has 4 GiB");
    out[at..at + HEAD].copy_from_slice(&length.to_le_bytes());
}

/// Appends an answer or an error as a line.
pub fn push_bare(what: &Out<'_>, out: &mut Vec<u8>) {
    if push(what, out) {
        out.push(b'\n');
    }
}

/// Whether there was something to say.
fn push(what: &Out<'_>, out: &mut Vec<u8>) -> bool {
    match what {
        Out::Answered(_, _, answer) => json::push_spaced(answer.raw(), out),
        Out::Error(_, refusal) | Out::Closing(refusal, ..) => {
            let words: &[u8] = match refusal.code {
                Code::TooLarge | Code::Timeout => b"value too large to process",
                Code::BadArgument => b"invalid request",
                Code::Draining => b"server is stopping",
                Code::TooMany => b"server is busy",
                _ => b"internal error",
            };
            out.extend_from_slice(b"{\"error\": \"");
            out.extend_from_slice(words);
            out.extend_from_slice(b"\"}");
        }
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_bytes_tell_how_a_request_is_framed() {
        let framed = [&b"\x0e\0\0\0"[..], b"\x0e", b"{\0\0\0", b"{\0", b"{\x01\0\0"];
        framed.iter().for_each(|head| assert_eq!(framing(head), Some(State::Framed), "{head:?}"));
        for head in [&b"{\"fa"[..], b"{}", b"{ }\n"] {
            assert!(matches!(framing(head), Some(State::Bare(_))), "{head:?}");
        }
        assert_eq!((framing(b"{"), framing(b"{\"f")), (None, None));
    }

    #[test]
    fn a_request_is_an_object_with_one_key() {
        assert!(matches!(request(br#" {"factor": 75} "#), Ok(("factor", Payload::Json("75")))));
        let wrong = [
            "",
            "75",
            "[]",
            "{}",
            "null",
            r#"{"factor": 75, "fibonacci": 2}"#,
            r#"{"factor": 75, "factor": 2}"#,
            r#"{"echo": 1}"#,
            r#"{"Factor": 75}"#,
            r#"{"factor": }"#,
            r#"{"factor": 75} x"#,
        ];
        for body in wrong {
            assert_eq!(request(body.as_bytes()).expect_err(body).code, Code::BadArgument, "{body}");
        }
        assert!(request(b"{\"palindrome\": \"\xff\"}").is_err());
    }

    #[test]
    fn answers_are_spaced_as_the_old_ones() {
        let said = |payload| {
            let mut out = Vec::new();
            push_framed(&Out::Answered(None, "factor", Payload::Json(payload)), &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(said("[3,5,5]"), "\x09\0\0\0[3, 5, 5]");
        assert_eq!(said(r#"{ "a" :[ "b,\":" ]}"#), "\x10\0\0\0{\"a\": [\"b,\\\":\"]}");
        assert_eq!(said("true"), "\x04\0\0\0true");
    }

    proptest! {
        /// However a bare object is cut, its end is found once, at its last brace.
        #[test]
        fn the_end_of_a_bare_object_is_found(
            text in "[a-z\"\\\\{}\\[\\]]{0,12}", number in any::<u32>(), cut in 0..100_usize, more in "[{} ]{0,4}",
        ) {
            let object = serde_json::json!({ "a": [text.clone(), { text: number }] }).to_string();
            let all = format!("{object}{more}");
            let mut braces = Braces::default();
            let first = braces.end(&all.as_bytes()[..cut.min(all.len())]);
            prop_assert_eq!(first.is_some(), cut >= object.len());
            let end = first.or_else(|| braces.end(all.as_bytes()));
            prop_assert_eq!(end, Some(object.len()));
        }
    }
}
