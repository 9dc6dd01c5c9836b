//! The group in numbers, for dashboards and alerts.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::{
    metrics::names,
    node::Reply,
    raft::{Failure, Status},
};

/// Shows how the group stands.
pub fn publish(status: &Status) {
    for part in ["waiting", "member", "broken", "removed"] {
        gauge!(names::RAFT_PART, "part" => part).set(f64::from(u8::from(status.part == part)));
    }
    let member = status.member.clone().unwrap_or_default();
    let flag = |on: bool| f64::from(u8::from(on));
    let is_led = member.is_led();
    gauge!(names::RAFT_LEADER).set(flag(member.role == "leader" && is_led));
    gauge!(names::RAFT_HAS_LEADER).set(flag(is_led));
    gauge!(names::RAFT_TERM).set(member.term as f64);
    let indexes = [
        ("last", member.last),
        ("committed", member.committed),
        ("applied", member.applied),
        ("snapshot", member.snapshot),
        ("purged", member.purged),
    ];
    for (up_to, index) in indexes {
        gauge!(names::RAFT_INDEX, "up_to" => up_to).set(index.unwrap_or_default() as f64);
    }
    for (votes, wanted) in [("yes", true), ("no", false)] {
        let count = member.members.iter().filter(|one| one.votes == wanted).count();
        gauge!(names::RAFT_MEMBERS, "votes" => votes).set(count as f64);
    }
    gauge!(names::RAFT_PAIRS).set(member.pairs as f64);
    // A number of that size is exact; all of it would not be.
    gauge!(names::RAFT_HASH).set((member.hash >> 32) as f64);
}

/// Counts a proposal of a caller of this node.
pub(super) fn proposed(result: &Result<Reply, Failure>, took: Duration) {
    let result = match result {
        Ok(_) => "agreed",
        Err(Failure::Rejected(_)) => "rejected",
        Err(Failure::Unavailable(_)) => "unavailable",
        Err(Failure::Unknown(_)) => "unknown",
        Err(Failure::Busy) => "busy",
    };
    counter!(names::PROPOSALS, "result" => result).increment(1);
    histogram!(names::PROPOSAL_DELAY).record(took.as_secs_f64());
}
