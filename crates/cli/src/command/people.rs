//! `people`: who is on the server.

use super::{Failure, Output, Session};
use crate::output;

pub(super) async fn run(session: &mut Session, out: &mut Output) -> Result<(), Failure> {
    session.need_account()?;
    session.sync().await?;
    for person in session.core().people() {
        let (text, object) = output::person(&person);
        out.line(&text, &object)?;
    }
    session.reached()
}
