//! `POST /v1/sessions`: a device signs in.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{SignIn, SignedIn};

pub async fn post(call: &Incoming<'_>) -> Reply<SignedIn> {
    call.stranger()?;
    let asked: SignIn = call.body()?;
    let (app, now) = (call.app, call.time());
    let known = app.devices.known_state(&asked.device).await?;
    let (signed_in, caller) = app.sessions.sign_in(&asked, known, now).await?;
    // Signing in works also while the disk is full, so these two may fail.
    let _ = app.accounts.seen(&caller.account, now).await;
    let _ = app.devices.note_state(&caller.device, asked.state).await;
    Ok(signed_in)
}
