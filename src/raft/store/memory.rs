//! A disk in memory, for tests and the simulation: it survives a crash of its host as a real one does.
//!
//! What was written is read at once, and is durable once a barrier is done, which takes as long as it is told to. A crash
//! leaves a prefix of what was written that holds all that a barrier covered.

use std::{
    ops::{Bound, ControlFlow},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_core::future::BoxFuture;
use imbl::OrdMap;
use parking_lot::Mutex;

use crate::raft::store::{
    StoreError,
    disk::{Change, Disk, Done, Each, Tree},
    error::Broken,
};

type Pairs = OrdMap<(Tree, Vec<u8>), Vec<u8>>;

#[derive(Default)]
struct Contents {
    /// What is read.
    pairs: Pairs,
    /// What the last barrier left.
    durable: Pairs,
    witness: Vec<u8>,
    /// How long a barrier takes.
    slowness: Duration,
    /// Whether barriers fail from now on.
    full: bool,
}

/// See the top of the file. Copies are the same disk.
#[derive(Clone, Default)]
pub(in crate::raft) struct MemoryDisk {
    contents: Arc<Mutex<Contents>>,
    broken: Broken,
}

impl MemoryDisk {
    /// How long barriers take from now on, in the time of the runtime they are asked for in.
    pub(in crate::raft) fn slow_down(&self, slowness: Duration) {
        self.contents.lock().slowness = slowness;
    }

    /// Barriers fail from now on.
    pub(in crate::raft) fn fill(&self) {
        self.contents.lock().full = true;
    }

    /// What a power cut leaves. The disk that was is used no more.
    pub(in crate::raft) fn after_power_cut(&self) -> Self {
        let contents = self.contents.lock();
        let (pairs, durable) = (contents.durable.clone(), contents.durable.clone());
        let left = Contents { pairs, durable, witness: contents.witness.clone(), ..Contents::default() };
        Self { contents: Arc::new(Mutex::new(left)), broken: Broken::default() }
    }

    fn settle(&self, written: Pairs) -> Result<(), StoreError> {
        self.broken.guard(self.dir(), || {
            let mut contents = self.contents.lock();
            if contents.full {
                return Err(StoreError::io(self.dir(), std::io::ErrorKind::StorageFull.into()));
            }
            contents.durable = written;
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
            (contents.pairs.clone(), contents.slowness)
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
