//! What the log and the applied state are kept on: pairs in a few trees, and barriers.
//!
//! The seam below which a database, memory, or a plain write-ahead file are the same. A disk promises little: what is
//! written is read at once; one batch survives as a whole or not at all; nothing survives that was written after
//! something that does not, over all trees; what was written before a barrier survives once that is done.

use std::{ops::ControlFlow, path::Path};

use futures_core::future::BoxFuture;

use crate::raft::store::StoreError;

/// Where a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tree {
    /// Entries of the log.
    Log,
    /// What is known of the log and of the node's place.
    Meta,
    /// What was applied.
    State,
}

/// A key, and its value from now on; none removes it.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);
/// Is told how a barrier went, on a thread that may wait for the disk.
pub(super) type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Is given pairs in the order of their keys.
pub(super) type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

pub(super) trait Disk: Send + Sync + 'static {
    /// Where it is, for people.
    fn dir(&self) -> &Path;

    fn write(&self, tree: Tree, changes: Vec<Change>) -> Result<(), StoreError>;

    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the pairs from a key on, and before another if one is given.
    fn scan(&self, tree: Tree, from: &[u8], before: Option<&[u8]>, each: Each<'_>) -> Result<(), StoreError>;

    /// Has a barrier made. Completes when that is under way, not when it is done: too many at a time wait here.
    fn barrier(&self, done: Done) -> BoxFuture<'static, ()>;

    /// Keeps something apart from all else, durable when this returns: by it a store that lost what it had is noticed.
    fn witness(&self, bytes: &[u8]) -> Result<(), StoreError>;

    /// What was kept so last; empty when nothing was.
    fn witnessed(&self) -> Result<Vec<u8>, StoreError>;
}

/// Waits for a barrier.
pub(super) async fn barrier(disk: &dyn Disk) -> Result<(), StoreError> {
    let (told, hears) = tokio::sync::oneshot::channel();
    disk.barrier(Box::new(move |result| {
        // Whoever asked may have stopped waiting.
        let _ = told.send(result);
    }))
    .await;
    hears.await.unwrap_or_else(|_| Err(StoreError::Broken("the thread that flushes is gone".into())))
}
