//! From what a person types to the person, conversation or message that is meant.

use crate::failure::Failure;
use crate::output::short;
use roost_client::content::MessageId;
use roost_client::view::{ConversationKind, ConversationView, DeviceView, PersonView};
use roost_wire::{AccountId, DeviceId, GroupId};

/// Digits of an id that may stand for the whole.
const PREFIX_DIGITS: usize = 6;

/// Whom `@NAME`, `NAME`, an id or the begin of one means.
///
/// # Errors
/// [`Failure::NotFound`] if nobody or several are meant.
pub fn person(people: &[PersonView], typed: &str) -> Result<AccountId, Failure> {
    let wanted = typed.strip_prefix('@').unwrap_or(typed);
    let found = one_of(wanted, people, |person| {
        (person.account.to_string(), folded(person.name.as_str()))
    });
    found
        .map(|person| person.account)
        .map_err(|found| complaint("person", typed, &found, "roost-cli people"))
}

/// Which conversation a group's name, `@NAME` or an id means. A person may have none yet.
///
/// # Errors
/// [`Failure::NotFound`] if none or several are meant.
pub fn conversation(
    conversations: &[ConversationView],
    people: &[PersonView],
    typed: &str,
) -> Result<Target, Failure> {
    if typed.starts_with('@') {
        let account = person(people, typed)?;
        let direct = conversations
            .iter()
            .find(|view| view.kind == ConversationKind::Direct(account));
        return Ok(direct.map_or(Target::Nobody(account), |view| Target::Group(view.id)));
    }
    let found = one_of(typed, conversations, |view| {
        let title = match view.kind {
            ConversationKind::Group => folded(&view.title),
            // Named by the person, with the @.
            ConversationKind::Direct(_) => String::new(),
        };
        (view.id.to_string(), title)
    });
    found
        .map(|view| Target::Group(view.id))
        .map_err(|found| complaint("group", typed, &found, "roost-cli groups"))
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Group(GroupId),
    /// A person with whom no conversation was started.
    Nobody(AccountId),
}

/// Which of these messages an id or the begin of one means.
///
/// # Errors
/// [`Failure::NotFound`] if none or several are meant.
pub fn message(ids: &[MessageId], typed: &str) -> Result<MessageId, Failure> {
    one_of(typed, ids, |id| (id.to_string(), String::new()))
        .copied()
        .map_err(|found| complaint("message", typed, &found, "roost-cli log"))
}

/// Which of the account's devices an id or the begin of one means.
///
/// # Errors
/// [`Failure::NotFound`] if none or several are meant.
pub fn device(devices: &[DeviceView], typed: &str) -> Result<DeviceId, Failure> {
    one_of(typed, devices, |view| {
        (view.device.to_string(), String::new())
    })
    .map(|view| view.device)
    .map_err(|found| complaint("device", typed, &found, "roost-cli devices"))
}

/// The one thing whose id, else whose name, else whose begin of id is `wanted`; or the ids of all.
fn one_of<'t, T>(
    wanted: &str,
    things: &'t [T],
    id_and_name: impl Fn(&T) -> (String, String),
) -> Result<&'t T, Vec<String>> {
    let name = folded(wanted);
    let named: Vec<_> = things
        .iter()
        .map(|thing| (thing, id_and_name(thing)))
        .collect();
    for way in [Way::Id, Way::Name, Way::Prefix] {
        let fits = |id: &str, named: &str| match way {
            Way::Id => id == wanted,
            Way::Name => !name.is_empty() && named == name,
            Way::Prefix => wanted.len() >= PREFIX_DIGITS && id.starts_with(wanted),
        };
        let found: Vec<_> = named
            .iter()
            .filter(|(_, (id, named))| fits(id, named))
            .collect();
        match found[..] {
            [] => {}
            [(only, _)] => return Ok(only),
            _ => return Err(found.into_iter().map(|(_, (id, _))| id.clone()).collect()),
        }
    }
    Err(Vec::new())
}

/// How something may be meant, the surest way first.
enum Way {
    Id,
    Name,
    Prefix,
}

/// Names are compared as the server compares them.
fn folded(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn complaint(what: &str, typed: &str, found: &[String], listing: &str) -> Failure {
    if found.is_empty() {
        return Failure::NotFound(format!("there is no {what} {typed:?}; see {listing}"));
    }
    let ids: Vec<String> = found.iter().map(|id| short(id)).collect();
    Failure::NotFound(format!(
        "{typed:?} may be any of {}; use the id",
        ids.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_client::view::Trust;
    use roost_wire::{AccountKey, DisplayName};

    fn somebody(id: u8, name: &str) -> PersonView {
        PersonView {
            account: AccountId::new([id; 16]),
            name: DisplayName::new(name).unwrap(),
            key: AccountKey::new([id; 32]),
            is_me: false,
            is_admin: false,
            trust: Trust::FirstSight,
            looks_like: None,
            direct: None,
        }
    }

    #[test]
    fn people_are_found_by_name_id_and_begin_of_id() {
        let people = [somebody(0xaa, "Ada Lovelace"), somebody(0xbb, "Ben")];

        for typed in [
            "@ada  lovelace",
            "Ada Lovelace",
            "@aaaaaa",
            &"aa".repeat(16),
        ] {
            assert_eq!(
                person(&people, typed).unwrap(),
                people[0].account,
                "{typed}"
            );
        }
        for typed in ["@cleo", "aaaaa", "", "@", "be"] {
            assert_eq!(person(&people, typed).unwrap_err().code(), 5, "{typed}");
        }
    }

    #[test]
    fn a_name_that_several_have_is_ambiguous_and_the_ids_are_told() {
        let people = [somebody(0xaa, "Ada"), somebody(0xbb, "ADA")];

        let error = person(&people, "@Ada").unwrap_err();

        assert_eq!(error.code(), 5);
        assert!(
            error.to_string().contains("aaaaaaaaaaaa, bbbbbbbbbbbb"),
            "{error}"
        );
    }

    #[test]
    fn a_whole_id_wins_over_a_name_that_imitates_it() {
        let real = somebody(0xaa, "Ada");
        let imitation = somebody(0xbb, &"aa".repeat(16));

        let found = person(&[imitation, real.clone()], &"aa".repeat(16)).unwrap();

        assert_eq!(found, real.account);
    }

    #[test]
    fn messages_are_found_by_the_begin_of_their_id() {
        let ids = [MessageId::new([1; 32]), MessageId::new([0x11; 32])];

        assert_eq!(message(&ids, "111111").unwrap(), ids[1]);
        assert_eq!(message(&ids, "0101010101").unwrap(), ids[0]);
        assert!(message(&ids, "0111").is_err());
    }
}
