//! The one lock around the node, its clock, and the wake-up of whoever carries out what it wants.
//!
//! Owns the node. Promises: inputs are taken one at a time, work under the lock is bounded and never waits, and whatever
//! becomes due is polled at its time. A panic under the lock ends the process: the node's invariants are broken then, and
//! a node that lies is worse than one that is gone. Never interprets an input or an output.

mod ceiling;
mod clock;
mod data_dir;
pub mod durable;
mod entries;
mod identity;
mod log;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

pub use ceiling::CeilingError;
pub use clock::Clock;
pub use data_dir::{DataDir, DataDirError};
pub use entries::EntriesError;
pub use identity::{IdentityError, draw_bits};
pub use log::{Log, LogError};

use crate::{
    member::Cluster,
    model::{Millis, Switches, Tick},
    node::{Input, Membership, Node, Output, Rejection, Reply, Settings, Stats},
};

/// The node of this process, shared by all who feed it.
pub struct Runtime {
    clock: Clock,
    /// The highest ceiling so far.
    ceiling: AtomicU64,
    /// Where another node's clock was that this one is to follow.
    asked: AtomicU64,
    /// That it has not yet.
    ask: Notify,
    locked: Mutex<Locked>,
    /// The node's switches, for readers that look at them at each request.
    switches: RwLock<Arc<Switches>>,
    /// The members as the node sees them, for the same readers, and for whoever waits for changes.
    cluster: watch::Sender<Arc<Cluster>>,
    wake: Notify,
}

struct Locked {
    node: Node,
    /// When the dispatcher wakes by itself.
    armed: Option<Tick>,
}

/// Ends the process when dropped by a panic that began within. A task that panics elsewhere still reports its connection
/// gone while it unwinds, and must not take the node along.
struct Invariants {
    outer_panic: bool,
}

impl Invariants {
    fn watch() -> Self {
        Self { outer_panic: std::thread::panicking() }
    }
}

impl Drop for Invariants {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.outer_panic {
            tracing::error!("an invariant of the node is broken; ending the process");
            std::process::abort();
        }
    }
}

impl Runtime {
    /// The runtime of a new node. Stamps begin above what `data` says an earlier run used, and a new ceiling is stored
    /// before this returns.
    pub fn start(settings: Settings, membership: Membership, data: &DataDir) -> Result<Arc<Self>, CeilingError> {
        Self::start_by(Clock::new(), settings, membership, data)
    }

    /// The same by a clock of the caller's choice.
    pub fn start_by(
        clock: Clock,
        settings: Settings,
        membership: Membership,
        data: &DataDir,
    ) -> Result<Arc<Self>, CeilingError> {
        let stored = data.ceiling().load()?;
        let node = Node::new(settings, membership, clock.now(), stored);
        let runtime = Arc::new(Self {
            switches: RwLock::new(node.switches().clone()),
            cluster: watch::Sender::new(node.cluster().clone()),
            locked: Mutex::new(Locked { node, armed: None }),
            clock,
            ceiling: AtomicU64::new(stored),
            asked: AtomicU64::new(0),
            ask: Notify::new(),
            wake: Notify::new(),
        });
        runtime.raise_ceiling(data)?;
        Ok(runtime)
    }

    /// The clock every input is stamped with.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Gives the node one input. What it causes leaves through [`Runtime::dispatch`].
    pub fn handle(&self, input: Input) -> Result<Reply, Rejection> {
        let (reply, wake) = {
            let mut locked = self.locked.lock();
            let _invariants = Invariants::watch();
            let reply = locked.node.handle(self.clock.now(), input);
            self.publish(&locked.node);
            let deadline = locked.node.next_deadline();
            let earlier = deadline.is_some_and(|at| locked.armed.is_none_or(|armed| at < armed));
            if earlier {
                locked.armed = deadline;
            }
            (reply, earlier)
        };
        if wake {
            self.wake.notify_one();
        }
        reply
    }

    /// Hybrid time.
    pub fn time(&self) -> Millis {
        self.locked.lock().node.time(self.clock.now())
    }

    /// All switches as they are now, without the node's lock.
    pub fn switches(&self) -> Arc<Switches> {
        self.switches.read().clone()
    }

    /// The members as they are now, without the node's lock.
    pub fn cluster(&self) -> Arc<Cluster> {
        self.cluster.borrow().clone()
    }

    /// Wakes whoever waits for the members to change.
    pub fn cluster_changes(&self) -> watch::Receiver<Arc<Cluster>> {
        self.cluster.subscribe()
    }

    /// Shows readers the current values. A changed one is another: whoever changes it leaves the old one to its readers.
    fn publish(&self, node: &Node) {
        if !Arc::ptr_eq(&self.switches.read(), node.switches()) {
            *self.switches.write() = node.switches().clone();
        }
        if !Arc::ptr_eq(&self.cluster.borrow(), node.cluster()) {
            self.cluster.send_replace(node.cluster().clone());
        }
    }

    /// Numbers about the node.
    pub fn stats(&self) -> Stats {
        self.locked.lock().node.stats()
    }

    /// Carries out what the node wants by calling `deliver`, until `shutdown` completes.
    pub async fn dispatch(&self, mut deliver: impl FnMut(Output), shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut outputs = Vec::new();
        loop {
            let deadline = self.poll(&mut outputs);
            let busy = !outputs.is_empty();
            outputs.drain(..).for_each(&mut deliver);
            if busy {
                // A storm is many rounds; requests get their turn between them.
                tokio::task::yield_now().await;
            }
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = self.wake.notified() => {}
                () = self.clock.sleep_until(deadline) => {}
            }
        }
    }

    fn poll(&self, outputs: &mut Vec<Output>) -> Option<Tick> {
        let mut locked = self.locked.lock();
        let _invariants = Invariants::watch();
        locked.node.poll(self.clock.now(), outputs);
        self.publish(&locked.node);
        locked.armed = locked.node.next_deadline();
        locked.armed
    }

    /// Has a ceiling stored that lets this node's clock follow another one.
    pub fn ask_ceiling(&self, ceiling: Millis) {
        self.asked.fetch_max(ceiling, Ordering::Relaxed);
        self.ask.notify_one();
    }

    /// Keeps a stored ceiling ahead of the clock for as long as the node runs.
    ///
    /// When the disk refuses, stamps go on: a list that every client ignores would be worse than the small chance that a
    /// restart with a clock set back repeats a stamp.
    pub async fn keep_ceiling(self: Arc<Self>, data: Arc<DataDir>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(CEILING_PERIOD) => {}
                () = self.ask.notified() => {}
            }
            let (runtime, data) = (self.clone(), data.clone());
            let raised = tokio::task::spawn_blocking(move || runtime.raise_ceiling(&data)).await;
            match raised {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the clock's ceiling is not stored; a restart may repeat stamps");
                }
                Err(panic) => tracing::error!(%panic, "storing the clock's ceiling failed"),
            }
        }
    }

    /// Stores a ceiling ahead of all stamps that may be given before the next one, and never a lower one than before.
    fn raise_ceiling(&self, data: &DataDir) -> Result<(), CeilingError> {
        let ahead = self.time().max(self.asked.load(Ordering::Relaxed)) + CEILING_AHEAD.as_millis() as u64;
        let ceiling = ahead.max(self.ceiling.fetch_max(ahead, Ordering::Relaxed));
        let stored = data.ceiling().store(ceiling);
        // Taken over even when it was not stored, see `keep_ceiling`.
        let raised = self.handle(Input::CeilingStored(ceiling));
        debug_assert!(raised.is_ok(), "nothing to refuse");
        stored
    }
}

/// How far ahead of the clock stamps may run, and how often that is made sure of; half of it is slack for a slow disk.
const CEILING_AHEAD: Duration = Duration::from_secs(10);
const CEILING_PERIOD: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NodeId;

    pub(super) const SETTINGS: Settings = Settings::DEFAULT;

    fn stored(data: &DataDir) -> Millis {
        data.ceiling().load().expect("readable")
    }

    /// Two restarts in a row had clients drop all lists: the ceiling ran ahead by as long as a node was up, and the next
    /// run began by storing a lower one.
    #[tokio::test]
    async fn the_ceiling_stays_near_the_clock_and_never_falls_over_restarts() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = DataDir::open(directory.path()).expect("usable");
        let mut highest = 0;
        for _ in 0..3 {
            let runtime = Runtime::start(SETTINGS, Membership::alone(NodeId(1), "n1:8848"), &data).expect("starts");
            let began = stored(&data);
            assert!(began > highest, "stamps of this run are above those of the last");
            for _ in 0..100 {
                runtime.raise_ceiling(&data).expect("storable");
            }
            highest = stored(&data);
            let ahead = CEILING_AHEAD.as_millis() as u64;
            let expected = runtime.locked.lock().node.time(runtime.clock().now()) + ahead;
            assert!(highest >= began && highest <= expected, "{highest} is no more than {ahead} ahead of stamps");
        }
    }
}
