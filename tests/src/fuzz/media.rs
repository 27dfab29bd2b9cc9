//! What comes to what forwards group calls: from somebody outside, and from who is in a call and
//! means harm.
//!
//! Owns a call of two in memory, Ada and Ben. What the fuzzer gives is Ada's: sealed as her own, or
//! as anybody could send it from where she is. Ben stays, and gets nothing that she did not send.

use super::kit::{Client, Lines, want};
use super::seal;
use roost_sfu::{Asked, Certificate, Sfu, Told, crypto_provider};
use roost_wire::api::{Track, TrackKind};
use roost_wire::{DeviceId, GroupId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CALL: GroupId = GroupId::new([1; 16]);
const STEP: Duration = Duration::from_millis(10);
/// Steps in which two connect.
const CONNECTING: usize = 60;
/// Steps in which RTCP is said, and a sender is heard of.
const TALKING: usize = 120;
/// Steps in which something has its effect.
const EFFECT: usize = 30;
const VOICE: &[u8] = b"what Ada says";
const PICTURE: &[u8] = b"what Ada shows";

/// From where Ada is, but not sealed: nobody is put out of a call by it.
pub fn datagram(bytes: &[u8]) {
    let mut call = Call::begun();
    call.comes(bytes);
    assert_eq!(call.sfu.members(&CALL), 2, "somebody was put out");
    call.says_on();
}

/// A packet of media that Ada seals.
pub fn rtp(bytes: &[u8]) {
    let mut call = Call::begun();
    let Some(sealed) = seal::rtp(&as_version_2(bytes)) else {
        return;
    };
    let before = call.ben.came.len();
    call.comes(&sealed);
    for came in call.ben.came.iter().skip(before) {
        let payload = came.payload.as_slice();
        let is_of_it = payload.is_empty() || bytes.windows(payload.len()).any(|it| it == payload);
        assert!(is_of_it, "what Ben got is not what she sent");
    }
    call.stays();
}

/// Reports that Ada seals.
pub fn rtcp(bytes: &[u8]) {
    let mut call = Call::begun();
    let Some(sealed) = seal::rtcp(&as_version_2(bytes)) else {
        return;
    };
    call.comes(&sealed);
    call.stays();
}

/// What is of no known version is not looked at further.
fn as_version_2(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x80;
    }
    bytes
}

struct Call {
    now: Instant,
    address: SocketAddr,
    sfu: Sfu,
    ada: Client,
    ben: Client,
    hers: Lines,
    tracks: Vec<Track>,
}

impl Call {
    /// Ben hears and sees Ada.
    fn begun() -> Self {
        let (now, address) = (now(), SocketAddr::from(([10, 0, 0, 1], 3_478)));
        let certificate = Certificate::generate().unwrap_or_else(|error| panic!("{error}"));
        let mut sfu = Sfu::new(certificate, vec![address], now);
        let at = |place| SocketAddr::from(([10, 0, 1, place], 5_000));
        let mut ada = Client::with(at(1), seal::provider(), now);
        let mut ben = Client::with(at(2), crypto_provider(), now);
        let hers = connect(&mut sfu, &mut ada, 1, now);
        let his = connect(&mut sfu, &mut ben, 2, now);
        let mut call = Self {
            now,
            address,
            sfu,
            ada,
            ben,
            hers,
            tracks: Vec::new(),
        };
        call.run(CONNECTING);
        let track = |kind| {
            let hers = call
                .tracks
                .iter()
                .find(|track| track.kind == kind && track.device == DeviceId::new([1; 16]));
            hers.map(|track| track.track)
        };
        let wants = [(his.hears, TrackKind::Audio), (his.sees, TrackKind::Video)];
        let wants = wants
            .into_iter()
            .filter_map(|(line, kind)| Some(want(line, track(kind)?, 180)));
        let wants: Vec<_> = wants.collect();
        call.sfu
            .watch(&CALL, &DeviceId::new([2; 16]), &wants, call.now);
        call.talks();
        assert!(seal::is_known(), "her seal is not known");
        call
    }

    fn talks(&mut self) {
        for step in 0..TALKING {
            if step % 10 == 0 {
                self.ada.say(self.hers.voice, VOICE, -20, self.now);
                self.ada
                    .show(self.hers.camera, "l", PICTURE, true, self.now);
            }
            self.run(1);
        }
        assert!(
            self.ben.came.iter().any(|came| came.payload == VOICE),
            "Ben hears nothing"
        );
        assert!(
            self.ben.came.iter().any(|came| came.payload == PICTURE),
            "Ben sees nothing"
        );
    }

    /// Something comes from where Ada is.
    fn comes(&mut self, bytes: &[u8]) {
        let from = self.ada.address;
        self.sfu.receive(from, bytes, self.now);
        self.run(EFFECT);
    }

    /// Whatever becomes of Ada.
    fn stays(&self) {
        assert!(
            self.sfu.members(&CALL) >= 1 && self.ben.rtc.is_alive(),
            "Ben was put out"
        );
    }

    fn says_on(&mut self) {
        let before = self.ben.came.len();
        self.ada.say(self.hers.voice, VOICE, -20, self.now);
        self.run(EFFECT);
        assert!(self.ben.came.len() > before, "Ben hears no more");
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.now += STEP;
            for client in [&mut self.ada, &mut self.ben] {
                for bytes in client.turn(self.now) {
                    self.sfu.receive(client.address, &bytes, self.now);
                }
            }
            self.sfu.advance(self.now);
            let datagrams: Vec<_> = self.sfu.take_datagrams().collect();
            for datagram in datagrams {
                let mut clients = [&mut self.ada, &mut self.ben].into_iter();
                if let Some(client) = clients.find(|client| client.address == datagram.to) {
                    client.hear(self.address, &datagram.bytes, self.now);
                }
            }
            for told in self.sfu.take_told() {
                if let Told::Tracks { tracks, .. } = told {
                    self.tracks = tracks.as_slice().to_vec();
                }
            }
        }
    }
}

fn connect(sfu: &mut Sfu, client: &mut Client, place: u8, now: Instant) -> Lines {
    let (lines, offer) = client.offer();
    let asked = Asked {
        group: CALL,
        device: DeviceId::new([place; 16]),
        offer,
        sent: lines.sent(),
        connection: None,
    };
    let connected = sfu.connect(&asked, &[place; 32], now);
    let connected = connected.unwrap_or_else(|error| panic!("{error}"));
    client.answered(&connected.answer);
    lines
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}
