//! What must hold at every moment, looked at from outside: one state an index, nothing applied undone, no term left.
//!
//! Not one leader a term: leaders are ordered by term and number here, and in one term a higher number may follow.

use std::collections::BTreeMap;

use openraft::ServerState;

use super::{machine::Machine, trace::Trace};
use crate::raft::group::{Part, Running};

/// What a node was seen as last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) life: u64,
    pub(super) part: &'static str,
    pub(super) id: u64,
    pub(super) term: u64,
    pub(super) leads: bool,
    pub(super) votes: bool,
    pub(super) leader: Option<u64>,
    pub(super) applied: u64,
    pub(super) hash: u64,
    /// Up to where its log is gone.
    pub(super) purged: u64,
    pub(super) members: Vec<u64>,
}

/// See the top of the file.
pub(super) struct Watch {
    trace: Trace,
    seen: Vec<Seen>,
    hashes: BTreeMap<u64, (u64, String)>,
}

fn look(machine: &Machine) -> Seen {
    let Some(group) = machine.group.upgrade() else { return Seen { part: "down", ..Seen::default() } };
    let seen = Seen { life: machine.lives, ..Seen::default() };
    match group.part() {
        Part::Starting => Seen { part: "starting", ..seen },
        Part::Waiting(_) => Seen { part: "waiting", ..seen },
        Part::Broken(_) => Seen { part: "broken", ..seen },
        Part::Removed => Seen { part: "removed", ..seen },
        Part::Running(running) => look_at(&running, machine.lives),
    }
}

fn look_at(running: &Running, life: u64) -> Seen {
    let (metrics, view) = (running.metrics(), running.shared.view());
    Seen {
        life,
        part: "member",
        id: running.place.id,
        term: metrics.current_term,
        leads: metrics.state == ServerState::Leader,
        votes: running.votes(),
        leader: metrics.current_leader,
        applied: view.meta.last_log_id.map_or(0, |last| last.index),
        hash: view.state.hash(),
        purged: metrics.purged.map_or(0, |last| last.index),
        members: metrics.membership_config.nodes().map(|(id, _)| *id).collect(),
    }
}

impl Watch {
    pub(super) fn new(trace: Trace) -> Self {
        Self { trace, seen: Vec::new(), hashes: BTreeMap::new() }
    }

    /// Looks at a machine, and says how it is.
    pub(super) fn look(&mut self, place: usize, machine: &Machine) -> Seen {
        self.seen.resize(self.seen.len().max(place + 1), Seen::default());
        let (seen, name) = (look(machine), &machine.name);
        let before = std::mem::replace(&mut self.seen[place], seen.clone());
        if before == seen {
            return seen;
        }
        let Seen { part, id, term, leader, applied, hash, .. } = &seen;
        self.trace.note(&format!("{name} {part} {id} T{term} follows {leader:?} shows {applied} {hash:016x}"));
        if seen.part == "member" && before.part == "member" && before.life == seen.life && before.id == seen.id {
            assert!(seen.applied >= before.applied, "{name} showed {} and shows {}", before.applied, seen.applied);
            assert!(seen.term >= before.term, "{name} was in term {} and is in {}", before.term, seen.term);
        }
        if seen.applied > 0 {
            let (known, who) = self.hashes.entry(seen.applied).or_insert((seen.hash, name.clone()));
            assert_eq!(*known, seen.hash, "up to entry {} {who} and {name} show different states", seen.applied);
        }
        seen
    }
}
