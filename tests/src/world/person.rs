//! What people do and see, in the words of the stories.

use super::World;
use super::fragile_store::Death;
use roost_client::view::{
    ConversationState, EventKind, MemberView, MessageView, ThreadItem, Trust,
};
use roost_client::{Command, Core, Notice};
use roost_wire::frame::ServerFrame;
use roost_wire::{AccountId, DeviceId, GroupId};
use std::cell::Ref;
use std::collections::BTreeMap;

/// A person at one of their devices.
#[derive(Clone)]
pub struct Person {
    world: World,
    index: usize,
}

impl Person {
    pub(super) const fn new(world: World, index: usize) -> Self {
        Self { world, index }
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }
}

/// What they do. Everything is carried out at once as far as the device alone can.
impl Person {
    pub fn wishes(&self, command: Command) {
        self.world.stage().command(self.index, command);
    }

    /// The server says this to them, whatever it would say by itself.
    pub fn is_told(&self, frame: &ServerFrame) {
        self.world.stage().tell(self.index, frame);
    }

    /// Uses a link and connects.
    pub fn joins(&self, link: &str) {
        let name = self.name();
        self.wishes(Command::Join {
            link: link.to_owned(),
            name,
        });
        self.connects();
    }

    pub fn connects(&self) {
        self.world.stage().clients[self.index].wants_connection = true;
        self.wishes(Command::Connect);
    }

    pub fn disconnects(&self) {
        self.world.stage().clients[self.index].wants_connection = false;
        self.wishes(Command::Disconnect);
    }

    /// A link into the server, or into a group.
    ///
    /// # Panics
    /// If none comes.
    #[must_use]
    pub fn invites(&self, room: Option<GroupId>) -> String {
        self.invites_with(room, 50, 7)
    }

    /// A link for so many uses and days.
    ///
    /// # Panics
    /// If none comes.
    #[must_use]
    pub fn invites_with(&self, group: Option<GroupId>, uses: u32, days: u64) -> String {
        self.asks(
            Command::CreateInvite { group, uses, days },
            |notice| match notice {
                Notice::InviteCreated { link, .. } => Some(link.clone()),
                _ => None,
            },
        )
    }

    #[must_use]
    pub fn opens_room_with(&self, other: &Self) -> GroupId {
        self.asks(Command::StartDirect(other.account()), opened)
    }

    #[must_use]
    pub fn founds(&self, name: &str, members: &[&Self]) -> GroupId {
        let command = Command::CreateGroup {
            name: name.to_owned(),
            members: members.iter().map(|member| member.account()).collect(),
        };
        self.asks(command, opened)
    }

    pub fn says(&self, room: &GroupId, text: &str) {
        self.wishes(Command::Send {
            group: *room,
            text: text.to_owned(),
            reply_to: None,
        });
    }

    /// Answers the message with this text.
    pub fn replies(&self, room: &GroupId, to: &str, text: &str) {
        let reply_to = Some(self.message(room, to).id);
        self.wishes(Command::Send {
            group: *room,
            text: text.to_owned(),
            reply_to,
        });
    }

    pub fn reacts(&self, room: &GroupId, to: &str, emoji: &str) {
        let message = self.message(room, to).id;
        self.opens(room);
        self.wishes(Command::React {
            group: *room,
            message,
            emoji: emoji.to_owned(),
        });
    }

    pub fn takes_back(&self, room: &GroupId, to: &str, emoji: &str) {
        let message = self.message(room, to).id;
        self.opens(room);
        self.wishes(Command::Unreact {
            group: *room,
            message,
            emoji: emoji.to_owned(),
        });
    }

    pub fn adds(&self, room: &GroupId, other: &Self) {
        self.wishes(Command::AddMembers {
            group: *room,
            accounts: vec![other.account()],
        });
    }

    pub fn removes(&self, room: &GroupId, other: &Self) {
        self.wishes(Command::RemoveMember {
            group: *room,
            account: other.account(),
        });
    }

    pub fn leaves(&self, room: &GroupId) {
        self.wishes(Command::Leave(*room));
    }

    /// Shuts another device of the same account out.
    pub fn revokes(&self, other: &Self) {
        self.wishes(Command::RevokeDevice(other.device()));
    }

    /// From now on the server keeps droppable signals from the device.
    pub fn hears_no_signals(&self) {
        self.world.stage().mischief[self.index].deaf = true;
    }

    /// From now on nobody can open what the device signals, or everybody again.
    pub fn is_hoarse(&self, is: bool) {
        self.world.stage().mischief[self.index].hoarse = is;
    }

    /// The last droppable signal that the device sent, sealed.
    #[must_use]
    pub fn last_signal(&self) -> Option<Vec<u8>> {
        let stage = self.world.stage();
        stage.mischief[self.index].last_signal.clone()
    }

    /// The link by which guests come to a conversation's calls. Takes a second, since a world with
    /// a call in it never settles.
    ///
    /// # Panics
    /// If none comes.
    #[must_use]
    pub fn call_link(&self, room: &GroupId) -> String {
        self.makes_call_link(room, false)
    }

    /// Another one, whatever there is.
    ///
    /// # Panics
    /// If none comes.
    #[must_use]
    pub fn new_call_link(&self, room: &GroupId) -> String {
        self.makes_call_link(room, true)
    }

    fn makes_call_link(&self, room: &GroupId, anew: bool) -> String {
        let before = self.notices().len();
        self.wishes(Command::MakeCallLink {
            conversation: *room,
            anew,
        });
        self.world.pass(1_000);
        let link = |notice: &Notice| match notice {
            Notice::CallLink { link, .. } => Some(link.clone()),
            _ => None,
        };
        let found = self.notices().iter().skip(before).find_map(link);
        found.expect("a link")
    }

    /// Comes as a guest, under their own name.
    pub fn visits(&self, link: &str) {
        let name = self.name();
        self.world.stage().clients[self.index].wants_connection = true;
        self.wishes(Command::VisitCall {
            link: link.to_owned(),
            name,
        });
    }

    /// The device crashes; it starts again by itself a little later.
    pub fn crashes(&self) {
        self.world.stage().kill_client(self.index);
    }

    /// The client will crash in the step after so many more: before what the step writes is
    /// stored, or after that and before anything else it leads to.
    pub fn will_crash_in_step(&self, steps: u64, death: Death) {
        self.world.stage().clients[self.index].die_after(steps, death);
    }

    /// The client need not crash any more. Whether it has not yet: it took fewer steps.
    #[must_use]
    pub fn is_spared(&self) -> bool {
        self.world.stage().clients[self.index].spare()
    }

    /// The device sends its next so many commits so that members must refuse them.
    pub fn spoils_commits(&self, count: u32) {
        self.world.stage().mischief[self.index].commits = count;
    }

    /// The device sends its next so many messages so that nobody can open them.
    pub fn spoils_messages(&self, count: u32) {
        self.world.stage().mischief[self.index].messages = count;
    }

    /// Starts a device that is down.
    pub fn starts(&self) {
        self.world.stage().start_client(self.index);
    }

    /// A further device of the same account, linked through this one.
    #[must_use]
    pub fn links_device(&self, name: &str) -> Self {
        let device = self.world.device(name);
        let origin = self.core().me().map(|me| me.origin.clone());
        let request = device.asks(
            Command::RequestLink {
                origin: origin.unwrap_or_default(),
            },
            |notice| match notice {
                Notice::LinkRequest { text } => Some(text.clone()),
                _ => None,
            },
        );
        let grant = self.asks(Command::GrantLink { request }, |notice| match notice {
            Notice::LinkGrant { text } => Some(text.clone()),
            _ => None,
        });
        device.wishes(Command::AcceptLink { grant });
        device.connects();
        device
    }

    /// Wishes something; whether a message was stored for sending by it, also if the device died
    /// right after.
    pub fn tries(&self, command: Command) -> bool {
        let before = self.notices().len();
        self.wishes(command);
        let notices = self.notices();
        notices[before..]
            .iter()
            .any(|notice| matches!(notice, Notice::Queued { .. }))
    }

    /// As `links_device`, if both sides get through at once and alive.
    #[must_use]
    pub fn links_device_now(&self, name: &str) -> Option<Self> {
        let origin = self.core().me()?.origin.clone();
        let device = self.world.device(name);
        let request = device.asks_now(Command::RequestLink { origin }, |notice| match notice {
            Notice::LinkRequest { text } => Some(text.clone()),
            _ => None,
        })?;
        let grant = self.asks_now(Command::GrantLink { request }, |notice| match notice {
            Notice::LinkGrant { text } => Some(text.clone()),
            _ => None,
        })?;
        device.wishes(Command::AcceptLink { grant });
        device.connects();
        Some(device)
    }

    fn opens(&self, room: &GroupId) {
        self.wishes(Command::OpenThread(*room));
        while self
            .core()
            .thread(room)
            .is_some_and(|thread| thread.has_older())
        {
            self.wishes(Command::LoadOlder(*room));
        }
    }

    /// Wishes something and takes the notice that answers it in the same step.
    fn asks_now<T>(&self, command: Command, answer: impl Fn(&Notice) -> Option<T>) -> Option<T> {
        let before = self.notices().len();
        self.wishes(command);
        self.notices().iter().skip(before).find_map(answer)
    }

    /// Wishes something and waits for the notice that answers it.
    fn asks<T>(&self, command: Command, answer: impl Fn(&Notice) -> Option<T>) -> T {
        let before = self.world.stage().clients[self.index].notices.len();
        self.wishes(command);
        let find = || self.notices().iter().skip(before).find_map(&answer);
        if let Some(found) = find() {
            return found;
        }
        self.world.settle();
        find().unwrap_or_else(|| {
            panic!(
                "{} got no answer, only {:?}",
                self.name(),
                &self.notices()[before..]
            )
        })
    }
}

/// What they see.
impl Person {
    #[must_use]
    pub fn name(&self) -> String {
        self.world.stage().clients[self.index].name.clone()
    }

    /// # Panics
    /// Before they joined.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.core().me().expect("joined").account
    }

    /// # Panics
    /// Before they joined.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.core().me().expect("joined").device
    }

    #[must_use]
    pub fn has_account(&self) -> bool {
        self.account_now().is_some()
    }

    /// How well they know somebody's key.
    ///
    /// # Panics
    /// If they never heard of them.
    #[must_use]
    pub fn trust_in(&self, other: &Self) -> Trust {
        let account = other.account();
        self.core().person(&account).expect("known").trust
    }

    /// The account, if the device is up and has one.
    #[must_use]
    pub fn account_now(&self) -> Option<AccountId> {
        let stage = self.world.0.borrow();
        let core = stage.clients[self.index].core.as_ref()?;
        Some(core.me()?.account)
    }

    /// How many devices of which account the device sees in a conversation.
    #[must_use]
    pub fn devices_in(&self, room: &GroupId) -> BTreeMap<AccountId, u32> {
        self.members_of(room)
            .into_iter()
            .map(|member| (member.account, member.devices))
            .collect()
    }

    fn members_of(&self, room: &GroupId) -> Vec<MemberView> {
        let mut stage = self.world.stage();
        let core = stage.clients[self.index].core.as_mut();
        core.map_or_else(Vec::new, |core| core.members(room))
    }

    #[must_use]
    pub fn accounts_in(&self, room: &GroupId) -> Vec<AccountId> {
        self.devices_in(room).into_keys().collect()
    }

    /// The last invite into a conversation that this device got.
    #[must_use]
    pub fn latest_invite(&self, room: &GroupId) -> Option<String> {
        let notices = self.notices();
        notices.iter().rev().find_map(|notice| match notice {
            Notice::InviteCreated { group, link, .. } if group.as_ref() == Some(room) => {
                Some(link.clone())
            }
            _ => None,
        })
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.world.0.borrow().clients[self.index].is_up()
    }

    #[must_use]
    pub fn core(&self) -> Ref<'_, Core> {
        Ref::map(self.world.0.borrow(), |stage| {
            stage.clients[self.index].running()
        })
    }

    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.world.stage().clients[self.index].notices.clone()
    }

    /// Everything in a conversation, oldest first.
    #[must_use]
    pub fn thread(&self, room: &GroupId) -> Vec<ThreadItem> {
        self.opens(room);
        let items = self
            .core()
            .thread(room)
            .map(|thread| thread.items().to_vec());
        items.unwrap_or_default()
    }

    #[must_use]
    pub fn messages(&self, room: &GroupId) -> Vec<MessageView> {
        messages_of(&self.thread(room))
    }

    /// The messages, unless the device dies while it opens the conversation.
    #[must_use]
    pub fn messages_now(&self, room: &GroupId) -> Vec<MessageView> {
        self.wishes(Command::OpenThread(*room));
        let stage = self.world.0.borrow();
        let core = stage.clients[self.index].core.as_ref();
        let Some(thread) = core.and_then(|core| core.thread(room)) else {
            return Vec::new();
        };
        messages_of(thread.items())
    }

    #[must_use]
    pub fn events(&self, room: &GroupId) -> Vec<EventKind> {
        let items = self.thread(room).into_iter();
        items
            .filter_map(|item| match item {
                ThreadItem::Event(event) => Some(event.kind),
                ThreadItem::Message(_) => None,
            })
            .collect()
    }

    /// The texts of a conversation, oldest first.
    #[must_use]
    pub fn reads(&self, room: &GroupId) -> Vec<String> {
        self.messages(room)
            .into_iter()
            .map(|message| message.text)
            .collect()
    }

    /// The one message with this text.
    ///
    /// # Panics
    /// If it is not there, or not once.
    #[must_use]
    pub fn message(&self, room: &GroupId, text: &str) -> MessageView {
        let mut found = self.messages(room);
        found.retain(|message| message.text == text);
        match <[MessageView; 1]>::try_from(found) {
            Ok([message]) => message,
            Err(found) => panic!("{} has {text:?} {} times", self.name(), found.len()),
        }
    }

    #[must_use]
    pub fn rooms(&self) -> Vec<GroupId> {
        let core = self.core();
        core.conversations().iter().map(|view| view.id).collect()
    }

    #[must_use]
    pub fn title(&self, room: &GroupId) -> Option<String> {
        let core = self.core();
        let views = core.conversations();
        views
            .iter()
            .find(|view| view.id == *room)
            .map(|view| view.title.clone())
    }

    #[must_use]
    pub fn state(&self, room: &GroupId) -> Option<ConversationState> {
        let core = self.core();
        let views = core.conversations();
        views
            .iter()
            .find(|view| view.id == *room)
            .map(|view| view.state)
    }

    /// The names of a conversation's members, sorted.
    #[must_use]
    pub fn members(&self, room: &GroupId) -> Vec<String> {
        let members = self.members_of(room).into_iter();
        let mut names: Vec<String> = members.map(|member| member.name.to_string()).collect();
        names.sort();
        names
    }
}

fn messages_of(items: &[ThreadItem]) -> Vec<MessageView> {
    items
        .iter()
        .filter_map(|item| match item {
            ThreadItem::Message(message) => Some(message.clone()),
            ThreadItem::Event(_) => None,
        })
        .collect()
}

fn opened(notice: &Notice) -> Option<GroupId> {
    match notice {
        Notice::Opened(group) => Some(*group),
        _ => None,
    }
}
