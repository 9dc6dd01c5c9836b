//! What callers were told about persistent instances, while nodes are killed under them: it must be as if everything had
//! happened at one place, one after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use todc_utils::linearizability::history::Action;
use tokio::time::{Instant, sleep};

use crate::{
    history::{Histories, Operation},
    support::{Cluster, DEADLINE, Told, delete, leader, put, read, same_state, until},
};

/// Callers, each of which asks one thing at a time. The checker's work grows with those that meet at one instance.
const CALLERS: usize = 5;
/// Instances: so many that few calls with unknown outcome meet at one, for each doubles the checker's work.
const KEYS: u16 = 40;
const SERVICE: &str = "history";

/// All callers, and what they share.
struct Callers {
    /// Main addresses of the nodes.
    addresses: Vec<String>,
    histories: Histories,
    versions: AtomicU64,
    /// A call without an answer is its caller's last: whoever asks on is somebody else.
    processes: AtomicU64,
    stop: AtomicBool,
    done: AtomicU64,
    unknown: AtomicU64,
}

impl Callers {
    async fn call(self: Arc<Self>, seed: usize) {
        let mut chance = seed as u64 + 1;
        let mut process = self.processes.fetch_add(1, Relaxed) as usize;
        while !self.stop.load(Relaxed) {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let pick = |range: u64| (chance >> 33) % range;
            let key = pick(u64::from(KEYS)) as u16 + 1;
            let place = (pick(7) % 3) as usize;
            if !self.one(process, key, place, pick(11)).await {
                process = self.processes.fetch_add(1, Relaxed) as usize;
            }
        }
    }

    /// Whether the caller was told what became of it.
    async fn one(&self, process: usize, key: u16, place: usize, which: u64) -> bool {
        let node = self.addresses[place].as_str();
        let operation = match which {
            0..=4 => Operation::Put(self.versions.fetch_add(1, Relaxed)),
            5..=6 => Operation::Delete,
            _ => Operation::Read(None),
        };
        self.histories.note(key, process, Action::Call(operation));
        let told = match operation {
            Operation::Put(version) => put(node, SERVICE, key, version).await,
            Operation::Delete => delete(node, SERVICE, key).await,
            Operation::Read(_) => match read(node, SERVICE, key).await {
                Ok(seen) => {
                    self.histories.note(key, process, Action::Response(Operation::Read(seen)));
                    self.done.fetch_add(1, Relaxed);
                    return true;
                }
                // It says nothing, and stays open: it is left out.
                Err(_) => return false,
            },
        };
        match told {
            Told::Done => {
                self.histories.note(key, process, Action::Response(operation));
                self.done.fetch_add(1, Relaxed);
                true
            }
            // Whoever is told that nothing changed relies on it.
            Told::NotDone(_) => {
                self.histories.take_back(key, process);
                true
            }
            Told::Unknown(_) => {
                self.unknown.fetch_add(1, Relaxed);
                false
            }
        }
    }
}

/// Kills a node for a moment, whatever is asked of it.
async fn kill_one(cluster: &mut Cluster, place: usize, away: Duration) {
    cluster.nodes[place].kill();
    sleep(away).await;
    cluster.nodes[place].start_again();
    cluster.whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute"]
async fn callers_see_one_order_of_things_while_nodes_are_killed() {
    let mut cluster = Cluster::start().await;
    leader(&cluster.nodes).await;
    let callers = Arc::new(Callers {
        addresses: cluster.nodes.iter().map(|node| node.address.clone()).collect(),
        histories: Histories::default(),
        versions: AtomicU64::new(1),
        processes: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        done: AtomicU64::new(0),
        unknown: AtomicU64::new(0),
    });
    let running: Vec<_> = (0..CALLERS).map(|seed| tokio::spawn(callers.clone().call(seed))).collect();
    let end = Instant::now() + Duration::from_secs(30);
    let mut round = 0;
    while Instant::now() < end {
        sleep(Duration::from_secs(1)).await;
        let led = leader(&cluster.nodes).await;
        // The leader, somebody else, and now and then all.
        match round % 3 {
            0 => kill_one(&mut cluster, led, Duration::from_millis(300)).await,
            1 => kill_one(&mut cluster, (led + 1) % 3, Duration::from_millis(1_500)).await,
            _ => {
                cluster.nodes.iter_mut().for_each(crate::support::Node::kill);
                cluster.nodes.iter_mut().for_each(crate::support::Node::start_again);
                cluster.whole().await;
            }
        }
        round += 1;
    }
    callers.stop.store(true, Relaxed);
    for caller in running {
        caller.await.expect("no panic");
    }
    let callers = Arc::into_inner(callers).expect("all callers ended");
    leader(&cluster.nodes).await;
    // What is there at the end is part of it.
    for key in 1..=KEYS {
        let process = callers.processes.fetch_add(1, Relaxed) as usize;
        callers.histories.note(key, process, Action::Call(Operation::Read(None)));
        // A node that just started refuses such lists until it has what was agreed on.
        let node = &cluster.nodes[0].address;
        let seen = until("it is read", DEADLINE, async || read(node, SERVICE, key).await.ok()).await;
        callers.histories.note(key, process, Action::Response(Operation::Read(seen)));
    }
    same_state(&cluster.all(), DEADLINE).await;
    println!(
        "{round} rounds, {} done, {} with unknown outcome",
        callers.done.into_inner(),
        callers.unknown.into_inner()
    );
    let (wrong, asked) = callers.histories.check();
    println!("operations of each instance: {asked:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
