//! One conversation in memory, and how its rows are written.

use super::Core;
use super::turn::Turn;
use crate::content::MessageId;
use crate::group::{EpochSecret, SignalKey, Staged};
use crate::notice::Notice;
use crate::port::{Moment, Row, Table};
use crate::record::{
    CommitRecord, ConversationRecord, EventRecord, HeardRecord, Invitation, Kind, MemberRecord,
    PreviewRecord, Stage, TimelineRecord, WaitingWelcome,
};
use crate::thread::{Thread, one_line};
use crate::vault::{group_key, indexed, indexed_key, read};
use roost_mls::{GroupPolicy, limit};
use roost_wire::api::ClaimedKeyPackage;
use roost_wire::{AccountId, DeviceId, DisplayName, Epoch, GroupId, Seconds, Seq};
use std::collections::BTreeMap;

/// Parts of [`Table::Conversations`].
pub(super) const RECORD: u8 = b'r';
pub(super) const COMMIT: u8 = b'c';
pub(super) const ENTRY: u8 = b'e';
pub(super) const WELCOME: u8 = b'w';
pub(super) const HEARD: u8 = b'h';

/// Entries whose hashes are remembered.
const HASHES_KEPT: usize = 64;
/// Message ids that are remembered, so that none is shown twice.
const RECENT_KEPT: usize = 256;
/// Unread messages that are counted.
const UNREAD_MAX: usize = 999;
const PAGE_ROWS: u32 = 150;

/// A conversation: its record, what is stored beside it, and what is not stored.
pub(super) struct Conversation {
    pub record: ConversationRecord,
    pub is_changed: bool,
    pub commit: Option<CommitRecord>,
    pub entry: Option<Staged>,
    pub welcome: Option<WaitingWelcome>,
    pub heard: BTreeMap<DeviceId, u64>,
    /// When each device last gave a sign, to the day.
    pub signs: BTreeMap<DeviceId, Seconds>,
    /// Entries are known to be missing: fetch the log.
    pub fetch: bool,
    /// The end of the log was reached since the connection was made.
    pub caught_up: bool,
    /// The socket delivers this group's entries.
    pub followed: bool,
    /// A message was refused on the socket: nothing more is taken before the group is followed
    /// again.
    pub halted: bool,
    /// A call to enter came while entering was under way: a refusal may be older than the call.
    pub called: bool,
    pub acknowledged: Seq,
    /// Key packages claimed for the intent at hand.
    pub claimed: BTreeMap<AccountId, Vec<ClaimedKeyPackage>>,
    pub typing: BTreeMap<AccountId, Moment>,
    pub typed_at: Option<Moment>,
    pub signal_keys: Vec<SignalKey>,
    /// What the last epochs exported for calls.
    pub call_bases: Vec<EpochSecret>,
    /// Messages of the current epoch that could not be decrypted.
    pub undecryptable: u32,
    /// The server said that a commit of this device was taken back.
    pub suspended: bool,
    /// When a message last seemed to be from another copy of this device.
    pub doubted_self: Option<Seconds>,
}

impl Conversation {
    pub(super) fn new(kind: Kind, stage: Stage) -> Self {
        Self::with(ConversationRecord {
            kind,
            stage,
            name: None,
            cursor: Seq::NONE,
            entered: Epoch::new(0),
            hashes: Vec::new(),
            sent: 0,
            next_row: 0,
            preview: None,
            unread: Vec::new(),
            read_upto: Seq::NONE,
            draft: String::new(),
            delivered: Seq::NONE,
            update_due: None,
            refused: None,
            invitation: None,
            leaving: false,
            rejoining: false,
            recent: Vec::new(),
            leavers: 0,
            members: Vec::new(),
            logged_name: None,
            lost: 0,
            passed_over: false,
            quit: false,
            leave: None,
            re_entry: None,
            watched: None,
            absent: Vec::new(),
            verdicts: Vec::new(),
            last_commit: None,
            began: Seq::NONE,
            run: None,
            doubted: false,
            call_links: Vec::new(),
            withdrawn_links: Vec::new(),
        })
    }

    pub(super) fn with(record: ConversationRecord) -> Self {
        Self {
            acknowledged: Seq::NONE,
            record,
            is_changed: false,
            commit: None,
            entry: None,
            welcome: None,
            heard: BTreeMap::new(),
            signs: BTreeMap::new(),
            fetch: false,
            caught_up: false,
            followed: false,
            halted: false,
            called: false,
            claimed: BTreeMap::new(),
            typing: BTreeMap::new(),
            typed_at: None,
            signal_keys: Vec::new(),
            call_bases: Vec::new(),
            undecryptable: 0,
            suspended: false,
            doubted_self: None,
        }
    }

    /// Whether the group can be used: in it, not stuck behind a refused commit, and its log is the
    /// one that was read.
    pub(super) fn is_usable(&self) -> bool {
        self.record.stage == Stage::Live && self.record.refused.is_none() && !self.record.doubted
    }

    /// Whether this device still wants anything of the group.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.record.stage,
            Stage::Left | Stage::Removed | Stage::Gone
        )
    }

    /// Whether the group is so large that updates must be spaced, and one was just made.
    pub(super) fn has_just_committed(&self, now: Seconds) -> bool {
        let devices: u64 = self
            .record
            .members
            .iter()
            .map(|member| u64::from(member.devices))
            .sum();
        let is_large = devices > u64::try_from(limit::LARGE_GROUP_DEVICES).unwrap_or(u64::MAX);
        let spaced = |last: Seconds| last.plus(limit::UPDATE_SPACING_SECONDS) <= now;
        is_large && !self.record.last_commit.is_none_or(spaced)
    }

    /// Moves the cursor past an entry.
    pub(super) fn advance(&mut self, seq: Seq, hash: roost_wire::EntryHash) {
        self.record.cursor = seq;
        self.record.hashes.push((seq, hash));
        let over = self.record.hashes.len().saturating_sub(HASHES_KEPT);
        self.record.hashes.drain(..over);
        self.is_changed = true;
    }

    /// Whether a message is new here; notes it.
    pub(super) fn is_first(&mut self, id: &MessageId) -> bool {
        let bytes = id.as_bytes().iter().skip(1).take(8);
        let short = bytes.fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
        if self.record.recent.contains(&short) {
            return false;
        }
        self.record.recent.push(short);
        let over = self.record.recent.len().saturating_sub(RECENT_KEPT);
        self.record.recent.drain(..over);
        self.is_changed = true;
        true
    }

    pub(super) fn count_unread(&mut self, seq: Seq) {
        if seq > self.record.read_upto && self.record.unread.len() < UNREAD_MAX {
            self.record.unread.push(seq);
            self.is_changed = true;
        }
    }
}

impl Core {
    /// Writes the records that changed in this step.
    pub(super) fn store_conversations(&mut self) {
        for (group, conversation) in &mut self.conversations {
            if std::mem::take(&mut conversation.is_changed) {
                let key = group_key(group, RECORD, &[]);
                self.vault
                    .put(Table::Conversations, key, &conversation.record);
            }
        }
    }

    /// A new conversation, to be stored.
    pub(super) fn begin(&mut self, group: GroupId, kind: Kind, stage: Stage, turn: &mut Turn<'_>) {
        let mut conversation = Conversation::new(kind, stage);
        conversation.is_changed = true;
        conversation.record.preview = Some(PreviewRecord {
            sender: None,
            text: String::new(),
            time: self.net.server_time(turn.now),
        });
        self.conversations.insert(group, conversation);
        turn.notify(Notice::ConversationsChanged);
    }

    /// The conversation, to be changed: its record will be written.
    pub(super) fn change(&mut self, group: &GroupId) -> Option<&mut Conversation> {
        let conversation = self.conversations.get_mut(group)?;
        conversation.is_changed = true;
        Some(conversation)
    }

    pub(super) fn set_stage(&mut self, group: &GroupId, stage: Stage, turn: &mut Turn<'_>) {
        if let Some(conversation) = self.change(group) {
            conversation.record.stage = stage;
            turn.notify(Notice::ConversationsChanged);
        }
    }

    /// Puts or deletes a row beside the record.
    pub(super) fn put_part<T: minicbor::Encode<()>>(
        &mut self,
        group: &GroupId,
        part: u8,
        value: Option<&T>,
    ) {
        let key = group_key(group, part, &[]);
        match value {
            Some(value) => self.vault.put(Table::Conversations, key, value),
            None => self.vault.delete(Table::Conversations, key),
        }
    }

    pub(super) fn set_commit(&mut self, group: &GroupId, commit: Option<CommitRecord>) {
        self.put_part(group, COMMIT, commit.as_ref());
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.commit = commit;
        }
    }

    pub(super) fn set_entry(&mut self, group: &GroupId, entry: Option<Staged>) {
        self.put_part(group, ENTRY, entry.as_ref());
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.entry = entry;
        }
    }

    pub(super) fn set_welcome(&mut self, group: &GroupId, welcome: Option<WaitingWelcome>) {
        self.put_part(group, WELCOME, welcome.as_ref());
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.welcome = welcome;
        }
    }

    pub(super) fn set_heard(&mut self, group: &GroupId, device: DeviceId, counter: u64) {
        let key = group_key(group, HEARD, device.as_bytes());
        self.vault
            .put(Table::Conversations, key, &HeardRecord { counter });
        if let Some(conversation) = self.conversations.get_mut(group) {
            conversation.heard.insert(device, counter);
        }
    }

    pub(super) fn forget_heard_of(&mut self, group: &GroupId, device: &DeviceId) {
        let conversation = self.conversations.get_mut(group);
        if conversation.is_some_and(|found| found.heard.remove(device).is_some()) {
            let key = group_key(group, HEARD, device.as_bytes());
            self.vault.delete(Table::Conversations, key);
        }
    }

    pub(super) fn forget_heard(&mut self, group: &GroupId) {
        let Some(conversation) = self.conversations.get_mut(group) else {
            return;
        };
        for device in std::mem::take(&mut conversation.heard).into_keys() {
            let key = group_key(group, HEARD, device.as_bytes());
            self.vault.delete(Table::Conversations, key);
        }
    }

    /// Appends a row to the timeline, and to the thread if it is loaded.
    pub(super) fn append(&mut self, group: &GroupId, row: TimelineRecord) {
        let Some(conversation) = self.change(group) else {
            return;
        };
        let index = conversation.record.next_row;
        conversation.record.next_row = index.saturating_add(1);
        self.vault
            .put(Table::Timeline, indexed_key(group, index), &row);
        if let Some(thread) = self.threads.get_mut(group) {
            thread.append(index, row);
        }
    }

    pub(super) fn append_event(
        &mut self,
        group: &GroupId,
        event: EventRecord,
        seq: Option<Seq>,
        time: Seconds,
    ) {
        self.append(group, TimelineRecord::Event { event, seq, time });
    }

    pub(super) fn set_preview(
        &mut self,
        group: &GroupId,
        sender: Option<AccountId>,
        text: &str,
        time: Seconds,
    ) {
        let text = one_line(text);
        if let Some(conversation) = self.change(group) {
            conversation.record.preview = Some(PreviewRecord { sender, text, time });
        }
    }

    /// Takes over who is in the group now, and learns their names and keys.
    pub(super) fn note_roster(&mut self, group: &GroupId, turn: &mut Turn<'_>) {
        let Ok(leaves) = self.mls.leaves(group) else {
            return;
        };
        self.purge_if_revoked(group, &leaves, turn);
        self.check_call(group, &leaves, turn);
        let admins = self.admins_of(group);
        let mut members: BTreeMap<AccountId, MemberRecord> = BTreeMap::new();
        for leaf in &leaves {
            self.meet(&leaf.claims, Some(group), turn);
            let account = leaf.account();
            let member = members.entry(account).or_insert_with(|| MemberRecord {
                account,
                name: leaf.claims.name.clone(),
                devices: 0,
                is_admin: admins.contains(&account),
            });
            member.devices = member.devices.saturating_add(1);
        }
        if let Some(conversation) = self.change(group) {
            conversation.record.members = members.into_values().collect();
            turn.notify(Notice::ConversationsChanged);
        }
    }

    fn admins_of(&mut self, group: &GroupId) -> Vec<AccountId> {
        let policy =
            self.mls.group(group).ok().and_then(|loaded| {
                GroupPolicy::from_extensions(loaded.context().extensions()).ok()
            });
        policy.map_or_else(Vec::new, |policy| policy.admins().to_vec())
    }

    /// A name given by an invite link, until a member sends the true one.
    pub(super) fn provisional_name(
        &mut self,
        group: &GroupId,
        name: Option<DisplayName>,
        invitation: Option<Invitation>,
    ) {
        if let Some(conversation) = self.change(group) {
            conversation.record.name = name;
            conversation.record.invitation = invitation;
        }
    }

    /// Starts or continues loading a thread.
    pub(super) fn open_thread(&mut self, group: GroupId, older: bool, turn: &mut Turn<'_>) {
        let (Some(me), Some(conversation)) = (&self.me, self.conversations.get(&group)) else {
            turn.refuse("There is no such conversation.");
            return;
        };
        let delivered = conversation.record.delivered;
        let thread = self.threads.get(&group).filter(|_| older);
        let before = thread.and_then(Thread::first_index);
        if !older {
            self.threads
                .insert(group, Thread::new(me.account, delivered));
        }
        turn.effects.push(crate::port::Effect::LoadTimeline {
            group,
            before,
            limit: PAGE_ROWS,
        });
    }

    pub(super) fn on_timeline(
        &mut self,
        group: GroupId,
        rows: Vec<Row>,
        more: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(thread) = self.threads.get_mut(&group) else {
            return;
        };
        let row = |row: &Row| {
            let (of, index) = indexed(&row.key)?;
            (of == group).then_some(())?;
            Some((index, read::<TimelineRecord>(row)?))
        };
        thread.extend(rows.iter().filter_map(row).collect(), more);
        turn.notify(Notice::ThreadChanged(group));
    }
}
