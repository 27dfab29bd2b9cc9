//! One device of the load: ICE, DTLS and SRTP by the media library, on a socket of its own.
//!
//! What it says has the time in it, so that whoever hears it knows how long it was on the way.

use anyhow::{Context, Result};
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use roost_sfu::{Certificate, crypto_provider};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

/// How VP8 begins a packet that begins a frame (RFC 7741, section 4.2), and one that does not.
const BEGINS: u8 = 0x10;
const GOES_ON: u8 = 0;
/// Of a frame that needs no other (RFC 6386, section 9.1).
const KEY: u8 = 0x10;
/// Tells what is said from what fills the path.
const MAGIC: [u8; 6] = *b"forwrd";
const DATAGRAM_BYTES: usize = 2_000;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(2);
const SETTLED: Duration = Duration::from_millis(100);

/// What a device sends on and hears on.
#[derive(Clone, Copy)]
pub struct Lines {
    pub sound: Mid,
    pub picture: Mid,
}

pub struct Device {
    pub rtc: Rtc,
    /// How long each packet that came was on the way.
    pub delays: Vec<Duration>,
    pub lines: Option<Lines>,
    socket: UdpSocket,
    address: SocketAddr,
    /// Of all devices.
    begun: Instant,
    due: Instant,
    pending: Option<SdpPendingOffer>,
    sent: [u64; 2],
}

impl Device {
    /// At this address of this machine; times are since `begun`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(at: IpAddr, begun: Instant) -> Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(at, 0))?;
        let address = socket.local_addr()?;
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(Arc::new(crypto_provider()))
            .set_dtls_cert(Certificate::generate()?.dtls())
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(super::now());
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp)?);
        Ok(Self {
            rtc,
            delays: Vec::new(),
            lines: None,
            socket,
            address,
            begun,
            due: super::now(),
            pending: None,
            sent: [0; 2],
        })
    }

    /// Offers one line for sound and one for pictures.
    ///
    /// # Errors
    /// If that is no offer.
    pub fn offers(&mut self, direction: Direction) -> Result<String> {
        let mut changes = self.rtc.sdp_api();
        let [sound, picture] = [MediaKind::Audio, MediaKind::Video]
            .map(|kind| changes.add_media(kind, direction, None, None, None));
        self.lines = Some(Lines { sound, picture });
        let (offer, pending) = changes.apply().context("an offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// # Errors
    /// If the answer fits no offer.
    pub fn is_answered(&mut self, answer: &str) -> Result<()> {
        let answer = SdpAnswer::from_sdp_string(answer)?;
        let pending = self.pending.take().context("nothing was offered")?;
        Ok(self.rtc.sdp_api().accept_answer(pending, answer)?)
    }

    /// # Errors
    /// If the offer cannot be answered.
    pub fn answers(&mut self, offer: &str) -> Result<String> {
        let offer = SdpOffer::from_sdp_string(offer)?;
        Ok(self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string())
    }

    /// Until it is connected, and the other side knows it. Janus knows of nobody before.
    ///
    /// # Errors
    /// If it does not get so.
    pub async fn connects(&mut self) -> Result<()> {
        let connected = async {
            while !self.rtc.is_connected() {
                self.hears(super::now())?;
                tokio::time::sleep(GLANCE).await;
            }
            anyhow::Ok(())
        };
        let connected = tokio::time::timeout(CONNECT_LIMIT, connected).await;
        connected.context("not connected")??;
        tokio::time::sleep(SETTLED).await;
        self.hears(super::now())
    }

    /// # Errors
    /// The system's.
    pub fn is_watched(&mut self, registry: &Registry, token: Token) -> Result<()> {
        Ok(registry.register(&mut self.socket, token, Interest::READABLE)?)
    }

    /// When it wants time to pass next.
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// Takes all that came.
    ///
    /// # Errors
    /// If the connection is over.
    pub fn hears(&mut self, now: Instant) -> Result<()> {
        let mut bytes = [0; DATAGRAM_BYTES];
        loop {
            let (length, source) = match self.socket.recv_from(&mut bytes) {
                Ok(came) => came,
                Err(none) if none.kind() == ErrorKind::WouldBlock => return self.turn(now),
                Err(error) => return Err(error.into()),
            };
            let came = bytes.get(..length).unwrap_or_default();
            let Ok(contents) = came.try_into() else {
                continue;
            };
            let receive = Receive {
                proto: Protocol::Udp,
                source,
                destination: self.address,
                contents,
            };
            self.rtc.handle_input(Input::Receive(now, receive))?;
            self.drain(now)?;
        }
    }

    /// Lets time pass.
    ///
    /// # Errors
    /// If the connection is over.
    pub fn turn(&mut self, now: Instant) -> Result<()> {
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now)
    }

    fn drain(&mut self, now: Instant) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(due) => {
                    self.due = due;
                    return Ok(());
                }
                Output::Transmit(it) => {
                    // What the system does not take is lost on the way.
                    let _ = self.socket.send_to(&it.contents, it.destination);
                }
                Output::Event(Event::RtpPacket(packet)) => self.note(&packet.payload, now),
                Output::Event(_) => {}
            }
        }
    }

    fn note(&mut self, payload: &[u8], now: Instant) {
        let stamped = payload.get(2..).and_then(|rest| rest.strip_prefix(&MAGIC));
        let Some(micros) = stamped.and_then(|rest| rest.first_chunk()) else {
            return;
        };
        let sent = Duration::from_micros(u64::from_be_bytes(*micros));
        let passed = now.saturating_duration_since(self.begun);
        self.delays.push(passed.saturating_sub(sent));
    }

    /// Says so many bytes.
    ///
    /// # Errors
    /// If the connection is over.
    pub fn says(&mut self, bytes: usize, now: Instant) -> Result<()> {
        let [number, _] = self.sent;
        let line = self.lines.context("no lines")?.sound;
        let packet = Packet {
            codec: Codec::Opus,
            number,
            time: number * 960,
            is_last: true,
        };
        self.sent[0] += 1;
        let payload = self.payload([BEGINS, KEY], bytes, now);
        self.writes(line, packet, payload, now)?;
        self.turn(now)
    }

    /// Shows a frame of so many packets of so many bytes each.
    ///
    /// # Errors
    /// If the connection is over.
    pub fn shows(&mut self, packets: usize, bytes: usize, time: u64, now: Instant) -> Result<()> {
        let line = self.lines.context("no lines")?.picture;
        for at in 0..packets {
            let [_, number] = self.sent;
            let packet = Packet {
                codec: Codec::Vp8,
                number,
                time,
                is_last: at + 1 == packets,
            };
            self.sent[1] += 1;
            let first = if at == 0 { BEGINS } else { GOES_ON };
            let payload = self.payload([first, KEY], bytes, now);
            self.writes(line, packet, payload, now)?;
        }
        self.turn(now)
    }

    fn payload(&self, head: [u8; 2], bytes: usize, now: Instant) -> Vec<u8> {
        let passed = now.saturating_duration_since(self.begun).as_micros();
        let micros = u64::try_from(passed).unwrap_or_default().to_be_bytes();
        let mut payload = [&head[..], &MAGIC, &micros].concat();
        payload.resize(bytes, 7);
        payload
    }

    fn writes(&mut self, line: Mid, packet: Packet, payload: Vec<u8>, now: Instant) -> Result<()> {
        let mut formats = self.rtc.codec_config().iter();
        let format = formats.find(|it| it.spec().codec == packet.codec);
        let pt = format.context("not agreed on")?.pt();
        let time = u32::try_from(packet.time)?;
        let write = RtpWrite::new(pt, packet.number.into(), time, now, payload)
            .marker(packet.is_last)
            .nackable(packet.codec == Codec::Vp8);
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(line, None).context("a stream")?;
        stream.write_rtp(write);
        Ok(())
    }
}

struct Packet {
    codec: Codec,
    number: u64,
    time: u64,
    is_last: bool,
}
