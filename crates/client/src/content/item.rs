//! What a conversation understands of content.

use super::{
    CallLine, ContentError, Disposition, Emoji, Extensions, MessageId, MimiContent, NestedPart,
    Part, RoomUri, Semantics, UserUri,
};
use roost_wire::{DisplayName, limit};

/// Sent with every text; receivers render a safe subset of it.
const MARKDOWN: &str = "text/markdown;variant=GFM-MIMI";
const PLAIN: &str = "text/plain;charset=utf-8";
/// Ours: UTF-8 text, the name of the conversation from here on.
const ROOM_NAME: &str = "application/vnd.roost.room-name";
/// Length of a text in bytes: leaves room for its envelope within [`limit::CONTENT_BYTES`].
pub const TEXT_BYTES: usize = limit::CONTENT_BYTES - 1024;

/// One thing said or done in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A text, in CommonMark, perhaps in answer to any earlier message.
    Text {
        text: String,
        reply_to: Option<MessageId>,
    },
    Reaction {
        target: MessageId,
        emoji: Emoji,
    },
    /// Takes back the sender's own `reaction` to `target`.
    Unreact {
        reaction: MessageId,
        target: Option<MessageId>,
    },
    /// New words for the sender's own message.
    Edit {
        target: MessageId,
        text: String,
    },
    /// Takes back the sender's own message.
    Delete {
        target: MessageId,
    },
    RoomName {
        name: DisplayName,
    },
    /// A call of the sender's is over.
    Call(CallLine),
    /// From a newer client or another program.
    Unknown,
}

impl Item {
    /// What a message says; only the original sender's word counts for a replacement.
    #[must_use]
    pub fn of(content: &MimiContent) -> Self {
        match content.replaces {
            Some(target) => Self::replacement(target, content),
            None => Self::original(content).unwrap_or(Self::Unknown),
        }
    }

    /// The message that says this, from `sender` to `room`. The caller adds trail and padding.
    ///
    /// # Errors
    /// [`ContentError::TooLarge`] for a text of more than [`TEXT_BYTES`], and
    /// [`ContentError::Invalid`] for [`Item::Unknown`].
    pub fn compose(
        &self,
        salt: [u8; 16],
        sender: &UserUri,
        room: &RoomUri,
    ) -> Result<MimiContent, ContentError> {
        Ok(MimiContent {
            salt,
            replaces: self.replaces(),
            topic_id: Vec::new(),
            expires: None,
            in_reply_to: self.in_reply_to(),
            extensions: Extensions::of_origin(sender, room),
            body: NestedPart {
                disposition: self.disposition(),
                language: String::new(),
                part: self.part()?,
            },
        })
    }

    fn original(content: &MimiContent) -> Option<Self> {
        match content.body.disposition {
            Disposition::Render | Disposition::Unspecified => Some(Self::Text {
                text: text_in(&content.body)?,
                reply_to: content.in_reply_to,
            }),
            Disposition::Reaction => Some(Self::Reaction {
                target: content.in_reply_to?,
                emoji: Emoji::new(&text_in(&content.body)?).ok()?,
            }),
            Disposition::Profile => room_name_in(&content.body.part),
            Disposition::Session => CallLine::of(&content.body.part).ok().map(Self::Call),
            Disposition::Inline
            | Disposition::Icon
            | Disposition::Attachment
            | Disposition::Preview
            | Disposition::Other(_) => None,
        }
    }

    fn replacement(target: MessageId, content: &MimiContent) -> Self {
        match (&content.body.part, content.body.disposition) {
            (Part::Null, Disposition::Reaction) => Self::Unreact {
                reaction: target,
                target: content.in_reply_to,
            },
            (Part::Null, _) => Self::Delete { target },
            (_, Disposition::Render | Disposition::Unspecified) => {
                text_in(&content.body).map_or(Self::Unknown, |text| Self::Edit { target, text })
            }
            (Part::Single { .. } | Part::External(_) | Part::Multi { .. }, _) => Self::Unknown,
        }
    }

    const fn replaces(&self) -> Option<MessageId> {
        match self {
            Self::Unreact { reaction, .. } => Some(*reaction),
            Self::Edit { target, .. } | Self::Delete { target } => Some(*target),
            Self::Text { .. }
            | Self::Reaction { .. }
            | Self::RoomName { .. }
            | Self::Call(_)
            | Self::Unknown => None,
        }
    }

    const fn in_reply_to(&self) -> Option<MessageId> {
        match self {
            Self::Text { reply_to, .. } => *reply_to,
            Self::Reaction { target, .. } => Some(*target),
            Self::Unreact { target, .. } => *target,
            Self::Edit { .. }
            | Self::Delete { .. }
            | Self::RoomName { .. }
            | Self::Call(_)
            | Self::Unknown => None,
        }
    }

    const fn disposition(&self) -> Disposition {
        match self {
            Self::Text { .. } | Self::Edit { .. } | Self::Delete { .. } => Disposition::Render,
            Self::Reaction { .. } | Self::Unreact { .. } => Disposition::Reaction,
            Self::RoomName { .. } => Disposition::Profile,
            Self::Call(_) => Disposition::Session,
            Self::Unknown => Disposition::Unspecified,
        }
    }

    fn part(&self) -> Result<Part, ContentError> {
        match self {
            Self::Text { text, .. } | Self::Edit { text, .. } if text.len() > TEXT_BYTES => {
                Err(ContentError::TooLarge)
            }
            Self::Text { text, .. } | Self::Edit { text, .. } => Ok(single(MARKDOWN, text)),
            Self::Reaction { emoji, .. } => Ok(single(PLAIN, emoji.as_str())),
            Self::RoomName { name } => Ok(single(ROOM_NAME, name.as_str())),
            Self::Call(line) => Ok(line.to_part()),
            Self::Unreact { .. } | Self::Delete { .. } => Ok(Part::Null),
            Self::Unknown => Err(ContentError::Invalid("item")),
        }
    }
}

fn single(content_type: &str, text: &str) -> Part {
    Part::Single {
        content_type: content_type.to_owned(),
        content: text.as_bytes().to_vec(),
    }
}

/// The text of a part as far as it is one: the first understood of several to choose from, else
/// all that is to be shown, in order.
fn text_in(nested: &NestedPart) -> Option<String> {
    match &nested.part {
        Part::Single {
            content_type,
            content,
        } if is_text(content_type) => String::from_utf8(content.clone()).ok(),
        Part::Multi { semantics, parts } => {
            let mut texts = parts.iter().filter_map(text_in);
            match semantics {
                Semantics::ChooseOne => texts.next(),
                Semantics::SingleUnit | Semantics::ProcessAll => {
                    let texts: Vec<String> = texts.collect();
                    (!texts.is_empty()).then(|| texts.join("\n\n"))
                }
            }
        }
        Part::Null | Part::Single { .. } | Part::External(_) => None,
    }
}

fn is_text(content_type: &str) -> bool {
    let (media_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
    ["text/plain", "text/markdown"]
        .iter()
        .any(|known| media_type.trim().eq_ignore_ascii_case(known))
}

fn room_name_in(part: &Part) -> Option<Item> {
    let Part::Single {
        content_type,
        content,
    } = part
    else {
        return None;
    };
    if content_type != ROOM_NAME {
        return None;
    }
    let name = DisplayName::new(std::str::from_utf8(content).ok()?).ok()?;
    Some(Item::RoomName { name })
}
