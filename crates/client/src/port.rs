//! What a shell gives to the core and does for it.
//!
//! Owns the types on that border. The core does no I/O: a shell feeds one [`Input`], stores
//! [`Step::writes`] as one durable transaction, and only then performs [`Step::effects`]. If the
//! transaction fails, the shell throws the core away and opens it again from storage. A crash
//! between any two of these loses nothing that was acknowledged and sends nothing that is not
//! stored, so that no ratchet generation is ever used twice.

use crate::command::Command;
use crate::notice::Notice;
use roost_wire::{GroupId, Method, Seconds, Token};

/// A shell's wall clock: milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// This moment `millis` later; stays at the maximum.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn seconds(self) -> Seconds {
        Seconds::new(self.0 / 1_000)
    }

    /// Milliseconds from `earlier` to this moment; none if it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A shell's source of randomness; must be fit for keys.
pub trait Dice {
    /// Fills `bytes` with random bytes.
    fn fill(&mut self, bytes: &mut [u8]);
}

impl<F: FnMut(&mut [u8])> Dice for F {
    fn fill(&mut self, bytes: &mut [u8]) {
        self(bytes);
    }
}

/// One thing that happened.
#[derive(Debug)]
pub enum Input {
    /// The person wants something.
    Command(Command),
    /// The answer to [`Effect::Http`].
    Reply {
        call: CallId,
        result: Result<HttpReply, Unreachable>,
    },
    /// The socket of [`Effect::OpenSocket`] is open.
    SocketOpened,
    /// One binary message from the socket.
    Frame(Vec<u8>),
    /// The socket was closed, or could not be opened.
    SocketClosed,
    /// The moment of [`Effect::WakeAt`] has come (earlier or later is harmless).
    Tick,
    /// Answers [`Effect::LoadTimeline`]: rows in the order of their keys, and whether storage has
    /// older ones.
    Timeline {
        group: GroupId,
        rows: Vec<Row>,
        more: bool,
    },
}

/// What follows from one input. Apply `writes` first, as one transaction, durably.
#[derive(Debug, Default)]
#[must_use]
pub struct Step {
    pub writes: Vec<Write>,
    pub effects: Vec<Effect>,
    pub notices: Vec<Notice>,
}

/// Something for the shell to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a request to the server at [`Core::origin`](crate::Core::origin); answer with
    /// [`Input::Reply`].
    Http(HttpCall),
    /// Open the WebSocket at this path; answer with `SocketOpened` or `SocketClosed`.
    OpenSocket {
        path: String,
    },
    /// Send one binary message on the socket.
    Send(Vec<u8>),
    CloseSocket,
    /// Call with [`Input::Tick`] then; replaces any earlier one.
    WakeAt(Moment),
    /// Read at most `limit` rows of [`Table::Timeline`] of this group, the newest with an index
    /// below `before` (the newest of all without it); answer with [`Input::Timeline`].
    LoadTimeline {
        group: GroupId,
        before: Option<u64>,
        limit: u32,
    },
}

/// Names a request within one run of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub(crate) u64);

impl CallId {
    /// For shells that carry it across a border as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }
}

/// A request as data. The body, if any, is `application/cbor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    pub id: CallId,
    pub method: Method,
    /// Path and query, from `/v1/` on.
    pub path: String,
    pub body: Vec<u8>,
    /// Goes into the `Authorization` header.
    pub token: Option<Token>,
}

/// Any answer of the server, success or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// No answer came: no connection, a time-out, a broken answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable;

/// Where a row belongs. The tags are part of the storage format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Single values: format version, identity, session facts. All of it is loaded by `open`.
    State = 0,
    /// What is known of each group besides its MLS state.
    Conversations = 1,
    /// MLS state of each group, without its tree.
    Groups = 2,
    /// Ratchet tree of each group; changes with the epoch.
    Trees = 3,
    /// Keys of earlier epochs, for late messages.
    Epochs = 4,
    /// Private halves of key packages.
    KeyPackages = 5,
    /// Messages not yet in the log.
    Outbox = 6,
    /// Changes to groups that are wanted but not done.
    Intents = 7,
    /// Accounts that were met, and their pinned keys.
    People = 8,
    /// Append-only history of each group: key is group id (16 bytes) and index (8 bytes, big
    /// endian). The only table that `open` must not be given.
    Timeline = 9,
}

impl Table {
    /// The tables whose rows `Core::open` needs: all but the timeline.
    pub const OPENED: [Self; 9] = [
        Self::State,
        Self::Conversations,
        Self::Groups,
        Self::Trees,
        Self::Epochs,
        Self::KeyPackages,
        Self::Outbox,
        Self::Intents,
        Self::People,
    ];

    /// The stable tag.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::State => 0,
            Self::Conversations => 1,
            Self::Groups => 2,
            Self::Trees => 3,
            Self::Epochs => 4,
            Self::KeyPackages => 5,
            Self::Outbox => 6,
            Self::Intents => 7,
            Self::People => 8,
            Self::Timeline => 9,
        }
    }

    /// The table with this tag.
    #[must_use]
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::OPENED
            .into_iter()
            .chain([Self::Timeline])
            .find(|table| table.tag() == tag)
    }
}

/// A stored row. Values are plaintext: a shell that can should encrypt them.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    pub table: Table,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// A row to put, or without a value to delete.
#[derive(Clone, PartialEq, Eq)]
pub struct Write {
    pub table: Table,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({:?}, {} bytes)", self.table, self.value.len())
    }
}

impl std::fmt::Debug for Write {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.value.as_ref().map(Vec::len);
        write!(f, "Write({:?}, {size:?} bytes)", self.table)
    }
}
