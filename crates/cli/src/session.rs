//! One opened home: what every command works with.

use crate::driver::Driver;
use crate::failure::Failure;
use crate::find::{self, Target};
use crate::home::{Home, Lock};
use crate::tls::Trust;
use crate::vault_file::VaultFile;
use roost_client::content::MessageId;
use roost_client::view::ThreadItem;
use roost_client::{Command, Core, Notice};
use roost_wire::{AccountId, ErrorCode, GroupId};

/// The account of a home, held alone by this process.
pub struct Session {
    driver: Driver<VaultFile>,
    home: Home,
    offline: bool,
    // Last, so that the lock is let go after the storage.
    _lock: Lock,
}

impl Session {
    /// # Errors
    /// When storage cannot be opened.
    pub fn open(home: Home, lock: Lock, trust: Trust) -> Result<Self, Failure> {
        let driver = Driver::open(VaultFile::open(home.folder())?, trust)?;
        Ok(Self {
            driver,
            home,
            offline: false,
            _lock: lock,
        })
    }

    /// Whether commands may talk to the server.
    pub const fn set_offline(&mut self, offline: bool) {
        self.offline = offline;
    }

    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    #[must_use]
    pub const fn core(&self) -> &Core {
        self.driver.core()
    }

    pub const fn driver(&mut self) -> &mut Driver<VaultFile> {
        &mut self.driver
    }

    /// Refuses to go on without an account.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none.
    pub fn need_account(&self) -> Result<(), Failure> {
        match self.core().me() {
            Some(_) => Ok(()),
            None => Err(Failure::Usage(
                "there is no account in this home; start with: roost-cli join URL --name NAME"
                    .into(),
            )),
        }
    }

    /// Gives a command, does all that can be done now, and looks at what came of it.
    ///
    /// # Errors
    /// When the command was refused, or failed for `about` or as a whole.
    pub async fn settle(
        &mut self,
        command: Command,
        about: Option<GroupId>,
    ) -> Result<Vec<Notice>, Failure> {
        let notices = if self.offline {
            self.driver.command(command)?
        } else {
            self.driver.settle(command).await?
        };
        for notice in &notices {
            match notice {
                Notice::Refused { reason } => return Err(Failure::Refused(reason.clone())),
                Notice::Failed { group, reason } if group.is_none() || *group == about => {
                    return Err(self
                        .reached()
                        .err()
                        .unwrap_or_else(|| Failure::Refused(reason.clone())));
                }
                _ => {}
            }
        }
        Ok(notices)
    }

    /// Fetches and sends everything there is.
    ///
    /// # Errors
    /// When storage fails; an unreachable server shows in [`Session::reached`].
    pub async fn sync(&mut self) -> Result<(), Failure> {
        if !self.offline {
            self.driver.settle(Command::RefreshPeople).await?;
        }
        Ok(())
    }

    /// Whether the server could be reached; commands that only show things ask at their end.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] with the reason.
    pub fn reached(&self) -> Result<(), Failure> {
        match self.driver.trouble() {
            Some(trouble) if !self.offline => Err(trouble.clone().into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the server had room for what was written; commands that change something ask at
    /// their end. What it had no room for is kept, and sent by a later command.
    ///
    /// # Errors
    /// [`Failure::Unreachable`], or [`Failure::Refused`] if its disk is full.
    pub fn taken(&self) -> Result<(), Failure> {
        self.reached()?;
        match self.driver.put_off() {
            Some(error) if error.code == ErrorCode::ReadOnly => {
                Err(Failure::Refused(error.message.clone()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Why something is not stored that should be.
    ///
    /// # Errors
    /// [`Failure::Unreachable`], or [`Failure::Refused`] with what the server said.
    pub fn stored(&self) -> Result<(), Failure> {
        self.reached()?;
        match self.driver.put_off() {
            Some(error) => Err(Failure::Refused(error.message.clone())),
            None => Ok(()),
        }
    }

    /// The person who is meant, known already or after asking the server.
    ///
    /// # Errors
    /// [`Failure::NotFound`], or [`Failure::Unreachable`] if the server could not be asked.
    pub async fn person(&mut self, typed: &str) -> Result<AccountId, Failure> {
        match find::person(&self.core().people(), typed) {
            Err(_) if !self.offline => {
                self.sync().await?;
                let found = find::person(&self.core().people(), typed);
                found.map_err(|error| self.reached().err().unwrap_or(error))
            }
            known => known,
        }
    }

    /// # Errors
    /// As [`Session::person`], for the first who is not found.
    pub async fn everyone(&mut self, typed: &[String]) -> Result<Vec<AccountId>, Failure> {
        let mut accounts = Vec::new();
        for typed in typed {
            accounts.push(self.person(typed).await?);
        }
        Ok(accounts)
    }

    /// The conversation that is meant, known already or after asking the server.
    ///
    /// # Errors
    /// [`Failure::NotFound`], or [`Failure::Unreachable`] if the server could not be asked.
    pub async fn target(&mut self, typed: &str) -> Result<Target, Failure> {
        let look = |core: &Core| find::conversation(&core.conversations(), &core.people(), typed);
        match look(self.core()) {
            Ok(Target::Group(group)) => Ok(Target::Group(group)),
            known if self.offline => known,
            // The other one may have begun the conversation meanwhile.
            Ok(Target::Nobody(_)) | Err(_) => {
                self.sync().await?;
                look(self.core()).map_err(|error| self.reached().err().unwrap_or(error))
            }
        }
    }

    /// The conversation that is meant, which must exist.
    ///
    /// # Errors
    /// As [`Session::target`], and if there is none with that person yet.
    pub async fn group(&mut self, typed: &str) -> Result<GroupId, Failure> {
        match self.target(typed).await? {
            Target::Group(group) => Ok(group),
            Target::Nobody(_) => Err(Failure::NotFound(format!(
                "there is no conversation with {typed} yet; begin one with: roost-cli send {typed} TEXT"
            ))),
        }
    }

    /// The message that is meant, on this device already or after asking the server.
    ///
    /// # Errors
    /// [`Failure::NotFound`], or [`Failure::Unreachable`] if the server could not be asked.
    pub async fn message(&mut self, group: GroupId, typed: &str) -> Result<MessageId, Failure> {
        match self.stored_message(group, typed) {
            Err(Failure::NotFound(_)) if !self.offline => {
                self.sync().await?;
                let found = self.stored_message(group, typed);
                found.map_err(|error| self.reached().err().unwrap_or(error))
            }
            stored => stored,
        }
    }

    /// Loads as much of the conversation as finding a message takes.
    fn stored_message(&mut self, group: GroupId, typed: &str) -> Result<MessageId, Failure> {
        self.driver.command(Command::OpenThread(group))?;
        loop {
            match find::message(&self.message_ids(group), typed) {
                Err(_) if self.has_older(group) => {
                    self.driver.command(Command::LoadOlder(group))?
                }
                found => return found,
            };
        }
    }

    /// Whether storage has more of a loaded conversation.
    #[must_use]
    pub fn has_older(&self, group: GroupId) -> bool {
        self.core()
            .thread(&group)
            .is_some_and(|thread| thread.has_older())
    }

    fn message_ids(&self, group: GroupId) -> Vec<MessageId> {
        let items = self.core().thread(&group).map(|thread| thread.items());
        let id = |item: &ThreadItem| match item {
            ThreadItem::Message(message) => Some(message.id),
            ThreadItem::Event(_) => None,
        };
        items.unwrap_or_default().iter().filter_map(id).collect()
    }
}
