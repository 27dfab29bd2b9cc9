use super::network::{ADA, BEN, Faults, Network, candidate, offer};
use crate::call::letter::Word;
use crate::call::link::WAITING_MAX;
use crate::call::{CallEnd, CallStage, MediaSignal, RingId};
use crate::content::CallOutcome;
use proptest::prelude::*;

#[test]
fn a_call_rings_is_taken_and_lasts_until_somebody_hangs_up() {
    let mut net = Network::of(&[ADA, BEN]);

    let ring = net.start(0, 5);
    assert_eq!(net.stage(0), CallStage::Calling);
    net.pass(1_000);
    assert_eq!(net.stage(0), CallStage::Ringing);
    assert_eq!(net.stage(1), CallStage::Ringing);
    net.act(1, |calls, now| calls.accept(ring, false, now).unwrap());
    assert_eq!(net.stage(1), CallStage::Connecting);
    net.pass(1_000);
    assert_eq!(net.view(0).answered_with_video, Some(false));
    for at in 0..2 {
        net.act(at, |calls, now| calls.connected(ring, now));
    }
    net.pass(90_000);
    net.act(1, |calls, now| calls.hang_up(ring, now));
    net.pass(1_000);

    let by = BEN;
    assert_eq!(net.ended(0), CallEnd::HungUp { by });
    assert_eq!(net.ended(1), CallEnd::HungUp { by });
    let seconds = Some(90);
    assert_eq!(
        net.devices[0].lines[0].outcome,
        CallOutcome::Talked { seconds }
    );
    assert!(net.devices[1].lines.is_empty(), "the caller writes it down");
    assert_eq!(net.devices[0].mark, None);
}

#[test]
fn a_device_that_rings_says_so_once() {
    let mut net = Network::of(&[ADA, BEN]);

    net.start(0, 5);
    net.pass(30_000);

    let said = net.devices[1].sent.iter();
    assert_eq!(said.filter(|it| it.word == Word::Ringing).count(), 1);
}

#[test]
fn a_device_that_comes_later_rings_too() {
    let mut net = Network::of(&[ADA, BEN]);
    net.devices[1].is_offline = true;
    net.start(0, 5);
    net.pass(10_000);
    assert_eq!(net.stage(0), CallStage::Calling);

    net.devices[1].is_offline = false;
    net.pass(2_100);

    assert_eq!(net.stage(0), CallStage::Ringing);
    assert_eq!(net.stage(1), CallStage::Ringing);
}

#[test]
fn one_device_answers_and_the_others_stop_ringing() {
    let mut net = Network::of(&[ADA, BEN, BEN, BEN, ADA]);
    let ring = net.start(0, 5);
    net.pass(1_000);

    net.act(2, |calls, now| calls.accept(ring, true, now).unwrap());
    net.pass(1_000);

    assert_eq!(net.stage(0), CallStage::Connecting);
    assert_eq!(net.stage(2), CallStage::Connecting);
    for at in [1, 3] {
        assert_eq!(net.ended(at), CallEnd::AnsweredElsewhere, "{at}");
    }
    assert!(
        net.devices[4].calls.view(|_| unreachable!()).is_none(),
        "the caller's other device does not ring"
    );
}

#[test]
fn of_two_devices_that_answer_at_once_one_has_the_call() {
    let mut net = Network::of(&[ADA, BEN, BEN]);
    let ring = net.start(0, 5);
    net.pass(1_000);

    for at in [1, 2] {
        net.act(at, |calls, now| calls.accept(ring, true, now).unwrap());
    }
    net.pass(1_000);

    assert_eq!(net.view(0).peer_device, Some(net.devices[1].me.device));
    assert_eq!(net.stage(1), CallStage::Connecting);
    assert_eq!(net.ended(2), CallEnd::AnsweredElsewhere);
}

#[test]
fn declining_on_one_device_ends_the_call_for_all() {
    let mut net = Network::of(&[ADA, BEN, BEN]);
    let ring = net.start(0, 5);
    net.pass(1_000);

    net.act(1, |calls, now| calls.decline(ring, now).unwrap());
    net.pass(1_000);

    for at in 0..3 {
        assert_eq!(net.ended(at), CallEnd::Declined, "{at}");
    }
    assert_eq!(net.devices[0].lines[0].outcome, CallOutcome::Declined);
}

#[test]
fn a_ring_that_is_taken_back_was_missed() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.start(0, 5);
    net.pass(1_000);

    net.act(0, |calls, now| calls.hang_up(ring, now));
    net.pass(1_000);

    assert_eq!(net.ended(0), CallEnd::HungUp { by: ADA });
    assert_eq!(net.ended(1), CallEnd::Missed);
    assert_eq!(net.devices[0].lines[0].outcome, CallOutcome::Missed);
}

#[test]
fn nobody_rings_for_longer_than_three_quarters_of_a_minute() {
    let mut net = Network::of(&[ADA, BEN]);
    net.start(0, 5);

    net.pass(46_000);

    assert_eq!(net.ended(0), CallEnd::NoAnswer);
    assert_eq!(net.ended(1), CallEnd::Missed);
}

#[test]
fn a_caller_that_vanishes_is_not_rung_for() {
    let mut net = Network::of(&[ADA, BEN]);
    net.start(0, 5);
    net.pass(1_000);

    net.devices[0].is_offline = true;
    net.pass(17_000);

    assert_eq!(net.ended(1), CallEnd::Missed);
}

#[test]
fn a_call_to_somebody_in_a_call_is_busy_after_a_few_seconds() {
    let mut net = Network::of(&[ADA, BEN, ADA]);
    net.talking();

    net.start(2, 9);
    net.pass(5_000);

    assert_eq!(net.ended(2), CallEnd::Busy);
    assert_eq!(net.devices[2].lines[0].outcome, CallOutcome::Busy);
    assert!(matches!(net.stage(0), CallStage::Talking { .. }));
    assert!(matches!(net.stage(1), CallStage::Talking { .. }));
}

#[test]
fn one_busy_device_does_not_keep_another_from_ringing() {
    let mut net = Network::of(&[ADA, BEN, ADA, BEN]);
    let ring = net.joined();
    assert_eq!(net.ended(3), CallEnd::AnsweredElsewhere);

    let second = net.start(2, 9);
    net.pass(8_000);
    assert_eq!(net.stage(2), CallStage::Ringing);
    net.act(3, |calls, now| calls.accept(second, true, now).unwrap());
    net.pass(1_000);

    assert_eq!(net.view(2).peer_device, Some(net.devices[3].me.device));
    assert_eq!(net.view(1).call, ring);
}

#[test]
fn two_who_call_each_other_at_once_are_in_one_call() {
    for (first, second) in [(3, 4), (4, 3)] {
        let mut net = Network::of(&[ADA, BEN, ADA, BEN]);

        net.start(0, first);
        net.start(1, second);
        net.pass(3_000);

        let lower = RingId::new([3; 16]);
        for at in 0..2 {
            assert_eq!(net.view(at).call, lower);
            assert_eq!(net.stage(at), CallStage::Connecting);
        }
        assert_ne!(net.view(0).outgoing, net.view(1).outgoing);
        for at in 2..4 {
            assert_eq!(net.ended(at), CallEnd::AnsweredElsewhere, "{at}");
        }
        let lines = net.devices.iter().map(|device| device.lines.len());
        assert_eq!(lines.sum::<usize>(), 0, "neither is missed");
        let marks = net.devices.iter().filter(|device| device.mark.is_some());
        assert_eq!(marks.count(), 1);
    }
}

#[test]
fn a_call_is_not_joined_unasked_with_somebody_whose_key_changed() {
    let mut net = Network::of(&[ADA, BEN]);
    net.devices[0].is_trusting = false;

    net.start(0, 4);
    net.start(1, 3);
    net.pass(1_000);

    assert_ne!(net.stage(0), CallStage::Connecting);
}

#[test]
fn signals_that_were_made_before_the_caller_agreed_are_not_lost() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.start(0, 5);
    net.pass(1_000);

    net.act(1, |calls, now| calls.accept(ring, true, now).unwrap());
    net.act(1, |calls, now| calls.signal(ring, candidate(1), now));
    net.pass(1_000);

    assert_eq!(net.devices[0].signals, [candidate(1)]);
}

#[test]
fn candidates_that_come_together_travel_together() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.joined();
    let before = net.devices[0].sent.len();

    for number in 0..20 {
        net.act(0, |calls, now| calls.signal(ring, candidate(number), now));
    }
    net.pass(2_000);

    assert_eq!(net.devices[1].signals.len(), 20);
    let sent = net.devices[0].sent.len() - before;
    assert!(sent <= 4, "{sent} letters");
}

#[test]
fn the_longest_description_fits_and_of_what_there_is_no_room_for_candidates_are_left_out_and_no_offer()
 {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.joined();
    net.act(0, |calls, now| calls.signal(ring, offer(16 * 1024), now));
    net.act(0, |calls, now| calls.signal(ring, offer(16 * 1024), now));
    net.pass(1_000);
    assert_eq!(net.devices[1].signals.len(), 2);

    net.devices[1].is_offline = true;
    for number in 0..=WAITING_MAX {
        net.act(0, |calls, now| calls.signal(ring, candidate(number), now));
    }
    assert_eq!(net.stage(0), CallStage::Connecting, "there are others");

    net.act(0, |calls, now| calls.signal(ring, offer(16), now));
    assert!(matches!(net.ended(0), CallEnd::Failed(_)));
}

#[test]
fn a_broken_connection_may_come_back_within_half_a_minute() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.talking();

    net.act(0, |calls, now| calls.lost(ring, now));
    net.pass(29_000);
    net.act(0, |calls, now| calls.connected(ring, now));
    net.pass(60_000);
    assert!(matches!(net.stage(0), CallStage::Talking { .. }));

    net.act(0, |calls, now| calls.lost(ring, now));
    net.pass(31_000);
    assert_eq!(net.ended(0), CallEnd::Lost);
    let seconds = Some(89);
    assert_eq!(
        net.devices[0].lines[0].outcome,
        CallOutcome::Talked { seconds }
    );
}

#[test]
fn another_key_than_the_one_that_was_named_ends_the_call_on_both_sides() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.joined();

    net.act(0, |calls, now| calls.forged(RingId::new([9; 16]), now));
    assert_eq!(net.stage(0), CallStage::Connecting);
    net.act(0, |calls, now| calls.forged(ring, now));
    net.pass(1_000);

    let told = |at: usize| match net.ended(at) {
        CallEnd::Failed(reason) => reason.contains("somebody in between may have changed them"),
        _ => false,
    };
    assert!(told(0) && told(1));
    assert_eq!(net.devices[0].lines[0].outcome, CallOutcome::Failed);
}

#[test]
fn a_call_that_does_not_connect_within_a_minute_fails() {
    let mut net = Network::of(&[ADA, BEN]);
    net.joined();

    net.pass(61_000);

    for at in 0..2 {
        assert!(matches!(net.ended(at), CallEnd::Failed(_)), "{at}");
    }
    assert_eq!(net.devices[0].lines[0].outcome, CallOutcome::Failed);
}

#[test]
fn whoever_lost_a_call_and_calls_anew_rings_again() {
    let mut net = Network::of(&[ADA, BEN]);
    net.talking();
    net.pass(10_000);

    // Ada's program starts anew and knows nothing.
    net.devices[0].calls = Default::default();
    let ring = net.start(0, 9);
    net.pass(1_000);

    assert_eq!(net.view(1).call, ring);
    assert_eq!(net.stage(1), CallStage::Ringing);
}

#[test]
fn an_ended_call_stays_until_it_is_dismissed_or_another_begins() {
    let mut net = Network::of(&[ADA, BEN]);
    let ring = net.start(0, 5);
    net.act(0, |calls, now| calls.hang_up(ring, now));
    assert_eq!(net.ended(0), CallEnd::HungUp { by: ADA });

    net.act(0, |calls, _| calls.dismiss());
    assert!(net.devices[0].calls.view(|_| unreachable!()).is_none());
    net.start(0, 6);
    net.act(0, |calls, _| calls.dismiss());

    assert_eq!(net.stage(0), CallStage::Calling, "it is on");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_signal_arrives_once_and_in_order_over_a_bad_network(
        seed in any::<u64>(),
        lost in 0_u64..45,
        doubled in 0_u64..40,
        delayed in 0_u64..60,
    ) {
        let faults = Faults { lost, doubled, delayed };
        let mut net = Network::of(&[ADA, BEN, BEN]).with_faults(faults, seed);
        let ring = net.start(0, 5);
        net.pass(20_000);
        net.act(1, |calls, now| calls.accept(ring, true, now).unwrap());
        net.pass(10_000);
        let said: Vec<Vec<MediaSignal>> = (0..2)
            .map(|at| (0..40).map(|number| candidate(at * 100 + number)).collect())
            .collect();

        for number in 0..40 {
            for (at, said) in said.iter().enumerate() {
                let signal = said[number].clone();
                net.act(at, |calls, now| calls.signal(ring, signal, now));
            }
            net.pass(60);
        }
        for at in 0..2 {
            net.act(at, |calls, now| calls.connected(ring, now));
        }
        net.pass(90_000);

        prop_assert_eq!(&net.devices[1].signals, &said[0]);
        prop_assert_eq!(&net.devices[0].signals, &said[1]);
        // Nobody acknowledges what stops the ringing elsewhere: if all of it is lost, the ring ends.
        let is_told = net.ended(2) == CallEnd::AnsweredElsewhere;
        prop_assert!(is_told || (lost >= 20 && net.ended(2) == CallEnd::Missed));
        net.act(0, |calls, now| calls.hang_up(ring, now));
        net.faults = Faults::default();
        net.pass(5_000);
        prop_assert_eq!(net.ended(1), CallEnd::HungUp { by: ADA });
    }

    #[test]
    fn whoever_calls_whom_and_however_they_end_in_one_call_or_none(
        seed in any::<u64>(),
        lost in 0_u64..30,
        gap in 0_u64..3_000,
        (first, second) in (1_u8..9, 10_u8..19),
        swapped in any::<bool>(),
    ) {
        let faults = Faults { lost, doubled: 20, delayed: 30 };
        let mut net = Network::of(&[ADA, BEN, ADA, BEN]).with_faults(faults, seed);
        let (first, second) = if swapped { (second, first) } else { (first, second) };

        net.start(0, first);
        net.pass(gap);
        let scene = net.scene(1);
        let _ = net.devices[1].calls.start(RingId::new([second; 16]), &scene, true);
        net.act(1, |_, _| {});
        net.pass(14_000);

        let stages = [net.stage(0), net.stage(1)];
        let is_joined = |stage: &CallStage| matches!(stage, CallStage::Connecting);
        if stages.iter().all(is_joined) {
            prop_assert_eq!(net.view(0).call, net.view(1).call);
            prop_assert_ne!(net.view(0).outgoing, net.view(1).outgoing);
        }
        // Either they called each other, or Ben's device rang before he could.
        let rings = matches!(stages[1], CallStage::Ringing);
        prop_assert!(rings || stages.iter().any(is_joined), "{:?}", stages);
    }
}
