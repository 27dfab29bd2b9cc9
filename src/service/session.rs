//! Signing in: challenges without memory, tokens and tickets in memory only. After a restart every
//! device signs in again.

use crate::service::directory::Caller;
use crate::service::error::DirectoryError;
use crate::service::house::House;
use crate::service::signature::verifies;
use hmac::{Hmac, KeyInit, Mac};
use roost_wire::api::{Challenge, SignIn, SignedIn, SocketTicket};
use roost_wire::{DeviceId, Nonce, Seconds, StateCounter, Ticket, Token, limit};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// Sessions one device may have; the oldest ends when there is one more.
const SESSIONS_PER_DEVICE_MAX: usize = 8;
/// Tickets waiting to be used, all devices together.
const TICKETS_MAX: usize = 65_536;

type TokenHash = [u8; 32];

/// Who is signed in.
#[derive(Clone)]
pub struct Sessions {
    house: Arc<House>,
    challenge_key: Arc<Zeroizing<[u8; 32]>>,
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    sessions: BTreeMap<TokenHash, Session>,
    of_device: BTreeMap<DeviceId, VecDeque<TokenHash>>,
    tickets: BTreeMap<Ticket, Session>,
}

#[derive(Clone, Copy)]
struct Session {
    caller: Caller,
    expires: Seconds,
}

impl Sessions {
    pub fn new(house: Arc<House>) -> Self {
        let challenge_key = Arc::new(Zeroizing::new(house.dice.bytes()));
        Self {
            house,
            challenge_key,
            table: Arc::default(),
        }
    }

    /// What the device must sign. Says nothing about whether the device is known.
    #[must_use]
    pub fn challenge(&self, device: &DeviceId, now: Seconds) -> Challenge {
        let expires = now.plus(limit::CHALLENGE_SECONDS);
        let tag = self.tag(device, expires).finalize().into_bytes();
        let mut nonce = [0; Nonce::BYTES];
        let bytes = expires.get().to_be_bytes().into_iter().chain(tag);
        nonce
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = from);
        Challenge {
            nonce: Nonce::new(nonce),
            server: self.house.identity.id,
        }
    }

    /// Opens a session for a device that signed its challenge.
    ///
    /// # Errors
    /// `NotSignedIn` for an unknown device, another's or an old challenge, and a wrong signature.
    pub async fn sign_in(
        &self,
        asked: &SignIn,
        known_state: StateCounter,
        now: Seconds,
    ) -> Result<(SignedIn, Caller), DirectoryError> {
        if !self.is_own_challenge(&asked.device, &asked.nonce, now) {
            return Err(DirectoryError::NotSignedIn);
        }
        let device = self.house.device(&asked.device).await?;
        let device = device.ok_or(DirectoryError::NotSignedIn)?;
        let server = self.house.identity.id;
        let message = SignIn::to_be_signed(&server, &asked.device, &asked.nonce);
        if !verifies(device.signature_key.as_bytes(), &message, &asked.signature) {
            return Err(DirectoryError::NotSignedIn);
        }
        let guest = self.house.guest(&device.account).await?;
        if guest.as_ref().is_some_and(|guest| guest.is_over(now)) {
            return Err(DirectoryError::NotSignedIn);
        }
        let caller = Caller {
            account: device.account,
            device: asked.device,
            signature_key: device.signature_key,
            guest_of: guest.map(|guest| guest.conversation),
        };
        let expires = now.plus(limit::SESSION_SECONDS);
        let token = Token::new(self.house.dice.bytes());
        self.table().open(hash(&token), Session { caller, expires });
        // It may have been removed since it was read, when there was no session to end yet.
        if !self.is_current(&caller).await? {
            self.end(&caller.device);
            return Err(DirectoryError::NotSignedIn);
        }
        let signed_in = SignedIn {
            token,
            expires,
            known_state,
            time: now,
            incarnation: self.house.identity.incarnation,
        };
        Ok((signed_in, caller))
    }

    /// Whether the device is still what it was when it proved its key.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn is_current(&self, caller: &Caller) -> Result<bool, DirectoryError> {
        let device = self.house.device(&caller.device).await?;
        Ok(device.is_some_and(|device| {
            device.account == caller.account && device.signature_key == caller.signature_key
        }))
    }

    /// Whose token this is.
    ///
    /// # Errors
    /// `NotSignedIn` for an unknown or expired one, and none.
    pub fn caller(&self, token: Option<&Token>, now: Seconds) -> Result<Caller, DirectoryError> {
        let token = hash(token.ok_or(DirectoryError::NotSignedIn)?);
        let session = self.table().sessions.get(&token).copied();
        session
            .filter(|session| now <= session.expires)
            .map(|session| session.caller)
            .ok_or(DirectoryError::NotSignedIn)
    }

    /// A pass for opening one WebSocket.
    #[must_use]
    pub fn ticket(&self, caller: Caller, now: Seconds) -> SocketTicket {
        let ticket = Ticket::new(self.house.dice.bytes());
        let expires = now.plus(limit::TICKET_SECONDS);
        let mut table = self.table();
        if table.tickets.len() >= TICKETS_MAX {
            table.tickets.retain(|_, session| now <= session.expires);
        }
        if table.tickets.len() < TICKETS_MAX {
            table.tickets.insert(ticket, Session { caller, expires });
        }
        SocketTicket { ticket }
    }

    /// Uses up a ticket.
    ///
    /// # Errors
    /// `NotSignedIn` for one that was used, is too old, or never was.
    pub fn use_ticket(&self, ticket: &Ticket, now: Seconds) -> Result<Caller, DirectoryError> {
        let session = self.table().tickets.remove(ticket);
        session
            .filter(|session| now <= session.expires)
            .map(|session| session.caller)
            .ok_or(DirectoryError::NotSignedIn)
    }

    /// Ends all sessions of a device.
    pub fn end(&self, device: &DeviceId) {
        let mut table = self.table();
        let tokens = table.of_device.remove(device).unwrap_or_default();
        for token in tokens {
            table.sessions.remove(&token);
        }
        table
            .tickets
            .retain(|_, session| session.caller.device != *device);
    }

    /// Forgets what has expired.
    pub fn sweep(&self, now: Seconds) {
        let mut table = self.table();
        table.tickets.retain(|_, session| now <= session.expires);
        table.sessions.retain(|_, session| now <= session.expires);
        let Table {
            sessions,
            of_device,
            ..
        } = &mut *table;
        of_device.retain(|_, tokens| {
            tokens.retain(|token| sessions.contains_key(token));
            !tokens.is_empty()
        });
    }

    fn is_own_challenge(&self, device: &DeviceId, nonce: &Nonce, now: Seconds) -> bool {
        let Some((expires, tag)) = nonce.as_bytes().split_first_chunk::<8>() else {
            return false;
        };
        let expires = Seconds::new(u64::from_be_bytes(*expires));
        let fresh = now <= expires && expires <= now.plus(limit::CHALLENGE_SECONDS);
        fresh && self.tag(device, expires).verify_slice(tag).is_ok()
    }

    fn tag(&self, device: &DeviceId, expires: Seconds) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.challenge_key.as_slice())
            .expect("HMAC takes keys of any length");
        mac.update(device.as_bytes());
        mac.update(&expires.get().to_be_bytes());
        mac
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn open(&mut self, token: TokenHash, session: Session) {
        let tokens = self.of_device.entry(session.caller.device).or_default();
        tokens.push_back(token);
        if tokens.len() > SESSIONS_PER_DEVICE_MAX
            && let Some(oldest) = tokens.pop_front()
        {
            self.sessions.remove(&oldest);
        }
        self.sessions.insert(token, session);
    }
}

fn hash(token: &Token) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}
