//! What devices in a call tell each other every few seconds: "I am here, and this is the session
//! of my frame keys". Droppable, sealed with a key of the call's epoch, signed by the device.
//!
//! The seal keeps outsiders and the server out; the signature keeps members from speaking for each
//! other, and the counter keeps the server from playing an old one again.

use crate::group::EpochSecret;
use crate::identity::KeySeed;
use crate::port::Dice;
use crate::room::knock::Vouch;
use crate::room::sealed;
use minicbor::{Decode, Encode};
use roost_wire::{
    Blob, DisplayName, GroupId, List, Malformed, SignatureBytes, SignatureKey, api, limit,
};

const LABEL: &str = "roost room signal v1";
const WHAT: &str = "room signal";
const BAD: Malformed = Malformed::Invalid { what: WHAT };

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Announcement {
    #[n(0)]
    pub leaf: u32,
    /// Counts up from one announcement of the device to the next.
    #[n(1)]
    pub counter: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub session: [u8; 16],
    #[n(3)]
    pub flags: u32,
    #[n(4)]
    pub guests: Option<GuestWords>,
}

/// What has to do with guests in an announcement: what hosts know of the conversation's guest
/// links, and what a guest says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct GuestWords {
    /// Of a host, one for each link that it knows.
    #[cbor(n(0), default)]
    pub vouches: List<Vouch, { limit::CALL_LINKS }>,
    /// Of a guest.
    #[n(1)]
    pub name: Option<DisplayName>,
    /// Of a host: the links, sealed for those of the conversation, so that everybody in the call can
    /// let guests in, whoever made the link.
    #[n(2)]
    pub links: Option<Blob<{ limit::CALL_LINKS_BYTES }>>,
}

#[derive(Encode, Decode)]
#[cbor(array)]
struct Signed {
    #[n(0)]
    announcement: Announcement,
    #[n(1)]
    signature: SignatureBytes,
}

/// An announcement whose seal was opened; its signature is not checked yet.
pub(crate) struct Opened {
    pub announcement: Announcement,
    signature: SignatureBytes,
    epoch: u64,
}

/// Seals an announcement: the epoch (8 bytes), a random nonce (12 bytes), and AES-256-GCM over the
/// signed body, bound to group and epoch.
pub(crate) fn seal(
    group: &GroupId,
    key: &EpochSecret,
    announcement: Announcement,
    signer: &KeySeed,
    dice: &mut dyn Dice,
) -> Vec<u8> {
    let epoch = key.epoch.get();
    let signature = signer.sign(&to_be_signed(group, epoch, &announcement));
    let body = api::encode(&Signed {
        announcement,
        signature,
    });
    let sealed = sealed::seal(&key.secret, &body, &authenticated(group, epoch), dice);
    [&epoch.to_be_bytes()[..], &sealed].concat()
}

/// The epoch a signal claims.
pub(crate) fn epoch_of(bytes: &[u8]) -> Option<u64> {
    let epoch = bytes.first_chunk::<8>()?;
    Some(u64::from_be_bytes(*epoch))
}

/// # Errors
/// Refuses what was not sealed with this key for this group.
pub(crate) fn open(group: &GroupId, key: &EpochSecret, bytes: &[u8]) -> Result<Opened, Malformed> {
    let (epoch, sealed) = bytes.split_first_chunk::<8>().ok_or(BAD)?;
    let epoch = u64::from_be_bytes(*epoch);
    let body = sealed::open(&key.secret, sealed, &authenticated(group, epoch)).ok_or(BAD)?;
    let Signed {
        announcement,
        signature,
    } = api::decode(&body, WHAT, limit::EPHEMERAL_BYTES)?;
    Ok(Opened {
        announcement,
        signature,
        epoch,
    })
}

impl Opened {
    /// The epoch of the call in which it was said.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the device with this key signed it.
    pub(crate) fn is_signed_by(&self, group: &GroupId, device_key: &SignatureKey) -> bool {
        let message = to_be_signed(group, self.epoch, &self.announcement);
        let key = ed25519_dalek::VerifyingKey::from_bytes(device_key.as_bytes());
        let signature = ed25519_dalek::Signature::from_bytes(self.signature.as_bytes());
        key.is_ok_and(|key| key.verify_strict(&message, &signature).is_ok())
    }
}

fn to_be_signed(group: &GroupId, epoch: u64, announcement: &Announcement) -> Vec<u8> {
    let body = api::encode(announcement);
    api::to_be_signed(LABEL, &[group.as_bytes(), &epoch.to_be_bytes(), &body])
}

fn authenticated(group: &GroupId, epoch: u64) -> Vec<u8> {
    api::to_be_signed(LABEL, &[group.as_bytes(), &epoch.to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use roost_wire::Epoch;
    use zeroize::Zeroizing;

    const GROUP: GroupId = GroupId::new([1; 16]);

    #[test]
    fn an_announcement_reaches_those_with_the_epochs_key_and_names_its_sender() {
        let opened = open(&GROUP, &key(3), &sealed(3)).unwrap();

        assert_eq!(opened.announcement, announcement());
        assert!(opened.is_signed_by(&GROUP, &signature_key(&ada())));
    }

    #[test]
    fn another_group_epoch_or_key_does_not_open_it() {
        let other = GroupId::new([2; 16]);
        let mut replayed = sealed(3);
        replayed[7] = 4;

        assert!(open(&other, &key(3), &sealed(3)).is_err());
        assert!(open(&GROUP, &key(3), &replayed).is_err());
        assert!(open(&GROUP, &key(4), &sealed(3)).is_err());
    }

    #[test]
    fn a_member_does_not_speak_for_another() {
        let opened = open(&GROUP, &key(3), &sealed(3)).unwrap();
        let ben = KeySeed::from_bytes([9; 32]);

        assert!(!opened.is_signed_by(&GROUP, &signature_key(&ben)));
        assert!(!opened.is_signed_by(&GroupId::new([2; 16]), &signature_key(&ada())));
    }

    #[test]
    fn a_signal_fits_its_bound() {
        assert!(sealed(u64::MAX).len() <= limit::EPHEMERAL_BYTES);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = open(&GROUP, &key(3), &bytes);
        }
    }

    fn ada() -> KeySeed {
        KeySeed::from_bytes([8; 32])
    }

    fn signature_key(seed: &KeySeed) -> SignatureKey {
        SignatureKey::new(seed.public())
    }

    fn key(epoch: u64) -> EpochSecret {
        let mut secret = Zeroizing::new([7; 32]);
        secret[0] = epoch.to_be_bytes()[7];
        EpochSecret {
            epoch: Epoch::new(epoch),
            secret,
        }
    }

    fn announcement() -> Announcement {
        Announcement {
            leaf: 2,
            counter: 7,
            session: [5; 16],
            flags: 1,
            guests: None,
        }
    }

    fn sealed(epoch: u64) -> Vec<u8> {
        let mut dice = |bytes: &mut [u8]| bytes.fill(4);
        seal(&GROUP, &key(epoch), announcement(), &ada(), &mut dice)
    }
}
