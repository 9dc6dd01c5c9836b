//! The applied state on the disk: an older state of this node, never a mixed one.
//!
//! What changes is kept in memory until there is some of it, and then written as one batch of the disk, with the last entry
//! applied and the members. Nobody waits for it: what is not there yet is applied again from the log, which is durable
//! before it is applied, and is not purged before the state is written. A snapshot that replaces it all does so in many
//! batches behind a mark, so that a start that finds the mark begins again from the file.

use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;

use crate::{
    agreed::{Pair, State},
    proto::raft as proto,
    raft::{
        codec::{decode_log_id, decode_meta, encode_log_id, encode_meta},
        off_thread::off_thread,
        store::{
            Snapshots, StoreError,
            disk::{self, Disk, Tree},
            record,
        },
        types::SnapshotMeta,
    },
};

/// The mark, in `Tree::Meta`.
const INSTALLING: &[u8] = b"installing";
/// What the state is of, in `Tree::State`; keys of pairs begin with another byte.
const ABOUT: &[u8] = &[0];
const PAIR: u8 = 1;
/// How many records one batch of a replacement has.
const AT_ONCE: usize = 1_024;
/// How many changed pairs are written together, and how many bytes: all else that is written waits for them. A start
/// applies the entries again that they came from.
const TOGETHER: usize = 1_024;
const BYTES_TOGETHER: usize = 1 << 20;

pub(in crate::raft) struct AppliedStore {
    disk: Arc<dyn Disk>,
    /// Held while it is written, so that nothing older comes later.
    unwritten: Mutex<Unwritten>,
}

/// What changed since the state was written, as it is now, and what the state is of.
#[derive(Default)]
struct Unwritten {
    pairs: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    meta: Option<SnapshotMeta>,
}

impl Unwritten {
    fn add(&mut self, pairs: Vec<Pair>, meta: SnapshotMeta) {
        for (key, value) in pairs {
            self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            self.pairs.insert(key, value);
        }
        self.meta = Some(meta);
    }

    fn write(&mut self, disk: &dyn Disk) -> Result<(), StoreError> {
        let Self { pairs, meta, .. } = std::mem::take(self);
        let Some(meta) = meta else { return Ok(()) };
        let records = pairs.into_iter().map(|(key, value)| (pair_key(&key), value));
        record::write(disk, Tree::State, records.chain([about(&meta)]))
    }
}

fn pair_key(key: &[u8]) -> Vec<u8> {
    [&[PAIR], key].concat()
}

fn about(meta: &SnapshotMeta) -> record::Record {
    (ABOUT.to_vec(), Some(encode_meta(meta).encode_to_vec().into()))
}

impl AppliedStore {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, unwritten: Mutex::default() }
    }

    /// Reads all of it; one that was being replaced is replaced first.
    pub(super) fn load(&self, snapshots: &Snapshots) -> Result<(State, SnapshotMeta), StoreError> {
        let disk = &*self.disk;
        if let Some(mark) = record::read(disk, Tree::Meta, INSTALLING)? {
            let last = proto::LogId::decode(mark).map_err(|error| StoreError::damaged(disk.dir(), error))?;
            let (state, meta) = snapshots.read(Some(decode_log_id(last)))?;
            self.refill(&state, &meta)?;
            record::write(disk, Tree::Meta, [(INSTALLING.to_vec(), None)])?;
            return Ok((state, meta));
        }
        let (mut state, mut meta, mut failed) = (State::default(), SnapshotMeta::default(), None);
        record::each(disk, Tree::State, &[], None, &mut |key, value| {
            let read = match key.split_first() {
                Some((&PAIR, key)) => {
                    state.restore(&Bytes::copy_from_slice(key), value).map_err(|error| error.to_string())
                }
                _ if key == ABOUT => read_about(value).map(|read| meta = read),
                _ => Err("a key of the applied state is of no kind".to_owned()),
            };
            failed = read.err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        match failed {
            Some(what) => Err(StoreError::damaged(disk.dir(), what)),
            None if meta.last_log_id.is_none() && !state.is_empty() => {
                Err(StoreError::damaged(disk.dir(), "nothing tells what the applied state is of"))
            }
            None => Ok((state, meta)),
        }
    }

    /// Takes what changed and what the state is of now, to be written later; pairs that come twice are as they came last.
    pub(in crate::raft) fn add(&self, pairs: Vec<Pair>, meta: SnapshotMeta) -> Result<(), StoreError> {
        let mut unwritten = self.unwritten.lock();
        unwritten.add(pairs, meta);
        if unwritten.pairs.len() < TOGETHER && unwritten.bytes < BYTES_TOGETHER {
            return Ok(());
        }
        unwritten.write(&*self.disk)
    }

    /// Writes what was taken. May wait for the disk.
    pub(in crate::raft) fn write(&self) -> Result<(), StoreError> {
        self.unwritten.lock().write(&*self.disk)
    }

    /// What was written to the disk before is durable when this returns.
    pub(in crate::raft) async fn settle(&self) -> Result<(), StoreError> {
        disk::barrier(&*self.disk).await
    }

    /// Replaces all of it by a snapshot that is in the directory.
    pub(in crate::raft) async fn replace(self: Arc<Self>, state: State, meta: SnapshotMeta) -> Result<(), StoreError> {
        *self.unwritten.lock() = Unwritten::default();
        let last = meta.last_log_id.as_ref().map(|id| encode_log_id(id).encode_to_vec().into());
        record::write(&*self.disk, Tree::Meta, [(INSTALLING.to_vec(), Some(last.unwrap_or_default()))])?;
        self.settle().await?;
        let applied = self.clone();
        let refilled = off_thread(move || applied.refill(&state, &meta)).await;
        refilled.map_err(|error| StoreError::Broken(error.to_string().into()))??;
        record::write(&*self.disk, Tree::Meta, [(INSTALLING.to_vec(), None)])?;
        self.settle().await
    }

    fn refill(&self, state: &State, meta: &SnapshotMeta) -> Result<(), StoreError> {
        let disk = &*self.disk;
        while record::remove(disk, Tree::State, &[], None, AT_ONCE)? {}
        let mut pairs = state.pairs().map(|(key, value)| (pair_key(key), value.clone()));
        loop {
            let some: Vec<_> = pairs.by_ref().take(AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            disk.write(Tree::State, record::fresh(some))?;
        }
        record::write(disk, Tree::State, [about(meta)])
    }
}

fn read_about(value: Bytes) -> Result<SnapshotMeta, String> {
    let meta = proto::SnapshotMeta::decode(value).map_err(|error| error.to_string())?;
    decode_meta(Some(meta)).map_err(|error| error.to_string())
}
