//! A client node: the real core and the rows it has stored.
//!
//! Owns what survives a crash (the rows) and what does not (the core). Applies the writes of a
//! step as one transaction; where a death falls is the world's to say.

use super::dice::Seeded;
use super::fragile_store::Death;
use super::network::{Life, Line};
use roost_client::{Command, Core, Effect, Input, Moment, Notice, Row, Table, Write};
use roost_wire::GroupId;
use std::collections::BTreeMap;

/// One installation of the client.
pub struct Client {
    pub name: String,
    pub life: Life,
    /// None while it is down.
    pub core: Option<Core>,
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    /// Its open or opening socket.
    pub line: Option<Line>,
    /// The alarm that counts; earlier ones ring for nobody.
    pub alarm: u64,
    /// Whether it connects when it starts.
    pub wants_connection: bool,
    dice: Seeded,
    /// It dies in the step after so many more.
    fuse: Option<(u64, Death)>,
    /// What its steps announced, in this and earlier lives, if the step was stored.
    pub notices: Vec<Notice>,
}

/// What a step left to do once its writes are stored.
pub struct Stored {
    pub effects: Vec<Effect>,
}

impl Client {
    #[must_use]
    pub fn new(name: &str, index: usize, dice: Seeded) -> Self {
        let core = Core::fresh();
        Self {
            name: name.to_owned(),
            life: Life {
                client: index,
                life: 0,
            },
            core: Some(core),
            rows: BTreeMap::new(),
            line: None,
            alarm: 0,
            wants_connection: false,
            dice,
            fuse: None,
            notices: Vec::new(),
        }
    }

    /// The process will die in the step after so many more.
    pub fn die_after(&mut self, steps: u64, death: Death) {
        self.fuse = Some((steps, death));
    }

    /// It need not die any more. Whether it has not yet: it took fewer steps.
    pub fn spare(&mut self) -> bool {
        self.fuse.take().is_some()
    }

    /// Counts one step: whether, and where in it, the process dies.
    pub fn doom(&mut self) -> Option<Death> {
        let (steps, death) = self.fuse?;
        self.fuse = match steps.checked_sub(1) {
            Some(left) => Some((left, death)),
            None => return self.fuse.take().map(|(_, death)| death),
        };
        None
    }

    /// The same profile copied to another machine, as it is now.
    #[must_use]
    pub fn cloned(&self, name: &str, index: usize, dice: Seeded) -> Self {
        let mut copy = Self::new(name, index, dice);
        copy.rows = self.rows.clone();
        copy.core = None;
        copy
    }

    /// Takes one input up to the transaction; `dies_first` falls just before it.
    pub fn step(&mut self, input: Input, now: Moment, dies_first: bool) -> Option<Stored> {
        let core = self.core.as_mut()?;
        let step = core.handle(input, now, &mut self.dice);
        if dies_first {
            return None;
        }
        for Write { table, key, value } in step.writes {
            match value {
                Some(value) => self.rows.insert((table, key), value),
                None => self.rows.remove(&(table, key)),
            };
        }
        self.notices.extend(step.notices);
        Some(Stored {
            effects: step.effects,
        })
    }

    /// The process dies: only the rows are left.
    pub fn die(&mut self) {
        self.core = None;
        self.line = None;
        self.life.life += 1;
        self.alarm += 1;
    }

    /// The process starts: the core is opened from the rows.
    ///
    /// # Panics
    /// If the core cannot read what it wrote.
    pub fn start(&mut self) {
        let rows = self
            .rows
            .iter()
            .filter(|((table, _), _)| *table != Table::Timeline)
            .map(|((table, key), value)| row(*table, key, value));
        let core = if self.rows.is_empty() {
            Core::fresh()
        } else {
            Core::open(rows).expect("a core reads what it wrote")
        };
        self.core = Some(core);
    }

    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.core.is_some()
    }

    /// The running core.
    ///
    /// # Panics
    /// While the client is down.
    #[must_use]
    pub fn running(&self) -> &Core {
        let name = &self.name;
        self.core
            .as_ref()
            .unwrap_or_else(|| panic!("{name} is down"))
    }

    /// What to feed first after a start.
    #[must_use]
    pub fn first_wish(&self) -> Option<Input> {
        self.wants_connection
            .then_some(Input::Command(Command::Connect))
    }

    /// Answers `Effect::LoadTimeline`.
    #[must_use]
    pub fn timeline(&self, group: GroupId, before: Option<u64>, limit: u32) -> Input {
        let mut rows: Vec<Row> = self
            .rows
            .iter()
            .rev()
            .filter(|((table, key), _)| {
                *table == Table::Timeline && key.starts_with(group.as_bytes())
            })
            .filter(|((_, key), _)| before.is_none_or(|before| index_of(key) < before))
            .map(|((table, key), value)| row(*table, key, value))
            .take(limit as usize + 1)
            .collect();
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        rows.reverse();
        Input::Timeline { group, rows, more }
    }
}

fn row(table: Table, key: &[u8], value: &[u8]) -> Row {
    Row {
        table,
        key: key.to_vec(),
        value: value.to_vec(),
    }
}

/// The index in the key of a timeline row.
fn index_of(key: &[u8]) -> u64 {
    key.last_chunk().copied().map_or(0, u64::from_be_bytes)
}
