//! A call in words.

use crate::event::{Devices, Media};
use crate::view::{
    CallScreen, Choice, Device, DeviceChoice, DevicesPanel, Face, RingScreen, Size, hue,
};
use roost_client::call::{CallEnd, CallStage, CallView};
use roost_client::view::Trust;

const NO_WAY: &str = "Your address is hidden and this server relays no calls, so there is no way to the \
     other side. Hang up, show your address (the three dots, then “Hide my address”) and call again, \
     or ask whoever runs this server to switch its relay on: calls.udp in roost.toml.";

/// For the tab that has the call with `name`.
#[must_use]
pub fn call(view: &CallView, name: &str, media: &Media, small: bool) -> CallScreen {
    let since = match view.stage {
        CallStage::Talking { since } => Some(since.millis()),
        CallStage::Calling
        | CallStage::Ringing
        | CallStage::Connecting
        | CallStage::Ended { .. } => None,
    };
    let is_on = since.is_some();
    let over = matches!(view.stage, CallStage::Ended { .. });
    CallScreen {
        call: view.call.to_string(),
        face: Face::of(name, view.peer.as_bytes(), Size::Large),
        hue: hue(view.peer.as_bytes()),
        status: status(view, name, media),
        since,
        small,
        over,
        mic: media.mic,
        camera: media.camera,
        screen: media.screen,
        their_mic_off: is_on && !media.their_mic,
        their_camera: is_on && media.their_camera,
        their_screen: is_on && media.their_screen,
        asking: asking(media).filter(|_| !over),
        complaints: if over {
            Vec::new()
        } else {
            complaints(view, name, media)
        },
        name: name.to_owned(),
    }
}

/// For every tab while it rings.
#[must_use]
pub fn ring(view: &CallView, name: &str) -> RingScreen {
    RingScreen {
        call: view.call.to_string(),
        face: Face::of(name, view.peer.as_bytes(), Size::Large),
        video: view.video,
        warning: warning(view),
        name: name.to_owned(),
    }
}

#[must_use]
pub fn devices(devices: &Devices) -> DevicesPanel {
    let choice = |kind: &'static str, title| Choice {
        kind,
        title,
        devices: devices
            .all
            .iter()
            .filter(|device| device.kind == kind)
            .map(|device| DeviceChoice {
                id: device.id.clone(),
                label: device.label.clone(),
                chosen: device.chosen,
            })
            .collect(),
    };
    DevicesPanel {
        title: "Devices",
        choices: vec![
            choice("mic", "Microphone"),
            choice("camera", "Camera"),
            choice("speaker", "Loudspeaker"),
        ],
        relay_only: devices.relay_only,
    }
}

fn status(view: &CallView, name: &str, media: &Media) -> String {
    match &view.stage {
        CallStage::Calling => "Calling…".to_owned(),
        CallStage::Ringing => "Ringing…".to_owned(),
        CallStage::Connecting => "Connecting…".to_owned(),
        CallStage::Talking { .. } if media.is_gone => {
            "The connection is gone. Connecting again…".to_owned()
        }
        CallStage::Talking { .. } if media.is_weak => "Weak connection".to_owned(),
        CallStage::Talking { .. } if media.is_relayed => "through the server".to_owned(),
        CallStage::Talking { .. } => String::new(),
        CallStage::Ended {
            reason: CallEnd::Failed(_),
        } if media.has_no_way => NO_WAY.to_owned(),
        CallStage::Ended { reason } => ended(reason, name),
    }
}

fn ended(reason: &CallEnd, name: &str) -> String {
    match reason {
        CallEnd::HungUp { .. } => "Call ended".to_owned(),
        CallEnd::Declined => format!("{name} declined"),
        CallEnd::Missed => "Missed call".to_owned(),
        CallEnd::NoAnswer => "No answer".to_owned(),
        CallEnd::Busy => format!("{name} is in another call"),
        CallEnd::AnsweredElsewhere => "Answered on another of your devices".to_owned(),
        CallEnd::Failed(reason) => reason.clone(),
        CallEnd::Lost => "The connection was lost and did not come back. Call again.".to_owned(),
    }
}

fn warning(view: &CallView) -> Option<String> {
    (view.trust == Trust::KeyChanged).then(|| {
        "Their key changed. Make sure who it is before you say anything that matters.".to_owned()
    })
}

fn complaints(view: &CallView, name: &str, media: &Media) -> Vec<String> {
    let devices = device_complaints(&format!("{name} cannot hear you"), media);
    let no_way = media.has_no_way.then(|| NO_WAY.to_owned());
    let first = warning(view).into_iter().chain(no_way);
    first.chain(devices).collect()
}

/// What to do while the browser asks its person.
pub(super) fn asking(media: &Media) -> Option<&'static str> {
    let asks = |device: Device| device == Device::Waiting;
    match (asks(media.mic), asks(media.camera)) {
        (true, true) => Some("If the browser asks for the microphone and the camera, allow both."),
        (true, false) => {
            Some("If the browser asks for the microphone, allow it: until then nobody hears you.")
        }
        (false, true) => Some("If the browser asks for the camera, allow it."),
        (false, false) => None,
    }
}

/// What is missing here, and what to do. `unheard` says who cannot hear.
pub(super) fn device_complaints(unheard: &str, media: &Media) -> Vec<String> {
    let mic = match media.mic {
        Device::Refused => Some(
            "the browser may not use the microphone. Allow it beside the address, then press the microphone.",
        ),
        Device::Absent => Some("there is no microphone. Connect one, then press the microphone."),
        Device::Busy => {
            Some("another program has the microphone. Close it, then press the microphone.")
        }
        Device::Off | Device::Waiting | Device::On => None,
    };
    let camera = match media.camera {
        Device::Refused => Some(
            "The browser may not use the camera. Allow it beside the address, then press the camera.",
        ),
        Device::Absent => Some("There is no camera."),
        Device::Busy => Some("Another program has the camera. Close it, then press the camera."),
        Device::Off | Device::Waiting | Device::On => None,
    };
    let screen = match media.screen {
        Device::Absent => Some("This browser cannot share a screen."),
        Device::Refused | Device::Busy => Some(
            "The screen could not be shared. Press the screen again; if it fails, allow the browser to record the screen in the settings of this device.",
        ),
        Device::Off | Device::Waiting | Device::On => None,
    };
    let mic = mic.map(|reason| format!("{unheard}: {reason}"));
    let others = [camera, screen].into_iter().flatten().map(str::to_owned);
    mic.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_client::call::RingId;
    use roost_wire::{AccountId, GroupId};

    fn view() -> CallView {
        CallView {
            call: RingId::new([1; 16]),
            group: GroupId::new([2; 16]),
            peer: AccountId::new([3; 16]),
            outgoing: true,
            video: false,
            peer_device: None,
            answered_with_video: None,
            stage: CallStage::Connecting,
            trust: Trust::FirstSight,
        }
    }

    #[test]
    fn who_hides_their_address_where_nothing_relays_is_not_told_to_check_the_network() {
        let media = Media {
            has_no_way: true,
            ..Media::default()
        };
        let at = |stage: CallStage| CallView { stage, ..view() };

        let before = call(&at(CallStage::Connecting), "Ben", &media, false);
        let reason = CallEnd::Failed("Check your network.".to_owned());
        let after = call(&at(CallStage::Ended { reason }), "Ben", &media, false);

        assert_eq!(before.complaints, [NO_WAY]);
        assert_eq!(after.status, NO_WAY);
    }

    #[test]
    fn while_the_browser_asks_it_is_said_what_to_allow() {
        let mut media = Media::default();
        let asks = |media: &Media| call(&view(), "Ben", media, false).asking.unwrap_or("");
        assert_eq!(asks(&media), "");

        media.mic = Device::Waiting;
        assert!(asks(&media).contains("asks for the microphone, allow it"));
        media.camera = Device::Waiting;
        assert!(asks(&media).contains("the microphone and the camera, allow both"));
        media.mic = Device::On;
        assert!(asks(&media).contains("asks for the camera, allow it"));
    }
}
