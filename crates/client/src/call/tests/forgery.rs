use super::network::{ADA, BEN, GROUP, Network, candidate, party, seconds};
use crate::call::letter::{Letter, Parcel, Place, Why, Word};
use crate::call::{CallEnd, CallStage, MediaSignal, RingId};
use crate::identity::KeySeed;
use roost_wire::{AccountId, List, Seconds, SignatureKey};

const CLEO: AccountId = AccountId::new([3; 16]);

fn letter(ring: RingId, counter: u64, word: Word, time: Seconds) -> Letter {
    Letter {
        ring,
        counter,
        time,
        word,
    }
}

fn parcel(to: &Network, at: usize, signals: Vec<MediaSignal>) -> Word {
    Word::Parcel(Parcel {
        to: to.devices[at].me.device,
        ack: 0,
        first: 1,
        signals: List::capped(signals),
    })
}

fn place() -> Place {
    Place {
        group: GROUP,
        epoch: 3,
        leaf: 1,
    }
}

fn over() -> Letter {
    let word = Word::Over(Why::HungUp);
    letter(RingId::new([5; 16]), 1, word, Seconds::new(7))
}

#[test]
fn a_letter_is_read_only_under_the_key_and_at_the_place_it_was_signed_for() {
    let (ben, mallory) = (KeySeed::from_bytes([1; 32]), KeySeed::from_bytes([2; 32]));
    let key = SignatureKey::new(ben.public());

    let honest = over().seal(place(), |message| ben.sign(message)).unwrap();
    // A fellow member knows the group's keys, and says that this is from Ben's leaf.
    let forged = over()
        .seal(place(), |message| mallory.sign(message))
        .unwrap();

    assert_eq!(Letter::open(&honest, place(), &key), Ok(over()));
    assert!(Letter::open(&forged, place(), &key).is_err());
    let elsewhere = [
        Place {
            epoch: 4,
            ..place()
        },
        Place { leaf: 2, ..place() },
        Place {
            group: roost_wire::GroupId::new([8; 16]),
            ..place()
        },
    ];
    for place in elsewhere {
        assert!(Letter::open(&honest, place, &key).is_err(), "{place:?}");
    }
}

#[test]
fn a_letter_that_was_touched_anywhere_is_not_read() {
    let ben = KeySeed::from_bytes([1; 32]);
    let key = SignatureKey::new(ben.public());
    let honest = over().seal(place(), |message| ben.sign(message)).unwrap();

    for at in 0..honest.len() {
        let mut touched = honest.clone();
        touched[at] ^= 1;
        assert!(Letter::open(&touched, place(), &key).is_err(), "byte {at}");
    }
    for end in 0..honest.len() {
        let cut = &honest[..end];
        let is_padding = Letter::open(cut, place(), &key) == Ok(over());
        assert!(is_padding || Letter::open(cut, place(), &key).is_err());
    }
}

#[test]
fn lengths_come_in_steps() {
    let ben = KeySeed::from_bytes([1; 32]);
    let length = |word| {
        let letter = letter(RingId::new([5; 16]), 1, word, Seconds::new(7));
        letter
            .seal(place(), |message| ben.sign(message))
            .unwrap()
            .len()
    };
    let net = Network::of(&[ADA, BEN]);

    assert_eq!(length(Word::Ringing), 256);
    assert_eq!(length(Word::Decline), 256);
    assert_eq!(length(parcel(&net, 0, vec![candidate(1)])), 256);
    assert_eq!(length(parcel(&net, 0, vec![candidate(1); 9])), 1024);
}

#[test]
fn a_letter_that_is_played_again_changes_nothing() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.talking();
    net.act(1, |calls, now| calls.signal(ring, candidate(1), now));
    net.act(1, |calls, now| calls.signal(ring, candidate(2), now));
    net.pass(1_000);
    let (ben, sent) = (net.devices[1].me.clone(), net.devices[1].sent.clone());

    for letter in sent.iter().chain(sent.iter().rev()) {
        net.inject(0, &ben, letter.clone());
    }

    assert_eq!(net.devices[0].signals, [candidate(1), candidate(2)]);
    assert!(matches!(net.stage(0), CallStage::Talking { .. }));
}

#[test]
fn a_call_that_is_over_does_not_ring_again() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.start(0, 5);
    net.pass(5_000);
    let (ada, sent) = (net.devices[0].me.clone(), net.devices[0].sent.clone());
    net.act(0, |calls, now| calls.hang_up(ring, now));
    net.pass(1_000);

    for letter in &sent {
        net.inject(1, &ada, letter.clone());
    }
    assert_eq!(net.ended(1), CallEnd::Missed);

    // Long after, when it is forgotten, it is too old.
    net.act(1, |calls, _| calls.dismiss());
    net.pass(600_000);
    for letter in sent {
        net.inject(1, &ada, letter);
    }
    assert!(net.devices[1].calls.view(|_| unreachable!()).is_none());
}

#[test]
fn an_answer_from_another_device_of_the_called_person_fails_the_call() {
    let mut net = Network::of(&[ADA, BEN, BEN]);
    let ring = net.joined();
    let other = net.devices[2].me.clone();

    let word = parcel(&net, 0, vec![candidate(9)]);
    let forged = letter(ring, 100, word, seconds(net.now));
    net.inject(0, &other, forged);
    net.pass(1_000);

    let CallEnd::Failed(reason) = net.ended(0) else {
        panic!("{:?}", net.ended(0));
    };
    assert!(reason.contains("not called"), "{reason}");
    assert!(net.devices[0].signals.is_empty());
    assert!(matches!(net.ended(1), CallEnd::Failed(_)));
}

#[test]
fn signals_before_anybody_answered_fail_the_call() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.start(0, 5);
    let ben = net.devices[1].me.clone();

    let word = parcel(&net, 0, vec![candidate(9)]);
    net.inject(0, &ben, letter(ring, 100, word, seconds(net.now)));

    assert!(matches!(net.ended(0), CallEnd::Failed(_)));
    assert!(net.devices[0].signals.is_empty());
}

#[test]
fn a_fellow_member_has_no_say_in_a_call_of_others() {
    let words = |net: &Network| {
        [
            Word::Over(Why::HungUp),
            Word::Decline,
            Word::Busy,
            Word::Ringing,
            Word::Accept { video: true },
            Word::Taken {
                device: party(CLEO, 9).device,
            },
            parcel(net, 0, vec![candidate(9)]),
            parcel(net, 1, vec![candidate(9)]),
        ]
    };
    let cleo = party(CLEO, 9);

    let mut ringing = Network::of(&[ADA, BEN]);
    let ring = ringing.start(0, 5);
    ringing.pass(1_000);
    let mut talking = Network::of(&[ADA, BEN]);
    talking.talking();
    for (counter, word) in (1..).zip(words(&ringing)) {
        for at in 0..2 {
            for net in [&mut ringing, &mut talking] {
                let forged = letter(ring, counter, word.clone(), seconds(net.now));
                net.inject(at, &cleo, forged);
            }
        }
    }

    for at in 0..2 {
        assert_eq!(ringing.stage(at), CallStage::Ringing);
        assert!(matches!(talking.stage(at), CallStage::Talking { .. }));
        assert!(talking.devices[at].signals.is_empty());
    }
}

#[test]
fn a_stranger_does_not_ring_nor_does_an_old_ring() {
    let mut net = Network::of(&[ADA, BEN]);
    let (ada, now) = (net.devices[0].me.clone(), seconds(net.now));
    let rings = |time| {
        let heard = List::default();
        let word = Word::Ring { video: true, heard };
        letter(RingId::new([9; 16]), 1, word, time)
    };

    net.inject(1, &party(CLEO, 9), rings(now));
    net.inject(1, &party(BEN, 8), rings(now));
    net.inject(1, &ada, rings(now.minus(61)));
    net.inject(1, &ada, rings(now.plus(61)));
    assert!(net.devices[1].calls.view(|_| unreachable!()).is_none());

    net.inject(1, &ada, rings(now.minus(59)));
    assert_eq!(net.stage(1), CallStage::Ringing);
}

#[test]
fn a_flood_of_rings_is_remembered_within_bounds() {
    let mut net = Network::of(&[ADA, BEN]);
    net.talking();
    let ada = party(ADA, 20);

    for number in 0..200_u8 {
        let heard = List::default();
        let word = Word::Ring { video: true, heard };
        let ring = RingId::new([number.wrapping_add(30); 16]);
        net.inject(1, &ada, letter(ring, 1, word, seconds(net.now)));
    }

    assert!(matches!(net.stage(1), CallStage::Talking { .. }));
    assert!(net.devices[1].calls.deadline().is_none());
}
