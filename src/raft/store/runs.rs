//! Entries as the disk keeps them: those that were appended together in runs, one record each.
//!
//! What a write costs the database hardly depends on how long it is. Promises that a run is one value of the database, so it
//! survives as a whole or not at all, and that what versions 1 and 2 kept, a record for each entry, is read as before.
//! The key of a run is the index of its first entry.

use std::ops::ControlFlow;

use bytes::Bytes;
use prost::Message;

use crate::{
    proto::raft as proto,
    raft::{
        codec::{decode_entry, encode_entry},
        store::{
            StoreError,
            disk::{Change, Disk, Tree},
            record,
        },
        types::Entry,
    },
};

/// Entries of a run at the most: how far before an entry the run may begin that has it.
const MOST: u64 = 32;
/// How many runs are removed at a time: many at once would hold up the group.
const REMOVED_AT_ONCE: usize = 64;
/// What a run holds beside the entries themselves, in bytes, at the most: the tag and the length of each.
const BESIDE: usize = 4;

/// Entries that follow each other, as one record.
struct Run {
    first: u64,
    bytes: usize,
    entries: Vec<proto::Entry>,
}

impl Run {
    fn begin(first: u64) -> Self {
        Self { first, bytes: 0, entries: Vec::new() }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries.is_empty() || (self.entries.len() < MOST as usize && self.bytes + bytes <= record::PART)
    }

    fn changes(self) -> Vec<Change> {
        record::fresh([(key(self.first), proto::Run { entries: self.entries }.encode_to_vec().into())])
    }
}

fn key(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

/// Writes entries that follow each other behind all that are there. Of those that no barrier covers any part may be lost
/// from the end: one write for each run, because the database makes much ado about many at once. How many bytes each takes.
pub(super) fn append(disk: &dyn Disk, entries: &[Entry]) -> Result<Vec<usize>, StoreError> {
    let Some(first) = entries.first() else { return Ok(Vec::new()) };
    let (mut run, mut each) = (Run::begin(first.log_id.index), Vec::with_capacity(entries.len()));
    for entry in entries {
        let encoded = encode_entry(entry);
        let bytes = encoded.encoded_len() + BESIDE;
        if !run.has_room(bytes) {
            let full = std::mem::replace(&mut run, Run::begin(entry.log_id.index));
            disk.write(Tree::Log, full.changes())?;
        }
        run.bytes += bytes;
        run.entries.push(encoded);
        each.push(bytes);
    }
    disk.write(Tree::Log, run.changes())?;
    Ok(each)
}

/// Visits the entries from one on and before another, with the bytes of each. Fails at a hole; an end is none.
pub(super) fn each(
    disk: &dyn Disk,
    from: u64,
    before: u64,
    visit: &mut dyn FnMut(usize, Entry) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut next = from;
    let mut visit_run = |run: Vec<(usize, Entry)>| {
        for (bytes, entry) in run {
            let index = entry.log_id.index;
            if index < from {
                continue;
            }
            if index != next {
                let what = format!("entry {next} of the log is missing, there is entry {index}");
                return ControlFlow::Break(Err(StoreError::damaged(disk.dir(), what)));
            }
            next += 1;
            if index >= before || visit(bytes, entry).is_break() {
                return ControlFlow::Break(Ok(()));
            }
        }
        ControlFlow::Continue(())
    };
    let (mut ended, first) = (Ok(()), around(disk, from)?.map_or_else(|| key(from), |(name, _)| name));
    record::each(disk, Tree::Log, &first, Some(&key(before)), &mut |name, value| {
        let visited = match read(disk, name, value) {
            Ok(run) => visit_run(run),
            Err(error) => ControlFlow::Break(Err(error)),
        };
        visited.map_break(|result| ended = result)
    })?;
    ended
}

/// Removes the entries from one on; there are none from `known` on. From the end, so that there is never a hole.
pub(super) fn cut(disk: &dyn Disk, from: u64, known: u64) -> Result<(), StoreError> {
    let mut to = known;
    while to > from {
        let some = to.saturating_sub(REMOVED_AT_ONCE as u64).max(from);
        record::remove(disk, Tree::Log, &key(some), Some(&key(to)), usize::MAX)?;
        to = some;
    }
    let Some((name, mut run)) = around(disk, from)? else { return Ok(()) };
    run.entries.truncate(usize::try_from(from - index_of(disk, &name)?).expect("runs are short"));
    record::write(disk, Tree::Log, [(name, Some(run.encode_to_vec().into()))])
}

/// Removes some of what holds no entry from one on. Whether there was any.
pub(super) fn purge(disk: &dyn Disk, before: u64) -> Result<bool, StoreError> {
    let end = around(disk, before)?.map_or_else(|| key(before), |(name, _)| name);
    record::remove(disk, Tree::Log, &key(0), Some(&end), REMOVED_AT_ONCE)
}

/// The run that begins before an entry and has it. What is purged may be gone in part, and is not looked at.
fn around(disk: &dyn Disk, index: u64) -> Result<Option<(Vec<u8>, proto::Run)>, StoreError> {
    let Some(before) = index.checked_sub(1) else { return Ok(None) };
    let earliest = key(index.saturating_sub(MOST - 1));
    let Some(name) = record::last_key(disk, Tree::Log, &earliest, &key(before))? else { return Ok(None) };
    // One entry alone may take more than a part.
    let Some(value) = record::read_short(disk, Tree::Log, &name)? else { return Ok(None) };
    let run = proto::Run::decode(value).map_err(|error| StoreError::damaged(disk.dir(), error))?;
    let end = index_of(disk, &name)? + run.entries.len() as u64;
    Ok((index < end).then_some((name, run)))
}

/// The entries of a record, and the bytes of each.
fn read(disk: &dyn Disk, name: &[u8], value: Bytes) -> Result<Vec<(usize, Entry)>, StoreError> {
    let first = index_of(disk, name)?;
    let damaged = |what: String| StoreError::damaged(disk.dir(), format!("entry {first} of the log: {what}"));
    let run = proto::Run::decode(value.clone()).map_err(|error| damaged(error.to_string()))?;
    let entries = match run.entries.is_empty() {
        true => vec![proto::Entry::decode(value).map_err(|error| damaged(error.to_string()))?],
        false => run.entries,
    };
    let numbered = |(place, entry): (usize, proto::Entry)| {
        let bytes = entry.encoded_len() + BESIDE;
        let entry = decode_entry(entry).map_err(|error| damaged(error.to_string()))?;
        match entry.log_id.index.checked_sub(first) == Some(place as u64) {
            true => Ok((bytes, entry)),
            false => Err(damaged(format!("{place} behind it stands entry {}", entry.log_id.index))),
        }
    };
    entries.into_iter().enumerate().map(numbered).collect()
}

fn index_of(disk: &dyn Disk, name: &[u8]) -> Result<u64, StoreError> {
    let index = name.try_into().map(u64::from_be_bytes);
    index.map_err(|_| StoreError::damaged(disk.dir(), "a key of the log is no index"))
}
