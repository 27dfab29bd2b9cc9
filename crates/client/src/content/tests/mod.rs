//! Tests of the format as a whole, and the messages they share.

mod format;
mod items;
mod vectors;

use super::*;
use roost_wire::{AccountId, GroupId, ServerId};

pub(super) fn sender() -> UserUri {
    UserUri {
        server: ServerId::new([0x5e; 16]),
        account: AccountId::new([0xac; 16]),
    }
}

pub(super) fn room() -> RoomUri {
    RoomUri {
        server: ServerId::new([0x5e; 16]),
        group: GroupId::new([0x60; 16]),
    }
}

pub(super) fn compose(item: &Item) -> MimiContent {
    item.compose([7; 16], &sender(), &room()).unwrap()
}

pub(super) fn message(text: &str) -> MimiContent {
    compose(&Item::Text {
        text: text.into(),
        reply_to: None,
    })
}

/// A message of so many letters, also beyond what [`Item::compose`] accepts.
pub(super) fn text_of(length: usize) -> MimiContent {
    let mut content = message("");
    content.body = single(Disposition::Render, "", "text/plain", &vec![b'x'; length]);
    content
}

fn single(disposition: Disposition, language: &str, kind: &str, content: &[u8]) -> NestedPart {
    NestedPart {
        disposition,
        language: language.into(),
        part: Part::Single {
            content_type: kind.into(),
            content: content.to_vec(),
        },
    }
}

fn multi(disposition: Disposition, semantics: Semantics, parts: Vec<NestedPart>) -> NestedPart {
    NestedPart {
        disposition,
        language: String::new(),
        part: Part::Multi { semantics, parts },
    }
}
