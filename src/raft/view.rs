//! What is agreed on up to an entry, how entries change it, and the newest of it for everybody.
//!
//! Promises: the same entries make the same view, whether they are applied as they come or again at a start; an entry that
//! cannot be read changes nothing that anybody sees. Never writes and never waits for a disk.

use std::{io, sync::Arc};

use openraft::EntryPayload;
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{
    agreed::{Pair, State},
    model::{AgreedChange, Outcome},
    raft::types::{Command, Entry, LogId, SnapshotMeta, StoredMembership},
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

impl View {
    /// Does what an entry says.
    pub(super) fn apply(&mut self, entry: Entry, effects: &mut Effects) -> io::Result<()> {
        let answer = match entry.payload {
            EntryPayload::Blank => None,
            EntryPayload::Membership(membership) => {
                self.meta.last_membership = StoredMembership::new(Some(entry.log_id), membership);
                None
            }
            EntryPayload::Normal(command) => Some(self.command(&command, entry.log_id, effects)?),
        };
        self.meta.last_log_id = Some(entry.log_id);
        effects.answers.push(answer);
        Ok(())
    }

    fn command(&mut self, command: &Command, at: LogId, effects: &mut Effects) -> io::Result<Outcome> {
        let unreadable =
            |error| io::Error::other(format!("entry {at} of the log says what this program cannot read: {error}"));
        let (id, proposal) = decode_command(&command.0).map_err(unreadable)?;
        let mut applied = self.state.apply(&id, proposal);
        effects.changes.append(&mut applied.changes);
        effects.pairs.append(&mut applied.pairs);
        Ok(applied.outcome)
    }

    fn index(&self) -> u64 {
        self.meta.last_log_id.map_or(0, |last| last.index)
    }
}

/// What is applied at the moment, for everybody.
#[derive(Debug)]
pub struct Shared {
    view: RwLock<Arc<View>>,
    /// Up to which entry the registry shows it; 0 for none.
    shown: watch::Sender<u64>,
}

impl Shared {
    pub(super) fn new(view: View) -> Self {
        let shown = watch::Sender::new(view.index());
        Self { view: RwLock::new(Arc::new(view)), shown }
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

    /// As it is now; never waits for what is being applied.
    pub fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }

    /// This is what is applied from now on; `show` returns once the registry shows it.
    pub(super) fn replace(&self, view: View, show: impl FnOnce()) {
        let index = view.index();
        *self.view.write() = Arc::new(view);
        show();
        self.shown.send_replace(index);
    }
}
