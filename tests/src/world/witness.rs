//! What really happened, seen from outside: every log entry that passed by, and who was a member.
//!
//! Owns the truth the proofs compare clients with. It reads only what crossed the network and
//! judges commits by itself, so that neither server nor client can talk it into their errors.

use roost_mls::observer::{ObservedGroup, Observer};
use roost_wire::api::{Accepted, FoundGroup, LogPage, SubmitCommit};
use roost_wire::frame::ServerFrame;
use roost_wire::log::{EntryKind, LogEntry};
use roost_wire::{AccountId, Blob, DeviceId, EntryHash, Epoch, GroupId, Seq};
use std::collections::{BTreeMap, BTreeSet};

/// Everything seen.
#[derive(Default)]
pub struct Witness {
    groups: BTreeMap<GroupId, Seen>,
    /// Two entries under one number, or one that changed: the log broke its promise.
    pub contradictions: Vec<String>,
}

#[derive(Default)]
struct Seen {
    founded: Option<ObservedGroup>,
    entries: BTreeMap<Seq, LogEntry>,
}

/// A leaf of a roster, and when it got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    pub account: AccountId,
    /// The entry by which this leaf entered (0: founded the group) and the epoch it began.
    pub since: Seq,
    pub since_epoch: Epoch,
}

/// Who is in a group, by device.
pub type Roster = BTreeMap<DeviceId, Stay>;

/// The state of a group after one entry.
#[derive(Debug, Clone)]
pub struct Chapter {
    pub seq: Seq,
    pub kind: EntryKind,
    /// The device that made it, if it is a commit.
    pub author: Option<DeviceId>,
    /// What its author gave up for a new leaf, if it entered although it was there.
    pub given_up: Option<Stay>,
    /// Of the entry.
    pub epoch: Epoch,
    /// Of the group, after it.
    pub epoch_after: Epoch,
    pub roster: Roster,
    /// All who could read then: the roster with the commits that were taken back, and without.
    pub present: Roster,
    /// A commit that a later entry took back.
    pub is_void: bool,
    /// The commit that a void entry took back.
    pub voids: Option<Seq>,
    pub story: String,
}

/// A group from its founding.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub chapters: Vec<Chapter>,
    /// What the witness itself cannot follow.
    pub faults: Vec<String>,
}

impl Witness {
    /// A group was founded by this request.
    pub fn founded(&mut self, request: &FoundGroup) {
        let info = request.group_info.as_bytes();
        if let Ok(group) = Observer::new().found(info, request.tree.as_bytes()) {
            let seen = self.groups.entry(group.group_id()).or_default();
            seen.founded.get_or_insert(group);
        }
    }

    /// The server sent this frame.
    pub fn frame(&mut self, bytes: &[u8]) {
        if let Ok(ServerFrame::Event { group, entry }) = ServerFrame::parse(bytes) {
            self.entry(group, entry);
        }
    }

    /// The server answered a log request with this page.
    pub fn page(&mut self, group: GroupId, page: LogPage) {
        for entry in page.entries.into_vec() {
            self.entry(group, entry);
        }
    }

    /// The server took this commit. Its author alone may ever have had it.
    pub fn committed(&mut self, request: &SubmitCommit, accepted: Accepted) {
        let body = request.commit.as_bytes();
        let entry = LogEntry {
            seq: accepted.seq,
            kind: EntryKind::Commit,
            epoch: Epoch::new(accepted.epoch.get().saturating_sub(1)),
            time: accepted.time,
            hash: EntryHash::of(body),
            size_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body: Blob::new(body.to_vec()).ok(),
            voids: None,
        };
        self.entry(request.group, entry);
    }

    fn entry(&mut self, group: GroupId, entry: LogEntry) {
        let seen = self.groups.entry(group).or_default();
        match seen.entries.get_mut(&entry.seq) {
            None => {
                seen.entries.insert(entry.seq, entry);
            }
            Some(known) if known.hash != entry.hash || known.kind != entry.kind => {
                self.contradictions
                    .push(format!("entry {} of {group} was two things", entry.seq));
            }
            Some(known) => known.body = known.body.take().or(entry.body),
        }
    }

    #[must_use]
    pub fn groups(&self) -> Vec<GroupId> {
        self.groups.keys().copied().collect()
    }

    /// The entries of a group whose hash is such.
    #[must_use]
    pub fn entries_where(
        &self,
        group: &GroupId,
        is_such: impl Fn(&EntryHash) -> bool,
    ) -> BTreeSet<Seq> {
        let entries = self
            .groups
            .get(group)
            .into_iter()
            .flat_map(|seen| &seen.entries);
        entries
            .filter(|(_, entry)| is_such(&entry.hash))
            .map(|(seq, _)| *seq)
            .collect()
    }

    /// The group's history as far as it was seen.
    #[must_use]
    pub fn history(&self, group: &GroupId) -> History {
        let Some(seen) = self.groups.get(group) else {
            return History::default();
        };
        match &seen.founded {
            Some(founded) => Narrator::new(founded.clone()).tell(&seen.entries),
            None => History {
                chapters: Vec::new(),
                faults: vec![format!("nobody saw {group} being founded")],
            },
        }
    }
}

impl History {
    /// Who was there when entry `seq` was made.
    #[must_use]
    pub fn present_at(&self, seq: Seq) -> Option<&Roster> {
        self.chapters
            .iter()
            .find(|chapter| chapter.seq == seq)
            .map(|chapter| &chapter.present)
    }

    #[must_use]
    pub fn last(&self) -> Option<&Chapter> {
        self.chapters.last()
    }

    /// Accounts in the group at its end.
    #[must_use]
    pub fn accounts(&self) -> BTreeSet<AccountId> {
        self.last().map_or_else(BTreeSet::new, |chapter| {
            chapter.roster.values().map(|stay| stay.account).collect()
        })
    }
}

/// Follows one log.
struct Narrator {
    group: ObservedGroup,
    roster: Roster,
    /// The state before each commit, in case it is voided.
    before: BTreeMap<Seq, (ObservedGroup, Roster)>,
    history: History,
    /// Who made the last commit.
    author: Option<DeviceId>,
    given_up: Option<Stay>,
}

impl Narrator {
    fn new(group: ObservedGroup) -> Self {
        let mut narrator = Self {
            group,
            roster: Roster::new(),
            before: BTreeMap::new(),
            history: History::default(),
            author: None,
            given_up: None,
        };
        narrator.roster = narrator.enrolled(Seq::NONE, &BTreeSet::new());
        narrator.close(
            Seq::NONE,
            EntryKind::Commit,
            Epoch::new(0),
            "founded".into(),
        );
        narrator
    }

    fn tell(mut self, entries: &BTreeMap<Seq, LogEntry>) -> History {
        for (seq, entry) in entries {
            let story = match entry.kind {
                EntryKind::Commit => self.commit(entry),
                EntryKind::Proposal => self.proposal(entry),
                EntryKind::Message => "message".into(),
                EntryKind::Void => self.void(entry),
            };
            self.close(*seq, entry.kind, entry.epoch, story);
            if let Some(chapter) = self.history.chapters.last_mut() {
                chapter.voids = entry.voids;
                chapter.author = self.author.take();
                chapter.given_up = self.given_up.take();
            }
        }
        self.history
    }

    fn close(&mut self, seq: Seq, kind: EntryKind, epoch: Epoch, story: String) {
        self.history.chapters.push(Chapter {
            seq,
            kind,
            author: None,
            given_up: None,
            epoch,
            epoch_after: self.group.epoch(),
            roster: self.roster.clone(),
            present: self.roster.clone(),
            is_void: false,
            voids: None,
            story,
        });
    }

    fn commit(&mut self, entry: &LogEntry) -> String {
        let Some(body) = &entry.body else {
            return self.fault(entry.seq, "its commit was never seen whole");
        };
        let judged = match self.group.judge_commit(body.as_bytes(), entry.time) {
            Ok(judged) => judged,
            Err(error) => return self.fault(entry.seq, &error.to_string()),
        };
        self.before
            .insert(entry.seq, (self.group.clone(), self.roster.clone()));
        let author = judged.committer.leaf().device;
        let fresh: BTreeSet<DeviceId> = judged.added.iter().map(|leaf| leaf.device).collect();
        self.author = Some(author);
        self.given_up = fresh
            .get(&author)
            .and_then(|author| self.roster.get(author).copied());
        let story = format!(
            "commit by {} adds {:?} removes {:?}",
            judged.committer.leaf().name,
            judged
                .added
                .iter()
                .map(|leaf| leaf.name.as_str())
                .collect::<Vec<_>>(),
            judged
                .removed
                .iter()
                .map(|leaf| leaf.name.as_str())
                .collect::<Vec<_>>(),
        );
        self.group = judged.next;
        self.roster = self.enrolled(entry.seq, &fresh);
        story
    }

    fn proposal(&mut self, entry: &LogEntry) -> String {
        let Some(body) = &entry.body else {
            return self.fault(entry.seq, "its proposal was never seen whole");
        };
        match self.group.judge_proposal(body.as_bytes(), entry.time) {
            Ok(judged) => {
                self.group = judged.next;
                format!("{} asks to leave", judged.proposer.name)
            }
            Err(error) => self.fault(entry.seq, &error.to_string()),
        }
    }

    fn void(&mut self, entry: &LogEntry) -> String {
        let Some((voided, state)) = entry
            .voids
            .and_then(|seq| Some((seq, self.before.remove(&seq)?)))
        else {
            return self.fault(entry.seq, "it voids what is not there");
        };
        (self.group, self.roster) = state;
        for chapter in &mut self.history.chapters {
            if chapter.seq >= voided {
                chapter.is_void |= chapter.kind == EntryKind::Commit;
                chapter
                    .roster
                    .retain(|device, _| self.roster.contains_key(device));
                // Whoever the voided commit had removed could read on.
                for (device, stay) in &self.roster {
                    chapter.present.entry(*device).or_insert(*stay);
                }
            }
        }
        format!("voids {voided}")
    }

    /// The roster now; leaves that are new or were replaced have been there since `seq`.
    fn enrolled(&self, seq: Seq, fresh: &BTreeSet<DeviceId>) -> Roster {
        let leaves = self.group.roster().unwrap_or_default();
        let stay = |leaf: roost_mls::observer::LeafSummary| {
            let known = self
                .roster
                .get(&leaf.device)
                .filter(|_| !fresh.contains(&leaf.device));
            let stay = known.copied().unwrap_or(Stay {
                account: leaf.account,
                since: seq,
                since_epoch: self.group.epoch(),
            });
            (leaf.device, stay)
        };
        leaves.into_iter().map(stay).collect()
    }

    fn fault(&mut self, seq: Seq, why: &str) -> String {
        self.history.faults.push(format!("entry {seq}: {why}"));
        why.to_owned()
    }
}
