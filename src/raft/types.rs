//! What openraft is told it works with.

use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;
use openraft_rt::deterministic_rng::DeterministicRng;
use openraft_rt_tokio::TokioRuntime;

use crate::model::{NodeId, Outcome};

openraft::declare_raft_types!(
    /// Elections draw from a seed that is given at the start (`DeterministicRng::scope`), so that a run in the simulator
    /// can be repeated. All tasks of a raft are spawned within that scope.
    pub TypeConfig:
        D = Command,
        R = Option<Outcome>,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = DeterministicRng<TokioRuntime>,
);

/// A proposal with its id, encoded (`wire::raft::decode_command`): it is read where it is applied, and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Command(pub Bytes);

/// A member of the group, voting or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its main address.
    pub address: CompactString,
    /// Id of its disk: one that was emptied is another member.
    pub node: NodeId,
}

impl Default for Member {
    fn default() -> Self {
        Self { address: CompactString::default(), node: NodeId(0) }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.address)
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} bytes", self.0.len())
    }
}

/// Who leads or wants to, and whether most agreed.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// What names an entry of the log.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// Term and leader.
pub type LeaderId = openraft::type_config::alias::LeaderIdOf<TypeConfig>;
/// One entry of the log.
pub type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// Who votes and who only listens.
pub type Membership = openraft::Membership<u64, Member>;
/// The same with the entry that said so.
pub type StoredMembership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// A snapshot with its file.
pub type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, crate::raft::store::SnapshotData>;
/// What raft says of itself.
pub type RaftMetrics = openraft::RaftMetrics<TypeConfig>;
/// Up to where a snapshot goes.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
