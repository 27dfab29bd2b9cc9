//! The media of group calls: who may connect to the machine that forwards it.
//!
//! Owns the order of the checks: a device is connected only while it is in the call's group. Never
//! sees media, which the relay's own thread forwards.

use crate::delivery::Delivery;
use crate::service::directory::Caller;
use crate::service::error::GroupError;
use crate::service::group::Groups;
use roost_sfu::{Ask, Asked, ConnectError, Queue, Told};
use roost_wire::api::{ConnectMedia, MediaConnected, Want};
use roost_wire::frame::ServerFrame;
use roost_wire::{GroupId, List};
use std::sync::{Arc, OnceLock};
use tokio::sync::oneshot;

/// Why a device is not connected.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("this server forwards no calls")]
    None,
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("the machine is too busy, or has stopped")]
    Busy,
    #[error("there are as many in the call as can be")]
    Full,
    #[error("the offer cannot be used")]
    Offer,
    #[error("there is no such connection")]
    Gone,
}

impl From<ConnectError> for MediaError {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Full => Self::Full,
            ConnectError::Busy => Self::Busy,
            ConnectError::Offer => Self::Offer,
            ConnectError::Gone => Self::Gone,
        }
    }
}

/// The way to the machine, once there is one. Cheap to clone.
#[derive(Clone, Default)]
pub struct Media(Arc<OnceLock<Queue>>);

impl Media {
    /// The machine runs, and takes what is in this queue.
    pub fn begin(&self, queue: Queue) {
        // There is one for as long as the process lives.
        let _ = self.0.set(queue);
    }

    /// Connects a device to a call that it is in.
    ///
    /// # Errors
    /// `NotFound` unless the group is a call's and the device is in it; what the machine says.
    pub async fn connect(
        &self,
        groups: &Groups,
        from: &Caller,
        asked: ConnectMedia,
    ) -> Result<MediaConnected, MediaError> {
        let queue = self.0.get().ok_or(MediaError::None)?;
        let group = asked.group;
        groups.check_has_media(from, &group).await?;
        let (answer, answered) = oneshot::channel();
        let ask = Ask::Connect {
            asked: Asked {
                group,
                device: from.device,
                offer: asked.offer,
                sent: asked.sent.into_vec(),
                connection: asked.connection,
            },
            reply: Box::new(move |result| {
                // Who asked may have gone away; the silence ends the connection.
                let _ = answer.send(result);
            }),
        };
        if !queue.ask(ask) {
            return Err(MediaError::Busy);
        }
        let connected = answered.await.map_err(|_| MediaError::Busy)??;
        // It may have been removed meanwhile: before it was connected, so that nobody cut it.
        if let Err(error) = groups.check_has_media(from, &group).await {
            queue.cut(group, from.device);
            return Err(error.into());
        }
        Ok(connected)
    }

    /// What the slots of a device are to carry.
    pub fn watch(&self, from: &Caller, group: GroupId, wants: Vec<Want>) {
        if let Some(queue) = self.0.get() {
            let device = from.device;
            // Beyond its bound it is lost; the client says it again at the next change.
            queue.ask(Ask::Watch {
                group,
                device,
                wants,
            });
        }
    }

    /// Who may not be in a call any more is cut from its media.
    pub fn heed(&self, delivery: &Delivery) {
        let Some(queue) = self.0.get() else {
            return;
        };
        match delivery {
            Delivery::Disconnect { device } => queue.forget(*device),
            Delivery::Leave { group, device, .. }
            | Delivery::OutOfCall {
                call: group,
                device,
            } => queue.cut(*group, *device),
            Delivery::Gone { group, .. } => queue.close(*group),
            Delivery::Entry { .. } | Delivery::Passing { .. } | Delivery::Inbox { .. } => {}
        }
    }

    /// What the machine has to tell, for those who follow the call.
    #[must_use]
    pub fn delivery(told: Told) -> Delivery {
        let (group, frame) = match told {
            Told::Tracks { group, tracks } => (group, ServerFrame::Tracks { group, tracks }),
            Told::Speaking { group, devices } => {
                let devices = List::capped(devices);
                (group, ServerFrame::Speaking { group, devices })
            }
        };
        Delivery::Passing {
            group,
            from: None,
            frame: frame.to_bytes().into(),
        }
    }
}
