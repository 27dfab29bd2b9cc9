//! Whatever arrives, the server answers, and nothing breaks.

use crate::kit::*;
use proptest::prelude::*;
use roost_wire::frame::ServerFrame;
use roost_wire::{ApiError, ErrorCode, Method, Token};
use std::cell::LazyCell;

const METHODS: [Method; 4] = [Method::Get, Method::Post, Method::Put, Method::Delete];
const PATHS: [&str; 30] = [
    "/v1/server",
    "/v1/challenges",
    "/v1/sessions",
    "/v1/tickets",
    "/v1/accounts",
    "/v1/accounts/01010101010101010101010101010101",
    "/v1/people?after=zz",
    "/v1/people",
    "/v1/rotations",
    "/v1/devices",
    "/v1/memberships",
    "/v1/key-packages",
    "/v1/key-packages/claim",
    "/v1/invites",
    "/v1/invites/x",
    "/v1/invites/01010101010101010101010101010101/redeem",
    "/v1/inbox?after=18446744073709551615",
    "/v1/acks",
    "/v1/groups",
    "/v1/groups/09090909090909090909090909090909/commits",
    "/v1/groups/09090909090909090909090909090909/proposals",
    "/v1/groups/09090909090909090909090909090909/messages",
    "/v1/groups/09090909090909090909090909090909/verdicts",
    "/v1/groups/09090909090909090909090909090909/log?after=18446744073709551615&limit=0",
    "/v1/groups/09090909090909090909090909090909/log?after=-1",
    "/v1/groups/09090909090909090909090909090909/info",
    "/v1/groups/09090909090909090909090909090909/trees/18446744073709551615",
    "/v1/groups//log",
    "/v1",
    "//v1/../..",
];

thread_local! {
    static HOUSE: LazyCell<(Home, Guest)> = LazyCell::new(|| {
        let home = Home::new();
        let ada = home.person(1);
        ada.found(&home, 9);
        (home, ada)
    });
}

fn sound(response: &roost::api::Response) -> bool {
    if response.status == 200 {
        return true;
    }
    let error: ApiError = roost_wire::api::decode(&response.body, "error", 4096).unwrap();
    error.code.status() == response.status && error.code != ErrorCode::Internal
}

proptest! {
    #[test]
    fn any_request_is_answered_with_something_sound(
        method in 0..4usize,
        path in 0..PATHS.len(),
        signed_in: bool,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        HOUSE.with(|house| {
            let (home, ada) = &**house;
            let token = if signed_in { ada.token.clone() } else { Some(Token::new([1; 32])) };
            let response = home.raw(METHODS[method], PATHS[path], token, body);
            prop_assert!(sound(&response), "{response:?}");
            Ok(())
        })?;
    }

    #[test]
    fn a_valid_request_with_one_byte_changed_is_answered_with_something_sound(
        at: prop::sample::Index,
        with: u8,
    ) {
        HOUSE.with(|house| {
            let (home, ada) = &**house;
            let mut again = ada.founding(home, 10, roost_mls::GroupKind::Group).1;
            let mut tree = again.tree.clone().into_bytes();
            let index = at.index(tree.len());
            tree[index] ^= with;
            again.tree = roost_wire::Blob::new(tree).unwrap();
            let body = roost_wire::Call::body(&again);
            let response = home.raw(Method::Post, "/v1/groups", ada.token.clone(), body);
            prop_assert!(sound(&response), "{response:?}");
            Ok(())
        })?;
    }

    #[test]
    fn any_frame_is_survived(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..5)) {
        HOUSE.with(|house| {
            let (home, ada) = &**house;
            let mut line = ada.connect(home, &[]);
            for frame in &frames {
                now(line.connection.on_frame(frame, home.moment()));
                for frame in now(line.connection.turn(home.moment())) {
                    prop_assert!(ServerFrame::parse(&frame).is_ok());
                }
            }
            Ok(())
        })?;
    }
}

#[test]
fn without_a_session_nothing_behind_the_door_answers() {
    let home = Home::new();
    let open = [
        "/v1/server",
        "/v1/challenges",
        "/v1/sessions",
        "/v1/accounts",
        "/v1/devices",
    ];

    for path in PATHS.iter().filter(|path| !open.contains(path)) {
        for method in METHODS {
            let response = home.raw(method, path, None, Vec::new());
            let status = response.status;
            assert!(
                matches!(status, 400 | 401 | 404 | 410),
                "{method:?} {path}: {status}"
            );
        }
    }
}
