//! Why bytes were refused at the door.

/// Bytes that are not what they claim to be. Says what was expected, never repeats the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("{what} ends early")]
    Short { what: &'static str },
    #[error("{what} is longer than {max} bytes")]
    Long { what: &'static str, max: usize },
    #[error("{what} is not valid")]
    Invalid { what: &'static str },
    #[error("{what} has bytes left over")]
    Trailing { what: &'static str },
}
