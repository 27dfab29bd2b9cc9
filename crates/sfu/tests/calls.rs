//! Calls in memory: what one device sends arrives at the others, and at nobody else.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod kit;

use kit::{Client, Lines, want};
use proptest::prelude::*;
use roost_sfu::{Asked, Certificate, ConnectError, Sfu, Told};
use roost_wire::api::{MediaConnection, Sdp, Track, TrackKind};
use roost_wire::limit::CALL_DEVICES_MAX;
use roost_wire::{DeviceId, GroupId};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CALL: GroupId = GroupId::new([1; 16]);
const OTHER: GroupId = GroupId::new([2; 16]);
const STEP: Duration = Duration::from_millis(10);
const TICK: Duration = Duration::from_millis(1);
/// What a narrow path holds back before it drops.
const BUFFER: Duration = Duration::from_millis(300);

struct Member {
    group: GroupId,
    device: DeviceId,
    lines: Lines,
    client: Client,
    connection: MediaConnection,
    /// Where what it sends seems to come from.
    seems_at: SocketAddr,
    /// What its path from the server carries, in bits a second; none carries all at once.
    path: Option<u64>,
    /// On the path, with when it arrives.
    on_path: VecDeque<(Instant, Vec<u8>)>,
}

impl Member {
    /// Something is sent to it. What would be late by more than the path's buffer is lost.
    fn is_sent(&mut self, bytes: Vec<u8>, now: Instant) {
        let last = self.on_path.back().map_or(now, |(at, _)| *at).max(now);
        let bits = u64::try_from(bytes.len()).unwrap() * 8;
        let takes = self.path.map_or(0, |path| bits * 1_000_000 / path);
        let arrives = last + Duration::from_micros(takes);
        if arrives < now + BUFFER {
            self.on_path.push_back((arrives, bytes));
        }
    }

    fn hears(&mut self, from: SocketAddr, now: Instant) {
        while let Some((at, bytes)) = self.on_path.pop_front() {
            if at > now {
                self.on_path.push_front((at, bytes));
                return;
            }
            self.client.hear(from, &bytes, at);
        }
    }
}

struct World {
    now: Instant,
    sfu: Sfu,
    address: SocketAddr,
    members: Vec<Member>,
    tracks: Vec<Track>,
    speaking: Vec<DeviceId>,
}

impl World {
    #[expect(
        clippy::disallowed_methods,
        reason = "any instant will do to begin with"
    )]
    fn new() -> Self {
        let (now, address) = (Instant::now(), SocketAddr::from(([10, 0, 0, 1], 3_478)));
        Self {
            now,
            sfu: Sfu::new(Certificate::generate().unwrap(), vec![address], now),
            address,
            members: Vec::new(),
            tracks: Vec::new(),
            speaking: Vec::new(),
        }
    }

    /// A device connects to a call; its number.
    fn join(&mut self, group: GroupId) -> usize {
        let number = self.members.len();
        let place = u8::try_from(number + 1).unwrap();
        let address = SocketAddr::from(([10, 0, 1, place], 5_000));
        let mut client = Client::new(address, self.now);
        let (lines, offer) = client.offer();
        let asked = Asked {
            group,
            device: DeviceId::new([place; 16]),
            offer,
            sent: lines.sent(),
            connection: None,
        };
        let connected = self.sfu.connect(&asked, &[place; 32], self.now).unwrap();
        client.answered(&connected.answer);
        self.members.push(Member {
            group,
            device: asked.device,
            lines,
            client,
            connection: connected.connection,
            seems_at: address,
            path: None,
            on_path: VecDeque::new(),
        });
        self.run(100);
        assert!(self.members[number].client.rtc.is_connected());
        number
    }

    /// So many steps of time, in which the machine is served when it wants to be.
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let end = self.now + STEP;
            while self.now < end {
                let due = self.sfu.deadline().unwrap_or(end);
                self.now = due.max(self.now + TICK).min(end);
                self.turn();
            }
        }
    }

    fn turn(&mut self) {
        for member in &mut self.members {
            for bytes in member.client.turn(self.now) {
                self.sfu.receive(member.seems_at, &bytes, self.now);
            }
        }
        self.sfu.advance(self.now);
        let datagrams: Vec<_> = self.sfu.take_datagrams().collect();
        for datagram in datagrams {
            for member in &mut self.members {
                if member.client.address == datagram.to {
                    member.is_sent(datagram.bytes.clone(), self.now);
                }
            }
        }
        for member in &mut self.members {
            member.hears(self.address, self.now);
        }
        for told in self.sfu.take_told().collect::<Vec<_>>() {
            match told {
                Told::Tracks { group, tracks } if group == CALL => {
                    self.tracks = tracks.into_vec();
                }
                Told::Speaking { group, devices } if group == CALL => self.speaking = devices,
                Told::Tracks { .. } | Told::Speaking { .. } => {}
            }
        }
    }

    fn track(&self, member: usize, kind: TrackKind) -> Track {
        let device = self.members[member].device;
        let mut tracks = self.tracks.iter();
        *tracks
            .find(|it| it.device == device && it.kind == kind)
            .unwrap()
    }

    /// One member wants to see and hear another.
    fn watch(&mut self, member: usize, other: usize, height: u32) {
        let voice = self.track(other, TrackKind::Audio).track;
        let camera = self.track(other, TrackKind::Video).track;
        let Member {
            group,
            device,
            lines,
            ..
        } = &self.members[member];
        let wants = [
            want(lines.hears, voice, 1),
            want(lines.sees, camera, height),
        ];
        self.sfu.watch(group, device, &wants, self.now);
    }

    fn say(&mut self, member: usize, payload: &[u8], level: i8) {
        let (now, it) = (self.now, &mut self.members[member]);
        it.client.say(it.lines.voice, payload, level, now);
        self.run(2);
    }

    fn show(&mut self, member: usize, rid: &str, payload: &[u8], key: bool) {
        let (now, it) = (self.now, &mut self.members[member]);
        it.client.show(it.lines.camera, rid, payload, key, now);
        self.run(2);
    }

    /// So many seconds of three layers and a voice, with key frames as they are asked for; which
    /// layers another sees in each second.
    fn film(&mut self, member: usize, other: usize, seconds: usize) -> Vec<Vec<u8>> {
        let mut seen = Vec::new();
        for _ in 0..seconds {
            self.members[other].client.came.clear();
            for step in 0..100 {
                self.film_step(member, step);
                self.run(1);
            }
            let mut layers: Vec<_> = self.seen(other).iter().map(|it| it[0]).collect();
            layers.dedup();
            seen.push(layers);
        }
        seen
    }

    /// About 150, 500 and 1500 kbit/s, and 40 of sound.
    fn film_step(&mut self, member: usize, step: usize) {
        let (now, it) = (self.now, &mut self.members[member]);
        if step.is_multiple_of(2) {
            it.client.say(it.lines.voice, &[9; 100], -90, now);
        }
        for (layer, (rid, packets)) in [("l", 1), ("m", 3), ("h", 9)].into_iter().enumerate() {
            if !step.is_multiple_of(5) {
                continue;
            }
            for packet in 0..packets {
                let at = it
                    .client
                    .asked
                    .iter()
                    .position(|it| it.as_deref() == Some(rid));
                let key = packet == 0 && at.map(|at| it.client.asked.remove(at)).is_some();
                let payload = [u8::try_from(layer).unwrap(); 1_000];
                it.client.show(it.lines.camera, rid, &payload, key, now);
            }
        }
    }

    fn heard(&self, member: usize) -> Vec<Vec<u8>> {
        let it = &self.members[member];
        it.client.payloads(it.lines.hears)
    }

    fn seen(&self, member: usize) -> Vec<Vec<u8>> {
        let it = &self.members[member];
        it.client.payloads(it.lines.sees)
    }
}

#[test]
fn what_one_sends_arrives_byte_for_byte_at_the_other_and_at_nobody_else() {
    let mut world = World::new();
    let [ada, ben, idle] = [(); 3].map(|()| world.join(CALL));
    let stranger = world.join(OTHER);
    world.watch(ben, ada, 720);
    world.run(5);
    let sealed: Vec<Vec<u8>> = (0..40_u8).map(|n| vec![n; 100 + usize::from(n)]).collect();

    for payload in &sealed {
        world.say(ada, payload, -30);
    }

    assert_eq!(world.heard(ben), sealed);
    for other in [ada, idle, stranger] {
        assert!(world.members[other].client.came.is_empty(), "{other}");
    }
}

#[test]
fn who_is_in_another_call_cannot_watch() {
    let mut world = World::new();
    let ada = world.join(CALL);
    let stranger = world.join(OTHER);

    world.watch(stranger, ada, 720);
    let device = world.members[stranger].device;
    let wants = [want(
        world.members[stranger].lines.hears,
        world.track(ada, TrackKind::Audio).track,
        1,
    )];
    world.sfu.watch(&CALL, &device, &wants, world.now);
    for _ in 0..10 {
        world.say(ada, b"secret", -30);
    }

    assert!(world.members[stranger].client.came.is_empty());
}

#[test]
fn who_is_removed_gets_nothing_more_and_is_heard_no_more() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    world.watch(ben, ada, 720);
    world.watch(ada, ben, 720);
    world.run(5);
    world.say(ada, b"before", -30);
    assert_eq!(world.heard(ben), [b"before"]);
    let device = world.members[ben].device;

    world.sfu.disconnect(&CALL, &device);
    for _ in 0..20 {
        world.say(ada, b"after", -30);
        world.say(ben, b"after", -30);
    }

    assert_eq!(world.heard(ben), [b"before"]);
    assert!(world.heard(ada).is_empty());
    assert_eq!(world.sfu.members(&CALL), 1);
    assert!(world.tracks.iter().all(|track| track.device != device));
}

#[test]
fn when_a_call_is_over_nobody_is_connected_to_it_and_other_calls_go_on() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    let [cem, dora] = [(); 2].map(|()| world.join(OTHER));
    world.watch(ben, ada, 720);
    world.run(5);

    world.sfu.close(&CALL);
    world.say(ada, b"after", -30);

    assert!(world.heard(ben).is_empty());
    assert_eq!(world.sfu.members(&CALL), 0);
    assert!(world.tracks.is_empty());
    assert_eq!(world.sfu.members(&OTHER), 2);
    for stays in [cem, dora] {
        assert!(world.members[stays].client.rtc.is_connected());
    }
}

#[test]
fn a_layer_is_chosen_by_the_height_that_is_wanted_and_begins_with_a_key_frame() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    // So that the layers are known.
    for rid in ["l", "m", "h"] {
        world.show(ada, rid, b"begin", true);
    }
    world.watch(ben, ada, 100);
    world.run(5);
    assert!(world.members[ada].client.asked.contains(&Some("l".into())));

    world.show(ada, "l", b"no key", false);
    world.show(ada, "h", b"not wanted", true);
    world.show(ada, "l", b"small 1", true);
    world.show(ada, "l", b"small 2", false);
    assert_eq!(world.seen(ben), [b"small 1", b"small 2"]);
    world.watch(ben, ada, 720);
    world.run(5);
    assert!(world.members[ada].client.asked.contains(&Some("h".into())));
    world.show(ada, "h", b"large no", false);
    world.show(ada, "l", b"small 3", false);
    world.show(ada, "h", b"large 1", true);
    world.show(ada, "l", b"small 4", false);

    assert_eq!(
        world.seen(ben),
        [b"small 1", b"small 2", b"small 3", b"large 1"]
    );
    let sequences: Vec<_> = world.members[ben]
        .client
        .came
        .iter()
        .map(|it| it.sequence)
        .collect();
    assert!(
        sequences.windows(2).all(|two| two[1] > two[0]),
        "{sequences:?}"
    );
}

#[test]
fn a_receiver_that_lost_the_picture_makes_the_sender_begin_anew() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    world.show(ada, "l", b"begin", true);
    world.watch(ben, ada, 720);
    world.run(5);
    world.show(ada, "l", b"picture", true);
    world.run(50);
    world.members[ada].client.asked.clear();

    let it = &mut world.members[ben];
    it.client.complain(it.lines.sees);
    world.run(10);

    assert_eq!(world.members[ada].client.asked, [Some("l".into())]);
}

#[test]
fn a_machine_that_is_served_seldom_sends_pictures_as_well_as_sound() {
    let mut world = World::new();
    let [ada, ben, cleo] = [(); 3].map(|()| world.join(CALL));
    world.show(cleo, "l", b"begin", true);
    let voice = world.track(ada, TrackKind::Audio).track;
    let camera = world.track(cleo, TrackKind::Video).track;
    let Member { device, lines, .. } = &world.members[ben];
    let wants = [want(lines.hears, voice, 1), want(lines.sees, camera, 720)];
    world.sfu.watch(&CALL, device, &wants, world.now);
    world.run(5);
    world.show(cleo, "l", b"picture", true);
    let before = world.seen(ben).len();

    for _ in 0..50 {
        let (now, it) = (world.now, &mut world.members[ada]);
        it.client.say(it.lines.voice, b"word", -30, now);
        let it = &mut world.members[cleo];
        it.client.show(it.lines.camera, "l", b"picture", false, now);
        world.now += Duration::from_millis(20);
        world.turn();
    }

    let (heard, seen) = (world.heard(ben).len(), world.seen(ben).len() - before);
    assert!(heard > 45 && seen > 45, "{heard} and {seen} of 50");
}

#[test]
fn what_is_larger_than_browsers_send_is_dropped_and_the_call_goes_on() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    world.watch(ben, ada, 720);
    world.run(5);

    world.say(ada, &[1; 1_400], -30);
    world.say(ada, &[2; 1_401], -30);
    world.say(ada, &[3; 1_900], -30);
    world.say(ada, &[4; 100], -30);

    let heard: Vec<_> = world.heard(ben).iter().map(|it| it[0]).collect();
    assert_eq!(heard, [1, 4]);
}

#[test]
fn a_height_of_nothing_pauses_and_what_is_not_named_is_not_carried() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    world.watch(ben, ada, 720);
    world.run(5);
    world.say(ada, b"one", -30);

    let device = world.members[ben].device;
    world.sfu.watch(&CALL, &device, &[], world.now);
    world.say(ada, b"two", -30);
    world.watch(ben, ada, 0);
    world.say(ada, b"three", -30);

    assert_eq!(world.heard(ben), [b"one".to_vec(), b"three".to_vec()]);
}

#[test]
fn who_speaks_is_told() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));

    for _ in 0..20 {
        world.say(ada, b"loud", -20);
        world.say(ben, b"noise", -90);
    }

    assert_eq!(world.speaking, [world.members[ada].device]);
    world.run(200);
    assert!(world.speaking.is_empty());
}

#[test]
fn a_device_has_one_connection_and_the_new_one_ends_the_last() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    let device = world.members[ben].device;
    let mut again = Client::new(SocketAddr::from(([10, 0, 2, 2], 5_000)), world.now);
    let (lines, offer) = again.offer();
    let asked = Asked {
        group: CALL,
        device,
        offer: offer.clone(),
        sent: lines.sent(),
        connection: None,
    };

    world.sfu.connect(&asked, &[77; 32], world.now).unwrap();
    world.watch(ben, ada, 720);
    world.say(ada, b"to the new one only", -30);

    assert_eq!(world.sfu.members(&CALL), 2);
    assert!(world.heard(ben).is_empty());
    let gone = Asked {
        connection: Some(world.members[ben].connection),
        ..asked
    };
    let refused = world.sfu.connect(&gone, &[78; 32], world.now);
    assert_eq!(refused.err(), Some(ConnectError::Gone));
}

#[test]
fn a_call_has_room_for_so_many_and_no_more() {
    let mut world = World::new();
    let connect = |world: &mut World, number: u8| {
        let mut client = Client::new(SocketAddr::from(([10, 0, 3, number], 5_000)), world.now);
        let (lines, offer) = client.offer();
        let asked = Asked {
            group: CALL,
            device: DeviceId::new([number; 16]),
            offer,
            sent: lines.sent(),
            connection: None,
        };
        world.sfu.connect(&asked, &[number; 32], world.now)
    };

    let most = u8::try_from(CALL_DEVICES_MAX).unwrap();
    for number in 0..most {
        connect(&mut world, number).unwrap();
    }

    assert_eq!(connect(&mut world, most).err(), Some(ConnectError::Full));
    connect(&mut world, 3).unwrap();
}

#[test]
fn who_hangs_up_is_gone_at_once() {
    let mut world = World::new();
    let [ada, _ben] = [(); 2].map(|()| world.join(CALL));

    let from = world.members[ada].client.address;
    for bytes in world.members[ada].client.goes() {
        world.sfu.receive(from, &bytes, world.now);
    }

    assert_eq!(world.sfu.members(&CALL), 1);
}

#[test]
fn who_is_silent_is_gone_after_a_while() {
    let mut world = World::new();
    world.join(CALL);
    world.members.clear();

    world.run(2_200);

    assert_eq!(world.sfu.members(&CALL), 0);
    assert_eq!(world.sfu.deadline(), None);
    assert!(world.tracks.is_empty());
}

#[test]
fn an_offer_that_is_none_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.join(CALL);
    for text in ["", "v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"] {
        let asked = Asked {
            group: CALL,
            device: DeviceId::new([9; 16]),
            offer: Sdp::new(text.into()).unwrap(),
            sent: Vec::new(),
            connection: None,
        };

        let refused = world.sfu.connect(&asked, &[9; 32], world.now);

        assert_eq!(refused.err(), Some(ConnectError::Offer));
    }
    assert_eq!(world.sfu.members(&CALL), 1);
}

/// An offer of whoever is in no call yet.
fn offering(text: String) -> Asked {
    Asked {
        group: CALL,
        device: DeviceId::new([9; 16]),
        offer: Sdp::new(text).unwrap(),
        sent: Vec::new(),
        connection: None,
    }
}

#[test]
fn an_offer_in_which_a_payload_type_means_two_things_is_refused_and_calls_go_on() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    world.watch(ben, ada, 720);
    let mut client = Client::new(SocketAddr::from(([10, 0, 3, 1], 5_000)), world.now);
    let (lines, good) = client.offer();
    let [sound, picture] = [lines.hears, lines.sees].map(|mid| mid.unwrap().to_string());
    let mut parts = good.as_str().split("\r\nm=");
    let head: Vec<_> = parts.next().unwrap().lines().collect();
    let head = head.iter().filter(|it| !it.starts_with("a=group:"));
    let head: Vec<_> = head.copied().collect();
    let part = |mid: &str| {
        let mut parts = good.as_str().split("\r\nm=").skip(1);
        let line = format!("a=mid:{mid}\r\n");
        format!(
            "m={}\r\n",
            parts.find(|it| it.contains(&line)).unwrap().trim_end()
        )
    };
    let picture_line = [
        ("PF 96", "PF 111"),
        (":96 ", ":111 "),
        ("apt=96", "apt=111"),
    ]
    .into_iter()
    .fold(part(&picture), |text, (from, to)| text.replace(from, to));
    let text = format!(
        "{}\r\na=group:BUNDLE {sound} {picture}\r\n{}{picture_line}",
        head.join("\r\n"),
        part(&sound)
    );

    let refused = world.sfu.connect(&offering(text), &[9; 32], world.now);

    assert_eq!(refused.err(), Some(ConnectError::Offer));
    world.say(ada, b"still here", -30);
    assert_eq!(world.heard(ben), [b"still here"]);
}

#[test]
fn who_names_more_streams_than_any_device_has_is_gone() {
    let mut world = World::new();
    let mut client = Client::new(SocketAddr::from(([10, 0, 3, 1], 5_000)), world.now);
    let good = client.offer().1;
    let named = |from: usize| {
        let lines = good.as_str().lines();
        let lines = lines.filter(|it| !it.starts_with("a=ssrc"));
        let streams = (from..from + 200).map(|it| format!("a=ssrc:{it} cname:x\r\n"));
        let text: String = lines.map(|it| format!("{it}\r\n")).chain(streams).collect();
        offering(text)
    };
    let connected = world.sfu.connect(&named(1), &[9; 32], world.now).unwrap();

    let again = |from: usize| Asked {
        connection: Some(connected.connection),
        ..named(from)
    };
    world.sfu.connect(&again(1), &[9; 32], world.now).unwrap();
    let refused = world.sfu.connect(&again(1_000), &[9; 32], world.now);

    assert_eq!(refused.err(), Some(ConnectError::Offer));
    assert_eq!(world.sfu.members(&CALL), 0);
}

#[test]
fn who_is_in_more_places_than_any_device_is_gone() {
    let mut world = World::new();
    let [ada, _ben] = [(); 2].map(|()| world.join(CALL));
    // Whether the server is there, under her password.
    let request = loop {
        world.now += STEP;
        let sent = world.members[ada].client.turn(world.now);
        if let Some(request) = sent.into_iter().find(|it| it.starts_with(&[0, 1])) {
            break request;
        }
    };
    let mut ask_from = |places: std::ops::Range<u8>| {
        for place in places {
            let from = SocketAddr::from(([10, 0, 4, place], 5_000));
            world.sfu.receive(from, &request, world.now);
        }
        world.sfu.members(&CALL)
    };

    assert_eq!(ask_from(0..50), 2);
    for _ in 0..20 {
        assert_eq!(ask_from(0..6), 2, "it is the same few again");
    }
    assert_eq!(ask_from(50..70), 1);
}

#[test]
fn a_device_is_in_one_call_at_a_time() {
    let mut world = World::new();
    let ada = world.join(CALL);
    let mut client = Client::new(SocketAddr::from(([10, 0, 3, 1], 5_000)), world.now);
    let (lines, offer) = client.offer();
    let asked = Asked {
        group: OTHER,
        device: world.members[ada].device,
        offer,
        sent: lines.sent(),
        connection: None,
    };

    world.sfu.connect(&asked, &[9; 32], world.now).unwrap();

    assert_eq!(world.sfu.members(&CALL), 0);
    assert_eq!(world.sfu.members(&OTHER), 1);
}

#[test]
fn a_narrow_path_gets_a_smaller_layer_with_all_of_the_sound_and_a_wide_one_the_best_again() {
    let mut world = World::new();
    let [ada, ben] = [(); 2].map(|()| world.join(CALL));
    world.film(ada, ben, 1);
    world.watch(ben, ada, 720);
    let wide = world.film(ada, ben, 15);
    assert_eq!(wide.last().unwrap(), &[2], "{wide:?}");

    world.members[ben].path = Some(400_000);
    let narrow = world.film(ada, ben, 15);
    assert!(narrow[12..].iter().all(|it| it == &[0]), "{narrow:?}");
    assert!(world.heard(ben).len() > 45, "{}", world.heard(ben).len());

    world.members[ben].path = None;
    let again = world.film(ada, ben, 40);
    assert_eq!(again.last().unwrap(), &[2], "{again:?}");
    let changes = again.iter().filter(|layers| layers.len() > 1).count();
    assert!(changes <= 2, "{again:?}");
}

#[test]
fn who_proves_to_be_somewhere_takes_nobodys_place_there() {
    let mut world = World::new();
    let [ada, ben, eve] = [(); 3].map(|()| world.join(CALL));
    world.watch(ben, ada, 720);
    world.run(5);

    // Her own requests, with her own proof, and a sender that is none of hers.
    world.members[eve].seems_at = world.members[ada].client.address;
    world.run(2_200);
    world.say(ada, b"still here", -30);

    assert_eq!(world.heard(ben), [b"still here"]);
    assert_eq!(world.sfu.members(&CALL), 2, "she is not there at all");
}

#[test]
fn what_others_send_in_the_name_of_a_device_keeps_no_connection_alive() {
    let mut world = World::new();
    let ada = world.join(CALL);
    let address = world.members[ada].client.address;
    let mut forged = Vec::new();
    let Member { client, lines, .. } = &mut world.members[ada];
    client.say(lines.voice, b"once", -30, world.now);
    forged.extend(client.turn(world.now));
    world.members.clear();

    for _ in 0..2_200 {
        for bytes in &mut forged {
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            world.sfu.receive(address, bytes, world.now);
        }
        world.sfu.receive(address, &[128; 60], world.now);
        world.run(1);
    }

    assert_eq!(world.sfu.members(&CALL), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn garbage_in_a_call_panics_nobody_and_the_call_goes_on(
        garbage in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..200), any::<bool>(), 0..6_usize), 1..60)
    ) {
        let mut world = World::new();
        let [ada, ben] = [(); 2].map(|()| world.join(CALL));
        world.watch(ben, ada, 720);
        world.run(5);
        for (mut bytes, inside, kind) in garbage {
            // The kinds that reach the machine.
            if let (Some(first), Some(wanted)) = (bytes.first_mut(), [22, 20, 128, 144, 200, 0].get(kind)) {
                *first = *wanted;
            }
            let from = if inside {
                world.members[ada].client.address
            } else {
                SocketAddr::from(([10, 9, 9, 9], 9))
            };
            world.sfu.receive(from, &bytes, world.now);
        }
        world.run(5);
        world.say(ada, b"still here", -30);
        prop_assert_eq!(world.heard(ben), vec![b"still here".to_vec()]);
    }

    #[test]
    fn no_offer_panics(lines in prop::collection::vec("[ -~]{0,60}", 0..20)) {
        let mut world = World::new();
        let mut client = Client::new(SocketAddr::from(([10, 0, 3, 1], 5_000)), world.now);
        let good = client.offer().1;
        let text: Vec<&str> = good.as_str().lines().collect();
        let mut mixed: Vec<String> = text.iter().map(|line| (*line).to_owned()).collect();
        for (number, line) in lines.iter().enumerate() {
            let place = (number * 37) % mixed.len();
            mixed[place] = format!("{}{line}", mixed[place].chars().take(number).collect::<String>());
        }
        let asked = Asked {
            group: CALL,
            device: DeviceId::new([9; 16]),
            offer: Sdp::new(mixed.join("\r\n")).unwrap(),
            sent: Vec::new(),
            connection: None,
        };
        let _ = world.sfu.connect(&asked, &[9; 32], world.now);
        world.run(3);
    }

    /// What an offer is made of, in a way that no browser makes it.
    #[test]
    fn no_offer_of_shuffled_parts_ends_a_call(
        changes in prop::collection::vec((0..400_usize, 0..8_usize, 90..128_u8), 1..40)
    ) {
        let mut world = World::new();
        let [ada, ben] = [(); 2].map(|()| world.join(CALL));
        world.watch(ben, ada, 720);
        let good = Client::new(SocketAddr::from(([10, 0, 3, 1], 5_000)), world.now).offer().1;
        let mut lines: Vec<String> = good.as_str().lines().map(str::to_owned).collect();
        for (place, kind, number) in changes {
            let place = place % lines.len();
            let line = lines[place].clone();
            let renumbered = |head: &str| {
                let rest = line.strip_prefix(head)?.split_once(' ')?.1;
                Some(format!("{head}{number} {rest}"))
            };
            let changed = match kind {
                0..=3 => renumbered("a=rtpmap:").or_else(|| renumbered("a=fmtp:")),
                4 if line.starts_with("a=") && line.ends_with("only") => Some("a=sendrecv".to_owned()),
                5 => line.strip_suffix(char::is_numeric).map(|it| format!("{it}{number}")),
                6 => Some(lines[usize::from(number) % lines.len()].clone()),
                _ => None,
            };
            lines[place] = changed.unwrap_or(line);
        }
        let _ = world.sfu.connect(&offering(lines.join("\r\n")), &[9; 32], world.now);
        world.run(3);
        world.say(ada, b"still here", -30);
        prop_assert_eq!(world.heard(ben), vec![b"still here".to_vec()]);
    }
}
