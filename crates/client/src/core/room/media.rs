//! The media of a call, as far as the core has to do with it: the page's offers go to what forwards
//! them, its answers come back, and who sends what is read against the roster.
//!
//! Owns the number of the device's connection. Never sees media.

use super::{Phase, Room, RoomCall};
use crate::core::Core;
use crate::core::net::Call;
use crate::core::socket::send;
use crate::core::turn::Turn;
use crate::notice::Notice;
use crate::room::{MediaOffer, RoomTrack};
use roost_wire::api::{ConnectMedia, MediaConnected, MediaConnection, Track, Tracks, Want};
use roost_wire::frame::ClientFrame;
use roost_wire::{ApiError, DeviceId, ErrorCode, GroupId, List, limit};

/// What is known of the media of a call.
#[derive(Default)]
pub(super) struct Media {
    /// The last offer's.
    number: u32,
    /// Waits for its answer.
    offer: Option<MediaOffer>,
    connection: Option<MediaConnection>,
    tracks: Vec<Track>,
    /// They were told while an offer was under way: what its answer says of them is older, or the same.
    has_news: bool,
    speaking: Vec<DeviceId>,
    wants: List<Want, { limit::CALL_SLOTS }>,
    /// The server does not know what is wanted.
    is_unsaid: bool,
}

impl Core {
    pub(in crate::core) fn connect_media(&mut self, offer: MediaOffer) {
        let live = |room: &&mut Room| room.phase == Phase::Live;
        // Once it is in the call, the page is told to connect anyway.
        let Some(room) = self.room.as_mut().filter(live) else {
            return;
        };
        // No two offers have one number, in whichever calls: the answer to a former one may come late.
        self.media_offers = self.media_offers.saturating_add(1);
        let media = &mut room.media;
        media.number = self.media_offers;
        if offer.is_new {
            media.connection = None;
        }
        media.offer = Some(offer);
        media.has_news = false;
    }

    pub(in crate::core) fn watch_tracks(&mut self, wants: Vec<Want>) {
        if let Some(room) = self.room.as_mut() {
            room.media.wants = List::capped(wants);
            room.media.is_unsaid = true;
        }
    }

    pub(super) fn pump_media(&mut self, turn: &mut Turn<'_>) {
        let Some((group, room)) = self.room.as_mut().and_then(|room| Some((room.call?, room)))
        else {
            return;
        };
        let media = &mut room.media;
        if media.is_unsaid && room.followed && media.connection.is_some() {
            media.is_unsaid = false;
            let wants = media.wants.clone();
            send(&ClientFrame::Watch { group, wants }, turn);
        }
        let Some(offer) = media.offer.clone() else {
            return;
        };
        let call = Call::Room(group, RoomCall::Media(media.number));
        let request = ConnectMedia {
            group,
            offer: offer.sdp,
            sent: offer.sent,
            connection: media.connection,
        };
        self.call(call, &request, turn);
    }

    pub(super) fn on_media_connected(
        &mut self,
        call: &GroupId,
        number: u32,
        connected: MediaConnected,
        turn: &mut Turn<'_>,
    ) {
        let Some(media) = self.media_in(call, number) else {
            return;
        };
        media.offer = None;
        media.connection = Some(connected.connection);
        media.is_unsaid = true;
        let is_older = std::mem::take(&mut media.has_news);
        turn.notify(Notice::MediaAnswer(connected.answer));
        if !is_older {
            self.on_tracks(call, connected.tracks, turn);
        }
    }

    pub(super) fn on_media_refused(
        &mut self,
        call: &GroupId,
        number: u32,
        error: &ApiError,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room_in(call) else {
            return;
        };
        if room.media.number != number {
            return;
        }
        room.media.offer = None;
        room.media.connection = None;
        match error.code {
            ErrorCode::Gone => turn.notify(Notice::MediaLost),
            // This device is out of the call: the log tells.
            ErrorCode::NotFound => room.fetch = true,
            _ => turn.notify(Notice::MediaRefused(error.message.clone())),
        }
    }

    pub(in crate::core) fn on_tracks(
        &mut self,
        call: &GroupId,
        tracks: Tracks,
        turn: &mut Turn<'_>,
    ) {
        if let Some(room) = self.room_in(call) {
            room.media.has_news = room.media.offer.is_some();
            room.media.tracks = tracks.into_vec();
            turn.notify(Notice::RoomChanged);
        }
    }

    pub(in crate::core) fn on_speaking(
        &mut self,
        call: &GroupId,
        devices: Vec<DeviceId>,
        turn: &mut Turn<'_>,
    ) {
        if let Some(room) = self.room_in(call) {
            room.media.speaking = devices;
            turn.notify(Notice::RoomChanged);
        }
    }

    fn media_in(&mut self, call: &GroupId, number: u32) -> Option<&mut Media> {
        let media = &mut self.room_in(call)?.media;
        (media.number == number).then_some(media)
    }
}

impl Room {
    /// The socket is a new one: what was said on the last one is forgotten, and the server may have
    /// been started anew.
    pub(super) fn doubt_media(&mut self, turn: &mut Turn<'_>) {
        self.media.is_unsaid = true;
        if self.media.connection.is_some() {
            turn.notify(Notice::MediaDoubtful);
        }
    }

    /// What the other devices of the roster send. Who is not in the roster sends nothing, whatever the
    /// server says.
    pub(super) fn room_tracks(&self, own: Option<DeviceId>) -> Vec<RoomTrack> {
        let leaf_of = |device: &DeviceId| {
            let mut seats = self.seats.values();
            seats.find(|seat| seat.leaf.device() == *device)
        };
        let theirs = |track: &&Track| Some(track.device) != own;
        let tracks = self.media.tracks.iter().filter(theirs).filter_map(|track| {
            Some(RoomTrack {
                id: track.track,
                leaf: leaf_of(&track.device)?.leaf.index,
                kind: track.kind,
            })
        });
        tracks.collect()
    }

    /// Whose sound is heard, the loudest first.
    pub(super) fn speaking(&self) -> Vec<u32> {
        let devices = self.media.speaking.iter();
        let leaves = devices.filter_map(|device| {
            let mut seats = self.seats.values();
            seats.find(|seat| seat.leaf.device() == *device)
        });
        leaves.map(|seat| seat.leaf.index).collect()
    }
}
