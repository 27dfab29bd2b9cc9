//! Cursors: how far each device has stored the log.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::GroupError;
use crate::service::group::Groups;
use crate::service::key::{self, of_group};
use crate::service::record::pack;
use roost_store::Batch;
use roost_wire::frame::{Cursor, ServerFrame};

impl Groups {
    /// Notes a device's cursor, and tells the group if everyone now has more. A cursor for a group
    /// that the device is not in does nothing.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn acknowledge(
        &self,
        from: &Caller,
        cursor: &Cursor,
    ) -> Result<Vec<Delivery>, GroupError> {
        let group = cursor.group;
        let cell = self.cell(&group);
        let part = key::group(&group);
        let mut place = cell.state.lock().await;
        let state = match self.loaded(&cell, &mut place, &group).await {
            Ok(state) => state,
            Err(GroupError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let member = state.members.get(&from.device);
        let Some(member) = member.filter(|row| row.signature_key == from.signature_key) else {
            return Ok(Vec::new());
        };
        // No cursor beyond what is durable: that number may still name another entry. Whoever left
        // has stored nothing beyond its last entry.
        let last = member.left.unwrap_or_else(|| cell.durable.get());
        let seq = cursor.seq.min(cell.durable.get()).min(last);
        if seq <= state.progress.cursor(&from.device) || seq < member.joined {
            return Ok(Vec::new());
        }
        let is_present = member.left.is_none();
        let batch = Batch::new().put(of_group::cursor(&from.device), pack(&seq));
        let queued = self.house.store.enqueue(&part, batch).await?;
        let delivered = if is_present {
            state.progress.acknowledge(from.device, from.account, seq)
        } else {
            state.progress.acknowledge_departed(&from.device, seq);
            None
        };
        drop(place);
        self.shared.moved().insert(group);
        queued.durable().await?;
        let Some(seq) = delivered else {
            return Ok(Vec::new());
        };
        Ok(vec![Delivery::Passing {
            group,
            from: None,
            frame: ServerFrame::Delivered { group, seq }.to_bytes().into(),
        }])
    }
}
