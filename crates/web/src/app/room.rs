//! The group call that a tab of this browser is in.
//!
//! Owns which tab has it, and what that tab's page is told: keys of frames, who sends what, what the
//! server answered. Who is in the call is decided by the core.

use super::call::{IN_CALL, is_over};
use super::held::Held;
use super::tab::Tab;
use super::{App, Turn};
use crate::event::{Media, RoomEvent, RoomLayout};
use crate::patch::{Act, FrameKeys, RoomAct};
use crate::present;
use crate::view::{Device, html};
use roost_client::room::{RoomMember, RoomState, RoomView};
use roost_client::{Command, Moment};
use roost_wire::GroupId;

/// What the pages of a call say of themselves to each other: `Command::SetRoomFlags`.
pub mod flag {
    pub const MIC: u32 = 1;
    pub const CAMERA: u32 = 2;
    pub const SCREEN: u32 = 4;
    pub const HAND: u32 = 8;
}

/// A group call in a tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRoom {
    /// None for a guest, who is in no conversation.
    conversation: Option<GroupId>,
    media: Media,
    hand: bool,
    layout: RoomLayout,
    is_small: bool,
    /// When this device came in.
    since: Option<Moment>,
    /// The leaf that was last heard.
    speaker: Option<u32>,
    /// The page is to connect once it is known what the server relays.
    is_unconnected: bool,
    /// The page's connection is broken, or another one takes its place.
    is_gone: bool,
    /// Why there is no connection.
    trouble: Option<String>,
    /// The browser cannot take part.
    is_unable: bool,
    /// What did not work otherwise.
    note: Option<String>,
}

impl App {
    pub(super) fn on_room_event(&mut self, tab: &str, event: RoomEvent, turn: &mut Turn<'_>) {
        match event {
            RoomEvent::Enter { video } => self.enter_room(tab, video, turn),
            RoomEvent::Leave => {
                self.say_left(tab);
                self.command(tab, Command::LeaveCall, turn);
            }
            RoomEvent::Small(_) if self.tabs.get(tab).is_some_and(Tab::is_visit) => {
                // Nothing stands beside a guest's call.
            }
            RoomEvent::Small(is_small) => {
                self.change_room(tab, |room| room.is_small = is_small);
                let place = if is_small { "text" } else { "call-place" };
                self.act(tab, Act::Focus(place));
            }
            RoomEvent::View(layout) => self.change_room(tab, |room| room.layout = layout),
            RoomEvent::Hand(up) => {
                self.change_room(tab, |room| room.hand = up);
                self.tell_flags(tab, turn);
            }
            RoomEvent::Remove(account) => {
                self.panel(tab, None);
                self.command(tab, Command::RemoveFromCall { account }, turn);
            }
            RoomEvent::Admit(account) => {
                self.room_command(tab, Command::AdmitGuest { account }, turn);
            }
            RoomEvent::TurnAway(account) => {
                self.room_command(tab, Command::TurnAway { account }, turn);
            }
            RoomEvent::Media(media) => {
                self.change_room(tab, |room| room.media = media);
                self.tell_flags(tab, turn);
            }
            RoomEvent::Connected(is) => self.change_room(tab, |room| room.is_gone = !is),
            RoomEvent::Again => self.change_room(tab, |room| room.is_unconnected = true),
            RoomEvent::Unable => self.change_room(tab, |room| room.is_unable = true),
            RoomEvent::Noted => self.forget_note(tab),
            RoomEvent::Offer(offer) => self.room_command(tab, Command::ConnectMedia(offer), turn),
            RoomEvent::Watch(wants) => self.room_command(tab, Command::WatchTracks(wants), turn),
        }
    }

    /// Whether this browser is in a group call.
    pub(super) fn is_in_room(&self) -> bool {
        self.core.room().is_some()
    }

    /// Where there are none now, the page forgets those it has.
    pub(super) fn on_room_keys(&mut self) {
        let keys = self.core.room_keys().unwrap_or_default();
        self.room_act(RoomAct::Keys(FrameKeys(keys)));
    }

    /// Also what the page said of itself is said anew: nobody may have heard it yet.
    pub(super) fn on_media_lost(&mut self, turn: &mut Turn<'_>) {
        let held = self.tabs.iter().filter(|(_, tab)| tab.room().is_some());
        let held: Vec<String> = held.map(|(id, _)| id.clone()).collect();
        for tab in held {
            self.change_room(&tab, |room| room.is_unconnected = true);
            self.tell_flags(&tab, turn);
        }
    }

    /// The others are in the banner still.
    fn forget_note(&mut self, tab: &str) {
        let room = self.tabs.get_mut(tab).and_then(Tab::room_mut);
        if let Some(read) = room.and_then(|room| room.note.take()) {
            self.notes.retain(|note| *note != read);
        }
    }

    /// What did not work is said in the call, which lies over everything else.
    pub(super) fn note_in_room(&mut self, sentence: Option<&str>) {
        let held = self.tabs.values_mut().filter_map(Tab::room_mut);
        held.for_each(|room| room.note = sentence.map(str::to_owned));
    }

    pub(super) fn on_media_refused(&mut self, reason: &str) {
        let held = self.tabs.values_mut().filter_map(Tab::room_mut);
        held.for_each(|room| room.trouble = Some(reason.to_owned()));
        self.room_act(RoomAct::Refused);
    }

    /// For the page that has the call.
    pub(super) fn room_act(&mut self, act: RoomAct) {
        for tab in self.tabs.values_mut().filter(|tab| tab.room().is_some()) {
            tab.shown.act(Act::Room(act.clone()));
        }
    }

    /// What a tab shows of the group call that it has; whether it has one.
    pub(super) fn draw_room(&self, tab: &mut Tab, now: Moment) -> bool {
        let Some(mut held) = tab.room().cloned() else {
            return false;
        };
        let view = self.core.room();
        // A guest gets its account first; its microphone is on already.
        if view.is_none() && held.conversation.is_none() && self.core.is_joining() {
            return false;
        }
        let is_same = |view: &RoomView| {
            let own = Some(view.conversation) == held.conversation;
            own || (view.is_guest && held.conversation.is_none())
        };
        let Some(view) = view.filter(|view| is_same(view) && view.state != RoomState::Leaving)
        else {
            tab.drop_held();
            return false;
        };
        held.follow(&view, now);
        let title = held.conversation.as_ref();
        let title = title.and_then(|conversation| self.core.conversation(conversation));
        let title = title.map_or_else(|| "Call".to_owned(), |found| found.title);
        let shown = present::Room {
            title: &title,
            view: &view,
            media: &held.media,
            hand: held.hand,
            layout: held.layout,
            small: held.is_small,
            since: held.since,
            speaker: held.speaker,
            is_gone: held.is_gone,
            trouble: held.trouble.as_deref(),
            is_unable: held.is_unable,
            note: held.note.as_deref(),
        };
        tab.shown
            .fragment("call", html(&present::room(&shown)), &["room-tiles"]);
        let tiles = present::tiles(&shown);
        let tiles = tiles.iter().map(|tile| (tile.key.clone(), html(tile)));
        tab.shown.list("room-tiles", tiles.collect());
        tab.shown.act_once(
            "room-tracks",
            Act::Room(RoomAct::Tracks(view.tracks.clone())),
        );
        self.draw_room_connection(tab, &mut held);
        tab.held = Some(Held::Room(held));
        true
    }

    fn draw_room_connection(&self, tab: &mut Tab, held: &mut HeldRoom) {
        let Some(servers) = self.core.relays() else {
            return;
        };
        let act = RoomAct::Relays {
            servers: servers.clone(),
        };
        tab.shown.act_once("room-relays", Act::Room(act));
        if held.is_unconnected {
            held.is_unconnected = false;
            held.trouble = None;
            tab.shown.act(Act::Room(RoomAct::Connect { servers }));
        }
    }

    fn enter_room(&mut self, tab: &str, video: bool, turn: &mut Turn<'_>) {
        let is_calling = self.core.current_call().is_some_and(|call| !is_over(&call));
        let held_elsewhere = self.tabs.values().any(|tab| tab.room().is_some());
        if is_calling || held_elsewhere {
            return self.complain(Some(tab), IN_CALL);
        }
        let conversation = self.tabs.get(tab).and_then(|tab| tab.group);
        if self.in_group(tab, turn, |conversation| Command::EnterCall {
            conversation,
        }) {
            // A call between two that is over is shown still, perhaps.
            self.command(tab, Command::DismissCall, turn);
            self.hold_room(tab, conversation, video, turn);
        }
    }

    /// This tab's page gets its microphone for a call.
    pub(super) fn hold_room(
        &mut self,
        tab: &str,
        conversation: Option<GroupId>,
        video: bool,
        turn: &mut Turn<'_>,
    ) {
        if let Some(state) = self.tabs.get_mut(tab) {
            let held = Held::Room(HeldRoom::new(conversation));
            state.take_up(held, Act::Room(RoomAct::Open { video }));
            // The page counts its frames from 0, and the core may be in this call already.
            self.command(tab, Command::RenewRoomSession, turn);
        }
    }

    /// From the page that has the call, and from no other.
    fn room_command(&mut self, tab: &str, command: Command, turn: &mut Turn<'_>) {
        if self.tabs.get(tab).is_some_and(|tab| tab.room().is_some()) {
            self.command(tab, command, turn);
        }
    }

    fn tell_flags(&mut self, tab: &str, turn: &mut Turn<'_>) {
        let room = self.tabs.get(tab).and_then(Tab::room);
        if let Some(flags) = room.map(HeldRoom::flags) {
            self.command(tab, Command::SetRoomFlags(flags), turn);
        }
    }

    fn change_room(&mut self, tab: &str, change: impl FnOnce(&mut HeldRoom)) {
        let held = self.tabs.get_mut(tab).and_then(Tab::room_mut);
        if let Some(held) = held {
            change(held);
        }
    }
}

impl HeldRoom {
    fn new(conversation: Option<GroupId>) -> Self {
        Self {
            conversation,
            media: Media::default(),
            hand: false,
            layout: RoomLayout::default(),
            is_small: false,
            since: None,
            speaker: None,
            is_unconnected: false,
            is_gone: false,
            trouble: None,
            is_unable: false,
            note: None,
        }
    }

    /// None for a guest.
    pub(super) const fn conversation(&self) -> Option<GroupId> {
        self.conversation
    }

    fn flags(&self) -> u32 {
        let said = [
            (self.media.mic == Device::On, flag::MIC),
            (self.media.camera == Device::On, flag::CAMERA),
            (self.media.screen == Device::On, flag::SCREEN),
            (self.hand, flag::HAND),
        ];
        let said = said.into_iter().filter(|(is, _)| *is);
        said.fold(0, |flags, (_, flag)| flags | flag)
    }

    /// Notes since when this device is in, and who was last heard.
    fn follow(&mut self, view: &RoomView, now: Moment) {
        if view.state == RoomState::Live {
            self.since.get_or_insert(now);
        }
        let is_other = |member: &&RoomMember| !member.is_me;
        let others: Vec<u32> = view
            .members
            .iter()
            .filter(is_other)
            .map(|member| member.leaf)
            .collect();
        let heard = view.speaking.iter().find(|leaf| others.contains(leaf));
        let last = self.speaker.filter(|leaf| others.contains(leaf));
        self.speaker = heard.copied().or(last).or(others.first().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::{AccountId, DeviceId, DisplayName};

    #[test]
    fn what_the_page_is_at_is_told_as_its_bits() {
        let mut room = held();
        assert_eq!(room.flags(), 0);

        room.media.mic = Device::On;
        room.media.camera = Device::Refused;
        room.media.screen = Device::On;
        room.hand = true;

        assert_eq!(room.flags(), flag::MIC | flag::SCREEN | flag::HAND);
    }

    #[test]
    fn who_spoke_last_stays_large_until_another_speaks_or_they_leave() {
        let mut room = held();
        let mut speaker = |members: &[u32], speaking: &[u32]| {
            room.follow(&view(members, speaking), Moment::from_millis(5));
            room.speaker
        };

        assert_eq!(speaker(&[0], &[]), None, "alone");
        assert_eq!(speaker(&[0, 1, 2], &[]), Some(1), "somebody at least");
        assert_eq!(speaker(&[0, 1, 2], &[0, 2]), Some(2), "never oneself");
        assert_eq!(speaker(&[0, 1, 2], &[]), Some(2));
        assert_eq!(speaker(&[0, 1], &[2]), Some(1), "who left is not heard");
        assert_eq!(speaker(&[0], &[0]), None);
    }

    #[test]
    fn the_time_in_a_call_counts_from_the_moment_one_is_in() {
        let mut room = held();
        let mut since = |state, now| {
            let view = RoomView {
                state,
                ..view(&[0], &[])
            };
            room.follow(&view, Moment::from_millis(now));
            room.since
        };

        assert_eq!(since(RoomState::Entering, 1), None);
        let began = since(RoomState::Live, 2);
        assert_eq!(began, Some(Moment::from_millis(2)));
        assert_eq!(since(RoomState::Entering, 3), began, "a repair is short");
        assert_eq!(since(RoomState::Live, 4), began);
    }

    fn held() -> HeldRoom {
        HeldRoom::new(Some(GroupId::new([1; 16])))
    }

    fn view(members: &[u32], speaking: &[u32]) -> RoomView {
        RoomView {
            conversation: GroupId::new([1; 16]),
            call: None,
            state: RoomState::Live,
            has_knocked: false,
            epoch: 1,
            members: members.iter().copied().map(member).collect(),
            tracks: Vec::new(),
            speaking: speaking.to_vec(),
            visitors: Vec::new(),
            is_guest: false,
        }
    }

    fn member(leaf: u32) -> RoomMember {
        RoomMember {
            account: AccountId::new([leaf.to_be_bytes()[3]; 16]),
            device: DeviceId::new([leaf.to_be_bytes()[3]; 16]),
            leaf,
            name: DisplayName::new(&format!("person {leaf}")).unwrap(),
            is_me: leaf == 0,
            is_guest: false,
            is_heard: true,
            flags: 0,
        }
    }
}
