//! A node that is killed: whoever comes back elsewhere is never missed, whoever does not is gone after its lease.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    CONFIRMATION, Cluster, Node, PATIENCE, Poller, Ports, Raw, all_show, fleet, metric, register, subscribe, until,
};

/// How SDKs name themselves, and their leases (`distro/lease.rs`).
const DYING: [(&str, u64); 2] = [("Nacos-Java-Client:v2.5.1", 15), ("Nacos-Rust-Client:0.8.3", 20)];
/// How long a client of the Rust SDK may take to come back: it notices, waits, connects and registers anew.
const REDO: Duration = Duration::from_secs(20);

async fn connected(node: &Node) -> usize {
    metric(&node.metrics().await, "roster_connections", "") as usize
}

/// Waits until no list shows this instance any more; how long that took since `killed` by the first and the last list.
async fn gone(nodes: &[Node], port: u16, killed: Instant, within: Duration) -> (Duration, Duration) {
    let mut took = Vec::new();
    let mut left: Vec<&Node> = nodes.iter().collect();
    until(&format!("{port} is gone"), within, async || {
        let mut still = Vec::new();
        for node in left.drain(..) {
            match node.ports("mortal").await {
                Some(ports) if !ports.contains(&port) => took.push(killed.elapsed()),
                _ => still.push(node),
            }
        }
        left = still;
        left.is_empty().then_some(())
    })
    .await;
    (took[0], took[took.len() - 1])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_is_never_missed_and_who_does_not_is_gone_after_its_lease() {
    let mut cluster = Cluster::start().await;
    let clients = fleet(&cluster, 2).await;
    let mut living = Ports::new();
    let mut watchers = Vec::new();
    for (place, clients) in clients.iter().enumerate() {
        for (number, client) in clients.iter().enumerate() {
            let port = (100 * place + number) as u16 + 1;
            register(client, "orders", port).await;
            living.insert(port);
        }
    }
    for clients in &clients[..2] {
        watchers.push(subscribe(&clients[0], "orders").await);
    }
    let mut mortal = Vec::new();
    for (number, (agent, _)) in DYING.iter().enumerate() {
        let raw = Raw::connect(cluster.nodes[2].launch.port, agent).await.expect("connects");
        raw.register("mortal", number as u16 + 1).await;
        mortal.push(raw);
    }
    let all: usize = clients.iter().map(Vec::len).sum();
    all_show(&cluster.all(), "orders", &living, REDO).await;
    all_show(&cluster.all(), "mortal", &Ports::from([1, 2]), REDO).await;
    for watcher in &watchers {
        watcher.told(&living, REDO).await;
    }

    let poller = Poller::start(&cluster, "orders", &living);
    let killed = Instant::now();
    cluster.nodes[2].kill();
    drop(mortal);
    let mut left = cluster.nodes;
    left.truncate(2);
    let back = async {
        until("all clients are back", REDO * PATIENCE, async || {
            (connected(&left[0]).await + connected(&left[1]).await >= all).then_some(())
        })
        .await;
        eprintln!("clients of the killed node were connected again after {:.1?}", killed.elapsed());
    };
    let expire = async {
        for (number, (agent, lease)) in DYING.iter().enumerate() {
            let lease = Duration::from_secs(*lease);
            let (first, last) = gone(&left, number as u16 + 1, killed, (CONFIRMATION + lease) * PATIENCE).await;
            eprintln!("instances of {agent} were gone between {first:.1?} and {last:.1?} after the kill");
            assert!(first >= lease, "{agent}: gone after {first:?}, before its lease was over");
        }
    };
    tokio::join!(back, expire);
    poller.never_lost();
    for watcher in &watchers {
        watcher.never_lost(&living);
    }
    let left: Vec<&Node> = left.iter().collect();
    all_show(&left, "orders", &living, REDO).await;
}
