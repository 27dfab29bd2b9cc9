//! Two people with two real browsers, who start from printed links only.

use anyhow::Result;
use roost_tests::browser::{Mark, Person, Station};
use roost_tests::real::RealServer;

#[tokio::test]
async fn two_people_talk_through_a_server_that_dies_in_between() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;

    let ada = Person::joined(&station, "Ada", server.setup_link()?).await?;
    let link = ada.invites("invite").await?;
    let ben = Person::joined(&station, "Ben", &link).await?;

    ben.says("Hello Ada").await?;
    ada.presses("#rows .row").await?;
    ada.sees("Hello Ada").await?;
    ben.sees_mark("Hello Ada", Mark::Delivered).await?;
    for number in 1..=30 {
        ada.says(&format!("Line {number}")).await?;
    }
    ben.sees("Line 30").await?;

    server.kill()?;
    ben.says("Written while the server was dead").await?;
    ben.sees_mark("Written while the server was dead", Mark::Sending)
        .await?;
    ben.sees_words("No connection to the server").await?;
    ben.is_pictured("two-people-offline").await?;
    server.start_again()?;
    ben.reloads().await?;
    ada.sees("Written while the server was dead").await?;
    ben.sees_mark("Written while the server was dead", Mark::Delivered)
        .await?;

    ada.replies("Hello Ada", "An answer to the first line")
        .await?;
    ben.sees("An answer to the first line").await?;
    ben.sees_quote("An answer to the first line", "Hello Ada")
        .await?;
    ben.presses("#messages .quote").await?;
    ben.is_shown("Hello Ada").await?;
    ben.reacts("An answer to the first line", "🦜").await?;
    ada.sees_reaction("An answer to the first line", "🦜", 1)
        .await?;
    ada.presses_reaction("An answer to the first line", "🦜")
        .await?;
    ben.sees_reaction("An answer to the first line", "🦜", 2)
        .await?;
    ada.is_pictured("two-people-ada").await?;
    let number = ada.compares_safety_number().await?;
    ada.is_pictured("two-people-safety").await?;
    ada.closes_dialog().await?;
    assert_eq!(ben.compares_safety_number().await?, number);
    ben.closes_dialog().await?;
    ben.presses_reaction("An answer to the first line", "🦜")
        .await?;
    ada.sees_reaction("An answer to the first line", "🦜", 1)
        .await?;

    ben.reloads().await?;
    ben.sees("An answer to the first line").await?;
    let mut expected = vec!["Hello Ada".to_owned()];
    expected.extend((1..=30).map(|number| format!("Line {number}")));
    expected.push("Written while the server was dead".to_owned());
    expected.push("An answer to the first line".to_owned());
    assert_eq!(ben.reads().await?, expected);
    assert_eq!(ada.reads().await?, expected);
    ada.has_no_complaints().await?;
    ben.has_no_complaints().await?;

    ada.leaves().await?;
    ben.leaves().await
}
