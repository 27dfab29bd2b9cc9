//! What is inside an application message: the MIMI content format (draft-ietf-mimi-content-08) in
//! deterministic CBOR, and what a conversation makes of it.
//!
//! Owns the codec, its bounds, message ids, padding and the meaning of content. Never touches
//! keys, groups or storage: bytes in, values out, and back.

mod call;
mod canonical;
mod emoji;
mod error;
mod extension;
mod id;
mod item;
mod message;
mod padding;
mod part;
#[cfg(test)]
mod tests;
mod uri;

pub use call::{CallLine, CallOutcome};
pub use emoji::Emoji;
pub use error::ContentError;
pub use extension::{ExtensionKey, Extensions, Trail};
pub use id::MessageId;
pub use item::{Item, TEXT_BYTES};
pub use message::{Expiration, MimiContent};
pub use part::{Disposition, External, NestedPart, Part, Semantics};
pub use uri::{RoomUri, UserUri};

/// Nesting of parts, the outermost counted.
pub const PART_DEPTH: usize = 4;
/// Parts of one message, those that only contain others counted.
pub const PARTS: usize = 32;
/// Extensions of one message.
pub const EXTENSIONS: usize = 16;
/// Encoded value of one extension.
pub const EXTENSION_VALUE_BYTES: usize = 4096;
