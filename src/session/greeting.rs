//! Before the device has said where to resume.

use crate::session::{Live, Output};
use roost_wire::api::Acknowledge;
use roost_wire::frame::{ClientFrame, ServerFrame};
use roost_wire::{Incarnation, Seconds};

/// A new connection.
#[derive(Debug)]
pub struct Greeting {
    incarnation: Incarnation,
}

impl Greeting {
    #[must_use]
    pub const fn new(incarnation: Incarnation) -> Self {
        Self { incarnation }
    }

    /// Takes the first frame, which must be `Hello`; anything else ends the connection.
    pub fn on_frame(self, frame: ClientFrame, now: Seconds, out: &mut Vec<Output>) -> Option<Live> {
        let ClientFrame::Hello {
            cursors,
            inbox,
            credit,
            state,
        } = frame
        else {
            out.push(Output::Close);
            return None;
        };
        let ready = ServerFrame::Ready {
            incarnation: self.incarnation,
            time: now,
        };
        out.push(Output::Send(ready.to_bytes().into()));
        let live = Live::new(cursors.as_slice(), inbox, credit);
        out.push(Output::Acknowledge(Acknowledge {
            cursors,
            inbox,
            state,
        }));
        Some(live)
    }
}
