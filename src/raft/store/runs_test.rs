//! Entries in runs are the entries that were appended, whatever is cut off of either end, and those of older versions too.

use std::ops::ControlFlow;

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::{
    memory::MemoryDisk,
    suite_test::{entries, entry, long},
    *,
};
use crate::{
    proto,
    raft::{codec::encode_entry, types::Entry},
};

fn read(disk: &MemoryDisk, from: u64, before: u64) -> Vec<Entry> {
    let mut all = Vec::new();
    let visited = runs::each(disk, from, before, &mut |_, entry| {
        all.push(entry);
        ControlFlow::Continue(())
    });
    visited.expect("reads");
    all
}

fn records(disk: &MemoryDisk) -> usize {
    let mut count = 0;
    let counted = record::each(disk, Tree::Log, &[0; 8], None, &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    });
    counted.expect("reads");
    count
}

#[test]
fn what_is_appended_together_takes_few_records() {
    let disk = MemoryDisk::default();
    runs::append(&disk, &entries(1, 0..1_000)).expect("appends");
    assert!(records(&disk) < 70, "{}", records(&disk));
    assert_eq!(read(&disk, 0, u64::MAX).len(), 1_000);
    assert_eq!(read(&disk, 333, 444), entries(1, 333..444));
}

#[test]
fn records_of_single_entries_are_read_cut_and_purged_as_runs_are() {
    let disk = MemoryDisk::default();
    let single = |entry: Entry| {
        let key = entry.log_id.index.to_be_bytes().to_vec();
        (key, Bytes::from(encode_entry(&entry).encode_to_vec()))
    };
    // As versions 1 and 2 appended them.
    disk.write(Tree::Log, record::fresh(entries(1, 0..50).into_iter().map(single))).expect("writes");
    runs::append(&disk, &entries(1, 50..80)).expect("appends");
    assert_eq!(read(&disk, 0, u64::MAX), entries(1, 0..80));
    runs::cut(&disk, 45, 80).expect("cuts");
    while runs::purge(&disk, 20).expect("purges") {}
    assert_eq!(read(&disk, 20, u64::MAX), entries(1, 20..45));
    assert_eq!(records(&disk), 25);
}

#[test]
fn a_hole_and_an_entry_in_the_wrong_place_are_found() {
    let disk = MemoryDisk::default();
    for first in [0, 40, 80] {
        runs::append(&disk, &entries(1, first..first + 20)).expect("appends");
    }
    let error = runs::each(&disk, 0, u64::MAX, &mut |_, _| ControlFlow::Continue(())).expect_err("is noticed");
    assert!(error.to_string().contains("entry 20 of the log is missing, there is entry 40"), "{error}");
    let wrong = proto::raft::Run { entries: entries(1, 21..22).iter().map(encode_entry).collect() };
    let key = 20_u64.to_be_bytes().to_vec();
    disk.write(Tree::Log, record::fresh([(key, wrong.encode_to_vec().into())])).expect("writes");
    let error = runs::each(&disk, 0, u64::MAX, &mut |_, _| ControlFlow::Continue(())).expect_err("is noticed");
    assert!(error.to_string().contains("entry 20 of the log"), "{error}");
}

#[test]
fn what_is_being_removed_is_not_read() {
    let all: Vec<Entry> = (0..2).map(|index| entry(1, index, long(index, 5_000))).chain(entries(1, 2..9)).collect();
    let half_gone = |first: bool| {
        let disk = MemoryDisk::default();
        runs::append(&disk, &all).expect("appends");
        let run = proto::raft::Run { entries: vec![encode_entry(&all[1])] };
        let parts = record::fresh([(1_u64.to_be_bytes().to_vec(), run.encode_to_vec().into())]);
        assert_eq!(parts.len(), 2);
        let part = parts.into_iter().nth(usize::from(!first)).expect("of two");
        disk.write(Tree::Log, vec![(part.0, None)]).expect("writes");
        disk
    };
    for first in [true, false] {
        let disk = half_gone(first);
        assert_eq!(read(&disk, 2, u64::MAX), all[2..]);
        runs::cut(&disk, 5, 9).expect("cuts");
        assert_eq!(read(&disk, 2, u64::MAX), all[2..5]);
        runs::cut(&disk, 2, 5).expect("cuts");
        while runs::purge(&disk, 2).expect("purges") {}
        assert_eq!(read(&disk, 2, u64::MAX), []);
    }
}

/// What is done to a log, with sizes that fill runs and more than one.
#[derive(Clone, Debug)]
enum Step {
    Append(u64, usize),
    Cut(u64),
    Purge(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let append = (1..90_u64, prop_oneof![Just(0), Just(300), Just(5_000)]);
    let one = prop_oneof![
        3 => append.prop_map(|(count, length)| Step::Append(count, length)),
        1 => (0..120_u64).prop_map(Step::Cut),
        1 => (0..120_u64).prop_map(Step::Purge),
    ];
    prop::collection::vec(one, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_log_in_runs_is_the_log(steps in steps()) {
        let (disk, mut first, mut expected) = (MemoryDisk::default(), 0, Vec::<Entry>::new());
        for (term, step) in steps.into_iter().enumerate() {
            let end = first + expected.len() as u64;
            match step {
                Step::Append(count, length) => {
                    let more = (end..end + count).map(|index| entry(term as u64, index, long(index, length)));
                    let more: Vec<_> = more.collect();
                    let bytes = runs::append(&disk, &more).expect("appends");
                    prop_assert_eq!(bytes.len(), more.len());
                    expected.extend(more);
                }
                Step::Cut(back) => {
                    let from = end.saturating_sub(back).max(first);
                    runs::cut(&disk, from, end).expect("cuts");
                    expected.truncate((from - first) as usize);
                }
                // Also behind the end, as when a snapshot replaces the log.
                Step::Purge(further) => {
                    first += further;
                    while runs::purge(&disk, first).expect("purges") {}
                    expected.drain(..expected.len().min(further as usize));
                }
            }
            prop_assert_eq!(&read(&disk, first, u64::MAX), &expected);
            let middle = first + expected.len() as u64 / 2;
            prop_assert_eq!(&read(&disk, first, middle)[..], &expected[..(middle - first) as usize]);
            prop_assert_eq!(&read(&disk, middle, u64::MAX)[..], &expected[(middle - first) as usize..]);
        }
    }
}
