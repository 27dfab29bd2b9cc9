//! Calls as they look from outside: to the server and whoever sees all packets, to who has a wrong
//! key, and to who was removed.

mod house;

use anyhow::{Context, Result, ensure};
use house::{ADA, House};
use roost_tests::browser::{FrameKey, Person, Seals, Station};
use roost_tests::internet;
use roost_tests::real::RealServer;
use std::collections::BTreeSet;
use std::time::Duration;

/// Frames that are looked at.
const FRAMES: u64 = 150;
/// Who is removed hears nothing more after so long.
const UNHEARD: Duration = Duration::from_secs(1);
const LOOPBACK: &str = "--allow-loopback-in-peer-connection";

#[test]
fn the_server_and_the_wire_have_no_frame_that_decodes() -> Result<()> {
    let name = "the_server_and_the_wire_have_no_frame_that_decodes";
    internet::alone(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(nothing_decodes())
    })
}

async fn nothing_decodes() -> Result<()> {
    let house = House::open(&[LOOPBACK]).await?;
    let [ada, ben, cleo] = &house.people;
    cleo.goes_only_by(Some("tcp")).await?;
    house.talks().await?;
    let route = cleo.route().await?;
    ensure!(route["relay"] == "tcp", "{route}");
    let mut hers = Seals::of(&house.station, ada).await?;
    let mut his = Seals::of(&house.station, ben).await?;

    let capture = house.captures()?;
    let (sent, heard) = tokio::try_join!(hers.passes(FRAMES), his.passes(FRAMES))?;

    let packets = capture.end()?;
    house.is_hidden(&sent.taken, &sent.given, &packets)?;
    let passed = common(&sent.given, &heard.taken);
    ensure!(passed > 0, "what came is nothing that was sealed");
    let played = common(&sent.taken, &heard.given);
    ensure!(played > 0, "what is played is nothing that was said");
    house.part().await
}

#[test]
fn the_relay_and_the_wire_have_no_frame_of_two_that_decodes() -> Result<()> {
    let name = "the_relay_and_the_wire_have_no_frame_of_two_that_decodes";
    internet::alone(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(nothing_relayed_decodes())
    })
}

async fn nothing_relayed_decodes() -> Result<()> {
    let house = House::open(&[LOOPBACK]).await?;
    let [ada, ben, _] = &house.people;
    ada.presses("[data-panel='new']").await?;
    ada.ticks("Ben").await?;
    ada.presses("dialog[open] .primary").await?;
    ada.says("Only the two of us").await?;
    ben.presses_row("Ada").await?;
    ben.sees("Only the two of us").await?;
    for person in [ada, ben] {
        person.goes_only_by(Some("udp")).await?;
        person.has_its_frames_tapped().await?;
    }
    ada.calls(true).await?;
    ben.answers(false).await?;
    ben.hears(ADA).await?;

    let capture = house.captures()?;
    let (sent, heard) = tokio::try_join!(ada.taps(FRAMES, 0), ben.taps(0, FRAMES))?;

    let packets = capture.end()?;
    // As they are relayed, nothing else can be known of them.
    let relayed = packets
        .iter()
        .filter(|it| matches!(it.first(), Some(0x40..=0x4f)));
    let relayed: Vec<_> = relayed.cloned().collect();
    house.is_hidden(&sent.given, &relayed, &packets)?;
    let played = common(&sent.given, &heard.taken);
    ensure!(played > 0, "what is played is nothing that was said");
    house.part().await
}

#[tokio::test]
async fn a_wrong_key_opens_no_frame() -> Result<()> {
    let house = House::open(&[]).await?;
    let [ada, ben, _] = &house.people;
    ben.is_given_wrong_keys(true).await?;
    ada.begins_room(true).await?;
    ben.joins_room().await?;
    let mut his = Seals::of(&house.station, ben).await?;
    his.takes(FRAMES).await?;

    let counts = ben.counts_frames().await?;
    let is_closed = counts["opened"] == 0;
    ensure!(is_closed, "frames open with a wrong key: {counts}");
    ben.hears_nothing_of("Ada").await?;

    let counts = ben.counts_frames().await?;
    ensure!(counts["opened"] == 0, "{counts}");
    ensure!(counts["refused"].as_u64() >= Some(FRAMES), "{counts}");
    let decoded = ben.frames_decoded().await?;
    ensure!(decoded == 0, "{decoded} pictures were decoded");
    ben.is_given_wrong_keys(false).await?;
    ben.leaves_room().await?;
    ben.joins_room().await?;
    ben.hears_of("Ada", ADA).await?;
    ben.sees_of("Ada", ADA.colour).await?;
    ensure!(ben.frames_decoded().await? > 0, "nothing was counted");
    house.part().await
}

#[tokio::test]
async fn the_keys_of_who_was_removed_open_nothing_more() -> Result<()> {
    let house = House::open(&[]).await?;
    let [ada, ben, cleo] = &house.people;
    house.talks().await?;
    let mut his = Seals::of(&house.station, ben).await?;
    // A path is measured with packets that went already, so browsers may hand a frame over again: it
    // opens once.
    let before = once(his.takes(FRAMES).await?.taken);
    let held = cleo.frame_keys().await?;

    ada.removes_from_room("Cleo").await?;
    cleo.is_in_no_call().await?;
    tokio::time::sleep(UNHEARD).await;
    let after = his.passes(FRAMES).await?;

    let opened = |frames: &[Option<Vec<u8>>]| frames.iter().flatten().count();
    let then = cleo.opens_frames(&held, None, &before).await?;
    let closed = before.iter().zip(&then).filter(|(_, then)| then.is_none());
    let closed: Vec<_> = closed.filter_map(|(frame, _)| frame.get(..8)).collect();
    let kids: Vec<_> = held.iter().map(|key| key.kid).collect();
    ensure!(
        closed.is_empty(),
        "{closed:x?} do not open with keys {kids:x?}"
    );
    let now = cleo.opens_frames(&held, None, &after.taken).await?;
    ensure!(
        opened(&now) == 0,
        "{} frames open with the keys of who was removed",
        opened(&now)
    );
    ben.hears_of("Ada", ADA).await?;
    house.part().await
}

#[tokio::test]
async fn a_frame_opens_once_under_its_key_in_its_place_and_no_other_bytes_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let page = Person::at(&station, "Ada").await?;
    page.opens(server.origin()).await?;
    let mut dice = Dice(0x9605);
    let sizes = [0, 1, 15, 16, 17, 100, 1_200, 5_000];
    let frames: Vec<_> = sizes.iter().map(|size| dice.bytes(*size)).collect();
    let own = key(&mut dice, true);
    let theirs = FrameKey {
        is_own: false,
        ..own.clone()
    };
    let sealed = page.seals(&own, &frames).await?;

    let late: Vec<_> = sealed.iter().rev().cloned().collect();
    let opened = page
        .opens_frames(std::slice::from_ref(&theirs), None, &late)
        .await?;
    let said: Vec<_> = frames.iter().rev().cloned().map(Some).collect();
    ensure!(opened == said, "not what was sealed");
    let again = [&sealed[..], &sealed[..]].concat();
    let opened = page
        .opens_frames(std::slice::from_ref(&theirs), None, &again)
        .await?;
    ensure!(
        opened[frames.len()..].iter().all(Option::is_none),
        "a frame opens twice"
    );
    // Another leaf, another track.
    for place in [theirs.kid / 16 + 1, theirs.kid / 16 + 256] {
        let opened = page
            .opens_frames(std::slice::from_ref(&theirs), Some(place), &sealed)
            .await?;
        let none = opened.iter().all(Option::is_none);
        ensure!(none, "a frame opens in another's place");
    }
    let other = FrameKey {
        kid: theirs.kid,
        ..key(&mut dice, false)
    };
    let opened = page.opens_frames(&[other], None, &sealed).await?;
    ensure!(
        opened.iter().all(Option::is_none),
        "another key opens a frame"
    );
    let mut changed: Vec<_> = (0..20)
        .flat_map(|_| sealed.clone())
        .map(|frame| dice.changes(frame))
        .collect();
    changed.extend((0..200).map(|size| dice.bytes(size)));
    // That nothing stops the worker, the last one shows.
    let last = [changed, vec![sealed[0].clone()]].concat();
    let opened = page.opens_frames(&[theirs], None, &last).await?;
    let (good, bad) = opened.split_last().context("frames")?;
    ensure!(bad.iter().all(Option::is_none), "a changed frame opens");
    ensure!(good.as_ref() == Some(&frames[0]), "then nothing opens");
    page.leaves().await
}

fn key(dice: &mut Dice, is_own: bool) -> FrameKey {
    FrameKey {
        // Leaf 7 in epoch 5, its camera.
        kid: 1 << 12 | 7 << 4 | 5,
        raw: dice.bytes(32),
        salt: dice.bytes(12),
        is_own,
    }
}

/// Bytes by chance, the same in every run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).map_or(0, |number| number % end)
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// A bit turned, an end cut off, or bytes added.
    fn changes(&mut self, mut frame: Vec<u8>) -> Vec<u8> {
        let at = self.below(frame.len());
        match self.below(4) {
            0 => frame.truncate(at),
            1 => {
                let count = 1 + at % 30;
                frame.extend(self.bytes(count));
            }
            _ => frame[at] ^= 1 << self.below(8),
        }
        frame
    }
}

/// Each of them once, in their order.
fn once(frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let news = frames
        .into_iter()
        .filter(|frame| seen.insert(frame.clone()));
    news.collect()
}

/// How many are in both.
fn common(some: &[Vec<u8>], others: &[Vec<u8>]) -> usize {
    let some: BTreeSet<_> = some.iter().collect();
    others.iter().filter(|it| some.contains(it)).count()
}
