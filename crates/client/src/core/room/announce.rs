//! Signs of life in a call, and the sessions they carry.

use super::guest::is_nameless;
use super::{Announced, EPOCHS_KEPT, Leaves, Phase, Room, Seat, Secrets};
use crate::core::Core;
use crate::core::socket::send;
use crate::core::turn::Turn;
use crate::notice::Notice;
use crate::port::Moment;
use crate::room::signal::{self, Announcement, GuestWords, Opened};
use roost_wire::frame::ClientFrame;
use roost_wire::{Blob, GroupId, SignatureKey};

/// How often a device says that it is here; with jitter.
const BEAT_MS: u64 = 7_000;
const BEAT_JITTER_MS: u64 = 1_000;
/// The second time in a new epoch.
const BEAT_AGAIN_MS: u64 = 1_000;

impl Core {
    pub(super) fn pump_announcement(&mut self, turn: &mut Turn<'_>) {
        let is_live = self.net.socket.is_live();
        let room = self.room.as_ref();
        let is_due = room.is_some_and(|room| room.followed && room.beat_at <= turn.now);
        if !is_live || !is_due {
            return;
        }
        let guests = self
            .own_guest_words()
            .or_else(|| self.words_for_guests(turn));
        let (Some(me), Some(room)) = (&self.me, self.room.as_mut()) else {
            return;
        };
        let wait = if std::mem::take(&mut room.beat_twice) {
            BEAT_AGAIN_MS
        } else {
            BEAT_MS.saturating_add(turn.below(BEAT_JITTER_MS))
        };
        room.beat_at = turn.now.plus_millis(wait);
        room.counter = room.counter.saturating_add(1);
        let (Some(group), Ok(leaf)) = (room.call, room.own_leaf()) else {
            return;
        };
        let announcement = Announcement {
            leaf,
            counter: room.counter,
            session: room.session,
            flags: room.flags,
            guests,
        };
        let Some(secrets) = room.secrets.last() else {
            return;
        };
        let key = &secrets.signals;
        let sealed = signal::seal(&group, key, announcement, &me.device_seed, turn.dice);
        if let Ok(sealed) = Blob::new(sealed) {
            send(&ClientFrame::Ephemeral { group, sealed }, turn);
        }
        self.hear_self();
    }

    /// The keys of an epoch that is over for long enough are no keys any more, whether or not the server
    /// answers anything.
    pub(in crate::core) fn forget_epoch(&mut self, turn: &mut Turn<'_>) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let before = room.secrets.len();
        let stays = |secrets: &Secrets| secrets.gone_at().is_none_or(|at| at > turn.now);
        room.secrets.retain(stays);
        if room.secrets.len() < before {
            turn.notify(Notice::RoomKeys);
        }
    }

    /// There is something new to say.
    pub(in crate::core) fn hasten_announcement(&mut self) {
        if let Some(room) = &mut self.room {
            room.beat_at = Moment::default();
        }
    }

    /// One's own session is known without a word.
    pub(super) fn hear_self(&mut self) {
        let device = self.me.as_ref().map(|me| me.device);
        let Some(room) = self.room.as_mut() else {
            return;
        };
        let announced = Announced {
            session: room.session,
            counter: room.counter,
            flags: room.flags,
        };
        let seats = room.seats.values_mut();
        for seat in seats.filter(|seat| Some(seat.leaf.device()) == device) {
            seat.announced = Some(announced);
        }
    }

    pub(in crate::core) fn on_room_signal(
        &mut self,
        call: &GroupId,
        sealed: &[u8],
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now;
        let Some(room) = self.room_in(call) else {
            return;
        };
        if room.phase != Phase::Live {
            return;
        }
        let Some(opened) = room.open_signal(call, sealed) else {
            return;
        };
        let Announcement {
            leaf,
            counter,
            session,
            flags,
            ..
        } = opened.announcement;
        let Some(seat) = room.seats.get_mut(&leaf) else {
            return;
        };
        let last = seat.announced.map_or(0, |announced| announced.counter);
        // What somebody said before they came in anew does not count, whoever says it again.
        let is_old = counter <= last || opened.epoch() < seat.since;
        if is_old || !opened.is_signed_by(call, &seat.leaf.device_key) {
            return;
        }
        let guests = opened.announcement.guests.unwrap_or_default();
        let sender_is_guest = seat.is_guest;
        seat.heard = now;
        let before = seat.announced.replace(Announced {
            session,
            counter,
            flags,
        });
        let renamed = seat.is_nameless() && seat.called != guests.name;
        seat.called.clone_from(&guests.name);
        if before.map(|announced| announced.session) != Some(session) {
            turn.notify(Notice::RoomKeys);
        }
        if before.map(|announced| announced.flags) != Some(flags) || renamed {
            turn.notify(Notice::RoomChanged);
        }
        let is_first = before.is_none();
        self.heed_guest_words(sender_is_guest, is_first, guests, turn);
    }

    /// Hosts vouch for the call and tell of links; guests wait for that.
    fn heed_guest_words(
        &mut self,
        sender_is_guest: bool,
        is_first: bool,
        words: GuestWords,
        turn: &mut Turn<'_>,
    ) {
        let Some(room) = self.room.as_mut() else {
            return;
        };
        if room.is_guest {
            self.on_vouches(words.vouches.as_slice(), turn);
        } else if !sender_is_guest {
            let conversation = room.conversation;
            if let Some(sealed) = words.links {
                self.learn_call_links(&conversation, sealed.as_bytes(), turn);
            }
        } else if is_first {
            // It waits for somebody to show that it is in the right call.
            room.beat_at = Moment::default();
        }
    }
}

impl Room {
    /// Takes over a new epoch: its secrets, and who is in it. `entered` is the leaf of whoever came
    /// in by its own commit: what it said before, in another place or another run, does not count.
    pub(super) fn begin_epoch(&mut self, entered: Option<u32>, now: Moment) -> bool {
        let Some(call) = self.call else {
            return false;
        };
        let frames = self.mls.frame_base(&call);
        let signals = self.mls.room_signal_key(&call);
        let leaves = self.mls.leaves(&call);
        let (Ok(frames), Ok(signals), Ok(leaves)) = (frames, signals, leaves) else {
            return false;
        };
        let since = frames.epoch.get();
        // Whom others had let in before this device came is known by the name of all guests alone.
        let is_new_here = self.secrets.is_empty();
        let keys: Vec<(u32, SignatureKey)> = leaves
            .iter()
            .map(|leaf| (leaf.index, leaf.device_key))
            .collect();
        let mut earlier = std::mem::take(&mut self.seats);
        for leaf in leaves {
            let known = earlier.remove(&leaf.index).filter(|seat| {
                seat.leaf.device_key == leaf.device_key && entered != Some(leaf.index)
            });
            let seat = match known {
                Some(seat) => Seat {
                    leaves: seat.leaves.map(|_| Leaves::Overtaken),
                    leaf,
                    ..seat
                },
                None => Seat {
                    // A guest knows of nobody whether they are in the conversation.
                    is_guest: !self.is_guest
                        && !self.is_in_conversation(&leaf)
                        && (is_nameless(&leaf) || !is_new_here),
                    leaf,
                    since,
                    heard: now,
                    announced: None,
                    called: None,
                    leaves: None,
                },
            };
            self.seats.insert(seat.leaf.index, seat);
        }
        if let Some(last) = self.secrets.last_mut() {
            last.over = Some(now);
        }
        self.secrets.push(Secrets {
            frames,
            signals,
            leaves: keys,
            over: None,
        });
        let over = self.secrets.len().saturating_sub(EPOCHS_KEPT);
        self.secrets.drain(..over);
        self.forget_admitted();
        self.forgive();
        self.beat_at = Moment::default();
        self.beat_twice = true;
        true
    }

    /// Whoever is out of the call may come back; a guest has to be let in again, by somebody else perhaps.
    fn forgive(&mut self) {
        let mut banished = std::mem::take(&mut self.banished);
        banished.retain(|account| self.has_account(account));
        self.banished = banished;
    }

    fn own_leaf(&mut self) -> Result<u32, crate::group::GroupError> {
        let call = self.call.ok_or(crate::group::GroupError::Missing)?;
        self.mls.own_index(&call)
    }

    fn open_signal(&self, call: &GroupId, sealed: &[u8]) -> Option<Opened> {
        let epoch = signal::epoch_of(sealed)?;
        let mut secrets = self.secrets.iter();
        let secrets = secrets.find(|secrets| secrets.signals.epoch.get() == epoch)?;
        signal::open(call, &secrets.signals, sealed).ok()
    }
}
