//! A person with the real client core against a real server, over TLS.
//!
//! Owns a driver of `roost-cli` on storage in memory. Runs inside a tokio runtime.

use crate::real::RealServer;
use anyhow::{Context, Result, bail};
use roost_cli::driver::Driver;
use roost_cli::tls::Trust;
use roost_cli::vault::MemoryVault;
use roost_client::view::{MessageView, ThreadItem};
use roost_client::{Command, Notice};
use roost_wire::{AccountId, GroupId};

/// A person at one device.
pub struct Guest {
    pub name: String,
    pub driver: Driver<MemoryVault>,
}

impl Guest {
    /// Makes an account by a link.
    ///
    /// # Errors
    /// If the link does not work.
    pub async fn join(server: &RealServer, link: &str, name: &str) -> Result<Self> {
        let trust = Trust::public().and_file(&server.ca())?;
        let mut guest = Self {
            name: name.to_owned(),
            driver: Driver::open(MemoryVault::default(), trust)?,
        };
        let notices = guest
            .does(Command::Join {
                link: link.to_owned(),
                name: name.to_owned(),
            })
            .await?;
        if guest.driver.core().me().is_none() {
            bail!("{name} could not join: {notices:?}");
        }
        Ok(guest)
    }

    /// Carries a command out as far as it goes now, without a socket.
    ///
    /// # Errors
    /// If it is refused, or storage or the server fails.
    pub async fn does(&mut self, command: Command) -> Result<Vec<Notice>> {
        let notices = self.driver.settle(command).await?;
        for notice in &notices {
            if let Notice::Refused { reason } | Notice::Failed { reason, .. } = notice {
                bail!("{}: {reason}", self.name);
            }
        }
        Ok(notices)
    }

    /// Fetches and sends all there is.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub async fn syncs(&mut self) -> Result<()> {
        self.does(Command::SyncOnce).await.map(drop)
    }

    /// # Errors
    /// Before joining.
    pub fn account(&self) -> Result<AccountId> {
        let me = self.driver.core().me().context("no account yet")?;
        Ok(me.account)
    }

    /// Opens a conversation that a command answers with.
    ///
    /// # Errors
    /// If none is opened.
    pub async fn opens(&mut self, command: Command) -> Result<GroupId> {
        let notices = self.does(command).await?;
        let opened = notices.iter().find_map(|notice| match notice {
            Notice::Opened(group) => Some(*group),
            _ => None,
        });
        opened.context("no conversation was opened")
    }

    /// Everything in a conversation, oldest first.
    ///
    /// # Errors
    /// If storage fails.
    pub fn items(&mut self, group: &GroupId) -> Result<Vec<ThreadItem>> {
        self.driver.command(Command::OpenThread(*group))?;
        let has_older = |driver: &Driver<MemoryVault>| {
            let thread = driver.core().thread(group);
            thread.is_some_and(|thread| thread.has_older())
        };
        while has_older(&self.driver) {
            self.driver.command(Command::LoadOlder(*group))?;
        }
        let thread = self.driver.core().thread(group);
        Ok(thread.map_or_else(Vec::new, |thread| thread.items().to_vec()))
    }

    /// The messages of a conversation, oldest first.
    ///
    /// # Errors
    /// If storage fails.
    pub fn messages(&mut self, group: &GroupId) -> Result<Vec<MessageView>> {
        let items = self.items(group)?.into_iter();
        let messages = items.filter_map(|item| match item {
            ThreadItem::Message(message) => Some(message),
            ThreadItem::Event(_) => None,
        });
        Ok(messages.collect())
    }

    /// The texts of a conversation, oldest first.
    ///
    /// # Errors
    /// If storage fails.
    pub fn reads(&mut self, group: &GroupId) -> Result<Vec<String>> {
        let messages = self.messages(group)?.into_iter();
        Ok(messages.map(|message| message.text).collect())
    }
}
