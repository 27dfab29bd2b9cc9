//! Messages that were drawn before are not drawn again: a long conversation costs what changed.

use crate::present::{Context, Entry, Names, show};
use crate::view::html;
use roost_client::MessageId;
use roost_client::view::MessageView;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Memo {
    names: Names,
    can_write: bool,
    has_older: bool,
    drawn: BTreeMap<MessageId, Drawn>,
}

struct Drawn {
    message: MessageView,
    more: bool,
    html: String,
}

impl Memo {
    /// Keys and markup of these lines. What is not among them is forgotten.
    pub fn draw(
        &mut self,
        entries: Vec<Entry<'_>>,
        context: &Context<'_>,
    ) -> Vec<(String, String)> {
        let mut before = std::mem::take(&mut self.drawn);
        let same = (self.can_write, self.has_older) == (context.can_write, context.has_older);
        if !same || self.names != *context.names {
            before.clear();
            self.names = context.names.clone();
            self.can_write = context.can_write;
            self.has_older = context.has_older;
        }
        let mut children = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Entry::Line(line) => children.push((line.key().to_owned(), html(&line))),
                Entry::Message { message, more } => {
                    let known = before.remove(&message.id);
                    let known = known.filter(|old| old.more == more && old.message == *message);
                    let drawn = known.unwrap_or_else(|| Drawn {
                        message: message.clone(),
                        more,
                        html: html(&show(message, more, context)),
                    });
                    children.push((crate::present::key(&message.id), drawn.html.clone()));
                    self.drawn.insert(message.id, drawn);
                }
            }
        }
        children
    }
}
