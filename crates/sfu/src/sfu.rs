//! All calls of a server: who is where, and who gets what.

mod choose;
mod forward;

use crate::ask::{Asked, ConnectError, Told};
use crate::call::Call;
use crate::connection::{Connection, Datagram, kind_of};
use crate::crypto::Certificate;
use crate::door::Pass;
use crate::limit::{CONNECTIONS, LOOK_EVERY, SILENCE};
use crate::offer::Offer;
use crate::places::Places;
use roost_wire::api::{MediaConnected, MediaConnection, Sdp, Sent, TrackId, Tracks, Want};
use roost_wire::limit::CALL_DEVICES_MAX;
use roost_wire::{DeviceId, GroupId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

/// How often what was said may make others say something before the next datagram is taken.
const ROUNDS_MAX: usize = 8;

/// The machine. Feed it datagrams and wishes, let time pass with [`Sfu::advance`], then take what
/// is to be sent and told; again at [`Sfu::deadline`].
pub struct Sfu {
    certificate: Certificate,
    addresses: Vec<SocketAddr>,
    last_number: u64,
    connections: BTreeMap<MediaConnection, Connection>,
    calls: BTreeMap<GroupId, Call>,
    places: Places,
    due: BTreeMap<MediaConnection, Instant>,
    /// Those with something to send that has not been taken from them.
    stirred: BTreeSet<MediaConnection>,
    looked: Instant,
    out: Vec<Datagram>,
    told: VecDeque<Told>,
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
            places: Places::default(),
            due: BTreeMap::new(),
            stirred: BTreeSet::new(),
            looked: now,
            out: Vec::new(),
            told: VecDeque::new(),
        }
    }

    /// Connects a device to a call, or negotiates anew. The caller has made sure that it may. A device
    /// is in one call at a time: its connection to another one ends.
    ///
    /// # Errors
    /// [`ConnectError`]; an offer that the media library refuses ends the connection it is for.
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

    /// Ends all connections to a call.
    pub fn close(&mut self, group: &GroupId) {
        let call = self.calls.get(group);
        let ids: Vec<_> = call
            .into_iter()
            .flat_map(|call| call.members.values().copied())
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
            let place = call.place(track);
            place.is_some_and(|it| it.device != *device && kind_of(it.kind) == kind)
        });
        let id = connection.id;
        self.choose(id, now);
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
        if others >= CALL_DEVICES_MAX {
            return Err(ConnectError::Full);
        }
        if self.connections.len() - usize::from(last.is_some()) >= CONNECTIONS {
            return Err(ConnectError::Busy);
        }
        let id = MediaConnection::new(self.number());
        let whose = (asked.group, asked.device);
        let (pass, addresses) = (Pass::new(dice), &self.addresses);
        let mut connection = Connection::new(id, whose, pass, &self.certificate, addresses, now);
        let number = &mut self.last_number;
        let answer = connection
            .negotiate(offer, &asked.sent, || next_track(number))
            .map_err(|_| ConnectError::Offer)?;
        self.forget(&asked.device);
        self.places.add(connection.ufrag.clone(), id);
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
        self.places.remove(&connection.ufrag, id);
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
        let changed = call.count(&self.connections);
        if call.members.is_empty() {
            self.calls.remove(&group);
        }
        if changed {
            let tracks = self.tracks(&group);
            self.told.push_back(Told::Tracks { group, tracks });
        }
    }

    fn tracks(&self, group: &GroupId) -> Tracks {
        self.calls.get(group).map(Call::tracks).unwrap_or_default()
    }
}

fn next_track(number: &mut u64) -> TrackId {
    *number = number.saturating_add(1);
    TrackId::new(*number)
}
