//! Openraft's own tests of stores, on the database and on memory, and what those tests do not look at.

use std::{ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use openraft::{
    EntryPayload, RaftLogReader, RaftSnapshotBuilder, StorageError,
    storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine},
    testing::log::{StoreBuilder, Suite},
    vote::RaftLeaderId,
};
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{memory::MemoryDisk, *};
use crate::{
    agreed::State,
    model::{
        AgreedChange, Instance, Namespace, NamespaceOperation, NodeId, PersistentOperation, Proposal, ProposalId,
        ServiceKey,
    },
    raft::types::{Command, Entry, LeaderId, LogId, TypeConfig, Vote},
    wire::raft::{decode_command, encode_command},
};

fn command(number: u64, proposal: &Proposal) -> Command {
    Command(encode_command(&ProposalId { minted: 1_000 + number, node: NodeId(7), number }, proposal))
}

pub(super) fn registration(number: u64) -> Command {
    let instance = Instance { ip: format!("10.0.0.{number}").into(), port: 80, ..Instance::default() };
    let service = ServiceKey::new("", "", "orders").expect("legal");
    let operation = PersistentOperation::Register { service, instance: Box::new(instance) };
    command(number, &Proposal::Instance(operation))
}

pub(super) fn long(number: u64, length: usize) -> Command {
    let description = Some("x".repeat(length).into());
    let namespace = Namespace { id: "long".into(), name: "long".into(), description };
    let create = NamespaceOperation::Create(namespace.clone());
    let operation = if number == 0 { create } else { NamespaceOperation::Update(namespace) };
    command(number, &Proposal::Namespace(operation))
}

pub(super) fn entry(term: u64, index: u64, command: Command) -> Entry {
    Entry { log_id: LogId::new(LeaderId::new(term, 1), index), payload: EntryPayload::Normal(command) }
}

pub(super) fn entries(term: u64, indices: Range<u64>) -> Vec<Entry> {
    indices.map(|index| entry(term, index, registration(index))).collect()
}

pub(super) async fn append(log: &mut LogStore, entries: Vec<Entry>) {
    log.blocking_append(entries).await.expect("is durable");
}

pub(super) async fn vote(log: &mut LogStore, term: u64) {
    log.save_vote(&Vote { leader_id: LeaderId::new(term, 1), committed: false }).await.expect("is durable");
}

pub(super) async fn apply(machine: &mut StateMachine, entries: Vec<Entry>) {
    try_apply(machine, entries).await.expect("applies");
}

async fn try_apply(machine: &mut StateMachine, entries: Vec<Entry>) -> std::io::Result<()> {
    machine.apply(tokio_stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))).await
}

pub(super) fn machine(store: &Store) -> StateMachine {
    store.state_machine(Arc::new(Shown::default()))
}

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

/// An empty store in memory, and where its snapshots are.
fn in_memory() -> (TempDir, MemoryDisk, Store) {
    let (dir, disk) = (tempfile::tempdir().expect("a directory"), MemoryDisk::default());
    let store = Store::in_memory(&disk, dir.path()).expect("opens");
    (dir, disk, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_passes_the_suite_of_openraft() {
    DeterministicRng::<TokioRuntime>::scope(1, Suite::test_all(OnDatabase)).await.expect("passes");
}

#[tokio::test]
async fn memory_passes_the_suite_of_openraft() {
    DeterministicRng::<TokioRuntime>::scope(1, Suite::test_all(InMemory)).await.expect("passes");
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn values_of_any_length_are_kept_and_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("raft");
    let lengths = [0, 4_086, 4_087, 4_088, 60_000, 9_000, 1, 8_174];
    let mut hash = 0;
    for (index, length) in (0..).zip(lengths) {
        let store = Store::open(&place).expect("opens");
        assert_eq!(store.shared().view().state.hash(), hash);
        let (mut log, mut machine) = (store.log(), machine(&store));
        let all = log.try_get_log_entries(0..).await.expect("reads");
        assert_eq!(ids(&all), (0..index).collect::<Vec<_>>());
        append(&mut log, vec![entry(1, index, long(index, length))]).await;
        apply(&mut machine, vec![entry(1, index, long(index, length))]).await;
        machine.get_snapshot_builder().await.build_snapshot().await.expect("is written");
        store.keep("long", Bytes::from(vec![7; length])).await.expect("is kept");
        assert_eq!(store.kept("long").expect("reads").map(|value| value.len()), Some(length));
        hash = store.shared().view().state.hash();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_purged_behind_readers_leaves_no_hole() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("raft");
    let store = Store::open(&place).expect("opens");
    let mut log = store.log();
    for first in (0..6_000).step_by(500) {
        append(&mut log, entries(1, first..first + 500)).await;
    }
    let mut machine = machine(&store);
    apply(&mut machine, entries(1, 0..6_000)).await;
    machine.get_snapshot_builder().await.build_snapshot().await.expect("is written");
    let mut reader = log.get_log_reader().await;
    let reads = tokio::spawn(async move {
        loop {
            let found = ids(&reader.try_get_log_entries(0..).await.expect("never a hole"));
            assert!(found.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{found:?}");
            if found.first() > Some(&5_000) {
                return found;
            }
        }
    });
    for index in (0..5_900).step_by(700) {
        log.purge(LogId::new(LeaderId::new(1, 1), index)).await.expect("purges");
        tokio::task::yield_now().await;
    }
    assert_eq!(reads.await.expect("reads").last(), Some(&5_999));
    // Whatever was not deleted yet is by the next start.
    drop((log, machine, store));
    let store = Store::open(&place).expect("opens");
    let found = store.log().try_get_log_entries(0..).await.expect("reads");
    assert_eq!((found.len(), found[0].log_id.index), (399, 5_601));
    assert!(store.disk.get(Tree::Log, &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).expect("reads").is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_applied_before_it_is_durable_here() {
    let (dir, disk, store) = in_memory();
    let (mut log, mut machine) = (store.log(), machine(&store));
    disk.slow_down(Duration::from_secs(1));
    let began = tokio::time::Instant::now();
    log.append(entries(1, 0..3), openraft::storage::IOFlushed::noop()).await.expect("appends");
    assert_eq!(ids(&log.try_get_log_entries(0..9).await.expect("reads")), [0, 1, 2]);
    // Cut off and appended anew: the first barrier says nothing of what is there now.
    log.truncate_after(Some(LogId::new(LeaderId::new(1, 1), 0))).await.expect("cuts");
    tokio::time::sleep(Duration::from_millis(500)).await;
    log.append(entries(2, 1..3), openraft::storage::IOFlushed::noop()).await.expect("appends");
    apply(&mut machine, log.try_get_log_entries(0..9).await.expect("reads")).await;
    assert_eq!(began.elapsed(), Duration::from_millis(1_500));
    let cut = Store::in_memory(&disk.after_power_cut(), dir.path()).expect("opens");
    assert_eq!(ids(&cut.log().try_get_log_entries(0..9).await.expect("reads")), [0, 1, 2]);
    assert!(cut.shared().view().state.is_empty(), "nobody waited for the state, it is applied again");
}

#[tokio::test]
async fn a_start_applies_again_what_the_state_on_the_disk_lacks() {
    let (dir, disk, store) = in_memory();
    let (mut log, mut machine) = (store.log(), machine(&store));
    append(&mut log, entries(1, 0..1_500)).await;
    log.save_committed(Some(LogId::new(LeaderId::new(1, 1), 1_399))).await.expect("is kept");
    apply(&mut machine, entries(1, 0..700)).await;
    // What is on the disk is of an entry in between, and the mark goes with the next barrier.
    append(&mut log, entries(1, 1_500..1_501)).await;
    assert_eq!(steps(&disk).len(), 1, "there are enough changes to be written");
    let cut = disk.after_power_cut();
    let again = Store::in_memory(&cut, dir.path()).expect("opens").shared().view();
    assert_eq!(again.meta.last_log_id.map(|last| last.index), Some(1_399), "all that is certainly agreed on");
    apply(&mut machine, entries(1, 700..1_400)).await;
    assert_eq!(again.state.hash(), store.shared().view().state.hash());
    assert_eq!(steps(&cut).len(), 2, "what was applied again is written as what was applied first");
}

/// The last entries of the steps that are on a disk.
fn steps(disk: &MemoryDisk) -> Vec<u64> {
    let mut steps = Vec::new();
    record::each(disk, Tree::State, &[], None, &mut |key, _| {
        steps.push(u64::from_be_bytes(key[1..].try_into().expect("an index")));
        std::ops::ControlFlow::Continue(())
    })
    .expect("reads");
    steps
}

#[tokio::test]
async fn steps_lead_on_from_a_snapshot_and_none_is_missed() {
    let (dir, disk, store) = in_memory();
    let mut machine = machine(&store);
    apply(&mut machine, entries(1, 0..512)).await;
    // The snapshot is of an entry in the middle of the second step.
    apply(&mut machine, entries(1, 512..600)).await;
    let mut builder = machine.get_snapshot_builder().await;
    apply(&mut machine, entries(1, 600..1_112)).await;
    apply(&mut machine, entries(1, 1_112..1_624)).await;
    let written = steps(&disk);
    builder.build_snapshot().await.expect("is written");
    let (gone, left): (Vec<u64>, Vec<u64>) = written.iter().partition(|last| **last < 600);
    assert!(!gone.is_empty() && left.len() > 1, "{written:?}");
    assert_eq!(steps(&disk), left, "what the snapshot has is gone");
    let again = Store::in_memory(&disk, dir.path()).expect("opens").shared().view();
    let mut expected = State::default();
    let until = *left.last().expect("a step");
    for entry in entries(1, 0..until + 1) {
        let EntryPayload::Normal(command) = entry.payload else { unreachable!("all of them say something") };
        let (id, proposal) = decode_command(&command.0).expect("is legal");
        expected.apply(&id, proposal);
    }
    assert_eq!((again.state.hash(), again.meta.last_log_id.map(|last| last.index)), (expected.hash(), Some(until)));
    let step = |index: u64| [&[2][..], &index.to_be_bytes()].concat();
    record::write(&disk, Tree::State, [(step(left[0]), None)]).expect("removes");
    let error = Store::in_memory(&disk, dir.path()).err().expect("a step is missing").to_string();
    assert!(error.contains(&format!(".{}", left[0])), "{error}");
}

#[tokio::test]
async fn what_is_purged_is_in_a_snapshot() {
    let (dir, disk, store) = in_memory();
    let (mut log, mut machine) = (store.log(), machine(&store));
    append(&mut log, entries(1, 0..10)).await;
    apply(&mut machine, entries(1, 0..10)).await;
    assert!(steps(&disk).is_empty(), "a few changes wait for more");
    machine.get_snapshot_builder().await.build_snapshot().await.expect("is written");
    log.purge(LogId::new(LeaderId::new(1, 1), 9)).await.expect("purges");
    let cut = disk.after_power_cut();
    let again = Store::in_memory(&cut, dir.path()).expect("opens").shared().view();
    assert_eq!(again.state.hash(), store.shared().view().state.hash());
    std::fs::remove_dir_all(dir.path()).expect("is there");
    let error = Store::in_memory(&disk, dir.path()).err().expect("the snapshot is missing").to_string();
    assert!(error.contains("purged up to"), "{error}");
}

#[tokio::test]
async fn a_full_disk_ends_acknowledging_and_applying() {
    let (_dir, disk, store) = in_memory();
    let (mut log, mut machine) = (store.log(), machine(&store));
    append(&mut log, entries(1, 0..2)).await;
    apply(&mut machine, entries(1, 0..2)).await;
    disk.fill();
    let full = log.blocking_append(entries(1, 2..3)).await.expect_err("is full").to_string();
    assert!(full.contains("no storage space"), "{full}");
    let ballot = Vote { leader_id: LeaderId::new(9, 1), committed: false };
    for _ in 0..2 {
        assert!(log.save_vote(&ballot).await.expect_err("for good").to_string().contains("failed earlier"));
        assert!(log.blocking_append(entries(1, 3..4)).await.is_err());
    }
    assert!(try_apply(&mut machine, entries(1, 2..3)).await.is_err());
    assert_eq!(store.shared().view().meta.last_log_id.map(|id| id.index), Some(1), "what was applied is still shown");
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_stops_applying_and_changes_nothing() {
    let (_dir, _disk, store) = in_memory();
    let mut machine = machine(&store);
    let broken = vec![entry(1, 0, registration(1)), entry(1, 1, Command(Bytes::from_static(b"\xff")))];
    let error = try_apply(&mut machine, broken).await.expect_err("stops").to_string();
    assert!(error.contains("entry T1-N1.1"), "{error}");
    assert!(store.shared().view().state.is_empty());
}

#[tokio::test]
async fn a_snapshot_that_came_takes_the_place_of_all_before() {
    let (dir, disk) = (tempfile::tempdir().expect("a directory"), MemoryDisk::default());
    let store = Store::in_memory(&disk, &dir.path().join("leader")).expect("opens");
    let mut leader = machine(&store);
    apply(&mut leader, entries(1, 0..300)).await;
    let sent = leader.get_snapshot_builder().await.build_snapshot().await.expect("is written");
    // A follower that knows other things.
    let (disk, place) = (MemoryDisk::default(), dir.path().join("follower"));
    let store = Store::in_memory(&disk, &place).expect("opens");
    let shown = Arc::new(Shown::default());
    let mut follower = store.state_machine(shown.clone());
    apply(&mut follower, vec![entry(1, 0, long(0, 10))]).await;
    let mut receiving = store.snapshots().receive().expect("begins");
    receiving.write(&sent.snapshot.read_at(0, usize::MAX).expect("reads")).expect("takes");
    follower.install_snapshot(&sent.meta, receiving.finish()).await.expect("installs");
    assert_eq!(shown.0.lock().len(), 1 + 1 + 300, "one namespace comes and goes, then instances come");
    let hash = store.shared().view().state.hash();
    apply(&mut follower, entries(1, 300..812)).await;
    let hash_after = store.shared().view().state.hash();
    let again = Store::in_memory(&disk, &place).expect("opens").shared().view();
    assert_eq!(again.state.hash(), hash_after, "what came behind it leads on from it");
    // Cut off before what it replaces was removed.
    record::remove(&disk, Tree::State, &[], None, usize::MAX).expect("removes");
    let older = [&[2][..], &7u64.to_be_bytes()].concat();
    record::write(&disk, Tree::State, [(older, Some(Bytes::from_static(b"of another history")))]).expect("writes");
    for _ in 0..2 {
        let again = Store::in_memory(&disk, &place).expect("opens").shared().view();
        assert_eq!((again.state.hash(), again.meta.clone()), (hash, sent.meta.clone()));
    }
    assert!(steps(&disk).is_empty());
}

#[tokio::test]
async fn a_snapshot_that_is_being_sent_outlives_its_name() {
    let (dir, _disk, store) = in_memory();
    let mut machine = machine(&store);
    apply(&mut machine, entries(1, 0..1)).await;
    let first = machine.get_snapshot_builder().await.build_snapshot().await.expect("is written").snapshot;
    let bytes = first.read_at(0, usize::MAX).expect("reads");
    for index in 1..5 {
        apply(&mut machine, entries(1, index..index + 1)).await;
        machine.get_snapshot_builder().await.build_snapshot().await.expect("is written");
    }
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 2, "two are kept");
    assert_eq!(first.read_at(0, usize::MAX).expect("reads"), bytes);
}
