//! The first three messages on a link: both ends prove that they know the cluster's secret and say
//! who they are, before anything else is heard. Owns the order of the messages, what is checked, and
//! the keys that come of it; reads no clock, draws no random bytes, touches no socket. The shell of a
//! link makes a [`Dialing`] or an [`Accepting`], feeds it what it reads, and does what the [`Step`] says.
//!
//! 1. dialer → acceptor: who I am, the cluster, the run that I mean, a challenge, my clock, the
//!    versions of the link's protocol that I speak
//! 2. acceptor → dialer: who I am, your challenge, mine, the version that we speak; or why not
//! 3. dialer → acceptor: your challenge
//!
//! Each is a length (u32, big-endian) and a sealed JSON object. The seal covers which message it is
//! and whether the link will be plain, so that none passes for another and the ends cannot disagree.
//! Who does not know the secret gets no answer at all. A secret that leaks later opens what was
//! recorded earlier: there is no exchange of keys beyond the secret.

use super::record::Session;
use super::sealed::KeyRing;
use super::Member;
use hubbub_shared::names::ClientName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

mod seen;
pub use seen::{SeenHellos, Unfit, MAX_SEEN, WINDOW_MS};

/// The versions of the link's protocol that this server speaks, oldest and newest.
pub const PROTOCOL: [u16; 2] = [1, 1];
/// The most bytes of a message, sealed. They have 400 to 700; a refusal's text may be 512.
pub const MAX_MESSAGE: usize = 4 * 1024;
/// The most bytes of a refusal's text.
const MAX_TEXT: usize = 512;
/// The most bytes of a server's version: room for `10.20.30-nightly.20260501+abcdef`.
const MAX_VERSION: usize = 32;
const HEAD: usize = 4;

type Challenge = [u8; 32];

/// What this end brings to a handshake.
#[derive(Clone, Copy)]
pub struct Ours<'a> {
    /// The cluster's keys.
    pub keys: &'a KeyRing,
    /// The cluster's name.
    pub cluster: &'a str,
    /// This server.
    pub me: &'a Member,
    /// Whether the link never leaves the machine (both addresses are loopback), so that its records
    /// need no seal. The handshake itself is always sealed.
    pub is_plain: bool,
}

/// Random bytes for one handshake. Cannot be copied: they serve once.
pub struct Random {
    challenge: Challenge,
    seals: [[u8; 24]; 2],
}

impl Random {
    /// How many bytes a handshake takes.
    pub const LEN: usize = 80;

    /// Takes bytes that nobody can guess.
    pub fn new(bytes: [u8; Self::LEN]) -> Self {
        let (mut challenge, mut seals) = ([0; 32], [[0; 24]; 2]);
        challenge.copy_from_slice(&bytes[..32]);
        seals[0].copy_from_slice(&bytes[32..56]);
        seals[1].copy_from_slice(&bytes[56..]);
        Random { challenge, seals }
    }
}

/// Why an end that knows the secret turns another away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Another server of the cluster has the name.
    NameTaken,
    /// The secret is the same, the cluster is not.
    OtherCluster,
    /// No version of the link's protocol that both speak.
    OtherVersion,
    /// The run that was meant is not the one that answers here.
    NotMe,
    /// It is about to stop.
    Draining,
    /// It has called itself.
    Itself,
    /// What it says of itself is not what a server may say.
    BadMember,
    /// A reason that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Why a handshake came to nothing without an answer to the peer. For our log: a stranger learns
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A message longer than any is.
    #[error("a message of {0} bytes: a handshake has at most {max}", max = MAX_MESSAGE)]
    TooLong(u32),
    /// It does not open with the cluster's secret.
    #[error("the peer does not know this cluster's secret, or its cluster has another name")]
    Unproven,
    /// It opens, but for the other kind of link.
    #[error(
        "one end takes the link for one within the machine, the other does not: \
         connect servers by the addresses that they announce, not through a tunnel"
    )]
    Disagreed,
    /// It opens and is not the message that is due.
    #[error("a message that is not the one due: {0}")]
    Malformed(String),
    /// The first message again, or one from another time.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Another run answered than the one that was called.
    #[error("the server that answered is run {0}, not the one that was called")]
    OtherRun(Uuid),
}

/// Who is at the other end, and what the link runs with.
#[derive(Debug)]
pub struct Met {
    /// The peer, as it describes itself.
    pub peer: Member,
    /// The keys of the link's records.
    pub session: Session,
    /// To be sent before anything else; empty for the acceptor.
    pub reply: Vec<u8>,
}

/// What is to be done after some bytes.
#[derive(Debug)]
pub enum Step {
    /// Nothing yet: read more.
    More,
    /// Send this and go on.
    Reply(Vec<u8>),
    /// Both ends are proven. What is left of the bytes belongs to the link's records.
    Done(Box<Met>),
    /// We turned the peer away: send this, then close.
    Refuse {
        /// What the peer is told.
        reply: Vec<u8>,
        /// Why.
        code: Code,
        /// Why, for people.
        message: String,
    },
    /// The peer, which has proven itself, turned us away.
    Refused {
        /// Why.
        code: Code,
        /// Why, for people.
        message: String,
    },
    /// Close without a word.
    Failed(Failure),
}

#[derive(Serialize, Deserialize)]
struct Hello {
    member: Member,
    cluster: String,
    target: Uuid,
    challenge: Challenge,
    unix_ms: i64,
    protocol: [u16; 2],
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// The dialer's challenge.
    echo: Challenge,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Met { member: Member, challenge: Challenge, protocol: u16 },
    Refused { code: Code, message: String },
}

#[derive(Serialize, Deserialize)]
struct Proof {
    /// The acceptor's challenge.
    echo: Challenge,
}

/// What a message is for. Part of every seal.
fn purpose(message: u8, is_plain: bool) -> [u8; 16] {
    let mut purpose = *b"hubbub link 1 __";
    purpose[14] = b'0' + message;
    purpose[15] = if is_plain { b'p' } else { b's' };
    purpose
}

fn write(ours: Ours, message: u8, nonce: [u8; 24], body: &impl Serialize) -> Vec<u8> {
    let body = serde_json::to_vec(body).expect("numbers, texts and uuids are JSON");
    let sealed = ours.keys.seal_message(nonce, &purpose(message, ours.is_plain), &body);
    let length = u32::try_from(sealed.len()).expect("every part of a message is bounded");
    [&length.to_be_bytes(), &sealed[..]].concat()
}

fn read<T: DeserializeOwned>(ours: Ours, message: u8, sealed: &[u8]) -> Result<(usize, T), Failure> {
    let open = |is_plain| ours.keys.open_message(&purpose(message, is_plain), sealed);
    let Some((key, body)) = open(ours.is_plain) else {
        return Err(open(!ours.is_plain).map_or(Failure::Unproven, |_| Failure::Disagreed));
    };
    match serde_json::from_slice(&body) {
        Ok(body) => Ok((key, body)),
        Err(error) => Err(Failure::Malformed(error.to_string())),
    }
}

/// The link's keys: of the secret with which the dialer spoke, and of both challenges.
fn session(ours: Ours, key: usize, by: [&Challenge; 2], protocol: u16, is_dialer: bool) -> Session {
    if ours.is_plain {
        return Session::plain(protocol);
    }
    let salt = by.map(|challenge| &challenge[..]).concat();
    let derive =
        |info: &[u8]| ours.keys.derive(key, info, &salt).expect("a key that opened or seals is in the ring");
    let outward = derive(b"hubbub link 1 dialer to acceptor");
    let inward = derive(b"hubbub link 1 acceptor to dialer");
    if is_dialer {
        Session::sealed(protocol, outward, inward)
    } else {
        Session::sealed(protocol, inward, outward)
    }
}

/// A name and a version are shown to people and put into messages: they are what they may be.
fn check_member(member: &Member) -> Result<(), String> {
    ClientName::parse(&member.name).map_err(|refusal| refusal.to_string())?;
    let version = member.version.as_bytes();
    if version.is_empty() || version.len() > MAX_VERSION || !version.iter().all(u8::is_ascii_graphic) {
        return Err(format!("a version is 1 to {MAX_VERSION} printable ASCII characters"));
    }
    Ok(())
}

/// Cuts a text at a character so that it fits into a message.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or_default());
    }
    text
}

/// The message that is coming in.
#[derive(Default)]
struct Incoming(Vec<u8>);

impl Incoming {
    /// Takes from `bytes` what belongs to the message; gives its body when all of it is there.
    fn take(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        let mut fill = |part: &mut Vec<u8>, to: usize| {
            let (now, later) = bytes.split_at((to - part.len()).min(bytes.len()));
            part.extend_from_slice(now);
            *bytes = later;
        };
        if self.0.len() < HEAD {
            fill(&mut self.0, HEAD);
        }
        let Some(head) = self.0.first_chunk::<HEAD>() else { return Ok(None) };
        let stated = u32::from_be_bytes(*head);
        let length = stated as usize;
        if length > MAX_MESSAGE {
            return Err(Failure::TooLong(stated));
        }
        fill(&mut self.0, HEAD + length);
        if self.0.len() < HEAD + length {
            return Ok(None);
        }
        let body = self.0.split_off(HEAD);
        self.0.clear();
        Ok(Some(body))
    }
}

/// The end that called.
pub struct Dialing<'a> {
    ours: Ours<'a>,
    to: Uuid,
    random: Random,
    incoming: Incoming,
}

impl<'a> Dialing<'a> {
    /// Begins a handshake with the run `to`; the bytes are to be sent.
    pub fn new(ours: Ours<'a>, to: Uuid, random: Random, now_ms: i64) -> (Self, Vec<u8>) {
        let hello = Hello {
            member: ours.me.clone(),
            cluster: ours.cluster.to_owned(),
            target: to,
            challenge: random.challenge,
            unix_ms: now_ms,
            protocol: PROTOCOL,
        };
        let bytes = write(ours, 1, random.seals[0], &hello);
        (Dialing { ours, to, random, incoming: Incoming::default() }, bytes)
    }

    /// Takes what was read, in any pieces. What it leaves in `bytes` is not the handshake's.
    pub fn receive(&mut self, bytes: &mut &[u8]) -> Step {
        match self.incoming.take(bytes) {
            Ok(Some(body)) => self.answered(&body).unwrap_or_else(Step::Failed),
            Ok(None) => Step::More,
            Err(failure) => Step::Failed(failure),
        }
    }

    fn answered(&self, body: &[u8]) -> Result<Step, Failure> {
        let (_, answer): (_, Answer) = read(self.ours, 2, body)?;
        if answer.echo != self.random.challenge {
            return Err(Failure::Malformed("it answers another challenge".to_owned()));
        }
        let (member, challenge, protocol) = match answer.verdict {
            Verdict::Met { member, challenge, protocol } => (member, challenge, protocol),
            Verdict::Refused { code, message } => {
                return Ok(Step::Refused { code, message: cut(message) });
            }
        };
        if member.id != self.to {
            return Err(Failure::OtherRun(member.id));
        }
        check_member(&member).map_err(Failure::Malformed)?;
        if !(PROTOCOL[0]..=PROTOCOL[1]).contains(&protocol) {
            return Err(Failure::Malformed(format!("it chose version {protocol} of the link's protocol")));
        }
        let session = session(self.ours, 0, [&self.random.challenge, &challenge], protocol, true);
        let reply = write(self.ours, 3, self.random.seals[1], &Proof { echo: challenge });
        Ok(Step::Done(Box::new(Met { peer: member, session, reply })))
    }
}

/// The end that was called.
pub struct Accepting<'a> {
    ours: Ours<'a>,
    random: Random,
    incoming: Incoming,
    hello: Option<(usize, Hello, u16)>,
}

impl<'a> Accepting<'a> {
    /// Waits for somebody's first message.
    pub fn new(ours: Ours<'a>, random: Random) -> Self {
        Accepting { ours, random, incoming: Incoming::default(), hello: None }
    }

    /// Takes what was read, in any pieces, and is to be called again while it leaves some after a
    /// [`Step::Reply`]; what it leaves after [`Step::Done`] is not the handshake's. `seen` is shared by
    /// all handshakes of this run; `admit` is the caller's rule on members, asked once and only about
    /// one that has proven itself.
    pub fn receive(
        &mut self,
        bytes: &mut &[u8],
        seen: &mut SeenHellos,
        now_ms: i64,
        admit: impl FnOnce(&Member) -> Result<(), (Code, String)>,
    ) -> Step {
        let body = match self.incoming.take(bytes) {
            Ok(Some(body)) => body,
            Ok(None) => return Step::More,
            Err(failure) => return Step::Failed(failure),
        };
        let step = match self.hello.take() {
            None => self.called(&body, seen, now_ms, admit),
            Some((key, hello, protocol)) => self.proven(&body, key, hello, protocol),
        };
        step.unwrap_or_else(Step::Failed)
    }

    fn called(
        &mut self,
        body: &[u8],
        seen: &mut SeenHellos,
        now_ms: i64,
        admit: impl FnOnce(&Member) -> Result<(), (Code, String)>,
    ) -> Result<Step, Failure> {
        let (key, hello): (_, Hello) = read(self.ours, 1, body)?;
        seen.admit(hello.challenge, hello.unix_ms, now_ms)?;
        let verdict = self.judge(&hello).and_then(|protocol| admit(&hello.member).map(|()| protocol));
        let (verdict, refused) = match verdict {
            Ok(protocol) => {
                let (member, challenge) = (self.ours.me.clone(), self.random.challenge);
                (Verdict::Met { member, challenge, protocol }, Ok(protocol))
            }
            Err((code, message)) => {
                let message = cut(message);
                (Verdict::Refused { code, message: message.clone() }, Err((code, message)))
            }
        };
        let reply = write(self.ours, 2, self.random.seals[0], &Answer { echo: hello.challenge, verdict });
        Ok(match refused {
            Ok(protocol) => {
                self.hello = Some((key, hello, protocol));
                Step::Reply(reply)
            }
            Err((code, message)) => Step::Refuse { reply, code, message },
        })
    }

    /// What every server checks; gives the version of the protocol to be spoken.
    fn judge(&self, hello: &Hello) -> Result<u16, (Code, String)> {
        let me = self.ours.me;
        if hello.cluster != self.ours.cluster {
            let ours = self.ours.cluster;
            return Err((Code::OtherCluster, format!("this server belongs to the cluster {ours}")));
        }
        let [oldest, newest] = PROTOCOL;
        let protocol = newest.min(hello.protocol[1]);
        if protocol < oldest.max(hello.protocol[0]) {
            let message = format!(
                "this server ({}) speaks versions {oldest} to {newest} of the link's protocol",
                me.version
            );
            return Err((Code::OtherVersion, message));
        }
        if hello.member.id == me.id {
            return Err((Code::Itself, "this is the server that called".to_owned()));
        }
        if hello.target != me.id {
            return Err((Code::NotMe, format!("here is {}, run {}", me.name, me.id)));
        }
        check_member(&hello.member).map_err(|message| (Code::BadMember, message))?;
        Ok(protocol)
    }

    fn proven(&self, body: &[u8], key: usize, hello: Hello, protocol: u16) -> Result<Step, Failure> {
        let (spoken, proof): (_, Proof) = read(self.ours, 3, body)?;
        if spoken != key || proof.echo != self.random.challenge {
            return Err(Failure::Malformed("it answers another challenge".to_owned()));
        }
        let session = session(self.ours, key, [&hello.challenge, &self.random.challenge], protocol, false);
        Ok(Step::Done(Box::new(Met { peer: hello.member, session, reply: Vec::new() })))
    }
}

#[cfg(test)]
mod tests;
