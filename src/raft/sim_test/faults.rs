//! What happens to a cluster while callers go on. Each fault ends, and the cluster is whole again before the next.

use std::time::Duration;

use super::{
    cluster::Cluster,
    door::{Told, What},
    machine::address,
    run::Run,
};
use crate::raft::MemberChange;

/// How long nothing may be written after the death of a leader. Its lease has to end (1 s), and then a wait that is drawn
/// (0.65 to 1 s), twice if votes are split.
const FAILOVER: Duration = Duration::from_millis(3_300);
/// How long members may take to be whole again after a fault: transports that lost something are given up after 6 s.
const WHOLE: Duration = Duration::from_secs(15);
/// How long a transfer of leadership may take for who asks.
const TRANSFERRED: Duration = Duration::from_millis(1_000);
/// How often the power goes for all: what is lost is what happened in the last milliseconds before.
const POWER_CUTS: usize = 2;
/// How long a node may take to become a voter.
const JOINED: Duration = Duration::from_secs(40);

/// One kind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    LeaderKilled,
    LeaderSilent,
    PowerCutOfAll,
    LeaderParted,
    MinorityParted,
    OneWay,
    SlowNetwork,
    SlowDisk,
    Held,
    Transfer,
    Away,
    Joins,
    Removed,
    Wiped,
}

impl Fault {
    pub(super) const ALL: [Self; 14] = [
        Self::LeaderKilled,
        Self::PowerCutOfAll,
        Self::LeaderParted,
        Self::Wiped,
        Self::Transfer,
        Self::LeaderSilent,
        Self::Away,
        Self::Joins,
        Self::OneWay,
        Self::SlowDisk,
        Self::MinorityParted,
        Self::Removed,
        Self::Held,
        Self::SlowNetwork,
    ];
}

impl Run {
    pub(super) fn break_by(&mut self, fault: Fault) {
        self.cluster.trace.note(&format!("fault: {fault:?}"));
        let (leader, somebody) = (self.leader(), self.somebody());
        match fault {
            Fault::LeaderKilled => self.leader_dies(leader, false),
            Fault::LeaderSilent => self.leader_dies(leader, true),
            Fault::PowerCutOfAll => self.power_cut_of_all(),
            Fault::LeaderParted => self.parted(&[leader]),
            Fault::MinorityParted => self.parted(&[somebody]),
            Fault::OneWay => self.one_way(somebody),
            Fault::SlowNetwork => self.slow_network(),
            Fault::SlowDisk => self.slow_disk(somebody),
            Fault::Held => self.held(leader),
            Fault::Transfer => self.transfer(somebody),
            Fault::Away => self.away(somebody),
            Fault::Joins => self.joins(),
            Fault::Removed => self.removed(leader, somebody),
            Fault::Wiped => self.wiped(somebody),
        }
        let took = self.whole(WHOLE);
        self.cluster.trace.note(&format!("whole after {took:?}"));
    }

    fn time(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.cluster.chance.within(low, high))
    }

    fn leader_dies(&mut self, leader: usize, silently: bool) {
        let cut = self.cluster.chance.percent(70);
        let died = self.cluster.trace.now();
        self.cluster.crash(leader, cut, silently);
        let callers = self.callers.clone();
        let took = self
            .cluster
            .until("a write after the leader's death", FAILOVER, |_| callers.first_write_after(died).is_some());
        self.cluster.trace.note(&format!("a write {took:?} after the death of the leader"));
        let away = self.time(0, 800);
        self.cluster.pass(away);
        self.cluster.start(leader);
    }

    fn power_cut_of_all(&mut self) {
        for _ in 0..POWER_CUTS {
            let all = self.members();
            // Not quite at one moment.
            for place in &all {
                self.cluster.crash(*place, true, false);
                let pause = self.time(0, 1);
                self.cluster.pass(pause);
            }
            for place in all {
                let pause = self.time(0, 200);
                self.cluster.pass(pause);
                self.cluster.start(place);
            }
            self.whole(WHOLE);
            let pause = self.time(50, 300);
            self.cluster.pass(pause);
        }
    }

    fn parted(&mut self, these: &[usize]) {
        let others: Vec<usize> = self.others(these);
        self.cluster.part(these, &others);
        let time = self.time(300, 2_500);
        self.cluster.pass(time);
        self.cluster.mend(these, &others);
    }

    fn one_way(&mut self, place: usize) {
        let others = self.others(&[place]);
        if self.cluster.chance.percent(50) {
            self.cluster.part_one_way(&[place], &others);
        } else {
            self.cluster.part_one_way(&others, &[place]);
        }
        let time = self.time(300, 2_500);
        self.cluster.pass(time);
        self.cluster.mend(&[place], &others);
    }

    fn slow_network(&mut self) {
        let latency = self.time(40, 150);
        self.cluster.slow_network(Some(latency));
        let time = self.time(800, 1_500);
        self.cluster.pass(time);
        self.cluster.slow_network(None);
    }

    fn slow_disk(&mut self, place: usize) {
        let slowness = self.time(50, 700);
        let disk = self.cluster.machines[place].lock().disk.clone();
        disk.slow_down(slowness);
        let time = self.time(600, 1_500);
        self.cluster.pass(time);
        if self.cluster.chance.percent(50) {
            self.cluster.crash(place, true, false);
            self.cluster.start(place);
        }
        let disk = self.cluster.machines[place].lock().disk.clone();
        disk.slow_down(Duration::from_millis(1));
    }

    /// What is said arrives late, and nothing is lost.
    fn held(&mut self, place: usize) {
        let others = self.others(&[place]);
        self.cluster.each_pair(&[place], &others, |a, b| self.cluster.sim.hold(a, b));
        let time = self.time(200, 1_500);
        self.cluster.pass(time);
        self.cluster.each_pair(&[place], &others, |a, b| self.cluster.sim.release(a, b));
    }

    fn transfer(&mut self, to: usize) {
        let address = address(&self.cluster.name(to)).to_string();
        let began = self.cluster.trace.now();
        self.change(&MemberChange::Transfer(Some(address)));
        self.cluster.until("it was asked to lead", Duration::from_millis(100), |cluster| cluster.leader() == Some(to));
        let took = self.cluster.trace.now() - began;
        assert!(took < TRANSFERRED, "leadership moved within {took:?}");
        self.cluster.trace.note(&format!("leadership moved within {took:?}"));
    }

    /// So long that it lacks more than others keep of the log.
    fn away(&mut self, place: usize) {
        let lacks = self.cluster.seen[place].applied;
        self.cluster.crash(place, true, false);
        let purged = |cluster: &Cluster| cluster.leader().is_some_and(|leader| cluster.seen[leader].purged > lacks);
        self.cluster.until("the leader's log begins behind it", Duration::from_secs(30), purged);
        self.cluster.start(place);
        let caught_up = |cluster: &Cluster| cluster.seen[place].applied > lacks;
        self.cluster.until("it takes a snapshot", WHOLE, caught_up);
    }

    fn joins(&mut self) {
        let seeds = self.members().into_iter().map(|place| address(&self.cluster.name(place))).collect();
        let place = self.cluster.add(seeds, false);
        self.callers.know(&self.cluster.machines);
        self.becomes_voter(place);
    }

    fn becomes_voter(&mut self, place: usize) {
        let took =
            self.cluster.until("joins", JOINED, |cluster| cluster.seen.get(place).is_some_and(|seen| seen.votes));
        self.cluster.trace.note(&format!("joined after {took:?}"));
    }

    fn removed(&mut self, leader: usize, somebody: usize) {
        if self.members().len() < 4 {
            self.joins();
        }
        let place = if self.cluster.chance.percent(50) { leader } else { somebody };
        let address = address(&self.cluster.name(place)).to_string();
        self.change(&MemberChange::Remove(address));
        self.gone.push(place);
        self.cluster.until("the removed one knows", WHOLE, |cluster| cluster.seen[place].part == "removed");
    }

    fn wiped(&mut self, place: usize) {
        let before = self.cluster.seen[place].id;
        self.cluster.crash(place, true, false);
        self.cluster.machines[place].lock().wipe();
        self.cluster.start(place);
        self.becomes_voter(place);
        assert_ne!(self.cluster.seen[place].id, before, "it is another member");
    }

    /// Has members changed, as an operator would who is told to wait: a node that votes may not have been told yet that it
    /// joined.
    fn change(&mut self, change: &MemberChange) {
        let began = self.cluster.trace.now();
        loop {
            let place = self.somebody();
            match self.cluster.ask(place, What::Members(change.clone())).expect("nobody is killed") {
                Told::Done => return,
                Told::NotDone(why) if why.contains("being changed already") => {}
                other => panic!("nothing is broken, and yet {other:?}"),
            }
            assert!(self.cluster.trace.now() - began < WHOLE, "members are being changed for too long");
        }
    }
}

/// Who is not among these.
impl Run {
    fn others(&self, these: &[usize]) -> Vec<usize> {
        (0..self.cluster.machines.len()).filter(|place| !these.contains(place)).collect()
    }

    fn somebody(&mut self) -> usize {
        let members = self.members();
        members[self.cluster.chance.index(members.len())]
    }
}

/// Whether all of these show the same, and follow one leader.
pub(super) fn is_whole(cluster: &Cluster, members: &[usize]) -> bool {
    let all = || members.iter().filter_map(|place| cluster.seen.get(*place));
    let Some(first) = all().next() else { return false };
    let same = |seen: &super::watch::Seen| {
        seen.part == "member"
            && seen.votes
            && seen.leader.is_some()
            && seen.leader == first.leader
            && seen.term == first.term
    };
    all().count() == members.len() && all().all(same) && cluster.leader().is_some()
}
