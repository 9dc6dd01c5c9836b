//! A group of one without a log or a disk, for handlers that run without a server: what is proposed is agreed on at once.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use roster::{
    agreed::State,
    model::{Forgotten, NodeId, Proposal, ProposalId},
    node::{Input, Reply},
    raft::{Agreement, Failure},
    runtime::Runtime,
};

/// The group.
pub struct Alone {
    runtime: Arc<Runtime>,
    agreed: Mutex<(State, u64)>,
}

impl Alone {
    /// A group whose only member is this node.
    pub fn new(runtime: Arc<Runtime>) -> Arc<Self> {
        Arc::new(Self { runtime, agreed: Mutex::default() })
    }

    /// Forgets what nobody needs any more, for as long as this is polled.
    #[allow(dead_code, reason = "not all who include this let time pass")]
    pub async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let asked = self.runtime.handle(Input::Forgettable { after: None });
            let Ok(Reply::Forgettable(keys, _)) = asked else { unreachable!("asked for what may be forgotten") };
            let was = |key| self.agreed.lock().0.fingerprint(&key).map(|was| Forgotten { key, was });
            let things: Vec<Forgotten> = keys.into_iter().filter_map(was).collect();
            if !things.is_empty() {
                self.propose(Proposal::Forget(things)).await.expect("never refused");
            }
        }
    }
}

#[tonic::async_trait]
impl Agreement for Alone {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Failure> {
        if !matches!(self.runtime.handle(Input::Judge(Box::new(proposal.clone())))?, Reply::Judged(true)) {
            return Ok(Reply::Done);
        }
        let applied = {
            let (state, number) = &mut *self.agreed.lock();
            *number += 1;
            let id = ProposalId { minted: self.runtime.time(), node: NodeId(1), number: *number };
            state.apply(&id, proposal.clone())
        };
        self.runtime.handle(Input::Agreed(applied.changes))?;
        Ok(Reply::of(applied.outcome, &proposal)?)
    }

    async fn catch_up(&self) -> Result<(), Failure> {
        Ok(())
    }
}
