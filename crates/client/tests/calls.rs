//! Calls between real cores: who rings, who answers, what arrives, and what is left of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests may panic"
)]

mod relay;

use proptest::prelude::*;
use relay::World;
use relay::machine::SignalFaults;
use roost_client::call::{BoundedText, CallEnd, CallStage, CallView, MediaSignal, RingId};
use roost_client::content::CallOutcome;
use roost_client::view::{MessageView, Trust};
use roost_client::{Command, Notice};
use roost_wire::frame::ServerFrame;
use roost_wire::{AccountKey, Blob, ErrorCode, GroupId};

#[test]
fn a_call_is_accepted_and_signals_flow_both_ways_in_order() {
    let (mut world, group) = pair();

    let call = start(&mut world, 0, group, true);
    world.live_for(500);
    assert_eq!(stage(&world, 0), CallStage::Ringing);
    assert_eq!(stage(&world, 1), CallStage::Ringing);
    assert_eq!(view(&world, 1).trust, Trust::FirstSight);
    assert!(view(&world, 1).video);
    world.tell(1, Command::AcceptCall { call, video: false });
    world.live_for(500);
    assert_eq!(stage(&world, 0), CallStage::Connecting);
    assert_eq!(view(&world, 0).answered_with_video, Some(false));
    assert_eq!(view(&world, 0).peer_device, Some(world.people[1].device()));

    // The same candidate twice is two.
    let offers = [offer(9_000), candidate(1), candidate(1)];
    let answers = [answer(9_000), candidate(2)];
    for signal in offers.clone() {
        world.tell(0, Command::CallSignal { call, signal });
    }
    world.live_for(500);
    for signal in answers.clone() {
        world.tell(1, Command::CallSignal { call, signal });
    }
    world.live_for(500);

    assert_eq!(signals(&world, 1), offers);
    assert_eq!(signals(&world, 0), answers);
    connect(&mut world, call);
    let since = world.now;
    world.live_for(754_000);
    assert_eq!(stage(&world, 0), CallStage::Talking { since });
    hang_up(&mut world, 1, call);

    let by = world.people[1].account();
    for at in 0..2 {
        assert_eq!(ended(&world, at), CallEnd::HungUp { by });
        let line = lines(&mut world, at, group).pop().unwrap();
        let seconds = Some(754);
        assert_eq!(line.call.unwrap().outcome, CallOutcome::Talked { seconds });
        assert_eq!(line.text, "Video call, 12 min");
        assert_eq!(line.mine, at == 0);
        assert_eq!(preview(&world, at, group), "Video call, 12 min");
        assert_eq!(unread(&world, at, group), 0);
        assert_eq!(world.troubles(at), []);
    }
}

#[test]
fn a_server_that_is_busy_when_a_call_begins_is_asked_for_its_relay_again() {
    let (mut world, group) = pair();
    world.relay.relays_calls = true;
    world.relay.refuse_next = vec![ErrorCode::TooMany];
    let call = start(&mut world, 0, group, false);
    world.live_for(8_000);

    let pass = world.people[0].core.relays();
    assert!(matches!(pass, Some(Some(_))), "{pass:?}");
    hang_up(&mut world, 0, call);
}

#[test]
fn in_a_long_call_there_is_always_a_pass_for_the_relay_that_holds() {
    let (mut world, group) = pair();
    world.relay.relays_calls = true;
    let call = start(&mut world, 0, group, false);
    world.live_for(500);
    world.tell(1, Command::AcceptCall { call, video: false });
    world.live_for(500);
    connect(&mut world, call);

    for minute in 0..130 {
        // Once the server has other things to do.
        if minute == 50 {
            world.relay.refuse_next = vec![ErrorCode::TooMany; 2];
        }
        for at in 0..2 {
            let pass = world.people[at].core.relays().flatten().expect("a pass");
            let left = pass.expires.get() - world.relay.now.get();
            assert!(left > 300, "{left} s left after {minute} minutes");
        }
        world.live_for(60_000);
    }

    hang_up(&mut world, 0, call);
    assert_eq!(world.troubles(0), []);
}

#[test]
fn a_pass_that_always_seems_to_end_is_renewed_once_a_minute_at_most() {
    let (mut world, group) = pair();
    world.relay.relays_calls = true;
    // As it looks when somebody set one of the clocks.
    world.relay.pass_seconds = 300;
    let call = start(&mut world, 0, group, false);
    world.live_for(500);
    world.tell(1, Command::AcceptCall { call, video: false });
    world.live_for(500);
    connect(&mut world, call);
    let before = world.relay.passes;

    world.live_for(600_000);

    let given = world.relay.passes - before;
    assert!((10..=20).contains(&given), "{given} passes for two");
    hang_up(&mut world, 0, call);
}

#[test]
fn a_missed_call_is_unread_and_notified_and_says_so() {
    let (mut world, group) = pair();
    let call = start(&mut world, 0, group, false);
    world.live_for(5_000);
    world.people[1].notices.clear();

    hang_up(&mut world, 0, call);

    assert_eq!(ended(&world, 1), CallEnd::Missed);
    assert_eq!(unread(&world, 1, group), 1);
    assert_eq!(unread(&world, 0, group), 0);
    assert_eq!(preview(&world, 0, group), "Call, no answer");
    assert_eq!(preview(&world, 1, group), "Missed call");
    let received = |notice: &Notice| matches!(notice, Notice::Received { .. });
    assert!(world.people[1].notices.iter().any(received));
    let line = lines(&mut world, 1, group).pop().unwrap();
    assert_eq!(line.call.unwrap().outcome, CallOutcome::Missed);
}

#[test]
fn somebody_who_is_not_there_finds_the_missed_call_later() {
    let (mut world, group) = pair();
    world.people[1].offline = true;
    world.drop_socket(1);

    start(&mut world, 0, group, true);
    world.live_for(46_000);
    assert_eq!(ended(&world, 0), CallEnd::NoAnswer);
    world.people[1].offline = false;
    world.tell(1, Command::Connect);
    world.run();

    assert_eq!(preview(&world, 1, group), "Missed video call");
    assert!(world.people[1].core.current_call().is_none());
}

#[test]
fn a_second_device_stops_ringing_when_the_first_answers() {
    let (mut world, group) = pair();
    let phone = world.link(1);
    let tablet = world.link(0);
    be_ready(&mut world);

    let call = start(&mut world, 0, group, true);
    world.live_for(1_000);
    assert_eq!(stage(&world, phone), CallStage::Ringing);
    assert!(world.people[tablet].core.current_call().is_none());
    world.tell(phone, Command::AcceptCall { call, video: true });
    world.live_for(1_000);

    assert_eq!(stage(&world, phone), CallStage::Connecting);
    assert_eq!(ended(&world, 1), CallEnd::AnsweredElsewhere);
    let device = world.people[phone].device();
    assert_eq!(view(&world, 0).peer_device, Some(device));
    hang_up(&mut world, phone, call);
    assert_eq!(lines(&mut world, tablet, group).len(), 1);
    assert!(lines(&mut world, tablet, group)[0].mine);
}

#[test]
fn a_device_that_cannot_talk_does_not_ring() {
    let (mut world, group) = pair();
    world.tell(1, Command::RingHere(false));

    start(&mut world, 0, group, true);
    world.live_for(10_000);

    assert_eq!(stage(&world, 0), CallStage::Calling);
    assert!(world.people[1].core.current_call().is_none());
}

#[test]
fn a_declined_call_says_so_on_both_sides() {
    let (mut world, group) = pair();
    let call = start(&mut world, 0, group, false);
    world.live_for(1_000);

    world.tell(1, Command::DeclineCall { call });
    world.live_for(1_000);

    for at in 0..2 {
        assert_eq!(ended(&world, at), CallEnd::Declined);
        assert_eq!(preview(&world, at, group), "Call, declined");
        assert_eq!(unread(&world, at, group), 0);
    }
}

#[test]
fn a_call_to_somebody_in_a_call_is_busy_and_missed() {
    let mut world = World::with(&["Ada", "Ben", "Cem"]);
    let (first, second) = (world.direct(0, 1), world.direct(2, 1));
    be_ready(&mut world);
    let call = talk(&mut world, first);

    start(&mut world, 2, second, true);
    world.live_for(6_000);

    assert_eq!(ended(&world, 2), CallEnd::Busy);
    assert_eq!(preview(&world, 1, second), "Missed video call");
    assert_eq!(view(&world, 1).call, call);
}

#[test]
fn two_who_call_each_other_are_in_one_call_and_leave_one_line() {
    let (mut world, group) = pair();

    start(&mut world, 0, group, true);
    start(&mut world, 1, group, true);
    world.live_for(3_000);

    let call = view(&world, 0).call;
    assert_eq!(view(&world, 1).call, call);
    for at in 0..2 {
        assert_eq!(stage(&world, at), CallStage::Connecting);
    }
    connect(&mut world, call);
    world.live_for(10_000);
    hang_up(&mut world, 0, call);
    for at in 0..2 {
        assert_eq!(lines(&mut world, at, group).len(), 1);
        assert_eq!(preview(&world, at, group), "Video call, 10 s");
    }
}

#[test]
fn what_cannot_be_called_is_refused_with_a_sentence() {
    let mut world = World::with(&["Ada", "Ben", "Cem"]);
    let group = world.direct(0, 1);
    let hikers = world.group(0, "Hikers", &[1, 2]);
    assert!(refusal(&mut world, group).contains("connection"));
    be_ready(&mut world);
    assert!(refusal(&mut world, hikers).contains("two"));
    start(&mut world, 0, group, true);
    assert!(refusal(&mut world, group).contains("already"));
    let call = view(&world, 0).call;
    hang_up(&mut world, 0, call);

    let ben = world.people[1].account();
    world.relay.people.get_mut(&ben).unwrap().key = AccountKey::new([66; 32]);
    world.tell(0, Command::RefreshPeople);
    world.run();
    assert!(refusal(&mut world, group).contains("key"));
}

#[test]
fn a_call_from_somebody_whose_key_changed_rings_with_a_warning() {
    let (mut world, group) = pair();
    let ada = world.people[0].account();
    world.relay.people.get_mut(&ada).unwrap().key = AccountKey::new([66; 32]);
    world.tell(1, Command::RefreshPeople);
    world.run();

    start(&mut world, 0, group, true);
    world.live_for(1_000);

    assert_eq!(stage(&world, 1), CallStage::Ringing);
    assert_eq!(view(&world, 1).trust, Trust::KeyChanged);
}

#[test]
fn an_epoch_that_ends_in_a_call_loses_no_signal() {
    let (mut world, group) = pair();
    let call = talk(&mut world, group);
    let before = epochs(&world, group);

    // Signals are said while one side knows the new epoch, and the other does not.
    for number in 0..10 {
        for at in 0..2 {
            let signal = candidate(at * 100 + number);
            world.tell(at, Command::CallSignal { call, signal });
        }
        if number == 4 {
            world.link(0);
        }
        world.live_for(150);
    }
    world.live_for(15_000);

    assert!(epochs(&world, group) > before);
    for (at, other) in [(0, 1), (1, 0)] {
        let said: Vec<_> = (0..10).map(|n| candidate(other * 100 + n)).collect();
        assert_eq!(signals(&world, at), said);
    }
    assert!(matches!(stage(&world, 0), CallStage::Talking { .. }));
}

#[test]
fn a_line_that_broke_in_a_call_comes_back_and_loses_no_signal() {
    let (mut world, group) = pair();
    let call = talk(&mut world, group);
    world.people[1].offline = true;
    world.drop_socket(1);
    for number in 0..5 {
        let signal = candidate(number);
        world.tell(0, Command::CallSignal { call, signal });
        world.live_for(1_000);
    }
    assert_eq!(signals(&world, 1), []);

    world.people[1].offline = false;
    world.tell(1, Command::Connect);
    world.live_for(5_000);

    let said: Vec<_> = (0..5).map(candidate).collect();
    assert_eq!(signals(&world, 1), said);
}

#[test]
fn what_the_server_plays_again_or_touches_changes_nothing() {
    let (mut world, group) = pair();
    let call = talk(&mut world, group);
    let signal = candidate(1);
    world.tell(1, Command::CallSignal { call, signal });
    world.live_for(1_000);
    let (ada, recorded) = (world.people[0].device(), world.relay.signals.clone());

    for (_, frame) in recorded.iter().chain(recorded.iter().rev()) {
        world.relay.push_signal(ada, frame);
        world.relay.push_signal(ada, &touched(frame));
    }
    world.live_for(1_000);

    assert_eq!(signals(&world, 0), [candidate(1)]);
    assert!(matches!(stage(&world, 0), CallStage::Talking { .. }));
    hang_up(&mut world, 0, call);
    world.tell(1, Command::DismissCall);
    let ben = world.people[1].device();
    for (_, frame) in &recorded {
        world.relay.push_signal(ben, frame);
    }
    world.live_for(1_000);
    assert!(world.people[1].core.current_call().is_none());
}

#[test]
fn a_removed_device_has_no_call_any_more() {
    let (mut world, group) = pair();
    let phone = world.link(1);
    be_ready(&mut world);
    let call = start(&mut world, 0, group, true);
    world.live_for(1_000);
    world.tell(phone, Command::AcceptCall { call, video: true });
    world.live_for(1_000);
    assert_eq!(stage(&world, 0), CallStage::Connecting);

    let lost = world.people[phone].device();
    world.tell(1, Command::RevokeDevice(lost));
    world.live_for(60_000);

    let CallEnd::Failed(reason) = ended(&world, 0) else {
        panic!("{:?}", ended(&world, 0));
    };
    assert!(reason.contains("removed"), "{reason}");
}

#[test]
fn a_crash_in_a_call_leaves_a_line_without_a_length() {
    let (mut world, group) = pair();
    talk(&mut world, group);

    world.people[0].restart();
    world.tell(0, Command::Connect);
    world.run();

    assert!(world.people[0].core.current_call().is_none());
    for at in 0..2 {
        let lines = lines(&mut world, at, group);
        assert_eq!(lines.len(), 1);
        let seconds = None;
        assert_eq!(
            lines[0].call.unwrap().outcome,
            CallOutcome::Talked { seconds }
        );
        assert_eq!(preview(&world, at, group), "Video call");
    }
    world.people[0].restart();
    world.tell(0, Command::Connect);
    world.run();
    assert_eq!(lines(&mut world, 0, group).len(), 1, "once");
}

#[test]
fn a_crash_while_it_rings_leaves_a_missed_call() {
    let (mut world, group) = pair();
    start(&mut world, 0, group, true);
    world.live_for(1_000);

    world.people[0].restart();
    world.tell(0, Command::Connect);
    world.live_for(20_000);

    assert_eq!(ended(&world, 1), CallEnd::Missed);
    assert_eq!(preview(&world, 1, group), "Missed video call");
}

#[test]
fn typing_still_shows_beside_a_call() {
    let (mut world, group) = pair();
    talk(&mut world, group);

    world.tell(0, Command::Typing(group));
    world.live_for(100);

    let ada = world.people[0].account();
    let typing = world.people[1].core.conversation(&group).unwrap().typing;
    assert_eq!(typing, [ada]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn lost_doubled_and_reordered_frames_lose_no_signal(
        dice in 1_u64..,
        lost in 0_u64..40,
        doubled in 0_u64..40,
        reordered in 0_u64..40,
    ) {
        let (mut world, group) = pair();
        world.relay.dice = dice;
        world.relay.signal_faults = SignalFaults { lost, doubled, reordered };
        let call = start(&mut world, 0, group, true);
        world.live_for(15_000);
        world.tell(1, Command::AcceptCall { call, video: true });
        world.live_for(8_000);

        for number in 0..20 {
            for at in 0..2 {
                let signal = candidate(at * 100 + number);
                world.tell(at, Command::CallSignal { call, signal });
            }
            world.live_for(70);
        }
        connect(&mut world, call);
        world.live_for(60_000);

        for (at, other) in [(0, 1), (1, 0)] {
            let said: Vec<_> = (0..20).map(|n| candidate(other * 100 + n)).collect();
            prop_assert_eq!(signals(&world, at), said);
        }
    }
}

/// Two people who are online and can talk.
fn pair() -> (World, GroupId) {
    let mut world = World::with(&["Ada", "Ben"]);
    let group = world.direct(0, 1);
    be_ready(&mut world);
    (world, group)
}

fn be_ready(world: &mut World) {
    world.go_live();
    for at in 0..world.people.len() {
        world.tell(at, Command::RingHere(true));
    }
}

fn start(world: &mut World, at: usize, group: GroupId, video: bool) -> RingId {
    world.tell(at, Command::StartCall { group, video });
    view(world, at).call
}

/// A call from the first to the second that is connected.
fn talk(world: &mut World, group: GroupId) -> RingId {
    let call = start(world, 0, group, true);
    world.live_for(1_000);
    world.tell(1, Command::AcceptCall { call, video: true });
    world.live_for(1_000);
    connect(world, call);
    call
}

fn connect(world: &mut World, call: RingId) {
    for at in 0..2 {
        world.tell(at, Command::CallConnected { call });
    }
}

fn hang_up(world: &mut World, at: usize, call: RingId) {
    world.tell(at, Command::HangUp { call });
    world.live_for(5_000);
    world.run();
}

fn view(world: &World, at: usize) -> CallView {
    world.people[at].core.current_call().unwrap()
}

fn stage(world: &World, at: usize) -> CallStage {
    view(world, at).stage
}

fn ended(world: &World, at: usize) -> CallEnd {
    match stage(world, at) {
        CallStage::Ended { reason } => reason,
        other => panic!("the call is not over: {other:?}"),
    }
}

fn signals(world: &World, at: usize) -> Vec<MediaSignal> {
    let notices = world.people[at].notices.iter();
    let signals = notices.filter_map(|notice| match notice {
        Notice::CallSignal { signal, .. } => Some(signal.clone()),
        _ => None,
    });
    signals.collect()
}

fn lines(world: &mut World, at: usize, group: GroupId) -> Vec<MessageView> {
    let messages = world.messages(at, group).into_iter();
    messages.filter(|message| message.call.is_some()).collect()
}

fn preview(world: &World, at: usize, group: GroupId) -> String {
    let view = world.people[at].core.conversation(&group).unwrap();
    view.preview.unwrap().text
}

fn unread(world: &World, at: usize, group: GroupId) -> u32 {
    world.people[at].core.conversation(&group).unwrap().unread
}

fn epochs(world: &World, group: GroupId) -> u64 {
    let last = world.relay.entries(&group).last().unwrap();
    last.epoch.get()
}

fn refusal(world: &mut World, group: GroupId) -> String {
    world.people[0].notices.clear();
    world.tell(0, Command::StartCall { group, video: true });
    let mut notices = world.people[0].notices.iter();
    let refused = notices.find_map(|notice| match notice {
        Notice::Refused { reason } => Some(reason.clone()),
        _ => None,
    });
    refused.expect("it was refused")
}

/// The same signal with one bit of its content turned.
fn touched(frame: &ServerFrame) -> ServerFrame {
    let ServerFrame::Ephemeral { group, sealed } = frame else {
        panic!("not a signal");
    };
    let mut bytes = sealed.as_bytes().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    ServerFrame::Ephemeral {
        group: *group,
        sealed: Blob::new(bytes).unwrap(),
    }
}

fn candidate(number: usize) -> MediaSignal {
    MediaSignal::Candidate {
        candidate: BoundedText::new(format!("candidate:{number}")).unwrap(),
        mid: Some(BoundedText::new("0".into()).unwrap()),
        line: Some(0),
    }
}

fn offer(bytes: usize) -> MediaSignal {
    let sdp = BoundedText::new("o".repeat(bytes)).unwrap();
    MediaSignal::Offer { sdp }
}

fn answer(bytes: usize) -> MediaSignal {
    let sdp = BoundedText::new("a".repeat(bytes)).unwrap();
    MediaSignal::Answer { sdp }
}
