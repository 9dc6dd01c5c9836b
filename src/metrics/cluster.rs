//! Numbers about the cluster: who is in it, and what is kept the same on all nodes.
//!
//! Shown by a node alone too, so that a rule about them needs no case for it.

use metrics::{counter, gauge};

use crate::{
    member::Cluster,
    metrics::names,
    node::Stats,
    wire::peer::{Phase, Regard},
};

pub(super) fn publish(stats: &Stats, cluster: &Cluster) {
    gauge!(names::START_TIME).set(cluster.this.since as f64 / 1_000.0);
    let phases = [("loading", Phase::Loading), ("serving", Phase::Serving), ("leaving", Phase::Leaving)];
    for (name, phase) in phases {
        gauge!(names::PHASE, "phase" => name).set(f64::from(u8::from(cluster.phase == phase)));
    }
    for (name, state) in [("up", Regard::Up), ("suspect", Regard::Suspect), ("down", Regard::Down)] {
        let count = cluster.peers.iter().filter(|peer| peer.state == state).count();
        gauge!(names::MEMBERS, "state" => name).set(count as f64);
    }
    let distro = stats.distro;
    let gauges = [
        (names::MEMBERS_SKEWED, cluster.peers.iter().filter(|peer| peer.skewed).count()),
        (names::DISTRO_RECORDS, distro.records),
        (names::DISTRO_ORPHANS, distro.orphans),
        (names::DISTRO_TOMBSTONES, distro.tombstones),
        (names::DISTRO_PENDING, distro.pending),
    ];
    for (name, value) in gauges {
        gauge!(name).set(value as f64);
    }
    for (result, value) in [("sent", distro.sent), ("taken", distro.taken), ("stale", distro.stale)] {
        counter!(names::DISTRO_STATES, "result" => result).absolute(value);
    }
    let counters = [
        (names::DISTRO_TIMEOUTS, distro.timeouts),
        (names::DISTRO_DIFFERENCES, distro.differences),
        (names::DISTRO_REPAIRED, distro.repaired),
        (names::DISTRO_REPAIRED_NOTHING, distro.repaired_nothing),
        (names::DISTRO_LEASES_OVER, distro.leases_over),
        (names::DISTRO_CLAIMED, distro.claimed),
        (names::HELD_BACK, stats.held_back),
    ];
    for (name, value) in counters {
        counter!(name).absolute(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        distro::Counts,
        member::Peer,
        metrics::Metrics,
        model::{Incarnation, NodeId},
    };

    #[test]
    fn every_number_of_the_cluster_is_shown() {
        let peer = |state, skewed| Peer { state, phase: Phase::Serving, skewed, ..Peer::unheard("n:1".into()) };
        let peers = vec![peer(Regard::Up, true), peer(Regard::Up, false), peer(Regard::Suspect, true)];
        let this = Incarnation { node: NodeId(1), since: 1_500 };
        let cluster = Cluster { this, address: "own:1".into(), phase: Phase::Loading, peers };
        let distro = Counts {
            records: 101,
            orphans: 102,
            tombstones: 103,
            pending: 104,
            sent: 105,
            taken: 106,
            stale: 107,
            timeouts: 108,
            differences: 109,
            repaired: 110,
            repaired_nothing: 111,
            leases_over: 112,
            claimed: 113,
        };
        let stats = Stats { distro, held_back: 114, ..Stats::default() };
        let shown = Metrics::install().expect("a recorder").render(&stats, &cluster, 0);
        let lines = [
            "roster_start_time_seconds 1.5",
            "roster_phase{phase=\"loading\"} 1",
            "roster_phase{phase=\"serving\"} 0",
            "roster_phase{phase=\"leaving\"} 0",
            "roster_members{state=\"up\"} 2",
            "roster_members{state=\"suspect\"} 1",
            "roster_members{state=\"down\"} 0",
            "roster_members_clock_skewed 2",
            "roster_distro_records 101",
            "roster_distro_orphans 102",
            "roster_distro_tombstones 103",
            "roster_distro_pending 104",
            "roster_distro_states_total{result=\"sent\"} 105",
            "roster_distro_states_total{result=\"taken\"} 106",
            "roster_distro_states_total{result=\"stale\"} 107",
            "roster_distro_timeouts_total 108",
            "roster_distro_differences_total 109",
            "roster_distro_repaired_total 110",
            "roster_distro_repaired_nothing_total 111",
            "roster_distro_leases_over_total 112",
            "roster_distro_claimed_total 113",
            "roster_removals_held_back_total 114",
        ];
        for line in lines {
            assert!(shown.lines().any(|found| found == line), "{line} in {shown}");
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(shown.contains(&format!("# HELP {name} ")), "{name} has a help text");
        }
    }
}
