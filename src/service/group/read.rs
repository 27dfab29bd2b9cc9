//! Reading the log, and what joiners need. "Not yours" and "not there" look the same.

use crate::service::directory::Caller;
use crate::service::error::{GroupError, StoreError};
use crate::service::group::{Groups, log_row};
use crate::service::key::{self, of_group};
use crate::service::record::LogRow;
use bytes::Bytes;
use roost_store::{Direction, KeyRange, Limit};
use roost_wire::api::{GroupInfoBundle, LogPage, Tree};
use roost_wire::frame::ServerFrame;
use roost_wire::{Blob, Epoch, GroupId, Incarnation, List, Seconds, Seq, limit};

/// What a read of the log found.
pub enum Read {
    Page(Page),
    /// The entries right after the cursor are no longer kept.
    Gap {
        tail: Seq,
    },
}

/// Entries in order, and where the log stands.
pub struct Page {
    pub rows: Vec<(Seq, LogRow)>,
    pub tail: Seq,
    /// The last entry the device may read.
    pub head: Seq,
    /// Every account has a device that stored everything up to here.
    pub delivered: Seq,
    pub more: bool,
    /// The device has left: nothing comes after `head`.
    pub ended: bool,
    /// The group of the conversation's call.
    pub call: Option<GroupId>,
}

impl Read {
    /// As an answer by HTTP, bodies included.
    ///
    /// # Errors
    /// `Gone` for a gap.
    pub fn into_whole(self, incarnation: Incarnation) -> Result<LogPage, GroupError> {
        let Self::Page(page) = self else {
            return Err(GroupError::Gone);
        };
        let whole = |(seq, row): (Seq, LogRow)| row.entry(seq, limit::COMMIT_BYTES);
        Ok(LogPage {
            entries: List::capped(page.rows.into_iter().map(whole).collect()),
            tail: page.tail,
            head: page.head,
            incarnation,
            delivered: page.delivered,
        })
    }
}

impl Page {
    /// As events of a WebSocket, with stubs for long entries.
    pub fn into_frames(self, group: GroupId) -> Vec<(Seq, Bytes)> {
        let frame = |(seq, row): (Seq, LogRow)| {
            let entry = row.entry(seq, limit::ENTRY_INLINE_BYTES);
            let frame = ServerFrame::Event { group, entry };
            (seq, Bytes::from(frame.to_bytes()))
        };
        self.rows.into_iter().map(frame).collect()
    }
}

impl Groups {
    /// Entries after a cursor, oldest first, at most so many. Calls `follow` for a device that is
    /// in the group now, before it looks where the log ends: so nothing falls between.
    ///
    /// # Errors
    /// `NotFound` for a device that is not and never was in the group, or that is out of the conversation
    /// of a call.
    pub async fn read(
        &self,
        from: &Caller,
        group: &GroupId,
        after: Seq,
        rows: usize,
        follow: impl FnOnce(),
    ) -> Result<Read, GroupError> {
        let cell = self.cell(group);
        let (first, last, mut page) = {
            let mut place = cell.state.lock().await;
            let state = self.loaded(&cell, &mut place, group).await?;
            if self.is_out_of_call(from, state.row.call_of).await? {
                return Err(GroupError::NotFound);
            }
            let ended = state.member(from).is_err();
            if !ended {
                follow();
            }
            let (first, last) = state.readable(&from.device, after, cell.durable.get())?;
            let page = Page {
                rows: Vec::new(),
                tail: state.tail,
                head: last,
                delivered: state.progress.delivered().min(last),
                more: false,
                ended,
                call: state.call,
            };
            // Its entry was taken back, so the place it reads from is not its own.
            if ended && after > last {
                return Ok(Read::Gap { tail: last.next() });
            }
            (first, last, page)
        };
        if first > last {
            return Ok(Read::Page(page));
        }
        let range = KeyRange::between(of_group::log(first), of_group::log(last.next()));
        let limit = Limit {
            rows: rows.clamp(1, limit::LOG_PAGE_ENTRIES),
            bytes: limit::LOG_PAGE_BYTES,
        };
        let found = self
            .house
            .store
            .scan(&key::group(group), range, limit, Direction::Forward)
            .await?;
        page.rows = found.rows.iter().map(log_row).collect::<Result<_, _>>()?;
        page.more = found.more;
        match page.rows.first() {
            Some((seq, _)) if *seq == first => Ok(Read::Page(page)),
            Some((seq, _)) => Ok(Read::Gap { tail: *seq }),
            None => Ok(Read::Gap { tail: last.next() }),
        }
    }

    /// GroupInfo and tree of the present epoch.
    ///
    /// # Errors
    /// `NotFound` for those who may not enter.
    pub async fn info(
        &self,
        from: &Caller,
        group: &GroupId,
        now: Seconds,
    ) -> Result<GroupInfoBundle, GroupError> {
        let cell = self.cell(group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, group).await?;
        self.right(from, state, now).await?;
        let tree = self.observed(state).await?.export_tree();
        Ok(GroupInfoBundle {
            group_info: self.info_row(group).await?,
            tree: Blob::new(tree.map_err(GroupError::Rule)?)?,
            epoch: state.row.epoch,
            head: cell.durable.get(),
            time: now.max(state.time),
            incarnation: self.house.identity.incarnation,
        })
    }

    /// The tree that goes with a Welcome.
    ///
    /// # Errors
    /// `NotFound` for devices outside the group, and when it is no longer kept.
    pub async fn tree(
        &self,
        from: &Caller,
        group: &GroupId,
        epoch: Epoch,
    ) -> Result<Tree, GroupError> {
        let cell = self.cell(group);
        let mut place = cell.state.lock().await;
        let state = self.loaded(&cell, &mut place, group).await?;
        let member = state.member(from)?;
        if epoch < member.joined_epoch {
            return Err(GroupError::NotFound);
        }
        let row = self
            .house
            .store
            .get(&key::group(group), &of_group::tree(epoch))
            .await
            .map_err(StoreError::from)?;
        let tree = match row {
            Some(row) => row.value,
            None if epoch == state.row.epoch => {
                let observed = self.observed(state).await?;
                observed.export_tree().map_err(GroupError::Rule)?
            }
            None => return Err(GroupError::NotFound),
        };
        Ok(Tree {
            tree: Blob::new(tree)?,
        })
    }
}
