//! Errors of the services, split by what the caller can do.

use crate::telemetry::log::LogSafe;
use roost_mls::RuleError;
use roost_wire::{Epoch, Malformed, Seq};

/// The store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Store(#[from] roost_store::Error),
    #[error("a stored row cannot be read by this version")]
    Row,
    #[error("too many tries lost a race")]
    Contended,
}

/// What a store error means for who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing can be stored now; reading goes on.
    ReadOnly,
    /// It may have been stored or not.
    Unknown,
    TooLarge,
    /// Others were faster, more than once.
    Contended,
    /// A person should look.
    Fault,
}

impl StoreError {
    #[must_use]
    pub const fn trouble(&self) -> Trouble {
        use roost_store::Error;
        match self {
            Self::Store(Error::ReadOnly(_)) => Trouble::ReadOnly,
            Self::Store(Error::Unknown) => Trouble::Unknown,
            Self::Store(Error::TooLarge { .. }) => Trouble::TooLarge,
            Self::Store(Error::Conflict { .. }) | Self::Contended => Trouble::Contended,
            Self::Store(
                Error::NotACounter
                | Error::CounterOverflow
                | Error::Closed
                | Error::Locked { .. }
                | Error::Damaged { .. }
                | Error::NotEmpty
                | Error::Io { .. },
            )
            | Self::Row => Trouble::Fault,
        }
    }
}

/// Why an account, device or invite operation was refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("not signed in")]
    NotSignedIn,
    #[error("no such thing for this device")]
    NotFound,
    #[error("that name is taken")]
    NameTaken,
    #[error("that id is taken")]
    IdTaken,
    #[error("the signature does not fit")]
    Signature,
    #[error("the credential was refused")]
    Credential,
    #[error("the invite is over")]
    InviteOver,
    #[error("{0}")]
    Against(&'static str),
    #[error("a key package was refused: {0}")]
    Package(RuleError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a group operation was refused.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("no such group for this device")]
    NotFound,
    #[error("the group is at epoch {epoch}")]
    Stale { epoch: Epoch, head: Seq },
    #[error("the device is suspended until it rejoins")]
    Suspended,
    #[error("the group id is taken")]
    Taken,
    #[error("the cursor lies before the log's first entry")]
    Gone,
    #[error("{0}")]
    Against(&'static str),
    #[error("against the rules: {0}")]
    Rule(RuleError),
    /// The same bytes are being stored at this moment.
    #[error("already under way")]
    UnderWay,
    #[error("a message before this one was refused")]
    Behind,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<roost_store::Error> for DirectoryError {
    fn from(error: roost_store::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<roost_store::Error> for GroupError {
    fn from(error: roost_store::Error) -> Self {
        Self::Store(error.into())
    }
}

// Texts of these name rules, kinds of rows and files.
impl LogSafe for StoreError {}
impl LogSafe for DirectoryError {}
impl LogSafe for GroupError {}
