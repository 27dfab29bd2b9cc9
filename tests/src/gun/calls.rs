//! What two browsers tell each other to set up a call, and the keys of a group call's frames.
//!
//! Owns the calls that Dora and Emil make, and the check that they heard each other in them. Whoever
//! is a guest in one has a name that only the call may know, and a link with a secret. A call
//! has no topic of its own: it is named by its conversation, whose name is a canary. Of a group call
//! the server knows how each device connects to it; what it does not know are keys.

use super::canary::Canaries;
use super::planting::{DORA, People};
use crate::browser::Person;
use anyhow::{Context, Result, ensure};

impl People {
    /// Emil hears Dora. They are still talking.
    ///
    /// # Errors
    /// If they do not find each other.
    pub async fn call(&self, canaries: &mut Canaries) -> Result<()> {
        let (dora, emil) = (&self.dora, &self.emil);
        dora.presses("[data-panel='new']").await?;
        dora.ticks("emil").await?;
        dora.presses("dialog[open] .primary").await?;
        // The terminals do not see it.
        let word = canaries.passing("before the call");
        dora.says(&word).await?;
        emil.presses_row("dora").await?;
        emil.sees(&word).await?;
        dora.has_its_connections_watched().await?;
        emil.has_its_connections_watched().await?;

        dora.calls(false).await?;
        emil.answers(false).await?;
        emil.hears(DORA).await?;

        let (hers, his) = (dora.set_up_by().await?, emil.set_up_by().await?);
        for (own, told) in [(hers.own, his.theirs), (his.own, hers.theirs)] {
            let words: Vec<_> = own.into_iter().filter(|word| told.contains(word)).collect();
            // A session, a password, a fingerprint and where they are.
            ensure!(words.len() >= 4, "they told each other only {words:?}");
            words.into_iter().for_each(|word| canaries.overhear(word));
        }
        Ok(())
    }

    /// In a group, which is renamed meanwhile. They are still talking.
    ///
    /// # Errors
    /// If they do not find each other.
    pub async fn call_in_group(&self, canaries: &mut Canaries) -> Result<()> {
        let (dora, emil) = (&self.dora, &self.emil);
        dora.hangs_up().await?;
        dora.is_in_no_call().await?;
        emil.is_in_no_call().await?;
        let name = canaries.passing("calling group");
        dora.presses("[data-panel='new']").await?;
        dora.ticks("ben").await?;
        dora.ticks("emil").await?;
        dora.types("#group-name", &name).await?;
        dora.presses("dialog[open] .primary").await?;
        dora.sees_words("ben, emil and you").await?;
        emil.presses_row(&name).await?;
        dora.begins_room(false).await?;
        emil.joins_room().await?;
        emil.hears_of("dora", DORA).await?;
        self.ben.sync()?;
        let renamed = canaries.word("renamed in a call");
        self.ben.rename(&name, &renamed)?;
        dora.sees_words(&renamed).await
    }

    /// Somebody without an account comes to the group's call by its link, under a name. They stay
    /// until they are dropped.
    ///
    /// # Errors
    /// If they are not let in.
    pub async fn welcome_guest(&self, canaries: &mut Canaries) -> Result<Person> {
        let (dora, emil) = (&self.dora, &self.emil);
        let link = dora.invites_guests().await?;
        let (_, secret) = link.split_once('#').context("a link's secret")?;
        canaries.overhear(secret.to_owned());
        let name = canaries.passing("guest");
        let guest = Person::without_devices(&self.station, &name).await?;
        guest.visits(&link).await?;
        emil.sees_words(&name).await?;
        dora.lets_in(&name).await?;
        emil.is_in_room_with(&["You", "dora", &name]).await?;
        guest.hears_of("dora", DORA).await?;
        for person in [dora, emil] {
            for key in person.frame_keys().await? {
                canaries.keep("a frame key", key.raw);
            }
        }
        Ok(guest)
    }

    /// # Errors
    /// If there is no call.
    pub async fn hang_up(&self) -> Result<()> {
        self.dora.leaves_room().await?;
        self.emil.leaves_room().await
    }
}
