//! Group calls between real browsers, through the server: what arrives is judged by tone and colour.

use anyhow::{Context, Result};
use roost_tests::browser::{Colour, Media, Person, Station};
use roost_tests::real::{RealServer, free_port};

const NAMES: [&str; 4] = ["Ada", "Ben", "Cleo", "Dov"];
const MEDIA: [Media; 4] = [
    Media {
        hertz: 440,
        colour: Colour::Red,
    },
    Media {
        hertz: 1_000,
        colour: Colour::Blue,
    },
    Media {
        hertz: 1_700,
        colour: Colour::Green,
    },
    Media {
        hertz: 2_600,
        colour: Colour::Yellow,
    },
];

#[tokio::test]
async fn four_people_hear_and_see_each_other_and_who_is_removed_does_not() -> Result<()> {
    let house = House::of(4).await?;
    let [ada, ben, cleo, dov] = house.people()?;
    ada.begins_room(true).await?;
    ada.is_in_room_with(&["You"]).await?;
    for person in [ben, cleo, dov] {
        person.joins_room().await?;
        person.presses("[data-local='call-camera']").await?;
    }
    house.all_hear_and_see_each_other().await?;
    ada.is_pictured("room-four").await?;

    ada.removes_from_room("Dov").await?;
    dov.is_in_no_call().await?;
    ada.is_in_room_with(&["You", "Ben", "Cleo"]).await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    ben.sees_of("Cleo", Colour::Green).await?;

    cleo.leaves_room().await?;
    cleo.is_in_no_call().await?;
    ada.is_in_room_with(&["You", "Ben"]).await?;
    ben.hears_of("Ada", MEDIA[0]).await?;
    house.part().await
}

/// A server, and people who are in a group with each other.
struct House {
    people: Vec<Person>,
    server: RealServer,
    _station: Station,
    _folder: tempfile::TempDir,
}

impl House {
    async fn of(count: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?.to_string();
        let data = folder.path().join("data");
        let server = RealServer::start(&data, &["--calls-udp", &port])?;
        let station = Station::start(Some(&server.ca()))?;
        let ada = Person::joined_with(&station, "Ada", server.setup_link()?, MEDIA[0]).await?;
        let link = ada.invites("invite").await?;
        let mut people = vec![ada];
        for (name, media) in NAMES.iter().zip(MEDIA).take(count).skip(1) {
            people.push(Person::joined_with(&station, name, &link, media).await?);
        }
        let house = Self {
            people,
            server,
            _station: station,
            _folder: folder,
        };
        house.meets(&NAMES[1..count]).await?;
        Ok(house)
    }

    async fn meets(&self, others: &[&str]) -> Result<()> {
        let [ada, rest @ ..] = self.people.as_slice() else {
            return Ok(());
        };
        ada.presses("[data-panel='new']").await?;
        for name in others {
            ada.ticks(name).await?;
        }
        ada.types("#group-name", "Sunday hikers").await?;
        ada.presses("dialog[open] .primary").await?;
        ada.says("Shall we talk?").await?;
        for person in rest {
            person.sees_words("Sunday hikers").await?;
            person.presses_row("Sunday hikers").await?;
            person.sees("Shall we talk?").await?;
        }
        for person in &self.people {
            person.has_its_connections_watched().await?;
        }
        Ok(())
    }

    async fn all_hear_and_see_each_other(&self) -> Result<()> {
        let all = self.people.iter().enumerate();
        let all = all.map(|(at, person)| perceives_the_others(person, at, self.people.len()));
        futures_util::future::try_join_all(all).await.map(drop)
    }

    fn people<const COUNT: usize>(&self) -> Result<[&Person; COUNT]> {
        let people: Vec<&Person> = self.people.iter().collect();
        let people = <[&Person; COUNT]>::try_from(people);
        people.ok().context("as many as there are")
    }

    async fn part(self) -> Result<()> {
        for person in self.people {
            person.has_no_complaints().await?;
            person.leaves().await?;
        }
        drop(self.server);
        Ok(())
    }
}

/// The one at this place, of so many.
async fn perceives_the_others(person: &Person, at: usize, count: usize) -> Result<()> {
    let names = &NAMES[..count];
    person.is_in_room_with(&names_but(NAMES[at], names)).await?;
    for (other, name) in names.iter().enumerate().filter(|(other, _)| *other != at) {
        person.sees_of(name, MEDIA[other].colour).await?;
        person.hears_of(name, MEDIA[other]).await?;
    }
    Ok(())
}

/// What `me` sees of who is there.
fn names_but<'a>(me: &str, all: &[&'a str]) -> Vec<&'a str> {
    let name = |name: &&'a str| if *name == me { "You" } else { *name };
    all.iter().map(name).collect()
}
