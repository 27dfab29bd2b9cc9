//! Service errors as answers: one exhaustive match per error. Internals never leave here.

use crate::http::extract::Response;
use crate::service::MediaError;
use crate::service::error::{DirectoryError, GroupError, StoreError, Trouble};
use crate::telemetry::log;
use minicbor::Encode;
use roost_wire::{ApiError, ErrorCode, Malformed, api};

/// Why a handler did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub ApiError);

/// What a handler gives back.
pub type Reply<T> = Result<T, Refusal>;

impl Response {
    /// The answer to a reply of a handler.
    #[must_use]
    pub fn of<T: Encode<()>>(reply: Reply<T>) -> Self {
        match reply {
            Ok(value) => Self {
                status: 200,
                body: api::encode(&value),
            },
            Err(Refusal(error)) => Self {
                status: error.code.status(),
                body: api::encode(&error),
            },
        }
    }
}

fn refusal(code: ErrorCode, message: &str) -> Refusal {
    Refusal(ApiError::new(code, message))
}

impl Refusal {
    /// "Not yours" and "not there".
    #[must_use]
    pub fn not_found() -> Self {
        refusal(ErrorCode::NotFound, "There is no such thing here for you.")
    }

    #[must_use]
    pub fn not_signed_in() -> Self {
        refusal(ErrorCode::NotSignedIn, "Sign in and try again.")
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Malformed> for Refusal {
    fn from(error: Malformed) -> Self {
        let code = match error {
            Malformed::Long { .. } => ErrorCode::TooLarge,
            Malformed::Short { .. } | Malformed::Invalid { .. } | Malformed::Trailing { .. } => {
                ErrorCode::Malformed
            }
        };
        refusal(code, &format!("The request was not understood: {error}."))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error.trouble() {
            Trouble::ReadOnly => refusal(
                ErrorCode::ReadOnly,
                "The server's disk is full: it stores nothing new until its operator makes room. \
                 Reading goes on.",
            ),
            Trouble::Unknown => refusal(
                ErrorCode::Unknown,
                "It is not known whether this was stored; send it again unchanged.",
            ),
            Trouble::TooLarge => refusal(
                ErrorCode::TooLarge,
                "This is more than the server can store.",
            ),
            Trouble::Contended => refusal(
                ErrorCode::Unknown,
                "Others changed the same thing at the same moment; try again.",
            ),
            Trouble::Fault => {
                log::store_fault(&error);
                refusal(
                    ErrorCode::Internal,
                    "The server has a fault; try again later.",
                )
            }
        }
    }
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Malformed(error) => error.into(),
            DirectoryError::NotSignedIn => Self::not_signed_in(),
            DirectoryError::NotFound => Self::not_found(),
            DirectoryError::NameTaken => refusal(
                ErrorCode::Taken,
                "Somebody here has that name already; choose another.",
            ),
            DirectoryError::IdTaken => {
                refusal(ErrorCode::Taken, "That id is taken; choose another.")
            }
            DirectoryError::Signature => refusal(
                ErrorCode::Refused,
                "The signature does not fit the request.",
            ),
            DirectoryError::Credential => refusal(
                ErrorCode::Refused,
                "The credential is not valid here: wrong server, time or account key.",
            ),
            DirectoryError::InviteOver => refusal(
                ErrorCode::InviteOver,
                "This invite was used up, withdrawn or has expired; ask for a new one. Who was removed \
                 from a group must be added by somebody in it.",
            ),
            DirectoryError::Against(why) => refusal(ErrorCode::Refused, why),
            DirectoryError::Package(error) => refusal(
                ErrorCode::Refused,
                &format!("A key package was refused: {error}."),
            ),
            DirectoryError::Store(error) => error.into(),
        }
    }
}

impl From<GroupError> for Refusal {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Malformed(error) => error.into(),
            GroupError::NotFound => Self::not_found(),
            GroupError::Stale { epoch, head } => Self(ApiError::stale(epoch, head)),
            GroupError::Suspended => refusal(
                ErrorCode::Suspended,
                "The others could not follow this device's last change; it must rejoin the group.",
            ),
            GroupError::Taken => {
                refusal(ErrorCode::Taken, "That group id is taken; choose another.")
            }
            GroupError::Gone => refusal(
                ErrorCode::Gone,
                "The messages after that place are no longer kept; rejoin the group.",
            ),
            GroupError::Against(why) => refusal(ErrorCode::Refused, why),
            GroupError::Rule(error) => refusal(
                ErrorCode::Refused,
                &format!("Against the rules of the group: {error}."),
            ),
            GroupError::UnderWay => refusal(
                ErrorCode::Unknown,
                "This is being stored at this moment; send it again unchanged.",
            ),
            GroupError::Behind => refusal(
                ErrorCode::Unknown,
                "A message before this one was refused; follow the group, then send both again.",
            ),
            GroupError::Store(error) => error.into(),
        }
    }
}

impl From<MediaError> for Refusal {
    fn from(error: MediaError) -> Self {
        match error {
            MediaError::None => refusal(
                ErrorCode::Refused,
                "This server forwards no calls. Whoever runs it can switch that on: calls.udp in \
                 roost.toml.",
            ),
            MediaError::Group(error) => error.into(),
            MediaError::Busy => Self(ApiError::too_many(
                "The server forwards as much as it can; try again in a moment.",
                1,
            )),
            MediaError::Full => refusal(
                ErrorCode::Refused,
                "The call is full; ask somebody to leave it, or listen in later.",
            ),
            MediaError::Offer => refusal(
                ErrorCode::Refused,
                "The server cannot use this offer: sound and pictures only, by Opus and VP8.",
            ),
            MediaError::Gone => refusal(ErrorCode::Gone, "That connection is over; connect anew."),
        }
    }
}
