//! Members that come and go while writes go on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use roster::bench::free_ports;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Cluster, DEADLINE, Launch, Node, Ports, Told, all_show, call, group, leader, put, same_state, until,
};

async fn voters(node: &Node) -> Option<Vec<String>> {
    let raft = group(node).await?;
    let voting = raft["voters"].as_array()?.iter().filter(|voter| voter["votes"] == true);
    Some(voting.filter_map(|voter| voter["address"].as_str().map(str::to_owned)).collect())
}

async fn count_voters(nodes: &[&Node], count: usize) {
    for node in nodes {
        let what = format!("{} sees {count} voters", node.address);
        until(&what, DEADLINE, async || (voters(node).await?.len() == count).then_some(())).await;
    }
}

fn joining(members: &str) -> (Node, TempDir) {
    let data = tempfile::tempdir().expect("a directory");
    let port = free_ports(1).expect("free ports")[0];
    let more = ["--join", members, "--advertise", &format!("127.0.0.1:{port}")].map(str::to_owned).to_vec();
    let node = Node::start(Launch { port, data: data.path().join("node"), more, ..Launch::default() });
    (node, data)
}

/// Writes one instance after the other until told to stop; how many, none of which may fail.
async fn write(address: String, stop: Arc<AtomicBool>) -> u16 {
    let mut port = 0;
    while !stop.load(Relaxed) {
        port += 1;
        let target = format!("/nacos/v2/ns/instance?serviceName=ledger&ip=10.0.0.9&port={port}&ephemeral=false");
        let (status, body) = call(&address, "POST", &target, "").await.expect("answered");
        assert_eq!(status, 200, "{port}: {body}");
    }
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fourth_node_joins_and_the_leader_leaves_while_writes_go_on() {
    // So few entries that the new node needs a snapshot.
    let often: &[&str] = &["--snapshot-entries", "50", "--write-deadline", "10s"];
    let cluster = Cluster::launch(&[often, often, often]);
    cluster.whole().await;
    let led = leader(&cluster.nodes).await;
    let writer = (led + 1) % 3;
    for port in 60_000..60_200 {
        assert_eq!(put(&cluster.nodes[writer].address, "old", port, 1).await, Told::Done);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write(cluster.nodes[writer].address.clone(), stop.clone()));
    let (fourth, _data) = joining(&cluster.addresses());
    fourth.ready().await;
    let mut all = cluster.all();
    all.push(&fourth);
    count_voters(&all, 4).await;
    until("all are linked", DEADLINE, async || {
        let members = fourth.cluster().await?["members"].as_array()?.clone();
        (members.len() == 3 && members.iter().all(|member| member["linked"] == true)).then_some(())
    })
    .await;
    let gone = &cluster.nodes[led];
    let target = format!("/roster/v1/cluster/members?address={}", gone.address);
    let (status, body) = call(&gone.address, "DELETE", &target, "").await.expect("answered");
    assert_eq!(status, 200, "{body}");
    let stay: Vec<&Node> = all.into_iter().filter(|node| node.address != gone.address).collect();
    count_voters(&stay, 3).await;
    until("it stops", DEADLINE, async || gone.cluster().await.is_none().then_some(())).await;
    stop.store(true, Relaxed);
    let written = writing.await.expect("no write failed");
    all_show(&stay, "ledger", &(1..=written).collect(), DEADLINE).await;
    all_show(&stay, "old", &(60_000..60_200).collect::<Ports>(), DEADLINE).await;
    same_state(&stay, DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_grows_to_three_and_leadership_moves_on_request() {
    let data = tempfile::tempdir().expect("a directory");
    let port = free_ports(1).expect("free ports")[0];
    let launch = Launch { port, data: data.path().join("first"), ..Launch::default() };
    let first = Node::start(launch);
    first.ready().await;
    let alone = std::slice::from_ref(&first);
    leader(alone).await;
    assert_eq!(put(&first.address, "ledger", 1, 1).await, Told::Done);
    let (second, _second) = joining(&first.address);
    let (third, _third) = joining(&first.address);
    let all = [&first, &second, &third];
    count_voters(&all, 3).await;
    all_show(&all, "ledger", &Ports::from([1]), DEADLINE).await;
    let body = json!({"address": second.address}).to_string();
    let (status, told) = call(&third.address, "POST", "/roster/v1/cluster/leader", &body).await.expect("answered");
    assert_eq!(status, 200, "{told}");
    let id = serde_json::from_str::<Value>(&told).expect("JSON")["id"].as_u64();
    until("it leads", Duration::from_secs(5), async || {
        let raft = group(&second).await?;
        (raft["role"] == "leader" && raft["id"].as_u64() == id).then_some(())
    })
    .await;
    assert_eq!(put(&third.address, "ledger", 2, 1).await, Told::Done);
    all_show(&all, "ledger", &Ports::from([1, 2]), DEADLINE).await;
}
