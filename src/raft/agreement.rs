//! What the rest of the node asks of the group.

use std::path::PathBuf;

use crate::{
    model::Proposal,
    node::Reply,
    raft::{Failure, Status},
};

/// How members are to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// The empty node at this main address becomes one.
    Join(String),
    /// The member at this main address is none any more, dead or alive.
    Remove(String),
    /// The member at this main address is to lead; whoever has most of the log when none is named.
    Transfer(Option<String>),
}

/// Where changes that all nodes are to agree on are made.
#[tonic::async_trait]
pub trait Agreement: Send + Sync {
    /// Has a change made that is durable and the same on all nodes. This node shows it when this returns.
    async fn propose(&self, proposal: Proposal) -> Result<Reply, Failure>;

    /// Returns once this node shows all that was acknowledged anywhere before the call.
    async fn catch_up(&self) -> Result<(), Failure>;

    /// How the group stands.
    fn status(&self) -> Status {
        Status::default()
    }

    /// Changes the members; the number of the one that is meant.
    async fn change_members(&self, _change: MemberChange) -> Result<u64, Failure> {
        Err(no_members())
    }

    /// Has this node make a snapshot now, so that it needs less of its log.
    async fn snapshot(&self) -> Result<(), Failure> {
        Err(no_members())
    }

    /// Writes all that is agreed on into a file of its own, which is the caller's to remove.
    async fn backup(&self) -> Result<PathBuf, Failure> {
        Err(no_members())
    }
}

/// What something says that agrees without being a group.
fn no_members() -> Failure {
    Failure::Unavailable("there are no members".into())
}
