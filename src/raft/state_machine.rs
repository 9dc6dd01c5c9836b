//! The agreed state as openraft applies entries to it.
//!
//! Promises: whoever is answered reads his own write here; what was shown once is shown again after a power cut, because
//! nothing is applied before it is durable in the log of this node; an entry that cannot be read stops the group's side
//! of this node, so that states never differ. On the disk the state follows later (`AppliedStore`).

use std::{future::poll_fn, io, pin::Pin, sync::Arc, task::Poll};

use futures_core::Stream;
use openraft::{
    OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
    type_config::alias::SnapshotOf,
};

use crate::{
    model::AgreedChange,
    raft::{
        off_thread::off_thread,
        store::{AppliedStore, LogStore, SnapshotData, Snapshots, StoreError},
        types::{LogId, SnapshotMeta, StoredMembership, TypeConfig},
        view::{Legible, Shared, View},
    },
};

/// How many entries are applied at once. 512 take some milliseconds.
const AT_ONCE: usize = 512;

/// Who shows what is agreed on.
pub trait Registry: Send + Sync {
    /// This changed, in this order. It is shown when this returns.
    fn agreed(&self, changes: Vec<AgreedChange>);
}

/// See the top of the file.
pub struct StateMachine {
    log: LogStore,
    applied: Arc<AppliedStore>,
    snapshots: Snapshots,
    shared: Arc<Shared>,
    registry: Arc<dyn Registry>,
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
        self.log.durable(last.log_id.index).await?;
        let (mut legible, mut responders) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        for (entry, responder) in entries {
            legible.push(Legible::read(entry)?);
            responders.push(responder);
        }
        let (pairs, meta, answers) = self.shared.apply(legible, |changes| self.show(changes));
        for (responder, answer) in responders.into_iter().zip(answers) {
            if let Some(responder) = responder {
                responder.send(answer);
            }
        }
        // Behind the answers: the log has it all.
        Ok(self.applied.add(pairs, meta)?)
    }

    fn show(&self, changes: Vec<AgreedChange>) {
        if !changes.is_empty() {
            self.registry.agreed(changes);
        }
    }
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
        let meta = self.shared.view().meta;
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
        let (view, applied) = (self.shared.view(), self.applied.clone());
        SnapshotBuilder { view, applied, snapshots: self.snapshots.clone() }
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
        self.applied.replace(meta.last_log_id)?;
        let changes = self.shared.view().state.differences(&state);
        self.shared.replace(View { state, meta: meta.clone() }, || self.show(changes));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        Ok(self.snapshots.newest().map(|(meta, snapshot)| SnapshotOf::<TypeConfig, _> { meta, snapshot }))
    }
}

/// Writes a snapshot of the state as it was when this was made.
pub struct SnapshotBuilder {
    view: View,
    applied: Arc<AppliedStore>,
    snapshots: Snapshots,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotData>, io::Error> {
        let (view, snapshots, applied) = (self.view.clone(), self.snapshots.clone(), self.applied.clone());
        let written = off_thread(move || {
            let (meta, snapshot) = snapshots.write(&view.state, &view.meta)?;
            applied.forget(meta.last_log_id)?;
            Ok::<_, StoreError>((meta, snapshot))
        });
        let (meta, snapshot) = written.await??;
        Ok(SnapshotOf::<TypeConfig, _> { meta, snapshot })
    }
}
