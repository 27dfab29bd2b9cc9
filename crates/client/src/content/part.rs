//! The body of a message: one part, or parts within parts.

use super::canonical::Reader;
use super::{ContentError, PART_DEPTH, PARTS};
use minicbor::{Encode, Encoder, encode};

const MEMBERS_BEFORE_PART: u64 = 2;
const WHAT: ContentError = ContentError::Invalid("part");

/// A part with what it is for and its language (draft-ietf-mimi-content-08, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NestedPart {
    pub disposition: Disposition,
    /// A language tag (RFC 5646), or nothing.
    pub language: String,
    pub part: Part,
}

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    Unspecified,
    /// To be shown.
    Render,
    /// To be shown beside the message it reacts to.
    Reaction,
    /// About the sender or the conversation.
    Profile,
    Inline,
    Icon,
    Attachment,
    /// Joins a call.
    Session,
    Preview,
    /// 9 to 255: not known here, kept.
    Other(u8),
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Nothing: deletes what the message replaces.
    Null,
    Single {
        content_type: String,
        content: Vec<u8>,
    },
    External(Box<External>),
    /// Two parts or more.
    Multi {
        semantics: Semantics,
        parts: Vec<NestedPart>,
    },
}

/// Encrypted content kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct External {
    pub content_type: String,
    pub url: String,
    /// Seconds since 1970, or 0.
    pub expires: u32,
    /// Length in bytes, or 0.
    pub size: u64,
    /// AEAD algorithm (IANA), or 0.
    pub encryption: u16,
    pub key: Vec<u8>,
    pub nonce: Vec<u8>,
    pub aad: Vec<u8>,
    /// Named-information hash algorithm (RFC 6920), or 0.
    pub hash_algorithm: u8,
    pub hash: Vec<u8>,
    pub description: String,
    pub filename: String,
}

/// How a receiver treats the parts of a multipart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// Take the one understood best.
    ChooseOne,
    /// Take all together.
    SingleUnit,
    /// Take each for itself.
    ProcessAll,
}

impl Disposition {
    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Unspecified,
            1 => Self::Render,
            2 => Self::Reaction,
            3 => Self::Profile,
            4 => Self::Inline,
            5 => Self::Icon,
            6 => Self::Attachment,
            7 => Self::Session,
            8 => Self::Preview,
            other => Self::Other(other),
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Render => 1,
            Self::Reaction => 2,
            Self::Profile => 3,
            Self::Inline => 4,
            Self::Icon => 5,
            Self::Attachment => 6,
            Self::Session => 7,
            Self::Preview => 8,
            Self::Other(code) => code,
        }
    }
}

impl Part {
    /// Members of the array after disposition and language, and the number that tells the kinds apart.
    const fn shape(&self) -> (u64, u8) {
        match self {
            Self::Null => (1, 0),
            Self::Single { .. } => (3, 1),
            Self::External(_) => (13, 2),
            Self::Multi { .. } => (3, 3),
        }
    }
}

/// How much nesting and how many parts may still come.
pub(super) struct Budget {
    depth: usize,
    parts: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self {
            depth: PART_DEPTH,
            parts: PARTS,
        }
    }
}

impl NestedPart {
    pub(super) fn read(input: &mut Reader<'_>, budget: &mut Budget) -> Result<Self, ContentError> {
        budget.depth = budget.depth.checked_sub(1).ok_or(ContentError::TooDeep)?;
        budget.parts = budget
            .parts
            .checked_sub(1)
            .ok_or(ContentError::TooManyParts)?;
        let members = input.array("part")?;
        let disposition = Disposition::from_code(input.unsigned("disposition")?);
        let language = input.text("language")?.to_owned();
        let part = match input.unsigned::<u8>("cardinality")? {
            0 => Part::Null,
            1 => read_single(input)?,
            2 => read_external(input)?,
            3 => read_multi(input, budget)?,
            _ => return Err(ContentError::Invalid("cardinality")),
        };
        budget.depth = budget.depth.saturating_add(1);
        if members != MEMBERS_BEFORE_PART + part.shape().0 {
            return Err(WHAT);
        }
        Ok(Self {
            disposition,
            language,
            part,
        })
    }
}

fn read_single(input: &mut Reader<'_>) -> Result<Part, ContentError> {
    Ok(Part::Single {
        content_type: input.text("content type")?.to_owned(),
        content: input.bytes("content")?.to_vec(),
    })
}

fn read_external(input: &mut Reader<'_>) -> Result<Part, ContentError> {
    Ok(Part::External(Box::new(External {
        content_type: input.text("content type")?.to_owned(),
        url: input.text("URL")?.to_owned(),
        expires: input.unsigned("expiry")?,
        size: input.unsigned("size")?,
        encryption: input.unsigned("encryption algorithm")?,
        key: input.bytes("key")?.to_vec(),
        nonce: input.bytes("nonce")?.to_vec(),
        aad: input.bytes("associated data")?.to_vec(),
        hash_algorithm: input.unsigned("hash algorithm")?,
        hash: input.bytes("hash")?.to_vec(),
        description: input.text("description")?.to_owned(),
        filename: input.text("file name")?.to_owned(),
    })))
}

fn read_multi(input: &mut Reader<'_>, budget: &mut Budget) -> Result<Part, ContentError> {
    let semantics = match input.unsigned::<u8>("part semantics")? {
        0 => Semantics::ChooseOne,
        1 => Semantics::SingleUnit,
        2 => Semantics::ProcessAll,
        _ => return Err(ContentError::Invalid("part semantics")),
    };
    let count = input.array("parts")?;
    if count < 2 {
        return Err(WHAT);
    }
    let mut parts = Vec::new();
    for _ in 0..count {
        parts.push(NestedPart::read(input, budget)?);
    }
    Ok(Part::Multi { semantics, parts })
}

impl<C> Encode<C> for NestedPart {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let (members, cardinality) = self.part.shape();
        e.array(MEMBERS_BEFORE_PART + members)?
            .u8(self.disposition.code())?
            .str(&self.language)?
            .u8(cardinality)?;
        match &self.part {
            Part::Null => Ok(()),
            Part::Single {
                content_type,
                content,
            } => e.str(content_type)?.bytes(content)?.ok(),
            Part::External(external) => external.encode(e, ctx),
            Part::Multi { semantics, parts } => {
                e.u8(match semantics {
                    Semantics::ChooseOne => 0,
                    Semantics::SingleUnit => 1,
                    Semantics::ProcessAll => 2,
                })?;
                parts.encode(e, ctx)
            }
        }
    }
}

impl<C> Encode<C> for External {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.str(&self.content_type)?
            .str(&self.url)?
            .u32(self.expires)?
            .u64(self.size)?
            .u16(self.encryption)?
            .bytes(&self.key)?
            .bytes(&self.nonce)?
            .bytes(&self.aad)?
            .u8(self.hash_algorithm)?
            .bytes(&self.hash)?
            .str(&self.description)?
            .str(&self.filename)?
            .ok()
    }
}
