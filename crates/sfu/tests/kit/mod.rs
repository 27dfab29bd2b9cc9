//! A device in a call, in memory: the same library as the server's as a client, with real ICE,
//! DTLS and SRTP, and frames that say what they are.

use roost_sfu::{Certificate, crypto_provider};
use roost_wire::api::{MidName, Sdp, Sent, TrackId, TrackKind, Want};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::config::CryptoProvider;
use str0m::format::Codec;
use str0m::media::{
    Direction, KeyframeRequestKind, MediaKind, Mid, Rid, Simulcast, SimulcastLayer,
};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

const DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// A frame that came: on which m-line, and what was in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    pub mid: String,
    pub payload: Vec<u8>,
    pub sequence: u64,
    pub descriptor: Option<Vec<u8>>,
}

pub struct Client {
    pub address: SocketAddr,
    pub rtc: Rtc,
    pub came: Vec<Came>,
    /// Layers of which a key frame was asked for.
    pub asked: Vec<Option<String>>,
    pub due: Instant,
    /// What is to be sent to the server.
    out: Vec<Vec<u8>>,
    pending: Option<SdpPendingOffer>,
    sent: u64,
    /// Of each stream.
    numbers: BTreeMap<(Mid, Option<String>), u64>,
}

#[derive(Debug, Clone)]
struct Raw(Vec<u8>);

#[derive(Debug)]
struct RawDescriptors;

impl ExtensionSerializer for RawDescriptors {
    fn write_to(&self, place: &mut [u8], values: &ExtensionValues) -> usize {
        let Some(Raw(bytes)) = values.user_values.get() else {
            return 0;
        };
        place[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, bytes: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Raw(bytes.to_vec()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }
}

/// What a client has: m-lines to send on, with their kinds, and m-lines to receive on.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    pub voice: Option<Mid>,
    pub camera: Option<Mid>,
    pub hears: Option<Mid>,
    pub sees: Option<Mid>,
}

impl Client {
    pub fn new(address: SocketAddr, now: Instant) -> Self {
        Self::with(address, crypto_provider(), now)
    }

    /// With ciphers of its own.
    pub fn with(address: SocketAddr, ciphers: CryptoProvider, now: Instant) -> Self {
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(ciphers))
            .set_dtls_cert(Certificate::generate().unwrap().dtls())
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_extension(9, Extension::with_serializer(DESCRIPTOR, RawDescriptors))
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).unwrap());
        Self {
            address,
            rtc,
            came: Vec::new(),
            asked: Vec::new(),
            due: now,
            out: Vec::new(),
            pending: None,
            sent: 0,
            numbers: BTreeMap::new(),
        }
    }

    /// An offer with a voice, a camera of three layers, and one m-line each to receive on.
    pub fn offer(&mut self) -> (Lines, Sdp) {
        let mut changes = self.rtc.sdp_api();
        let mut layers = Simulcast::new();
        for rid in ["l", "m", "h"] {
            layers.add_send_layer(SimulcastLayer::new(rid));
        }
        let (send, receive) = (Direction::SendOnly, Direction::RecvOnly);
        let mut line =
            |kind, direction, layers| Some(changes.add_media(kind, direction, None, None, layers));
        let lines = Lines {
            voice: line(MediaKind::Audio, send, None),
            camera: line(MediaKind::Video, send, Some(layers)),
            hears: line(MediaKind::Audio, receive, None),
            sees: line(MediaKind::Video, receive, None),
        };
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        (lines, Sdp::new(offer.to_sdp_string()).unwrap())
    }

    pub fn answered(&mut self, answer: &Sdp) {
        let answer = SdpAnswer::from_sdp_string(answer.as_str()).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
    }

    pub fn hear(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let Ok(contents) = bytes.try_into() else {
            return;
        };
        let receive = Receive {
            proto: Protocol::Udp,
            source: from,
            destination: self.address,
            contents,
        };
        let _ = self.rtc.handle_input(Input::Receive(now, receive));
        self.drain();
    }

    /// Lets time pass; gives what is to be sent to the server.
    pub fn turn(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let _ = self.rtc.handle_input(Input::Timeout(now));
        self.drain();
        std::mem::take(&mut self.out)
    }

    /// Hangs up; gives what is to be sent to the server.
    pub fn goes(&mut self) -> Vec<Vec<u8>> {
        self.rtc.close().unwrap();
        self.drain();
        std::mem::take(&mut self.out)
    }

    fn drain(&mut self) {
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(due) => {
                    self.due = due;
                    break;
                }
                Output::Transmit(transmit) => self.out.push(transmit.contents.into()),
                Output::Event(Event::RtpPacket(packet)) => {
                    let mut direct = self.rtc.direct_api();
                    let mid = direct.stream_rx(&packet.header.ssrc).unwrap().mid();
                    let raw: Option<&Raw> = packet.header.ext_vals.user_values.get();
                    self.came.push(Came {
                        mid: mid.to_string(),
                        payload: packet.payload.to_vec(),
                        sequence: *packet.seq_no,
                        descriptor: raw.map(|raw| raw.0.clone()),
                    });
                }
                Output::Event(Event::KeyframeRequest(asked)) => {
                    self.asked.push(asked.rid.map(name));
                }
                Output::Event(_) => {}
            }
        }
    }

    /// Says something: one packet of sound.
    pub fn say(&mut self, mid: Option<Mid>, payload: &[u8], level: i8, now: Instant) {
        let values = ExtensionValues {
            audio_level: Some(level),
            voice_activity: Some(true),
            ..ExtensionValues::default()
        };
        let stream = (mid.unwrap(), None);
        self.write(stream, payload, values, Codec::Opus, now);
    }

    /// Shows something: one frame of one packet.
    pub fn show(&mut self, mid: Option<Mid>, rid: &str, payload: &[u8], key: bool, now: Instant) {
        let number = u8::try_from(self.sent % 200).unwrap();
        let mut descriptor = vec![0xc0, 0, number];
        if key {
            descriptor.extend([0x80, 0]);
        }
        let mut values = ExtensionValues::default();
        values.user_values.set(Raw(descriptor));
        let stream = (mid.unwrap(), Some(rid.into()));
        self.write(stream, payload, values, Codec::Vp8, now);
    }

    fn write(
        &mut self,
        (mid, rid): (Mid, Option<Rid>),
        payload: &[u8],
        values: ExtensionValues,
        codec: Codec,
        now: Instant,
    ) {
        self.sent += 1;
        let mut formats = self.rtc.codec_config().iter();
        let pt = formats.find(|it| it.spec().codec == codec).unwrap().pt();
        let time = u32::try_from(self.sent).unwrap() * 960;
        let number = self
            .numbers
            .entry((mid, rid.map(|rid| rid.to_string())))
            .or_default();
        *number += 1;
        let write = RtpWrite::new(pt, (*number).into(), time, now, payload.to_vec())
            .ext_vals(values)
            .nackable(codec == Codec::Vp8);
        let mut direct = self.rtc.direct_api();
        direct.stream_tx_by_mid(mid, rid).unwrap().write_rtp(write);
    }

    pub fn complain(&mut self, mid: Option<Mid>) {
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_rx_by_mid(mid.unwrap(), None).unwrap();
        stream.request_keyframe(KeyframeRequestKind::Pli);
    }

    /// What came on an m-line.
    pub fn payloads(&self, mid: Option<Mid>) -> Vec<Vec<u8>> {
        let mid = mid.unwrap().to_string();
        let on = self.came.iter().filter(|came| came.mid == mid);
        on.map(|came| came.payload.clone()).collect()
    }
}

fn name(rid: Rid) -> String {
    rid.to_string().trim_end_matches(['\0', ' ']).to_owned()
}

impl Lines {
    pub fn sent(&self) -> Vec<Sent> {
        let kinds = [
            (self.voice, TrackKind::Audio),
            (self.camera, TrackKind::Video),
        ];
        let sent = kinds.into_iter().filter_map(|(mid, kind)| {
            let mid = MidName::new(mid?.to_string()).unwrap();
            Some(Sent { mid, kind })
        });
        sent.collect()
    }
}

pub fn want(mid: Option<Mid>, track: TrackId, height: u32) -> Want {
    Want {
        mid: MidName::new(mid.unwrap().to_string()).unwrap(),
        track,
        height,
    }
}
