//! Invite links: `https://HOST/i/<invite>#<secret>[.<inviter>[.<group name>]]`, and the links of
//! calls for guests: `https://HOST/c/<invite>#<secret>`.
//!
//! Everything after `#` stays in the browser: the secret that proves the invite, the fingerprint
//! of the inviter's account key, and the group's name.

use crate::{AccountKey, InviteId, Malformed, text};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};

const WHAT: Malformed = Malformed::Invalid {
    what: "invite link",
};
const LINK_BYTES: usize = 1024;
const GROUP_NAME_BYTES: usize = 160;

/// First 16 bytes of the SHA-256 of the inviter's account key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct InviterPrint(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl InviterPrint {
    #[must_use]
    pub fn of(key: &AccountKey) -> Self {
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut short = [0; 16];
        short
            .iter_mut()
            .zip(digest)
            .for_each(|(to, from)| *to = from);
        Self(short)
    }
}

/// An invite link, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteLink {
    /// `https://host[:port]`, without a path.
    pub origin: String,
    pub invite: InviteId,
    /// Yields the invite's Ed25519 key; never sent to the server.
    pub secret: [u8; 16],
    pub inviter: Option<InviterPrint>,
    pub group_name: Option<String>,
}

impl InviteLink {
    /// # Errors
    /// Refuses what is not a whole invite link, and one of more than 1 KiB.
    pub fn parse(link: &str) -> Result<Self, Malformed> {
        let (origin, invite, fragment) = taken_apart(link, "/i/")?;
        let mut parts = fragment.splitn(3, '.');
        Ok(Self {
            origin,
            invite,
            secret: sixteen(parts.next())?.ok_or(WHAT)?,
            inviter: sixteen(parts.next())?.map(InviterPrint),
            group_name: parts.next().map(group_name).transpose()?,
        })
    }
}

impl std::fmt::Display for InviteLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, secret) = (
            text::base64url(self.invite.as_bytes()),
            text::base64url(&self.secret),
        );
        write!(f, "{}/i/{id}#{secret}", self.origin)?;
        if self.inviter.is_some() || self.group_name.is_some() {
            write!(
                f,
                ".{}",
                self.inviter
                    .map(|print| text::base64url(&print.0))
                    .unwrap_or_default()
            )?;
        }
        match &self.group_name {
            Some(name) => write!(f, ".{}", text::base64url(name.as_bytes())),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InviteLink({}/i/…)", self.origin)
    }
}

/// The link by which guests come to the calls of a conversation, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct CallLink {
    /// `https://host[:port]`, without a path.
    pub origin: String,
    pub invite: InviteId,
    /// Proves the invite, seals what guests say of themselves, and shows a guest that whoever lets
    /// it in has the link too; never sent to the server.
    pub secret: [u8; 16],
}

impl CallLink {
    /// # Errors
    /// Refuses what is not a whole link of a call, and one of more than 1 KiB.
    pub fn parse(link: &str) -> Result<Self, Malformed> {
        let (origin, invite, fragment) = taken_apart(link, "/c/")?;
        Ok(Self {
            origin,
            invite,
            secret: sixteen(Some(fragment))?.ok_or(WHAT)?,
        })
    }
}

impl std::fmt::Display for CallLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (id, secret) = (
            text::base64url(self.invite.as_bytes()),
            text::base64url(&self.secret),
        );
        write!(f, "{}/c/{id}#{secret}", self.origin)
    }
}

impl std::fmt::Debug for CallLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallLink({}/c/…)", self.origin)
    }
}

/// Origin, invite and fragment of a link.
fn taken_apart<'a>(link: &'a str, path: &str) -> Result<(String, InviteId, &'a str), Malformed> {
    if link.len() > LINK_BYTES {
        return Err(Malformed::Long {
            what: "invite link",
            max: LINK_BYTES,
        });
    }
    let (place, fragment) = link.trim().split_once('#').ok_or(WHAT)?;
    let (origin, id) = place.split_once(path).ok_or(WHAT)?;
    let host = origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
        .ok_or(WHAT)?;
    if host.is_empty() || host.contains(['/', '?', '@', ' ']) {
        return Err(WHAT);
    }
    let invite = InviteId::try_from(&text::unbase64url(id, 16)?[..])?;
    Ok((origin.to_owned(), invite, fragment))
}

fn sixteen(part: Option<&str>) -> Result<Option<[u8; 16]>, Malformed> {
    match part {
        None | Some("") => Ok(None),
        Some(part) => text::unbase64url(part, 16)?
            .try_into()
            .map(Some)
            .map_err(|_| WHAT),
    }
}

fn group_name(part: &str) -> Result<String, Malformed> {
    String::from_utf8(text::unbase64url(part, GROUP_NAME_BYTES)?).map_err(|_| WHAT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn link() -> InviteLink {
        InviteLink {
            origin: "https://roost.example:8443".into(),
            invite: InviteId::new([1; 16]),
            secret: [2; 16],
            inviter: Some(InviterPrint::of(&AccountKey::new([3; 32]))),
            group_name: Some("Sunday hikers".into()),
        }
    }

    #[test]
    fn links_round_trip_with_and_without_their_optional_parts() {
        let operator = InviteLink {
            inviter: None,
            group_name: None,
            ..link()
        };
        let named = InviteLink {
            inviter: None,
            ..link()
        };

        for link in [link(), operator, named] {
            assert_eq!(InviteLink::parse(&link.to_string()).unwrap(), link);
        }
    }

    #[test]
    fn a_link_without_its_secret_is_refused() {
        let whole = link().to_string();
        let (place, _) = whole.split_once('#').unwrap();

        assert!(InviteLink::parse(place).is_err());
        assert!(InviteLink::parse(&format!("{place}#")).is_err());
    }

    #[test]
    fn links_of_calls_round_trip_and_are_no_invitations() {
        let link = CallLink {
            origin: "https://roost.example:8443".into(),
            invite: InviteId::new([1; 16]),
            secret: [2; 16],
        };
        let text = link.to_string();

        assert_eq!(CallLink::parse(&text).unwrap(), link);
        assert!(InviteLink::parse(&text).is_err());
        let (place, _) = text.split_once('#').unwrap();
        assert!(CallLink::parse(&format!("{place}#")).is_err());
        assert!(!format!("{link:?}").contains(&text::base64url(&[2; 16])));
    }

    #[test]
    fn the_secret_does_not_print_by_debug() {
        assert!(!format!("{:?}", link()).contains(&text::base64url(&[2; 16])));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = InviteLink::parse(&text);
            let _ = InviteLink::parse(&format!("https://x/i/{text}#{text}"));
            let _ = CallLink::parse(&format!("https://x/c/{text}#{text}"));
        }
    }
}
