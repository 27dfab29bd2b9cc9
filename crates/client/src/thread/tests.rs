use super::*;
use crate::call::RingId;
use crate::content::{CallLine, CallOutcome, Item, MimiContent, RoomUri, UserUri};
use crate::record::EventRecord;
use proptest::prelude::*;
use roost_wire::{GroupId, Seconds, ServerId};

const ADA: AccountId = AccountId::new([1; 16]);
const BEN: AccountId = AccountId::new([2; 16]);

#[test]
fn order_is_the_logs_and_what_is_on_its_way_comes_last() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let mine = text("mine", 1);
    let id = id_of(&mine);

    thread.append(0, sending(&mine));
    thread.append(1, message(&text("theirs", 2), 1, BEN));
    thread.refresh();
    let before = texts(&thread);
    let (seq, time) = (Seq::new(2), Seconds::new(5));
    thread.append(2, TimelineRecord::Stored { id, seq, time });
    thread.append(3, message(&text("later", 3), 3, BEN));
    thread.refresh();

    assert_eq!(before, ["theirs", "mine"]);
    assert_eq!(texts(&thread), ["theirs", "mine", "later"]);
    assert_eq!(thread.message(&id).unwrap().state, MessageState::Stored);
}

#[test]
fn a_message_encrypted_twice_is_shown_once() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let content = text("once", 1);

    thread.append(0, message(&content, 1, BEN));
    thread.append(1, message(&content, 2, BEN));
    thread.refresh();

    assert_eq!(texts(&thread), ["once"]);
}

#[test]
fn a_failed_message_says_why_until_it_is_retried() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let content = text("mine", 1);
    let id = id_of(&content);
    let reason = "too long".to_owned();

    thread.append(0, sending(&content));
    thread.append(
        1,
        TimelineRecord::Failed {
            id,
            reason: reason.clone(),
        },
    );
    thread.refresh();
    assert_eq!(
        thread.message(&id).unwrap().state,
        MessageState::Failed(reason)
    );

    thread.append(2, TimelineRecord::Retried(id));
    thread.refresh();
    assert_eq!(thread.message(&id).unwrap().state, MessageState::Sending);
}

#[test]
fn a_call_is_one_of_whoever_wrote_it_down() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let (ring, outcome) = (RingId::new([5; 16]), CallOutcome::Missed);
    let line = CallLine {
        ring,
        video: false,
        outcome,
    };
    let call = item(Item::Call(line), 1);

    // Ben says that there was a call: it can only be one of his.
    thread.append(0, message(&call, 1, BEN));
    thread.refresh();

    let shown = thread.message(&id_of(&call)).unwrap();
    assert_eq!((shown.sender, shown.mine), (BEN, false));
    assert_eq!(shown.call, Some(line));
    assert_eq!(shown.text, "Missed call");
}

#[test]
fn the_line_of_a_call_can_be_deleted_but_not_edited() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let (ring, outcome) = (RingId::new([5; 16]), CallOutcome::Declined);
    let line = CallLine {
        ring,
        video: true,
        outcome,
    };
    let call = item(Item::Call(line), 1);
    let target = id_of(&call);
    let text = "We talked for hours".to_owned();

    thread.append(0, message(&call, 1, BEN));
    thread.append(1, message(&item(Item::Edit { target, text }, 2), 2, BEN));
    thread.refresh();
    let edited = thread.message(&target).unwrap().clone();
    thread.append(2, message(&item(Item::Delete { target }, 3), 3, BEN));
    thread.refresh();

    assert_eq!(edited.text, "Video call, declined");
    assert!(!edited.edited);
    let deleted = thread.message(&target).unwrap();
    assert!(deleted.deleted && deleted.call.is_none());
}

#[test]
fn what_others_edit_or_delete_stays_and_a_deletion_is_final() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let original = text("original", 1);
    let target = id_of(&original);
    let edit = |words: &str, salt| {
        item(
            Item::Edit {
                target,
                text: words.into(),
            },
            salt,
        )
    };

    thread.append(0, message(&original, 1, BEN));
    thread.append(1, message(&edit("forged", 2), 2, ADA));
    thread.append(2, message(&edit("edited", 3), 3, BEN));
    thread.refresh();
    assert_eq!(texts(&thread), ["edited"]);

    thread.append(3, message(&item(Item::Delete { target }, 4), 4, BEN));
    thread.append(4, message(&edit("again", 5), 5, BEN));
    thread.refresh();
    let shown = thread.message(&target).unwrap();
    assert!(shown.deleted && shown.text.is_empty());
}

#[test]
fn a_reaction_is_counted_once_a_person_and_taken_back_only_by_its_author() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let original = text("original", 1);
    let target = id_of(&original);
    let react = |salt| {
        let emoji = Emoji::new("👍").unwrap();
        item(Item::Reaction { target, emoji }, salt)
    };
    let reaction = id_of(&react(2));
    let unreact = |salt| {
        let target = Some(target);
        item(Item::Unreact { reaction, target }, salt)
    };

    thread.append(0, message(&original, 1, BEN));
    thread.append(1, message(&react(2), 2, BEN));
    thread.append(2, message(&react(3), 3, BEN));
    thread.append(3, message(&react(4), 4, ADA));
    thread.append(4, message(&unreact(5), 5, ADA));
    thread.refresh();
    let reactions = thread.message(&target).unwrap().reactions.clone();
    assert_eq!(reactions[0].who, [BEN, ADA]);
    assert!(reactions[0].mine);
}

#[test]
fn what_follows_a_log_that_went_back_stands_behind_it_whatever_its_number() {
    let mut thread = Thread::new(ADA, Seq::new(4));
    let (mine, unread) = (text("mine", 3), text("not everybody's", 4));
    let later = text("later", 5);
    thread.append(0, message(&text("theirs", 2), 3, BEN));
    thread.append(1, message(&mine, 4, ADA));
    thread.append(2, message(&unread, 5, ADA));

    thread.append(3, TimelineRecord::LogWentBack(Seq::new(4)));
    thread.append(4, sending(&later));
    let (id, seq, time) = (id_of(&later), Seq::new(2), Seconds::new(5));
    thread.append(5, TimelineRecord::Stored { id, seq, time });
    thread.append(6, message(&text("last", 6), 3, BEN));
    thread.refresh();

    let state =
        |thread: &Thread, content: &[u8]| thread.message(&id_of(content)).unwrap().state.clone();
    assert_eq!(
        texts(&thread),
        ["theirs", "mine", "not everybody's", "later", "last"]
    );
    assert_eq!(state(&thread, &mine), MessageState::Delivered);
    assert_eq!(state(&thread, &unread), MessageState::Stored);
    assert_eq!(state(&thread, &later), MessageState::Stored);

    thread.set_delivered(Seq::new(2));
    thread.refresh();
    assert_eq!(state(&thread, &unread), MessageState::Stored);
    assert_eq!(state(&thread, &later), MessageState::Delivered);
}

#[test]
fn where_a_log_begins_is_known_before_anything_is_in_it_and_does_not_move_after() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let restarts = |thread: &mut Thread| {
        thread.refresh();
        thread.restarts().to_vec()
    };
    thread.append(0, message(&text("old", 1), 3, BEN));
    thread.append(1, sending(&text("on its way", 2)));
    assert!(restarts(&mut thread).is_empty());

    thread.append(2, TimelineRecord::LogWentBack(Seq::NONE));
    assert_eq!(restarts(&mut thread), [1]);
    thread.append(3, message(&text("new", 3), 2, BEN));
    assert_eq!(restarts(&mut thread), [1]);

    thread.append(4, TimelineRecord::LogWentBack(Seq::NONE));
    thread.append(5, TimelineRecord::LogWentBack(Seq::NONE));
    assert_eq!(restarts(&mut thread), [1, 2, 2]);
}

#[test]
fn an_edit_deletion_or_reaction_that_failed_does_not_look_done() {
    let mut thread = Thread::new(ADA, Seq::NONE);
    let original = text("original", 1);
    let target = id_of(&original);
    let emoji = Emoji::new("👍").unwrap();
    let words = "edited".to_owned();
    let reaction = item(Item::Reaction { target, emoji }, 2);
    let unreaction = Item::Unreact {
        reaction: id_of(&reaction),
        target: Some(target),
    };
    let changes = [
        item(
            Item::Edit {
                target,
                text: words,
            },
            3,
        ),
        item(Item::Delete { target }, 4),
        item(unreaction, 5),
        reaction,
    ];
    let fail = |content: &Vec<u8>| TimelineRecord::Failed {
        id: id_of(content),
        reason: "no".into(),
    };
    let shown = |thread: &mut Thread| {
        thread.refresh();
        let message = thread.message(&target).unwrap();
        (
            message.deleted,
            message.text.clone(),
            message.reactions.len(),
        )
    };

    thread.append(0, message(&original, 1, ADA));
    for (index, change) in (1..).zip(&changes) {
        thread.append(index, sending(change));
    }
    assert_eq!(shown(&mut thread), (true, String::new(), 0));
    thread.append(5, fail(&changes[2]));
    assert_eq!(shown(&mut thread), (true, String::new(), 1));
    thread.append(6, fail(&changes[1]));
    assert_eq!(shown(&mut thread), (false, "edited".into(), 1));
    thread.append(7, fail(&changes[0]));
    assert_eq!(shown(&mut thread), (false, "original".into(), 1));
    thread.append(8, fail(&changes[3]));
    assert_eq!(shown(&mut thread), (false, "original".into(), 0));

    thread.append(9, TimelineRecord::Retried(id_of(&changes[1])));
    assert_eq!(shown(&mut thread), (true, String::new(), 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_give_the_same_as_the_whole(cut in 0_usize..40, kinds in prop::collection::vec(0_u8..7, 40)) {
        let rows = rows_of(&kinds);
        let mut whole = Thread::new(ADA, Seq::new(9));
        whole.extend(rows.clone(), false);
        whole.refresh();
        let mut paged = Thread::new(ADA, Seq::NONE);
        let (older, newer) = rows.split_at(cut);
        paged.extend(newer.to_vec(), true);
        paged.refresh();
        paged.extend(older.to_vec(), false);
        paged.set_delivered(Seq::new(9));
        paged.refresh();
        let mut live = Thread::new(ADA, Seq::new(9));
        for (index, row) in rows {
            live.append(index, row);
        }
        live.set_delivered(Seq::new(9));
        live.refresh();

        prop_assert_eq!(whole.items(), paged.items());
        prop_assert_eq!(whole.items(), live.items());
        prop_assert_eq!(whole.restarts(), paged.restarts());
        prop_assert_eq!(whole.restarts(), live.restarts());
        prop_assert!(!paged.has_older());
    }
}

fn rows_of(kinds: &[u8]) -> Vec<(u64, TimelineRecord)> {
    let mut rows = Vec::new();
    let mut last = id_of(&text("start", 0));
    let mut seq = 0;
    for (at, kind) in kinds.iter().enumerate() {
        let salt = u8::try_from(at).unwrap() + 1;
        seq = if *kind == 6 { 0 } else { seq + 1 };
        let who = if at % 3 == 0 { ADA } else { BEN };
        let content = match kind {
            0 => item(
                Item::Edit {
                    target: last,
                    text: format!("edit {at}"),
                },
                salt,
            ),
            1 => {
                let emoji = Emoji::new("🎉").unwrap();
                item(
                    Item::Reaction {
                        target: last,
                        emoji,
                    },
                    salt,
                )
            }
            _ => text(&format!("text {at}"), salt),
        };
        if (2..5).contains(kind) {
            last = id_of(&content);
        }
        let row = match kind {
            5 => TimelineRecord::Event {
                event: EventRecord::Left(BEN),
                seq: Some(Seq::new(seq)),
                time: Seconds::new(seq),
            },
            6 => TimelineRecord::LogWentBack(Seq::new(3)),
            _ => message(&content, seq, who),
        };
        rows.push((u64::try_from(at).unwrap(), row));
    }
    rows
}

fn texts(thread: &Thread) -> Vec<String> {
    let items = thread.items().iter();
    items
        .filter_map(|item| match item {
            ThreadItem::Message(message) => Some(message.text.clone()),
            ThreadItem::Event(_) => None,
        })
        .collect()
}

fn text(words: &str, salt: u8) -> Vec<u8> {
    let reply_to = None;
    item(
        Item::Text {
            text: words.into(),
            reply_to,
        },
        salt,
    )
}

fn item(item: Item, salt: u8) -> Vec<u8> {
    let server = ServerId::new([0; 16]);
    let user = UserUri {
        server,
        account: ADA,
    };
    let room = RoomUri {
        server,
        group: GroupId::new([0; 16]),
    };
    let content: MimiContent = item.compose([salt; 16], &user, &room).unwrap();
    content.encode().unwrap()
}

fn id_of(content: &[u8]) -> MessageId {
    MessageId::of("", "", content, &[0; 16])
}

fn message(content: &[u8], seq: u64, sender: AccountId) -> TimelineRecord {
    TimelineRecord::Message {
        id: id_of(content),
        seq: Seq::new(seq),
        sender,
        time: Seconds::new(seq),
        content: content.to_vec(),
    }
}

fn sending(content: &[u8]) -> TimelineRecord {
    TimelineRecord::Sending {
        id: id_of(content),
        time: Seconds::new(1),
        content: content.to_vec(),
    }
}
