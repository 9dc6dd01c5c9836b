//! The directory of snapshots: plain files, named by the last entry they hold.
//!
//! Promises: a snapshot that is reported is durable; one that is being sent is whole even when its file is removed
//! meanwhile; two are kept at the most. What is being received has no name yet, so that no crash leaves half of one.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    agreed::State,
    raft::{
        store::{StoreError, files, snapshot_file},
        types::{LogId, SnapshotMeta},
        view::View,
    },
    runtime::durable,
};

const KEPT: usize = 2;
const SUFFIX: &str = ".snapshot";
const RECEIVING: &str = "receiving";
/// How long a snapshot from another node may be: a million instances take a tenth of it, and a disk is not filled by one that
/// never ends.
const LONGEST: u64 = 4 << 30;

/// A file of a snapshot, for reading. It stays readable while anybody has it, also when its name is gone.
#[derive(Clone, Debug)]
pub struct SnapshotData {
    file: Arc<File>,
    size: u64,
}

impl SnapshotData {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), size })
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from an offset on, so many at the most; none at the end. May wait for the disk.
    pub fn read_at(&self, offset: u64, most: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; left.min(most)];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.into())
    }

    /// The state in it, and what it is of. `name` is for people.
    pub(in crate::raft) fn load(&self, name: &str) -> Result<(State, SnapshotMeta), StoreError> {
        snapshot_file::read(name, Reader { data: self, offset: 0 }, self.size)
    }
}

/// Reads a snapshot from its beginning, whoever else does.
struct Reader<'a> {
    data: &'a SnapshotData,
    offset: u64,
}

impl io::Read for Reader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.data.file.read_at(bytes, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// A snapshot that is coming in.
#[derive(Debug)]
pub struct Receiving {
    file: File,
    size: u64,
}

impl Receiving {
    /// Adds bytes; fails once there are more than any snapshot has. May wait for the disk.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        if self.size > LONGEST {
            let what = format!("a snapshot has {LONGEST} bytes at the most");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        }
        self.file.write_all(bytes)
    }

    /// All came. What they are is looked at when the snapshot is installed.
    pub fn finish(self) -> SnapshotData {
        SnapshotData { file: Arc::new(self.file), size: self.size }
    }
}

/// The directory. Copies are the same one.
#[derive(Clone)]
pub struct Snapshots {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    /// The newest, and its name. Held while one is written: they come one after the other.
    newest: Mutex<Option<(SnapshotMeta, SnapshotData)>>,
    received: AtomicU64,
}

impl Snapshots {
    /// Opens the directory and reads the newest snapshot; of nothing when there is none.
    pub(super) fn open(dir: &Path) -> Result<(Self, View), StoreError> {
        let failed = |cause| StoreError::io(dir, cause);
        fs::create_dir_all(dir).map_err(failed)?;
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // Left by a run that ended while it wrote them.
            if name.ends_with(durable::UNFINISHED) || name.starts_with(RECEIVING) {
                fs::remove_file(&path).map_err(failed)?;
            }
        }
        let (mut newest, mut view) = (None, View::default());
        if let Some(name) = names(dir).map_err(failed)?.last() {
            let data = SnapshotData::open(&dir.join(name)).map_err(failed)?;
            let (state, meta) = data.load(&dir.join(name).display().to_string())?;
            newest = Some((meta.clone(), data));
            view = View { state, meta };
        }
        let inner = Inner { dir: dir.to_owned(), newest: Mutex::new(newest), received: AtomicU64::new(0) };
        Ok((Self { inner: Arc::new(inner) }, view))
    }

    /// The newest one.
    pub(in crate::raft) fn newest(&self) -> Option<(SnapshotMeta, SnapshotData)> {
        self.inner.newest.lock().clone()
    }

    /// Writes a snapshot unless there is one that is as new, and returns the newest; it is durable when this returns.
    pub(in crate::raft) fn write(
        &self,
        state: &State,
        meta: &SnapshotMeta,
    ) -> Result<(SnapshotMeta, SnapshotData), StoreError> {
        let mut newest = self.inner.newest.lock();
        if let Some(known) = newest.as_ref().filter(|(known, _)| known.last_log_id >= meta.last_log_id) {
            return Ok(known.clone());
        }
        let (dir, name) = (&self.inner.dir, name(meta.last_log_id));
        files::replace(dir, &name, |file| snapshot_file::write(file, state, meta))?;
        let path = dir.join(&name);
        let data = SnapshotData::open(&path).map_err(|cause| StoreError::io(&path, cause))?;
        *newest = Some((meta.clone(), data.clone()));
        let names = names(dir).map_err(|cause| StoreError::io(dir, cause))?;
        for old in names.iter().rev().skip(KEPT) {
            // Those who are sending it have it open. One that stays goes the next time.
            let _ = fs::remove_file(dir.join(old));
        }
        Ok((meta.clone(), data))
    }

    /// Where a snapshot that comes from another node is put. May wait for the disk.
    pub fn receive(&self) -> Result<Receiving, StoreError> {
        let number = self.inner.received.fetch_add(1, Ordering::Relaxed);
        let path = self.inner.dir.join(format!("{RECEIVING}-{number}"));
        let open = || {
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        };
        let file = open().map_err(|cause| StoreError::io(&path, cause))?;
        Ok(Receiving { file, size: 0 })
    }
}

fn name(last: Option<LogId>) -> String {
    let (index, term, node) = last.map_or((0, 0, 0), |last| (last.index, last.leader_id.term, last.leader_id.node_id));
    format!("{index:016x}-{term:016x}-{node:016x}{SUFFIX}")
}

/// The names of all snapshots of a directory, the oldest first.
fn names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(SUFFIX) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Writes a state to a file of its own, for a backup; it is durable when this returns.
pub fn write_snapshot(state: &State, meta: &SnapshotMeta, path: &Path) -> Result<(), StoreError> {
    let refused = || StoreError::io(path, io::ErrorKind::InvalidInput.into());
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(refused)?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::replace(dir, name, |file| snapshot_file::write(file, state, meta))
}

/// Reads the state of such a file, and what it is of.
pub fn read_snapshot(path: &Path) -> Result<(State, SnapshotMeta), StoreError> {
    let data = SnapshotData::open(path).map_err(|cause| StoreError::io(path, cause))?;
    data.load(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_that_never_ends_is_cut_off() {
        let mut receiving = Receiving { file: tempfile::tempfile().expect("a file"), size: LONGEST - 3 };
        receiving.write(b"abc").expect("the longest");
        let error = receiving.write(b"d").expect_err("is too long");
        assert_eq!(
            (error.kind(), receiving.file.metadata().expect("is there").len()),
            (io::ErrorKind::FileTooLarge, 3)
        );
    }
}
