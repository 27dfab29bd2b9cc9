//! What is stored of conversations, people, messages on their way and changes that are wanted.
//! One flat list of records, each a CBOR map whose keys are part of the storage format.

use crate::content::MessageId;
use minicbor::{Decode, Encode};
use roost_wire::api::SealedKey;
use roost_wire::link::InviterPrint;
use roost_wire::log::{EntryKind, LogEntry};
use roost_wire::{
    AccountId, AccountKey, DeviceId, DisplayName, EntryHash, Epoch, GroupId, InboxSeq, Incarnation,
    InviteId, List, Seconds, Seq, StateCounter, limit,
};

/// Facts of the device's relation to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SessionRecord {
    #[n(0)]
    pub incarnation: Option<Incarnation>,
    #[n(1)]
    pub state: StateCounter,
    #[n(2)]
    pub inbox: InboxSeq,
    /// When key packages were last put; none before the first time.
    #[n(3)]
    pub packages_put: Option<Seconds>,
    #[n(4)]
    pub last_resort_put: Option<Seconds>,
    /// The server said that few are left.
    #[n(5)]
    pub refill: bool,
    /// The renewed credential is not yet with the server.
    #[n(6)]
    pub credential_due: bool,
    /// The invite that the account was made with.
    #[n(7)]
    pub joined_by: Option<InviteId>,
    /// This device is a guest of calls, by this link.
    #[n(8)]
    pub visit: Option<VisitRecord>,
}

/// What a guest came for.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct VisitRecord {
    #[n(0)]
    pub link: String,
    /// What the guest wants to be called; not for the server.
    #[n(1)]
    pub name: DisplayName,
    /// Whose calls they are.
    #[n(2)]
    pub conversation: GroupId,
    #[n(3)]
    pub call_link: CallLinkRecord,
}

impl std::fmt::Debug for VisitRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VisitRecord({:?})", self.call_link)
    }
}

/// The link by which guests come to a conversation's calls. Does not print its secret.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct CallLinkRecord {
    #[n(0)]
    pub invite: InviteId,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub secret: [u8; 16],
    #[n(2)]
    pub expires: Seconds,
    /// Whoever made it: it leads nowhere once they have left.
    #[n(3)]
    pub maker: AccountId,
}

impl std::fmt::Debug for CallLinkRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CallLinkRecord({})", self.invite)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum Kind {
    #[n(0)]
    Direct(#[n(0)] AccountId),
    #[n(1)]
    Group,
}

/// Where a conversation stands with its MLS group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum Stage {
    /// Founded here; the server has not accepted it yet.
    #[n(0)]
    Founding,
    /// A Welcome waits for its tree.
    #[n(1)]
    Welcomed {
        #[n(0)]
        epoch: Epoch,
        #[n(1)]
        seq: Seq,
    },
    /// To be entered by external commit, for the first time or again.
    #[n(2)]
    Entering,
    #[n(3)]
    Live,
    #[n(4)]
    Left,
    #[n(5)]
    Removed,
    #[n(6)]
    Gone,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PreviewRecord {
    #[n(0)]
    pub sender: Option<AccountId>,
    #[n(1)]
    pub text: String,
    #[n(2)]
    pub time: Seconds,
}

/// The invitation by which a group is to be entered.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Invitation {
    #[n(0)]
    pub invite: InviteId,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub secret: [u8; 16],
    #[cbor(n(2), with = "minicbor::bytes")]
    pub grant: Vec<u8>,
    /// Whose account key the link names.
    #[n(3)]
    pub inviter: Option<InviterPrint>,
}

/// A commit that this device had to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RefusedCommit {
    #[n(0)]
    pub seq: Seq,
    #[n(1)]
    pub hash: EntryHash,
    #[n(2)]
    pub asked: u32,
}

/// A conversation besides its MLS state and history.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ConversationRecord {
    #[n(0)]
    pub kind: Kind,
    #[n(1)]
    pub stage: Stage,
    #[n(2)]
    pub name: Option<DisplayName>,
    /// The last entry processed.
    #[n(3)]
    pub cursor: Seq,
    /// Epoch at which this device entered; earlier entries are not for it.
    #[n(4)]
    pub entered: Epoch,
    /// The last entries, newest last.
    #[n(5)]
    pub hashes: Vec<(Seq, EntryHash)>,
    /// Messages this device has sent to the group.
    #[n(6)]
    pub sent: u64,
    /// Index of the next row of the timeline.
    #[n(7)]
    pub next_row: u64,
    #[n(8)]
    pub preview: Option<PreviewRecord>,
    /// Entries that are unread messages.
    #[n(9)]
    pub unread: Vec<Seq>,
    #[n(10)]
    pub read_upto: Seq,
    #[n(11)]
    pub draft: String,
    #[n(12)]
    pub delivered: Seq,
    /// When this device's next update commit is due, by the server's clock.
    #[n(13)]
    pub update_due: Option<Seconds>,
    #[n(14)]
    pub refused: Option<RefusedCommit>,
    #[n(15)]
    pub invitation: Option<Invitation>,
    /// This device asked to leave.
    #[n(16)]
    pub leaving: bool,
    /// History was lost by entering again.
    #[n(17)]
    pub rejoining: bool,
    /// First bytes of the last messages' ids: a message that was encrypted twice counts once.
    #[n(18)]
    pub recent: Vec<u64>,
    /// The SelfRemove of another that waits to be committed by somebody.
    #[n(19)]
    pub leavers: u32,
    /// Members, so that the overview needs no MLS state.
    #[n(20)]
    pub members: Vec<MemberRecord>,
    /// The newest name in the log; `name` may be ahead of it.
    #[n(21)]
    pub logged_name: Option<DisplayName>,
    /// Tries of the current commit or entry that lost their race.
    #[n(22)]
    pub lost: u32,
    /// This device's own SelfRemove and its epoch.
    #[n(23)]
    pub leave: Option<SealedRecord>,
    /// When this device last entered anew because it could not decrypt.
    #[n(24)]
    pub re_entry: Option<ReEntryRecord>,
    /// Entries behind a refused commit were passed over unread.
    #[cbor(n(25), default)]
    pub passed_over: bool,
    /// The account wished to leave: only a new call leads back in, not a place that is still held.
    #[cbor(n(26), default)]
    pub quit: bool,
    /// When this device last had read the log to its end, to the day.
    #[n(27)]
    pub watched: Option<Seconds>,
    /// Who was let go for silence and has not come back.
    #[cbor(n(28), default)]
    pub absent: Vec<AbsentRecord>,
    /// Commits of others that were merged, not yet reported.
    #[cbor(n(29), default)]
    pub verdicts: Vec<(Seq, EntryHash)>,
    /// When the last commit was stored.
    #[n(30)]
    pub last_commit: Option<Seconds>,
    /// The entry that began the present epoch.
    #[cbor(n(31), default)]
    pub began: Seq,
    /// The last commits, while they may yet be taken back.
    #[n(32)]
    pub run: Option<RunRecord>,
    /// The server was restored: its log may have gone back, and is compared before it is used.
    #[cbor(n(33), default)]
    pub doubted: bool,
    /// Guest links of its calls that are known here.
    #[cbor(n(34), default)]
    pub call_links: Vec<CallLinkRecord>,
    /// Own ones that are over, which the server has not confirmed yet.
    #[cbor(n(35), default)]
    pub withdrawn_links: Vec<InviteId>,
}

/// Commits of one account in a row. The server takes back only such as nobody else could follow,
/// so the next commit of another account makes them stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RunRecord {
    #[n(0)]
    pub first: Seq,
    #[n(1)]
    pub by: AccountId,
    /// The last of them that let somebody in: what was said before was not for them.
    #[n(2)]
    pub opened: Option<Seq>,
    /// The first of them let this device in.
    #[n(3)]
    pub let_in: bool,
}

/// Somebody who was let go for silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(crate) struct AbsentRecord {
    #[n(0)]
    pub account: AccountId,
    /// Days since 1970: whoever is seen from then on is back.
    #[n(1)]
    pub day: u64,
}

/// When a device last gave a sign in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SignRecord {
    #[n(0)]
    pub at: Seconds,
}

/// Repairs by entering anew, so that nobody can cause them without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct ReEntryRecord {
    #[n(0)]
    pub at: Seconds,
    #[n(1)]
    pub times: u32,
}

/// A member as of the last epoch that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct MemberRecord {
    #[n(0)]
    pub account: AccountId,
    /// As the credential claims it.
    #[n(1)]
    pub name: DisplayName,
    #[n(2)]
    pub devices: u32,
    #[n(3)]
    pub is_admin: bool,
}

impl ConversationRecord {
    pub(crate) fn has_member(&self, account: &AccountId) -> bool {
        self.members.iter().any(|member| member.account == *account)
    }

    /// Whether a message sealed in the epoch that began there would be lost, were the last commits
    /// taken back.
    pub(crate) fn may_be_voided(&self, began: Seq) -> bool {
        self.run.is_some_and(|run| began >= run.first)
    }

    /// An epoch begins, perhaps with new people.
    pub(crate) fn begin(&mut self, seq: Seq, by: AccountId, has_newcomers: bool) {
        self.began = seq;
        let run = self.run.filter(|run| run.by == by);
        let run = run.unwrap_or(RunRecord {
            first: seq,
            by,
            opened: None,
            let_in: false,
        });
        self.run = Some(RunRecord {
            opened: if has_newcomers { Some(seq) } else { run.opened },
            ..run
        });
    }

    /// An epoch begins, and this device's part in the group with it.
    pub(crate) fn begin_anew(&mut self, seq: Seq, by: AccountId) {
        self.run = None;
        self.begin(seq, by, false);
        if let Some(run) = &mut self.run {
            run.let_in = true;
        }
    }

    /// This account merged the last commits, and the server knows. One of another author is enough
    /// for them to stand, but whoever they let in has no say.
    pub(crate) fn vouch(&mut self, me: Option<AccountId>, seq: Seq) {
        if self
            .run
            .is_some_and(|run| Some(run.by) != me && !run.let_in)
        {
            self.stands(seq);
        }
    }

    /// Whether somebody has come since an epoch that began there.
    pub(crate) fn has_opened_since(&self, began: Seq) -> bool {
        let opened = self.run.and_then(|run| run.opened);
        opened.is_some_and(|opened| began < opened)
    }

    /// The commit at this entry stands for good; and with it, those before.
    pub(crate) fn stands(&mut self, seq: Seq) {
        if seq >= self.began {
            self.run = None;
        }
    }

    /// Up to where everything is stored. What stands behind a refused commit is not read yet; and
    /// while the group is entered anew for that reason, there is nothing to say of it.
    pub(crate) fn stored(&self) -> Seq {
        if self.passed_over && self.stage == Stage::Entering {
            return Seq::NONE;
        }
        let before = |refused: RefusedCommit| Seq::new(refused.seq.get().saturating_sub(1));
        let bound = self.refused.map_or(self.cursor, before);
        self.cursor.min(bound)
    }

    pub(crate) fn is_absent(&self, account: &AccountId) -> bool {
        self.absent.iter().any(|absent| absent.account == *account)
    }

    /// Whether this is the entry that was read last. Of the commit that let this device in by a
    /// Welcome it has only the place.
    pub(crate) fn is_last(&self, entry: &LogEntry) -> bool {
        match self.hashes.last() {
            Some(last) => *last == (entry.seq, entry.hash),
            None => {
                let begins = entry.epoch.next() == self.entered;
                entry.seq == self.cursor && entry.kind == EntryKind::Commit && begins
            }
        }
    }

    /// Whether this device has had an entry of this number. A new one with such a number is of
    /// another log.
    pub(crate) fn has_read(&self, seq: Seq) -> bool {
        seq > Seq::NONE && seq <= self.cursor
    }

    /// The server was restored from a backup, and this device is in the log again since `seq`:
    /// what was said of the earlier log by its numbers is over.
    pub(crate) fn start_log(&mut self, seq: Seq) {
        self.delivered = Seq::NONE;
        self.read_upto = seq;
        self.unread.clear();
    }
}

/// Another account and its pinned key.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct PersonRecord {
    #[n(0)]
    pub name: DisplayName,
    #[n(1)]
    pub key: AccountKey,
    /// Of the pinned key, once a credential told it.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub next_hash: Option<[u8; 32]>,
    #[n(3)]
    pub by_link: bool,
    #[n(4)]
    pub changed: bool,
    #[n(5)]
    pub is_admin: bool,
    /// `next_hash` is from a credential that the pinned key signed; else the server's word.
    #[cbor(n(6), default)]
    pub is_next_proven: bool,
    /// Earlier keys, oldest first.
    #[cbor(n(7), default)]
    pub rotations: Vec<RotationRecord>,
    /// When this device learnt of the last change of key, by the server's clock.
    #[n(8)]
    pub rotated_at: Option<Seconds>,
    /// The name was seen in a credential under the pinned key: the server's word does not change
    /// it.
    #[cbor(n(9), default)]
    pub attested: bool,
}

impl PersonRecord {
    /// Somebody of whom no more is known.
    pub fn new(name: DisplayName, key: AccountKey) -> Self {
        Self {
            name,
            key,
            next_hash: None,
            by_link: false,
            changed: false,
            is_admin: false,
            is_next_proven: false,
            rotations: Vec::new(),
            rotated_at: None,
            attested: false,
        }
    }
}

/// A key that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RotationRecord {
    #[n(0)]
    pub key: AccountKey,
    /// The devices that stayed, once the signed rotation was seen.
    #[n(1)]
    pub surviving: Option<Vec<DeviceId>>,
}

/// Another device of the account that is to be revoked.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RevokingRecord {
    #[n(0)]
    pub device: DeviceId,
    /// Made once the account's devices are known.
    #[n(1)]
    pub rotating: Option<Rotating>,
}

/// A rotation on its way, and the secrets that hold once the server has it.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Rotating {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub rotation: Vec<u8>,
    #[n(1)]
    pub sealed_keys: List<SealedKey, { limit::DEVICES_PER_ACCOUNT }>,
    /// The account key from then on.
    #[n(2)]
    pub seed: crate::identity::KeySeed,
    /// Yields the key after that one.
    #[n(3)]
    pub recovery: crate::identity::Recovery,
}

/// A message on its way to the log.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct OutboxRecord {
    #[n(0)]
    pub id: MessageId,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub content: Vec<u8>,
    #[n(2)]
    pub sealed: Option<SealedRecord>,
    /// Every encryption that was ever handed to a shell: any of them may turn up in the log.
    #[n(3)]
    pub hashes: Vec<EntryHash>,
    #[n(4)]
    pub accepted: Option<Seq>,
    #[n(5)]
    pub failed: bool,
    #[n(6)]
    pub tries: u32,
    /// Times it was in the log and had to be said again.
    #[cbor(n(7), default)]
    pub repeats: u32,
    /// It was said again after this entry: earlier answers are about what is gone.
    #[cbor(n(8), default)]
    pub after: Seq,
}

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct SealedRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
    #[n(1)]
    pub epoch: Epoch,
    /// The entry that began the epoch.
    #[cbor(n(2), default)]
    pub began: Seq,
}

/// A change to a group that is wanted. Commits are derived from it, as often as needed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct IntentRecord {
    #[n(0)]
    pub wish: Wish,
    /// Not before this time, by the server's clock.
    #[n(1)]
    pub not_before: Seconds,
    #[n(2)]
    pub tries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum Wish {
    #[n(0)]
    Add(#[n(0)] Vec<AccountId>),
    #[n(1)]
    Remove(#[n(0)] AccountId),
    /// Leave with all devices of the account.
    #[n(2)]
    Leave,
    /// Fresh keys for this leaf.
    #[n(3)]
    Update,
    /// Commit what others proposed: they want to leave.
    #[n(4)]
    LetGo,
    /// Remove the leaves of revoked devices.
    #[n(5)]
    Purge,
}

/// An own commit that was built from an intent and has not come back yet.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct CommitRecord {
    #[n(0)]
    pub intent: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub commit: Vec<u8>,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub group_info: Vec<u8>,
    #[n(3)]
    pub welcomes: Vec<WelcomeRecord>,
    #[n(4)]
    pub accepted: Option<Seq>,
}

#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct WelcomeRecord {
    #[n(0)]
    pub devices: Vec<DeviceId>,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub welcome: Vec<u8>,
}

/// The bytes of a Welcome that waits for its tree.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct WaitingWelcome {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub welcome: Vec<u8>,
}

/// How much of one sender's device was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct HeardRecord {
    #[n(0)]
    pub counter: u64,
}

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum TimelineRecord {
    /// A message from the log.
    #[n(0)]
    Message {
        #[n(0)]
        id: MessageId,
        #[n(1)]
        seq: Seq,
        #[n(2)]
        sender: AccountId,
        #[n(3)]
        time: Seconds,
        #[cbor(n(4), with = "minicbor::bytes")]
        content: Vec<u8>,
    },
    /// A message of this device, not yet in the log.
    #[n(1)]
    Sending {
        #[n(0)]
        id: MessageId,
        #[n(1)]
        time: Seconds,
        #[cbor(n(2), with = "minicbor::bytes")]
        content: Vec<u8>,
    },
    /// It is in the log now.
    #[n(2)]
    Stored {
        #[n(0)]
        id: MessageId,
        #[n(1)]
        seq: Seq,
        #[n(2)]
        time: Seconds,
    },
    #[n(3)]
    Failed {
        #[n(0)]
        id: MessageId,
        #[n(1)]
        reason: String,
    },
    #[n(4)]
    Retried(#[n(0)] MessageId),
    #[n(5)]
    Event {
        #[n(0)]
        event: EventRecord,
        #[n(1)]
        seq: Option<Seq>,
        #[n(2)]
        time: Seconds,
    },
    /// The server was restored from a backup: its log went back, and what follows stands behind
    /// what is above, whatever its number. The old log was delivered up to this place.
    #[n(6)]
    LogWentBack(#[n(0)] Seq),
}

#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub(crate) enum EventRecord {
    #[n(0)]
    Created(#[n(0)] AccountId),
    #[n(1)]
    Entered(#[n(0)] Option<AccountId>),
    #[n(2)]
    Added {
        #[n(0)]
        who: AccountId,
        #[n(1)]
        by: AccountId,
    },
    #[n(3)]
    JoinedByLink(#[n(0)] AccountId),
    #[n(4)]
    Left(#[n(0)] AccountId),
    #[n(5)]
    Removed {
        #[n(0)]
        who: AccountId,
        #[n(1)]
        by: AccountId,
    },
    #[n(6)]
    Missing(#[n(0)] Option<AccountId>),
    #[n(7)]
    Rejoined,
    #[n(8)]
    KeyChanged(#[n(0)] AccountId),
    #[n(9)]
    Renamed {
        #[n(0)]
        by: AccountId,
        #[n(1)]
        name: DisplayName,
    },
    /// Was there when this device entered anew, and had not been before.
    #[n(10)]
    FoundHere(#[n(0)] AccountId),
    /// Was let go for silence.
    #[n(11)]
    LetGo(#[n(0)] AccountId),
}

/// A first device that has not been accepted by the server yet.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct JoiningRecord {
    /// The whole link.
    #[n(0)]
    pub link: String,
    #[n(1)]
    pub name: DisplayName,
    /// Made once the server has told its key.
    #[n(2)]
    pub identity: Option<crate::identity::Identity>,
}

/// A group's conversation that a link leads to, to be redeemed.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct RedeemingRecord {
    #[n(0)]
    pub link: String,
}
