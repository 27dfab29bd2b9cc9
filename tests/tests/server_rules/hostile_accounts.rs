//! Accounts, invites, sessions and key packages under people who want more than they may have.

use crate::kit::*;
use roost::Settings;
use roost_mls::credential::Account;
use roost_mls::{Claims, JoinProof, KeyRotation, PinnedAccountKey, account_key_hash};
use roost_wire::api::*;
use roost_wire::log::InboxItem;
use roost_wire::*;

fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> ErrorCode {
    result.unwrap_err().code
}

#[test]
fn the_setup_link_makes_one_administrator() {
    let home = Home::new();
    let link = home.setup();
    let (first, second) = (Guest::new(&home, 1), Guest::new(&home, 2));

    let registered = first.register(&home, &link).unwrap();

    assert!(registered.me.is_admin);
    assert_eq!(code(second.register(&home, &link)), ErrorCode::InviteOver);
    assert!(now(home.app.invites.setup(home.time)).unwrap().is_none());
}

#[test]
fn the_setup_link_stays_the_same_until_it_is_used() {
    let mut home = Home::new();
    let link = home.setup();

    home.restart();

    assert_eq!(home.setup().to_string(), link.to_string());
}

#[test]
fn registering_again_unchanged_is_harmless_and_uses_nothing() {
    let home = Home::new();
    let link = home.invite(1);
    let ada = Guest::new(&home, 1);
    let asked = ada.registration(&home, &link);

    let first = home.call(None, &asked).unwrap();

    assert_eq!(home.call(None, &asked).unwrap(), first);
}

#[test]
fn an_invite_is_used_no_more_often_than_it_says() {
    let home = Home::new();
    let link = home.invite(2);

    let joined = (1..6).filter(|n| Guest::new(&home, *n).register(&home, &link).is_ok());

    assert_eq!(joined.count(), 2);
}

#[test]
fn an_invite_cannot_be_used_without_its_secret_or_after_its_time() {
    let mut home = Home::new();
    let link = home.invite(5);
    let guessed = roost_wire::link::InviteLink {
        secret: [1; 16],
        ..link.clone()
    };

    let ada = Guest::new(&home, 1);
    assert_eq!(code(ada.register(&home, &guessed)), ErrorCode::Refused);
    home.pass(DAY + 1);
    assert_eq!(code(ada.register(&home, &link)), ErrorCode::InviteOver);
    let shown = ShowInvite {
        invite: link.invite,
    };
    assert_eq!(code(home.call(None, &shown)), ErrorCode::InviteOver);
}

#[test]
fn names_that_look_alike_when_folded_are_one_name() {
    let home = Home::new();
    let named = |number: u8, name: &str| {
        let like = Guest::new(&home, number);
        let account = Account {
            server: like.credential.server,
            account: like.account,
            name: DisplayName::new(name).unwrap(),
            key: public(&like.account_key),
            next_key_hash: account_key_hash(&public(&like.next_key)),
        };
        let claims = Claims::new(account, like.device, home.time);
        Guest::from_claims(claims, like.account_key, like.next_key, home.time)
    };
    let link = home.invite(5);

    assert!(named(1, "Mira  Hill").register(&home, &link).is_ok());
    assert_eq!(
        code(named(2, "mira hill").register(&home, &link)),
        ErrorCode::Taken
    );
}

#[test]
fn a_credential_for_another_server_is_refused() {
    let home = Home::new();
    let stranger = Guest::new(&home, 1);
    let account = Account {
        server: ServerId::new([3; 16]),
        account: stranger.account,
        name: DisplayName::new("Mira").unwrap(),
        key: public(&stranger.account_key),
        next_key_hash: [0; 32],
    };
    let claims = Claims::new(account, stranger.device, home.time);
    let foreign = Guest::from_claims(claims, stranger.account_key, stranger.next_key, home.time);

    assert_eq!(
        code(foreign.register(&home, &home.invite(1))),
        ErrorCode::Refused
    );
}

#[test]
fn signing_in_needs_the_devices_key_and_a_fresh_challenge_of_its_own() {
    let mut home = Home::new();
    let (mut ada, ben) = (home.person(1), home.person(2));
    let challenge = home
        .call(None, &AskChallenge { device: ada.device })
        .unwrap();
    let message = SignIn::to_be_signed(&challenge.server, &ada.device, &challenge.nonce);
    let by = |signature, device| SignIn {
        device,
        nonce: challenge.nonce,
        signature,
        state: StateCounter::new(1),
    };

    let bens = by(ben.sign(&message), ada.device);
    assert_eq!(code(home.call(None, &bens)), ErrorCode::NotSignedIn);
    let for_ben = by(ada.sign(&message), ben.device);
    assert_eq!(code(home.call(None, &for_ben)), ErrorCode::NotSignedIn);
    let own = by(ada.sign(&message), ada.device);
    assert!(home.call(None, &own).is_ok());
    home.pass(limit::CHALLENGE_SECONDS + 1);
    assert_eq!(code(home.call(None, &own)), ErrorCode::NotSignedIn);
    assert!(ada.sign_in(&home).is_ok());
}

#[test]
fn unknown_devices_are_challenged_like_known_ones() {
    let home = Home::new();
    let device = DeviceId::new([99; 16]);

    assert!(home.call(None, &AskChallenge { device }).is_ok());
}

#[test]
fn a_session_ends_after_its_time_and_with_a_restart() {
    let mut home = Home::new();
    let ada = home.person(1);
    let ben = home.person(2);
    let ask = ListPeople { after: None };

    home.pass(limit::SESSION_SECONDS + 1);
    assert_eq!(code(ada.call(&home, &ask)), ErrorCode::NotSignedIn);
    home.restart();
    assert_eq!(code(ben.call(&home, &ask)), ErrorCode::NotSignedIn);
}

#[test]
fn a_ticket_opens_one_connection_and_only_for_a_moment() {
    let mut home = Home::new();
    let ada = home.person(1);
    let once = ada.call(&home, &AskTicket {}).unwrap().ticket;
    let late = ada.call(&home, &AskTicket {}).unwrap().ticket;

    assert!(home.app.connect(&once, home.moment()).is_ok());
    assert!(home.app.connect(&once, home.moment()).is_err());
    home.pass(limit::TICKET_SECONDS + 1);
    assert!(home.app.connect(&late, home.moment()).is_err());
}

#[test]
fn a_higher_state_is_remembered_so_that_a_copy_shows() {
    let mut home = Home::new();
    let mut ada = home.person(1);
    let asked = Acknowledge {
        cursors: List::default(),
        inbox: InboxSeq::new(0),
        state: StateCounter::new(500),
    };
    ada.call(&home, &asked).unwrap();

    home.restart();

    let known = ada.sign_in(&home).unwrap().known_state;
    assert_eq!(known, StateCounter::new(500));
}

#[test]
fn a_key_package_is_handed_out_once_and_then_the_last_resort() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let ask = ClaimKeyPackages {
        account: ben.account,
        suite: 1,
        except: List::default(),
    };
    let claim = || {
        let claimed = ada.call(&home, &ask).unwrap().packages.into_vec();
        claimed[0].package.clone()
    };

    let [first, second, third, fourth] = [claim(), claim(), claim(), claim()];

    assert_ne!(first, second);
    assert_ne!(second, third);
    assert_eq!(third, fourth, "the last resort");
    let inbox = ben.call(
        &home,
        &FetchInbox {
            after: InboxSeq::new(0),
        },
    );
    let asked: Vec<_> = inbox.unwrap().items.into_vec();
    assert_eq!(
        asked.len(),
        1,
        "one request for more, not one for each claim"
    );
    assert_eq!(asked[0].item, InboxItem::RefillKeyPackages { left: 1 });
}

#[test]
fn one_claimer_cannot_use_up_anothers_packages() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let many = (0..30).map(|_| ben.key_package(&home, false)).collect();
    let put = PutKeyPackages {
        one_time: List::new(many).unwrap(),
        last_resort: None,
        replace: false,
    };
    assert_eq!(ben.call(&home, &put).unwrap().one_time, 32);
    let ask = ClaimKeyPackages {
        account: ben.account,
        suite: 1,
        except: List::default(),
    };

    for _ in 0..40 {
        ada.call(&home, &ask).unwrap();
    }

    let none = PutKeyPackages {
        one_time: List::default(),
        last_resort: None,
        replace: false,
    };
    let left = ben.call(&home, &none).unwrap().one_time;
    assert_eq!(left, 32 - limit::CLAIMS_PER_CLAIMER_A_DAY);
}

#[test]
fn packages_that_are_over_take_no_room() {
    let mut home = Home::new();
    let mut ben = home.person(2);
    let put = |home: &Home, ben: &Guest, count: usize| {
        let packages = (0..count).map(|_| ben.key_package(home, false)).collect();
        let asked = PutKeyPackages {
            one_time: List::new(packages).unwrap(),
            last_resort: None,
            replace: false,
        };
        ben.call(home, &asked).map(|count| count.one_time)
    };
    assert_eq!(put(&home, &ben, 30).unwrap(), 32);
    assert_eq!(put(&home, &ben, 32).unwrap(), 64);
    assert_eq!(code(put(&home, &ben, 1)), ErrorCode::Refused);

    home.pass(91 * DAY);
    ben.sign_in(&home).unwrap();
    let rows = home.store.rows();

    assert_eq!(put(&home, &ben, 2).unwrap(), 2);
    assert!(home.store.rows() < rows, "they are gone");
}

#[test]
fn a_device_whose_packages_are_over_is_asked_for_more() {
    let mut home = Home::new();
    let (mut ada, mut ben) = (home.person(1), home.person(2));
    home.pass(91 * DAY);
    ada.sign_in(&home).unwrap();
    ben.sign_in(&home).unwrap();
    let ask = ClaimKeyPackages {
        account: ben.account,
        suite: 1,
        except: List::default(),
    };

    for _ in 0..2 {
        let claimed = ada.call(&home, &ask).unwrap().packages;
        assert!(claimed.as_slice().is_empty(), "the last resort is over too");
    }

    let after = InboxSeq::new(0);
    let inbox = ben.call(&home, &FetchInbox { after }).unwrap().items;
    let asked: Vec<_> = inbox.into_vec().into_iter().map(|row| row.item).collect();
    assert_eq!(asked, [InboxItem::RefillKeyPackages { left: 0 }]);
}

#[test]
fn nobody_puts_packages_for_another_device_or_garbage() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let put = |package: KeyPackageBytes| PutKeyPackages {
        one_time: List::new(vec![package]).unwrap(),
        last_resort: None,
        replace: false,
    };

    let bens = put(ben.key_package(&home, false));
    assert_eq!(code(ada.call(&home, &bens)), ErrorCode::Refused);
    let garbage = put(Blob::new(vec![7; 300]).unwrap());
    assert_eq!(code(ada.call(&home, &garbage)), ErrorCode::Refused);
}

#[test]
fn a_group_invite_needs_a_member_and_its_own_grant() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let group = ada.found(&home, 9).id;
    let (_, _, asked) = ada.invites_to(&home, group, 5, 3);
    let (_, _, bens) = ben.invites_to(&home, group, 6, 3);
    let misused = CreateInvite {
        invite: InviteId::new([7; 16]),
        ..asked.clone()
    };

    assert_eq!(code(ben.call(&home, &bens)), ErrorCode::NotFound);
    assert_eq!(code(ada.call(&home, &misused)), ErrorCode::Refused);
    assert!(ada.call(&home, &asked).is_ok());
}

#[test]
fn only_who_redeemed_an_invite_sees_how_to_enter_and_enters_by_it() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let mut ada_in = ada.found(&home, 9);
    let group = ada_in.id;
    let (secret, grant, asked) = ada.invites_to(&home, group, 5, 1);
    ada.call(&home, &asked).unwrap();

    assert!(ben.entering(&home, group, None, None).is_err());
    ben.call(&home, &ben.redemption(&home, &secret, asked.invite))
        .unwrap();
    let proof = JoinProof::new(grant, &ben.credential, &secret).unwrap();
    let (mut ben_in, commit) = ben.entering(&home, group, Some(proof), None).unwrap();
    ben.call(&home, &commit).unwrap();
    let said = ben_in.says(&home, &ben, "hello");

    ada_in.receives(ada.log(&home, group, 0).unwrap().entries.as_slice());
    assert_eq!(ada.seqs(&home, group, 1), [said.seq.get()]);
}

#[test]
fn who_was_removed_does_not_come_back_by_an_earlier_invite() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let mut ada_in = ada.found(&home, 9);
    let group = ada_in.id;
    let (secret, grant, asked) = ada.invites_to(&home, group, 5, 9);
    ada.call(&home, &asked).unwrap();
    let redemption = ben.redemption(&home, &secret, asked.invite);
    ben.call(&home, &redemption).unwrap();
    let proof = JoinProof::new(grant, &ben.credential, &secret).unwrap();
    let (_, commit) = ben.entering(&home, group, Some(proof), None).unwrap();
    ben.call(&home, &commit).unwrap();
    ada_in.receives(ada.log(&home, group, 0).unwrap().entries.as_slice());

    ada_in.removes(&home, &ada, &ben);

    assert_eq!(code(ben.call(&home, &redemption)), ErrorCode::InviteOver);
    assert!(ben.entering(&home, group, None, None).is_err());
}

#[test]
fn who_left_comes_back_by_the_same_invite_until_it_is_over() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let mut ada_in = ada.found(&home, 9);
    let group = ada_in.id;
    let (secret, grant, asked) = ada.invites_to(&home, group, 1, 9);
    ada.call(&home, &asked).unwrap();
    let redemption = ben.redemption(&home, &secret, asked.invite);
    ben.call(&home, &redemption).unwrap();
    let proof = || JoinProof::new(grant.clone(), &ben.credential, &secret).unwrap();
    let (mut ben_in, commit) = ben.entering(&home, group, Some(proof()), None).unwrap();
    ben.call(&home, &commit).unwrap();
    ada_in.receives(ada.log(&home, group, 0).unwrap().entries.as_slice());

    ben_in.leaves(&home, &ben);
    ada_in.receives(ada.log(&home, group, 1).unwrap().entries.as_slice());
    ada_in.updates(&home, &ada);
    ben.call(&home, &redemption).unwrap();

    let (_, commit) = ben.entering(&home, group, Some(proof()), None).unwrap();
    ben.call(&home, &commit).unwrap();
}

#[test]
fn an_invite_is_withdrawn_by_who_made_it_and_nobody_else() {
    let home = Home::new();
    let (ada, ben) = (home.person(1), home.person(2));
    let group = ada.found(&home, 9).id;
    let (_, _, asked) = ada.invites_to(&home, group, 5, 3);
    ada.call(&home, &asked).unwrap();
    let withdraw = WithdrawInvite {
        invite: asked.invite,
    };
    let show = ShowInvite {
        invite: asked.invite,
    };

    assert_eq!(code(ben.call(&home, &withdraw)), ErrorCode::NotFound);
    ada.call(&home, &withdraw).unwrap();
    assert_eq!(code(home.call(None, &show)), ErrorCode::NotFound);
}

#[test]
fn a_second_device_needs_the_accounts_key_and_enters_its_groups() {
    let home = Home::new();
    let ada = home.person(1);
    let mut ada_in = ada.found(&home, 9);
    let mut phone = Guest::at_device(&home, 1, 11);
    let thief = Guest::at_device(&home, 2, 12);
    assert_eq!(code(thief.add_device(&home)), ErrorCode::Refused);

    phone.add_device(&home).unwrap();
    phone.settle_in(&home);
    let groups = phone.call(&home, &ListMemberships {}).unwrap().groups;
    assert_eq!(groups.as_slice(), [ada_in.id]);
    let (mut phone_in, commit) = phone.entering(&home, ada_in.id, None, None).unwrap();
    phone.call(&home, &commit).unwrap();
    phone_in.says(&home, &phone, "from my phone");

    ada_in.receives(ada.log(&home, ada_in.id, 0).unwrap().entries.as_slice());
}

#[test]
fn a_rotation_removes_devices_at_once_and_follows_only_the_announced_key() {
    let home = Home::new();
    let ada = home.person(1);
    let mut phone = Guest::at_device(&home, 1, 11);
    phone.add_device(&home).unwrap();
    phone.settle_in(&home);
    let mut line = phone.connect(&home, &[]);
    let pinned = PinnedAccountKey::of(&ada.credential);
    let surviving = || List::new(vec![ada.device]).unwrap();
    let asked = |key: &ed25519_dalek::SigningKey| RotateAccount {
        rotation: Blob::new(KeyRotation::sign(&pinned, key, [1; 32], surviving()).to_bytes())
            .unwrap(),
        sealed_keys: List::default(),
    };

    let other = ed25519_dalek::SigningKey::from_bytes(&[55; 32]);
    assert_eq!(code(ada.call(&home, &asked(&other))), ErrorCode::Refused);
    ada.call(&home, &asked(&ada.next_key)).unwrap();

    let ask = ListPeople { after: None };
    assert_eq!(code(phone.call(&home, &ask)), ErrorCode::NotSignedIn);
    assert_eq!(code(phone.sign_in(&home)), ErrorCode::NotSignedIn);
    assert_eq!(
        code(phone.add_device(&home)),
        ErrorCode::Refused,
        "under the old key"
    );
    line.frames(&home);
    assert!(line.connection.is_over());
    let detail = ada
        .call(
            &home,
            &ShowAccount {
                account: ada.account,
            },
        )
        .unwrap();
    assert_eq!(detail.devices.as_slice().len(), 1);
    assert_eq!(detail.rotations.as_slice().len(), 1);
}

#[test]
fn a_sealed_account_key_is_shown_to_its_device_alone() {
    let home = Home::new();
    let ada = home.person(1);
    let mut phone = Guest::at_device(&home, 1, 11);
    phone.add_device(&home).unwrap();
    phone.settle_in(&home);
    let ben = home.person(2);
    let pinned = PinnedAccountKey::of(&ada.credential);
    let surviving = List::new(vec![ada.device, phone.device]).unwrap();
    let rotation = KeyRotation::sign(&pinned, &ada.next_key, [1; 32], surviving);
    let seal = |device, byte| SealedKey {
        device,
        sealed: Blob::new(vec![byte]).unwrap(),
    };

    let asked = RotateAccount {
        rotation: Blob::new(rotation.to_bytes()).unwrap(),
        sealed_keys: List::new(vec![seal(phone.device, 7), seal(ben.device, 8)]).unwrap(),
    };
    ada.call(&home, &asked).unwrap();

    let account = ada.account;
    let shown = |guest: &Guest| {
        guest
            .call(&home, &ShowAccount { account })
            .unwrap()
            .sealed_key
    };
    assert_eq!(shown(&phone).unwrap().as_bytes(), [7]);
    assert_eq!(shown(&ada), None);
    assert_eq!(shown(&ben), None);
    let account = ben.account;
    let own = ben.call(&home, &ShowAccount { account }).unwrap();
    assert_eq!(own.sealed_key, None, "for a device of another account");
}

#[test]
fn too_many_requests_are_refused_with_a_time_to_wait() {
    let settings = Settings {
        messages_per_second: 2,
        ..free_settings()
    };
    let home = Home::with(settings);
    let ada = home.person(1);
    let mut ada_in = ada.found(&home, 9);

    let sent: Vec<_> = (0..30)
        .map(|n| ada.call(&home, &ada_in.submission(&n.to_string())))
        .collect();

    let refused = sent.iter().find_map(|sent| sent.as_ref().err()).unwrap();
    assert_eq!(refused.code, ErrorCode::TooMany);
    assert!(refused.retry_after_s.is_some());
    assert_eq!(
        sent.iter().filter(|sent| sent.is_ok()).count(),
        20,
        "a burst"
    );
}

#[test]
fn strangers_from_one_address_are_slowed_down() {
    let settings = Settings {
        strangers_per_second: 1,
        ..free_settings()
    };
    let home = Home::with(settings);

    let answers: Vec<_> = (0..20).map(|_| home.call(None, &AboutServer {})).collect();

    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 10);
}
