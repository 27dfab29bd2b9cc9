//! A member that sends what nobody can use.
//!
//! Owns the spoiling of a client's commits and messages after they were built: the server, which
//! cannot check tags and secrets, accepts them; members must refuse. The member itself is shown
//! what it meant to send, so that it believes in its commit as a hostile client would.

use roost_client::{HttpCall, HttpReply, Input};
use roost_wire::api::{self, FetchLog, LogPage, SubmitCommit, SubmitMessage};
use roost_wire::frame::{ClientFrame, ServerFrame};
use roost_wire::log::LogEntry;
use roost_wire::{Blob, Call, EntryHash, List, limit};
use std::collections::{BTreeMap, BTreeSet};

/// What one client does to what it sends. The default: nothing.
#[derive(Default)]
pub struct Mischief {
    /// Spoil the next so many commits.
    pub commits: u32,
    /// Spoil the next so many messages.
    pub messages: u32,
    /// The server keeps droppable signals from this client.
    pub deaf: bool,
    /// Nobody can open this client's droppable signals.
    pub hoarse: bool,
    /// The last of them.
    pub last_signal: Option<Vec<u8>>,
    honest: BTreeSet<EntryHash>,
    /// From what was meant to what was sent.
    spoiled: BTreeMap<EntryHash, Vec<u8>>,
    /// From what was sent to what was meant.
    meant: BTreeMap<EntryHash, Vec<u8>>,
}

impl Mischief {
    /// Whether an entry of the log was spoiled on its way out.
    #[must_use]
    pub fn has_spoiled(&self, hash: &EntryHash) -> bool {
        self.meant.contains_key(hash)
    }

    #[must_use]
    pub fn taint_call(&mut self, mut call: HttpCall) -> HttpCall {
        if call.path.ends_with("/commits") {
            if let Ok(mut request) = api::decode::<SubmitCommit>(&call.body, "commit", usize::MAX) {
                let spoils = self.commits > 0;
                let (commit, fresh) = self.taint(request.commit.into_bytes(), spoils, spoil_commit);
                self.commits -= u32::from(fresh);
                request.commit = Blob::new(commit).unwrap_or_default();
                call.body = api::encode(&request);
            }
        } else if call.path.ends_with("/messages")
            && let Ok(mut request) = api::decode::<SubmitMessage>(&call.body, "message", usize::MAX)
        {
            request.message = self.taint_message(request.message);
            call.body = api::encode(&request);
        }
        call
    }

    #[must_use]
    pub fn taint_frame(&mut self, frame: Vec<u8>) -> Vec<u8> {
        match ClientFrame::parse(&frame) {
            Ok(ClientFrame::Submit {
                request,
                message,
                began,
            }) => ClientFrame::Submit {
                request,
                message: self.taint_message(message),
                began,
            }
            .to_bytes(),
            Ok(ClientFrame::Ephemeral { group, .. }) if self.hoarse => {
                let sealed = Blob::new(vec![0; 64]).unwrap_or_default();
                ClientFrame::Ephemeral { group, sealed }.to_bytes()
            }
            Ok(ClientFrame::Ephemeral { sealed, .. }) => {
                self.last_signal = Some(sealed.into_bytes());
                frame
            }
            _ => frame,
        }
    }

    /// What the client sees: its own entries as it meant them.
    #[must_use]
    pub fn colour(&self, input: Input) -> Input {
        if let (true, Input::Frame(frame)) = (self.deaf, &input)
            && let Ok(ServerFrame::Ephemeral { .. }) = ServerFrame::parse(frame)
        {
            return Input::Tick;
        }
        if self.meant.is_empty() {
            return input;
        }
        match input {
            Input::Frame(frame) => Input::Frame(self.colour_frame(frame)),
            Input::Reply {
                call,
                result: Ok(reply),
            } => Input::Reply {
                call,
                result: Ok(self.colour_reply(reply)),
            },
            other => other,
        }
    }

    fn taint_message(
        &mut self,
        message: Blob<{ limit::MESSAGE_BYTES }>,
    ) -> Blob<{ limit::MESSAGE_BYTES }> {
        let spoils = self.messages > 0;
        let (message, fresh) = self.taint(message.into_bytes(), spoils, spoil_message);
        self.messages -= u32::from(fresh);
        Blob::new(message).unwrap_or_default()
    }

    /// The same bytes are treated the same each time they are sent.
    fn taint(&mut self, bytes: Vec<u8>, spoils: bool, spoil: fn(&mut [u8])) -> (Vec<u8>, bool) {
        let hash = EntryHash::of(&bytes);
        if let Some(known) = self.spoiled.get(&hash) {
            return (known.clone(), false);
        }
        if !spoils || self.honest.contains(&hash) {
            self.honest.insert(hash);
            return (bytes, false);
        }
        let mut bad = bytes.clone();
        spoil(&mut bad);
        self.meant.insert(EntryHash::of(&bad), bytes);
        self.spoiled.insert(hash, bad.clone());
        (bad, true)
    }

    fn colour_frame(&self, frame: Vec<u8>) -> Vec<u8> {
        match ServerFrame::parse(&frame) {
            Ok(ServerFrame::Event { group, entry }) => {
                let entry = self.colour_entry(entry);
                ServerFrame::Event { group, entry }.to_bytes()
            }
            _ => frame,
        }
    }

    fn colour_reply(&self, reply: HttpReply) -> HttpReply {
        match FetchLog::reply(&reply.body) {
            Ok(page) if reply.status == 200 && !page.entries.as_slice().is_empty() => {
                let entries = page.entries.into_vec().into_iter();
                let entries = entries.map(|entry| self.colour_entry(entry)).collect();
                let page = LogPage {
                    entries: List::capped(entries),
                    ..page
                };
                HttpReply {
                    body: api::encode(&page),
                    ..reply
                }
            }
            _ => reply,
        }
    }

    fn colour_entry(&self, mut entry: LogEntry) -> LogEntry {
        if let Some(meant) = self.meant.get(&entry.hash) {
            entry.hash = EntryHash::of(meant);
            entry.body = Blob::new(meant.clone()).ok();
        }
        entry
    }
}

/// The last bytes of a commit are its membership tag, or for a joiner its confirmation tag; the
/// signature, which the server checks, covers neither.
fn spoil_commit(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

/// The last bytes of a message are sealed.
fn spoil_message(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}
