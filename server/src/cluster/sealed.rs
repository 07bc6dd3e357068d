//! What servers say to each other under the cluster's secret: the keys that come of it, and single
//! sealed messages.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::XChaCha20Poly1305;
use hkdf::Hkdf;
use sha2::Sha256;

const VERSION: u8 = 1;

/// The secrets of a cluster: the one in use first, then those that are still understood.
pub struct KeyRing {
    cluster: String,
    secrets: Vec<String>,
}

impl KeyRing {
    /// The keys of a cluster. Without secrets there is one key, which everybody can compute.
    pub fn new(cluster: &str, secrets: &[String]) -> Self {
        KeyRing { cluster: cluster.to_owned(), secrets: secrets.to_vec() }
    }

    /// How many keys there are.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(&self) -> usize {
        self.secrets.len().max(1)
    }

    /// Whether anybody outside could not know the keys.
    pub fn is_secret(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// A key for one purpose.
    pub fn derive(&self, index: usize, info: &[u8], salt: &[u8]) -> [u8; 32] {
        let secret = self.secrets.get(index).map_or("", String::as_str);
        let input = [self.cluster.as_bytes(), &[0], secret.as_bytes()].concat();
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(salt), &input).expand(info, &mut key).expect("32 bytes are few enough");
        key
    }

    fn cipher(&self, index: usize) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.derive(index, b"message", b"").into())
    }

    /// Seals one message with the key in use: version, nonce, ciphertext and tag.
    pub fn seal_message(&self, nonce: [u8; 24], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let sealed = self.cipher(0).encrypt(&nonce.into(), Payload { msg: plain, aad });
        [&[VERSION], &nonce[..], &sealed.expect("messages are short enough")].concat()
    }

    /// Opens a message with any key of the ring, and tells with which.
    pub fn open_message(&self, aad: &[u8], sealed: &[u8]) -> Option<(usize, Vec<u8>)> {
        let (&version, rest) = sealed.split_first()?;
        let (nonce, msg) = rest.split_first_chunk::<24>()?;
        if version != VERSION {
            return None;
        }
        (0..self.len()).find_map(|index| {
            let plain = self.cipher(index).decrypt(&(*nonce).into(), Payload { msg, aad }).ok()?;
            Some((index, plain))
        })
    }
}
