//! What a page must change to show what is true now.
//!
//! Owns the comparison with what the page shows already. Knows ids and markup, not their meaning.

use roost_client::call::{MediaSignal, RingId};
use roost_client::room::{RoomKeys, RoomTrack};
use roost_wire::api::{RelayPass, Sdp};
use std::collections::BTreeMap;

/// One thing for the page to do that is not markup.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Title(String),
    /// One pane on a phone: the conversation and not the list.
    Reading(bool),
    /// Open or close the dialog.
    Panel(bool),
    /// Put this into the composer instead of what is there.
    Text(String),
    /// Put this into the composer where the cursor is.
    Insert(String),
    /// Let the composer have the keyboard.
    Compose,
    /// Say it to screen readers.
    Say(String),
    /// Change the address without loading anything.
    Address(String),
    /// Load another page.
    Visit(String),
    /// Forms may be used now.
    Ready,
    /// There is an account: remember so outside of the database, and ask the browser to keep it.
    Keep,
    /// Show the newest messages, or what was not seen.
    Newest,
    /// Show what this id names, which was hidden.
    Reveal(&'static str),
    /// Let this have the keyboard.
    Focus(&'static str),
    Call(CallAct),
    Room(RoomAct),
}

/// What the page does for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallAct {
    /// Microphone on, the camera if wanted.
    Open {
        call: RingId,
        video: bool,
    },
    Connect {
        call: RingId,
        /// Whether this side makes the offers.
        offers: bool,
        servers: Option<RelayPass>,
    },
    Signal {
        call: RingId,
        signal: MediaSignal,
    },
    Close {
        call: RingId,
        /// Dismiss it after a moment.
        lingers: bool,
    },
    /// Look whether calls can work.
    Examine {
        servers: Option<RelayPass>,
    },
    /// There is no call in this tab, whatever it did for another leader of the tabs.
    Drop,
    /// Nobody looks any more whether calls can work.
    Spare,
    /// `in`, `out`, or silence.
    Ring(&'static str),
}

/// What the page does for a group call.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomAct {
    /// Microphone on, the camera if wanted.
    Open {
        video: bool,
    },
    /// Make a new connection to the server, and offer on it.
    Connect {
        servers: Option<RelayPass>,
    },
    /// For the next connection: the pass of this one ends.
    Relays {
        servers: Option<RelayPass>,
    },
    /// Offer again on the connection there is.
    Again,
    Answer(Sdp),
    /// The server does not take the last offer.
    Refused,
    Keys(FrameKeys),
    Tracks(Vec<RoomTrack>),
    Close,
}

/// Keys of frames, which do not print.
#[derive(Clone)]
pub struct FrameKeys(pub RoomKeys);

impl std::fmt::Debug for FrameKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FrameKeys")
    }
}

/// No two are taken for the same: each is passed on.
impl PartialEq for FrameKeys {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

/// New order of a list and the markup of its children that are new or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPatch {
    pub keys: Vec<String>,
    pub changed: Vec<(String, String)>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Patch {
    /// Element id and what is inside it now; in order, since one may hold the next.
    pub fragments: Vec<(&'static str, String)>,
    pub lists: Vec<(&'static str, ListPatch)>,
    pub acts: Vec<Act>,
}

impl Patch {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fragments.is_empty() && self.lists.is_empty() && self.acts.is_empty()
    }
}

/// What a page shows, as far as it was told.
#[derive(Debug, Default)]
pub struct Shown {
    fragments: BTreeMap<&'static str, String>,
    lists: BTreeMap<&'static str, BTreeMap<String, String>>,
    orders: BTreeMap<&'static str, Vec<String>>,
    acts: BTreeMap<&'static str, Act>,
    patch: Patch,
}

impl Shown {
    /// Fills an element. Elements in `holds` are inside it and empty when it is filled anew.
    pub fn fragment(&mut self, id: &'static str, html: String, holds: &[&'static str]) {
        if self.fragments.get(id) == Some(&html) {
            return;
        }
        self.forget(holds);
        self.patch.fragments.push((id, html.clone()));
        self.fragments.insert(id, html);
    }

    /// Fills an element with text that is not markup.
    pub fn fragment_text(&mut self, id: &'static str, text: &str) {
        let html = askama::filters::escape(text, askama::filters::Html);
        self.fragment(
            id,
            html.map(|html| html.to_string()).unwrap_or_default(),
            &[],
        );
    }

    pub fn list(&mut self, id: &'static str, children: Vec<(String, String)>) {
        let before = self.lists.remove(id).unwrap_or_default();
        let keys: Vec<String> = children.iter().map(|(key, _)| key.clone()).collect();
        let mut changed = Vec::new();
        let mut now = BTreeMap::new();
        for (key, html) in children {
            if before.get(&key) != Some(&html) {
                changed.push((key.clone(), html.clone()));
            }
            now.insert(key, html);
        }
        self.lists.insert(id, now);
        if !changed.is_empty() || self.orders.get(id) != Some(&keys) {
            self.orders.insert(id, keys.clone());
            self.patch.lists.push((id, ListPatch { keys, changed }));
        }
    }

    pub fn act(&mut self, act: Act) {
        self.patch.acts.push(act);
    }

    /// Tells the page only if the last of its kind was another.
    pub fn act_once(&mut self, kind: &'static str, act: Act) {
        if self.acts.get(kind) != Some(&act) {
            self.acts.insert(kind, act.clone());
            self.act(act);
        }
    }

    /// What changed since the last time.
    pub fn take(&mut self) -> Patch {
        std::mem::take(&mut self.patch)
    }

    fn forget(&mut self, ids: &[&'static str]) {
        for id in ids {
            self.fragments.remove(id);
            self.lists.remove(id);
            self.orders.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn children(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(key, html)| ((*key).to_owned(), (*html).to_owned()))
            .collect()
    }

    #[test]
    fn what_is_shown_already_is_not_sent_again() {
        let mut shown = Shown::default();
        shown.fragment("a", "x".into(), &[]);
        shown.list("l", children(&[("1", "x")]));
        assert!(!shown.take().is_empty());

        shown.fragment("a", "x".into(), &[]);
        shown.list("l", children(&[("1", "x")]));

        assert!(shown.take().is_empty());
    }

    #[test]
    fn only_the_child_that_changed_is_sent() {
        let mut shown = Shown::default();
        shown.list("l", children(&[("1", "x"), ("2", "y")]));
        shown.take();

        shown.list("l", children(&[("1", "x"), ("2", "z"), ("3", "w")]));

        let patch = shown.take();
        let list = &patch.lists[0].1;
        assert_eq!(list.keys, ["1", "2", "3"]);
        assert_eq!(list.changed, children(&[("2", "z"), ("3", "w")]));
    }

    #[test]
    fn a_child_that_went_changes_the_order_only() {
        let mut shown = Shown::default();
        shown.list("l", children(&[("1", "x"), ("2", "y")]));
        shown.take();

        shown.list("l", children(&[("2", "y")]));

        let patch = shown.take();
        assert_eq!(
            patch.lists[0].1,
            ListPatch {
                keys: vec!["2".into()],
                changed: vec![]
            }
        );
    }

    #[test]
    fn what_is_inside_a_new_fragment_is_sent_again() {
        let mut shown = Shown::default();
        shown.fragment("outer", "<p id=inner>".into(), &["inner"]);
        shown.fragment("inner", "x".into(), &[]);
        shown.take();

        shown.fragment("outer", "<b id=inner>".into(), &["inner"]);
        shown.fragment("inner", "x".into(), &[]);

        assert_eq!(shown.take().fragments.len(), 2);
    }
}
