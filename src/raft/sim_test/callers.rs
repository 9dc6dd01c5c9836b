//! Callers who write and read through nodes at random, all the time, and take down what they are told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::oneshot, time::sleep};

use super::{
    chance::Chance,
    door::{Ask, OVERRIDES, Told, What},
    machine::Machine,
    trace::Trace,
};
use crate::history::{Histories, Operation};

/// Callers, each of which asks one thing at a time. The checker's work grows with those that meet at one register.
pub(super) const CALLERS: u64 = 5;
/// Registers of each kind: so many that few calls with unknown outcome meet at one.
const INSTANCES: u16 = 16;
const OVERRIDDEN: u16 = 4;
/// The longest pause between two calls of a caller, in milliseconds.
const PAUSE: u64 = 60;
/// No call takes longer: a strong read and a write, with their deadlines.
const PATIENCE: Duration = Duration::from_millis(5_200);

/// What callers share.
pub(super) struct Callers {
    machines: Mutex<Vec<Arc<Mutex<Machine>>>>,
    pub(super) histories: Histories<u16>,
    trace: Trace,
    versions: AtomicU64,
    pub(super) stop: AtomicBool,
    /// When each write that was acknowledged was asked for, and acknowledged.
    done: Mutex<Vec<(Duration, Duration)>>,
    pub(super) unknown: AtomicUsize,
}

pub(super) fn registers() -> impl Iterator<Item = u16> {
    (1..=INSTANCES).chain(OVERRIDES..OVERRIDES + OVERRIDDEN)
}

impl Callers {
    pub(super) fn new(trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            machines: Mutex::default(),
            histories: Histories::default(),
            trace,
            versions: AtomicU64::new(1),
            stop: AtomicBool::new(false),
            done: Mutex::default(),
            unknown: AtomicUsize::new(0),
        })
    }

    /// These are the nodes to ask.
    pub(super) fn know(&self, machines: &[Arc<Mutex<Machine>>]) {
        *self.machines.lock() = machines.to_vec();
    }

    pub(super) fn writes(&self) -> usize {
        self.done.lock().len()
    }

    /// When the first write was acknowledged of those that were asked for after a moment.
    pub(super) fn first_write_after(&self, moment: Duration) -> Option<Duration> {
        self.done.lock().iter().find(|(asked, _)| *asked > moment).map(|(_, told)| *told)
    }

    pub(super) async fn call(self: Arc<Self>, mut chance: Chance) {
        let mut caller = self.histories.caller();
        while !self.stop.load(Relaxed) {
            sleep(Duration::from_millis(chance.within(1, PAUSE))).await;
            let key = registers().nth(chance.index(registers().count())).expect("one of them");
            let operation = match chance.below(10) {
                0..=4 => Operation::Put(self.versions.fetch_add(1, Relaxed)),
                5..=6 if key < OVERRIDES => Operation::Delete,
                _ => Operation::Read(None),
            };
            let door = {
                let machines = self.machines.lock();
                let machine = machines[chance.index(machines.len())].lock();
                machine.door.clone().map(|door| (door, machine.name.clone()))
            };
            let Some((door, name)) = door else { continue };
            let (told, hears) = oneshot::channel();
            self.histories.called(key, caller, operation);
            let asked = self.trace.now();
            let what = match operation {
                Operation::Put(version) => What::Put(key, version),
                Operation::Delete => What::Delete(key),
                Operation::Read(_) => What::Read(key),
            };
            let told = match door.try_send(Ask { what, told }) {
                Ok(()) => hears.await.unwrap_or_else(|_| Told::Unknown("the node ended".into())),
                Err(_) => Told::NotDone("the node ended".into()),
            };
            self.trace.note(&format!("caller {caller} asked {name} for {key} {operation:?}: {told:?}"));
            assert!(self.trace.now() - asked < PATIENCE, "{name} had a caller wait");
            if !self.told(caller, key, operation, &told, asked) {
                caller = self.histories.caller();
            }
        }
    }

    /// Takes note of an answer. Whether the caller knows what became of its call.
    fn told(&self, caller: usize, key: u16, operation: Operation, told: &Told, asked: Duration) -> bool {
        match (told, operation) {
            (Told::Seen(seen), _) => self.histories.answered(key, caller, Operation::Read(*seen)),
            (Told::Done, _) => {
                self.histories.answered(key, caller, operation);
                self.done.lock().push((asked, self.trace.now()));
            }
            // Whoever is told that nothing changed relies on it. A read that failed never was.
            (Told::NotDone(_), _) | (Told::Unknown(_), Operation::Read(_)) => self.histories.take_back(key, caller),
            (Told::Unknown(_), _) => {
                self.unknown.fetch_add(1, Relaxed);
                return false;
            }
        }
        true
    }

    /// Takes note of what is there at the end.
    pub(super) fn found(&self, key: u16, seen: Option<u64>) {
        let caller = self.histories.caller();
        self.histories.called(key, caller, Operation::Read(None));
        self.histories.answered(key, caller, Operation::Read(seen));
    }
}
