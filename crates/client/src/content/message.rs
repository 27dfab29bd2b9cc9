//! A message as draft-ietf-mimi-content-08 defines it, to and from bytes.

use super::canonical::Reader;
use super::part::Budget;
use super::{ContentError, Extensions, MessageId, NestedPart, RoomUri, UserUri};
use minicbor::{Encode, Encoder, encode};
use roost_wire::{api, limit};

const MEMBERS: u64 = 7;
const WHAT: &str = "content";

/// What one application message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MimiContent {
    /// Random; the same again when the same message has to be encrypted anew.
    pub salt: [u8; 16],
    /// The first message of what this one edits, deletes or takes back.
    pub replaces: Option<MessageId>,
    /// A thread of its own, or empty.
    pub topic_id: Vec<u8>,
    pub expires: Option<Expiration>,
    pub in_reply_to: Option<MessageId>,
    pub extensions: Extensions,
    pub body: NestedPart,
}

/// When a message is to disappear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiration {
    /// Whether `time` counts from the moment of reading.
    pub relative: bool,
    /// Seconds, since 1970 if not relative.
    pub time: u32,
}

impl MimiContent {
    /// Reads one whole message.
    ///
    /// # Errors
    /// Refuses what is beyond a bound, not of this format, or not in its one deterministic spelling.
    pub fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        if bytes.len() > limit::CONTENT_BYTES {
            return Err(ContentError::TooLarge);
        }
        let mut input = Reader::new(bytes);
        if input.array(WHAT)? != MEMBERS {
            return Err(ContentError::Invalid(WHAT));
        }
        let content = Self {
            salt: read_salt(&mut input)?,
            replaces: read_id(&mut input)?,
            topic_id: input.bytes("topic")?.to_vec(),
            expires: Expiration::read(&mut input)?,
            in_reply_to: read_id(&mut input)?,
            extensions: Extensions::read(&mut input)?,
            body: NestedPart::read(&mut input, &mut Budget::new())?,
        };
        input.end()?;
        Ok(content)
    }

    /// The bytes of this message, as they are, without padding.
    ///
    /// # Errors
    /// Refuses what [`MimiContent::decode`] would refuse.
    pub fn encode(&self) -> Result<Vec<u8>, ContentError> {
        let bytes = api::encode(self);
        if Self::decode(&bytes)? == *self {
            Ok(bytes)
        } else {
            Err(ContentError::Invalid(WHAT))
        }
    }

    /// Whether the message names the sender and the conversation it truly came from.
    ///
    /// # Errors
    /// [`ContentError::WrongOrigin`] if it names others, or none.
    pub fn check_origin(&self, sender: &UserUri, room: &RoomUri) -> Result<(), ContentError> {
        let claimed = (self.extensions.sender_uri(), self.extensions.room_uri());
        if claimed == (Some(&*sender.to_string()), Some(&*room.to_string())) {
            Ok(())
        } else {
            Err(ContentError::WrongOrigin)
        }
    }
}

impl Expiration {
    fn read(input: &mut Reader<'_>) -> Result<Option<Self>, ContentError> {
        const WHAT: &str = "expiration";
        if input.null() {
            return Ok(None);
        }
        if input.array(WHAT)? != 2 {
            return Err(ContentError::Invalid(WHAT));
        }
        Ok(Some(Self {
            relative: input.boolean(WHAT)?,
            time: input.unsigned(WHAT)?,
        }))
    }
}

fn read_salt(input: &mut Reader<'_>) -> Result<[u8; 16], ContentError> {
    const WHAT: &str = "salt";
    input
        .bytes(WHAT)?
        .try_into()
        .map_err(|_| ContentError::Invalid(WHAT))
}

fn read_id(input: &mut Reader<'_>) -> Result<Option<MessageId>, ContentError> {
    const WHAT: &str = "message id";
    if input.null() {
        return Ok(None);
    }
    MessageId::try_from(input.bytes(WHAT)?)
        .map(Some)
        .map_err(|_| ContentError::Invalid(WHAT))
}

impl<C> Encode<C> for MimiContent {
    fn encode<W: encode::Write>(
        &self,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        e.array(MEMBERS)?.bytes(&self.salt)?;
        self.replaces.encode(e, ctx)?;
        e.bytes(&self.topic_id)?;
        match self.expires {
            None => e.null()?.ok()?,
            Some(Expiration { relative, time }) => e.array(2)?.bool(relative)?.u32(time)?.ok()?,
        }
        self.in_reply_to.encode(e, ctx)?;
        self.extensions.encode(e, ctx)?;
        self.body.encode(e, ctx)
    }
}
