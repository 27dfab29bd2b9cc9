//! Leaves that nobody has heard of for long: whoever takes such a device finds keys that still
//! open the group, since it renews none.
//!
//! Owns when each device last gave a sign in a group's log (a commit or a message; active devices
//! commit an update every week), which leaves are silent, and who comes back. The log alone tells
//! it: the server's word does not remove anybody. Silence counts only while this device was around
//! to hear something.

use super::Core;
use super::turn::Turn;
use crate::group::{Leaf, LeafChanges};
use crate::port::{Moment, Table};
use crate::record::{AbsentRecord, Kind, SignRecord, Wish};
use crate::vault::group_key;
use roost_mls::limit;
use roost_wire::api::Person;
use roost_wire::{AccountId, DeviceId, GroupId, Seconds};
use std::collections::BTreeSet;

/// Part of [`Table::Conversations`]: the last sign of one device.
pub(super) const SIGN: u8 = b's';
const DAY_SECONDS: u64 = 86_400;
/// Whoever was away for longer has heard nothing meanwhile and starts counting anew.
const AWAY_SECONDS: u64 = 30 * DAY_SECONDS;
/// Silent leaves that one commit removes.
const REMOVALS_PER_COMMIT: usize = 128;
/// Accounts that are remembered as absent from one group.
const ABSENT_MAX: usize = 1_000;
/// Members add somebody who is back at different times, within this.
const WELCOME_BACK_SECONDS: u64 = 600;
/// How often the list of people is read again: sooner while somebody is waited for.
const PEOPLE_EVERY_MS: u64 = 6 * 3_600_000;
const PEOPLE_EVERY_WAITING_MS: u64 = 3_600_000;

impl Core {
    /// A device has shown that it is there. Written down once a day.
    pub(super) fn note_sign(&mut self, group: &GroupId, device: DeviceId, at: Seconds) {
        let known = self
            .conversations
            .get(group)
            .and_then(|found| found.signs.get(&device).copied());
        if known.is_none_or(|known| known.plus(DAY_SECONDS) <= at) {
            self.set_sign(group, device, at);
        }
    }

    /// What a commit tells: its author is there, newcomers are, and those who went count no more.
    pub(super) fn note_commit_signs(
        &mut self,
        group: &GroupId,
        at: Seconds,
        before: &[Leaf],
        after: &[Leaf],
        changes: &LeafChanges,
    ) {
        let devices: BTreeSet<DeviceId> = before.iter().map(Leaf::device).collect();
        for leaf in after {
            let is_new = !devices.contains(&leaf.device());
            if is_new || changes.committing_device == Some(leaf.device()) {
                self.note_sign(group, leaf.device(), at);
            }
        }
        for device in devices {
            if after.iter().all(|leaf| leaf.device() != device) {
                self.forget_sign(group, device);
            }
        }
        self.note_absent(group, at, after, changes);
    }

    /// This device has entered: it has heard nobody yet, so everybody's silence begins now.
    pub(super) fn begin_watch(&mut self, group: &GroupId, leaves: &[Leaf], now: Seconds) {
        let known = self
            .conversations
            .get_mut(group)
            .map(|found| std::mem::take(&mut found.signs));
        for device in known.into_iter().flatten().map(|(device, _)| device) {
            self.forget_sign(group, device);
        }
        for leaf in leaves {
            self.set_sign(group, leaf.device(), now);
        }
        if let Some(conversation) = self.change(group) {
            conversation.record.watched = Some(now);
            let there = |account: &AccountId| leaves.iter().any(|leaf| leaf.account() == *account);
            conversation
                .record
                .absent
                .retain(|absent| !there(&absent.account));
        }
    }

    /// The leaves to be removed with the next update: silent for long, as far as this device can
    /// tell. The group's log has been read to its end.
    pub(super) fn silent_leaves(&mut self, group: &GroupId, now: Seconds) -> Vec<u32> {
        let Ok(leaves) = self.mls.leaves(group) else {
            return Vec::new();
        };
        self.watch(group, &leaves, now);
        let Some(conversation) = self.conversations.get(group) else {
            return Vec::new();
        };
        let own = self.me.as_ref().map(|me| me.device);
        let is_silent = |leaf: &&Leaf| {
            let sign = conversation.signs.get(&leaf.device());
            let over = |sign: &Seconds| sign.plus(limit::SILENT_LEAF_SECONDS) <= now;
            Some(leaf.device()) != own && sign.is_some_and(over)
        };
        let silent = leaves.iter().filter(is_silent).map(|leaf| leaf.index);
        silent.take(REMOVALS_PER_COMMIT).collect()
    }

    /// Somebody who was let go for silence has been seen: one of the members adds them again.
    pub(super) fn welcome_back(&mut self, said: &Person, turn: &mut Turn<'_>) {
        let Some(seen) = said.last_seen_day else {
            return;
        };
        let is_back = |absent: &AbsentRecord| absent.account == said.account && seen >= absent.day;
        let groups: Vec<GroupId> = self
            .conversations
            .iter()
            .filter(|(_, found)| found.is_usable() && found.record.absent.iter().any(is_back))
            .map(|(group, _)| *group)
            .collect();
        for group in groups {
            if !self.is_adding(&group, &said.account) {
                let delay = turn.below(WELCOME_BACK_SECONDS);
                self.intend(&group, Wish::Add(vec![said.account]), delay, turn);
            }
        }
    }

    /// Whether the other person of a direct conversation is away: what is written waits for them.
    pub(super) fn waits_for_absent(&self, group: &GroupId) -> bool {
        self.conversations
            .get(group)
            .is_some_and(|found| match found.record.kind {
                Kind::Direct(other) => found.record.is_absent(&other),
                Kind::Group => false,
            })
    }

    pub(super) fn is_absent(&self, group: &GroupId, account: &AccountId) -> bool {
        self.conversations
            .get(group)
            .is_some_and(|found| found.record.is_absent(account))
    }

    /// Whether nobody else is in the group: then "everybody has it" says nothing.
    pub(super) fn is_alone(&self, group: &GroupId) -> bool {
        self.conversations.get(group).is_some_and(|found| {
            let members = &found.record.members;
            members.iter().all(|member| self.is_me(&member.account))
        })
    }

    /// When the list of people is to be read again, on a lasting connection.
    pub(super) fn people_again_at(&self) -> Moment {
        let waiting = self
            .conversations
            .values()
            .any(|found| found.is_usable() && !found.record.absent.is_empty());
        let every = if waiting {
            PEOPLE_EVERY_WAITING_MS
        } else {
            PEOPLE_EVERY_MS
        };
        self.net.people_read.plus_millis(every)
    }

    /// Notes who was let go for silence, and forgets those who are back.
    fn note_absent(&mut self, group: &GroupId, at: Seconds, after: &[Leaf], changes: &LeafChanges) {
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        let there = |account: &AccountId| leaves_have(after, account);
        let record = &mut conversation.record;
        record.absent.retain(|absent| !there(&absent.account));
        if changes.for_silence {
            let day = at.day();
            for account in &changes.gone_accounts {
                if !changes.left.contains(account) && record.absent.len() < ABSENT_MAX {
                    let account = *account;
                    record.absent.push(AbsentRecord { account, day });
                }
            }
        }
        conversation.is_changed = true;
    }

    fn watch(&mut self, group: &GroupId, leaves: &[Leaf], now: Seconds) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let watched = conversation.record.watched;
        let was_away = watched.is_none_or(|at| at.plus(AWAY_SECONDS) < now);
        let unknown: Vec<DeviceId> = leaves
            .iter()
            .map(Leaf::device)
            .filter(|device| was_away || !conversation.signs.contains_key(device))
            .collect();
        for device in unknown {
            self.set_sign(group, device, now);
        }
    }

    /// This device is around, and has read the group's log to its end. Written down once a day.
    pub(super) fn note_watch(&mut self, group: &GroupId, now: Seconds) {
        let Some(conversation) = self.conversations.get(group) else {
            return;
        };
        let watched = conversation.record.watched;
        if watched.is_some_and(|at| at.plus(DAY_SECONDS) > now) {
            return;
        }
        if let Ok(leaves) = self.mls.leaves(group) {
            self.watch(group, &leaves, now);
        }
        if let Some(conversation) = self.change(group) {
            conversation.record.watched = Some(now);
        }
    }

    fn set_sign(&mut self, group: &GroupId, device: DeviceId, at: Seconds) {
        let key = group_key(group, SIGN, device.as_bytes());
        self.vault
            .put(Table::Conversations, key, &SignRecord { at });
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.signs.insert(device, at);
        }
    }

    fn forget_sign(&mut self, group: &GroupId, device: DeviceId) {
        let key = group_key(group, SIGN, device.as_bytes());
        self.vault.delete(Table::Conversations, key);
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.signs.remove(&device);
        }
    }
}

fn leaves_have(leaves: &[Leaf], account: &AccountId) -> bool {
    leaves.iter().any(|leaf| leaf.account() == *account)
}
