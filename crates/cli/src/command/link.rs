//! `link`: a second device for an account, in three steps that pass texts between the two.

use super::{Failure, Output, Session, whoami};
use crate::arguments::Link;
use roost_client::{Command, Notice};
use serde_json::json;

pub(super) async fn run(
    session: &mut Session,
    task: Link,
    out: &mut Output,
) -> Result<(), Failure> {
    match task {
        Link::Request { server } => {
            let origin = server.trim_end_matches('/').to_owned();
            tell(session, Command::RequestLink { origin }, out)
        }
        Link::Grant { request } => {
            session.need_account()?;
            tell(session, Command::GrantLink { request }, out)
        }
        Link::Accept { grant } => {
            session.settle(Command::AcceptLink { grant }, None).await?;
            session.reached()?;
            session.sync().await?;
            whoami::run(session, out)
        }
    }
}

/// Prints the text that goes to the other device; the server has no part in making it.
fn tell(session: &mut Session, command: Command, out: &mut Output) -> Result<(), Failure> {
    for notice in session.driver().command(command)? {
        match notice {
            Notice::LinkRequest { text } | Notice::LinkGrant { text } => {
                return Ok(out.line(&text, &json!({"text": text}))?);
            }
            Notice::Refused { reason } => return Err(Failure::Refused(reason)),
            _ => {}
        }
    }
    Err(Failure::Broken("there is nothing to pass on".into()))
}
