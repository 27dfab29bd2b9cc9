//! All calls of a server: who is where, and who gets what.

use crate::connection::{Connection, Datagram, Said, kind_of};
use crate::crypto::Certificate;
use crate::door::{self, Pass};
use crate::limit::{ADDRESSES_PER_CONNECTION, CONNECTIONS, DATAGRAM_BYTES, LOOK_EVERY, SILENCE};
use crate::offer::Offer;
use crate::slot::Encoding;
use crate::speakers::Speakers;
use roost_wire::api::{
    MediaConnected, MediaConnection, Sdp, Sent, Track, TrackId, TrackKind, Tracks, Want,
};
use roost_wire::limit::CALL_DEVICES;
use roost_wire::{DeviceId, GroupId, List};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use str0m::media::Mid;
use str0m::rtp::RtpPacket;

/// How often what was said may make others say something before the next datagram is taken.
const ROUNDS_MAX: usize = 8;

/// Something the devices of a call are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Tracks {
        group: GroupId,
        tracks: Tracks,
    },
    Speaking {
        group: GroupId,
        devices: Vec<DeviceId>,
    },
}

/// What a device asks for when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub group: GroupId,
    pub device: DeviceId,
    pub offer: Sdp,
    pub sent: Vec<Sent>,
    /// The connection to negotiate anew.
    pub connection: Option<MediaConnection>,
}

/// Why a device is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("there are as many in the call as can be")]
    Full,
    #[error("the offer cannot be used")]
    Offer,
    #[error("there is no such connection")]
    Gone,
}

/// The machine. Feed it datagrams and wishes, let time pass with [`Sfu::advance`], then take what
/// is to be sent and told; again at [`Sfu::deadline`].
pub struct Sfu {
    certificate: Certificate,
    addresses: Vec<SocketAddr>,
    last_number: u64,
    connections: BTreeMap<MediaConnection, Connection>,
    calls: BTreeMap<GroupId, Call>,
    by_ufrag: BTreeMap<String, MediaConnection>,
    by_place: BTreeMap<SocketAddr, MediaConnection>,
    due: BTreeMap<MediaConnection, Instant>,
    /// Those with something to send that has not been taken from them.
    stirred: BTreeSet<MediaConnection>,
    looked: Instant,
    out: Vec<Datagram>,
    told: VecDeque<Told>,
}

#[derive(Default)]
struct Call {
    members: BTreeMap<DeviceId, MediaConnection>,
    tracks: BTreeMap<TrackId, Place>,
    speakers: Speakers,
}

/// Where a track comes from.
#[derive(Clone, Copy)]
struct Place {
    connection: MediaConnection,
    mid: Mid,
    device: DeviceId,
    kind: TrackKind,
}

impl Sfu {
    /// `addresses`: where clients reach the socket, the first of a family being the socket's own.
    #[must_use]
    pub fn new(certificate: Certificate, addresses: Vec<SocketAddr>, now: Instant) -> Self {
        Self {
            certificate,
            addresses,
            last_number: 0,
            connections: BTreeMap::new(),
            calls: BTreeMap::new(),
            by_ufrag: BTreeMap::new(),
            by_place: BTreeMap::new(),
            due: BTreeMap::new(),
            stirred: BTreeSet::new(),
            looked: now,
            out: Vec::new(),
            told: VecDeque::new(),
        }
    }

    /// Connects a device to a call, or negotiates anew. The caller has made sure that it may.
    ///
    /// # Errors
    /// [`ConnectError`]; an offer that is refused ends the connection it is for.
    pub fn connect(
        &mut self,
        asked: &Asked,
        dice: &[u8; 32],
        now: Instant,
    ) -> Result<MediaConnected, ConnectError> {
        let offer = Offer::read(&asked.offer).ok_or(ConnectError::Offer)?;
        let last = self.member(&asked.group, &asked.device);
        let (id, answer) = match asked.connection {
            Some(id) if last == Some(id) => (id, self.renegotiate(id, &offer, &asked.sent)?),
            Some(_) => return Err(ConnectError::Gone),
            None => self.open(asked, &offer, dice, now)?,
        };
        self.stirred.insert(id);
        self.count_tracks(asked.group);
        Ok(MediaConnected {
            connection: id,
            answer,
            tracks: self.tracks(&asked.group),
        })
    }

    /// Ends a device's connection to a call.
    pub fn disconnect(&mut self, group: &GroupId, device: &DeviceId) {
        if let Some(id) = self.member(group, device) {
            self.end(id);
        }
    }

    /// Ends all connections of a device.
    pub fn forget(&mut self, device: &DeviceId) {
        let of_device = |it: &&Connection| it.device == *device;
        let ids: Vec<_> = self
            .connections
            .values()
            .filter(of_device)
            .map(|it| it.id)
            .collect();
        for id in ids {
            self.end(id);
        }
    }

    /// What a device's slots are to carry.
    pub fn watch(&mut self, group: &GroupId, device: &DeviceId, wants: &[Want], now: Instant) {
        let Some(call) = self.calls.get(group) else {
            return;
        };
        let Some(connection) = call
            .members
            .get(device)
            .and_then(|id| self.connections.get_mut(id))
        else {
            return;
        };
        connection.wish(wants, |track, kind| {
            let place = call.tracks.get(track);
            place.is_some_and(|it| it.device != *device && kind_of(it.kind) == kind)
        });
        let id = connection.id;
        self.choose(id, now);
    }

    /// Takes a datagram that [`door::is_ours`].
    pub fn receive(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) {
        let family = |address: &&SocketAddr| address.is_ipv6() == from.is_ipv6();
        let Some(local) = self.addresses.iter().find(family).copied() else {
            return;
        };
        if bytes.len() > DATAGRAM_BYTES {
            return;
        }
        let Some(id) = self.whose(from, local, bytes, now) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.heard = now;
        connection.hear(from, local, bytes, now);
        self.take_from(id, now);
    }

    /// Lets time pass, and gathers what is to be sent.
    pub fn advance(&mut self, now: Instant) {
        let due = self.due.iter().filter(|(_, due)| **due <= now);
        self.stirred.extend(due.map(|(id, _)| *id));
        if now.saturating_duration_since(self.looked) >= LOOK_EVERY {
            self.look(now);
        }
        for _ in 0..ROUNDS_MAX {
            for id in std::mem::take(&mut self.stirred) {
                let connection = self.connections.get_mut(&id);
                match connection.map(|connection| connection.pass_time(now)) {
                    Some(Ok(())) => self.take_from(id, now),
                    Some(Err(_)) => self.end(id),
                    None => {}
                }
            }
            if self.stirred.is_empty() {
                return;
            }
        }
    }

    /// When to call [`Sfu::advance`] at the latest; none while nobody is connected.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let next = self.due.values().min().copied()?;
        Some(next.min(self.looked + LOOK_EVERY))
    }

    /// What is to be sent.
    pub fn take_datagrams(&mut self) -> impl Iterator<Item = Datagram> + '_ {
        self.out.drain(..)
    }

    /// What is to be told.
    pub fn take_told(&mut self) -> impl Iterator<Item = Told> + '_ {
        self.told.drain(..)
    }

    /// How many devices are connected to a call.
    #[must_use]
    pub fn members(&self, group: &GroupId) -> usize {
        self.calls.get(group).map_or(0, |call| call.members.len())
    }

    fn member(&self, group: &GroupId, device: &DeviceId) -> Option<MediaConnection> {
        self.calls.get(group)?.members.get(device).copied()
    }

    fn open(
        &mut self,
        asked: &Asked,
        offer: &Offer,
        dice: &[u8; 32],
        now: Instant,
    ) -> Result<(MediaConnection, Sdp), ConnectError> {
        let last = self.member(&asked.group, &asked.device);
        let others = self.members(&asked.group) - usize::from(last.is_some());
        if others >= CALL_DEVICES || self.connections.len() >= CONNECTIONS {
            return Err(ConnectError::Full);
        }
        let id = MediaConnection::new(self.number());
        let whose = (asked.group, asked.device);
        let (pass, addresses) = (Pass::new(dice), &self.addresses);
        let mut connection = Connection::new(id, whose, pass, &self.certificate, addresses, now);
        let number = &mut self.last_number;
        let answer = connection
            .negotiate(offer, &asked.sent, || next_track(number))
            .map_err(|_| ConnectError::Offer)?;
        if let Some(last) = last {
            self.end(last);
        }
        self.by_ufrag.insert(connection.ufrag.clone(), id);
        let call = self.calls.entry(asked.group).or_default();
        call.members.insert(asked.device, id);
        self.connections.insert(id, connection);
        Ok((id, answer))
    }

    fn renegotiate(
        &mut self,
        id: MediaConnection,
        offer: &Offer,
        sent: &[Sent],
    ) -> Result<Sdp, ConnectError> {
        let connection = self.connections.get_mut(&id).ok_or(ConnectError::Gone)?;
        let number = &mut self.last_number;
        let answer = connection.negotiate(offer, sent, || next_track(number));
        answer.map_err(|_| {
            self.end(id);
            ConnectError::Offer
        })
    }

    fn number(&mut self) -> u64 {
        self.last_number = self.last_number.saturating_add(1);
        self.last_number
    }

    /// Whose datagram it is: of whom a STUN request names and whose password it was made with, or
    /// of who made one from the same place.
    fn whose(
        &mut self,
        from: SocketAddr,
        local: SocketAddr,
        bytes: &[u8],
        now: Instant,
    ) -> Option<MediaConnection> {
        let Some(ufrag) = door::ufrag(bytes) else {
            return self.by_place.get(&from).copied();
        };
        let id = *self.by_ufrag.get(ufrag)?;
        let connection = self.connections.get_mut(&id)?;
        let known = self.by_place.get(&from) == Some(&id);
        if known {
            return Some(id);
        }
        if !connection.knows(from, local, bytes, now) {
            return None;
        }
        connection.places.push(from);
        if connection.places.len() > ADDRESSES_PER_CONNECTION {
            let oldest = connection.places.remove(0);
            self.by_place.remove(&oldest);
        }
        self.by_place.insert(from, id);
        Some(id)
    }

    /// Takes from a connection what it has to send and to say.
    fn take_from(&mut self, id: MediaConnection, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let mut said = Vec::new();
        match connection.drain(&mut self.out, &mut said) {
            Ok(due) => self.due.insert(id, due),
            Err(_) => return self.end(id),
        };
        for said in said {
            match said {
                Said::Media(packet) => {
                    self.forward(id, &packet, now);
                }
                Said::Lost(mid) => {
                    let connection = self.connections.get(&id);
                    let slot = connection.and_then(|it| it.slots.get(&mid));
                    if let Some(encoding) = slot.and_then(|slot| slot.carries()) {
                        self.ask_key_frame(encoding, now);
                    }
                }
            }
        }
    }

    fn forward(&mut self, from: MediaConnection, packet: &RtpPacket, now: Instant) -> Option<()> {
        let sender = self.connections.get_mut(&from)?;
        let (mid, rid) = sender.place_of(packet)?;
        let (device, group) = (sender.device, sender.group);
        let source = sender.sources.get_mut(&mid)?;
        source.note(rid, packet.payload.len(), now);
        let (track, kind) = (source.track, source.kind);
        let call = self.calls.get_mut(&group)?;
        if kind == TrackKind::Audio {
            let level = packet.header.ext_vals.audio_level.unwrap_or(i8::MIN);
            call.speakers.hear(device, level, now);
        }
        let of = Encoding { track, rid };
        for (_, id) in call.members.iter().filter(|(_, id)| **id != from) {
            let receiver = self.connections.get_mut(id);
            if receiver.is_some_and(|receiver| receiver.forward(of, packet, now)) {
                self.stirred.insert(*id);
            }
        }
        Some(())
    }

    fn place(&self, group: &GroupId, track: TrackId) -> Option<Place> {
        self.calls.get(group)?.tracks.get(&track).copied()
    }

    fn ask_key_frame(&mut self, encoding: Encoding, now: Instant) {
        let places = self
            .calls
            .values()
            .find_map(|call| call.tracks.get(&encoding.track));
        let Some(place) = places.copied() else {
            return;
        };
        if let Some(sender) = self.connections.get_mut(&place.connection)
            && sender.ask_key_frame(place.mid, encoding.rid, now)
        {
            self.stirred.insert(place.connection);
        }
    }

    /// Chooses what each slot of a connection carries, and asks for the key frames this takes.
    fn choose(&mut self, id: MediaConnection, now: Instant) -> Option<()> {
        let connection = self.connections.get(&id)?;
        let (group, mut left_bps, mut desired_bps) = (connection.group, connection.estimate_bps, 0);
        let mut wants: Vec<_> = connection
            .slots
            .iter()
            .filter_map(|(mid, slot)| slot.want.map(|(track, height)| (height, *mid, track)))
            .collect();
        // The smallest first: they get their share, and what is large gets what is left.
        wants.sort_unstable_by_key(|(height, mid, _)| (*height, *mid));
        for (height, mid, track) in wants {
            let place = self.place(&group, track);
            let source = place.and_then(|place| {
                self.connections
                    .get(&place.connection)?
                    .sources
                    .get(&place.mid)
            });
            let chosen = source.and_then(|source| source.choose(height, left_bps, now));
            let best = source.and_then(|source| source.choose(height, u64::MAX, now));
            desired_bps += best.map_or(0, |(_, bps)| bps);
            let encoding = chosen.map(|(rid, bps)| {
                left_bps = left_bps.saturating_sub(bps);
                Encoding { track, rid }
            });
            let slot = self.connections.get_mut(&id)?.slots.get_mut(&mid)?;
            // What stopped for a moment may go on.
            slot.chosen = encoding.or(slot.chosen);
            if let Some(waits_for) = slot.waits_for() {
                self.ask_key_frame(waits_for, now);
            }
        }
        // Half as much again, so that there is room to find more.
        self.connections
            .get_mut(&id)?
            .desire(desired_bps.saturating_mul(3) / 2);
        Some(())
    }

    /// Every so often: who is gone, what needs how much, who carries what, who speaks.
    fn look(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.looked);
        self.looked = now;
        let silent = |it: &&Connection| now.saturating_duration_since(it.heard) > SILENCE;
        let gone: Vec<_> = self
            .connections
            .values()
            .filter(silent)
            .map(|it| it.id)
            .collect();
        for id in gone {
            self.end(id);
        }
        for connection in self.connections.values_mut() {
            connection
                .sources
                .values_mut()
                .for_each(|source| source.look(passed));
        }
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            self.choose(id, now);
        }
        for (group, call) in &mut self.calls {
            if let Some(devices) = call.speakers.news(now) {
                self.told.push_back(Told::Speaking {
                    group: *group,
                    devices,
                });
            }
        }
    }

    fn end(&mut self, id: MediaConnection) {
        let Some(mut connection) = self.connections.remove(&id) else {
            return;
        };
        connection.close(&mut self.out);
        self.by_ufrag.remove(&connection.ufrag);
        for place in &connection.places {
            if self.by_place.get(place) == Some(&id) {
                self.by_place.remove(place);
            }
        }
        self.due.remove(&id);
        self.stirred.remove(&id);
        if let Some(call) = self.calls.get_mut(&connection.group) {
            call.members.remove(&connection.device);
            call.speakers.forget(&connection.device);
        }
        self.count_tracks(connection.group);
    }

    /// Notes what is sent into a call, and tells if that changed.
    fn count_tracks(&mut self, group: GroupId) {
        let Some(call) = self.calls.get_mut(&group) else {
            return;
        };
        let mut tracks = BTreeMap::new();
        for connection in call
            .members
            .values()
            .filter_map(|id| self.connections.get(id))
        {
            for (mid, source) in &connection.sources {
                let place = Place {
                    connection: connection.id,
                    mid: *mid,
                    device: connection.device,
                    kind: source.kind,
                };
                tracks.insert(source.track, place);
            }
        }
        let changed = !tracks.keys().eq(call.tracks.keys());
        call.tracks = tracks;
        if call.members.is_empty() {
            self.calls.remove(&group);
        }
        if changed {
            let tracks = self.tracks(&group);
            self.told.push_back(Told::Tracks { group, tracks });
        }
    }

    fn tracks(&self, group: &GroupId) -> Tracks {
        let tracks = self
            .calls
            .get(group)
            .into_iter()
            .flat_map(|call| &call.tracks);
        List::capped(
            tracks
                .map(|(track, place)| Track {
                    track: *track,
                    device: place.device,
                    kind: place.kind,
                })
                .collect(),
        )
    }
}

fn next_track(number: &mut u64) -> TrackId {
    *number = number.saturating_add(1);
    TrackId::new(*number)
}
