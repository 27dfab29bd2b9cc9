//! Calls between Firefox and Chromium, between two and in a group: what arrives is judged by tone and
//! colour, in both directions.

use anyhow::{Context, Result};
use roost_tests::browser::{Colour, Fox, Media, Person, Station};
use roost_tests::real::{RealServer, free_port};

/// In front of Firefox.
const ADA: Media = Media {
    hertz: 500,
    colour: Colour::Red,
};
/// In front of Chromium, like Cleo.
const BEN: Media = Media {
    hertz: 1_000,
    colour: Colour::Blue,
};
const CLEO: Media = Media {
    hertz: 1_700,
    colour: Colour::Green,
};
const AS_IT_COMES: &str = "";
/// What browsers are like that cannot say outside of what is sealed which pictures are whole ones.
const WITHOUT_DESCRIPTORS: &str = r#"user_pref("media.peerconnection.video.use_dd", false);"#;

#[tokio::test]
async fn firefox_calls_chromium_and_both_hear_and_see_each_other() -> Result<()> {
    let circle = Circle::of(&[("Ben", BEN)], AS_IT_COMES).await?;
    let [ben] = circle.others()?;
    circle.ada.presses("#rows .row").await?;

    circle.ada.calls(true).await?;
    ben.answers(true).await?;

    circle.talks_with(ben).await?;
    circle.ada.hangs_up().await?;
    ben.is_in_no_call().await?;
    circle.part().await
}

#[tokio::test]
async fn chromium_calls_firefox_and_both_hear_and_see_each_other() -> Result<()> {
    let circle = Circle::of(&[("Ben", BEN)], AS_IT_COMES).await?;
    let [ben] = circle.others()?;

    ben.calls(true).await?;
    circle.ada.answers(true).await?;

    circle.talks_with(ben).await?;
    ben.hangs_up().await?;
    circle.ada.is_in_no_call().await?;
    circle.part().await
}

#[tokio::test]
async fn firefox_and_chromium_hear_and_see_each_other_in_a_group() -> Result<()> {
    all_meet_in_a_group(AS_IT_COMES).await
}

#[tokio::test]
async fn browsers_without_descriptors_see_and_are_seen_in_a_group() -> Result<()> {
    all_meet_in_a_group(WITHOUT_DESCRIPTORS).await
}

#[tokio::test]
async fn the_doctor_comes_to_an_end_where_firefox_refuses_to_ask() -> Result<()> {
    let circle = Circle::of(&[], AS_IT_COMES).await?;
    circle.ada.has_its_connections_watched().await?;
    circle.ada.cannot_reach("udp").await?;

    circle.ada.asks_the_doctor().await?;

    let ada = &circle.ada;
    ada.sees_words("UDP is blocked between this device and the server")
        .await?;
    ada.sees_words("Calls work from here, with what is said above.")
        .await?;
    circle.part().await
}

async fn all_meet_in_a_group(settings: &str) -> Result<()> {
    let circle = Circle::of(&[("Ben", BEN), ("Cleo", CLEO)], settings).await?;
    let [ben, cleo] = circle.others()?;
    circle.meets().await?;
    circle.ada.begins_room(true).await?;
    for person in [ben, cleo] {
        person.joins_room().await?;
        person.presses("[data-local='call-camera']").await?;
    }

    circle.ada.is_in_room_with(&["Ben", "Cleo", "You"]).await?;
    for (name, media) in [("Ben", BEN), ("Cleo", CLEO)] {
        circle.ada.hears_of(name, media).await?;
        circle.ada.sees_of(name, media.colour).await?;
    }
    for person in [ben, cleo] {
        person.hears_of("Ada", ADA).await?;
        person.sees_of("Ada", ADA.colour).await?;
    }
    circle.ada.leaves_room().await?;
    ben.is_in_room_with(&["You", "Cleo"]).await?;
    circle.part().await
}

/// Ada in front of Firefox, others in front of Chromium, each of them at the conversation with her.
struct Circle {
    ada: Fox,
    others: Vec<Person>,
    _server: RealServer,
    _station: Station,
    _folder: tempfile::TempDir,
}

impl Circle {
    /// With further settings of Firefox.
    async fn of(others: &[(&str, Media)], settings: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?.to_string();
        let server = RealServer::start(&folder.path().join("data"), &["--calls-udp", &port])?;
        let station = Station::start(Some(&server.ca()))?;
        let entry = ("Ada", server.setup_link()?);
        let ada = Fox::joined_with(&server.ca(), entry, ADA, settings).await?;
        let link = ada.invites("invite").await?;
        let mut people = Vec::new();
        for (name, media) in others {
            let person = Person::joined_with(&station, name, &link, *media).await?;
            person.says("Shall we talk?").await?;
            people.push(person);
        }
        if !people.is_empty() {
            ada.sees_words("Shall we talk?").await?;
        }
        Ok(Self {
            ada,
            others: people,
            _server: server,
            _station: station,
            _folder: folder,
        })
    }

    /// All are in a group, and have it open.
    async fn meets(&self) -> Result<()> {
        self.ada.presses("[data-panel='new']").await?;
        for person in &self.others {
            self.ada.ticks(person.name()).await?;
        }
        self.ada.types("#group-name", "Sunday hikers").await?;
        self.ada.presses("dialog[open] .primary").await?;
        self.ada.says("Who comes?").await?;
        for person in &self.others {
            person.sees_words("Sunday hikers").await?;
            person.presses_row("Sunday hikers").await?;
            person.sees("Who comes?").await?;
            // Pictures are painted without a graphics card here, so the fewer dots the better.
            person.driver().set_window_rect(0, 0, 760, 560).await?;
        }
        Ok(())
    }

    /// In a call between two.
    async fn talks_with(&self, ben: &Person) -> Result<()> {
        self.ada.hears(BEN).await?;
        self.ada
            .sees_colour("call-their-camera", BEN.colour)
            .await?;
        ben.hears(ADA).await?;
        ben.sees_colour("call-their-camera", ADA.colour).await
    }

    fn others<const COUNT: usize>(&self) -> Result<[&Person; COUNT]> {
        let others: Vec<&Person> = self.others.iter().collect();
        let others = <[&Person; COUNT]>::try_from(others);
        others.ok().context("as many as there are")
    }

    async fn part(self) -> Result<()> {
        self.ada.has_no_complaints().await?;
        for person in self.others {
            person.has_no_complaints().await?;
            person.leaves().await?;
        }
        Ok(())
    }
}
