//! An open conversation: header, lines, composer.

use super::rows::{face, state_words};
use super::{Names, listed};
use crate::rich::{self, RichText};
use crate::view::{
    AtDoor, CallButtons, CallSign, Composer, Face, Line, Local, Mark, Message, QuoteLine, Reaction,
    Size, TalkHeader, Zone, hue,
};
use roost_client::content::CallLine;
use roost_client::view::{
    ConversationKind, ConversationState, ConversationView, EventKind, EventView, MemberView,
    MessageState, MessageView, ThreadItem,
};
use roost_wire::{AccountId, Seconds, Seq};
use std::collections::BTreeSet;

/// Messages of one person within this time form one block.
const BLOCK_SECONDS: u64 = 300;
const QUOTE_CHARS: usize = 160;
/// Of a message, when a screen reader names it.
const LABEL_CHARS: usize = 400;
/// Names in the header before it says only how many there are.
const NAMES_MAX: usize = 6;
/// Guests who wait at the door, by name.
const GUESTS_MAX: usize = 3;

/// What the lines of a conversation depend on besides its messages.
pub struct Context<'a> {
    pub names: &'a Names,
    pub now: Seconds,
    pub zone: Zone,
    /// The last entry seen when the conversation was opened, if something came after it.
    pub new_after: Option<Seq>,
    /// Where among the items the log was numbered anew.
    pub restarts: &'a [usize],
    pub can_write: bool,
    pub has_older: bool,
    /// Two people only: nobody is added or joins.
    pub is_direct: bool,
}

#[must_use]
pub fn header(
    conversation: &ConversationView,
    members: &[MemberView],
    names: &Names,
    calls: CallButtons,
) -> TalkHeader {
    let subtitle = match (state_words(conversation.state), &conversation.kind) {
        (Some(words), _) => words.to_owned(),
        (None, ConversationKind::Direct(_)) => "Just the two of you".to_owned(),
        (None, ConversationKind::Group) if members.len() > NAMES_MAX => {
            format!("{} people", members.len())
        }
        (None, ConversationKind::Group) => {
            let mut others: Vec<String> = members
                .iter()
                .filter(|member| !member.is_me)
                .map(|member| names.inner(&member.account))
                .collect();
            others.push("you".to_owned());
            if others.len() == 1 {
                "Only you so far".to_owned()
            } else {
                listed(&others)
            }
        }
    };
    TalkHeader {
        face: face(conversation, Size::Small),
        title: conversation.title.clone(),
        subtitle,
        calls,
    }
}

#[must_use]
pub fn at_door(conversation: &ConversationView, calls: CallButtons) -> AtDoor {
    let names = conversation.waiting.iter().map(ToString::to_string);
    AtDoor {
        names: names.take(GUESTS_MAX).collect(),
        more: conversation.waiting.len().saturating_sub(GUESTS_MAX),
        is_on: conversation.is_call_on,
        can_enter: calls.can_be_pressed,
    }
}

#[must_use]
pub fn composer(state: ConversationState) -> Composer {
    let closed = match state {
        ConversationState::Joining | ConversationState::Ready | ConversationState::Repairing => {
            None
        }
        ConversationState::Leaving | ConversationState::Left => {
            Some("You left. What was said until then stays here.")
        }
        ConversationState::Removed => {
            Some("You are no longer in this group. What was said until then stays here.")
        }
        ConversationState::Gone => {
            Some("This conversation is no longer on the server. What was said stays here.")
        }
    };
    Composer {
        closed: closed.map(str::to_owned),
    }
}

#[must_use]
pub fn reply_quote(message: &MessageView, names: &Names) -> QuoteLine {
    QuoteLine {
        to: key(&message.id),
        who: names.of(&message.sender),
        text: rich::plain(&message.text, QUOTE_CHARS),
    }
}

/// A line to draw: ready, or a message that may have been drawn before.
#[expect(
    clippy::large_enum_variant,
    reason = "a few hundred, drawn at once and dropped"
)]
pub enum Entry<'a> {
    Line(Line),
    /// `more`: it follows one of the same person.
    Message {
        message: &'a MessageView,
        more: bool,
    },
}

/// All lines, oldest first, with days, blocks and the line above what is new.
#[must_use]
pub fn lines<'a>(items: &'a [ThreadItem], context: &Context<'_>) -> Vec<Entry<'a>> {
    let mut lines = Vec::with_capacity(items.len().saturating_add(8));
    if context.has_older {
        lines.push(Entry::Line(Line::Older));
    }
    let now = Local::at(context.now, context.zone);
    let mut days = BTreeSet::new();
    let mut events = BTreeSet::new();
    let mut added = Added::default();
    let mut block: Option<(AccountId, Seconds)> = None;
    let mut is_new_due = context.new_after.is_some();
    for (at, item) in items.iter().enumerate() {
        let later_logs = later_logs(context.restarts, at);
        let (time, seq) = match item {
            ThreadItem::Message(message) => (message.time, message.seq),
            ThreadItem::Event(event) => (event.time, event.seq),
        };
        let local = Local::at(time, context.zone);
        if days.insert(local.day()) {
            block = None;
            lines.push(Entry::Line(Line::Day {
                key: format!("d-{}", local.day()),
                text: local.day_line(now),
            }));
        }
        if is_new_due && later_logs == 0 && is_new(item, seq, context.new_after) {
            is_new_due = false;
            block = None;
            lines.push(Entry::Line(Line::New));
        }
        match item {
            ThreadItem::Event(event) => {
                block = None;
                let key = event_key(event, later_logs);
                if !joins_last(&mut lines, &mut added, event, context)
                    && let Some(text) = event_words(event, context)
                    && events.insert(key.clone())
                {
                    lines.push(Entry::Line(Line::Event { key, text }));
                }
            }
            ThreadItem::Message(message) => {
                let more = block.is_some_and(|(who, since)| {
                    who == message.sender && message.time.get() <= since.plus(BLOCK_SECONDS).get()
                });
                block = Some((message.sender, message.time));
                lines.push(Entry::Message { message, more });
            }
        }
    }
    lines
}

/// Who added whom in the last line, if it says so.
type Added = Option<(AccountId, Vec<String>)>;

/// Several people whom one person added are one line.
fn joins_last(
    lines: &mut [Entry<'_>],
    added: &mut Added,
    event: &EventView,
    context: &Context<'_>,
) -> bool {
    let EventKind::Added { who, by } = &event.kind else {
        *added = None;
        return false;
    };
    if context.is_direct {
        return false;
    }
    let name = context.names.inner(who);
    let last = match lines.last_mut() {
        Some(Entry::Line(Line::Event { text, .. })) => Some(text),
        Some(Entry::Line(_) | Entry::Message { .. }) | None => None,
    };
    match (added.as_mut(), last) {
        (Some((first, names)), Some(text)) if first == by => {
            names.push(name);
            *text = format!("{} added {}", context.names.of(by), listed(names));
            true
        }
        _ => {
            *added = Some((*by, vec![name]));
            false
        }
    }
}

/// How many logs began after this item: none if it is of the present one.
fn later_logs(restarts: &[usize], at: usize) -> usize {
    let begun = restarts.partition_point(|start| *start <= at);
    restarts.len().saturating_sub(begun)
}

/// For an item of the present log.
fn is_new(item: &ThreadItem, seq: Option<Seq>, after: Option<Seq>) -> bool {
    let is_theirs = matches!(item, ThreadItem::Message(message) if !message.mine);
    is_theirs && seq.zip(after).is_some_and(|(seq, after)| seq > after)
}

/// The id of a message's element.
#[must_use]
pub fn key(id: &roost_client::content::MessageId) -> String {
    format!("m-{id}")
}

/// The same whatever is loaded before it: logs are counted from the present one.
fn event_key(event: &EventView, later_logs: usize) -> String {
    let what = short_hash(&format!("{:?}", event.kind));
    match event.seq {
        Some(seq) => format!("e-{later_logs}-{seq}-{what:x}"),
        None => format!("e-{later_logs}-t{}-{what:x}", event.time),
    }
}

/// Tells apart what one commit did to several people.
fn short_hash(text: &str) -> u32 {
    text.bytes().fold(2_166_136_261, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(16_777_619)
    })
}

/// One message as it is shown.
#[must_use]
pub fn show(message: &MessageView, more: bool, context: &Context<'_>) -> Message {
    let local = Local::at(message.time, context.zone);
    let who = context.names.of(&message.sender);
    let shown = !message.deleted && !message.unknown;
    let text = match (message.deleted, message.unknown) {
        (true, _) => "Deleted",
        (false, true) => "A newer kind of message. Reload the page to update Roost.",
        (false, false) => message.text.as_str(),
    };
    let theirs_first = !message.mine && !more;
    Message {
        key: key(&message.id),
        id: message.id.to_string(),
        label: format!(
            "{who}, {}: {}",
            local.clock(),
            rich::plain(text, LABEL_CHARS)
        ),
        face: theirs_first.then(|| Face::of(&who, message.sender.as_bytes(), Size::Small)),
        name: theirs_first.then(|| who.clone()),
        hue: hue(message.sender.as_bytes()),
        mine: message.mine,
        more,
        quote: message.reply_to.as_ref().map(|quote| QuoteLine {
            to: key(&quote.id),
            who: quote.sender.map_or_else(
                || "An earlier message".to_owned(),
                |who| context.names.of(&who),
            ),
            text: quote.text.as_deref().map_or_else(
                || not_loaded(context.has_older).to_owned(),
                |text| rich::plain(text, QUOTE_CHARS),
            ),
        }),
        text: RichText::of(text),
        call: message.call.map(|call| call_sign(&call, message.mine)),
        plain: if shown {
            message.text.clone()
        } else {
            String::new()
        },
        time: local.clock(),
        datetime: local.machine(),
        mark: mark(&message.state),
        reactions: message
            .reactions
            .iter()
            .map(|reaction| {
                let who: Vec<String> = reaction
                    .who
                    .iter()
                    .map(|who| context.names.inner(who))
                    .collect();
                let undo = if reaction.mine {
                    " Press to take yours back."
                } else {
                    " Press to add yours."
                };
                Reaction {
                    emoji: reaction.emoji.clone(),
                    count: reaction.who.len(),
                    mine: reaction.mine,
                    label: format!("{} from {}.{undo}", reaction.emoji, listed(&who)),
                }
            })
            .collect(),
        actionable: shown && context.can_write && message.seq.is_some(),
        edited: message.edited && !message.deleted,
        deleted: message.deleted,
    }
}

/// In place of a quoted message that is not among those shown.
const fn not_loaded(has_older: bool) -> &'static str {
    if has_older {
        "Press to look for it further up."
    } else {
        "It is not on this device."
    }
}

fn call_sign(call: &CallLine, mine: bool) -> CallSign {
    let is_missed = call.is_missed() && !mine;
    let icon = match (is_missed, call.video) {
        (true, _) => "hang-up",
        (false, true) => "video",
        (false, false) => "call",
    };
    CallSign { icon, is_missed }
}

fn mark(state: &MessageState) -> Mark {
    match state {
        MessageState::Received => Mark::None,
        MessageState::Sending => Mark::Sending,
        MessageState::Stored => Mark::Sent,
        MessageState::Delivered => Mark::Delivered,
        MessageState::Failed(_) => Mark::Failed,
    }
}

/// `None` for what goes without saying.
fn event_words(event: &EventView, context: &Context<'_>) -> Option<String> {
    let names = context.names;
    Some(match &event.kind {
        EventKind::Added { .. } if context.is_direct => return None,
        // Who opened an invite link began it without asking to.
        EventKind::Created { .. } | EventKind::Entered { by: Some(_) } if context.is_direct => {
            "Only the two of you can read what is said here.".to_owned()
        }
        EventKind::Created { by } => format!("{} started the conversation", names.of(by)),
        EventKind::Entered { by: Some(by) } if !names.is_me(by) => {
            format!(
                "{} added you. What was said before is not shown.",
                names.of(by)
            )
        }
        EventKind::Entered { .. } => "You joined. What was said before is not shown.".to_owned(),
        EventKind::Added { who, by } => format!("{} added {}", names.of(by), names.inner(who)),
        EventKind::JoinedByLink { who } => format!("{} joined by an invite link", names.of(who)),
        EventKind::Left { who } => format!("{} left", names.of(who)),
        EventKind::Removed { who, by } => format!("{} removed {}", names.of(by), names.inner(who)),
        EventKind::LetGo { who } => format!(
            "{} was away for months; they are added again when they are back",
            names.of(who)
        ),
        EventKind::Renamed { by, name } => format!("{} named the group “{name}”", names.of(by)),
        EventKind::MessagesMayBeMissing { from: Some(from) } => {
            format!("Some messages of {} may be missing here", names.inner(from))
        }
        EventKind::MessagesMayBeMissing { from: None } => {
            "Some messages may be missing here".to_owned()
        }
        EventKind::Rejoined => {
            "This browser had to enter anew. What was said in between is not on it.".to_owned()
        }
        EventKind::FoundHere { who } => format!(
            "{} is here since this browser entered anew. Make sure that you know who this is.",
            names.of(who)
        ),
        EventKind::KeyChanged { who } => format!(
            "The key of {} changed. Ask them in person before you trust what comes next.",
            names.inner(who)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_client::MessageId;

    const ME: AccountId = AccountId::new([1; 16]);
    const BEN: AccountId = AccountId::new([2; 16]);
    const CLEO: AccountId = AccountId::new([3; 16]);

    fn message(seq: u64, sender: AccountId, time: u64) -> ThreadItem {
        let mut id = [0; 32];
        id[24..].copy_from_slice(&seq.to_be_bytes());
        ThreadItem::Message(MessageView {
            id: MessageId::new(id),
            seq: Some(Seq::new(seq)),
            sender,
            mine: sender == ME,
            text: "x".to_owned(),
            call: None,
            reply_to: None,
            reactions: Vec::new(),
            state: MessageState::Received,
            time: Seconds::new(time),
            edited: false,
            deleted: false,
            unknown: false,
        })
    }

    fn event(seq: u64, kind: EventKind) -> ThreadItem {
        let (seq, time) = (Some(Seq::new(seq)), Seconds::new(1));
        ThreadItem::Event(EventView { kind, seq, time })
    }

    /// Lines in short: days, events by their words, messages by whether they follow in a block.
    fn shown(items: &[ThreadItem], new_after: Option<u64>, is_direct: bool) -> Vec<String> {
        shown_with(items, &[], new_after, is_direct)
    }

    fn shown_with(
        items: &[ThreadItem],
        restarts: &[usize],
        new_after: Option<u64>,
        is_direct: bool,
    ) -> Vec<String> {
        let names = Names::new(&[], &[], Some(ME));
        let context = Context {
            names: &names,
            now: Seconds::new(3 * 86_400),
            zone: |_| 0,
            new_after: new_after.map(Seq::new),
            restarts,
            can_write: true,
            has_older: false,
            is_direct,
        };
        let short = |entry: &Entry<'_>| match entry {
            Entry::Line(Line::Day { text, .. } | Line::Event { text, .. }) => text.clone(),
            Entry::Line(line) => line.key().to_owned(),
            Entry::Message { more, .. } => if *more { "more" } else { "message" }.to_owned(),
        };
        lines(items, &context).iter().map(short).collect()
    }

    #[test]
    fn messages_of_one_person_form_a_block_until_somebody_else_or_time_breaks_it() {
        let items = [
            message(1, BEN, 10),
            message(2, BEN, 20),
            message(3, ME, 30),
            message(4, BEN, 40),
            message(5, BEN, 900),
        ];

        let expected = [
            "Thursday, 1 January",
            "message",
            "more",
            "message",
            "message",
            "message",
        ];
        assert_eq!(shown(&items, None, false)[1..], expected[1..]);
    }

    #[test]
    fn the_line_stands_above_the_first_message_of_others_that_was_not_seen() {
        let items = [
            message(1, BEN, 10),
            message(2, ME, 20),
            event(3, EventKind::Left { who: CLEO }),
            message(4, BEN, 30),
            message(5, BEN, 31),
        ];

        let lines = shown(&items, Some(1), false);

        assert_eq!(lines[3..], ["Somebody left", "new-line", "message", "more"]);
    }

    #[test]
    fn nothing_before_a_log_that_went_back_is_new_whatever_its_number() {
        let items = [
            message(13, BEN, 10),
            message(15, BEN, 11),
            message(13, BEN, 20),
        ];

        assert_eq!(
            shown_with(&items, &[2], Some(12), false)[1..],
            ["message", "more", "new-line", "message"]
        );
        let not_yet = shown_with(&items[..2], &[2], Some(12), false);
        assert_eq!(not_yet[1..], ["message", "more"]);
    }

    #[test]
    fn the_same_event_with_the_same_number_in_another_log_is_another_one() {
        let items = [1, 2, 3].map(|_| event(13, EventKind::Left { who: CLEO }));

        let lines = shown_with(&items, &[1, 2], None, false);

        assert_eq!(lines[1..], ["Somebody left"; 3]);
    }

    #[test]
    fn people_added_together_are_one_line() {
        let add = |seq, who| event(seq, EventKind::Added { who, by: ME });
        let items = [add(1, BEN), add(1, CLEO), message(2, ME, 2), add(3, BEN)];

        let lines = shown(&items, None, false);

        let (both, one) = ("You added Somebody and Somebody", "You added Somebody");
        assert_eq!(lines[1..], [both, "message", one]);
    }

    #[test]
    fn between_two_people_nobody_is_added_and_nobody_began() {
        let items = [
            event(1, EventKind::Entered { by: Some(BEN) }),
            event(2, EventKind::Added { who: ME, by: BEN }),
        ];

        let lines = shown(&items, None, true);

        assert_eq!(
            lines[1..],
            ["Only the two of you can read what is said here."]
        );
    }
}
