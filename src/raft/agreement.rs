//! What the rest of the node asks of the group.

use crate::{model::Proposal, node::Reply, raft::Failure};

/// Where changes that all nodes are to agree on are made.
#[tonic::async_trait]
pub trait Agreement: Send + Sync {
    /// Has a change made that is durable and the same on all nodes. This node shows it when this returns.
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Failure>;

    /// Returns once this node shows all that was acknowledged anywhere before the call.
    async fn catch_up(&self) -> Result<(), Failure>;
}
