//! The log and the vote, as openraft asks for them.
//!
//! Promises: what was appended is read at once and acknowledged once it is durable; a vote is durable when `save_vote`
//! returns; there is never a hole. Purging writes a mark and returns: entries below it are not read any more, and are
//! deleted behind it a few at a time, because many at once would hold up the group.

use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    ops::{Bound, ControlFlow, RangeBounds},
    path::Path,
    sync::{Arc, Weak},
};

use openraft::{
    LogState, OptionalSend, RaftLogReader,
    storage::{IOFlushed, RaftLogStorage},
};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::watch;

use crate::raft::{
    codec::encode_vote,
    store::{
        StoreError,
        disk::{Disk, Tree},
        marks::{COMMITTED, Marks, PURGED, VOTE, encode_mark, encode_witness},
        record, runs,
    },
    types::{Entry, LogId, TypeConfig, Vote},
};

/// How many of the newest entries are in memory, and their bytes: who applies and replicates reads what was just appended.
const NEWEST: usize = 4_096;
const NEWEST_BYTES: usize = 4 << 20;
/// After how many entries it is kept apart how far the log goes: what a disk may lose without being found out.
const WITNESSED_EACH: u64 = 1_024;
/// How many bytes one read for a peer takes, about.
const READ_BYTES: usize = 1 << 20;

/// The log. Copies are the same one.
#[derive(Clone)]
pub struct LogStore {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    newest: Mutex<Newest>,
    durable: watch::Sender<Durable>,
}

/// What is known of the log, and the end of it.
struct Newest {
    marks: Marks,
    /// The last entries, without a hole.
    entries: VecDeque<(usize, Entry)>,
    bytes: usize,
    /// Index behind that of the last entry when it was last kept apart how far the log goes.
    witnessed: u64,
    /// How often the end was cut off. A reader that sees it change reads again.
    cuts: u64,
}

/// Up to where the log is durable.
struct Durable {
    /// Index behind that of the last entry that is.
    end: u64,
    /// The barriers that count: those that began after the end was cut off last.
    cuts: u64,
    failed: Option<StoreError>,
}

impl Newest {
    fn push(&mut self, bytes: usize, entry: Entry) {
        let first = self.marks.entries.map_or(entry.log_id.index, |(first, _)| first);
        self.marks.entries = Some((first, entry.log_id));
        self.bytes += bytes;
        self.entries.push_back((bytes, entry));
        while self.entries.len() > NEWEST || self.bytes > NEWEST_BYTES {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some((bytes, _)) = self.entries.pop_front() {
            self.bytes -= bytes;
        }
    }

    /// Forgets what is behind an index.
    fn cut(&mut self, end: u64, last: Option<LogId>) {
        self.cuts += 1;
        while self.entries.back().is_some_and(|(_, entry)| entry.log_id.index >= end) {
            let cut = self.entries.pop_back();
            self.bytes -= cut.map_or(0, |(bytes, _)| bytes);
        }
        self.marks.entries = match (self.marks.entries, last) {
            (Some((first, _)), Some(last)) if first < end => Some((first, last)),
            _ => None,
        };
    }

    fn purge(&mut self, upto: LogId) {
        while self.entries.front().is_some_and(|(_, entry)| entry.log_id.index <= upto.index) {
            self.pop_front();
        }
        self.marks.purged = Some(upto);
        self.marks.entries = self
            .marks
            .entries
            .filter(|(_, last)| last.index > upto.index)
            .map(|(first, last)| (first.max(upto.index + 1), last));
    }

    /// The entries from an index on, when all of them are here.
    fn read(&self, from: u64, to: u64, most: usize) -> Option<Vec<Entry>> {
        let first = self.entries.front().map(|(_, entry)| entry.log_id.index).filter(|first| *first <= from)?;
        let skipped = usize::try_from(from - first).expect("as many as are here");
        let mut taken = 0;
        let within = |(bytes, entry): &&(usize, Entry)| {
            let fits = entry.log_id.index < to && (taken == 0 || taken + bytes <= most);
            taken += bytes;
            fits
        };
        Some(self.entries.iter().skip(skipped).take_while(within).map(|(_, entry)| entry.clone()).collect())
    }
}

impl LogStore {
    pub(super) fn new(disk: Arc<dyn Disk>, marks: Marks) -> Self {
        let (durable, _) = watch::channel(Durable { end: marks.end(), cuts: 0, failed: None });
        let newest = Newest { witnessed: marks.end(), marks, entries: VecDeque::new(), bytes: 0, cuts: 0 };
        Self { inner: Arc::new(Inner { disk, newest: Mutex::new(newest), durable }) }
    }

    /// Whether there ever was anything in it: a vote, or an entry.
    pub fn is_begun(&self) -> bool {
        let newest = self.inner.newest.lock();
        newest.marks.vote.is_some() || newest.marks.last().is_some()
    }

    /// Returns when an entry is durable here. What is not in the log is not waited for.
    pub(in crate::raft) async fn durable(&self, index: u64) -> Result<(), StoreError> {
        let end = self.inner.newest.lock().marks.end().min(index + 1);
        let mut watched = self.inner.durable.subscribe();
        let reached = watched.wait_for(|durable| durable.failed.is_some() || durable.end >= end).await;
        reached.expect("the sender is here").failed.clone().map_or(Ok(()), Err)
    }

    /// A barrier for what was appended up to an index, before anything else is cut off.
    async fn flush(&self, end: u64, done: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        let (inner, cuts) = (self.inner.clone(), self.inner.newest.lock().cuts);
        let flushed = move |result: Result<(), StoreError>| {
            inner.durable.send_if_modified(|durable| {
                if let Err(error) = &result {
                    durable.failed = Some(error.clone());
                } else if durable.cuts == cuts {
                    durable.end = durable.end.max(end);
                }
                true
            });
            done(result);
        };
        #[cfg(feature = "sabotage")]
        if crate::sabotage::Bug::SkipSync.is_planted() {
            return flushed(Ok(()));
        }
        self.inner.disk.barrier(Box::new(flushed)).await;
    }

    fn set(&self, key: &[u8], value: bytes::Bytes) -> Result<(), StoreError> {
        record::write(&*self.inner.disk, Tree::Meta, [(key.to_vec(), Some(value))])
    }

    /// Entries between two indices. They must not stop early but for the bytes.
    fn read(&self, from: u64, to: u64, most: usize) -> Result<Vec<Entry>, StoreError> {
        loop {
            let (from, to, cuts) = {
                let newest = self.inner.newest.lock();
                let first = newest.marks.entries.map_or(u64::MAX, |(first, _)| first);
                let (from, to) = (from.max(first), to.min(newest.marks.end()));
                if from >= to {
                    return Ok(Vec::new());
                }
                if let Some(entries) = newest.read(from, to, most) {
                    return Ok(entries);
                }
                (from, to, newest.cuts)
            };
            let read = self.read_disk(from, to, most);
            let newest = self.inner.newest.lock();
            // What was read while the end was cut off, or while the beginning went, may be neither old nor new.
            let gone = newest.marks.purged.is_some_and(|purged| purged.index >= from);
            if newest.cuts == cuts && !gone {
                return read;
            }
        }
    }

    fn read_disk(&self, from: u64, to: u64, most: usize) -> Result<Vec<Entry>, StoreError> {
        let (mut entries, mut taken) = (Vec::new(), 0);
        runs::each(&*self.inner.disk, from, to, &mut |bytes, entry| {
            taken += bytes;
            if taken > most && !entries.is_empty() {
                return ControlFlow::Break(());
            }
            entries.push(entry);
            ControlFlow::Continue(())
        })?;
        let end = from + entries.len() as u64;
        if end < to && taken <= most {
            return Err(StoreError::damaged(self.dir(), format!("entry {end} of the log is missing")));
        }
        Ok(entries)
    }

    /// What is certainly agreed on and comes after an entry.
    pub(super) fn committed_after(&self, last: Option<LogId>) -> Result<Vec<Entry>, StoreError> {
        let (committed, purged) = {
            let marks = &self.inner.newest.lock().marks;
            (marks.committed, marks.purged)
        };
        if let Some(purged) = purged.filter(|purged| Some(*purged) > last) {
            let last = last.map_or("nothing".to_owned(), |last| last.to_string());
            return Err(StoreError::damaged(self.dir(), format!("it has applied {last}, and purged up to {purged}")));
        }
        let Some(committed) = committed.filter(|committed| Some(*committed) > last) else { return Ok(Vec::new()) };
        self.read(last.map_or(0, |last| last.index + 1), committed.index + 1, usize::MAX)
    }

    /// Where it is, for people.
    pub(super) fn dir(&self) -> &Path {
        self.inner.disk.dir()
    }

    /// Deletes what lies below the mark.
    pub(super) fn delete_some(&self) -> Result<bool, StoreError> {
        delete_some(&self.inner)
    }
}

/// Whether there was anything to delete.
fn delete_some(inner: &Inner) -> Result<bool, StoreError> {
    let end = inner.newest.lock().marks.purged.map_or(0, |purged| purged.index + 1);
    runs::purge(&*inner.disk, end)
}

/// Deletes what lies below the mark once that is durable, a little at a time, for as long as anybody needs the log.
async fn delete_behind(inner: Weak<Inner>) {
    // The mark may be all that tells that entries are gone on purpose. Nothing is held meanwhile that would keep the disk
    // from being closed.
    let (told, hears) = tokio::sync::oneshot::channel();
    let asking = inner.upgrade().map(|inner| {
        inner.disk.barrier(Box::new(move |result| {
            // The log may have been closed.
            let _ = told.send(result.is_ok());
        }))
    });
    match asking {
        Some(asking) => asking.await,
        None => return,
    }
    let mut more = hears.await.unwrap_or(false);
    while more {
        let Some(inner) = inner.upgrade() else { return };
        // An error is told to whoever writes next.
        more = delete_some(&inner).unwrap_or(false);
        drop(inner);
        tokio::task::yield_now().await;
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(from) => from + 1,
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(to) => to + 1,
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        Ok(self.read(from, to, usize::MAX)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.inner.newest.lock().marks.vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        Ok(self.read(start, end, READ_BYTES)?)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let newest = self.inner.newest.lock();
        Ok(LogState { last_purged_log_id: newest.marks.purged, last_log_id: newest.marks.last() })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.set(VOTE, encode_vote(vote).encode_to_vec().into())?;
        let marks = Marks { vote: Some(*vote), ..self.inner.newest.lock().marks.clone() };
        let (told, hears) = tokio::sync::oneshot::channel();
        let disk = self.inner.disk.clone();
        // What is kept apart is no newer than what the barrier covers.
        let witness = encode_witness(&marks);
        self.flush(marks.end(), move |result| {
            // The group may have been shut down.
            let _ = told.send(result.and_then(|()| disk.witness(&witness)));
        })
        .await;
        let kept = hears.await.unwrap_or_else(|_| Err(StoreError::Broken("the thread that flushes is gone".into())));
        kept?;
        self.inner.newest.lock().marks.vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        if let Some(id) = committed {
            self.set(COMMITTED, encode_mark(&id))?;
        }
        self.inner.newest.lock().marks.committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.inner.newest.lock().marks.committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        let bytes = runs::append(&*self.inner.disk, &entries)?;
        let (end, witness) = {
            let mut newest = self.inner.newest.lock();
            bytes.into_iter().zip(entries).for_each(|(bytes, entry)| newest.push(bytes, entry));
            let end = newest.marks.end();
            let due = end.abs_diff(newest.witnessed) >= WITNESSED_EACH;
            if due {
                newest.witnessed = end;
            }
            (end, due.then(|| (self.inner.disk.clone(), encode_witness(&newest.marks))))
        };
        self.flush(end, move |result| {
            let result = result.and_then(|()| witness.map_or(Ok(()), |(disk, witness)| disk.witness(&witness)));
            callback.io_completed(result.map_err(io::Error::from));
        })
        .await;
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let end = last_log_id.map_or(0, |last| last.index + 1);
        let (known, first) = {
            let newest = self.inner.newest.lock();
            (newest.marks.end(), newest.marks.entries.map_or(u64::MAX, |(first, _)| first))
        };
        if end >= known {
            return Ok(());
        }
        {
            // Before anything goes, for those who are reading.
            let mut newest = self.inner.newest.lock();
            newest.cut(end, last_log_id);
            let cuts = newest.cuts;
            self.inner.durable.send_modify(|durable| {
                durable.end = durable.end.min(end);
                durable.cuts = cuts;
            });
        }
        runs::cut(&*self.inner.disk, end.max(first), known)?;
        // Barriers that are under way count no more; what is left is durable after this one.
        self.flush(end, |_| ()).await;
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.set(PURGED, encode_mark(&log_id))?;
        let marks = {
            let mut newest = self.inner.newest.lock();
            newest.purge(log_id);
            newest.marks.clone()
        };
        let (disk, witness) = (self.inner.disk.clone(), encode_witness(&marks));
        self.flush(marks.end(), move |result| {
            // A failure breaks the disk, and whoever writes next is told.
            let _ = result.and_then(|()| disk.witness(&witness));
        })
        .await;
        tokio::spawn(delete_behind(Arc::downgrade(&self.inner)));
        Ok(())
    }
}
