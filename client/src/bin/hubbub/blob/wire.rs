//! The bytes of the blob door, from the client's side: a request, its framing, and one answer of a
//! bounded length. The reading of an answer is pure; [`Talk`] is its connection. One connection carries
//! one request.

use crate::door::{within, Broken, Connection};
use crate::exit::{Exit, Failure};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::time::Duration;

/// Bytes of an answer at most. A guess with much room: the millionth Fibonacci number has 208,988 digits.
pub const MAX_ANSWER: usize = 16 << 20;
/// Bytes read at once.
const CHUNK: usize = 8 << 10;

/// What the door is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The prime factors of a number, given by its digits.
    Factor(String),
    /// Whether a text reads the same from both ends.
    Palindrome(String),
    /// The Fibonacci number of an index, given by its digits.
    Fibonacci(String),
}

impl Request {
    /// As Python's `json.dumps` writes it: a space after the colon, and ASCII only.
    pub fn json(&self) -> String {
        match self {
            Request::Factor(number) => format!("{{\"factor\": {number}}}"),
            Request::Palindrome(text) => format!("{{\"palindrome\": {}}}", in_ascii(text)),
            Request::Fibonacci(number) => format!("{{\"fibonacci\": {number}}}"),
        }
    }
}

fn in_ascii(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(quoted.len());
    let mut utf16 = [0; 2];
    for ch in quoted.chars() {
        match ch.is_ascii() {
            true => out.push(ch),
            false => {
                ch.encode_utf16(&mut utf16).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")))
            }
        }
    }
    out
}

/// A whole number as JSON has it: without zeros before it.
pub fn whole_number(text: &str) -> Result<String, String> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("try a whole number such as 75".into());
    }
    let digits = digits.trim_start_matches('0');
    Ok(if digits.is_empty() { "0".into() } else { format!("{sign}{digits}") })
}

/// How requests and answers are told from what follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Four bytes of length, the lowest first.
    Length,
    /// JSON alone; an answer ends with its line.
    Bare,
}

/// An answer on its way.
#[derive(Debug)]
struct Incoming {
    framing: Framing,
    bytes: Vec<u8>,
}

impl Incoming {
    fn new(framing: Framing) -> Self {
        Incoming { framing, bytes: Vec::new() }
    }

    /// Takes what has come; the answer, when it is whole. Only what is there takes memory, whatever
    /// length is announced.
    fn take(&mut self, bytes: &[u8]) -> Result<Option<String>, String> {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        match self.framing {
            Framing::Length => {
                let Some((head, body)) = self.bytes.split_first_chunk::<4>() else { return Ok(None) };
                let announced = u32::from_le_bytes(*head) as usize;
                if announced > MAX_ANSWER {
                    return Err(format!(
                        "it announces {announced} bytes; {MAX_ANSWER} are the most that is read"
                    ));
                }
                match body.len() {
                    have if have < announced => Ok(None),
                    have if have == announced => text(body).map(Some),
                    _ => Err(format!("it goes on after the {announced} bytes that it announced")),
                }
            }
            // The end was not in what came before.
            Framing::Bare => match memchr::memchr(b'\n', bytes) {
                Some(end) if end + 1 == bytes.len() => text(&self.bytes[..before + end]).map(Some),
                Some(_) => Err("it goes on after its line".into()),
                None if self.bytes.len() > MAX_ANSWER => Err(format!("it is longer than {MAX_ANSWER} bytes")),
                None => Ok(None),
            },
        }
    }

    /// The connection has ended before the answer has.
    fn cut_off(&self) -> String {
        match (self.framing, self.bytes.split_first_chunk::<4>()) {
            (_, None) if self.bytes.is_empty() => "it closed the connection without an answer".into(),
            (Framing::Length, Some((head, body))) => {
                format!("its answer ends after {} of {} bytes", body.len(), u32::from_le_bytes(*head))
            }
            _ => format!("its answer ends after {} bytes", self.bytes.len()),
        }
    }
}

fn text(answer: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(answer).map_err(|_| "its answer is not UTF-8".to_owned())?;
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("its answer is no JSON: {error}")),
    }
}

/// What the door says where it has no answer.
pub fn refusal(answer: &str) -> Option<Failure> {
    #[derive(Deserialize)]
    struct Refused {
        error: String,
    }
    let refused = answer.starts_with('{').then(|| serde_json::from_str::<Refused>(answer).ok()).flatten()?;
    Some(Failure::new(Exit::Refused, refused.error))
}

/// A blob door, and how to talk to it.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Where it is.
    pub addr: SocketAddr,
    /// How it is asked.
    pub framing: Framing,
    /// For each step: to connect, to send, to answer.
    pub limit: Duration,
}

/// One request and its answer.
pub struct Talk {
    connection: Connection,
    door: Door,
}

impl Door {
    /// Connects.
    pub async fn open(&self) -> Result<Talk, Broken> {
        let connect = async { Ok(Connection::open(self.addr).await?) };
        Ok(Talk { connection: within(self.limit, connect).await?, door: *self })
    }

    /// Asks one thing on a connection of its own.
    pub async fn ask(&self, request: &str) -> Result<String, Broken> {
        let mut talk = self.open().await?;
        talk.send(request).await?;
        talk.receive().await
    }
}

impl Talk {
    /// Sends the request.
    pub async fn send(&mut self, request: &str) -> Result<(), Broken> {
        let mut bytes = Vec::with_capacity(4 + request.len());
        if self.door.framing == Framing::Length {
            let length =
                u32::try_from(request.len()).map_err(|_| Broken::Wrong("the request is too long".into()))?;
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(request.as_bytes());
        within(self.door.limit, async { Ok(self.connection.send(&bytes).await?) }).await
    }

    /// Reads the answer. The connection is of no use after it.
    pub async fn receive(self) -> Result<String, Broken> {
        let Talk { mut connection, door } = self;
        let read = async {
            let mut incoming = Incoming::new(door.framing);
            let mut buffer = vec![0; CHUNK];
            loop {
                let read = connection.read(&mut buffer).await?;
                if read == 0 {
                    return Err(Broken::Cut(incoming.cut_off()));
                }
                if let Some(answer) = incoming.take(&buffer[..read]).map_err(Broken::Wrong)? {
                    return Ok(answer);
                }
            }
        };
        within(door.limit, read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn framed(answer: &[u8]) -> Vec<u8> {
        [&(answer.len() as u32).to_le_bytes(), answer].concat()
    }

    #[test]
    fn requests_are_spaced_as_the_old_clients_had_them() {
        assert_eq!(Request::Factor("75".into()).json(), "{\"factor\": 75}");
        assert_eq!(Request::Factor("75".into()).json().len(), 14);
        assert_eq!(
            Request::Palindrome("was it a cat i saw".into()).json(),
            "{\"palindrome\": \"was it a cat i saw\"}"
        );
        assert_eq!(
            Request::Palindrome("é \"😀\"\n".into()).json(),
            r#"{"palindrome": "\u00e9 \"\ud83d\ude00\"\n"}"#
        );
        assert_eq!(Request::Fibonacci("12".into()).json(), "{\"fibonacci\": 12}");
    }

    #[test]
    fn numbers_are_whole() {
        for (typed, meant) in [("75", "75"), ("0075", "75"), ("0", "0"), ("-0", "0"), ("-3", "-3")] {
            assert_eq!(whole_number(typed).as_deref(), Ok(meant));
        }
        let long = "9".repeat(100);
        assert_eq!(whole_number(&long), Ok(long.clone()));
        for wrong in ["", "-", "7.5", "1e3", "seven", "+7", "٣"] {
            assert!(whole_number(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_is_whole_wherever_it_is_cut() {
        let whole = framed(b"[3, 5, 5]");
        for cut in 0..whole.len() {
            let mut incoming = Incoming::new(Framing::Length);
            assert_eq!(incoming.take(&whole[..cut]), Ok(None));
            assert_eq!(incoming.take(&whole[cut..]), Ok(Some("[3, 5, 5]".into())));
        }
        let mut bare = Incoming::new(Framing::Bare);
        assert_eq!(bare.take(b"[3, 5,"), Ok(None));
        assert_eq!(bare.take(b" 5]\n"), Ok(Some("[3, 5, 5]".into())));
    }

    proptest! {
        #[test]
        fn any_pieces_are_the_same_answer(words in vec(".{0,20}", 0..20), sizes in vec(1_usize..30, 1..40)) {
            let json = serde_json::to_string(&words).expect("texts become JSON");
            for (framing, whole) in [
                (Framing::Length, framed(json.as_bytes())),
                (Framing::Bare, format!("{json}\n").into_bytes()),
            ] {
                let (mut incoming, mut rest) = (Incoming::new(framing), &whole[..]);
                let mut sizes = sizes.iter().cycle();
                loop {
                    let (piece, left) = rest.split_at(rest.len().min(*sizes.next().expect("they repeat")));
                    rest = left;
                    let taken = incoming.take(piece);
                    if rest.is_empty() {
                        prop_assert_eq!(taken, Ok(Some(json.clone())));
                        break;
                    }
                    prop_assert_eq!(taken, Ok(None));
                    prop_assert!(incoming.cut_off().contains("ends after"));
                }
            }
        }

        #[test]
        fn whatever_comes_is_an_answer_or_told(pieces in vec(vec(any::<u8>(), 0..20), 0..10), bare: bool) {
            let mut incoming = Incoming::new(if bare { Framing::Bare } else { Framing::Length });
            for piece in pieces {
                match incoming.take(&piece) {
                    Ok(None) => {}
                    Ok(Some(answer)) => {
                        prop_assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok());
                        break;
                    }
                    Err(why) => {
                        prop_assert!(!why.is_empty());
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_answer_is_told() {
        let told = |framing, bytes: &[u8]| Incoming::new(framing).take(bytes).expect_err("no answer");
        let huge = told(Framing::Length, &[0xff; 4]);
        assert!(huge.contains("4294967295") && huge.contains(&MAX_ANSWER.to_string()), "{huge}");
        assert!(told(Framing::Length, &[framed(b"1"), vec![b'2']].concat()).contains("goes on"));
        assert!(told(Framing::Length, &framed(b"[3, 5")).contains("no JSON"));
        assert!(told(Framing::Length, &framed(b"")).contains("no JSON"));
        assert!(told(Framing::Length, &framed(b"\xff")).contains("UTF-8"));
        assert!(told(Framing::Bare, b"1\n2").contains("goes on"));
        assert!(told(Framing::Bare, &vec![b'1'; MAX_ANSWER + 1]).contains("longer"));
    }

    #[test]
    fn a_claimed_length_takes_no_memory() {
        let mut incoming = Incoming::new(Framing::Length);
        assert_eq!(incoming.take(&(MAX_ANSWER as u32).to_le_bytes()), Ok(None));
        assert!(incoming.bytes.capacity() < 1024);
        assert_eq!(incoming.cut_off(), format!("its answer ends after 0 of {MAX_ANSWER} bytes"));
        let nothing = Incoming::new(Framing::Length).cut_off();
        assert_eq!(nothing, "it closed the connection without an answer");
    }

    #[test]
    fn a_refusal_is_an_object_with_an_error() {
        let refused = refusal("{\"error\": \"invalid request\"}").expect("a refusal");
        assert_eq!((refused.exit, refused.message.as_str()), (Exit::Refused, "invalid request"));
        for answer in ["[3, 5, 5]", "true", "144", "{\"error\": 1}", "{}"] {
            assert!(refusal(answer).is_none(), "{answer}");
        }
    }
}
