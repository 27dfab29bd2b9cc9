//! What a command says: lines for people, or one JSON object a line for scripts.
//!
//! Owns the shapes scripts rely on. Text from others never reaches a terminal with control
//! characters in it.

use roost_client::content::{CallLine, CallOutcome};
use roost_client::view::{
    ConversationKind, ConversationState, ConversationView, DeviceView, EventKind, EventView,
    MemberView, MessageState, MessageView, PersonView, Trust,
};
use roost_client::{Core, SafetyNumber};
use roost_wire::{AccountId, Seconds};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Where the lines go.
pub struct Output {
    writer: Box<dyn Write + Send>,
    pub json: bool,
}

impl Output {
    #[must_use]
    pub fn new(writer: Box<dyn Write + Send>, json: bool) -> Self {
        Self { writer, json }
    }

    /// One line: the text for people, or the object for scripts.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub fn line(&mut self, text: &str, object: &Value) -> io::Result<()> {
        let line = if self.json {
            format!("{object}\n")
        } else {
            format!("{}\n", printable(text))
        };
        self.writer.write_all(line.as_bytes())?;
        self.writer.flush()
    }
}

/// Takes out what a terminal would obey.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// The name of an account, or the begin of its id.
#[must_use]
pub fn name_of(core: &Core, account: &AccountId) -> String {
    core.name_of(account)
        .map_or_else(|| short(&account.to_string()), ToString::to_string)
}

/// The first 12 digits of an id: enough to name it on a command line.
#[must_use]
pub fn short(id: &str) -> String {
    id.chars().take(12).collect()
}

#[must_use]
pub fn person(person: &PersonView) -> (String, Value) {
    let mut notes = Vec::new();
    if person.is_me {
        notes.push("you");
    }
    if person.is_admin {
        notes.push("admin");
    }
    match person.trust {
        Trust::FirstSight => {}
        Trust::VerifiedByLink => notes.push("verified by link"),
        Trust::KeyChanged => notes.push("KEY CHANGED"),
    }
    if person.looks_like.is_some() {
        notes.push("name looks like another's");
    }
    let notes = match notes.is_empty() {
        true => String::new(),
        false => format!("  ({})", notes.join(", ")),
    };
    let text = format!(
        "{}  @{}{notes}",
        short(&person.account.to_string()),
        person.name
    );
    let object = json!({
        "id": person.account.to_string(),
        "name": person.name.as_str(),
        "me": person.is_me,
        "admin": person.is_admin,
        "trust": trust(person.trust),
        "looks_like": person.looks_like.map(|id| id.to_string()),
    });
    (text, object)
}

#[must_use]
pub fn safety_number(person: &PersonView, number: &SafetyNumber) -> (String, Value) {
    let number = number.to_string();
    let warning = match person.trust {
        Trust::KeyChanged => "  (WARNING: the server names another key for them now)",
        Trust::FirstSight | Trust::VerifiedByLink => "",
    };
    let text = format!("{number}{warning}");
    let object = json!({
        "id": person.account.to_string(),
        "name": person.name.as_str(),
        "safety_number": number,
        "trust": trust(person.trust),
    });
    (text, object)
}

#[must_use]
pub fn device(device: &DeviceView) -> (String, Value) {
    let id = device.device.to_string();
    let note = if device.is_me { "  (this one)" } else { "" };
    let text = format!("{}  since {}{note}", short(&id), moment(device.since));
    let object = json!({
        "id": id,
        "this": device.is_me,
        "since": device.since.get(),
    });
    (text, object)
}

const fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::FirstSight => "first_sight",
        Trust::VerifiedByLink => "verified_by_link",
        Trust::KeyChanged => "key_changed",
    }
}

#[must_use]
pub fn conversation(view: &ConversationView, members: &[MemberView]) -> (String, Value) {
    let (kind, mark) = match view.kind {
        ConversationKind::Direct(_) => ("direct", "@"),
        ConversationKind::Group => ("group", ""),
    };
    let unread = match view.unread {
        0 => String::new(),
        count => format!("  {count} unread"),
    };
    let id = view.id.to_string();
    let state = conversation_state(view.state);
    let remark = match view.state {
        ConversationState::Ready => String::new(),
        _ => format!("  [{state}]"),
    };
    let text = format!("{}  {mark}{}{unread}{remark}", short(&id), view.title);
    let member = |member: &MemberView| {
        json!({
            "id": member.account.to_string(),
            "name": member.name.as_str(),
            "devices": member.devices,
            "me": member.is_me,
            "admin": member.is_admin,
        })
    };
    let object = json!({
        "id": id,
        "kind": kind,
        "title": view.title,
        "unread": view.unread,
        "state": state,
        "members": members.iter().map(member).collect::<Vec<_>>(),
    });
    (text, object)
}

const fn conversation_state(state: ConversationState) -> &'static str {
    match state {
        ConversationState::Joining => "joining",
        ConversationState::Ready => "ready",
        ConversationState::Repairing => "repairing",
        ConversationState::Leaving => "leaving",
        ConversationState::Left => "left",
        ConversationState::Removed => "removed",
        ConversationState::Gone => "gone",
    }
}

#[must_use]
pub fn message(core: &Core, message: &MessageView) -> (String, Value) {
    (message_text(core, message), message_object(core, message))
}

fn message_text(core: &Core, message: &MessageView) -> String {
    let body = match (message.deleted, message.unknown) {
        (true, _) => "(deleted)".to_owned(),
        (_, true) => "(a newer kind of message)".to_owned(),
        _ => message.text.replace('\n', "\n    "),
    };
    let edited = if message.edited && !message.deleted {
        " (edited)"
    } else {
        ""
    };
    let quote = message.reply_to.as_ref().map(|quote| {
        let text = quote.text.as_deref().unwrap_or("…");
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().take(60).collect();
        let who = quote
            .sender
            .map(|sender| format!("{}: ", name_of(core, &sender)));
        format!("\n    > {}{line}", who.unwrap_or_default())
    });
    let reactions: Vec<String> = message
        .reactions
        .iter()
        .map(|reaction| {
            let who: Vec<String> = reaction.who.iter().map(|who| name_of(core, who)).collect();
            format!("{} {}", reaction.emoji, who.join(", "))
        })
        .collect();
    let reactions = match reactions.is_empty() {
        true => String::new(),
        false => format!("\n    {}", reactions.join("  ")),
    };
    let state = match &message.state {
        MessageState::Received | MessageState::Stored | MessageState::Delivered => String::new(),
        MessageState::Sending => "  [sending]".to_owned(),
        MessageState::Failed(reason) => format!("  [failed: {reason}]"),
    };
    format!(
        "{}  {}  {}: {body}{edited}{state}{}{reactions}",
        short(&message.id.to_string()),
        moment(message.time),
        name_of(core, &message.sender),
        quote.unwrap_or_default(),
    )
}

fn message_object(core: &Core, message: &MessageView) -> Value {
    let reactions: Vec<Value> = message
        .reactions
        .iter()
        .map(|reaction| {
            json!({
                "emoji": reaction.emoji,
                "by": reaction.who.iter().map(|who| name_of(core, who)).collect::<Vec<_>>(),
                "mine": reaction.mine,
            })
        })
        .collect();
    let (state, reason) = match &message.state {
        MessageState::Received => ("received", None),
        MessageState::Sending => ("sending", None),
        MessageState::Stored => ("stored", None),
        MessageState::Delivered => ("delivered", None),
        MessageState::Failed(reason) => ("failed", Some(reason)),
    };
    json!({
        "id": message.id.to_string(),
        "seq": message.seq.map(|seq| seq.get()),
        "sender": name_of(core, &message.sender),
        "sender_id": message.sender.to_string(),
        "mine": message.mine,
        "text": message.text,
        "reply_to": message.reply_to.as_ref().map(|quote| quote.id.to_string()),
        "reactions": reactions,
        "edited": message.edited,
        "deleted": message.deleted,
        "unknown": message.unknown,
        "call": message.call.as_ref().map(call_object),
        "state": state,
        "reason": reason,
        "time": message.time.get(),
    })
}

/// A call that the message's sender made.
fn call_object(call: &CallLine) -> Value {
    let (outcome, seconds) = match call.outcome {
        CallOutcome::Talked { seconds } => ("talked", seconds),
        CallOutcome::Missed => ("missed", None),
        CallOutcome::Declined => ("declined", None),
        CallOutcome::Busy => ("busy", None),
        CallOutcome::Failed => ("failed", None),
        CallOutcome::Begun => ("begun", None),
    };
    json!({ "video": call.video, "outcome": outcome, "seconds": seconds })
}

#[must_use]
pub fn event(core: &Core, event: &EventView) -> (String, Value) {
    let name = |account: &AccountId| name_of(core, account);
    let (kind, text) = match &event.kind {
        EventKind::Created { by } => ("created", format!("{} started the conversation", name(by))),
        EventKind::Entered { by: Some(by) } => ("entered", format!("{} added you", name(by))),
        EventKind::Entered { by: None } => ("entered", "you joined".to_owned()),
        EventKind::Added { who, by } => ("added", format!("{} added {}", name(by), name(who))),
        EventKind::JoinedByLink { who } => {
            ("joined_by_link", format!("{} joined by link", name(who)))
        }
        EventKind::Left { who } => ("left", format!("{} left", name(who))),
        EventKind::Removed { who, by } => {
            ("removed", format!("{} removed {}", name(by), name(who)))
        }
        EventKind::LetGo { who } => (
            "let_go",
            format!("{} was away for months and was let go", name(who)),
        ),
        EventKind::Renamed { by, name: new } => {
            ("renamed", format!("{} named it \"{new}\"", name(by)))
        }
        EventKind::MessagesMayBeMissing { .. } => (
            "messages_may_be_missing",
            "messages may be missing here".to_owned(),
        ),
        EventKind::Rejoined => (
            "rejoined",
            "this device joined again; what was said meanwhile is not on it".to_owned(),
        ),
        EventKind::FoundHere { who } => (
            "found_here",
            format!("{} is here since this device joined again", name(who)),
        ),
        EventKind::KeyChanged { who } => (
            "key_changed",
            format!(
                "WARNING: the key of {} changed; compare safety numbers",
                name(who)
            ),
        ),
    };
    let object = json!({
        "event": kind,
        "text": text,
        "seq": event.seq.map(|seq| seq.get()),
        "time": event.time.get(),
    });
    (
        format!("{:12}  {}  -- {text}", "", moment(event.time)),
        object,
    )
}

/// A moment in UTC, to the minute: `2026-11-23 06:45Z`.
#[must_use]
pub fn moment(time: Seconds) -> String {
    let (days, minutes) = (time.get() / 86_400, time.get() % 86_400 / 60);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}Z",
        minutes / 60,
        minutes % 60
    )
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted in years that begin in March, so that a leap day comes last.
    let shifted = days.saturating_add(719_468);
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era + day_of_era / 36_524 - day_of_era / 1_460 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_command_a_terminal() {
        assert_eq!(
            printable("a\u{1b}[2Jb\rc\nd\u{9b}"),
            "a\u{fffd}[2Jb\u{fffd}c\nd\u{fffd}"
        );
        assert_eq!(printable("\u{202e}txt"), "\u{fffd}txt");
    }

    #[test]
    fn moments_are_right_around_leap_days_and_centuries() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00Z"),
            (951_782_399, "2000-02-28 23:59Z"),
            (951_782_400, "2000-02-29 00:00Z"),
            (1_709_164_800, "2024-02-29 00:00Z"),
            (1_735_689_599, "2024-12-31 23:59Z"),
            (4_107_542_400, "2100-03-01 00:00Z"),
            (1_795_502_700, "2026-11-24 06:45Z"),
        ] {
            assert_eq!(moment(Seconds::new(seconds)), text);
        }
    }

    #[test]
    fn scripts_get_one_line_even_if_a_text_has_several() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut output = Output::new(Box::new(file.reopen().unwrap()), true);

        output.line("x", &json!({"text": "a\nb"})).unwrap();

        let written = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(written, "{\"text\":\"a\\nb\"}\n");
    }
}
