//! The overview and the page's title.

use super::Names;
use crate::rich;
use crate::view::{Face, Local, Row, Size, Zone};
use roost_client::view::{ConversationKind, ConversationState, ConversationView};
use roost_wire::{GroupId, Seconds};

const LAST_CHARS: usize = 80;

/// The rows whose title matches `find`.
#[must_use]
pub fn rows(
    conversations: &[ConversationView],
    names: &Names,
    current: Option<GroupId>,
    find: &str,
    (now, zone): (Seconds, Zone),
) -> Vec<Row> {
    let find = find.trim().to_lowercase();
    conversations
        .iter()
        .filter(|conversation| conversation.title.to_lowercase().contains(&find))
        .map(|conversation| row(conversation, names, current, (now, zone)))
        .collect()
}

fn row(
    conversation: &ConversationView,
    names: &Names,
    current: Option<GroupId>,
    (now, zone): (Seconds, Zone),
) -> Row {
    let is_group = matches!(conversation.kind, ConversationKind::Group);
    let current = current == Some(conversation.id);
    let draft = !conversation.draft.trim().is_empty() && !current;
    let preview = conversation.preview.as_ref();
    let sender = preview.and_then(|preview| preview.sender);
    let last = if draft {
        Some(conversation.draft.as_str())
    } else {
        preview
            .map(|preview| preview.text.as_str())
            .filter(|text| !text.trim().is_empty())
    };
    Row {
        key: format!("c-{}", conversation.id),
        group: conversation.id.to_string(),
        title: conversation.title.clone(),
        face: face(conversation, Size::Usual),
        when: preview
            .map(|preview| Local::at(preview.time, zone).short(Local::at(now, zone)))
            .unwrap_or_default(),
        who: sender
            .filter(|sender| !draft && (is_group || names.is_me(sender)))
            .map(|sender| names.of(&sender)),
        last: last.map_or_else(
            || {
                state_words(conversation.state)
                    .unwrap_or("No messages yet")
                    .to_owned()
            },
            |text| rich::plain(text, LAST_CHARS),
        ),
        draft,
        unread: if current { 0 } else { conversation.unread },
        current,
        is_call_on: conversation.is_call_on,
        has_guest: !conversation.waiting.is_empty(),
    }
}

/// The mark of a conversation: of the other person, or of the group.
#[must_use]
pub fn face(conversation: &ConversationView, size: Size) -> Face {
    match &conversation.kind {
        ConversationKind::Direct(account) => {
            Face::of(&conversation.title, account.as_bytes(), size)
        }
        ConversationKind::Group => Face::of(&conversation.title, conversation.id.as_bytes(), size),
    }
}

/// What is going on, where something is.
#[must_use]
pub fn state_words(state: ConversationState) -> Option<&'static str> {
    match state {
        ConversationState::Ready => None,
        ConversationState::Joining => Some("Joining…"),
        ConversationState::Repairing => Some("Putting things right…"),
        ConversationState::Leaving => Some("Leaving…"),
        ConversationState::Left => Some("You left"),
        ConversationState::Removed => Some("You were removed"),
        ConversationState::Gone => Some("Not on the server any more"),
    }
}

/// `(3) Sunday hikers · Roost`.
#[must_use]
pub fn title(conversations: &[ConversationView], current: Option<GroupId>) -> String {
    let unread: u32 = conversations
        .iter()
        .map(|conversation| conversation.unread)
        .fold(0, u32::saturating_add);
    let open = conversations
        .iter()
        .find(|conversation| Some(conversation.id) == current);
    let name = open.map_or_else(
        || "Roost".to_owned(),
        |open| format!("{} · Roost", open.title),
    );
    if unread > 0 {
        format!("({unread}) {name}")
    } else {
        name
    }
}
