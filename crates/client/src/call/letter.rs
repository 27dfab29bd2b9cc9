//! What devices say to each other about a call, signed and padded.
//!
//! Owns the format inside a droppable signal: `signature ‖ length ‖ letter ‖ zeros`. Every member can
//! make the signal's key, so the device's own signature tells who wrote the letter. It is bound to
//! group, epoch and leaf.

use super::RingId;
use super::media::MediaSignal;
use minicbor::{Decode, Encode};
use roost_wire::{
    DeviceId, GroupId, List, Malformed, Seconds, SignatureBytes, SignatureKey, api, limit,
};

const LABEL: &str = "Roost 1.0 call signal";
const WHAT: Malformed = Malformed::Invalid {
    what: "call signal",
};
const PREFIX_BYTES: usize = SignatureBytes::BYTES + 4;
/// Lengths of a letter in its signal, so that a length says little.
const STEPS: [usize; 6] = [256, 1024, 4096, 8192, 16_384, LETTER_BYTES];
/// The longest; the rest of [`limit::EPHEMERAL_BYTES`] is for the signal's header, nonce and tag.
const LETTER_BYTES: usize = limit::EPHEMERAL_BYTES - 64;
/// Of a letter, for what peer connections say: the rest is for what stands around it.
pub(super) const SIGNALS_BYTES: usize = LETTER_BYTES - PREFIX_BYTES - 256;
/// Signals in one letter.
pub(super) const SIGNALS_MAX: usize = 64;

/// One signed saying of a device.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Letter {
    #[n(0)]
    pub ring: RingId,
    /// Counts what this device has said about this call.
    #[n(1)]
    pub counter: u64,
    /// By the server's clock.
    #[n(2)]
    pub time: Seconds,
    #[n(3)]
    pub word: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum Word {
    /// The caller, again and again: who of you is there? `heard` have said so.
    #[n(0)]
    Ring {
        #[n(0)]
        video: bool,
        #[n(1)]
        heard: List<DeviceId, { limit::DEVICES_PER_ACCOUNT }>,
    },
    /// It rings here.
    #[n(1)]
    Ringing,
    /// This device is in another call.
    #[n(2)]
    Busy,
    /// Somebody took the call here; again, until the caller says who has it.
    #[n(3)]
    Accept {
        #[n(0)]
        video: bool,
    },
    /// Somebody refused the call, for all devices of the account.
    #[n(4)]
    Decline,
    /// The caller: this device has the call.
    #[n(5)]
    Taken {
        #[n(0)]
        device: DeviceId,
    },
    #[n(6)]
    Over(#[n(0)] Why),
    #[n(7)]
    Parcel(#[n(0)] Parcel),
}

/// Why a device ended a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub(crate) enum Why {
    /// The caller, before somebody answered.
    #[n(0)]
    Cancelled,
    #[n(1)]
    HungUp,
    /// Both called each other: the other call goes on.
    #[n(2)]
    Replaced,
    /// Another device of the account declined.
    #[n(3)]
    Declined,
    #[n(4)]
    Failed,
    /// The key at the other end was not the one that was named.
    #[n(5)]
    Forged,
}

/// Signals for one device, numbered from 1 in each direction.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Parcel {
    #[n(0)]
    pub to: DeviceId,
    /// Everything up to this number has come.
    #[n(1)]
    pub ack: u64,
    /// Number of the first signal.
    #[n(2)]
    pub first: u64,
    #[n(3)]
    pub signals: List<MediaSignal, SIGNALS_MAX>,
}

impl Word {
    /// Whether nothing is expected in answer.
    pub(super) const fn is_last(&self) -> bool {
        match self {
            Self::Busy | Self::Decline | Self::Over(_) => true,
            Self::Ring { .. }
            | Self::Ringing
            | Self::Accept { .. }
            | Self::Taken { .. }
            | Self::Parcel(_) => false,
        }
    }
}

/// Where a letter is said: a signature holds nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub group: GroupId,
    pub epoch: u64,
    pub leaf: u32,
}

impl Place {
    fn to_be_signed(self, letter: &[u8]) -> Vec<u8> {
        let (epoch, leaf) = (self.epoch.to_be_bytes(), self.leaf.to_be_bytes());
        api::to_be_signed(LABEL, &[self.group.as_bytes(), &epoch, &leaf, letter])
    }
}

impl Letter {
    /// Signed by `sign` and padded; none if it is too long.
    pub(crate) fn seal(
        &self,
        place: Place,
        sign: impl FnOnce(&[u8]) -> SignatureBytes,
    ) -> Option<Vec<u8>> {
        let letter = api::encode(self);
        let signature = sign(&place.to_be_signed(&letter));
        let length = u32::try_from(letter.len()).ok()?;
        let mut bytes = [signature.as_bytes(), &length.to_be_bytes()[..], &letter].concat();
        let step = STEPS.into_iter().find(|step| *step >= bytes.len())?;
        bytes.resize(step, 0);
        Some(bytes)
    }

    /// # Errors
    /// Refuses what the device with this key did not sign for this place, and any other form.
    pub(crate) fn open(bytes: &[u8], place: Place, key: &SignatureKey) -> Result<Self, Malformed> {
        let (signature, rest) = bytes
            .split_first_chunk::<{ SignatureBytes::BYTES }>()
            .ok_or(WHAT)?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(WHAT)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| WHAT)?;
        let (letter, padding) = rest.split_at_checked(length).ok_or(WHAT)?;
        let message = place.to_be_signed(letter);
        if !roost_mls::verifies(key.as_bytes(), &message, &SignatureBytes::new(*signature)) {
            return Err(WHAT);
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(WHAT);
        }
        api::decode(letter, "call signal", LETTER_BYTES)
    }
}
