//! Guests of calls in real browsers that have never seen the server: asked for by name, let in by
//! somebody, heard and seen, and readers of nothing.

use anyhow::{Result, ensure};
use roost_tests::browser::{House, MEDIA, Person, Station};
use roost_tests::real::RealServer;
use serde_json::json;
use thirtyfour::Key;

#[tokio::test]
async fn a_guest_is_let_in_hears_and_sees_and_reads_nothing_of_the_conversation() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ada.says("not for guests").await?;
    ada.begins_room(false).await?;
    ben.joins_room().await?;
    let link = ada.invites_guests().await?;
    let mia = guest(&house).await?;

    mia.opens(&link).await?;
    mia.finds_enabled("[data-action='visit'] button").await?;
    mia.is_pictured("guest-asked").await?;
    mia.asks_to_join().await?;
    mia.sees_words("You asked to be let in").await?;
    mia.is_pictured("guest-waiting").await?;
    ben.sees_words("asks to be let in").await?;
    ada.sees_words("asks to be let in").await?;
    ada.is_pictured("room-door").await?;
    ben.lets_in("Mia").await?;

    ada.is_in_room_with(&["You", "Ben", "Mia"]).await?;
    ben.is_in_room_with(&["You", "Ada", "Mia"]).await?;
    mia.is_in_room_with(&["You", "Ada", "Ben"]).await?;
    mia.hears_of("Ada", MEDIA[0]).await?;
    ada.hears_of("Mia", MEDIA[2]).await?;
    for person in [ada, &mia] {
        person.presses("[data-local='call-camera']").await?;
    }
    mia.sees_of("Ada", MEDIA[0].colour).await?;
    ada.sees_of("Mia", MEDIA[2].colour).await?;
    mia.is_pictured("guest-in").await?;
    reads_nothing(&mia).await?;

    ada.removes_from_room("Mia").await?;
    mia.sees_words("You were removed from the call").await?;
    mia.is_in_no_call().await?;
    ada.is_in_room_with(&["You", "Ben"]).await?;
    mia.leaves().await?;
    house.part().await
}

#[tokio::test]
async fn a_guest_who_comes_first_waits_and_is_back_by_itself_after_a_reload() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, _] = house.people()?;
    ada.begins_room(false).await?;
    let link = ada.invites_guests().await?;
    ada.leaves_room().await?;
    ada.is_in_no_call().await?;
    let mia = guest(&house).await?;

    mia.visits(&link).await?;
    mia.sees_words("The call has not begun yet").await?;
    ada.sees_words("waits as a guest for a call to begin")
        .await?;
    ada.is_pictured("guest-waits-outside").await?;
    ada.presses("#at-door button:not([disabled])").await?;
    ada.lets_in("Mia").await?;
    mia.hears_of("Ada", MEDIA[0]).await?;
    // The button that had the focus is gone, and keys are for the call all the same.
    ada.types_keys("m").await?;
    mia.sees_words("muted").await?;
    ada.types_keys("m").await?;
    mia.hears_of("Ada", MEDIA[0]).await?;

    let unfocus = "document.activeElement.blur()";
    mia.driver().execute(unfocus, Vec::new()).await?;
    mia.types_keys(Key::Escape + "").await?;
    mia.reloads().await?;
    mia.presses("[data-action='visit'] button:not([disabled])")
        .await?;
    mia.is_in_room_with(&["You", "Ada"]).await?;
    mia.hears_of("Ada", MEDIA[0]).await?;

    ada.leaves_room().await?;
    mia.finds_enabled("[data-action='visit'] button").await?;
    mia.leaves().await?;
    house.part().await
}

#[tokio::test]
async fn a_link_that_was_withdrawn_says_so_to_who_waits_and_to_who_opens_it() -> Result<()> {
    let house = House::of(2).await?;
    let [ada, _] = house.people()?;
    ada.begins_room(false).await?;
    let link = ada.invites_guests().await?;
    let mia = guest(&house).await?;
    mia.visits(&link).await?;
    ada.sees_words("asks to be let in").await?;

    ada.withdraws_link().await?;

    mia.sees_words("This link is over").await?;
    mia.reloads().await?;
    mia.sees_words("This link to a call does not work").await?;
    mia.finds_no("form").await?;
    ada.finds_no("[data-action='room-admit']").await?;
    mia.leaves().await?;
    house.part().await
}

#[tokio::test]
async fn who_was_turned_away_by_mistake_is_let_in_from_the_dialog_and_who_leaves_is_told_so()
-> Result<()> {
    let house = House::of(2).await?;
    let [ada, _] = house.people()?;
    ada.begins_room(false).await?;
    let link = ada.invites_guests().await?;
    let mia = guest(&house).await?;
    mia.visits(&link).await?;
    ada.presses("[data-action='room-turn-away'][aria-label='Turn away Mia']")
        .await?;
    ada.finds_no("[data-action='room-admit']").await?;

    ada.presses("[data-panel='call-link']").await?;
    ada.sees_words("Turned away, and asking still").await?;
    ada.is_pictured("guest-turned-away").await?;
    ada.lets_in("Mia").await?;
    ada.closes_dialog().await?;
    mia.is_in_room_with(&["You", "Ada"]).await?;

    mia.leaves_room().await?;
    mia.sees_words("You have left the call").await?;
    mia.is_pictured("guest-left").await?;
    mia.leaves().await?;
    house.part().await
}

#[tokio::test]
async fn a_link_of_a_call_that_is_none_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = RealServer::start(&folder.path().join("data"), &[])?;
    let station = Station::start(Some(&server.ca()))?;
    let mia = Person::at(&station, "Mia").await?;
    let origin = server.origin();

    mia.opens(&format!("{origin}/c/AQEBAQEBAQEBAQEBAQEBAQ#x"))
        .await?;
    mia.sees_words("This link to a call does not work").await?;
    mia.finds_no("form").await?;
    mia.leaves().await
}

async fn guest(house: &House) -> Result<Person> {
    let flags = MEDIA[2].flags(house.station.home())?;
    let mia = Person::with(&house.station, "Mia", &flags).await?;
    mia.driver().set_window_rect(0, 0, 760, 560).await?;
    Ok(mia)
}

/// No list, no conversation, no word of it; and nothing in the store under the account's name.
async fn reads_nothing(guest: &Person) -> Result<()> {
    let script = "return indexedDB.databases().then(found => [\
        document.querySelectorAll('#rows, #messages, #text').length,\
        document.body.textContent.includes('not for guests'),\
        document.body.textContent.includes('Sunday hikers'),\
        found.map(({ name }) => name).includes('roost'),\
        localStorage.getItem('roost-account')])";
    let found = guest.driver().execute(script, Vec::new()).await?;
    let nothing = json!([0, false, false, false, null]);
    ensure!(*found.json() == nothing, "{:?}", found.json());
    Ok(())
}
