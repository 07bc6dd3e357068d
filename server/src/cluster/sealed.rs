//! The cluster's keys, and packets that outsiders can neither read nor forge nor replay. Owns the
//! keys and what was heard of each run; never touches a socket or a clock. The membership seals and
//! opens its packets here, and links take the keys of their handshake from the same ring.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// The version that opens every sealed message.
pub const VERSION: u8 = 1;
/// What sealing adds: the version, the nonce and the tag.
pub const SEALING: usize = 1 + 24 + 16;
/// What a packet carries before its data: the run, its seconds and the sequence.
pub const PACKET_HEAD: usize = 16 + 4 + 8;
/// Keeps packets of gossip and messages of links apart, though one key seals both.
const PACKET_AAD: &[u8] = b"hubbub gossip packet";
/// How far a run that was never heard of may be from our clock: what NTP and a slow network leave
/// between two machines, with room.
pub const FRESH_MS: i64 = 60_000;
/// The runs whose packets are remembered; four times the size of cluster that gossip is made for.
pub const MAX_RUNS: usize = 4096;
/// How far back a packet may arrive out of order: a minute of the busiest gossip.
const WINDOW: u64 = 1024;

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Shorter than the shortest packet.
    #[error("the packet is too short to be a sealed one")]
    TooShort,
    /// Longer than the longest packet.
    #[error("the packet is longer than any that a member sends")]
    TooLong,
    /// Another version of the protocol.
    #[error("the packet is of another version of the protocol: upgrade the older server")]
    OtherVersion,
    /// None of the keys opens it.
    #[error("the packet is sealed with another secret or for another cluster, or was changed on its way")]
    Forged,
    /// It came before, or is older than all that is remembered of its run.
    #[error("the packet came before")]
    Replayed,
    /// The first packet of a run, and its time is too far from ours.
    #[error("the packet is from another time: compare the clocks of the two servers")]
    Stale,
    /// Without a secret, only the own machine is listened to.
    #[error("the packet is not from this machine, which needs a cluster secret")]
    NotLoopback,
    /// Sealed with our key, but not in the form that members use.
    #[error("the packet is not in the form that members use")]
    Malformed,
    /// It is our own, come back.
    #[error("the packet is our own")]
    Ourselves,
    /// It tells of members that there is no more room for.
    #[error("the cluster has more members than are kept")]
    Full,
    /// We have left.
    #[error("this server has left the cluster")]
    Left,
}

#[derive(Clone)]
struct Key {
    derive: Hkdf<Sha256>,
    cipher: XChaCha20Poly1305,
}

/// The cluster's keys: the first one seals, all of them open.
#[derive(Clone)]
pub struct KeyRing {
    cluster: String,
    keys: Vec<Key>,
    secret: bool,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cluster, keys) = (&self.cluster, self.keys.len());
        f.debug_struct("KeyRing").field("cluster", cluster).field("keys", &keys).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// The keys of a cluster, one from each secret. Without any, there is one that everybody knows.
    pub fn new(cluster: &str, secrets: &[String]) -> KeyRing {
        let secret = secrets.iter().any(|s| !s.is_empty());
        let mut given: Vec<&str> = secrets.iter().map(String::as_str).filter(|s| !s.is_empty()).collect();
        if !secret {
            given.push("");
        }
        let keys = given.into_iter().map(|secret| {
            let derive = Hkdf::<Sha256>::new(Some(b"hubbub cluster secret"), secret.as_bytes());
            let key = expand(&derive, &[b"hubbub message", b"\0", cluster.as_bytes()]);
            Key { derive, cipher: XChaCha20Poly1305::new(&key.into()) }
        });
        KeyRing { cluster: cluster.to_owned(), keys: keys.collect(), secret }
    }

    /// Whether the keys come from a secret, so that strangers do not have them.
    pub fn is_secret(&self) -> bool {
        self.secret
    }

    /// How many keys there are; at least one.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Never: see [`KeyRing::len`].
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Another key from the secret behind key `index`, for the purpose that `info` names. `None`
    /// where there is no such key.
    pub fn derive(&self, index: usize, info: &[u8], salt: &[u8]) -> Option<[u8; 32]> {
        let base = expand(&self.keys.get(index)?.derive, &[b"hubbub derived\0", self.cluster.as_bytes()]);
        Some(expand(&Hkdf::<Sha256>::new(Some(salt), &base), &[info]))
    }

    /// Seals one message with the first key. A nonce must never be used twice; `aad` names the purpose.
    pub fn seal_message(&self, nonce: [u8; 24], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        self.seal_with(0, nonce, aad, plain).expect("a ring has a first key")
    }

    /// The same with key `index`: an answer is sealed with the key that opened the question.
    pub fn seal_with(&self, index: usize, nonce: [u8; 24], aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        let cipher = &self.keys.get(index)?.cipher;
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad });
        let sealed = sealed.expect("a message is shorter than 256 GiB");
        let mut out = Vec::with_capacity(1 + nonce.len() + sealed.len());
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Some(out)
    }

    /// Opens one message: the index of the key that did, and what was sealed.
    pub fn open_message(&self, aad: &[u8], sealed: &[u8]) -> Option<(usize, Vec<u8>)> {
        let (&version, rest) = sealed.split_first()?;
        let (nonce, msg) = rest.split_first_chunk::<24>()?;
        if version != VERSION {
            return None;
        }
        let nonce = XNonce::from(*nonce);
        let open = |key: &Key| key.cipher.decrypt(&nonce, Payload { msg, aad }).ok();
        self.keys.iter().enumerate().find_map(|(index, key)| Some((index, open(key)?)))
    }

    /// Seals a packet of gossip.
    pub fn seal_packet(&self, nonce: [u8; 24], head: PacketHead, data: &[u8]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(PACKET_HEAD + data.len());
        plain.extend_from_slice(head.run.as_bytes());
        plain.extend_from_slice(&head.seconds.to_be_bytes());
        plain.extend_from_slice(&head.sequence.to_be_bytes());
        plain.extend_from_slice(data);
        self.seal_message(nonce, PACKET_AAD, &plain)
    }

    /// Opens a packet of gossip. Whether it came before is for [`Replays`] to say.
    pub fn open_packet(&self, packet: &[u8]) -> Result<(PacketHead, Vec<u8>), Refused> {
        if packet.first().is_some_and(|version| *version != VERSION) {
            return Err(Refused::OtherVersion);
        }
        if packet.len() < SEALING + PACKET_HEAD {
            return Err(Refused::TooShort);
        }
        let (_, mut plain) = self.open_message(PACKET_AAD, packet).ok_or(Refused::Forged)?;
        let head = PacketHead::parse(&plain).ok_or(Refused::TooShort)?;
        plain.drain(..PACKET_HEAD);
        Ok((head, plain))
    }
}

fn expand(from: &Hkdf<Sha256>, info: &[&[u8]]) -> [u8; 32] {
    let mut key = [0; 32];
    from.expand_multi_info(info, &mut key).expect("32 bytes are less than 255 hashes");
    key
}

/// Who sent a packet of gossip, and which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHead {
    /// The run that sent it.
    pub run: Uuid,
    /// The sender's wall clock, as seconds since the time in its run's uuid.
    pub seconds: u32,
    /// Counts the packets of the run.
    pub sequence: u64,
}

impl PacketHead {
    fn parse(plain: &[u8]) -> Option<PacketHead> {
        let (run, rest) = plain.split_first_chunk::<16>()?;
        let (seconds, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, _) = rest.split_first_chunk::<8>()?;
        let (seconds, sequence) = (u32::from_be_bytes(*seconds), u64::from_be_bytes(*sequence));
        Some(PacketHead { run: Uuid::from_bytes(*run), seconds, sequence })
    }
}

/// When a run began by its uuid, in milliseconds since 1970; `None` unless the uuid is a v7 one.
pub fn started_ms(run: Uuid) -> Option<i64> {
    let first = (run.as_u128() >> 80) as i64; // 48 bits
    (run.get_version_num() == 7).then_some(first)
}

struct Window {
    highest: u64,
    seen: [u64; WINDOW as usize / 64],
    heard: u64,
}

impl Window {
    fn set(&mut self, sequence: u64, to: bool) -> bool {
        let bit = sequence % WINDOW;
        let (word, mask) = (&mut self.seen[bit as usize / 64], 1 << (bit % 64));
        let was = *word & mask != 0;
        *word = if to { *word | mask } else { *word & !mask };
        was
    }

    fn admit(&mut self, sequence: u64) -> bool {
        if sequence > self.highest {
            if sequence - self.highest >= WINDOW {
                self.seen = [0; WINDOW as usize / 64];
            } else {
                (self.highest + 1..sequence).for_each(|between| {
                    self.set(between, false);
                });
            }
            self.highest = sequence;
            self.set(sequence, true);
            return true;
        }
        self.highest - sequence < WINDOW && !self.set(sequence, true)
    }
}

/// What was heard of each run, so that no packet counts twice. A run that was never heard of must be
/// of our time; afterwards only its sequence counts, so that a clock that jumps does no harm.
#[derive(Default)]
pub struct Replays {
    runs: BTreeMap<Uuid, Window>,
    heard: u64,
}

impl Replays {
    /// Whether an opened packet is a new one; from here on it is not.
    pub fn admit(&mut self, head: PacketHead, unix_ms: i64) -> Result<(), Refused> {
        self.heard += 1;
        if let Some(window) = self.runs.get_mut(&head.run) {
            window.heard = self.heard;
            return if window.admit(head.sequence) { Ok(()) } else { Err(Refused::Replayed) };
        }
        let started = started_ms(head.run).ok_or(Refused::Stale)?;
        let theirs = started.saturating_add(i64::from(head.seconds) * 1000);
        if theirs.abs_diff(unix_ms) > FRESH_MS as u64 {
            return Err(Refused::Stale);
        }
        if self.runs.len() >= MAX_RUNS {
            let longest_unheard = self.runs.iter().min_by_key(|(_, w)| w.heard).map(|(run, _)| *run);
            longest_unheard.map(|run| self.runs.remove(&run));
        }
        let mut window =
            Window { highest: head.sequence, seen: [0; WINDOW as usize / 64], heard: self.heard };
        window.set(head.sequence, true);
        self.runs.insert(head.run, window);
        Ok(())
    }

    /// How many runs are remembered.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const NOW: i64 = 1_777_627_800_000;

    fn ring(secrets: &[&str]) -> KeyRing {
        KeyRing::new("lab", &secrets.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    fn run(n: u64) -> Uuid {
        let mut tail = [0; 10];
        tail[2..].copy_from_slice(&n.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(NOW as u64, &tail).into_uuid()
    }

    fn head(sequence: u64) -> PacketHead {
        PacketHead { run: run(1), seconds: 3, sequence }
    }

    #[test]
    fn every_key_opens_and_the_first_seals() {
        let (old, both, new) = (ring(&["old"]), ring(&["new", "old"]), ring(&["new"]));
        let sealed = old.seal_message([1; 24], b"link", b"hello");
        assert_eq!(sealed.len(), 5 + SEALING);
        assert_eq!(both.open_message(b"link", &sealed), Some((1, b"hello".to_vec())));
        assert_eq!(new.open_message(b"link", &sealed), None);
        assert_eq!(
            new.open_message(b"link", &both.seal_message([2; 24], b"link", b"x")).map(|o| o.0),
            Some(0)
        );
        let answer = both.seal_with(1, [3; 24], b"link", b"answer").expect("there are two keys");
        assert!(old.open_message(b"link", &answer).is_some());
        assert!(both.seal_with(2, [3; 24], b"link", b"answer").is_none());
    }

    #[test]
    fn another_purpose_cluster_or_secret_does_not_open() {
        let keys = ring(&["s"]);
        let packet = keys.seal_packet([1; 24], head(1), b"data");
        assert_eq!(keys.open_packet(&packet), Ok((head(1), b"data".to_vec())));
        assert_eq!(keys.open_message(b"link", &packet), None);
        assert_eq!(ring(&["t"]).open_packet(&packet), Err(Refused::Forged));
        assert_eq!(KeyRing::new("other", &["s".to_owned()]).open_packet(&packet), Err(Refused::Forged));
        assert_eq!(keys.open_packet(&packet[..60]), Err(Refused::TooShort));
        assert_eq!(keys.open_packet(b"\x02more"), Err(Refused::OtherVersion));
        assert_eq!(keys.open_packet(b""), Err(Refused::TooShort));
    }

    #[test]
    fn keys_differ_by_purpose_and_are_never_shown() {
        let keys = ring(&["swordfish"]);
        let all = [
            keys.derive(0, b"a", b"1"),
            keys.derive(0, b"a", b"2"),
            keys.derive(0, b"b", b"1"),
            ring(&["x"]).derive(0, b"a", b"1"),
            KeyRing::new("other", &["swordfish".to_owned()]).derive(0, b"a", b"1"),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 5);
        assert_eq!(keys.derive(1, b"a", b"1"), None);
        assert_eq!(format!("{keys:?}"), r#"KeyRing { cluster: "lab", keys: 1, .. }"#);
        assert!(keys.is_secret());
        assert!(!ring(&[]).is_secret() && !ring(&[""]).is_secret());
        assert_eq!(ring(&[]).len(), 1);
    }

    #[test]
    fn a_run_that_was_never_heard_of_must_be_of_our_time() {
        let mut replays = Replays::default();
        assert_eq!(replays.admit(head(1), NOW + 3_000 + FRESH_MS + 1), Err(Refused::Stale));
        assert_eq!(replays.admit(head(1), NOW + 3_000 - FRESH_MS), Ok(()));
        // From here on the clocks may jump.
        assert_eq!(replays.admit(head(2), NOW + 86_400_000), Ok(()));
        assert_eq!(replays.admit(PacketHead { run: Uuid::nil(), ..head(1) }, 0), Err(Refused::Stale));
    }

    #[test]
    fn the_longest_unheard_run_is_forgotten_first() {
        let mut replays = Replays::default();
        for n in 0..MAX_RUNS as u64 + 10 {
            assert_eq!(replays.admit(PacketHead { run: run(n), ..head(7) }, NOW), Ok(()));
            let again = replays.admit(PacketHead { run: run(0), ..head(8 + n) }, NOW);
            assert_eq!(again, Ok(()), "the one that is heard all the time stays");
        }
        assert_eq!(replays.runs(), MAX_RUNS);
        let again = |replays: &mut Replays, n| replays.admit(PacketHead { run: run(n), ..head(7) }, NOW);
        assert_eq!(again(&mut replays, MAX_RUNS as u64 + 9), Err(Refused::Replayed));
        assert_eq!(again(&mut replays, 1), Ok(()), "forgotten, and of our time");
    }

    proptest! {
        #[test]
        fn the_window_admits_what_a_set_would(steps in prop::collection::vec(0u64..3000, 1..400)) {
            let (mut replays, mut seen) = (Replays::default(), BTreeSet::new());
            for sequence in steps {
                let highest = seen.last().copied().unwrap_or(0);
                let new = !seen.contains(&sequence) && (seen.is_empty() || sequence + WINDOW > highest);
                prop_assert_eq!(replays.admit(head(sequence), NOW).is_ok(), new);
                seen.insert(sequence);
            }
        }

        #[test]
        fn a_changed_packet_never_opens(at in 0usize..96, bit in 0u8..8, cut in 0usize..96) {
            let keys = ring(&["s"]);
            let mut packet = keys.seal_packet([9; 24], head(1), &[7; 27]);
            prop_assert!(keys.open_packet(&packet[..cut]).is_err());
            packet[at] ^= 1 << bit;
            prop_assert!(keys.open_packet(&packet).is_err());
        }
    }
}
