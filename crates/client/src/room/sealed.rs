//! A random nonce (12 bytes), and AES-256-GCM: how everything small around a call is sealed.

use crate::port::Dice;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};

const NONCE_BYTES: usize = 12;

/// Seals a body, bound to what is not sent with it.
pub(super) fn seal(key: &[u8; 32], body: &[u8], bound_to: &[u8], dice: &mut dyn Dice) -> Vec<u8> {
    let mut nonce = [0; NONCE_BYTES];
    dice.fill(&mut nonce);
    let payload = Payload {
        msg: body,
        aad: bound_to,
    };
    let sealed = Aes256Gcm::new(key.into())
        .encrypt(&Nonce::from(nonce), payload)
        .expect("AES-GCM seals up to 64 GiB, and what is said here has a few KiB");
    [&nonce[..], &sealed].concat()
}

/// None for what was not sealed with this key, bound to this.
pub(super) fn open(key: &[u8; 32], sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload {
        msg: sealed,
        aad: bound_to,
    };
    let cipher = Aes256Gcm::new(key.into());
    cipher.decrypt(&Nonce::from(*nonce), payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_bound_to_the_same_opens_what_was_sealed() {
        let mut dice = |bytes: &mut [u8]| bytes.fill(7);
        let sealed = seal(&[1; 32], b"words", b"call", &mut dice);

        assert_eq!(
            open(&[1; 32], &sealed, b"call").as_deref(),
            Some(&b"words"[..])
        );
        assert_eq!(open(&[2; 32], &sealed, b"call"), None);
        assert_eq!(open(&[1; 32], &sealed, b"other"), None);
        assert_eq!(open(&[1; 32], &sealed[..11], b"call"), None);
    }
}
