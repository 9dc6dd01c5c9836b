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
    /// Since when this node was told nothing by a leader that it followed, in milliseconds; none if it never was.
    pub leader_ago: Option<Millis>,
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

/// How long ago a leader must have been followed by most members, and heard by those. Its heartbeats are ten times as frequent.
const FOLLOWED_MILLIS: Millis = 3_000;

impl MemberStatus {
    /// Whether there is a leader that most members follow, or that this node heard of late. One that died is still known.
    pub fn is_led(&self) -> bool {
        let ago = if self.role == "leader" { self.quorum_ago } else { self.leader_ago };
        self.leader.is_some() && (self.members.len() == 1 || ago.is_some_and(|ago| ago <= FOLLOWED_MILLIS))
    }
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
            leader_ago: self.followed.lock().map(|at| at.elapsed().as_millis() as Millis),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_nobody_hears_is_none() {
        let other = |id| OtherStatus { id, address: "n:8848".into(), node: NodeId(1), votes: true, matched: None };
        let follower = MemberStatus {
            role: "follower",
            leader: Some("n:8848".into()),
            leader_ago: Some(100),
            members: vec![other(1), other(2)],
            ..MemberStatus::default()
        };
        assert!(follower.is_led());
        assert!(!MemberStatus { leader: None, ..follower.clone() }.is_led());
        assert!(!MemberStatus { leader_ago: Some(FOLLOWED_MILLIS + 1), ..follower.clone() }.is_led());
        assert!(!MemberStatus { leader_ago: None, ..follower.clone() }.is_led());
        let leader = MemberStatus { role: "leader", quorum_ago: Some(100), leader_ago: None, ..follower };
        assert!(leader.is_led());
        assert!(!MemberStatus { quorum_ago: Some(FOLLOWED_MILLIS + 1), ..leader.clone() }.is_led());
        assert!(MemberStatus { quorum_ago: None, members: vec![other(1)], ..leader }.is_led(), "it is all there is");
    }
}
