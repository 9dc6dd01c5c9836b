//! The state as pairs of bytes: what is in memory, on disk and in snapshots is the same.

use std::ops::Bound;

use bytes::Bytes;
use imbl::OrdMap;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    agreed::done::{self, Done},
    model::{Agreed, AgreedChange, AgreedKey},
    wire::{
        peer::IllegalMessage,
        raft::{THINGS, decode_key, decode_thing, encode_key},
    },
};

/// A key and its value; none for one that is not there any more.
pub type Pair = (Bytes, Option<Bytes>);

/// A pair that no state holds: what it was read from is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a pair of the agreed state cannot be read: {0}")]
pub struct IllegalPair(#[from] IllegalMessage);

/// All that is agreed on.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(super) done: Done,
    things: OrdMap<Bytes, Bytes>,
    /// Sum over the fingerprints of all things.
    hash: u64,
}

impl State {
    /// A fingerprint of all of it: equal on two nodes that applied the same entries, in this and later versions.
    pub fn hash(&self) -> u64 {
        self.hash.wrapping_add(self.done.hash())
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.things.len() + self.done.len()
    }

    /// Whether nothing was ever agreed on.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One thing.
    pub fn get(&self, key: &AgreedKey) -> Option<Agreed> {
        self.value(&encode_key(key)).map(|value| thing(value))
    }

    /// The fingerprint of one thing.
    pub fn fingerprint(&self, key: &AgreedKey) -> Option<u64> {
        let key = encode_key(key);
        self.value(&key).map(|value| fingerprint(&key, value))
    }

    /// All things, those of a service together and its instances last.
    pub fn things(&self) -> impl Iterator<Item = Agreed> + '_ {
        self.things.values().map(|value| thing(value))
    }

    /// All pairs, by key.
    pub fn pairs(&self) -> impl Iterator<Item = (Bytes, Bytes)> + '_ {
        let things = self.things.iter().map(|(key, value)| (key.clone(), value.clone()));
        self.done.pairs().chain(things)
    }

    /// Takes a pair from a disk or a snapshot.
    pub fn restore(&mut self, key: &Bytes, value: Bytes) -> Result<(), IllegalPair> {
        if is_thing(key) {
            decode_key(key)?;
            decode_thing(&value)?;
            self.put(key, value);
        } else {
            self.done.put(done::decode_key(key)?, done::decode_value(&value)?);
        }
        Ok(())
    }

    /// Takes back a pair that a disk says is gone.
    pub fn discard(&mut self, key: &[u8]) -> Result<(), IllegalPair> {
        if is_thing(key) {
            self.remove(key);
        } else {
            self.done.remove(&done::decode_key(key)?);
        }
        Ok(())
    }

    /// How `newer` differs: what brings whoever knows this state up to that one.
    pub fn differences(&self, newer: &Self) -> Vec<AgreedChange> {
        let gone = self.things.keys().filter(|key| !newer.things.contains_key(*key));
        let gone = gone.map(|key| AgreedChange::Gone(named(key)));
        let news = newer.things.iter().filter(|(key, value)| self.things.get(*key) != Some(*value));
        // First what goes: something may come where it was.
        gone.chain(news.map(|(_, value)| AgreedChange::Put(thing(value)))).collect()
    }

    pub(super) fn value(&self, key: &[u8]) -> Option<&Bytes> {
        self.things.get(key)
    }

    /// The pairs whose keys begin so.
    pub(super) fn with_prefix(&self, prefix: &[u8]) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        let from: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Included(prefix), Bound::Unbounded);
        self.things.range::<_, [u8]>(from).take_while(move |(key, _)| key.starts_with(prefix))
    }

    pub(super) fn put(&mut self, key: &Bytes, value: Bytes) {
        self.hash = self.hash.wrapping_add(fingerprint(key, &value));
        if let Some(before) = self.things.insert(key.clone(), value) {
            self.forget(key, &before);
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(before) = self.things.remove(key) else { return false };
        self.forget(key, &before);
        true
    }

    fn forget(&mut self, key: &[u8], value: &[u8]) {
        self.hash = self.hash.wrapping_sub(fingerprint(key, value));
    }
}

fn is_thing(key: &[u8]) -> bool {
    key.first() == Some(&THINGS)
}

/// Nothing gets into a state that cannot be read.
pub(super) fn thing(value: &[u8]) -> Agreed {
    decode_thing(value).expect("what is in a state was read or made here")
}

/// What a key in a state names.
pub(super) fn named(key: &[u8]) -> AgreedKey {
    decode_key(key).expect("what is in a state was read or made here")
}

/// The same for ever: snapshots carry sums of it.
pub(super) fn fingerprint(key: &[u8], value: &[u8]) -> u64 {
    // At once: preparing to sum up piece by piece takes longer than the sum.
    xxh3_64(&[&(key.len() as u64).to_be_bytes(), key, value].concat())
}
