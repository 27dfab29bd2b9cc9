//! STUN messages (RFC 8489, sections 5 and 14): reading and writing them.
//!
//! Owns the format, its checksum and its keyed checks. Knows no meaning of a method.

use crate::address;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use std::net::SocketAddr;
use zeroize::Zeroizing;

pub const HEADER_BYTES: usize = 20;
/// RFC 8489, section 5: at offset 4 of every message.
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
/// More attributes than any client sends; a message with more is refused.
const ATTRIBUTES_MAX: usize = 64;
/// RFC 8489, section 14.7.
const FINGERPRINT_XOR: u32 = 0x5354_554e;
const INTEGRITY_BYTES: u16 = 20;
const FINGERPRINT_BYTES: u16 = 4;
const ATTRIBUTE_HEADER_BYTES: u16 = 4;

/// Why bytes are not a message of STUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("shorter than its header says")]
    Short,
    #[error("not STUN")]
    NotStun,
    #[error("a length that is no multiple of four")]
    Unaligned,
    #[error("an attribute reaches beyond the message")]
    Attribute,
    #[error("the fingerprint does not fit")]
    Fingerprint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

impl Class {
    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0x000,
            Self::Indication => 0x010,
            Self::Success => 0x100,
            Self::Error => 0x110,
        }
    }

    const fn of(kind: u16) -> Self {
        match kind & 0x110 {
            0x000 => Self::Request,
            0x010 => Self::Indication,
            0x100 => Self::Success,
            _ => Self::Error,
        }
    }
}

/// Twelve bits that say what is asked (RFC 8489, section 18.2; RFC 8656, section 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method(u16);

impl Method {
    pub const BINDING: Self = Self(0x001);
    pub const ALLOCATE: Self = Self(0x003);
    pub const REFRESH: Self = Self(0x004);
    pub const SEND: Self = Self(0x006);
    pub const DATA: Self = Self(0x007);
    pub const CREATE_PERMISSION: Self = Self(0x008);
    pub const CHANNEL_BIND: Self = Self(0x009);

    /// The bits of the method lie around those of the class.
    const fn of(kind: u16) -> Self {
        Self((kind & 0x000f) | ((kind & 0x00e0) >> 1) | ((kind & 0x3e00) >> 2))
    }

    const fn bits(self) -> u16 {
        (self.0 & 0x000f) | ((self.0 & 0x0070) << 1) | ((self.0 & 0x0f80) << 2)
    }
}

/// A request and its answer have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionId(pub [u8; 12]);

/// The type of an attribute (RFC 8489, section 18.3; RFC 8656, section 18).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute(pub u16);

impl Attribute {
    pub const USERNAME: Self = Self(0x0006);
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    pub const ERROR_CODE: Self = Self(0x0009);
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000a);
    pub const CHANNEL_NUMBER: Self = Self(0x000c);
    pub const LIFETIME: Self = Self(0x000d);
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    pub const DATA: Self = Self(0x0013);
    pub const REALM: Self = Self(0x0014);
    pub const NONCE: Self = Self(0x0015);
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    pub const EVEN_PORT: Self = Self(0x0018);
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    pub const SOFTWARE: Self = Self(0x8022);
    pub const FINGERPRINT: Self = Self(0x8028);

    /// Those below 0x8000 must be understood by who reads them (RFC 8489, section 14).
    #[must_use]
    pub const fn must_be_understood(self) -> bool {
        self.0 < 0x8000
    }
}

/// A key of MESSAGE-INTEGRITY (RFC 8489, section 9.2.2).
pub struct Key(Zeroizing<[u8; 16]>);

impl Key {
    /// RFC 8489, section 9.2.2.
    #[must_use]
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        let mut hash = Md5::new();
        for part in [username, ":", realm, ":", password] {
            hash.update(part);
        }
        Self::new(hash.finalize().into())
    }

    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn mac(&self) -> Hmac<Sha1> {
        Hmac::new_from_slice(&*self.0).expect("HMAC takes keys of any length")
    }
}

/// A well-formed message: all its attributes lie inside it, and its fingerprint, if any, fits.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    kind: u16,
    transaction: TransactionId,
}

impl<'a> Message<'a> {
    /// Reads a message that takes up all the bytes.
    ///
    /// # Errors
    /// Bytes that are none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, body) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Malformed::Short)?;
        let &[k0, k1, l0, l1, c0, c1, c2, c3, ref transaction @ ..] = header;
        if k0 & 0xc0 != 0 || [c0, c1, c2, c3] != MAGIC_COOKIE {
            return Err(Malformed::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length % 4 != 0 {
            return Err(Malformed::Unaligned);
        }
        if length != body.len() {
            return Err(Malformed::Short);
        }
        let message = Self {
            bytes,
            kind: u16::from_be_bytes([k0, k1]),
            transaction: TransactionId(*transaction),
        };
        message.check()?;
        Ok(message)
    }

    #[must_use]
    pub const fn class(&self) -> Class {
        Class::of(self.kind)
    }

    #[must_use]
    pub const fn method(&self) -> Method {
        Method::of(self.kind)
    }

    #[must_use]
    pub const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// Those that count, in their order: of what follows MESSAGE-INTEGRITY only FINGERPRINT does
    /// (RFC 8489, section 14.5).
    pub fn attributes(&self) -> impl Iterator<Item = (Attribute, &'a [u8])> + use<'a> {
        let mut is_signed = false;
        self.walk()
            .map_while(Result::ok)
            .filter(move |read| {
                let counts = !is_signed || read.kind == Attribute::FINGERPRINT;
                is_signed |= read.kind == Attribute::MESSAGE_INTEGRITY;
                counts
            })
            .map(|read| (read.kind, read.value))
    }

    /// The first attribute of this type.
    #[must_use]
    pub fn attribute(&self, wanted: Attribute) -> Option<&'a [u8]> {
        self.attributes()
            .find(|&(kind, _)| kind == wanted)
            .map(|(_, value)| value)
    }

    /// Whether MESSAGE-INTEGRITY is there and was made with this key (RFC 8489, section 14.5).
    #[must_use]
    pub fn is_signed_by(&self, key: &Key) -> bool {
        let signature = self
            .walk()
            .map_while(Result::ok)
            .find(|read| read.kind == Attribute::MESSAGE_INTEGRITY);
        let Some(read) = signature else {
            return false;
        };
        let mut mac = key.mac();
        if !self.feed(&mut mac, read.start, INTEGRITY_BYTES) {
            return false;
        }
        mac.verify_slice(read.value).is_ok()
    }

    /// What comes before `end`, with a length as if the message ended with this check.
    fn feed(&self, mac: &mut Hmac<Sha1>, end: usize, check_bytes: u16) -> bool {
        let Some((head, rest)) = self
            .bytes
            .get(..end)
            .and_then(|all| all.split_at_checked(4))
        else {
            return false;
        };
        mac.update(head.get(..2).unwrap_or_default());
        mac.update(&length_up_to(end, check_bytes).to_be_bytes());
        mac.update(rest);
        true
    }

    fn check(&self) -> Result<(), Malformed> {
        for read in self.walk() {
            let read = read?;
            if read.kind == Attribute::FINGERPRINT {
                let before = self.bytes.get(..read.start).ok_or(Malformed::Attribute)?;
                let wanted = fingerprint(before).to_be_bytes();
                return if read.value == wanted {
                    Ok(())
                } else {
                    Err(Malformed::Fingerprint)
                };
            }
        }
        Ok(())
    }

    fn walk(&self) -> Walk<'a> {
        Walk {
            rest: self.bytes.get(HEADER_BYTES..).unwrap_or_default(),
            at: HEADER_BYTES,
            left: ATTRIBUTES_MAX,
        }
    }
}

/// The length that a message's header has when it ends with a check that starts at `end`.
fn length_up_to(end: usize, check_bytes: u16) -> u16 {
    let body = u16::try_from(end.saturating_sub(HEADER_BYTES)).unwrap_or(u16::MAX);
    body.saturating_add(ATTRIBUTE_HEADER_BYTES + check_bytes)
}

/// Of a message whose header already counts the fingerprint.
fn fingerprint(before: &[u8]) -> u32 {
    crc32fast::hash(before) ^ FINGERPRINT_XOR
}

struct Walk<'a> {
    rest: &'a [u8],
    at: usize,
    left: usize,
}

struct Read<'a> {
    kind: Attribute,
    value: &'a [u8],
    /// Of its header, from the start of the message.
    start: usize,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Read<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = match (self.left, self.step()) {
            (0, _) | (_, None) => Err(Malformed::Attribute),
            (_, Some(read)) => Ok(read),
        };
        if read.is_err() {
            self.rest = &[];
        }
        self.left = self.left.saturating_sub(1);
        Some(read)
    }
}

impl<'a> Walk<'a> {
    fn step(&mut self) -> Option<Read<'a>> {
        let (&[k0, k1, l0, l1], rest) = self.rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(..length)?;
        let padded = length.next_multiple_of(4);
        self.rest = rest.get(padded..)?;
        let start = self.at;
        self.at += 4 + padded;
        Some(Read {
            kind: Attribute(u16::from_be_bytes([k0, k1])),
            value,
            start,
        })
    }
}

/// A message under construction.
pub struct Writer {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl Writer {
    #[must_use]
    pub fn new(class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend((method.bits() | class.bits()).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE);
        bytes.extend(transaction.0);
        Self { bytes, transaction }
    }

    /// The answer to a request.
    #[must_use]
    pub fn answer(request: &Message<'_>, class: Class) -> Self {
        Self::new(class, request.method(), request.transaction)
    }

    /// # Panics
    /// If the value is 64 KiB or more: the bounds of what is written are the caller's part.
    #[must_use]
    pub fn attribute(mut self, kind: Attribute, value: &[u8]) -> Self {
        let length = u16::try_from(value.len()).expect("attributes are shorter than 64 KiB");
        self.bytes.extend(kind.0.to_be_bytes());
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    #[must_use]
    pub fn address(self, kind: Attribute, address: SocketAddr) -> Self {
        let value = address::to_xor(address, self.transaction);
        self.attribute(kind, &value)
    }

    /// RFC 8489, section 14.8.
    #[must_use]
    pub fn error(self, code: ErrorCode) -> Self {
        let [hundreds, rest] = code.digits();
        let mut value = vec![0, 0, hundreds, rest];
        value.extend(code.reason().as_bytes());
        self.attribute(Attribute::ERROR_CODE, &value)
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.set_length(0);
        self.bytes
    }

    /// Ends the message with MESSAGE-INTEGRITY.
    #[must_use]
    pub fn sign(mut self, key: &Key) -> Vec<u8> {
        self.set_length(ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES);
        let mut mac = key.mac();
        mac.update(&self.bytes);
        let signature: [u8; 20] = mac.finalize().into_bytes().into();
        self.attribute(Attribute::MESSAGE_INTEGRITY, &signature)
            .bytes
    }

    /// Ends the message with FINGERPRINT.
    #[must_use]
    pub fn fingerprint(mut self) -> Vec<u8> {
        self.set_length(ATTRIBUTE_HEADER_BYTES + FINGERPRINT_BYTES);
        let sum = fingerprint(&self.bytes).to_be_bytes();
        self.attribute(Attribute::FINGERPRINT, &sum).bytes
    }

    fn set_length(&mut self, more: u16) {
        let body = self.bytes.len().saturating_sub(HEADER_BYTES);
        let length = u16::try_from(body).expect("messages are shorter than 64 KiB") + more;
        if let Some(field) = self.bytes.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// Why a request was refused (RFC 8489, section 14.8; RFC 8656, section 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    BadRequest,
    Unauthenticated,
    Forbidden,
    UnknownAttribute,
    AllocationMismatch,
    StaleNonce,
    AddressFamilyNotSupported,
    WrongCredentials,
    UnsupportedTransport,
    PeerAddressFamilyMismatch,
    AllocationQuotaReached,
    InsufficientCapacity,
}

impl ErrorCode {
    /// Hundreds, and the rest.
    const fn digits(self) -> [u8; 2] {
        match self {
            Self::BadRequest => [4, 0],
            Self::Unauthenticated => [4, 1],
            Self::Forbidden => [4, 3],
            Self::UnknownAttribute => [4, 20],
            Self::AllocationMismatch => [4, 37],
            Self::StaleNonce => [4, 38],
            Self::AddressFamilyNotSupported => [4, 40],
            Self::WrongCredentials => [4, 41],
            Self::UnsupportedTransport => [4, 42],
            Self::PeerAddressFamilyMismatch => [4, 43],
            Self::AllocationQuotaReached => [4, 86],
            Self::InsufficientCapacity => [5, 8],
        }
    }

    /// For people who look at packets; short, since answers must not outgrow requests by much.
    const fn reason(self) -> &'static str {
        match self {
            Self::BadRequest => "Bad Request",
            Self::Unauthenticated => "",
            Self::Forbidden => "Forbidden",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::StaleNonce => "",
            Self::AddressFamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::UnsupportedTransport => "Unsupported Transport Protocol",
            Self::PeerAddressFamilyMismatch => "Peer Address Family Mismatch",
            Self::AllocationQuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 5769, section 2.1.
    const WITH_FINGERPRINT: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e\
        207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68\
        367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
    /// RFC 5769, section 2.4.
    const LONG_TERM: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aa\
        e38383e382afe382b900000015001c662f2f3439396b393534643 64f4c33346f4c39465354767936347341\
        0014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
        let pairs = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]);
        pairs.map(|byte| u8::try_from(byte).unwrap()).collect()
    }

    fn key(password: &str) -> Key {
        let name = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
        Key::new(Md5::digest(format!("{name}:example.org:{password}")).into())
    }

    #[test]
    fn the_fingerprint_of_the_rfc_fits_and_no_other() {
        let mut sample = bytes(WITH_FINGERPRINT);
        let message = Message::parse(&sample).unwrap();
        assert_eq!(message.method(), Method::BINDING);
        assert_eq!(
            message.attribute(Attribute::USERNAME),
            Some(&b"evtj:h6vY"[..])
        );

        sample[40] ^= 1;
        assert_eq!(
            Message::parse(&sample).map(drop),
            Err(Malformed::Fingerprint)
        );
    }

    #[test]
    fn the_signature_of_the_rfc_fits_its_key_and_no_other() {
        let mut sample = bytes(LONG_TERM);
        let is_signed =
            |sample: &[u8], password| Message::parse(sample).unwrap().is_signed_by(&key(password));

        assert!(is_signed(&sample, "TheMatrIX"));
        assert!(!is_signed(&sample, "TheMatrix"));
        sample[30] ^= 1;
        assert!(!is_signed(&sample, "TheMatrIX"));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let transaction = TransactionId([9; 12]);
        let key = Key::new([3; 16]);
        let signed = Writer::new(Class::Request, Method::CHANNEL_BIND, transaction)
            .attribute(Attribute::REALM, b"roost")
            .sign(&key);
        let message = Message::parse(&signed).unwrap();

        assert_eq!(message.class(), Class::Request);
        assert_eq!(message.method(), Method::CHANNEL_BIND);
        assert_eq!(message.transaction(), transaction);
        assert_eq!(message.attribute(Attribute::REALM), Some(&b"roost"[..]));
        assert!(message.is_signed_by(&key));
        let sum = Writer::new(Class::Success, Method::BINDING, transaction).fingerprint();
        assert!(Message::parse(&sum).is_ok());
    }

    #[test]
    fn what_follows_the_signature_does_not_count() {
        let key = Key::new([3; 16]);
        let mut signed =
            Writer::new(Class::Request, Method::REFRESH, TransactionId([9; 12])).sign(&key);
        signed.extend([0, 0x0d, 0, 4, 0, 0, 0, 0]);
        let length = u16::try_from(signed.len() - HEADER_BYTES).unwrap();
        signed[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&signed).unwrap();

        assert!(message.is_signed_by(&key));
        assert_eq!(message.attribute(Attribute::LIFETIME), None);
    }

    #[test]
    fn a_message_with_too_many_attributes_is_refused() {
        let writer = |count: usize| {
            let first = Writer::new(Class::Request, Method::BINDING, TransactionId([9; 12]));
            (0..count).fold(first, |writer, _| {
                writer.attribute(Attribute::SOFTWARE, b"x")
            })
        };

        assert!(Message::parse(&writer(64).finish()).is_ok());
        assert_eq!(
            Message::parse(&writer(65).finish()).map(drop),
            Err(Malformed::Attribute)
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Message::parse(&bytes);
        }

        #[test]
        fn no_damage_to_a_message_panics(at in 0_usize..116, to in any::<u8>()) {
            let mut sample = bytes(LONG_TERM);
            sample[at] = to;
            if let Ok(message) = Message::parse(&sample) {
                let _ = message.attributes().count();
                let _ = message.is_signed_by(&Key::new([0; 16]));
            }
        }

        #[test]
        fn an_address_comes_back(ip in any::<[u8; 16]>(), short in any::<bool>(), port: u16) {
            let address = if short {
                let [a, b, c, d, ..] = ip;
                SocketAddr::from(([a, b, c, d], port))
            } else {
                SocketAddr::from((ip, port))
            };
            let transaction = TransactionId([5; 12]);
            let value = address::to_xor(address, transaction);
            prop_assert_eq!(address::from_xor(&value, transaction), Some(address));
        }
    }
}
