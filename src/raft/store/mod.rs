//! STUB to check types.
#![allow(missing_docs, unused)]
use crate::{agreed::State, raft::types::*, runtime::Runtime};
use bytes::Bytes;
use futures_core::Stream;
use openraft::{
    OptionalSend, RaftLogReader, RaftSnapshotBuilder,
    storage::{EntryResponder, IOFlushed, LogState, RaftLogStorage, RaftStateMachine},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
#[derive(Clone, Debug)]
pub struct SnapshotFile;
impl SnapshotFile {
    pub fn read(&self, _: usize, _: impl FnMut(Bytes) -> bool) -> io::Result<()> {
        unimplemented!()
    }
}
pub struct Store {
    pub log: Log,
    pub machine: Machine,
}
impl Store {
    pub fn open(_: &Path, _: Arc<Runtime>) -> io::Result<Self> {
        unimplemented!()
    }
    pub fn remove(_: &Path) -> io::Result<()> {
        unimplemented!()
    }
}
#[derive(Clone)]
pub struct Log;
#[derive(Clone)]
pub struct Machine;
pub struct Receiving;
impl Receiving {
    pub async fn write(&mut self, _: Bytes) -> io::Result<()> {
        unimplemented!()
    }
    pub async fn finish(self) -> io::Result<SnapshotFile> {
        unimplemented!()
    }
}
impl Machine {
    pub async fn applied(&self, _: u64) {}
    pub async fn receive(&self) -> io::Result<Receiving> {
        unimplemented!()
    }
    pub fn state(&self) -> State {
        unimplemented!()
    }
    pub fn shown(&self) -> (Option<u64>, u64, usize) {
        unimplemented!()
    }
    pub async fn backup(&self) -> io::Result<PathBuf> {
        unimplemented!()
    }
}
impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<RB: std::ops::RangeBounds<u64> + Clone + std::fmt::Debug + OptionalSend>(
        &mut self,
        _: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        unimplemented!()
    }
    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        unimplemented!()
    }
}
impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;
    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        unimplemented!()
    }
    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }
    async fn save_vote(&mut self, _: &Vote) -> Result<(), io::Error> {
        unimplemented!()
    }
    async fn append<I>(&mut self, _: I, _: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        unimplemented!()
    }
    async fn truncate_after(&mut self, _: Option<LogId>) -> Result<(), io::Error> {
        unimplemented!()
    }
    async fn purge(&mut self, _: LogId) -> Result<(), io::Error> {
        unimplemented!()
    }
}
impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;
    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        unimplemented!()
    }
}
impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Self;
    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        unimplemented!()
    }
    async fn apply<S>(&mut self, _: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        unimplemented!()
    }
    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }
    async fn install_snapshot(&mut self, _: &SnapshotMeta, _: SnapshotFile) -> Result<(), io::Error> {
        unimplemented!()
    }
    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        unimplemented!()
    }
}
