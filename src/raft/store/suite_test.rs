//! Openraft's own tests of stores, on the database and on memory, and what those tests do not look at.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use openraft::{
    RaftLogReader, StorageError,
    entry::RaftEntry,
    storage::{RaftLogStorage, RaftLogStorageExt},
    testing::log::{StoreBuilder, Suite},
};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{memory::MemoryDisk, *};
use crate::{
    model::AgreedChange,
    raft::types::{Command, Entry, LeaderId, LogId, TypeConfig, Vote},
};

/// Takes note of what it is to show.
#[derive(Default)]
pub(super) struct Shown(pub(super) Mutex<Vec<AgreedChange>>);

impl Registry for Shown {
    fn agreed(&self, changes: Vec<AgreedChange>) {
        self.0.lock().extend(changes);
    }
}

struct OnDatabase;
struct InMemory;

fn built(store: Result<Store, StoreError>) -> Result<(LogStore, StateMachine), StorageError<TypeConfig>> {
    let store = store.expect("opens");
    Ok((store.log(), store.state_machine(Arc::new(Shown::default()))))
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for OnDatabase {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, machine) = built(Store::open(&dir.path().join("raft")))?;
        Ok((dir, log, machine))
    }
}

impl StoreBuilder<TypeConfig, LogStore, StateMachine, TempDir> for InMemory {
    async fn build(&self) -> Result<(TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, machine) = built(Store::in_memory(&MemoryDisk::default(), dir.path()))?;
        Ok((dir, log, machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_passes_the_suite_of_openraft() {
    DeterministicRng::<TokioRuntime>::scope(1, Suite::test_all(OnDatabase)).await.expect("passes");
}

#[tokio::test]
async fn memory_passes_the_suite_of_openraft() {
    DeterministicRng::<TokioRuntime>::scope(1, Suite::test_all(InMemory)).await.expect("passes");
}
