//! What each slot of a connection carries: as much of what is wanted as its path takes.

use super::Sfu;
use crate::call::Place;
use crate::connection::Connection;
use crate::limit::LEAST_BPS;
use crate::share::{Picture, next_step, share};
use crate::slot::Encoding;
use crate::source::Source;
use roost_wire::GroupId;
use roost_wire::api::{MediaConnection, TrackId, TrackKind};
use std::time::Instant;
use str0m::media::{MediaKind, Mid};

impl Sfu {
    /// Chooses what each slot of a connection carries, and asks for the key frames this takes.
    pub(super) fn choose(&mut self, id: MediaConnection, now: Instant) -> Option<()> {
        let connection = self.connections.get(&id)?;
        let voices = self.voices(connection);
        let mut pictures = self.pictures(connection, now);
        let sound: u64 = voices.iter().map(|(_, _, bps)| bps).sum();
        let best = pictures.iter().filter_map(|picture| picture.layers.last());
        let best: u64 = best.map(|layer| layer.bits_per_second).sum();
        let beside_sound = |bps: u64| bps.saturating_sub(sound);
        let room = beside_sound(connection.estimate_bps);
        share(room, beside_sound(LEAST_BPS), &mut pictures);
        let next = next_step(&pictures);
        let connection = self.connections.get_mut(&id)?;
        for (mid, track, _) in voices {
            if let Some(slot) = connection.slots.get_mut(&mid) {
                slot.settle(Some(Encoding { track, rid: None }), false, now);
            }
        }
        let mut waiting = Vec::new();
        for picture in pictures {
            let (mid, track) = picture.key;
            let slot = connection.slots.get_mut(&mid)?;
            let gets = picture.gets.and_then(|level| picture.layers.get(level));
            let fits = gets.map(|layer| Encoding {
                track,
                rid: layer.rid,
            });
            let is_better = picture.has.is_some() && picture.gets > picture.has;
            slot.settle(fits, is_better, now);
            waiting.extend(slot.waits_for());
        }
        // Half as much again, so that there is room to find more.
        let desired = sound.saturating_add(best).saturating_mul(3) / 2;
        connection.desire(next.map_or(0, |next| next.saturating_add(sound)), desired);
        for encoding in waiting {
            self.ask_key_frame(encoding, now);
        }
        Some(())
    }

    /// The sound that a connection wants: by which slot, of which track, and what it needs.
    fn voices(&self, connection: &Connection) -> Vec<(Mid, TrackId, u64)> {
        let wanted = wanted(connection, MediaKind::Audio);
        let wanted = wanted.filter_map(|(mid, track, _)| {
            let source = self.source(&connection.group, track)?.0;
            Some((mid, track, source.bits_per_second()))
        });
        wanted.collect()
    }

    /// The pictures that a connection wants and that are sent.
    fn pictures(&self, connection: &Connection, now: Instant) -> Vec<Picture<(Mid, TrackId)>> {
        let speakers = self.calls.get(&connection.group).map(|call| &call.speakers);
        let wanted = wanted(connection, MediaKind::Video);
        let wanted = wanted.filter_map(|(mid, track, height)| {
            let (source, place) = self.source(&connection.group, track)?;
            let layers = source.layers(height, now);
            let chosen = connection.slots.get(&mid)?.chosen();
            let has = chosen.and_then(|chosen| layers.iter().position(|it| it.rid == chosen.rid));
            let speaks = speakers.is_some_and(|it| it.speaks(&place.device));
            // What stopped for a moment may go on as it was.
            (!layers.is_empty()).then_some(Picture {
                key: (mid, track),
                height,
                is_dear: speaks || place.kind == TrackKind::Screen,
                layers,
                has,
                gets: None,
            })
        });
        wanted.collect()
    }

    fn source(&self, group: &GroupId, track: TrackId) -> Option<(&Source, Place)> {
        let place = self.place(group, track)?;
        let connection = self.connections.get(&place.connection)?;
        Some((connection.sources.get(&place.mid)?, place))
    }

    fn place(&self, group: &GroupId, track: TrackId) -> Option<Place> {
        self.calls.get(group)?.place(&track)
    }
}

/// What the slots of this kind are to carry, and how many lines of it.
fn wanted(connection: &Connection, kind: MediaKind) -> impl Iterator<Item = (Mid, TrackId, u32)> {
    let slots = connection.slots.iter();
    let of_kind = slots.filter(move |(_, slot)| slot.kind == kind);
    of_kind.filter_map(|(mid, slot)| slot.want.map(|(track, height)| (*mid, track, height)))
}
