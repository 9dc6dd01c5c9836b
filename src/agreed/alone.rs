//! A group of one for tests: what is proposed is agreed on at once.

use crate::{
    agreed::State,
    model::{AgreedChange, AgreedKey, Forgotten, NodeId, Outcome, Proposal, ProposalId},
};

/// The state, and how many proposals there were.
#[derive(Debug, Default)]
pub(crate) struct Alone {
    pub(crate) state: State,
    proposed: u64,
}

impl Alone {
    /// What comes of a proposal, and what changes.
    pub(crate) fn propose(&mut self, proposal: Proposal) -> (Outcome, Vec<AgreedChange>) {
        self.proposed += 1;
        let id = ProposalId { minted: self.proposed, node: NodeId(1), number: self.proposed };
        let applied = self.state.apply(&id, proposal);
        (applied.outcome, applied.changes)
    }

    /// What changes when these are forgotten.
    pub(crate) fn forget(&mut self, keys: Vec<AgreedKey>) -> Vec<AgreedChange> {
        let was = |key: AgreedKey| self.state.fingerprint(&key).map(|was| Forgotten { key, was });
        let things = keys.into_iter().filter_map(was).collect();
        self.propose(Proposal::Forget(things)).1
    }
}
