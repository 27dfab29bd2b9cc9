//! `GET /v1/groups/{group}/trees/{epoch}`: the tree that goes with a Welcome.

use crate::http::extract::Incoming;
use crate::http::respond::Reply;
use roost_wire::api::Tree;
use roost_wire::{Epoch, GroupId};

pub async fn get(call: &Incoming<'_>, group: GroupId, epoch: Epoch) -> Reply<Tree> {
    let from = call.caller_or_guest()?;
    Ok(call.app.groups.tree(&from, &group, epoch).await?)
}
