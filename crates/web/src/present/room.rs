//! A group call in words and tiles.

use super::call::{asking, device_complaints};
use crate::app::flag;
use crate::event::{Media, RoomLayout};
use crate::view::{Face, RoomScreen, Size, Tile, Visitor, hue};
use roost_client::Moment;
use roost_client::room::{Decision, RoomMember, RoomState, RoomView, RoomVisitor};

/// What there is to know of a call and of the page that has it.
pub struct Room<'a> {
    pub title: &'a str,
    pub view: &'a RoomView,
    pub media: &'a Media,
    pub hand: bool,
    pub layout: RoomLayout,
    pub small: bool,
    pub since: Option<Moment>,
    /// The leaf that was last heard.
    pub speaker: Option<u32>,
    pub is_gone: bool,
    pub trouble: Option<&'a str>,
    /// The page cannot take part.
    pub is_unable: bool,
    pub note: Option<&'a str>,
}

const TOO_OLD: &str = "This browser cannot seal sound and pictures, so it sends and plays none. Update \
     it, or use another one.";

#[must_use]
pub fn room(room: &Room<'_>) -> RoomScreen {
    let trouble = room.is_unable.then_some(TOO_OLD).or(room.trouble);
    let trouble = trouble.map(str::to_owned);
    let devices = device_complaints("Nobody can hear you", room.media);
    RoomScreen {
        title: room.title.to_owned(),
        status: status(room),
        sealed: sealed(room.view),
        since: room.since.map(Moment::millis),
        small: room.small,
        speaker: room.is_one_large(),
        shares: room.shares(),
        mic: room.media.mic,
        camera: room.media.camera,
        screen: room.media.screen,
        hand: room.hand,
        is_guest: room.view.is_guest,
        asking: asking(room.media),
        waiting: waiting(room.view),
        visitors: visitors(room.view, |decision| decision != Decision::TurnedAway),
        complaints: trouble.into_iter().chain(devices).collect(),
        is_refused: room.trouble.is_some() && !room.is_unable,
        note: room.note.map(str::to_owned),
    }
}

/// Screens first, then who speaks if that is wanted, then the others, oneself last.
#[must_use]
pub fn tiles(room: &Room<'_>) -> Vec<Tile> {
    let members = &room.view.members;
    let others = members.iter().filter(|member| !member.is_me);
    let me = members.iter().filter(|member| member.is_me);
    let mut faces: Vec<_> = others.chain(me).map(|member| room.face(member)).collect();
    faces.sort_by_key(|tile| !tile.is_large);
    let shared = members.iter().filter(|member| room.shows_screen(member));
    let screens = shared.map(|member| room.screen(member));
    screens.chain(faces).collect()
}

impl Room<'_> {
    /// A small call shows one.
    fn is_one_large(&self) -> bool {
        self.layout == RoomLayout::Speaker || self.small
    }

    fn shares(&self) -> bool {
        let mut members = self.view.members.iter();
        members.any(|member| self.shows_screen(member))
    }

    /// One's own screen in the call would show itself without end.
    fn shows_screen(&self, member: &RoomMember) -> bool {
        !member.is_me && member.flags & flag::SCREEN != 0
    }

    fn face(&self, member: &RoomMember) -> Tile {
        let has = |flag: u32| member.flags & flag != 0;
        Tile {
            key: format!("tile-{}", member.leaf),
            leaf: member.leaf,
            name: name(member),
            face: Face::of(
                &member.name.to_string(),
                member.account.as_bytes(),
                Size::Large,
            ),
            hue: hue(member.account.as_bytes()),
            is_me: member.is_me,
            account: (!member.is_me && !self.view.is_guest).then(|| member.account.to_string()),
            is_guest: member.is_guest,
            is_screen: false,
            is_pictured: if member.is_me {
                self.media.camera.is_on()
            } else {
                has(flag::CAMERA)
            },
            is_muted: if member.is_me {
                !self.media.mic.is_on()
            } else {
                member.is_heard && !has(flag::MIC)
            },
            has_hand_up: if member.is_me {
                self.hand
            } else {
                has(flag::HAND)
            },
            is_coming: !member.is_heard,
            is_large: self.is_one_large() && self.speaker == Some(member.leaf),
        }
    }

    fn screen(&self, member: &RoomMember) -> Tile {
        Tile {
            key: format!("screen-{}", member.leaf),
            is_screen: true,
            account: None,
            is_pictured: true,
            is_muted: false,
            has_hand_up: false,
            is_large: false,
            ..self.face(member)
        }
    }
}

/// Those at the door with whom the person here wants something.
pub(super) fn visitors(view: &RoomView, wanted: impl Fn(Decision) -> bool) -> Vec<Visitor> {
    let found = view.visitors.iter();
    let found = found.filter(|visitor| wanted(visitor.decision));
    found.map(visitor).collect()
}

fn visitor(visitor: &RoomVisitor) -> Visitor {
    Visitor {
        account: visitor.account.to_string(),
        name: visitor.name.to_string(),
        is_admitted: visitor.decision == Decision::Admitted,
    }
}

/// What a guest reads who is not in yet.
fn waiting(view: &RoomView) -> Option<&'static str> {
    let is_waiting = view.state == RoomState::Waiting;
    is_waiting.then_some(match view.call {
        Some(_) => "You asked to be let in. Somebody in the call decides; nobody hears or sees you until then.",
        None if !view.has_knocked => "One moment…",
        None => "The call has not begun yet. Keep this page open: as soon as somebody is there, they see that you wait.",
    })
}

fn name(member: &RoomMember) -> String {
    if member.is_me {
        "You".to_owned()
    } else {
        member.name.to_string()
    }
}

fn status(room: &Room<'_>) -> String {
    let count = room.view.members.len();
    match room.view.state {
        RoomState::Waiting => "Waiting to be let in…".to_owned(),
        RoomState::Entering => "Joining…".to_owned(),
        RoomState::Live if room.trouble.is_some() || room.is_unable => {
            "No sound and no picture".to_owned()
        }
        RoomState::Live if room.is_gone => "The connection is gone. Connecting again…".to_owned(),
        RoomState::Live if count <= 1 => "Nobody else is here yet".to_owned(),
        RoomState::Live if room.media.is_weak => "Weak connection".to_owned(),
        RoomState::Live => format!("{count} here"),
        RoomState::Leaving => "Leaving…".to_owned(),
    }
}

/// The roster on the screen is who holds the keys; none before one is in it.
fn sealed(view: &RoomView) -> Option<String> {
    match view.members.len() {
        0 => None,
        1 => Some("sealed · only you".to_owned()),
        count => Some(format!("sealed · only these {count}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::{AccountId, DeviceId, DisplayName, GroupId};

    fn member(leaf: u32, flags: u32) -> RoomMember {
        RoomMember {
            account: AccountId::new([leaf.to_be_bytes()[3]; 16]),
            device: DeviceId::new([leaf.to_be_bytes()[3]; 16]),
            leaf,
            name: DisplayName::new(&format!("person {leaf}")).unwrap(),
            is_me: leaf == 0,
            is_guest: false,
            is_heard: true,
            flags,
        }
    }

    fn view(members: Vec<RoomMember>) -> RoomView {
        RoomView {
            conversation: GroupId::new([1; 16]),
            call: None,
            state: RoomState::Live,
            has_knocked: false,
            epoch: 1,
            members,
            tracks: Vec::new(),
            speaking: Vec::new(),
            visitors: Vec::new(),
            is_guest: false,
        }
    }

    fn keys(view: &RoomView, layout: RoomLayout) -> Vec<String> {
        let room = shown(view, &Media::default(), layout, None);
        room.1.into_iter().map(|tile| tile.key).collect()
    }

    fn shown(
        view: &RoomView,
        media: &Media,
        layout: RoomLayout,
        trouble: Option<&str>,
    ) -> (RoomScreen, Vec<Tile>) {
        let shown = Room {
            title: "hikers",
            view,
            media,
            hand: false,
            layout,
            small: false,
            since: None,
            speaker: Some(2),
            is_gone: trouble.is_some(),
            trouble,
            is_unable: false,
            note: None,
        };
        (room(&shown), tiles(&shown))
    }

    #[test]
    fn a_connection_that_the_server_refuses_is_not_called_one_that_comes_back() {
        let view = view(vec![member(0, 0), member(1, 0)]);
        let reason = "The server is full.";
        let media = Media::default();

        let (screen, _) = shown(&view, &media, RoomLayout::Grid, Some(reason));

        assert_eq!(screen.status, "No sound and no picture");
        assert_eq!(screen.complaints, [reason]);
        let markup = crate::view::html(&screen);
        assert!(markup.contains("data-action=\"room-again\""));
    }

    #[test]
    fn screens_come_first_and_oneself_last() {
        let view = view(vec![
            member(0, flag::SCREEN),
            member(1, 0),
            member(2, flag::SCREEN),
        ]);

        assert_eq!(
            keys(&view, RoomLayout::Grid),
            ["screen-2", "tile-1", "tile-2", "tile-0"]
        );
    }

    #[test]
    fn who_speaks_comes_before_the_others_if_that_is_wanted() {
        let view = view(vec![member(0, 0), member(1, 0), member(2, 0)]);

        assert_eq!(
            keys(&view, RoomLayout::Speaker),
            ["tile-2", "tile-1", "tile-0"]
        );
    }
}
