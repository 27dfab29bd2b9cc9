//! What one tab of the browser is at.

use super::held::Held;
use super::memo::Memo;
use super::room::HeldRoom;
use crate::event::{Devices, PanelName};
use crate::patch::{Act, Shown};
use crate::present::Findings;
use crate::view::InviteState;
use roost_client::MessageId;
use roost_wire::{GroupId, Seq};

/// How a tab came to be.
#[derive(Debug, Clone, Default)]
pub struct Arrival {
    /// The whole address with its fragment.
    pub url: String,
    /// The conversation in the address.
    pub group: Option<GroupId>,
    /// There was an account in this browser once.
    pub had_account: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Home,
    /// On an invite's page, which the server has filled already.
    Invite {
        link: String,
    },
    /// On the page of a call's link: whoever is here is a guest, in a store of its own.
    Visit {
        link: String,
    },
}

/// Where a link leads that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    Server,
    Group(GroupId),
    /// To the conversation's calls.
    Calls(GroupId),
}

/// What is said where the person is looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Nothing,
    /// What goes on, or has come to its end.
    News(&'static str),
    /// What did not work.
    Trouble(String),
    /// What was asked for waits until there is a connection.
    Offline,
}

impl Status {
    pub fn text(&self) -> &str {
        match self {
            Self::Nothing => "",
            Self::News(text) => text,
            Self::Trouble(text) => text,
            Self::Offline => {
                "There is no connection to the server. As soon as there is one, this goes on."
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panel {
    pub name: PanelName,
    pub invite: InviteState,
    /// To compare with the other person: dear to compute, so not at each drawing.
    pub safety: Option<String>,
}

pub struct Tab {
    pub place: Place,
    pub origin: String,
    pub had_account: bool,
    pub group: Option<GroupId>,
    pub reply_to: Option<MessageId>,
    pub panel: Option<Panel>,
    pub find: String,
    /// Said where the person is looking.
    pub status: Status,
    /// The last entry seen before what is new in the open conversation.
    pub new_after: Option<Seq>,
    /// The page can be seen, and the end of the conversation in it.
    pub is_watching: bool,
    pub is_joining: bool,
    /// Asked for a conversation that is being made.
    pub is_opening: bool,
    /// The call whose microphone and connection this tab's page has.
    pub held: Option<Held>,
    pub devices: Devices,
    /// Whether calls can work from here, as far as the page has looked.
    pub findings: Option<Findings>,
    /// The page was told to look.
    pub is_examining: bool,
    pub shown: Shown,
    pub memo: Memo,
}

impl Tab {
    pub fn new(arrival: Arrival) -> Self {
        let origin = origin(&arrival.url).to_owned();
        let path = arrival.url.get(origin.len()..).unwrap_or_default();
        let place = if path.starts_with("/i/") {
            Place::Invite { link: arrival.url }
        } else if path.starts_with("/c/") {
            Place::Visit { link: arrival.url }
        } else {
            Place::Home
        };
        Self {
            place,
            origin,
            had_account: arrival.had_account,
            group: None,
            reply_to: None,
            panel: None,
            find: String::new(),
            status: Status::Nothing,
            new_after: None,
            is_watching: false,
            is_joining: false,
            is_opening: false,
            held: None,
            devices: Devices::default(),
            findings: None,
            is_examining: false,
            shown: Shown::default(),
            memo: Memo::default(),
        }
    }

    pub fn host(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, host)| host)
    }

    pub fn goes_home(&mut self) {
        self.place = Place::Home;
        self.shown.act(Act::Address("/".to_owned()));
    }

    /// There is something new after what was read. The line stays, unless the log went back: then
    /// its number says nothing any more.
    pub fn has_new_after(&mut self, read_upto: Seq) {
        if self.new_after.is_none_or(|after| after > read_upto) {
            self.new_after = Some(read_upto);
        }
    }

    pub fn has_place_for_status(&self) -> bool {
        self.panel.is_some() || !matches!(self.place, Place::Home)
    }

    pub fn is_visit(&self) -> bool {
        matches!(self.place, Place::Visit { .. })
    }

    /// The link that the open dialog waits for.
    fn making(&self) -> Option<Leads> {
        let panel = self.panel.as_ref()?;
        if panel.invite != InviteState::Making {
            return None;
        }
        match panel.name {
            PanelName::Invite => Some(Leads::Server),
            PanelName::InviteGroup => self.group.map(Leads::Group),
            PanelName::CallLink => self.call_place().map(Leads::Calls),
            PanelName::Menu
            | PanelName::About
            | PanelName::New
            | PanelName::Details
            | PanelName::Add
            | PanelName::Rename
            | PanelName::React(_)
            | PanelName::Emoji
            | PanelName::ConfirmRemove(_)
            | PanelName::ConfirmLeave
            | PanelName::ConfirmHush(_)
            | PanelName::Devices
            | PanelName::Doctor => None,
        }
    }

    /// The conversation of the call that this tab has, or else the open one.
    pub fn call_place(&self) -> Option<GroupId> {
        let held = self.room().and_then(HeldRoom::conversation);
        held.or(self.group)
    }

    /// The link that the dialog waits for is there.
    pub fn link_is(&mut self, leads: Leads, state: InviteState) {
        if self.making() == Some(leads)
            && let Some(panel) = &mut self.panel
        {
            panel.invite = state;
        }
    }

    /// The link will not come. Whether one was waited for.
    pub fn invite_failed(&mut self, reason: &str) -> bool {
        let was_making = self.making().is_some();
        if let (true, Some(panel)) = (was_making, &mut self.panel) {
            panel.invite = InviteState::Failed(reason.to_owned());
        }
        was_making
    }
}

/// `https://host[:port]` of an address.
pub fn origin(url: &str) -> &str {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "";
    };
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let end = scheme
        .len()
        .saturating_add("://".len())
        .saturating_add(host);
    url.get(..end).unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(url: &str) -> Tab {
        Tab::new(Arrival {
            url: url.to_owned(),
            ..Arrival::default()
        })
    }

    #[test]
    fn an_invite_is_known_by_its_path() {
        assert_eq!(tab("https://a.example:8443/").place, Place::Home);
        assert_eq!(tab("https://a.example/?x=/i/y").place, Place::Home);
        assert!(matches!(
            tab("https://a.example:8443/i/x#y").place,
            Place::Invite { .. }
        ));
        assert!(tab("https://a.example:8443/c/x#y").is_visit());
        assert!(!tab("https://a.example:8443/#/c/x").is_visit());
        assert_eq!(
            tab("https://a.example:8443/i/x#y").origin,
            "https://a.example:8443"
        );
    }

    #[test]
    fn the_line_stays_where_it_is_unless_the_log_went_back() {
        let mut tab = tab("https://a.example/");
        let mut line_at = |read_upto| {
            tab.has_new_after(Seq::new(read_upto));
            tab.new_after
        };

        assert_eq!(line_at(15), Some(Seq::new(15)));
        assert_eq!(line_at(20), Some(Seq::new(15)));
        assert_eq!(line_at(12), Some(Seq::new(12)));
    }

    #[test]
    fn a_link_goes_to_the_dialog_that_waits_for_it_only() {
        let mut tab = tab("https://a.example/");
        tab.group = Some(GroupId::new([1; 16]));
        tab.panel = Some(Panel {
            name: PanelName::InviteGroup,
            invite: InviteState::Making,
            safety: None,
        });

        tab.link_is(Leads::Server, InviteState::Ready("server".into()));
        assert_eq!(tab.panel.as_ref().unwrap().invite, InviteState::Making);

        let group = tab.group.unwrap();
        tab.link_is(Leads::Calls(group), InviteState::Ready("call".into()));
        assert_eq!(tab.panel.as_ref().unwrap().invite, InviteState::Making);

        tab.link_is(Leads::Group(group), InviteState::Ready("group".into()));
        assert_eq!(
            tab.panel.as_ref().unwrap().invite,
            InviteState::Ready("group".into())
        );
    }
}
