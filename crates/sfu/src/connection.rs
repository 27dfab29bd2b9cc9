//! One device's connection to a call: ICE, DTLS and SRTP by the media library, what it sends and
//! what it receives.

use crate::crypto::{self, Certificate};
use crate::descriptor::{self, Descriptor, Descriptors};
use crate::door::Pass;
use crate::library::{Library, Over};
use crate::limit::{
    FIRST_ESTIMATE_BPS, PACKETS_AT_ONCE, PLACES_PER_CONNECTION, SSRCS_PER_CONNECTION,
};
use crate::offer::Offer;
use crate::slot::{Came, Encoding, Slot};
use crate::source::Source;
use crate::splice::Numbers;
use crate::vp8;
use roost_wire::api::{MediaConnection, MidName, Sdp, Sent, TrackId, TrackKind, Want};
use roost_wire::limit::CALL_SLOTS;
use roost_wire::{DeviceId, GroupId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::bwe::{Bitrate, BweKind};
use str0m::change::SdpOffer;
use str0m::format::Codec;
use str0m::media::{Direction, KeyframeRequestKind, MediaKind, Mid, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig, RtcError};

/// So far apart the media library wants packets that it is ready to send at once.
const PACER_STEP: Duration = Duration::from_micros(1);

/// Something to be sent by UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// What a connection has to say.
pub enum Said {
    Media(Box<RtpPacket>),
    /// The receiver of a slot cannot go on without a key frame.
    Lost(Mid),
}

pub struct Connection {
    pub id: MediaConnection,
    pub group: GroupId,
    pub device: DeviceId,
    pub ufrag: String,
    /// When something came that only the device can have sent.
    pub heard: Instant,
    pub sources: BTreeMap<Mid, Source>,
    pub slots: BTreeMap<Mid, Slot>,
    /// What it is taken to carry, in bits a second.
    pub estimate_bps: u64,
    /// Of the media library; ahead of the clock by as many microseconds as packets left at once.
    time: Instant,
    rtc: Library<Rtc>,
    /// That it ever named or sent with: the library forgets none.
    ssrcs: BTreeSet<u32>,
    /// That it ever was heard from: the library forgets none of these either.
    seen_at: BTreeSet<SocketAddr>,
}

impl Connection {
    pub fn new(
        id: MediaConnection,
        (group, device): (GroupId, DeviceId),
        pass: Pass,
        certificate: &Certificate,
        addresses: &[SocketAddr],
        now: Instant,
    ) -> Self {
        let ufrag = pass.ufrag.clone();
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(crypto::provider()))
            .set_dtls_cert(certificate.dtls())
            .set_local_ice_credentials(IceCreds {
                ufrag: pass.ufrag,
                pass: pass.password,
            })
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_extension(descriptor::ID, Descriptors::extension())
            .enable_bwe(Some(Bitrate::from(FIRST_ESTIMATE_BPS)))
            .build(now);
        for address in addresses {
            if let Ok(candidate) = Candidate::host(*address, Protocol::Udp) {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            id,
            group,
            device,
            ufrag,
            heard: now,
            sources: BTreeMap::new(),
            slots: BTreeMap::new(),
            estimate_bps: FIRST_ESTIMATE_BPS,
            time: now,
            rtc: Library::new(rtc),
            ssrcs: BTreeSet::new(),
            seen_at: BTreeSet::new(),
        }
    }

    /// Takes an offer; `number` gives new tracks theirs.
    ///
    /// # Errors
    /// An offer that the library refuses; the connection is of no use then.
    pub fn negotiate(
        &mut self,
        offer: &Offer,
        sent: &[Sent],
        number: impl FnMut() -> TrackId,
    ) -> Result<Sdp, Over> {
        self.meets(offer.ssrcs.iter().copied())?;
        let answer = self.rtc.with(|rtc| {
            let parsed = SdpOffer::from_sdp_string(&offer.text).map_err(|_| Over)?;
            rtc.sdp_api().accept_offer(parsed).map_err(|_| Over)
        })??;
        self.agree(&offer.mids, sent, number);
        Sdp::new(answer.to_sdp_string()).map_err(|_| Over)
    }

    /// Notes what it names its streams by.
    ///
    /// # Errors
    /// If it has named more than any device does.
    pub fn meets(&mut self, ssrcs: impl IntoIterator<Item = u32>) -> Result<(), Over> {
        self.ssrcs.extend(ssrcs);
        let fits = self.ssrcs.len() <= SSRCS_PER_CONNECTION;
        fits.then_some(()).ok_or(Over)
    }

    /// Notes where it is, once it is there anew.
    ///
    /// # Errors
    /// If it was in more places than any device is.
    pub fn moves(&mut self, to: SocketAddr) -> Result<(), Over> {
        self.seen_at.insert(to);
        let fits = self.seen_at.len() <= PLACES_PER_CONNECTION;
        fits.then_some(()).ok_or(Over)
    }

    /// Notes what was negotiated.
    fn agree(&mut self, mids: &[MidName], sent: &[Sent], mut number: impl FnMut() -> TrackId) {
        let (mut sources, mut slots) = (BTreeMap::new(), BTreeMap::new());
        for name in mids {
            let mid = Mid::from(name.as_str());
            let media = self.rtc.with(|rtc| {
                let media = rtc.media(mid).filter(|media| !media.disabled());
                media.map(|media| (media.kind(), media.direction()))
            });
            let Ok(Some((kind, direction))) = media else {
                continue;
            };
            match direction {
                Direction::RecvOnly => {
                    let said = sent.iter().find(|sent| sent.mid == *name);
                    let Some(sent) = said.filter(|sent| kind_of(sent.kind) == kind) else {
                        continue;
                    };
                    let known = self.sources.remove(&mid);
                    let known = known.filter(|known| known.kind == sent.kind);
                    let source = known.unwrap_or_else(|| Source::new(number(), sent.kind));
                    sources.insert(mid, source);
                }
                Direction::SendOnly if slots.len() < CALL_SLOTS => {
                    let known = self.slots.remove(&mid);
                    slots.insert(mid, known.unwrap_or_else(|| Slot::new(kind)));
                }
                Direction::SendOnly | Direction::SendRecv | Direction::Inactive => {}
            }
        }
        self.sources = sources;
        self.slots = slots;
    }

    /// Whether a datagram shows that its sender is the device: a STUN request under its password.
    pub fn proves(&mut self, local: SocketAddr, bytes: &[u8], now: Instant) -> bool {
        // The library asks for no proof where the device is known to be: here it is nowhere.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let input = receive(nowhere, local, bytes, now);
        input.is_some_and(|input| self.rtc.with(|rtc| rtc.accepts(&input)) == Ok(true))
    }

    /// Takes a datagram. What is not understood is dropped.
    pub fn hear(&mut self, from: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) {
        if let Some(input) = receive(from, local, bytes, now) {
            // An error is of the packet, and anybody can send one; what panicked is not drained.
            let _ = self.rtc.with(|rtc| rtc.handle_input(input));
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// The connection is over.
    pub fn pass_time(&mut self, now: Instant) -> Result<(), Over> {
        self.time = self.time.max(now);
        let time = Input::Timeout(self.time);
        self.rtc.with(|rtc| rtc.handle_input(time))?.map_err(over)
    }

    /// All there is to send and to say now; when to let time pass next.
    ///
    /// # Errors
    /// The connection is over.
    pub fn drain(
        &mut self,
        out: &mut Vec<Datagram>,
        said: &mut Vec<Said>,
    ) -> Result<Instant, Over> {
        // The library's pacer gives one packet each time it is told that time passes, the oldest of
        // sound first, and wants the next a microsecond later. On a machine that is busy there is
        // more to send than times to tell it, and pictures would wait for ever.
        for _ in 1..PACKETS_AT_ONCE {
            let due = self.drain_once(out, said)?;
            if due > self.time + PACER_STEP {
                return Ok(due);
            }
            self.pass_time(due)?;
        }
        self.drain_once(out, said)
    }

    fn drain_once(
        &mut self,
        out: &mut Vec<Datagram>,
        said: &mut Vec<Said>,
    ) -> Result<Instant, Over> {
        loop {
            match self.rtc.with(Rtc::poll_output)?.map_err(over)? {
                Output::Timeout(due) => {
                    let is_alive = self.rtc.with(|rtc| rtc.is_alive())?;
                    return is_alive.then_some(due).ok_or(Over);
                }
                Output::Transmit(transmit) => out.push(Datagram {
                    to: transmit.destination,
                    bytes: transmit.contents.into(),
                }),
                Output::Event(Event::RtpPacket(packet)) => {
                    said.push(Said::Media(Box::new(packet)));
                }
                Output::Event(Event::KeyframeRequest(asked)) => said.push(Said::Lost(asked.mid)),
                Output::Event(Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. })) => {
                    self.estimate_bps = estimate.as_u64();
                }
                Output::Event(_) => {}
            }
        }
    }

    /// The encoding that a packet is of, and its source.
    pub fn place_of(&mut self, packet: &RtpPacket) -> Option<(Mid, Option<Rid>)> {
        let found = self.rtc.with(|rtc| {
            let mut direct = rtc.direct_api();
            let stream = direct.stream_rx(&packet.header.ssrc)?;
            Some((stream.mid(), stream.rid()))
        });
        found.ok().flatten()
    }

    /// Asks the device for a key frame of one encoding.
    pub fn ask_key_frame(&mut self, mid: Mid, rid: Option<Rid>, now: Instant) -> bool {
        let source = self.sources.get_mut(&mid);
        if !source.is_some_and(|source| source.may_ask(rid, now)) {
            return false;
        }
        let asked = self.rtc.with(|rtc| {
            let mut direct = rtc.direct_api();
            let stream = direct.stream_rx_by_mid(mid, rid)?;
            stream.request_keyframe(KeyframeRequestKind::Pli);
            Some(())
        });
        matches!(asked, Ok(Some(())))
    }

    /// Takes what the device wants to see.
    pub fn wish(&mut self, wants: &[Want], is_there: impl Fn(&TrackId, MediaKind) -> bool) {
        for (mid, slot) in &mut self.slots {
            let want = wants
                .iter()
                .find(|want| Mid::from(want.mid.as_str()) == *mid);
            let want = want.filter(|want| is_there(&want.track, slot.kind));
            slot.wish(want.map(|want| (want.track, want.height)));
        }
    }

    /// Sends a packet of another device on by every slot that carries its encoding. Whether any
    /// does.
    pub fn forward(&mut self, of: Encoding, packet: &RtpPacket, now: Instant) -> bool {
        let Self { slots, rtc, .. } = self;
        let (came, mut any) = (came(packet), false);
        for (mid, slot) in slots {
            if let Some((leaves, descriptor)) = slot.take(of, came, now) {
                let place = (*mid, slot.kind);
                let written = rtc.with(|rtc| write(rtc, place, leaves, descriptor, (packet, now)));
                any |= matches!(written, Ok(Some(())));
            }
        }
        any
    }

    /// Says how much there is to send at best, so that the path is tried for it, and how much to
    /// send at least while the path takes it. What media leave is filled up: an estimate does not
    /// grow beyond what is sent, and would never reach the next layer.
    pub fn desire(&mut self, least_bps: u64, best_bps: u64) {
        let (least, best) = (Bitrate::from(least_bps), Bitrate::from(best_bps));
        // What panics here is over by the next time that it is told the time.
        let _ = self.rtc.with(|rtc| rtc.bwe().set_bitrate(least, best));
    }

    /// Says goodbye.
    pub fn close(&mut self, out: &mut Vec<Datagram>) {
        // What it still has to say concerns nobody.
        if matches!(self.rtc.with(Rtc::close), Ok(Ok(()))) {
            let _ = self.drain_once(out, &mut Vec::new());
        }
    }
}

fn receive<'a>(
    source: SocketAddr,
    destination: SocketAddr,
    bytes: &'a [u8],
    now: Instant,
) -> Option<Input<'a>> {
    let receive = Receive {
        proto: Protocol::Udp,
        source,
        destination,
        contents: bytes.try_into().ok()?,
    };
    Some(Input::Receive(now, receive))
}

fn came(packet: &RtpPacket) -> Came<'_> {
    let descriptor: Option<&Descriptor> = packet.header.ext_vals.user_values.get();
    Came {
        numbers: Numbers {
            sequence: *packet.seq_no,
            time: packet.header.timestamp,
        },
        descriptor,
        is_key: descriptor.map_or_else(|| vp8::is_key(&packet.payload), Descriptor::is_key),
    }
}

fn write(
    rtc: &mut Rtc,
    (mid, kind): (Mid, MediaKind),
    numbers: Numbers,
    descriptor: Option<Descriptor>,
    (packet, now): (&RtpPacket, Instant),
) -> Option<()> {
    let codec = match kind {
        MediaKind::Audio => Codec::Opus,
        MediaKind::Video => Codec::Vp8,
    };
    let mut formats = rtc.codec_config().iter();
    let pt = formats.find(|it| it.spec().codec == codec)?.pt();
    let came = &packet.header.ext_vals;
    let mut values = ExtensionValues {
        audio_level: came.audio_level,
        voice_activity: came.voice_activity,
        video_orientation: came.video_orientation,
        ..ExtensionValues::default()
    };
    if let Some(descriptor) = descriptor {
        values.user_values.set(descriptor);
    }
    let write = RtpWrite::new(
        pt,
        numbers.sequence.into(),
        numbers.time,
        now,
        packet.payload.clone(),
    )
    .marker(packet.header.marker)
    .ext_vals(values)
    .nackable(kind == MediaKind::Video);
    rtc.direct_api()
        .stream_tx_by_mid(mid, None)?
        .write_rtp(write);
    Some(())
}

pub const fn kind_of(kind: TrackKind) -> MediaKind {
    match kind {
        TrackKind::Audio => MediaKind::Audio,
        TrackKind::Video | TrackKind::Screen => MediaKind::Video,
    }
}

fn over(_: RtcError) -> Over {
    Over
}
