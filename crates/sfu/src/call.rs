//! One call: which connections it has, what is sent into it, and who speaks.

use crate::connection::Connection;
use crate::speakers::Speakers;
use roost_wire::api::{MediaConnection, Track, TrackId, TrackKind, Tracks};
use roost_wire::{DeviceId, List};
use std::collections::BTreeMap;
use str0m::media::Mid;

#[derive(Default)]
pub struct Call {
    pub members: BTreeMap<DeviceId, MediaConnection>,
    pub speakers: Speakers,
    tracks: BTreeMap<TrackId, Place>,
}

/// Where a track comes from.
#[derive(Clone, Copy)]
pub struct Place {
    pub connection: MediaConnection,
    pub mid: Mid,
    pub device: DeviceId,
    pub kind: TrackKind,
}

impl Call {
    pub fn place(&self, track: &TrackId) -> Option<Place> {
        self.tracks.get(track).copied()
    }

    /// Notes what is sent by its members. Whether that changed.
    pub fn count(&mut self, connections: &BTreeMap<MediaConnection, Connection>) -> bool {
        let members = self.members.values();
        let tracks: BTreeMap<_, _> = members
            .filter_map(|id| connections.get(id))
            .flat_map(places)
            .collect();
        let changed = !tracks.keys().eq(self.tracks.keys());
        self.tracks = tracks;
        changed
    }

    pub fn tracks(&self) -> Tracks {
        let tracks = self.tracks.iter().map(|(track, place)| Track {
            track: *track,
            device: place.device,
            kind: place.kind,
        });
        List::capped(tracks.collect())
    }
}

fn places(connection: &Connection) -> impl Iterator<Item = (TrackId, Place)> {
    connection.sources.iter().map(|(mid, source)| {
        let place = Place {
            connection: connection.id,
            mid: *mid,
            device: connection.device,
            kind: source.kind,
        };
        (source.track, place)
    })
}
