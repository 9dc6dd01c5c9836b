//! What must hold after a power cut: what the writer was told is there, and nothing that never was.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use openraft::{
    EntryPayload, RaftLogReader,
    storage::{RaftLogStorage, RaftStateMachine},
};
use roster::{
    agreed::State,
    raft::{store::Store, types::Entry},
    wire::raft::decode_command,
};

use crate::writer::Nobody;

/// What the log is after some operations: terms by index, the mark, and the term of the vote.
#[derive(Clone, Debug, Default, PartialEq)]
struct Log {
    entries: BTreeMap<u64, u64>,
    purged: Option<(u64, u64)>,
    vote: Option<u64>,
}

impl Log {
    fn change(&mut self, words: &[&str]) {
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        match words[0] {
            "vote" => self.vote = Some(number(1)),
            "append" => self.entries.extend((number(1)..number(1) + number(2)).map(|index| (index, number(3)))),
            "cut" => drop(self.entries.split_off(&number(1))),
            "purge" => {
                self.entries = self.entries.split_off(&(number(1) + 1));
                self.purged = Some((number(1), number(2)));
            }
            other => panic!("an operation {other}"),
        }
    }

    fn begins_with(&self, other: &Self) -> bool {
        let same = (self.purged, self.vote) == (other.purged, other.vote);
        same && self.entries.len() >= other.entries.len()
            && self.entries.iter().zip(&other.entries).all(|(a, b)| a == b)
    }
}

/// Whether this is one of them, or between one and the next: of an append that nobody was told of the beginning may be
/// left, and a cut may have come half the way from the end.
fn is_among(logs: &[Log], found: &Log) -> bool {
    let lies_between = |less: &Log, more: &Log| found.begins_with(less) && more.begins_with(found);
    let within = |pair: &[Log]| lies_between(&pair[0], &pair[1]) || lies_between(&pair[1], &pair[0]);
    logs.contains(found) || logs.windows(2).any(within)
}

/// What the notes of the writer tell.
#[derive(Default)]
struct Told {
    /// All that the log may be: after the last operation that was acknowledged, and after each begun since.
    logs: Vec<Log>,
    hashes: BTreeMap<u64, u64>,
    shown: Option<u64>,
    snapshot: Option<u64>,
}

fn told(notes: &str) -> Told {
    let (mut told, mut log, mut acknowledged) = (Told::default(), Log::default(), 0);
    // What is on its way was no line yet.
    let whole = notes.rsplit_once('\n').map_or("", |(whole, _)| whole);
    told.logs.push(Log::default());
    for line in whole.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a number");
        match words[0] {
            "op" => {
                log.change(&words[2..]);
                assert_eq!(number(1), told.logs.len() as u64, "operations are in order");
                told.logs.push(log.clone());
            }
            "ack" => acknowledged = acknowledged.max(number(1)),
            "state" => drop(told.hashes.insert(number(1), number(2))),
            "shown" => told.shown = Some(number(1)),
            "snapshot" => told.snapshot = Some(number(1)),
            other => panic!("a note of {other}"),
        }
    }
    told.logs.drain(..usize::try_from(acknowledged).expect("few"));
    told
}

/// Opens what a power cut left, and compares it with what was told; says what is wrong.
pub async fn check(image: &Path, notes: &str) -> Result<(), String> {
    let told = told(notes);
    let store = Store::open(&image.join("raft")).map_err(|error| error.to_string())?;
    let (mut log, mut machine) = (store.log(), store.state_machine(Arc::new(Nobody)));
    let state = log.get_log_state().await.map_err(|error| error.to_string())?;
    let entries = log.try_get_log_entries(0..).await.map_err(|error| error.to_string())?;
    let found = Log {
        entries: entries.iter().map(|entry| (entry.log_id.index, entry.log_id.leader_id.term)).collect(),
        purged: state.last_purged_log_id.map(|id| (id.index, id.leader_id.term)),
        vote: log.read_vote().await.map_err(|error| error.to_string())?.map(|vote| vote.leader_id.term),
    };
    if !is_among(&told.logs, &found) {
        let brief = |log: &Log| {
            let (first, last) = (log.entries.first_key_value(), log.entries.last_key_value());
            format!("{first:?}..{last:?}, purged {:?}, vote {:?}", log.purged, log.vote)
        };
        let at_least = told.logs.first().map(brief);
        return Err(format!("the log is {} and must at least be {at_least:?}", brief(&found)));
    }
    let view = store.shared().view();
    let applied = view.meta.last_log_id.map(|id| id.index);
    let right = applied.map_or(Some(0), |applied| told.hashes.get(&applied).copied());
    if right != Some(view.state.hash()) {
        return Err(format!(
            "the state after entry {applied:?} has the hash {} instead of {right:?}",
            view.state.hash()
        ));
    }
    let snapshot = machine.get_current_snapshot().await.map_err(|error| error.to_string())?;
    let snapshot = snapshot.and_then(|snapshot| snapshot.meta.last_log_id).map(|id| id.index);
    if snapshot < told.snapshot {
        return Err(format!("the newest snapshot is of {snapshot:?} instead of {:?}", told.snapshot));
    }
    if found.purged.map(|(index, _)| index) > applied {
        return Err(format!("purged up to {:?}, and only {applied:?} is applied", found.purged));
    }
    let from = applied.map_or(0, |applied| applied + 1);
    let shown = told.shown.filter(|shown| *shown >= from);
    let right = shown.map_or(right, |shown| told.hashes.get(&shown).copied());
    let again = entries.iter().filter(|entry| entry.log_id.index >= from && Some(entry.log_id.index) <= shown);
    let hash = applied_again(view.state.clone(), again).hash();
    if right != Some(hash) {
        return Err(format!(
            "entry {shown:?} was shown, and what is kept up to there has the hash {hash} instead of {right:?}"
        ));
    }
    Ok(())
}

/// What the log says of what is behind the state that was kept.
fn applied_again<'a>(mut state: State, entries: impl Iterator<Item = &'a Entry>) -> State {
    for entry in entries {
        if let EntryPayload::Normal(command) = &entry.payload {
            let (id, proposal) = decode_command(&command.0).expect("is legal");
            state.apply(&id, proposal);
        }
    }
    state
}
