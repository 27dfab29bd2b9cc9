//! A request as data: what a shell must send, and how its answer reads. One implementation for
//! every endpoint, so that clients cannot disagree with the route table.

use crate::{Malformed, api};
use minicbor::{Decode, Encode};

/// HTTP methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A request type knows its method, its path and the type of its answer.
pub trait Call: Encode<()> {
    type Reply: for<'b> Decode<'b, ()>;

    const METHOD: Method;
    /// Whether a session token must go with it.
    const SIGNED_IN: bool = true;
    /// Largest answer, in bytes.
    const REPLY_BYTES: usize = crate::limit::BODY_BYTES;

    /// Path and query, from `/v1/` on.
    fn path(&self) -> String;

    /// The body; empty for GET and DELETE, whose parameters are in the path.
    fn body(&self) -> Vec<u8>
    where
        Self: Sized,
    {
        match Self::METHOD {
            Method::Get | Method::Delete => Vec::new(),
            Method::Post | Method::Put => api::encode(self),
        }
    }

    /// # Errors
    /// Refuses an answer that is not one whole value within [`Call::REPLY_BYTES`].
    fn reply(bytes: &[u8]) -> Result<Self::Reply, Malformed> {
        api::decode(bytes, "answer", Self::REPLY_BYTES)
    }
}
