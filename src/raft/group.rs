//! This node's part in the group.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;

use crate::{
    agreed::State,
    model::{Proposal, ProposalId},
    node::{Input, Reply},
    raft::{Agreement, Failure},
    runtime::Runtime,
};

/// This node's part in the group.
pub struct Group {
    runtime: Arc<Runtime>,
    state: Mutex<State>,
    number: AtomicU64,
}

impl Group {
    /// A group of this node alone, in memory.
    pub fn new(runtime: Arc<Runtime>) -> Arc<Self> {
        Arc::new(Self { runtime, state: Mutex::default(), number: AtomicU64::default() })
    }
}

#[tonic::async_trait]
impl Agreement for Group {
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Failure> {
        if !matches!(self.runtime.handle(Input::Judge(Box::new(proposal.clone())))?, Reply::Judged(true)) {
            return Ok(Reply::Done);
        }
        let node = self.runtime.cluster().this.node;
        let id = ProposalId { minted: self.runtime.time(), node, number: self.number.fetch_add(1, Ordering::Relaxed) };
        let applied = self.state.lock().apply(&id, proposal.clone());
        self.runtime.handle(Input::Agreed(applied.changes))?;
        Ok(Reply::of(applied.outcome, &proposal)?)
    }

    async fn catch_up(&self) -> Result<(), Failure> {
        Ok(())
    }
}
