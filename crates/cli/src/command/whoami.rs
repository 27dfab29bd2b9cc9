//! `whoami`: the account of this home.

use super::{Failure, Output, Session};
use serde_json::json;

pub(super) fn run(session: &Session, out: &mut Output) -> Result<(), Failure> {
    session.need_account()?;
    let Some(me) = session.core().me() else {
        return Ok(());
    };
    let (account, device) = (me.account.to_string(), me.device.to_string());
    let text = format!(
        "@{}\naccount {account}\ndevice {device}\nserver {}",
        me.name, me.origin
    );
    let object = json!({
        "name": me.name.as_str(),
        "id": account,
        "device": device,
        "server": me.origin,
        "server_id": me.server.to_string(),
    });
    Ok(out.line(&text, &object)?)
}
