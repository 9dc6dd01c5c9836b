//! A node whose disk is full, or whose syncs fail: its part in the group ends, and nothing else. What was acknowledged stays
//! on the others, and is on that node again once the disk works and it is started anew.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use roster::chaos::shim::{self, Wrong};
use tokio::task::JoinSet;

use crate::support::{
    Cluster, DEADLINE, Node, Ports, Raw, Told, all_show, call, group, leader, metric, put, read, same_state, until,
};

const SERVICE: &str = "ledger";
/// What goes wrong in turn, and whether it does at the node that leads.
const ROUNDS: [(Wrong, bool); 4] =
    [(Wrong::Full, false), (Wrong::Sync, true), (Wrong::Sync, false), (Wrong::Full, true)];
/// Callers, each with an instance of its own.
const CALLERS: u16 = 4;
/// How much each writes at least while a disk is broken.
const EACH: u64 = 50;

/// Callers with patience, at the nodes whose disks work.
struct Callers {
    stop: Arc<AtomicBool>,
    running: JoinSet<(u16, u64)>,
}

impl Callers {
    fn start(nodes: [&Node; 2], from: u64) -> Self {
        let (stop, mut running) = (Arc::<AtomicBool>::default(), JoinSet::new());
        for port in 1..=CALLERS {
            let (node, stop) = (nodes[usize::from(port) % 2].address.clone(), stop.clone());
            running.spawn(async move {
                let mut version = from;
                while !stop.load(Relaxed) || version < from + EACH {
                    assert_eq!(put(&node, SERVICE, port, version + 1).await, Told::Done, "version {version} at {node}");
                    version += 1;
                }
                (port, version)
            });
        }
        Self { stop, running }
    }

    /// The last version of each that was acknowledged.
    async fn end(self) -> Vec<(u16, u64)> {
        self.stop.store(true, Relaxed);
        self.running.join_all().await
    }
}

/// What a node says that is no member any more because of its disk.
async fn is_broken(node: &Node) {
    let why = until("it says that its disk is broken", DEADLINE, async || {
        let raft = group(node).await?;
        (raft["part"] == "broken").then(|| raft["why"].as_str().expect("a reason").to_owned())
    })
    .await;
    assert!(why.contains("raft"), "{why}");
    println!("{}: {why}", node.address);
    assert_eq!(metric(&node.metrics().await, "roster_raft_part", "broken"), 1.0);
    let Told::NotDone(refused) = put(&node.address, SERVICE, 99, 1).await else { panic!("it writes") };
    assert!(refused.contains("cannot be written to") && refused.contains("nothing was changed"), "{refused}");
}

/// Clients' own instances come and go on it, and it shows what it has.
async fn lives_on(node: &Node, others: &[&Node], port: u16) {
    let watcher = Raw::connect(node.launch.port, "Nacos-Rust-Client:0.8.3").await.expect("connects");
    watcher.subscribe("own").await;
    let register = format!("/nacos/v2/ns/instance?serviceName=own&ip=10.0.0.1&port={port}");
    let (status, body) = call(&node.address, "POST", &register, "").await.expect("answers");
    assert_eq!(status, 200, "{body}");
    until("the subscriber is told", DEADLINE, async || {
        watcher.lists().iter().any(|list| list.contains(&port)).then_some(())
    })
    .await;
    for other in others {
        until("the others show it", DEADLINE, async || other.ports("own").await?.contains(&port).then_some(())).await;
    }
    let shown = node.ports(SERVICE).await.expect("answers");
    assert_eq!(shown, (1..=CALLERS).collect::<Ports>(), "what it knew is shown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "half a minute; run by .ci/run"]
async fn a_broken_disk_ends_a_members_part_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let shim = shim::build(dir.path()).expect("a library");
    let patient: &[&str] = &["--write-deadline", "10s"];
    let mut cluster = Cluster::launch_with(&[patient, patient, patient], Some(&shim));
    cluster.whole().await;
    let mut from = 0;
    for (round, (how, leads)) in ROUNDS.iter().enumerate() {
        let led = leader(&cluster.nodes).await;
        let place = if *leads { led } else { (led + 1) % 3 };
        let others = [&cluster.nodes[(place + 1) % 3], &cluster.nodes[(place + 2) % 3]];
        let broken = &cluster.nodes[place];
        for port in 1..=CALLERS {
            assert_eq!(put(&broken.address, SERVICE, port, from + 1).await, Told::Done);
        }
        let before = group(broken).await.expect("answers");
        let callers = Callers::start(others, from + 1);
        broken.break_disk(*how);
        is_broken(broken).await;
        lives_on(broken, &others, round as u16 + 1).await;
        let acknowledged = callers.end().await;
        for (port, version) in &acknowledged {
            for other in others {
                assert_eq!(
                    read(&other.address, SERVICE, *port).await,
                    Ok(Some(*version)),
                    "{how:?} at {}",
                    broken.address
                );
            }
        }
        from = acknowledged.iter().map(|(_, version)| *version).max().expect("callers");
        broken.break_disk(Wrong::Nothing);
        let broken = &mut cluster.nodes[place];
        broken.kill();
        broken.start_again();
        cluster.whole().await;
        same_state(&cluster.all(), DEADLINE).await;
        all_show(&cluster.all(), SERVICE, &(1..=CALLERS).collect(), DEADLINE).await;
        let after = group(&cluster.nodes[place]).await.expect("answers");
        assert_eq!((&after["id"], &after["group"]), (&before["id"], &before["group"]), "it is the member that it was");
    }
}
