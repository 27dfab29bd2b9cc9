//! Ada, who sends, Ben and Cleo, who listen, and what the server and the wire have of it.

use anyhow::{Result, ensure};
use roost_tests::browser::{Colour, Media, Person, Station, no_devices};
use roost_tests::capture::{Capture, Port};
use roost_tests::real::{RealServer, free_port};
use roost_tests::search::{Hits, Search};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::ops::RangeInclusive;

/// Ada sends; the others listen, and have no devices.
pub const ADA: Media = Media {
    hertz: 440,
    colour: Colour::Red,
};
/// Where relays are.
const RELAYS: RangeInclusive<u16> = 49_160..=49_259;
/// Of a frame, what is looked for: long enough to stand nowhere by chance.
const PIECE: usize = 24;
/// Passes by first.
const KNOWN: &[u8] = b"a datagram that nobody encrypted";

/// Ada, Ben and Cleo in a group with each other.
pub struct House {
    pub people: [Person; 3],
    server: RealServer,
    /// Of UDP.
    port: u16,
    pub station: Station,
    _folder: tempfile::TempDir,
}

impl House {
    pub async fn open(flags: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let data = folder.path().join("data");
        let server = RealServer::start(&data, &["--calls-udp", &port.to_string()])?;
        let station = Station::start(Some(&server.ca()))?;
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let devices = [ADA.flags(station.home())?, flags.clone()].concat();
        let none = [no_devices(), flags].concat();
        let ada = joined(&station, "Ada", server.setup_link()?, &devices).await?;
        let link = ada.invites("invite").await?;
        let ben = joined(&station, "Ben", &link, &none).await?;
        let cleo = joined(&station, "Cleo", &link, &none).await?;
        let house = Self {
            people: [ada, ben, cleo],
            server,
            port,
            station,
            _folder: folder,
        };
        house.meets().await?;
        Ok(house)
    }

    async fn meets(&self) -> Result<()> {
        let [ada, ben, cleo] = &self.people;
        ada.presses("[data-panel='new']").await?;
        ada.ticks("Ben").await?;
        ada.ticks("Cleo").await?;
        ada.types("#group-name", "Sunday hikers").await?;
        ada.presses("dialog[open] .primary").await?;
        ada.says("Shall we talk?").await?;
        for person in [ben, cleo] {
            person.sees_words("Sunday hikers").await?;
            person.presses_row("Sunday hikers").await?;
            person.sees("Shall we talk?").await?;
        }
        for person in &self.people {
            person.has_its_connections_watched().await?;
            person.driver().set_window_rect(0, 0, 760, 560).await?;
        }
        Ok(())
    }

    /// Ben and Cleo hear and see Ada.
    pub async fn talks(&self) -> Result<()> {
        let [ada, ben, cleo] = &self.people;
        ada.begins_room(true).await?;
        for person in [ben, cleo] {
            person.joins_room().await?;
        }
        for person in [ben, cleo] {
            person.hears_of("Ada", ADA).await?;
            person.sees_of("Ada", ADA.colour).await?;
        }
        Ok(())
    }

    /// Sees what comes to the server and leaves it, beginning with something known.
    pub fn captures(&self) -> Result<Capture> {
        let ports = [self.port, self.server.port()];
        // Whoever drives the browsers may have a port of TCP that relays have of UDP.
        let wanted = move |port| match port {
            Port::Udp(port) => ports.contains(&port) || RELAYS.contains(&port),
            Port::Tcp(port) => ports.contains(&port),
        };
        let capture = Capture::begin(wanted)?;
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.send_to(KNOWN, (Ipv4Addr::LOCALHOST, self.port))?;
        Ok(capture)
    }

    /// Nothing of these frames is in the server's memory or in what passed by; what the server has to
    /// have is found in the same way.
    pub fn is_hidden(
        &self,
        frames: &[Vec<u8>],
        passed_on: &[Vec<u8>],
        packets: &[Vec<u8>],
    ) -> Result<()> {
        let (plain, known) = (pieces("plain", frames), pieces("known", passed_on));
        ensure!(plain.len() > 20, "only {} pieces of frames", plain.len());
        let search = Search::for_all(&[], &[plain, known].concat())?;
        let (mut hits, mut on_wire) = (Hits::new(), Hits::new());
        let searched = search.memory(self.server.process()?, &mut hits)?;
        for packet in packets {
            search.bytes(packet, "the wire", &mut on_wire);
        }

        let of = |hits: &Hits, kind: &str| hits.keys().any(|hit| hit.word == kind);
        println!("{searched} bytes, {} packets", packets.len());
        ensure!(
            packets.iter().any(|it| it == KNOWN),
            "the capture misses what passes by"
        );
        let volume = |all: &[Vec<u8>]| all.iter().map(Vec::len).sum::<usize>();
        ensure!(
            volume(packets) > volume(passed_on),
            "the capture misses the call"
        );
        ensure!(of(&hits, "known"), "the search misses what the server has");
        ensure!(
            !of(&hits, "plain"),
            "frames that decode are in the server's memory"
        );
        ensure!(
            !of(&on_wire, "plain"),
            "frames that decode pass by: {on_wire:?}"
        );
        Ok(())
    }

    pub async fn part(self) -> Result<()> {
        for person in self.people {
            person.leaves().await?;
        }
        Ok(())
    }
}

async fn joined(station: &Station, name: &str, link: &str, flags: &[String]) -> Result<Person> {
    let person = Person::with(station, name, flags).await?;
    person.joins(link).await?;
    person.is_in().await?;
    Ok(person)
}

/// What is looked for of frames: two pieces of each that is not too small or all the same.
fn pieces(kind: &str, frames: &[Vec<u8>]) -> Vec<(String, Vec<u8>)> {
    let middles = frames.iter().flat_map(|frame| {
        let places = [frame.len() / 4, frame.len() / 2];
        places.map(|at| frame.get(at..at + PIECE).map(<[u8]>::to_vec))
    });
    let telling = |piece: &Vec<u8>| piece.iter().collect::<BTreeSet<_>>().len() > PIECE / 2;
    let pieces: BTreeSet<_> = middles.flatten().filter(telling).collect();
    let named = pieces.into_iter().map(|piece| (kind.to_owned(), piece));
    named.collect()
}
