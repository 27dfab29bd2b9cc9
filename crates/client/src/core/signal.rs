//! Droppable signals: who is typing. They use a key of the epoch, never the message ratchet.

use super::Core;
use super::socket::send;
use super::turn::Turn;
use crate::group::{Signal, SignalKey, signal_epoch};
use crate::notice::Notice;
use roost_wire::frame::ClientFrame;
use roost_wire::{Blob, GroupId};

const TYPING: u8 = 1;
/// A typing signal counts this long, and is sent at most this often.
const TYPING_MS: u64 = 6_000;
const TYPING_EVERY_MS: u64 = 3_000;
/// Keys of the current epoch and of the one before.
const KEYS_KEPT: usize = 2;

impl Core {
    pub(super) fn type_in(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let live = self.net.socket.is_live();
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        let recent = conversation
            .typed_at
            .is_some_and(|at| turn.now.since(at) < TYPING_EVERY_MS && turn.now >= at);
        if !live || recent || !conversation.is_usable() {
            return;
        }
        conversation.typed_at = Some(turn.now);
        let (Ok(key), Ok(sender)) = (self.mls.signal_key(group), self.mls.own_index(group)) else {
            return;
        };
        let signal = Signal {
            sender,
            kind: TYPING,
        };
        if let Ok(sealed) = Blob::new(key.seal(group, signal, turn.dice)) {
            let group = *group;
            send(&ClientFrame::Ephemeral { group, sealed }, turn);
        }
    }

    pub(super) fn on_signal(&mut self, group: &GroupId, sealed: &[u8], turn: &mut Turn<'_>) {
        let Some(key) = self.signal_key_of(group, sealed) else {
            return;
        };
        let Ok(signal) = key.open(group, sealed) else {
            return;
        };
        let Ok(sender) = self.mls.leaf_at(group, signal.sender) else {
            return;
        };
        let account = sender.account();
        if signal.kind != TYPING || self.is_me(&account) {
            return;
        }
        if let Some(conversation) = self.conversations.get_mut(group) {
            let until = turn.now.plus_millis(TYPING_MS);
            conversation.typing.insert(account, until);
            turn.notify(Notice::ConversationsChanged);
        }
    }

    /// Before the epoch ends: signals of it may still be on their way.
    pub(super) fn keep_signal_key(&mut self, group: &GroupId) {
        let Ok(key) = self.mls.signal_key(group) else {
            return;
        };
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.signal_keys.push(key);
            let over = conversation.signal_keys.len().saturating_sub(KEYS_KEPT - 1);
            conversation.signal_keys.drain(..over);
        }
    }

    pub(super) fn forget_old_typing(&mut self, turn: &mut Turn<'_>) {
        for conversation in self.conversations.values_mut() {
            let before = conversation.typing.len();
            conversation.typing.retain(|_, until| *until > turn.now);
            if conversation.typing.len() != before {
                turn.notify(Notice::ConversationsChanged);
            }
        }
    }

    fn signal_key_of(&mut self, group: &GroupId, sealed: &[u8]) -> Option<SignalKey> {
        let epoch = signal_epoch(sealed)?;
        let conversation = self
            .conversations
            .get(group)
            .filter(|found| found.is_usable())?;
        let earlier = conversation
            .signal_keys
            .iter()
            .find(|key| key.epoch == epoch);
        if let Some(key) = earlier {
            return Some(key.clone());
        }
        let key = self.mls.signal_key(group).ok()?;
        (key.epoch == epoch).then_some(key)
    }
}
