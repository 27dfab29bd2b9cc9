//! Bounds, the one spelling, and that nothing read can panic.

use super::*;
use proptest::prelude::*;
use roost_wire::{EntryHash, Seq, limit};

#[test]
fn nesting_beyond_four_is_refused() {
    let mut content = message("");
    content.body = nested(PART_DEPTH);
    assert!(content.encode().is_ok());

    content.body = nested(PART_DEPTH + 1);
    assert_eq!(content.encode(), Err(ContentError::TooDeep));
}

#[test]
fn more_than_32_parts_are_refused() {
    let mut content = message("");
    content.body = flat(PARTS - 1);
    assert!(content.encode().is_ok());

    content.body = flat(PARTS);
    assert_eq!(content.encode(), Err(ContentError::TooManyParts));
}

#[test]
fn a_multipart_has_two_parts_or_more() {
    let mut content = message("");
    content.body = flat(1);

    assert_eq!(content.encode(), Err(ContentError::Invalid("part")));
}

#[test]
fn content_beyond_60_kib_is_refused() {
    let room = limit::CONTENT_BYTES - text_of(50_000).encode().unwrap().len() + 50_000;

    assert_eq!(text_of(room).encode().unwrap().len(), limit::CONTENT_BYTES);
    assert_eq!(text_of(room + 1).encode(), Err(ContentError::TooLarge));
}

#[test]
fn extensions_are_bounded_in_number_and_size() {
    let mut content = message("");
    for number in 0..14 {
        content
            .extensions
            .put(&ExtensionKey::Unsigned(100 + number), &number);
    }
    assert!(content.encode().is_ok());
    content.extensions.put(&ExtensionKey::Unsigned(99), &0);
    assert_eq!(content.encode(), Err(ContentError::TooManyExtensions));

    let mut content = message("");
    content
        .extensions
        .put(&ExtensionKey::Text("x".into()), &"v".repeat(4093));
    assert!(content.encode().is_ok());
    content
        .extensions
        .put(&ExtensionKey::Text("x".into()), &"v".repeat(4094));
    assert_eq!(
        content.encode(),
        Err(ContentError::Invalid("extension value"))
    );

    let mut content = message("");
    content
        .extensions
        .put(&ExtensionKey::Text(String::new()), &1);
    assert_eq!(
        content.encode(),
        Err(ContentError::Invalid("extension key"))
    );
}

#[test]
fn unknown_extensions_and_dispositions_are_kept_as_they_came() {
    let mut content = message("hello");
    content.body.disposition = Disposition::Other(200);
    content
        .extensions
        .put(&ExtensionKey::Text("example".into()), &vec![Some(1), None]);
    content
        .extensions
        .put(&ExtensionKey::Negative(70_000), &true);
    content
        .extensions
        .put(&ExtensionKey::Negative(u64::MAX), &100_000.5f32);
    content
        .extensions
        .put(&ExtensionKey::Unsigned(u64::MAX), &"far");
    let bytes = content.encode().unwrap();

    let read = MimiContent::decode(&bytes).unwrap();

    assert_eq!(read, content);
    assert_eq!(read.encode().unwrap(), bytes);
    assert_eq!(Item::of(&read), Item::Unknown);
}

#[test]
fn a_known_disposition_has_one_name() {
    let mut content = message("hello");
    content.body.disposition = Disposition::Other(1);

    assert!(content.encode().is_err());
}

#[test]
fn a_trail_is_carried() {
    let trail = Trail {
        counter: 40,
        last_seq: Seq::new(977),
        last: EntryHash::of(b"entry 977"),
    };
    let mut content = message("hello");
    content.extensions.set_trail(&trail);

    let read = MimiContent::decode(&content.encode_padded().unwrap()).unwrap();

    assert_eq!(read.extensions.trail(), Some(trail));
    assert_eq!(message("hello").extensions.trail(), None);
}

#[test]
fn a_message_from_elsewhere_is_recognised() {
    let content = message("hello");
    let other_sender = UserUri {
        account: roost_wire::AccountId::new([1; 16]),
        ..sender()
    };
    let other_room = RoomUri {
        group: roost_wire::GroupId::new([1; 16]),
        ..room()
    };
    let mut nameless = content.clone();
    nameless.extensions = Extensions::default();

    assert_eq!(content.check_origin(&sender(), &room()), Ok(()));
    assert_eq!(
        content.check_origin(&other_sender, &room()),
        Err(ContentError::WrongOrigin)
    );
    assert_eq!(
        content.check_origin(&sender(), &other_room),
        Err(ContentError::WrongOrigin)
    );
    assert_eq!(
        nameless.check_origin(&sender(), &room()),
        Err(ContentError::WrongOrigin)
    );
}

#[test]
fn a_second_spelling_of_a_message_is_refused() {
    let plain = concat!(
        "87",
        "5007070707070707070707070707070707",
        "f6",
        "40",
        "f6",
        "f6",
        "a0",
        "83",
        "01",
        "60",
        "00"
    );
    assert!(decode_hex(plain).is_ok());

    for (from, to, why) in [
        ("87", "9f", "indefinite array"),
        ("87", "9807", "long array length"),
        ("5007", "581007", "long byte string length"),
        ("f640f6", "f65800f6", "long empty string"),
        ("a083", "bfff83", "indefinite map"),
        ("830160", "83180160", "long integer"),
        ("830160", "839f60", "array for an integer"),
    ] {
        let other = plain.replacen(from, to, 1);
        assert_ne!(other, plain, "{why}");
        assert!(decode_hex(&other).is_err(), "{why}");
    }
}

#[test]
fn extension_keys_are_sorted_and_unique() {
    let with = |map: &str| {
        decode_hex(&format!(
            "875007070707070707070707070707070707f640f6f6{map}83016000"
        ))
    };

    assert!(with("a2 03 00 20 00").is_ok());
    assert_eq!(with("a2 20 00 03 00"), Err(ContentError::NotCanonical));
    assert_eq!(with("a2 03 00 03 00"), Err(ContentError::NotCanonical));
    assert_eq!(with("a1 1803 00"), Err(ContentError::NotCanonical));
    assert_eq!(
        with("a1 40 00"),
        Err(ContentError::Invalid("extension key"))
    );
    assert_eq!(with("a1 01 00"), Err(ContentError::Invalid("URI")));
    assert_eq!(with("a1 03 9fff"), Err(ContentError::NotCanonical));
    assert_eq!(with("b818"), Err(ContentError::TooManyExtensions));
}

#[test]
fn every_field_is_checked() {
    let salt = "5007070707070707070707070707070707";
    let tail = "f6a083016000";
    for (message, why) in [
        (format!("86{salt}f640f6{tail}"), "six members"),
        (format!("874f{}f640f6{tail}", "07".repeat(15)), "short salt"),
        (format!("87{salt}411140f6{tail}"), "short id"),
        (format!("87{salt}f660f6{tail}"), "text for a topic"),
        (format!("87{salt}f64081f5{tail}"), "expiry without time"),
        (
            format!("87{salt}f64082011864{tail}"),
            "number for a boolean",
        ),
        (
            format!("87{salt}f64082f51b0000000100000000{tail}"),
            "time beyond 32 bits",
        ),
        (
            format!("87{salt}f640f6f6a0840160 0000"),
            "a part of four members",
        ),
        (format!("87{salt}f640f6f6a083016004"), "unknown cardinality"),
        (
            format!("87{salt}f640f6f6a08319010060 00"),
            "disposition beyond 255",
        ),
        (format!("87{salt}f640f6f6a083016000f6"), "bytes left over"),
        (
            format!("87{salt}f640f6f6a0830161ff00"),
            "language that is not UTF-8",
        ),
        (
            format!("87{salt}f640f6f6a085016003 03 82 83016000 83016000"),
            "unknown semantics",
        ),
        ("f6".into(), "not an array"),
        (String::new(), "nothing"),
    ] {
        assert!(decode_hex(&message).is_err(), "{why}");
    }
}

#[test]
fn every_cut_of_a_message_is_refused() {
    let whole = message("hello").encode().unwrap();

    for length in 0..whole.len() {
        assert!(MimiContent::decode(&whole[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_have_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(content) = MimiContent::decode(&bytes) {
            prop_assert_eq!(content.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn a_damaged_message_never_panics_and_has_one_spelling(
        text in ".{0,80}", at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let mut bytes = message(&text).encode_padded().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(content) = MimiContent::decode(&bytes) {
            let _ = Item::of(&content);
            prop_assert_eq!(content.encode().unwrap(), bytes);
        }
    }

    #[test]
    fn messages_round_trip(content in any_message()) {
        let bytes = content.encode().unwrap();
        let padded = content.encode_padded().unwrap();

        prop_assert_eq!(&MimiContent::decode(&bytes).unwrap(), &content);
        prop_assert_eq!(Item::of(&MimiContent::decode(&padded).unwrap()), Item::of(&content));
    }
}

fn any_message() -> impl Strategy<Value = MimiContent> {
    let id = || prop::option::of(any::<[u8; 32]>().prop_map(MessageId::new));
    let expires = prop::option::of((any::<bool>(), any::<u32>()))
        .prop_map(|expires| expires.map(|(relative, time)| Expiration { relative, time }));
    let extra = prop::collection::btree_map("[a-z]{1,12}", any::<i64>(), 0..4);
    let topic = prop::collection::vec(any::<u8>(), 0..20);
    (
        any::<[u8; 16]>(),
        id(),
        topic,
        expires,
        id(),
        extra,
        any_part(),
    )
        .prop_map(
            |(salt, replaces, topic_id, expires, in_reply_to, extra, body)| {
                let mut extensions = Extensions::of_origin(&sender(), &room());
                for (key, value) in extra {
                    extensions.put(&ExtensionKey::Text(key), &value);
                }
                MimiContent {
                    salt,
                    replaces,
                    topic_id,
                    expires,
                    in_reply_to,
                    extensions,
                    body,
                }
            },
        )
}

fn any_part() -> impl Strategy<Value = NestedPart> {
    let disposition = (0u8..=255).prop_map(|code| match code {
        0 => Disposition::Unspecified,
        1..=150 => Disposition::Render,
        151..=200 => Disposition::Reaction,
        other => Disposition::Other(other),
    });
    let leaf = prop_oneof![
        Just(Part::Null),
        ("(text/plain|text/markdown|image/png)", "\\PC{0,40}").prop_map(|(content_type, text)| {
            Part::Single {
                content_type,
                content: text.into_bytes(),
            }
        }),
        (any::<u64>(), any::<u16>()).prop_map(|(size, encryption)| {
            Part::External(Box::new(External {
                size,
                encryption,
                ..External::default()
            }))
        }),
    ];
    let nested =
        (disposition, "[a-z]{0,3}", leaf).prop_map(|(disposition, language, part)| NestedPart {
            disposition,
            language,
            part,
        });
    nested
        .prop_recursive(3, 24, 3, |inner| {
            prop::collection::vec(inner, 2..4)
                .prop_map(|parts| multi(Disposition::Render, Semantics::ChooseOne, parts))
        })
        .prop_filter("within the bounds", |part| count(part) <= PARTS)
}

fn count(nested: &NestedPart) -> usize {
    match &nested.part {
        Part::Multi { parts, .. } => 1 + parts.iter().map(count).sum::<usize>(),
        Part::Null | Part::Single { .. } | Part::External(_) => 1,
    }
}

fn nested(depth: usize) -> NestedPart {
    let leaf = || single(Disposition::Render, "", "text/plain", b"x");
    (1..depth).fold(leaf(), |inner, _| {
        multi(
            Disposition::Render,
            Semantics::SingleUnit,
            vec![leaf(), inner],
        )
    })
}

fn flat(parts: usize) -> NestedPart {
    let leaf = single(Disposition::Render, "", "text/plain", b"x");
    multi(
        Disposition::Render,
        Semantics::ProcessAll,
        vec![leaf; parts],
    )
}

fn decode_hex(hex: &str) -> Result<MimiContent, ContentError> {
    let digits: Vec<u8> = hex.bytes().filter(|digit| *digit != b' ').collect();
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    MimiContent::decode(&bytes)
}
