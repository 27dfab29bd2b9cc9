//! Frame keys: SFrame (RFC 9605) in suite AES_256_GCM_SHA512_128 (0x0005), from the exporter of a
//! call's group.
//!
//! ```text
//! exported = MLS-Exporter("Roost 1.0 sframe", call group id, 32)          one an epoch
//! base_key = HKDF-SHA512(salt: session, ikm: exported,
//!                        info: "Roost 1.0 frame base" || u32(leaf) || u8(track))[..32]
//! KID      = track << 12 | leaf << 4 | epoch & 15
//! key, salt: RFC 9605, section 4.4.2, from base_key and KID
//! ```
//!
//! Integers are big-endian. A session is 16 random bytes that the sender's device chose and signed;
//! counters start at 0 only under a fresh one, so that no nonce is ever used twice.

use crate::group::EpochSecret;
use hkdf::Hkdf;
use roost_wire::{AccountId, DeviceId};
use sha2::Sha512;
use zeroize::Zeroizing;

const SUITE: u16 = 0x0005;
const BASE_LABEL: &[u8] = b"Roost 1.0 frame base";
const KEY_LABEL: &[u8] = b"SFrame 1.0 Secret key ";
const SALT_LABEL: &[u8] = b"SFrame 1.0 Secret salt ";
const LEAF_BITS: u32 = 8;
const EPOCH_BITS: u32 = 4;
/// Leaves that a KID can name. A call has fewer devices, and MLS fills the leftmost blank leaf.
const LEAVES_MAX: u32 = 1 << LEAF_BITS;

/// What a stream of frames carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Track {
    Audio,
    Video,
    Screen,
    ScreenAudio,
}

impl Track {
    pub const ALL: [Self; 4] = [Self::Audio, Self::Video, Self::Screen, Self::ScreenAudio];

    /// Its number in a KID.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Audio => 0,
            Self::Video => 1,
            Self::Screen => 2,
            Self::ScreenAudio => 3,
        }
    }
}

/// The keys of a call, as of now; none by default. Does not print.
#[derive(Clone, Default)]
pub struct RoomKeys {
    /// The epoch under whose keys this device sends.
    pub epoch: u64,
    /// This device's leaf.
    pub leaf: u32,
    /// Of the current epoch and of the one before, of everybody who has told a session: one's own
    /// among them.
    pub senders: Vec<SenderKeys>,
}

/// What opens the frames of one device, sent in one epoch.
#[derive(Clone)]
pub struct SenderKeys {
    pub epoch: u64,
    pub leaf: u32,
    pub account: AccountId,
    pub device: DeviceId,
    pub is_me: bool,
    /// One for each of [`Track::ALL`].
    pub keys: Vec<FrameKey>,
}

/// What seals and opens the frames of one track: AES-256-GCM, its nonce the salt XOR the counter
/// (RFC 9605, section 4.4.3). Wiped when dropped.
#[derive(Clone)]
pub struct FrameKey {
    pub track: Track,
    /// Goes into the header of each frame; below 2^14.
    pub kid: u64,
    key: Zeroizing<[u8; 32]>,
    salt: Zeroizing<[u8; 12]>,
}

impl FrameKey {
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    #[must_use]
    pub fn salt(&self) -> &[u8; 12] {
        &self.salt
    }

    /// Section 4.4.2 of RFC 9605.
    fn derive(track: Track, kid: u64, base_key: &[u8]) -> Self {
        let secret = Hkdf::<Sha512>::new(None, base_key);
        let mut made = Self {
            track,
            kid,
            key: Zeroizing::default(),
            salt: Zeroizing::default(),
        };
        expand(
            &secret,
            &[KEY_LABEL, &kid.to_be_bytes(), &SUITE.to_be_bytes()],
            &mut *made.key,
        );
        expand(
            &secret,
            &[SALT_LABEL, &kid.to_be_bytes(), &SUITE.to_be_bytes()],
            &mut *made.salt,
        );
        made
    }
}

/// The keys of one sender's tracks; none for a leaf that a KID cannot name.
pub(crate) fn frame_keys(exported: &EpochSecret, leaf: u32, session: &[u8; 16]) -> Vec<FrameKey> {
    if leaf >= LEAVES_MAX {
        return Vec::new();
    }
    let source = Hkdf::<Sha512>::new(Some(session), exported.secret.as_ref());
    let key_of = |track: Track| {
        let mut base = Zeroizing::new([0; 32]);
        let parts = [BASE_LABEL, &leaf.to_be_bytes(), &[track.number()]];
        expand(&source, &parts, &mut *base);
        FrameKey::derive(track, kid(track, leaf, exported.epoch.get()), base.as_ref())
    };
    Track::ALL.into_iter().map(key_of).collect()
}

fn kid(track: Track, leaf: u32, epoch: u64) -> u64 {
    let epoch = epoch & ((1 << EPOCH_BITS) - 1);
    u64::from(track.number()) << (LEAF_BITS + EPOCH_BITS) | u64::from(leaf) << EPOCH_BITS | epoch
}

fn expand(from: &Hkdf<Sha512>, info: &[&[u8]], into: &mut [u8]) {
    let expanded = from.expand(&info.concat(), into);
    expanded.expect("HKDF-SHA512 yields up to 16,320 bytes, and these are 32 at most");
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm::aead::{Aead, KeyInit, Payload};
    use aes_gcm::{Aes256Gcm, Nonce};
    use roost_wire::Epoch;
    use std::collections::BTreeSet;

    /// RFC 9605, appendix C.3, suite 0x0005.
    #[test]
    fn a_key_opens_the_frame_of_the_rfc() {
        let base = hex("000102030405060708090a0b0c0d0e0f");
        let frame = hex(
            "990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279",
        );
        let metadata = hex("4945544620534672616d65205747");
        let (header, sealed) = frame.split_at(5);

        let key = FrameKey::derive(Track::Audio, 0x0123, &base);

        let mut nonce = *key.salt();
        nonce[10] ^= 0x45;
        nonce[11] ^= 0x67;
        let aad = [header, &metadata].concat();
        let payload = Payload {
            msg: sealed,
            aad: &aad,
        };
        let opened = Aes256Gcm::new(key.key().into()).decrypt(&Nonce::from(nonce), payload);
        assert_eq!(opened.unwrap(), b"draft-ietf-sframe-enc");
    }

    #[test]
    fn the_derivation_is_pinned() {
        let keys = frame_keys(&exported(0x1234), 5, &[2; 16]);

        let text = keys.iter().map(|key| {
            let (key_hex, salt) = (
                roost_wire::text::hex(key.key()),
                roost_wire::text::hex(key.salt()),
            );
            format!("{:?} {:#06x} {key_hex} {salt}\n", key.track, key.kid)
        });
        let text: String = text.collect();
        assert_eq!(text, include_str!("../../tests/vectors/frame_keys.txt"));
    }

    #[test]
    fn no_two_tracks_leaves_epochs_or_sessions_share_a_key() {
        let mut keys = BTreeSet::new();
        for epoch in [1, 2] {
            for leaf in [0, 1] {
                for session in [[1; 16], [2; 16]] {
                    let made = frame_keys(&exported(epoch), leaf, &session);
                    keys.extend(made.iter().map(|key| *key.key()));
                }
            }
        }

        assert_eq!(keys.len(), 2 * 2 * 2 * 4);
    }

    #[test]
    fn neighbouring_epochs_and_all_leaves_have_kids_of_their_own() {
        let mut kids = BTreeSet::new();
        for leaf in 0..LEAVES_MAX {
            for epoch in [41, 42] {
                kids.extend(
                    frame_keys(&exported(epoch), leaf, &[0; 16])
                        .iter()
                        .map(|key| key.kid),
                );
            }
        }

        assert_eq!(kids.len(), 256 * 2 * 4);
        assert!(kids.last() < Some(&(1 << 14)));
        assert!(frame_keys(&exported(1), LEAVES_MAX, &[0; 16]).is_empty());
    }

    fn exported(epoch: u64) -> EpochSecret {
        let mut secret = Zeroizing::new([7; 32]);
        secret[0] = epoch.to_be_bytes()[7];
        EpochSecret {
            epoch: Epoch::new(epoch),
            secret,
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u32> = text
            .chars()
            .map(|digit| digit.to_digit(16).unwrap())
            .collect();
        let byte = |pair: &[u32]| u8::try_from(pair[0] * 16 + pair[1]).unwrap();
        digits.chunks(2).map(byte).collect()
    }
}
