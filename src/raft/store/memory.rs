//! A disk in memory, for tests and the simulation: it survives a crash of its host as a real one does.
//!
//! What was written is read at once, and is durable once a barrier is done, which takes as long as it is told to. A power
//! cut leaves a prefix of what was written that holds all that a barrier covered; which one is for the caller to choose.

use std::{
    collections::VecDeque,
    ops::{Bound, ControlFlow},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_core::future::BoxFuture;
use imbl::OrdMap;
use parking_lot::Mutex;

use crate::raft::store::{
    Medium, Store, StoreError,
    disk::{Change, Disk, Done, Each, Tree},
    error::Broken,
};

type Pairs = OrdMap<(Tree, Vec<u8>), Vec<u8>>;

struct Contents {
    /// What is read.
    pairs: Pairs,
    /// How many batches were written, and of these how many a barrier covered.
    written: u64,
    durable: u64,
    /// What the barrier left, and then each batch since.
    prefixes: VecDeque<Pairs>,
    witness: Vec<u8>,
    /// How long a barrier takes.
    slowness: Duration,
    /// Whether barriers fail from now on.
    full: bool,
}

impl Contents {
    fn of(pairs: Pairs, witness: Vec<u8>) -> Self {
        let prefixes = VecDeque::from([pairs.clone()]);
        Self { pairs, written: 0, durable: 0, prefixes, witness, slowness: Duration::ZERO, full: false }
    }
}

/// See the top of the file. Copies are the same disk.
#[derive(Clone)]
pub(in crate::raft) struct MemoryDisk {
    contents: Arc<Mutex<Contents>>,
    broken: Broken,
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::with(Contents::of(Pairs::new(), Vec::new()))
    }
}

impl MemoryDisk {
    fn with(contents: Contents) -> Self {
        Self { contents: Arc::new(Mutex::new(contents)), broken: Broken::default() }
    }

    /// How long barriers take from now on, in the time of the runtime they are asked for in.
    pub(in crate::raft) fn slow_down(&self, slowness: Duration) {
        self.contents.lock().slowness = slowness;
    }

    /// Barriers fail from now on.
    pub(in crate::raft) fn fill(&self) {
        self.contents.lock().full = true;
    }

    /// The least that a power cut leaves. The disk that was is used no more.
    pub(in crate::raft) fn after_power_cut(&self) -> Self {
        self.after_power_cut_with(0)
    }

    /// What a power cut leaves when so many batches survive that no barrier covered, of those that there are.
    pub(in crate::raft) fn after_power_cut_with(&self, spared: usize) -> Self {
        let contents = self.contents.lock();
        let left = contents.prefixes.get(spared).or(contents.prefixes.back()).cloned().unwrap_or_default();
        let slowness = contents.slowness;
        Self::with(Contents { slowness, ..Contents::of(left, contents.witness.clone()) })
    }

    fn settle(&self, written: u64) -> Result<(), StoreError> {
        self.broken.guard(self.dir(), || {
            let mut contents = self.contents.lock();
            if contents.full {
                return Err(StoreError::io(self.dir(), std::io::ErrorKind::StorageFull.into()));
            }
            // A slow barrier may end behind one that began later.
            while contents.durable < written {
                contents.durable += 1;
                contents.prefixes.pop_front();
            }
            Ok(())
        })
    }
}

impl Disk for MemoryDisk {
    fn dir(&self) -> &Path {
        Path::new("memory")
    }

    fn write(&self, tree: Tree, changes: Vec<Change>) -> Result<(), StoreError> {
        self.broken.check()?;
        let mut contents = self.contents.lock();
        for (key, value) in changes {
            match value {
                Some(value) => contents.pairs.insert((tree, key), value),
                None => contents.pairs.remove(&(tree, key)),
            };
        }
        let prefix = contents.pairs.clone();
        contents.prefixes.push_back(prefix);
        contents.written += 1;
        Ok(())
    }

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.contents.lock().pairs.get(&(tree, key.to_vec())).cloned())
    }

    fn scan(&self, tree: Tree, from: &[u8], before: Option<&[u8]>, each: Each<'_>) -> Result<(), StoreError> {
        let pairs = self.contents.lock().pairs.clone();
        let from: (Bound<(Tree, Vec<u8>)>, _) = (Bound::Included((tree, from.to_vec())), Bound::Unbounded);
        for ((_, key), value) in pairs.range(from).take_while(|((of, _), _)| *of == tree) {
            if before.is_some_and(|before| key.as_slice() >= before) || each(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn barrier(&self, done: Done) -> BoxFuture<'static, ()> {
        let (written, slowness) = {
            let contents = self.contents.lock();
            (contents.written, contents.slowness)
        };
        if slowness.is_zero() {
            done(self.settle(written));
        } else {
            let disk = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(slowness).await;
                done(disk.settle(written));
            });
        }
        Box::pin(std::future::ready(()))
    }

    fn witness(&self, bytes: &[u8]) -> Result<(), StoreError> {
        self.contents.lock().witness = bytes.to_vec();
        Ok(())
    }

    fn witnessed(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.contents.lock().witness.clone())
    }
}

/// A store on such a disk, with snapshots in a directory.
pub(in crate::raft) struct InMemory {
    pub(in crate::raft) disk: MemoryDisk,
    pub(in crate::raft) snapshots: PathBuf,
}

impl Medium for InMemory {
    fn open(&self) -> Result<Store, StoreError> {
        Store::in_memory(&self.disk, &self.snapshots)
    }

    fn clear(&self) -> Result<(), StoreError> {
        *self.disk.contents.lock() = Contents::of(Pairs::new(), Vec::new());
        std::fs::remove_dir_all(&self.snapshots).map_err(|cause| StoreError::io(&self.snapshots, cause))
    }
}
