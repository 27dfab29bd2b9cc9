//! A group call, on the screen of who is in it.

use super::{Device, Face, HOSTILE, Samples, Size, hue};
use askama::Template;

/// For the tab that has the call; its tiles come one by one.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/room.html")]
pub struct RoomScreen {
    pub title: String,
    /// What goes on, in a few words.
    pub status: String,
    /// How many devices can hear it, once this one can.
    pub sealed: Option<String>,
    /// Milliseconds since 1970 at which this device came in.
    pub since: Option<u64>,
    pub small: bool,
    /// Who speaks is large.
    pub speaker: bool,
    /// Somebody shares a screen.
    pub shares: bool,
    pub mic: Device,
    pub camera: Device,
    pub screen: Device,
    pub hand: bool,
    pub is_guest: bool,
    /// What is to be allowed in the browser, which asks.
    pub asking: Option<&'static str>,
    /// What a guest reads who is not in yet.
    pub waiting: Option<&'static str>,
    /// Guests at the door.
    pub visitors: Vec<Visitor>,
    /// What does not work, and what to do.
    pub complaints: Vec<String>,
    /// There will be no connection unless somebody tries again.
    pub is_refused: bool,
    /// What did not work, and is read once.
    pub note: Option<String>,
}

/// A guest at the door of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    pub account: String,
    pub name: String,
    /// Is being let in.
    pub is_admitted: bool,
}

/// Somebody in the call, or the screen that they share.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/tile.html")]
pub struct Tile {
    /// Names the tile on the page.
    pub key: String,
    /// Whose media it shows.
    pub leaf: u32,
    pub name: String,
    pub face: Face,
    pub hue: u8,
    pub is_me: bool,
    /// Whom the tile offers to remove from the call.
    pub account: Option<String>,
    pub is_guest: bool,
    pub is_screen: bool,
    /// There is a picture to show.
    pub is_pictured: bool,
    pub is_muted: bool,
    pub has_hand_up: bool,
    /// Still on the way in: nothing of theirs can be opened yet.
    pub is_coming: bool,
    pub is_large: bool,
}

impl Samples for RoomScreen {
    fn samples() -> Vec<Self> {
        let room = |title: &str, status: &str| Self {
            title: title.to_owned(),
            status: status.to_owned(),
            sealed: Some("sealed · only these 4".to_owned()),
            since: Some(1_780_000_000_000),
            small: false,
            speaker: false,
            shares: false,
            mic: Device::On,
            camera: Device::Off,
            screen: Device::Off,
            hand: false,
            is_guest: false,
            asking: None,
            waiting: None,
            visitors: Vec::new(),
            complaints: Vec::new(),
            is_refused: false,
            note: None,
        };
        let visitor = |name: &str, is_admitted| Visitor {
            account: "01".repeat(16),
            name: name.to_owned(),
            is_admitted,
        };
        vec![
            room("Sunday hikers", "4 people"),
            Self {
                since: None,
                speaker: true,
                hand: true,
                camera: Device::On,
                ..room("Sunday hikers", "Joining…")
            },
            Self {
                is_guest: true,
                asking: Some("The browser asks."),
                waiting: Some("You asked to be let in."),
                ..room("Call", "Waiting to be let in…")
            },
            Self {
                small: true,
                shares: true,
                mic: Device::Refused,
                visitors: vec![visitor(HOSTILE, false), visitor("Mia", true)],
                complaints: vec![HOSTILE.to_owned()],
                is_refused: true,
                note: Some(HOSTILE.to_owned()),
                ..room(HOSTILE, HOSTILE)
            },
        ]
    }
}

impl Samples for Tile {
    fn samples() -> Vec<Self> {
        let tile = |name: &str, leaf: u32| Self {
            key: format!("tile-{leaf}"),
            leaf,
            name: name.to_owned(),
            face: Face::of(name, name.as_bytes(), Size::Large),
            hue: hue(name.as_bytes()),
            is_me: false,
            account: None,
            is_guest: false,
            is_screen: false,
            is_pictured: false,
            is_muted: false,
            has_hand_up: false,
            is_coming: false,
            is_large: false,
        };
        vec![
            tile("Mira", 0),
            Self {
                account: Some("01".repeat(16)),
                is_pictured: true,
                is_muted: true,
                is_large: true,
                ..tile("Tomás", 1)
            },
            Self {
                is_screen: true,
                is_pictured: true,
                ..tile("Ada", 2)
            },
            Self {
                is_me: true,
                has_hand_up: true,
                ..tile("You", 3)
            },
            Self {
                is_guest: true,
                is_coming: true,
                ..tile(HOSTILE, 4)
            },
        ]
    }
}
