//! A store that is nothing but a map, and scripts to play to it and to an engine.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;
use roost_store::{Batch, Check, Direction, Error, Key, KeyRange, Limit, Op, Part, Store, Version};

/// Something to do. Versions are written as "that of the row now" or "another one", since the
/// script is made before there are any.
#[derive(Clone, Debug)]
pub enum Step {
    Commit(Part, Vec<Condition>, Vec<Op>),
    DeleteRange(Part, KeyRange, usize),
    Scan(Part, KeyRange, usize, Direction),
    Parts(u8, Option<Part>, usize),
}

#[derive(Clone, Debug)]
pub enum Condition {
    Absent(Key),
    Present(Key),
    Current(Key),
    Stale(Key),
}

pub fn script(steps: usize) -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..steps)
}

/// Plays the script to the store and to the model, and compares everything that can be seen.
pub async fn play(script: &[Step], store: &dyn Store) {
    let mut model = Model::default();
    for step in script {
        match step {
            Step::Commit(part, conditions, ops) => {
                model.commit(store, part, conditions, ops).await;
            }
            Step::DeleteRange(part, range, rows) => {
                model.delete_range(store, part, range, *rows).await;
            }
            Step::Scan(part, range, rows, direction) => {
                model.scan(store, part, range, *rows, *direction).await;
            }
            Step::Parts(kind, after, limit) => model.parts(store, *kind, *after, *limit).await,
        }
    }
    model.matches(store).await;
}

type Rows = BTreeMap<Key, (Vec<u8>, Version)>;

#[derive(Default)]
struct Model {
    parts: BTreeMap<Part, Rows>,
    last: Option<Version>,
}

impl Model {
    async fn commit(
        &mut self,
        store: &dyn Store,
        part: &Part,
        conditions: &[Condition],
        ops: &[Op],
    ) {
        let rows = self.parts.entry(*part).or_default();
        let checks: Vec<Check> = conditions.iter().map(|c| c.check(rows)).collect();
        let failed = checks.iter().position(|check| !holds(check, rows));
        let planned = apply(ops, rows);
        let batch = checks.into_iter().fold(Batch::new(), Batch::check);
        let batch = ops.iter().cloned().fold(batch, Batch::op);

        let result = store.commit(part, batch).await;

        match (failed, planned, result) {
            (Some(index), _, Err(Error::Conflict { check })) => assert_eq!(check, index),
            (None, Err(()), Err(Error::NotACounter | Error::CounterOverflow)) => (),
            (None, Ok(writes), Ok(receipt)) => {
                assert!(Some(receipt.version()) > self.last);
                self.last = Some(receipt.version());
                for (key, value) in writes {
                    match value {
                        Some(value) => rows.insert(key, (value, receipt.version())),
                        None => rows.remove(&key),
                    };
                }
            }
            (failed, planned, result) => panic!("{failed:?} {planned:?} {result:?}"),
        }
        if rows.is_empty() {
            self.parts.remove(part);
        }
    }

    async fn delete_range(&mut self, store: &dyn Store, part: &Part, range: &KeyRange, n: usize) {
        let rows = self.parts.entry(*part).or_default();
        let all: Vec<Key> = rows
            .keys()
            .filter(|key| range.contains(key.as_bytes()))
            .cloned()
            .collect();

        let deleted = store
            .delete_range(part, range.clone(), Limit::rows(n))
            .await
            .unwrap();

        assert_eq!(
            (deleted.rows, deleted.more),
            (all.len().min(n.max(1)), all.len() > n.max(1))
        );
        assert_eq!(deleted.receipt.is_some(), deleted.rows > 0);
        if let Some(receipt) = deleted.receipt {
            assert!(Some(receipt.version()) > self.last);
            self.last = Some(receipt.version());
        }
        for key in all.iter().take(n.max(1)) {
            rows.remove(key);
        }
        if rows.is_empty() {
            self.parts.remove(part);
        }
    }

    async fn scan(
        &self,
        store: &dyn Store,
        part: &Part,
        range: &KeyRange,
        n: usize,
        direction: Direction,
    ) {
        let mut expected: Vec<_> = self
            .parts
            .get(part)
            .into_iter()
            .flatten()
            .filter(|(key, _)| range.contains(key.as_bytes()))
            .map(|(key, (value, version))| (key.clone(), value.clone(), *version))
            .collect();
        if direction == Direction::Backward {
            expected.reverse();
        }

        let page = store
            .scan(part, range.clone(), Limit::rows(n), direction)
            .await
            .unwrap();

        assert_eq!(page.more, expected.len() > n.max(1));
        expected.truncate(n.max(1));
        let found: Vec<_> = page
            .rows
            .into_iter()
            .map(|row| (row.key, row.value, row.version))
            .collect();
        assert_eq!(found, expected);
    }

    async fn parts(&self, store: &dyn Store, kind: u8, after: Option<Part>, limit: usize) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let expected: Vec<Part> = self
            .parts
            .range((from, Bound::Unbounded))
            .map(|(part, _)| *part)
            .filter(|part| part.kind() == kind)
            .take(limit)
            .collect();

        assert_eq!(store.parts(kind, after, limit).await.unwrap(), expected);
    }

    async fn matches(&self, store: &dyn Store) {
        for (part, rows) in &self.parts {
            self.scan(store, part, &KeyRange::all(), 4096, Direction::Forward)
                .await;
            for (key, (value, version)) in rows {
                let row = store.get(part, key.as_bytes()).await.unwrap().unwrap();
                assert_eq!((&row.value, row.version), (value, *version));
            }
        }
        for kind in 0..4 {
            self.parts(store, kind, None, 100).await;
        }
    }
}

impl Condition {
    fn check(&self, rows: &Rows) -> Check {
        let version = |key: &Key| rows.get(key).map_or(Version::from_u64(1), |row| row.1);
        match self {
            Self::Absent(key) => Check::Absent(key.clone()),
            Self::Present(key) => Check::Present(key.clone()),
            Self::Current(key) => Check::Version(key.clone(), version(key)),
            Self::Stale(key) => {
                Check::Version(key.clone(), Version::from_u64(version(key).as_u64() - 1))
            }
        }
    }
}

fn holds(check: &Check, rows: &Rows) -> bool {
    let row = rows.get(check.key());
    match check {
        Check::Absent(_) => row.is_none(),
        Check::Present(_) => row.is_some(),
        Check::Version(_, version) => row.is_some_and(|row| row.1 == *version),
    }
}

fn apply(ops: &[Op], rows: &Rows) -> Result<BTreeMap<Key, Option<Vec<u8>>>, ()> {
    let mut writes = BTreeMap::new();
    for op in ops {
        match op {
            Op::Put(key, value) => writes.insert(key.clone(), Some(value.clone())),
            Op::Delete(key) => writes.insert(key.clone(), None),
            Op::Add(key, number) => {
                let stored = rows.get(key).map(|row| row.0.clone());
                let value = writes.get(key).cloned().unwrap_or(stored);
                let now = match value {
                    Some(value) => i64::from_be_bytes(value.try_into().map_err(|_| ())?),
                    None => 0,
                };
                let sum = now.checked_add(*number).ok_or(())?;
                writes.insert(key.clone(), Some(sum.to_be_bytes().to_vec()))
            }
        };
    }
    Ok(writes)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (part(), vec(condition(), 0..3), vec(op(), 0..6))
            .prop_map(|(part, conditions, ops)| Step::Commit(part, conditions, ops)),
        1 => (part(), range(), 0..4_usize)
            .prop_map(|(part, range, rows)| Step::DeleteRange(part, range, rows)),
        3 => (part(), range(), 0..6_usize, any::<bool>()).prop_map(|(part, range, rows, back)| {
            let direction = if back { Direction::Backward } else { Direction::Forward };
            Step::Scan(part, range, rows, direction)
        }),
        1 => (0..4_u8, proptest::option::of(part()), 0..5_usize)
            .prop_map(|(kind, after, limit)| Step::Parts(kind, after, limit)),
    ]
}

/// Few and close together, so that they meet.
fn part() -> impl Strategy<Value = Part> {
    (0..3_u8, vec(prop_oneof![Just(0), Just(1), Just(255)], 0..3))
        .prop_map(|(kind, id)| Part::try_new(kind, &id).unwrap())
}

fn key() -> impl Strategy<Value = Key> {
    vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4).prop_map(Key::from)
}

fn range() -> impl Strategy<Value = KeyRange> {
    let bound = || {
        prop_oneof![
            Just(Bound::Unbounded),
            key().prop_map(Bound::Included),
            key().prop_map(Bound::Excluded)
        ]
    };
    prop_oneof![
        (bound(), bound()).prop_map(|(from, to)| KeyRange::bounds(from, to)),
        key().prop_map(KeyRange::prefix),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        1 => key().prop_map(Condition::Absent),
        2 => key().prop_map(Condition::Current),
        1 => key().prop_map(Condition::Present),
        1 => key().prop_map(Condition::Stale),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let value = prop_oneof![
        6 => vec(any::<u8>(), 0..20),
        1 => (4_000..13_000_usize, any::<u8>()).prop_map(|(bytes, byte)| vec![byte; bytes]),
    ];
    prop_oneof![
        4 => (key(), value).prop_map(|(key, value)| Op::Put(key, value)),
        2 => key().prop_map(Op::Delete),
        2 => (key(), prop_oneof![Just(1), Just(-1), Just(i64::MAX)])
            .prop_map(|(key, number)| Op::Add(key, number)),
    ]
}
