//! Reading a core back from storage, what storage holds of it, and the version of the format.

use super::Core;
use super::conversation::{COMMIT, Conversation, ENTRY, HEARD, RECORD, WELCOME};
use super::silence::SIGN;
use crate::group::{GroupStore, Mls};
use crate::port::{Row, Table};
use crate::record::{ConversationRecord, HeardRecord, SignRecord};
use crate::vault::{FORMAT, Vault, group_key, group_part, indexed, indexed_key, read};
use roost_wire::{AccountId, DeviceId, GroupId};

const VERSION: &[u8] = b"version";
const ME: &[u8] = b"me";
const JOINING: &[u8] = b"joining";
const REDEEMING: &[u8] = b"redeeming";
const LINKING: &[u8] = b"linking";
const SESSION: &[u8] = b"session";
const REVOKING: &[u8] = b"revoking";
const INVITES: &[u8] = b"invites";
const CALL: &[u8] = b"call";

/// Why storage could not be opened. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    #[error("this profile was written by a newer version of Roost; update this client")]
    Newer,
    #[error("a stored row cannot be read; the profile is damaged")]
    Damaged,
}

impl Core {
    /// Reads a core from all rows of the tables in [`Table::OPENED`]. Without rows it is as fresh.
    ///
    /// # Errors
    /// Refuses rows of a newer format, and damaged ones.
    pub fn open(rows: impl IntoIterator<Item = Row>) -> Result<Self, OpenError> {
        let rows: Vec<Row> = rows.into_iter().collect();
        let mut core = Self::default();
        match version_of(&rows)? {
            None if rows.is_empty() => core.write_version(),
            None => return Err(OpenError::Damaged),
            Some(version) if version > FORMAT => return Err(OpenError::Newer),
            // Older formats are migrated here, one version after the other; there is none yet.
            Some(_) => {}
        }
        let store = GroupStore::default();
        // Records come before the parts that hang on them.
        let (records, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_record);
        for row in records.into_iter().chain(others) {
            core.load(row, &store).ok_or(OpenError::Damaged)?;
        }
        core.mls = Mls::new(store);
        if let Some(me) = &core.me {
            core.mls.set_identity(me.clone());
        }
        core.resume();
        Ok(core)
    }

    pub(super) fn write_version(&mut self) {
        self.vault.put(Table::State, VERSION.to_vec(), &FORMAT);
    }

    pub(super) fn store_me(&mut self) {
        if let Some(me) = &self.me {
            self.vault.put(Table::State, ME.to_vec(), me);
            self.mls.set_identity(me.clone());
        }
    }

    pub(super) fn store_joining(&mut self) {
        match &self.joining {
            Some(joining) => self.vault.put(Table::State, JOINING.to_vec(), joining),
            None => self.vault.delete(Table::State, JOINING.to_vec()),
        }
    }

    pub(super) fn store_redeeming(&mut self) {
        match &self.redeeming {
            Some(redeeming) => self.vault.put(Table::State, REDEEMING.to_vec(), redeeming),
            None => self.vault.delete(Table::State, REDEEMING.to_vec()),
        }
    }

    pub(super) fn store_linking(&mut self) {
        match &self.linking {
            Some(linking) => self.vault.put(Table::State, LINKING.to_vec(), linking),
            None => self.vault.delete(Table::State, LINKING.to_vec()),
        }
    }

    pub(super) fn store_revoking(&mut self) {
        match &self.revoking {
            Some(revoking) => self.vault.put(Table::State, REVOKING.to_vec(), revoking),
            None => self.vault.delete(Table::State, REVOKING.to_vec()),
        }
    }

    pub(super) fn store_invites(&mut self) {
        if self.invites.is_empty() {
            self.vault.delete(Table::State, INVITES.to_vec());
        } else {
            self.vault
                .put(Table::State, INVITES.to_vec(), &self.invites);
        }
    }

    pub(super) fn store_call_marker(&mut self) {
        match &self.call_marker {
            Some(marker) => self.vault.put(Table::State, CALL.to_vec(), marker),
            None => self.vault.delete(Table::State, CALL.to_vec()),
        }
    }

    pub(super) fn store_session(&mut self) {
        self.vault
            .put(Table::State, SESSION.to_vec(), &self.session);
    }

    /// All that storage holds after the last step, but for the timeline: what was stored is what
    /// is in memory, and a shell or a test can see that it is.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut vault = Vault::default();
        self.put_state(&mut vault);
        for (group, conversation) in &self.conversations {
            put_conversation(group, conversation, &mut vault);
        }
        for ((group, index), item) in &self.outbox {
            vault.put(Table::Outbox, indexed_key(group, *index), item);
        }
        for ((group, index), intent) in &self.intents {
            vault.put(Table::Intents, indexed_key(group, *index), intent);
        }
        for (account, person) in &self.people {
            vault.put(Table::People, account.as_bytes().to_vec(), person);
        }
        let mut rows: Vec<Row> = vault.rows().collect();
        rows.extend(self.mls.store().all());
        rows
    }

    fn put_state(&self, vault: &mut Vault) {
        vault.put(Table::State, VERSION.to_vec(), &FORMAT);
        put_state(ME, self.me.as_ref(), vault);
        put_state(JOINING, self.joining.as_ref(), vault);
        put_state(REDEEMING, self.redeeming.as_ref(), vault);
        put_state(LINKING, self.linking.as_ref(), vault);
        put_state(REVOKING, self.revoking.as_ref(), vault);
        put_state(CALL, self.call_marker.as_ref(), vault);
        let invites = Some(&self.invites).filter(|invites| !invites.is_empty());
        put_state(INVITES, invites, vault);
        let session = Some(&self.session).filter(|_| self.me.is_some());
        put_state(SESSION, session, vault);
    }

    fn load(&mut self, row: Row, store: &GroupStore) -> Option<()> {
        match row.table {
            Table::State => self.load_state(&row)?,
            Table::Conversations => self.load_conversation(&row)?,
            Table::Groups | Table::Trees | Table::Epochs | Table::KeyPackages => store.load(row),
            Table::Outbox => {
                self.outbox.insert(indexed(&row.key)?, read(&row)?);
            }
            Table::Intents => {
                self.intents.insert(indexed(&row.key)?, read(&row)?);
            }
            Table::People => {
                let account = AccountId::try_from(&row.key[..]).ok()?;
                self.people.insert(account, read(&row)?);
            }
            Table::Timeline => {}
        }
        Some(())
    }

    fn load_state(&mut self, row: &Row) -> Option<()> {
        match &row.key[..] {
            ME => self.me = Some(read(row)?),
            JOINING => self.joining = Some(read(row)?),
            REDEEMING => self.redeeming = Some(read(row)?),
            LINKING => self.linking = Some(read(row)?),
            SESSION => self.session = read(row)?,
            INVITES => self.invites = read(row)?,
            CALL => self.call_marker = Some(read(row)?),
            REVOKING => self.revoking = Some(read(row)?),
            _ => {}
        }
        Some(())
    }

    fn load_conversation(&mut self, row: &Row) -> Option<()> {
        let (group, part, rest) = group_part(&row.key)?;
        if part == RECORD {
            let record: ConversationRecord = read(row)?;
            self.conversations.insert(group, Conversation::with(record));
            return Some(());
        }
        let conversation = self.conversations.get_mut(&group)?;
        match part {
            COMMIT => conversation.commit = Some(read(row)?),
            ENTRY => conversation.entry = Some(read(row)?),
            WELCOME => conversation.welcome = Some(read(row)?),
            HEARD => {
                let device = DeviceId::try_from(rest).ok()?;
                conversation
                    .heard
                    .insert(device, read::<HeardRecord>(row)?.counter);
            }
            SIGN => {
                let device = DeviceId::try_from(rest).ok()?;
                let sign: SignRecord = read(row)?;
                conversation.signs.insert(device, sign.at);
            }
            _ => return None,
        }
        Some(())
    }

    /// What must be asked again after a restart.
    fn resume(&mut self) {
        self.net.people_due = true;
        self.net.memberships_due = true;
        self.net.inbox_due = true;
    }
}

fn put_state<T: minicbor::Encode<()>>(key: &[u8], value: Option<&T>, vault: &mut Vault) {
    if let Some(value) = value {
        vault.put(Table::State, key.to_vec(), value);
    }
}

fn put_conversation(group: &GroupId, conversation: &Conversation, vault: &mut Vault) {
    let table = Table::Conversations;
    let key = |part: u8, rest: &[u8]| group_key(group, part, rest);
    vault.put(table, key(RECORD, &[]), &conversation.record);
    if let Some(commit) = &conversation.commit {
        vault.put(table, key(COMMIT, &[]), commit);
    }
    if let Some(entry) = &conversation.entry {
        vault.put(table, key(ENTRY, &[]), entry);
    }
    if let Some(welcome) = &conversation.welcome {
        vault.put(table, key(WELCOME, &[]), welcome);
    }
    for (device, counter) in &conversation.heard {
        let counter = *counter;
        vault.put(
            table,
            key(HEARD, device.as_bytes()),
            &HeardRecord { counter },
        );
    }
    for (device, at) in &conversation.signs {
        vault.put(table, key(SIGN, device.as_bytes()), &SignRecord { at: *at });
    }
}

fn version_of(rows: &[Row]) -> Result<Option<u16>, OpenError> {
    let row = rows
        .iter()
        .find(|row| row.table == Table::State && row.key == VERSION);
    row.map(|row| read(row).ok_or(OpenError::Damaged))
        .transpose()
}

fn is_record(row: &Row) -> bool {
    let part = group_part(&row.key).map(|(_, part, _)| part);
    row.table == Table::Conversations && part == Some(RECORD)
}
