//! `sync`: fetches and sends everything there is, and says how much is unread.

use super::{Failure, Output, Session};
use serde_json::json;

pub(super) async fn run(session: &mut Session, out: &mut Output) -> Result<(), Failure> {
    session.need_account()?;
    session.sync().await?;
    session.reached()?;
    let unread: u32 = session
        .core()
        .conversations()
        .iter()
        .map(|view| view.unread)
        .sum();
    Ok(out.line(&format!("{unread} unread"), &json!({"unread": unread}))?)
}
