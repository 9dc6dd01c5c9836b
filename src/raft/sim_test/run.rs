//! One seed from beginning to end: a group is founded, callers call, faults come, all is well again, and everything that
//! was told is held against what is there.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    callers::{CALLERS, Callers, registers},
    chance::Chance,
    cluster::Cluster,
    door::{ANCHOR, Told, What},
    faults::{Fault, is_whole},
};

/// How long founding may take.
const FOUNDED: Duration = Duration::from_secs(10);
/// How many faults a seed has.
const FAULTS: usize = 3;
/// How long a caller may wait for an answer.
const WAITED: Duration = Duration::from_secs(6);
/// How long members may take to show the same once nobody writes.
const SAME: Duration = Duration::from_secs(10);

/// A run under way.
pub(super) struct Run {
    pub(super) cluster: Cluster,
    pub(super) callers: Arc<Callers>,
    /// Machines that were removed.
    pub(super) gone: Vec<usize>,
}

/// Runs a seed; panics if a promise is broken.
pub(super) fn run(seed: u64) {
    let founders = if seed.is_multiple_of(3) { 5 } else { 3 };
    let cluster = Cluster::new(seed, founders);
    let callers = Callers::new(cluster.trace.clone());
    let mut run = Run { cluster, callers, gone: Vec::new() };
    run.found(seed);
    for number in 0..FAULTS {
        let pause = Duration::from_millis(run.cluster.chance.within(100, 600));
        run.cluster.pass(pause);
        run.break_by(Fault::ALL[(seed as usize * FAULTS + number) % Fault::ALL.len()]);
    }
    run.end();
}

impl Run {
    fn found(&mut self, seed: u64) {
        self.whole(FOUNDED);
        assert_eq!(self.cluster.ask(0, What::Put(ANCHOR, 1)), Some(Told::Done), "nothing is broken");
        self.callers.know(&self.cluster.machines);
        let callers = self.callers.clone();
        self.cluster.sim.client("callers", async move {
            for caller in 0..CALLERS {
                tokio::spawn(callers.clone().call(Chance::new(seed, 100 + caller)));
            }
            std::future::pending().await
        });
    }

    /// Those that are to be members.
    pub(super) fn members(&self) -> Vec<usize> {
        (0..self.cluster.machines.len()).filter(|place| !self.gone.contains(place)).collect()
    }

    pub(super) fn leader(&self) -> usize {
        self.cluster.leader().expect("the cluster is whole")
    }

    /// Lets time pass until all members follow one leader.
    pub(super) fn whole(&mut self, bound: Duration) -> Duration {
        let members = self.members();
        self.cluster.until("all follow one leader", bound, |cluster| is_whole(cluster, &members))
    }

    fn end(mut self) {
        self.callers.stop.store(true, Relaxed);
        let callers = self.callers.clone();
        // This one, the run's, and that of the host they are on.
        self.cluster.until("no caller waits", WAITED, |_| Arc::strong_count(&callers) == 3);
        drop(callers);
        let members = self.members();
        self.cluster.until("all show the same", SAME, |cluster| {
            let shown = |place: &usize| (cluster.seen[*place].applied, cluster.seen[*place].hash);
            is_whole(cluster, &members) && members.iter().all(|place| shown(place) == shown(&members[0]))
        });
        for place in &members {
            assert_eq!(self.cluster.ask(*place, What::Put(ANCHOR, 2)), Some(Told::Done), "all is well again");
        }
        for key in registers() {
            let place = members[usize::from(key) % members.len()];
            match self.cluster.ask(place, What::Read(key)) {
                Some(Told::Seen(seen)) => self.callers.found(key, seen),
                other => panic!("all is well again, and yet {other:?}"),
            }
        }
        self.judge();
    }

    fn judge(self) {
        let (writes, unknown) = (self.callers.writes(), self.callers.unknown.load(Relaxed));
        let (took, trace) = (self.cluster.sim.elapsed(), self.cluster.trace.clone());
        // The callers' tasks hold what they told.
        drop(self.cluster);
        let callers = Arc::into_inner(self.callers).expect("nobody calls any more");
        let (asked, wrong) = callers.histories.check();
        assert!(wrong.is_empty(), "not as if one after the other: {wrong:#?}");
        let operations: usize = asked.values().sum();
        trace.note(&format!(
            "held: {took:?} simulated, {operations} operations, {writes} writes, {unknown} with unknown outcome"
        ));
    }
}
