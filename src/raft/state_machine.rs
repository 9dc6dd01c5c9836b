//! The agreed state as openraft applies entries to it.
//!
//! Promises: whoever is answered reads his own write here; what was shown once is shown again after a power cut, because
//! nothing is applied before it is durable in the log of this node; an entry that cannot be read stops the group's side
//! of this node, so that states never differ.

use std::{future::poll_fn, io, pin::Pin, sync::Arc, task::Poll};

use futures_core::Stream;
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
    type_config::alias::SnapshotOf,
};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{
    agreed::{Pair, State},
    model::{AgreedChange, Outcome},
    raft::{
        off_thread::off_thread,
        store::{AppliedStore, LogStore, SnapshotData, Snapshots, StoreError},
        types::{Command, LogId, SnapshotMeta, StoredMembership, TypeConfig},
    },
    wire::raft::decode_command,
};

/// How many entries are applied and written at once. 512 take some milliseconds.
const AT_ONCE: usize = 512;

/// Who shows what is agreed on.
pub trait Registry: Send + Sync {
    /// This changed, in this order. It is shown when this returns.
    fn agreed(&self, changes: Vec<AgreedChange>);
}

/// What is applied: state, last entry and members belong together.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// All that is agreed on.
    pub state: State,
    /// The last entry applied, and the members.
    pub meta: SnapshotMeta,
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
        let shown = watch::Sender::new(index(&view));
        Self { view: RwLock::new(Arc::new(view)), shown }
    }

    /// Returns once the registry shows it up to an entry.
    pub async fn shown(&self, index: u64) {
        // The sender lives as long as this.
        let _ = self.shown.subscribe().wait_for(|shown| *shown >= index).await;
    }

    /// As it is now; never waits for what is being applied.
    pub fn view(&self) -> Arc<View> {
        self.view.read().clone()
    }
}

fn index(view: &View) -> u64 {
    view.meta.last_log_id.map_or(0, |last| last.index)
}

/// See the top of the file.
pub struct StateMachine {
    log: LogStore,
    applied: Arc<AppliedStore>,
    snapshots: Snapshots,
    shared: Arc<Shared>,
    registry: Arc<dyn Registry>,
}

/// What some entries did.
#[derive(Default)]
struct Effects {
    changes: Vec<AgreedChange>,
    pairs: Vec<Pair>,
    answers: Vec<Option<Outcome>>,
}

impl StateMachine {
    pub(super) fn new(
        log: LogStore,
        applied: Arc<AppliedStore>,
        snapshots: Snapshots,
        shared: Arc<Shared>,
        registry: Arc<dyn Registry>,
    ) -> Self {
        Self { log, applied, snapshots, shared, registry }
    }

    async fn apply_some(&self, entries: Vec<EntryResponder<TypeConfig>>) -> Result<(), io::Error> {
        let Some((last, _)) = entries.last() else { return Ok(()) };
        let (last, mut view) = (last.log_id, View::clone(&self.shared.view()));
        self.log.durable(last.index).await?;
        let mut effects = Effects::default();
        let mut responders = Vec::with_capacity(entries.len());
        for (entry, responder) in entries {
            effects.answers.push(None);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(membership) => {
                    view.meta.last_membership = StoredMembership::new(Some(entry.log_id), membership);
                }
                EntryPayload::Normal(command) => apply_command(&mut view.state, &command, entry.log_id, &mut effects)?,
            }
            responders.push(responder);
        }
        view.meta.last_log_id = Some(last);
        self.applied.write(effects.pairs, &view.meta)?;
        self.show(view, effects.changes);
        for (responder, answer) in responders.into_iter().zip(effects.answers) {
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        Ok(())
    }

    fn show(&self, view: View, changes: Vec<AgreedChange>) {
        let index = index(&view);
        *self.shared.view.write() = Arc::new(view);
        if !changes.is_empty() {
            self.registry.agreed(changes);
        }
        self.shared.shown.send_replace(index);
    }
}

fn apply_command(state: &mut State, command: &Command, at: LogId, effects: &mut Effects) -> io::Result<()> {
    let unreadable =
        |error| io::Error::other(format!("entry {at} of the log says what this program cannot read: {error}"));
    let (id, proposal) = decode_command(&command.0).map_err(unreadable)?;
    let mut applied = state.apply(&id, proposal);
    effects.changes.append(&mut applied.changes);
    effects.pairs.append(&mut applied.pairs);
    *effects.answers.last_mut().expect("one for each entry") = Some(applied.outcome);
    Ok(())
}

/// The entries that are there without waiting, but one at least; none at the end.
async fn next_some<S>(entries: &mut S) -> Result<Vec<EntryResponder<TypeConfig>>, io::Error>
where
    S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin,
{
    let mut some = Vec::new();
    poll_fn(|context| {
        while some.len() < AT_ONCE {
            match Pin::new(&mut *entries).poll_next(context) {
                Poll::Ready(Some(Ok(entry))) => some.push(entry),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Pending if some.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await?;
    Ok(some)
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let meta = self.shared.view().meta.clone();
        Ok((meta.last_log_id, meta.last_membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        loop {
            let some = next_some(&mut entries).await?;
            if some.is_empty() {
                return Ok(());
            }
            self.apply_some(some).await?;
        }
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder { view: self.shared.view(), snapshots: self.snapshots.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> Result<(), io::Error> {
        // What was cut off of the log for this snapshot must be gone before the snapshot can be found by a start.
        self.applied.settle().await?;
        let (snapshots, said) = (self.snapshots.clone(), meta.clone());
        let written = off_thread(move || {
            let (state, meta) = snapshot.load("what was received")?;
            if meta != said || snapshots.write(&state, &meta)?.0 != said {
                let what = format!("it goes up to another entry, or has other members, than was said: {meta}");
                return Err(StoreError::Snapshot { from: "what was received".into(), what });
            }
            Ok(state)
        });
        let state = written.await??;
        self.applied.clone().replace(state.clone(), meta.clone()).await?;
        let changes = self.shared.view().state.differences(&state);
        self.show(View { state, meta: meta.clone() }, changes);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        Ok(self.snapshots.newest().map(|(meta, snapshot)| SnapshotOf::<TypeConfig, _> { meta, snapshot }))
    }
}

/// Writes a snapshot of the state as it was when this was made.
pub struct SnapshotBuilder {
    view: Arc<View>,
    snapshots: Snapshots,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotData>, io::Error> {
        let (view, snapshots) = (self.view.clone(), self.snapshots.clone());
        let (meta, snapshot) = off_thread(move || snapshots.write(&view.state, &view.meta)).await??;
        Ok(SnapshotOf::<TypeConfig, _> { meta, snapshot })
    }
}
