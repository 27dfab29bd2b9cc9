//! sled's tree seen through a layer of other values for some keys.
//!
//! The same code reads for everybody: readers look through what the rows held before the group
//! under way (so that they see durable rows only), the committer through what the group is about
//! to write (so that later commits see earlier ones). Never writes.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;

use sled::IVec;

use super::layout::{RawKey, RawRange, head_key, head_range, heads_after, parse_head, piece_key};
use super::row::{Head, append_piece, damaged};
use super::sled_error;
use crate::error::Result;
use crate::key::{Key, KeyRange, Part};
use crate::record::{Row, Version, Versioned};
use crate::store::{Allowance, Direction, Limit, Page};

/// What some keys hold instead of what sled says; none: no such row.
pub(super) type Layer = BTreeMap<RawKey, Option<IVec>>;

#[derive(Clone, Copy)]
pub(super) struct Layered<'a> {
    pub(super) db: &'a sled::Db,
    pub(super) layer: &'a Layer,
}

impl<'a> Layered<'a> {
    pub(super) fn raw(&self, key: &[u8]) -> Result<Option<IVec>> {
        match self.layer.get(key) {
            Some(value) => Ok(value.clone()),
            None => self
                .db
                .get(key)
                .map_err(|error| sled_error("reading a row", error)),
        }
    }

    pub(super) fn row(&self, part: &Part, key: &[u8]) -> Result<Option<Versioned>> {
        let raw_key = head_key(part, key);
        let Some(raw) = self.raw(&raw_key)? else {
            return Ok(None);
        };
        let head = Head::parse(&raw_key, &raw)?;
        let value = self.join(part, key, &head)?;
        Ok(Some(Versioned {
            value,
            version: head.version,
        }))
    }

    /// The version of a row and how many further pieces its value has.
    pub(super) fn head(&self, part: &Part, key: &[u8]) -> Result<Option<(Version, u16)>> {
        let raw_key = head_key(part, key);
        let Some(raw) = self.raw(&raw_key)? else {
            return Ok(None);
        };
        let head = Head::parse(&raw_key, &raw)?;
        Ok(Some((head.version, head.pieces())))
    }

    pub(super) fn page(
        &self,
        part: &Part,
        range: &KeyRange,
        limit: Limit,
        direction: Direction,
    ) -> Result<Page> {
        let mut rows = Vec::new();
        let more = self.each(part, range, limit, direction, |key, head| {
            let value = self.join(part, key.as_bytes(), head)?;
            rows.push(Row {
                key,
                value,
                version: head.version,
            });
            Ok(())
        })?;
        Ok(Page { rows, more })
    }

    /// The keys that [`Self::page`] would find, and whether there are more.
    pub(super) fn keys(
        &self,
        part: &Part,
        range: &KeyRange,
        limit: Limit,
    ) -> Result<(Vec<Key>, bool)> {
        let mut keys = Vec::new();
        let more = self.each(part, range, limit, Direction::Forward, |key, _| {
            keys.push(key);
            Ok(())
        })?;
        Ok((keys, more))
    }

    pub(super) fn parts(&self, kind: u8, after: Option<Part>, limit: usize) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut last = after;
        while parts.len() < limit {
            let next = self
                .range(heads_after(kind, last.as_ref()), Direction::Forward)
                .next();
            let Some(entry) = next else { break };
            let (part, _) = parse_head(&entry?.0)?;
            parts.push(part);
            last = Some(part);
        }
        Ok(parts)
    }

    /// Visits the rows that the limit allows; tells whether there are more.
    fn each(
        &self,
        part: &Part,
        range: &KeyRange,
        limit: Limit,
        direction: Direction,
        mut visit: impl FnMut(Key, &Head<'_>) -> Result<()>,
    ) -> Result<bool> {
        if range.is_empty() {
            return Ok(false);
        }
        let mut allowance = Allowance::new(limit);
        for entry in self.range(head_range(part, range), direction) {
            let (raw_key, raw) = entry?;
            let head = Head::parse(&raw_key, &raw)?;
            let (_, key) = parse_head(&raw_key)?;
            if !allowance.take(key.as_bytes().len().saturating_add(head.bytes)) {
                return Ok(true);
            }
            visit(key, &head)?;
        }
        Ok(false)
    }

    fn join(&self, part: &Part, key: &[u8], head: &Head<'_>) -> Result<Vec<u8>> {
        let mut value = Vec::with_capacity(head.bytes);
        value.extend_from_slice(head.start);
        for number in 0..head.pieces() {
            let raw_key = piece_key(part, key, number);
            let raw = self.raw(&raw_key)?.ok_or_else(|| damaged(&raw_key))?;
            append_piece(&raw_key, &raw, head.version, &mut value)?;
        }
        if value.len() == head.bytes {
            Ok(value)
        } else {
            Err(damaged(&head_key(part, key)))
        }
    }

    fn range(&self, range: RawRange, direction: Direction) -> Merged<'a> {
        Merged {
            layer: Walk {
                items: self.layer.range(range.clone()),
                direction,
            }
            .peekable(),
            below: Walk {
                items: self.db.range(range),
                direction,
            }
            .peekable(),
            direction,
        }
    }
}

/// A double-ended iterator walked from one end.
struct Walk<I> {
    items: I,
    direction: Direction,
}

impl<I: DoubleEndedIterator> Iterator for Walk<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        match self.direction {
            Direction::Forward => self.items.next(),
            Direction::Backward => self.items.next_back(),
        }
    }
}

/// Both in order; where both have a key, the layer counts.
struct Merged<'a> {
    layer: Peekable<Walk<btree_map::Range<'a, RawKey, Option<IVec>>>>,
    below: Peekable<Walk<sled::Iter>>,
    direction: Direction,
}

impl Iterator for Merged<'_> {
    type Item = Result<(IVec, IVec)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let turn = match (self.layer.peek(), self.below.peek()) {
                (None, _) => Ordering::Greater,
                (Some(_), None) => Ordering::Less,
                (Some(_), Some(Err(_))) => Ordering::Greater,
                (Some((above, _)), Some(Ok((below, _)))) => match self.direction {
                    Direction::Forward => above.as_slice().cmp(below),
                    Direction::Backward => above.as_slice().cmp(below).reverse(),
                },
            };
            if turn == Ordering::Greater {
                let entry = self.below.next()?;
                return Some(entry.map_err(|error| sled_error("reading rows", error)));
            }
            if turn == Ordering::Equal {
                self.below.next();
            }
            let (key, value) = self.layer.next()?;
            if let Some(value) = value {
                return Some(Ok((IVec::from(key.as_slice()), value.clone())));
            }
        }
    }
}
