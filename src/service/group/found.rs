//! Founding a group.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::Groups;
use crate::service::group::admission::check_own;
use crate::service::group::durable::Durable;
use crate::service::key::{self, of_account, of_group};
use crate::service::outcome::Outcome;
use crate::service::record::{GroupRow, KnownRow, MemberRow, OutboxRow, pack};
use roost_mls::policy::GroupKind;
use roost_mls::{LeafSummary, ObservedGroup, Observer};
use roost_store::{Batch, Direction, Error, KeyRange, Limit};
use roost_wire::api::{Accepted, FoundGroup, GroupInfoBytes};
use roost_wire::{AccountId, EntryHash, Seconds, Seq, limit};

impl Groups {
    /// Takes a new group into service. Doing it again unchanged is harmless.
    ///
    /// # Errors
    /// Refuses a group of somebody else or for another server, and a group id that is taken.
    pub async fn found(
        &self,
        from: &Caller,
        asked: &FoundGroup,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        let observed = Observer::new()
            .found(asked.group_info.as_bytes(), asked.tree.as_bytes())
            .map_err(GroupError::Rule)?;
        if observed.policy().kind == GroupKind::Call {
            return Err(GroupError::Against("A call is opened in its conversation."));
        }
        self.found_observed(from, &asked.group_info, &observed, now)
            .await
    }

    /// As `found`, for a group that was looked at. That of a call is in nobody's list of groups.
    pub(super) async fn found_observed(
        &self,
        from: &Caller,
        group_info: &GroupInfoBytes,
        observed: &ObservedGroup,
        now: Seconds,
    ) -> Result<Outcome<Accepted>, GroupError> {
        let founding = EntryHash::of(group_info.as_bytes());
        let leaf = self.check_founder(from, observed).await?;
        let group = observed.group_id();
        let row = GroupRow {
            epoch: observed.epoch(),
            founder: from.device,
            founding,
            created: now,
            closed: false,
            is_direct: observed.policy().kind == GroupKind::Direct,
            snapshots: vec![(observed.epoch(), Seq::NONE)],
            undos: Vec::new(),
            starts: vec![(observed.epoch(), Seq::NONE)],
            call_of: observed.policy().conversation(),
        };
        let begins = |time| KnownRow {
            seq: Seq::NONE,
            epoch: row.epoch,
            time,
        };
        let cell = self.cell(&group);
        let mut place = cell.state.lock().await;
        match self.loaded(&cell, &mut place, &group).await {
            Err(GroupError::NotFound) => {}
            Err(error) => return Err(error),
            Ok(known) if known.row.founding == founding && known.row.founder == from.device => {
                let known = Durable::marked(begins(known.row.created), &cell.durable);
                let known = known.ok_or(GroupError::UnderWay)?;
                return Ok(Outcome::quiet(known.accepted()));
            }
            Ok(_) => return Err(GroupError::Taken),
        }
        if row.call_of.is_none() {
            self.check_count(&from.account).await?;
        }
        let batch = batch(from, group_info, &row, &leaf).put(
            of_group::snapshot(Seq::NONE),
            observed.snapshot().map_err(GroupError::Rule)?,
        );
        self.shared.unsent().insert(group);
        let receipt = match self.house.store.commit(&key::group(&group), batch).await {
            Ok(receipt) => receipt,
            Err(Error::Conflict { .. }) => return Err(GroupError::Taken),
            Err(error) => return Err(error.into()),
        };
        drop(place);
        let deliveries = self.send_outbox(&group, now).await;
        let accepted = Durable::written(begins(now), &receipt).accepted();
        Ok(Outcome::new(accepted, deliveries))
    }

    async fn check_founder(
        &self,
        from: &Caller,
        observed: &ObservedGroup,
    ) -> Result<LeafSummary, GroupError> {
        if observed.policy().server_key != self.house.identity.key {
            return Err(GroupError::Against("The group belongs to another server."));
        }
        let roster = observed.roster().map_err(GroupError::Rule)?;
        let [leaf] = roster.as_slice() else {
            return Err(GroupError::Against(
                "A new group has its founder's device in it, and no other.",
            ));
        };
        check_own(from, leaf)?;
        self.check_known(leaf).await?;
        Ok(leaf.clone())
    }

    /// Whether the account may be in one group more.
    pub(super) async fn check_count(&self, account: &AccountId) -> Result<(), GroupError> {
        let range = KeyRange::prefix(of_account::MEMBERSHIPS);
        let part = key::account(account);
        let rows = Limit::rows(limit::GROUPS_PER_DEVICE);
        let page = self
            .house
            .store
            .scan(&part, range, rows, Direction::Forward)
            .await
            .map_err(StoreError::from)?;
        if page.rows.len() < limit::GROUPS_PER_DEVICE {
            Ok(())
        } else {
            Err(GroupError::Against(
                "This account is in as many groups as it may be.",
            ))
        }
    }
}

/// What founding writes, but for the state of MLS.
fn batch(from: &Caller, info: &GroupInfoBytes, row: &GroupRow, leaf: &LeafSummary) -> Batch {
    let member = MemberRow {
        account: from.account,
        leaf: leaf.leaf,
        signature_key: leaf.signature_key,
        joined_epoch: row.epoch,
        joined: Seq::NONE,
        left: None,
        suspended: false,
        leaving: None,
        is_guest: false,
    };
    let batch = Batch::new()
        .absent(of_group::META)
        .put(of_group::META, pack(row))
        .put(of_group::INFO, pack(info))
        .put(of_group::member(&from.device), pack(&member));
    if row.call_of.is_some() {
        return batch;
    }
    let joined = OutboxRow::Membership {
        account: from.account,
        present: true,
        shut: None,
    };
    let others = OutboxRow::TellOthers {
        account: from.account,
        except: vec![from.device],
    };
    batch
        .put(of_group::outbox(Seq::NONE, 0), pack(&joined))
        .put(of_group::outbox(Seq::NONE, 1), pack(&others))
}
