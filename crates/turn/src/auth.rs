//! Who may relay: credentials that expire and nonces that need no memory (RFC 8489, section 9.2).
//!
//! Owns the one secret of the server. A credential is made by the authenticated API and checked
//! here without a table: the password is a keyed hash of the name, and the name holds its own end.

use crate::message::Key;
use crate::time::Moment;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::IpAddr;
use zeroize::Zeroizing;

/// A nonce is taken this long; then the client is told a new one.
pub const NONCE_SECONDS: u32 = 3_600;
const NONCE_BYTES: usize = 24;
const PASSWORD_LABEL: &[u8] = b"roost turn password";
const NONCE_LABEL: &[u8] = b"roost turn nonce";

/// What the server knows and its clients do not.
pub struct Secret(Zeroizing<[u8; 32]>);

/// What a client shows to relay; good for what its name says.
pub struct Credential {
    /// `SECONDS:USER`: until when, and whose.
    pub username: String,
    pub password: Zeroizing<String>,
}

/// A user name that has the right form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Username<'a> {
    /// All of it, as in the message.
    pub full: &'a str,
    pub user: &'a str,
    until_seconds: u64,
}

impl<'a> Username<'a> {
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let full = std::str::from_utf8(value).ok()?;
        let (until, user) = full.split_once(':')?;
        let until_seconds = until.parse().ok()?;
        (!user.is_empty()).then_some(Self {
            full,
            user,
            until_seconds,
        })
    }

    #[must_use]
    pub const fn is_over(&self, now: Moment) -> bool {
        now.seconds() >= self.until_seconds
    }
}

impl Secret {
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// For `user` until then.
    #[must_use]
    pub fn credential(&self, user: &str, until: Moment) -> Credential {
        let username = format!("{}:{user}", until.seconds());
        let password = self.password(&username);
        Credential { username, password }
    }

    /// The key that signs what this user sends.
    #[must_use]
    pub fn key(&self, username: &str, realm: &str) -> Key {
        Key::long_term(username, realm, &self.password(username))
    }

    /// A fresh nonce for a client at this address.
    #[must_use]
    pub fn nonce(&self, client: IpAddr, now: Moment) -> String {
        let until = now.plus_seconds(NONCE_SECONDS).seconds();
        self.nonce_until(client, u32::try_from(until).unwrap_or(u32::MAX))
    }

    /// Whether a nonce is one that this address was given not too long ago.
    #[must_use]
    pub fn takes_nonce(&self, nonce: &[u8], client: IpAddr, now: Moment) -> bool {
        let until = std::str::from_utf8(nonce)
            .ok()
            .filter(|text| text.len() == NONCE_BYTES)
            .and_then(|text| text.get(..8))
            .and_then(|until| u32::from_str_radix(until, 16).ok());
        until.is_some_and(|until| {
            u64::from(until) > now.seconds() && self.nonce_until(client, until).as_bytes() == nonce
        })
    }

    fn nonce_until(&self, client: IpAddr, until: u32) -> String {
        let mut mac = self.mac(NONCE_LABEL);
        mac.update(&until.to_be_bytes());
        mac.update(client.to_string().as_bytes());
        let tag = mac.finalize().into_bytes();
        format!("{until:08x}{}", hex(tag.iter().take(8)))
    }

    fn password(&self, username: &str) -> Zeroizing<String> {
        let mut mac = self.mac(PASSWORD_LABEL);
        mac.update(username.as_bytes());
        let tag = mac.finalize().into_bytes();
        Zeroizing::new(hex(tag.iter().take(16)))
    }

    fn mac(&self, label: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&*self.0).expect("HMAC takes keys of any length");
        mac.update(label);
        mac
    }
}

fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
    const AWAY: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 8));

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_credential_names_its_user_and_its_end() {
        let credential = Secret::new([1; 32]).credential("ada/phone", at(500));
        let name = Username::parse(credential.username.as_bytes()).unwrap();

        assert_eq!(name.user, "ada/phone");
        assert!(!name.is_over(at(499)));
        assert!(name.is_over(at(500)));
    }

    #[test]
    fn another_end_has_another_password() {
        let secret = Secret::new([1; 32]);
        let [short, long] = [500, 5_000].map(|end| secret.credential("ada", at(end)));

        assert_ne!(short.password, long.password);
    }

    #[test]
    fn a_nonce_is_taken_from_its_address_until_its_end() {
        let secret = Secret::new([1; 32]);
        let nonce = secret.nonce(HOME, at(100));
        let takes = |client, now| secret.takes_nonce(nonce.as_bytes(), client, at(now));

        assert!(takes(HOME, 100 + 3_599));
        assert!(!takes(HOME, 100 + 3_600));
        assert!(!takes(AWAY, 100));
        assert!(!Secret::new([2; 32]).takes_nonce(nonce.as_bytes(), HOME, at(100)));
        assert!(!secret.takes_nonce("ffffffffähm, no, not that".as_bytes(), HOME, at(100)));
    }

    #[test]
    fn a_name_without_an_end_is_none() {
        for name in ["", ":", "5:", "ada", "ada:5", "-1:ada", "5"] {
            assert_eq!(Username::parse(name.as_bytes()), None, "{name}");
        }
    }
}
