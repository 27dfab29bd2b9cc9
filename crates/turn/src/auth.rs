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
/// Of a name: what makes it another one each time, and whose it is.
const DICE_BYTES: usize = 8;
const HOLDER_BYTES: usize = 8;
const PASSWORD_LABEL: &[u8] = b"roost turn password";
const HOLDER_LABEL: &[u8] = b"roost turn holder";
const NAME_LABEL: &[u8] = b"roost turn name";
const NONCE_LABEL: &[u8] = b"roost turn nonce";

/// What the server knows and its clients do not.
pub struct Secret(Zeroizing<[u8; 32]>);

/// Who is given credentials: all of one holder share their limits. Known to the server alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder([u8; HOLDER_BYTES]);

/// What a client shows to relay; good for what its name says.
pub struct Credential {
    /// `SECONDS:NAME`: until when, and whose, which only the server can read: names are sent in clear,
    /// and nobody on the way can tell which of them are of the same holder.
    pub username: String,
    pub password: Zeroizing<String>,
}

/// A user name that has the right form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Username<'a> {
    /// All of it, as in the message.
    pub full: &'a str,
    dice: [u8; DICE_BYTES],
    sealed: [u8; HOLDER_BYTES],
    until_seconds: u64,
}

impl<'a> Username<'a> {
    #[must_use]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let full = std::str::from_utf8(value).ok()?;
        let (until, name) = full.split_once(':')?;
        let (dice, sealed) = name.split_at_checked(2 * DICE_BYTES)?;
        Some(Self {
            full,
            dice: unhex(dice)?,
            sealed: unhex(sealed)?,
            until_seconds: until.parse().ok()?,
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

    /// Whoever this stands for: an account.
    #[must_use]
    pub fn holder(&self, of: &[u8]) -> Holder {
        Holder(self.tag(HOLDER_LABEL, of))
    }

    /// For this holder until then, with a name of fresh random bytes.
    #[must_use]
    pub fn credential(&self, holder: Holder, dice: [u8; DICE_BYTES], until: Moment) -> Credential {
        let sealed = self.seal(dice, holder.0);
        let name = hex(dice.iter().chain(&sealed));
        let username = format!("{}:{name}", until.seconds());
        let password = self.password(&username);
        Credential { username, password }
    }

    /// Whose a name is; of a name that was not given out, nobody's.
    #[must_use]
    pub fn holder_of(&self, name: &Username<'_>) -> Holder {
        Holder(self.seal(name.dice, name.sealed))
    }

    /// The key that signs what whoever has this name sends.
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

    /// Twice gives what was sealed. Who changes it has a name without a password.
    fn seal(&self, dice: [u8; DICE_BYTES], mut holder: [u8; HOLDER_BYTES]) -> [u8; HOLDER_BYTES] {
        let pad = self.tag(NAME_LABEL, &dice);
        holder
            .iter_mut()
            .zip(pad)
            .for_each(|(byte, pad)| *byte ^= pad);
        holder
    }

    fn tag(&self, label: &[u8], of: &[u8]) -> [u8; HOLDER_BYTES] {
        let mut mac = self.mac(label);
        mac.update(of);
        let whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut tag = [0; HOLDER_BYTES];
        tag.iter_mut().zip(whole).for_each(|(byte, it)| *byte = it);
        tag
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

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    let mut bytes = [0; N];
    for byte in &mut bytes {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    digits.next().is_none().then_some(bytes)
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
    fn a_credential_names_its_holder_to_the_server_and_its_end() {
        let secret = Secret::new([1; 32]);
        let holder = secret.holder(b"ada");
        let credential = secret.credential(holder, [2; 8], at(500));
        let name = Username::parse(credential.username.as_bytes()).unwrap();

        assert_eq!(secret.holder_of(&name), holder);
        assert_ne!(secret.holder(b"ben"), holder);
        assert!(!name.is_over(at(499)));
        assert!(name.is_over(at(500)));
    }

    #[test]
    fn names_of_one_holder_have_nothing_in_common() {
        let secret = Secret::new([1; 32]);
        let names = [[2; 8], [3; 8]].map(|dice| {
            let credential = secret.credential(secret.holder(b"ada"), dice, at(500));
            let name = Username::parse(credential.username.as_bytes()).unwrap();
            assert_ne!(name.sealed, secret.holder(b"ada").0);
            name.sealed
        });

        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn another_end_has_another_password() {
        let secret = Secret::new([1; 32]);
        let ada = secret.holder(b"ada");
        let [short, long] = [500, 5_000].map(|end| secret.credential(ada, [2; 8], at(end)));

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
    fn a_name_of_another_form_is_none() {
        let long = format!("5:{}", "a".repeat(34));
        let late = format!("-1:{}", "a".repeat(32));
        let odd = format!("5:{}g", "a".repeat(31));
        for name in [
            "",
            ":",
            "5:",
            "ada",
            "ada:5",
            "5",
            "5:äöüäöüäöü",
            &long,
            &late,
            &odd,
        ] {
            assert_eq!(Username::parse(name.as_bytes()), None, "{name}");
        }
    }
}
