//! How the group stands, as one node sees it.

use openraft::{Instant, ServerState};

use crate::{
    model::{Millis, NodeId},
    raft::group::{Group, Part, Running, STARTING},
};

/// What operators see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `waiting`, `member`, `broken` or `removed`.
    pub part: &'static str,
    /// Why this node is no member; empty for one that is.
    pub why: String,
    /// What is known of a member.
    pub member: Option<MemberStatus>,
}

/// A member's own view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberStatus {
    /// Which group: 128 bits.
    pub group: u128,
    /// Its number.
    pub id: u64,
    /// `leader`, `follower`, `candidate` or `learner`.
    pub role: &'static str,
    /// The newest term it knows.
    pub term: u64,
    /// Main address of the leader, when one is known.
    pub leader: Option<String>,
    /// Since when most members followed it, in milliseconds ago; a leader's only.
    pub quorum_ago: Option<Millis>,
    /// Index of the last entry of its log.
    pub last: Option<u64>,
    /// Up to where it is committed.
    pub committed: Option<u64>,
    /// Up to where this node shows it.
    pub applied: Option<u64>,
    /// Up to where its newest snapshot goes.
    pub snapshot: Option<u64>,
    /// Up to where entries were purged.
    pub purged: Option<u64>,
    /// Fingerprint of what is shown: the same on all nodes that show it up to the same entry.
    pub hash: u64,
    /// How many pairs it has.
    pub pairs: usize,
    /// All members, by number.
    pub members: Vec<OtherStatus>,
}

/// One of the members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherStatus {
    /// Its number.
    pub id: u64,
    /// Its main address.
    pub address: String,
    /// Which node it is.
    pub node: NodeId,
    /// Whether it votes.
    pub votes: bool,
    /// Up to where it has the log, as the leader knows.
    pub matched: Option<u64>,
}

impl Group {
    /// How the group stands.
    pub fn status(&self) -> Status {
        match self.part() {
            Part::Running(running) => Status { part: "member", why: String::new(), member: Some(running.status()) },
            Part::Starting => Status { part: "waiting", why: STARTING.into(), member: None },
            Part::Waiting(why) => Status { part: "waiting", why, member: None },
            Part::Broken(why) => Status { part: "broken", why, member: None },
            Part::Removed => Status { part: "removed", why: "removed from the group".into(), member: None },
        }
    }
}

impl Running {
    fn status(&self) -> MemberStatus {
        let metrics = self.metrics();
        let view = self.shared.view();
        let voters: Vec<u64> = metrics.membership_config.voter_ids().collect();
        let matched = |id: &u64| metrics.replication.as_ref()?.get(id)?.as_ref().map(|matched| matched.index);
        let members = metrics.membership_config.nodes().map(|(id, member)| OtherStatus {
            id: *id,
            address: member.address.to_string(),
            node: member.node,
            votes: voters.contains(id),
            matched: matched(id),
        });
        MemberStatus {
            group: self.place.group,
            id: self.place.id,
            role: match metrics.state {
                ServerState::Leader => "leader",
                ServerState::Follower => "follower",
                ServerState::Candidate => "candidate",
                ServerState::Learner => "learner",
                ServerState::Shutdown => "stopped",
            },
            term: metrics.current_term,
            leader: self.leader().map(|(_, leader)| leader.address.into()),
            quorum_ago: metrics.last_quorum_acked.map(|at| Instant::elapsed(&*at).as_millis() as Millis),
            last: metrics.last_log_index,
            committed: metrics.local_committed.map(|id| id.index),
            applied: view.meta.last_log_id.map(|last| last.index),
            snapshot: metrics.snapshot.map(|id| id.index),
            purged: metrics.purged.map(|id| id.index),
            hash: view.state.hash(),
            pairs: view.state.len(),
            members: members.collect(),
        }
    }
}
