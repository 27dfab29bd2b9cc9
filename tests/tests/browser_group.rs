//! Three people in a group with real browsers; one is removed.

use anyhow::Result;
use roost_tests::browser::{Mark, Person, Station};
use roost_tests::real::RealServer;

#[tokio::test]
async fn a_removed_member_reads_nothing_of_what_follows() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::joined(&station, "Ben", &link).await?;
    let cleo = Person::joined(&station, "Cleo", &link).await?;

    ada.presses("[data-panel='new']").await?;
    ada.ticks("Ben").await?;
    ada.ticks("Cleo").await?;
    ada.types("#group-name", "Sunday hikers").await?;
    ada.is_pictured("group-new").await?;
    ada.presses("dialog[open] .primary").await?;
    ada.sees_words("Ben, Cleo and you").await?;
    ada.says("Who brings the thermos?").await?;
    for guest in [&ben, &cleo] {
        guest.sees_words("Sunday hikers").await?;
        guest.presses_row("Sunday hikers").await?;
        guest.sees("Who brings the thermos?").await?;
    }
    cleo.says("I do").await?;
    ben.sees("I do").await?;
    ada.sees("I do").await?;
    cleo.sees_mark("I do", Mark::Delivered).await?;
    ada.is_pictured("group-talk").await?;

    ada.presses("#talk-header [data-panel='details']").await?;
    ada.is_pictured("group-details").await?;
    ada.presses("dialog[open] [aria-label='Remove Cleo']")
        .await?;
    ada.presses("dialog[open] [data-action='remove']").await?;
    ada.sees_words("You removed Cleo").await?;
    cleo.sees_words("You are no longer in this group").await?;
    ada.says("Now it is the two of us").await?;
    ben.sees("Now it is the two of us").await?;

    cleo.reloads().await?;
    cleo.sees("I do").await?;
    assert_eq!(cleo.reads().await?, ["Who brings the thermos?", "I do"]);
    cleo.is_pictured("group-removed").await?;
    for person in [ada, ben, cleo] {
        person.has_no_complaints().await?;
        person.leaves().await?;
    }
    Ok(())
}

#[tokio::test]
async fn two_tabs_of_one_browser_are_one_person() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::joined(&station, "Ben", &link).await?;
    ben.says("From the first tab").await?;
    ben.sees_mark("From the first tab", Mark::Sent).await?;
    let first = ben.driver().window().await?;

    let second = ben.driver().new_tab().await?;
    ben.driver().switch_to_window(second.clone()).await?;
    ben.opens(server.origin()).await?;
    ben.presses("#rows .row").await?;
    ben.sees("From the first tab").await?;
    ben.says("From the second tab").await?;
    ben.sees_mark("From the second tab", Mark::Sent).await?;

    ben.driver().switch_to_window(first.clone()).await?;
    ben.sees("From the second tab").await?;
    ben.driver().close_window().await?;
    ben.driver().switch_to_window(second).await?;
    ben.says("Still here").await?;
    ben.sees_mark("Still here", Mark::Sent).await?;
    ada.presses("#rows .row").await?;
    ada.sees("Still here").await?;
    assert_eq!(
        ada.reads().await?,
        ["From the first tab", "From the second tab", "Still here"]
    );
    ben.leaves().await?;
    ada.leaves().await
}
