//! The way of a packet: whose it is, and to whom it goes.

use super::Sfu;
use crate::connection::Said;
use crate::door;
use crate::limit::{DATAGRAM_BYTES, PAYLOAD_BYTES};
use crate::places::Proved;
use crate::slot::Encoding;
use roost_wire::api::{MediaConnection, TrackKind};
use std::net::SocketAddr;
use std::time::Instant;
use str0m::rtp::RtpPacket;

impl Sfu {
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
        connection.hear(from, local, bytes, now);
        self.take_from(id, now);
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
            return self.places.at(from);
        };
        let id = self.places.named(ufrag)?;
        let connection = self.connections.get_mut(&id)?;
        if !connection.proves(local, bytes, now) {
            return None;
        }
        if self.places.prove(from, id, now)? == Proved::Anew && connection.moves(from).is_err() {
            self.end(id);
            return None;
        }
        connection.heard = now;
        Some(id)
    }

    /// Takes from a connection what it has to send and to say.
    pub(super) fn take_from(&mut self, id: MediaConnection, now: Instant) {
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
                    let Some(connection) = self.connections.get_mut(&id) else {
                        return;
                    };
                    connection.heard = now;
                    if connection.meets([*packet.header.ssrc]).is_err() {
                        return self.end(id);
                    }
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
        if packet.payload.len() > PAYLOAD_BYTES {
            return None;
        }
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

    pub(super) fn ask_key_frame(&mut self, encoding: Encoding, now: Instant) {
        let places = self
            .calls
            .values()
            .find_map(|call| call.place(&encoding.track));
        let Some(place) = places else {
            return;
        };
        if let Some(sender) = self.connections.get_mut(&place.connection)
            && sender.ask_key_frame(place.mid, encoding.rid, now)
        {
            self.stirred.insert(place.connection);
        }
    }
}
