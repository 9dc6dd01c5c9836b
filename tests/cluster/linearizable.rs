//! What callers were told about persistent instances, while nodes are killed under them: it must be as if everything had
//! happened at one place, one after the other.
//!
//! Each instance is checked on its own. A caller who was told nothing, or that nobody knows, may have been served at any
//! later time: such a write stays open to the end; such a read says nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use todc_utils::{
    linearizability::{
        WGLChecker,
        history::{Action, History},
    },
    specifications::Specification,
};
use tokio::time::{Instant, sleep};

use crate::support::{Cluster, DEADLINE, Told, delete, leader, put, read, same_state};

/// Callers, each of which asks one thing at a time. The checker's work grows with those that meet at one instance.
const CALLERS: usize = 5;
/// Instances: so many that few calls with unknown outcome meet at one, for each doubles the checker's work.
const KEYS: u16 = 40;
const SERVICE: &str = "history";

/// What was asked of one instance, and for a read what was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Put(u64),
    Delete,
    Read(Option<u64>),
}

/// One instance: a version, or none.
struct Register;

impl Specification for Register {
    type State = Option<u64>;
    type Operation = Operation;

    fn init() -> Self::State {
        None
    }

    fn apply(operation: &Operation, state: &Self::State) -> (bool, Self::State) {
        match operation {
            Operation::Put(version) => (true, Some(*version)),
            Operation::Delete => (true, None),
            Operation::Read(seen) => (seen == state, *state),
        }
    }
}

/// What was asked and told, in the order of the calls and the answers.
#[derive(Default)]
struct Histories(Mutex<BTreeMap<u16, Actions>>);

/// Of one instance, each with who asked.
type Actions = Vec<(usize, Action<Operation>)>;

impl Histories {
    fn note(&self, key: u16, process: usize, action: Action<Operation>) {
        self.0.lock().expect("no panic under it").entry(key).or_default().push((process, action));
    }

    /// The last call of a caller never was.
    fn take_back(&self, key: u16, process: usize) {
        let mut histories = self.0.lock().expect("no panic under it");
        let actions = histories.entry(key).or_default();
        let call = actions.iter().rposition(|(caller, _)| *caller == process).expect("it called");
        actions.remove(call);
    }

    /// Whether there is an order for each instance that all that was told agrees with.
    fn check(self) {
        for (key, mut actions) in self.0.into_inner().expect("no panic under it") {
            close(&mut actions);
            let asked = actions.len() / 2;
            assert!(
                WGLChecker::<Register>::is_linearizable(History::from_actions(actions.clone())),
                "{key}: {actions:?}"
            );
            println!("instance {key}: {asked} operations");
        }
    }
}

/// Ends what is open: a write at the very end; a read as if it had never been.
fn close(actions: &mut Actions) {
    let mut open: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, (process, action)) in actions.iter().enumerate() {
        match action {
            Action::Call(_) => open.insert(*process, place),
            Action::Response(_) => open.remove(process),
        };
    }
    let (mut ends, mut never) = (Vec::new(), BTreeSet::new());
    for (process, place) in open {
        match &actions[place].1 {
            Action::Call(Operation::Read(_)) => drop(never.insert(place)),
            Action::Call(operation) => ends.push((process, Action::Response(*operation))),
            Action::Response(_) => unreachable!("only calls are open"),
        }
    }
    let mut place = 0..;
    actions.retain(|_| place.next().is_none_or(|place| !never.contains(&place)));
    actions.extend(ends);
}

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
        let seen = read(&cluster.nodes[0].address, SERVICE, key).await.expect("the cluster is whole");
        callers.histories.note(key, process, Action::Response(Operation::Read(seen)));
    }
    same_state(&cluster.all(), DEADLINE).await;
    println!(
        "{round} rounds, {} done, {} with unknown outcome",
        callers.done.into_inner(),
        callers.unknown.into_inner()
    );
    callers.histories.check();
}

#[test]
fn the_checker_refuses_what_was_lost_and_takes_what_may_have_been() {
    let check = |actions: &[(usize, Action<Operation>)]| {
        let mut actions = actions.to_vec();
        close(&mut actions);
        WGLChecker::<Register>::is_linearizable(History::from_actions(actions))
    };
    let whole = |process, operation| [(process, Action::Call(operation)), (process, Action::Response(operation))];
    let acknowledged = whole(0, Operation::Put(1));
    let lost = whole(1, Operation::Read(None));
    let found = whole(1, Operation::Read(Some(1)));
    assert!(!check(&[&acknowledged[..], &lost].concat()), "an acknowledged write is there");
    assert!(check(&[&acknowledged[..], &found].concat()));
    let open = [(0, Action::Call(Operation::Put(1)))];
    assert!(check(&[&open[..], &lost].concat()) && check(&[&open[..], &found].concat()), "nobody knows");
    let silent = [(0, Action::Call(Operation::Read(None)))];
    assert!(!check(&[&acknowledged[..], &silent, &lost].concat()), "a read without an answer takes nothing along");
    let again = whole(2, Operation::Read(None));
    assert!(!check(&[&open[..], &found, &again].concat()), "what was seen stays");
}
