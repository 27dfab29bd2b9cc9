//! How a command can fail, and the exit codes scripts may rely on.

use crate::driver::DriverError;
use crate::tls::BadAuthority;
use crate::transport_http::Trouble;
use crate::vault::VaultError;

/// Why a command did not do what it was told; a sentence for the person.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Something went wrong on this machine.
    #[error("{0}")]
    Broken(String),
    /// The arguments make no sense.
    #[error("{0}")]
    Usage(String),
    /// The server, or the rules of the group, said no.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreachable(String),
    /// Nobody and nothing has this name, or several have.
    #[error("{0}")]
    NotFound(String),
    #[error(
        "another roost-cli is using this home; wait for it to end, or give this one another --home"
    )]
    Busy,
    /// Nobody reads the output any more.
    #[error("the output was closed")]
    Closed,
}

impl Failure {
    /// 1 failure, 2 usage, 3 refused, 4 not reachable, 5 not found or ambiguous, 6 home in use.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Broken(_) | Self::Closed => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Unreachable(_) => 4,
            Self::NotFound(_) => 5,
            Self::Busy => 6,
        }
    }

    /// The failure that another process reported by its code.
    #[must_use]
    pub fn from_code(code: u8, message: String) -> Self {
        match code {
            2 => Self::Usage(message),
            3 => Self::Refused(message),
            4 => Self::Unreachable(message),
            5 => Self::NotFound(message),
            6 => Self::Busy,
            _ => Self::Broken(message),
        }
    }
}

impl From<DriverError> for Failure {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::Transport(_) | DriverError::Slow => Self::Unreachable(error.to_string()),
            DriverError::Vault(_) | DriverError::Open(_) => Self::Broken(error.to_string()),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Unreachable(trouble.to_string())
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<BadAuthority> for Failure {
    fn from(error: BadAuthority) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::Closed;
        }
        Self::Broken(error.to_string())
    }
}
