//! What is found wrong, and what is said of it.

use std::{fs, path::Path, time::Duration};

use openraft::{RaftLogReader, RaftSnapshotBuilder, storage::RaftStateMachine};

use super::{
    suite_test::{append, entries, machine},
    *,
};
use crate::raft::types::LogId;

const PATIENCE: Duration = Duration::from_secs(3);

/// Fills a store in a directory of its own and closes it.
async fn used() -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().join("raft");
    let store = Store::open(&place).expect("is made");
    let mut log = store.log();
    append(&mut log, entries(1, 0..200)).await;
    suite_test::vote(&mut log, 2).await;
    let mut machine = machine(&store);
    suite_test::apply(&mut machine, entries(1, 0..200)).await;
    machine.get_snapshot_builder().await.build_snapshot().await.expect("is written");
    (dir, place)
}

fn damage(place: &Path) -> String {
    match Store::open_within(place, PATIENCE) {
        Ok(_) => panic!("opens"),
        Err(error) => {
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            error.to_string()
        }
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("reads");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("writes");
}

#[tokio::test]
async fn a_damaged_store_says_so_and_how_to_go_on() {
    let (_dir, place) = used().await;
    fs::remove_file(place.join("db/conf")).expect("is there");
    let text = damage(&place);
    for part in ["is damaged", "remove the whole directory", "new number", "docs/cluster.md", "db/conf"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(text.contains(&place.display().to_string()), "{text}");
}

#[tokio::test]
async fn a_database_that_was_emptied_or_cut_off_is_not_taken_for_a_new_one() {
    for keeps_summary in [true, false] {
        for length in [0, 4_096, 20_000] {
            let (_dir, place) = used().await;
            let path = place.join("db/db");
            fs::File::options().write(true).open(&path).and_then(|file| file.set_len(length)).expect("cuts");
            for entry in fs::read_dir(place.join("db")).expect("a directory") {
                let path = entry.expect("an entry").path();
                if !keeps_summary && path.display().to_string().contains("snap.") {
                    fs::remove_file(path).expect("is there");
                }
            }
            damage(&place);
        }
    }
}

#[tokio::test]
async fn what_is_missing_or_unknown_is_named() {
    let (_dir, place) = used().await;
    let format = |version: u8| [&[version][..], &crc32fast::hash(&[version]).to_be_bytes()].concat();
    fs::write(place.join("format"), format(4)).expect("writes");
    let error = Store::open(&place).err().expect("is of another version");
    assert!(matches!(error, StoreError::Version { version: 4, .. }), "{error}");
    assert!(error.to_string().contains("version 4"), "{error}");
    fs::write(place.join("format"), format(1)).expect("writes");
    drop(Store::open(&place).expect("opens"));
    assert_eq!(
        fs::read(place.join("format")).expect("reads"),
        format(3),
        "a program of version 1 must not read it now"
    );
    flip(&place.join("format"), 3);
    assert!(damage(&place).contains("format"));
    for (name, says) in [("format", "format"), ("witness", "witness")] {
        let (_dir, place) = used().await;
        fs::remove_file(place.join(name)).expect("is there");
        assert!(damage(&place).contains(says));
    }
}

#[tokio::test]
async fn a_damaged_snapshot_is_an_error_wherever_it_is_read() {
    let (_dir, place) = used().await;
    let path = fs::read_dir(place.join("snapshots")).expect("a directory").next().expect("one").expect("one").path();
    let whole = fs::read(&path).expect("reads");
    assert_eq!(read_snapshot(&path).expect("reads").1.last_log_id.map(|id: LogId| id.index), Some(199));
    for at in (0..whole.len()).step_by(97) {
        flip(&path, at);
        assert!(read_snapshot(&path).is_err(), "byte {at}");
        flip(&path, at);
        fs::write(&path, &whole[..at]).expect("writes");
        assert!(read_snapshot(&path).is_err(), "cut off at {at}");
        fs::write(&path, &whole).expect("writes");
    }
    flip(&path, whole.len() / 2);
    let text = damage(&place);
    assert!(text.contains("snapshot"), "{text}");
}

#[tokio::test]
async fn a_directory_that_was_emptied_is_a_fresh_store_and_one_half_made_too() {
    let (dir, place) = used().await;
    fs::remove_dir_all(&place).expect("is there");
    fs::create_dir(&place).expect("is made");
    assert!(!Store::open(&place).expect("is made").log().is_begun());
    fs::remove_dir_all(&place).expect("is there");
    // Somebody began to make one and was cut off.
    fs::create_dir_all(dir.path().join("raft.new/db")).expect("is made");
    fs::write(dir.path().join("raft.new/db/conf"), "half").expect("writes");
    assert!(!Store::open(&place).expect("is made").log().is_begun());
    fs::create_dir_all(dir.path().join("other/db")).expect("is made");
    assert!(damage(&dir.path().join("other")).contains("format"), "what nobody made whole is not filled");
}

#[tokio::test]
async fn a_flipped_bit_is_noticed_or_does_no_harm() {
    let (_dir, place) = used().await;
    let path = place.join("db/db");
    let length = fs::metadata(&path).expect("is there").len() as usize;
    let whole = fs::read(&path).expect("reads");
    let others: Vec<_> =
        fs::read_dir(place.join("db")).expect("a directory").map(|entry| entry.expect("one").path()).collect();
    let others: Vec<_> =
        others.iter().filter(|path| path.is_file()).map(|path| (path, fs::read(path).expect("reads"))).collect();
    let mut noticed = 0;
    // Of a record of the log, so that at least one of them is of use.
    let live = whole.windows(9).rposition(|bytes| bytes == b"10.0.0.42").expect("is in the log");
    for at in [live, length / 7, length / 3, length / 2] {
        flip(&path, at);
        match Store::open_within(&place, PATIENCE) {
            Ok(store) => {
                let found = store.log().try_get_log_entries(0..).await.expect("reads");
                assert!(found.len() == 200, "{} of 200 with byte {at} of {length}", found.len());
                let view = store.shared().view();
                let applied = view.meta.last_log_id.map_or(0, |last: LogId| last.index as usize + 1);
                assert_eq!(view.state.len(), 2 * applied, "an older state is applied to again, a mixed one is not");
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
                noticed += 1;
            }
        }
        for (path, bytes) in &others {
            fs::write(path, bytes).expect("writes");
        }
    }
    assert!(noticed > 0, "a record of the log is among them");
}
