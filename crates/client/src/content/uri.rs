//! Names of people and conversations inside credentials and content.

use roost_wire::{AccountId, GroupId, Malformed, ServerId};
use std::str::FromStr;

const SCHEME: &str = "mimi://";

/// A person: `mimi://<server>/u/<account>`, both in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserUri {
    pub server: ServerId,
    pub account: AccountId,
}

/// A conversation: `mimi://<server>/r/<group>`, both in lower-case hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomUri {
    pub server: ServerId,
    pub group: GroupId,
}

impl std::fmt::Display for UserUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}{}/u/{}", self.server, self.account)
    }
}

impl std::fmt::Display for RoomUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{SCHEME}{}/r/{}", self.server, self.group)
    }
}

impl FromStr for UserUri {
    type Err = Malformed;

    fn from_str(uri: &str) -> Result<Self, Malformed> {
        let (server, account) = take_apart(uri, "/u/", "user URI")?;
        Ok(Self { server, account })
    }
}

impl FromStr for RoomUri {
    type Err = Malformed;

    fn from_str(uri: &str) -> Result<Self, Malformed> {
        let (server, group) = take_apart(uri, "/r/", "room URI")?;
        Ok(Self { server, group })
    }
}

fn take_apart<Id: FromStr>(
    uri: &str,
    kind: &str,
    what: &'static str,
) -> Result<(ServerId, Id), Malformed> {
    let (server, id) = uri
        .strip_prefix(SCHEME)
        .and_then(|place| place.split_once(kind))
        .ok_or(Malformed::Invalid { what })?;
    let server = server.parse().map_err(|_| Malformed::Invalid { what })?;
    let id = id.parse().map_err(|_| Malformed::Invalid { what })?;
    Ok((server, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_have_one_spelling() {
        let user = UserUri {
            server: ServerId::new([0xab; 16]),
            account: AccountId::new([1; 16]),
        };
        let room = RoomUri {
            server: ServerId::new([0xab; 16]),
            group: GroupId::new([2; 16]),
        };

        assert_eq!(user.to_string().parse(), Ok(user));
        assert_eq!(room.to_string().parse(), Ok(room));
        assert!(user.to_string().parse::<RoomUri>().is_err());
        assert!(user.to_string().to_uppercase().parse::<UserUri>().is_err());
        assert!(format!("{user}/x").parse::<UserUri>().is_err());
        assert!("mimi://example.com/u/bob".parse::<UserUri>().is_err());
    }
}
