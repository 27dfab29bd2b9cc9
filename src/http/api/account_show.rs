//! `GET /v1/accounts/{account}`: a person with their devices.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::AccountId;
use roost_wire::api::{AccountDetail, ShowAccount};

pub async fn get(call: &Incoming<'_>, account: AccountId) -> Reply<AccountDetail> {
    let from = call.caller()?;
    Ok(call
        .app
        .accounts
        .show(&from, ShowAccount { account })
        .await?)
}
