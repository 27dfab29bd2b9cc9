//! Two people whose routers translate addresses: only the server's relay brings them together, and
//! brings them together again when one of them changes networks while they talk.

use anyhow::{Context, Result, ensure};
use roost_tests::browser::{Colour, Media, Person, Station};
use roost_tests::internet::{self, Home, SERVER};
use roost_tests::real::{RealServer, free_port};
use std::time::Duration;

const ADA: Media = Media {
    hertz: 440,
    colour: Colour::Red,
};
const BEN: Media = Media {
    hertz: 1_000,
    colour: Colour::Blue,
};
/// For as long two routers are watched to let nothing through.
const APART: Duration = Duration::from_secs(10);
/// What finding another way may take, of which 20 seconds are for hearing a tone.
const FOUND_AGAIN: Duration = Duration::from_secs(30);

#[test]
fn people_behind_routers_meet_at_the_relay_and_again_when_one_changes_networks() -> Result<()> {
    let name = "people_behind_routers_meet_at_the_relay_and_again_when_one_changes_networks";
    internet::alone(name, || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(meet_and_move())
    })
}

async fn meet_and_move() -> Result<()> {
    let mut street = Street::build().await?;
    street.stays_apart_without_the_relay().await?;

    street.ada.calls(true).await?;
    street.ben.answers(true).await?;
    street.talk().await.context("before anybody moved")?;
    let before = street.ada.ice_name().await?;
    street.home.goes_offline()?;
    street.ben.sees_words("Connecting again").await?;
    street.ben.hears_nothing().await?;
    street.home.moves()?;
    let found = tokio::time::timeout(FOUND_AGAIN, street.ben.hears(ADA));
    let late = "not found again in time";
    found.await.context(late)?.context(late)?;
    street.ada.has_restarted_since(&before).await?;
    street.talk().await.context("after she moved")?;

    street.ada.hangs_up().await?;
    street.ben.is_in_no_call().await?;
    street.ada.leaves().await?;
    street.ben.leaves().await
}

/// Ada and Ben, each in a home of their own, at the conversation with the other.
struct Street {
    ada: Person,
    ben: Person,
    /// Hers.
    home: Home,
    _stations: [Station; 2],
    _server: RealServer,
    _folder: tempfile::TempDir,
}

impl Street {
    async fn build() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?.to_string();
        let data = folder.path().join("data");
        let server = RealServer::start_at(SERVER.into(), &data, &["--calls-udp", &port])?;
        let (home, other) = (Home::build(1)?, Home::build(2)?);
        let stations = [
            Station::start_at(&home, Some(&server.ca()))?,
            Station::start_at(&other, Some(&server.ca()))?,
        ];
        let [hers, his] = &stations;
        let ada = Person::joined_with(hers, "Ada", server.setup_link()?, ADA).await?;
        let link = ada.invites("invite").await?;
        let ben = Person::joined_with(his, "Ben", &link, BEN).await?;
        ben.says("Shall we talk?").await?;
        ada.presses("#rows .row").await?;
        ada.sees("Shall we talk?").await?;
        ada.has_its_connections_watched().await?;
        ben.has_its_connections_watched().await?;
        Ok(Self {
            ada,
            ben,
            home,
            _stations: stations,
            _server: server,
            _folder: folder,
        })
    }

    /// What neither router has asked for it lets nobody bring.
    async fn stays_apart_without_the_relay(&self) -> Result<()> {
        let Self { ada, ben, .. } = self;
        ada.cannot_reach("turn").await?;
        ben.cannot_reach("turn").await?;
        ada.calls(true).await?;
        ben.answers(true).await?;
        ada.sees_words("Connecting…").await?;
        tokio::time::sleep(APART).await;
        let is_through = ada.is_connected().await?;
        ensure!(!is_through, "the routers let them through");
        ada.hangs_up().await?;
        ben.is_in_no_call().await?;
        ada.cannot_reach("").await?;
        ben.cannot_reach("").await
    }

    /// Both hear and see each other, through the server.
    async fn talk(&self) -> Result<()> {
        let Self { ada, ben, .. } = self;
        for (person, other) in [(ada, BEN), (ben, ADA)] {
            person.is_talking().await?;
            person.hears(other).await?;
            person
                .sees_colour("call-their-camera", other.colour)
                .await?;
            let route = person.route().await?;
            ensure!(
                route["local"] == "relay" || route["remote"] == "relay",
                "past the relay, by {route}"
            );
        }
        Ok(())
    }
}
