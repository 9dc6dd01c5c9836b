//! What is known of the log without reading it, and what is checked of it when a store is opened.

use std::ops::ControlFlow;

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::raft as proto,
    raft::{
        codec::{decode_log_id, decode_vote, encode_log_id, encode_vote},
        store::{
            StoreError,
            disk::{Disk, Tree},
            record, runs,
        },
        types::{LogId, Vote},
    },
};

pub(super) const VOTE: &[u8] = b"vote";
pub(super) const COMMITTED: &[u8] = b"committed";
pub(super) const PURGED: &[u8] = b"purged";

/// What is known of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// The last entry that is not there any more.
    pub(super) purged: Option<LogId>,
    /// The first and the last entry that is there.
    pub(super) entries: Option<(u64, LogId)>,
}

impl Marks {
    /// The last entry that is or was there.
    pub(super) fn last(&self) -> Option<LogId> {
        self.entries.map(|(_, last)| last).or(self.purged)
    }

    /// Index behind that of the last entry.
    pub(super) fn end(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }
}

pub(super) fn encode_mark(id: &LogId) -> Bytes {
    encode_log_id(id).encode_to_vec().into()
}

fn read_mark(disk: &dyn Disk, key: &[u8]) -> Result<Option<LogId>, StoreError> {
    let Some(bytes) = record::read(disk, Tree::Meta, key)? else { return Ok(None) };
    let id = proto::LogId::decode(bytes).map_err(|error| StoreError::damaged(disk.dir(), error))?;
    Ok(Some(decode_log_id(id)))
}

/// Reads what is known of the log, and all of the log, to be certain that it can be read.
pub(super) fn load(disk: &dyn Disk) -> Result<Marks, StoreError> {
    let damaged = |what: String| StoreError::damaged(disk.dir(), what);
    let vote = match record::read(disk, Tree::Meta, VOTE)? {
        Some(bytes) => {
            let ballot = proto::Ballot::decode(bytes).map_err(|error| damaged(error.to_string()))?;
            Some(decode_vote(Some(ballot)).map_err(|error| damaged(error.to_string()))?)
        }
        None => None,
    };
    let (committed, purged) = (read_mark(disk, COMMITTED)?, read_mark(disk, PURGED)?);
    let from = purged.map_or(0, |purged| purged.index + 1);
    let mut entries: Option<(u64, LogId)> = None;
    runs::each(disk, from, u64::MAX, &mut |_, entry| {
        entries = Some((entries.map_or(entry.log_id.index, |(first, _)| first), entry.log_id));
        ControlFlow::Continue(())
    })?;
    Ok(Marks { vote, committed, purged, entries })
}

/// What is kept apart, to notice that the disk lost it: the vote, and how far the log certainly goes.
pub(super) fn encode_witness(marks: &Marks) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.push(record::VERSION);
    let vote = marks.vote.as_ref().map(encode_vote).unwrap_or_default();
    bytes.extend(vote.encode_length_delimited_to_vec());
    // What is committed is never taken back; what is not may be.
    let certain = marks.committed.filter(|committed| committed.index < marks.end()).max(marks.purged);
    bytes.extend(certain.map(|id| encode_log_id(&id).encode_length_delimited_to_vec()).unwrap_or_default());
    bytes
}

/// Compares what is there with what was kept apart. `applied` is the last entry that was applied.
pub(super) fn check_witness(disk: &dyn Disk, marks: &Marks, applied: Option<LogId>) -> Result<(), StoreError> {
    let witness = disk.witnessed()?;
    let Some((version, mut rest)) = witness.split_first() else { return Ok(()) };
    if *version != record::VERSION {
        return Err(StoreError::Version { path: disk.dir().join("witness"), version: *version });
    }
    let unreadable = |error: prost::DecodeError| StoreError::damaged(disk.dir(), format!("the witness: {error}"));
    let ballot = proto::Ballot::decode_length_delimited(&mut rest).map_err(unreadable)?;
    let voted = decode_vote(Some(ballot)).map_err(|error| StoreError::damaged(disk.dir(), error))?;
    if ballot != proto::Ballot::default()
        && marks.vote.is_none_or(|vote| vote.partial_cmp(&voted).is_none_or(|order| order.is_lt()))
    {
        let now = marks.vote.map_or("none".to_owned(), |vote| vote.to_string());
        return Err(StoreError::damaged(disk.dir(), format!("it had voted {voted} and knows of {now}")));
    }
    if !rest.is_empty() {
        let certain = decode_log_id(proto::LogId::decode_length_delimited(&mut rest).map_err(unreadable)?);
        let reached = applied.max(marks.last());
        if reached < Some(certain) {
            let now = reached.map_or("nothing".to_owned(), |id| id.to_string());
            return Err(StoreError::damaged(disk.dir(), format!("it had the log up to {certain} and has {now}")));
        }
    }
    Ok(())
}
