//! What can go wrong inside a group: every failure has a name and is counted. What can be repaired
//! is, without the person.

use std::collections::BTreeMap;

/// A failure that was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A commit that the server accepted had to be refused here.
    CommitRefused,
    /// A message could not be decrypted.
    Undecryptable,
    /// A message claims another sender or conversation than its own.
    ForgedOrigin,
    /// A message's content is not of the agreed format.
    BadContent,
    /// A message of this device that it does not remember: a copy of the profile was in use.
    OwnMessageUnknown,
    /// An entry does not have the hash that the server gave.
    BadEntry,
    /// A sender's trail shows that entries are missing or differ.
    TrailBroken,
    /// The log no longer has entries that this device needs.
    LogGone,
    /// The group's state is damaged or behind: it is entered anew.
    StateLost,
    /// A commit that was merged here was taken back by the server.
    CommitVoided,
    /// A Welcome was refused: unknown, malformed, or for a group that exists.
    WelcomeRefused,
    /// The server sent something that is not of the protocol.
    BadAnswer,
    /// The server knows a newer state of this profile: this is a copy.
    ProfileCopied,
    /// The server lost part of its store.
    ServerRestored,
}

/// How often each failure was noticed since the core was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Troubles(BTreeMap<Trouble, u64>);

impl Troubles {
    pub(crate) fn count(&mut self, trouble: Trouble) {
        let count = self.0.entry(trouble).or_default();
        *count = count.saturating_add(1);
    }

    /// Failures by name, those that happened.
    pub fn iter(&self) -> impl Iterator<Item = (Trouble, u64)> + '_ {
        self.0.iter().map(|(trouble, count)| (*trouble, *count))
    }
}
