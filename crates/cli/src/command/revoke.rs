//! `revoke`: shuts another device out of the account.

use super::{Failure, Output, Session};
use crate::arguments::Revoke;
use crate::find;
use roost_client::{Command, Notice};
use serde_json::json;

pub(super) async fn run(
    session: &mut Session,
    task: Revoke,
    out: &mut Output,
) -> Result<(), Failure> {
    session.need_account()?;
    session.settle(Command::RefreshDevices, None).await?;
    session.reached()?;
    let device = find::device(&session.core().devices(), &task.device)?;
    let notices = session.settle(Command::RevokeDevice(device), None).await?;
    if notices.contains(&Notice::DeviceRevoked(device)) {
        let id = device.to_string();
        return Ok(out.line(&format!("revoked {id}"), &json!({"revoked": id}))?);
    }
    session.reached()?;
    Err(Failure::Broken("the device was not revoked".into()))
}
