//! Members and former members who want more than is theirs.

use crate::kit::*;
use roost_store::{Batch, Part, Store};
use roost_wire::api::*;
use roost_wire::frame::{ClientFrame, Cursor};
use roost_wire::*;

fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn an_invite_of_somebody_who_was_removed_opens_nothing() {
    let home = Home::new();
    let [ada, ben, cy] = [1, 2, 3].map(|number| home.person(number));
    let mut ada_in = ada.found(&home, 9);
    let group = ada_in.id;
    ada_in.adds(&home, &ada, &[&ben]);
    let (secret, _, asked) = ben.invites_to(&home, group, 5, 9);
    ben.call(&home, &asked).unwrap();
    cy.call(&home, &cy.redemption(&home, &secret, asked.invite))
        .unwrap();
    assert!(cy.call(&home, &FetchGroupInfo { group }).is_ok());

    ada_in.removes(&home, &ada, &ben);

    assert_eq!(
        code(cy.call(&home, &FetchGroupInfo { group })),
        ErrorCode::NotFound
    );
    let dora = home.person(4);
    dora.call(&home, &dora.redemption(&home, &secret, asked.invite))
        .unwrap();
    assert_eq!(
        code(dora.call(&home, &FetchGroupInfo { group })),
        ErrorCode::NotFound
    );
}

#[test]
fn withdrawing_an_invite_shuts_the_group_for_who_has_not_entered_yet() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let group = ada.found(&home, 9).id;
    let (secret, _, asked) = ada.invites_to(&home, group, 5, 9);
    ada.call(&home, &asked).unwrap();
    ben.call(&home, &ben.redemption(&home, &secret, asked.invite))
        .unwrap();
    assert!(ben.call(&home, &FetchGroupInfo { group }).is_ok());

    let invite = asked.invite;
    ada.call(&home, &WithdrawInvite { invite }).unwrap();

    assert_eq!(
        code(ben.call(&home, &FetchGroupInfo { group })),
        ErrorCode::NotFound
    );
}

#[test]
fn following_groups_too_fast_ends_the_connection() {
    let home = Home::with(roost::Settings {
        requests_per_second: 2,
        ..free_settings()
    });
    let ada = home.person(1);
    let mut line = ada.connect(&home, &[]);
    let follow = |n: u8| ClientFrame::Follow {
        cursor: Cursor {
            group: GroupId::new([n; 16]),
            seq: Seq::NONE,
        },
    };

    for n in 0..30 {
        line.send(&home, &follow(n));
    }

    assert!(line.connection.is_over());
}

#[test]
fn a_device_removed_after_its_ticket_was_used_is_not_greeted() {
    let home = Home::new();
    let ada = home.person(1);
    let ticket = ada.call(&home, &AskTicket {}).unwrap().ticket;
    let connection = home.app.connect(&ticket, home.moment()).unwrap();
    now(home.store.commit(
        &Part::new(b'D', b""),
        Batch::new().delete([b"v".as_slice(), ada.device.as_bytes()].concat()),
    ))
    .unwrap();
    let mut line = Line { connection };

    let hello = ClientFrame::Hello {
        cursors: List::default(),
        inbox: InboxSeq::new(0),
        credit: 256,
        state: StateCounter::new(1),
    };
    line.send(&home, &hello);

    assert!(line.connection.is_over());
}

#[test]
fn nobody_is_put_into_groups_without_bound() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let mut adds = 0;
    let refused = (1..=255).find_map(|number| {
        let mut member = ada.found(&home, number);
        let asked = member.adding(&home, &ada, &[&ben]);
        let refused = ada.call(&home, &asked).err();
        adds += u32::from(refused.is_none());
        refused
    });

    assert_eq!(refused.map(|error| error.code), Some(ErrorCode::Refused));
    assert_eq!(adds, limit::ADDS_OF_ACCOUNT_A_DAY);
    let cy = home.person(3);
    cy.found(&home, 255).adds(&home, &cy, &[&ben]);
}
