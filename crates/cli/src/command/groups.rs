//! `groups`: the conversations of this account, newest first.

use super::{Failure, Output, Session};
use crate::output;

pub(super) async fn run(session: &mut Session, out: &mut Output) -> Result<(), Failure> {
    session.need_account()?;
    session.sync().await?;
    for view in session.core().conversations() {
        let (text, object) = output::conversation(&view, &session.core().members(&view.id));
        out.line(&text, &object)?;
    }
    session.reached()
}
