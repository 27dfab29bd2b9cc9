//! A call between two, on the screen of who is in it or is called.

use super::{Face, HOSTILE, Samples, Size, hue};
use askama::Template;

/// A microphone, a camera or a shared screen, and why there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Device {
    #[default]
    Off,
    /// The browser asks.
    Waiting,
    On,
    Refused,
    Absent,
    Busy,
}

impl Device {
    /// `None` for what no page of this version says.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "off" => Self::Off,
            "waiting" => Self::Waiting,
            "on" => Self::On,
            "refused" => Self::Refused,
            "absent" => Self::Absent,
            "busy" => Self::Busy,
            _ => return None,
        })
    }

    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }

    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Off | Self::On => "",
            Self::Waiting => "waiting",
            Self::Refused | Self::Absent | Self::Busy => "missing",
        }
    }
}

/// For the tab that has the call.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/call.html")]
pub struct CallScreen {
    /// Names the call.
    pub call: String,
    pub name: String,
    pub face: Face,
    pub hue: u8,
    /// What goes on, in a few words; empty while they talk and all is well.
    pub status: String,
    /// Milliseconds since 1970 at which they began to talk.
    pub since: Option<u64>,
    pub small: bool,
    pub over: bool,
    pub mic: Device,
    pub camera: Device,
    pub screen: Device,
    pub their_mic_off: bool,
    pub their_camera: bool,
    pub their_screen: bool,
    /// What is to be allowed in the browser, which asks.
    pub asking: Option<&'static str>,
    /// What does not work, and what to do.
    pub complaints: Vec<String>,
}

/// Somebody calls.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "app/ring.html")]
pub struct RingScreen {
    pub call: String,
    pub name: String,
    pub face: Face,
    pub video: bool,
    pub warning: Option<String>,
}

impl Samples for CallScreen {
    fn samples() -> Vec<Self> {
        let call = |name: &str, status: &str| Self {
            call: "01".repeat(16),
            name: name.to_owned(),
            face: Face::of(name, name.as_bytes(), Size::Large),
            hue: hue(name.as_bytes()),
            status: status.to_owned(),
            since: None,
            small: false,
            over: false,
            mic: Device::On,
            camera: Device::Off,
            screen: Device::Off,
            their_mic_off: false,
            their_camera: false,
            their_screen: false,
            asking: None,
            complaints: Vec::new(),
        };
        vec![
            Self {
                mic: Device::Waiting,
                asking: Some("The browser asks."),
                ..call("Mira", "Calling…")
            },
            Self {
                since: Some(1_780_000_000_000),
                camera: Device::On,
                their_mic_off: true,
                ..call("Tomás", "")
            },
            Self {
                since: Some(1_780_000_000_000),
                mic: Device::Refused,
                camera: Device::Busy,
                their_camera: true,
                complaints: vec!["Tomás cannot hear you.".to_owned()],
                ..call("Tomás", "Weak connection")
            },
            Self {
                since: Some(1_780_000_000_000),
                small: true,
                camera: Device::On,
                their_camera: true,
                their_screen: true,
                ..call("ליאת", "")
            },
            Self {
                over: true,
                complaints: vec![HOSTILE.to_owned()],
                ..call(HOSTILE, "Call ended")
            },
        ]
    }
}

impl Samples for RingScreen {
    fn samples() -> Vec<Self> {
        [("Mira", false, None), (HOSTILE, true, Some(HOSTILE))]
            .map(|(name, video, warning)| Self {
                call: "01".repeat(16),
                name: name.to_owned(),
                face: Face::of(name, name.as_bytes(), Size::Large),
                video,
                warning: warning.map(str::to_owned),
            })
            .into()
    }
}
