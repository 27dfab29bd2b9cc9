//! What a worker's poll speaks of.

use mio::Token;

/// The kind is in the highest bits of a token, the rest says which one.
const KIND_SHIFT: u32 = usize::BITS - 3;
const WHICH: usize = (1 << KIND_SHIFT) - 1;

/// Something that can be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A socket that clients send to, by its number.
    Listener(usize),
    /// A socket that clients connect to, by its number.
    Door(usize),
    /// A relay: the number of its address and its port.
    Relay(usize, u16),
    /// A connection of a client, by its number.
    Stream(u64),
    /// Somebody else has something for this worker.
    Waker,
}

impl Source {
    #[must_use]
    pub fn token(self) -> Token {
        let (kind, which) = match self {
            Self::Waker => (0, 0),
            Self::Listener(number) => (1, number),
            Self::Door(number) => (2, number),
            Self::Relay(at, port) => (3, (at << u16::BITS) | usize::from(port)),
            // There are never so many that two share what is left of their numbers.
            Self::Stream(number) => (4, usize::try_from(number).unwrap_or(usize::MAX)),
        };
        Token((kind << KIND_SHIFT) | (which & WHICH))
    }

    #[must_use]
    pub fn of(token: Token) -> Self {
        let which = token.0 & WHICH;
        match token.0 >> KIND_SHIFT {
            1 => Self::Listener(which),
            2 => Self::Door(which),
            3 => {
                let port = u16::try_from(which & usize::from(u16::MAX)).unwrap_or_default();
                Self::Relay(which >> u16::BITS, port)
            }
            4 => Self::Stream(u64::try_from(which).unwrap_or_default()),
            _ => Self::Waker,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_was_made_of() {
        for source in [
            Source::Waker,
            Source::Listener(0),
            Source::Listener(1),
            Source::Door(1),
            Source::Relay(0, 1_024),
            Source::Relay(1, u16::MAX),
            Source::Stream(0),
            Source::Stream(1 << 40),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
