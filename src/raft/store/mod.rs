//! What a node of the group keeps: the log, the vote, the applied state and its snapshots. The only place that names sled.
//!
//! Promises: what was acknowledged survives a power cut; nothing is acknowledged any more after a barrier failed; a store
//! that lost something, or does not open, says so and how to go on, and is never taken for a new one.
//!
//! In its directory: `format`, a version; `witness`, the vote and how far the log went, apart from the rest, by which a loss
//! is noticed; `db/`, the database; `snapshots/`.

mod applied;
#[cfg(test)]
mod damage_test;
mod database;
mod disk;
mod error;
mod files;
mod flush;
mod log;
mod marks;
mod medium;
#[cfg(test)]
pub(in crate::raft) mod memory;
mod older;
#[cfg(test)]
mod older_test;
mod record;
mod runs;
#[cfg(test)]
mod runs_test;
mod snapshot_file;
mod snapshots;
#[cfg(test)]
mod suite_test;

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;

pub(super) use self::{
    applied::AppliedStore,
    medium::{Medium, OnDisk},
};
pub use self::{
    error::StoreError,
    log::LogStore,
    snapshots::{Receiving, SnapshotData, Snapshots, read_snapshot, write_snapshot},
};
pub use crate::raft::{
    state_machine::{Registry, StateMachine},
    view::{Shared, View},
};
use crate::raft::{
    store::disk::{Disk, Tree},
    view::{Effects, Legible},
};

/// An open store. It is closed when this, the log and the state machine are dropped; only then it can be opened again.
pub struct Store {
    disk: Arc<dyn Disk>,
    log: LogStore,
    snapshots: Snapshots,
    applied: Arc<AppliedStore>,
    shared: Arc<Shared>,
}

impl Store {
    /// Opens the store in a directory; makes one if there is no such directory, or nothing in it. Reads all that is
    /// there: may take a second, and waits for the disk.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_within(dir, database::PATIENCE)
    }

    fn open_within(dir: &Path, patience: Duration) -> Result<Self, StoreError> {
        let disk = database::Database::open(dir, patience)?;
        Self::on(Arc::new(disk), &dir.join(database::SNAPSHOTS_NAME)).map_err(|error| match error {
            // Here it is this node's own.
            StoreError::Snapshot { from, what } => StoreError::damaged(dir, format!("the snapshot {from}: {what}")),
            error => error,
        })
    }

    /// A store on a disk in memory, with snapshots in a directory.
    #[cfg(test)]
    pub(in crate::raft) fn in_memory(disk: &memory::MemoryDisk, snapshots: &Path) -> Result<Self, StoreError> {
        Self::on(Arc::new(disk.clone()), snapshots)
    }

    fn on(disk: Arc<dyn Disk>, snapshots: &Path) -> Result<Self, StoreError> {
        let marks = marks::load(&*disk)?;
        let (snapshots, mut view) = Snapshots::open(snapshots)?;
        older::adopt(&*disk, &snapshots, &mut view)?;
        let applied = AppliedStore::new(disk.clone());
        applied.load(&mut view)?;
        marks::check_witness(&*disk, &marks, view.meta.last_log_id)?;
        let log = LogStore::new(disk.clone(), marks);
        while log.delete_some()? {}
        catch_up(&log, &applied, &mut view)?;
        let shared = Arc::new(Shared::new(view));
        Ok(Self { disk, log, snapshots, applied: Arc::new(applied), shared })
    }

    /// The log, for openraft.
    pub fn log(&self) -> LogStore {
        self.log.clone()
    }

    /// The state machine, for openraft. There must be one at a time.
    pub fn state_machine(&self, registry: Arc<dyn Registry>) -> StateMachine {
        let (log, applied) = (self.log.clone(), self.applied.clone());
        StateMachine::new(log, applied, self.snapshots.clone(), self.shared.clone(), registry)
    }

    /// What is applied, as it is at any time.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Where snapshots that come from other nodes are put.
    pub fn snapshots(&self) -> Snapshots {
        self.snapshots.clone()
    }

    /// Keeps something small of a name; durable when this returns.
    pub async fn keep(&self, name: &str, value: Bytes) -> Result<(), StoreError> {
        record::write(&*self.disk, Tree::Meta, [(kept(name), Some(value))])?;
        disk::barrier(&*self.disk).await
    }

    /// What was kept of that name.
    pub fn kept(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        record::read(&*self.disk, Tree::Meta, &kept(name))
    }
}

/// Applies again what was applied since the state was written.
fn catch_up(log: &LogStore, applied: &AppliedStore, view: &mut View) -> Result<(), StoreError> {
    let mut effects = Effects::default();
    for entry in log.committed_after(view.meta.last_log_id)? {
        let entry = Legible::read(entry).map_err(|error| StoreError::io(log.dir(), error))?;
        view.apply(entry, &mut effects);
    }
    applied.add(effects.pairs, view.meta.clone())
}

/// Not to be taken for a mark of the log.
fn kept(name: &str) -> Vec<u8> {
    [b"kept/", name.as_bytes()].concat()
}
