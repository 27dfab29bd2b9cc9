//! Calls: a conversation has at most one at a time, and each call has a group of its own.
//!
//! Owns which conversation has which call (a lease: it ends when nobody is left, or nobody has been
//! connected for a while) and that the call's group is gone with it. Who may enter is `admission`'s
//! and, beyond what a server can see, the members'. Never holds two groups' locks but that of a
//! call before that of its conversation.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::Groups;
use crate::service::key::{self, of_group};
use crate::service::outcome::Outcome;
use crate::service::record::{GroupRow, pack};
use crate::telemetry::log;
use roost_mls::{ObservedGroup, Observer};
use roost_store::{Batch, KeyRange, Limit, Part};
use roost_wire::api::{Accepted, CallFounding, CallOpened, Done, GroupInfoBundle, OpenCall};
use roost_wire::frame::ServerFrame;
use roost_wire::{AccountId, DeviceId, GroupId, Seconds};

/// A call that none of its devices has followed for so long is over.
const IDLE_SECONDS: u64 = 120;
/// Times the way into a call changes while somebody looks for it.
const TRIES: usize = 3;

/// The group of a call, as the regular look at it needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    /// When a connection last followed it; none before the first look.
    seen: Option<Seconds>,
}

/// Whether a conversation has a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallNow {
    pub on: Option<GroupId>,
}

impl Groups {
    /// The way into a conversation's call; founds one if there is none and the caller brings it.
    ///
    /// # Errors
    /// `NotFound` for devices outside the conversation, and when there is no call; refusals of the
    /// rules for a group that is none for such a call.
    pub async fn open_call(
        &self,
        from: &Caller,
        asked: &OpenCall,
        now: Seconds,
    ) -> Result<Outcome<CallOpened>, GroupError> {
        let founding = match &asked.founding {
            Some(founding) => Some((founding, observe(founding, &asked.group)?)),
            None => None,
        };
        let mut told = Vec::new();
        for _ in 0..TRIES {
            let lease = self.lease(from, &asked.group).await?;
            let abandoned = match lease {
                Some(call) => self.is_abandoned(&call, &asked.group).await?,
                None => false,
            };
            if let Some(call) = lease.filter(|_| !abandoned)
                && let Some(opened) = self.way_in(from, call, founding.as_ref(), now).await?
            {
                return Ok(Outcome::new(opened, told));
            }
            let (founding, observed) = founding.as_ref().ok_or(GroupError::NotFound)?;
            let outcome = self
                .found_observed(from, &founding.group_info, observed, now)
                .await?;
            let call = observed.group_id();
            let lease = match lease.filter(|_| abandoned) {
                Some(abandoned) => {
                    told.extend(self.dissolve(&abandoned).await?);
                    None
                }
                None => lease,
            };
            if self.take_lease(&asked.group, lease, call).await? {
                told.push(call_on(asked.group, Some(call)));
                return Ok(Outcome::new(founded(call, outcome.reply), told));
            }
            // Somebody else was first.
            told.extend(self.dissolve(&call).await?);
        }
        Err(StoreError::Contended.into())
    }

    /// Ends a call, for the last device of its conversation.
    ///
    /// # Errors
    /// `NotFound` for devices outside the call; refuses while others of the conversation are in it.
    pub async fn end_call(
        &self,
        from: &Caller,
        call: &GroupId,
    ) -> Result<Outcome<Done>, GroupError> {
        {
            let cell = self.cell(call);
            let mut place = cell.state.lock().await;
            let state = self.loaded(&cell, &mut place, call).await?;
            state.member(from)?;
            let conversation = state.row.call_of.ok_or(GroupError::NotFound)?;
            let others = state
                .present()
                .filter(|(device, _)| **device != from.device);
            let others: Vec<DeviceId> = others.map(|(device, _)| *device).collect();
            if self.has_one_of(&conversation, &others).await? {
                return Err(GroupError::Against("Others are in the call."));
            }
            // Guests stay in no call without a host.
            if !others.is_empty() {
                self.check_member(from, &conversation).await?;
            }
            self.close_call(&mut place).await?;
        }
        Ok(Outcome::new(Done {}, self.dissolve(call).await?))
    }

    /// Ends the calls that nobody but guests follows any more. Call it about once a second.
    pub async fn end_idle_calls(
        &self,
        has_hosts: impl Fn(&GroupId) -> bool,
        now: Seconds,
    ) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for call in self.idle_calls(has_hosts, now) {
            match self.dissolve(&call).await {
                Ok(told) => deliveries.extend(told),
                Err(error) => log::note("a call could not be ended and is looked at again", &error),
            }
        }
        deliveries
    }

    /// The call that a conversation has, for a guest with the link of somebody in it; none if that
    /// person is not.
    ///
    /// # Errors
    /// `NotFound` for an unknown conversation.
    pub async fn call_for_guests(
        &self,
        conversation: &GroupId,
        inviter: &AccountId,
    ) -> Result<Option<CallNow>, GroupError> {
        let cell = self.cell(conversation);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, conversation).await?;
        let leads_on = state.has_account(inviter) && !state.row.closed;
        Ok(leads_on.then_some(CallNow { on: state.call }))
    }

    /// Refuses unless the device is in the call that the conversation has.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn check_in_call(
        &self,
        from: &Caller,
        conversation: &GroupId,
    ) -> Result<(), GroupError> {
        let call = {
            let cell = self.cell(conversation);
            let mut place = cell.state.lock().await;
            self.loaded(&cell, &mut place, conversation).await?.call
        };
        self.check_member(from, &call.ok_or(GroupError::NotFound)?)
            .await
    }

    /// Whether a device is in a call, for whoever forwards the call's media.
    ///
    /// # Errors
    /// `NotFound` unless the device is in the call, and a guest or in the conversation.
    pub async fn check_has_media(&self, from: &Caller, call: &GroupId) -> Result<(), GroupError> {
        let conversation = self.check_hears(from, call).await?;
        conversation.map(drop).ok_or(GroupError::NotFound)
    }

    /// Refuses unless the device is in the group, and of a call's in the conversation or a guest; the
    /// conversation whose call it is, if it is one.
    pub(super) async fn check_hears(
        &self,
        from: &Caller,
        group: &GroupId,
    ) -> Result<Option<GroupId>, GroupError> {
        let cell = self.cell(group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, group).await?;
        state.member(from)?;
        let conversation = state.row.call_of;
        if self.is_out_of_call(from, conversation).await? {
            return Err(GroupError::NotFound);
        }
        Ok(conversation)
    }

    /// Whether a device that is in the call of a conversation may hear nothing of it any more, since it
    /// is in that conversation no longer. Guests never were.
    pub(super) async fn is_out_of_call(
        &self,
        from: &Caller,
        conversation: Option<GroupId>,
    ) -> Result<bool, GroupError> {
        let Some(conversation) = conversation.filter(|_| from.guest_of.is_none()) else {
            return Ok(false);
        };
        match self.check_member(from, &conversation).await {
            Ok(()) => Ok(false),
            Err(GroupError::NotFound) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether nobody of the conversation is in its call any more: nobody could enter it, since
    /// nobody whom they believe vouches for its state.
    async fn is_abandoned(
        &self,
        call: &GroupId,
        conversation: &GroupId,
    ) -> Result<bool, GroupError> {
        let devices: Vec<DeviceId> = {
            let cell = self.cell(call);
            let mut place = cell.state.lock().await;
            match self.loaded(&cell, &mut place, call).await {
                Ok(state) => state.present().map(|(device, _)| *device).collect(),
                Err(GroupError::NotFound) => return Ok(false),
                Err(error) => return Err(error),
            }
        };
        Ok(!self.has_one_of(conversation, &devices).await?)
    }

    /// Whether one of these devices is in the conversation.
    async fn has_one_of(
        &self,
        conversation: &GroupId,
        devices: &[DeviceId],
    ) -> Result<bool, GroupError> {
        let cell = self.cell(conversation);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, conversation).await?;
        Ok(state.present().any(|(device, _)| devices.contains(device)))
    }

    /// Notes a call, so that its end is noticed.
    pub(super) fn watch_calls(&self, group: &GroupId, row: &GroupRow, call: Option<GroupId>) {
        let own = row.call_of.is_some().then_some(*group);
        let mut calls = self.shared.calls();
        for call in own.into_iter().chain(call) {
            calls.entry(call).or_insert(Watched { seen: None });
        }
    }

    fn idle_calls(&self, has_hosts: impl Fn(&GroupId) -> bool, now: Seconds) -> Vec<GroupId> {
        let mut idle = Vec::new();
        for (call, watched) in self.shared.calls().iter_mut() {
            let seen = watched.seen.filter(|_| !has_hosts(call)).unwrap_or(now);
            watched.seen = Some(seen);
            if seen.plus(IDLE_SECONDS) <= now {
                idle.push(*call);
            }
        }
        idle
    }

    /// The call that the conversation has, as far as is noted.
    async fn lease(
        &self,
        from: &Caller,
        conversation: &GroupId,
    ) -> Result<Option<GroupId>, GroupError> {
        let cell = self.cell(conversation);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, conversation).await?;
        state.member(from)?;
        if state.row.call_of.is_some() {
            return Err(GroupError::Against("A call has no calls of its own."));
        }
        Ok(state.call)
    }

    /// What it takes to enter a call; none if it is over.
    async fn way_in(
        &self,
        from: &Caller,
        call: GroupId,
        founding: Option<&(&CallFounding, ObservedGroup)>,
        now: Seconds,
    ) -> Result<Option<CallOpened>, GroupError> {
        let own = founding.filter(|(_, observed)| observed.group_id() == call);
        let info = match own {
            // The answer to its founding was lost: it is the same again.
            Some((founding, observed)) => {
                let again = self.found_observed(from, &founding.group_info, observed, now);
                return Ok(Some(founded(call, again.await?.reply)));
            }
            None => self.info(from, &call, now).await,
        };
        match info {
            Ok(info) => Ok(Some(entering(call, info))),
            Err(GroupError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the conversation this call in place of another one; whether it had that one still.
    async fn take_lease(
        &self,
        conversation: &GroupId,
        before: Option<GroupId>,
        call: GroupId,
    ) -> Result<bool, GroupError> {
        let cell = self.cell(conversation);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, conversation).await?;
        if state.call != before {
            return Ok(false);
        }
        let batch = Batch::new()
            .present(of_group::META)
            .put(of_group::CALL, pack(&call));
        self.house
            .store
            .commit(&key::group(conversation), batch)
            .await?;
        state.call = Some(call);
        self.shared.calls().insert(call, Watched { seen: None });
        Ok(true)
    }

    /// Takes no commit and lets nobody in any more, also after a restart.
    async fn close_call(&self, place: &mut Option<super::State>) -> Result<(), GroupError> {
        let Some(mut state) = place.take() else {
            return Err(GroupError::NotFound);
        };
        let row = GroupRow {
            closed: true,
            ..state.row.clone()
        };
        let batch = Batch::new()
            .version(of_group::META, state.version)
            .put(of_group::META, pack(&row));
        let part = key::group(&state.id);
        let receipt = self.house.store.commit(&part, batch).await?;
        state.version = receipt.version();
        state.row = row;
        *place = Some(state);
        Ok(())
    }

    /// Deletes the group of a call with all its rows, and ends the conversation's lease. Doing it
    /// again goes on where it was.
    async fn dissolve(&self, call: &GroupId) -> Result<Vec<Delivery>, GroupError> {
        let cell = self.cell(call);
        let mut place = cell.state.lock().await;
        let conversation = match self.loaded(&cell, &mut place, call).await {
            Ok(state) => state.row.call_of,
            Err(GroupError::NotFound) => {
                self.shared.calls().remove(call);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let Some(conversation) = conversation else {
            self.shared.calls().remove(call);
            return Ok(Vec::new());
        };
        self.close_call(&mut place).await?;
        *place = None;
        self.delete_rows(&key::group(call)).await?;
        self.shared.cells().remove(call);
        self.shared.calls().remove(call);
        drop(place);
        let gone = Delivery::Gone {
            group: *call,
            frame: ServerFrame::Gone { group: *call }.to_bytes().into(),
        };
        let mut deliveries = vec![gone];
        if self.end_lease(&conversation, call).await? {
            deliveries.push(call_on(conversation, None));
        }
        Ok(deliveries)
    }

    /// The group's own row goes last: as long as it is there, the rest can be found again.
    async fn delete_rows(&self, part: &Part) -> Result<(), GroupError> {
        let ranges = [
            KeyRange::before(of_group::META),
            KeyRange::after(of_group::META),
            KeyRange::all(),
        ];
        for range in ranges {
            let store = &self.house.store;
            while store
                .delete_range(part, range.clone(), Limit::MAX)
                .await?
                .more
            {}
        }
        Ok(())
    }

    /// Whether the conversation had this call.
    async fn end_lease(&self, conversation: &GroupId, call: &GroupId) -> Result<bool, GroupError> {
        let cell = self.cell(conversation);
        let mut place = cell.state.lock().await;
        let state = match self.loaded(&cell, &mut place, conversation).await {
            Ok(state) => state,
            Err(GroupError::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        };
        if state.call != Some(*call) {
            return Ok(false);
        }
        let batch = Batch::new().delete(of_group::CALL);
        self.house
            .store
            .commit(&key::group(conversation), batch)
            .await?;
        state.call = None;
        Ok(true)
    }
}

/// Reads a call's new group, which must be one for this conversation.
fn observe(founding: &CallFounding, conversation: &GroupId) -> Result<ObservedGroup, GroupError> {
    let observed = Observer::new()
        .found(founding.group_info.as_bytes(), founding.tree.as_bytes())
        .map_err(GroupError::Rule)?;
    if observed.policy().conversation() == Some(*conversation) {
        Ok(observed)
    } else {
        Err(GroupError::Against(
            "The group is not for a call of this conversation.",
        ))
    }
}

fn founded(call: GroupId, accepted: Accepted) -> CallOpened {
    CallOpened {
        call,
        founded: Some(accepted),
        info: None,
    }
}

fn entering(call: GroupId, info: GroupInfoBundle) -> CallOpened {
    CallOpened {
        call,
        founded: None,
        info: Some(info),
    }
}

fn call_on(group: GroupId, call: Option<GroupId>) -> Delivery {
    Delivery::Passing {
        group,
        from: None,
        frame: ServerFrame::CallOn { group, call }.to_bytes().into(),
    }
}
