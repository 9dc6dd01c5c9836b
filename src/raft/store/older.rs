//! The applied state as stores of version 1 keep it: a record for each pair, and one that says what they are of.
//!
//! A start makes a snapshot of it, once, and removes it. Promises that it may be cut off anywhere.

use std::ops::ControlFlow;

use bytes::Bytes;
use prost::Message;

use crate::{
    agreed::State,
    proto::raft as proto,
    raft::{
        codec::decode_meta,
        store::{
            Snapshots, StoreError,
            applied::{AT_ONCE, STEP, step_key},
            disk::{Disk, Tree},
            record,
        },
        types::SnapshotMeta,
        view::View,
    },
};

/// Says, in `Tree::Meta`, that a snapshot of the directory is about to replace all of it.
const INSTALLING: &[u8] = b"installing";
/// What it is of, in `Tree::State`; keys of pairs begin with another byte.
const ABOUT: &[u8] = &[0];
const PAIR: u8 = 1;

/// Makes a snapshot of it, if it is newer than the newest one, which is given and becomes that.
pub(super) fn adopt(disk: &dyn Disk, snapshots: &Snapshots, newest: &mut View) -> Result<(), StoreError> {
    let installing = record::read(disk, Tree::Meta, INSTALLING)?.is_some();
    if let Some(about) = record::read(disk, Tree::State, ABOUT)? {
        let meta = read_about(about).map_err(|what| StoreError::damaged(disk.dir(), what))?;
        if !installing && meta.last_log_id > newest.meta.last_log_id {
            let state = read(disk)?;
            snapshots.write(&state, &meta)?;
            *newest = View { state, meta };
        }
        // First: what is left of the others is not taken for all of it.
        record::write(disk, Tree::State, [(ABOUT.to_vec(), None)])?;
    }
    while record::remove(disk, Tree::State, &[], Some(&step_key(0)), AT_ONCE)? {}
    let behind = [&[STEP + 1][..], &[0; 8]].concat();
    while record::remove(disk, Tree::State, &behind, None, AT_ONCE)? {}
    if installing { record::write(disk, Tree::Meta, [(INSTALLING.to_vec(), None)]) } else { Ok(()) }
}

fn read(disk: &dyn Disk) -> Result<State, StoreError> {
    let (mut state, mut failed) = (State::default(), None);
    record::each(disk, Tree::State, &[], None, &mut |key, value| {
        if let Some((&PAIR, key)) = key.split_first() {
            failed = state.restore(&Bytes::copy_from_slice(key), value).err();
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(state), |illegal| Err(StoreError::damaged(disk.dir(), illegal)))
}

fn read_about(value: Bytes) -> Result<SnapshotMeta, String> {
    let meta = proto::SnapshotMeta::decode(value).map_err(|error| error.to_string())?;
    decode_meta(Some(meta)).map_err(|error| error.to_string())
}
