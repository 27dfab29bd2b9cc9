//! What is composed is understood again, and what others send is taken for what it is.

use super::*;
use roost_wire::DisplayName;

#[test]
fn what_is_composed_is_understood() {
    let (target, other) = (MessageId::new([1; 32]), MessageId::new([2; 32]));
    let emoji = Emoji::new("👩🏿‍🚀").unwrap();
    let name = DisplayName::new("Sunday hikers").unwrap();
    let text = || "*Hello*".to_owned();
    let items = [
        Item::Text {
            text: text(),
            reply_to: None,
        },
        Item::Text {
            text: text(),
            reply_to: Some(target),
        },
        Item::Reaction { target, emoji },
        Item::Unreact {
            reaction: other,
            target: Some(target),
        },
        Item::Edit {
            target,
            text: text(),
        },
        Item::Delete { target },
        Item::RoomName { name },
    ];

    for item in items {
        let bytes = compose(&item).encode_padded().unwrap();

        assert_eq!(Item::of(&MimiContent::decode(&bytes).unwrap()), item);
    }
}

#[test]
fn what_cannot_be_said_is_refused_before_it_is_sent() {
    let long = Item::Text {
        text: "x".repeat(TEXT_BYTES + 1),
        reply_to: None,
    };
    let longest = Item::Text {
        text: "x".repeat(TEXT_BYTES),
        reply_to: None,
    };

    assert_eq!(
        long.compose([0; 16], &sender(), &room()),
        Err(ContentError::TooLarge)
    );
    assert!(compose(&longest).encode_padded().is_ok());
    assert!(Item::Unknown.compose([0; 16], &sender(), &room()).is_err());
}

#[test]
fn a_reaction_that_is_not_one_emoji_is_not_understood() {
    let reaction = |text: &str, target| {
        let mut content = message("");
        content.in_reply_to = target;
        content.body = single(Disposition::Reaction, "", "text/plain", text.as_bytes());
        Item::of(&content)
    };
    let target = Some(MessageId::new([1; 32]));

    assert!(matches!(reaction("❤", target), Item::Reaction { .. }));
    assert_eq!(reaction("first!", target), Item::Unknown);
    assert_eq!(reaction("👍👎", target), Item::Unknown);
    assert_eq!(reaction("❤", None), Item::Unknown);
}

#[test]
fn the_text_of_a_multipart_is_found() {
    let plain = |text: &str| {
        single(
            Disposition::Render,
            "",
            "Text/Plain; charset=utf-8",
            text.as_bytes(),
        )
    };
    let html = single(Disposition::Render, "", "text/html", b"<b>hi</b>");
    let text_of = |semantics, parts| {
        let mut content = message("");
        content.body = multi(Disposition::Render, semantics, parts);
        Item::of(&content)
    };
    let text = |text: &str| Item::Text {
        text: text.into(),
        reply_to: None,
    };

    assert_eq!(
        text_of(
            Semantics::ChooseOne,
            vec![html.clone(), plain("hi"), plain("ho")]
        ),
        text("hi")
    );
    assert_eq!(
        text_of(
            Semantics::ProcessAll,
            vec![plain("hi"), html.clone(), plain("ho")]
        ),
        text("hi\n\nho")
    );
    assert_eq!(
        text_of(Semantics::SingleUnit, vec![html.clone(), html]),
        Item::Unknown
    );
}

#[test]
fn text_that_is_not_utf_8_and_names_that_deceive_are_not_understood() {
    let mut content = message("");
    content.body = single(Disposition::Render, "", "text/plain", &[0xff]);
    assert_eq!(Item::of(&content), Item::Unknown);

    let kind = "application/vnd.roost.room-name";
    content.body = single(Disposition::Profile, "", kind, "Hi\u{202e}kers".as_bytes());
    assert_eq!(Item::of(&content), Item::Unknown);
    content.body = single(Disposition::Profile, "", "text/plain", b"Hikers");
    assert_eq!(Item::of(&content), Item::Unknown);
}
