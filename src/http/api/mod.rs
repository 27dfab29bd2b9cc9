//! Every endpoint of `/v1/`, one line each, free of HTTP: the appliance's web server and the
//! simulation call the same [`dispatch`].

mod account_register;
mod account_rotate;
mod account_show;
pub(crate) mod acknowledge;
mod call_end;
mod call_open;
mod challenge_ask;
mod commit_submit;
mod device_add;
mod group_found;
mod group_info_fetch;
mod inbox_fetch;
mod invite_create;
mod invite_redeem;
mod invite_show;
mod invite_withdraw;
mod key_package_claim;
mod key_package_put;
mod knock;
mod log_fetch;
mod media_connect;
mod membership_list;
mod message_submit;
mod people_list;
mod proposal_submit;
mod relay_pass_ask;
mod server_show;
mod session_open;
mod ticket_ask;
mod tree_fetch;
mod verdict_report;

use crate::clock::Moment;
use crate::http::App;
use crate::http::extract::{Incoming, path_part, too_many};
use crate::http::guard::rate::Kind;
use crate::http::respond::{Refusal, Reply};
use roost_wire::{Epoch, Method, Token, limit};

pub use crate::http::extract::{Request, Response};

/// A request without a tree, commit or key packages.
const SMALL_BYTES: usize = 16 * 1024;

/// Answers one request. Run it to its end: when it is dropped halfway, what it stored stays, and
/// connected devices learn of it late.
pub async fn dispatch(app: &App, request: &Request, now: Moment) -> Response {
    let call = Incoming::new(app, request, now);
    let path = request.path_and_query.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let (Some(&"v1"), parts) = (parts.first(), parts.get(1..).unwrap_or_default()) else {
        return Response::of::<()>(Err(Refusal::not_found()));
    };
    match route(&call, request.method, parts).await {
        Ok(response) => response,
        Err(refusal) => Response::of::<()>(Err(refusal)),
    }
}

/// The largest body of a request, in bytes.
#[must_use]
pub fn body_bytes_max(method: Method, path: &str) -> usize {
    use Method::{Delete, Get, Post, Put};

    let parts: Vec<&str> = path.split('/').skip(1).take(5).collect();
    match (method, parts.as_slice()) {
        (Post, ["v1", "groups"]) => limit::FOUND_BODY_BYTES,
        (Post, ["v1", "groups", _, "commits"]) => limit::BODY_BYTES,
        (Post, ["v1", "groups", _, "call"]) => limit::CALL_OPENING_BYTES,
        (Post, ["v1", "groups", _, "messages"]) => limit::MESSAGE_BYTES + SMALL_BYTES,
        (Put, ["v1", "key-packages"]) => {
            (limit::KEY_PACKAGES_KEPT + 1) * limit::KEY_PACKAGE_BYTES + SMALL_BYTES
        }
        (Post, ["v1", "calls", _, "media"]) => limit::MEDIA_BODY_BYTES,
        (Post, ["v1", "acks"]) => 64 * limit::GROUPS_PER_DEVICE,
        (Post, _) => SMALL_BYTES,
        (Get | Delete | Put, _) => 0,
    }
}

/// Whether a body of at most so many bytes is a large one, which needs a session.
#[must_use]
pub const fn is_large(bytes_max: usize) -> bool {
    bytes_max > SMALL_BYTES
}

/// Lets a signed-in device send a large body, before a byte of it is kept.
///
/// # Errors
/// `NotSignedIn`, `TooMany`.
pub fn admit_large(app: &App, token: Option<&Token>, now: Moment) -> Result<(), Refusal> {
    let caller = app.sessions.caller(token, now.seconds())?;
    let per_second = app.house.settings.requests_per_second;
    app.rates
        .device(Kind::Upload, caller.device, per_second, now)
        .map_err(too_many)
}

async fn route(call: &Incoming<'_>, method: Method, parts: &[&str]) -> Reply<Response> {
    use Method::{Delete, Get, Post, Put};

    Ok(match (method, parts) {
        (Get, ["server"]) => Response::of(server_show::get(call)),
        (Post, ["challenges"]) => Response::of(challenge_ask::post(call)),
        (Post, ["sessions"]) => Response::of(session_open::post(call).await),
        (Post, ["tickets"]) => Response::of(ticket_ask::post(call)),
        (Post, ["relay-passes"]) => Response::of(relay_pass_ask::post(call).await),
        (Post, ["accounts"]) => Response::of(account_register::post(call).await),
        (Get, ["accounts", id]) => Response::of(account_show::get(call, path_part(id)?).await),
        (Get, ["people"]) => Response::of(people_list::get(call).await),
        (Post, ["rotations"]) => Response::of(account_rotate::post(call).await),
        (Post, ["devices"]) => Response::of(device_add::post(call).await),
        (Get, ["memberships"]) => Response::of(membership_list::get(call).await),
        (Put, ["key-packages"]) => Response::of(key_package_put::put(call).await),
        (Post, ["key-packages", "claim"]) => Response::of(key_package_claim::post(call).await),
        (Post, ["invites"]) => Response::of(invite_create::post(call).await),
        (Get, ["invites", id]) => Response::of(invite_show::get(call, path_part(id)?).await),
        (Delete, ["invites", id]) => {
            Response::of(invite_withdraw::delete(call, path_part(id)?).await)
        }
        (Post, ["invites", _, "redeem"]) => Response::of(invite_redeem::post(call).await),
        (Post, ["knocks"]) => Response::of(knock::post(call).await),
        (Get, ["inbox"]) => Response::of(inbox_fetch::get(call).await),
        (Post, ["acks"]) => Response::of(acknowledge::post(call).await),
        (Post, ["groups"]) => Response::of(Box::pin(group_found::post(call)).await),
        (Post, ["calls", id, "media"]) => {
            Response::of(media_connect::post(call, path_part(id)?).await)
        }
        (method, ["groups", id, rest @ ..]) => return in_group(call, method, id, rest).await,
        _ => return Err(Refusal::not_found()),
    })
}

async fn in_group(
    call: &Incoming<'_>,
    method: Method,
    id: &str,
    parts: &[&str],
) -> Reply<Response> {
    use Method::{Get, Post};

    Ok(match (method, parts) {
        (Post, ["commits"]) => Response::of(Box::pin(commit_submit::post(call)).await),
        (Post, ["proposals"]) => Response::of(Box::pin(proposal_submit::post(call)).await),
        (Post, ["messages"]) => Response::of(message_submit::post(call).await),
        (Post, ["call"]) => Response::of(Box::pin(call_open::post(call)).await),
        (Post, ["end"]) => Response::of(Box::pin(call_end::post(call)).await),
        (Post, ["verdicts"]) => Response::of(Box::pin(verdict_report::post(call)).await),
        (Get, ["log"]) => Response::of(log_fetch::get(call, path_part(id)?).await),
        (Get, ["info"]) => Response::of(group_info_fetch::get(call, path_part(id)?).await),
        (Get, ["trees", epoch]) => {
            let epoch = Epoch::new(path_part(epoch)?);
            Response::of(tree_fetch::get(call, path_part(id)?, epoch).await)
        }
        _ => return Err(Refusal::not_found()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_route_itself_takes_a_large_body() {
        let max = |path| body_bytes_max(Method::Post, path);

        assert!(is_large(max("/v1/groups")));
        assert!(is_large(max("/v1/groups/00/commits")));
        for path in [
            "/v1/nowhere/groups",
            "/v1/commits",
            "/v1/groups/00/groups",
            "/v1/groups/00/commits/groups",
            "/v1/accounts",
        ] {
            assert!(!is_large(max(path)), "{path}");
        }
    }
}
