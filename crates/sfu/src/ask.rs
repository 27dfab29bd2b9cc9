//! What is asked of the machine, and what it has to tell.

use roost_wire::api::{MediaConnection, Sdp, Sent, Tracks};
use roost_wire::{DeviceId, GroupId};

/// Something the devices of a call are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Tracks {
        group: GroupId,
        tracks: Tracks,
    },
    Speaking {
        group: GroupId,
        devices: Vec<DeviceId>,
    },
}

/// What a device asks for when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub group: GroupId,
    pub device: DeviceId,
    pub offer: Sdp,
    pub sent: Vec<Sent>,
    /// The connection to negotiate anew.
    pub connection: Option<MediaConnection>,
}

/// Why a device is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    #[error("there are as many in the call as can be")]
    Full,
    #[error("this server forwards as much as it can")]
    Busy,
    #[error("the offer cannot be used")]
    Offer,
    #[error("there is no such connection")]
    Gone,
}
