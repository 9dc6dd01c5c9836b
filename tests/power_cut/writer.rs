//! The writer: a child of the test that works with a real store until it is done, and tells what it does before it does
//! it and after it was acknowledged.
//!
//! `op N ...` is about to be written, and later ones are not before it; `ack N` was acknowledged; `state INDEX HASH` is
//! the state after an entry; `shown INDEX` was applied and could be seen; `snapshot INDEX` was reported.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use openraft::{
    EntryPayload, RaftLogReader, RaftSnapshotBuilder,
    storage::{IOFlushed, RaftLogStorage, RaftStateMachine},
    type_config::TypeConfigExt,
    vote::RaftLeaderId,
};
use parking_lot::Mutex;
use roster::{
    agreed::State,
    model::{
        AgreedChange, Instance, Namespace, NamespaceOperation, NodeId, PersistentOperation, Proposal, ProposalId,
        ServiceKey,
    },
    raft::{
        store::{LogStore, Registry, StateMachine, Store, write_snapshot},
        types::{Command, Entry, LeaderId, LogId, SnapshotMeta, TypeConfig, Vote},
    },
    wire::raft::{decode_command, encode_command},
};
use tokio::task::JoinHandle;

use crate::chance::Chance;

const LIVES: u64 = 3;
const TURNS: u64 = 70;

pub struct Nobody;

impl Registry for Nobody {
    fn agreed(&self, _: Vec<AgreedChange>) {}
}

fn proposal(number: u64, chance: &mut Chance) -> (ProposalId, Proposal) {
    // Far enough apart that old ones are forgotten.
    let id = ProposalId { minted: 1_000 + number * 100, node: NodeId(chance.number().into()), number };
    let text = |length: u64| Some("x".repeat(usize::try_from(length).expect("short")).into());
    let proposal = match chance.below(8) {
        0 => {
            let description = text(chance.below(20_000));
            let name = Namespace { id: format!("n{}", chance.below(4)).into(), name: "long".into(), description };
            let make = NamespaceOperation::Create(name.clone());
            Proposal::Namespace(if chance.one_in(2) { make } else { NamespaceOperation::Update(name) })
        }
        _ => Proposal::Instance(PersistentOperation::Register {
            service: ServiceKey::new("", "", &format!("s{}", chance.below(20))).expect("legal"),
            instance: Box::new(Instance {
                ip: "10.0.0.1".into(),
                port: chance.below(500) as u16,
                ..Instance::default()
            }),
        }),
    };
    (id, proposal)
}

pub fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

struct Writer {
    chance: Chance,
    notes: Arc<Mutex<File>>,
    log: LogStore,
    machine: StateMachine,
    store: Store,
    /// What the applied state must be.
    state: State,
    operations: u64,
    term: u64,
    /// Index of the next entry.
    next: u64,
    /// The newest entry applied.
    applied: Option<LogId>,
    snapshot: Option<u64>,
    under_way: Vec<JoinHandle<()>>,
}

fn note(notes: &Mutex<File>, line: &str) {
    notes.lock().write_all(format!("{line}\n").as_bytes()).expect("is noted");
}

impl Writer {
    fn begin(&mut self, what: &str) -> u64 {
        self.operations += 1;
        note(&self.notes, &format!("op {} {what}", self.operations));
        self.operations
    }

    async fn vote(&mut self) {
        self.term += 1;
        let number = self.begin(&format!("vote {}", self.term));
        let vote = Vote { leader_id: LeaderId::new(self.term, 1), committed: self.chance.one_in(2) };
        self.log.save_vote(&vote).await.expect("votes");
        note(&self.notes, &format!("ack {number}"));
    }

    async fn append(&mut self, count: u64) {
        let entry = |index: u64, chance: &mut Chance, term| {
            let (id, proposal) = proposal(index, chance);
            let blank = chance.one_in(20);
            let command = Command(encode_command(&id, &proposal));
            let payload = if blank { EntryPayload::Blank } else { EntryPayload::Normal(command) };
            Entry { log_id: log_id(term, index), payload }
        };
        let (first, term) = (self.next, self.term);
        let entries: Vec<Entry> = (first..first + count).map(|index| entry(index, &mut self.chance, term)).collect();
        let number = self.begin(&format!("append {first} {count} {term}"));
        let (told, hears) = TypeConfig::oneshot();
        self.log.append(entries, IOFlushed::signal(told)).await.expect("appends");
        self.next += count;
        let notes = self.notes.clone();
        self.under_way.push(tokio::spawn(async move {
            hears.await.expect("is told").expect("is durable");
            note(&notes, &format!("ack {number}"));
        }));
    }

    /// Applies up to an entry, which may not be durable yet.
    async fn apply(&mut self, last: u64) {
        let first = self.applied.map_or(0, |applied| applied.index + 1);
        if last < first {
            return;
        }
        let entries = self.log.try_get_log_entries(first..=last).await.expect("reads");
        assert_eq!(entries.len() as u64, last + 1 - first, "what was appended is read");
        for entry in &entries {
            if let EntryPayload::Normal(command) = &entry.payload {
                let (id, proposal) = decode_command(&command.0).expect("is legal");
                self.state.apply(&id, proposal);
            }
            note(&self.notes, &format!("state {} {}", entry.log_id.index, self.state.hash()));
        }
        self.applied = entries.last().map(|entry| entry.log_id);
        self.log.save_committed(self.applied).await.expect("is kept");
        let entries = tokio_stream::iter(entries.into_iter().map(|entry| Ok((entry, None))));
        self.machine.apply(entries).await.expect("applies");
        note(&self.notes, &format!("shown {last}"));
        assert_eq!(self.store.shared().view().state.hash(), self.state.hash());
    }

    async fn cut(&mut self) {
        let end = self.applied.map_or(0, |applied| applied.index + 1);
        let (count, term) = (self.next - end, self.term);
        if count == 0 || count > 200 {
            return;
        }
        let end = end + self.chance.below(count);
        let kept = match end.checked_sub(1) {
            Some(last) => self.log.try_get_log_entries(last..=last).await.expect("reads").first().map(|e| e.log_id),
            None => None,
        };
        // What is below was purged: openraft cuts nothing off there.
        if kept.is_none() {
            return;
        }
        self.begin(&format!("cut {end}"));
        self.log.truncate_after(kept).await.expect("cuts");
        self.next = end;
        assert_eq!(term, self.term);
        self.vote().await;
    }

    async fn snapshot(&mut self) {
        let Some(applied) = self.applied.filter(|applied| self.snapshot != Some(applied.index)) else { return };
        let mut builder = self.machine.try_create_snapshot_builder(true).await.expect("builds");
        builder.build_snapshot().await.expect("is written");
        note(&self.notes, &format!("snapshot {}", applied.index));
        self.snapshot = Some(applied.index);
        let upto = applied.index.saturating_sub(self.chance.below(30));
        let found = self.log.try_get_log_entries(upto..=upto).await.expect("reads");
        if let Some(entry) = found.first() {
            self.begin(&format!("purge {upto} {}", entry.log_id.leader_id.term));
            self.log.purge(entry.log_id).await.expect("purges");
        }
    }

    /// A leader sends what is far ahead.
    async fn install(&mut self, aside: &Path) {
        let (last, mut state) = (log_id(self.term, self.next + 50), State::default());
        for number in 0..300 {
            let (id, proposal) = proposal(self.next + number, &mut self.chance);
            state.apply(&id, proposal);
        }
        let meta = SnapshotMeta { last_log_id: Some(last), ..SnapshotMeta::default() };
        write_snapshot(&state, &meta, aside).expect("writes");
        let mut bytes = Vec::new();
        File::open(aside).and_then(|mut file| file.read_to_end(&mut bytes)).expect("reads");
        let mut receiving = self.store.snapshots().receive().expect("begins");
        bytes.chunks(10_000).for_each(|chunk| receiving.write(chunk).expect("takes"));
        note(&self.notes, &format!("state {} {}", last.index, state.hash()));
        self.machine.install_snapshot(&meta, receiving.finish()).await.expect("installs");
        note(&self.notes, &format!("shown {}\nsnapshot {}", last.index, last.index));
        (self.state, self.applied, self.snapshot) = (state, Some(last), Some(last.index));
        self.begin(&format!("purge {} {}", last.index, last.leader_id.term));
        self.log.purge(last).await.expect("purges");
        self.next = last.index + 1;
    }

    async fn turn(&mut self) {
        match self.chance.below(12) {
            0 => self.vote().await,
            1 => self.cut().await,
            2 => self.snapshot().await,
            3 => {
                let name = format!("note{}", self.chance.below(3));
                self.store.keep(&name, Bytes::from(vec![1; 9_000])).await.expect("is kept");
            }
            4..7 if self.next > 0 => self.apply(self.next - 1).await,
            _ => {
                let count = [1, 1, 8, 8, 40][self.chance.below(5) as usize];
                self.append(count).await;
            }
        }
        if self.chance.one_in(3) {
            for waits in std::mem::take(&mut self.under_way) {
                waits.await.expect("is acknowledged");
            }
        }
    }
}

/// Works below a directory.
pub async fn work(root: &Path, aside: &Path, seed: u64) {
    let notes = Arc::new(Mutex::new(File::create(root.join("notes")).expect("is made")));
    let (mut left, mut chance) = (None, Chance::new(seed));
    for life in 0..LIVES {
        let store = Store::open(&root.join("raft")).expect("opens");
        let (log, machine) = (store.log(), store.state_machine(Arc::new(Nobody)));
        let (notes, seed) = (notes.clone(), chance.number());
        let mut writer = match left.take() {
            None => Writer {
                chance: Chance::new(seed),
                notes,
                log,
                machine,
                store,
                state: State::default(),
                operations: 0,
                term: 0,
                next: 0,
                applied: None,
                snapshot: None,
                under_way: Vec::new(),
            },
            Some((state, operations, term, next, applied, snapshot)) => {
                let (chance, under_way) = (Chance::new(seed), Vec::new());
                let seen = (store.shared().view().meta.last_log_id, store.shared().view().state.hash());
                assert_eq!(seen, (applied, State::hash(&state)), "nothing is lost without a power cut");
                Writer {
                    chance,
                    notes,
                    log,
                    machine,
                    store,
                    state,
                    operations,
                    term,
                    next,
                    applied,
                    snapshot,
                    under_way,
                }
            }
        };
        if life == 0 {
            writer.vote().await;
        }
        for turn in 0..TURNS {
            if life == 1 && turn == TURNS / 2 {
                writer.install(aside).await;
            }
            writer.turn().await;
        }
        for waits in std::mem::take(&mut writer.under_way) {
            waits.await.expect("is acknowledged");
        }
        let Writer { state, operations, term, next, applied, snapshot, .. } = writer;
        left = Some((state, operations, term, next, applied, snapshot));
    }
}
