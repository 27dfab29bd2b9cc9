//! What is on the screen, as types that are ready to show, each with its template.
//!
//! Owns words, marks and their order. Knows nothing of groups, keys or the network: `present`
//! makes these from what the client core says. Every view lists samples, which tests render.

mod call;
mod composer;
mod emoji;
mod face;
mod panel;
mod person;
mod room;
mod row;
mod screen;
mod thread;
mod when;

#[cfg(test)]
mod style_check;
#[cfg(test)]
mod well_formed;

pub use call::{CallScreen, Device, RingScreen};
pub use composer::{Banner, BannerLine, Button, Composer, Replying};
pub use emoji::EMOJI;
pub use face::{Face, Size, hue};
pub use panel::{
    AboutPanel, CallLinkPanel, Choice, ConfirmPanel, DetailsPanel, DeviceChoice, DevicesPanel,
    DoctorPanel, EmojiPanel, Finding, Health, InvitePanel, InviteState, MenuPanel, OwnLink,
    PickPanel, RenamePanel,
};
pub use person::Person;
pub use room::{RoomScreen, Tile, Visitor};
pub use row::{NoRows, Row};
pub use screen::{
    AtDoor, CallButtons, GuestScreen, Invited, JoinStatus, LOST, MainScreen, Rest, StartScreen,
    Talk, TalkHeader, VisitForm,
};
pub use thread::{CallSign, Line, Mark, Message, QuoteLine, Reaction};
pub use when::{Local, Zone};

/// Examples of a view, the hostile ones included.
pub trait Samples: Sized {
    fn samples() -> Vec<Self>;
}

/// A name that attacks.
#[cfg(test)]
pub(crate) const HOSTILE: &str = "<img src=x onerror=\"alert('1')\">&amp;\"'`";
#[cfg(not(test))]
pub(crate) const HOSTILE: &str = "<b>Rob</b> \"O’Neil\" & 'co'";

/// A view as markup. Writing to a string cannot fail, and no template calls anything that can.
pub fn html(view: &impl askama::Template) -> String {
    view.render().unwrap_or_default()
}

/// Templates of this crate escape what they are given, so their output goes into others as it is.
macro_rules! nests {
    ($($view:ty),*) => {$(
        impl askama::filters::HtmlSafe for $view {}
    )*};
}
nests!(Face, Message);
