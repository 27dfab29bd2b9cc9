//! Why content was refused.

/// Content that is not what it claims to be, or is beyond a bound. Never repeats the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Larger than [`roost_wire::limit::CONTENT_BYTES`], padding included.
    #[error("the content is larger than 60 KiB")]
    TooLarge,
    /// Parts nested deeper than [`super::PART_DEPTH`].
    #[error("the parts are nested too deeply")]
    TooDeep,
    /// More parts than [`super::PARTS`], containers included.
    #[error("the content has too many parts")]
    TooManyParts,
    /// More extensions than [`super::EXTENSIONS`].
    #[error("the content has too many extensions")]
    TooManyExtensions,
    #[error("the content ends early")]
    Short,
    #[error("the content has bytes left over")]
    Trailing,
    /// Understood, but not in the one permitted spelling (RFC 8949, section 4.2).
    #[error("the content is not deterministic CBOR")]
    NotCanonical,
    /// Well formed, but not what the format asks for in this place.
    #[error("{0} is not valid")]
    Invalid(&'static str),
    /// Names another sender or conversation than the one it came from.
    #[error("the content claims another sender or conversation")]
    WrongOrigin,
}
