//! Calls without a mouse, and what a screen reader finds in them.

use anyhow::Result;
use roost_tests::browser::House;

#[tokio::test]
async fn a_group_call_is_begun_used_and_left_by_the_keyboard_and_everything_has_a_name()
-> Result<()> {
    let house = House::of(2).await?;
    let [ada, ben] = house.people()?;
    ada.has_a_name_for_everything().await?;

    ada.enters_by_keyboard("[data-action='room-enter'][data-video='false']")
        .await?;
    ada.is_in_room_with(&["You"]).await?;
    ben.enters_by_keyboard(".join").await?;
    ada.is_in_room_with(&["You", "Ben"]).await?;
    ada.has_a_name_for_everything().await?;

    ada.types_keys("h").await?;
    ben.sees_words("raises a hand").await?;
    ada.types_keys("m").await?;
    ben.sees_words("muted").await?;
    ada.enters_by_keyboard("[data-panel='call-link']").await?;
    ada.finds_enabled("dialog[open] [data-local='copy']")
        .await?;
    ada.has_a_name_for_everything().await?;
    ada.types_keys(thirtyfour::Key::Escape + "").await?;
    ada.finds_no("dialog[open]").await?;

    ada.enters_by_keyboard("[data-action='room-leave']").await?;
    ada.is_in_no_call().await?;
    ben.is_in_room_with(&["You"]).await?;
    ben.enters_by_keyboard("[data-action='room-leave']").await?;
    ben.is_in_no_call().await?;
    house.part().await
}
