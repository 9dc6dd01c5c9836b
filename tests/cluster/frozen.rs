//! A node that stands still for a while, as when its machine was paused: nothing of living clients is lost by it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::{
    ALONE, Cluster, DEADLINE, LOOK, Node, Poller, Ports, Raw, all_show, fleet, register, same_hosts, subscribe,
};

/// Longer than any lease of a client of this SDK, than the detector's patience, and than keep-alives between nodes.
const FROZEN: Duration = Duration::from_secs(40);
/// How long the woken node is watched for wrong conclusions: longer than it takes to suspect and confirm.
const WATCHED: Duration = Duration::from_secs(8);
/// How long all must still be there afterwards: longer than a lease that was begun by mistake on waking.
const AFTERWARDS: Duration = Duration::from_secs(25);

/// Of the client that stays with the frozen node.
const PATIENT: u16 = 999;

/// Watches what the woken node thinks of the others.
async fn judges_nobody_dead(node: &Node, woken: Instant) {
    while woken.elapsed() < WATCHED {
        if let Some(seen) = node.cluster().await {
            let members = seen["members"].as_array().expect("members");
            assert!(members.iter().all(|member| member["state"] != "down"), "{:?}: {seen}", woken.elapsed());
        }
        sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "two minutes; run by .ci/run"]
async fn a_frozen_node_wakes_and_nothing_of_living_clients_is_lost() {
    let _shared = ALONE.read().await;
    let cluster = Cluster::start().await;
    let clients = fleet(&cluster, 2).await;
    let (mut all, mut of_others, mut watchers) = (Ports::new(), Ports::new(), Vec::new());
    for (place, clients) in clients.iter().enumerate() {
        for (number, client) in clients.iter().enumerate() {
            let port = (100 * place + number) as u16 + 1;
            register(client, "orders", port).await;
            all.insert(port);
            if place < 2 {
                of_others.insert(port);
            }
        }
        watchers.push(subscribe(&clients[0], "orders").await);
    }
    // The SDK finds another node meanwhile; this one stays where it is.
    let patient = Raw::connect(cluster.nodes[2].launch.port, "Nacos-Rust-Client:0.8.3").await.expect("connects");
    patient.register("orders", PATIENT).await;
    all.insert(PATIENT);
    all_show(&cluster.all(), "orders", &all, DEADLINE).await;
    for watcher in &watchers {
        watcher.told(&all, DEADLINE).await;
    }

    let poller = Poller::start(&cluster, "orders", &of_others);
    cluster.nodes[2].signal("-STOP");
    sleep(FROZEN).await;
    let meanwhile = cluster.nodes[0].ports("orders").await.expect("an answer");
    assert!(!meanwhile.contains(&PATIENT), "its lease is over");
    cluster.nodes[2].signal("-CONT");
    let woken = Instant::now();
    let whole = async {
        all_show(&cluster.all(), "orders", &all, DEADLINE).await;
        eprintln!("all instances were on all nodes {:.2?} after the node woke", woken.elapsed());
    };
    tokio::join!(judges_nobody_dead(&cluster.nodes[2], woken), whole);
    let afterwards = Poller::start(&cluster, "orders", &all);
    sleep(AFTERWARDS).await;
    afterwards.never_lost();
    poller.never_lost();
    for watcher in &watchers {
        watcher.never_lost(&of_others);
    }
    same_hosts(&cluster.all(), "orders", DEADLINE).await;
    cluster.whole().await;
}
