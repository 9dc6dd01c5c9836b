//! What is known of each client beside what it publishes: whose it is, how new it is, that it is gone.

use std::collections::{BTreeMap, BTreeSet};

use slab::Slab;

use crate::{
    distro::digest::{Table, bucket},
    model::{ClientId, Incarnation, Version},
    registry::ClientNo,
};

/// A record's place. Given to another once this one is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordNo(u32);

impl RecordNo {
    /// Before all others.
    pub(super) const FIRST: Self = Self(0);
}

/// One client.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: ClientId,
    /// In the registry; none when it is gone, so that no older state brings it back.
    pub(super) client: Option<ClientNo>,
    pub(super) version: Version,
    pub(super) owner: Incarnation,
    /// What its state comes to; none from a change until the state is made.
    pub(super) hash: Option<u64>,
}

/// What one life of a node owns, as far as it is known here.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Of the clients whose hash is known.
    pub(super) table: Table,
    /// By bucket.
    pub(super) records: BTreeSet<(u8, RecordNo)>,
}

/// All records, and the ways to find them. Holdings always agree with owners.
#[derive(Debug, Default)]
pub(super) struct Records {
    all: Slab<Record>,
    by_id: BTreeMap<ClientId, RecordNo>,
    by_client: BTreeMap<ClientNo, RecordNo>,
    holdings: BTreeMap<Incarnation, Holdings>,
}

impl Records {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn find(&self, id: &ClientId) -> Option<RecordNo> {
        self.by_id.get(id).copied()
    }

    pub(super) fn of(&self, client: ClientNo) -> Option<RecordNo> {
        self.by_client.get(&client).copied()
    }

    pub(super) fn contains(&self, number: RecordNo) -> bool {
        self.all.contains(number.0 as usize)
    }

    pub(super) fn get(&self, number: RecordNo) -> &Record {
        &self.all[number.0 as usize]
    }

    /// All records by the ids of their clients, behind `after`.
    pub(super) fn behind(&self, after: Option<&ClientId>) -> impl Iterator<Item = RecordNo> + '_ {
        let start = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.by_id.range::<ClientId, _>((start, std::ops::Bound::Unbounded)).map(|(_, number)| *number)
    }

    /// What is known of what a life of a node owns.
    pub(super) fn holdings(&self, owner: Incarnation) -> Option<&Holdings> {
        self.holdings.get(&owner)
    }

    /// The records of what a life of a node owns.
    pub(super) fn owned(&self, owner: Incarnation) -> Vec<RecordNo> {
        let owned = self.holdings.get(&owner);
        owned.map_or_else(Vec::new, |holdings| holdings.records.iter().map(|(_, number)| *number).collect())
    }

    /// Writes down what is known of a client, in place of what was. Its state is yet to be made.
    pub(super) fn put(
        &mut self,
        id: &ClientId,
        client: Option<ClientNo>,
        version: Version,
        owner: Incarnation,
    ) -> RecordNo {
        let record = Record { id: id.clone(), client, version, owner, hash: None };
        let number = match self.find(id) {
            Some(number) if self.is_held_alike(number, &record) => {
                self.forget_hash(number);
                self.all[number.0 as usize].version = version;
                return number;
            }
            Some(number) => {
                self.let_go(number);
                self.all[number.0 as usize] = record;
                number
            }
            None => {
                let slot = u32::try_from(self.all.insert(record)).expect("fewer than 2^32 clients");
                self.by_id.insert(id.clone(), RecordNo(slot));
                RecordNo(slot)
            }
        };
        if let Some(client) = client {
            self.by_client.insert(client, number);
            self.holdings.entry(owner).or_default().records.insert((bucket(id), number));
        }
        number
    }

    /// Writes down what the state of a client comes to.
    pub(super) fn set_hash(&mut self, number: RecordNo, hash: u64) {
        let record = &mut self.all[number.0 as usize];
        let before = record.hash.replace(hash);
        if record.client.is_none() || before == Some(hash) {
            return;
        }
        let place = bucket(&record.id);
        let table = &mut self.holdings.get_mut(&record.owner).expect("whoever owns has holdings").table;
        if let Some(before) = before {
            table.subtract(place, before);
        }
        table.add(place, hash);
    }

    /// Forgets a client.
    pub(super) fn remove(&mut self, number: RecordNo) {
        self.let_go(number);
        let record = self.all.remove(number.0 as usize);
        self.by_id.remove(&record.id);
    }

    /// Whether a record stays where it is when another takes its place: so it is with most changes of a client.
    fn is_held_alike(&self, number: RecordNo, other: &Record) -> bool {
        let record = self.get(number);
        record.client.is_some() && (record.client, record.owner) == (other.client, other.owner)
    }

    /// Takes what the state of a client came to out of its owner's table.
    fn forget_hash(&mut self, number: RecordNo) {
        let record = &mut self.all[number.0 as usize];
        let Some(hash) = record.hash.take().filter(|_| record.client.is_some()) else { return };
        let holdings = self.holdings.get_mut(&record.owner).expect("whoever owns has holdings");
        holdings.table.subtract(bucket(&record.id), hash);
    }

    /// Takes a record out of its owner's holdings.
    fn let_go(&mut self, number: RecordNo) {
        self.forget_hash(number);
        let record = &mut self.all[number.0 as usize];
        let Some(client) = record.client.take() else { return };
        self.by_client.remove(&client);
        let holdings = self.holdings.get_mut(&record.owner).expect("whoever owns has holdings");
        holdings.records.remove(&(bucket(&record.id), number));
        if holdings.records.is_empty() {
            self.holdings.remove(&record.owner);
        }
    }

    /// Panics when records, holdings and tables disagree.
    pub(super) fn check(&self) {
        assert_eq!(self.all.len(), self.by_id.len(), "every record is found by id");
        let mut holdings: BTreeMap<Incarnation, Holdings> = BTreeMap::new();
        for (slot, record) in &self.all {
            let number = RecordNo(slot as u32);
            assert_eq!(self.find(&record.id), Some(number), "{} is found by id", record.id);
            let Some(client) = record.client else { continue };
            assert_eq!(self.of(client), Some(number), "{} is found by client", record.id);
            let held = holdings.entry(record.owner).or_default();
            held.records.insert((bucket(&record.id), number));
            if let Some(hash) = record.hash {
                held.table.add(bucket(&record.id), hash);
            }
        }
        assert_eq!(self.by_client.len(), holdings.values().map(|held| held.records.len()).sum::<usize>());
        assert!(holdings.keys().eq(self.holdings.keys()), "holdings are of those who own");
        for (owner, held) in &holdings {
            let kept = &self.holdings[owner];
            assert_eq!((&kept.records, &kept.table), (&held.records, &held.table), "{owner:?} holds what it owns");
        }
    }
}
