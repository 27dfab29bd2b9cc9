//! Addresses inside messages: exclusive-or with what routers do not recognise (RFC 8489, 14.2).

use crate::message::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// The value of an attribute that names this address.
#[must_use]
pub fn to_xor(address: SocketAddr, transaction: TransactionId) -> Vec<u8> {
    let mask = mask(transaction);
    let mut value = vec![0];
    let port = address.port().to_be_bytes();
    match address.ip() {
        IpAddr::V4(ip) => {
            value.push(IPV4);
            value.extend(xor(port, &mask));
            value.extend(xor(ip.octets(), &mask));
        }
        IpAddr::V6(ip) => {
            value.push(IPV6);
            value.extend(xor(port, &mask));
            value.extend(xor(ip.octets(), &mask));
        }
    }
    value
}

/// The address an attribute names; none if it is malformed.
#[must_use]
pub fn from_xor(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let mask = mask(transaction);
    let (&[_, family, p0, p1], ip) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes(xor([p0, p1], &mask));
    let ip = match family {
        IPV4 => IpAddr::V4(Ipv4Addr::from(xor(<[u8; 4]>::try_from(ip).ok()?, &mask))),
        IPV6 => IpAddr::V6(Ipv6Addr::from(xor(<[u8; 16]>::try_from(ip).ok()?, &mask))),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn mask(transaction: TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    let bytes = MAGIC_COOKIE.iter().chain(&transaction.0);
    for (to, &from) in mask.iter_mut().zip(bytes) {
        *to = from;
    }
    mask
}

fn xor<const N: usize>(mut bytes: [u8; N], mask: &[u8; 16]) -> [u8; N] {
    for (byte, mask) in bytes.iter_mut().zip(mask) {
        *byte ^= mask;
    }
    bytes
}
