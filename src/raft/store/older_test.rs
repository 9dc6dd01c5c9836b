//! What stores of an older version kept is read, once, however often that is cut off.

use std::ops::ControlFlow;

use openraft::{RaftSnapshotBuilder, storage::RaftStateMachine};

use super::{
    memory::MemoryDisk,
    suite_test::{apply, entries, machine},
    *,
};

/// Key and value on each line, in hexadecimal digits, of what version 1 made of three registrations.
const APPLIED: &str = include_str!("fixtures/applied-1.hex");

fn older() -> MemoryDisk {
    let bytes = |hex: &str| -> Vec<u8> {
        let digits = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        (0..hex.len()).step_by(2).map(digits).collect()
    };
    let pair = |line: &str| line.split_once(' ').map(|(key, value)| (bytes(key), Some(bytes(value))));
    let disk = MemoryDisk::default();
    disk.write(Tree::State, APPLIED.lines().map(|line| pair(line).expect("two")).collect()).expect("writes");
    disk
}

/// The hash of what was applied, and the last entry.
fn shown(store: &Store) -> (u64, Option<u64>) {
    let view = store.shared().view();
    (view.state.hash(), view.meta.last_log_id.map(|last| last.index))
}

/// The same, applied by this version, and whatever else is needed to have it.
async fn applied(number: u64) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::in_memory(&MemoryDisk::default(), dir.path()).expect("opens");
    apply(&mut machine(&store), entries(1, 0..number)).await;
    (dir, store)
}

#[tokio::test]
async fn what_an_older_version_applied_becomes_a_snapshot() {
    let (_dir, expected) = applied(3).await;
    for spared in 1..4 {
        let (dir, disk) = (tempfile::tempdir().expect("a directory"), older());
        let store = Store::in_memory(&disk, dir.path()).expect("opens");
        assert_eq!(shown(&store), shown(&expected));
        let mut left = 0;
        record::each(&disk, Tree::State, &[], None, &mut |_, _| {
            left += 1;
            ControlFlow::Continue(())
        })
        .expect("reads");
        assert_eq!(left, 0);
        assert_eq!(store.snapshots().newest().and_then(|(meta, _)| meta.last_log_id).map(|last| last.index), Some(2));
        // The snapshot is there, and some of what it is of.
        let cut = disk.after_power_cut_with(spared);
        assert_eq!(shown(&Store::in_memory(&cut, dir.path()).expect("opens")), shown(&expected), "{spared} batches");
    }
}

#[tokio::test]
async fn what_an_older_version_was_replacing_is_not_read() {
    let (dir, expected) = applied(9).await;
    machine(&expected).get_snapshot_builder().await.build_snapshot().await.expect("is written");
    let disk = older();
    record::remove(&disk, Tree::State, &[2], None, 2).expect("removes");
    record::write(&disk, Tree::Meta, [(b"installing".to_vec(), Some(Bytes::new()))]).expect("writes");
    for _ in 0..2 {
        assert_eq!(shown(&Store::in_memory(&disk, dir.path()).expect("opens")), shown(&expected));
    }
    assert!(record::read(&disk, Tree::Meta, b"installing").expect("reads").is_none());
}
