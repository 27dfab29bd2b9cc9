//! `safety-number`: what to compare with somebody, face to face or on the phone.

use super::{Failure, Output, Session};
use crate::arguments::SafetyNumber;
use crate::output;

pub(super) async fn run(
    session: &mut Session,
    task: SafetyNumber,
    out: &mut Output,
) -> Result<(), Failure> {
    session.need_account()?;
    let account = session.person(&task.user).await?;
    let person = session.core().person(&account);
    let number = session.core().safety_number(&account);
    let (Some(person), Some(number)) = (person, number) else {
        return Err(Failure::Usage(
            "a safety number needs another person".into(),
        ));
    };
    let (text, object) = output::safety_number(&person, &number);
    Ok(out.line(&text, &object)?)
}
