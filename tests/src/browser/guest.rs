//! Somebody without an account, who comes to a call by its link.

use super::Person;
use anyhow::Result;

impl Person {
    /// The link by which guests come to the call that this person is in.
    ///
    /// # Errors
    /// If no link shows up.
    pub async fn invites_guests(&self) -> Result<String> {
        self.invites("call-link").await
    }

    /// Withdraws the link that was made last, and reads that it no longer works.
    ///
    /// # Errors
    /// If there is none, or it works on.
    pub async fn withdraws_link(&self) -> Result<()> {
        self.presses("[data-panel='call-link']").await?;
        self.finds_enabled("#invite-link").await?;
        self.is_pictured("guest-links").await?;
        self.presses("[data-action='withdraw-link']").await?;
        self.sees_words("This link no longer works").await?;
        self.is_pictured("guest-link-withdrawn").await?;
        self.closes_dialog().await
    }

    /// Opens the link of a call, says a name and asks to be let in.
    ///
    /// # Errors
    /// If the page does not ask for a name.
    pub async fn visits(&self, link: &str) -> Result<()> {
        self.opens(link).await?;
        self.asks_to_join().await
    }

    /// Says a name on the page of a call, and asks to be let in.
    ///
    /// # Errors
    /// If the page does not ask for a name.
    pub async fn asks_to_join(&self) -> Result<()> {
        self.types("#visit-name", self.name()).await?;
        self.presses("[data-action='visit'] button:not([disabled])")
            .await
    }

    /// Lets the guest of this name in.
    ///
    /// # Errors
    /// If nobody of that name asks.
    pub async fn lets_in(&self, name: &str) -> Result<()> {
        self.presses(&format!(
            "[data-action='room-admit'][aria-label='Let in {name}']"
        ))
        .await
    }
}
