//! The applied state on the disk: the newest snapshot, and behind it steps of what changed since; an older state of this
//! node, never a mixed one.
//!
//! What changes is kept in memory until there is some of it, and then written as one step: one batch of the disk, with the
//! last entry applied and the members. Nobody waits for it: what is not there yet is applied again from the log, which is
//! durable before it is applied, and is not purged before a snapshot has it. What a snapshot has needs no steps any more.

use std::{ops::ControlFlow, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;

use crate::{
    agreed::Pair,
    proto::raft as proto,
    raft::{
        codec::{decode_log_id, decode_meta, encode_log_id, encode_meta},
        store::{
            StoreError,
            disk::{self, Disk, Tree},
            record,
        },
        types::{LogId, SnapshotMeta},
        view::View,
    },
};

/// What keys of steps begin with, in `Tree::State`; the index of the last entry follows.
pub(super) const STEP: u8 = 2;
/// How many parts of records are removed at once.
pub(super) const AT_ONCE: usize = 1_024;
/// How many changed pairs are written together, and how many bytes. A start applies the entries again that they came from.
const TOGETHER: usize = 1_024;
const BYTES_TOGETHER: usize = 1 << 20;

pub(in crate::raft) struct AppliedStore {
    disk: Arc<dyn Disk>,
    /// Held while it is written, so that nothing older comes later.
    unwritten: Mutex<Unwritten>,
}

/// What changed since the last step.
#[derive(Default)]
struct Unwritten {
    /// The last entry that needs no step.
    after: Option<LogId>,
    changes: Vec<proto::Change>,
    bytes: usize,
    meta: Option<SnapshotMeta>,
}

pub(super) fn step_key(index: u64) -> Vec<u8> {
    [&[STEP][..], &index.to_be_bytes()].concat()
}

impl AppliedStore {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, unwritten: Mutex::default() }
    }

    /// Takes the steps that lead on from the newest snapshot; older ones go.
    pub(super) fn load(&self, view: &mut View) -> Result<(), StoreError> {
        self.forget(view.meta.last_log_id)?;
        let (disk, mut failed) = (&*self.disk, None);
        record::each(disk, Tree::State, &step_key(0), None, &mut |_, step| {
            failed = take(view, step).err();
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.unwritten.lock().after = view.meta.last_log_id;
        failed.map_or(Ok(()), |what| Err(StoreError::damaged(disk.dir(), what)))
    }

    /// Takes what changed and what the state is of now, to be written later.
    pub(in crate::raft) fn add(&self, pairs: Vec<Pair>, meta: SnapshotMeta) -> Result<(), StoreError> {
        let mut unwritten = self.unwritten.lock();
        for (key, value) in pairs {
            unwritten.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            unwritten.changes.push(proto::Change { key, value });
        }
        unwritten.meta = Some(meta);
        if unwritten.changes.len() < TOGETHER && unwritten.bytes < BYTES_TOGETHER {
            return Ok(());
        }
        self.write(&mut unwritten)
    }

    fn write(&self, unwritten: &mut Unwritten) -> Result<(), StoreError> {
        let Unwritten { after, changes, meta, .. } = std::mem::take(unwritten);
        let Some((last, meta)) = meta.and_then(|meta| Some((meta.last_log_id?, meta))) else { return Ok(()) };
        unwritten.after = Some(last);
        let after = after.as_ref().map(encode_log_id);
        let step = proto::Step { after, meta: Some(encode_meta(&meta)), changes }.encode_to_vec();
        self.disk.write(Tree::State, record::fresh([(step_key(last.index), step.into())]))
    }

    /// What was written to the disk before is durable when this returns.
    pub(in crate::raft) async fn settle(&self) -> Result<(), StoreError> {
        disk::barrier(&*self.disk).await
    }

    /// A snapshot that is in the directory takes the place of all of it.
    pub(in crate::raft) fn replace(&self, last: Option<LogId>) -> Result<(), StoreError> {
        *self.unwritten.lock() = Unwritten { after: last, ..Unwritten::default() };
        self.forget(last)
    }

    /// Removes the steps that a snapshot up to here makes needless. May wait for the disk.
    pub(in crate::raft) fn forget(&self, upto: Option<LogId>) -> Result<(), StoreError> {
        let Some(upto) = upto else { return Ok(()) };
        while record::remove(&*self.disk, Tree::State, &step_key(0), Some(&step_key(upto.index + 1)), AT_ONCE)? {}
        Ok(())
    }
}

/// Changes a state by a step. One that begins before it says of each pair how it was left, so it leads to the same.
fn take(view: &mut View, step: Bytes) -> Result<(), String> {
    let step = proto::Step::decode(step).map_err(|error| error.to_string())?;
    let meta = decode_meta(step.meta).map_err(|error| error.to_string())?;
    let after = step.after.map(decode_log_id);
    if after > view.meta.last_log_id {
        let last = view.meta.last_log_id.map_or("nothing".to_owned(), |last| last.to_string());
        return Err(format!(
            "the applied state ends with {last}, and what changed is known from {} on",
            after.map_or_else(String::new, |after| after.to_string())
        ));
    }
    for change in step.changes {
        match change.value {
            Some(value) => view.state.restore(&change.key, value).map_err(|error| error.to_string())?,
            None => view.state.discard(&change.key).map_err(|error| error.to_string())?,
        }
    }
    view.meta = meta;
    Ok(())
}
