//! `GET /v1/people`: everyone on the server.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::{ListPeople, People};

pub async fn get(call: &Incoming<'_>) -> Reply<People> {
    call.caller()?;
    let asked = ListPeople {
        after: call.query("after")?,
    };
    Ok(call.app.accounts.people(asked).await?)
}
