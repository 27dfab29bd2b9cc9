//! People in a group of a server of their own, each with a microphone and a camera.

use super::media::{Colour, Media};
use super::{Person, Station};
use crate::real::{RealServer, free_port};
use anyhow::{Context, Result};

pub const NAMES: [&str; 4] = ["Ada", "Ben", "Cleo", "Dov"];
pub const MEDIA: [Media; 4] = [
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

/// A server, and people who are in a group with each other.
pub struct House {
    pub people: Vec<Person>,
    pub server: RealServer,
    pub station: Station,
    _folder: tempfile::TempDir,
}

impl House {
    /// The first so many of [`NAMES`], each with their own of [`MEDIA`].
    ///
    /// # Errors
    /// If the server or a browser does not start.
    pub async fn of(count: usize) -> Result<Self> {
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
            station,
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
            // Pictures are painted without a graphics card here, so the fewer dots the better.
            person.driver().set_window_rect(0, 0, 760, 560).await?;
        }
        Ok(())
    }

    /// # Errors
    /// If somebody does not hear somebody.
    pub async fn all_hear_each_other(&self) -> Result<()> {
        for (at, person) in self.people.iter().enumerate() {
            let names = &NAMES[..self.people.len()];
            person.is_in_room_with(&names_but(NAMES[at], names)).await?;
            for (name, media) in self.others(at) {
                person.hears_of(name, media).await?;
            }
        }
        Ok(())
    }

    /// # Errors
    /// If somebody does not see somebody.
    pub async fn all_see_each_other(&self) -> Result<()> {
        for (at, person) in self.people.iter().enumerate() {
            for (name, media) in self.others(at) {
                person.sees_of(name, media.colour).await?;
            }
        }
        Ok(())
    }

    fn others(&self, at: usize) -> impl Iterator<Item = (&'static str, Media)> + use<> {
        let all = NAMES.into_iter().zip(MEDIA).take(self.people.len());
        let others = all.enumerate().filter(move |(other, _)| *other != at);
        others.map(|(_, other)| other)
    }

    /// Everybody.
    ///
    /// # Errors
    /// If there are more or fewer.
    pub fn people<const COUNT: usize>(&self) -> Result<[&Person; COUNT]> {
        let people: Vec<&Person> = self.people.iter().collect();
        let people = <[&Person; COUNT]>::try_from(people);
        people.ok().context("as many as there are")
    }

    /// Everybody closes the browser.
    ///
    /// # Errors
    /// If a page complained of something.
    pub async fn part(self) -> Result<()> {
        for person in self.people {
            person.has_no_complaints().await?;
            person.leaves().await?;
        }
        drop(self.server);
        Ok(())
    }
}

/// What `me` sees of who is there.
fn names_but<'a>(me: &str, all: &[&'a str]) -> Vec<&'a str> {
    let name = |name: &&'a str| if *name == me { "You" } else { *name };
    all.iter().map(name).collect()
}
