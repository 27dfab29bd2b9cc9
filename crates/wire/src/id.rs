//! Identifiers and other fixed-size values, each a type of its own.
//!
//! On the wire they are CBOR byte strings of exactly their length, or unsigned integers; as text
//! they are lower-case hexadecimal.

use crate::{Malformed, text};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

macro_rules! fixed_bytes {
    ($($(#[$doc:meta])* $name:ident: $len:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $len;

            #[must_use]
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = Malformed;

            fn try_from(bytes: &[u8]) -> Result<Self, Malformed> {
                let bytes = bytes.try_into().map_err(|_| Malformed::Invalid { what: stringify!($name) })?;
                Ok(Self(bytes))
            }
        }

        impl std::str::FromStr for $name {
            type Err = Malformed;

            fn from_str(hex: &str) -> Result<Self, Malformed> {
                text::unhex(hex).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&text::hex(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), text::hex(&self.0))
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let bytes = d.bytes()?.try_into().map_err(|_| decode::Error::message(stringify!($name)))?;
                Ok(Self(bytes))
            }
        }
    )*};
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] u64);

        impl $name {
            #[must_use]
            pub const fn new(value: u64) -> Self {
                Self(value)
            }

            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// The one after; stays at the maximum.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

fixed_bytes! {
    /// First 16 bytes of the SHA-256 of a server's Ed25519 key: nobody can claim another's.
    ServerId: 16;
    /// A person on a server; chosen at random by their first device.
    AccountId: 16;
    /// One installation of a client: one browser profile, one `roost-cli` home.
    DeviceId: 16;
    /// A conversation; equals the MLS group id.
    GroupId: 16;
    /// An invitation, named in the path of its link.
    InviteId: 16;
    /// Ed25519 public key of a server.
    ServerKey: 32;
    /// Ed25519 public key of an account; signs the credentials of its devices.
    AccountKey: 32;
    /// Ed25519 public key of a device: its MLS signature key.
    SignatureKey: 32;
    /// Ed25519 public key derived from the secret in an invite link's fragment.
    InviteKey: 32;
    /// An Ed25519 signature.
    SignatureBytes: 64;
    /// A server's sign-in challenge: expiry and an authenticator over device and expiry.
    Nonce: 40;
    /// A one-use pass for opening the WebSocket.
    Ticket: 16;
}

/// A session's bearer token. Does not print.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Token(#[cbor(n(0), with = "minicbor::bytes")] [u8; 32]);

impl Token {
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The value of the `Authorization` header.
    #[must_use]
    pub fn header(&self) -> String {
        format!("Bearer {}", text::hex(&self.0))
    }

    /// Reads the value of an `Authorization` header.
    ///
    /// # Errors
    /// Refuses anything but `Bearer ` and 64 hexadecimal digits.
    pub fn from_header(value: &str) -> Result<Self, Malformed> {
        let hex = value.strip_prefix("Bearer ").ok_or(Malformed::Invalid {
            what: "Authorization header",
        })?;
        text::unhex(hex).map(Self)
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

numbers! {
    /// Place of an entry in a group's log, from 1; gapless. A cursor is the last one processed, 0 before any.
    Seq;
    /// Place of an item in a device's inbox, from 1.
    InboxSeq;
    /// MLS epoch of a group (RFC 9420, section 8.1).
    Epoch;
    /// Seconds since 1970 by the server's clock.
    Seconds;
    /// Counts a device's stored states, so that a restored copy of a profile shows (design: cloned profiles).
    StateCounter;
    /// Changes when a server's store may have lost what it had already said (restore from a backup).
    Incarnation;
}

impl Seconds {
    /// This time `seconds` later; stays at the maximum.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// This time `seconds` earlier; stays at zero.
    #[must_use]
    pub const fn minus(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Whole days since 1970, for what is kept by day only.
    #[must_use]
    pub const fn day(self) -> u64 {
        self.0 / 86_400
    }
}

impl Seq {
    /// Before the first entry.
    pub const NONE: Self = Self(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_another_length_is_refused() {
        let short = minicbor::to_vec(minicbor::bytes::ByteVec::from(vec![7; 15])).unwrap();

        assert!(minicbor::decode::<GroupId>(&short).is_err());
        assert!("07".parse::<GroupId>().is_err());
        assert!(GroupId::try_from(&[7u8; 17][..]).is_err());
    }

    #[test]
    fn a_token_does_not_print() {
        let token = Token::new([9; 32]);

        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_eq!(Token::from_header(&token.header()).unwrap(), token);
        assert!(Token::from_header("Basic 00").is_err());
    }
}
