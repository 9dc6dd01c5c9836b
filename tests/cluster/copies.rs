//! Copies of what was agreed on, and life after most members are lost: by the commands that an operator types.

use std::{fs, path::Path};

use roster::bench::free_ports;

use crate::support::{
    Cluster, DEADLINE, Launch, Node, Ports, Told, all_show, group, leader, put, roster, same_state, until,
};

/// Runs a command and returns what it prints, or why it failed.
fn run(arguments: &[&str]) -> Result<String, String> {
    let output = roster().arg("cluster").args(arguments).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_becomes_a_cluster_of_its_own() {
    let dir = tempfile::tempdir().expect("a directory");
    let ports = free_ports(2).expect("free ports");
    let launch = |place: usize| Launch {
        port: ports[place],
        data: dir.path().join(format!("node{place}")),
        ..Launch::default()
    };
    let node = Node::start(launch(0));
    node.ready().await;
    leader(std::slice::from_ref(&node)).await;
    for port in 1..=3 {
        assert_eq!(put(&node.address, "ledger", port, 1).await, Told::Done);
    }
    let file = dir.path().join("backup");
    run(&["backup", path(&file), "--server", &node.address]).expect("copies");
    assert!(run(&["backup", path(&file), "--server", &node.address]).is_err(), "a file is not written over");
    assert_eq!(put(&node.address, "ledger", 4, 1).await, Told::Done, "later than the copy");
    let (data, address) = (launch(1).data, format!("127.0.0.1:{}", ports[1]));
    let restore = ["restore", path(&file), "--data", path(&data), "--advertise", &address];
    run(&restore).expect("restores");
    let refused = run(&restore).expect_err("there is something already");
    assert!(refused.contains("empty directory"), "{refused}");
    let restored = Node::start(launch(1));
    restored.ready().await;
    leader(std::slice::from_ref(&restored)).await;
    all_show(&[&restored], "ledger", &Ports::from([1, 2, 3]), DEADLINE).await;
    assert_eq!(put(&restored.address, "ledger", 5, 1).await, Told::Done);
    let groups = (group(&node).await.expect("answers"), group(&restored).await.expect("answers"));
    assert_ne!(groups.0["group"], groups.1["group"], "they never meet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_left_goes_on_alone_and_the_others_join_it() {
    let mut cluster = Cluster::start().await;
    leader(&cluster.nodes).await;
    assert_eq!(put(&cluster.nodes[0].address, "ledger", 1, 1).await, Told::Done);
    all_show(&cluster.all(), "ledger", &Ports::from([1]), DEADLINE).await;
    let (data, address) = (cluster.nodes[0].launch.data.clone(), cluster.nodes[0].address.clone());
    let recover = ["recover", "--data", path(&data), "--advertise", &address];
    let refused = run(&recover).expect_err("it runs");
    assert!(refused.contains("in use"), "{refused}");
    for node in &mut cluster.nodes {
        node.kill();
    }
    for node in &cluster.nodes[1..] {
        fs::remove_dir_all(&node.launch.data).expect("its data");
    }
    let told = run(&[&recover[..], &["--dry-run"]].concat()).expect("says");
    assert!(told.contains("Nothing was changed"), "{told}");
    run(&recover).expect("recovers");
    for node in &mut cluster.nodes {
        node.start_again();
    }
    until("the others joined", DEADLINE, async || {
        let raft = group(&cluster.nodes[0]).await?;
        let votes = raft["voters"].as_array()?.iter().filter(|voter| voter["votes"] == true).count();
        (votes == 3).then_some(())
    })
    .await;
    cluster.whole().await;
    all_show(&cluster.all(), "ledger", &Ports::from([1]), DEADLINE).await;
    assert_eq!(put(&cluster.nodes[2].address, "ledger", 2, 1).await, Told::Done);
    same_state(&cluster.all(), DEADLINE).await;
}
