//! What is agreed on up to an entry, how entries change it, and the newest of it for everybody.
//!
//! Promises: the same entries make the same view, whether they are applied as they come or again at a start; an entry that
//! cannot be read changes nothing that anybody sees, nor do those that come with it. Never writes and never waits for a disk.

use std::io;

use openraft::EntryPayload;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{
    agreed::{Pair, State},
    model::{AgreedChange, Outcome, Proposal, ProposalId},
    raft::types::{Entry, LogId, Membership, SnapshotMeta, StoredMembership},
    wire::raft::decode_command,
};

/// What is applied: state, last entry and members belong together.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// All that is agreed on.
    pub state: State,
    /// The last entry applied, and the members.
    pub meta: SnapshotMeta,
}

/// What some entries did.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) changes: Vec<AgreedChange>,
    pub(super) pairs: Vec<Pair>,
    /// One for each entry.
    pub(super) answers: Vec<Option<Outcome>>,
}

/// An entry that was read.
pub(super) struct Legible {
    at: LogId,
    what: What,
}

enum What {
    Nothing,
    Members(Membership),
    Command(ProposalId, Box<Proposal>),
}

impl Legible {
    /// Reads an entry.
    pub(super) fn read(entry: Entry) -> io::Result<Self> {
        let at = entry.log_id;
        let what = match entry.payload {
            EntryPayload::Blank => What::Nothing,
            EntryPayload::Membership(members) => What::Members(members),
            EntryPayload::Normal(command) => {
                let (id, proposal) = decode_command(&command.0).map_err(|error| {
                    io::Error::other(format!("entry {at} of the log says what this program cannot read: {error}"))
                })?;
                What::Command(id, Box::new(proposal))
            }
        };
        Ok(Self { at, what })
    }
}

impl View {
    /// Does what an entry says.
    pub(super) fn apply(&mut self, entry: Legible, effects: &mut Effects) {
        let answer = match entry.what {
            What::Nothing => None,
            What::Members(members) => {
                self.meta.last_membership = StoredMembership::new(Some(entry.at), members);
                None
            }
            What::Command(id, proposal) => {
                let mut applied = self.state.apply(&id, *proposal);
                effects.changes.append(&mut applied.changes);
                effects.pairs.append(&mut applied.pairs);
                Some(applied.outcome)
            }
        };
        self.meta.last_log_id = Some(entry.at);
        effects.answers.push(answer);
    }

    fn index(&self) -> u64 {
        self.meta.last_log_id.map_or(0, |last| last.index)
    }
}

/// What is applied at the moment, for everybody.
#[derive(Debug)]
pub struct Shared {
    /// Changed in place: a copy that is kept makes each change copy what it touches.
    view: RwLock<View>,
    /// Up to which entry the registry shows it; 0 for none.
    shown: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(view: View) -> Self {
        let shown = watch::Sender::new(view.index());
        Self { view: RwLock::new(view), shown }
    }

    /// Returns once the registry shows it up to an entry.
    pub async fn shown(&self, index: u64) {
        // Most ask when it is, and a subscription is not for nothing.
        if *self.shown.borrow() >= index {
            return;
        }
        // The sender lives as long as this.
        let _ = self.shown.subscribe().wait_for(|shown| *shown >= index).await;
    }

    /// As it is now. Waits while some entries are applied, which takes milliseconds at the most.
    pub fn view(&self) -> View {
        self.view.read().clone()
    }

    /// Does what entries say; `show` is given what changed and returns once the registry shows it. What there is for the
    /// disk, and the answers.
    pub(super) fn apply(
        &self,
        entries: Vec<Legible>,
        show: impl FnOnce(Vec<AgreedChange>),
    ) -> (Vec<Pair>, SnapshotMeta, Vec<Option<Outcome>>) {
        let mut effects = Effects::default();
        let meta = {
            let mut view = self.view.write();
            entries.into_iter().for_each(|entry| view.apply(entry, &mut effects));
            view.meta.clone()
        };
        show(effects.changes);
        self.shown.send_replace(meta.last_log_id.map_or(0, |last| last.index));
        (effects.pairs, meta, effects.answers)
    }

    /// This is what is applied from now on; `show` returns once the registry shows it.
    pub(super) fn replace(&self, view: View, show: impl FnOnce()) {
        let index = view.index();
        *self.view.write() = view;
        show();
        self.shown.send_replace(index);
    }
}
