//! Entities of one kind in the order they were made, found by number, by id or by what else their kind is looked for by,
//! with the changes of the transaction under way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use uuid::Uuid;

use crate::records::Row;

/// Something the records keep.
pub(crate) trait Entity: Clone + Serialize + DeserializeOwned {
    /// What its rows are called.
    const KIND: &'static str;
    /// Its place in the order of creation, unique among its kind.
    fn number(&self) -> u64;
    /// Its id as the API shows it.
    fn id(&self) -> Uuid;
    /// What it is looked for by besides, see [`Table::under`].
    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }
}

/// Something that entities are looked for by: a name, or what they belong to. Two things may have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn of(what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Rows by number as they were before something; none where there was none.
type Before<T> = BTreeMap<u64, Option<Arc<T>>>;

/// All entities of one kind.
pub(crate) struct Table<T> {
    rows: BTreeMap<u64, Arc<T>>,
    index: BTreeMap<Uuid, u64>,
    /// Keys and numbers, as they were before the transaction under way.
    keys: BTreeSet<(Key, u64)>,
    before: Before<T>,
    /// Ended transactions, the newest last: when each ended, and what it changed as it had been before.
    past: VecDeque<(Instant, Before<T>)>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            index: BTreeMap::new(),
            keys: BTreeSet::new(),
            before: BTreeMap::new(),
            past: VecDeque::new(),
        }
    }
}

impl<T: Entity> Table<T> {
    pub(crate) fn get(&self, id: Uuid) -> Option<&T> {
        self.version(id).map(Arc::as_ref)
    }

    /// The entity as it is now: whoever keeps this can tell later whether it has changed ([`Arc::ptr_eq`]).
    pub(crate) fn version(&self, id: Uuid) -> Option<&Arc<T>> {
        self.rows.get(self.index.get(&id)?)
    }

    pub(crate) fn numbered(&self, number: u64) -> Option<&T> {
        self.rows.get(&number).map(Arc::as_ref)
    }

    pub(crate) fn contains(&self, id: Uuid) -> bool {
        self.index.contains_key(&id)
    }

    /// In the order of creation.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values().map(Arc::as_ref)
    }

    /// Everything with this key, in the order of creation, and perhaps some things without it: look at each.
    pub(crate) fn under(&self, key: Key) -> impl Iterator<Item = &T> {
        self.versions_under(key).map(Arc::as_ref)
    }

    /// The same, as [`version`](Self::version) has them.
    pub(crate) fn versions_under(&self, key: Key) -> impl Iterator<Item = &Arc<T>> {
        let known = self.keys.range((key, 0)..=(key, u64::MAX)).map(|(_, number)| *number);
        let mut numbers: Vec<u64> = known.chain(self.before.keys().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| self.rows.get(&number))
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn insert(&mut self, entity: T) {
        let number = entity.number();
        self.index.insert(entity.id(), number);
        let before = self.rows.insert(number, Arc::new(entity));
        self.before.entry(number).or_insert(before);
    }

    /// The entity, to be changed; it is written with the transaction.
    pub(crate) fn edit(&mut self, id: Uuid) -> Option<&mut T> {
        let number = *self.index.get(&id)?;
        let row = self.rows.get_mut(&number)?;
        self.before.entry(number).or_insert_with(|| Some(Arc::clone(row)));
        // A copy, once in a transaction: the row as it was is kept.
        Some(Arc::make_mut(row))
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<T> {
        let number = self.index.remove(&id)?;
        let row = self.rows.remove(&number)?;
        self.before.entry(number).or_insert_with(|| Some(Arc::clone(&row)));
        Some(Arc::unwrap_or_clone(row))
    }

    /// Removes whatever this is true of: the ids, in the order of creation.
    pub(crate) fn remove_all(&mut self, goes: impl Fn(&T) -> bool) -> Vec<Uuid> {
        let ids: Vec<Uuid> = self.iter().filter(|row| goes(row)).map(Entity::id).collect();
        for id in &ids {
            self.remove(*id);
        }
        ids
    }

    pub(super) fn load(&mut self, entity: T) {
        self.put_back(Arc::new(entity));
    }

    fn put_back(&mut self, entity: Arc<T>) {
        self.keys.extend(entity.keys().into_iter().map(|key| (key, entity.number())));
        self.index.insert(entity.id(), entity.number());
        self.rows.insert(entity.number(), entity);
    }

    pub(super) fn changes(&self, rows: &mut Vec<Row>) -> Result<(), serde_json::Error> {
        for (&number, before) in &self.before {
            let json = self.numbered(number).map(serde_json::to_string).transpose()?;
            if json.is_some() || before.is_some() {
                rows.push(Row { kind: T::KIND, number, json });
            }
        }
        Ok(())
    }

    pub(super) fn forget_changes(&mut self) {
        self.note_keys();
        self.before.clear();
    }

    /// Brings the keys up to date with what the transaction changed.
    fn note_keys(&mut self) {
        for (&number, before) in &self.before {
            let now = self.numbered(number).map(Entity::keys).unwrap_or_default();
            let before = before.as_deref().map(Entity::keys).unwrap_or_default();
            if now != before {
                for key in before {
                    self.keys.remove(&(key, number));
                }
                self.keys.extend(now.into_iter().map(|key| (key, number)));
            }
        }
    }

    pub(super) fn remember_changes(&mut self, now: Instant, kept: Duration) {
        self.note_keys();
        while self.past.front().is_some_and(|(end, _)| *end + kept < now) {
            self.past.pop_front();
        }
        if !self.before.is_empty() {
            self.past.push_back((now, std::mem::take(&mut self.before)));
        }
    }

    pub(super) fn go_back_to(&mut self, then: Instant) {
        let mut past = std::mem::take(&mut self.past);
        past.iter_mut().rev().take_while(|(end, _)| *end > then).for_each(|(_, rows)| self.swap(rows));
        self.past = past;
    }

    pub(super) fn return_from(&mut self, then: Instant) {
        let mut past = std::mem::take(&mut self.past);
        past.iter_mut().skip_while(|(end, _)| *end <= then).for_each(|(_, rows)| self.swap(rows));
        self.past = past;
    }

    /// Exchanges rows of the table for others of the same numbers.
    fn swap(&mut self, others: &mut Before<T>) {
        for (number, other) in others {
            let row = self.rows.remove(number);
            if let Some(row) = &row {
                self.index.remove(&row.id());
                for key in row.keys() {
                    self.keys.remove(&(key, *number));
                }
            }
            if let Some(other) = std::mem::replace(other, row) {
                self.put_back(other);
            }
        }
    }

    pub(super) fn roll_back(&mut self) {
        for (number, before) in std::mem::take(&mut self.before) {
            if let Some(now) = self.rows.remove(&number) {
                self.index.remove(&now.id());
            }
            if let Some(before) = before {
                self.put_back(before);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Thing(u64, Uuid, String);

    impl Entity for Thing {
        const KIND: &'static str = "thing";
        fn number(&self) -> u64 {
            self.0
        }
        fn id(&self) -> Uuid {
            self.1
        }
        fn keys(&self) -> Vec<Key> {
            vec![Key::of(&self.2)]
        }
    }

    fn found(table: &Table<Thing>, name: &str) -> Vec<u64> {
        table.under(Key::of(name)).filter(|thing| thing.2 == name).map(|thing| thing.0).collect()
    }

    /// What each step does to a table: which thing, and its new name; none removes it.
    fn step(table: &mut Table<Thing>, number: u64, name: Option<&str>) {
        let id = Uuid::from_u128(u128::from(number));
        match (name, table.edit(id)) {
            (Some(name), Some(thing)) => thing.2 = name.to_owned(),
            (Some(name), None) => table.insert(thing(number, name)),
            (None, _) => drop(table.remove(id)),
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_found_by_a_key_is_what_looking_through_all_finds(
            steps in proptest::collection::vec((1_u64..6, proptest::option::of("[ab]"), 0_u8..4), 0..40),
        ) {
            let begin = Instant::now();
            let at = |seconds: usize| begin + Duration::from_secs(seconds as u64);
            let mut table = Table::default();
            let agrees = |table: &Table<Thing>| ["a", "b"].iter().all(|name| {
                let all: Vec<u64> = table.iter().filter(|thing| thing.2 == *name).map(|thing| thing.0).collect();
                found(table, name) == all
            });
            for (second, (number, name, end)) in steps.iter().enumerate() {
                step(&mut table, *number, name.as_deref());
                proptest::prop_assert!(agrees(&table));
                match end {
                    0 => table.roll_back(),
                    1 => table.remember_changes(at(second), Duration::from_secs(3600)),
                    _ => continue,
                }
                proptest::prop_assert!(agrees(&table));
                for then in 0..second {
                    table.go_back_to(at(then));
                    proptest::prop_assert!(agrees(&table));
                    table.return_from(at(then));
                    proptest::prop_assert!(agrees(&table));
                }
            }
        }
    }

    fn thing(number: u64, name: &str) -> Thing {
        Thing(number, Uuid::from_u128(u128::from(number)), name.to_owned())
    }

    #[test]
    fn a_rolled_back_transaction_leaves_everything_as_it_was() {
        let mut table = Table::default();
        table.insert(thing(1, "one"));
        table.insert(thing(2, "two"));
        table.forget_changes();
        table.edit(Uuid::from_u128(1)).expect("there").2 = "changed".to_owned();
        table.remove(Uuid::from_u128(2));
        table.insert(thing(3, "three"));
        table.roll_back();
        let left: Vec<_> = table.iter().cloned().collect();
        assert_eq!(left, [thing(1, "one"), thing(2, "two")]);
        assert!(table.get(Uuid::from_u128(3)).is_none());
        let mut rows = Vec::new();
        table.changes(&mut rows).expect("rows");
        assert!(rows.is_empty());
    }

    #[test]
    fn a_table_can_be_seen_as_it_was_and_is_the_same_afterwards() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let kept = Duration::from_secs(10);
        let mut table = Table::default();
        table.insert(thing(1, "one"));
        table.remember_changes(at(1), kept);
        table.edit(Uuid::from_u128(1)).expect("there").2 = "changed".to_owned();
        table.insert(thing(2, "two"));
        table.remember_changes(at(2), kept);
        table.remove(Uuid::from_u128(1));
        table.remember_changes(at(3), kept);
        let all = |table: &Table<Thing>| table.iter().cloned().collect::<Vec<_>>();
        for (seconds, seen) in [
            (0, vec![]),
            (1, vec![thing(1, "one")]),
            (2, vec![thing(1, "changed"), thing(2, "two")]),
            (3, vec![thing(2, "two")]),
        ] {
            table.go_back_to(at(seconds));
            assert_eq!(all(&table), seen, "{seconds}");
            assert!(seen.iter().all(|thing| table.get(thing.1) == Some(thing)));
            table.return_from(at(seconds));
            assert_eq!(all(&table), [thing(2, "two")]);
            assert!(table.get(Uuid::from_u128(1)).is_none());
        }
        table.remember_changes(at(12), kept);
        assert_eq!(table.past.len(), 2, "what is too old is forgotten");
    }

    #[test]
    fn what_is_made_and_removed_in_one_transaction_is_never_written() {
        let mut table = Table::default();
        table.insert(thing(1, "one"));
        table.remove(Uuid::from_u128(1));
        let mut rows = Vec::new();
        table.changes(&mut rows).expect("rows");
        assert!(rows.is_empty());
    }
}
