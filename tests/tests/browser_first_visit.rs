//! The first minute with a browser that does not know the server's certificate.

use anyhow::Result;
use roost_tests::browser::{Mark, Person, Station};
use roost_tests::real::RealServer;

#[tokio::test]
async fn an_untrusted_certificate_does_not_stop_messages() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(None)?;
    let ada = Person::at(&station, "Ada").await?;

    // The driver reports the warning page as an error; it is shown all the same.
    let _ = ada.opens(server.setup_link()?).await;
    ada.presses("#details-button").await?;
    ada.presses("#proceed-link").await?;
    ada.types("#join-name", "Ada").await?;
    ada.presses("#join button:not([disabled])").await?;
    ada.is_in().await?;
    ada.presses("[data-panel='new']").await?;
    ada.is_pictured("first-alone").await?;
    ada.closes_dialog().await?;
    let link = ada.invites("invite").await?;

    let ben = Person::at(&station, "Ben").await?;
    let _ = ben.opens(&link).await;
    ben.presses("#details-button").await?;
    ben.presses("#proceed-link").await?;
    ben.sees_words("Ada invites you").await?;
    ben.is_pictured("first-invite").await?;
    ben.types("#join-name", "Ben").await?;
    ben.presses("#join button:not([disabled])").await?;
    ben.says("Hello").await?;
    ben.sees_mark("Hello", Mark::Sent).await?;
    ada.leaves().await?;
    ben.leaves().await
}

#[tokio::test]
async fn without_an_invite_the_page_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::at(&station, "Ada").await?;

    ada.opens(server.origin()).await?;
    ada.sees_words("You need an invite").await?;
    ada.types("#pasted-link", "https://elsewhere.example/i/x")
        .await?;
    ada.presses("form .primary").await?;
    ada.sees_words("This is not a whole invite link").await?;
    ada.is_pictured("start-refused").await?;

    ada.opens(&format!(
        "{}/i/AQEBAQEBAQEBAQEBAQEBAQ#AgICAgICAgICAgICAgICAg",
        server.origin()
    ))
    .await?;
    ada.sees_words("Open Roost").await?;
    ada.is_pictured("start-unknown-invite").await?;
    ada.leaves().await
}

#[tokio::test]
async fn a_reload_while_joining_strands_nobody() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::at(&station, "Ben").await?;

    ben.opens(&link).await?;
    ben.types("#join-name", "Ben").await?;
    ben.finds_enabled("#join button").await?;
    server.kill()?;
    ben.presses("#join button").await?;
    ben.sees_words("The server does not answer").await?;
    server.start_again()?;
    ben.reloads().await?;

    ben.is_in().await?;
    ben.says("Hello").await?;
    ben.sees_mark("Hello", Mark::Delivered).await?;
    ada.leaves().await?;
    ben.leaves().await
}

#[tokio::test]
async fn links_that_let_nobody_in_say_why_and_the_one_that_one_came_by_leads_in() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::joined(&station, "Ben", &link).await?;

    ben.opens(&link).await?;
    ben.is_in().await?;
    ada.opens(&link).await?;
    ada.sees_words("You are Ada here already").await?;
    ada.presses("[data-action='use-link']").await?;
    ada.sees_words("This link is your own").await?;

    let cut = link.split('#').next().unwrap_or_default();
    let cleo = Person::at(&station, "Cleo").await?;
    cleo.opens(cut).await?;
    cleo.sees_words("This is not a whole invite link").await?;
    ada.leaves().await?;
    ben.leaves().await?;
    cleo.leaves().await
}

#[tokio::test]
async fn a_name_that_is_taken_can_be_changed_in_place() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let other = Person::at(&station, "Other").await?;

    other.opens(&link).await?;
    other.types("#join-name", "ada").await?;
    other.presses("#join button:not([disabled])").await?;
    other
        .sees_words("Somebody here has that name already")
        .await?;
    other.finds_enabled("#join button").await?;
    other.is_pictured("join-name-taken").await?;
    other.types("#join-name", "bel").await?;
    other.presses("#join button:not([disabled])").await?;
    other.is_in().await?;
    ada.leaves().await?;
    other.leaves().await
}
