//! What the secret of a call's guest link does besides proving the link to the server.
//!
//! Owns three formats. A *knock* takes a guest's name and key to those who have the link, and to
//! nobody else. A *vouch* shows a guest that whoever let it in has the link and is in the same
//! group with it: a server can neither put a listener of its own into the lobby nor take a guest to
//! another call. And the links themselves, as those of the conversation tell each other of them.
//! Who is let in is the core's.

use crate::group::EpochSecret;
use crate::port::Dice;
use crate::record::CallLinkRecord;
use crate::room::sealed;
use hkdf::Hkdf;
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};
use roost_wire::{
    AccountId, DeviceId, DisplayName, Epoch, GroupId, InviteId, List, Malformed, Seconds,
    SignatureKey, api, limit,
};
use sha2::Sha256;
use zeroize::Zeroizing;

const KNOCK_LABEL: &str = "roost knock v1";
const VOUCH_LABEL: &str = "roost vouch v1";
const LINKS_LABEL: &str = "roost call links v1";
const WHAT: &str = "knock";
const BAD: Malformed = Malformed::Invalid { what: WHAT };

/// Shows who let a guest in; as long as a key.
pub(crate) type Vouch = ByteArray<32>;

/// Who is at the door, by the server's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub link: InviteId,
    pub account: AccountId,
    pub device: DeviceId,
}

/// What a guest says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct Visitor {
    #[n(0)]
    pub name: DisplayName,
    /// Of the device that is to be let in.
    #[n(1)]
    pub device_key: SignatureKey,
    /// When it knocked, by the server's clock: an old knock is played again by somebody.
    #[n(2)]
    pub at: Seconds,
}

impl CallLinkRecord {
    /// A random nonce (12 bytes), and AES-256-GCM over the guest's words, bound to the link, the
    /// account and the device.
    pub(crate) fn seal_knock(
        &self,
        stranger: &Stranger,
        visitor: &Visitor,
        dice: &mut dyn Dice,
    ) -> Vec<u8> {
        let key = key_of(&self.secret, KNOCK_LABEL);
        sealed::seal(&key, &api::encode(visitor), &authenticated(stranger), dice)
    }

    /// # Errors
    /// Refuses what was not sealed with this link's secret for this account and device.
    pub(crate) fn open_knock(
        &self,
        stranger: &Stranger,
        sealed: &[u8],
    ) -> Result<Visitor, Malformed> {
        let key = key_of(&self.secret, KNOCK_LABEL);
        let body = sealed::open(&key, sealed, &authenticated(stranger)).ok_or(BAD)?;
        api::decode(&body, WHAT, limit::KNOCK_BYTES)
    }

    /// What only somebody with both the link and the call's epoch can say: HKDF-SHA256 of the key
    /// of the epoch's signals, the link's secret its salt.
    pub(crate) fn vouch(&self, call: &GroupId, signals: &EpochSecret) -> Vouch {
        let epoch = signals.epoch.get().to_be_bytes();
        let info = api::to_be_signed(VOUCH_LABEL, &[call.as_bytes(), &epoch]);
        let mut vouch = [0; 32];
        let expanded = Hkdf::<Sha256>::new(Some(&self.secret), signals.secret.as_ref());
        expanded
            .expand(&info, &mut vouch)
            .expect("HKDF-SHA256 yields up to 8,160 bytes, and these are 32");
        vouch.into()
    }
}

/// Seals links for the devices of the conversation: the epoch (8 bytes), a random nonce (12 bytes),
/// and AES-256-GCM under HKDF-SHA256 of what the conversation exports for its calls.
pub(crate) fn seal_links(
    conversation: &GroupId,
    base: &EpochSecret,
    links: Vec<CallLinkRecord>,
    dice: &mut dyn Dice,
) -> Vec<u8> {
    let links: List<CallLinkRecord, { limit::CALL_LINKS }> = List::capped(links);
    let (key, links) = (links_key(base), api::encode(&links));
    let sealed = sealed::seal(&key, &links, conversation.as_bytes(), dice);
    [&base.epoch.get().to_be_bytes()[..], &sealed].concat()
}

/// The epoch of the conversation whose key sealed links claim.
pub(crate) fn epoch_of_links(sealed: &[u8]) -> Option<Epoch> {
    let epoch = sealed.first_chunk::<8>()?;
    Some(Epoch::new(u64::from_be_bytes(*epoch)))
}

/// # Errors
/// Refuses what was not sealed with this key for this conversation.
pub(crate) fn open_links(
    conversation: &GroupId,
    base: &EpochSecret,
    sealed: &[u8],
) -> Result<Vec<CallLinkRecord>, Malformed> {
    let (_, sealed) = sealed.split_first_chunk::<8>().ok_or(BAD)?;
    let body = sealed::open(&links_key(base), sealed, conversation.as_bytes()).ok_or(BAD)?;
    let links: List<CallLinkRecord, { limit::CALL_LINKS }> =
        api::decode(&body, WHAT, limit::CALL_LINKS_BYTES)?;
    Ok(links.into_vec())
}

fn links_key(base: &EpochSecret) -> Zeroizing<[u8; 32]> {
    key_of(base.secret.as_ref(), LINKS_LABEL)
}

fn key_of(secret: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(label.as_bytes(), key.as_mut());
    expanded.expect("HKDF-SHA256 yields up to 8,160 bytes, and these are 32");
    key
}

fn authenticated(stranger: &Stranger) -> Vec<u8> {
    let Stranger {
        link,
        account,
        device,
    } = stranger;
    let parts = [
        &link.as_bytes()[..],
        account.as_bytes().as_slice(),
        device.as_bytes(),
    ];
    api::to_be_signed(KNOCK_LABEL, &parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use roost_wire::{Epoch, Seconds};

    #[test]
    fn a_knock_reaches_whoever_has_the_link() {
        let opened = link(1).open_knock(&stranger(), &knock()).unwrap();

        assert_eq!(opened, visitor());
    }

    #[test]
    fn another_link_account_or_device_does_not_open_a_knock() {
        let other_account = Stranger {
            account: AccountId::new([9; 16]),
            ..stranger()
        };
        let other_device = Stranger {
            device: DeviceId::new([9; 16]),
            ..stranger()
        };

        assert!(link(2).open_knock(&stranger(), &knock()).is_err());
        assert!(link(1).open_knock(&other_account, &knock()).is_err());
        assert!(link(1).open_knock(&other_device, &knock()).is_err());
    }

    #[test]
    fn the_longest_knock_fits_its_bound() {
        let visitor = Visitor {
            name: DisplayName::new(&"\u{1f469}".repeat(40)).unwrap(),
            ..visitor()
        };
        let mut dice = |bytes: &mut [u8]| bytes.fill(4);
        let knock = link(1).seal_knock(&stranger(), &visitor, &mut dice);

        assert!(knock.len() <= limit::KNOCK_BYTES);
        assert_eq!(link(1).open_knock(&stranger(), &knock), Ok(visitor));
    }

    #[test]
    fn a_vouch_takes_the_link_the_call_and_its_epoch() {
        let call = GroupId::new([1; 16]);
        let vouch = link(1).vouch(&call, &secret(3, 7));

        assert_eq!(vouch, link(1).vouch(&call, &secret(3, 7)));
        assert_ne!(vouch, link(2).vouch(&call, &secret(3, 7)));
        assert_ne!(vouch, link(1).vouch(&GroupId::new([2; 16]), &secret(3, 7)));
        assert_ne!(vouch, link(1).vouch(&call, &secret(4, 7)));
        assert_ne!(vouch, link(1).vouch(&call, &secret(3, 8)));
    }

    #[test]
    fn links_are_read_in_the_same_epoch_of_the_same_conversation() {
        let (home, other) = (GroupId::new([1; 16]), GroupId::new([2; 16]));
        let mut dice = |bytes: &mut [u8]| bytes.fill(4);
        let links = vec![link(1); limit::CALL_LINKS];

        let sealed = seal_links(&home, &secret(3, 7), links.clone(), &mut dice);

        assert!(sealed.len() <= limit::CALL_LINKS_BYTES);
        assert_eq!(epoch_of_links(&sealed), Some(Epoch::new(3)));
        assert_eq!(open_links(&home, &secret(3, 7), &sealed), Ok(links));
        assert!(open_links(&other, &secret(3, 7), &sealed).is_err());
        assert!(open_links(&home, &secret(3, 8), &sealed).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = link(1).open_knock(&stranger(), &bytes);
            let _ = open_links(&GroupId::new([1; 16]), &secret(3, 7), &bytes);
            let _ = epoch_of_links(&bytes);
        }
    }

    fn link(secret: u8) -> CallLinkRecord {
        CallLinkRecord {
            invite: InviteId::new([3; 16]),
            secret: [secret; 16],
            expires: Seconds::new(1_000),
            maker: AccountId::new([8; 16]),
        }
    }

    fn stranger() -> Stranger {
        Stranger {
            link: InviteId::new([3; 16]),
            account: AccountId::new([4; 16]),
            device: DeviceId::new([5; 16]),
        }
    }

    fn visitor() -> Visitor {
        Visitor {
            name: DisplayName::new("Mia").unwrap(),
            device_key: SignatureKey::new([6; 32]),
            at: Seconds::new(7),
        }
    }

    fn knock() -> Vec<u8> {
        let mut dice = |bytes: &mut [u8]| bytes.fill(4);
        link(1).seal_knock(&stranger(), &visitor(), &mut dice)
    }

    fn secret(epoch: u64, byte: u8) -> EpochSecret {
        EpochSecret {
            epoch: Epoch::new(epoch),
            secret: Zeroizing::new([byte; 32]),
        }
    }
}
