//! `POST /v1/groups/{group}/messages`: an application message.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use crate::service::{Order, Submission};
use roost_wire::api::{Accepted, SubmitMessage};
use roost_wire::envelope::Envelope;

pub async fn post(call: &Incoming<'_>) -> Reply<Accepted> {
    let from = call.sender()?;
    let asked: SubmitMessage = call.body()?;
    let envelope = Envelope::parse(asked.message.into_bytes())?;
    // A request stands alone: whoever sends one after the other waits for the answers.
    let turn = Order::default().turn();
    let submission = Submission {
        envelope,
        began: asked.began,
    };
    let groups = &call.app.groups;
    let outcome = groups.submit(&from, submission, &turn, call.time()).await?;
    call.app.deliver(outcome.deliveries);
    Ok(outcome.reply)
}
