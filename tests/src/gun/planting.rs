//! Everything that people write, written through real clients: three homes of `roost-cli` and two
//! Chromium profiles.
//!
//! Owns who says what to whom, and the check that it arrived: words that nobody could read would
//! prove nothing. Reactions are canaries as well, since any emoji may be one.

use super::canary::Canaries;
use crate::browser::{Colour, Mark, Media, Person, Station};
use crate::real::RealServer;
use crate::terminal::Terminal;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// How many people there are, with the guest of a call.
pub const CLIENTS: usize = 6;

/// What Dora's devices deliver. Emil's browser gives pages none, so that it tells nobody its
/// addresses and makes up names for them.
pub const DORA: Media = Media {
    hertz: 440,
    colour: Colour::Red,
};

/// The people, still connected: the browsers stay open as long as this lives.
pub struct People {
    ada: Terminal,
    pub(super) ben: Terminal,
    cem: Terminal,
    pub(super) dora: Person,
    pub(super) emil: Person,
    pub(super) station: Station,
}

impl People {
    /// Everybody joins by a link; `control` is the name of the first.
    ///
    /// # Errors
    /// If a client is missing or a link does not work.
    pub async fn join(server: &RealServer, folder: &Path, control: &str) -> Result<Self> {
        let station =
            Station::start(Some(&server.ca())).context("a real browser has to take part")?;
        let ada = Terminal::join(server, folder, server.setup_link()?, control)?;
        let link = server.invite(5)?;
        let ben = Terminal::join(server, folder, &link, "ben")?;
        let cem = Terminal::join(server, folder, &link, "cem")?;
        let dora = Person::joined_with(&station, "dora", &link, DORA)
            .await
            .context("a real browser has to take part (apt-get install chromium)")?;
        let emil = Person::joined_without(&station, "emil", &link).await?;
        Ok(Self {
            ada,
            ben,
            cem,
            dora,
            emil,
            station,
        })
    }

    /// They exchange every kind of thing people write.
    ///
    /// # Errors
    /// If something cannot be said, or does not arrive.
    pub async fn talk(&self, canaries: &mut Canaries) -> Result<()> {
        let mut conversations = vec!["@ben".to_owned(), "@cem".to_owned(), "@dora".to_owned()];
        conversations.push(self.terminals_talk(canaries)?);
        self.browser_opens_a_direct_conversation(canaries).await?;
        conversations.push(self.browser_founds_a_group(canaries).await?);
        self.arrived(canaries, &conversations)
    }

    fn terminals(&self) -> [&Terminal; 3] {
        [&self.ada, &self.ben, &self.cem]
    }

    fn terminals_sync(&self) -> Result<()> {
        self.terminals().into_iter().try_for_each(Terminal::sync)
    }

    /// In a group and in pairs; the group's id.
    fn terminals_talk(&self, canaries: &mut Canaries) -> Result<String> {
        let terminals = self.terminals();
        let room = self
            .ada
            .new_group(&canaries.passing("group"), &["@ben", "@cem"])?;
        self.terminals_sync()?;
        let mut said = Vec::new();
        for round in 0..9 {
            let speaker = terminals[round % 3];
            said.push(speaker.send(&room, &canaries.word("text"), None)?);
            said.push(speaker.send(&room, &canaries.word("long text ").repeat(3), None)?);
            let reply = canaries.word("reply");
            speaker.send(&room, &reply, said.get(round / 2).map(String::as_str))?;
            terminals[(round + 1) % 3].sync()?;
        }
        self.terminals_sync()?;
        for (round, message) in said.iter().enumerate() {
            terminals[(round + 1) % 3].react(&room, message, &canaries.emoji())?;
        }
        for (speaker, to) in [
            (&self.ada, "@ben"),
            (&self.ben, "@cem"),
            (&self.cem, "@ben"),
        ] {
            for _ in 0..5 {
                speaker.send(to, &canaries.word("direct"), None)?;
            }
        }
        self.ada.rename(&room, &canaries.word("renamed"))?;
        self.terminals_sync()?;
        Ok(room)
    }

    async fn browser_opens_a_direct_conversation(&self, canaries: &mut Canaries) -> Result<()> {
        let dora = &self.dora;
        dora.presses("[data-panel='new']").await?;
        dora.ticks("ben").await?;
        dora.presses("dialog[open] .primary").await?;
        for _ in 0..3 {
            let word = canaries.word("browser direct");
            dora.says(&word).await?;
            dora.sees_mark(&word, Mark::Sent).await?;
        }
        self.ben.sync()?;
        let answer = canaries.word("direct answer");
        self.ben.send("@dora", &answer, None)?;
        dora.sees(&answer).await?;
        dora.replies(&answer, &canaries.word("browser direct reply"))
            .await
    }

    /// The group's name, once it was changed.
    async fn browser_founds_a_group(&self, canaries: &mut Canaries) -> Result<String> {
        let dora = &self.dora;
        let name = canaries.passing("browser group");
        dora.presses("[data-panel='new']").await?;
        dora.ticks("ben").await?;
        dora.ticks("cem").await?;
        dora.types("#group-name", &name).await?;
        dora.presses("dialog[open] .primary").await?;
        dora.sees_words("ben, cem and you").await?;
        for _ in 0..6 {
            let word = canaries.word("browser text");
            dora.says(&word).await?;
            dora.sees_mark(&word, Mark::Sent).await?;
            for terminal in [&self.ben, &self.cem] {
                terminal.sync()?;
            }
            let answer = canaries.word("answer");
            let answered = self.ben.id_of(&name, &word)?;
            self.ben.send(&name, &answer, Some(&answered))?;
            let emoji = canaries.emoji();
            self.cem.react(&name, &answered, &emoji)?;
            dora.sees_reaction(&word, &emoji, 1).await?;
            dora.sees_quote(&answer, &word).await?;
            dora.replies(&answer, &canaries.word("browser reply"))
                .await?;
            let emoji = canaries.emoji();
            dora.reacts(&answer, &emoji).await?;
            dora.sees_reaction(&answer, &emoji, 1).await?;
        }
        let renamed = canaries.word("browser renamed");
        self.ben.rename(&name, &renamed)?;
        dora.sees_words(&renamed).await?;
        Ok(renamed)
    }

    fn arrived(&self, canaries: &Canaries, conversations: &[String]) -> Result<()> {
        self.terminals_sync()?;
        let mut shown = String::new();
        for terminal in self.terminals() {
            shown += &terminal.groups()?;
            for conversation in conversations {
                // Not everybody is in all of them.
                shown += &terminal.log(conversation).unwrap_or_default();
            }
        }
        let missing = canaries.lasting().filter(|word| !shown.contains(*word));
        let missing: Vec<_> = missing.collect();
        if missing.is_empty() {
            Ok(())
        } else {
            bail!("never arrived: {missing:?}")
        }
    }
}
