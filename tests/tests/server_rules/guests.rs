//! Guests of calls: what the server lets them do, and for how long.

use crate::kit::*;
use ed25519_dalek::SigningKey;
use roost::Settings;
use roost_mls::credential::Account;
use roost_mls::{Claims, InviteSecret, account_key_hash};
use roost_wire::api::*;
use roost_wire::frame::ServerFrame;
use roost_wire::link::InviteLink;
use roost_wire::*;

const LINK: u8 = 50;

#[test]
fn a_guest_bears_no_name_and_is_not_among_the_people() {
    let (home, ada, _) = home_with_link();
    let named = Guest::new(&home, 8);

    let refused = named.register(&home, &link()).unwrap_err();
    assert_eq!(refused.code, ErrorCode::Refused);

    guest(&home, 9);
    guest(&home, 10);
    let people = ada.call(&home, &ListPeople { after: None }).unwrap();
    assert_eq!(people.people.as_slice().len(), 1, "ada alone");
}

#[test]
fn a_guest_asks_for_nothing_but_calls() {
    let (home, ada, ada_in) = home_with_link();
    let conversation = ada_in.id;
    let mia = guest(&home, 9);
    let (_, founding) = mia.founding(&home, 12, roost_mls::GroupKind::Group);
    let (_, opening) = mia.opening_call(&home, 13, conversation);
    let invite = CreateInvite {
        invite: InviteId::new([7; 16]),
        key: InviteSecret::new([7; 16]).key(),
        expires: home.time.plus(DAY),
        uses: 1,
        group: None,
        grant: None,
        guests_of: None,
    };
    let claim = ClaimKeyPackages {
        account: ada.account,
        suite: 1,
        except: List::default(),
    };
    let group = conversation;

    let people = mia.call(&home, &ListPeople { after: None });
    assert_not_found(people);
    let account = ada.account;
    assert_not_found(mia.call(&home, &ShowAccount { account }));
    assert_not_found(mia.call(&home, &founding));
    assert_not_found(mia.call(&home, &opening));
    assert_not_found(mia.call(&home, &invite));
    assert_not_found(mia.call(&home, &claim));
    assert_not_found(mia.call(&home, &FetchGroupInfo { group }));
    assert_not_found(mia.log(&home, group, 0));
    let epoch = Epoch::new(0);
    assert_not_found(mia.call(&home, &FetchTree { group, epoch }));
    let mut line = mia.connect(&home, &[(group, 0)]);
    let told = line.frames(&home);
    assert!(told.contains(&ServerFrame::Gone { group }), "{told:?}");
}

#[test]
fn a_knock_is_heard_in_the_conversation_and_tells_of_its_call() {
    let (home, ada, ada_in) = home_with_link();
    let conversation = ada_in.id;
    let mut line = ada.connect(&home, &[(conversation, 0)]);
    line.frames(&home);
    let mia = guest(&home, 9);

    let before = mia.call(&home, &knock()).unwrap();
    assert_eq!(before, Knocked { call: None });
    let (_, opening) = ada.opening_call(&home, 13, conversation);
    let call = ada.call(&home, &opening).unwrap().call;
    let after = mia.call(&home, &knock()).unwrap();

    assert_eq!(after, Knocked { call: Some(call) });
    let knocks = line
        .frames(&home)
        .into_iter()
        .filter_map(|frame| match frame {
            ServerFrame::Knock {
                group,
                account,
                device,
                sealed,
                ..
            } => Some((group, account, device, sealed.into_bytes())),
            _ => None,
        });
    let heard = (conversation, mia.account, mia.device, vec![1, 2, 3]);
    assert_eq!(knocks.collect::<Vec<_>>(), [heard.clone(), heard]);
    assert_not_found(ada.call(&home, &knock()));
}

#[test]
fn a_guest_that_knocks_without_end_is_held_up() {
    let (home, _, _) = home_with_link();
    let mia = guest(&home, 9);

    let tries = (0..100).map(|_| mia.call(&home, &knock()));
    let refused = tries.filter_map(Result::err).next().expect("held up");

    assert_eq!(refused.code, ErrorCode::TooMany);
}

#[test]
fn a_link_ends_with_its_time_and_when_whoever_made_it_leaves_or_withdraws_it() {
    let (mut home, ada, mut ada_in) = home_with_link();
    let conversation = ada_in.id;
    let mia = guest(&home, 9);
    let ben = home.person(2);
    let added = ada_in.adds(&home, &ada, &[&ben]).seq;
    let mut ben_in = ben.join(&home);

    ada_in.leaves(&home, &ada);
    let since = ben.log(&home, conversation, added.get()).unwrap();
    ben_in.receives(since.entries.as_slice());
    ben_in.updates(&home, &ben);
    assert_eq!(refusal(mia.call(&home, &knock())), ErrorCode::Refused);

    let asked = link_for(&home, conversation, LINK + 1);
    ben.call(&home, &asked).unwrap();
    let eve = guest_by(&home, 10, LINK + 1);
    assert!(eve.call(&home, &knock()).is_ok());
    let invite = asked.invite;
    ben.call(&home, &WithdrawInvite { invite }).unwrap();
    assert_eq!(refusal(eve.call(&home, &knock())), ErrorCode::Refused);

    let asked = CreateInvite {
        expires: home.time.plus(3_600),
        ..link_for(&home, conversation, LINK + 2)
    };
    ben.call(&home, &asked).unwrap();
    let fay = guest_by(&home, 11, LINK + 2);
    home.pass(3_601);
    assert_eq!(refusal(fay.call(&home, &knock())), ErrorCode::Refused);
}

#[test]
fn a_link_is_made_by_somebody_in_the_conversation() {
    let (home, _, ada_in) = home_with_link();
    let conversation = ada_in.id;
    let ben = home.person(2);

    let asked = link_for(&home, conversation, LINK + 1);

    assert_not_found(ben.call(&home, &asked));
}

#[test]
fn somebody_with_an_account_does_not_become_a_member_by_a_guest_link() {
    let (home, _, ada_in) = home_with_link();
    let conversation = ada_in.id;
    let ben = home.person(2);
    let secret = InviteSecret::new([LINK; 16]);

    let redeemed = ben.call(
        &home,
        &ben.redemption(&home, &secret, InviteId::new([LINK; 16])),
    );

    assert_eq!(refusal(redeemed), ErrorCode::Refused);
    assert_not_found(ben.call(
        &home,
        &FetchGroupInfo {
            group: conversation,
        },
    ));
}

#[test]
fn a_guest_in_a_call_changes_nothing_and_is_in_nothing_else() {
    let (home, ada, mut ada_in) = home_with_link();
    let conversation = ada_in.id;
    let mut mia = guest(&home, 9);
    mia.settle_in(&home);
    let (mut call_in, opening) = ada.opening_call(&home, 13, conversation);
    ada.call(&home, &opening).unwrap();

    let elsewhere = ada_in.adding(&home, &ada, &[&mia]);
    assert_eq!(refusal(ada.call(&home, &elsewhere)), ErrorCode::Refused);
    call_in.adds(&home, &ada, &[&mia]);
    let mut mia_in = mia.join(&home);

    let removal = mia_in.removing(&home, &ada);
    assert_not_found(mia.call(&home, &removal));
    mia_in.group.clear_pending_commit();
    let update = mia_in.updating(&home);
    assert_not_found(mia.call(&home, &update));
    mia_in.group.clear_pending_commit();
    let group = call_in.id;
    assert_not_found(mia.call(&home, &EndCall { group }));
    mia_in.leaves(&home, &mia);
}

#[test]
fn the_verdict_of_a_guest_takes_nothing_back() {
    let (home, ada, ada_in) = home_with_link();
    let (mut mia, mut eve) = (guest(&home, 9), guest(&home, 10));
    mia.settle_in(&home);
    eve.settle_in(&home);
    let (mut call_in, opening) = ada.opening_call(&home, 13, ada_in.id);
    ada.call(&home, &opening).unwrap();
    call_in.adds(&home, &ada, &[&mia]);
    mia.join(&home);
    let asked = call_in.adding(&home, &ada, &[&eve]);
    let seq = ada.call(&home, &asked).unwrap().seq;

    let verdict = ReportVerdict {
        group: call_in.id,
        seq,
        hash: EntryHash::of(asked.commit.as_bytes()),
        verdict: Verdict::Refused,
    };
    mia.call(&home, &verdict).unwrap();

    eve.join(&home);
    let group = call_in.id;
    assert!(ada.call(&home, &EndCall { group }).is_ok());
}

#[test]
fn nobody_else_is_called_as_guests_are() {
    let home = Home::new();
    let impostor = named_guest(&home, 9);
    let refused = impostor.register(&home, &home.invite(1));

    assert_eq!(refusal(refused), ErrorCode::Taken);
}

#[test]
fn a_guest_relays_nothing_before_it_is_in_a_call() {
    let home = Home::with(Settings {
        relay_urls: vec!["turn:roost.test:3478?transport=udp".to_owned()],
        ..free_settings()
    });
    let ada = home.person(1);
    let ada_in = ada.found(&home, 30);
    ada.call(&home, &link_for(&home, ada_in.id, LINK)).unwrap();
    let mut mia = guest(&home, 9);
    mia.settle_in(&home);
    let (mut call_in, opening) = ada.opening_call(&home, 13, ada_in.id);
    ada.call(&home, &opening).unwrap();

    assert_not_found(mia.call(&home, &AskRelayPass {}));
    call_in.adds(&home, &ada, &[&mia]);
    assert!(mia.call(&home, &AskRelayPass {}).is_ok());
}

#[test]
fn whoever_is_let_into_a_call_from_outside_its_conversation_changes_nothing_either() {
    let (home, ada, ada_in) = home_with_link();
    let ben = home.person(2);
    let (mut call_in, opening) = ada.opening_call(&home, 13, ada_in.id);
    ada.call(&home, &opening).unwrap();
    call_in.adds(&home, &ada, &[&ben]);
    let mut ben_in = ben.join(&home);

    let removal = ben_in.removing(&home, &ada);

    assert_eq!(refusal(ben.call(&home, &removal)), ErrorCode::Refused);
}

#[test]
fn who_is_out_of_the_conversation_reads_and_follows_nothing_more_of_its_call() {
    let (home, ada, mut ada_in) = home_with_link();
    let ben = home.person(2);
    ada_in.adds(&home, &ada, &[&ben]);
    let (mut call_in, opening) = ada.opening_call(&home, 13, ada_in.id);
    ada.call(&home, &opening).unwrap();
    call_in.adds(&home, &ada, &[&ben]);
    let group = call_in.id;
    assert!(ben.log(&home, group, 0).is_ok());
    let mut line = ben.connect(&home, &[(group, 0)]);
    line.frames(&home);

    ada_in.removes(&home, &ada, &ben);

    let told = line.frames(&home);
    assert!(told.contains(&ServerFrame::Gone { group }), "{told:?}");
    assert_not_found(ben.log(&home, group, 0));
    let again = ben.connect(&home, &[(group, 0)]).frames(&home);
    assert!(again.contains(&ServerFrame::Gone { group }), "{again:?}");
    assert!(!home.app.hub.is_followed_by_hosts(&group));
}

#[test]
fn a_call_ends_when_only_guests_are_left() {
    let (home, ada, ada_in) = home_with_link();
    let conversation = ada_in.id;
    let mut mia = guest(&home, 9);
    mia.settle_in(&home);
    let (mut call_in, opening) = ada.opening_call(&home, 13, conversation);
    ada.call(&home, &opening).unwrap();
    call_in.adds(&home, &ada, &[&mia]);
    let group = call_in.id;

    ada.call(&home, &EndCall { group }).unwrap();

    assert_eq!(mia.call(&home, &knock()).unwrap(), Knocked { call: None });
    assert_not_found(mia.log(&home, group, 0));
}

#[test]
fn a_call_that_only_guests_follow_is_over_after_a_while() {
    let (mut home, ada, ada_in) = home_with_link();
    let conversation = ada_in.id;
    let mut mia = guest(&home, 9);
    mia.settle_in(&home);
    let (mut call_in, opening) = ada.opening_call(&home, 13, conversation);
    ada.call(&home, &opening).unwrap();
    call_in.adds(&home, &ada, &[&mia]);
    let group = call_in.id;
    let mut line = mia.connect(&home, &[(group, 0)]);
    line.frames(&home);

    for _ in 0..130 {
        home.pass(1);
    }

    let told = line.frames(&home);
    assert!(told.contains(&ServerFrame::Gone { group }), "{told:?}");
}

#[test]
fn a_day_later_nothing_is_left_of_a_guest() {
    let (mut home, mut ada, _) = home_with_link();
    let mut mia = guest(&home, 9);
    mia.settle_in(&home);
    let mut line = mia.connect(&home, &[]);

    home.pass(DAY - 1);
    assert!(mia.sign_in(&home).is_ok());
    home.pass(61);

    assert!(mia.sign_in(&home).is_err());
    line.frames(&home);
    assert!(line.connection.is_over(), "its connection is closed");
    ada.sign_in(&home).unwrap();
    let claim = ClaimKeyPackages {
        account: mia.account,
        suite: 1,
        except: List::default(),
    };
    assert_not_found(ada.call(&home, &claim));
    let rows = home.rows_with(&[9; 16]);
    assert!(rows.is_empty(), "{rows:?}");
}

/// Ada, her conversation, and a link for guests of its calls.
fn home_with_link() -> (Home, Guest, Member) {
    let home = Home::new();
    let ada = home.person(1);
    let ada_in = ada.found(&home, 30);
    ada.call(&home, &link_for(&home, ada_in.id, LINK)).unwrap();
    (home, ada, ada_in)
}

fn link_for(home: &Home, conversation: GroupId, number: u8) -> CreateInvite {
    CreateInvite {
        invite: InviteId::new([number; 16]),
        key: InviteSecret::new([number; 16]).key(),
        expires: home.time.plus(7 * DAY),
        uses: 5,
        group: None,
        grant: None,
        guests_of: Some(conversation),
    }
}

fn link() -> InviteLink {
    link_number(LINK)
}

fn link_number(number: u8) -> InviteLink {
    InviteLink {
        origin: "https://roost.test".into(),
        invite: InviteId::new([number; 16]),
        secret: [number; 16],
        inviter: None,
        group_name: None,
    }
}

fn guest(home: &Home, number: u8) -> Guest {
    guest_by(home, number, LINK)
}

/// Somebody who came by a link, and is signed in.
fn guest_by(home: &Home, number: u8, by: u8) -> Guest {
    let mut guest = named_guest(home, number);
    guest.register(home, &link_number(by)).unwrap();
    guest.sign_in(home).unwrap();
    guest
}

/// Somebody whose credential bears the name of all guests.
fn named_guest(home: &Home, number: u8) -> Guest {
    let account_key = SigningKey::from_bytes(&[number; 32]);
    let next_key = SigningKey::from_bytes(&[number.wrapping_add(100); 32]);
    let account = Account {
        server: home.app.house.identity.id,
        account: AccountId::new([number; 16]),
        name: DisplayName::of_guests(),
        key: public(&account_key),
        next_key_hash: account_key_hash(&public(&next_key)),
    };
    let claims = Claims::new(account, DeviceId::new([number; 16]), home.time);
    Guest::from_claims(claims, account_key, next_key, home.time)
}

fn knock() -> Knock {
    Knock {
        sealed: Blob::new(vec![1, 2, 3]).unwrap(),
    }
}

#[track_caller]
fn refusal<T>(result: Result<T, ApiError>) -> ErrorCode {
    result.map(|_| ()).expect_err("refused").code
}

#[track_caller]
fn assert_not_found<T>(result: Result<T, ApiError>) {
    assert_eq!(refusal(result), ErrorCode::NotFound);
}
