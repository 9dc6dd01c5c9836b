//! The simulated machines, the network between them, and the hand that lets time pass and breaks them.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use compact_str::CompactString;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use turmoil::{Builder, Sim};

use super::{
    chance::Chance,
    door::{Ask, Told, What},
    machine::{self, EPOCH, Machine, address},
    trace::Trace,
    watch::{Seen, Watch},
};

/// How often nodes are looked at.
const LOOKED_AT_EACH: u64 = 5;
/// Latencies of a network that is well.
const LATENCY: Range<Duration> = Duration::from_millis(1)..Duration::from_millis(4);
/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(600);

/// See the top of the file.
pub(super) struct Cluster {
    pub(super) machines: Vec<Arc<Mutex<Machine>>>,
    pub(super) chance: Chance,
    pub(super) trace: Trace,
    pub(super) watch: Watch,
    pub(super) sim: Sim<'static>,
    pub(super) seen: Vec<Seen>,
    seed: u64,
    steps: u64,
}

impl Cluster {
    /// As many empty machines, about to found a group.
    pub(super) fn new(seed: u64, founders: usize) -> Self {
        let sim = Builder::new()
            .rng_seed(seed)
            .epoch(UNIX_EPOCH + EPOCH)
            .simulation_duration(LONGEST)
            .min_message_latency(LATENCY.start)
            .max_message_latency(LATENCY.end)
            .tcp_capacity(4_096)
            .enable_random_order()
            .build();
        let trace = Trace::default();
        let mut cluster = Self {
            machines: Vec::new(),
            chance: Chance::new(seed, 1),
            watch: Watch::new(trace.clone()),
            seen: Vec::new(),
            trace,
            sim,
            seed,
            steps: 0,
        };
        let seeds: Vec<CompactString> = (1..=founders).map(|number| address(&format!("n{number}"))).collect();
        for _ in 0..founders {
            cluster.add(seeds.clone(), true);
        }
        cluster
    }

    /// One more machine, which founds a group with others or joins them.
    pub(super) fn add(&mut self, seeds: Vec<CompactString>, founds: bool) -> usize {
        let number = self.machines.len() + 1;
        let machine = Arc::new(Mutex::new(Machine::new(number, seeds, founds)));
        let slowness = Duration::from_millis(self.chance.within(2, 15));
        machine.lock().disk.slow_down(slowness);
        let (name, seed) = (machine.lock().name.clone(), self.seed);
        self.trace.note(&format!("{name} is started"));
        let lives = machine.clone();
        self.sim.host(name, move || machine::live(lives.clone(), seed));
        self.machines.push(machine);
        number - 1
    }

    pub(super) fn name(&self, place: usize) -> String {
        self.machines[place].lock().name.clone()
    }

    /// A millisecond passes.
    pub(super) fn step(&mut self) {
        self.sim.step().expect("nothing fails that is simulated");
        self.trace.set_time(self.sim.elapsed());
        self.steps += 1;
        if self.steps.is_multiple_of(LOOKED_AT_EACH) {
            let looked = self.machines.iter().enumerate();
            self.seen = looked.map(|(place, machine)| self.watch.look(place, &machine.lock())).collect();
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step();
        }
    }

    /// Lets time pass until something holds, and says how long it took. It must within a bound.
    pub(super) fn until(&mut self, what: &str, bound: Duration, mut holds: impl FnMut(&Self) -> bool) -> Duration {
        let began = self.sim.elapsed();
        while !holds(self) {
            let passed = self.sim.elapsed() - began;
            assert!(passed < bound, "not within {bound:?}: {what}; {:#?}", self.seen);
            self.step();
        }
        self.sim.elapsed() - began
    }

    /// Who leads, as most know.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = self.seen.iter().enumerate().filter(|(_, seen)| seen.leads);
        leads.max_by_key(|(_, seen)| seen.term).map(|(place, _)| place)
    }

    /// Asks a node something, and waits for the answer. None if nobody is there.
    pub(super) fn ask(&mut self, place: usize, what: What) -> Option<Told> {
        let (told, mut hears) = oneshot::channel();
        let door = self.machines[place].lock().door.clone()?;
        door.try_send(Ask { what, told }).ok()?;
        loop {
            self.step();
            match hears.try_recv() {
                Ok(told) => return Some(told),
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => return None,
            }
        }
    }

    fn others(&self, place: usize) -> Vec<usize> {
        (0..self.machines.len()).filter(|other| *other != place).collect()
    }

    /// The process ends and its files stay, or the power is cut. Silently: nobody hears it go.
    pub(super) fn crash(&mut self, place: usize, cut: bool, silently: bool) {
        let name = self.name(place);
        if silently {
            self.part(&[place], &self.others(place));
        }
        self.sim.crash(name.as_str());
        let mut machine = self.machines[place].lock();
        machine.door = None;
        assert!(machine.group.upgrade().is_none(), "nothing of {name} is left");
        if cut {
            let spared = self.chance.index(8);
            machine.disk = machine.disk.after_power_cut_with(spared);
        }
        self.seen[place] = Seen::default();
        self.trace.note(&format!("{name} ends, power cut: {cut}, silently: {silently}"));
    }

    pub(super) fn start(&mut self, place: usize) {
        let name = self.name(place);
        self.trace.note(&format!("{name} is started again"));
        self.mend(&[place], &self.others(place));
        self.sim.bounce(name.as_str());
    }

    /// Nothing passes between these and those.
    pub(super) fn part(&self, these: &[usize], those: &[usize]) {
        self.each_pair(these, those, |a, b| self.sim.partition(a, b));
    }

    /// Nothing passes from these to those.
    pub(super) fn part_one_way(&self, these: &[usize], those: &[usize]) {
        self.each_pair(these, those, |a, b| self.sim.partition_oneway(a, b));
    }

    /// All passes again.
    pub(super) fn mend(&self, these: &[usize], those: &[usize]) {
        self.each_pair(these, those, |a, b| self.sim.repair(a, b));
    }

    pub(super) fn each_pair(&self, these: &[usize], those: &[usize], each: impl Fn(&str, &str)) {
        for one in these {
            for other in those.iter().filter(|other| *other != one) {
                each(&self.name(*one), &self.name(*other));
            }
        }
    }

    /// How slow messages are at the most, everywhere.
    pub(super) fn slow_network(&self, latency: Option<Duration>) {
        let all: Vec<usize> = (0..self.machines.len()).collect();
        let latency = latency.unwrap_or(LATENCY.end);
        self.each_pair(&all, &all, |a, b| self.sim.set_link_max_message_latency(a, b, latency));
    }
}
