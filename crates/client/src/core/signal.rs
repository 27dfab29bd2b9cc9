//! Droppable signals: who is typing, and what devices say about calls. They use a key of the epoch, never the message ratchet.

use super::Core;
use super::socket::send;
use super::turn::Turn;
use crate::call::{Letter, Place};
use crate::group::{Signal, SignalKey, signal_epoch};
use crate::notice::Notice;
use roost_wire::frame::ClientFrame;
use roost_wire::{AccountId, Blob, GroupId};

const TYPING: u8 = 1;
const CALL: u8 = 2;
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
        self.send_signal(group, TYPING, |_| Some(Vec::new()), turn);
    }

    /// Says something about a call, signed by this device for the present epoch.
    pub(super) fn send_letter(&mut self, group: &GroupId, letter: &Letter, turn: &mut Turn<'_>) {
        let Some(seed) = self.me.as_ref().map(|me| me.device_seed.clone()) else {
            return;
        };
        let sealed = |place| letter.seal(place, |message| seed.sign(message));
        self.send_signal(group, CALL, sealed, turn);
    }

    /// Sends what `content` makes of its place; nothing without a connection.
    fn send_signal(
        &mut self,
        group: &GroupId,
        kind: u8,
        content: impl FnOnce(Place) -> Option<Vec<u8>>,
        turn: &mut Turn<'_>,
    ) {
        let is_usable = self
            .conversations
            .get(group)
            .is_some_and(|found| found.is_usable());
        if !is_usable || !self.net.socket.is_live() {
            return;
        }
        let (Ok(key), Ok(sender)) = (self.mls.signal_key(group), self.mls.own_index(group)) else {
            return;
        };
        let place = Place {
            group: *group,
            epoch: key.epoch,
            leaf: sender,
        };
        let Some(content) = content(place) else {
            return;
        };
        let signal = Signal { sender, kind };
        if let Ok(sealed) = Blob::new(key.seal(group, signal, &content, turn.dice)) {
            let group = *group;
            send(&ClientFrame::Ephemeral { group, sealed }, turn);
        }
    }

    pub(super) fn on_signal(&mut self, group: &GroupId, sealed: &[u8], turn: &mut Turn<'_>) {
        let Some(key) = self.signal_key_of(group, sealed) else {
            return;
        };
        let Ok((signal, content)) = key.open(group, sealed) else {
            return;
        };
        // Also for an earlier epoch: who is no longer there is not heard.
        let Ok(sender) = self.mls.leaf_at(group, signal.sender) else {
            return;
        };
        match signal.kind {
            TYPING => self.on_typing(group, sender.account(), turn),
            CALL => {
                let place = Place {
                    group: *group,
                    epoch: key.epoch,
                    leaf: signal.sender,
                };
                if let Ok(letter) = Letter::open(&content, place, &sender.device_key) {
                    self.on_letter(group, &sender, letter, turn);
                }
            }
            _ => {}
        }
    }

    fn on_typing(&mut self, group: &GroupId, account: AccountId, turn: &mut Turn<'_>) {
        if self.is_me(&account) {
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
