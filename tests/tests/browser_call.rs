//! Calls between two real browsers, whose cameras and microphones deliver a colour and a tone of
//! their own: what arrives is judged by these.

use anyhow::{Context, Result, ensure};
use roost_tests::browser::{Colour, Media, Person, SCREEN, Station};
use roost_tests::real::{RealServer, free_port};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

const ADA: Media = Media {
    hertz: 440,
    colour: Colour::Red,
};
const BEN: Media = Media {
    hertz: 1_000,
    colour: Colour::Blue,
};

#[tokio::test]
async fn two_people_hear_and_see_each_other_by_every_way_there_is() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;

    for (way, expected) in [
        (None, json!(["host", "prflx", "srflx"])),
        (Some("udp"), json!(["udp"])),
        (Some("tcp"), json!(["tcp"])),
        (Some("tls"), json!(["tls"])),
    ] {
        ada.goes_only_by(way).await?;
        ben.goes_only_by(way).await?;
        ada.calls(true).await?;
        ben.answers(true).await?;
        pair.talks_with_pictures().await?;
        for person in [ada, ben] {
            let route = person.route().await?;
            let used = if way.is_some() {
                route["relay"].clone()
            } else {
                route["local"].clone()
            };
            let is_expected = |wanted: &Vec<Value>| wanted.contains(&used);
            ensure!(
                expected.as_array().is_some_and(is_expected),
                "{way:?} went by {route}"
            );
        }
        if way == Some("udp") {
            ada.is_pictured("call-two").await?;
        }
        ada.hangs_up().await?;
        ben.is_in_no_call().await?;
        ada.is_in_no_call().await?;
    }
    ada.has_no_complaints().await?;
    ben.has_no_complaints().await?;
    pair.part().await
}

#[tokio::test]
async fn a_call_survives_a_server_that_is_started_anew() -> Result<()> {
    let mut pair = Pair::meet().await?;
    pair.ada.calls(false).await?;
    pair.ben.answers(false).await?;
    pair.ada.is_talking().await?;
    pair.ben.hears(ADA).await?;

    pair.server.kill()?;
    pair.ada.hears(BEN).await?;
    pair.server.start_again()?;
    pair.ben.hears(ADA).await?;

    pair.ben.hangs_up().await?;
    pair.ada.is_in_no_call().await?;
    pair.part().await
}

#[tokio::test]
async fn a_key_that_was_changed_on_its_way_fails_the_call_before_anything_is_heard() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;
    ada.is_told_another_key().await?;

    ada.calls(true).await?;
    ben.answers(true).await?;
    let (adas, bens) = tokio::join!(ada.hears_nothing(), ben.hears_nothing());

    adas.and(bens)?;
    ada.is_pictured("call-forged").await?;
    for person in [ada, ben] {
        person
            .sees_words("somebody in between may have changed them")
            .await?;
        person.presses("[data-action='call-dismiss']").await?;
        person.is_in_no_call().await?;
    }
    ben.sees_words("Video call, failed").await?;
    pair.part().await
}

#[tokio::test]
async fn who_is_called_sees_who_calls_and_may_decline() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;

    ada.calls(true).await?;
    ben.sees_words("Ada calls").await?;
    ben.is_pictured("call-rings").await?;
    ada.sees_words("Ringing").await?;
    ada.is_pictured("call-calling").await?;
    ben.presses("[data-action='call-decline']").await?;
    ada.sees_words("Ben declined").await?;
    ada.is_in_no_call().await?;

    ada.calls(false).await?;
    ben.sees_words("Voice call").await?;
    ada.hangs_up().await?;
    ben.is_in_no_call().await?;
    ben.sees_words("Missed call").await?;
    pair.part().await
}

#[tokio::test]
async fn what_one_switches_the_other_sees() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;
    ada.calls(false).await?;
    ben.answers(false).await?;
    ben.hears(ADA).await?;

    ada.presses("[data-local='call-camera']").await?;
    ben.sees_colour("call-their-camera", ADA.colour).await?;
    ada.presses("[data-local='call-mic']").await?;
    ben.sees_words("muted").await?;
    ada.presses("[data-local='call-mic']").await?;
    ben.hears(ADA).await?;
    ada.presses("[data-local='call-screen']").await?;
    ben.sees_colour("call-their-screen", SCREEN).await?;
    ben.sees_colour("call-their-camera", ADA.colour).await?;
    ben.is_pictured("call-screen").await?;
    ada.presses("[data-local='call-screen'][aria-pressed='true']")
        .await?;
    ben.sees_no_more("call-their-screen").await?;
    ben.sees_colour("call-their-camera", ADA.colour).await?;
    ada.presses("[data-action='call-small']").await?;
    ada.says("written while talking").await?;
    ben.is_pictured("call-camera").await?;
    ben.presses("[data-action='call-small']").await?;
    ben.sees("written while talking").await?;
    ben.is_pictured("call-small").await?;

    ada.reloads().await?;
    ben.is_in_no_call().await?;
    pair.part().await
}

#[tokio::test]
async fn two_who_call_each_other_at_once_are_in_one_call() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;

    // Whoever is slower may be rung first: the button is still there then and does nothing.
    let button = "[data-action='call-start'][data-video='false']";
    let (one, other) = tokio::join!(ada.presses(button), ben.presses(button));

    one.and(other)?;
    ada.answers_if_rung().await?;
    ben.answers_if_rung().await?;
    ada.hears(BEN).await?;
    ben.hears(ADA).await?;
    pair.part().await
}

#[tokio::test]
async fn who_has_a_dialog_open_can_answer() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;
    ben.presses("[data-panel='details']").await?;
    ben.sees_words("People and details").await?;

    ada.calls(false).await?;
    ben.answers(false).await?;

    ben.hears(ADA).await?;
    pair.part().await
}

#[tokio::test]
async fn no_button_becomes_another_one_under_the_finger() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let page = Person::at(&station, "Ada").await?;
    page.opens(server.origin()).await?;
    let script = "return (async () => {
        const [app] = document.querySelectorAll('script[src$=\"app.js\"]');
        const { fill } = await import(app.src.replace('app.js', 'patch.js'));
        const list = document.body.appendChild(document.createElement('p'));
        list.id = 'people';
        const shows = (person, words) => {
            fill(['people', `<button data-action=\"remove\" data-person=\"${person}\">${words}</button>`]);
            return list.children[0];
        };
        const aimed = shows('one', 'Remove');
        return [shows('one', 'Wait') === aimed, shows('other', 'Wait') === aimed, aimed.dataset.person];
    })()";

    let found = page.driver().execute(script, vec![]).await?;

    ensure!(*found.json() == json!([true, false, "one"]), "{found:?}");
    page.leaves().await
}

#[tokio::test]
async fn a_microphone_is_not_left_open_when_the_tab_that_leads_is_closed() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;
    // The first tab leads, the second one has the call.
    let first = ada.driver().window().await?;
    let second = ada.driver().new_tab().await?;
    ada.driver().switch_to_window(second.clone()).await?;
    ada.opens(pair.server.origin()).await?;
    ada.is_in().await?;
    ada.has_its_connections_watched().await?;
    ada.presses("#rows .row").await?;
    ada.calls(false).await?;
    ben.answers(false).await?;
    ben.hears(ADA).await?;

    ada.driver().switch_to_window(first).await?;
    ada.driver().close_window().await?;
    ada.driver().switch_to_window(second).await?;

    ada.lets_go_of(1).await?;
    ada.is_in_no_call().await?;
    ben.is_in_no_call().await?;
    pair.part().await
}

#[tokio::test]
async fn who_may_not_use_the_microphone_is_told_and_the_call_goes_on() -> Result<()> {
    let pair = Pair::meet_with(None, false).await?;
    let Pair { ada, ben, .. } = &pair;

    ada.calls(true).await?;
    ben.answers(true).await?;
    ben.is_talking().await?;

    ben.sees_words("the browser may not use the microphone")
        .await?;
    ben.sees_words("The browser may not use the camera").await?;
    ada.sees_words("muted").await?;
    ben.hears(ADA).await?;
    ben.sees_colour("call-their-camera", ADA.colour).await?;
    ben.is_pictured("call-refused").await?;
    ada.hangs_up().await?;
    ben.is_in_no_call().await?;
    ben.asks_the_doctor().await?;
    ben.sees_words("The browser may not use the camera").await?;
    pair.part().await
}

#[tokio::test]
async fn while_the_browser_asks_for_devices_the_call_says_what_to_allow() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;

    ben.is_asked_for_devices().await?;
    ada.calls(true).await?;
    ben.answers(true).await?;
    ben.sees_words("If the browser asks for the microphone and the camera, allow both.")
        .await?;

    ben.is_pictured("call-asking").await?;
    ada.hangs_up().await?;
    ben.is_in_no_call().await?;
    pair.part().await
}

#[tokio::test]
async fn the_doctor_names_what_keeps_calls_from_working() -> Result<()> {
    let pair = Pair::meet().await?;
    let Pair { ada, ben, .. } = &pair;
    ada.asks_the_doctor().await?;
    ada.sees_words("Calls work from here, with what is said above.")
        .await?;
    ada.is_pictured("call-doctor").await?;
    ada.presses("[data-local='echo']").await?;
    ada.sees_words("you hear it a moment later").await?;
    ada.hears_in("echo-sound", ADA).await?;
    ada.closes_dialog().await?;
    ada.finds_no("#echo-sound").await?;

    ben.cannot_reach("udp").await?;
    ben.asks_the_doctor().await?;
    ben.sees_words("Calls work from here, with what is said above.")
        .await?;
    ben.sees_words("UDP is blocked between this device and the server")
        .await?;
    ben.closes_dialog().await?;
    ben.cannot_reach("turn").await?;
    ben.asks_the_doctor().await?;
    ben.sees_words(&format!("forward UDP {}", pair.relay))
        .await?;
    ben.sees_words("Calls work from here only with people in the same network.")
        .await?;
    pair.part().await
}

#[tokio::test]
async fn the_doctor_names_an_address_at_which_the_relay_is_not() -> Result<()> {
    let elsewhere = elsewhere();
    let pair = Pair::meet_at(Some(elsewhere)).await?;

    pair.ada.asks_the_doctor().await?;

    let words = format!("The relay says it is at {elsewhere}");
    pair.ada.sees_words(&words).await?;
    pair.ada.sees_words("calls.external").await?;
    pair.part().await
}

/// Ada and Ben, each at the conversation with the other.
struct Pair {
    server: RealServer,
    /// The port of the relay.
    relay: u16,
    ada: Person,
    ben: Person,
    _station: Station,
    _folder: tempfile::TempDir,
}

impl Pair {
    async fn meet() -> Result<Self> {
        Self::meet_at(None).await
    }

    /// With a relay that says it is there.
    async fn meet_at(external: Option<IpAddr>) -> Result<Self> {
        Self::meet_with(external, true).await
    }

    async fn meet_with(external: Option<IpAddr>, ben_is_heard: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("roost.toml");
        let external = external.map_or_else(String::new, |at| format!("external = '{at}'\n"));
        let relay = free_port()?;
        std::fs::write(&config, format!("[calls]\nudp = {relay}\n{external}"))?;
        let config = config.to_str().context("a path of letters")?;
        let options = ["--config", config];
        let server = RealServer::start(&folder.path().join("data"), &options)?;
        let station = Station::start(Some(&server.ca()))?;
        let ada = Person::joined_with(&station, "Ada", server.setup_link()?, ADA).await?;
        let link = ada.invites("invite").await?;
        let ben = if ben_is_heard {
            Person::joined_with(&station, "Ben", &link, BEN).await?
        } else {
            Person::joined_without(&station, "Ben", &link).await?
        };
        ben.says("Shall we talk?").await?;
        ada.presses("#rows .row").await?;
        ada.sees("Shall we talk?").await?;
        ada.has_its_connections_watched().await?;
        ben.has_its_connections_watched().await?;
        Ok(Self {
            server,
            relay,
            ada,
            ben,
            _station: station,
            _folder: folder,
        })
    }

    async fn talks_with_pictures(&self) -> Result<()> {
        self.ada.is_talking().await?;
        self.ben.is_talking().await?;
        self.ben
            .sees_colour("call-their-camera", ADA.colour)
            .await?;
        self.ada
            .sees_colour("call-their-camera", BEN.colour)
            .await?;
        self.ben.hears(ADA).await?;
        self.ada.hears(BEN).await
    }

    async fn part(self) -> Result<()> {
        self.ada.leaves().await?;
        self.ben.leaves().await
    }
}

/// An address of this machine that the server does not listen at: none answers, and nothing
/// leaves. Where there is no network, nothing leaves either.
fn elsewhere() -> IpAddr {
    let nobody = IpAddr::from([203, 0, 113, 9]);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0));
    // Connecting sends nothing: it looks which address would be used.
    let own = socket.and_then(|socket| {
        socket.connect((nobody, 9))?;
        socket.local_addr()
    });
    own.map_or(nobody, |own| own.ip())
}
