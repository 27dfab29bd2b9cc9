//! What a request asks for: its attributes, within their bounds.
//!
//! Owns defaults and the refusals of what is malformed. Knows no allocation.

use crate::address;
use crate::message::{Attribute, ErrorCode, Message, Method};
use std::net::SocketAddr;

/// RFC 8656, section 7.2.
const LIFETIME_SECONDS: u32 = 600;
pub(crate) const LIFETIME_SECONDS_MAX: u32 = 3_600;
/// REQUESTED-TRANSPORT (RFC 8656, section 18.7): the one protocol that is relayed.
const UDP: u8 = 17;
const FAMILY_IPV4: u8 = 1;
const FAMILY_IPV6: u8 = 2;

/// All peers a message names, by the address they really have; none if one is malformed.
pub(crate) fn peers(message: &Message<'_>) -> Option<Vec<SocketAddr>> {
    message
        .attributes()
        .filter(|&(kind, _)| kind == Attribute::XOR_PEER_ADDRESS)
        .map(|(_, value)| address::from_xor(value, message.transaction()))
        .collect()
}

/// Whether IPv6 is asked for.
pub(crate) fn requested_family(message: &Message<'_>) -> Result<bool, ErrorCode> {
    let transport = message.attribute(Attribute::REQUESTED_TRANSPORT);
    if message.method() == Method::ALLOCATE {
        match transport {
            Some(&[UDP, _, _, _]) => {}
            Some(&[_, _, _, _]) => return Err(ErrorCode::UnsupportedTransport),
            Some(_) | None => return Err(ErrorCode::BadRequest),
        }
    }
    match message.attribute(Attribute::REQUESTED_ADDRESS_FAMILY) {
        None | Some(&[FAMILY_IPV4, _, _, _]) => Ok(false),
        Some(&[FAMILY_IPV6, _, _, _]) => Ok(true),
        Some(_) => Err(ErrorCode::AddressFamilyNotSupported),
    }
}

/// How long an allocation is to live, within the bounds.
pub(crate) fn lifetime(message: &Message<'_>) -> u32 {
    let wanted = message
        .attribute(Attribute::LIFETIME)
        .and_then(|value| <[u8; 4]>::try_from(value).ok())
        .map_or(LIFETIME_SECONDS, u32::from_be_bytes);
    wanted.clamp(LIFETIME_SECONDS, LIFETIME_SECONDS_MAX)
}

/// The types that must be understood and are not, as UNKNOWN-ATTRIBUTES lists them.
pub(crate) fn unknown_attributes(message: &Message<'_>) -> Vec<u8> {
    let known = [
        Attribute::USERNAME,
        Attribute::MESSAGE_INTEGRITY,
        Attribute::CHANNEL_NUMBER,
        Attribute::LIFETIME,
        Attribute::XOR_PEER_ADDRESS,
        Attribute::REALM,
        Attribute::NONCE,
        Attribute::REQUESTED_ADDRESS_FAMILY,
        Attribute::EVEN_PORT,
        Attribute::REQUESTED_TRANSPORT,
    ];
    message
        .attributes()
        .map(|(kind, _)| kind)
        .filter(|kind| kind.must_be_understood() && !known.contains(kind))
        .flat_map(|kind| kind.0.to_be_bytes())
        .collect()
}
