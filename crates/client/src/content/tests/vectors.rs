//! The 14 example messages of draft-ietf-mimi-content-08, built from their fields: the ids the
//! draft gives for them come out only if every byte is right.

use super::*;
use roost_wire::text::unhex;

const ROOM: &str = "mimi://example.com/r/engineering_team";
const ALICE: &str = "mimi://example.com/u/alice-smith";
const BOB: &str = "mimi://example.com/u/bob-jones";
const CATHY: &str = "mimi://example.com/u/cathy-washington";

const MARKDOWN: &str = "text/markdown;variant=GFM-MIMI";
const PLAIN: &str = "text/plain;charset=utf-8";
const HTML: &str = "text/html;charset=utf-8";

const ORIGINAL: &str = "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4";
const REPLY: &str = "015354973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b27";
const REACTION: &str = "0158c4288911e50a8f6be3f47746b6682f10fd91bc8c05557aa589a3157aff68";

#[test]
fn original() {
    let says = markdown("Hi everyone, we just shipped release 2.0. __Good  work__!");
    let message = from(ALICE, "5eed9406c2545547ab6f09f20a18b003", says);

    check(ORIGINAL, &message);
}

#[test]
fn reply() {
    let says = markdown("Right on! _Congratulations_ 'all!");
    let message = about(
        ORIGINAL,
        from(BOB, "11a458c73b8dd2cf404db4b378b8fe4d", says),
    );

    check(REPLY, &message);
}

#[test]
fn reaction() {
    let heart = single(Disposition::Reaction, "", PLAIN, "❤".as_bytes());
    let message = about(
        ORIGINAL,
        from(CATHY, "d37bc0e6a8b4f04e9e6382375f587bf6", heart),
    );

    check(REACTION, &message);
}

#[test]
fn unlike() {
    let message = from(
        CATHY,
        "c5ba86dc9fd272e58ca52ec805b79199",
        nothing(Disposition::Reaction),
    );
    let message = replacing(REACTION, about(ORIGINAL, message));

    check(
        "013aadbb8f313253c8930f4e93c6ca54b2ed06d258185bdcec3870534c8a4ec4",
        &message,
    );
}

#[test]
fn edit() {
    let says = markdown("Right on! _Congratulations_ y'all!");
    let message = from(BOB, "b8c2e6d8800ecf45df39be6c45f4c042", says);
    let message = replacing(REPLY, about(ORIGINAL, message));

    check(
        "014028c0deddbdea56bec26172f6ede953d11024cb82b8192b5e2aea62d7fb47",
        &message,
    );
}

#[test]
fn delete() {
    let message = from(
        BOB,
        "0a590d73b2c7761c39168be5ebf7f2e6",
        nothing(Disposition::Render),
    );
    let message = replacing(REPLY, about(ORIGINAL, message));

    check(
        "011d9efc78d04d4dcf4d82b07d5199bbef37011c1f0c7e004b6111c6dda504b4",
        &message,
    );
}

#[test]
fn expiring() {
    let says = markdown(
        "__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.",
    );
    let mut message = from(ALICE, "33be993eb39f418f9295afc2ae160d2d", says);
    message.expires = Some(Expiration {
        relative: false,
        time: 1_644_390_004,
    });

    check(
        "01e59db8173939facc2c8a4a0f0ae8d0c7a11a81239626630c9464a8d6717a03",
        &message,
    );
}

#[test]
fn mention() {
    let says = markdown(
        "Kudos to [@Alice Smith](mimi://example.com/u/alice-smith) for making the release happen!",
    );
    let message = about(
        ORIGINAL,
        from(CATHY, "04f290e215d0f82d1750bfa8b7dc089d", says),
    );

    check(
        "018d825adf9f6be00dcafc5704c4102f5022e74219d0b603e4ba7622654042af",
        &message,
    );
}

#[test]
fn mention_in_html() {
    let html = r#"<p>Kudos to <a href="mimi://example.com/u/alice-smith">@Alice Smith</a> for making the release happen!</p>"#;
    let says = single(Disposition::Render, "", HTML, html.as_bytes());
    let message = about(
        ORIGINAL,
        from(CATHY, "15d9705fd5bf5e02b0af47c85f8b98fe", says),
    );

    check(
        "01967ff8e9a66819738ad5cf26d2e0388a3b81d86b0f61d129c077d043ee2a4e",
        &message,
    );
}

#[test]
fn attachment() {
    let video = External {
        content_type: "video/mp4".into(),
        url: "https://example.com/storage/8ksB4bSrrRE.mp4".into(),
        expires: 0,
        size: 708_234_961,
        encryption: 1,
        key: unhex::<16>("21399320958a6f4c745dde670d95e0d8")
            .unwrap()
            .to_vec(),
        nonce: unhex::<12>("c86cf2c33f21527d1dd76f5b").unwrap().to_vec(),
        aad: Vec::new(),
        hash_algorithm: 1,
        hash: unhex::<32>("9ab17a8cf0890baaae7ee016c7312fcc080ba46498389458ee44f0276e783163")
            .unwrap()
            .to_vec(),
        description: "2 hours of key signing video".into(),
        filename: "bigfile.mp4".into(),
    };
    let body = NestedPart {
        disposition: Disposition::Attachment,
        language: "en".into(),
        part: Part::External(Box::new(video)),
    };
    let message = from(BOB, "18fac6371e4e53f1aeaf8a013155c166", body);

    check(
        "0176180c7d19a925021fe446d241134d05c38e0d999cdc0f39c391d2377ed9d1",
        &message,
    );
}

#[test]
fn conferencing() {
    let call = External {
        url: "https://example.com/join/12345".into(),
        description: "Join the Foo 118 conference".into(),
        ..External::default()
    };
    let body = NestedPart {
        disposition: Disposition::Session,
        language: String::new(),
        part: Part::External(Box::new(call)),
    };
    let mut message = from(ALICE, "678ac6cd54de049c3e9665cd212470fa", body);
    message.topic_id = b"Foo 118".to_vec();

    check(
        "01496d15a8dba28d7397f9868b70768e4a67f765d5b5b1ae9e03848c5fdeb0ba",
        &message,
    );
}

#[test]
fn multipart_to_choose_from() {
    let fancy = "application/vnd.examplevendor-fancy-im-message";
    let opaque = unhex::<15>("dc861ebaa718fd7c3ca159f71a2001").unwrap();
    let body = multi(
        Disposition::Render,
        Semantics::ChooseOne,
        vec![
            markdown("# Welcome!"),
            single(Disposition::Render, "", fancy, &opaque),
        ],
    );
    let message = from(ALICE, "261c953e178af653fe3d42641b91d814", body);

    check(
        "01da5a515ec5db42cc4dcc19b90c3c31245d8a1cfcce11318f24eb11dce0990e",
        &message,
    );
}

#[test]
fn multipart_of_three_reactions() {
    let emoji = |text: &str| single(Disposition::Reaction, "", PLAIN, text.as_bytes());
    let body = multi(
        Disposition::Reaction,
        Semantics::ProcessAll,
        vec![emoji("❤"), emoji("🥳"), emoji("🤞")],
    );
    let message = from(ALICE, "8528dc2d92e4f1944d62042907ab94d0", body);

    check(
        "01d65918c6c51c8e76546337276ae6f4bfd873d867d5cb57c76bcdca3d999dd7",
        &message,
    );
}

#[test]
fn multipart_nested_to_the_permitted_depth() {
    let page = |language, title: &str, image, alt| {
        let html = format!(
            "<html><body><h1>{title}!</h1>\n<img src=\"cid:{image}@local.invalid\" alt=\"{alt}\"/>\n</body></html>"
        );
        single(Disposition::Render, language, HTML, html.as_bytes())
    };
    let pages = |image| {
        multi(
            Disposition::Render,
            Semantics::ChooseOne,
            vec![
                page("en", "Welcome", image, "Welcome image"),
                page("fr", "Bienvenue", image, "Image bienvenue"),
            ],
        )
    };
    let with_image = |image, kind, bytes: &[u8]| {
        let image_part = single(Disposition::Inline, "", kind, bytes);
        multi(
            Disposition::Render,
            Semantics::ProcessAll,
            vec![pages(image), image_part],
        )
    };
    let gif = unhex::<16>("dc861ebaa718fd7c3ca159f71a2001a7").unwrap();
    let png = unhex::<16>("fa444237451a05a72bb0f67037cc1669").unwrap();
    let body = multi(
        Disposition::Render,
        Semantics::ChooseOne,
        vec![
            with_image(5, "image/gif", &gif),
            with_image(10, "image/png", &png),
        ],
    );
    let message = from(ALICE, "b8362793168d18c049b882d4642a2274", body);

    check(
        "01cfebeadbdb83c1eefb6403ba4852daf8bbbf9cd53bf5035a74d5d741950c9f",
        &message,
    );
}

fn check(expected: &str, message: &MimiContent) {
    let bytes = message.encode().unwrap();
    let sender = message.extensions.sender_uri().unwrap();
    let room = message.extensions.room_uri().unwrap();

    assert_eq!(
        MessageId::of(sender, room, &bytes, &message.salt).to_string(),
        expected
    );
    assert_eq!(MimiContent::decode(&bytes).as_ref(), Ok(message));
}

fn from(sender: &str, salt: &str, body: NestedPart) -> MimiContent {
    let mut extensions = Extensions::default();
    extensions.put(&ExtensionKey::SENDER_URI, &sender);
    extensions.put(&ExtensionKey::ROOM_URI, &ROOM);
    MimiContent {
        salt: unhex(salt).unwrap(),
        replaces: None,
        topic_id: Vec::new(),
        expires: None,
        in_reply_to: None,
        extensions,
        body,
    }
}

fn about(target: &str, message: MimiContent) -> MimiContent {
    MimiContent {
        in_reply_to: Some(target.parse().unwrap()),
        ..message
    }
}

fn replacing(target: &str, message: MimiContent) -> MimiContent {
    MimiContent {
        replaces: Some(target.parse().unwrap()),
        ..message
    }
}

fn markdown(text: &str) -> NestedPart {
    single(Disposition::Render, "", MARKDOWN, text.as_bytes())
}

fn nothing(disposition: Disposition) -> NestedPart {
    NestedPart {
        disposition,
        language: String::new(),
        part: Part::Null,
    }
}
