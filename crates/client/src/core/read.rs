//! What shells read: views of the present state.

use super::Core;
use super::conversation::Conversation;
use super::net::Wanted;
use crate::record::{Kind, MemberRecord, PersonRecord, Stage};
use crate::repair::Troubles;
use crate::safety::SafetyNumber;
use crate::thread::Thread;
use crate::view::{
    Connection, ConversationKind, ConversationState, ConversationView, Me, MemberView, PersonView,
    Preview, Trust,
};
use roost_wire::{AccountId, DisplayName, GroupId, Seconds};
use std::collections::BTreeMap;

/// Names shown in the title of a group without a name of its own.
const TITLE_NAMES: usize = 4;

impl Core {
    /// The account of this device; none before `Command::Join` or linking has succeeded.
    #[must_use]
    pub fn me(&self) -> Option<Me> {
        let me = self.me.as_ref()?;
        Some(Me {
            account: me.account,
            device: me.device,
            name: me.name.clone(),
            key: me.account_key(),
            server: me.server,
            origin: me.origin.clone(),
        })
    }

    /// `https://host[:port]`: where requests go; known from the moment a link was given.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let joining = || {
            let link = &self.joining.as_ref()?.link;
            Some(roost_wire::link::InviteLink::parse(link).ok()?.origin)
        };
        let linking = || Some(self.linking.as_ref()?.origin.clone());
        let me = self.me.as_ref().map(|me| me.origin.clone());
        me.or_else(joining).or_else(linking)
    }

    /// Whether a link was given that has not led to an account yet.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.joining.is_some() || self.linking.is_some()
    }

    /// Whether the account was made with this link.
    #[must_use]
    pub fn has_joined_by(&self, link: &str) -> bool {
        let link = roost_wire::link::InviteLink::parse(link).ok();
        let invite = link.map(|link| link.invite);
        self.me.is_some() && invite.is_some() && invite == self.session.joined_by
    }

    /// Everybody who is known, by name; the account itself among them.
    #[must_use]
    pub fn people(&self) -> Vec<PersonView> {
        let alike = self.alike();
        let views = self.people.iter();
        let mut views: Vec<_> = views
            .map(|(account, person)| self.person_view(*account, person, &alike))
            .collect();
        views.sort_by_key(|view| (view.name.folded(), view.account));
        views
    }

    #[must_use]
    pub fn person(&self, account: &AccountId) -> Option<PersonView> {
        let person = self.people.get(account)?;
        Some(self.person_view(*account, person, &self.alike()))
    }

    /// What to compare with somebody: it is the same on their side, unless a key between the two
    /// was exchanged. None for the account itself and for strangers.
    #[must_use]
    pub fn safety_number(&self, account: &AccountId) -> Option<SafetyNumber> {
        let me = self.me.as_ref().filter(|me| me.account != *account)?;
        let other = self.people.get(account)?;
        let own = (&me.account, &me.account_key());
        Some(SafetyNumber::of(&me.server, own, (account, &other.key)))
    }

    /// What somebody calls themselves, as far as known.
    #[must_use]
    pub fn name_of(&self, account: &AccountId) -> Option<&DisplayName> {
        self.people.get(account).map(|person| &person.name)
    }

    /// What this device calls itself as a guest of calls; none if it is no guest.
    #[must_use]
    pub fn guest_name(&self) -> Option<&DisplayName> {
        self.session.visit.as_ref().map(|visit| &visit.name)
    }

    /// The overview: latest first.
    #[must_use]
    pub fn conversations(&self) -> Vec<ConversationView> {
        let mut views: Vec<_> = self.conversations.iter().collect();
        views.sort_by_key(|(group, conversation)| {
            let time = conversation
                .record
                .preview
                .as_ref()
                .map(|preview| preview.time);
            (std::cmp::Reverse(time.unwrap_or(Seconds::new(0))), **group)
        });
        views
            .into_iter()
            .map(|(group, conversation)| self.conversation_view(group, conversation))
            .collect()
    }

    #[must_use]
    pub fn conversation(&self, group: &GroupId) -> Option<ConversationView> {
        let conversation = self.conversations.get(group)?;
        Some(self.conversation_view(group, conversation))
    }

    /// The part of a conversation that `Command::OpenThread` and `LoadOlder` have loaded.
    #[must_use]
    pub fn thread(&self, group: &GroupId) -> Option<&Thread> {
        self.threads.get(group)
    }

    /// Who is in a conversation (or was, when one left it), by name.
    #[must_use]
    pub fn members(&self, group: &GroupId) -> Vec<MemberView> {
        let conversation = self.conversations.get(group);
        let records = conversation.map_or(&[][..], |found| &found.record.members);
        let mut members: Vec<_> = records
            .iter()
            .map(|member| self.member_view(member))
            .collect();
        members.sort_by_key(|member| (member.name.folded(), member.account));
        members
    }

    #[must_use]
    pub fn connection(&self) -> Connection {
        match (self.net.wanted, self.net.socket.is_live()) {
            (Wanted::Off, _) => Connection::Off,
            (Wanted::Once | Wanted::Live, _) if self.net.has_failed() => Connection::Waiting,
            (Wanted::Once, _) | (Wanted::Live, true) => Connection::Online,
            (Wanted::Live, false) => Connection::Connecting,
        }
    }

    /// Messages that are not in the log yet, failed ones included.
    #[must_use]
    pub fn unsent(&self) -> usize {
        let items = self.outbox.values();
        items.filter(|item| item.accepted.is_none()).count()
    }

    /// Failures that were noticed and repaired since the core was opened.
    #[must_use]
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    pub(super) fn is_me(&self, account: &AccountId) -> bool {
        self.me.as_ref().is_some_and(|me| me.account == *account)
    }

    /// The usable direct conversation with somebody: both are in it, or on their way into it.
    pub(super) fn direct_with(&self, account: &AccountId) -> Option<GroupId> {
        let usable = |group: &GroupId, conversation: &Conversation| {
            let record = &conversation.record;
            let open = !matches!(record.stage, Stage::Left | Stage::Removed | Stage::Gone);
            let there = record.has_member(account)
                || record.is_absent(account)
                || self.is_adding(group, account);
            record.kind == Kind::Direct(*account) && open && !record.leaving && there
        };
        self.conversations
            .iter()
            .find(|(group, conversation)| usable(group, conversation))
            .map(|(group, _)| *group)
    }

    fn member_view(&self, member: &MemberRecord) -> MemberView {
        MemberView {
            account: member.account,
            name: self
                .name_of(&member.account)
                .unwrap_or(&member.name)
                .clone(),
            devices: member.devices,
            is_me: self.is_me(&member.account),
            is_admin: member.is_admin,
        }
    }

    fn person_view(
        &self,
        account: AccountId,
        person: &PersonRecord,
        alike: &BTreeMap<String, Vec<AccountId>>,
    ) -> PersonView {
        let others = alike.get(&skeleton(&person.name));
        let looks_like = others
            .into_iter()
            .flatten()
            .find(|other| **other != account);
        PersonView {
            account,
            name: person.name.clone(),
            key: person.key,
            is_me: self.is_me(&account),
            is_admin: person.is_admin,
            trust: trust_in(person),
            looks_like: looks_like.copied(),
            direct: self.direct_with(&account),
        }
    }

    fn alike(&self) -> BTreeMap<String, Vec<AccountId>> {
        let mut alike: BTreeMap<String, Vec<AccountId>> = BTreeMap::new();
        for (account, person) in &self.people {
            alike
                .entry(skeleton(&person.name))
                .or_default()
                .push(*account);
        }
        alike
    }

    fn conversation_view(&self, group: &GroupId, conversation: &Conversation) -> ConversationView {
        let record = &conversation.record;
        ConversationView {
            id: *group,
            kind: match record.kind {
                Kind::Direct(with) => ConversationKind::Direct(with),
                Kind::Group => ConversationKind::Group,
            },
            title: self.title(conversation),
            preview: record.preview.as_ref().map(|preview| Preview {
                sender: preview.sender,
                text: preview.text.clone(),
                time: preview.time,
            }),
            unread: u32::try_from(record.unread.len()).unwrap_or(u32::MAX),
            read_upto: record.read_upto,
            state: state_of(conversation),
            draft: record.draft.clone(),
            typing: conversation.typing.keys().copied().collect(),
            is_call_on: self.calls_on.contains_key(group),
            waiting: self.door.names(group),
        }
    }

    fn title(&self, conversation: &Conversation) -> String {
        let record = &conversation.record;
        if let Kind::Direct(with) = &record.kind {
            let name = self.name_of(with).map(DisplayName::to_string);
            return name.unwrap_or_else(|| "?".to_owned());
        }
        if let Some(name) = &record.name {
            return name.to_string();
        }
        let members = record.members.iter().map(|member| self.member_view(member));
        let others = members.filter(|member| !member.is_me).take(TITLE_NAMES);
        let names: Vec<_> = others.map(|member| member.name.to_string()).collect();
        names.join(", ")
    }
}

/// How well somebody's key is known.
pub(super) fn trust_in(person: &PersonRecord) -> Trust {
    match (person.changed, person.by_link) {
        (true, _) => Trust::KeyChanged,
        (false, true) => Trust::VerifiedByLink,
        (false, false) => Trust::FirstSight,
    }
}

fn state_of(conversation: &Conversation) -> ConversationState {
    let record = &conversation.record;
    match record.stage {
        Stage::Entering if record.rejoining => ConversationState::Repairing,
        Stage::Founding | Stage::Welcomed { .. } | Stage::Entering => ConversationState::Joining,
        Stage::Live if record.refused.is_some() => ConversationState::Repairing,
        Stage::Live if record.leaving => ConversationState::Leaving,
        Stage::Live => ConversationState::Ready,
        Stage::Left => ConversationState::Left,
        Stage::Removed => ConversationState::Removed,
        Stage::Gone => ConversationState::Gone,
    }
}

/// A rough form in which names that look alike are equal: common Latin, Greek and Cyrillic
/// look-alikes and digits used as letters are one.
fn skeleton(name: &DisplayName) -> String {
    name.folded().chars().filter_map(plain).collect()
}

fn plain(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' | 'ɑ' => 'a',
        'е' | 'ё' | 'ε' => 'e',
        'о' | 'ο' | '0' => 'o',
        'р' | 'ρ' => 'p',
        'с' | 'ϲ' => 'c',
        'у' | 'υ' | 'γ' => 'y',
        'х' | 'χ' => 'x',
        'і' | 'ι' | '1' | 'l' | '|' | 'ı' => 'i',
        'ѕ' | '5' => 's',
        'ј' => 'j',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'т' | 'τ' => 't',
        'н' => 'h',
        'в' | 'β' => 'b',
        'ν' => 'v',
        'ω' => 'w',
        '.' | '-' | '_' | ' ' | '\'' | '\u{200d}' => return None,
        other => other,
    })
}
