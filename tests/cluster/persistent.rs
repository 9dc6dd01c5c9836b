//! Persistent instances: written on any node, shown there at once, the same everywhere, and there for as long as nobody
//! takes them away, whoever is killed.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    Cluster, DEADLINE, Node, PATIENCE, Ports, Told, all_show, call, client, delete, group, leader, metric, put, read,
    same_state, subscribe, until,
};

/// Longest that a write at another node may fail after the leader died.
const FAILOVER: Duration = Duration::from_secs(2);

fn ports(all: impl IntoIterator<Item = u16>) -> Ports {
    all.into_iter().collect()
}

async fn put_done(node: &Node, service: &str, port: u16, version: u64) {
    let told = put(&node.address, service, port, version).await;
    assert_eq!(told, Told::Done, "at {}", node.address);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_shown_everywhere_and_survives_the_death_of_all() {
    let mut cluster = Cluster::start().await;
    leader(&cluster.nodes).await;
    let client = client(&cluster.addresses()).await;
    let watcher = subscribe(&client, "ledger").await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        let port = number as u16 + 1;
        put_done(node, "ledger", port, 1).await;
        assert!(node.ports("ledger").await.expect("answers").contains(&port), "who wrote reads it at once");
    }
    all_show(&cluster.all(), "ledger", &ports([1, 2, 3]), DEADLINE).await;
    until("the subscriber was told", DEADLINE, async || {
        (watcher.lists().last() == Some(&ports([1, 2, 3]))).then_some(())
    })
    .await;
    assert_eq!(delete(&cluster.nodes[0].address, "ledger", 2).await, Told::Done);
    until("the subscriber was told", DEADLINE, async || (watcher.lists().last() == Some(&ports([1, 3]))).then_some(()))
        .await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &mut cluster.nodes {
        node.start_again();
    }
    cluster.whole().await;
    all_show(&cluster.all(), "ledger", &ports([1, 3]), DEADLINE).await;
    same_state(&cluster.all(), DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_soon_after_the_leader_died_and_callers_that_wait_see_no_error() {
    let patient: &[&str] = &["--write-deadline", "10s"];
    let mut cluster = Cluster::launch(&[patient, patient, patient]);
    cluster.whole().await;
    let led = leader(&cluster.nodes).await;
    for number in 1..=3 {
        put_done(&cluster.nodes[led], "ledger", number, 1).await;
    }
    cluster.nodes[led].kill();
    let killed = Instant::now();
    let other = &cluster.nodes[(led + 1) % 3];
    put_done(other, "ledger", 4, 1).await;
    let took = killed.elapsed();
    println!("first write after the leader's death: {took:?}");
    assert!(took < FAILOVER * PATIENCE, "{took:?}");
    assert_eq!(other.ports("ledger").await, Some(ports([1, 2, 3, 4])));
    cluster.nodes[led].start_again();
    cluster.whole().await;
    same_state(&cluster.all(), DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_persistent_writes_fail_in_time_and_all_else_goes_on() {
    let mut cluster = Cluster::start().await;
    leader(&cluster.nodes).await;
    put_done(&cluster.nodes[0], "ledger", 1, 1).await;
    all_show(&cluster.all(), "ledger", &ports([1]), DEADLINE).await;
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    let alone = &cluster.nodes[0];
    let began = Instant::now();
    let told = put(&alone.address, "ledger", 2, 1).await;
    assert!(matches!(told, Told::NotDone(_) | Told::Unknown(_)), "{told:?}");
    assert!(began.elapsed() < Duration::from_millis(2_500) * PATIENCE, "{:?}", began.elapsed());
    assert!(read(&alone.address, "ledger", 1).await.is_err(), "nobody can say what most nodes agreed on");
    assert_eq!(alone.ports("ledger").await, Some(ports([1])), "what is known is shown");
    let register = "/nacos/v2/ns/instance?serviceName=own&ip=10.0.0.1&port=7";
    let (status, body) = call(&alone.address, "POST", register, "").await.expect("answered");
    assert_eq!((status, alone.ports("own").await), (200, Some(ports([7]))), "{body}");
    assert!(alone.is_ready().await);
    until("it says that nobody leads", DEADLINE, async || {
        (metric(&alone.metrics().await, "roster_raft_has_leader", "") == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_was_emptied_comes_back_as_another_member() {
    let mut cluster = Cluster::start().await;
    leader(&cluster.nodes).await;
    put_done(&cluster.nodes[0], "ledger", 1, 1).await;
    let before = group(&cluster.nodes[2]).await.expect("answers")["id"].as_u64();
    cluster.nodes[2].kill();
    std::fs::remove_dir_all(&cluster.nodes[2].launch.data).expect("its data");
    put_done(&cluster.nodes[0], "ledger", 2, 1).await;
    cluster.nodes[2].start_again();
    put_done(&cluster.nodes[1], "ledger", 3, 1).await;
    cluster.whole().await;
    until("it is a voter again", DEADLINE, async || {
        let raft = group(&cluster.nodes[2]).await?;
        let voters = raft["voters"].as_array()?.iter().filter(|voter| voter["votes"] == true).count();
        (raft["role"] == "follower" && voters == 3).then_some(())
    })
    .await;
    assert_ne!(group(&cluster.nodes[2]).await.expect("answers")["id"].as_u64(), before, "numbers are not used again");
    all_show(&cluster.all(), "ledger", &ports([1, 2, 3]), DEADLINE).await;
    same_state(&cluster.all(), DEADLINE).await;
}
