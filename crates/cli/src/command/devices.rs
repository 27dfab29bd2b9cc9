//! `devices`: the devices of the account.

use super::{Failure, Output, Session};
use crate::output;
use roost_client::Command;

pub(super) async fn run(session: &mut Session, out: &mut Output) -> Result<(), Failure> {
    session.need_account()?;
    session.settle(Command::RefreshDevices, None).await?;
    for device in session.core().devices() {
        let (text, object) = output::device(&device);
        out.line(&text, &object)?;
    }
    session.reached()
}
